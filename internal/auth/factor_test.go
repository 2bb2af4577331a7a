package auth_test

import (
	"encoding/base32"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/webtest"
)

// desk is a browser in front of a service: what runs in do has a session that
// lives on in the browser's cookies.
type desk struct {
	t      *testing.T
	f      *fixture
	server *httptest.Server
	client *http.Client
	run    func(w http.ResponseWriter, r *http.Request)
}

func newDesk(t *testing.T, f *fixture) *desk {
	t.Helper()
	d := &desk{t: t, f: f}
	d.server = httptest.NewServer(f.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.run(w, r) }), func(_ http.ResponseWriter, _ *http.Request, err error) { t.Error(err) }))
	t.Cleanup(d.server.Close)
	d.forget()
	return d
}

func (d *desk) forget() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.client = &http.Client{Jar: jar}
}

func (d *desk) token() string {
	u := &url.URL{Scheme: "http", Host: "localhost:3456"}
	for _, c := range d.client.Jar.Cookies(u) {
		if c.Name == auth.CookieName(false) {
			return c.Value
		}
	}
	return ""
}

// do runs code within a request of the browser, under localhost.
func (d *desk) do(run func(w http.ResponseWriter, r *http.Request)) {
	d.t.Helper()
	d.run = run
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.server.URL, http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Host = "localhost:3456"
	res, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

// who returns the login at whatever stage.
func (d *desk) who() (id auth.Identity) {
	d.t.Helper()
	d.do(func(_ http.ResponseWriter, r *http.Request) { id = d.pending(r) })
	return id
}

func (d *desk) pending(r *http.Request) auth.Identity {
	id, err := d.f.Pending(r.Context())
	if err != nil {
		d.t.Error(err)
	}
	return id
}

// password logs in by the password and returns how far that led.
func (d *desk) password() (stage auth.Stage) {
	d.t.Helper()
	d.do(func(w http.ResponseWriter, r *http.Request) {
		id, err := d.f.CheckLogin(r.Context(), auth.Login{Email: "ada@example.com", Password: secret.New(webtest.OwnerPassword), Device: d.f.DeviceOf(r), Address: home})
		if err == nil {
			stage, err = d.f.Begin(w, r, id, home)
		}
		if err != nil {
			d.t.Error(err)
		}
	})
	return stage
}

// code gives a code as a second factor or as a confirmation.
func (d *desk) code(code string, from netip.Addr) (err error) {
	d.t.Helper()
	d.do(func(w http.ResponseWriter, r *http.Request) {
		_, err = d.f.CheckCode(w, r, d.pending(r), code, from)
	})
	return err
}

// addApp adds an authenticator app and returns its secret.
func (d *desk) addApp() (secretText string) {
	d.t.Helper()
	d.do(func(w http.ResponseWriter, r *http.Request) {
		id := d.pending(r)
		app, err := d.f.StartApp(r.Context(), id)
		if err != nil {
			d.t.Fatal(err)
		}
		secretText = strings.ReplaceAll(app.Secret, " ", "")
		if _, err := d.f.AddApp(w, r, id, "Phone", d.at(secretText, 0), home); err != nil {
			d.t.Fatal(err)
		}
	})
	return secretText
}

// at is the code of a secret some steps away from now.
func (d *desk) at(secretText string, steps int) string {
	d.t.Helper()
	code, err := totp.GenerateCode(secretText, d.f.now.Add(time.Duration(steps)*30*time.Second))
	if err != nil {
		d.t.Fatal(err)
	}
	return code
}

// keepCodes returns the shown recovery codes after putting them away.
func (d *desk) keepCodes() (codes []string) {
	d.t.Helper()
	d.do(func(_ http.ResponseWriter, r *http.Request) {
		codes = d.f.ShownCodes(r.Context())
		if err := d.f.KeepCodes(r, d.pending(r), home); err != nil {
			d.t.Fatal(err)
		}
	})
	return codes
}

func strict(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{users: &webtest.Users{}, sessions: webtest.NewSessions(), now: webtest.Now}
	f.build(t, false)
	return f
}

// build makes the service anew over the same stores, as a restart does.
func (f *fixture) build(t *testing.T, optional bool) {
	t.Helper()
	s, err := auth.New(auth.Config{
		Users: f.users, Sessions: f.sessions, Factors: f.users, Counters: f.users, MFAOptional: optional, Audit: f, Idle: time.Hour, Lifetime: 24 * time.Hour,
		Hash: auth.HashParams{MemoryKiB: 64, Time: 1, Threads: 1}, Now: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Service = s
}

func (f *fixture) audited() string {
	var list []string
	for _, e := range f.events {
		list = append(list, e.What)
	}
	f.events = nil
	return strings.Join(list, " ")
}

// TestOwnerMustEnrol walks the stages of an owner's first login.
func TestOwnerMustEnrol(t *testing.T) {
	f := strict(t)
	f.owner(t)
	d := newDesk(t, f)
	if stage := d.password(); stage != auth.Enrolling {
		t.Fatalf("stage %d after the password", stage)
	}
	d.do(func(_ http.ResponseWriter, r *http.Request) {
		if id, err := f.Current(r.Context()); err != nil || !id.IsZero() {
			t.Errorf("without a factor the session is worth %+v, %v", id, err)
		}
		if _, _, err := f.RemoveFactor(r, d.pending(r), "x", home); errs.KindOf(err) != errs.Forbidden {
			t.Errorf("removing a factor: %v", err)
		}
	})
	before := d.token()
	d.addApp()
	if d.token() == before {
		t.Error("the token stays the same over a second factor")
	}
	if id := d.who(); id.Stage != auth.Enrolling || !id.Strong || id.Factors.Codes != 10 {
		t.Fatalf("before the codes are kept: %+v", id)
	}
	before = d.token()
	codes := d.keepCodes()
	if len(codes) != 10 || len(codes[0]) != 19 {
		t.Errorf("codes %v", codes)
	}
	if id := d.who(); id.Stage != auth.Complete || !id.NeedsFactor || id.StrongAt.IsZero() {
		t.Fatalf("in the end: %+v", id)
	}
	if d.token() == before {
		t.Error("the token stays the same when the login becomes complete")
	}
	d.do(func(_ http.ResponseWriter, r *http.Request) {
		if codes := f.ShownCodes(r.Context()); codes != nil {
			t.Error("the codes are shown twice")
		}
	})
	if got := f.audited(); got != "owner_created login factor_added identity_confirmed recovery_codes_kept" {
		t.Errorf("audited %s", got)
	}
}

func TestCodesOfAnApp(t *testing.T) {
	f := strict(t)
	f.owner(t)
	d := newDesk(t, f)
	d.password()
	key := d.addApp()
	d.keepCodes()
	if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key); err != nil || len(raw) != 20 {
		t.Fatalf("secret of %d bytes, %v", len(raw), err)
	}
	f.now = f.now.Add(time.Hour)
	for name, tc := range map[string]struct {
		steps int
		good  bool
	}{"now": {0, true}, "one early": {-1, true}, "one late": {1, true}, "two early": {-2, false}, "two late": {2, false}} {
		f.now = f.now.Add(10 * time.Minute)
		d.forget()
		if stage := d.password(); stage != auth.Half {
			t.Fatalf("stage %d", stage)
		}
		before := d.token()
		err := d.code(d.at(key, tc.steps), home)
		if (err == nil) != tc.good {
			t.Errorf("%s: %v", name, err)
		}
		if id := d.who(); (id.Stage == auth.Complete) != tc.good {
			t.Errorf("%s: stage %d", name, id.Stage)
		}
		if tc.good && (d.token() == before || f.sessions.Count() == 0) {
			t.Errorf("%s: the token stays the same", name)
		}
	}
	// A code is worth one login, and so are those before it.
	d.forget()
	f.now = f.now.Add(10 * time.Minute)
	d.password()
	if err := d.code(d.at(key, 0), home); err != nil {
		t.Fatal(err)
	}
	d.forget()
	d.password()
	for _, steps := range []int{0, -1} {
		if err := d.code(d.at(key, steps), home); errs.KindOf(err) != errs.Unauthorized {
			t.Errorf("a used code (%d): %v", steps, err)
		}
	}
	if err := d.code("", home); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("no code: %v", err)
	}
	if got := f.audited(); !strings.HasSuffix(got, "login_half login_failed login_failed login_failed") {
		t.Errorf("audited %s", got)
	}
}

// TestCodesAreThrottled: codes cannot be guessed, and a restart changes nothing.
func TestCodesAreThrottled(t *testing.T) {
	f := strict(t)
	f.owner(t)
	d := newDesk(t, f)
	d.password()
	key := d.addApp()
	codes := d.keepCodes()
	known := d.client
	d.forget() // a browser that the account does not know
	d.password()
	for range 10 {
		if err := d.code("000000", other); errs.KindOf(err) != errs.Unauthorized {
			t.Fatal(err)
		}
	}
	f.build(t, false)
	d2 := newDesk(t, f)
	d2.password()
	f.now = f.now.Add(time.Minute)
	for _, good := range []string{d.at(key, 0), codes[0]} {
		if err := d2.code(good, other); errs.KindOf(err) != errs.Limited {
			t.Errorf("the eleventh: %v", err)
		}
	}
	// The owner's own browser goes on: its failures are counted apart.
	unknown := d2.client
	d2.client = known
	if err := d2.code(d2.at(key, 0), home); err != nil {
		t.Errorf("from a known browser: %v", err)
	}
	d2.client = unknown
	// In the long run, too: fifty a day.
	tried := 10
	for range 20 {
		f.now = f.now.Add(16 * time.Minute)
		d2.forget()
		if d2.password() != auth.Half {
			t.Fatal("no half login")
		}
		for range 10 {
			if errs.KindOf(d2.code("000000", other)) == errs.Unauthorized {
				tried++
			}
		}
	}
	if tried != 50 {
		t.Errorf("%d guesses within a day", tried)
	}
}

func TestRecoveryCodes(t *testing.T) {
	f := strict(t)
	f.owner(t)
	d := newDesk(t, f)
	d.password()
	d.addApp()
	codes := d.keepCodes()
	if err := d.code(codes[0], home); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("a recovery code confirms a person: %v", err)
	}
	for i, code := range []string{strings.ToUpper(codes[1]), strings.ReplaceAll(codes[2], "-", " ")} {
		d.forget()
		d.password()
		if err := d.code(code, home); err != nil {
			t.Errorf("%s: %v", code, err)
		}
		if id := d.who(); id.Stage != auth.Complete || id.Factors.Codes != 9-i {
			t.Errorf("after it %+v", id)
		}
		d.forget()
		d.password()
		if err := d.code(code, home); errs.KindOf(err) != errs.Unauthorized {
			t.Errorf("%s twice: %v", code, err)
		}
	}
	if got := f.audited(); strings.Count(got, "recovery_code_used login") != 2 {
		t.Errorf("audited %s", got)
	}
	d.forget()
	d.password()
	if err := d.code(codes[3], home); err != nil {
		t.Fatal(err)
	}
	d.do(func(_ http.ResponseWriter, r *http.Request) {
		if err := f.NewCodes(r.Context(), d.pending(r), home); err != nil {
			t.Error(err)
		}
	})
	if id := d.who(); id.Stage != auth.Enrolling {
		t.Errorf("new codes that nobody kept: stage %d", id.Stage)
	}
	fresh := d.keepCodes()
	d.forget()
	d.password()
	if err := d.code(codes[4], home); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("a replaced code: %v", err)
	}
	if err := d.code(fresh[4], home); err != nil {
		t.Errorf("a new code: %v", err)
	}
}

