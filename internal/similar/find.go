package similar

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
)

// Find finds questions with the same query, with queries of the same meaning or
// nearly the same, and dashboards that show the same questions or nearly.
//
// Two questions are exact duplicates when they read the same database with the
// same SQL modulo white space and comments and the same template tags, or with
// the same query-builder query, in whichever dialect each is stored; how the
// result is drawn does not matter. They are equivalent when their canonical
// forms are equal, or when both are simple and say the same, one in SQL and one
// in the query builder. They are near when the word triples of their canonical
// forms are at least [NearThreshold] alike; short queries are near nothing.
//
// Models and metrics are compared among themselves. Archived content, personal
// collections and Metabase's own samples are left out. Clusters come sorted by
// kind of member, strictness and id. A cancelled context ends it early.
func Find(ctx context.Context, index *catalog.Index, graph *lineage.Graph) []Cluster {
	f := newFinder(index, graph)
	return f.clusters(ctx, f.forms(ctx))
}

type finder struct {
	index     *catalog.Index
	graph     *lineage.Graph
	databases map[string]string           // name → id
	tables    map[string][]*catalog.Table // database and lower-case name → live tables
}

func newFinder(index *catalog.Index, graph *lineage.Graph) *finder {
	f := &finder{index: index, graph: graph}
	f.prepare()
	return f
}

func (f *finder) clusters(ctx context.Context, forms []form) []Cluster {
	questions, levels := f.questions(ctx, forms)
	dashboards := f.dashboards(ctx, levels)
	if ctx.Err() != nil {
		return nil
	}
	out := slices.Concat(questions, dashboards)
	slices.SortFunc(out, func(a, b Cluster) int {
		return cmp.Or(strings.Compare(string(a.Members[0].Kind), string(b.Members[0].Kind)),
			cmp.Compare(a.Kind.strictness(), b.Kind.strictness()), strings.Compare(a.ID, b.ID))
	})
	return out
}

// home is the collection a question is found in.
func (f *finder) home(q *catalog.Question) string {
	if d := f.index.Dashboard(q.DashboardID); d != nil {
		return d.CollectionID
	}
	return q.CollectionID
}

// aside reports whether content of a collection is not compared.
func (f *finder) aside(collection string) bool {
	seen := map[string]bool{}
	for id := collection; id != "" && !seen[id]; {
		seen[id] = true
		c := f.index.Collection(id)
		if c == nil {
			return false
		}
		if c.Archived || c.PersonalOwnerID != "" || c.Sample || c.Type == "trash" || c.Type == "instance-analytics" {
			return true
		}
		id = c.ParentID
	}
	return false
}

// class is a set of assets that say the same, at some strictness.
type class struct {
	id      digest
	members []catalog.Asset
	exacts  int      // different texts among them
	parts   []string // ids of the strictest clusters that hold members
	lead    *form    // what the class is compared by
}

// levels names, for every question in a cluster, that cluster, so that
// dashboards with copies of one question compare equal.
type levels struct{ exact, equivalent map[string]string }

// questions groups questions from strict to loose.
func (f *finder) questions(ctx context.Context, forms []form) ([]Cluster, levels) {
	var out []Cluster
	level := levels{map[string]string{}, map[string]string{}}
	add := func(kind Kind, score float64, c *class) string {
		cluster := f.cluster(kind, score, c)
		out = append(out, cluster)
		return cluster.ID
	}
	exact := exactClasses(forms)
	meanings := sameMeaning(forms)
	equivalent := map[digest]*class{}
	for _, id := range sortedKeysOf(exact) {
		c := exact[id]
		key := meanings.find(c.lead.equivalent)
		e := equivalent[key]
		if e == nil {
			e = &class{id: key, lead: c.lead}
			equivalent[key] = e
		}
		e.members = append(e.members, c.members...)
		e.exacts++
		if len(c.members) > 1 {
			cluster := add(Exact, 1, c)
			e.parts = append(e.parts, cluster)
			for _, m := range c.members {
				level.exact[m.Ref().ID] = cluster
			}
		}
	}
	var items []item
	var owners []*class
	for _, id := range sortedKeysOf(equivalent) {
		e := equivalent[id]
		if e.lead.set != nil {
			items = append(items, item{group: e.lead.group, set: e.lead.set})
			owners = append(owners, e)
		}
		if e.exacts < 2 {
			continue
		}
		cluster := add(Equivalent, 1, e)
		e.parts = []string{cluster}
		for _, m := range e.members {
			level.equivalent[m.Ref().ID] = cluster
		}
	}
	for _, c := range nearClasses(ctx, items, owners) {
		add(Near, c.score, &c.class)
	}
	return out, level
}

// exactClasses groups questions with the same text.
func exactClasses(forms []form) map[digest]*class {
	out := map[digest]*class{}
	for i := range forms {
		x := &forms[i]
		if x.exact == (digest{}) {
			continue
		}
		c := out[x.exact]
		if c == nil {
			c = &class{id: x.exact, lead: x}
			out[x.exact] = c
		}
		c.members = append(c.members, x.question)
	}
	return out
}

