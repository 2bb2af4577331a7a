// Package page is what every page shares on the server side: who asks, which
// connection the address names, the frame around the answer, and one place that
// turns errors into answers.
package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/assets"
	"github.com/metalens/metalens/internal/web/ui"
)

// Access says who may use a route.
type Access int

// The accesses. From Viewer on they are roles of members whose login is
// complete, ascending.
const (
	Public Access = iota // everybody
	// Pending is whoever gave the right password: the pages that ask for the
	// second factor.
	Pending
	// Enrolling is a member, or somebody who must add a second factor before being
	// one: the pages that add it.
	Enrolling
	Viewer
	Editor
	Admin
	Owner
)

// Fresh marks an access that is dangerous: whoever has proved nothing within
// [auth.FreshFor] is asked again first. Write page.Admin | page.Fresh.
const Fresh Access = 1 << 8

func (a Access) role() store.Role {
	switch a &^ Fresh {
	case Owner:
		return store.RoleOwner
	case Admin:
		return store.RoleAdmin
	case Editor:
		return store.RoleEditor
	default:
		return store.RoleViewer
	}
}

// Connections finds the connections for the frame.
type Connections interface {
	Connections(ctx context.Context, org store.OrgID) ([]store.Connection, error)
	Connection(ctx context.Context, org store.OrgID, id store.ConnectionID) (store.Connection, error)
}

// Status is what the frame shows of a connection.
type Status interface {
	// OpenFindings counts the open findings; ok is false when no scan has succeeded.
	OpenFindings(ctx context.Context, org store.OrgID, conn store.ConnectionID) (n int, ok bool, err error)
	// RunningScan returns the queued or running scan, nil when there is none.
	RunningScan(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*store.Scan, error)
}

// Config is what a [Site] needs; everything is required unless it says otherwise.
type Config struct {
	Auth        *auth.Service
	Connections Connections
	Status      Status
	// Organizations lists those of the acting person, where there may be several;
	// nil: there is one.
	Organizations func(ctx context.Context) ([]store.Organization, error)
	Assets        *assets.Set
	Now           func() time.Time
	Logger        *slog.Logger
	ClientAddr    func(*http.Request) netip.Addr
	Secure        bool
	Menu          []ui.MenuEntry // optional: replaces the navigation
	Chat          bool           // the frame offers chats
}

// Site makes handlers of page functions.
type Site struct {
	cfg   Config
	forms *http.ServeMux // what shows pages; see Forms
}

// NewSite returns a Site.
func NewSite(cfg Config) *Site { return &Site{cfg: cfg} }

// Auth returns the account service.
func (s *Site) Auth() *auth.Service { return s.cfg.Auth }

// Func answers one request. An error becomes an error page; nothing may have
// been written then.
type Func func(q *Request) error

// Request is one request to a page.
type Request struct {
	W      http.ResponseWriter
	R      *http.Request
	Viewer auth.Identity
	Conn   store.Connection // zero when the address names none
	Now    time.Time
	// Login is who is logged in at any stage. Viewer is the same person once the
	// login is complete.
	Login auth.Identity
	site  *Site
}

// Context returns the request's context.
func (q *Request) Context() context.Context { return q.R.Context() }

// Org returns the viewer's organization.
func (q *Request) Org() store.OrgID { return q.Viewer.Org }

// Addr returns the network address of the caller.
func (q *Request) Addr() netip.Addr { return q.site.cfg.ClientAddr(q.R) }

// Chat reports whether pages offer to ask a model about what they show.
func (q *Request) Chat() bool { return q.site.cfg.Chat }

// Base returns the path of the connection the address names.
func (q *Request) Base() string { return "/c/" + url.PathEscape(string(q.Conn.ID)) }

// Fragment reports whether htmx asks for a part of the page, and which element
// it will fill.
func (q *Request) Fragment() (target string, ok bool) {
	if q.R.Header.Get("HX-Request") != "true" || q.R.Header.Get("HX-History-Restore-Request") == "true" {
		return "", false
	}
	return q.R.Header.Get("HX-Target"), true
}

// Handler answers a route: it finds out who asks, checks that he may, loads the
// connection that the path names, and calls f.
func (s *Site) Handler(needs Access, f Func) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &Request{W: w, R: r, Now: s.cfg.Now().UTC(), site: s}
		if err := s.answer(q, needs, f); err != nil { //nolint:contextcheck // q carries the request's
			s.fail(q, err) //nolint:contextcheck // q carries the request's
		}
	})
}

