package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
)

// Facts are what many checks ask and one place answers. They are built once per
// run and read-only after; what SQL says is read when the first check asks.
type Facts struct {
	index    *catalog.Index
	graph    *lineage.Graph
	places   places
	counters counters
	clicks   map[catalog.Ref][]catalog.Ref // target → where the click happens
	targets  map[catalog.Ref][]catalog.Ref // where the click happens → targets
	open     map[catalog.Ref][]lineage.Unresolved
	columns  map[catalog.Ref][]catalog.Ref // asset → columns it names
	sql      sqlFacts
	ctx      context.Context //nolint:containedctx // of the run that the facts are for; nil outside of one
}

// NewFacts derives the facts of a snapshot.
func NewFacts(index *catalog.Index, graph *lineage.Graph, observed Observed) *Facts {
	f := &Facts{
		index:    index,
		graph:    graph,
		places:   newPlaces(index),
		counters: newCounters(index.Snapshot(), observed.CountersSince),
		clicks:   map[catalog.Ref][]catalog.Ref{},
		targets:  map[catalog.Ref][]catalog.Ref{},
		open:     map[catalog.Ref][]lineage.Unresolved{},
		columns:  map[catalog.Ref][]catalog.Ref{},
	}
	for _, n := range graph.Navigation {
		f.clicks[cardless(n.To)] = append(f.clicks[cardless(n.To)], n.From)
		f.targets[n.From] = append(f.targets[n.From], n.To)
	}
	for _, u := range graph.Unresolved {
		f.open[u.Asset] = append(f.open[u.Asset], u)
	}
	for e := range graph.AllColumnEdges() {
		list := f.columns[e.To]
		if n := len(list); n == 0 || list[n-1] != e.From { // sorted by column within an asset
			f.columns[e.To] = append(list, e.From)
		}
	}
	return f
}

// Unresolved lists the references of an asset that lead nowhere.
func (f *Facts) Unresolved(r catalog.Ref) []lineage.Unresolved { return f.open[r] }

// ClickTargets lists what an asset links to.
func (f *Facts) ClickTargets(r catalog.Ref) []catalog.Ref { return f.targets[r] }

// Columns lists the physical columns an asset's query or filters name, sorted.
func (f *Facts) Columns(r catalog.Ref) []catalog.Ref { return f.columns[r] }

// cardless makes references to one card equal, whatever its type is said to be.
func cardless(r catalog.Ref) catalog.Ref {
	if r.Kind.IsCard() {
		r.Kind = catalog.KindQuestion
	}
	return r
}

// Exported reports whether the snapshot was read from an export folder.
func (f *Facts) Exported() bool {
	return strings.HasPrefix(f.index.Snapshot().Instance.URL, "export:")
}

// Complete reports whether everything of a kind was read, so that nothing
// unseen can use or hold anything: the reader was an admin, nothing was refused
// and nothing left out. Where it was not, why says so.
func (f *Facts) Complete(kind catalog.Kind) (why string, ok bool) { return f.read(kind, true) }

// Seen is [Facts.Complete] without what the operator chose to leave out: all
// that lies in the collections that were read was seen.
func (f *Facts) Seen(kind catalog.Kind) (why string, ok bool) { return f.read(kind, false) }

func (f *Facts) read(kind catalog.Kind, leftOut bool) (why string, ok bool) {
	s := f.index.Snapshot()
	if f.Exported() {
		return "the export may not hold everything", false
	}
	if !s.Instance.Reader.Admin {
		return "the key is not an admin's and may not see it", false
	}
	for _, g := range s.Gaps {
		if g.Expected && (!leftOut || g.Whole && g.Kind != kind) {
			continue
		}
		if g.Kind == kind || g.Kind == catalog.KindCollection || kind.IsCard() && g.Kind.IsCard() || g.Kind == "" && content(g.What) {
			return "not everything was read (" + g.What + ")", false
		}
	}
	return "", true
}

// content reports whether a gap that names no kind may hide questions or
// dashboards: it speaks of collections, of lists of questions or of the trash.
func content(what string) bool {
	return !strings.Contains(what, "permission") &&
		(strings.Contains(what, "collection") || strings.Contains(what, "questions") || strings.Contains(what, "dashboards") || strings.HasPrefix(what, "archived"))
}

// NoQuestion reports whether a question that the snapshot lacks does not exist.
// A scan asks for each question that content uses and no list names: Metabase
// answers 403 for a hidden one and 404 for a deleted one. Where that was not
// done, everything must have been seen instead; if not, why says so.
func (f *Facts) NoQuestion() (why string, ok bool) {
	s := f.index.Snapshot()
	known := s.Instance.Reader.Admin || s.Instance.Reader.PersonID != ""
	if s.Marks.ReferencesReadAt.IsZero() || !known {
		return f.Seen(catalog.KindQuestion)
	}
	for _, g := range s.Gaps {
		if g.What == "questions that no list names" {
			return "not everything was read (" + g.What + ")", false
		}
	}
	return "", true
}

