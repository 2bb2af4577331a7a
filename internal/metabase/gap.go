package metabase

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// lack describes an optional list, for the words of the gap when it cannot be read.
type lack struct {
	what      string
	kind      catalog.Kind
	forbidden string // why a key may not see it; empty for the general text
	since     int    // first major version that has it; 0 = all
	until     int    // last major version that has it; 0 = still
}

// absent returns the gap of a list that the server's version cannot have. No
// request is needed to know.
func (c *Client) absent(l lack) (catalog.Gap, bool) {
	major := int(c.major.Load())
	if major == 0 || (l.since == 0 || major >= l.since) && (l.until == 0 || major <= l.until) {
		return catalog.Gap{}, false
	}
	reason := fmt.Sprintf("Metabase 0.%d has none", major)
	if l.since > major {
		reason = fmt.Sprintf("Metabase has them from 0.%d, this is 0.%d", l.since, major)
	}
	return catalog.Gap{What: l.what, Kind: l.kind, Reason: reason, Whole: true, Expected: true}, true
}

// optional turns the refusal of a list that not every server or key has into a
// gap. Failures that say something about the whole connection stay errors.
func optional[A any](ctx context.Context, c *Client, out A, gaps []catalog.Gap, err error, l lack) (A, []catalog.Gap, error) {
	if err == nil {
		return out, gaps, nil
	}
	gap, ok := c.gapOf(ctx, err, l)
	if !ok {
		return out, gaps, err
	}
	var none A
	return none, append(gaps, gap), nil
}

func (c *Client) gapOf(ctx context.Context, err error, l lack) (catalog.Gap, bool) {
	status := statusOf(err)
	gap := catalog.Gap{What: l.what, Kind: l.kind, Status: status, Whole: true}
	switch status {
	case http.StatusUnauthorized:
		if !c.stillWelcome(ctx) {
			return gap, false
		}
		gap.Reason = orText(l.forbidden, "Metabase does not let this key read them")
	case http.StatusForbidden:
		gap.Reason = orText(l.forbidden, "Metabase does not let this key read them")
	case http.StatusPaymentRequired:
		gap.Reason, gap.Expected = "this Metabase has no licence for them", true
	case http.StatusNotFound, http.StatusGone, http.StatusMethodNotAllowed:
		gap.Reason = "the server has no such route"
		if major := int(c.major.Load()); major != 0 && (l.since != 0 || l.until != 0) {
			gap.Reason, gap.Expected = "this Metabase (0."+strconv.Itoa(major)+") has none", true
		}
	case http.StatusBadRequest:
		gap.Reason = "Metabase refused the question"
	case http.StatusInternalServerError:
		gap.Reason = "Metabase failed while answering"
	default:
		switch errs.CodeOf(err) {
		case codeTooLarge, codeTruncated, codeNotMetabase:
			gap.Reason, _ = errs.PublicText(err)
		default:
			return gap, false
		}
	}
	return gap, true
}

func orText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// stillWelcome tells an expired credential from a list that answers 401 for
// lack of rights.
func (c *Client) stillWelcome(ctx context.Context) bool {
	req, err := routeCurrentUser.request("")
	if err != nil {
		return false
	}
	got, err := c.fetch(ctx, req)
	if err != nil {
		return IsMissing(err)
	}
	got.close()
	return true
}

// single turns the refusal of one asset into a gap.
func (c *Client) single(ctx context.Context, err error, what string, kind catalog.Kind) ([]catalog.Gap, error) {
	gap, ok := c.gapOf(ctx, err, lack{what: what, kind: kind, forbidden: "Metabase does not let this key read it"})
	if !ok {
		return nil, err
	}
	gap.Whole = false
	switch gap.Status {
	case http.StatusNotFound, http.StatusGone:
		gap.Reason = "it does not exist any more, or the server has no such route"
	case http.StatusBadRequest:
		gap.Reason = "Metabase refused to tell it"
	}
	return []catalog.Gap{gap}, nil
}

// notUnderstood is the gap of a single asset whose answer had no usable form.
func notUnderstood(what string, kind catalog.Kind) catalog.Gap {
	return catalog.Gap{What: what, Kind: kind, Reason: "the answer was not understood"}
}
