package similar

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
)

// figure is one aggregated output of a reading with what decides its value.
type figure struct {
	database string
	tables   []term // the first is read, the others joined
	joins    []term
	filters  []term
	value    term
	windows  []term
	params   []term
}

// figureOf takes an output out of its reading. Tables that are only joined to
// group by, over their own key, do not change the value and go.
func figureOf(r *reading, value term) figure {
	f := figure{database: r.database, filters: r.filters, value: value, windows: r.windows, params: r.params, tables: r.tables[:1:1]}
	used := value.key + joinKeys(r.filters)
	if len(r.tables) == 2 && len(r.joins) == 1 && r.joins[0].looksUp == r.tables[0].key && !strings.Contains(used, "["+r.tables[0].key+"/") {
		f.tables = r.tables[1:2:2] // customers that are joined to their orders: the rows are the orders'
		return f
	}
	for _, t := range r.tables[1:] {
		mentioned := strings.Contains(used, "["+t.key+"/")
		lookup := slices.ContainsFunc(r.joins, func(j term) bool { return j.lookup == t.key })
		if !mentioned && lookup && !f.leadsOn(r, t) {
			continue
		}
		f.tables = append(f.tables, t)
	}
	for _, j := range r.joins {
		if j.lookup == "" || slices.ContainsFunc(f.tables[1:], func(t term) bool { return t.key == j.lookup }) {
			f.joins = append(f.joins, j)
		}
	}
	return f
}

// leadsOn reports whether another join needs a table.
func (figure) leadsOn(r *reading, t term) bool {
	return slices.ContainsFunc(r.joins, func(j term) bool { return j.lookup != t.key && strings.Contains(j.key, "["+t.key+"/") })
}

// key identifies what is computed. With the period it tells slices apart too.
func (f *figure) key(period bool) string {
	r := reading{tables: f.tables, joins: f.joins}
	var b strings.Builder
	b.WriteString(f.database)
	r.source(&b)
	b.WriteString("\x00where\x01" + strings.Join(sortedKeys(f.filters), "\x01"))
	if period {
		b.WriteString("\x00period\x01" + strings.Join(sortedKeys(f.windows), "\x01"))
		b.WriteString("\x00parameter\x01" + strings.Join(sortedKeys(f.params), "\x01"))
	}
	b.WriteString("\x00value\x01" + f.value.key)
	return b.String()
}

// text says a figure to people.
func (f *figure) text() string {
	var b strings.Builder
	b.WriteString(f.value.text)
	if f.value.column == "" && !strings.Contains(f.value.text, ".") { // count(*) names no table
		b.WriteString(" of " + f.tables[0].text)
	}
	for _, t := range f.tables[1:] {
		b.WriteString(" with " + t.text)
	}
	if len(f.filters) > 0 {
		b.WriteString(" where " + join(f.filters, " and "))
	}
	return b.String()
}

// sources are the ids of the physical tables.
func (f *figure) sources() []string {
	out := []string{}
	for _, t := range f.tables {
		if !strings.HasPrefix(t.key, "card:") && !strings.HasPrefix(t.key, "?") {
			out = append(out, t.key)
		}
	}
	slices.Sort(out)
	return out
}

// named is a figure as one asset names it.
type named struct {
	figure figure
	use    MetricUse
	headed bool
	asset  catalog.Asset
}

// metrics gathers the named figures of all simple queries.
func (f *finder) metrics(ctx context.Context, forms []form) []Metric {
	if ctx.Err() != nil {
		return nil
	}
	var list []named
	for i := range forms {
		list = append(list, forms[i].figures...)
	}
	for _, m := range f.index.Snapshot().Measures {
		list = append(list, f.measure(m)...)
	}
	return f.group(list)
}

// measure reads a saved aggregation.
func (f *finder) measure(m *catalog.Measure) []named {
	q, err := mbql.Parse(m.Definition)
	if m.Archived || err != nil {
		return nil
	}
	if t := f.index.Table(m.TableID); t != nil && len(q.Stages) == 1 && q.Stages[0].SourceTable.IsZero() && q.Stages[0].SourceCard == "" {
		q.Stages[0].SourceTable = mbql.TableID{Number: t.MetabaseID}
		q.Database = t.DatabaseID
	}
	r := f.readingOfMBQL(q)
	if r == nil {
		return nil
	}
	if t := f.index.Table(m.TableID); t != nil {
		r.database = t.DatabaseID
	}
	for _, o := range r.outputs {
		if o.term.aggregate {
			return []named{{figure: figureOf(r, o.term.bare()), use: MetricUse{Asset: m.Ref(), Name: m.Title()}, headed: true, asset: m}}
		}
	}
	return nil
}

// figuresOf lists what a question computes, with the names it gives. One that
// computes one thing gives it its own name, unless it groups by more than time;
// a model is a table and gives it none.
func (f *finder) figuresOf(q *catalog.Question, r *reading) []named {
	var out []named
	single := -1
	for i, o := range r.outputs {
		if !o.term.aggregate {
			continue
		}
		if single == -1 {
			single = i
		} else {
			single = -2
		}
		value := o.term.bare()
		if !defines(value) {
			continue
		}
		n := named{figure: figureOf(r, value), use: MetricUse{Asset: q.Ref()}, asset: q}
		if o.name != "" && !generic(o.name) {
			n.use.Name, n.use.Column = o.name, o.name
		}
		out = append(out, n)
	}
	if q.Type == catalog.KindModel || single < 0 || !defines(r.outputs[single].term.bare()) || r.limited && len(r.groups) > 0 {
		return out
	}
	o := r.outputs[single]
	title, by := withoutGrouping(q.Title())
	overTime := !slices.ContainsFunc(r.groups, func(g term) bool { return !g.temporal })
	switch {
	case q.Type == catalog.KindMetric, len(r.groups) == 0, overTime && by:
		if !generic(title) {
			n := named{figure: figureOf(r, o.term.bare()), use: MetricUse{Asset: q.Ref(), Name: title, Column: o.name}, asset: q, headed: true}
			if nameKey(out[0].use.Name) == nameKey(title) {
				out = out[:0]
			}
			out = append(out, n)
		}
	}
	return out
}

