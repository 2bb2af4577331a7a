package connection_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

var now = time.Date(2026, 9, 1, 6, 0, 0, 0, time.UTC)

func TestNormalizeURL(t *testing.T) {
	tests := map[string]string{
		"https://mb.example.com":                         "https://mb.example.com",
		"  https://MB.Example.com/  ":                    "https://mb.example.com",
		"mb.example.com":                                 "https://mb.example.com",
		"mb.example.com:3000/bi":                         "https://mb.example.com:3000/bi",
		"localhost:3000":                                 "http://localhost:3000",
		"127.0.0.1:3000/api":                             "http://127.0.0.1:3000",
		"[::1]:3000":                                     "http://[::1]:3000",
		"https://mb.example.com:443/":                    "https://mb.example.com",
		"http://mb.example.com:80":                       "http://mb.example.com",
		"https://mb.example.com/api":                     "https://mb.example.com",
		"https://mb.example.com/api/session/properties":  "https://mb.example.com",
		"https://example.com/metabase/api/":              "https://example.com/metabase",
		"https://example.com/metabase?x=1#frag":          "https://example.com/metabase",
		"https://example.com//bi//metabase//":            "https://example.com/bi/metabase",
		"https://mb.example.com/dashboard/12-sales?t=1":  "https://mb.example.com",
		"https://example.com/bi/question/7-orders":       "https://example.com/bi",
		"https://mb.example.com/collection/root":         "https://mb.example.com",
		"https://mb.example.com/browse/databases/3":      "https://mb.example.com",
		"https://mb.example.com/auth/login?redirect=%2F": "https://mb.example.com",
		"https://mb.example.com/admin/settings/auth":     "https://mb.example.com",
		"https://example.com/dashboard":                  "https://example.com/dashboard", // may be a sub-path
		"https://example.com/apiary":                     "https://example.com/apiary",
		"http://my_host:3000":                            "http://my_host:3000",
		"https://bücher.example":                         "https://xn--bcher-kva.example",
	}
	for raw, want := range tests {
		got, err := connection.NormalizeURL(raw)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", raw, got, err, want)
		}
		if again, err := connection.NormalizeURL(got); err != nil || again != got {
			t.Errorf("%q is not stable: %q, %v", got, again, err)
		}
	}
	for _, raw := range []string{
		"", "   ", "ftp://mb.example.com", "https://", "https://user:pw@mb.example.com", "https://mb example.com", "https://mb.example.com/\x1b[2J",
		"javascript:alert(1)", "https://mb.example.com:", "https://mb.example.com\\@evil.example", "http://[::1", "https://mb.example.com:99999999",
	} {
		got, err := connection.NormalizeURL(raw)
		if errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %q, %v; want an invalid error", raw, got, err)
			continue
		}
		text, hint := errs.PublicText(err)
		if hint == "" || strings.ContainsAny(text+hint, "\x1b") || strings.Contains(text, "pw@") {
			t.Errorf("%q: text %q, hint %q", raw, text, hint)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	tests := []struct{ text, normal, next string }{
		{"", "", ""},
		{"daily 3:05", "daily 03:05", "2026-09-02 03:05"},
		{"Daily 07:00", "daily 07:00", "2026-09-01 07:00"},
		{"weekly Mon 03:00", "weekly mon 03:00", "2026-09-07 03:00"},
		{"weekly tuesday 23:59", "weekly tue 23:59", "2026-09-01 23:59"},
		{"0 3 * * 1-5", "0 3 * * 1-5", "2026-09-02 03:00"},
		{"*/30 * * * *", "*/30 * * * *", "2026-09-01 06:30"},
		{"0 0 29 2 *", "0 0 29 2 *", "2028-02-29 00:00"},
	}
	for _, c := range tests {
		s, err := connection.ParseSchedule(c.text)
		if err != nil || s.String() != c.normal {
			t.Errorf("%q: %q, %v; want %q", c.text, s, err, c.normal)
			continue
		}
		next := ""
		if at := s.Next(now); !at.IsZero() {
			next = at.Format("2006-01-02 15:04")
		}
		if next != c.next {
			t.Errorf("%q: next run %s, want %s", c.text, next, c.next)
		}
		if again, err := connection.ParseSchedule(s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%q is not stable: %v", s, err)
		}
	}
	for _, text := range []string{
		"daily", "daily 24:00", "daily 3", "daily 03:5", "weekly 03:00", "weekly xyz 03:00", "weekly m 03:00", "monthly", "* * * * *", "*/5 * * * *",
		"0 0 30 2 *", "0 3 * *", "0 3 * * * *", "@every 1s", "@reboot", "TZ=UTC 0 3 * * *", "daily -1:00", "0 3 * * 9",
	} {
		if s, err := connection.ParseSchedule(text); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %q, %v; want an invalid error", text, s, err)
		}
	}
}

