package members_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/members"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// post collects letters.
type post struct {
	mu      sync.Mutex
	off     bool
	letters []mail.Message
}

func (p *post) Configured() bool { return !p.off }

func (p *post) Queue(_ context.Context, _ jobs.Transaction, _ store.OrgID, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := mail.CheckAddress(m.To); err != nil {
		return err
	}
	p.letters = append(p.letters, m)
	return nil
}

func (p *post) last(t *testing.T) mail.Message {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.letters) == 0 {
		t.Fatal("no letter")
	}
	return p.letters[len(p.letters)-1]
}

// accounts hashes nothing.
type accounts struct{}

func (accounts) NewPasswordHash(_ context.Context, password secret.Value, _ ...string) (string, error) {
	if password.IsZero() {
		return "", auth.FieldErrors{"password": "Choose a password."}
	}
	return "hash", nil
}

// club is an organization with a member of each role.
type club struct {
	*testing.T
	store   *store.Store
	service *members.Service
	post    *post
	org     store.OrgID
	now     time.Time
	ids     map[string]store.UserID // by name: owner, admin, editor, viewer
}

func clubs(t *testing.T, test func(*club)) {
	t.Helper()
	for _, engine := range []store.Engine{store.EngineSQLite, store.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			test(newClub(t, engine))
		})
	}
}

func newClub(t *testing.T, engine store.Engine) *club {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	c := &club{T: t, post: &post{}, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), ids: map[string]store.UserID{}}
	cfg := store.Config{Dir: filepath.Join(t.TempDir(), "data"), Keys: set, Now: func() time.Time { return c.now }}
	if engine == store.EnginePostgres {
		cfg.DatabaseURL = secret.New(cluster.Database(t))
	}
	if c.store, err = store.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.store.Close() })
	c.service, err = members.New(members.Config{
		Store: c.store, Accounts: accounts{}, Post: c.post, PublicURL: "https://lens.example.com", Many: engine == store.EnginePostgres,
		Now: func() time.Time { return c.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.system(func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.InsertOrganization(ctx, store.Organization{Name: "Acme"})
		c.org = o.ID
		return err
	})
	for _, role := range roles {
		c.add(string(role), role)
	}
	return c
}

var roles = []store.Role{access.Viewer, access.Editor, access.Admin, access.Owner}

func (c *club) system(fn func(context.Context, *store.SystemTx) error) {
	c.Helper()
	if err := c.store.InSystem(c.Context(), fn); err != nil {
		c.Fatal(err)
	}
}

// add makes a member with a login.
func (c *club) add(name string, role store.Role) store.UserID {
	c.Helper()
	c.system(func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.InsertUser(ctx, store.User{Email: name + "@example.com", Name: name})
		if err != nil {
			return err
		}
		c.ids[name] = u.ID
		return tx.SetMembership(ctx, store.Membership{OrgID: c.org, UserID: u.ID, Role: role})
	})
	c.login(name)
	return c.ids[name]
}

func (c *club) login(name string) {
	c.Helper()
	token := name + fmt.Sprint(len(c.sessions(name)))
	if err := c.store.Sessions().CommitCtx(c.Context(), token, []byte("x"), c.now.Add(time.Hour)); err != nil {
		c.Fatal(err)
	}
	c.system(func(ctx context.Context, tx *store.SystemTx) error {
		return tx.BindSession(ctx, token, c.ids[name], "agent", "192.0.2.1")
	})
}

func (c *club) sessions(name string) (list []store.SessionInfo) {
	c.Helper()
	c.system(func(ctx context.Context, tx *store.SystemTx) (err error) {
		list, err = tx.UserSessions(ctx, c.ids[name], "")
		return err
	})
	return list
}

// as acts as a member of the organization, with the role that was given.
func (c *club) as(name string, role store.Role) context.Context {
	return access.With(c.Context(), access.Actor{Kind: access.Person, User: string(c.ids[name]), Org: string(c.org), Role: role})
}

func (c *club) who(role store.Role) context.Context { return c.as(string(role), role) }

