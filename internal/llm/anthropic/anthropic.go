// Package anthropic speaks Anthropic's Messages API with its official library.
//
// The library is used for its types and its reading of streams. What it would do
// by itself is switched off: it reads no environment and no profile, tries
// nothing again, traces nothing, and sees no key; its only HTTP client is
// package wire's.
package anthropic

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/wire"
)

// BaseURL is the address of Anthropic's own service.
const BaseURL = "https://api.anthropic.com"

// version is the value of the anthropic-version header: the revision of the
// protocol that this package speaks.
const version = "2023-06-01"

// Who is the provider's name for people.
const Who = "Anthropic"

// Header carries the key.
const Header = "X-Api-Key"

// Routes are the requests that are made.
func Routes() []wire.Route {
	return []wire.Route{
		{Method: http.MethodPost, Path: "v1/messages"},
		{Method: http.MethodPost, Path: "v1/messages/count_tokens"},
		{Method: http.MethodPost, Path: "v1/messages/batches"},
		{Method: http.MethodGet, Path: "v1/messages/batches/{id}"},
		{Method: http.MethodGet, Path: "v1/messages/batches/{id}/results"},
		{Method: http.MethodPost, Path: "v1/messages/batches/{id}/cancel"},
	}
}

// Client is the provider. It is safe for concurrent use.
type Client struct {
	wire *wire.Client
	api  sdk.Client
}

var (
	_ llm.Provider = (*Client)(nil)
	_ llm.Counter  = (*Client)(nil)
	_ llm.Batcher  = (*Client)(nil)
)

// New returns a provider that sends with w.
func New(w *wire.Client) *Client {
	return &Client{wire: w, api: sdk.NewClient(
		option.WithoutEnvironmentDefaults(), option.WithoutOpenTelemetry(), option.WithMaxRetries(0),
		option.WithBaseURL(w.Base()), option.WithHTTPClient(w), option.WithHeader("anthropic-version", version),
	)}
}

// Name implements [llm.Provider].
func (c *Client) Name() string { return llm.Anthropic }

// Close implements [llm.Provider].
func (c *Client) Close() { c.wire.Close() }

// Stream implements [llm.Provider].
func (c *Client) Stream(ctx context.Context, r llm.Request, on func(llm.Event) error) (llm.Response, error) {
	params, err := build(r)
	if err != nil {
		return llm.Response{}, err
	}
	var raw *http.Response
	stream := c.api.Messages.NewStreaming(ctx, params, option.WithResponseInto(&raw))
	defer func() { _ = stream.Close() }()
	a := &answer{request: r, on: on, turn: len(r.Messages)}
	if raw != nil {
		a.resp.RequestID = llm.Plain(raw.Header.Get("Request-Id"))
	}
	if err := stream.Err(); err != nil {
		return a.resp, c.explain(ctx, err, false, a)
	}
	if kind, _, _ := mime.ParseMediaType(raw.Header.Get("Content-Type")); kind != "text/event-stream" {
		return a.resp, llm.Nonsense(Who, "it is "+llm.Plain(kind)+", not a stream of events", llm.Fault{Status: raw.StatusCode, RequestID: a.resp.RequestID})
	}
	for stream.Next() {
		if err := a.take(stream.Current()); err != nil {
			a.finish()
			return a.resp, c.explain(ctx, err, true, a)
		}
		if a.ended {
			break
		}
	}
	a.finish()
	if err := stream.Err(); err != nil {
		return a.resp, c.explain(ctx, err, true, a)
	}
	if !a.ended {
		return a.resp, llm.Cut(Who, a.fault())
	}
	return a.resp, a.check()
}

