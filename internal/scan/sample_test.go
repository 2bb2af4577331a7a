package scan_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/scan"
)

var versions = []string{
	"0.46", "0.47", "0.48", "0.49", "0.50", "0.51", "0.52", "0.53", "0.54", "0.55",
	"0.56", "0.57", "0.58", "0.59", "0.60", "0.61", "0.62", "0.63", "0.64", "vUNKNOWN",
}

// sample starts a fake Metabase with the sample company.
func sample(t *testing.T, change func(*metabasetest.Config)) (*metabasetest.Server, string) {
	t.Helper()
	cfg := metabasetest.Config{Version: "0.58", World: metabasetest.SampleCompany(at), Admin: true, Session: "11111111-2222-3333-4444-555555555555", Now: clock(at)}
	if change != nil {
		change(&cfg)
	}
	server := metabasetest.NewServer(cfg)
	return server, server.Start(t)
}

func session(cfg *metabase.Config) {
	cfg.Auth.Kind = metabase.AuthSession
}

// login opens a reader with what the version understands.
func login(t *testing.T, url, version string, change func(*metabase.Config)) *metabase.Client {
	t.Helper()
	if version == "0.46" || version == "0.47" || version == "0.48" {
		return client(t, url, "11111111-2222-3333-4444-555555555555", func(cfg *metabase.Config) {
			session(cfg)
			if change != nil {
				change(cfg)
			}
		})
	}
	return client(t, url, metabasetest.DefaultKey, change)
}

// TestEveryVersion scans the sample company as every version, with an admin's
// key and with that of a plain group.
func TestEveryVersion(t *testing.T) {
	for _, version := range versions {
		for _, admin := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/admin=%t", version, admin), func(t *testing.T) {
				server, url := sample(t, func(cfg *metabasetest.Config) { cfg.Version, cfg.Admin = version, admin })
				s := mustRead(t, login(t, url, version, nil), scan.Options{})
				server.CheckOnlyAllowed(t)
				server.CheckNoDetailTwice(t)
				partial, reasons := s.Partial()
				if partial != !admin {
					t.Errorf("partial %t: %s", partial, strings.Join(reasons, "\n  "))
				}
				if s.Instance.Reader.Admin != admin {
					t.Errorf("reader: %+v", s.Instance.Reader)
				}
				if len(s.Questions) == 0 || len(s.Dashboards) == 0 || len(s.Tables) == 0 || len(s.Collections) == 0 {
					t.Errorf("%d questions, %d dashboards, %d tables, %d collections", len(s.Questions), len(s.Dashboards), len(s.Tables), len(s.Collections))
				}
				for _, d := range s.Dashboards {
					if d.DetailUnread && !d.Archived {
						t.Errorf("dashboard %s was not opened", d.ID)
					}
				}
			})
		}
	}
}

// TestVersionsTellTheSame compares what an admin reads from one world as
// several versions: everything all of them know must be equal.
func TestVersionsTellTheSame(t *testing.T) {
	read := func(version string) *catalog.Snapshot {
		_, url := sample(t, func(cfg *metabasetest.Config) { cfg.Version = version })
		return mustRead(t, login(t, url, version, nil), scan.Options{})
	}
	want := read("0.58")
	for _, version := range []string{"0.50", "0.54", "0.62", "0.64"} {
		t.Run(version, func(t *testing.T) {
			got := read(version)
			for _, kind := range []struct {
				name string
				of   func(*catalog.Snapshot) []string
			}{
				{"questions", func(s *catalog.Snapshot) []string { return names(s.Questions) }},
				{"dashboards", func(s *catalog.Snapshot) []string { return names(s.Dashboards) }},
				{"tables", func(s *catalog.Snapshot) []string { return names(s.Tables) }},
				{"segments", func(s *catalog.Snapshot) []string { return names(s.Segments) }},
				{"snippets", func(s *catalog.Snapshot) []string { return names(s.Snippets) }},
				{"groups", func(s *catalog.Snapshot) []string { return names(s.Groups) }},
			} {
				if diff := gocmp.Diff(kind.of(want), kind.of(got)); diff != "" {
					t.Errorf("%s differ (-0.58 +%s):\n%s", kind.name, version, diff)
				}
			}
			for i, q := range want.Questions {
				if strings.Contains(string(got.Questions[i].Query.MBQL), `"measure"`) {
					continue // older versions have no measures and spell them out
				}
				if !q.Unreadable && canonical(t, got.Questions[i]) != canonical(t, q) {
					t.Errorf("question %s means something else in %s", q.ID, version)
				}
			}
		})
	}
}

func names[A catalog.Asset](list []A) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.Ref().String()+" "+a.Title()+" in "+a.InCollection())
	}
	return out
}

var timeless = gocmp.Options{
	cmpopts.IgnoreFields(catalog.Snapshot{}, "StartedAt", "FinishedAt", "Requests", "Marks"), cmpopts.EquateEmpty(),
}

var viewless = gocmp.FilterPath(func(p gocmp.Path) bool { return p.Last().String() == ".OwnReads" }, gocmp.Ignore())

