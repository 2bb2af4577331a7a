package impactview

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/ui"
)

// chooser is the part of the page that says what changes.
type chooser struct {
	filter
	Base    string
	Path    string
	Roots   []root
	Found   []offer // what a typed name could mean
	Top     []offer // offered before anything is chosen
	Typed   string
	Problem string
	Hint    string
}

type root struct {
	candidate
	Known  bool
	Remove string
}

type offer struct {
	candidate
	Href string
}

func chooserOf(base string, view *browse.View, f filter) chooser {
	v := chooser{filter: f, Base: base, Path: base + "/impact"}
	for _, r := range f.roots {
		c, known := describe(view, r)
		v.Roots = append(v.Roots, root{c, known, ui.Address(v.Path, ui.Without(f.query, "ref", r.String()))})
	}
	return v
}

// with is the address that asks for one more root; filters of the answer so far
// are let go.
func (v *chooser) with(r catalog.Ref) string {
	return address(v.Path, append(slices.Clone(v.roots), r), v.change)
}

// address is the page of a change.
func address(path string, roots []catalog.Ref, change impact.Change) string {
	q := url.Values{}
	for _, r := range roots {
		q.Add("ref", r.String())
	}
	if change != impact.Drop {
		q.Set("change", string(change))
	}
	return ui.Address(path, q)
}

// result is what a change breaks, as the page shows it.
type result struct {
	filter
	Base        string
	Path        string
	Tiles       []tile
	Tabs        []tab
	Kinds       []kindChoice
	Chips       []chip
	Rows        []row
	Pager       ui.PagerView
	KnockOn     []row
	MoreKnockOn int
	People      []person
	MorePeople  int
	Gaps        []gap
	GapCount    int
	Partial     []string
	Total       int
	Names       string // of the roots
	Verb        string
	Now         time.Time
}

type tile struct {
	Label string
	Count int
	Note  string
}

type tab struct {
	Key, Label, Href string
	Count            int
	Current          bool
}

type kindChoice struct {
	Kind   catalog.Kind
	Count  int
	Chosen bool
}

type chip struct{ Label, Remove string }

type row struct {
	impact.Affected
	Views *int64
	Used  *time.Time
	Steps []step // of the first path
	Other [][]step
}

type step struct {
	Ref  catalog.Ref
	Name string
}

type person struct {
	Name   string
	Left   bool
	Assets int
}

type gap struct {
	Ref    catalog.Ref
	Name   string
	Detail string
}

const (
	maxKnockOn = 50
	maxPeople  = 60
	maxGaps    = 60
)

var verbs = map[impact.Change]string{impact.Drop: "Dropping", impact.Rename: "Renaming", impact.Type: "Changing the type of"}

func resultOf(base string, view *browse.View, f filter, in *impact.Result, now time.Time) result {
	r := result{filter: f, Base: base, Path: base + "/impact", Total: len(in.Affected), Verb: verbs[f.change], Now: now}
	namer := stepper{view: view}
	var names []string
	for _, ref := range f.roots {
		names = append(names, namer.name(ref))
	}
	r.Names = ui.Clip(strings.Join(names, ", "), 160)
	r.tiles(in)
	breaks, kinds := map[impact.Breaks]int{}, map[catalog.Kind]int{}
	var list []*impact.Affected
	for i := range in.Affected {
		a := &in.Affected[i]
		if !f.reaches(a) {
			continue
		}
		fits := f.breaks == "" || a.Breaks == f.breaks
		if f.ofKind(a) {
			breaks[a.Breaks]++
		}
		if fits {
			kinds[a.Asset.Kind]++
		}
		if fits && f.ofKind(a) {
			list = append(list, a)
		}
	}
	all := breaks[impact.Yes] + breaks[impact.Maybe] + breaks[impact.No]
	for _, t := range []struct {
		key   impact.Breaks
		label string
		n     int
	}{{"", "All", all}, {impact.Yes, "Breaks", breaks[impact.Yes]}, {impact.Maybe, "May break", breaks[impact.Maybe]}, {impact.No, "Keeps working", breaks[impact.No]}} {
		r.Tabs = append(r.Tabs, tab{string(t.key), t.label, ui.Address(r.Path, ui.With(f.query, "breaks", string(t.key))), t.n, f.breaks == t.key})
	}
	for _, k := range catalog.Kinds() {
		if chosen := slices.Contains(f.kinds, k); kinds[k] > 0 || chosen {
			r.Kinds = append(r.Kinds, kindChoice{k, kinds[k], chosen})
		}
		if slices.Contains(f.kinds, k) {
			r.Chips = append(r.Chips, chip{ui.Capital(ui.KindNames(k)), ui.Address(r.Path, ui.Without(f.query, "kind", string(k)))})
		}
	}
	if f.reach != "" {
		r.Chips = append(r.Chips, chip{ui.Capital(f.reach) + " only", ui.Address(r.Path, ui.Without(f.query, "reach", ""))})
	}
	offset := min(ui.Offset(f.query), len(list))
	for _, a := range list[offset:min(len(list), offset+ui.PerPage)] {
		r.Rows = append(r.Rows, namer.row(a))
	}
	r.Pager = ui.Pages(r.Path, f.query, len(r.Rows), len(list), "item", "items")
	for i := range in.KnockOn[:min(maxKnockOn, len(in.KnockOn))] {
		r.KnockOn = append(r.KnockOn, namer.row(&in.KnockOn[i]))
	}
	r.MoreKnockOn = len(in.KnockOn) - len(r.KnockOn)
	r.rest(in)
	_, r.Partial = view.Index.Snapshot().Partial()
	return r
}

