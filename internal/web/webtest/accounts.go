package webtest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Users keeps accounts in memory.
type Users struct {
	mu      sync.Mutex
	users   []store.User
	members []store.Membership
	factors []store.Factor
	codes   map[store.UserID]map[string]bool // code → still good
	kept    map[store.UserID]bool
	tries   map[string]tries
	devices map[string]device
	emails  map[store.UserID]emailChange
}

type tries struct {
	count int
	until time.Time
}

type device struct {
	user store.UserID
	seen time.Time
}

type emailChange struct {
	email, token string
	expires      time.Time
}

// HasUsers implements auth.Users.
func (u *Users) HasUsers(context.Context) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.users) > 0, nil
}

// CreateOwner implements auth.Users.
func (u *Users) CreateOwner(_ context.Context, org store.Organization, user store.User) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.users) > 0 {
		return errs.New(errs.Conflict, "already_set_up", "There is an owner already.", "")
	}
	u.users = append(u.users, user)
	u.members = append(u.members, store.Membership{OrgID: org.ID, UserID: user.ID, Role: store.RoleOwner})
	return nil
}

// User implements auth.Users.
func (u *Users) User(_ context.Context, id store.UserID) (store.User, error) {
	return u.find(func(x store.User) bool { return x.ID == id })
}

// UserByEmail implements auth.Users.
func (u *Users) UserByEmail(_ context.Context, email string) (store.User, error) {
	return u.find(func(x store.User) bool { return x.Email == email })
}

func (u *Users) find(match func(store.User) bool) (store.User, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := slices.IndexFunc(u.users, match); i >= 0 {
		return u.users[i], nil
	}
	return store.User{}, missing("account")
}

// ChangeUser implements auth.Users.
func (u *Users) ChangeUser(_ context.Context, id store.UserID, change func(*store.User) error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := slices.IndexFunc(u.users, func(x store.User) bool { return x.ID == id })
	if at < 0 {
		return missing("account")
	}
	user := u.users[at]
	if err := change(&user); err != nil {
		return err
	}
	if slices.ContainsFunc(u.users, func(x store.User) bool { return x.ID != id && x.Email == user.Email }) {
		return errs.New(errs.Conflict, "already_exists", "There is one like this already.", "")
	}
	u.users[at] = user
	return nil
}

// Memberships implements auth.Users.
func (u *Users) Memberships(_ context.Context, id store.UserID) ([]store.Membership, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []store.Membership
	for _, m := range u.members {
		if m.UserID == id {
			list = append(list, m)
		}
	}
	return list, nil
}

// AddUser adds an account to the first account's organization.
func (u *Users) AddUser(user store.User, role store.Role) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users = append(u.users, user)
	u.members = append(u.members, store.Membership{OrgID: u.members[0].OrgID, UserID: user.ID, Role: role})
}

// SetRole gives an account another role.
func (u *Users) SetRole(id store.UserID, role store.Role) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.members {
		if u.members[i].UserID == id {
			u.members[i].Role = role
		}
	}
}

// AddOwner makes the owner account through the service.
func (b *Backend) AddOwner(ctx context.Context, accounts *auth.Service) (auth.Identity, error) {
	return accounts.CreateOwner(ctx, auth.NewOwner{
		Name: OwnerName, Email: OwnerEmail, Password: secret.New(OwnerPassword), Organization: "Northwind Outfitters", Trusted: true,
	})
}

// Sessions keeps login sessions in memory.
type Sessions struct {
	mu   sync.Mutex
	rows map[string]*session
	next int
}

type session struct {
	data   []byte
	expiry time.Time
	info   store.SessionInfo
}

// NewSessions returns an empty store.
func NewSessions() *Sessions { return &Sessions{rows: map[string]*session{}} }

// Find implements scs.Store.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[token]
	if !ok {
		return nil, false, nil
	}
	return r.data, true, nil
}

// Commit implements scs.Store.
func (s *Sessions) Commit(token string, b []byte, expiry time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[token]
	if r == nil {
		s.next++
		r = &session{info: store.SessionInfo{ID: "session-" + strconv.Itoa(s.next), CreatedAt: Now}}
		s.rows[token] = r
	}
	r.data, r.expiry = b, expiry
	return nil
}

// Delete implements scs.Store.
func (s *Sessions) Delete(token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, token)
	return nil
}

// FindCtx implements scs.CtxStore.
func (s *Sessions) FindCtx(_ context.Context, token string) ([]byte, bool, error) {
	return s.Find(token)
}

// CommitCtx implements scs.CtxStore.
func (s *Sessions) CommitCtx(_ context.Context, token string, b []byte, expiry time.Time) error {
	return s.Commit(token, b, expiry)
}

// DeleteCtx implements scs.CtxStore.
func (s *Sessions) DeleteCtx(_ context.Context, token string) error { return s.Delete(token) }

// UserSessions implements auth.SessionStore.
func (s *Sessions) UserSessions(_ context.Context, user store.UserID, current string) ([]store.SessionInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []store.SessionInfo
	for token, r := range s.rows {
		if r.info.UserID == user {
			info := r.info
			info.Current = token == current
			list = append(list, info)
		}
	}
	slices.SortFunc(list, func(a, b store.SessionInfo) int {
		if len(a.ID) != len(b.ID) {
			return len(b.ID) - len(a.ID)
		}
		if a.ID > b.ID {
			return -1
		}
		return 1
	})
	return list, nil
}

// BindSession implements auth.SessionStore.
func (s *Sessions) BindSession(_ context.Context, token string, user store.UserID, agent, address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[token]
	if r == nil {
		return fmt.Errorf("bind session: %w", missing("session"))
	}
	r.info.UserID, r.info.Agent, r.info.Address = user, agent, address
	return nil
}

// EndSession implements auth.SessionStore.
func (s *Sessions) EndSession(_ context.Context, user store.UserID, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, r := range s.rows {
		if r.info.ID == id && r.info.UserID == user {
			delete(s.rows, token)
			return nil
		}
	}
	return missing("session")
}

// EndSessions implements auth.SessionStore.
func (s *Sessions) EndSessions(_ context.Context, user store.UserID, except string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for token, r := range s.rows {
		if r.info.UserID == user && token != except {
			delete(s.rows, token)
			n++
		}
	}
	return n, nil
}

// Count returns how many sessions are kept.
func (s *Sessions) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}