// LeftOut says of a question that is only known by its number why the scan left
// it out: "personal" for personal collections, "excluded" for the operator's
// choice, "either" when both were left out. It is empty for every other
// question, and where the key may simply not be allowed to read it.
func (f *Facts) LeftOut(q *catalog.Question) string {
	if !standIn(q) {
		return ""
	}
	s := f.index.Snapshot()
	byChoice := s.Instance.Reader.Admin // who may read everything was refused nothing
	var personal, excluded bool
	for _, g := range s.Gaps {
		if !g.Expected {
			byChoice = byChoice && g.What != "question "+q.ID
			continue
		}
		byChoice = byChoice || g.What == "question "+q.ID
		personal = personal || strings.Contains(g.What, "personal") || strings.Contains(g.Reason, "personal")
		excluded = excluded || g.What == "excluded collections"
	}
	switch {
	case !byChoice:
		return ""
	case personal && excluded:
		return "either"
	case personal:
		return "personal"
	default:
		return "excluded"
	}
}

// standIn reports whether a question is a nameless row that only keeps uses of
// left-out content from looking broken.
func standIn(q *catalog.Question) bool { return q.Unreadable && q.CollectionID == "" }

// Users lists the live assets that use an asset directly, sorted, each once.
// Subscriptions and alerts that reach nobody are not among them.
func (f *Facts) Users(r catalog.Ref) []catalog.Asset {
	var out []catalog.Asset
	seen := map[catalog.Ref]bool{}
	for _, e := range f.graph.Users(r) {
		a := f.index.Asset(e.To)
		if a == nil || seen[a.Ref()] || a.Ref() == r || f.Archived(a) {
			continue
		}
		seen[a.Ref()] = true
		switch a := a.(type) {
		case *catalog.Subscription:
			if !Delivered(a.Deliveries) {
				continue
			}
		case *catalog.Alert:
			if !Delivered(a.Deliveries) {
				continue
			}
		}
		out = append(out, a)
	}
	return out
}

// Clicks lists the live assets that link to an asset.
func (f *Facts) Clicks(r catalog.Ref) []catalog.Ref {
	var out []catalog.Ref
	for _, from := range f.clicks[cardless(r)] {
		if a := f.index.Asset(from); a != nil && !f.Archived(a) {
			out = append(out, from)
		}
	}
	return out
}

// Delivered reports whether something goes out to somebody. Other channels than
// mail have a fixed destination and no recipients.
func Delivered(list []catalog.Delivery) bool {
	for _, d := range list {
		if d.Enabled && (d.Recipients > 0 || d.Channel != "email") {
			return true
		}
	}
	return false
}

// UsedOutside reports whether an asset has readers whose visits nobody counts,
// or runs by itself: a public link, embedding, or a delivery. what names it.
func (f *Facts) UsedOutside(a catalog.Asset) (what string, ok bool) {
	var e catalog.Exposure
	switch a := a.(type) {
	case *catalog.Question:
		e = a.Exposure
	case *catalog.Dashboard:
		e = a.Exposure
	}
	switch {
	case e.Public:
		return "a public link", true
	case e.Embedded:
		return "embedding", true
	}
	for _, u := range f.Users(a.Ref()) {
		switch u.(type) {
		case *catalog.Subscription:
			return "a subscription", true
		case *catalog.Alert:
			return "an alert", true
		}
	}
	return "", false
}

// missing says why a snapshot lacks a fact, "" when it has it.
func (f *Facts) missing(fact Fact) string {
	s := f.index.Snapshot()
	switch fact {
	case FactQuestionUse:
		if len(s.Questions) == 0 || f.counters.questions {
			return ""
		}
		return f.noCounters("questions", 50)
	case FactDashboardUse:
		if len(s.Dashboards) == 0 || f.counters.dashboards {
			return ""
		}
		return f.noCounters("dashboards", 50)
	case FactCollectionAccess:
		if s.Access.Collections == nil {
			return "Collection permissions were not read; only an admin's key may read them."
		}
	case FactDataAccess:
		if s.Access.Data == nil {
			return "Data permissions were not read; only an admin's key may read them."
		}
	case FactCreators:
		for a := range s.All() {
			switch a := a.(type) {
			case *catalog.Question:
				if a.CreatorID != "" {
					return ""
				}
			case *catalog.Dashboard:
				if a.CreatorID != "" {
					return ""
				}
			}
		}
		if len(s.Questions)+len(s.Dashboards) == 0 {
			return ""
		}
		return "What was read does not say who created anything."
	}
	return ""
}

func (f *Facts) noCounters(of string, since int) string {
	in := f.index.Snapshot().Instance
	switch {
	case f.Exported():
		return "An export says nothing about usage; scan the Metabase itself to judge it."
	case in.Major > 0 && in.Major < since:
		return fmt.Sprintf("Metabase 0.%d does not count the use of %s; it does from 0.%d.", in.Major, of, since)
	default:
		return "The answers carry no usage of " + of + "."
	}
}

