// Package openai speaks two protocols of OpenAI with a client of its own: the
// Responses API, which OpenAI's current models need as soon as tools are used,
// and chat completions, which everybody else's servers speak. docs/adr/0022 says
// why it does not use the official library.
package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/wire"
)

// BaseURL is the address of OpenAI's own service.
const BaseURL = "https://api.openai.com/v1"

// The names of the providers for people.
const (
	Who           = "OpenAI"
	WhoCompatible = "The model server"
)

// Header and Scheme carry the key.
const (
	Header = "Authorization"
	Scheme = "Bearer "
)

// Routes are the requests that are made.
func Routes() []wire.Route {
	return []wire.Route{
		{Method: http.MethodPost, Path: "responses"},
		{Method: http.MethodPost, Path: "chat/completions"},
		{Method: http.MethodPost, Path: "files"},
		{Method: http.MethodGet, Path: "files/{id}/content"},
		{Method: http.MethodDelete, Path: "files/{id}"},
		{Method: http.MethodPost, Path: "batches"},
		{Method: http.MethodGet, Path: "batches/{id}"},
		{Method: http.MethodPost, Path: "batches/{id}/cancel"},
	}
}

// protocol is one of the two.
type protocol interface {
	path() string
	// build is the body of a request; stream asks for events.
	build(r llm.Request, stream bool) (any, error)
	// reader reads one answer.
	reader(r llm.Request, on func(llm.Event) error) reader
}

// reader reads an answer, by events or whole.
type reader interface {
	event(data []byte) error
	whole(data []byte) error
	// ended says that the protocol's own end was seen.
	ended() bool
	// finish makes the response of what came; check holds it against the protocol.
	finish() llm.Response
	check() error
	// handed says that something was handed on.
	handed() bool
}

// Client is the provider. It is safe for concurrent use.
type Client struct {
	name  string
	wire  *wire.Client
	speak protocol
}

var (
	_ llm.Provider = (*Client)(nil)
	_ llm.Provider = (*Service)(nil)
	_ llm.Batcher  = (*Service)(nil)
)

// NewCompatible returns a provider for a server that speaks chat completions.
func NewCompatible(w *wire.Client) *Client {
	return &Client{name: llm.Compatible, wire: w, speak: chat{who: w.Who()}}
}

// Service is OpenAI's own service, which also takes batches.
type Service struct{ Client }

// New returns a provider for OpenAI's own service.
func New(w *wire.Client) *Service {
	return &Service{Client{name: llm.OpenAI, wire: w, speak: responses{}}}
}

// Name implements [llm.Provider].
func (c *Client) Name() string { return c.name }

// Close implements [llm.Provider].
func (c *Client) Close() { c.wire.Close() }

// Stream implements [llm.Provider].
func (c *Client) Stream(ctx context.Context, r llm.Request, on func(llm.Event) error) (llm.Response, error) {
	body, err := c.speak.build(r, true)
	if err != nil {
		return llm.Response{}, err
	}
	var f llm.Fault
	resp, err := c.post(ctx, c.speak.path(), body, &f)
	if err != nil {
		return llm.Response{RequestID: f.RequestID}, err
	}
	defer func() { _ = resp.Body.Close() }()
	read := c.speak.reader(r, on)
	err = c.read(resp, read)
	out := read.finish()
	out.RequestID = f.RequestID
	f.Delivered = read.handed()
	if err != nil {
		return out, c.explain(ctx, err, f)
	}
	if !read.ended() {
		return out, llm.Cut(c.wire.Who(), f)
	}
	if err := read.check(); err != nil {
		return out, c.explain(ctx, err, f)
	}
	return out, nil
}

// read hands an answer to its reader: events, or, from servers that do not
// stream, one piece.
func (c *Client) read(resp *http.Response, read reader) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch kind {
	case "text/event-stream":
	case "application/json":
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		return read.whole(raw)
	default:
		return brokenAnswer{"it is " + llm.Plain(kind) + ", not a stream of events"}
	}
	events := wire.NewEvents(resp.Body)
	for {
		data, err := events.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, wire.ErrEvent):
			return brokenAnswer{"a piece of it is longer than any may be"}
		case err != nil:
			return err
		case string(data) == "[DONE]":
			return nil
		}
		if err := read.event(data); err != nil {
			return err
		}
		if _, ok := c.speak.(responses); ok && read.ended() {
			return nil
		}
	}
}

// brokenAnswer is an answer that does not keep to the protocol.
type brokenAnswer struct{ what string }

func (b brokenAnswer) Error() string { return b.what }

// callerError is an error of whoever watches the answer.
type callerError struct{ err error }

func (e callerError) Error() string { return e.err.Error() }

