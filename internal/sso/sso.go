// Package sso is single sign-on by OpenID Connect: the authorization code flow
// with PKCE at one identity provider, and which of our accounts a login there
// belongs to.
//
// An account is tied to issuer and subject, which never change. A verified
// address ties it the first time, and only where a membership, an invitation or
// an allowed domain is behind it. Groups and domains make no owners, and owners
// keep their password when an organization asks everybody for single sign-on.
package sso

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// requiredSetting is the organization's setting that asks for single sign-on.
const requiredSetting = "sso_required"

// Config is what a [Service] needs.
type Config struct {
	Provider *Provider // nil: single sign-on is not set up
	OIDC     config.OIDC
	Store    *store.Store     // required
	Now      func() time.Time // nil = time.Now
	Logger   *slog.Logger     // nil = none
}

// Service knows whose logins at the provider are. It is safe for concurrent use.
type Service struct {
	*Provider
	cfg   config.OIDC
	store *store.Store
	now   func() time.Time
	log   *slog.Logger
}

// New returns a Service.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("sso: Store is required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{Provider: cfg.Provider, cfg: cfg.OIDC, store: cfg.Store, now: cfg.Now, log: cfg.Logger}, nil
}

// Name is what people call the provider; empty where there is none.
func (s *Service) Name() string {
	if !s.Enabled() {
		return ""
	}
	return s.Provider.Name()
}

// Enabled reports whether single sign-on is set up.
func (s *Service) Enabled() bool { return s != nil && s.Provider != nil }

// Settings returns how single sign-on is set up, without secrets.
func (s *Service) Settings() config.OIDC {
	out := s.cfg
	out.ClientSecret = config.OIDC{}.ClientSecret
	return out
}

// Finish is [Provider.Finish], with the reason of a failure in the log.
func (s *Service) Finish(ctx context.Context, p Pending, query url.Values) (Claims, error) {
	c, err := s.Provider.Finish(ctx, p, query)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "single sign-on failed", slog.String("code", errs.CodeOf(err)), slog.String("error", err.Error()))
	}
	return c, err
}

// SignIn finds the account that a login at the provider belongs to, ties or
// makes it where that is allowed, and brings its role up to date. Whoever may
// not come in gets errs.Forbidden or errs.Unauthorized with a text for people.
func (s *Service) SignIn(ctx context.Context, c Claims, addr netip.Addr) (auth.Identity, error) {
	// Nobody acts yet; what follows is decided by the settings.
	ctx = access.AsSystem(ctx)
	var id auth.Identity
	err := s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		user, err := s.account(ctx, tx, c, addr)
		if err != nil {
			return err
		}
		id, err = s.identity(ctx, tx, user, c, addr)
		if err != nil {
			return err
		}
		return tx.TouchSSOIdentity(ctx, c.Issuer, c.Subject, s.now().UTC())
	})
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelInfo, "single sign-on refused", slog.String("code", errs.CodeOf(err)), slog.String("error", err.Error()))
		return auth.Identity{}, err
	}
	return id, nil
}

// account finds or makes the account of a login.
func (s *Service) account(ctx context.Context, tx *store.SystemTx, c Claims, addr netip.Addr) (store.User, error) {
	tied, err := tx.SSOIdentity(ctx, c.Issuer, c.Subject)
	if err == nil {
		return tx.User(ctx, tied.UserID)
	}
	if errs.KindOf(err) != errs.NotFound {
		return store.User{}, err
	}
	if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email || len(c.Email) > 254 {
		return store.User{}, errs.New(errs.Forbidden, "sso_no_email", s.cfg.Name+" did not tell your e-mail address.", "Whoever runs "+s.cfg.Name+" can let MetaLens see it.")
	}
	if !c.EmailVerified {
		return store.User{}, errs.New(errs.Forbidden, "sso_unverified", s.cfg.Name+" has not verified your e-mail address.", "Verify it there and try again.")
	}
	user, err := tx.UserByEmail(ctx, c.Email)
	switch errs.KindOf(err) {
	case "":
		return user, s.tie(ctx, tx, user, c, addr)
	case errs.NotFound:
		return s.provision(ctx, tx, c, addr)
	default:
		return store.User{}, err
	}
}

// tie ties an existing account to a login at the provider. An account that is
// tied to another person there is left alone: the address may have been given to
// somebody new.
func (s *Service) tie(ctx context.Context, tx *store.SystemTx, user store.User, c Claims, addr netip.Addr) error {
	list, err := tx.SSOIdentitiesOf(ctx, user.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(i store.SSOIdentity) bool { return i.Issuer == c.Issuer }) {
		return errs.New(errs.Forbidden, "sso_other_person", "This e-mail address belongs to an account that another person at "+s.cfg.Name+" uses.",
			"Ask whoever runs MetaLens to untie it: metalens user unlink.")
	}
	members, err := tx.MembershipsOf(ctx, user.ID)
	if err != nil {
		return err
	}
	if len(members) == 0 {
		if _, err := s.join(ctx, tx, user.ID, c, addr); err != nil {
			return err
		}
	}
	return s.insert(ctx, tx, user.ID, c, addr)
}

