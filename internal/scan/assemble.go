package scan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// stepOrder is the order in which parts are joined: later ones win.
func (r *run) stepOrder() []string {
	var names []string
	for _, s := range r.plan() {
		names = append(names, s.name)
	}
	return names
}

// assemble joins all parts into one sorted snapshot.
func (r *run) assemble() *catalog.Snapshot {
	s := &catalog.Snapshot{StartedAt: r.started, Usage: map[catalog.Ref]catalog.Usage{}}
	all := newPart()
	for _, name := range r.stepOrder() {
		p := r.part(name)
		all.merge(p)
		if name == "identify" {
			s.Instance = p.Instance
		}
		for ref, u := range p.Usage {
			s.Usage[ref] = mergeUsage(s.Usage[ref], u)
		}
	}
	s.Gaps = all.Gaps
	s.Access = all.Access
	if tables := r.part("references").Tables; len(tables) > 0 {
		for _, q := range all.Questions {
			r.source.Resolve(q) // it was read before its table was found
		}
	}
	r.assembleAssets(s, all)
	r.namedPeople(s)
	r.subtractOwnReads(s)
	r.carryDashboardUsage(s)
	r.carryQueryTimes(s)
	s.Marks = catalog.Marks{
		SchemaReadAt:     r.part("schema").Marks.SchemaReadAt,
		QueryTimeReadAt:  r.part("query_times").Marks.QueryTimeReadAt,
		ReferencesReadAt: r.part("references").Marks.ReferencesReadAt,
	}
	dropStrayUsage(s)
	s.Gaps = tidyGaps(s.Gaps)
	s.Sort()
	s.FinishedAt = r.options.Now().UTC()
	s.Requests = r.stats()
	return s
}

// mergeUsage lets facts of a later part complete those of an earlier one.
func mergeUsage(old, u catalog.Usage) catalog.Usage {
	if u.Views != nil {
		old.Views = u.Views
	}
	if u.LastUsedAt != nil {
		old.LastUsedAt = u.LastUsedAt
	}
	if u.UpdatedAt != nil {
		old.UpdatedAt = u.UpdatedAt
	}
	if u.AverageQueryMillis != nil {
		old.AverageQueryMillis = u.AverageQueryMillis
	}
	if u.DashboardCount != nil {
		old.DashboardCount = u.DashboardCount
	}
	old.Contaminated = old.Contaminated || u.Contaminated
	old.OwnReads = max(old.OwnReads, u.OwnReads)
	return old
}

// assembleAssets puts every asset in once, without what is left out.
func (r *run) assembleAssets(s *catalog.Snapshot, all *part) {
	out := r.filter()
	dropped := map[catalog.Kind]int{}
	personal, excluded := 0, 0
	note := func(collection string) bool {
		switch {
		case out.excluded[collection]:
			excluded++
		case out.personal[collection]:
			personal++
		default:
			return false
		}
		return true
	}

	s.Collections = unique(all.Collections, dropped)
	s.Collections = shownCollections(s.Collections, out)
	s.Databases = unique(all.Databases, dropped)
	s.Tables = unique(all.Tables, dropped)
	hiddenQuestions, hiddenDashboards := map[string]bool{}, map[string]bool{}
	s.Questions = slices.DeleteFunc(unique(all.Questions, dropped), func(q *catalog.Question) bool {
		if note(q.CollectionID) {
			hiddenQuestions[q.ID] = true
			return true
		}
		return false
	})
	s.Dashboards = slices.DeleteFunc(uniqueDashboards(all.Dashboards, dropped), func(d *catalog.Dashboard) bool {
		if note(d.CollectionID) {
			hiddenDashboards[d.ID] = true
			return true
		}
		return false
	})
	s.Segments = unique(all.Segments, dropped)
	s.Measures = unique(all.Measures, dropped)
	s.Snippets = slices.DeleteFunc(unique(all.Snippets, dropped), func(x *catalog.Snippet) bool { return note(x.CollectionID) })
	s.Subscriptions = slices.DeleteFunc(unique(all.Subscriptions, dropped), func(x *catalog.Subscription) bool {
		return note(x.CollectionID) || hiddenDashboards[x.DashboardID]
	})
	s.Alerts = slices.DeleteFunc(unique(all.Alerts, dropped), func(x *catalog.Alert) bool { return hiddenQuestions[x.QuestionID] })
	s.Transforms = slices.DeleteFunc(unique(all.Transforms, dropped), func(x *catalog.Transform) bool { return note(x.CollectionID) })
	s.Actions = slices.DeleteFunc(unique(all.Actions, dropped), func(x *catalog.Action) bool { return hiddenQuestions[x.ModelID] })
	s.Documents = slices.DeleteFunc(unique(all.Documents, dropped), func(x *catalog.Document) bool { return note(x.CollectionID) })
	s.Groups = unique(all.Groups, dropped)
	for group, grants := range s.Access.Collections {
		kept := maps.Clone(grants)
		maps.DeleteFunc(kept, func(id, _ string) bool { return out.collection(id) })
		s.Access.Collections[group] = kept
	}
	s.People = unique(all.People, dropped)

	r.standIns(s, hiddenQuestions)
	if excluded > 0 {
		s.Gaps = append(s.Gaps, catalog.Gap{What: "excluded collections", Reason: fmt.Sprintf("%d assets in them were left out, as configured", excluded), Expected: true})
	}
	if personal > 0 {
		s.Gaps = append(s.Gaps, catalog.Gap{What: "personal collections", Reason: fmt.Sprintf("%d assets in them were left out; they are read only when asked for", personal), Expected: true})
	}
	for _, kind := range catalog.Kinds() {
		if n := dropped[kind]; n > 0 {
			s.Gaps = append(s.Gaps, catalog.Gap{What: string(kind) + " list", Reason: fmt.Sprintf("%d ids were listed twice; the last row counts", n), Expected: true})
		}
	}
}

