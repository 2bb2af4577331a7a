package auth

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

// keySignOn keeps logins at an identity provider that are on their way.
const keySignOn = "sign_on"

// signOnLife is how long the session of somebody who is not logged in is kept
// for a login that is on its way.
const signOnLife = 15 * time.Minute

// KeepSignOn keeps a text in the browser's session while a person is at the
// identity provider. Only this browser finds it again.
func (s *Service) KeepSignOn(ctx context.Context, text string) {
	s.sessions.Put(ctx, keySignOn, text)
	if s.sessions.GetString(ctx, keyUser) == "" { // anybody may begin a login: what that stores must not last
		s.sessions.SetDeadline(ctx, time.Now().Add(signOnLife).UTC()) // the session library's clock is the system's
	}
}

// TakeSignOn returns what [Service.KeepSignOn] kept and forgets it.
func (s *Service) TakeSignOn(ctx context.Context) string {
	return s.sessions.PopString(ctx, keySignOn)
}

// ProveElsewhere notes that an identity provider has just asked the person who
// is logged in again; strong says that it vouches for a second factor.
func (s *Service) ProveElsewhere(w http.ResponseWriter, r *http.Request, id Identity, addr netip.Addr, strong bool) error {
	_, err := s.proved(w, r, id, addr, strong, "single sign-on")
	return err
}

// BeginSignOn counts a login by single sign-on that is begun from an address, or
// answers errs.Limited with a *[ThrottledError] inside: each one makes this
// server ask the provider and keep a session. [Service.SignOnDone] takes it back.
func (s *Service) BeginSignOn(ctx context.Context, addr netip.Addr) error {
	_, err := s.throttle.try(ctx, keysForSignOn(addr))
	if full := (*ThrottledError)(nil); errors.As(err, &full) {
		return errs.Wrap(full, errs.Limited, "throttled", "Too many logins by single sign-on were begun from your network and not finished.",
			"Wait a quarter of an hour and try again.")
	}
	return err
}

// SignOnDone takes back what [Service.BeginSignOn] counted: somebody came in.
func (s *Service) SignOnDone(ctx context.Context, addr netip.Addr) error {
	return oneTry{s.throttle, keysForSignOn(addr)}.succeed(ctx)
}
