// Package auth knows who somebody is: the owner account of the first run,
// passwords, logins, their throttle, and server-side sessions.
//
// It never stores a password or a session token in clear: passwords are
// argon2id hashes, tokens reach the store as hashes. It does not decide what a
// role may do; that is the caller's.
package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/scs/v2"
	"github.com/google/uuid"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Users is the part of the store that accounts need.
type Users interface {
	// HasUsers reports whether any account exists.
	HasUsers(ctx context.Context) (bool, error)
	// CreateOwner adds an organization, its first user and the owner's
	// membership in one transaction. It answers errs.Conflict when an account
	// exists already.
	CreateOwner(ctx context.Context, org store.Organization, user store.User) error
	// User finds an account by id; errs.NotFound when absent.
	User(ctx context.Context, id store.UserID) (store.User, error)
	// UserByEmail finds an account by its lower-case address; errs.NotFound when absent.
	UserByEmail(ctx context.Context, email string) (store.User, error)
	// UpdateUser replaces name, password hash and last login of an account.
	UpdateUser(ctx context.Context, user store.User) error
	// Memberships lists the organizations of a user, the first joined first.
	Memberships(ctx context.Context, id store.UserID) ([]store.Membership, error)
}

// Event is something the audit log wants to know.
type Event struct {
	At      time.Time
	Org     store.OrgID
	User    store.UserID
	What    string // owner_created, login, login_failed, logout, password_changed, sessions_revoked
	Address string // network address of the caller
}

// Auditor takes events. It may be nil in a [Config]; then events are dropped.
type Auditor interface {
	Audit(ctx context.Context, e Event) error
}

// Identity is who a session belongs to.
type Identity struct {
	User  store.UserID
	Org   store.OrgID
	Role  store.Role
	Name  string
	Email string
}

// IsZero reports whether nobody is logged in.
func (i Identity) IsZero() bool { return i.User == "" }

// May reports whether the identity has at least a role.
func (i Identity) May(role store.Role) bool { return i.Role.Rank() >= role.Rank() && role.Rank() > 0 }

// Actor is the identity as services and the store know it.
func (i Identity) Actor() access.Actor {
	if i.IsZero() {
		return access.Actor{}
	}
	return access.Actor{Kind: access.Person, User: string(i.User), Org: string(i.Org), Role: i.Role}
}

