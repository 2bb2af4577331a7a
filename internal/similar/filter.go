package similar

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
)

// RepeatedFilter is a fixed condition on one table that query-builder questions
// write out again and again.
type RepeatedFilter struct {
	ID        string        // of the condition; stable
	Text      string        // for people
	TableID   string        // the table it is about
	Questions []catalog.Ref // that write it out, sorted
	Segment   catalog.Ref   // that says the same; zero when there is none
}

// RepeatedFilters lists the conditions that at least so many query-builder
// questions write out, in order of their ids. Conditions that choose a period or
// that readers set are none.
func RepeatedFilters(index *catalog.Index, least int) []RepeatedFilter {
	f := newFinder(index, nil)
	found := map[string]*RepeatedFilter{}
	for _, q := range index.Snapshot().Questions {
		if q.Archived || q.Unreadable || len(q.Query.MBQL) == 0 || f.aside(f.home(q)) {
			continue
		}
		query, err := mbql.Parse(q.Query.MBQL)
		if err != nil {
			continue
		}
		r := f.readingOfMBQL(query)
		if r == nil {
			continue
		}
		for _, t := range r.filters {
			table := tableMentioned(t.key)
			if t.saved || table != r.tables[0].key {
				continue
			}
			one := found[t.key]
			if one == nil {
				one = &RepeatedFilter{ID: idOf("filter\x00" + t.key), Text: t.text, TableID: table}
				found[t.key] = one
			}
			one.Questions = append(one.Questions, q.Ref())
		}
	}
	segments := f.segments()
	var out []RepeatedFilter
	for key, one := range found {
		if len(one.Questions) < least {
			continue
		}
		one.Segment = segments[key]
		slices.SortFunc(one.Questions, catalog.Ref.Compare)
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b RepeatedFilter) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// segments finds the segments that say one condition.
func (f *finder) segments() map[string]catalog.Ref {
	out := map[string]catalog.Ref{}
	for _, s := range f.index.Snapshot().Segments {
		q, err := mbql.Parse(s.Definition)
		table := f.index.Table(s.TableID)
		if s.Archived || err != nil || table == nil || len(q.Stages) != 1 || len(q.Stages[0].Filters) != 1 {
			continue
		}
		r := &mbqlReader{finder: f, stage: q.Stages[0], ok: true, out: &reading{}, source: relation{table: table, term: tableTerm(table)}}
		if t := r.expr(q.Stages[0].Filters[0]); r.ok {
			if have, taken := out[t.key]; !taken || s.Ref().Compare(have) < 0 {
				out[t.key] = s.Ref()
			}
		}
	}
	return out
}

var mentioned = regexp.MustCompile(`\[([^\[\]]+)/[^/\[\]]+\]`)

// tableMentioned is the one table that a condition is about, "" for several.
func tableMentioned(key string) string {
	table := ""
	for _, m := range mentioned.FindAllStringSubmatch(key, -1) {
		if table != "" && table != m[1] {
			return ""
		}
		table = m[1]
	}
	return table
}

// Odd is a figure that is computed over other rows or in another time zone than
// the figures beside it on a dashboard.
type Odd struct {
	Dashboard catalog.Ref
	Question  catalog.Ref
	ID        string   // of what it lacks; stable
	Lacks     string   // the condition that its siblings have, for people; empty for a time zone
	Zone      string   // the time zone it uses, where its siblings use another
	Others    string   // the time zone of its siblings
	Siblings  []string // ids of the questions that have the condition or the other zone, sorted
	Of        int      // figures over the table on the dashboard
}

// fewestSiblings is how many figures on a dashboard must agree before the one
// that does not is odd; they must be three in four besides.
const fewestSiblings = 3

// Odds finds the figures that do not fit in with those beside them: same
// dashboard, same table, without a condition that keeps rows out (test accounts,
// refunds, deleted rows) which the others have, or in another time zone. They
// come sorted.
func Odds(index *catalog.Index) []Odd {
	f := newFinder(index, nil)
	readings := map[string]*reading{}
	read := func(id string) *reading {
		r, known := readings[id]
		if !known {
			if q := index.Question(id); q != nil && !q.Archived && !q.Unreadable {
				r = f.readingOf(q)
			}
			readings[id] = r
		}
		return r
	}
	var out []Odd
	for _, d := range index.Snapshot().Dashboards {
		if d.Archived || d.DetailUnread || f.aside(d.CollectionID) {
			continue
		}
		byTable := map[string][]string{}
		for _, id := range cardsOf(d) {
			r := read(id)
			if r != nil && slices.ContainsFunc(r.outputs, func(o output) bool { return o.term.aggregate }) {
				byTable[r.tables[0].key] = append(byTable[r.tables[0].key], id)
			}
		}
		for _, ids := range byTable {
			if len(ids) > fewestSiblings {
				out = append(out, f.lacking(d, ids, readings)...)
				out = append(out, f.zones(d, ids, readings)...)
			}
		}
	}
	slices.SortFunc(out, func(a, b Odd) int {
		return cmp.Or(a.Question.Compare(b.Question), a.Dashboard.Compare(b.Dashboard), strings.Compare(a.ID, b.ID))
	})
	return out
}

func (f *finder) lacking(d *catalog.Dashboard, ids []string, readings map[string]*reading) []Odd {
	has := map[string][]string{}
	texts := map[string]string{}
	for _, id := range ids {
		for _, t := range readings[id].filters {
			if keepsOut(t) {
				has[t.key] = append(has[t.key], id)
				texts[t.key] = t.text
			}
		}
	}
	var out []Odd
	for key, with := range has {
		if len(with) < fewestSiblings || len(with) == len(ids) || 4*len(with) < 3*len(ids) {
			continue
		}
		slices.SortFunc(with, catalog.CompareID)
		for _, id := range ids {
			if slices.Contains(with, id) || settles(readings[id], key) {
				continue
			}
			out = append(out, Odd{
				Dashboard: d.Ref(), Question: f.index.Question(id).Ref(), ID: idOf("lacks\x00" + key),
				Lacks: texts[key], Siblings: with, Of: len(ids),
			})
		}
	}
	return out
}

// settles reports whether a question says something about the column of a
// condition in another way, so that it does not simply lack it.
func settles(r *reading, key string) bool {
	for _, m := range mentioned.FindAllString(key, -1) {
		for _, list := range [][]term{r.filters, r.params, r.groups} {
			if slices.ContainsFunc(list, func(t term) bool { return strings.Contains(t.key, m) }) {
				return true
			}
		}
		if slices.ContainsFunc(r.outputs, func(o output) bool { return strings.Contains(o.term.key, m) }) {
			return true
		}
	}
	return false
}

var outcast = regexp.MustCompile(`(?i)test|internal|delete|refund|cancel|void|spam|bot|fraud|staff|employee|demo|dummy|fake|archiv|exclude`)

// keepsOut reports whether a condition keeps rows out that nobody wants to
// count, rather than choosing a slice.
func keepsOut(t term) bool {
	for _, prefix := range []string{"<>(", "not in(", "is null(", "not(", "not like("} {
		if strings.HasPrefix(t.key, prefix) {
			return true
		}
	}
	if strings.HasSuffix(t.key, ",#false)") || strings.HasSuffix(t.key, ",#true)") {
		return true
	}
	return outcast.MatchString(t.text)
}

var zone = regexp.MustCompile(`(?:at time zone|timezone|convert_timezone|convert-timezone|from_utc_timestamp|datetime|timestamp_trunc|date_trunc)\([^()]*(?:\([^()]*\))?[^()]*'([A-Za-z]+(?:/[A-Za-z_+\-0-9]+)+|UTC|GMT)'`)

// zones finds the questions that turn times into another zone than most.
func (f *finder) zones(d *catalog.Dashboard, ids []string, readings map[string]*reading) []Odd {
	by := map[string][]string{}
	for _, id := range ids {
		r := readings[id]
		zones := map[string]bool{}
		for _, list := range [][]term{r.groups, r.filters, r.windows} {
			for _, t := range list {
				for _, m := range zone.FindAllStringSubmatch(t.key, -1) {
					zones[m[1]] = true
				}
			}
		}
		if len(zones) == 1 {
			for z := range zones {
				by[z] = append(by[z], id)
			}
		}
	}
	var out []Odd
	for usualZone, with := range by {
		if len(with) < fewestSiblings {
			continue
		}
		slices.SortFunc(with, catalog.CompareID)
		for z, others := range by {
			if z == usualZone || 3*len(others) > len(with) {
				continue
			}
			for _, id := range others {
				out = append(out, Odd{
					Dashboard: d.Ref(), Question: f.index.Question(id).Ref(), ID: idOf("zone\x00" + usualZone + "\x00" + z),
					Zone: z, Others: usualZone, Siblings: with, Of: len(ids),
				})
			}
		}
	}
	return out
}