func (s *Site) answer(q *Request, needs Access, f Func) error {
	login, err := s.cfg.Auth.Pending(q.Context())
	if err != nil {
		return err
	}
	q.Login = login
	actor := access.Actor{} // an anonymous request, and an unfinished login, act as nobody
	if login.Stage == auth.Complete {
		q.Viewer = login
		actor = login.Actor()
		if s.cfg.Auth.Outgrown(q.Context(), login) {
			if err := s.cfg.Auth.Rotate(q.R, login, q.Addr()); err != nil {
				return err
			}
		}
	}
	q.R = q.R.WithContext(access.With(q.Context(), actor))
	switch who := needs &^ Fresh; {
	case who == Public:
	case login.Stage == auth.Nobody, who == Enrolling && login.Stage < auth.Enrolling, who > Enrolling && login.Stage < auth.Complete:
		return q.login()
	case who > Enrolling:
		if err := access.Require(q.Context(), needs.role()); err != nil {
			return err
		}
		if err := q.elsewhere(); err != nil {
			return err
		}
		if id := q.R.PathValue("conn"); id != "" {
			if q.Conn, err = s.cfg.Connections.Connection(q.Context(), q.Viewer.Org, store.ConnectionID(id)); err != nil {
				return err
			}
		}
	}
	if needs&Fresh != 0 && !q.Fresh() {
		return q.Redirect("/confirm?next=" + url.QueryEscape(q.form()))
	}
	q.W.Header().Set("Cache-Control", "no-store")
	q.W.Header().Add("Vary", "HX-Request, HX-Target")
	return f(q)
}

// Fresh reports whether the person proved something a short while ago, see
// [auth.FreshFor].
func (q *Request) Fresh() bool { return q.site.cfg.Auth.Fresh(q.Login) }

// Forms tells the site which patterns show pages, so that whoever is asked for a
// proof while sending a form returns to that form.
func (s *Site) Forms(patterns []string) {
	s.forms = http.NewServeMux()
	for _, p := range patterns {
		if strings.HasPrefix(p, http.MethodGet+" ") {
			s.forms.Handle(p, http.NotFoundHandler())
		}
	}
}

