// Package token is personal access tokens: what a member gives to a script so
// that it may do, for a while, a part of what the member may.
//
// A token is shown once and kept as a hash. It never exceeds its member: each
// use reads the member's present role, a membership that ends takes its tokens
// along, and a role that falls revokes the tokens made above it. It always
// expires.
package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Bounds of a token's life, in days.
const (
	DefaultDays = 90
	MaxDays     = 365
)

const (
	maxName   = 100
	maxTokens = 30 // live ones of one member
	// usedStep is how exactly the last use is kept: to the hour says enough and
	// keeps requests from writing each time.
	usedStep = time.Hour
)

// KeepExpired is how long an expired token stays in the list, so that its owner
// sees why a script stopped.
const KeepExpired = 30 * 24 * time.Hour

// Scope describes a scope to people.
type Scope struct {
	Name string
	Text string
	Role access.Role // the least role that may give it
}

// Scopes lists the scopes, the narrowest first.
func Scopes() []Scope {
	return []Scope{
		{access.ScopeRead, "Read connections, scans, assets, lineage and findings", access.Viewer},
		{access.ScopeScan, "Start scans", access.Editor},
		{access.ScopeTriage, "Ignore findings and take that back", access.Editor},
		{access.ScopeAdminRead, "Read what only admins see, such as the audit log", access.Admin},
	}
}

// Config is what a [Service] needs.
type Config struct {
	Store *store.Store // required
	// SecondFactor says whether a user has enrolled a second factor, or needs
	// none here. Without it no token gets an admin's scope. nil is no.
	SecondFactor func(ctx context.Context, user store.UserID) (bool, error)
	Now          func() time.Time // nil = time.Now
	Logger       *slog.Logger     // nil = none
}

// Service makes, lists, checks and revokes tokens. It is safe for concurrent use.
type Service struct {
	store    *store.Store
	second   func(ctx context.Context, user store.UserID) (bool, error)
	now      func() time.Time
	log      *slog.Logger
	failures failures
}

// New returns a Service.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("token: Store is required")
	}
	if cfg.SecondFactor == nil {
		cfg.SecondFactor = func(context.Context, store.UserID) (bool, error) { return false, nil }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{store: cfg.Store, second: cfg.SecondFactor, now: cfg.Now, log: cfg.Logger}, nil
}

// Draft is a token as a form asks for it.
type Draft struct {
	Name    string
	Scopes  []string
	Days    int // until it expires; 0 = [DefaultDays]
	Address netip.Addr
}

// Made is a new token with its text, which nobody can get again.
type Made struct {
	store.AccessToken
	Text secret.Value
}

// Create makes a token for a member. Invalid input answers [auth.FieldErrors]
// with the keys name, scopes and days.
func (s *Service) Create(ctx context.Context, who auth.Identity, d Draft) (Made, error) {
	if err := person(ctx, who); err != nil {
		return Made{}, err
	}
	if d.Days == 0 {
		d.Days = DefaultDays
	}
	d.Name = strings.TrimSpace(d.Name)
	fields, scopes := check(who, d)
	if slices.Contains(scopes, access.ScopeAdminRead) && fields["scopes"] == "" {
		strong, err := s.second(ctx, who.User)
		if err != nil {
			return Made{}, err
		}
		if !strong {
			fields["scopes"] = "Set up a second factor in your account first: without it no token gets an admin's rights."
		}
	}
	if len(fields) > 0 {
		return Made{}, fields
	}
	id, hidden := generate()
	now := s.now().UTC()
	t := store.AccessToken{
		ID: id, OrgID: who.Org, UserID: who.User, Hash: digest(id, hidden), Name: d.Name, Scopes: scopes,
		CreatedAt: now, ExpiresAt: now.Add(time.Duration(d.Days) * 24 * time.Hour),
	}
	err := s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		member, err := tx.Membership(ctx, who.Org, who.User)
		if err != nil {
			return err
		}
		t.Rank = member.Role.Rank()
		list, err := tx.AccessTokens(ctx, who.Org, who.User)
		if err != nil {
			return err
		}
		live := 0
		for _, o := range list {
			if o.ExpiresAt.After(now) {
				live++
			}
		}
		if live >= maxTokens {
			return errs.New(errs.Conflict, "too_many_tokens", "You have "+strconv.Itoa(maxTokens)+" tokens already.", "Revoke those you no longer use.")
		}
		if err := tx.InsertAccessToken(ctx, t); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditRow{
			OrgID: who.Org, At: now, Actor: who.User, Action: "token_created", Target: "token:" + id, Source: text(d.Address),
			Detail: fmt.Sprintf(`{"scopes":%q,"days":%d}`, strings.Join(scopes, " "), d.Days),
		})
	})
	if err != nil {
		return Made{}, err
	}
	return Made{t, format(id, hidden)}, nil
}

