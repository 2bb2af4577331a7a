package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/webtest"
)

var (
	home  = netip.MustParseAddr("192.0.2.10")
	other = netip.MustParseAddr("198.51.100.7")
)

// fixture is a service over stores in memory with a clock that tests move.
type fixture struct {
	*auth.Service
	users    *webtest.Users
	sessions *webtest.Sessions
	now      time.Time
	events   []auth.Event
}

func (f *fixture) Audit(_ context.Context, e auth.Event) error {
	f.events = append(f.events, e)
	return nil
}

func setup(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{users: &webtest.Users{}, sessions: webtest.NewSessions(), now: webtest.Now}
	s, err := auth.New(auth.Config{
		Users: f.users, Sessions: f.sessions, Factors: f.users, Counters: f.users, MFAOptional: true, Audit: f, Idle: time.Hour, Lifetime: 24 * time.Hour,
		Hash: auth.HashParams{MemoryKiB: 64, Time: 1, Threads: 1}, Now: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Service = s
	return f
}

func (f *fixture) owner(t *testing.T) auth.Identity {
	t.Helper()
	id, err := f.CreateOwner(t.Context(), auth.NewOwner{Name: "Ada", Email: "Ada@Example.com", Password: secret.New(webtest.OwnerPassword), Token: f.SetupToken(), Address: home})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (f *fixture) try(t *testing.T, email, password, device string, from netip.Addr) error {
	t.Helper()
	_, err := f.CheckLogin(t.Context(), auth.Login{Email: email, Password: secret.New(password), Device: device, Address: from})
	return err
}

func TestOwnerIsClaimedByTheToken(t *testing.T) {
	f := setup(t)
	if needs, err := f.NeedsSetup(t.Context()); err != nil || !needs {
		t.Fatalf("needs setup = %v, %v", needs, err)
	}
	_, err := f.CreateOwner(t.Context(), auth.NewOwner{Name: "Eve", Email: "eve@example.com", Password: secret.New(webtest.OwnerPassword), Token: "guessed", Address: other})
	var fields auth.FieldErrors
	if !errors.As(err, &fields) || fields["token"] == "" || len(fields) != 1 {
		t.Fatalf("a wrong token: %v", err)
	}
	id := f.owner(t)
	if id.Role != store.RoleOwner || id.Email != "ada@example.com" || id.Org == "" {
		t.Errorf("identity %+v", id)
	}
	user, err := f.users.User(t.Context(), id.User)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(user.PasswordHash, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("hash %q", user.PasswordHash)
	}
	if needs, _ := f.NeedsSetup(t.Context()); needs {
		t.Error("the first run is still open")
	}
	_, err = f.CreateOwner(t.Context(), auth.NewOwner{Name: "Eve", Email: "eve@example.com", Password: secret.New(webtest.OwnerPassword), Token: f.SetupToken(), Address: other})
	if errs.KindOf(err) != errs.Conflict {
		t.Errorf("a second owner: %v", err)
	}
}

func TestSetupTokenCannotBeGuessed(t *testing.T) {
	f := setup(t)
	if len(f.SetupToken()) < 24 {
		t.Errorf("token of %d characters", len(f.SetupToken()))
	}
	in := auth.NewOwner{Name: "Eve", Email: "eve@example.com", Password: secret.New(webtest.OwnerPassword), Address: other}
	for range 10 {
		in.Token = "no"
		var fields auth.FieldErrors
		if _, err := f.CreateOwner(t.Context(), in); !errors.As(err, &fields) {
			t.Fatalf("wrong token: %v", err)
		}
	}
	in.Token = f.SetupToken()
	if _, err := f.CreateOwner(t.Context(), in); errs.KindOf(err) != errs.Limited {
		t.Errorf("the eleventh try from one address: %v", err)
	}
	in.Address = home
	if _, err := f.CreateOwner(t.Context(), in); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
}

func TestOwnerFieldsAreChecked(t *testing.T) {
	f := setup(t)
	for name, tc := range map[string]struct {
		in    auth.NewOwner
		field string
	}{
		"no name":      {auth.NewOwner{Email: "a@example.com", Password: secret.New(webtest.OwnerPassword)}, "name"},
		"long name":    {auth.NewOwner{Name: strings.Repeat("x", 101), Email: "a@example.com", Password: secret.New(webtest.OwnerPassword)}, "name"},
		"no address":   {auth.NewOwner{Name: "Ada", Email: "ada", Password: secret.New(webtest.OwnerPassword)}, "email"},
		"with a name":  {auth.NewOwner{Name: "Ada", Email: "Ada <ada@example.com>", Password: secret.New(webtest.OwnerPassword)}, "email"},
		"weak":         {auth.NewOwner{Name: "Ada", Email: "a@example.com", Password: secret.New("password1234")}, "password"},
		"own name":     {auth.NewOwner{Name: "Wilhelmina", Email: "a@example.com", Password: secret.New("Wilhelmina123")}, "password"},
		"own address":  {auth.NewOwner{Name: "Ada", Email: "lovelace@example.com", Password: secret.New("lovelace-2026")}, "password"},
		"organization": {auth.NewOwner{Name: "Ada", Organization: "Northwind", Email: "a@example.com", Password: secret.New("northwind2026!")}, "password"},
	} {
		tc.in.Token = f.SetupToken()
		_, err := f.CreateOwner(t.Context(), tc.in)
		var fields auth.FieldErrors
		if !errors.As(err, &fields) || fields[tc.field] == "" {
			t.Errorf("%s: %v %v", name, err, fields)
		}
	}
}

func TestPasswordPolicy(t *testing.T) {
	refused := []string{
		"", "short", "elevenchars", "password1234", "Password123!", "P@ssw0rd1234", "passwordpassword", "qwertyuiop123", "1234567890123", "aaaaaaaaaaaaa", "abababababab", "abcdefghijklmnop",
		"letmein12345", "welcome2026!!", "Summer2026!!!", "metabase2026", "MetaLens12345", "iloveyou1234", "changeme1234", "admin1234567", "correct horse battery staple", "correcthorsebatterystaple",
		"qazwsxedc123", "zyxwvutsrqponm", "111111222222", strings.Repeat("x", 600), "\xff\xfe\xfd valid? no, never",
	}
	for _, p := range refused {
		if auth.CheckPassword(secret.New(p)) == "" {
			t.Errorf("%q was accepted", p)
		}
	}
	accepted := []string{
		webtest.OwnerPassword, "lantern glide mosaic", "tR7#kw9!vQ2z", "Käsekuchen mit Zimt", "большой зелёный кит", "eleven.purple.giraffes", "x9fj2kd8sm4q", "sunshine over wet gravel",
	}
	for _, p := range accepted {
		if msg := auth.CheckPassword(secret.New(p)); msg != "" {
			t.Errorf("%q was refused: %s", p, msg)
		}
	}
}

func TestLoginTellsNothing(t *testing.T) {
	f := setup(t)
	f.owner(t)
	wrong := f.try(t, "ada@example.com", "not it at all", "", home)
	unknown := f.try(t, "nobody@example.com", "not it at all", "", home)
	a, ah := errs.PublicText(wrong)
	b, bh := errs.PublicText(unknown)
	if a != b || ah != bh || errs.KindOf(wrong) != errs.Unauthorized {
		t.Errorf("%v against %v", wrong, unknown)
	}
	if err := f.try(t, " ADA@example.com ", webtest.OwnerPassword, "", home); err != nil {
		t.Errorf("the right password: %v", err)
	}
	if err := f.try(t, "ada@example.com", strings.Repeat("x", 100_000), "", home); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("a huge password: %v", err)
	}
}

func TestThrottleStopsGuessersNotTheOwner(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	// The owner's browser has logged in once and carries a device cookie.
	rec := httptest.NewRecorder()
	handler := f.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := f.Begin(w, r, id, home); err != nil {
			t.Error(err)
		}
	}), nil)
	handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/login", nil))
	var device string
	for _, c := range rec.Result().Cookies() {
		if c.Name == "metalens-device" {
			device = c.Value
		}
	}
	if device == "" {
		t.Fatal("no device cookie")
	}
	for i := range 10 {
		if err := f.try(t, "ada@example.com", "guess", "", other); errs.KindOf(err) != errs.Unauthorized {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	err := f.try(t, "ada@example.com", webtest.OwnerPassword, "", other)
	var throttled *auth.ThrottledError
	if errs.KindOf(err) != errs.Limited || !errors.As(err, &throttled) || throttled.RetryAfter <= 0 {
		t.Fatalf("after ten guesses: %v", err)
	}
	if err := f.try(t, "ada@example.com", webtest.OwnerPassword, device, home); err != nil {
		t.Errorf("the owner's own browser is locked out: %v", err)
	}
	if err := f.try(t, "ada@example.com", webtest.OwnerPassword, "invented-device", other); errs.KindOf(err) != errs.Limited {
		t.Errorf("an invented device: %v", err)
	}
	f.now = f.now.Add(15 * time.Minute)
	if err := f.try(t, "ada@example.com", webtest.OwnerPassword, "", other); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

func TestThrottlePerAddress(t *testing.T) {
	f := setup(t)
	f.owner(t)
	// Many accounts from one network: the whole /64 of an IPv6 host counts as one.
	for i := range 30 {
		from := netip.MustParseAddr("2001:db8::1").As16()
		from[15] = byte(i)
		if err := f.try(t, "user"+strings.Repeat("x", i)+"@example.com", "guess", "", netip.AddrFrom16(from)); errs.KindOf(err) != errs.Unauthorized {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if err := f.try(t, "fresh@example.com", "guess", "", netip.MustParseAddr("2001:db8::ffff")); errs.KindOf(err) != errs.Limited {
		t.Errorf("the same network: %v", err)
	}
	if err := f.try(t, "fresh@example.com", "guess", "", netip.MustParseAddr("2001:db8:0:1::1")); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("another network: %v", err)
	}
}

// site is a tiny server with a session: POST /in logs in, GET / says who it is.
func site(t *testing.T, f *fixture, id auth.Identity) (*httptest.Server, *http.Client) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /in", func(w http.ResponseWriter, r *http.Request) {
		if _, err := f.Begin(w, r, id, home); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /out", func(_ http.ResponseWriter, r *http.Request) {
		if err := f.End(r.Context(), home); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /others", func(_ http.ResponseWriter, r *http.Request) {
		if _, err := f.RevokeOthers(r.Context(), id, home); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /rotate", func(_ http.ResponseWriter, r *http.Request) {
		if err := f.Rotate(r, id, home); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		who, err := f.Current(r.Context())
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write([]byte(who.Email))
	})
	server := httptest.NewServer(f.Load(mux, nil))
	t.Cleanup(server.Close)
	return server, client(t)
}