// TestHalfIsNothing: the password alone opens nothing but the second step, and
// not for long.
func TestHalfIsNothing(t *testing.T) {
	f := strict(t)
	f.owner(t)
	d := newDesk(t, f)
	d.password()
	d.addApp()
	d.keepCodes()
	d.forget()
	d.password()
	d.do(func(w http.ResponseWriter, r *http.Request) {
		id := d.pending(r)
		if c, err := f.Current(r.Context()); err != nil || !c.IsZero() {
			t.Errorf("current %+v, %v", c, err)
		}
		if _, err := f.StartApp(r.Context(), id); errs.KindOf(err) != errs.Forbidden {
			t.Errorf("another app: %v", err)
		}
		if _, err := f.AddApp(w, r, id, "", "", home); errs.KindOf(err) != errs.Forbidden {
			t.Errorf("adding it: %v", err)
		}
		if _, err := f.StartPasskey(r, id); errs.KindOf(err) != errs.Forbidden {
			t.Errorf("another passkey: %v", err)
		}
		if err := f.NewCodes(r.Context(), id, home); errs.KindOf(err) != errs.Forbidden {
			t.Errorf("new recovery codes: %v", err)
		}
		if _, err := f.CheckPassword(w, r, id, secret.New(webtest.OwnerPassword), home); errs.KindOf(err) != errs.Forbidden {
			t.Errorf("the password once more: %v", err)
		}
	})
	if id := d.who(); id.Stage != auth.Half {
		t.Fatalf("stage %d", id.Stage)
	}
	f.now = f.now.Add(16 * time.Minute)
	if id := d.who(); !id.IsZero() {
		t.Errorf("a quarter of an hour later: %+v", id)
	}
}

