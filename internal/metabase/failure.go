package metabase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
)

// The machine codes of what can go wrong with a Metabase, beside those of
// package outbound.
const (
	codeNotMetabase  = "not_a_metabase"
	codeUnauthorized = "unauthorized"
	codeForbidden    = "forbidden"
	codeTooLarge     = "too_large"
	codeTruncated    = "truncated"
	codeRedirected   = "redirected"
	codeRateLimited  = "rate_limited"
	codeServerError  = "server_error"
	codeStarting     = "starting"
	codeTimeout      = outbound.CodeTimeout
	codeMissing      = "route_missing"
	codeBadRequest   = "bad_request"
	codeUnlicensed   = "unlicensed"
	codeNotAllowed   = "not_allowed"
)

// statusError is a refusal with an HTTP status. Its body was not kept.
type statusError struct {
	status int
	route  string
}

func (e *statusError) Error() string { return fmt.Sprintf("%s answered %d", e.route, e.status) }

// IsMissing reports whether an error says that the server has no such route, so
// that content must be found another way.
func IsMissing(err error) bool { return errs.CodeOf(err) == codeMissing }

// statusOf returns the HTTP status an error carries, or 0.
func statusOf(err error) int {
	var s *statusError
	if errors.As(err, &s) {
		return s.status
	}
	return 0
}

// refusal turns a status that is not worth a retry (or no more) into an error.
func (c *Client) refusal(status int, r route, starting bool) error {
	cause := &statusError{status: status, route: r.pattern}
	switch {
	case status == http.StatusUnauthorized && c.welcome.Load():
		return errs.Wrap(cause, errs.Unauthorized, codeUnauthorized,
			"Metabase accepted the credential before and refuses it now: the session expired, or the key was deleted.",
			"Paste a new session, or create a new API key, and scan again.")
	case status == http.StatusUnauthorized:
		if c.cfg.Auth.Kind == AuthSession {
			return errs.Wrap(cause, errs.Unauthorized, codeUnauthorized, "Metabase does not accept this session.",
				"Log in to Metabase in a browser, copy the value of the cookie metabase.SESSION, and paste it. Sessions last 14 days.")
		}
		return errs.Wrap(cause, errs.Unauthorized, codeUnauthorized, "Metabase does not accept this API key.",
			"Copy the whole key (it begins with mb_) from Admin settings → Authentication → API keys. Servers before 0.49 have no keys: paste a session instead.")
	case status == http.StatusForbidden:
		return errs.Wrap(cause, errs.Forbidden, codeForbidden, "Metabase does not let this key read "+r.pattern+".",
			"Give the key's group the permission, or accept a scan without it.")
	case status == http.StatusPaymentRequired:
		return errs.Wrap(cause, errs.Forbidden, codeUnlicensed, "This Metabase has no licence for what "+r.pattern+" tells.", "")
	case status == http.StatusNotFound || status == http.StatusGone || status == http.StatusMethodNotAllowed:
		return errs.Wrap(cause, errs.NotFound, codeMissing, "The server has no "+r.pattern+".",
			"Check that the address is the one of Metabase's start page, with its sub-path.")
	case status == http.StatusTooManyRequests:
		return errs.Wrap(cause, errs.Limited, codeRateLimited, "Metabase, or a proxy before it, keeps refusing because of too many requests.",
			"Lower the connection's concurrency, or scan at a quieter time.")
	case starting:
		return errs.Wrap(cause, errs.Unavailable, codeStarting, "Metabase is still starting.", "Try again in a minute.")
	case status == http.StatusGatewayTimeout || status == http.StatusRequestTimeout:
		return errs.Wrap(cause, errs.Limited, codeTimeout, "The proxy before Metabase gave up waiting for "+r.pattern+".",
			"Raise the proxy's time limit, or scan at a quieter time.")
	case status >= 500:
		return errs.Wrap(cause, errs.Unavailable, codeServerError, fmt.Sprintf("Metabase failed with status %d on %s.", status, r.pattern),
			"Look into Metabase's own log; if it was overloaded, scan again with lower concurrency.")
	case status >= 300 && status < 400:
		return errs.Wrap(cause, errs.Unavailable, codeRedirected, "The server redirects without saying where to.",
			"Check the address and the proxy in front of Metabase.")
	default:
		return errs.Wrap(cause, errs.Unavailable, codeBadRequest, fmt.Sprintf("Metabase refused %s with status %d.", r.pattern, status), "")
	}
}

// brokenBody explains why an answer could not be read to its end.
func (c *Client) brokenBody(ctx context.Context, err error, r route) error {
	var public *errs.Error
	switch {
	case errors.As(err, &public):
		return err
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return errs.Wrap(err, errs.Limited, codeTimeout, "Metabase did not finish its answer to "+r.pattern+" in time.",
			"Raise the time limit, or scan at a quieter time.")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errs.Wrap(err, errs.Unavailable, codeTruncated, "The answer to "+r.pattern+" broke off in the middle.",
			"A proxy before Metabase may limit the size or the time of answers; raise its limits and scan again.")
	default:
		return errs.Wrap(err, errs.Unavailable, codeTruncated, "The answer to "+r.pattern+" is damaged: it is not complete JSON.",
			"A proxy before Metabase may change or cut answers; scan again, or use an address without it.")
	}
}

// strange is JSON of another form than the route gives.
func strange(r route) error {
	return errs.New(errs.Unavailable, codeNotMetabase, "The answer to "+r.pattern+" has not the form that Metabase gives it.",
		"Check that the address is Metabase's, and that no proxy answers in its place.")
}
