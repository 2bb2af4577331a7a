package report

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// document is an [Input] made ready for writers: sorted, indexed, compared with
// the baseline. Entries are built one at a time, so that a large instance never
// stands in memory twice.
type document struct {
	in       *Input
	index    *catalog.Index
	assets   []catalog.Asset
	findings []finding.Finding // by check, asset, fingerprint
	checks   map[string]CheckInfo
	resolved int
}

func newDocument(in *Input) *document {
	d := &document{in: in, index: in.Index, checks: make(map[string]CheckInfo, len(in.Checks))}
	if d.index == nil {
		d.index = catalog.NewIndex(in.Snapshot)
	}
	for _, c := range in.Checks {
		d.checks[c.ID] = c
	}
	for a := range in.Snapshot.All() {
		d.assets = append(d.assets, a)
	}
	slices.SortStableFunc(d.assets, func(a, b catalog.Asset) int { return a.Ref().Compare(b.Ref()) })
	d.findings = slices.Clone(in.Findings)
	slices.SortStableFunc(d.findings, func(a, b finding.Finding) int {
		return cmp.Or(strings.Compare(a.Check, b.Check), a.Asset.Compare(b.Asset), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	if in.Baseline != nil {
		d.resolved = in.Baseline.Resolved(in.Findings, in.NotEvaluated)
	}
	return d
}

func (d *document) head() headEntry {
	s := d.in.Snapshot
	partial, reasons := s.Partial()
	h := headEntry{
		Connection: connectionEntry{
			Name: d.in.Connection, URL: s.Instance.URL, MetabaseVersion: s.Instance.Version, Edition: s.Instance.Edition,
			Admin: s.Instance.Reader.Admin, Partial: partial, PartialReasons: orEmpty(reasons), Gaps: []gapEntry{},
		},
		StartedAt:  s.StartedAt.UTC(),
		FinishedAt: s.FinishedAt.UTC(),
		Requests:   requestsEntry{Total: s.Requests.Total, Bytes: s.Requests.Bytes, ByRoute: s.Requests.ByRoute},
	}
	if h.Requests.ByRoute == nil {
		h.Requests.ByRoute = map[string]int{}
	}
	for _, g := range s.Gaps {
		h.Connection.Gaps = append(h.Connection.Gaps, gapEntry{What: g.What, Kind: g.Kind, Reason: g.Reason, Expected: g.Expected})
	}
	return h
}

// assetEntries yields the inventory, sorted by kind and id; columns only where
// the options ask for them.
func (d *document) assetEntries() iter.Seq[assetEntry] {
	return func(yield func(assetEntry) bool) {
		columnsDone := !d.in.Options.Columns
		for _, a := range d.assets {
			if !columnsDone && a.Ref().Kind > catalog.KindColumn {
				columnsDone = true
				if !d.yieldColumns(yield) {
					return
				}
			}
			if !yield(d.asset(a)) {
				return
			}
		}
		if !columnsDone {
			d.yieldColumns(yield)
		}
	}
}

func (d *document) yieldColumns(yield func(assetEntry) bool) bool {
	type pair struct {
		table  *catalog.Table
		column *catalog.Column
	}
	var pairs []pair
	for _, t := range d.in.Snapshot.Tables {
		for _, c := range t.Columns {
			pairs = append(pairs, pair{t, c})
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return a.column.Ref().Compare(b.column.Ref()) })
	for _, p := range pairs {
		if !yield(d.column(p.table, p.column)) {
			return false
		}
	}
	return true
}

func (d *document) edges() iter.Seq[lineage.Edge] {
	return inOrder(d.in.Edges, func(a, b *lineage.Edge) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), cmp.Compare(a.Via, b.Via), cmp.Compare(a.Confidence, b.Confidence))
	})
}

// inOrder yields a list sorted without copying its elements: a large graph would
// otherwise stand in memory twice.
func inOrder[T any](list []T, compare func(a, b *T) int) iter.Seq[T] {
	positions := make([]int32, len(list))
	for i := range positions {
		positions[i] = int32(i)
	}
	slices.SortStableFunc(positions, func(a, b int32) int { return compare(&list[a], &list[b]) })
	return func(yield func(T) bool) {
		for _, i := range positions {
			if !yield(list[i]) {
				return
			}
		}
	}
}

