package app

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/api"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/ui"
)

// restricted is an organization whose editor sees chosen collections only.
type restricted struct {
	*place
	*tenant
	full    *browse.View
	grant   store.Grant
	witness *witness
	owner   *browser
	editor  *browser
	base    string
}

// newRestricted grants a third of the collections.
func newRestricted(t *testing.T) *restricted {
	t.Helper()
	p := newPlace(t, "")
	x := p.tenant("Acme", markedWorld(51, "a"))
	r := &restricted{place: p, tenant: x, base: "/c/" + string(x.conn), grant: store.Grant{Mode: store.GrantCollections}}
	var err error
	r.full, err = p.server.library.View(p.system, x.org, x.conn)
	p.must(err)
	for i, c := range r.full.Index.Snapshot().Collections {
		if i%3 == 1 && c.ID != catalog.RootCollectionID {
			r.grant.Collections = append(r.grant.Collections, c.ID)
		}
	}
	slices.Sort(r.grant.Collections)
	r.owner = p.login(x.users[store.RoleOwner].Email)
	r.editor = p.login(x.users[store.RoleEditor].Email)
	r.witness = newWitness(t, r.full, r.grant, "a")
	return r
}

// restrict sets the grant.
func (r *restricted) restrict() {
	r.t.Helper()
	r.must(r.server.store.InOrg(r.system, r.org, func(ctx context.Context, tx *store.Tx) error {
		return tx.SetGrant(ctx, r.conn, r.users[store.RoleEditor].ID, r.grant)
	}))
}

// beside counts the hidden neighbours of an asset by looking at each.
func (r *restricted) beside(a catalog.Ref) (sources, users int) {
	hidden := map[catalog.Ref]bool{}
	for _, e := range r.full.Graph.Sources(a) {
		if !r.witness.part.Sees(e.From) {
			hidden[e.From] = true
		}
	}
	sources = len(hidden)
	clear(hidden)
	for _, e := range r.full.Graph.Users(a) {
		if !r.witness.part.Sees(e.To) {
			hidden[e.To] = true
		}
	}
	return sources, len(hidden)
}

// edge lists visible assets beside which something is hidden.
func (r *restricted) edge(t *testing.T) (list []catalog.Ref) {
	t.Helper()
	for a := range r.full.Index.Snapshot().All() {
		if s, u := r.beside(a.Ref()); s+u > 0 && r.witness.part.Sees(a.Ref()) && ui.HasLineage(a.Ref().Kind) {
			list = append(list, a.Ref())
		}
	}
	if len(list) < 5 {
		t.Fatalf("the grant %v leaves %d assets at its edge", r.grant.Collections, len(list))
	}
	return list[:min(len(list), 40)]
}

// stub is a fold of the drawing that leads nowhere.
type stub struct {
	At   string `json:"at"`
	Up   bool   `json:"up"`
	Text string `json:"text"`
}

// stubs reads what the drawing of an asset says of hidden neighbours.
func (r *restricted) stubs(t *testing.T, a catalog.Ref) (list []stub) {
	t.Helper()
	path := ui.LineagePath(r.base, a) + "/graph"
	answer := r.editor.get(path)
	r.witness.judge(path, answer.Body.String())
	var graph struct {
		Nodes []struct{ ID, Key string }
		Folds []map[string]json.RawMessage
	}
	r.must(json.Unmarshal(answer.Body.Bytes(), &graph))
	keys := map[string]string{}
	for _, n := range graph.Nodes {
		keys[n.ID] = n.Key
	}
	for _, f := range graph.Folds {
		raw, err := json.Marshal(f)
		r.must(err)
		var s stub
		r.must(json.Unmarshal(raw, &s))
		if !strings.Contains(s.Text, "may not see") {
			continue
		}
		for name := range f {
			if !slices.Contains([]string{"id", "at", "up", "text", "open", "count"}, name) {
				t.Errorf("%s says %q of what is hidden", path, name)
			}
		}
		if _, leads := f["open"]; leads != strings.HasPrefix(s.Text, "+") {
			t.Errorf("%s: a stub that leads somewhere: %s", path, raw)
		}
		s.At = keys[s.At]
		list = append(list, s)
	}
	return list
}