func TestQuietHours(t *testing.T) {
	tests := []struct{ span, at, want string }{
		{"", "12:00", "12:00"},
		{"08:00-18:00", "07:59", "07:59"},
		{"08:00-18:00", "08:00", "18:00"},
		{"08:00-18:00", "17:59", "18:00"},
		{"08:00-18:00", "18:00", "18:00"},
		{"22:00-06:00", "23:00", "06:00 +1"},
		{"22:00-06:00", "02:00", "06:00"},
		{"22:00-06:00", "12:00", "12:00"},
	}
	day := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range tests {
		q, err := connection.ParseQuietHours(c.span)
		if err != nil {
			t.Errorf("%q: %v", c.span, err)
			continue
		}
		clock, _ := time.Parse("15:04", c.at)
		got := q.Until(day.Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute))
		text := got.Format("15:04")
		if got.Day() != 1 {
			text += " +1"
		}
		if text != c.want {
			t.Errorf("%q at %s: until %s, want %s", c.span, c.at, text, c.want)
		}
	}
	for _, span := range []string{"8-18", "08:00", "08:00-25:00", "08:00-08:00", "x-y"} {
		if _, err := connection.ParseQuietHours(span); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %v, want an invalid error", span, err)
		}
	}
}

type probe struct {
	asked   []store.Connection
	secrets []string
}

func (p *probe) Probe(ctx context.Context, c store.Connection, s connection.Credentials, r ledger.Recorder) (connection.TestReport, error) {
	p.asked = append(p.asked, c)
	p.secrets = append(p.secrets, s.Key.Expose())
	return connection.TestReport{Reachable: true, URL: c.URL}, r.Record(ctx, ledger.Entry{At: now, Purpose: ledger.PurposeMetabase, Route: "/api/health"})
}

