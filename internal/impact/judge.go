package impact

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllens"
)

// judge decides what breaks.
type judge struct {
	in      Input
	change  Change
	walk    *walk
	bodies  map[catalog.Ref]catalog.Asset
	roots   map[catalog.Ref]bool
	columns map[string]bool // changed columns, and those that transforms fill with their values
	tables  map[string]bool // changed tables
	// changed are the columns that change themselves: the column roots, and all
	// columns of table roots.
	changed map[string]bool
	results map[catalog.Ref]*verdict
	// readings are of questions whose text was fetched and is not kept.
	readings map[catalog.Ref]*reading
	words    []sqllens.Word // written over by every text
}

// verdict is what happens to one asset.
type verdict struct {
	breaks Breaks
	whole  bool // its query fails as a whole, not only while a filter is set
	code   string
	why    string
}

func rank(b Breaks) int {
	switch b {
	case Yes:
		return 2
	case Maybe:
		return 1
	}
	return 0
}

// body is an asset with its query.
func (j *judge) body(r catalog.Ref) catalog.Asset {
	if a := j.bodies[r]; a != nil {
		return a
	}
	return j.in.Index.Asset(r)
}

// run judges every node: by what it reads itself, then by what it is built on.
func (j *judge) run() {
	refs := make([]catalog.Ref, 0, len(j.walk.nodes))
	for r, n := range j.walk.nodes {
		if n.distance > 0 {
			refs = append(refs, r)
		}
	}
	slices.SortFunc(refs, func(a, b catalog.Ref) int {
		return cmp.Or(j.walk.nodes[a].distance-j.walk.nodes[b].distance, a.Compare(b))
	})
	for _, r := range refs {
		own := j.own(j.walk.nodes[r])
		j.results[r] = &own
	}
	for work := refs; len(work) > 0; { // verdicts only grow
		r := work[0]
		work = work[1:]
		for _, a := range j.walk.out[r] {
			if j.roots[a.to] || j.results[a.to] == nil {
				continue
			}
			got, ok := j.pass(j.results[r], a)
			have := j.results[a.to]
			if ok && (rank(got.breaks) > rank(have.breaks) || rank(got.breaks) == rank(have.breaks) && got.whole && !have.whole || have.code == "") {
				*have = got
				work = append(work, a.to)
			}
		}
	}
	for _, v := range j.results {
		if v.code == "" {
			v.breaks, v.code, v.why = No, "untouched", "nothing it reads stops working"
		}
	}
}

// own judges an asset by its own reads of a root.
func (j *judge) own(n *node) verdict {
	switch {
	case n.hidden:
		return verdict{Maybe, false, "incomplete", "its lineage is incomplete and its text names " + j.what()}
	case n.opaque:
		return verdict{Maybe, false, "incomplete", "part of what it reads could not be resolved"}
	}
	var direct []arrow
	for _, a := range n.in {
		if j.roots[a.from] {
			direct = append(direct, a)
		}
	}
	if len(direct) == 0 && len(n.uses) == 0 {
		return verdict{breaks: No}
	}
	if len(j.tables) == 0 && len(j.columns) == 0 || len(n.uses) == 0 && !slices.ContainsFunc(direct, func(a arrow) bool {
		return a.from.Kind == catalog.KindTable || a.from.Kind == catalog.KindColumn
	}) {
		return j.ofContent(direct)
	}
	return j.ofData(n, direct)
}

// ofContent judges a use of a question, snippet or other content that changes.
func (j *judge) ofContent(direct []arrow) verdict {
	a := direct[0]
	name := j.name(a.from)
	if j.change == Rename {
		if a.via == lineage.ViaSnippet {
			return verdict{Maybe, true, "by_name", "its text names the snippet " + name + "; Metabase follows a rename only for tags that know the snippet's number"}
		}
		return verdict{No, false, "by_id", "it points at " + name + " by number, which a new name does not change"}
	}
	switch a.via {
	case lineage.ViaParameterSource:
		return verdict{Yes, false, "filter_choices", "the choices of a filter come from " + name}
	case lineage.ViaTransform:
		return verdict{Maybe, false, "stale", "nothing writes it any more; its rows stay as they are"}
	case lineage.ViaDashcard, lineage.ViaSeries:
		return verdict{Yes, true, "shows", "it shows " + name}
	case lineage.ViaSubscription:
		return verdict{Yes, true, "sends", "it sends " + name}
	case lineage.ViaAlert:
		return verdict{Yes, true, "watches", "it watches " + name}
	}
	return certain(a.confidence, verdict{Yes, true, "uses_it", "it uses " + name})
}

