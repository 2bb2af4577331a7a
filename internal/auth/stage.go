package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Stage is how far the login of a session has come.
type Stage int

// The stages of a login, ascending.
const (
	// Nobody is logged in.
	Nobody Stage = iota
	// Half: the password is right, the second factor of the account is missing.
	Half
	// Enrolling: the role needs a second factor and there is none, or its
	// recovery codes have not been put away. Nothing else is allowed until then.
	Enrolling
	// Complete: the login is worth what the role is.
	Complete
)

// FreshFor is how long a proof counts for what is dangerous.
const FreshFor = 10 * time.Minute

// halfLife is how long a login may wait for its second factor.
const halfLife = 15 * time.Minute

// Names of session values of the stages.
const (
	keyStart  = "start"  // when the login began
	keyProof  = "proof"  // last proof of any kind
	keyStrong = "strong" // last second factor; 0 = none in this session
	keyTop    = "top"    // highest role when the token was made
)

// stage judges a session of an account.
func (s *Service) stage(id Identity) Stage {
	switch {
	case id.IsZero():
		return Nobody
	case id.Factors.Any() && !id.Strong:
		return Half
	case id.Strong && !id.Factors.Any():
		return Complete // an identity provider vouched for its second factor
	case id.NeedsFactor && (!id.Factors.Any() || !id.Factors.Kept):
		return Enrolling
	}
	return Complete
}

// Current returns who the request's session belongs to; the zero Identity when
// nobody is logged in, when the session has been idle for too long, and while
// the login is not complete. Role and factors are read anew on each call.
func (s *Service) Current(ctx context.Context) (Identity, error) {
	id, err := s.Pending(ctx)
	if err != nil || id.Stage != Complete {
		return Identity{}, err
	}
	return id, nil
}

// Pending is Current for logins at any stage, for the pages that complete them.
func (s *Service) Pending(ctx context.Context) (Identity, error) {
	user := s.sessions.GetString(ctx, keyUser)
	if user == "" {
		return Identity{}, nil
	}
	now := s.now().UTC()
	seen, start := s.timeOf(ctx, keySeen), s.timeOf(ctx, keyStart)
	if now.Sub(seen) > s.idle || now.Sub(start) > s.lifetime {
		return Identity{}, s.destroy(ctx)
	}
	u, err := s.users.User(ctx, store.UserID(user))
	if errs.KindOf(err) == errs.NotFound {
		return Identity{}, s.destroy(ctx)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("find account: %w", err)
	}
	id, err := s.current(ctx, u)
	if err != nil {
		return Identity{}, err
	}
	s.proofs(ctx, &id)
	if id.Stage == Half && now.Sub(start) > halfLife && now.Sub(id.ProvedAt) > halfLife {
		return Identity{}, s.destroy(ctx)
	}
	if now.Sub(seen) >= seenStep {
		s.sessions.Put(ctx, keySeen, now.Unix())
	}
	return id, nil
}

// proofs adds what the session proved.
func (s *Service) proofs(ctx context.Context, id *Identity) {
	id.ProvedAt = s.timeOf(ctx, keyProof)
	if at := s.timeOf(ctx, keyStrong); !at.IsZero() {
		id.Strong, id.StrongAt = true, at
	}
	id.Stage = s.stage(*id)
}