func (c *club) role(name string) (role store.Role) {
	c.Helper()
	c.system(func(ctx context.Context, tx *store.SystemTx) error {
		m, err := tx.Membership(ctx, c.org, c.ids[name])
		role = m.Role
		if errs.KindOf(err) == errs.NotFound {
			return nil
		}
		return err
	})
	return role
}

// audited returns how often something is in the organization's audit log.
func (c *club) audited(action string) (n int) {
	c.Helper()
	err := c.store.ViewOrg(access.AsSystem(c.Context()), c.org, func(ctx context.Context, tx *store.Tx) error {
		_, total, err := tx.AuditLog(ctx, store.AuditQuery{Action: action, Limit: 1})
		n = total
		return err
	})
	if err != nil {
		c.Fatal(err)
	}
	return n
}

func (c *club) code(err error, want string) {
	c.Helper()
	if got := errs.CodeOf(err); (err == nil) != (want == "") || err != nil && got != want {
		c.Errorf("got %q (%v), want %q", got, err, want)
	}
}

// TestRolesMatrix tries every operation as every role, and as nobody and a
// member of another organization.
func TestRolesMatrix(t *testing.T) {
	clubs(t, func(c *club) {
		victim := 0
		fresh := func(role store.Role) store.UserID { // a member to do things to
			victim++
			return c.add(fmt.Sprintf("victim%d", victim), role)
		}
		invited := func(role store.Role) string {
			victim++
			i, err := c.service.Invite(c.who(access.Owner), c.org, members.Invite{Email: fmt.Sprintf("guest%d@example.com", victim), Role: role})
			if err != nil {
				c.Fatal(err)
			}
			return i.Invitation.ID
		}
		operations := []struct {
			name string
			may  store.Role // the least role; "" nobody
			do   func(ctx context.Context) error
		}{
			{"list", access.Viewer, func(ctx context.Context) error { _, err := c.service.List(ctx, c.org); return err }},
			{"overview", access.Viewer, func(ctx context.Context) error { _, err := c.service.Overview(ctx, c.org); return err }},
			{"rename", access.Admin, func(ctx context.Context) error { return c.service.Rename(ctx, c.org, "Acme 2") }},
			{"invite viewer", access.Admin, func(ctx context.Context) error {
				victim++
				_, err := c.service.Invite(ctx, c.org, members.Invite{Email: fmt.Sprintf("new%d@example.com", victim), Role: access.Viewer})
				return err
			}},
			{"invite admin", access.Admin, func(ctx context.Context) error {
				victim++
				_, err := c.service.Invite(ctx, c.org, members.Invite{Email: fmt.Sprintf("new%d@example.com", victim), Role: access.Admin})
				return err
			}},
			{"invite owner", access.Owner, func(ctx context.Context) error {
				victim++
				_, err := c.service.Invite(ctx, c.org, members.Invite{Email: fmt.Sprintf("new%d@example.com", victim), Role: access.Owner})
				return err
			}},
			{"resend", access.Admin, func(ctx context.Context) error {
				_, err := c.service.Resend(ctx, c.org, invited(access.Viewer))
				return err
			}},
			{"resend an owner's", access.Owner, func(ctx context.Context) error {
				_, err := c.service.Resend(ctx, c.org, invited(access.Owner))
				return err
			}},
			{"revoke", access.Admin, func(ctx context.Context) error { return c.service.Revoke(ctx, c.org, invited(access.Editor)) }},
			{"revoke an owner's", access.Owner, func(ctx context.Context) error { return c.service.Revoke(ctx, c.org, invited(access.Owner)) }},
			{"raise to editor", access.Admin, func(ctx context.Context) error {
				return c.service.SetRole(ctx, c.org, fresh(access.Viewer), access.Editor)
			}},
			{"raise to admin", access.Admin, func(ctx context.Context) error {
				return c.service.SetRole(ctx, c.org, fresh(access.Viewer), access.Admin)
			}},
			{"raise to owner", access.Owner, func(ctx context.Context) error {
				return c.service.SetRole(ctx, c.org, fresh(access.Admin), access.Owner)
			}},
			{"lower an admin", access.Admin, func(ctx context.Context) error {
				return c.service.SetRole(ctx, c.org, fresh(access.Admin), access.Viewer)
			}},
			{"lower an owner", access.Owner, func(ctx context.Context) error {
				return c.service.SetRole(ctx, c.org, fresh(access.Owner), access.Viewer)
			}},
			{"remove a viewer", access.Admin, func(ctx context.Context) error { return c.service.Remove(ctx, c.org, fresh(access.Viewer)) }},
			{"remove an admin", access.Admin, func(ctx context.Context) error { return c.service.Remove(ctx, c.org, fresh(access.Admin)) }},
			{"remove an owner", access.Owner, func(ctx context.Context) error { return c.service.Remove(ctx, c.org, fresh(access.Owner)) }},
		}
		foreign := access.With(c.Context(), access.Actor{Kind: access.Person, User: "somebody", Org: "another", Role: access.Owner})
		for _, op := range operations {
			for _, role := range roles {
				err := op.do(c.who(role))
				allowed := role.Rank() >= op.may.Rank()
				if allowed && err != nil || !allowed && errs.KindOf(err) != errs.Forbidden {
					c.Errorf("%s as %s: %v", op.name, role, err)
				}
			}
			if err := op.do(c.Context()); errs.KindOf(err) != errs.Forbidden {
				c.Errorf("%s as nobody: %v", op.name, err)
			}
			if err := op.do(foreign); errs.KindOf(err) != errs.NotFound {
				c.Errorf("%s as another organization's owner: %v", op.name, err)
			}
		}
		for _, role := range roles {
			l, err := c.service.List(c.who(role), c.org)
			if err != nil || (len(l.Invitations) > 0) != (role.Rank() >= access.Admin.Rank()) {
				c.Errorf("invitations as %s: %d, %v", role, len(l.Invitations), err)
			}
		}
	})
}

