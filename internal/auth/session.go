package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Names of session values.
const (
	keyUser    = "user"
	keySince   = "since"
	keySeen    = "seen"
	keyAgent   = "agent"
	keyAddress = "address"
	keyFlash   = "flash"
)

// seenStep is how often a session's last use is written: reading pages must not
// cost a database write each.
const seenStep = 5 * time.Minute

// deviceLife is how long a browser is remembered as one that logged in.
const deviceLife = 365 * 24 * time.Hour

func newSessionManager(cfg Config) *scs.SessionManager {
	m := scs.New()
	m.Store = cfg.Sessions
	m.Lifetime = cfg.Lifetime
	m.HashTokenInStore = true
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
	s.sessions.Put(ctx, keySince, now.Unix())
	s.sessions.Put(ctx, keySeen, now.Unix())
	s.sessions.Put(ctx, keyAgent, clip(r.UserAgent(), 300))
	s.sessions.Put(ctx, keyAddress, addr.String())
	device := s.DeviceOf(r)
	if len(device) != len(randomText()) {
		device = randomText()
	}
	s.throttle.remember(id.Email, device)
	http.SetCookie(w, &http.Cookie{
		Name: s.deviceCookie(), Value: device, Path: "/", MaxAge: int(deviceLife / time.Second),
		HttpOnly: true, Secure: s.sessions.Cookie.Secure, SameSite: http.SameSiteLaxMode,
	})
	return nil
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
func (s *Service) Rotate(ctx context.Context) error {
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	return nil
}

// Session is one login of an account.
type Session struct {
	ID        string // names the session in lists; not its token
	Since     time.Time
	SeenAt    time.Time
	UserAgent string
	Address   string
	Current   bool
}

// Sessions lists the logins of the identity, the last used first.
func (s *Service) Sessions(ctx context.Context, id Identity) ([]Session, error) {
	current := publicID(hashToken(s.sessions.Token(ctx)))
	var list []Session
	err := s.eachSession(ctx, id.User, func(sctx context.Context, stored string) error {
		name := publicID(stored)
		list = append(list, Session{
			ID:        name,
			Since:     time.Unix(s.sessions.GetInt64(sctx, keySince), 0).UTC(),
			SeenAt:    time.Unix(s.sessions.GetInt64(sctx, keySeen), 0).UTC(),
			UserAgent: s.sessions.GetString(sctx, keyAgent),
			Address:   s.sessions.GetString(sctx, keyAddress),
			Current:   name == current,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b Session) int {
		if c := b.SeenAt.Compare(a.SeenAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}

// Revoke ends one login of the identity by its list id; an unknown id is
// errs.NotFound.
func (s *Service) Revoke(ctx context.Context, id Identity, session string, addr netip.Addr) error {
	n, err := s.revoke(ctx, id, func(name string) bool { return name == session })
	if err != nil {
		return err
	}
	if n == 0 {
		return errs.New(errs.NotFound, "no_session", "This session has ended already.", "Reload the page.")
	}
	s.record(ctx, id, "sessions_revoked", addr)
	return nil
}

// RevokeOthers ends every login of the identity but the present one and says how many.
func (s *Service) RevokeOthers(ctx context.Context, id Identity, addr netip.Addr) (int, error) {
	current := publicID(hashToken(s.sessions.Token(ctx)))
	n, err := s.revoke(ctx, id, func(name string) bool { return name != current })
	if err != nil {
		return 0, err
	}
	s.record(ctx, id, "sessions_revoked", addr)
	return n, nil
}

func (s *Service) revoke(ctx context.Context, id Identity, match func(name string) bool) (int, error) {
	var doomed []string
	err := s.eachSession(ctx, id.User, func(_ context.Context, stored string) error {
		if match(publicID(stored)) {
			doomed = append(doomed, stored)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, stored := range doomed {
		if err := s.deleteStored(ctx, stored); err != nil {
			return 0, fmt.Errorf("end session: %w", err)
		}
	}
	return len(doomed), nil
}

func (s *Service) deleteStored(ctx context.Context, stored string) error {
	if c, ok := s.sessions.Store.(scs.CtxStore); ok {
		return c.DeleteCtx(ctx, stored)
	}
	return s.sessions.Store.Delete(stored)
}

// eachSession calls fn with the stored (hashed) token of every session of a user.
func (s *Service) eachSession(ctx context.Context, user store.UserID, fn func(sctx context.Context, stored string) error) error {
	err := s.sessions.Iterate(ctx, func(sctx context.Context) error {
		if s.sessions.GetString(sctx, keyUser) != string(user) {
			return nil
		}
		return fn(sctx, s.sessions.Token(sctx))
	})
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	return nil
}

// Flash keeps a message for the next page of this session.
func (s *Service) Flash(ctx context.Context, message string) {
	s.sessions.Put(ctx, keyFlash, message)
}

// TakeFlash returns the kept message and forgets it.
func (s *Service) TakeFlash(ctx context.Context) string {
	return s.sessions.PopString(ctx, keyFlash)
}

// hashToken is the form in which the session manager hands a token to its store.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func publicID(stored string) string {
	sum := sha256.Sum256([]byte("session id\x00" + stored))
	return hex.EncodeToString(sum[:8])
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
