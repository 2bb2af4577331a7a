// Package auth knows who somebody is: the owner account of the first run,
// passwords, second factors, logins, their throttle, and server-side sessions.
//
// A session is worth something only when it is complete: [Service.Current]
// answers nobody while a second factor is missing, see [Stage]. Passwords are
// kept as argon2id hashes, session tokens and recovery codes as hashes, secrets
// of authenticator apps sealed. It does not decide what a role may do; that is
// the caller's.
package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/netip"
	"net/url"
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
	// ChangeUser changes an account as it is at that moment, in one step, unless
	// change answers an error. What was read before may have changed since.
	ChangeUser(ctx context.Context, id store.UserID, change func(*store.User) error) error
	// Memberships lists the organizations of a user, the first joined first.
	Memberships(ctx context.Context, id store.UserID) ([]store.Membership, error)
}

// Event is something the audit log wants to know.
type Event struct {
	At      time.Time
	Org     store.OrgID
	User    store.UserID
	What    string // owner_created, login, login_failed, factor_added, password_changed, …
	Address string // network address of the caller
	Detail  map[string]string
	// Operator says that whoever operates the installation did it to the account,
	// on the machine, and not its person.
	Operator bool
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

	// Stage is how far the login has come.
	Stage Stage
	// Strong says that this session proved a second factor; StrongAt is when.
	Strong   bool
	StrongAt time.Time
	// ProvedAt is when the person last proved anything: password, code, passkey.
	ProvedAt time.Time
	// NeedsFactor says that the role needs a second factor, whether there is one
	// or not.
	NeedsFactor bool
	// Factors are the second factors of the account.
	Factors store.FactorState

	top store.Role // the highest role in any organization
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
	Factors  Factors      // required
	Counters Counters     // required
	Audit    Auditor      // optional
	Mailer   Mailer       // optional: letters that confirm a change of address
	// AddressesCount lets an address change only when a letter to the new one is
	// answered: single sign-on ties people to accounts by their address.
	AddressesCount bool
	// MFAOptional lets owners and admins work without a second factor. Only the
	// demo on the loopback address may set it.
	MFAOptional bool
	// PublicURL is where browsers open the pages; passkeys are bound to its host.
	// Empty: passkeys work under localhost alone.
	PublicURL string
	// Cookie is the base name of the cookies, for a second set of accounts on the
	// same host; empty = metalens.
	Cookie   string
	Secure   bool // sessions travel over TLS: __Host- cookie with the Secure flag
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
	factors  Factors
	mailer   Mailer
	fixed    bool // addresses change by letter only
	optional bool
	public   *url.URL // nil without a public address
	idle     time.Duration
	lifetime time.Duration
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
	if cfg.Users == nil || cfg.Sessions == nil || cfg.Factors == nil || cfg.Counters == nil {
		return nil, errors.New("auth: Users, Sessions, Factors and Counters are required")
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
	var public *url.URL
	if cfg.PublicURL != "" {
		if public, err = url.Parse(cfg.PublicURL); err != nil {
			return nil, fmt.Errorf("auth: public address: %w", err)
		}
	}
	return &Service{
		users:    cfg.Users,
		audit:    cfg.Audit,
		sessions: newSessionManager(cfg),
		store:    cfg.Sessions,
		factors:  cfg.Factors,
		mailer:   cfg.Mailer,
		fixed:    cfg.AddressesCount,
		optional: cfg.MFAOptional,
		public:   public,
		idle:     cfg.Idle,
		lifetime: cfg.Lifetime,
		hasher:   h,
		throttle: &throttle{now: cfg.Now, counters: cfg.Counters},
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
		try, err := s.throttle.try(ctx, keysForSetup(in.Address))
		if err != nil {
			return Identity{}, err
		}
		if s.setup.matches(in.Token) {
			if err := try.succeed(ctx); err != nil {
				return Identity{}, err
			}
		} else {
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
	id, err := s.identity(ctx, user)
	if err != nil {
		return Identity{}, err
	}
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
// a throttled caller errs.Limited with a *[ThrottledError] inside. The login is
// complete only when [Service.Begin] says so.
func (s *Service) CheckLogin(ctx context.Context, in Login) (Identity, error) {
	email, ok := normalizeEmail(in.Email)
	if !ok {
		email = strings.ToLower(strings.TrimSpace(in.Email))
	}
	keys, err := s.throttle.keysForLogin(ctx, email, in.Device, in.Address)
	if err != nil {
		return Identity{}, err
	}
	try, err := s.throttle.try(ctx, keys)
	if err != nil {
		return Identity{}, err
	}
	user, err := s.users.UserByEmail(ctx, email)
	switch {
	case errs.KindOf(err) == errs.NotFound:
		// The same work is done for an unknown address, so that time does not tell.
		if _, err := s.hasher.verify(ctx, s.hasher.dummy, in.Password); err != nil {
			return Identity{}, err
		}
		s.record(ctx, Identity{}, "login_failed", in.Address)
		return Identity{}, errBadLogin
	case err != nil:
		return Identity{}, fmt.Errorf("find account: %w", err)
	}
	match, err := s.matches(ctx, user, in.Password)
	if err != nil {
		return Identity{}, err
	}
	id, err := s.identity(ctx, user)
	if !match {
		// Whatever else is wrong with the account is only for who has its password.
		if id.IsZero() {
			id.User = user.ID
		}
		s.record(ctx, id, "login_failed", in.Address, "step", "password")
		return Identity{}, errBadLogin
	}
	if err != nil {
		return Identity{}, err
	}
	if err := try.succeed(ctx); err != nil {
		return Identity{}, err
	}
	if s.hasher.outdated(user.PasswordHash) {
		if hash, err := s.hasher.hash(ctx, in.Password); err == nil {
			err := s.users.ChangeUser(ctx, user.ID, func(u *store.User) error {
				if u.PasswordHash == user.PasswordHash { // else it was changed meanwhile
					u.PasswordHash = hash
				}
				return nil
			})
			if err != nil {
				return Identity{}, fmt.Errorf("store password: %w", err)
			}
		}
	}
	return id, nil
}

// matches compares a password with an account's. An account without one, which
// logs in elsewhere, takes as long and matches none.
func (s *Service) matches(ctx context.Context, user store.User, password secret.Value) (bool, error) {
	if user.PasswordHash == "" {
		_, err := s.hasher.verify(ctx, s.hasher.dummy, password)
		return false, err
	}
	return s.hasher.verify(ctx, user.PasswordHash, password)
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
	fields := FieldErrors{}
	user, err := s.present(ctx, id, in.Current, fields)
	if err != nil {
		return err
	}
	if msg := CheckPassword(in.New, user.Email, user.Name); msg != "" {
		fields["password"] = msg
	}
	if len(fields) > 0 {
		return fields
	}
	hash, err := s.hasher.hash(ctx, in.New)
	if err != nil {
		return err
	}
	err = s.users.ChangeUser(ctx, user.ID, func(u *store.User) error {
		if u.PasswordHash != user.PasswordHash { // changed since it was checked
			return FieldErrors{"current": errNotPresent}
		}
		u.PasswordHash = hash
		return nil
	})
	if err != nil {
		return fmt.Errorf("store password: %w", err)
	}
	s.record(ctx, id, "password_changed", in.Address)
	return nil
}

// errNotPresent stands beside the field of the present password.
const errNotPresent = "This is not your present password."

// present reads an account and checks its present password; a wrong one is noted
// in fields under "current".
func (s *Service) present(ctx context.Context, id Identity, password secret.Value, fields FieldErrors) (store.User, error) {
	try, err := s.throttle.try(ctx, keysForPassword(id.User))
	if err != nil {
		return store.User{}, err
	}
	user, err := s.users.User(ctx, id.User)
	if err != nil {
		return store.User{}, fmt.Errorf("find account: %w", err)
	}
	match, err := s.matches(ctx, user, password)
	if err != nil {
		return store.User{}, err
	}
	if !match {
		fields["current"] = errNotPresent
		return user, nil
	}
	return user, try.succeed(ctx)
}

// identity completes an account by its first membership and its factors.
func (s *Service) identity(ctx context.Context, user store.User) (Identity, error) {
	members, err := s.users.Memberships(ctx, user.ID)
	if err != nil {
		return Identity{}, fmt.Errorf("find memberships: %w", err)
	}
	if len(members) == 0 {
		return Identity{}, errs.New(errs.Forbidden, "no_membership", "This account belongs to no organization.", "Ask an owner to invite you.")
	}
	id := Identity{User: user.ID, Org: members[0].OrgID, Role: members[0].Role, Name: user.Name, Email: user.Email}
	for _, m := range members { // whatever organization is being looked at
		if m.Role.Rank() > id.top.Rank() {
			id.top = m.Role
		}
	}
	id.NeedsFactor = !s.optional && id.top.Rank() >= store.RoleAdmin.Rank()
	if id.Factors, err = s.factors.FactorState(ctx, user.ID); err != nil {
		return Identity{}, fmt.Errorf("find factors: %w", err)
	}
	return id, nil
}

func (s *Service) record(ctx context.Context, id Identity, what string, addr netip.Addr, detail ...string) {
	s.recordEvent(ctx, Event{Org: id.Org, User: id.User, What: what}, addr, detail)
}

// recordOperator records what the operator did to an account.
func (s *Service) recordOperator(ctx context.Context, user store.UserID, what string, detail ...string) {
	s.recordEvent(ctx, Event{User: user, What: what, Operator: true}, netip.Addr{}, detail)
}

func (s *Service) recordEvent(ctx context.Context, e Event, addr netip.Addr, detail []string) {
	if s.audit == nil {
		return
	}
	e.At = s.now().UTC()
	if addr.IsValid() {
		e.Address = addr.String()
	}
	for i := 0; i+1 < len(detail); i += 2 {
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail[detail[i]] = detail[i+1]
	}
	if err := s.audit.Audit(ctx, e); err != nil {
		s.log.ErrorContext(ctx, "audit event lost", "what", e.What, "error", err)
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