func (s *Service) insert(ctx context.Context, tx *store.SystemTx, user store.UserID, c Claims, addr netip.Addr) error {
	now := s.now().UTC()
	if err := tx.InsertSSOIdentity(ctx, store.SSOIdentity{Issuer: c.Issuer, Subject: c.Subject, UserID: user, Email: c.Email, LinkedAt: now}); err != nil {
		return err
	}
	members, err := tx.MembershipsOf(ctx, user)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := tx.Audit(ctx, store.AuditRow{
			OrgID: m.OrgID, At: now, Actor: user, Action: "sso_linked", Target: "user:" + string(user), Source: source(addr), Detail: fmt.Sprintf(`{"issuer":%q}`, c.Issuer),
		}); err != nil {
			return err
		}
	}
	return nil
}

// provision makes an account for somebody who may join.
func (s *Service) provision(ctx context.Context, tx *store.SystemTx, c Claims, addr netip.Addr) (store.User, error) {
	org, err := s.organization(ctx, tx)
	if err != nil {
		return store.User{}, err
	}
	if _, _, err := s.entitlement(ctx, tx, org, c); err != nil { // before anything is written
		return store.User{}, err
	}
	name := c.Name
	if name == "" {
		name, _, _ = strings.Cut(c.Email, "@")
	}
	user, err := tx.InsertUser(ctx, store.User{Email: c.Email, Name: name}) // without a password, none matches
	if err != nil {
		return store.User{}, err
	}
	if _, err := s.join(ctx, tx, user.ID, c, addr); err != nil {
		return store.User{}, err
	}
	return user, s.insert(ctx, tx, user.ID, c, addr)
}

// join makes a user a member by an invitation or by the domain of his address.
func (s *Service) join(ctx context.Context, tx *store.SystemTx, user store.UserID, c Claims, addr netip.Addr) (store.Role, error) {
	org, err := s.organization(ctx, tx)
	if err != nil {
		return "", err
	}
	if err := tx.LockMembers(ctx, org); err != nil {
		return "", err
	}
	role, invitation, err := s.entitlement(ctx, tx, org, c)
	if err != nil {
		return "", err
	}
	row := store.AuditRow{OrgID: org, At: s.now().UTC(), Actor: user, Action: "member_provisioned", Target: "user:" + string(user), Source: source(addr), Detail: fmt.Sprintf(`{"role":%q}`, role)}
	if invitation != "" {
		if err := tx.DeleteInvitation(ctx, org, invitation); err != nil {
			return "", err
		}
		row.Action, row.Detail = "invitation_accepted", fmt.Sprintf(`{"role":%q,"invitation":%q}`, role, invitation)
	}
	if err := tx.SetMembership(ctx, store.Membership{OrgID: org, UserID: user, Role: role}); err != nil {
		return "", err
	}
	return role, tx.Audit(ctx, row)
}

// entitlement says as what somebody may join: by an invitation, whose id it
// returns, or by the domain of his address.
func (s *Service) entitlement(ctx context.Context, tx *store.SystemTx, org store.OrgID, c Claims) (role store.Role, invitation string, err error) {
	open, err := tx.Invitations(ctx, org)
	if err != nil {
		return "", "", err
	}
	for _, i := range open {
		if i.Email == c.Email && i.ExpiresAt.After(s.now()) {
			return i.Role, i.ID, nil
		}
	}
	_, domain, _ := strings.Cut(c.Email, "@")
	if !slices.Contains(s.cfg.AllowedDomains, domain) {
		return "", "", errs.New(errs.Forbidden, "sso_no_account", "There is no account here for your address at "+s.cfg.Name+".", "Ask an owner or admin to invite you.")
	}
	if role, ok := s.mapped(c); ok {
		return role, "", nil
	}
	return store.Role(s.cfg.DefaultRole), "", nil
}

// organization is where people join.
func (s *Service) organization(ctx context.Context, tx *store.SystemTx) (store.OrgID, error) {
	list, err := tx.Organizations(ctx)
	if err != nil {
		return "", err
	}
	for _, o := range list {
		if s.cfg.Organization == string(o.ID) || s.cfg.Organization == "" && len(list) == 1 {
			return o.ID, nil
		}
	}
	return "", errs.New(errs.Forbidden, "sso_no_organization", "Nobody can join by single sign-on: it is not said which organization.", "Whoever runs MetaLens can set oidc.organization.")
}

// mapped is the highest role that a person's groups give; ok is false where
// roles do not follow groups, or the provider said nothing about groups.
func (s *Service) mapped(c Claims) (store.Role, bool) {
	if len(s.cfg.RoleMap) == 0 || !c.HasGroups {
		return "", false
	}
	role := store.Role(s.cfg.DefaultRole)
	found := false
	for _, rule := range s.cfg.RoleMap {
		if r := store.Role(rule.Role); slices.Contains(c.Groups, rule.Group) && (!found || r.Rank() > role.Rank()) {
			role, found = r, true
		}
	}
	return role, true
}