func (d *document) columnEdges() iter.Seq[columnEdgeEntry] {
	edges := inOrder(d.in.ColumnEdges, func(a, b *lineage.ColumnEdge) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), cmp.Compare(a.ToColumn, b.ToColumn),
			cmp.Compare(a.Via, b.Via), cmp.Compare(a.Confidence, b.Confidence))
	})
	return func(yield func(columnEdgeEntry) bool) {
		for e := range edges {
			to := columnTargetEntry{Kind: e.To.Kind, ID: e.To.ID, Column: e.ToColumn}
			if !yield(columnEdgeEntry{From: e.From, To: to, Via: e.Via, Confidence: e.Confidence}) {
				return
			}
		}
	}
}

func (d *document) unresolved() iter.Seq[unresolvedEntry] {
	list := slices.Clone(d.in.Unresolved)
	slices.SortStableFunc(list, func(a, b lineage.Unresolved) int {
		start := func(u lineage.Unresolved) int {
			if u.Span == nil {
				return -1
			}
			return u.Span.Start
		}
		return cmp.Or(a.Asset.Compare(b.Asset), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Detail, b.Detail),
			a.Target.Compare(b.Target), cmp.Compare(start(a), start(b)))
	})
	return func(yield func(unresolvedEntry) bool) {
		for _, u := range list {
			if !yield(unresolvedEntry(u)) {
				return
			}
		}
	}
}

func (d *document) duplicates() iter.Seq[Duplicate] {
	list := slices.Clone(d.in.Duplicates)
	slices.SortStableFunc(list, func(a, b Duplicate) int { return strings.Compare(a.ID, b.ID) })
	return func(yield func(Duplicate) bool) {
		for _, dup := range list {
			dup.Members = slices.Clone(dup.Members)
			slices.SortFunc(dup.Members, catalog.Ref.Compare)
			if dup.Members == nil {
				dup.Members = []catalog.Ref{}
			}
			if !yield(dup) {
				return
			}
		}
	}
}

func (d *document) findingEntries() iter.Seq[findingEntry] {
	return func(yield func(findingEntry) bool) {
		for i := range d.findings {
			if !yield(d.finding(&d.findings[i])) {
				return
			}
		}
	}
}

func (d *document) finding(f *finding.Finding) findingEntry {
	e := findingEntry{
		Check: f.Check, Fingerprint: f.Fingerprint, Severity: f.Severity, Confidence: f.Confidence,
		Asset:   findingAssetEntry{Kind: f.Asset.Kind, ID: f.Asset.ID, Name: d.name(f.Asset), URL: d.index.URL(f.Asset)},
		Message: f.Message, Evidence: f.Evidence, Remediation: f.Remediation,
	}
	if d.in.Baseline != nil {
		isNew := d.isNew(f)
		e.New = &isNew
	}
	return e
}

func (d *document) isNew(f *finding.Finding) bool {
	return d.in.Baseline != nil && !d.in.Baseline.Has(f.Fingerprint)
}

func (d *document) notEvaluated() []finding.NotEvaluated {
	list := slices.Clone(d.in.NotEvaluated)
	slices.SortStableFunc(list, func(a, b finding.NotEvaluated) int {
		return cmp.Or(strings.Compare(a.Check, b.Check), a.Asset.Compare(b.Asset), strings.Compare(a.Reason, b.Reason))
	})
	return list
}

func (d *document) health() finding.Health {
	h := d.in.Health
	if h.Families == nil {
		h.Families = map[string]finding.FamilyHealth{}
	}
	return h
}

// familyScore is the health of one family, ready to show.
type familyScore struct {
	FamilyInfo
	finding.FamilyHealth
}

// families returns the scores of all families that judged anything, in the
// order of the input, unknown ones behind.
func (d *document) families() []familyScore {
	var list []familyScore
	known := map[string]bool{}
	for _, info := range d.in.Families {
		known[info.Code] = true
		if h, ok := d.in.Health.Families[info.Code]; ok {
			list = append(list, familyScore{info, h})
		}
	}
	for _, code := range slices.Sorted(maps.Keys(d.in.Health.Families)) {
		if !known[code] {
			list = append(list, familyScore{FamilyInfo{code, code}, d.in.Health.Families[code]})
		}
	}
	return list
}