// check judges a draft and returns its scopes in order, each once.
func check(who auth.Identity, d Draft) (auth.FieldErrors, []string) {
	fields := auth.FieldErrors{}
	switch {
	case d.Name == "":
		fields["name"] = "Say what the token is for, so that you know later which to revoke."
	case utf8.RuneCountInString(d.Name) > maxName || !utf8.ValidString(d.Name):
		fields["name"] = "Use at most 100 characters."
	}
	if d.Days < 1 || d.Days > MaxDays {
		fields["days"] = "A token lives from 1 to 365 days."
	}
	var scopes []string
	for _, scope := range Scopes() {
		if !slices.Contains(d.Scopes, scope.Name) {
			continue
		}
		if !who.May(scope.Role) {
			fields["scopes"] = "The scope " + scope.Name + " needs the role " + string(scope.Role) + "."
		}
		scopes = append(scopes, scope.Name)
	}
	for _, name := range d.Scopes {
		if !slices.Contains(scopes, name) {
			fields["scopes"] = "There is no such scope."
		}
	}
	if len(scopes) == 0 && fields["scopes"] == "" {
		fields["scopes"] = "Choose at least one."
	}
	return fields, scopes
}

// Listed is a token with its member, for the list.
type Listed struct {
	store.AccessToken
	Email string // of the member
	Mine  bool
}

// List lists the tokens that a member may see: his own, and everybody's of the
// organization for an admin. The newest come first, his own before others'.
func (s *Service) List(ctx context.Context, who auth.Identity) ([]Listed, error) {
	if err := person(ctx, who); err != nil {
		return nil, err
	}
	only := who.User
	if who.May(store.RoleAdmin) {
		only = ""
	}
	list, err := s.listed(ctx, who.Org, only)
	for i := range list {
		list[i].Mine = list[i].UserID == who.User
	}
	slices.SortStableFunc(list, func(a, b Listed) int {
		switch {
		case a.Mine == b.Mine:
			return 0
		case a.Mine:
			return -1
		}
		return 1
	})
	return list, err
}

// ListOf lists the tokens of an organization, of one member where user is not
// empty. It is for commands.
func (s *Service) ListOf(ctx context.Context, org store.OrgID, user store.UserID) ([]Listed, error) {
	if access.From(ctx).Kind != access.System {
		return nil, errs.New(errs.Forbidden, "role", "Only the installation's own commands may do that.", "")
	}
	return s.listed(ctx, org, user)
}

func (s *Service) listed(ctx context.Context, org store.OrgID, user store.UserID) (out []Listed, err error) {
	err = s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.AccessTokens(ctx, org, user)
		if err != nil {
			return err
		}
		emails := map[store.UserID]string{}
		for _, t := range list {
			if _, known := emails[t.UserID]; !known {
				u, err := tx.User(ctx, t.UserID)
				if err != nil {
					return err
				}
				emails[t.UserID] = u.Email
			}
			out = append(out, Listed{AccessToken: t, Email: emails[t.UserID]})
		}
		return nil
	})
	return out, err
}

// Revoke ends a token at once: a member's own, or anybody's of the organization
// by an admin. An unknown one, and one that the member may not see, is
// errs.NotFound.
func (s *Service) Revoke(ctx context.Context, who auth.Identity, id string, addr netip.Addr) error {
	if err := person(ctx, who); err != nil {
		return err
	}
	return s.revoke(ctx, who.Org, id, func(t store.AccessToken) bool {
		return t.UserID == who.User || who.May(store.RoleAdmin)
	}, store.AuditRow{Actor: who.User, Source: text(addr)})
}

// RevokeAs ends a token of an organization for a command.
func (s *Service) RevokeAs(ctx context.Context, org store.OrgID, id string) error {
	if access.From(ctx).Kind != access.System {
		return errs.New(errs.Forbidden, "role", "Only the installation's own commands may do that.", "")
	}
	return s.revoke(ctx, org, id, func(store.AccessToken) bool { return true }, store.AuditRow{Source: "command line"})
}

func (s *Service) revoke(ctx context.Context, org store.OrgID, id string, may func(store.AccessToken) bool, row store.AuditRow) error {
	return s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		t, err := tx.AccessToken(ctx, id)
		if err == nil && (t.OrgID != org || !may(t)) {
			err = errs.New(errs.NotFound, "not_found", "There is no such token.", "")
		}
		if errs.KindOf(err) == errs.NotFound {
			return errs.Wrap(err, errs.NotFound, "no_token", "This token has been revoked already.", "Reload the page.")
		}
		if err != nil {
			return err
		}
		if err := tx.DeleteAccessToken(ctx, org, id); err != nil {
			return err
		}
		row.OrgID, row.At, row.Action, row.Target = org, s.now().UTC(), "token_revoked", "token:"+id
		return tx.Audit(ctx, row)
	})
}

// person wants a member in a browser session: a token makes no tokens.
func person(ctx context.Context, who auth.Identity) error {
	actor := access.From(ctx)
	if who.IsZero() || actor.Kind != access.Person || actor.User != string(who.User) || actor.Org != string(who.Org) {
		return errs.New(errs.Forbidden, "role", "Tokens are made and revoked by their member, in the browser.", "Log in and open Settings, Tokens.")
	}
	return nil
}

func text(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}