// brokenCall is a tool call that cannot be read; another try may do better.
type brokenCall struct{ err error }

func (e brokenCall) Error() string { return e.err.Error() }

// saidError is an error that the API reports inside of an answer.
type saidError struct{ body errorBody }

func (e saidError) Error() string { return llm.Plain(e.body.Message) }

func (c *Client) explain(ctx context.Context, err error, f llm.Fault) error {
	var (
		caller callerError
		broken brokenAnswer
		call   brokenCall
		said   saidError
	)
	switch {
	case errors.As(err, &caller):
		return caller.err
	case errors.As(err, &broken):
		return llm.Nonsense(c.wire.Who(), broken.what, f)
	case errors.As(err, &call):
		f.Err, f.Retry = call.err, true
		return llm.Nonsense(c.wire.Who(), "a call of a tool cannot be read", f)
	case errors.As(err, &said):
		return c.failed(said.body, 0, f)
	}
	return c.wire.Explain(ctx, err, true, f)
}

// post sends JSON and returns an answer of status 200.
func (c *Client) post(ctx context.Context, path string, body any, f *llm.Fault) (*http.Response, error) {
	raw, err := marshal(body)
	if err != nil {
		return nil, fmt.Errorf("put a request for %s together: %w", c.name, err)
	}
	if len(raw) > llm.MaxRequestBytes {
		return nil, llm.Failed(c.wire.Who(), llm.ReasonTooLong, llm.Fault{Unbilled: true, Err: fmt.Errorf("%d bytes", len(raw))})
	}
	return c.send(ctx, http.MethodPost, path, "application/json", raw, f)
}

// marshal writes JSON without escaping what only HTML needs escaped: it costs
// tokens and reads badly in the ledger.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

func (c *Client) send(ctx context.Context, method, path, kind string, body []byte, f *llm.Fault) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.wire.Base()+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("put a request for %s together: %w", c.name, err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Accept", "text/event-stream, application/json")
	resp, err := c.wire.Do(req)
	if err != nil {
		var public *errs.Error
		if errors.As(err, &public) && public.Kind == errs.Internal {
			return nil, err
		}
		return nil, c.wire.Explain(ctx, err, false, *f)
	}
	f.RequestID = llm.Plain(resp.Header.Get("X-Request-Id"))
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	const most = 64 << 10
	raw, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		raw = nil // the status says enough
	}
	f.After, f.Unbilled = retryAfter(resp.Header, time.Now()), true
	return nil, c.failed(bodyOf(raw), resp.StatusCode, *f)
}

// errorBody is the API's description of a failure.
type errorBody struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    any    `json:"code"` // a string, or a number with some servers
}

// bodyOf reads an error: {"error":{…}}, or with some servers {"error":"…"} or
// {"message":"…"}.
func bodyOf(raw []byte) errorBody {
	var v struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(raw, &v) != nil {
		return errorBody{Message: string(raw)}
	}
	var b errorBody
	if json.Unmarshal(v.Error, &b) == nil && b != (errorBody{}) {
		return b
	}
	var text string
	if json.Unmarshal(v.Error, &text) == nil {
		return errorBody{Message: text}
	}
	return errorBody{Message: v.Message}
}

// failed gives an error of the API its public face. status is 0 for one inside of
// an answer. The codes: https://developers.openai.com/api/docs/guides/error-codes
func (c *Client) failed(b errorBody, status int, f llm.Fault) error {
	f.Status, f.Detail = status, b.Message
	why := llm.ReasonBusy
	if status != 0 {
		why = llm.ReasonOfStatus(status)
	}
	code, _ := b.Code.(string)
	for _, word := range []string{code, b.Type} {
		switch word {
		case "invalid_api_key", "invalid_authentication", "authentication_error":
			why = llm.ReasonKey
		case "insufficient_quota", "billing_hard_limit_reached", "billing_not_active":
			why = llm.ReasonCredit
		case "model_not_found":
			why = llm.ReasonModel
		case "context_length_exceeded", "string_above_max_length":
			why = llm.ReasonTooLong
		case "rate_limit_exceeded", "rate_limit_error":
			why = llm.ReasonRate
		case "content_filter", "content_policy_violation", "invalid_prompt", "cyber_policy_violation":
			why = llm.ReasonRefused
		case "server_error", "vector_store_timeout":
			why = llm.ReasonBusy
		default:
			continue
		}
		break
	}
	if why == llm.ReasonRequest && strings.Contains(strings.ToLower(b.Message), "maximum context length") {
		why = llm.ReasonTooLong
	}
	f.Retry = why == llm.ReasonBusy || why == llm.ReasonRate
	return llm.Failed(c.wire.Who(), why, f)
}

// retryAfter is how long an answer asks to wait.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	text := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > 0 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
