package app

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/grants"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/ui"
)

// opening is how much longer a page may take that has to open the sealed texts of
// all findings: a search in them, and their groups by asset and by collection.
const opening = 5

// TestBenchRestrictedPages asks for the main pages as a member who sees half of the
// collections. With METALENS_BENCH=1 there are 10,000 questions and every page must
// keep to 100 ms; else it is small, and the pages must only answer.
func TestBenchRestrictedPages(t *testing.T) {
	questions, rounds, limit := 400, 3, time.Minute
	if os.Getenv("METALENS_BENCH") == "1" {
		questions, rounds, limit = 10_000, 40, 100*time.Millisecond
	}
	p := newPlace(t, "")
	x := p.tenant("Acme", metabasetest.Generate(metabasetest.GenerateConfig{Seed: 7, Questions: questions, Now: time.Now()}))
	full, err := p.server.library.View(p.system, x.org, x.conn)
	p.must(err)
	grant := store.Grant{Mode: store.GrantCollections}
	for i, c := range full.Index.Snapshot().Collections {
		if i%2 == 0 {
			grant.Collections = append(grant.Collections, c.ID)
		}
	}
	slices.Sort(grant.Collections)
	viewer := x.users[store.RoleViewer]
	p.must(p.server.store.InOrg(p.system, x.org, func(ctx context.Context, tx *store.Tx) error { return tx.SetGrant(ctx, x.conn, viewer.ID, grant) }))
	start := time.Now()
	part := grants.Filter(full.Index, full.Graph, grant)
	t.Logf("%d of %d questions in %d collections; the part is cut in %v", len(part.Index.Snapshot().Questions), len(full.Index.Snapshot().Questions), len(grant.Collections), time.Since(start).Round(time.Millisecond))

	b := p.login(viewer.Email)
	base := "/c/" + string(x.conn)
	ask := func(path string) string {
		answer := b.get(path)
		for deadline := time.Now().Add(2 * time.Minute); strings.Contains(answer.Body.String(), `data-testid="waiting"`) && time.Now().Before(deadline); {
			answer = b.get(path)
		}
		if answer.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
		}
		return answer.Body.String()
	}
	for _, first := range []string{"/catalog", "/catalog?q=revenue", "/findings", "/duplicates", "/metrics", ""} {
		start := time.Now()
		ask(base + first)
		t.Logf("%-28s first answer %v", first, time.Since(start).Round(time.Millisecond))
	}
	question, dashboard := part.Index.Snapshot().Questions[0], part.Index.Snapshot().Dashboards[0]
	used := mostUsed(part)
	paths := []string{
		"", "/findings", "/findings?q=revenue", "/findings?group=asset", "/findings?group=collection", "/not-evaluated", "/catalog", "/catalog?by=databases", "/catalog?q=revenue", "/scans",
		"/scans/" + string(x.scan), "/duplicates", "/duplicates?kind=near&score=90", "/metrics", "/metrics?tab=all&q=count", "/impact", "/lineage", "/lineage?q=orders", "/impact/suggest?add=order+st",
		strings.TrimPrefix(ui.AssetPath(base, question.Ref()), base), strings.TrimPrefix(ui.AssetPath(base, dashboard.Ref()), base), strings.TrimPrefix(ui.AssetPath(base, used), base),
		strings.TrimPrefix(ui.LineagePath(base, used), base), strings.TrimPrefix(ui.LineagePath(base, used), base) + "/graph", strings.TrimPrefix(browse.ImpactPath(base, used), base),
	}
	if cluster := regexp.MustCompile(base + `(/duplicates/[0-9a-f]+)`).FindStringSubmatch(ask(base + "/duplicates")); cluster != nil {
		paths = append(paths, cluster[1])
	}
	for _, path := range paths {
		var took []time.Duration
		size := 0
		for range rounds {
			start := time.Now()
			size = len(ask(base + path))
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		p95 := took[(len(took)*95-1)/100]
		name, _ := url.PathUnescape(path)
		t.Logf("%-46s p50 %6.1f ms  p95 %6.1f ms  %4d kB", name, float64(took[len(took)/2].Microseconds())/1000, float64(p95.Microseconds())/1000, size/1000)
		most := limit
		if strings.HasPrefix(path, "/findings?") { // texts and names of all visible findings are opened
			most *= opening
		}
		if p95 > most {
			t.Errorf("%s: p95 %v, want at most %v", path, p95, most)
		}
	}
}

// mostUsed is the visible table with the most users.
func mostUsed(part *grants.Part) (used catalog.Ref) {
	most := -1
	for _, x := range part.Index.Snapshot().Tables {
		if n := len(part.Graph.Users(x.Ref())); n > most {
			used, most = x.Ref(), n
		}
	}
	return used
}