// TestRaisedRoleNeedsAFactor: at the next request, without a new login.
func TestRaisedRoleNeedsAFactor(t *testing.T) {
	f := strict(t)
	id := f.owner(t)
	f.users.SetRole(id.User, store.RoleViewer)
	d := newDesk(t, f)
	if stage := d.password(); stage != auth.Complete {
		t.Fatalf("a viewer's stage is %d", stage)
	}
	if who := d.who(); who.NeedsFactor || who.Strong {
		t.Errorf("a viewer: %+v", who)
	}
	f.users.SetRole(id.User, store.RoleAdmin)
	if who := d.who(); who.Stage != auth.Enrolling || !who.NeedsFactor {
		t.Errorf("an admin: %+v", who)
	}
	d.do(func(_ http.ResponseWriter, r *http.Request) {
		if !f.Outgrown(r.Context(), d.pending(r)) {
			t.Error("the token is not due for another one")
		}
		if err := f.Rotate(r, d.pending(r), home); err != nil {
			t.Error(err)
		}
		if f.Outgrown(r.Context(), d.pending(r)) {
			t.Error("the new token is due for another one")
		}
	})
}

// TestOtherSessionsBecomeHalf: a factor counts for the sessions that were there.
func TestOtherSessionsBecomeHalf(t *testing.T) {
	f := strict(t)
	id := f.owner(t)
	f.users.SetRole(id.User, store.RoleEditor)
	thief, owner := newDesk(t, f), newDesk(t, f)
	thief.password()
	owner.password()
	owner.addApp()
	if who := owner.who(); who.Stage != auth.Complete {
		t.Errorf("an editor who has not kept the codes: stage %d", who.Stage)
	}
	if who := thief.who(); who.Stage != auth.Half {
		t.Errorf("the other session: stage %d", who.Stage)
	}
}