func TestOwnersStay(t *testing.T) {
	clubs(t, func(c *club) {
		owner := c.ids["owner"]
		c.code(c.service.Leave(c.who(access.Owner), c.org), "last_owner")
		c.code(c.service.Remove(c.who(access.Owner), c.org, owner), "last_owner")
		c.code(c.service.SetRole(c.who(access.Owner), c.org, owner, access.Admin), "last_owner")
		c.code(c.service.SetRole(access.AsSystem(c.Context()), c.org, owner, access.Admin), "last_owner")
		c.code(c.service.SetRole(c.who(access.Admin), c.org, c.ids["admin"], access.Owner), "own_role")
		c.code(c.service.SetRole(c.who(access.Owner), c.org, c.ids["viewer"], "emperor"), "role_unknown")
		c.code(c.service.SetRole(c.who(access.Owner), c.org, "nobody", access.Viewer), "no_member")
		c.code(c.service.Remove(c.who(access.Owner), c.org, "nobody"), "no_member")
		if c.role("owner") != access.Owner || c.role("admin") != access.Admin {
			c.Error("a refused change was made")
		}
		c.add("second", access.Owner)
		c.code(c.service.SetRole(c.who(access.Owner), c.org, owner, access.Admin), "")
		c.code(c.service.Leave(c.as("second", access.Owner), c.org), "last_owner")
	})
}

// TestOwnersCannotLeaveAtOnce lets two owners go in two transactions at a time.
func TestOwnersCannotLeaveAtOnce(t *testing.T) {
	clubs(t, func(c *club) {
		c.add("second", access.Owner)
		var wg sync.WaitGroup
		failed := make([]error, 2)
		for n, name := range []string{"owner", "second"} {
			wg.Go(func() { failed[n] = c.service.Leave(c.as(name, access.Owner), c.org) })
		}
		wg.Wait()
		if (failed[0] == nil) == (failed[1] == nil) {
			c.Errorf("both or neither left: %v, %v", failed[0], failed[1])
		}
	})
}