// defines says whether an aggregate says what it computes itself: one that
// refers to a saved metric uses a definition, and the largest or smallest value
// of something is no figure.
func defines(value term) bool {
	for _, prefix := range []string{"metric:", "measure:", "min(", "max(", "any_value(", "array_agg(", "string_agg(", "group_concat(", "listagg(", "json_agg("} {
		if strings.HasPrefix(value.key, prefix) {
			return false
		}
	}
	return !value.param
}

// group sorts named figures by database and name.
func (f *finder) group(list []named) []Metric {
	names := map[string][]named{}
	for _, n := range list {
		if key := nameKey(n.use.Name); key != "" {
			key = n.figure.database + "\x00" + key
			names[key] = append(names[key], n)
		}
	}
	everywhere := computations(list)
	out := make([]Metric, 0, len(names))
	for _, key := range slices.Sorted(maps.Keys(names)) {
		m := Metric{ID: idOf("metric\x00" + key)}
		spelling := map[string]int{}
		definitions := map[string]*Definition{}
		for _, n := range names[key] {
			spelling[strings.TrimSpace(n.use.Name)]++
			f.define(definitions, n)
		}
		m.Name = frequent(spelling)[0]
		for _, id := range slices.Sorted(maps.Keys(definitions)) {
			d := definitions[id]
			d.Names, d.ComputedBy = everywhere[id].names, everywhere[id].by
			slices.SortFunc(d.Uses, func(a, b MetricUse) int {
				return cmp.Or(a.Asset.Compare(b.Asset), strings.Compare(a.Name, b.Name), strings.Compare(a.Column, b.Column))
			})
			m.Definitions = append(m.Definitions, *d)
		}
		rank(m.Definitions)
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b Metric) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	return out
}

// computation is what all content says of one definition, whatever it calls it.
// Every name of the definition shares the lists.
type computation struct {
	names []string // spellings, the most frequent first
	by    []catalog.Ref
}

// computations sums named figures up by definition.
func computations(list []named) map[string]*computation {
	calls := map[string]map[string]int{} // definition → spelling → uses
	out := map[string]*computation{}
	for _, n := range list {
		id := idOf(n.figure.key(false))
		if out[id] == nil {
			calls[id], out[id] = map[string]int{}, &computation{}
		}
		if name := strings.TrimSpace(n.use.Name); name != "" {
			calls[id][name]++
		}
		out[id].by = append(out[id].by, n.use.Asset)
	}
	for id, c := range out {
		slices.SortFunc(c.by, catalog.Ref.Compare)
		c.names, c.by = frequent(calls[id]), slices.Clip(slices.Compact(c.by))
	}
	return out
}

// define adds a use to its definition.
func (f *finder) define(definitions map[string]*Definition, n named) {
	id := idOf(n.figure.key(false))
	d := definitions[id]
	if d == nil {
		d = &Definition{ID: id, Text: n.figure.text(), Sources: n.figure.sources(), parts: n.figure}
		d.trivial = n.figure.value.key == "count(*)" && len(n.figure.filters) == 0
		definitions[id] = d
	}
	d.headed = d.headed || n.headed
	c := f.candidate(n.asset)
	d.Trusted = d.Trusted || c.verified || c.official || n.asset.Ref().Kind == catalog.KindMetric || n.asset.Ref().Kind == catalog.KindMeasure
	if !slices.ContainsFunc(d.Uses, func(u MetricUse) bool { return u.Asset == n.use.Asset }) {
		d.Views += c.views
	}
	for _, e := range f.graph.Users(n.asset.Ref()) {
		if b := f.index.Dashboard(e.To.ID); e.To.Kind == catalog.KindDashboard && b != nil && !b.Archived && !f.aside(b.CollectionID) && !slices.Contains(n.use.ShownOn, e.To) {
			n.use.ShownOn = append(n.use.ShownOn, e.To)
		}
	}
	slices.SortFunc(n.use.ShownOn, catalog.Ref.Compare)
	d.Uses = append(d.Uses, n.use)
}

// rank puts the definition to go by first and says how the others differ.
func rank(list []Definition) {
	slices.SortStableFunc(list, func(a, b Definition) int {
		return cmp.Or(cmp.Compare(number(b.Trusted), number(a.Trusted)), cmp.Compare(number(b.headed), number(a.headed)),
			cmp.Compare(len(b.Uses), len(a.Uses)), cmp.Compare(b.Views, a.Views), strings.Compare(a.ID, b.ID))
	})
	for i := range list {
		list[i].Words = nil
		if i > 0 {
			list[i].Words = figureWords(&list[0].parts, &list[i].parts)
		}
	}
}

// frequent lists spellings, the most frequent first.
func frequent(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
}

func idOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:10])
}
