package members

import (
	"context"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/store"
)

// Overview is what the general page shows of an organization.
type Overview struct {
	ID        store.OrgID
	Name      string
	CreatedAt time.Time
	Members   int
	Owners    int
	Open      int  // invitations, for admins
	Many      bool // the installation holds several organizations
	Engine    store.Engine
	MayCreate bool // the actor may make further organizations
}

// Overview describes the organization. Any member may ask.
func (s *Service) Overview(ctx context.Context, org store.OrgID) (Overview, error) {
	if err := enter(ctx, org, access.Viewer); err != nil {
		return Overview{}, err
	}
	out := Overview{ID: org, Many: s.many, Engine: s.store.Engine(), MayCreate: s.many && access.From(ctx).May(access.Owner)}
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.Organization(ctx, org)
		if err != nil {
			return err
		}
		out.Name, out.CreatedAt = o.Name, o.CreatedAt
		list, err := tx.Members(ctx, org)
		if err != nil {
			return err
		}
		out.Members = len(list)
		for _, m := range list {
			if m.Role == access.Owner {
				out.Owners++
			}
		}
		if access.From(ctx).May(access.Admin) {
			open, err := tx.Invitations(ctx, org)
			out.Open = len(open)
			return err
		}
		return nil
	})
	return out, err
}

// Rename gives the organization another name. Admins may. A name that cannot be
// used answers errs.Invalid (code bad_name).
func (s *Service) Rename(ctx context.Context, org store.OrgID, name string) error {
	if err := enter(ctx, org, access.Admin); err != nil {
		return err
	}
	name, err := cleanName(name, "a name")
	if err != nil {
		return err
	}
	return s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.RenameOrganization(ctx, org, name); err != nil {
			return err
		}
		return audit(ctx, tx, org, "organization_renamed", "organization:"+string(org), "")
	})
}

// Mine lists the organizations that the acting person belongs to, by name, where
// the installation holds several; else none.
func (s *Service) Mine(ctx context.Context) ([]store.Organization, error) {
	by := access.From(ctx)
	if by.User == "" || !s.many {
		return nil, nil
	}
	var list []store.Organization
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		list, err = tx.OrganizationsOf(ctx, store.UserID(by.User))
		return err
	})
	return list, err
}

// Create makes a further organization whose owner is the acting person. Owners
// may, where the installation holds several.
func (s *Service) Create(ctx context.Context, name string) (store.OrgID, error) {
	if err := access.Require(ctx, access.Owner); err != nil {
		return "", err
	}
	by := access.From(ctx)
	switch {
	case by.Kind != access.Person:
		return "", errs.New(errs.Forbidden, "person", "Only a person can own an organization.", "")
	case !s.many:
		return "", errs.New(errs.Forbidden, "one_organization", "This installation holds one organization.",
			"The operator can set server.organizations to many, on PostgreSQL.")
	}
	name, err := cleanName(name, "a name")
	if err != nil {
		return "", err
	}
	var made store.Organization
	err = s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		if made, err = tx.InsertOrganization(ctx, store.Organization{Name: name}); err != nil {
			return err
		}
		if err := tx.SetMembership(ctx, store.Membership{OrgID: made.ID, UserID: store.UserID(by.User), Role: access.Owner}); err != nil {
			return err
		}
		return audit(ctx, tx, made.ID, "organization_created", "organization:"+string(made.ID), "")
	})
	return made.ID, err
}

// noticeRole tells a member by mail what the new role means.
func (s *Service) noticeRole(ctx context.Context, tx *store.SystemTx, org store.OrgID, user store.UserID, role store.Role) error {
	if s.post == nil || !s.post.Configured() {
		return nil
	}
	u, err := tx.User(ctx, user)
	if err != nil {
		return err
	}
	o, err := tx.Organization(ctx, org)
	if err != nil {
		return err
	}
	by := "The operator"
	if id := access.From(ctx).User; id != "" {
		who, err := tx.User(ctx, store.UserID(id))
		if err != nil {
			return err
		}
		by = mail.Line(who.Name)
	}
	err = s.post.Queue(ctx, tx, org, mail.Message{
		To: u.Email, Subject: "Your role on MetaLens was raised",
		Text: fmt.Sprintf("%s made you %s of “%s” on MetaLens.\n\nYour logins were ended: log in again, and set up a second factor where you are asked to.\n\n"+
			"If this surprises you, ask an owner of the organization.\n", by, article(role), mail.Line(o.Name)),
	})
	if err != nil && errs.KindOf(err) != errs.Invalid { // an address that takes no mail stops no change
		return fmt.Errorf("queue the notice: %w", err)
	}
	return nil
}