// action is something to do that would better the health most.
type action struct {
	checkGroup
	Weight float64 // of the findings, in clean assets
}

// actions returns the checks whose findings weigh most, at most n.
func (d *document) actions(n int) []action {
	var list []action
	for _, g := range d.groups() {
		a := action{checkGroup: g}
		for _, f := range g.Findings {
			a.Weight += finding.Weight(f.Severity, f.Confidence)
		}
		if a.Weight > 0 {
			list = append(list, a)
		}
	}
	slices.SortStableFunc(list, func(a, b action) int { return cmp.Compare(b.Weight, a.Weight) })
	return list[:min(n, len(list))]
}

// kindCount is how many assets of a kind there are.
type kindCount struct {
	Kind catalog.Kind
	N    int
}

// inventory returns the kinds that occur, in the order of [catalog.Kinds].
func (d *document) inventory() []kindCount {
	counts := d.counts()
	var list []kindCount
	for _, k := range catalog.Kinds() {
		if counts[k] > 0 {
			list = append(list, kindCount{k, counts[k]})
		}
	}
	return list
}

// kindName is a kind for people, in the number that fits n.
func kindName(k catalog.Kind, n int) string {
	if n == 1 {
		return string(k)
	}
	if k == catalog.KindPerson {
		return "people"
	}
	return string(k) + "s"
}

// reasonCount is why something was not evaluated, and how often.
type reasonCount struct {
	Check  CheckInfo
	Reason string // the most frequent one
	Others int    // further reasons
	Whole  bool   // the check judged nothing at all
	N      int
}

// what says how much was not evaluated.
func (r reasonCount) what() string {
	if r.Whole {
		return "everything"
	}
	return plural(r.N, "asset", "assets")
}

// why gives the reason, and says where there are others.
func (r reasonCount) why() string {
	switch r.Others {
	case 0:
		return r.Reason
	case 1:
		return r.Reason + " (and another reason)"
	}
	return r.Reason + " (and " + plural(r.Others, "other reason", "other reasons") + ")"
}

// notEvaluatedReasons sums up by check what could not be judged: whole checks
// with their reason, single assets with the most frequent one.
func (d *document) notEvaluatedReasons() []reasonCount {
	var list []reasonCount
	counts := map[string]map[string]int{}
	for _, n := range d.notEvaluated() {
		whole := n.Asset.IsZero()
		i := slices.IndexFunc(list, func(r reasonCount) bool { return r.Check.ID == n.Check && r.Whole == whole })
		if i < 0 {
			list = append(list, reasonCount{Check: d.checkInfo(n.Check), Whole: whole})
			i = len(list) - 1
		}
		list[i].N++
		key := n.Check + fmt.Sprint(whole)
		if counts[key] == nil {
			counts[key] = map[string]int{}
		}
		counts[key][n.Reason]++
	}
	for i := range list {
		r := &list[i]
		reasons := counts[r.Check.ID+fmt.Sprint(r.Whole)]
		for _, reason := range slices.Sorted(maps.Keys(reasons)) {
			if reasons[reason] > reasons[r.Reason] {
				r.Reason = reason
			}
		}
		r.Others = len(reasons) - 1
	}
	return list
}

func (d *document) stats() statsEntry {
	s := statsEntry{
		Assets: d.counts(), Findings: d.severities(), NotEvaluated: len(d.in.NotEvaluated), Edges: len(d.in.Edges),
		ColumnEdges: len(d.in.ColumnEdges), Unresolved: len(d.in.Unresolved), Duplicates: len(d.in.Duplicates), Conflicts: len(d.in.MetricConflicts),
	}
	for _, a := range d.assets {
		if a.IsArchived() {
			s.Archived++
		}
	}
	if d.in.Baseline != nil {
		added, resolved := d.newCount(), d.resolved
		s.New, s.Resolved = &added, &resolved
	}
	return s
}

func (d *document) newCount() int {
	n := 0
	for i := range d.findings {
		if d.isNew(&d.findings[i]) {
			n++
		}
	}
	return n
}