var aNumber = regexp.MustCompile(`([0-9,]+) items? you may not see|([0-9,]+) items? outside`)

// TestHiddenNeighbours looks at the lineage of every asset at the edge of a
// member's part: one stub per direction with how many hidden neighbours there are,
// nothing else of them, and not even that once an admin says so.
func TestHiddenNeighbours(t *testing.T) {
	r := newRestricted(t)
	r.restrict()
	list := r.edge(t)
	bearer := r.bearerFor(store.RoleEditor)
	counted := func(a catalog.Ref) (sources, users int, out string) {
		answer := r.ask(http.MethodGet, api.Base+"/connections/"+string(r.conn)+"/assets/"+string(a.Kind)+"/"+url.PathEscape(a.ID)+"/lineage", bearer, "")
		var body struct {
			Hidden  bool `json:"hidden"`
			Sources int  `json:"hidden_sources"`
			Users   int  `json:"hidden_users"`
		}
		r.must(json.Unmarshal(answer.Body.Bytes(), &body))
		if !body.Hidden {
			t.Errorf("the API does not say that more lies beside %s: %d %s", a, answer.Code, answer.Body)
		}
		return body.Sources, body.Users, answer.Body.String()
	}
	shown := 0
	for _, a := range list {
		sources, users := r.beside(a)
		for _, s := range r.stubs(t, a) {
			if s.At != a.String() {
				continue
			}
			shown++
			want := ui.Count(sources, "item", "items")
			if !s.Up {
				want = ui.Count(users, "item", "items")
			}
			if !strings.Contains(s.Text, want+" you may not see") {
				t.Errorf("%s: the stub says %q, want %s", a, s.Text, want)
			}
		}
		page := r.editor.get(ui.LineagePath(r.base, a)).Body.String()
		r.witness.judge(a.String(), page)
		if !strings.Contains(page, `data-lineage="`) {
			t.Errorf("%s has no drawing", a)
		}
		if tab := r.editor.get(ui.AssetPath(r.base, a) + "?tab=lineage").Body.String(); !aNumber.MatchString(tab) {
			t.Errorf("the page of %s does not count what is hidden", a)
		}
		if s, u, _ := counted(a); s != sources || u != users {
			t.Errorf("the API counts %d and %d beside %s, want %d and %d", s, u, a, sources, users)
		}
	}
	if shown < len(list) {
		t.Errorf("%d stubs for %d assets", shown, len(list))
	}

	if answer := r.editor.do(http.MethodPost, "/settings/access/counts", url.Values{"counts": {"off"}}); answer.Code != http.StatusForbidden {
		t.Errorf("an editor chose: %d", answer.Code)
	}
	if answer := r.owner.do(http.MethodPost, "/settings/access/counts", url.Values{"counts": {"perhaps"}}); answer.Code != http.StatusUnprocessableEntity && answer.Code != http.StatusBadRequest {
		t.Errorf("a bad choice answers %d", answer.Code)
	}
	if answer := r.owner.do(http.MethodPost, "/settings/access/counts", url.Values{"counts": {"off"}}); answer.Code != http.StatusSeeOther {
		t.Fatalf("the choice answers %d %s", answer.Code, answer.Body)
	}
	if !strings.Contains(r.owner.get("/audit").Body.String(), "grant_counts_changed") {
		t.Error("the choice left no row of the audit log")
	}
	for _, a := range list {
		for _, s := range r.stubs(t, a) {
			if !strings.Contains(strings.ToLower(s.Text), "something you may not see") {
				t.Errorf("%s: without counts the stub says %q", a, s.Text)
			}
		}
		for _, path := range []string{ui.LineagePath(r.base, a), ui.AssetPath(r.base, a) + "?tab=lineage", ui.AssetPath(r.base, a) + "?tab=used-by", ui.AssetPath(r.base, a)} {
			if n := aNumber.FindString(r.editor.get(path).Body.String()); n != "" {
				t.Errorf("without counts %s says %q", path, n)
			}
		}
		if s, u, body := counted(a); s+u > 0 || strings.Contains(body, "hidden_sources") || strings.Contains(body, "hidden_users") {
			t.Errorf("without counts the API says %d and %d of %s", s, u, a)
		}
	}
	r.owner.do(http.MethodPost, "/settings/access/counts", url.Values{"counts": {"shown"}})
	if s := r.stubs(t, list[0]); len(s) == 0 || !aNumber.MatchString(s[0].Text) {
		t.Errorf("counts came not back: %v", s)
	}
	t.Logf("%d assets at the edge, %d stubs", len(list), shown)
}

