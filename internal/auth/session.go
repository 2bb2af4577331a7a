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

// deviceLife is how long a browser is remembered as one that logged in.
const deviceLife = 365 * 24 * time.Hour

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
	m.Cookie.Name = CookieName(cfg.Secure)
	m.Cookie.HttpOnly = true
	m.Cookie.Secure = cfg.Secure
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Path = "/"
	return m
}

// CookieName returns the name of the session cookie. Under TLS it carries the
// __Host- prefix, which browsers bind to this host and to TLS.
func CookieName(secure bool) string {
	if secure {
		return "__Host-metalens"
	}
	return "metalens"
}

func (s *Service) deviceCookie() string {
	if s.sessions.Cookie.Secure {
		return "__Host-metalens-device"
	}
	return "metalens-device"
}

// Load is the middleware that opens and saves sessions around next. onError
// answers when the session store fails.
func (s *Service) Load(next http.Handler, onError func(http.ResponseWriter, *http.Request, error)) http.Handler {
	m := *s.sessions
	m.ErrorFunc = onError
	return m.LoadAndSave(next)
}

// DeviceOf returns the device cookie's value of a request.
func (s *Service) DeviceOf(r *http.Request) string {
	c, err := r.Cookie(s.deviceCookie())
	if err != nil {
		return ""
	}
	return c.Value
}

// Begin logs an identity in on this browser: the session gets a new token, so
// that one planted before the login is worth nothing, and the browser is
// remembered for the throttle.
func (s *Service) Begin(w http.ResponseWriter, r *http.Request, id Identity, addr netip.Addr) error {
	ctx := r.Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	now := s.now().UTC()
	s.sessions.Put(ctx, keyUser, string(id.User))
	s.sessions.Put(ctx, keySeen, now.Unix())
	device := s.DeviceOf(r)
	if len(device) != len(randomText()) {
		device = randomText()
	}
	s.throttle.remember(id.Email, device)
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure follows the deployment: plain HTTP is for loopback
		Name: s.deviceCookie(), Value: device, Path: "/", MaxAge: int(deviceLife / time.Second),
		HttpOnly: true, Secure: s.sessions.Cookie.Secure, SameSite: http.SameSiteLaxMode,
	})
	return s.bind(r, id, addr)
}

// Current returns who the request's session belongs to; the zero Identity when
// nobody is logged in or the session has been idle for too long. The role is
// read anew on each call.
func (s *Service) Current(ctx context.Context) (Identity, error) {
	user := s.sessions.GetString(ctx, keyUser)
	if user == "" {
		return Identity{}, nil
	}
	now := s.now().UTC()
	seen := time.Unix(s.sessions.GetInt64(ctx, keySeen), 0)
	if now.Sub(seen) > s.idle {
		if err := s.sessions.Destroy(ctx); err != nil {
			return Identity{}, fmt.Errorf("end idle session: %w", err)
		}
		return Identity{}, nil
	}
	u, err := s.users.User(ctx, store.UserID(user))
	if errs.KindOf(err) == errs.NotFound {
		if err := s.sessions.Destroy(ctx); err != nil {
			return Identity{}, fmt.Errorf("end session: %w", err)
		}
		return Identity{}, nil
	}
	if err != nil {
		return Identity{}, fmt.Errorf("find account: %w", err)
	}
	if now.Sub(seen) >= seenStep {
		s.sessions.Put(ctx, keySeen, now.Unix())
	}
	return s.identity(ctx, u)
}

// End logs out: the session is gone from the store and from the browser.
func (s *Service) End(ctx context.Context, addr netip.Addr) error {
	id, err := s.Current(ctx)
	if err != nil {
		return err
	}
	if err := s.sessions.Destroy(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	if !id.IsZero() {
		s.record(ctx, id, "logout", addr)
	}
	return nil
}

// Rotate gives the session a new token, after a change of privilege.
func (s *Service) Rotate(r *http.Request, id Identity, addr netip.Addr) error {
	ctx := r.Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	return s.bind(r, id, addr)
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