func TestChangesReachSessionsAndAuditLog(t *testing.T) {
	clubs(t, func(c *club) {
		c.code(c.service.SetRole(c.who(access.Owner), c.org, c.ids["viewer"], access.Admin), "")
		if len(c.sessions("viewer")) != 0 || len(c.sessions("editor")) != 1 {
			c.Error("a raise ends the logins of whom it concerns, and no others")
		}
		letter := c.post.last(c.T)
		if letter.To != "viewer@example.com" || !strings.Contains(letter.Text, "an admin of “Acme”") {
			c.Errorf("notice: %+v", letter)
		}
		c.login("viewer")
		c.code(c.service.SetRole(c.who(access.Owner), c.org, c.ids["viewer"], access.Editor), "")
		if len(c.sessions("viewer")) != 1 {
			c.Error("a lower role is read with each request; the login stays")
		}
		c.code(c.service.Remove(c.who(access.Admin), c.org, c.ids["viewer"]), "")
		if len(c.sessions("viewer")) != 0 || c.role("viewer") != "" {
			c.Error("a removed member kept something")
		}
		c.code(c.service.Leave(c.who(access.Editor), c.org), "")
		for action, want := range map[string]int{"member_role_changed": 2, "member_removed": 1, "member_left": 1} {
			if n := c.audited(action); n != want {
				c.Errorf("%s: %d rows, want %d", action, n, want)
			}
		}
	})
}

func TestInvitationIsAcceptedOnce(t *testing.T) {
	clubs(t, func(c *club) {
		i, err := c.service.Invite(c.who(access.Admin), c.org, members.Invite{Email: " New@Example.com ", Role: access.Editor})
		if err != nil {
			c.Fatal(err)
		}
		if i.Link != "https://lens.example.com/invite/"+i.Token || !i.Mailed || i.Invitation.ExpiresAt.Sub(c.now) != members.Life {
			c.Errorf("%+v", i)
		}
		if m := c.post.last(c.T); m.To != "new@example.com" || !strings.Contains(m.Text, i.Link) || !strings.Contains(m.Text, "as an editor") {
			c.Errorf("letter: %+v", m)
		}
		offer, err := c.service.Open(c.Context(), i.Token)
		if err != nil || offer.Organization != "Acme" || offer.Role != access.Editor || offer.Email != "new@example.com" {
			c.Errorf("%+v, %v", offer, err)
		}
		_, _, err = c.service.Register(c.Context(), i.Token, members.NewAccount{Name: "N\u202eew", Password: secret.New("x")})
		c.code(err, "bad_name")
		if _, _, err = c.service.Register(c.Context(), i.Token, members.NewAccount{Name: "New"}); err == nil {
			c.Error("an account without a password was made")
		}
		var wg sync.WaitGroup
		failed := make([]error, 3)
		for n := range failed {
			wg.Go(func() {
				_, _, failed[n] = c.service.Register(c.Context(), i.Token, members.NewAccount{Name: "New Person", Password: secret.New("x")})
			})
		}
		wg.Wait()
		made := 0
		for _, err := range failed {
			if err == nil {
				made++
			} else if code := errs.CodeOf(err); code != "invitation_void" && code != "has_account" && code != "already_exists" {
				c.Errorf("%v", err)
			}
		}
		if made != 1 {
			c.Errorf("%d accounts were made: %v", made, failed)
		}
		_, err = c.service.Open(c.Context(), i.Token)
		c.code(err, "invitation_void")
		_, err = c.service.Invite(c.who(access.Admin), c.org, members.Invite{Email: "new@example.com", Role: access.Viewer})
		c.code(err, "already_member")
		if c.audited("member_invited") != 1 || c.audited("invitation_accepted") != 1 {
			c.Error("the audit log misses something")
		}
	})
}