// sameMeaning joins canonical forms across the two languages: those of SQL and
// of the query builder that have one reading. Within a language the canonical
// form decides alone, because it looks at more.
func sameMeaning(forms []form) *union {
	type sides struct{ sql, builder []digest }
	readings := map[digest]*sides{}
	u := &union{parent: map[digest]digest{}}
	for i := range forms {
		x := &forms[i]
		if x.common == (digest{}) {
			continue
		}
		r := readings[x.common]
		if r == nil {
			r = &sides{}
			readings[x.common] = r
		}
		if len(x.question.Query.MBQL) > 0 {
			r.builder = append(r.builder, x.equivalent)
		} else {
			r.sql = append(r.sql, x.equivalent)
		}
	}
	for _, r := range readings {
		if len(r.sql) == 0 || len(r.builder) == 0 {
			continue
		}
		for _, d := range slices.Concat(r.sql, r.builder) {
			u.join(r.builder[0], d)
		}
	}
	return u
}

// union joins digests; the smallest stands for its set.
type union struct{ parent map[digest]digest }

func (u *union) find(d digest) digest {
	for {
		p, ok := u.parent[d]
		if !ok {
			return d
		}
		d = p
	}
}

func (u *union) join(a, b digest) {
	a, b = u.find(a), u.find(b)
	switch bytes.Compare(a[:], b[:]) {
	case -1:
		u.parent[b] = a
	case 1:
		u.parent[a] = b
	}
}

func sortedKeysOf(m map[digest]*class) []digest {
	return slices.SortedFunc(maps.Keys(m), func(a, b digest) int { return bytes.Compare(a[:], b[:]) })
}

// nearClass is a near cluster in the making.
type nearClass struct {
	class
	score float64
}

// nearClasses groups classes whose sets are near. items and owners are parallel
// and in the order of the owners' ids.
func nearClasses(ctx context.Context, items []item, owners []*class) []nearClass {
	links := nearPairs(ctx, items, NearThreshold)
	var out []nearClass
	for _, s := range stars(len(items), links) {
		c := nearClass{class: class{id: owners[s.centre].id}, score: s.score}
		for _, m := range s.members {
			c.members = append(c.members, owners[m].members...)
			c.parts = append(c.parts, owners[m].parts...)
		}
		out = append(out, c)
	}
	return out
}

// fewestShared is how many different questions two dashboards must share before
// they count as copies: one or two are a coincidence.
const fewestShared = 3

// dashboards groups dashboards by the set of questions they show. Questions
// with the same query count as one, so that a dashboard copied with its
// questions is found too.
func (f *finder) dashboards(ctx context.Context, level levels) []Cluster {
	exact := map[digest]*class{}
	loose := map[digest]map[string]bool{} // exact class → what it shows, by meaning
	for _, d := range f.index.Snapshot().Dashboards {
		if ctx.Err() != nil {
			return nil
		}
		if d.Archived || d.DetailUnread || f.aside(d.CollectionID) {
			continue
		}
		strict, meant := map[string]bool{}, map[string]bool{}
		for _, id := range cardsOf(d) {
			name := cmp.Or(level.exact[id], "question:"+id)
			strict[name] = true
			meant[cmp.Or(level.equivalent[id], name)] = true
		}
		if len(strict) < fewestShared {
			continue
		}
		key := sha256.Sum256([]byte("dashboard\x00" + strings.Join(slices.Sorted(maps.Keys(strict)), "\x00")))
		c := exact[key]
		if c == nil {
			c = &class{id: key}
			exact[key] = c
		}
		c.members = append(c.members, d)
		loose[key] = meant
	}
	var out []Cluster
	equivalent := map[digest]*class{}
	sets := map[digest]map[string]bool{}
	for _, id := range sortedKeysOf(exact) {
		c := exact[id]
		key := sha256.Sum256([]byte("dashboard by meaning\x00" + strings.Join(slices.Sorted(maps.Keys(loose[id])), "\x00")))
		e := equivalent[key]
		if e == nil {
			e = &class{id: key}
			equivalent[key] = e
			sets[key] = loose[id]
		}
		e.members = append(e.members, c.members...)
		e.exacts++
		if len(c.members) > 1 {
			cluster := f.cluster(Exact, 1, c)
			out = append(out, cluster)
			e.parts = append(e.parts, cluster.ID)
		}
	}
	var items []item
	var owners []*class
	for _, id := range sortedKeysOf(equivalent) {
		e := equivalent[id]
		set := make([]uint32, 0, len(sets[id]))
		for name := range sets[id] {
			set = append(set, uint32(hashWord(name)>>16))
		}
		items = append(items, item{set: sortedSet(set)})
		owners = append(owners, e)
		if e.exacts > 1 {
			cluster := f.cluster(Equivalent, 1, e)
			out = append(out, cluster)
			e.parts = []string{cluster.ID}
		}
	}
	for _, c := range nearClasses(ctx, items, owners) {
		out = append(out, f.cluster(Near, c.score, &c.class))
	}
	return out
}

// cardsOf lists the questions a dashboard shows.
func cardsOf(d *catalog.Dashboard) []string {
	var out []string
	for _, c := range d.Cards {
		for _, id := range append([]string{c.QuestionID}, c.SeriesIDs...) {
			if id != "" && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

func (f *finder) cluster(kind Kind, score float64, from *class) Cluster {
	id := from.id
	if kind != Exact { // a looser cluster may begin with the same class
		id = sha256.Sum256(append([]byte(kind), id[:]...))
	}
	c := Cluster{ID: hex.EncodeToString(id[:10]), Kind: kind, Score: math.Floor(score*1000) / 1000, Contains: slices.Sorted(slices.Values(from.parts))}
	for _, m := range from.members {
		c.Members = append(c.Members, m.Ref())
	}
	slices.SortFunc(c.Members, catalog.Ref.Compare)
	c.Keep, c.Reason = f.keep(from.members)
	return c
}
