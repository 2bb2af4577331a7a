package members

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Invite is whom to invite and as what.
type Invite struct {
	Email string
	Role  store.Role
}

// Issued is an invitation with its link, which is known only now.
type Issued struct {
	Invitation store.Invitation
	Token      string
	Link       string // absolute where the public address is known, else a path
	Mailed     bool
}

// InvitePath is where the pages take a token.
func InvitePath(token string) string { return "/invite/" + token }

// Invite asks somebody to join. Admins may; only owners invite owners. An
// address that was invited before gets a new link, and the earlier one is void.
// Whether the address has an account makes no difference.
func (s *Service) Invite(ctx context.Context, org store.OrgID, in Invite) (Issued, error) {
	if err := enter(ctx, org, access.Admin); err != nil {
		return Issued{}, err
	}
	email := strings.ToLower(strings.TrimSpace(in.Email))
	if err := mail.CheckAddress(email); err != nil {
		return Issued{}, err
	}
	if in.Role.Rank() == 0 {
		return Issued{}, errs.New(errs.Invalid, "role_unknown", "There is no such role.", "The roles are owner, admin, editor and viewer.")
	}
	if err := mayChange(access.From(ctx), "", "", in.Role); err != nil {
		return Issued{}, err
	}
	var out Issued
	err := s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.LockMembers(ctx, org); err != nil {
			return err
		}
		list, err := tx.MemberList(ctx, org)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(m store.Member) bool { return m.Email == email }) {
			return errs.New(errs.Conflict, "already_member", "This person is a member already.", "Change the role in the list instead.")
		}
		open, err := tx.Invitations(ctx, org)
		if err != nil {
			return err
		}
		i := store.Invitation{OrgID: org, Email: email, Role: in.Role}
		for _, o := range open {
			if o.Email != email {
				continue
			}
			if err := mayChange(access.From(ctx), "", o.Role, in.Role); err != nil {
				return err
			}
			i.ID = o.ID
		}
		if i.ID == "" && len(open) >= maxInvitations {
			return errs.New(errs.Limited, "invitations", "There are too many open invitations.", "Revoke those that nobody accepts.")
		}
		out, err = s.issue(ctx, tx, i)
		if err != nil {
			return err
		}
		return audit(ctx, tx, org, "member_invited", "invitation:"+out.Invitation.ID, fmt.Sprintf(`{"role":%q,"mailed":%t}`, in.Role, out.Mailed))
	})
	return out, err
}

// Resend makes a new link for an invitation and mails it; the earlier link is
// void.
func (s *Service) Resend(ctx context.Context, org store.OrgID, id string) (Issued, error) {
	if err := enter(ctx, org, access.Admin); err != nil {
		return Issued{}, err
	}
	var out Issued
	err := s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		i, err := s.invitation(ctx, tx, org, id)
		if err != nil {
			return err
		}
		if out, err = s.issue(ctx, tx, i); err != nil {
			return err
		}
		return audit(ctx, tx, org, "invitation_resent", "invitation:"+id, fmt.Sprintf(`{"mailed":%t}`, out.Mailed))
	})
	return out, err
}

// Revoke takes an invitation back.
func (s *Service) Revoke(ctx context.Context, org store.OrgID, id string) error {
	if err := enter(ctx, org, access.Admin); err != nil {
		return err
	}
	return s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		i, err := s.invitation(ctx, tx, org, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteInvitation(ctx, org, i.ID); err != nil {
			return err
		}
		return audit(ctx, tx, org, "invitation_revoked", "invitation:"+id, fmt.Sprintf(`{"role":%q}`, i.Role))
	})
}

// invitation finds an invitation that the actor may decide about.
func (s *Service) invitation(ctx context.Context, tx *store.SystemTx, org store.OrgID, id string) (store.Invitation, error) {
	list, err := tx.Invitations(ctx, org)
	if err != nil {
		return store.Invitation{}, err
	}
	for _, i := range list {
		if i.ID == id {
			return i, mayChange(access.From(ctx), "", i.Role, i.Role)
		}
	}
	return store.Invitation{}, errs.New(errs.NotFound, "no_invitation", "There is no such invitation.", "It was accepted or revoked meanwhile. Reload the page.")
}

// issue stores an invitation under a new token and mails it.
func (s *Service) issue(ctx context.Context, tx *store.SystemTx, i store.Invitation) (Issued, error) {
	token, hash := newToken()
	i.InvitedBy = store.UserID(access.From(ctx).User)
	i.ExpiresAt = s.now().UTC().Add(Life)
	i, err := tx.PutInvitation(ctx, i, hash)
	if err != nil {
		return Issued{}, err
	}
	out := Issued{Invitation: i, Token: token, Link: s.public + InvitePath(token), Mailed: s.mails()}
	if !out.Mailed {
		return out, nil
	}
	o, err := tx.Organization(ctx, i.OrgID)
	if err != nil {
		return Issued{}, err
	}
	by := "Somebody"
	if i.InvitedBy != "" {
		u, err := tx.User(ctx, i.InvitedBy)
		if err != nil {
			return Issued{}, err
		}
		by = mail.Line(u.Name)
	}
	return out, s.post.Queue(ctx, tx, i.OrgID, mail.Message{
		To: i.Email, Subject: "Invitation to " + mail.Line(o.Name) + " on MetaLens",
		Text: by + " invites you to join “" + mail.Line(o.Name) + "” on MetaLens as " + article(i.Role) + ".\n\n" +
			"To accept, open this link:\n\n  " + out.Link + "\n\n" +
			"It works once, until " + i.ExpiresAt.Format("2 January 2006, 15:04 MST") + ".\n\n" +
			"If you did not expect this, ignore it: nothing happens without the link.\n",
	})
}

