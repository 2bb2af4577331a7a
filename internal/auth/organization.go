package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// keyOrg is the session's current organization; without one it is the account's
// first.
const keyOrg = "org"

// SwitchOrganization makes another of the identity's organizations the current
// one of this session, under a new session token. One that the account does not
// belong to is errs.NotFound.
func (s *Service) SwitchOrganization(r *http.Request, id Identity, org store.OrgID, addr netip.Addr) error {
	list, err := s.users.Memberships(r.Context(), id.User)
	if err != nil {
		return fmt.Errorf("find memberships: %w", err)
	}
	for _, m := range list {
		if m.OrgID != org {
			continue
		}
		s.sessions.Put(r.Context(), keyOrg, string(org))
		id.Org, id.Role = org, m.Role
		return s.Rotate(r, id, addr)
	}
	return errs.New(errs.NotFound, "no_organization", "There is no such organization.", "")
}

// current completes the account of a session by the membership in the session's
// organization, as it is now.
func (s *Service) current(ctx context.Context, user store.User) (Identity, error) {
	id, err := s.identity(ctx, user)
	org := store.OrgID(s.sessions.GetString(ctx, keyOrg))
	if err != nil || org == "" || org == id.Org {
		return id, err
	}
	list, err := s.users.Memberships(ctx, user.ID)
	if err != nil {
		return Identity{}, fmt.Errorf("find memberships: %w", err)
	}
	for _, m := range list {
		if m.OrgID == org {
			id.Org, id.Role = m.OrgID, m.Role
		}
	}
	return id, nil
}
