// Package api is the REST API at /api/v1: the same services as the pages, for
// programs that hold a personal access token.
//
// It knows bearer tokens and nothing else: no cookie opens it, and no other
// site's page may read its answers. Handlers are thin; what a member sees is the
// services' business, and a token's scopes narrow it further.
package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/token"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/duplicates"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/findings"
	"github.com/metalens/metalens/internal/web/metrics"
)

// Base is the path below which all routes are.
const Base = "/api/v1"

// requestTime bounds the work on one request.
const requestTime = 45 * time.Second

// Tokens finds whom a token stands for.
type Tokens interface {
	Check(ctx context.Context, given secret.Value, addr netip.Addr) (token.Holder, error)
}

// Connections finds connections of an organization.
type Connections interface {
	Connections(ctx context.Context, org store.OrgID) ([]store.Connection, error)
	Connection(ctx context.Context, org store.OrgID, id store.ConnectionID) (store.Connection, error)
}

// Scans lists and starts scans.
type Scans interface {
	Scans(ctx context.Context, org store.OrgID, conn store.ConnectionID, limit int, before store.ScanID) ([]store.Scan, error)
	Scan(ctx context.Context, org store.OrgID, id store.ScanID) (store.Scan, error)
	StartScan(ctx context.Context, org store.OrgID, conn store.ConnectionID, by store.UserID) (store.Scan, error)
}

// Ledger reads the egress ledger of a connection.
type Ledger interface {
	Ledger(ctx context.Context, org store.OrgID, q egress.Query) ([]store.LedgerRow, int, error)
}

// Audit reads the audit log; it answers errs.Forbidden to whoever is no admin.
type Audit interface {
	AuditLog(ctx context.Context, org store.OrgID, q store.AuditQuery) ([]store.AuditRow, int, error)
}

// Reports writes the report of the last succeeded scan, as scan --format json
// does.
type Reports interface {
	Report(ctx context.Context, org store.OrgID, conn store.ConnectionID, columns bool, w io.Writer) error
}

// Config is what the API needs; everything but Now and Logger is required.
type Config struct {
	Version     string // of the program
	Tokens      Tokens
	Connections Connections
	Scans       Scans
	Findings    findings.Service
	Library     browse.Library
	Search      browse.Search
	Duplicates  duplicates.Service
	Metrics     metrics.Service
	Ledger      Ledger
	Audit       Audit
	Reports     Reports
	Sensitive   Sensitive
	// ClientAddr is who asks, behind trusted proxies too.
	ClientAddr func(*http.Request) netip.Addr
	Now        func() time.Time
	Logger     *slog.Logger
}

// API answers requests below [Base]. It is safe for concurrent use.
type API struct {
	cfg      Config
	mux      *http.ServeMux
	document []byte
	rates    rates
}

// New returns the API.
func New(cfg Config) (*API, error) {
	if cfg.Tokens == nil || cfg.Connections == nil || cfg.Scans == nil || cfg.Findings == nil || cfg.Library == nil || cfg.Search == nil ||
		cfg.Duplicates == nil || cfg.Metrics == nil || cfg.Ledger == nil || cfg.Audit == nil || cfg.Reports == nil || cfg.Sensitive == nil || cfg.ClientAddr == nil {
		return nil, errors.New("api: a service is missing")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &API{cfg: cfg, mux: http.NewServeMux()}
	for _, o := range a.operations() {
		a.mux.Handle(o.Method+" "+Base+o.Path, a.handler(o))
	}
	document, err := json.MarshalIndent(Document(cfg.Version), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the API's document: %w", err)
	}
	a.document = append(document, '\n')
	a.mux.HandleFunc("GET "+Base+"/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, http.StatusOK, a.document)
	})
	return a, nil
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Authorization")
	if _, pattern := a.mux.Handler(r); pattern == "" {
		// Without a token nobody learns which addresses there are.
		if _, err := a.authenticate(r); err != nil {
			a.fail(w, r, err)
			return
		}
		probe := &probe{header: http.Header{}}
		a.mux.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", probe.header.Get("Allow"))
			a.problem(w, r, http.StatusMethodNotAllowed, errs.New(errs.Invalid, "bad_method", "This address does not answer "+clip(r.Method)+".", ""))
			return
		}
		a.fail(w, r, errs.New(errs.NotFound, "no_route", "There is no such route.", "The document at /api/v1/openapi.json lists all."))
		return
	}
	a.mux.ServeHTTP(w, r)
}

