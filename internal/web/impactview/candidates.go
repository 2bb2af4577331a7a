package impactview

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
)

// candidate is something whose change can be asked for.
type candidate struct {
	Ref    catalog.Ref
	Name   string // tables with their schema, columns with their table
	Path   string
	Weight int64 // users of a table or column, views of content
	Gone   bool  // dropped from the database, or archived
}

// directory is the names of one scan, ready to be searched. It does not hold the
// scan itself, which the library may let go of.
type directory struct {
	conn   store.ConnectionID
	scan   store.ScanID
	view   string // browse.View.Key: readers of a part have names of their own
	list   []candidate
	folded []string // name and path in lower case, parallel to list
	top    []candidate
}

// directories keeps the names of the scans used last.
type directories struct {
	mu   sync.Mutex
	kept []*directory
}

// maxDirectories is how many scans' names are kept.
const maxDirectories = 3

func (d *directories) of(view *browse.View) *directory {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, one := range d.kept {
		if one.view == view.Key() {
			d.kept = append(slices.Delete(d.kept, i, i+1), one)
			return one
		}
	}
	one := newDirectory(view)
	d.kept = slices.DeleteFunc(d.kept, func(o *directory) bool { return o.conn == one.conn && (o.scan != one.scan || o.view == one.view) })
	d.kept = append(d.kept, one)
	if len(d.kept) > maxDirectories {
		d.kept = slices.Delete(d.kept, 0, 1)
	}
	return one
}

// topTables is how many of the most used tables are offered before anything is
// typed.
const topTables = 8

func newDirectory(view *browse.View) *directory {
	d := &directory{conn: view.Scan.ConnectionID, scan: view.Scan.ID, view: view.Key()}
	x := view.Index
	add := func(c candidate) {
		d.list = append(d.list, c)
		d.folded = append(d.folded, strings.ToLower(c.Name+"\n"+c.Path))
	}
	for a := range x.Snapshot().All() {
		r := a.Ref()
		switch r.Kind {
		case catalog.KindTable, catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard, catalog.KindSnippet,
			catalog.KindSegment, catalog.KindMeasure, catalog.KindTransform, catalog.KindDatabase:
		default:
			continue
		}
		c := candidate{Ref: r, Name: a.Title(), Path: view.Path(a), Gone: a.IsArchived()}
		if v := x.Snapshot().Usage[r].Views; v != nil {
			c.Weight = *v
		}
		t, table := a.(*catalog.Table)
		if table {
			c.Name, c.Gone, c.Weight = t.FullName(), t.Inactive, int64(len(view.Graph.Users(r)))
			if c.Weight > 0 && !c.Gone {
				d.top = append(d.top, c)
			}
		}
		add(c)
		if table {
			for _, column := range t.Columns {
				add(candidate{Ref: column.Ref(), Name: t.Name + "." + column.Name, Path: c.Path, Gone: t.Inactive || column.Inactive})
			}
		}
	}
	slices.SortStableFunc(d.top, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), strings.Compare(a.Name, b.Name), a.Ref.Compare(b.Ref))
	})
	d.top = slices.Clone(d.top[:min(topTables, len(d.top))])
	return d
}

var kindOrder = []catalog.Kind{
	catalog.KindTable, catalog.KindColumn, catalog.KindModel, catalog.KindMetric, catalog.KindQuestion, catalog.KindSnippet, catalog.KindSegment,
	catalog.KindMeasure, catalog.KindTransform, catalog.KindDashboard, catalog.KindDatabase,
}

// find returns the candidates that hold every word, the best first: names that
// are the text, then those that begin with it, then those where a word of the
// name does.
func (d *directory) find(text string, limit int) []candidate {
	text = strings.ToLower(strings.TrimSpace(text))
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil
	}
	type found struct {
		at, rank int
	}
	var hits []found
	for i, folded := range d.folded {
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(folded, w) }) {
			continue
		}
		name, _, _ := strings.Cut(folded, "\n")
		hits = append(hits, found{i, d.rank(name, text, words[0], d.list[i].Gone)})
	}
	order := func(k catalog.Kind) int {
		if i := slices.Index(kindOrder, k); i >= 0 {
			return i
		}
		return len(kindOrder)
	}
	slices.SortFunc(hits, func(x, y found) int {
		a, b := &d.list[x.at], &d.list[y.at]
		return cmp.Or(x.rank-y.rank, cmp.Compare(min(b.Weight, 1), min(a.Weight, 1)), order(a.Ref.Kind)-order(b.Ref.Kind), cmp.Compare(b.Weight, a.Weight),
			len(a.Name)-len(b.Name), strings.Compare(a.Name, b.Name), a.Ref.Compare(b.Ref))
	})
	out := make([]candidate, 0, limit)
	for _, h := range hits[:min(limit, len(hits))] {
		out = append(out, d.list[h.at])
	}
	return out
}

func (d *directory) rank(name, text, word string, gone bool) int {
	rank := 4
	last := name
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		last = name[i+1:]
	}
	switch {
	case name == text, last == text:
		rank = 0
	case strings.HasPrefix(name, text), strings.HasPrefix(last, text):
		rank = 1
	case strings.Contains(name, " "+word), strings.Contains(name, "_"+word), strings.Contains(name, "."+word):
		rank = 2
	case strings.Contains(name, word):
		rank = 3
	}
	if gone {
		rank += 5
	}
	return rank
}

// describe names what a reference points at; ok is false when the scan does not
// know it.
func describe(view *browse.View, r catalog.Ref) (candidate, bool) {
	x := view.Index
	if r.Kind == catalog.KindColumn {
		column := x.Column(r.ID)
		t := x.Table(catalog.TableOfColumn(r.ID))
		if column == nil || t == nil {
			return candidate{Ref: r, Name: r.String()}, false
		}
		return candidate{Ref: r, Name: t.FullName() + "." + column.Name, Path: view.Path(t)}, true
	}
	a := x.Asset(r)
	if a == nil {
		return candidate{Ref: r, Name: r.String()}, false
	}
	c := candidate{Ref: a.Ref(), Name: a.Title(), Path: view.Path(a), Gone: a.IsArchived()}
	if t, ok := a.(*catalog.Table); ok {
		c.Name = t.FullName()
	}
	return c, true
}