// counts says how many assets of each kind there are, columns included.
func (d *document) counts() map[catalog.Kind]int {
	counts := map[catalog.Kind]int{}
	for _, a := range d.assets {
		counts[a.Ref().Kind]++
	}
	for _, t := range d.in.Snapshot.Tables {
		if len(t.Columns) > 0 {
			counts[catalog.KindColumn] += len(t.Columns)
		}
	}
	return counts
}

func (d *document) severities() map[finding.Severity]int {
	counts := map[finding.Severity]int{}
	for _, s := range severities() {
		counts[s] = 0
	}
	for i := range d.findings {
		counts[d.findings[i].Severity]++
	}
	return counts
}

// severities lists them from the gravest down.
func severities() []finding.Severity {
	return []finding.Severity{finding.Critical, finding.High, finding.Medium, finding.Low, finding.Info}
}

// name returns what people call an asset; its id where it has no name.
func (d *document) name(r catalog.Ref) string {
	if r.Kind == catalog.KindColumn {
		if c := d.index.Column(r.ID); c != nil {
			if _, _, table, _, ok := catalog.SplitID(r.ID); ok {
				return table + "." + c.Name
			}
			return c.Name
		}
		return r.ID
	}
	if a := d.index.Asset(r); a != nil && a.Title() != "" {
		return a.Title()
	}
	if r.IsZero() {
		return ""
	}
	return string(r.Kind) + " " + r.ID
}

// path returns the collection an asset lies in, for people.
func (d *document) path(r catalog.Ref) string {
	if a := d.index.Asset(r); a != nil {
		return d.index.CollectionPath(a.InCollection())
	}
	return ""
}

func (d *document) views(r catalog.Ref) *int64 { return d.in.Snapshot.Usage[r].Views }

// ranked returns the findings by what to look at first: severity, certainty,
// use of the asset.
func (d *document) ranked() []finding.Finding {
	list := slices.Clone(d.findings)
	views := func(f *finding.Finding) int64 {
		if v := d.views(f.Asset); v != nil {
			return *v
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b finding.Finding) int {
		return cmp.Or(cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), cmp.Compare(confidenceRank(a.Confidence), confidenceRank(b.Confidence)),
			cmp.Compare(views(&b), views(&a)))
	})
	return list
}

func confidenceRank(c finding.Confidence) int {
	switch c {
	case finding.Certain:
		return 0
	case finding.Likely:
		return 1
	}
	return 2
}

// checkGroup is all findings of one check.
type checkGroup struct {
	Info     CheckInfo
	Severity finding.Severity // the gravest among them
	Findings []finding.Finding
	Whole    finding.Group // zero when not known
}

// sum says how many assets fire, and of how many where the check fires so often
// that single findings say little.
func (g *checkGroup) sum() string {
	if g.Whole.Aggregated {
		return group(int64(g.Whole.Assets)) + " of " + plural(g.Whole.Judged, "asset", "assets")
	}
	return plural(len(g.Findings), "finding", "findings")
}

// groups returns the findings by check, gravest and largest first.
func (d *document) groups() []checkGroup {
	byCheck := map[string]*checkGroup{}
	var order []string
	for _, f := range d.ranked() {
		g := byCheck[f.Check]
		if g == nil {
			g = &checkGroup{Info: d.checkInfo(f.Check), Severity: f.Severity}
			if i := slices.IndexFunc(d.in.Groups, func(w finding.Group) bool { return w.Check == f.Check }); i >= 0 {
				g.Whole = d.in.Groups[i]
			}
			byCheck[f.Check] = g
			order = append(order, f.Check)
		}
		g.Findings = append(g.Findings, f)
	}
	list := make([]checkGroup, 0, len(order))
	for _, id := range order {
		list = append(list, *byCheck[id])
	}
	slices.SortStableFunc(list, func(a, b checkGroup) int {
		return cmp.Or(cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), cmp.Compare(len(b.Findings), len(a.Findings)), strings.Compare(a.Info.ID, b.Info.ID))
	})
	return list
}

// checkInfo returns what is known of a check, at least its id.
func (d *document) checkInfo(id string) CheckInfo {
	if info, ok := d.checks[id]; ok {
		return info
	}
	return CheckInfo{ID: id, Title: id}
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