func (s *Service) timeOf(ctx context.Context, key string) time.Time {
	n := s.sessions.GetInt64(ctx, key)
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

func (s *Service) destroy(ctx context.Context) error {
	if err := s.sessions.Destroy(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// Fresh reports whether the person proved something within [FreshFor].
func (s *Service) Fresh(id Identity) bool {
	return !id.IsZero() && s.now().Sub(id.ProvedAt) <= FreshFor
}

// Begin logs an identity in on this browser: the session gets a new token, so
// that one planted before the login is worth nothing, and the browser is
// remembered for the throttle once the login is complete. The proof so far is
// one factor: a password, or the word of an identity provider. It returns how
// far the login has come.
func (s *Service) Begin(w http.ResponseWriter, r *http.Request, id Identity, addr netip.Addr) (Stage, error) {
	return s.begin(w, r, id, addr, false)
}

// BeginStrong is Begin for a proof that is two factors in itself: a passkey that
// verified its user, or an identity provider that vouches for a second factor
// and is trusted to.
func (s *Service) BeginStrong(w http.ResponseWriter, r *http.Request, id Identity, addr netip.Addr) (Stage, error) {
	return s.begin(w, r, id, addr, true)
}

func (s *Service) begin(w http.ResponseWriter, r *http.Request, id Identity, addr netip.Addr, strong bool) (Stage, error) {
	ctx := r.Context()
	// What an anonymous or another person's session held is not carried over.
	if err := s.sessions.Clear(ctx); err != nil {
		return Nobody, fmt.Errorf("clear session: %w", err)
	}
	now := s.now().UTC()
	s.sessions.Put(ctx, keyUser, string(id.User))
	s.sessions.Put(ctx, keySeen, now.Unix())
	s.sessions.Put(ctx, keyStart, now.Unix())
	s.sessions.Put(ctx, keyProof, now.Unix())
	if strong {
		s.sessions.Put(ctx, keyStrong, now.Unix())
	}
	user, err := s.users.User(ctx, id.User)
	if err != nil {
		return Nobody, fmt.Errorf("find account: %w", err)
	}
	if id, err = s.identity(ctx, user); err != nil {
		return Nobody, err
	}
	s.proofs(ctx, &id)
	if err := s.rotate(r, id, addr); err != nil {
		return Nobody, err
	}
	if id.Stage == Half {
		s.record(ctx, id, "login_half", addr)
		return Half, nil
	}
	return id.Stage, s.arrived(w, r, id, addr)
}

// proved notes a second factor, or another proof of a complete session, and
// gives the session a new token.
func (s *Service) proved(w http.ResponseWriter, r *http.Request, id Identity, addr netip.Addr, strong bool, how string) (Identity, error) {
	ctx := r.Context()
	if err := s.alive(ctx); err != nil {
		return Identity{}, err
	}
	was, now := id.Stage, s.now().UTC()
	s.sessions.Put(ctx, keyProof, now.Unix())
	s.sessions.Put(ctx, keySeen, now.Unix())
	if strong {
		s.sessions.Put(ctx, keyStrong, now.Unix())
	}
	s.proofs(ctx, &id)
	if err := s.rotate(r, id, addr); err != nil {
		return Identity{}, err
	}
	if was == Half && id.Stage != Half {
		return id, s.arrived(w, r, id, addr, "factor", how)
	}
	s.record(ctx, id, "identity_confirmed", addr, "by", how)
	return id, nil
}

// arrived notes that a login has come past its factors.
func (s *Service) arrived(w http.ResponseWriter, r *http.Request, id Identity, addr netip.Addr, detail ...string) error {
	ctx, now := r.Context(), s.now().UTC()
	device := s.DeviceOf(r)
	if len(device) != len(randomText()) {
		device = randomText()
	}
	known, err := s.throttle.knows(ctx, id.Email, device)
	if err != nil {
		return err
	}
	if err := s.throttle.counters.RememberDevice(ctx, id.User, id.Email, device, now); err != nil {
		return fmt.Errorf("remember the browser: %w", err)
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure follows the deployment: plain HTTP is for loopback
		Name: s.deviceCookie(), Value: device, Path: "/", MaxAge: int(store.DeviceLife / time.Second),
		HttpOnly: true, Secure: s.sessions.Cookie.Secure, SameSite: http.SameSiteLaxMode,
	})
	var before time.Time
	err = s.users.ChangeUser(ctx, id.User, func(u *store.User) error {
		before, u.LastLoginAt = u.LastLoginAt, now
		return nil
	})
	if err != nil {
		return fmt.Errorf("note login: %w", err)
	}
	if !known && !before.IsZero() {
		detail = append(detail, "device", "new")
	}
	s.record(ctx, id, "login", addr, detail...)
	return nil
}

// rotate gives the session a new token and keeps its absolute end.
func (s *Service) rotate(r *http.Request, id Identity, addr netip.Addr) error {
	ctx := r.Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	left := s.lifetime - s.now().Sub(s.timeOf(ctx, keyStart))
	if id.Stage == Half {
		left = min(left, halfLife)
	}
	s.sessions.SetDeadline(ctx, time.Now().Add(left).UTC()) // the session library's clock is the system's
	s.sessions.Put(ctx, keyTop, string(id.top))
	return s.bind(r, id, addr)
}

// Rotate gives the session a new token, after a change of privilege. A session
// that was ended meanwhile gets none: errs.Unauthorized.
func (s *Service) Rotate(r *http.Request, id Identity, addr netip.Addr) error {
	if err := s.alive(r.Context()); err != nil {
		return err
	}
	return s.rotate(r, id, addr)
}

// alive refuses a session that was ended while its request ran.
func (s *Service) alive(ctx context.Context) error {
	_, found, err := s.store.FindCtx(ctx, s.sessions.Token(ctx))
	if err != nil {
		return fmt.Errorf("find session: %w", err)
	}
	if !found {
		if err := s.destroy(ctx); err != nil {
			return err
		}
		return errs.New(errs.Unauthorized, "session_ended", "This session was ended.", "Log in again.")
	}
	return nil
}

// Outgrown reports whether the person's highest role has changed since the
// session's token was made: it is due for another one.
func (s *Service) Outgrown(ctx context.Context, id Identity) bool {
	return !id.IsZero() && s.sessions.GetString(ctx, keyTop) != string(id.top)
}
