// Package erasure makes gone mean gone: how long an organization keeps things,
// the deletion of an account or of an organization with everything in it, the
// receipt and the confirmation of it, and the proof of it.
//
// The rows go in one transaction of the store, which also keeps the record that
// outlives a restore. This package decides who may, what must be typed, what is
// said afterwards, and what is told to whom. What it hands out after a deletion
// names nobody.
package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/store"
)

// Post queues letters in a transaction.
type Post interface {
	Configured() bool
	Queue(ctx context.Context, tx jobs.Transaction, org store.OrgID, m mail.Message) error
}

// Config is what a [Service] needs.
type Config struct {
	Store *store.Store // required
	Post  Post         // nil: no letters
	Most  Limits       // what the operator allows at most; zero = [DefaultLimits]
	// Forget drops what this process keeps in memory of an organization; nil =
	// nothing is kept.
	Forget func(org store.OrgID)
	// Sees tells which assets of a connection a member sees, so that the export of
	// an account names no others; nil = it names none.
	Sees   func(ctx context.Context, m store.Membership, conn store.ConnectionID) (func(catalog.Ref) bool, error)
	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = silent
}

// Service is safe for concurrent use.
type Service struct {
	store  *store.Store
	post   Post
	most   Limits
	forget func(store.OrgID)
	sees   func(context.Context, store.Membership, store.ConnectionID) (func(catalog.Ref) bool, error)
	now    func() time.Time
	log    *slog.Logger
}

// New returns a Service.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("erasure: Store is required")
	}
	s := &Service{store: cfg.Store, post: cfg.Post, most: cfg.Most, forget: cfg.Forget, sees: cfg.Sees, now: cfg.Now, log: cfg.Logger}
	if s.most == (Limits{}) {
		s.most = DefaultLimits()
	}
	if s.forget == nil {
		s.forget = func(store.OrgID) {}
	}
	if s.sees == nil {
		s.sees = func(context.Context, store.Membership, store.ConnectionID) (func(catalog.Ref) bool, error) {
			return func(catalog.Ref) bool { return false }, nil
		}
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Facts are what a deletion page says before anything is deleted.
type Facts struct {
	Organization store.Organization
	Members      int
	Losing       int // members that belong to no other organization: their accounts go too
	Connections  int
	Confirms     bool // a letter will confirm it
	KeyOutside   bool // older copies of the database become unreadable
}

// OrganizationFacts says what the deletion of an organization takes along. It
// asks for the role owner.
func (s *Service) OrganizationFacts(ctx context.Context, org store.OrgID) (Facts, error) {
	if err := access.Require(ctx, access.Owner); err != nil {
		return Facts{}, err
	}
	if err := access.Enter(ctx, string(org)); err != nil { // the system's transaction does not ask
		return Facts{}, err
	}
	f := Facts{Confirms: s.confirms(), KeyOutside: s.store.ErasureKeys() == nil}
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		var err error
		if f.Organization, err = tx.Organization(ctx, org); err != nil {
			return err
		}
		members, err := tx.Members(ctx, org)
		if err != nil {
			return err
		}
		f.Members = len(members)
		for _, m := range members {
			of, err := tx.MembershipsOf(ctx, m.UserID)
			if err != nil {
				return err
			}
			if len(of) == 1 {
				f.Losing++
			}
		}
		return nil
	})
	if err != nil {
		return Facts{}, err
	}
	err = s.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, err := tx.Connections(ctx)
		f.Connections = len(list)
		return err
	})
	return f, err
}

func (s *Service) confirms() bool { return s.post != nil && s.post.Configured() }

// Receipt is what a person who deleted something gets. It names nobody.
type Receipt struct {
	store.Deletion
	Token  string // of the one-time address; set once, when the deletion is made
	Mailed bool   // a letter confirms it
}

func mistyped(what string) error {
	return errs.New(errs.Invalid, "mistyped", "That is not "+what+".", "Type it as it stands on the page.")
}

func same(typed, want string) bool {
	fold := func(t string) string { return strings.Join(strings.Fields(t), " ") }
	return fold(typed) == fold(want) && fold(want) != ""
}