// ofData judges a use of a table or column that changes.
func (j *judge) ofData(n *node, direct []arrow) verdict {
	confidence := finding.Possible
	for _, u := range n.uses {
		if u.confidence.Rank() > confidence.Rank() {
			confidence = u.confidence
		}
	}
	for _, a := range direct {
		if a.confidence.Rank() > confidence.Rank() {
			confidence = a.confidence
		}
	}
	columns := j.judged()
	reads := slices.ContainsFunc(direct, func(a arrow) bool { return a.from.Kind == catalog.KindTable })
	uses := slices.DeleteFunc(slices.Clone(n.uses), func(u use) bool {
		return !columns[u.column] || j.tables[catalog.TableOfColumn(u.column)] && !filters(n.ref.Kind, u.via)
	})
	if !reads && len(uses) == 0 && !slices.ContainsFunc(direct, func(a arrow) bool { return a.from.Kind == catalog.KindColumn }) {
		return verdict{breaks: No} // only what it is built on reads the table
	}
	switch n.ref.Kind {
	case catalog.KindDashboard, catalog.KindDocument:
		return j.ofFilter(uses)
	case catalog.KindSnippet:
		if j.change == Type {
			return verdict{Maybe, true, "computes", "its text names " + j.which(n)}
		}
		return certain(confidence, j.named(n, mention{known: true, named: true}))
	}
	if !reads && len(uses) > 0 && !slices.ContainsFunc(uses, func(u use) bool { return u.via != lineage.ViaParameterSource }) {
		return j.ofFilter(uses)
	}
	if reads && !j.blocks(n.ref) { // all of it runs, whatever is set
		return certain(confidence, verdict{Yes, true, "reads_it", "it reads " + j.what()})
	}
	m := j.mentioned(n.ref)
	if j.change == Type {
		return j.ofType(n, m, confidence)
	}
	if reads {
		v := verdict{Yes, true, "reads_it", "it reads " + j.what()}
		if m.known && m.named && m.optional {
			v = verdict{Yes, false, "optional", "an optional part of it reads " + j.what() + ": it fails once a value is given"}
		}
		return certain(confidence, v)
	}
	switch {
	case !m.known:
		return certain(confidence, verdict{Yes, true, "reads_it", "it reads " + j.what()})
	case m.named:
		return certain(confidence, j.named(n, m))
	case m.filter:
		return certain(confidence, verdict{Yes, false, "field_filter", "a filter of it works on " + j.what() + ": it fails once a value is given"})
	case j.change == Rename:
		return verdict{Maybe, false, "star", "it takes all columns: it goes on, and the column appears under its new name"}
	}
	return verdict{Maybe, false, "star", "it takes all columns without naming this one: it goes on without it"}
}

// filters reports whether a use binds a filter of the asset itself, rather than
// reading the column in a query.
func filters(k catalog.Kind, v lineage.Via) bool {
	return k == catalog.KindDashboard || v == lineage.ViaParameterSource
}

func (j *judge) named(n *node, m mention) verdict {
	if m.optional {
		return verdict{Yes, false, "optional", "an optional part of it names " + j.which(n) + ": it fails once a value is given"}
	}
	return verdict{Yes, true, "names_it", "it names " + j.which(n)}
}

// ofFilter judges what reads a column for filters only.
func (j *judge) ofFilter(uses []use) verdict {
	choices := !slices.ContainsFunc(uses, func(u use) bool { return u.via != lineage.ViaParameterSource })
	switch {
	case j.change == Type && choices:
		return verdict{Maybe, false, "compares", "the choices of a filter come from " + j.what()}
	case j.change == Type:
		return verdict{Maybe, false, "compares", "a filter compares " + j.what() + " with a value"}
	case choices:
		return verdict{Yes, false, "filter_choices", "the choices of a filter come from " + j.what()}
	}
	return verdict{Yes, false, "dashboard_filter", "a filter works on " + j.what() + ": it fails once a value is given"}
}