func TestInvitationOfAnAccount(t *testing.T) {
	clubs(t, func(c *club) {
		c.code(c.service.Remove(c.who(access.Owner), c.org, c.ids["viewer"]), "")
		i, err := c.service.Invite(c.who(access.Owner), c.org, members.Invite{Email: "viewer@example.com", Role: access.Editor})
		if err != nil {
			c.Fatal(err)
		}
		_, err = c.service.Accept(c.Context(), i.Token)
		c.code(err, "log_in")
		_, err = c.service.Accept(c.who(access.Editor), i.Token)
		c.code(err, "other_account")
		_, _, err = c.service.Register(c.Context(), i.Token, members.NewAccount{Name: "Somebody else", Password: secret.New("x")})
		c.code(err, "has_account")
		org, err := c.service.JoinAs(c.Context(), i.Token, c.ids["viewer"])
		c.code(err, "")
		if org != c.org || c.role("viewer") != access.Editor {
			c.Errorf("joined %s as %q", org, c.role("viewer"))
		}
		_, err = c.service.JoinAs(c.Context(), i.Token, c.ids["viewer"])
		c.code(err, "invitation_void")
	})
}

func TestInvitationsBecomeVoid(t *testing.T) {
	clubs(t, func(c *club) {
		invite := func() members.Issued {
			i, err := c.service.Invite(c.who(access.Owner), c.org, members.Invite{Email: "new@example.com", Role: access.Viewer})
			if err != nil {
				c.Fatal(err)
			}
			return i
		}
		void := func(i members.Issued) {
			c.Helper()
			_, err := c.service.Open(c.Context(), i.Token)
			c.code(err, "invitation_void")
			_, err = c.service.JoinAs(c.Context(), i.Token, c.ids["viewer"])
			c.code(err, "invitation_void")
		}
		first := invite()
		second := invite() // the same address: a new link in the place of the first
		void(first)
		if first.Invitation.ID != second.Invitation.ID {
			c.Error("one address has two invitations")
		}
		third, err := c.service.Resend(c.who(access.Admin), c.org, second.Invitation.ID)
		c.code(err, "")
		void(second)
		c.code(c.service.Revoke(c.who(access.Admin), c.org, third.Invitation.ID), "")
		void(third)
		c.code(c.service.Revoke(c.who(access.Admin), c.org, third.Invitation.ID), "no_invitation")
		fourth := invite()
		c.now = c.now.Add(members.Life)
		void(fourth)
		c.code(nil, "")
		_, err = c.service.Open(c.Context(), "")
		c.code(err, "invitation_void")
	})
}

// TestTokensAreHashes looks for a token and an address in the tables.
func TestTokensAreHashes(t *testing.T) {
	clubs(t, func(c *club) {
		i, err := c.service.Invite(c.who(access.Owner), c.org, members.Invite{Email: "canary@example.com", Role: access.Viewer})
		if err != nil {
			c.Fatal(err)
		}
		c.system(func(ctx context.Context, tx *store.SystemTx) error {
			var hash, body []byte
			if err := tx.SQL().QueryRowContext(ctx, `SELECT token_hash, body FROM invitations`).Scan(&hash, &body); err != nil {
				return err
			}
			if strings.Contains(string(hash), i.Token) || len(hash) != 32 || strings.Contains(string(body), "canary") {
				c.Error("token or address are stored in clear")
			}
			return nil
		})
	})
}

func TestHostileAddressesAndNames(t *testing.T) {
	clubs(t, func(c *club) {
		for _, email := range []string{
			"", "ada", "ada@example.com\r\nBcc: eve@example.net", "ada@example.com, eve@example.net", "Ada <ada@example.com>",
			strings.Repeat("a", 300) + "@example.com", "ada@exa mple.com", "ada@example.com\x00", "<script>@example.com",
		} {
			_, err := c.service.Invite(c.who(access.Owner), c.org, members.Invite{Email: email, Role: access.Viewer})
			c.code(err, "mail_address")
		}
		for _, name := range []string{"", "  ", strings.Repeat("x", 101), "a\u202eb", "a\x1b[2Jb", "a\xff"} {
			c.code(c.service.Rename(c.who(access.Owner), c.org, name), "bad_name")
		}
		c.code(c.service.Rename(c.who(access.Owner), c.org, "Ünï 🙂 \r\n Bcc: x"), "")
		o, err := c.service.Overview(c.who(access.Viewer), c.org)
		if err != nil || o.Name != "Ünï 🙂 Bcc: x" {
			c.Errorf("%q, %v", o.Name, err)
		}
		if _, err := c.service.Invite(c.who(access.Owner), c.org, members.Invite{Email: "jürgen@exämple.com", Role: access.Viewer}); err != nil {
			c.Errorf("an address beyond ASCII: %v", err)
		}
		if m := c.post.last(c.T); strings.ContainsAny(m.Subject, "\r\n") {
			c.Errorf("subject %q", m.Subject)
		}
	})
}