// probe hears what a mux would answer.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// authenticate finds whom the request's token stands for.
func (a *API) authenticate(r *http.Request) (token.Holder, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return token.Holder{}, errs.New(errs.Unauthorized, "no_token", "The request carries no access token.", "Send Authorization: Bearer mlp_…; Settings, Access tokens makes one.")
	}
	kind, text, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(kind, "Bearer") {
		return token.Holder{}, errs.New(errs.Unauthorized, "bad_token", "The request carries no access token.", "Send one header: Authorization: Bearer mlp_…")
	}
	return a.cfg.Tokens.Check(r.Context(), secret.New(strings.TrimSpace(text)), a.cfg.ClientAddr(r))
}

// handler answers one operation.
func (a *API) handler(o operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { //nolint:contextcheck // it uses the request's
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler { //nolint:errorlint // a sentinel panic value, never wrapped
					panic(v)
				}
				a.cfg.Logger.ErrorContext(r.Context(), "request panicked", "request_id", requestID(w), "operation", o.ID, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
				a.problem(w, r, http.StatusInternalServerError, errors.New("panic"))
			}
		}()
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		r = r.WithContext(ctx)
		result, err := a.run(w, r, o)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		var body []byte
		switch v := result.(type) {
		case json.RawMessage:
			body = v
		default:
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			if err := e.Encode(v); err != nil {
				a.fail(w, r, fmt.Errorf("write the answer: %w", err))
				return
			}
			body = b.Bytes()
		}
		answer(w, r, o.Status, body)
	})
}

func (a *API) run(w http.ResponseWriter, r *http.Request, o operation) (any, error) {
	holder, err := a.authenticate(r)
	if err != nil {
		return nil, err
	}
	if err := a.rates.take(w, holder.Token.ID, a.cfg.Now()); err != nil {
		return nil, err
	}
	actor := holder.Actor()
	if !actor.Has(o.Scope) {
		if holder.Weak && o.Scope == access.ScopeAdminRead {
			return nil, errs.New(errs.Forbidden, "second_factor", "The token's scope "+o.Scope+" is not good: its member has no second factor.", "Set one up in your account.")
		}
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+o.Scope+`"`)
		return nil, errs.New(errs.Forbidden, "scope", "The token has no scope "+o.Scope+".", "Make a token with that scope.")
	}
	ctx := access.With(r.Context(), actor)
	if err := access.Require(ctx, o.Role); err != nil {
		return nil, err
	}
	c := &call{w: w, r: r.WithContext(ctx), holder: holder}
	if id := r.PathValue("conn"); id != "" {
		if c.conn, err = a.cfg.Connections.Connection(ctx, holder.Org, store.ConnectionID(id)); err != nil {
			return nil, err
		}
	}
	return o.run(c)
}

// answer sends a body with its tag, or only the word that it is the same.
func answer(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		sum := sha256.Sum256(body)
		tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
		h.Set("ETag", tag)
		h.Set("Cache-Control", "private, no-cache")
		if matches(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) //nolint:gosec // JSON, with nosniff; the reader may have gone
	}
}

func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}

// Problem is an error as RFC 9457 writes it, with our kind, code and hint.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Kind      string `json:"kind" doc:"class of the failure"`
	Code      string `json:"code" doc:"stable machine code"`
	Hint      string `json:"hint,omitempty" doc:"what to do next"`
	RequestID string `json:"request_id" doc:"finds the detail in the log"`
}

// statusOf is 400 for everything that is wrong with a request, its parameters
// included, as programs expect it.
func statusOf(err error) int {
	if errs.KindOf(err) == errs.Invalid {
		return http.StatusBadRequest
	}
	return errs.HTTPStatus(err)
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		a.cfg.Logger.ErrorContext(r.Context(), "request failed", "request_id", requestID(w), "method", r.Method, "pattern", r.Pattern, "error", err)
	}
	a.problem(w, r, status, err)
}

func (a *API) problem(w http.ResponseWriter, r *http.Request, status int, err error) {
	text, hint := errs.PublicText(err)
	h := w.Header()
	if status == http.StatusUnauthorized {
		challenge := `Bearer realm="metalens"`
		if r.Header.Get("Authorization") != "" {
			challenge += `, error="invalid_token"`
		}
		h.Set("WWW-Authenticate", challenge)
	}
	var throttled *auth.ThrottledError
	if errors.As(err, &throttled) {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(throttled.RetryAfter.Seconds()))))
	}
	body, jerr := json.Marshal(Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: text, Kind: string(errs.KindOf(err)), Code: errs.CodeOf(err), Hint: hint, RequestID: requestID(w),
	})
	if jerr != nil { // texts only: cannot happen
		body = []byte("{}")
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader may have gone
	}
}

// requestID is what the server's middleware gave the request.
func requestID(w http.ResponseWriter) string { return w.Header().Get("X-Request-Id") }
