// Package members decides who belongs to an organization and as what:
// invitations, roles, removal, and further organizations where the installation
// allows them.
//
// Every method asks who acts (internal/access). Only owners make owners, nobody
// raises himself, and the last owner stays. What changes is written to the audit
// log in the same transaction, and a removal ends the logins of whom it concerns.
package members

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Life is how long an invitation can be accepted.
const Life = 7 * 24 * time.Hour

const (
	maxName        = 100
	maxInvitations = 200 // open ones of an organization
)

// Post queues letters in a transaction.
type Post interface {
	Configured() bool
	Queue(ctx context.Context, tx jobs.Transaction, org store.OrgID, m mail.Message) error
}

// Accounts is what invitations need of the account service.
type Accounts interface {
	// NewPasswordHash checks a password of a new account against the policy and
	// hashes it; a refused one answers auth.FieldErrors with the key password.
	NewPasswordHash(ctx context.Context, password secret.Value, around ...string) (string, error)
}

// Config is what a [Service] needs.
type Config struct {
	Store     *store.Store // required
	Accounts  Accounts     // required
	Post      Post         // nil: no letters
	PublicURL string       // of links in letters; empty: no letters with links
	Many      bool         // owners may make further organizations
	Now       func() time.Time
	Logger    *slog.Logger
}

// Service answers who belongs to an organization. It is safe for concurrent use.
type Service struct {
	store    *store.Store
	accounts Accounts
	post     Post
	public   string
	many     bool
	now      func() time.Time
	log      *slog.Logger
}

// New returns a Service. Several organizations on the embedded database are
// refused (errs.Invalid, code one_organization).
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Accounts == nil {
		return nil, errors.New("members: Store and Accounts are required")
	}
	if cfg.Many && cfg.Store.Engine() == store.EngineSQLite {
		return nil, errs.New(errs.Invalid, "one_organization", "The embedded database holds exactly one organization.",
			"Set database_url to a PostgreSQL for server.organizations: many, or leave it at one.")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{
		store: cfg.Store, accounts: cfg.Accounts, post: cfg.Post, public: strings.TrimRight(cfg.PublicURL, "/"),
		many: cfg.Many, now: cfg.Now, log: cfg.Logger,
	}, nil
}

// mails reports whether letters with links can be sent.
func (s *Service) mails() bool { return s.post != nil && s.post.Configured() && s.public != "" }

// Listing is who belongs to an organization and who was asked to.
type Listing struct {
	Members     []store.Member
	Invitations []store.Invitation // for admins; nil for others
	Mails       bool               // invitations are mailed
}

// List lists members, and for admins the invitations. Any member may ask.
func (s *Service) List(ctx context.Context, org store.OrgID) (Listing, error) {
	if err := enter(ctx, org, access.Viewer); err != nil {
		return Listing{}, err
	}
	out := Listing{Mails: s.mails()}
	admin := access.From(ctx).May(access.Admin)
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		if out.Members, err = tx.MemberList(ctx, org); err != nil || !admin {
			return err
		}
		out.Invitations, err = tx.Invitations(ctx, org)
		return err
	})
	return out, err
}

// SetRole changes what a member may do. Admins may; only owners make or unmake
// owners. A raise ends the member's logins, so that the next one proves what the
// new role asks for.
func (s *Service) SetRole(ctx context.Context, org store.OrgID, user store.UserID, role store.Role) error {
	if err := enter(ctx, org, access.Admin); err != nil {
		return err
	}
	if role.Rank() == 0 {
		return errs.New(errs.Invalid, "role_unknown", "There is no such role.", "The roles are owner, admin, editor and viewer.")
	}
	by := access.From(ctx)
	return s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		before, err := s.member(ctx, tx, org, user)
		if err != nil {
			return err
		}
		if before.Role == role {
			return nil
		}
		if err := mayChange(by, user, before.Role, role); err != nil {
			return err
		}
		if before.Role == access.Owner {
			if err := s.anotherOwner(ctx, tx, org, user); err != nil {
				return err
			}
		}
		if err := tx.SetMembership(ctx, store.Membership{OrgID: org, UserID: user, Role: role}); err != nil {
			return err
		}
		raised := role.Rank() > before.Role.Rank()
		if raised {
			if _, err := tx.DeleteUserSessions(ctx, user, ""); err != nil {
				return fmt.Errorf("end sessions: %w", err)
			}
		}
		if raised && role.Rank() >= access.Admin.Rank() {
			if err := s.noticeRole(ctx, tx, org, user, role); err != nil {
				return err
			}
		}
		return audit(ctx, tx, org, "member_role_changed", "user:"+string(user), fmt.Sprintf(`{"from":%q,"to":%q}`, before.Role, role))
	})
}

