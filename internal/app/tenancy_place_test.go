package app

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// place is the whole program as the pages see it, without a network in front.
type place struct {
	t      testing.TB
	server *server
	system context.Context
	hash   string // of every account's password
}

const placePassword = "a long enough passphrase 9"

// newPlace builds the server; an empty address takes the embedded database.
func newPlace(t testing.TB, address string, more ...string) *place {
	t.Helper()
	environ := append([]string{"METALENS_LISTEN=127.0.0.1:0", "METALENS_LOG_LEVEL=error"}, more...)
	if address != "" {
		environ = append(environ, "METALENS_DATABASE_URL="+address)
	}
	loaded, err := config.Load(config.Inputs{DefaultData: filepath.Join(t.TempDir(), "data"), Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	env := Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &log, Environ: environ, Now: time.Now}
	s, err := newServer(t.Context(), env, loaded.Config, "demo")
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	p := &place{t: t, server: s, system: access.AsSystem(context.WithoutCancel(t.Context()))}
	t.Cleanup(func() {
		if err := s.shut(); err != nil {
			t.Error(err)
		}
		_ = s.listener.Close()
	})
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// tenant is an organization with a member of each role and a scanned connection.
type tenant struct {
	org   store.OrgID
	conn  store.ConnectionID
	scan  store.ScanID
	users map[store.Role]store.User
}

var allRoles = []store.Role{store.RoleOwner, store.RoleAdmin, store.RoleEditor, store.RoleViewer}

// tenant makes an organization; the first one through the account service.
func (p *place) tenant(name string, world *metabasetest.World) *tenant {
	p.t.Helper()
	x := &tenant{users: map[store.Role]store.User{}}
	domain := "@" + strings.ToLower(name) + ".example"
	if p.hash == "" {
		_, err := p.server.auth.CreateOwner(p.system, auth.NewOwner{
			Organization: name, Name: name + " first", Email: "first" + domain, Password: secret.New(placePassword), Trusted: true,
		})
		p.must(err)
		p.must(p.server.store.InSystem(p.system, func(ctx context.Context, tx *store.SystemTx) error {
			u, err := tx.UserByEmail(ctx, "first"+domain)
			p.hash = u.PasswordHash
			if err != nil {
				return err
			}
			list, err := tx.MembershipsOf(ctx, u.ID)
			if err == nil {
				x.org = list[0].OrgID
			}
			return err
		}))
	} else {
		p.must(p.server.store.InSystem(p.system, func(ctx context.Context, tx *store.SystemTx) error {
			o, err := tx.InsertOrganization(ctx, store.Organization{Name: name})
			x.org = o.ID
			return err
		}))
	}
	p.must(p.server.store.InSystem(p.system, func(ctx context.Context, tx *store.SystemTx) error {
		for _, role := range allRoles {
			u, err := tx.InsertUser(ctx, store.User{Name: name + " " + string(role), Email: string(role) + domain, PasswordHash: p.hash})
			if err != nil {
				return err
			}
			x.users[role] = u
			if err := tx.SetMembership(ctx, store.Membership{OrgID: x.org, UserID: u.ID, Role: role}); err != nil {
				return err
			}
		}
		return nil
	}))
	fake := metabasetest.NewServer(metabasetest.Config{World: world, Admin: true, Now: time.Now})
	address, stop, err := fake.Listen("127.0.0.1:0")
	p.must(err)
	p.t.Cleanup(stop)
	c, err := p.server.connections.Create(p.system, x.org, connection.Actor{}, connection.Draft{
		Name: "Metabase of " + name, URL: address, Auth: store.AuthAPIKey, Credential: secret.New(metabasetest.DefaultKey),
		Options: store.ConnectionOptions{AllowPlainHTTP: true},
	})
	p.must(err)
	x.conn = c.ID
	p.scan(x)
	return x
}

// scan reads the tenant's Metabase.
func (p *place) scan(x *tenant) {
	p.t.Helper()
	out, err := p.server.scans.RunDirect(p.system, x.org, scanservice.Request{Connection: x.conn}, nil)
	p.must(err)
	x.scan = out.Scan.ID
}

// browser is somebody who looks at pages.
type browser struct {
	place   *place
	cookies map[string]*http.Cookie
}

// login returns the browser of somebody who gave the password; nobody without an
// address.
func (p *place) login(email string) *browser {
	p.t.Helper()
	b := &browser{place: p, cookies: map[string]*http.Cookie{}}
	if email == "" {
		return b
	}
	answer := b.do(http.MethodPost, "/login", url.Values{"email": {email}, "password": {placePassword}})
	if answer.Code != http.StatusSeeOther {
		p.t.Fatalf("login of %s: %d %s", email, answer.Code, answer.Body)
	}
	return b
}

func (b *browser) do(method, path string, form url.Values) *httptest.ResponseRecorder {
	b.place.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(context.WithoutCancel(b.place.t.Context()), method, "http://127.0.0.1"+path, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.place.server.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c
	}
	return w
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	return b.do(http.MethodGet, path, nil)
}
