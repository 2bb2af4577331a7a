package page

import (
	"bytes"
	"errors"
	"html"
	"net/http"
	"regexp"
	"strings"

	"github.com/metalens/metalens/internal/errs"
)

// withinField is the hidden field in which every form carries the organization
// that its page was made for. Somebody who belongs to several may switch in one
// tab and send a form in another: it must not act on the organization that the
// session shows by then.
const withinField = "within"

// sendingForm matches the tags of forms that change something. Texts and values
// are escaped, so that a tag in the output is one of ours.
var sendingForm = regexp.MustCompile(`<form\b[^<>]*\bmethod="post"[^<>]*>`)

// within adds the organization of the page to its forms.
func (q *Request) within(page []byte) []byte {
	if q.Viewer.Org == "" || !bytes.Contains(page, []byte(`method="post"`)) {
		return page
	}
	field := []byte(`<input type="hidden" name="` + withinField + `" value="` + html.EscapeString(string(q.Viewer.Org)) + `">`)
	return sendingForm.ReplaceAllFunc(page, func(tag []byte) []byte { return append(bytes.Clone(tag), field...) })
}

// elsewhere refuses a form whose page was made for another organization than the
// session's. Forms of a person's own account are the same in every organization.
func (q *Request) elsewhere() error {
	if q.R.Method != http.MethodPost || !strings.HasPrefix(q.R.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil
	}
	for _, own := range []string{"/account/", "/invite/", "/organizations/switch"} {
		if strings.HasPrefix(q.R.URL.Path, own) {
			return nil
		}
	}
	if err := q.R.ParseForm(); err != nil {
		if large := new(http.MaxBytesError); errors.As(err, &large) {
			q.R.Form, q.R.PostForm = nil, nil //nolint:forbidigo // a field, no request; so that whoever reads the form meets it too, and says what is too long
			return nil
		}
		return errs.Wrap(err, errs.Invalid, "bad_form", "The form could not be read.", "Reload the page and try again.")
	}
	if in := q.R.PostFormValue(withinField); in != "" && in != string(q.Viewer.Org) {
		return errs.New(errs.Conflict, "other_organization", "This page belongs to another of your organizations. Nothing was changed.",
			"You have switched since it was opened. Switch back in the account's menu and open the page again.")
	}
	return nil
}