// Config is what a [Service] needs.
type Config struct {
	Users    Users        // required
	Sessions SessionStore // required
	Audit    Auditor      // optional
	Secure   bool         // sessions travel over TLS: __Host- cookie with the Secure flag
	Idle     time.Duration
	Lifetime time.Duration
	Hash     HashParams // zero = [DefaultHashParams]
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service answers who somebody is. It is safe for concurrent use.
type Service struct {
	users    Users
	audit    Auditor
	sessions *scs.SessionManager
	store    SessionStore
	idle     time.Duration
	hasher   *hasher
	throttle *throttle
	setup    setupToken
	now      func() time.Time
	log      *slog.Logger
}

// The defaults of session life.
const (
	DefaultIdle     = 12 * time.Hour
	DefaultLifetime = 7 * 24 * time.Hour
)

// New returns a Service.
func New(cfg Config) (*Service, error) {
	if cfg.Users == nil || cfg.Sessions == nil {
		return nil, errors.New("auth: Users and Sessions are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Idle <= 0 {
		cfg.Idle = DefaultIdle
	}
	if cfg.Lifetime <= 0 {
		cfg.Lifetime = DefaultLifetime
	}
	if cfg.Hash == (HashParams{}) {
		cfg.Hash = DefaultHashParams
	}
	h, err := newHasher(cfg.Hash)
	if err != nil {
		return nil, err
	}
	return &Service{
		users:    cfg.Users,
		audit:    cfg.Audit,
		sessions: newSessionManager(cfg),
		store:    cfg.Sessions,
		idle:     cfg.Idle,
		hasher:   h,
		throttle: newThrottle(cfg.Now),
		setup:    newSetupToken(),
		now:      cfg.Now,
		log:      cfg.Logger,
	}, nil
}

// NeedsSetup reports whether the first run is still open: no account exists.
func (s *Service) NeedsSetup(ctx context.Context) (bool, error) {
	has, err := s.users.HasUsers(ctx)
	if err != nil {
		return false, fmt.Errorf("look for accounts: %w", err)
	}
	return !has, nil
}

// SetupToken returns the text that claims the first run. It is made anew at each
// start, printed on the console, and never stored.
func (s *Service) SetupToken() string { return s.setup.text }

// NewOwner is what the first step of the first run asks for.
type NewOwner struct {
	Organization string // may be empty
	Name         string
	Email        string
	Password     secret.Value
	Token        string     // the setup token
	Trusted      bool       // the caller is the local console or the demo: no token is asked
	Address      netip.Addr // of the caller, for the throttle and the audit log
}

// FieldErrors are messages per form field, to be shown beside it.
type FieldErrors map[string]string

// Error implements error.
func (f FieldErrors) Error() string { return fmt.Sprintf("%d invalid fields", len(f)) }

// CreateOwner makes the first account. Invalid input answers [FieldErrors] with
// the keys token, name, email and password; a closed first run errs.Conflict.
func (s *Service) CreateOwner(ctx context.Context, in NewOwner) (Identity, error) {
	needs, err := s.NeedsSetup(ctx)
	if err != nil {
		return Identity{}, err
	}
	if !needs {
		return Identity{}, errs.New(errs.Conflict, "already_set_up", "This MetaLens has an owner already.", "Log in, or ask the owner for an account.")
	}
	fields := FieldErrors{}
	if !in.Trusted {
		if err := s.throttle.allow(keysForSetup(in.Address)); err != nil {
			return Identity{}, err
		}
		if !s.setup.matches(in.Token) {
			s.throttle.fail(keysForSetup(in.Address))
			fields["token"] = "This is not the setup token that the console printed at the last start."
		}
	}
	name := strings.TrimSpace(in.Name)
	switch {
	case name == "":
		fields["name"] = "Enter your name."
	case utf8.RuneCountInString(name) > maxName:
		fields["name"] = "Use at most 100 characters."
	}
	email, ok := normalizeEmail(in.Email)
	if !ok {
		fields["email"] = "Enter an e-mail address such as ada@example.com."
	}
	if msg := CheckPassword(in.Password, email, name, in.Organization); msg != "" {
		fields["password"] = msg
	}
	if len(fields) > 0 {
		return Identity{}, fields
	}
	hash, err := s.hasher.hash(ctx, in.Password)
	if err != nil {
		return Identity{}, err
	}
	orgName := strings.TrimSpace(in.Organization)
	if orgName == "" {
		orgName = name
	}
	orgID, err := uuid.NewV7()
	if err != nil {
		return Identity{}, fmt.Errorf("new id: %w", err)
	}
	userID, err := uuid.NewV7()
	if err != nil {
		return Identity{}, fmt.Errorf("new id: %w", err)
	}
	now := s.now().UTC()
	org := store.Organization{ID: store.OrgID(orgID.String()), Name: orgName, CreatedAt: now}
	user := store.User{ID: store.UserID(userID.String()), Email: email, Name: name, PasswordHash: hash, CreatedAt: now}
	if err := s.users.CreateOwner(ctx, org, user); err != nil {
		return Identity{}, fmt.Errorf("create owner: %w", err)
	}
	s.setup.burn()
	id := Identity{User: user.ID, Org: org.ID, Role: store.RoleOwner, Name: name, Email: email}
	s.record(ctx, id, "owner_created", in.Address)
	return id, nil
}

// Login is what the login form asks for.
type Login struct {
	Email    string
	Password secret.Value
	Device   string // value of the device cookie, empty when the browser has none
	Address  netip.Addr
}

// errBadLogin never says which half was wrong.
var errBadLogin = errs.New(errs.Unauthorized, "bad_login", "E-mail address and password do not match an account.", "Check both and try again.")

// CheckLogin verifies an e-mail address and password. A wrong pair answers errs.Unauthorized,
// a throttled caller errs.Limited with a *[ThrottledError] inside.
func (s *Service) CheckLogin(ctx context.Context, in Login) (Identity, error) {
	email, ok := normalizeEmail(in.Email)
	if !ok {
		email = strings.ToLower(strings.TrimSpace(in.Email))
	}
	keys := s.throttle.keysForLogin(email, in.Device, in.Address)
	if err := s.throttle.allow(keys); err != nil {
		return Identity{}, err
	}
	user, err := s.users.UserByEmail(ctx, email)
	switch {
	case errs.KindOf(err) == errs.NotFound:
		// The same work is done for an unknown address, so that time does not tell.
		_, _ = s.hasher.verify(ctx, s.hasher.dummy, in.Password)
		s.throttle.fail(keys)
		s.record(ctx, Identity{}, "login_failed", in.Address)
		return Identity{}, errBadLogin
	case err != nil:
		return Identity{}, fmt.Errorf("find account: %w", err)
	}
	match, err := s.hasher.verify(ctx, user.PasswordHash, in.Password)
	if err != nil {
		return Identity{}, err
	}
	id, err := s.identity(ctx, user)
	if err != nil {
		return Identity{}, err
	}
	if !match {
		s.throttle.fail(keys)
		s.record(ctx, id, "login_failed", in.Address)
		return Identity{}, errBadLogin
	}
	s.throttle.succeed(keys)
	if s.hasher.outdated(user.PasswordHash) {
		if hash, err := s.hasher.hash(ctx, in.Password); err == nil {
			user.PasswordHash = hash
		}
	}
	user.LastLoginAt = s.now().UTC()
	if err := s.users.UpdateUser(ctx, user); err != nil {
		return Identity{}, fmt.Errorf("note login: %w", err)
	}
	s.record(ctx, id, "login", in.Address)
	return id, nil
}

// PasswordChange is what the account page asks for.
type PasswordChange struct {
	Current secret.Value
	New     secret.Value
	Address netip.Addr
}

// ChangePassword replaces the password of an account. Invalid input answers
// [FieldErrors] with the keys current and password.
func (s *Service) ChangePassword(ctx context.Context, id Identity, in PasswordChange) error {
	keys := s.throttle.keysForPassword(id.User)
	if err := s.throttle.allow(keys); err != nil {
		return err
	}
	user, err := s.users.User(ctx, id.User)
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	match, err := s.hasher.verify(ctx, user.PasswordHash, in.Current)
	if err != nil {
		return err
	}
	fields := FieldErrors{}
	if !match {
		s.throttle.fail(keys)
		fields["current"] = "This is not your present password."
	}
	if msg := CheckPassword(in.New, user.Email, user.Name); msg != "" {
		fields["password"] = msg
	}
	if len(fields) > 0 {
		return fields
	}
	s.throttle.succeed(keys)
	user.PasswordHash, err = s.hasher.hash(ctx, in.New)
	if err != nil {
		return err
	}
	if err := s.users.UpdateUser(ctx, user); err != nil {
		return fmt.Errorf("store password: %w", err)
	}
	s.record(ctx, id, "password_changed", in.Address)
	return nil
}

// identity completes an account by its first membership.
func (s *Service) identity(ctx context.Context, user store.User) (Identity, error) {
	members, err := s.users.Memberships(ctx, user.ID)
	if err != nil {
		return Identity{}, fmt.Errorf("find memberships: %w", err)
	}
	if len(members) == 0 {
		return Identity{}, errs.New(errs.Forbidden, "no_membership", "This account belongs to no organization.", "Ask an owner to invite you.")
	}
	return Identity{User: user.ID, Org: members[0].OrgID, Role: members[0].Role, Name: user.Name, Email: user.Email}, nil
}

func (s *Service) record(ctx context.Context, id Identity, what string, addr netip.Addr) {
	if s.audit == nil {
		return
	}
	text := ""
	if addr.IsValid() {
		text = addr.String()
	}
	if err := s.audit.Audit(ctx, Event{At: s.now().UTC(), Org: id.Org, User: id.User, What: what, Address: text}); err != nil {
		s.log.ErrorContext(ctx, "audit event lost", "what", what, "error", err)
	}
}

const maxName = 100

// normalizeEmail lowers an address and says whether it is one bare address.
func normalizeEmail(text string) (string, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	a, err := mail.ParseAddress(text)
	if err != nil || a.Name != "" || a.Address != text || len(text) > 254 {
		return text, false
	}
	return text, true
}

func randomText() string { return rand.Text() }
