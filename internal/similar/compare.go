package similar

import (
	"context"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// Op says what happened to a line between the two sides of a comparison.
type Op string

// The operations.
const (
	Same    Op = "same"
	Changed Op = "changed"
	Added   Op = "added"   // on the right only
	Removed Op = "removed" // on the left only
)

// Row is a pair of aligned lines. A side that has no line there has number 0
// and no text.
type Row struct {
	Op        Op     `json:"op"`
	Left      int    `json:"left"` // line number from 1
	Right     int    `json:"right"`
	LeftText  string `json:"left_text"`
	RightText string `json:"right_text"`
}

// Comparison explains how one asset differs from another.
type Comparison struct {
	Kind  Kind    `json:"kind"`  // how alike they are; empty when less than near
	Score float64 `json:"score"` // similarity between 0 and 1
	Rows  []Row   `json:"rows"`  // their normalised queries line by line; of dashboards their questions
	// Words says what the right side does otherwise, one difference each, for
	// people: "adds the filter orders.status = 'paid'". Names and literals in
	// them are other people's text.
	Words []string `json:"words"`
	// Reason says why nothing could be compared; empty when something could.
	Reason string `json:"reason,omitempty"`
}

// Comparer compares the content of one snapshot, for who compares many pairs.
// It is safe for concurrent use.
type Comparer struct{ finder *finder }

// NewComparer prepares comparisons within a snapshot.
func NewComparer(index *catalog.Index) *Comparer { return &Comparer{newFinder(index, nil)} }

// Compare explains how b differs from a. Both must be cards, or both
// dashboards; where nothing can be compared, Reason says why.
func Compare(ctx context.Context, index *catalog.Index, a, b catalog.Ref) Comparison {
	return NewComparer(index).Compare(ctx, a, b)
}

// Compare is the function of that name, within the snapshot.
func (c *Comparer) Compare(ctx context.Context, a, b catalog.Ref) Comparison {
	f, index := c.finder, c.finder.index
	left, right := index.Asset(a), index.Asset(b)
	switch {
	case left == nil || right == nil:
		return Comparison{Reason: "One of the two is not in this scan."}
	case ctx.Err() != nil:
		return Comparison{Reason: "The comparison was cancelled."}
	}
	switch left := left.(type) {
	case *catalog.Question:
		if right, ok := right.(*catalog.Question); ok {
			return f.compareQuestions(left, right)
		}
	case *catalog.Dashboard:
		if right, ok := right.(*catalog.Dashboard); ok {
			return f.compareDashboards(left, right)
		}
	}
	return Comparison{Reason: "Only two questions or two dashboards can be compared."}
}

func (f *finder) compareQuestions(a, b *catalog.Question) Comparison {
	x, y := form{question: a}, form{question: b}
	if a.Unreadable || b.Unreadable {
		return Comparison{Reason: "The query of one of the two could not be read."}
	}
	f.read(&x)
	f.read(&y)
	if x.exact == (digest{}) || y.exact == (digest{}) {
		return Comparison{Reason: "One of the two has no query."}
	}
	left, right := f.lines(&x), f.lines(&y)
	if x.reading != nil && y.reading != nil && (len(a.Query.MBQL) > 0) != (len(b.Query.MBQL) > 0) {
		left, right = readingLines(x.reading), readingLines(y.reading) // the terms that both languages share
	}
	c := Comparison{Rows: align(left, right), Score: jaccard(shingles(x.canonical, 0), shingles(y.canonical, 0))}
	switch {
	case x.exact == y.exact:
		c.Kind, c.Score = Exact, 1
	case x.equivalent == y.equivalent, x.common != (digest{}) && x.common == y.common:
		c.Kind, c.Score = Equivalent, 1
	case x.set != nil && y.set != nil && x.group == y.group && c.Score >= NearThreshold:
		c.Kind = Near
	}
	if x.reading != nil && y.reading != nil {
		c.Words = readingWords(x.reading, y.reading)
	} else {
		c.Words = rowWords(left, right, c.Rows)
	}
	if len(c.Words) == 0 && c.Kind != Exact {
		c.Words = unsaid(c.Kind)
	}
	if a.Query.DatabaseID != b.Query.DatabaseID {
		c.Words = append(c.Words, "reads another database")
	}
	return c
}

// unsaid says what is left where no single difference can be named.
func unsaid(kind Kind) []string {
	if kind == Equivalent {
		return []string{"is written differently and means the same"}
	}
	return []string{"differs in ways that the lines show best"}
}

func (f *finder) compareDashboards(a, b *catalog.Dashboard) Comparison {
	if a.DetailUnread || b.DetailUnread {
		return Comparison{Reason: "The cards of one of the two dashboards were not read."}
	}
	names := func(d *catalog.Dashboard) (lines []line, ids map[string]bool) {
		ids = map[string]bool{}
		for _, id := range cardsOf(d) {
			text := "question " + id
			if q := f.index.Question(id); q != nil && q.Title() != "" {
				text = q.Title()
			}
			key := "question:" + id
			if q := f.index.Question(id); q != nil && !q.Unreadable { // copies count as one
				x := form{question: q}
				if f.read(&x); x.exact != (digest{}) {
					key = string(x.exact[:])
				}
			}
			if !ids[key] {
				lines = append(lines, line{text: text, key: key})
			}
			ids[key] = true
		}
		slices.SortStableFunc(lines, func(x, y line) int { return strings.Compare(x.text+x.key, y.text+y.key) })
		return lines, ids
	}
	left, leftSet := names(a)
	right, rightSet := names(b)
	shared := 0
	for k := range leftSet {
		if rightSet[k] {
			shared++
		}
	}
	c := Comparison{Rows: align(left, right)}
	if all := len(leftSet) + len(rightSet) - shared; all > 0 {
		c.Score = float64(shared) / float64(all)
	}
	switch {
	case len(leftSet) < fewestShared || len(rightSet) < fewestShared:
	case c.Score == 1:
		c.Kind = Exact
	case c.Score >= NearThreshold:
		c.Kind = Near
	}
	say := func(verb string, list []line, other map[string]bool) {
		n := 0
		for _, l := range list {
			if other[l.key] {
				continue
			}
			if n++; n > mostWords {
				c.Words = append(c.Words, verb+" more questions")
				return
			}
			c.Words = append(c.Words, verb+" the question "+l.text)
		}
	}
	say("adds", right, leftSet)
	say("leaves out", left, rightSet)
	return c
}

// align pairs the lines of two sides by their longest common subsequence; lines
// that differ in the same place are shown as one change when they are alike.
func align(a, b []line) []Row {
	const most = 3000 // lines of a side that are aligned; the table is quadratic
	var rows []Row
	head := 0
	for head < len(a) && head < len(b) && a[head].key == b[head].key {
		rows = append(rows, Row{Same, head + 1, head + 1, a[head].text, b[head].text})
		head++
	}
	endA, endB := len(a), len(b)
	for endA > head && endB > head && a[endA-1].key == b[endB-1].key {
		endA, endB = endA-1, endB-1
	}
	n, m := endA-head, endB-head
	i, j := 0, 0
	var gone, come []int
	flush := func() {
		for k := range max(len(gone), len(come)) {
			switch {
			case k < len(gone) && k < len(come) && a[gone[k]].clause == b[come[k]].clause:
				rows = append(rows, Row{Changed, gone[k] + 1, come[k] + 1, a[gone[k]].text, b[come[k]].text})
			default:
				if k < len(gone) {
					rows = append(rows, Row{Op: Removed, Left: gone[k] + 1, LeftText: a[gone[k]].text})
				}
				if k < len(come) {
					rows = append(rows, Row{Op: Added, Right: come[k] + 1, RightText: b[come[k]].text})
				}
			}
		}
		gone, come = nil, nil
	}
	var table [][]int32
	if n <= most && m <= most {
		table = common(a[head:endA], b[head:endB])
	}
	for i < n || j < m {
		switch {
		case table != nil && i < n && j < m && a[head+i].key == b[head+j].key:
			flush()
			rows = append(rows, Row{Same, head + i + 1, head + j + 1, a[head+i].text, b[head+j].text})
			i, j = i+1, j+1
		case j >= m || i < n && (table == nil || table[i+1][j] >= table[i][j+1]):
			gone = append(gone, head+i)
			i++
		default:
			come = append(come, head+j)
			j++
		}
	}
	flush()
	for k := range len(a) - endA {
		rows = append(rows, Row{Same, endA + k + 1, endB + k + 1, a[endA+k].text, b[endB+k].text})
	}
	return rows
}

// common is the table of longest common subsequences of the rests of a and b.
func common(a, b []line) [][]int32 {
	cells := make([]int32, (len(a)+1)*(len(b)+1))
	table := make([][]int32, len(a)+1)
	for i := range table {
		table[i] = cells[i*(len(b)+1) : (i+1)*(len(b)+1)]
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i].key == b[j].key {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}