// shownCollections leaves out what is filtered. Of a personal collection a
// nameless row stays.
func shownCollections(all []*catalog.Collection, out filter) []*catalog.Collection {
	shown := make([]*catalog.Collection, 0, len(all))
	for _, c := range all {
		switch {
		case !out.collection(c.ID):
			shown = append(shown, c)
		case out.personal[c.ID] && !out.excluded[c.ID] && (c.ParentID == catalog.RootCollectionID || c.ParentID == ""):
			shown = append(shown, c.Nameless())
		}
	}
	return shown
}

// standIns keeps a nameless row for each left-out question that shared content
// uses, so that the use does not look broken.
func (r *run) standIns(s *catalog.Snapshot, hidden map[string]bool) {
	if len(hidden) == 0 {
		return
	}
	wanted := map[string]bool{}
	want := func(kind catalog.Kind, id string) {
		if kind.IsCard() && hidden[id] {
			wanted[id] = true
		}
	}
	for _, d := range s.Dashboards {
		dashboardTargets(d, want)
	}
	for _, q := range s.Questions {
		questionTargets(q, want)
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		s.Questions = append(s.Questions, standIn(id))
	}
}

// unique keeps the last of each id and counts the others. Questions of all
// types share their ids.
func unique[A catalog.Asset](list []A, dropped map[catalog.Kind]int) []A {
	last := make(map[string]int, len(list))
	for i, a := range list {
		if _, twice := last[a.Ref().ID]; twice {
			dropped[assetKind(a)]++
		}
		last[a.Ref().ID] = i
	}
	out := make([]A, 0, len(last))
	for i, a := range list {
		if last[a.Ref().ID] == i {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// uniqueDashboards does the same for dashboards, whose head and contents are
// two rows on purpose: a row with contents beats a head.
func uniqueDashboards(list []*catalog.Dashboard, dropped map[catalog.Kind]int) []*catalog.Dashboard {
	var heads, full []*catalog.Dashboard
	read := map[string]bool{}
	for _, d := range list {
		if !d.DetailUnread {
			read[d.ID] = true
			full = append(full, d)
		}
	}
	seen := map[string]bool{}
	for _, d := range list {
		if d.DetailUnread && !read[d.ID] && !seen[d.ID] {
			seen[d.ID] = true
			heads = append(heads, d)
		}
	}
	return unique(append(heads, full...), dropped)
}

// namedPeople adds the creators and editors that were only named in content.
func (r *run) namedPeople(s *catalog.Snapshot) {
	known := map[string]bool{}
	for _, p := range s.People {
		known[p.ID] = true
	}
	seen := r.source.PeopleSeen()
	for _, name := range r.stepOrder() {
		seen = append(seen, r.part(name).facts.Seen...)
	}
	used := map[string]bool{}
	for a := range s.All() {
		for _, id := range peopleOf(a) {
			used[id] = true
		}
	}
	for _, p := range seen {
		if !known[p.ID] && used[p.ID] {
			known[p.ID] = true
			s.People = append(s.People, p)
		}
	}
	if r.options.Previous == nil {
		return
	}
	// A dashboard that is taken over names people whom nothing named this time.
	for _, p := range r.options.Previous.People {
		if !known[p.ID] && used[p.ID] {
			known[p.ID] = true
			s.People = append(s.People, p)
		}
	}
}

// peopleOf lists the people an asset names.
func peopleOf(a catalog.Asset) []string {
	switch a := a.(type) {
	case *catalog.Question:
		return []string{a.CreatorID, a.LastEditorID}
	case *catalog.Dashboard:
		return []string{a.CreatorID, a.LastEditorID}
	case *catalog.Collection:
		return []string{a.CreatorID, a.PersonalOwnerID}
	case *catalog.Database:
		return []string{a.CreatorID}
	case *catalog.Table:
		return []string{a.CreatorID, a.OwnerID}
	case *catalog.Segment:
		return []string{a.CreatorID}
	case *catalog.Measure:
		return []string{a.CreatorID}
	case *catalog.Snippet:
		return []string{a.CreatorID}
	case *catalog.Subscription:
		return []string{a.CreatorID}
	case *catalog.Alert:
		return []string{a.CreatorID}
	case *catalog.Transform:
		return []string{a.CreatorID}
	case *catalog.Action:
		return []string{a.CreatorID}
	case *catalog.Document:
		return []string{a.CreatorID}
	}
	return nil
}

// subtractOwnReads takes our own dashboard reads out of the views.
func (r *run) subtractOwnReads(s *catalog.Snapshot) {
	for id, n := range r.part("dashboards").facts.OwnReads {
		ref := catalog.Ref{Kind: catalog.KindDashboard, ID: id}
		u, ok := s.Usage[ref]
		if !ok || n <= 0 {
			continue
		}
		u.OwnReads = n
		if u.Views != nil {
			rest := max(0, *u.Views-n)
			u.Views = &rest
		}
		s.Usage[ref] = u
	}
}

// carryDashboardUsage keeps what was last known of dashboards that are listed
// without their usage and were not read again.
func (r *run) carryDashboardUsage(s *catalog.Snapshot) {
	if r.options.Previous == nil || !r.part("dashboards").facts.NoDashboardList {
		return
	}
	for _, d := range s.Dashboards {
		before, known := r.options.Previous.Usage[d.Ref()]
		if !known {
			continue
		}
		u := s.Usage[d.Ref()]
		if u.Views == nil {
			u.Views, u.OwnReads = before.Views, before.OwnReads
		}
		if u.LastUsedAt == nil {
			u.LastUsedAt = before.LastUsedAt
		}
		if u.UpdatedAt == nil {
			u.UpdatedAt = before.UpdatedAt
		}
		s.Usage[d.Ref()] = u
	}
}

// carryQueryTimes fills in mean run times that dashboards told, now or when
// they were read last.
func (r *run) carryQueryTimes(s *catalog.Snapshot) {
	told := map[string]float64{}
	for _, name := range []string{"dashboard_details", "references"} {
		maps.Copy(told, r.part(name).facts.QueryMillis)
	}
	for _, q := range s.Questions {
		u := s.Usage[q.Ref()]
		if u.AverageQueryMillis != nil {
			continue
		}
		if ms, ok := told[q.ID]; ok {
			u.AverageQueryMillis = &ms
			s.Usage[q.Ref()] = u
			continue
		}
		if r.options.Previous != nil {
			if ms := r.options.Previous.Usage[q.Ref()].AverageQueryMillis; ms != nil && !q.Unreadable {
				u.AverageQueryMillis = ms
				s.Usage[q.Ref()] = u
			}
		}
	}
}

// dropStrayUsage removes facts about assets that are not in the snapshot.
func dropStrayUsage(s *catalog.Snapshot) {
	present := make(map[catalog.Ref]bool, len(s.Usage))
	for a := range s.All() {
		present[a.Ref()] = true
	}
	maps.DeleteFunc(s.Usage, func(ref catalog.Ref, _ catalog.Usage) bool { return !present[ref] })
}

// tidyGaps sorts gaps and drops repeated ones.
func tidyGaps(gaps []catalog.Gap) []catalog.Gap {
	slices.SortStableFunc(gaps, func(a, b catalog.Gap) int {
		if c := strings.Compare(a.What, b.What); c != 0 {
			return c
		}
		if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
			return c
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	return slices.Compact(gaps)
}

func nothingListed(refused int) error {
	return errs.New(errs.Forbidden, "nothing_listed",
		fmt.Sprintf("Metabase answered, but this credential may list nothing: no questions, dashboards, databases or collections (%d refusals).", refused),
		"Give the key's group read access to the collections and databases that MetaLens should read.")
}
