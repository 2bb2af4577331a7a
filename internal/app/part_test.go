package app

import (
	"context"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/grants"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/ui"
)

// mark is a text that stands nowhere else: it tells which asset a page speaks of.
func mark(kind string, id int) string { return fmt.Sprintf("zq%s%05dz", kind, id) }

// markedWorld is a generated Metabase whose assets carry their mark in name and
// description, and in a comment of their SQL.
func markedWorld(seed uint64, prefix string) *metabasetest.World {
	return marked(metabasetest.Generate(metabasetest.GenerateConfig{Seed: seed, Questions: 70, Dashboards: 14, Tables: 14, Databases: 2, MeanQueryBytes: 300, MeanAnswerBytes: 600}), prefix)
}

// marked plants the marks.
func marked(w *metabasetest.World, prefix string) *metabasetest.World {
	for id := range 1000 {
		if c := w.Card(id); c != nil {
			m := mark(prefix+"card", id)
			c.Name, c.Description = m+" "+c.Name, "about "+m
			if c.Query != nil && len(c.Query.Stages) > 0 && c.Query.Stages[0].SQL != "" && c.Query.Stages[0].Collection == "" {
				c.Query.Stages[0].SQL += "\n-- " + m
			}
		}
		if d := w.Dashboard(id); d != nil {
			m := mark(prefix+"dash", id)
			d.Name, d.Description = m+" "+d.Name, "about "+m
		}
		if c := w.Collection(id); c != nil && c.Type == "" {
			m := mark(prefix+"coll", id)
			c.Name, c.Description = m+" "+c.Name, "about "+m
		}
		if x := w.Table(id); x != nil {
			m := mark(prefix+"tabl", id)
			x.DisplayName, x.Description = m, "about "+m
		}
		if f := w.Field(id); f != nil {
			f.Description = "about " + mark(prefix+"fiel", id)
		}
	}
	return w
}

var (
	anyMark = regexp.MustCompile(`zq[a-z]+[0-9]{5}z`)
	anyPath = regexp.MustCompile(`/(?:catalog|lineage)/([a-z]+)/([^"?#&/\s\\]+)`)
	anyRef  = regexp.MustCompile(`\b(question|model|metric|dashboard|collection|table|column|snippet|segment|measure)(?::|%3A)([0-9][^"?#&\s\\<,;|]*)`)
	anyLink = regexp.MustCompile(`(?:href|action|hx-get|src|data-[a-z]+)="(/c/[^"]+)"`)
)

// witness knows what a member may see, and judges what he was shown.
type witness struct {
	t       *testing.T
	full    *browse.View
	part    *grants.Part
	hidden  map[string]string // mark → asset
	visible map[string]bool
}

func newWitness(t *testing.T, full *browse.View, g store.Grant, prefix string) *witness {
	w := &witness{t: t, full: full, part: grants.Filter(full.Index, full.Graph, g), hidden: map[string]string{}, visible: map[string]bool{}}
	note := func(r catalog.Ref, kind, id string) {
		n, err := strconv.Atoi(id)
		if err != nil {
			return
		}
		if m := mark(prefix+kind, n); w.part.Sees(r) {
			if a := full.Index.Asset(r); a != nil && strings.Contains(a.Title(), m) {
				w.visible[m] = true
			}
		} else {
			w.hidden[m] = r.String()
		}
	}
	s := full.Index.Snapshot()
	for _, q := range s.Questions {
		note(q.Ref(), "card", q.ID)
	}
	for _, d := range s.Dashboards {
		note(d.Ref(), "dash", d.ID)
	}
	for _, c := range s.Collections {
		note(c.Ref(), "coll", c.ID)
	}
	for _, x := range s.Tables {
		note(x.Ref(), "tabl", strconv.FormatInt(x.MetabaseID, 10))
		for _, c := range x.Columns {
			note(c.Ref(), "fiel", strconv.FormatInt(c.MetabaseID, 10))
		}
	}
	return w
}

// judge looks for anything hidden in what a page answered.
func (w *witness) judge(where, body string) (leaks int) {
	text := strings.ReplaceAll(html.UnescapeString(body), "orders.total, question:12,", "") // a hint in a field
	for _, m := range anyMark.FindAllString(text, -1) {
		if asset, bad := w.hidden[m]; bad {
			leaks++
			w.report(where, "the mark of "+asset, text, m)
		}
	}
	look := func(kind, id, found string) {
		id = ui.UnescapeID(id)
		if plain, err := url.PathUnescape(id); err == nil {
			id = plain
		}
		r := catalog.Ref{Kind: catalog.Kind(kind), ID: id}
		if r.Kind == catalog.KindCollection && id == catalog.RootCollectionID {
			return
		}
		known := w.full.Index.Asset(r) != nil || r.Kind == catalog.KindColumn && w.full.Index.Column(id) != nil
		if known && !w.part.Sees(r) {
			leaks++
			w.report(where, "the reference "+r.String(), text, found)
		}
	}
	for _, m := range anyPath.FindAllStringSubmatch(text, -1) {
		look(m[1], m[2], m[0])
	}
	for _, m := range anyRef.FindAllStringSubmatch(text, -1) {
		look(m[1], m[2], m[0])
	}
	return leaks
}