// TestWithoutMail gives a link to hand over.
func TestWithoutMail(t *testing.T) {
	clubs(t, func(c *club) {
		c.post.off = true
		i, err := c.service.Invite(c.who(access.Owner), c.org, members.Invite{Email: "new@example.com", Role: access.Viewer})
		if err != nil || i.Mailed || i.Token == "" {
			c.Errorf("%+v, %v", i, err)
		}
		c.code(c.service.SetRole(c.who(access.Owner), c.org, c.ids["viewer"], access.Admin), "")
	})
}

func TestSeveralOrganizations(t *testing.T) {
	t.Run("sqlite holds one", func(t *testing.T) {
		c := newClub(t, store.EngineSQLite)
		_, err := c.service.Create(c.who(access.Owner), "Second")
		c.code(err, "one_organization")
		_, err = members.New(members.Config{Store: c.store, Accounts: accounts{}, Many: true})
		c.code(err, "one_organization")
		if list, err := c.service.Mine(c.who(access.Owner)); err != nil || len(list) != 0 {
			c.Errorf("%v, %v", list, err)
		}
	})
	t.Run("postgres holds many", func(t *testing.T) {
		c := newClub(t, store.EnginePostgres)
		for _, role := range roles[:3] {
			if _, err := c.service.Create(c.who(role), "Second"); errs.KindOf(err) != errs.Forbidden {
				c.Errorf("as %s: %v", role, err)
			}
		}
		org, err := c.service.Create(c.who(access.Owner), "Second")
		c.code(err, "")
		list, err := c.service.Mine(c.who(access.Owner))
		if err != nil || len(list) != 2 || list[0].Name != "Acme" || list[1].ID != org {
			c.Errorf("%v, %v", list, err)
		}
		// The owner of one is nothing in the other as long as he has not entered it.
		_, err = c.service.List(c.who(access.Owner), org)
		if errs.KindOf(err) != errs.NotFound {
			c.Errorf("%v", err)
		}
		if list, err := c.service.Mine(c.who(access.Viewer)); err != nil || len(list) != 1 {
			c.Errorf("%v, %v", list, err)
		}
	})
}

// TestRemovedMembersStayElsewhere removes somebody from one of two organizations:
// the logins go on in the other one, and end with the last.
func TestRemovedMembersStayElsewhere(t *testing.T) {
	clubs(t, func(c *club) {
		var second store.OrgID
		err := c.store.InSystem(c.Context(), func(ctx context.Context, tx *store.SystemTx) error {
			o, err := tx.InsertOrganization(ctx, store.Organization{Name: "Second"})
			if err != nil {
				return err
			}
			second = o.ID
			return tx.SetMembership(ctx, store.Membership{OrgID: second, UserID: c.ids["editor"], Role: access.Viewer})
		})
		if err != nil {
			c.Logf("one organization is all that this engine holds: %v", err)
			return
		}
		c.code(c.service.Remove(c.who(access.Admin), c.org, c.ids["editor"]), "")
		if c.role("editor") != "" || len(c.sessions("editor")) != 1 {
			c.Errorf("role %q, %d logins: the other organization's are not this one's to end", c.role("editor"), len(c.sessions("editor")))
		}
		c.code(c.service.Remove(c.who(access.Admin), c.org, c.ids["viewer"]), "")
		if len(c.sessions("viewer")) != 0 {
			c.Error("somebody without an organization stayed logged in")
		}
	})
}
