package sqlview

import (
	"cmp"
	"slices"

	"github.com/metalens/metalens/internal/finding"
)

// Text is SQL with what is known about places of it.
type Text struct {
	SQL   string
	Links []Link
	Marks []Mark
}

// LinkKind says what a linked place stands for; it decides its look.
type LinkKind string

// The kinds of linked places.
const (
	TableLink  LinkKind = "table"
	ColumnLink LinkKind = "column"
	TagLink    LinkKind = "tag"
	GapLink    LinkKind = "gap" // a name that could not be told
)

// Link explains one place of a text. Links must not overlap.
type Link struct {
	Span  finding.Span
	Kind  LinkKind
	Href  string // empty: it is only explained
	Title string // shown on hover
	Note  string // read out after the text; empty where the title says nothing new
}

// Mark is a place that a finding is about. Marks may overlap.
type Mark struct {
	Span   finding.Span
	Number int // of the finding, as the note at the mark shows it; 0 = no note
	Title  string
	Href   string
}

const (
	// maxShown is how much of a text is shown, in bytes; the whole stays in
	// Metabase.
	maxShown = 200_000
	// MaxLinks bounds the links of one text.
	MaxLinks = 4_000
	// MaxMarks bounds the marks of one text.
	MaxMarks = 100
)

// piece is a stretch of one line with one link and one mark.
type piece struct {
	runs []run
	link *Link
	mark *Mark
	ends bool // the mark ends here
}

// annotations hands out the link and the mark of each place of a text, which is
// asked from its beginning to its end.
type annotations struct {
	links []Link
	marks []Mark
	link  int // first link that does not end before the place
	open  []*Mark
	mark  int // first mark that does not begin before the place
}

func newAnnotations(t Text) *annotations {
	a := &annotations{
		links: slices.Clone(t.Links[:min(len(t.Links), MaxLinks)]),
		marks: slices.Clone(t.Marks[:min(len(t.Marks), MaxMarks)]),
	}
	slices.SortStableFunc(a.links, func(x, y Link) int { return cmp.Compare(x.Span.Start, y.Span.Start) })
	slices.SortStableFunc(a.marks, func(x, y Mark) int { return cmp.Compare(x.Span.Start, y.Span.Start) })
	return a
}

// at answers what a place belongs to, and how far from it, at most to end, that
// stays so. Of several marks the one that began last counts.
func (a *annotations) at(from, end int) (link *Link, mark *Mark, to int) {
	to = end
	for a.link < len(a.links) && a.links[a.link].Span.End <= from {
		a.link++
	}
	if a.link < len(a.links) {
		if l := &a.links[a.link]; l.Span.Start <= from {
			link, to = l, min(to, l.Span.End)
		} else {
			to = min(to, l.Span.Start)
		}
	}
	for a.mark < len(a.marks) && a.marks[a.mark].Span.Start <= from {
		a.open = append(a.open, &a.marks[a.mark])
		a.mark++
	}
	a.open = slices.DeleteFunc(a.open, func(m *Mark) bool { return m.Span.End <= from })
	for _, m := range a.open {
		mark, to = m, min(to, m.Span.End)
	}
	if a.mark < len(a.marks) {
		to = min(to, a.marks[a.mark].Span.Start)
	}
	return link, mark, to
}