func (w *witness) report(where, what, text, found string) {
	if w.t == nil { // it only counts
		return
	}
	w.t.Helper()
	i := strings.Index(text, found)
	w.t.Errorf("%s shows %s: …%s…", where, what, text[max(0, i-160):min(len(text), i+len(found)+80)])
}

// TestMembersSeeTheirPart lets a viewer with random grants walk every page,
// export and fragment that links lead to, and every address of what is hidden.
func TestMembersSeeTheirPart(t *testing.T) {
	t.Run("generated", func(t *testing.T) { parts(t, markedWorld(11, "a"), 2) })
	t.Run("sample company", func(t *testing.T) { parts(t, marked(metabasetest.SampleCompany(time.Now()), "a"), 1) })
}

func parts(t *testing.T, world *metabasetest.World, grantsTried int) {
	t.Helper()
	p := newPlace(t, "")
	x := p.tenant("Acme", world)
	first := x.scan
	p.scan(x) // so that there is a scan before
	viewer := x.users[store.RoleViewer]
	full, err := p.server.library.View(p.system, x.org, x.conn)
	p.must(err)
	var ids []string
	for _, c := range full.Index.Snapshot().Collections {
		ids = append(ids, c.ID)
	}
	ids = append(ids, catalog.RootCollectionID)
	random := rand.New(rand.NewPCG(7, 8))
	list := []store.Grant{{Mode: store.GrantNone}}
	for range grantsTried {
		g := store.Grant{Mode: store.GrantCollections}
		for range 2 + random.IntN(3) {
			g.Collections = append(g.Collections, ids[random.IntN(len(ids))])
		}
		slices.Sort(g.Collections)
		g.Collections = slices.Compact(g.Collections)
		list = append(list, g)
	}
	owner := p.login(x.users[store.RoleOwner].Email)
	b := p.login(viewer.Email)
	said := p.sayAll(x, full.Index)
	for _, g := range list {
		t.Run(string(g.Mode)+" "+strings.Join(g.Collections, ","), func(t *testing.T) {
			p.must(p.server.store.InOrg(p.system, x.org, func(ctx context.Context, tx *store.Tx) error { return tx.SetGrant(ctx, x.conn, viewer.ID, g) }))
			w := newWitness(t, full, g, "a")
			walkPart(t, b, owner, x, w, first)
			answered := 0
			for _, path := range said {
				answer := b.get(path)
				if answer.Code >= http.StatusInternalServerError {
					t.Errorf("%s answers %d", path, answer.Code)
				}
				if answer.Code == http.StatusOK {
					answered++
				}
				// The address of the page stands in its forms.
				w.judge(path, strings.ReplaceAll(answer.Body.String(), html.EscapeString(path), ""))
			}
			if answered == 0 {
				t.Error("none of the pages of chats and agents was shown")
			}
		})
	}
}

