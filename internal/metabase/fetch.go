package metabase

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
)

const (
	maxAttempts   = 5
	firstPause    = 500 * time.Millisecond
	longestPause  = 20 * time.Second
	longestHonour = 60 * time.Second // most of a Retry-After we wait for
	peekSize      = 4 << 10
)

// answer is a successful response whose body is JSON, on its way in.
type answer struct {
	io.Reader
	empty bool // 204
	close func()
}

// fetch sends a request, with retries, until it has the beginning of a JSON
// answer or a reason why there is none. The caller closes the answer.
func (c *Client) fetch(ctx context.Context, req request) (*answer, error) {
	for attempt := 1; ; attempt++ {
		got, err := c.attempt(ctx, req)
		if err == nil {
			c.pace.finished(nil)
			return got, nil
		}
		pause, again := c.retry(err, attempt)
		if !again || ctx.Err() != nil {
			return nil, c.ended(ctx, err)
		}
		c.log.DebugContext(ctx, "metabase retry", slog.String("route", req.route.pattern),
			slog.Int("attempt", attempt), slog.String("code", errs.CodeOf(err)), slog.Duration("pause", pause))
		if werr := c.cfg.Wait(ctx, pause); werr != nil {
			return nil, c.ended(ctx, werr)
		}
	}
}

// ended reports a request's final failure to the pacer.
func (c *Client) ended(ctx context.Context, err error) error {
	switch errs.CodeOf(err) {
	case codeServerError, codeRateLimited, codeStarting, codeTimeout, outbound.CodeUnreachable:
		if ctx.Err() == nil {
			c.pace.finished(err)
		}
	}
	var again *retryError
	if errors.As(err, &again) {
		return again.error
	}
	return err
}

// retryError is a failure that a retry may cure.
type retryError struct {
	error
	limit int           // attempts in all
	after time.Duration // what Retry-After asked for
}

func (e *retryError) Unwrap() error { return e.error }

// retry says whether and after which pause a request is tried again.
func (c *Client) retry(err error, attempt int) (time.Duration, bool) {
	var again *retryError
	if !errors.As(err, &again) || attempt >= again.limit {
		return 0, false
	}
	pause := min(firstPause<<(attempt-1), longestPause)
	pause = pause/2 + time.Duration(c.cfg.Jitter()*float64(pause/2))
	return max(pause, min(again.after, longestHonour)), true
}

// attempt sends a request once.
func (c *Client) attempt(ctx context.Context, req request) (_ *answer, err error) {
	if err := c.pace.acquire(ctx); err != nil {
		return nil, err
	}
	limit := c.cfg.Timeouts.Small
	if req.route.large {
		limit = c.cfg.Timeouts.Large
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	done := func() { cancel(); c.pace.release() }
	defer func() {
		if err != nil {
			done()
		}
	}()

	hr, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address(req), http.NoBody)
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "bad_address", "The address is not usable.", "")
	}
	hr.Body = nil
	started := c.cfg.Now()
	resp, err := c.http.Do(hr)
	took := c.cfg.Now().Sub(started)
	if err != nil {
		c.pace.answered(req.route, 0, took)
		return nil, c.notAnswered(err)
	}
	c.pace.answered(req.route, resp.StatusCode, took)
	c.log.DebugContext(ctx, "metabase request", slog.String("route", req.route.pattern),
		slog.Int("status", resp.StatusCode), slog.Duration("took", took))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer func() { _ = resp.Body.Close() }()
		return nil, c.refusedAnswer(resp, req.route)
	}
	body, err := c.body(ctx, resp, req.route)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	if req.route.pattern != routeProperties.pattern { // which needs no credential
		c.welcome.Store(true)
	}
	inner := body.close
	body.close = func() { inner(); done() }
	return body, nil
}

// address joins site, path and query.
func (c *Client) address(req request) string {
	u := *c.site
	u.RawPath = c.site.EscapedPath() + req.path
	u.Path += req.path
	u.RawQuery = req.query.Encode()
	return u.String()
}

// notAnswered classifies a failure to get any answer.
func (c *Client) notAnswered(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	switch errs.CodeOf(err) {
	case outbound.CodeUnreachable:
		if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE) {
			return &retryError{error: err, limit: 3}
		}
		if c.welcome.Load() {
			return &retryError{error: err, limit: 3}
		}
	}
	// A server that let one whole limit pass is not asked again: what hangs
	// once mostly hangs twice, and the limits would add up to an hour.
	return err
}