func service(t *testing.T, prober connection.Prober) (*connection.Service, *store.Store, store.OrgID) {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	s, err := store.Open(access.AsSystem(t.Context()), store.Config{Dir: t.TempDir(), Keys: set, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var org store.OrgID
	err = s.InSystem(access.AsSystem(t.Context()), func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.InsertOrganization(ctx, store.Organization{Name: "Larkspur"})
		org = o.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return connection.New(connection.Config{
		Store: s, Prober: prober, Now: clock, Opener: connection.Opener{Policy: outbound.Policy{AllowLoopback: true}},
	}), s, org
}

func audit(t *testing.T, s *store.Store, org store.OrgID) []string {
	t.Helper()
	var lines []string
	err := s.ViewOrg(access.AsSystem(t.Context()), org, func(ctx context.Context, tx *store.Tx) error {
		rows, _, err := tx.AuditLog(ctx, store.AuditQuery{})
		for _, r := range rows {
			lines = append(lines, r.Action+" "+r.Detail)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(lines)
	return lines
}

func draft() connection.Draft {
	return connection.Draft{Name: "Main", URL: "mb.example.com/api", Credential: secret.New(" mb_secretkey= ")}
}

func TestLifeOfAConnection(t *testing.T) {
	p := &probe{}
	s, db, org := service(t, p)
	ctx := access.AsSystem(t.Context())
	d := draft()
	d.Schedule = "Daily 09:00"
	d.Options = store.ConnectionOptions{AllowPlainHTTP: true, QuietHours: "08:00-18:00", ExcludedCollections: []string{" 9", "10", "9", ""}}
	c, err := s.Create(ctx, org, connection.Actor{Source: "192.0.2.7"}, d)
	if err != nil {
		t.Fatal(err)
	}
	want := store.Connection{
		ID: c.ID, Name: "Main", URL: "https://mb.example.com", Auth: store.AuthAPIKey, Schedule: "daily 09:00",
		Options:   store.ConnectionOptions{AllowPlainHTTP: true, QuietHours: "08:00-18:00", ExcludedCollections: []string{"9", "10"}},
		NextRunAt: time.Date(2026, 9, 1, 18, 0, 0, 0, time.UTC), CreatedAt: now, UpdatedAt: now,
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("created connection (-want +got):\n%s", diff)
	}
	key, err := s.Credential(ctx, org, c.ID)
	if err != nil || !key.Equal(secret.New("mb_secretkey=")) {
		t.Errorf("credential was not stored trimmed: %v", err)
	}
	if _, err := s.Create(ctx, org, connection.Actor{}, d); errs.KindOf(err) != errs.Conflict {
		t.Errorf("a second connection of that name: %v", err)
	}
	if _, err := s.Test(ctx, org, c.ID); err != nil || p.secrets[0] != "mb_secretkey=" {
		t.Errorf("test: %v", err)
	}

	d.Credential = secret.Value{}
	d.Name = "Renamed"
	d.Options.AllowPlainHTTP = false
	d.Options.MinTLS12 = true
	if c, err = s.Update(ctx, org, connection.Actor{}, c.ID, d); err != nil || c.Name != "Renamed" {
		t.Fatalf("update: %v", err)
	}
	if list, err := s.Exceptions(ctx, org); err != nil || len(list) != 1 || list[0].Name != "Renamed" || !cmp.Equal(list[0].Options, []string{connection.OptionTLS12}) {
		t.Errorf("exceptions: %+v, %v", list, err)
	}
	if key, _ := s.Credential(ctx, org, c.ID); !key.Equal(secret.New("mb_secretkey=")) {
		t.Error("an update without a key lost the stored one")
	}
	if _, err := s.TestDraft(ctx, org, c.ID, d); err != nil || p.secrets[1] != "mb_secretkey=" {
		t.Errorf("test of a draft with the stored key: %v", err)
	}
	d.URL = "https://evil.example"
	for name, err := range map[string]error{
		"update": second(s.Update(ctx, org, connection.Actor{}, c.ID, d)), "test": second(s.TestDraft(ctx, org, c.ID, d)),
	} {
		if errs.CodeOf(err) != "credential_needed" {
			t.Errorf("%s to another address with the stored key: %v", name, err)
		}
	}
	if len(p.asked) != 2 {
		t.Errorf("another address was asked with the stored key: %v", p.asked)
	}
	if err := s.ReplaceCredential(ctx, org, connection.Actor{}, c.ID, store.AuthAPIKey, secret.New("mb_other")); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, org, connection.Actor{}, c.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Credential(ctx, org, c.ID); err == nil {
		t.Error("the credential outlived its connection")
	}
	wantAudit := []string{
		`connection_created {"url":"https://mb.example.com"}`, `exception_accepted {"exception":"allow_plain_http"}`,
		`connection_updated {"url":"https://mb.example.com","changed":["name","options"]}`, `exception_withdrawn {"exception":"allow_plain_http"}`, `exception_accepted {"exception":"min_tls_12"}`,
		`credential_replaced {}`, `connection_deleted {"url":"https://mb.example.com"}`,
	}
	if diff := cmp.Diff(wantAudit, audit(t, db, org)); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
	if text := fmt.Sprint(audit(t, db, org)); strings.Contains(text, "mb_") {
		t.Errorf("a key is in the audit log: %s", text)
	}
}

func second[A any](_ A, err error) error { return err }

func TestFindAndEnsure(t *testing.T) {
	s, _, org := service(t, &probe{})
	ctx := access.AsSystem(t.Context())
	if _, err := s.Find(ctx, org, ""); errs.KindOf(err) != errs.Invalid {
		t.Errorf("find without connections: %v", err)
	}
	first, err := s.Ensure(ctx, org, connection.Actor{}, draft())
	if err != nil {
		t.Fatal(err)
	}
	d := draft()
	d.Name, d.Credential = "", secret.New("mb_new")
	again, err := s.Ensure(ctx, org, connection.Actor{}, d)
	if err != nil || again.ID != first.ID {
		t.Fatalf("ensure of a known address: %v, %v", again.ID, err)
	}
	if key, _ := s.Credential(ctx, org, first.ID); !key.Equal(secret.New("mb_new")) {
		t.Error("the new key was not taken over")
	}
	d.URL = "https://other.example/bi"
	other, err := s.Ensure(ctx, org, connection.Actor{}, d)
	if err != nil || other.ID == first.ID || other.Name != "other.example/bi" {
		t.Fatalf("ensure of another address: %+v, %v", other, err)
	}
	for text, want := range map[string]store.ConnectionID{"main": first.ID, "Main": first.ID, string(other.ID): other.ID, "https://other.example/bi/": other.ID} {
		if c, err := s.Find(ctx, org, text); err != nil || c.ID != want {
			t.Errorf("find %q: %s, %v", text, c.ID, err)
		}
	}
	_, err = s.Find(ctx, org, "nowhere")
	if _, hint := errs.PublicText(err); errs.KindOf(err) != errs.NotFound || !strings.Contains(hint, "Main") {
		t.Errorf("find of an unknown one: %v", err)
	}
}

func TestBadDrafts(t *testing.T) {
	s, _, org := service(t, &probe{})
	tests := map[string]struct {
		code   string
		change func(*connection.Draft)
	}{
		"no key":        {"no_credential", func(d *connection.Draft) { d.Credential = secret.New(" ") }},
		"masked key":    {"masked_credential", func(d *connection.Draft) { d.Credential = secret.New("mb_abcd**********") }},
		"two keys":      {"bad_credential", func(d *connection.Draft) { d.Credential = secret.New("mb_a\nmb_b") }},
		"odd auth":      {"bad_auth", func(d *connection.Draft) { d.Auth = "password" }},
		"terminal name": {"bad_name", func(d *connection.Draft) { d.Name = "a\x1b[31m" }},
		"bidi name":     {"bad_name", func(d *connection.Draft) { d.Name = "a\u202eb" }},
		"long name":     {"bad_name", func(d *connection.Draft) { d.Name = strings.Repeat("x", 201) }},
		"schedule":      {"bad_schedule", func(d *connection.Draft) { d.Schedule = "sometimes" }},
		"quiet hours":   {"bad_quiet_hours", func(d *connection.Draft) { d.Options.QuietHours = "always" }},
		"concurrency":   {"bad_concurrency", func(d *connection.Draft) { d.Options.Concurrency = 64 }},
		"certificate":   {"bad_certificate", func(d *connection.Draft) { d.Options.CACertificates = "hello" }},
		"private key": {"bad_certificate", func(d *connection.Draft) {
			d.Options.CACertificates = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
		}},
		"proxy":          {"bad_proxy", func(d *connection.Draft) { d.Options.ProxyURL = "ftp://proxy" }},
		"own header":     {"bad_header", func(d *connection.Draft) { d.Options.Headers = map[string]string{"X-Api-Key": "x"} }},
		"header name":    {"bad_header", func(d *connection.Draft) { d.Options.Headers = map[string]string{"a b": "x"} }},
		"header value":   {"bad_header", func(d *connection.Draft) { d.Options.Headers = map[string]string{"A": "x\r\nB: y"} }},
		"unknown checks": {"check_setting", func(d *connection.Draft) { d.Options.EnabledChecks = []string{"NOPE999"} }},
		"address":        {"bad_url", func(d *connection.Draft) { d.URL = "gopher://x" }},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			d := draft()
			c.change(&d)
			_, err := s.Create(access.AsSystem(t.Context()), org, connection.Actor{}, d)
			if errs.CodeOf(err) != c.code || errs.KindOf(err) != errs.Invalid {
				t.Fatalf("error %v (%s), want %s", err, errs.CodeOf(err), c.code)
			}
			text, hint := errs.PublicText(err)
			if text == "" || hint == "" || strings.ContainsAny(text, "\x1b\u202e") {
				t.Errorf("text %q, hint %q", text, hint)
			}
		})
	}
	if list, err := s.List(access.AsSystem(t.Context()), org); err != nil || len(list) != 0 {
		t.Errorf("refused drafts were stored: %v, %v", list, err)
	}
}

// TestProbe tries real connections against the fake Metabase.
func TestProbe(t *testing.T) {
	s, db, org := service(t, nil)
	fake := metabasetest.NewServer(metabasetest.Config{Version: "0.58", World: metabasetest.SampleCompany(now), Admin: true, Now: func() time.Time { return now }})
	url := fake.Start(t)
	d := connection.Draft{URL: url, Credential: secret.New(metabasetest.DefaultKey)}
	r, err := s.TestDraft(access.AsSystem(t.Context()), org, "", d)
	if err != nil || !r.OK() || !r.Admin || !strings.Contains(r.Version, "58") || r.Sees["databases"] == 0 || r.Sees["collections"] == 0 {
		t.Errorf("report %+v, %v", r, err)
	}
	fake.CheckOnlyAllowed(t)
	d.Credential = secret.New("mb_wrong")
	r, err = s.TestDraft(access.AsSystem(t.Context()), org, "", d)
	if err != nil || r.OK() || len(r.Problems) == 0 || r.Problems[0].Code != "unauthorized" || r.Problems[0].Hint == "" {
		t.Errorf("wrong key: %+v, %v", r, err)
	}
	d.URL = "http://127.0.0.1:1"
	r, err = s.TestDraft(access.AsSystem(t.Context()), org, "", d)
	if err != nil || r.OK() || r.Reachable || len(r.Problems) == 0 {
		t.Errorf("nobody listens: %+v, %v", r, err)
	}
	err = db.ViewOrg(access.AsSystem(t.Context()), org, func(ctx context.Context, tx *store.Tx) error {
		_, total, err := tx.Ledger(ctx, store.LedgerQuery{})
		if total == 0 {
			t.Error("the test is not in the ledger")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStamp(t *testing.T) {
	c := store.Connection{URL: "https://mb.example.com", Auth: store.AuthAPIKey}
	base := connection.Credentials{Key: secret.New("mb_key"), MaskKey: secret.New("org")}
	stamp := func(c store.Connection, s connection.Credentials) string {
		text, err := connection.Stamp(c, s)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := stamp(c, base)
	other := c
	other.Options.IncludePersonal = true
	for name, got := range map[string]string{
		"key":          stamp(c, connection.Credentials{Key: secret.New("mb_other"), MaskKey: base.MaskKey}),
		"organization": stamp(c, connection.Credentials{Key: base.Key, MaskKey: secret.New("other")}),
		"options":      stamp(other, base),
	} {
		if got == first {
			t.Errorf("another %s gives the same stamp", name)
		}
	}
	if stamp(c, base) != first || strings.Contains(first, "mb_key") {
		t.Errorf("stamp %q", first)
	}
}
