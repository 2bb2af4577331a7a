package token

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Holder is whom a good token stands for.
type Holder struct {
	auth.Identity
	Token store.AccessToken
	// Weak says that the scope admin:read was withheld: the member has no
	// second factor.
	Weak bool
}

// Actor is the holder as services and the store know it.
func (h Holder) Actor() access.Actor {
	return access.Actor{Kind: access.Token, User: string(h.User), Org: string(h.Org), Role: h.Role, Scopes: h.Token.Scopes}
}

// errBadToken never says whether the token ever existed.
func errBadToken() error {
	return errs.New(errs.Unauthorized, "bad_token", "The token is not valid.", "It may be mistyped, revoked, or its member may have left. Make a new one in Settings, Tokens.")
}

// Check finds whom a token stands for. A wrong or revoked token is
// errs.Unauthorized with the code bad_token, one out of date token_expired.
// After many failures from one network further failures answer errs.Limited with
// a [*auth.ThrottledError] inside; good tokens go on working from there.
func (s *Service) Check(ctx context.Context, given secret.Value, addr netip.Addr) (Holder, error) {
	h, err := s.find(ctx, given)
	if errs.KindOf(err) != errs.Unauthorized {
		return h, err
	}
	if wait := s.failures.add(network(addr), s.now()); wait > 0 {
		return Holder{}, errs.Wrap(&auth.ThrottledError{RetryAfter: wait}, errs.Limited, "throttled",
			"Too many wrong tokens came from your network.", "Correct the token; a good one works at once.")
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "token refused", slog.String("code", errs.CodeOf(err)), slog.String("network", network(addr)))
	return Holder{}, err
}

func (s *Service) find(ctx context.Context, given secret.Value) (Holder, error) {
	id, hidden, ok := parse(given)
	if !ok {
		return Holder{}, errBadToken()
	}
	var t store.AccessToken
	var user store.User
	var member store.Membership
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		if t, err = tx.AccessToken(ctx, id); err != nil {
			return err
		}
		if user, err = tx.User(ctx, t.UserID); err != nil {
			return err
		}
		member, err = tx.Membership(ctx, t.OrgID, t.UserID)
		return err
	})
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return Holder{}, err
	}
	// The comparison is made for unknown ids too, and takes the same time for
	// every wrong secret.
	same := subtle.ConstantTimeCompare(t.Hash, digest(id, hidden)) == 1
	now := s.now().UTC()
	fallen := member.Role.Rank() < t.Rank
	switch {
	case err != nil || !same || len(t.Hash) == 0 || member.Role.Rank() == 0:
		return Holder{}, errBadToken()
	case !t.ExpiresAt.After(now):
		return Holder{}, errs.New(errs.Unauthorized, "token_expired", "The token expired on "+t.ExpiresAt.Format(time.DateOnly)+".", "Make a new one in Settings, Tokens.")
	case fallen:
		if err := s.drop(ctx, t); err != nil {
			return Holder{}, err
		}
		return Holder{}, errBadToken()
	}
	h := Holder{Identity: auth.Identity{User: user.ID, Org: t.OrgID, Role: member.Role, Name: user.Name, Email: user.Email}, Token: t}
	if slices.Contains(t.Scopes, access.ScopeAdminRead) {
		strong, err := s.second(ctx, user.ID)
		if err != nil {
			return Holder{}, err
		}
		if !strong {
			h.Weak = true
			h.Token.Scopes = slices.DeleteFunc(slices.Clone(t.Scopes), func(scope string) bool { return scope == access.ScopeAdminRead })
		}
	}
	s.touch(ctx, t, now)
	return h, nil
}

// drop revokes a token whose member's role has fallen since.
func (s *Service) drop(ctx context.Context, t store.AccessToken) error {
	return s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		err := tx.DeleteAccessToken(ctx, t.OrgID, t.ID)
		if errs.KindOf(err) == errs.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditRow{OrgID: t.OrgID, Actor: t.UserID, Action: "token_revoked", Target: "token:" + t.ID, Detail: `{"why":"role_fell"}`})
	})
}

// touch notes the use, to the hour. A store that cannot write must not refuse
// readers.
func (s *Service) touch(ctx context.Context, t store.AccessToken, now time.Time) {
	hour := now.Truncate(usedStep)
	if !hour.After(t.LastUsedAt) {
		return
	}
	err := s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return tx.TouchAccessToken(ctx, t.ID, hour) })
	if err != nil && errs.KindOf(err) != errs.NotFound {
		s.log.WarnContext(ctx, "the use of a token could not be noted", slog.String("error", err.Error()))
	}
}

const (
	failureWindow = 10 * time.Minute
	failureLimit  = 30 // wrong tokens from one network
	maxNetworks   = 10_000
)

// failures counts wrong tokens by network. The zero value is ready.
type failures struct {
	mu    sync.Mutex
	count map[string]failed
}

type failed struct {
	n     int
	since time.Time
}

// add counts a failure and says how long the network should wait, 0 for not.
func (f *failures) add(network string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		f.count = map[string]failed{}
	}
	if len(f.count) >= maxNetworks {
		for k, v := range f.count {
			if now.Sub(v.since) >= failureWindow {
				delete(f.count, k)
			}
		}
		if len(f.count) >= maxNetworks {
			clear(f.count)
		}
	}
	v := f.count[network]
	if v.n == 0 || now.Sub(v.since) >= failureWindow {
		v = failed{since: now}
	}
	v.n++
	f.count[network] = v
	if v.n <= failureLimit {
		return 0
	}
	return failureWindow - now.Sub(v.since)
}

// network groups IPv6 addresses by /64: one host owns that many.
func network(addr netip.Addr) string {
	addr = addr.Unmap()
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