// refusedAnswer classifies an answer that is not a success. Of its body only
// the word that tells a starting server is looked at; nothing of it is kept.
func (c *Client) refusedAnswer(resp *http.Response, r route) error {
	starting := false
	if resp.StatusCode == http.StatusServiceUnavailable {
		head, _ := io.ReadAll(io.LimitReader(resp.Body, peekSize))
		starting = bytes.Contains(bytes.ToLower(head), []byte("initializ"))
	}
	err := c.refusal(resp.StatusCode, r, starting)
	var limit int
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		limit = maxAttempts
	case http.StatusInternalServerError:
		limit = 2
	default:
		return err
	}
	return &retryError{error: err, limit: limit, after: retryAfter(resp.Header.Get("Retry-After"), c.cfg.Now())}
}

// retryAfter reads seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && n > 0 {
		return min(time.Duration(min(n, 3600))*time.Second, longestHonour)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(at.Sub(now), longestHonour))
	}
	return 0
}

// body checks that an answer is JSON and wraps it in the limits.
func (c *Client) body(ctx context.Context, resp *http.Response, r route) (*answer, error) {
	closeBody := func() { _ = resp.Body.Close() }
	if resp.StatusCode == http.StatusNoContent {
		return &answer{Reader: strings.NewReader(""), empty: true, close: closeBody}, nil
	}
	var raw io.Reader = &stallGuard{r: resp.Body, timer: time.AfterFunc(c.cfg.Timeouts.Stall, closeBody), limit: c.cfg.Timeouts.Stall, route: r}
	most := c.cfg.MaxSmallResponse
	if r.large {
		most = c.cfg.MaxResponse
	}
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		unzipped, err := gzip.NewReader(raw)
		if err != nil {
			return nil, c.brokenBody(ctx, err, r)
		}
		raw = unzipped
	}
	limited := bufio.NewReaderSize(&entryGuard{r: &limit{r: raw, left: most, most: most, route: r}, route: r}, peekSize)
	head, err := limited.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, c.brokenBody(ctx, err, r)
	}
	if bytes.HasPrefix(head, []byte("\ufeff")) {
		_, _ = limited.Discard(3)
	}
	trimmed := bytes.TrimLeft(head, " \t\r\n\ufeff")
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	isJSON := kind == "application/json" || strings.HasSuffix(kind, "+json")
	switch {
	case len(trimmed) == 0 && len(head) < peekSize:
		return nil, c.brokenBody(ctx, io.ErrUnexpectedEOF, r)
	case kind == "text/html" || trimmed0(trimmed) == '<':
		return nil, notMetabase(head)
	case !isJSON && trimmed0(trimmed) != '{' && trimmed0(trimmed) != '[':
		return nil, notMetabase(nil)
	}
	return &answer{Reader: limited, close: closeBody}, nil
}

func trimmed0(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// notMetabase explains an answer that is no JSON, from the head of the page.
func notMetabase(head []byte) error {
	page := bytes.ToLower(head)
	switch {
	case bytes.Contains(page, []byte("metabase")):
		return errs.New(errs.Unavailable, codeNotMetabase, "The address answers with a page of Metabase, not with its API.",
			"Use the address of Metabase's start page, including the sub-path it lives under, and nothing after it.")
	case len(page) > 0:
		return errs.New(errs.Unavailable, codeNotMetabase, "The address answers with a web page instead of Metabase's API.",
			"Open the address in a browser. If a login page of an access proxy appears, add the headers it asks for to the connection; else correct the address.")
	default:
		return errs.New(errs.Unavailable, codeNotMetabase, "What answers at this address is not a Metabase.",
			"Check the address: it is the one of Metabase's start page.")
	}
}

// limit ends a body that is larger than allowed, after decompression.
type limit struct {
	r     io.Reader
	left  int64
	most  int64
	route route
}

func (l *limit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		var one [1]byte
		if n, err := l.r.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, errs.New(errs.Limited, codeTooLarge,
			"The answer to "+l.route.pattern+" is larger than "+strconv.FormatInt(l.most>>20, 10)+" MiB.",
			"Raise the size limit of the connection, or exclude collections.")
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	return n, err
}