// mayChange holds the rules of a change from one role to another; "" is no role.
func mayChange(by access.Actor, user store.UserID, from, to store.Role) error {
	if by.Kind == access.System {
		return nil
	}
	self := by.User == string(user)
	switch {
	case self && to.Rank() > from.Rank():
		return errs.New(errs.Forbidden, "own_role", "Nobody raises himself.", "Ask an owner.")
	case (from == access.Owner || to == access.Owner) && by.Role != access.Owner:
		return errs.New(errs.Forbidden, "owners_only", "Only owners decide about owners.", "Ask an owner of the organization.")
	}
	return nil
}

// Remove ends a membership. The member's logins show nothing of the organization
// from the next request on; they end where there is no other organization. Admins
// may; an owner only by owners.
func (s *Service) Remove(ctx context.Context, org store.OrgID, user store.UserID) error {
	if err := enter(ctx, org, access.Admin); err != nil {
		return err
	}
	if access.From(ctx).User == string(user) {
		return s.Leave(ctx, org)
	}
	return s.end(ctx, org, user, "member_removed")
}

// Leave ends the acting member's own membership. Anybody may, but the last owner.
func (s *Service) Leave(ctx context.Context, org store.OrgID) error {
	if err := enter(ctx, org, access.Viewer); err != nil {
		return err
	}
	by := access.From(ctx)
	if by.Kind != access.Person {
		return errs.New(errs.Forbidden, "person", "Only a person can leave an organization.", "")
	}
	return s.end(ctx, org, store.UserID(by.User), "member_left")
}

func (s *Service) end(ctx context.Context, org store.OrgID, user store.UserID, action string) error {
	by := access.From(ctx)
	return s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		before, err := s.member(ctx, tx, org, user)
		if err != nil {
			return err
		}
		if action == "member_removed" {
			if err := mayChange(by, user, before.Role, ""); err != nil {
				return err
			}
		}
		if before.Role == access.Owner {
			if err := s.anotherOwner(ctx, tx, org, user); err != nil {
				return err
			}
		}
		if err := tx.RemoveMembership(ctx, org, user); err != nil {
			return err
		}
		// Sessions are the account's, and the membership is read with each request:
		// here they show nothing from now on. They go on in the person's other
		// organizations; without any, they end.
		left, err := tx.MembershipsOf(ctx, user)
		if err != nil {
			return fmt.Errorf("find memberships: %w", err)
		}
		if len(left) == 0 {
			if _, err := tx.DeleteUserSessions(ctx, user, ""); err != nil {
				return fmt.Errorf("end sessions: %w", err)
			}
		}
		return audit(ctx, tx, org, action, "user:"+string(user), fmt.Sprintf(`{"role":%q}`, before.Role))
	})
}

// member reads a membership under the organization's lock.
func (s *Service) member(ctx context.Context, tx *store.SystemTx, org store.OrgID, user store.UserID) (store.Membership, error) {
	if err := tx.LockMembers(ctx, org); err != nil {
		return store.Membership{}, err
	}
	m, err := tx.Membership(ctx, org, user)
	if errs.KindOf(err) == errs.NotFound {
		return m, errs.Wrap(err, errs.NotFound, "no_member", "There is no such member.", "Reload the page: somebody may have removed them.")
	}
	return m, err
}

// anotherOwner refuses to lose the last owner.
func (s *Service) anotherOwner(ctx context.Context, tx *store.SystemTx, org store.OrgID, but store.UserID) error {
	list, err := tx.Members(ctx, org)
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.Role == access.Owner && m.UserID != but {
			return nil
		}
	}
	return errs.New(errs.Conflict, "last_owner", "An organization keeps at least one owner.", "Make somebody else an owner first.")
}

// enter asks that the actor of ctx belongs to the organization, with a role.
func enter(ctx context.Context, org store.OrgID, role store.Role) error {
	if err := access.Enter(ctx, string(org)); err != nil {
		return err
	}
	return access.Require(ctx, role)
}

// audit writes what happened beside the change itself.
func audit(ctx context.Context, tx *store.SystemTx, org store.OrgID, action, target, detail string) error {
	return tx.Audit(ctx, store.AuditRow{OrgID: org, Actor: store.UserID(access.From(ctx).User), Action: action, Target: target, Detail: detail})
}

// newToken returns a link's secret part and what is stored of it.
func newToken() (token string, hash []byte) {
	token = strings.ToLower(rand.Text())
	return token, hashToken(token)
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte("invitation\x00" + token))
	return sum[:]
}

// cleanName checks a name that people typed: one line of text.
func cleanName(name, what string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	bad := func(text string) (string, error) {
		return "", errs.New(errs.Invalid, "bad_name", text, "")
	}
	switch {
	case name == "":
		return bad("Enter " + what + ".")
	case utf8.RuneCountInString(name) > maxName:
		return bad("Use at most 100 characters.")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsControl(r) || (unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d')
	}):
		return bad("Use letters and signs that can be seen.")
	}
	return name, nil
}