// unread says why assets of a kind were not read, "" when they were.
func (f *Facts) unread(kind catalog.Kind) string {
	s := f.index.Snapshot()
	kinds := []catalog.Kind{kind}
	if kind.IsCard() && kind != catalog.KindQuestion {
		kinds = append(kinds, catalog.KindQuestion)
	}
	for _, k := range kinds {
		if reason, unread := s.Unread(k); unread {
			return fmt.Sprintf("No %s was read: %s", k, reason)
		}
	}
	return ""
}

// Use is what is known about an asset's use.
type Use struct {
	Known        bool      // there is a counter or a time for it at all
	Timed        bool      // there is a time, so "not since" can be said
	Never        bool      // no use since Since
	Last         time.Time // the last use; zero when Never, or when it was before Since
	Since        time.Time // from when on a use would have been noticed
	Views        int64     // own reads left out
	Counted      bool      // Views is meaningful
	Contaminated bool      // our own query runs touched the evidence
}

// Use judges the usage record of a question or dashboard.
func (f *Facts) Use(a catalog.Asset) Use {
	var created time.Time
	var usual map[time.Time]bool
	switch a := a.(type) {
	case *catalog.Question:
		created, usual = a.CreatedAt, f.counters.questionDefaults
	case *catalog.Dashboard:
		created, usual = a.CreatedAt, f.counters.dashboardDefaults
	default:
		return Use{}
	}
	record, ok := f.index.Snapshot().Usage[a.Ref()]
	if !ok || (record.Views == nil && record.LastUsedAt == nil) {
		return Use{}
	}
	u := Use{Known: true, Contaminated: record.Contaminated, Since: later(created, f.counters.since)}
	if record.Views != nil {
		u.Counted, u.Views = true, max(0, *record.Views)
	}
	if record.LastUsedAt == nil {
		// Counted, but without a time: 0.50 for dashboards.
		u.Never = u.Counted && u.Views == 0
		return u
	}
	u.Timed = true
	last := *record.LastUsedAt
	switch {
	case usual[last.UTC()] && !last.Before(created.Add(-fuzz)):
		// The migration's default. Views it took over are older than that.
		u.Since = later(created, last)
		u.Never = u.Views == 0
	case !created.IsZero() && last.Before(created.Add(fuzz)):
		// The default of a new row.
		u.Since = later(created, f.counters.since)
		u.Never = u.Views == 0
		if !u.Never {
			u.Last = last
		}
	default:
		u.Last = last
		if last.Before(u.Since) {
			u.Since = last
		}
	}
	return u
}

// fuzz is how far apart two times of one insert may lie.
const fuzz = 2 * time.Minute

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// counters is what the usage records say as a whole.
type counters struct {
	questions, dashboards               bool // some record exists
	since                               time.Time
	questionDefaults, dashboardDefaults map[time.Time]bool
}

// newCounters finds the default times. Metabase's migration gives every row the
// same last_used_at, to the microsecond; so a time that many unviewed rows share
// exactly is no use of any of them (API reference §6). Viewed rows vouch for a
// default only where the time has a fraction of a second: coarse times of real
// uses meet by accident.
func newCounters(s *catalog.Snapshot, since time.Time) counters {
	c := counters{since: since}
	questions, dashboards := tally{}, tally{}
	for ref, u := range s.Usage {
		if u.Views == nil && u.LastUsedAt == nil {
			continue
		}
		switch {
		case ref.Kind.IsCard():
			c.questions = true
			questions.add(u)
		case ref.Kind == catalog.KindDashboard:
			c.dashboards = true
			dashboards.add(u)
		}
	}
	c.questionDefaults = questions.shared()
	c.dashboardDefaults = dashboards.shared()
	return c
}

// tally counts the rows that may hold a default by their time.
type tally struct {
	rows  int
	times map[time.Time]int
}

func (t *tally) add(u catalog.Usage) {
	if u.LastUsedAt == nil {
		return
	}
	t.rows++
	if u.Views != nil && *u.Views > 0 && u.LastUsedAt.Nanosecond() == 0 {
		return
	}
	if t.times == nil {
		t.times = map[time.Time]int{}
	}
	t.times[u.LastUsedAt.UTC()]++
}

// shared keeps the times that at least three such rows and one row in a hundred
// have.
func (t *tally) shared() map[time.Time]bool {
	out := map[time.Time]bool{}
	for at, n := range t.times {
		if n >= 3 && n*100 >= t.rows {
			out[at] = true
		}
	}
	return out
}

// Context is that of the run which the facts are for.
func (f *Facts) Context() context.Context {
	if f.ctx == nil {
		return context.Background()
	}
	return f.ctx
}