// bearerFor makes a token of a member.
func (r *restricted) bearerFor(role store.Role) string { return r.bearer(r.tenant, role) }

// TestColumnStubs counts for a column what uses that column.
func TestColumnStubs(t *testing.T) {
	r := newRestricted(t)
	r.restrict()
	users := map[catalog.Ref]map[catalog.Ref]bool{}
	for e := range r.full.Graph.AllColumnEdges() {
		if r.witness.part.Sees(e.From) && !r.witness.part.Sees(e.To) {
			if users[e.From] == nil {
				users[e.From] = map[catalog.Ref]bool{}
			}
			users[e.From][e.To] = true
		}
	}
	if len(users) == 0 {
		t.Skip("no visible column is used by hidden content")
	}
	checked := 0
	for c, by := range users {
		if checked++; checked > 20 {
			break
		}
		table := catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(c.ID)}
		want := ui.Count(len(by), "item", "items") + " you may not see"
		if !slices.ContainsFunc(r.stubs(t, c), func(s stub) bool { return !s.Up && s.At == table.String() && strings.Contains(s.Text, want) }) {
			t.Errorf("%s: %v, want %s", c, r.stubs(t, c), want)
		}
	}
}

// pair is an address of something hidden and one of nothing.
type pair struct{ what, hidden, unknown string }

// pairs lists them: what no member sees beside what never was.
func (r *restricted) pairs(t *testing.T) (list []pair) {
	t.Helper()
	seen := map[catalog.Kind]int{}
	for a := range r.full.Index.Snapshot().All() {
		h := a.Ref()
		if r.witness.part.Sees(h) || seen[h.Kind] > 0 || h.ID == catalog.RootCollectionID {
			continue
		}
		seen[h.Kind]++
		u := catalog.Ref{Kind: h.Kind, ID: unknownLike(h.ID)}
		list = append(list, pair{string(h.Kind), ui.AssetPath(r.base, h), ui.AssetPath(r.base, u)})
		if ui.HasLineage(h.Kind) {
			list = append(
				list, pair{"lineage of " + string(h.Kind), ui.LineagePath(r.base, h), ui.LineagePath(r.base, u)},
				pair{"drawing of " + string(h.Kind), ui.LineagePath(r.base, h) + "/graph", ui.LineagePath(r.base, u) + "/graph"},
				pair{"impact of " + string(h.Kind), browse.ImpactPath(r.base, h), browse.ImpactPath(r.base, u)},
			)
		}
	}
	if seen[catalog.KindQuestion] == 0 || seen[catalog.KindDashboard] == 0 || seen[catalog.KindTable] == 0 {
		t.Fatalf("nothing of some kinds is hidden: %v", seen)
	}
	var findings []store.FindingRecord
	r.must(r.server.store.ViewOrg(r.system, r.org, func(ctx context.Context, tx *store.Tx) (err error) {
		findings, _, err = tx.Findings(ctx, store.FindingQuery{Connection: r.conn, Limit: 10_000})
		return err
	}))
	i := slices.IndexFunc(findings, func(f store.FindingRecord) bool { return !r.witness.part.Sees(f.Asset) })
	if i < 0 {
		t.Fatal("no finding is hidden")
	}
	return append(list, pair{"finding", r.base + "/findings/" + findings[i].Fingerprint, r.base + "/findings/" + unknownLike(findings[i].Fingerprint)})
}

// unknownLike is an id of the same shape that is nobody's.
func unknownLike(id string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= '0' && c <= '9':
			return '9'
		case c >= 'a' && c <= 'f':
			return 'e'
		}
		return c
	}, id) + strings.Repeat("9", max(0, 5-len(id)))
}