// ofType judges a change of type: names stay, so that only what compares or
// computes is in doubt.
func (j *judge) ofType(n *node, m mention, confidence finding.Confidence) verdict {
	for _, u := range n.uses {
		switch u.via {
		case lineage.ViaFilter, lineage.ViaParameterSource:
			return verdict{Maybe, true, "compares", "it compares " + j.what() + " with a value"}
		case lineage.ViaJoin:
			return verdict{Maybe, true, "compares", "it joins on " + j.what()}
		}
	}
	switch {
	case n.ref.Kind == catalog.KindTransform:
		return verdict{Maybe, true, "computes", "it writes the values into a table"}
	case confidence != finding.Certain:
		return verdict{Maybe, false, "unsure", "it reads " + j.what() + ", as far as its text could be read"}
	case m.known && m.named && m.plain, m.known && !m.named && m.star:
		return verdict{No, false, "shows_value", "it only shows the values"}
	}
	return verdict{Maybe, true, "computes", "it computes with " + j.what()}
}

// certain lowers a verdict where lineage is not sure of the use.
func certain(c finding.Confidence, v verdict) verdict {
	if c == finding.Certain || rank(v.breaks) < rank(Yes) {
		return v
	}
	v.breaks, v.code = Maybe, "unsure"
	v.why += ", as far as its text could be read"
	return v
}

// pass says what an arrow does with the verdict of its start.
func (j *judge) pass(from *verdict, a arrow) (verdict, bool) {
	if from.code == "" {
		return verdict{}, false
	}
	name := j.name(a.from)
	if from.breaks == No {
		return verdict{breaks: No, code: "untouched", why: name + " goes on working"}, true
	}
	v := verdict{breaks: from.breaks, whole: from.whole}
	if !from.whole && v.breaks == Yes && a.from.Kind != catalog.KindDashboard {
		v.breaks = Maybe // fails only while a filter is set there
	}
	if a.confidence != finding.Certain && v.breaks == Yes {
		v.breaks = Maybe
	}
	state := "fails"
	if v.breaks == Maybe {
		state = "may fail"
	}
	switch a.via {
	case lineage.ViaDashcard, lineage.ViaSeries:
		v.code, v.why = "shows", "it shows "+name+", which "+state
	case lineage.ViaSubscription:
		v.code, v.why = "sends", "it sends "+name+", which "+state
	case lineage.ViaAlert:
		v.code, v.why = "watches", "it watches "+name+", which "+state
	case lineage.ViaParameterSource:
		v.code, v.why, v.whole = "filter_choices", "the choices of a filter come from "+name+", which "+state, false
	case lineage.ViaTransform:
		v.breaks, v.whole, v.code, v.why = Maybe, false, "stale", name+" "+state+": the rows it writes here stay as they are"
	default:
		v.code, v.why = "built_on", "it is built on "+name+", which "+state
		if a.from.Kind == catalog.KindTable {
			v.code, v.why = "stale", "it reads "+name+", which may no longer be written"
		}
	}
	return v, true
}

// name is what people call an asset, with its kind.
func (j *judge) name(r catalog.Ref) string { return string(r.Kind) + " " + title(j.in.Index, r) }

// which names the changed columns that an asset reads.
func (j *judge) which(n *node) string {
	if len(j.roots) == 1 || len(j.tables) > 0 {
		return j.what()
	}
	var names []string
	for _, u := range n.uses {
		_, _, _, column, _ := catalog.SplitID(u.column)
		if j.changed[u.column] && !slices.Contains(names, column) {
			names = append(names, column)
		}
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return j.what()
	case len(names) > 4:
		return strings.Join(names[:3], ", ") + fmt.Sprintf(" and %d more", len(names)-3)
	}
	return strings.Join(names, ", ")
}

// what names the roots.
func (j *judge) what() string {
	if len(j.roots) == 1 {
		for r := range j.roots {
			if r.Kind == catalog.KindTable {
				return "the table"
			}
			if r.Kind == catalog.KindColumn {
				return "the column"
			}
		}
	}
	return "what changes"
}

// title is the name of an asset without its kind.
func title(x *catalog.Index, r catalog.Ref) string {
	switch r.Kind {
	case catalog.KindColumn:
		_, schema, table, column, _ := catalog.SplitID(r.ID)
		if schema != "" {
			table = schema + "." + table
		}
		return table + "." + column
	case catalog.KindTable:
		_, schema, table, _, ok := catalog.SplitID(r.ID)
		if ok && schema != "" {
			return schema + "." + table
		}
		if ok {
			return table
		}
	}
	if a := x.Asset(r); a != nil && a.Title() != "" {
		return a.Title()
	}
	return fmt.Sprintf("%s %s", r.Kind, r.ID)
}
