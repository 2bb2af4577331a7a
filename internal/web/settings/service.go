package settings

import (
	"context"

	"github.com/metalens/metalens/internal/members"
	"github.com/metalens/metalens/internal/store"
)

// Members is what the pages need of the members service. Each method asks who
// acts; the pages decide nothing.
type Members interface {
	Overview(ctx context.Context, org store.OrgID) (members.Overview, error)
	Rename(ctx context.Context, org store.OrgID, name string) error
	List(ctx context.Context, org store.OrgID) (members.Listing, error)
	Invite(ctx context.Context, org store.OrgID, in members.Invite) (members.Issued, error)
	Resend(ctx context.Context, org store.OrgID, id string) (members.Issued, error)
	Revoke(ctx context.Context, org store.OrgID, id string) error
	SetRole(ctx context.Context, org store.OrgID, user store.UserID, role store.Role) error
	Remove(ctx context.Context, org store.OrgID, user store.UserID) error
	Leave(ctx context.Context, org store.OrgID) error
	Open(ctx context.Context, token string) (members.Offer, error)
	Accept(ctx context.Context, token string) (store.OrgID, error)
	JoinAs(ctx context.Context, token string, user store.UserID) (store.OrgID, error)
	Register(ctx context.Context, token string, in members.NewAccount) (store.User, store.OrgID, error)
	Mine(ctx context.Context) ([]store.Organization, error)
	Create(ctx context.Context, name string) (store.OrgID, error)
}

// Mail is what the mail page needs.
type Mail interface {
	// Status says how mail is set up.
	Status() MailStatus
	// Test sends a letter to an address and waits for the server's answer.
	Test(ctx context.Context, org store.OrgID, to string) error
}

// MailStatus is how mail is set up, as an admin may see it.
type MailStatus struct {
	Configured bool
	Server     string // host:port
	Security   string // implicit, starttls, none-loopback
	From       string
	Login      bool
	TLS12      bool
	PublicURL  string // empty: no links in letters
}
