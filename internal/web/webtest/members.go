package webtest

import (
	"context"
	"net/netip"
	"slices"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/members"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/settings"
)

// People implements the members' services over the accounts of a backend. It
// keeps no rules: those are the service's, and tested there.
type People struct {
	backend *Backend
	// Invitations are the open ones.
	Invitations []store.Invitation
}

// InviteToken is the token that opens [People]'s invitation.
const InviteToken = "invitationtoken"

// Overview implements the pages' service.
func (p *People) Overview(ctx context.Context, org store.OrgID) (members.Overview, error) {
	l, err := p.List(ctx, org)
	return members.Overview{ID: org, Name: "Acme", CreatedAt: Now, Members: len(l.Members), Owners: 1, Engine: store.EngineSQLite}, err
}

// Rename implements the pages' service.
func (p *People) Rename(context.Context, store.OrgID, string) error { return nil }

// List implements the pages' service.
func (p *People) List(context.Context, store.OrgID) (members.Listing, error) {
	l := members.Listing{Invitations: p.Invitations}
	p.backend.Users.mu.Lock()
	defer p.backend.Users.mu.Unlock()
	for _, u := range p.backend.Users.users {
		l.Members = append(l.Members, store.Member{User: u.ID, Name: u.Name, Email: u.Email, Role: store.RoleOwner, LastLoginAt: u.LastLoginAt})
	}
	return l, nil
}

// Invite implements the pages' service.
func (p *People) Invite(_ context.Context, org store.OrgID, in members.Invite) (members.Issued, error) {
	i := store.Invitation{ID: "invitation-1", OrgID: org, Email: in.Email, Role: in.Role, CreatedAt: Now, ExpiresAt: Now.Add(members.Life)}
	p.Invitations = append(p.Invitations, i)
	return members.Issued{Invitation: i, Token: InviteToken, Link: members.InvitePath(InviteToken)}, nil
}

// Resend implements the pages' service.
func (p *People) Resend(ctx context.Context, org store.OrgID, _ string) (members.Issued, error) {
	return p.Invite(ctx, org, members.Invite{Email: "again@example.com", Role: store.RoleViewer})
}

// Revoke implements the pages' service.
func (p *People) Revoke(context.Context, store.OrgID, string) error { return nil }

// SetRole implements the pages' service.
func (p *People) SetRole(context.Context, store.OrgID, store.UserID, store.Role) error { return nil }

// Remove implements the pages' service.
func (p *People) Remove(context.Context, store.OrgID, store.UserID) error { return nil }

// Leave implements the pages' service.
func (p *People) Leave(context.Context, store.OrgID) error { return nil }

// Accept implements the pages' service.
func (p *People) Accept(ctx context.Context, _ string) (store.OrgID, error) {
	return store.OrgID(access.From(ctx).Org), nil
}

// JoinAs implements the pages' service.
func (p *People) JoinAs(context.Context, string, store.UserID) (store.OrgID, error) { return "", nil }

// Mine implements the pages' service.
func (p *People) Mine(context.Context) ([]store.Organization, error) { return nil, nil }

// Create implements the pages' service.
func (p *People) Create(context.Context, string) (store.OrgID, error) {
	return "", errs.New(errs.Forbidden, "one_organization", "One.", "")
}

// Open implements the pages' service.
func (p *People) Open(_ context.Context, token string) (members.Offer, error) {
	if token != InviteToken {
		return members.Offer{}, missing("invitation")
	}
	return members.Offer{Organization: "Acme", Email: "new@example.com", Role: store.RoleEditor, ExpiresAt: Now.Add(members.Life)}, nil
}

// Register implements the pages' service.
func (p *People) Register(context.Context, string, members.NewAccount) (store.User, store.OrgID, error) {
	return store.User{}, "", nil
}

// Post implements the mail page's service: no server.
type Post struct{}

// Status implements the pages' service.
func (Post) Status() settings.MailStatus { return settings.MailStatus{} }

// Test implements the pages' service.
func (Post) Test(context.Context, store.OrgID, string) error {
	return errs.New(errs.Unavailable, "no_mail", "No mail server is set up.", "Set mail.host.")
}

// Memory implements the pages of a forgotten password: no mail.
type Memory struct{}

// Configured implements the pages' service.
func (Memory) Configured() bool { return false }

// Ask implements the pages' service.
func (Memory) Ask(context.Context, string, netip.Addr) error { return nil }

// Open implements the pages' service.
func (Memory) Open(context.Context, string) (string, error) { return "", missing("link") }

// Choose implements the pages' service.
func (Memory) Choose(context.Context, string, secret.Value, netip.Addr) error { return missing("link") }

// Join makes an account a member of an organization.
func (u *Users) Join(m store.Membership) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.members = append(u.members, m)
}

// Quit ends a membership.
func (u *Users) Quit(org store.OrgID, user store.UserID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.members = slices.DeleteFunc(u.members, func(m store.Membership) bool { return m.OrgID == org && m.UserID == user })
}
