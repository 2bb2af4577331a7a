// Package wire carries requests to model providers: over package outbound, to one
// host, on known routes, bounded in time and size.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// Limits bound one exchange. 0 takes the default.
type Limits struct {
	FirstByte time.Duration // until the answer begins; default 2 min, as models may think first
	Idle      time.Duration // between two pieces of an answer; default 90 s
	Total     time.Duration // the whole exchange; default 15 min
	Answer    int64         // bytes of an answer; default 16 MB
}

const (
	defaultFirstByte = 2 * time.Minute
	defaultIdle      = 90 * time.Second
	defaultTotal     = 15 * time.Minute
	defaultAnswer    = 16 << 20
)

func (l Limits) withDefaults() Limits {
	if l.FirstByte <= 0 {
		l.FirstByte = defaultFirstByte
	}
	if l.Idle <= 0 {
		l.Idle = defaultIdle
	}
	if l.Total <= 0 {
		l.Total = defaultTotal
	}
	if l.Answer <= 0 {
		l.Answer = defaultAnswer
	}
	return l
}

// Route is a request that may be made. Path is below the base address and may end
// in one {id} segment, or have one inside.
type Route struct{ Method, Path string }

// Client sends requests to one provider. It is safe for concurrent use.
type Client struct {
	who       string
	base      *url.URL
	transport *outbound.Transport
	limits    Limits
	routes    []Route
	agent     string
	header    string
	scheme    string
	key       secret.Value
}

// Config is what a [Client] is made of.
type Config struct {
	Who       string // the provider's name for people, such as Anthropic
	BaseURL   string // of the provider; below it lie the routes
	Transport *outbound.Transport
	Limits    Limits
	Routes    []Route
	UserAgent string
	// Header carries the key, after Scheme: x-api-key, or Authorization with
	// "Bearer ". Without a key, which servers of one's own may allow, it is left out.
	Header, Scheme string
	Key            secret.Value
}

// New returns a client. An address that cannot be one is errs.Invalid.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errs.New(errs.Invalid, llm.CodeAddress, "The address of the model provider is not usable.", "Write it as https://models.example.com/v1.")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	return &Client{
		who: cfg.Who, base: base, transport: cfg.Transport, limits: cfg.Limits.withDefaults(), routes: cfg.Routes, agent: cfg.UserAgent,
		header: cfg.Header, scheme: cfg.Scheme, key: cfg.Key,
	}, nil
}

// Who is the provider's name for people.
func (c *Client) Who() string { return c.who }

// Base is the address below which the routes lie, with a slash at its end.
func (c *Client) Base() string { return c.base.String() + "/" }

// Close drops connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// The causes that end an exchange from here.
var (
	errFirstByte = errors.New("no answer began")
	errIdle      = errors.New("the answer stood still")
	errTotal     = errors.New("the answer did not end")
	errAnswer    = errors.New("the answer is too large")
)

// Do sends a request. What is not on the list of routes is not sent. The body of
// the answer ends with an error that [Client.Explain] knows when a limit is
// reached.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	pattern, ok := c.route(req)
	if !ok {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, errs.New(errs.Internal, llm.CodeAddress, "A request to a model provider went to an address that is not on the list.", "")
	}
	if req.ContentLength > llm.MaxRequestBytes {
		_ = req.Body.Close()
		return nil, llm.Failed(c.who, llm.ReasonTooLong, llm.Fault{Unbilled: true, Err: fmt.Errorf("%d bytes", req.ContentLength)})
	}
	ctx, cancel := context.WithCancelCause(outbound.WithRoute(req.Context(), pattern))
	total := time.AfterFunc(c.limits.Total, func() { cancel(errTotal) })
	first := time.AfterFunc(c.limits.FirstByte, func() { cancel(errFirstByte) })
	req = req.Clone(ctx)
	// The libraries of providers tell the operating system and versions of
	// themselves in headers; nobody needs to know.
	for name := range req.Header {
		if strings.HasPrefix(http.CanonicalHeaderKey(name), "X-Stainless-") {
			delete(req.Header, name)
		}
	}
	req.Header.Set("User-Agent", c.agent)
	if !c.key.IsZero() {
		req.Header.Set(c.header, c.scheme+c.key.Expose())
	}
	resp, err := c.transport.RoundTrip(req)
	first.Stop()
	if err != nil {
		total.Stop()
		err = c.cause(ctx, err)
		cancel(nil)
		return nil, err
	}
	body := &boundBody{ReadCloser: resp.Body, client: c, ctx: ctx, cancel: cancel, total: total, left: c.limits.Answer}
	body.idle = time.AfterFunc(c.limits.Idle, func() { cancel(errIdle) })
	body.idle.Stop()
	resp.Body = body
	return resp, nil
}