// walkPart visits what links lead to, then everything that exists.
func walkPart(t *testing.T, b, owner *browser, x *tenant, w *witness, first store.ScanID) {
	t.Helper()
	base := "/c/" + string(x.conn)
	queue := []string{
		base, base + "/findings", base + "/findings?state=all", base + "/findings?group=asset", base + "/findings?group=collection", base + "/findings?group=check",
		base + "/not-evaluated", base + "/catalog", base + "/catalog?by=databases", base + "/lineage", base + "/impact", base + "/impact/migration",
		base + "/duplicates", base + "/duplicates.csv", base + "/duplicates.md", base + "/metrics", base + "/scans", base + "/scans/" + string(x.scan), base + "/scans/" + string(first),
		base + "/impact/suggest?add=a", base + "/impact/suggest?add=zq", base + "/egress", base + "/catalog?q=zq", base + "/lineage?q=zq",
	}
	seen := map[string]bool{}
	shown := map[string]bool{}
	pages := 0
	most := 150
	if raceEnabled {
		most = 50
	}
	for len(queue) > 0 && pages < most {
		path := queue[0]
		queue = queue[1:]
		if path, _, _ = strings.Cut(path, "#"); seen[path] || !strings.HasPrefix(path, base) || strings.Contains(path, "/events") {
			continue
		}
		seen[path] = true
		answer := b.get(path)
		pages++
		body := answer.Body.String()
		if answer.Code >= http.StatusInternalServerError {
			t.Errorf("%s: %d %s", path, answer.Code, body)
		}
		if w.judge(path, body) > 0 && t.Failed() && pages > 200 {
			t.Fatal("enough")
		}
		for _, m := range anyMark.FindAllString(body, -1) {
			shown[m] = true
		}
		for _, m := range anyLink.FindAllStringSubmatch(body, -1) {
			queue = append(queue, html.UnescapeString(m[1]))
		}
	}
	walkAPI(b.place, x, w)
	// Everything there is, by its address: what is hidden answers like what never was.
	unknown := map[catalog.Kind]int{}
	for _, k := range catalog.Kinds() {
		unknown[k] = b.get(ui.AssetPath(base, catalog.Ref{Kind: k, ID: "999999"})).Code
	}
	checked, hidden := 0, 0
	for a := range w.full.Index.Snapshot().All() {
		r := a.Ref()
		others := []string{ui.AssetPath(base, r) + "?tab=history", ui.AssetPath(base, r) + "?tab=sql", base + "/impact.csv?ref=" + url.QueryEscape(r.String()), ui.LineagePath(base, r) + "/graph", ui.LineagePath(base, r)}
		for _, path := range []string{ui.AssetPath(base, r), others[checked/2%len(others)]} {
			if !w.part.Sees(r) && (r.Kind == catalog.KindPerson || r.Kind == catalog.KindGroup) && !strings.HasPrefix(path, base+"/catalog") {
				continue
			}
			answer := b.get(path)
			checked++
			if w.part.Sees(r) {
				w.judge(path, answer.Body.String())
				if path == ui.AssetPath(base, r) && answer.Code != http.StatusOK && answer.Code != http.StatusSeeOther {
					t.Errorf("%s is granted and answers %d", path, answer.Code)
				}
				for _, m := range anyMark.FindAllString(answer.Body.String(), -1) {
					shown[m] = true
				}
				continue
			}
			hidden++
			body := strings.ReplaceAll(answer.Body.String(), url.QueryEscape(r.String()), "")
			if m := anyMark.FindString(body); m != "" && w.hidden[m] != "" {
				t.Errorf("%s, hidden, shows %s", path, m)
			}
			if strings.HasPrefix(path, base+"/catalog") && answer.Code != unknown[r.Kind] {
				t.Errorf("%s is hidden and answers %d, an unknown one %d", path, answer.Code, unknown[r.Kind])
			}
		}
	}
	searched := 0
	for m, asset := range w.hidden {
		if searched++; searched > 25 {
			break
		}
		answer := b.get(base + "/catalog?q=" + m)
		if n := strings.Count(answer.Body.String(), asset); n > 0 {
			t.Errorf("searching %s finds %s", m, asset)
		}
	}
	for m := range w.visible {
		if !shown[m] {
			t.Errorf("%s is granted and was shown nowhere", m)
		}
	}
	// Findings: those of hidden assets answer like unknown ones.
	refused := 0
	var records []store.FindingRecord
	err := b.place.server.store.ViewOrg(b.place.system, x.org, func(ctx context.Context, tx *store.Tx) (err error) {
		records, _, err = tx.Findings(ctx, store.FindingQuery{Connection: x.conn, Limit: 10_000})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range records {
		answer := b.get(base + "/findings/" + ui.EscapeID(f.Fingerprint))
		if !w.part.Sees(f.Asset) {
			refused++
			if answer.Code != http.StatusNotFound {
				t.Errorf("finding %s of hidden %s answers %d", f.Check, f.Asset, answer.Code)
			}
		}
		w.judge("finding "+f.Check+" of "+f.Asset.String(), answer.Body.String())
	}
	// The witness can tell: the owner is shown what the member is not.
	counter := *w
	counter.t = nil
	if counter.judge("", owner.get(base+"/findings?state=all").Body.String()) == 0 {
		t.Error("the owner is shown nothing that the member may not see")
	}
	t.Logf("%d pages walked, %d addresses asked (%d hidden), %d findings (%d hidden), %d marks hidden, %d visible", pages, checked, hidden, len(records), refused, len(w.hidden), len(w.visible))
}

// TestPartRefusesNobody asks for a view as nobody.
func TestPartRefusesNobody(t *testing.T) {
	p := newPlace(t, "")
	x := p.tenant("Acme", markedWorld(12, "a"))
	if _, err := p.server.library.View(access.Nobody(p.system), x.org, x.conn); err == nil {
		t.Error("nobody sees a scan")
	}
}
