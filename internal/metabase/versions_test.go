package metabase_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/secret"
)

var fakeNow = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)

const session = "11111111-2222-3333-4444-555555555555"

// against opens a client on a fake Metabase.
func against(t testing.TB, cfg metabasetest.Config, set ...func(*metabase.Config)) (*metabasetest.Server, *bench) {
	t.Helper()
	cfg.Now = func() time.Time { return fakeNow }
	cfg.Session = session
	server := metabasetest.NewServer(cfg)
	url := server.Start(t)
	conf, b := config(url, append([]func(*metabase.Config){func(c *metabase.Config) {
		c.Auth.Secret = secret.New(metabasetest.DefaultKey)
		if cfg.Version < "0.49" && strings.HasPrefix(cfg.Version, "0.") {
			c.Auth = metabase.Auth{Kind: metabase.AuthSession, Secret: secret.New(session)}
		}
	}}, set...)...)
	c, err := metabase.Open(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b.Client = c
	return server, b
}

// TestVersions reads the sample company from every supported version and from
// an unknown build.
func TestVersions(t *testing.T) {
	names := map[string][]string{}
	versions := []string{"0.46", "0.47", "0.48", "0.49", "0.50", "0.51", "0.52", "0.53", "0.54", "0.55", "0.56", "0.57", "0.58", "0.59", "0.60", "0.61", "0.62", "0.63", "0.64", "vUNKNOWN"}
	if raceEnabled { // one of each way to read
		versions = []string{"0.46", "0.50", "0.58", "0.64", "vUNKNOWN"}
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			world := metabasetest.SampleCompany(fakeNow)
			canaries := world.Canaries()
			server, b := against(t, metabasetest.Config{Version: version, World: world, Admin: true, PersonID: 1})
			s := b.everything(t)
			for _, g := range s.Gaps {
				if !g.Expected {
					t.Errorf("gap: %+v", g)
				}
			}
			for _, c := range s.Collections {
				if _, gaps, err := b.Items(t.Context(), c.ID); err != nil || len(gaps) > 0 {
					t.Errorf("items of %s: %v %v", c.ID, gaps, err)
				}
			}
			server.CheckOnlyAllowed(t)
			server.CheckNoDetailTwice(t)
			if version != "vUNKNOWN" {
				server.CheckKnownParameters(t)
			}
			all := snapshotJSON(t, s) + fmt.Sprintf("%+v", s.Usage) + b.logs.String() + fmt.Sprintf("%+v", b.ledger.Entries())
			for _, c := range canaries {
				if strings.Contains(all, c) {
					t.Errorf("%q survived", c)
				}
			}
			if len(s.Questions) == 0 || len(s.Dashboards) == 0 || len(s.Tables) == 0 || len(s.People) == 0 || len(s.Subscriptions) == 0 || len(s.Access.Data) == 0 {
				t.Errorf("not everything was read: %d questions, %d dashboards, %d tables", len(s.Questions), len(s.Dashboards), len(s.Tables))
			}
			for _, q := range s.Questions {
				if strings.Contains(q.TableID, "/#") {
					t.Errorf("question %s: table %s was not resolved", q.ID, q.TableID)
				}
				names[version] = append(names[version], q.Ref().ID+" "+q.Name)
			}
		})
	}
	// The inventory does not depend on the version, as far as the older one can
	// know: questions inside dashboards and documents came later.
	if diff := cmp.Diff(names["0.58"], names["0.64"]); diff != "" {
		t.Errorf("0.58 and 0.64 differ:\n%s", diff)
	}
	for version, list := range names {
		for _, name := range list {
			if !slices.Contains(names["0.64"], name) {
				t.Errorf("%s names %q, 0.64 does not", version, name)
			}
		}
	}
}

// TestReadingTwiceGivesTheSame: two reads of an unchanged instance are equal.
func TestReadingTwiceGivesTheSame(t *testing.T) {
	for _, version := range []string{"0.50", "0.58"} {
		t.Run(version, func(t *testing.T) {
			world := metabasetest.SampleCompany(fakeNow)
			server := metabasetest.NewServer(metabasetest.Config{Version: version, World: world, Admin: true, PersonID: 1, Now: func() time.Time { return fakeNow }})
			url := server.Start(t)
			var reads []string
			for range 2 {
				conf, b := config(url, func(c *metabase.Config) { c.Auth.Secret = secret.New(metabasetest.DefaultKey) })
				var err error
				if b.Client, err = metabase.Open(conf); err != nil {
					t.Fatal(err)
				}
				reads = append(reads, snapshotJSON(t, b.everything(t)))
				b.Close()
			}
			if reads[0] != reads[1] {
				t.Error(cmp.Diff(reads[0], reads[1]))
			}
		})
	}
}

func TestNonAdminKey(t *testing.T) {
	world := metabasetest.SampleCompany(fakeNow)
	server, b := against(t, metabasetest.Config{Version: "0.58", World: world})
	s := b.everything(t)
	if partial, reasons := s.Partial(); !partial || len(reasons) < 4 {
		t.Errorf("partial %v: %v", partial, reasons)
	}
	unread := map[catalog.Kind]bool{}
	for _, kind := range catalog.Kinds() {
		if _, is := s.Unread(kind); is {
			unread[kind] = true
		}
	}
	if !unread[catalog.KindGroup] || !unread[catalog.KindPerson] || unread[catalog.KindQuestion] {
		t.Errorf("unread: %v", unread)
	}
	if s.Instance.Reader.Admin {
		t.Error("the reader is no admin")
	}
	if len(b.PeopleSeen()) == 0 {
		t.Error("owners are known from content")
	}
	server.CheckOnlyAllowed(t)
}