// tiles are the counts that stand first.
func (r *result) tiles(in *impact.Result) {
	for _, k := range []catalog.Kind{catalog.KindDashboard, catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindSubscription, catalog.KindAlert} {
		t := tile{Label: ui.Capital(ui.KindNames(k)), Count: in.Counts[k]}
		if t.Count == 1 {
			t.Label = ui.KindName(k)
		}
		if k == catalog.KindMetric && t.Count == 0 {
			continue
		}
		r.Tiles = append(r.Tiles, t)
	}
	listed := []catalog.Kind{catalog.KindDashboard, catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindSubscription, catalog.KindAlert}
	other := 0
	for k, n := range in.Counts {
		if !slices.Contains(listed, k) {
			other += n
		}
	}
	if other > 0 {
		r.Tiles = append(r.Tiles, tile{Label: "Other", Count: other, Note: "tables, segments, snippets, transforms and the like"})
	}
	people := tile{Label: "People", Count: len(in.People), Note: "who made or last edited what breaks or may break"}
	if len(in.People) == 1 {
		people.Label = "Person"
	}
	r.Tiles = append(r.Tiles, people)
	if in.Recipients > 0 {
		r.Tiles = append(r.Tiles, tile{Label: "Recipients", Count: in.Recipients, Note: "of subscriptions and alerts, each time they are named"})
	}
}

// rest fills in people and what was not evaluated.
func (r *result) rest(in *impact.Result) {
	for _, p := range in.People[:min(maxPeople, len(in.People))] {
		r.People = append(r.People, person{p.Name, p.Active != nil && !*p.Active, p.Assets})
	}
	r.MorePeople = len(in.People) - len(r.People)
	r.GapCount = len(in.NotEvaluated)
	for _, n := range in.NotEvaluated[:min(maxGaps, len(in.NotEvaluated))] {
		detail := cmp.Or(n.Detail, ui.ReasonName(n.Reason))
		r.Gaps = append(r.Gaps, gap{n.Asset, n.Name, detail})
	}
}

func (r *result) clear() string { return ui.Address(r.Path, r.asked()) }

func (r *result) kept() url.Values {
	q := r.asked()
	if r.breaks != "" {
		q.Set("breaks", string(r.breaks))
	}
	return q
}

// stepper names the assets of paths.
type stepper struct{ view *browse.View }

func (s stepper) name(r catalog.Ref) string {
	if name, ok := s.view.Name(r); ok {
		return name
	}
	return r.String()
}

func (s stepper) row(a *impact.Affected) row {
	out := row{Affected: *a}
	if a.Usage != nil {
		out.Views, out.Used = a.Usage.Views, a.Usage.LastUsedAt
	}
	for i, path := range a.Paths {
		steps := make([]step, 0, len(path))
		for _, r := range path {
			steps = append(steps, step{r, s.name(r)})
		}
		if i == 0 {
			out.Steps = steps
		} else {
			out.Other = append(out.Other, steps)
		}
	}
	return out
}

func verdictIcon(b impact.Breaks) string {
	switch b {
	case impact.Yes:
		return "critical"
	case impact.Maybe:
		return "medium"
	}
	return "check"
}

func verdictWord(b impact.Breaks) string {
	switch b {
	case impact.Yes:
		return "Breaks"
	case impact.Maybe:
		return "May break"
	}
	return "Keeps working"
}

func distance(a impact.Affected) string {
	if a.Direct {
		return "direct"
	}
	return ui.Count(a.Distance, "step", "steps") + " away"
}