// form is the page that the request came from: the address itself when it shows
// one, else the nearest one above it. What was sent is not sent again.
func (q *Request) form() string {
	if q.R.Method == http.MethodGet {
		return q.R.URL.RequestURI()
	}
	path := q.R.URL.Path
	for q.site.forms != nil && path != "" {
		probe := &http.Request{Method: http.MethodGet, Host: q.R.Host, URL: &url.URL{Path: path}}
		if _, pattern := q.site.forms.Handler(probe); pattern != "" {
			return (&url.URL{Path: path}).String()
		}
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return "/"
}

// login sends the caller to the login, and back here after it.
func (q *Request) login() error {
	next := "/"
	if q.R.Method == http.MethodGet {
		next = q.R.URL.RequestURI()
	}
	return q.Redirect(q.Onward(next))
}

// Onward returns where the person has to go before next: the login or what is
// left of it; next itself when nothing is.
func (q *Request) Onward(next string) string {
	target := next
	switch q.Login.Stage {
	case auth.Nobody:
		target = "/login"
	case auth.Half:
		target = "/login/factor"
	case auth.Enrolling:
		target = "/account/factors/add"
		if q.Login.Factors.Any() {
			target = "/account/recovery-codes"
		}
	}
	if target != next && next != "/" {
		target += "?next=" + url.QueryEscape(next)
	}
	return target
}

// Redirect answers 303 See Other; htmx is told to load the page as a whole.
func (q *Request) Redirect(target string) error {
	q.W.Header().Set("Cache-Control", "no-store")
	if q.R.Header.Get("HX-Request") == "true" {
		q.W.Header().Set("HX-Redirect", target)
		q.W.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(q.W, q.R, target, http.StatusSeeOther)
	return nil
}

// Local returns target if it is a path on this server, else fallback.
func Local(target, fallback string) string {
	if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\r\n\t") {
		return fallback
	}
	if u, err := url.Parse(target); err != nil || u.Host != "" || u.Scheme != "" {
		return fallback
	}
	return target
}

// Flash keeps a message for the next page.
func (q *Request) Flash(f ui.Flash) {
	data, err := json.Marshal(f)
	if err != nil {
		return // texts only: cannot happen
	}
	q.site.cfg.Auth.Flash(q.Context(), string(data))
}

// Page answers with a whole page.
func (q *Request) Page(status int, title, nav string, body templ.Component, options ...Option) error {
	frame, err := q.site.frame(q)
	if err != nil {
		return err
	}
	frame.Title, frame.Nav = title, nav
	for _, o := range options {
		o(&frame)
	}
	return q.Render(status, ui.Page(frame, body))
}

// Bare answers with a page without navigation, for the first run and the login.
func (q *Request) Bare(status int, title string, body templ.Component, options ...Option) error {
	frame := q.bareFrame()
	frame.Title = title
	for _, o := range options {
		o(&frame)
	}
	return q.Render(status, ui.Bare(frame, body))
}

// Option changes the frame of one page.
type Option func(*ui.Frame)

// Wide lets the content use the whole width.
func Wide() Option { return func(f *ui.Frame) { f.Wide = true } }

// Script loads a further script bundle, by its plain name.
func Script(name string) Option {
	return func(f *ui.Frame) { f.Scripts = append(f.Scripts, name) }
}

// Searched puts a text into the search field.
func Searched(text string) Option { return func(f *ui.Frame) { f.Search = text } }

// Render answers with a component, whole or not at all.
func (q *Request) Render(status int, c templ.Component) error {
	var b bytes.Buffer
	if err := c.Render(q.Context(), &b); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	q.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.W.WriteHeader(status)
	_, _ = q.W.Write(q.within(b.Bytes())) // the reader may have gone; nobody is left to tell
	return nil
}

// Download answers with a file to keep. The name is ours, never somebody else's
// text; media is its type.
func (q *Request) Download(name, media string, data []byte) error {
	h := q.W.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", "attachment; filename="+strconv.Quote(name))
	h.Set("Content-Length", strconv.Itoa(len(data)))
	q.W.WriteHeader(http.StatusOK)
	_, _ = q.W.Write(data) // the reader may have gone; nobody is left to tell
	return nil
}

func (q *Request) bareFrame() ui.Frame {
	f := ui.Frame{Menu: q.site.cfg.Menu, Chat: q.site.cfg.Chat, Theme: Theme(q.R), Path: q.R.URL.RequestURI(), Now: q.Now, Assets: q.site.cfg.Assets}
	if !q.Viewer.IsZero() {
		f.Viewer = ui.Viewer{Name: q.Viewer.Name, Email: q.Viewer.Email, Admin: q.Viewer.May(store.RoleAdmin)}
	}
	if text := q.site.cfg.Auth.TakeFlash(q.Context()); text != "" {
		var flash ui.Flash
		if json.Unmarshal([]byte(text), &flash) == nil {
			f.Flash = &flash
		}
	}
	return f
}

func (s *Site) frame(q *Request) (ui.Frame, error) {
	f := q.bareFrame()
	if q.Viewer.IsZero() {
		return f, nil
	}
	if s.cfg.Organizations != nil {
		list, err := s.cfg.Organizations(q.Context())
		if err != nil {
			return f, err
		}
		for _, o := range list {
			f.Organizations = append(f.Organizations, ui.OrganizationLink{ID: string(o.ID), Name: o.Name, Current: o.ID == q.Org()})
		}
	}
	conns, err := s.cfg.Connections.Connections(q.Context(), q.Org())
	if err != nil {
		return f, err
	}
	current := q.Conn.ID
	if current == "" {
		current = q.lastConnection()
	}
	for _, c := range conns {
		link := ui.ConnectionLink{ID: string(c.ID), Name: c.Name, Current: c.ID == current}
		f.Connections = append(f.Connections, link)
		if link.Current {
			f.Connection = &link
		}
	}
	if f.Connection == nil && len(f.Connections) > 0 {
		f.Connections[0].Current = true
		f.Connection = &f.Connections[0]
	}
	if f.Connection == nil {
		return f, nil
	}
	id := store.ConnectionID(f.Connection.ID)
	if q.Conn.ID != "" && q.Conn.ID != q.lastConnection() {
		q.rememberConnection()
	}
	if n, ok, err := s.cfg.Status.OpenFindings(q.Context(), q.Org(), id); err != nil {
		return f, err
	} else if ok {
		f.Findings = &n
	}
	scan, err := s.cfg.Status.RunningScan(q.Context(), q.Org(), id)
	if err != nil {
		return f, err
	}
	if scan != nil {
		f.Scan = &ui.RunningScan{Href: f.Connection.Base() + "/scans/" + string(scan.ID), Percent: Percent(scan.Progress)}
	}
	return f, nil
}

// Percent is how far a scan is, from its steps; -1 before it has any.
func Percent(p store.ScanProgress) int {
	if len(p.Steps) == 0 {
		return -1
	}
	sum := 0.0
	for _, s := range p.Steps {
		switch s.State {
		case "done", "skipped", "partial", "failed":
			sum++
		case "running":
			if s.Total > 0 {
				sum += min(1, float64(s.Done)/float64(s.Total))
			}
		}
	}
	return int(100 * sum / float64(len(p.Steps)))
}

const connectionCookie = "metalens-connection"

func (q *Request) lastConnection() store.ConnectionID {
	if c, err := q.R.Cookie(connectionCookie); err == nil {
		return store.ConnectionID(c.Value)
	}
	return ""
}

func (q *Request) rememberConnection() {
	http.SetCookie(q.W, &http.Cookie{ //nolint:gosec // Secure follows the deployment: plain HTTP is for loopback
		Name: connectionCookie, Value: string(q.Conn.ID), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: q.site.cfg.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// LastConnection returns the connection the viewer looked at last, if the
// organization still has it, else the first; ok is false when there is none.
func (q *Request) LastConnection() (store.Connection, bool, error) {
	conns, err := q.site.cfg.Connections.Connections(q.Context(), q.Org())
	if err != nil || len(conns) == 0 {
		return store.Connection{}, false, err
	}
	last := q.lastConnection()
	for _, c := range conns {
		if c.ID == last {
			return c, true, nil
		}
	}
	return conns[0], true, nil
}

// ThemeCookie is the name of the cookie that keeps the colour scheme.
const ThemeCookie = "metalens-theme"

// Theme returns the colour scheme a browser chose: "light", "dark" or "" for the
// system's.
func Theme(r *http.Request) string {
	if c, err := r.Cookie(ThemeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// fail answers with an error page, or with an error box where htmx asked.
func (s *Site) fail(q *Request, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		err = errs.Wrap(err, errs.Invalid, "too_large", "The form is too large.", "Send less than one megabyte.")
	}
	status := errs.HTTPStatus(err)
	text, hint := errs.PublicText(err)
	id := RequestID(q.Context())
	if status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		s.cfg.Logger.ErrorContext(q.Context(), "request failed", "request_id", id, "method", q.R.Method, "pattern", q.R.Pattern, "error", err)
	}
	view := ui.ErrorView{Status: status, Text: text, Hint: hint, RequestID: id, Retry: q.R.Method == http.MethodGet, Path: q.R.URL.RequestURI()}
	q.W.Header().Set("Cache-Control", "no-store")
	var throttled *auth.ThrottledError
	if errors.As(err, &throttled) {
		q.RetryAfter(throttled.RetryAfter)
	}
	if _, ok := q.Fragment(); ok {
		if rerr := q.Render(status, ui.ErrorBox(view)); rerr == nil {
			return
		}
	}
	// A broken store must not keep the error page away: without the frame's data
	// the page comes bare.
	frame, ferr := s.frame(q)
	if ferr != nil {
		frame = ui.Frame{Theme: Theme(q.R), Now: q.Now, Assets: s.cfg.Assets, Path: "/"}
	}
	frame.Title = view.Title()
	component := ui.Page(frame, ui.ErrorPage(view))
	if q.Viewer.IsZero() || ferr != nil { // also while a login is not complete
		component = ui.Bare(frame, ui.ErrorPage(view))
	}
	if rerr := q.Render(status, component); rerr != nil {
		s.cfg.Logger.ErrorContext(q.Context(), "error page failed", "request_id", id, "error", rerr)
		http.Error(q.W, text, status)
	}
}

// NotFound is the error of an address that leads nowhere.
func NotFound() error {
	return errs.New(errs.NotFound, "no_page", "There is no such page.", "Check the address, or start from the overview.")
}

type requestIDKey struct{}

// WithRequestID returns a context that carries a request id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// RetryAfter tells the caller when to come back.
func (q *Request) RetryAfter(d time.Duration) {
	q.W.Header().Set("Retry-After", strconv.Itoa(int(d.Seconds())+1))
}

// Refresh makes browsers without scripts load the page again after some seconds.
func Refresh(seconds int) Option { return func(f *ui.Frame) { f.Refresh = seconds } }

// Patience returns a context for work that a page waits for, and a function that
// says whether that has taken too long to go on waiting. cancel must be called.
func (q *Request) Patience(wait time.Duration) (ctx context.Context, cancel func(), tired func(error) bool) {
	ctx, cancel = context.WithTimeout(q.Context(), wait)
	return ctx, cancel, func(err error) bool {
		return errors.Is(err, context.DeadlineExceeded) && q.Context().Err() == nil
	}
}

// Clock returns the time now; [Request.Now] stands still at the request's start.
func (q *Request) Clock() time.Time { return q.site.cfg.Now().UTC() }