// without takes out of an answer the ids that were asked for, wherever either
// stands, and the answer's own number.
func (p pair) without(body string) string {
	body = requestID.ReplaceAllString(body, "<code>…</code>")
	for _, path := range []string{p.hidden, p.unknown} {
		id := path[strings.LastIndex(strings.TrimSuffix(path, "/graph"), "/")+1:]
		if u, err := url.Parse(path); err == nil && u.Query().Has("ref") {
			_, id, _ = strings.Cut(u.Query().Get("ref"), ":")
		}
		id = strings.TrimSuffix(id, "/graph")
		for _, form := range []string{url.QueryEscape(url.QueryEscape(id)), url.QueryEscape(id), url.PathEscape(id), ui.UnescapeID(id), id} {
			body = regexp.MustCompile(`(%(?:25)?3A|\b)`+regexp.QuoteMeta(form)+`\b`).ReplaceAllString(body, "…")
		}
	}
	return body
}

// requestID differs with every answer.
var requestID = regexp.MustCompile(`<code>[a-z2-7]{16}</code>`)

// TestHiddenAnswersLikeUnknown asks for what is hidden and for what never was:
// same status, same headers, same words; and the same time, as far as medians of
// many rounds can tell.
func TestHiddenAnswersLikeUnknown(t *testing.T) {
	r := newRestricted(t)
	r.restrict()
	r.editor.get(r.base) // what a first answer sets is set
	rounds := 80
	if raceEnabled {
		rounds = 20
	}
	timed := []string{"question", "lineage of question", "drawing of question", "impact of question", "table", "dashboard", "finding"}
	measured := 0
	for _, p := range r.pairs(t) {
		hidden, unknown := r.editor.get(p.hidden), r.editor.get(p.unknown)
		if hidden.Code != unknown.Code {
			t.Errorf("%s: hidden answers %d, unknown %d", p.what, hidden.Code, unknown.Code)
		}
		x, y := p.without(hidden.Body.String()), p.without(unknown.Body.String())
		if x != y {
			i := 0
			for i < min(len(x), len(y)) && x[i] == y[i] {
				i++
			}
			t.Errorf("%s: hidden and unknown answer differently at %d:\n  %.120q\n  %.120q", p.what, i, x[i:], y[i:])
		}
		if d := slices.Sorted(maps.Keys(hidden.Header())); !slices.Equal(d, slices.Sorted(maps.Keys(unknown.Header()))) {
			t.Errorf("%s: other headers", p.what)
		}
		if !slices.Contains(timed, p.what) {
			continue
		}
		measured++
		var took [2][]time.Duration
		for i := range 2 * rounds { // in turns, so that load meets both
			path := p.hidden
			if i%2 == 1 {
				path = p.unknown
			}
			start := time.Now()
			r.editor.get(path)
			took[i%2] = append(took[i%2], time.Since(start))
		}
		h, u := median(took[0]), median(took[1])
		t.Logf("%-24s %d  hidden %6.3f ms  unknown %6.3f ms", p.what, hidden.Code, float64(h.Microseconds())/1000, float64(u.Microseconds())/1000)
		if d := max(h, u) - min(h, u); d > min(h, u)/2+500*time.Microsecond {
			t.Errorf("%s: hidden takes %v, unknown %v", p.what, h, u)
		}
	}
	if measured != len(timed) {
		t.Errorf("measured %d of %d", measured, len(timed))
	}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// TestRestrictedExports exports the account of an editor who judged and was given
// findings while seeing everything, and makes a support bundle: neither has
// anything that is hidden from him now.
func TestRestrictedExports(t *testing.T) {
	r := newRestricted(t)
	editor, owner := r.users[store.RoleEditor], r.users[store.RoleOwner]
	var hidden, open []store.FindingRecord
	r.must(r.server.store.InOrg(r.system, r.org, func(ctx context.Context, tx *store.Tx) error {
		list, _, err := tx.Findings(ctx, store.FindingQuery{Connection: r.conn, Limit: 10_000, States: []store.FindingState{store.FindingOpen}})
		if err != nil {
			return err
		}
		slices.SortStableFunc(list, func(x, y store.FindingRecord) int { // tables first: their ids are names
			return boolInt(x.Asset.Kind != catalog.KindTable) - boolInt(y.Asset.Kind != catalog.KindTable)
		})
		for _, f := range list {
			if !r.witness.part.Sees(f.Asset) {
				hidden = append(hidden, f)
			} else {
				open = append(open, f)
			}
		}
		if len(hidden) < 2 || len(open) < 1 {
			t.Fatalf("%d hidden findings, %d visible", len(hidden), len(open))
		}
		for _, f := range []store.FindingRecord{hidden[0], open[0]} {
			if err := tx.IgnoreFinding(ctx, r.conn, f.Fingerprint, editor.ID, "decided by myself", time.Time{}); err != nil {
				return err
			}
		}
		if err := tx.AssignFinding(ctx, r.conn, hidden[1].Fingerprint, owner.ID, editor.ID); err != nil {
			return err
		}
		return tx.IgnoreFinding(ctx, r.conn, hidden[1].Fingerprint, owner.ID, "zqasecret00002z said the owner", time.Time{})
	}))
	r.restrict()
	answer := r.editor.do(http.MethodPost, "/account/export", url.Values{})
	if answer.Code != http.StatusOK {
		t.Fatalf("the export answers %d %s", answer.Code, answer.Body)
	}
	files := unzip(t, answer.Body.Bytes())
	for name, content := range files {
		r.witness.judge("export "+name, content)
		for _, secret := range []string{"zqasecret00002z", hidden[0].Asset.ID + `"`, hidden[1].Asset.ID + `"`} {
			if strings.Contains(content, `"`+secret) || strings.Contains(content, "zqasecret") {
				t.Errorf("%s names %s", name, secret)
			}
		}
	}
	var decisions []map[string]string
	r.must(json.Unmarshal([]byte(files["decisions.json"]), &decisions))
	seen := 0
	for _, d := range decisions {
		switch d["fingerprint"] {
		case hidden[0].Fingerprint:
			seen++
			if d["asset_id"] != "" || d["asset_kind"] != "" || d["ignored_why"] != "decided by myself" {
				t.Errorf("of a hidden asset: %v", d)
			}
		case hidden[1].Fingerprint:
			seen++
			if d["asset_id"] != "" || d["ignored_why"] != "" {
				t.Errorf("of a hidden asset, judged by somebody else: %v", d)
			}
		case open[0].Fingerprint:
			seen++
			if d["asset_id"] != open[0].Asset.ID || d["ignored_why"] != "decided by myself" {
				t.Errorf("of a visible asset: %v", d)
			}
		}
	}
	if seen != 3 {
		t.Errorf("%d of 3 decisions: %v", seen, decisions)
	}

	loaded, err := config.Load(config.Inputs{DefaultData: r.server.dir.Path()})
	r.must(err)
	bundle := filepath.Join(t.TempDir(), "support.zip")
	env := r.server.env
	env.Stdout, env.Stderr = io.Discard, io.Discard
	r.must(SupportBundle(r.system, env, loaded, SupportOptions{Output: bundle}))
	raw, err := os.ReadFile(bundle)
	r.must(err)
	parts := unzip(t, raw)
	for name, content := range parts {
		r.witness.judge("support bundle "+name, content)
		if m := anyMark.FindString(content); m != "" {
			t.Errorf("support bundle %s has %s", name, m)
		}
	}
	if len(parts) < 4 {
		t.Errorf("the bundle has %d files", len(parts))
	}
	t.Logf("%d files of an export, %d of a bundle", len(files), len(parts))
}

// unzip reads every file of an archive.
func unzip(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return files
}

// TestLinksToAccess follows the ways from members and connections to access.
func TestLinksToAccess(t *testing.T) {
	r := newRestricted(t)
	r.restrict()
	editor := string(r.users[store.RoleEditor].ID)
	of := "/settings/access?member=" + editor
	for page, link := range map[string]string{
		"/settings/members":              `href="` + of + `"`,
		"/connections/" + string(r.conn): `href="/settings/access/` + string(r.conn) + `"`,
		of:                               `href="/settings/access/` + string(r.conn) + "/" + editor + `"`,
	} {
		if body := r.owner.get(page).Body.String(); !strings.Contains(body, link) {
			t.Errorf("%s lacks %s", page, link)
		}
	}
	if body := r.owner.get(of).Body.String(); !strings.Contains(body, ui.Count(len(r.grant.Collections), "collection", "collections")) {
		t.Error("the page does not say what the editor sees")
	}
	if strings.Contains(r.editor.get("/settings/members").Body.String(), "/settings/access") {
		t.Error("an editor is led to the page of access")
	}
	if answer := r.owner.get("/settings/access?member=" + unknownLike(editor)); answer.Code != http.StatusNotFound {
		t.Errorf("nobody's access answers %d", answer.Code)
	}
}

// TestCountsOfParts compares the counts of random parts with those of a walk over
// the whole graph.
func TestCountsOfParts(t *testing.T) {
	r := newRestricted(t)
	random := rand.New(rand.NewPCG(3, 4))
	ids := r.full.Index.Snapshot().Collections
	for range 5 {
		g := store.Grant{Mode: store.GrantCollections}
		for range 3 {
			g.Collections = append(g.Collections, ids[random.IntN(len(ids))].ID)
		}
		slices.Sort(g.Collections)
		r.witness = newWitness(t, r.full, g, "a")
		for a := range r.full.Index.Snapshot().All() {
			ref := a.Ref()
			if !r.witness.part.Sees(ref) {
				if n := r.witness.part.HiddenSources[ref] + r.witness.part.HiddenUsers[ref]; n != 0 {
					t.Errorf("%s is hidden and has %d neighbours", ref, n)
				}
				continue
			}
			sources, users := r.beside(ref)
			if r.witness.part.HiddenSources[ref] != sources || r.witness.part.HiddenUsers[ref] != users {
				t.Errorf("%s: counts %d and %d, want %d and %d", ref, r.witness.part.HiddenSources[ref], r.witness.part.HiddenUsers[ref], sources, users)
			}
		}
		var last lineage.Edge
		for e := range r.witness.part.Graph.AllEdges() {
			if e == last {
				t.Errorf("an edge twice: %v", e)
			}
			last = e
		}
	}
}

// TestJudgedFindings asks for findings with and without what is remembered of them:
// the answers are the same.
func TestJudgedFindings(t *testing.T) {
	r := newRestricted(t)
	r.restrict()
	editor := r.users[store.RoleEditor]
	ctx := access.With(r.system, access.Actor{Kind: access.Person, User: string(editor.ID), Org: string(r.org), Role: store.RoleEditor})
	scope, err := r.server.library.scope(ctx, r.org, r.conn)
	r.must(err)
	asks := []store.FindingQuery{
		{}, {Limit: 7}, {Limit: 7, Offset: 5}, {Limit: 1000}, {Sort: store.SortAsset}, {Sort: store.SortViews, Limit: 3}, {Text: "zq"}, {Families: []string{"USE"}}, {States: []store.FindingState{store.FindingOpen}},
	}
	groupings := []store.FindingGroupBy{store.GroupByCheck, store.GroupBySeverity, store.GroupByAsset, store.GroupByCollection}
	seen := 0
	r.must(r.server.store.ViewOrg(ctx, r.org, func(ctx context.Context, tx *store.Tx) error {
		for range 2 { // the first round judges
			for _, ask := range asks {
				ask.Connection = r.conn
				plain, judged := ask, ask
				plain.Visible = visibleFindings(scope)
				want, total, err := tx.Findings(ctx, plain)
				r.must(err)
				within(scope, &judged)
				got, n, err := tx.Findings(ctx, judged)
				r.must(err)
				if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || n != total {
					t.Errorf("%+v: %d findings, want %d\n%s", ask, n, total, d)
				}
				seen += len(got)
				for _, by := range groupings {
					want, err := tx.FindingGroups(ctx, plain, by)
					r.must(err)
					got, err := tx.FindingGroups(ctx, judged, by)
					r.must(err)
					if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
						t.Errorf("%+v by %s\n%s", ask, by, d)
					}
				}
			}
		}
		return nil
	}))
	if seen < 20 {
		t.Errorf("only %d findings were compared", seen)
	}
}