// Count implements [llm.Counter].
func (c *Client) Count(ctx context.Context, r llm.Request) (int64, error) {
	params, err := build(r)
	if err != nil {
		return 0, err
	}
	count := sdk.MessageCountTokensParams{Model: params.Model, Messages: params.Messages, OutputConfig: params.OutputConfig}
	if len(params.System) > 0 {
		count.System.OfTextBlockArray = params.System
	}
	for _, t := range params.Tools {
		count.Tools = append(count.Tools, sdk.MessageCountTokensToolUnionParam{OfTool: t.OfTool})
	}
	n, err := c.api.Messages.CountTokens(ctx, count)
	if err != nil {
		return 0, c.explain(ctx, err, false, &answer{})
	}
	return n.InputTokens, nil
}

// brokenAnswer is an answer that does not keep to the protocol.
type brokenAnswer struct{ what string }

func (b brokenAnswer) Error() string { return b.what }

// callerError is an error of whoever watches the answer.
type callerError struct{ err error }

func (e callerError) Error() string { return e.err.Error() }

// explain gives a failure its public face.
func (c *Client) explain(ctx context.Context, err error, begun bool, a *answer) error {
	f := a.fault()
	var (
		api    *sdk.Error
		caller callerError
		broken brokenAnswer
		syntax *json.SyntaxError
		public *errs.Error
	)
	switch {
	case errors.As(err, &caller):
		return caller.err
	case errors.As(err, &broken):
		return llm.Nonsense(Who, broken.what, f)
	case errors.As(err, &api):
		return reason(api, begun, f)
	case errors.As(err, &syntax), begun && strings.Contains(err.Error(), "token too long"):
		return llm.Nonsense(Who, "it is not the JSON of this protocol", f)
	case errors.As(err, &public) && public.Kind == errs.Internal:
		return err
	}
	return c.wire.Explain(ctx, err, begun, f)
}

// reason reads an error of the API. Its kinds and status codes:
// https://platform.claude.com/docs/en/api/errors
func reason(api *sdk.Error, begun bool, f llm.Fault) error {
	var body struct {
		Error     struct{ Message string } `json:"error"`
		RequestID string                   `json:"request_id"`
	}
	_ = json.Unmarshal([]byte(api.RawJSON()), &body) // without a message the status has to do
	f.Status, f.Detail, f.Unbilled = api.StatusCode, body.Error.Message, !begun
	if f.RequestID = llm.Plain(api.RequestID); f.RequestID == "" {
		f.RequestID = llm.Plain(body.RequestID)
	}
	if api.Response != nil {
		f.After = retryAfter(api.Response.Header, time.Now())
	}
	why := llm.ReasonOfStatus(api.StatusCode)
	switch string(api.Type()) {
	case "authentication_error":
		why = llm.ReasonKey
	case "permission_error":
		why = llm.ReasonRights
	case "billing_error":
		why = llm.ReasonCredit
	case "not_found_error":
		why = llm.ReasonModel
	case "request_too_large":
		why = llm.ReasonTooLong
	case "rate_limit_error":
		why = llm.ReasonRate
	case "overloaded_error", "api_error", "timeout_error":
		why = llm.ReasonBusy
	case "invalid_request_error":
		if api.StatusCode >= http.StatusInternalServerError {
			break
		}
		why = ofMessage(body.Error.Message)
	}
	f.Retry = why == llm.ReasonBusy || why == llm.ReasonRate
	return llm.Failed(Who, why, f)
}

// ofMessage tells apart what the API calls an invalid request. The sentences are
// the API's; one that changes makes the reason less precise, nothing else.
func ofMessage(text string) llm.Reason {
	text = strings.ToLower(text)
	for _, known := range []struct {
		part string
		why  llm.Reason
	}{
		{"credit balance is too low", llm.ReasonCredit},
		{"usage limits", llm.ReasonCredit},
		{"prompt is too long", llm.ReasonTooLong},
		{"exceed context limit", llm.ReasonTooLong},
		{"content filtering policy", llm.ReasonRefused},
	} {
		if strings.Contains(text, known.part) {
			return known.why
		}
	}
	return llm.ReasonRequest
}

// retryAfter is how long an answer asks to wait.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > 0 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