// identity completes an account by its membership, whose role follows the
// person's groups. Owners are made and unmade by owners only.
func (s *Service) identity(ctx context.Context, tx *store.SystemTx, user store.User, c Claims, addr netip.Addr) (auth.Identity, error) {
	members, err := tx.MembershipsOf(ctx, user.ID)
	if err != nil {
		return auth.Identity{}, err
	}
	if len(members) == 0 {
		return auth.Identity{}, errs.New(errs.Forbidden, "no_membership", "This account belongs to no organization.", "Ask an owner to invite you.")
	}
	m := members[0]
	org, err := s.organization(ctx, tx)
	if errs.CodeOf(err) == "sso_no_organization" {
		err = nil // several, and none is named: only the roles do not follow groups then
	}
	if err != nil {
		return auth.Identity{}, err
	}
	if i := slices.IndexFunc(members, func(m store.Membership) bool { return m.OrgID == org }); i >= 0 {
		m = members[i]
		if role, ok := s.mapped(c); ok && m.Role != store.RoleOwner && role != m.Role {
			was := m.Role
			m.Role = role
			if err := tx.SetMembership(ctx, m); err != nil {
				return auth.Identity{}, err
			}
			if err := tx.Audit(ctx, store.AuditRow{
				OrgID: org, At: s.now().UTC(), Action: "role_changed", Target: "user:" + string(user.ID), Source: source(addr),
				Detail: fmt.Sprintf(`{"from":%q,"to":%q,"by":"groups"}`, was, role),
			}); err != nil {
				return auth.Identity{}, err
			}
		}
	}
	return auth.Identity{User: user.ID, Org: m.OrgID, Role: m.Role, Name: user.Name, Email: user.Email}, nil
}

// Owns reports whether a login at the provider is tied to a user.
func (s *Service) Owns(ctx context.Context, user store.UserID, c Claims) (same bool, err error) {
	err = s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		tied, err := tx.SSOIdentity(ctx, c.Issuer, c.Subject)
		if errs.KindOf(err) == errs.NotFound {
			return nil
		}
		same = err == nil && tied.UserID == user
		return err
	})
	return same, err
}

// Tied reports whether a user has an account at the provider.
func (s *Service) Tied(ctx context.Context, user store.UserID) (tied bool, err error) {
	if !s.Enabled() {
		return false, nil
	}
	err = s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.SSOIdentitiesOf(ctx, user)
		tied = slices.ContainsFunc(list, func(i store.SSOIdentity) bool { return i.Issuer == s.cfg.Issuer })
		return err
	})
	return tied, err
}

// Required reports whether an organization asks its members for single sign-on.
// Where that is not set up, nobody is asked.
func (s *Service) Required(ctx context.Context, org store.OrgID) (required bool, err error) {
	if !s.Enabled() {
		return false, nil
	}
	err = s.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		value, ok, err := tx.Setting(ctx, requiredSetting)
		required = ok && value == "yes"
		return err
	})
	return required, err
}

// SetRequired says whether an organization asks its members for single sign-on.
// Owners decide that.
func (s *Service) SetRequired(ctx context.Context, org store.OrgID, required bool, addr netip.Addr) error {
	if err := access.Require(ctx, access.Owner); err != nil {
		return err
	}
	if required && !s.Enabled() {
		return errs.New(errs.Conflict, "sso_off", "Single sign-on is not set up.", "Whoever runs MetaLens sets it up with oidc.issuer and its neighbours.")
	}
	return s.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		action := "sso_required"
		var err error
		if required {
			err = tx.SetSetting(ctx, requiredSetting, "yes")
		} else {
			action, err = "sso_optional", tx.DeleteSetting(ctx, requiredSetting)
		}
		if err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditRow{Actor: store.UserID(access.From(ctx).User), At: s.now().UTC(), Action: action, Source: source(addr)})
	})
}

// CheckPassword refuses a login by password where an organization of the member
// asks for single sign-on and he does not own it. Owners keep the password, so
// that a broken provider locks nobody out for good.
func (s *Service) CheckPassword(ctx context.Context, user store.UserID) error {
	if !s.Enabled() {
		return nil
	}
	ctx = access.AsSystem(ctx)
	var members []store.Membership
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		members, err = tx.MembershipsOf(ctx, user)
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Role == store.RoleOwner {
			continue
		}
		required, err := s.Required(ctx, m.OrgID)
		if err != nil {
			return err
		}
		if required {
			return errs.New(errs.Forbidden, "sso_required", "Your organization asks for single sign-on.", "Use “Continue with "+s.cfg.Name+"” instead of the password.")
		}
	}
	return nil
}

func source(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}