// DeleteOrganization deletes the organization of the acting owner, who typed its
// name: everything in it, and the accounts that belong to no other. A wrong name
// is errs.Invalid, code mistyped.
func (s *Service) DeleteOrganization(ctx context.Context, org store.OrgID, typed string) (Receipt, error) {
	if err := access.Require(ctx, access.Owner); err != nil {
		return Receipt{}, err
	}
	if err := access.Enter(ctx, string(org)); err != nil {
		return Receipt{}, err
	}
	actor := access.From(ctx)
	var address string
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.Organization(ctx, org)
		if err != nil {
			return err
		}
		if !same(typed, o.Name) {
			return mistyped("the organization's name")
		}
		if actor.User == "" { // a command: nobody to write to
			return nil
		}
		user, err := tx.User(ctx, store.UserID(actor.User))
		address = user.Email
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	r, err := s.finish(ctx, address, "Your MetaLens organization was deleted", func(how store.Erasure) (store.Deletion, string, error) {
		return s.store.EraseOrganization(ctx, org, how)
	})
	if err == nil {
		s.forget(org)
	}
	return r, err
}

// DeleteAccount deletes the account of the acting person, who typed the account's
// address. The last owner of an organization is refused (errs.Conflict, code
// last_owner).
func (s *Service) DeleteAccount(ctx context.Context, typed string) (Receipt, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return Receipt{}, err
	}
	user := store.UserID(access.From(ctx).User)
	var address string
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.User(ctx, user)
		if err != nil {
			return err
		}
		if !same(strings.ToLower(typed), u.Email) {
			return mistyped("your address")
		}
		address = u.Email
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	return s.finish(ctx, address, "Your MetaLens account was deleted", func(how store.Erasure) (store.Deletion, string, error) {
		return s.store.EraseAccount(ctx, user, how)
	})
}

// finish deletes, with a letter in the same transaction where letters can be
// sent. The address is known to that letter's job alone from then on.
func (s *Service) finish(ctx context.Context, address, subject string, erase func(store.Erasure) (store.Deletion, string, error)) (Receipt, error) {
	mailed := address != "" && s.confirms()
	how := store.Erasure{Also: func(ctx context.Context, tx *store.SystemTx, d store.Deletion) error {
		if !mailed {
			return nil
		}
		return s.post.Queue(ctx, tx, "", mail.Message{To: address, Subject: subject, Text: Letter(d)})
	}}
	d, token, err := erase(how)
	if err != nil {
		return Receipt{}, err
	}
	s.log.InfoContext(ctx, "deleted on request", "deletion", d.ID, "kind", string(d.Kind), "rows", d.Rows(), "key_destroyed", d.KeyDestroyed)
	return Receipt{Deletion: d, Token: token, Mailed: mailed}, nil
}

// Receipt finds a receipt by the token of its address; errs.NotFound, code
// no_receipt, when it is past its time.
func (s *Service) Receipt(ctx context.Context, token string) (r Receipt, err error) {
	err = s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		r.Deletion, err = tx.ReceiptOf(ctx, token)
		return err
	})
	return r, err
}

// Proof looks through the database for what a deletion removed; errs.NotFound,
// code no_deletion, for an id that is not on record. It asks for the system or
// an owner.
func (s *Service) Proof(ctx context.Context, id string) (store.Proof, error) {
	if err := access.Require(ctx, access.Owner); err != nil {
		return store.Proof{}, err
	}
	p, err := s.store.ProveDeletion(ctx, id)
	if err != nil {
		return store.Proof{}, fmt.Errorf("prove a deletion: %w", err)
	}
	return p, nil
}

// Watch drops what this process holds of organizations that another process
// deleted, until ctx ends.
func (s *Service) Watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.look(ctx)
	}
}

func (s *Service) look(ctx context.Context) {
	gone, err := s.store.ForgetDeleted(access.AsSystem(ctx))
	if err != nil {
		if ctx.Err() == nil {
			s.log.WarnContext(ctx, "could not look for deleted organizations", slog.String("error", err.Error()))
		}
		return
	}
	for _, org := range gone {
		s.forget(org)
	}
}