func article(r store.Role) string {
	switch r {
	case access.Owner, access.Admin, access.Editor:
		return "an " + string(r)
	}
	return "a " + string(r)
}

// Offer is what the holder of a link is offered.
type Offer struct {
	Org          store.OrgID
	Organization string
	Email        string
	Role         store.Role
	ExpiresAt    time.Time
}

// errVoid says the same of links that never were, were used, revoked or expired.
var errVoid = errs.New(errs.NotFound, "invitation_void", "This invitation is not good any more.",
	"It was used, taken back, replaced by a newer one, or has expired. Ask whoever invited you for a new one.")

// Open says what a token offers. Whoever holds it may ask.
func (s *Service) Open(ctx context.Context, token string) (Offer, error) {
	var out Offer
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		i, err := s.valid(ctx, tx, token)
		if err != nil {
			return err
		}
		o, err := tx.Organization(ctx, i.OrgID)
		out = Offer{Org: i.OrgID, Organization: o.Name, Email: i.Email, Role: i.Role, ExpiresAt: i.ExpiresAt}
		return err
	})
	return out, err
}

func (s *Service) valid(ctx context.Context, tx *store.SystemTx, token string) (store.Invitation, error) {
	i, err := tx.InvitationByToken(ctx, hashToken(token))
	switch {
	case errs.KindOf(err) == errs.NotFound:
		return i, errVoid
	case err != nil:
		return i, err
	case !s.now().Before(i.ExpiresAt):
		return i, errVoid
	}
	return i, nil
}

// Accept makes the acting person a member. The account's address must be the
// invited one: a link that went astray is no key for others.
func (s *Service) Accept(ctx context.Context, token string) (store.OrgID, error) {
	by := access.From(ctx)
	if by.Kind != access.Person || by.User == "" {
		return "", errs.New(errs.Unauthorized, "log_in", "Log in to accept the invitation.", "")
	}
	return s.join(ctx, token, store.UserID(by.User))
}

// JoinAs makes the account a member whose owner proved, with the password, to
// be who was invited.
func (s *Service) JoinAs(ctx context.Context, token string, user store.UserID) (store.OrgID, error) {
	return s.join(ctx, token, user)
}

func (s *Service) join(ctx context.Context, token string, user store.UserID) (store.OrgID, error) {
	var org store.OrgID
	err := s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		i, err := s.valid(ctx, tx, token)
		if err != nil {
			return err
		}
		u, err := tx.User(ctx, user)
		if err != nil {
			return err
		}
		if u.Email != i.Email {
			return errs.New(errs.Forbidden, "other_account", "This invitation is for another e-mail address than your account's.",
				"Log out and open the link again, or ask for an invitation to "+u.Email+".")
		}
		org = i.OrgID
		return s.enroll(ctx, tx, i, u.ID)
	})
	return org, err
}

// enroll uses an invitation up. A member keeps the higher role.
func (s *Service) enroll(ctx context.Context, tx *store.SystemTx, i store.Invitation, user store.UserID) error {
	if err := tx.LockMembers(ctx, i.OrgID); err != nil {
		return err
	}
	if err := tx.DeleteInvitation(ctx, i.OrgID, i.ID); err != nil { // a second acceptance ends here
		if errs.KindOf(err) == errs.NotFound {
			return errVoid
		}
		return err
	}
	if m, err := tx.Membership(ctx, i.OrgID, user); err == nil {
		return errs.New(errs.Conflict, "already_member", "You are a member already, as "+article(m.Role)+".", "Open the pages as usual.")
	} else if errs.KindOf(err) != errs.NotFound {
		return err
	}
	if err := tx.SetMembership(ctx, store.Membership{OrgID: i.OrgID, UserID: user, Role: i.Role}); err != nil {
		return err
	}
	return tx.Audit(ctx, store.AuditRow{
		OrgID: i.OrgID, Actor: user, Action: "invitation_accepted", Target: "user:" + string(user),
		Detail: fmt.Sprintf(`{"role":%q,"invitation":%q}`, i.Role, i.ID),
	})
}

// NewAccount is what an invited person without an account chooses.
type NewAccount struct {
	Name     string
	Password secret.Value
}

// Register makes an account for the invited address and lets it join. A name
// that cannot be used answers errs.Invalid (code bad_name), a refused password
// auth.FieldErrors, an address that has an account errs.Conflict (code
// has_account).
func (s *Service) Register(ctx context.Context, token string, in NewAccount) (store.User, store.OrgID, error) {
	offer, err := s.Open(ctx, token)
	if err != nil {
		return store.User{}, "", err
	}
	name, err := cleanName(in.Name, "your name")
	if err != nil {
		return store.User{}, "", err
	}
	hash, err := s.accounts.NewPasswordHash(ctx, in.Password, offer.Email, name, offer.Organization)
	if err != nil {
		return store.User{}, "", err
	}
	var user store.User
	err = s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		i, err := s.valid(ctx, tx, token)
		if err != nil {
			return err
		}
		if _, err := tx.UserByEmail(ctx, i.Email); err == nil {
			return errs.New(errs.Conflict, "has_account", "This address has an account already.", "Accept with the password of that account.")
		} else if errs.KindOf(err) != errs.NotFound {
			return err
		}
		if user, err = tx.InsertUser(ctx, store.User{Email: i.Email, Name: name, PasswordHash: hash}); err != nil {
			return err
		}
		return s.enroll(ctx, tx, i, user.ID)
	})
	return user, offer.Org, err
}