// reads counts own reads in memory.
type reads struct {
	mu     sync.Mutex
	counts map[string]int64
}

func (r *reads) Counts(ctx context.Context) (map[string]int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]int64{}
	for id, n := range r.counts {
		out[id] = n
	}
	return out, nil
}

func (r *reads) Add(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[string]int64{}
	}
	r.counts[id]++
	return nil
}

// TestRescanBudget rescans an unchanged sample company: equal snapshot, views
// without our own, and at most 26 requests plus one per database.
func TestRescanBudget(t *testing.T) {
	for _, version := range []string{"0.48", "0.50", "0.54", "0.58", "0.62", "0.64"} {
		t.Run(version, func(t *testing.T) {
			server, url := sample(t, func(cfg *metabasetest.Config) { cfg.Version = version })
			own := &reads{}
			first := mustRead(t, login(t, url, version, nil), scan.Options{OwnReads: own})
			firstRequests := len(server.Requests())
			server.CheckNoDetailTwice(t)
			for name, o := range map[string]scan.Options{
				"cached": {Now: clock(at.Add(24 * time.Hour))}, "fresh schema": {Now: clock(at.Add(24 * time.Hour)), RefreshSchema: true},
			} {
				server.ResetRequests()
				o.Previous, o.OwnReads = scan.Slim(first), own
				second := mustRead(t, login(t, url, version, nil), o)
				limit := 26
				if o.RefreshSchema {
					limit += len(second.Databases)
				}
				n := len(server.Requests())
				t.Logf("%s: %d requests first, %d in the %s rescan, %d databases", version, firstRequests, n, name, len(second.Databases))
				if n > limit {
					t.Errorf("%s rescan: %d requests, limit %d: %v", name, n, limit, server.RouteCounts())
				}
				for route, n := range server.RouteCounts() {
					if strings.Contains(route, "/api/dashboard/:id") && n > 0 {
						t.Errorf("%s rescan opened %d dashboards", name, n)
					}
				}
				if diff := gocmp.Diff(first, second, timeless, viewless); diff != "" {
					t.Errorf("%s rescan differs (-first +second):\n%s", name, diff)
				}
			}
		})
	}
}

// TestIncrementalEqualsFresh edits a tenth of the content between scans: what
// the incremental scan says must be what a first scan would say.
func TestIncrementalEqualsFresh(t *testing.T) {
	var day atomic.Int64
	server, url := sample(t, func(cfg *metabasetest.Config) {
		cfg.Now = func() time.Time { return at.Add(time.Duration(day.Load()) * 24 * time.Hour) }
	})
	own := &reads{}
	last := mustRead(t, login(t, url, "0.58", nil), scan.Options{OwnReads: own})
	for round := range 3 {
		now := at.Add(time.Duration(round+1) * 24 * time.Hour)
		day.Store(int64(round + 1))
		_, dashboards := server.EditSome(10)
		server.ResetRequests()
		next := mustRead(t, login(t, url, "0.58", nil), scan.Options{Previous: scan.Slim(last), OwnReads: own, Now: clock(now)})
		opened := 0
		for _, r := range server.Requests() {
			if r.Route == "GET /api/dashboard/:id" {
				opened++
			}
		}
		if opened == 0 || opened > dashboards {
			t.Errorf("round %d: %d dashboards opened, %d edited", round, opened, dashboards)
		}
		fresh := mustRead(t, login(t, url, "0.58", nil), scan.Options{OwnReads: own, Now: clock(now)})
		if diff := gocmp.Diff(fresh, next, timeless, viewless); diff != "" {
			t.Errorf("round %d: incremental scan differs (-fresh +incremental):\n%s", round, diff)
		}
		last = next
	}
}

// TestDiscoveryFindsWhatListsTell hides the lists of a server: the scan must
// find the same questions and dashboards through collections.
func TestDiscoveryFindsWhatListsTell(t *testing.T) {
	_, url := sample(t, nil)
	want := mustRead(t, login(t, url, "0.58", nil), scan.Options{})
	hidden, url := sample(t, func(cfg *metabasetest.Config) { cfg.MissingRoutes = []string{"/api/card", "/api/dashboard"} })
	got := mustRead(t, login(t, url, "0.58", nil), scan.Options{})
	hidden.CheckOnlyAllowed(t)
	hidden.CheckNoDetailTwice(t)
	live := func(s *catalog.Snapshot) []string {
		var out []string
		for _, q := range s.Questions {
			if !q.Archived && !q.Unreadable && q.DocumentID == "" {
				out = append(out, q.Ref().String()+" "+q.Name)
			}
		}
		for _, d := range s.Dashboards {
			if !d.Archived {
				out = append(out, fmt.Sprint(d.Ref(), " ", d.Name, " ", len(d.Cards)))
			}
		}
		slices.Sort(out)
		return out
	}
	if diff := gocmp.Diff(live(want), live(got)); diff != "" {
		t.Errorf("discovery finds other content (-lists +discovery):\n%s", diff)
	}
}