func TestRemovingFactors(t *testing.T) {
	f := strict(t)
	id := f.owner(t)
	d, elsewhere := newDesk(t, f), newDesk(t, f)
	d.password()
	d.addApp()
	d.keepCodes()
	f.now = f.now.Add(time.Minute)
	second := d.addApp()
	f.now = f.now.Add(time.Minute)
	elsewhere.password()
	if err := elsewhere.code(d.at(second, 0), home); err != nil {
		t.Fatal(err)
	}
	list, err := f.FactorList(t.Context(), id)
	if err != nil || len(list) != 2 {
		t.Fatalf("factors %v, %v", list, err)
	}
	remove := func(factor string) (ended int, err error) {
		d.do(func(_ http.ResponseWriter, r *http.Request) {
			_, ended, err = f.RemoveFactor(r, d.pending(r), factor, home)
		})
		return ended, err
	}
	before := d.token()
	if ended, err := remove(list[0].ID); err != nil || ended != 1 {
		t.Errorf("removing one of two: %d sessions ended, %v", ended, err)
	}
	if d.token() == before || d.who().Stage != auth.Complete || !elsewhere.who().IsZero() {
		t.Error("after a removal: this session goes on under a new token, others end")
	}
	if _, err := remove(list[1].ID); errs.KindOf(err) != errs.Conflict {
		t.Errorf("removing the last: %v", err)
	}
	if _, err := remove("unknown"); errs.KindOf(err) != errs.NotFound {
		t.Errorf("removing an unknown one: %v", err)
	}
	f.users.SetRole(id.User, store.RoleViewer)
	if _, err := remove(list[1].ID); err != nil {
		t.Errorf("removing the last of a viewer: %v", err)
	}
	if who := d.who(); who.Factors.Any() || who.Factors.Codes != 0 || who.Factors.Kept {
		t.Errorf("left: %+v", who.Factors)
	}
}

