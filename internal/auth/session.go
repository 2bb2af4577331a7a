package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Names of session values.
const (
	keyUser  = "user"
	keySeen  = "seen"
	keyFlash = "flash"
)

// seenStep is how often a session's last use is written: reading pages must not
// cost a database write each.
const seenStep = 5 * time.Minute

// SessionStore keeps sessions; it stores hashes of tokens, never tokens.
type SessionStore interface {
	scs.CtxStore
	// UserSessions lists the live sessions of a user, the newest first;
	// currentToken marks the asking one.
	UserSessions(ctx context.Context, user store.UserID, currentToken string) ([]store.SessionInfo, error)
	// BindSession notes whose a stored session is and where it came from.
	BindSession(ctx context.Context, token string, user store.UserID, agent, address string) error
	// EndSession ends one session of a user by its list id; errs.NotFound for an
	// unknown one.
	EndSession(ctx context.Context, user store.UserID, id string) error
	// EndSessions ends all sessions of a user but one and says how many.
	EndSessions(ctx context.Context, user store.UserID, exceptToken string) (int, error)
}

func newSessionManager(cfg Config) *scs.SessionManager {
	m := scs.New()
	m.Store = cfg.Sessions
	m.Lifetime = cfg.Lifetime
	m.Cookie.Name = cookieName(cfg.Cookie, cfg.Secure)
	m.Cookie.HttpOnly = true
	m.Cookie.Secure = cfg.Secure
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Path = "/"
	return m
}

// CookieName returns the name of the session cookie. Under TLS it carries the
// __Host- prefix, which browsers bind to this host and to TLS.
func CookieName(secure bool) string { return cookieName("", secure) }

func cookieName(base string, secure bool) string {
	if base == "" {
		base = "metalens"
	}
	if secure {
		return "__Host-" + base
	}
	return base
}

func (s *Service) deviceCookie() string {
	return s.sessions.Cookie.Name + "-device"
}

// Load is the middleware that opens and saves sessions around next. onError
// answers when the session store fails.
func (s *Service) Load(next http.Handler, onError func(http.ResponseWriter, *http.Request, error)) http.Handler {
	m := *s.sessions
	m.ErrorFunc = onError
	loaded := m.LoadAndSave(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		loaded.ServeHTTP(w, r.WithContext(store.TrackSession(r.Context())))
	})
}

// DeviceOf returns the device cookie's value of a request.
func (s *Service) DeviceOf(r *http.Request) string {
	c, err := r.Cookie(s.deviceCookie())
	if err != nil {
		return ""
	}
	return c.Value
}

// End logs out: the session is gone from the store and from the browser.
func (s *Service) End(ctx context.Context, addr netip.Addr) error {
	id, err := s.Pending(ctx)
	if err != nil {
		return err
	}
	if err := s.destroy(ctx); err != nil {
		return err
	}
	if !id.IsZero() {
		s.record(ctx, id, "logout", addr)
	}
	return nil
}

// bind tells the store whose session this is. The session has to be stored for
// that, so it is committed at once.
func (s *Service) bind(r *http.Request, id Identity, addr netip.Addr) error {
	token, _, err := s.sessions.Commit(r.Context())
	if err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	if err := s.store.BindSession(r.Context(), token, id.User, clip(r.UserAgent(), 300), addr.String()); err != nil {
		return fmt.Errorf("bind session: %w", err)
	}
	return nil
}

// Sessions lists the logins of the identity, the newest first.
func (s *Service) Sessions(ctx context.Context, id Identity) ([]store.SessionInfo, error) {
	list, err := s.store.UserSessions(ctx, id.User, s.sessions.Token(ctx))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// Revoke ends one login of the identity by its list id; an unknown id is
// errs.NotFound.
func (s *Service) Revoke(ctx context.Context, id Identity, session string, addr netip.Addr) error {
	err := s.store.EndSession(ctx, id.User, session)
	if errs.KindOf(err) == errs.NotFound {
		return errs.Wrap(err, errs.NotFound, "no_session", "This session has ended already.", "Reload the page.")
	}
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	s.record(ctx, id, "sessions_revoked", addr)
	return nil
}

// RevokeOthers ends every login of the identity but the present one and says how many.
func (s *Service) RevokeOthers(ctx context.Context, id Identity, addr netip.Addr) (int, error) {
	n, err := s.store.EndSessions(ctx, id.User, s.sessions.Token(ctx))
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	if n > 0 {
		s.record(ctx, id, "sessions_revoked", addr)
	}
	return n, nil
}

// Flash keeps a message for the next page of this session.
func (s *Service) Flash(ctx context.Context, message string) {
	s.sessions.Put(ctx, keyFlash, message)
}

// TakeFlash returns the kept message and forgets it.
func (s *Service) TakeFlash(ctx context.Context) string {
	return s.sessions.PopString(ctx, keyFlash)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// PublicAddress is how browsers reach the pages, without a slash at the end: the
// public address, or the one this request was for.
func (s *Service) PublicAddress(r *http.Request) string {
	if s.public != nil {
		return strings.TrimSuffix(s.public.String(), "/")
	}
	if s.sessions.Cookie.Secure {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