// route finds the pattern of a request to our host.
func (c *Client) route(req *http.Request) (pattern string, ok bool) {
	if req.URL.Scheme != c.base.Scheme || !strings.EqualFold(req.URL.Host, c.base.Host) || req.URL.User != nil || req.URL.RawPath != "" {
		return "", false
	}
	path, below := strings.CutPrefix(req.URL.Path, c.base.Path+"/")
	if !below {
		return "", false
	}
	for _, r := range c.routes {
		if r.Method == req.Method && matches(r.Path, path) {
			return "/" + r.Path, true
		}
	}
	return "", false
}

func matches(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		switch {
		case want[i] == "{id}" && isID(have[i]):
		case want[i] != have[i]:
			return false
		}
	}
	return true
}

const maxID = 128

func isID(s string) bool {
	return s != "" && len(s) <= maxID && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) < 0
}

// boundBody is the body of an answer under the client's limits.
type boundBody struct {
	io.ReadCloser
	client *Client
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   *time.Timer
	total  *time.Timer
	left   int64
	once   sync.Once
}

func (b *boundBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errAnswer
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	// Only waiting for the provider counts, not what the reader does in between.
	b.idle.Reset(b.client.limits.Idle)
	n, err := b.ReadCloser.Read(p)
	b.idle.Stop()
	b.left -= int64(n)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	default:
		return n, b.client.cause(b.ctx, err)
	}
}

// Close ends the exchange.
func (b *boundBody) Close() error {
	b.idle.Stop()
	b.total.Stop()
	err := b.ReadCloser.Close()
	b.once.Do(func() { b.cancel(nil) })
	return err
}

// cause puts what ended the exchange from here before what the network made of
// it.
func (c *Client) cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil && !errors.Is(why, context.Canceled) {
		return errors.Join(why, err)
	}
	return err
}

// Explain gives a failed exchange its public face. begun says that the answer had
// begun: what fails after that has cut it. Errors that have a face keep it;
// where asking again may help, they get a [llm.Fault] that says so.
func (c *Client) Explain(ctx context.Context, err error, begun bool, f llm.Fault) error {
	f.Err = err
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errFirstByte):
		return llm.Slow(c.who, "no answer began within "+c.limits.FirstByte.String(), f)
	case errors.Is(err, errIdle):
		return llm.Slow(c.who, "the answer stood still for "+c.limits.Idle.String(), f)
	case errors.Is(err, errTotal):
		return llm.TooSlow(c.who, "the answer was not over after "+c.limits.Total.String(), f)
	case errors.Is(err, errAnswer):
		return llm.Nonsense(c.who, "it is longer than any answer may be", f)
	case ctx.Err() != nil:
		return errs.Wrap(&f, errs.KindOf(ctx.Err()), string(errs.KindOf(ctx.Err())), publicEnd(ctx.Err()), "")
	}
	var known *errs.Error
	if errors.As(err, &known) && !begun {
		// Unreachable, untrusted, blocked: outbound says it best. Only what may pass
		// by itself is worth another attempt.
		f.Retry = known.Code == outbound.CodeUnreachable || known.Code == outbound.CodeTimeout
		f.Unbilled = true
		return errs.Wrap(&f, known.Kind, known.Code, known.Public, known.Hint)
	}
	return llm.Cut(c.who, f)
}

func publicEnd(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "The answer did not come in the time it was given."
	}
	return "The answer was stopped."
}