func TestFreshness(t *testing.T) {
	f := strict(t)
	id := f.owner(t)
	f.users.SetRole(id.User, store.RoleEditor)
	d := newDesk(t, f)
	d.password()
	fresh := func() bool { return f.Fresh(d.who()) }
	if !fresh() {
		t.Error("a login is no proof")
	}
	f.now = f.now.Add(11 * time.Minute)
	if fresh() {
		t.Error("a proof counts for ever")
	}
	try := func(password string) (err error) {
		d.do(func(w http.ResponseWriter, r *http.Request) {
			_, err = f.CheckPassword(w, r, d.pending(r), secret.New(password), home)
		})
		return err
	}
	before := d.token()
	if err := try("wrong"); errs.KindOf(err) != errs.Unauthorized || fresh() {
		t.Errorf("a wrong password: %v", err)
	}
	if err := try(webtest.OwnerPassword); err != nil || !fresh() {
		t.Errorf("the password: %v", err)
	}
	if d.token() == before {
		t.Error("the token stays the same over a confirmation")
	}
	for range 10 {
		_ = try("wrong")
	}
	if err := try(webtest.OwnerPassword); errs.KindOf(err) != errs.Limited {
		t.Errorf("after ten wrong ones: %v", err)
	}
}

// TestAbsoluteLimit: new tokens do not lengthen a session.
func TestAbsoluteLimit(t *testing.T) {
	f := strict(t)
	id := f.owner(t)
	f.users.SetRole(id.User, store.RoleEditor)
	d := newDesk(t, f)
	d.password()
	for range 47 {
		f.now = f.now.Add(30 * time.Minute)
		d.do(func(_ http.ResponseWriter, r *http.Request) {
			who := d.pending(r)
			if who.IsZero() {
				t.Fatal("ended early")
			}
			if err := f.Rotate(r, who, home); err != nil {
				t.Error(err)
			}
		})
	}
	f.now = f.now.Add(31 * time.Minute)
	if who := d.who(); !who.IsZero() {
		t.Error("a session outlives its absolute limit")
	}
}

func TestLoginIsAudited(t *testing.T) {
	f := setup(t)
	f.owner(t)
	d := newDesk(t, f)
	d.password()
	user, err := f.users.UserByEmail(t.Context(), "ada@example.com")
	if err != nil || !user.LastLoginAt.Equal(f.now) {
		t.Errorf("last login %v, %v", user.LastLoginAt, err)
	}
	if got := f.audited(); got != "owner_created login" {
		t.Errorf("audited %s", got)
	}
	d.addApp()
	d.forget()
	d.password()
	if got := f.audited(); got != "factor_added identity_confirmed login_half" {
		t.Errorf("audited %s", got)
	}
}

func TestNamesOfFactors(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	d := newDesk(t, f)
	d.password()
	d.addApp()
	list, err := f.FactorList(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.RenameFactor(t.Context(), id, list[0].ID, " Work\x00 phone ", home); err != nil {
		t.Fatal(err)
	}
	if err := f.RenameFactor(t.Context(), id, "nothing", "x", home); errs.KindOf(err) != errs.NotFound {
		t.Errorf("an unknown one: %v", err)
	}
	if list, _ = f.FactorList(t.Context(), id); list[0].Name != "Work phone" {
		t.Errorf("named %q", list[0].Name)
	}
	if err := f.RenameFactor(t.Context(), id, list[0].ID, strings.Repeat("é", 100), home); err != nil {
		t.Fatal(err)
	}
	if list, _ = f.FactorList(t.Context(), id); len([]rune(list[0].Name)) != 60 {
		t.Errorf("named %q", list[0].Name)
	}
}

func TestSecretOfAnAppExpires(t *testing.T) {
	f := setup(t)
	f.owner(t)
	d := newDesk(t, f)
	d.password()
	var first, second, later string
	start := func(r *http.Request) string {
		app, err := f.StartApp(r.Context(), d.pending(r))
		if err != nil {
			t.Fatal(err)
		}
		if app.QR.Size < 30 || !strings.HasPrefix(app.QR.Path, "M4 4h7v1h-7z") || !strings.Contains(app.URL, "issuer=MetaLens") {
			t.Errorf("QR of %d units: %.40s; %s", app.QR.Size, app.QR.Path, app.URL)
		}
		return strings.ReplaceAll(app.Secret, " ", "")
	}
	d.do(func(_ http.ResponseWriter, r *http.Request) { first = start(r) })
	d.do(func(_ http.ResponseWriter, r *http.Request) { second = start(r) })
	f.now = f.now.Add(31 * time.Minute)
	d.do(func(w http.ResponseWriter, r *http.Request) {
		_, err := f.AddApp(w, r, d.pending(r), "", d.at(first, 0), home)
		var fields auth.FieldErrors
		if !errors.As(err, &fields) || fields["code"] == "" {
			t.Errorf("an old secret: %v", err)
		}
		later = start(r)
	})
	if first != second || later == first {
		t.Error("a secret stays while it is being added, and no longer")
	}
}