func client(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func call(t *testing.T, c *http.Client, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var b strings.Builder
	buf := make([]byte, 512)
	for {
		n, err := res.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

func token(c *http.Client, server *httptest.Server) string {
	req, _ := http.NewRequest(http.MethodGet, server.URL, nil)
	for _, cookie := range c.Jar.Cookies(req.URL) {
		if cookie.Name == "metalens" {
			return cookie.Value
		}
	}
	return ""
}

func TestSessionLife(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	server, c := site(t, f, id)
	if who := call(t, c, http.MethodGet, server.URL+"/"); who != "" {
		t.Errorf("logged in as %q before a login", who)
	}
	call(t, c, http.MethodPost, server.URL+"/in")
	first := token(c, server)
	if who := call(t, c, http.MethodGet, server.URL+"/"); who != id.Email {
		t.Errorf("logged in as %q", who)
	}
	call(t, c, http.MethodPost, server.URL+"/in")
	if again := token(c, server); again == first || again == "" {
		t.Error("a login keeps the old token")
	}
	before := token(c, server)
	call(t, c, http.MethodPost, server.URL+"/rotate")
	if token(c, server) == before {
		t.Error("rotation keeps the token")
	}
	if who := call(t, c, http.MethodGet, server.URL+"/"); who != id.Email {
		t.Errorf("after rotation %q", who)
	}
	// Used every half hour it lives on; unused for an hour it ends.
	for range 3 {
		f.now = f.now.Add(40 * time.Minute)
		if who := call(t, c, http.MethodGet, server.URL+"/"); who != id.Email {
			t.Fatalf("an active session ended")
		}
	}
	f.now = f.now.Add(61 * time.Minute)
	if who := call(t, c, http.MethodGet, server.URL+"/"); who != "" {
		t.Error("an idle session lives on")
	}
}

func TestSessionsEnd(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	server, here := site(t, f, id)
	there := client(t)
	call(t, here, http.MethodPost, server.URL+"/in")
	call(t, there, http.MethodPost, server.URL+"/in")
	call(t, here, http.MethodPost, server.URL+"/others")
	if who := call(t, there, http.MethodGet, server.URL+"/"); who != "" {
		t.Error("the other session lives on")
	}
	if who := call(t, here, http.MethodGet, server.URL+"/"); who != id.Email {
		t.Error("this session ended too")
	}
	old := token(here, server)
	call(t, here, http.MethodPost, server.URL+"/out")
	if who := call(t, here, http.MethodGet, server.URL+"/"); who != "" {
		t.Error("logged in after logging out")
	}
	// The old token is worth nothing even when it is sent again.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: "metalens", Value: old})
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body := make([]byte, 100)
	if n, _ := res.Body.Read(body); n != 0 {
		t.Errorf("the old token still works: %s", body[:n])
	}
}

func TestSessionCookieUnderTLS(t *testing.T) {
	users := &webtest.Users{}
	s, err := auth.New(auth.Config{Users: users, Sessions: webtest.NewSessions(), Factors: users, Counters: users, MFAOptional: true, Secure: true, Hash: auth.HashParams{MemoryKiB: 64, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.CreateOwner(t.Context(), auth.NewOwner{Name: "Ada", Email: "ada@example.com", Password: secret.New(webtest.OwnerPassword), Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	s.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.Begin(w, r, id, home); err != nil {
			t.Error(err)
		}
	}), nil).ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", nil))
	seen := 0
	for _, c := range rec.Result().Cookies() {
		seen++
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %+v", c)
		}
	}
	if seen != 2 {
		t.Errorf("%d cookies", seen)
	}
}

func TestChangePassword(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	var fields auth.FieldErrors
	err := f.ChangePassword(t.Context(), id, auth.PasswordChange{Current: secret.New("wrong"), New: secret.New("lantern glide mosaic")})
	if !errors.As(err, &fields) || fields["current"] == "" {
		t.Errorf("a wrong present password: %v", err)
	}
	err = f.ChangePassword(t.Context(), id, auth.PasswordChange{Current: secret.New(webtest.OwnerPassword), New: secret.New("ada@example.com1")})
	if !errors.As(err, &fields) || fields["password"] == "" {
		t.Errorf("a weak new password: %v", err)
	}
	if err := f.ChangePassword(t.Context(), id, auth.PasswordChange{Current: secret.New(webtest.OwnerPassword), New: secret.New("lantern glide mosaic")}); err != nil {
		t.Fatal(err)
	}
	if err := f.try(t, "ada@example.com", webtest.OwnerPassword, "", home); err == nil {
		t.Error("the old password still works")
	}
	if err := f.try(t, "ada@example.com", "lantern glide mosaic", "", home); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestRolesOrder(t *testing.T) {
	for _, tc := range []struct {
		have, want store.Role
		may        bool
	}{
		{store.RoleOwner, store.RoleAdmin, true},
		{store.RoleAdmin, store.RoleOwner, false},
		{store.RoleEditor, store.RoleViewer, true},
		{store.RoleViewer, store.RoleEditor, false},
		{"", store.RoleViewer, false},
		{"invented", store.RoleViewer, false},
	} {
		if got := (auth.Identity{Role: tc.have}).May(tc.want); got != tc.may {
			t.Errorf("%q may %q = %v", tc.have, tc.want, got)
		}
	}
}

func TestWhatIsAudited(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	_ = f.try(t, "ada@example.com", "wrong", "", other)
	_ = f.try(t, "ada@example.com", webtest.OwnerPassword, "", home)
	if err := f.ChangePassword(t.Context(), id, auth.PasswordChange{Current: secret.New(webtest.OwnerPassword), New: secret.New("lantern glide mosaic"), Address: home}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range f.events {
		got = append(got, e.What+" "+e.Address)
	}
	// The login itself is noted when a session begins, see TestLoginIsAudited.
	want := "owner_created 192.0.2.10|login_failed 198.51.100.7|password_changed 192.0.2.10"
	if strings.Join(got, "|") != want {
		t.Errorf("audited %v", got)
	}
}