// TestFaultMatrix meets every fault on every route the scan uses: a clear error
// or a gap, never a hang, never a leak of the server's own words.
func TestFaultMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	reads := map[string]func(*bench) ([]catalog.Gap, error){
		"/api/session/properties": func(b *bench) ([]catalog.Gap, error) { id, err := b.Identify(t.Context()); return id.Gaps, err },
		"/api/user/current":       func(b *bench) ([]catalog.Gap, error) { id, err := b.Identify(t.Context()); return id.Gaps, err },
		"/api/collection":         func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Collections(t.Context()); return g, err },
		"/api/collection/*/items": func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Items(t.Context(), "root"); return g, err },
		"/api/database":           func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Databases(t.Context()); return g, err },
		"/api/database/*/metadata": func(b *bench) ([]catalog.Gap, error) {
			_, _, g, err := b.Schema(t.Context(), "1")
			return g, err
		},
		"/api/table": func(b *bench) ([]catalog.Gap, error) { _, _, g, err := b.Tables(t.Context()); return g, err },
		"/api/card": func(b *bench) ([]catalog.Gap, error) {
			return b.Questions(t.Context(), false, func(*catalog.Question, catalog.Usage) error { return nil })
		},
		"/api/card/*": func(b *bench) ([]catalog.Gap, error) { _, _, g, err := b.Question(t.Context(), "1"); return g, err },
		"/api/dashboard": func(b *bench) ([]catalog.Gap, error) {
			_, g, err := b.DashboardHeads(t.Context(), false)
			return g, err
		},
		"/api/dashboard/*":            func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Dashboard(t.Context(), "1"); return g, err },
		"/api/segment":                func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Segments(t.Context()); return g, err },
		"/api/native-query-snippet":   func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Snippets(t.Context()); return g, err },
		"/api/pulse":                  func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Subscriptions(t.Context()); return g, err },
		"/api/notification":           func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Alerts(t.Context()); return g, err },
		"/api/user":                   func(b *bench) ([]catalog.Gap, error) { _, g, err := b.People(t.Context()); return g, err },
		"/api/permissions/group":      func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Groups(t.Context()); return g, err },
		"/api/permissions/membership": func(b *bench) ([]catalog.Gap, error) { _, g, err := b.Memberships(t.Context()); return g, err },
		"/api/permissions/graph":      func(b *bench) ([]catalog.Gap, error) { _, g, err := b.DataAccess(t.Context()); return g, err },
		"/api/collection/graph":       func(b *bench) ([]catalog.Gap, error) { _, g, err := b.CollectionAccess(t.Context()); return g, err },
	}
	harmless := []metabasetest.FaultKind{metabasetest.FaultRedirectSame, metabasetest.FaultDelay, metabasetest.FaultSlowDrip}
	world := metabasetest.SampleCompany(fakeNow)
	canaries := world.Canaries()
	for _, kind := range metabasetest.FaultKinds() {
		t.Run(string(kind), func(t *testing.T) {
			type outcome struct {
				route string
				gaps  []catalog.Gap
				err   error
				took  time.Duration
				b     *bench
			}
			limit := 20 * time.Second
			if strings.HasPrefix(string(kind), "hang") || kind == metabasetest.FaultSlowDrip {
				limit = 3 * time.Second // these end with the limit
			}
			outcomes := make(chan outcome, len(reads))
			for route, read := range reads {
				_, b := against(t, metabasetest.Config{
					Version: "0.58", World: world, Admin: true, PersonID: 1,
					Faults: []metabasetest.Fault{{Route: route, Kind: kind, Size: 4 << 20, Delay: 2 * time.Millisecond, Status: 418}},
				}, func(c *metabase.Config) {
					c.Timeouts = metabase.Timeouts{Small: limit, Large: limit}
					c.MaxResponse, c.MaxSmallResponse = 1<<20, 1<<20
				})
				if route != "/api/session/properties" && route != "/api/user/current" {
					b.identify(t)
				}
				go func() { // at once, since some wait for their time limit
					started := time.Now()
					gaps, err := read(b)
					outcomes <- outcome{route, gaps, err, time.Since(started), b}
				}()
			}
			for range reads {
				o := <-outcomes
				if o.took > 3*limit {
					t.Errorf("%s took %s", o.route, o.took)
				}
				if o.err == nil && len(o.gaps) == 0 && !slices.Contains(harmless, kind) {
					t.Errorf("%s: neither an error nor a gap", o.route)
				}
				if o.err != nil {
					if text, hint := errs.PublicText(o.err); errs.KindOf(o.err) == errs.Internal || text == "" || hint == "" && errs.CodeOf(o.err) != "bad_request" && errs.CodeOf(o.err) != "unlicensed" {
						t.Errorf("%s: %v", o.route, o.err)
					}
				}
				all := fmt.Sprintf("%+v %v", o.gaps, o.err) + o.b.logs.String()
				for _, c := range canaries {
					if strings.Contains(all, c) {
						t.Errorf("%s: %q in %s", o.route, c, all)
					}
				}
				o.b.Close()
			}
		})
	}
}
