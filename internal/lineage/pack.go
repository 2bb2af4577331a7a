package lineage

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"iter"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// A packed graph is a number of parts. An asset's edges, columns, gaps and
// links make one record, in the part that a hash of its id chooses; a record
// depends on nothing outside it. So an edited question changes its own record
// alone, parts of two scans differ in little, and an unchanged scan packs to
// the same bytes.

// PackVersion names the form that Pack writes. Others cannot be read.
const PackVersion = 1

// ErrPack is the answer for bytes that Pack did not write.
var ErrPack = errors.New("lineage: damaged packed graph")

// record is the share of one asset in the lists of a graph.
type record struct {
	owner                        catalog.Ref
	edges, uses, gaps, nav       int32 // first of each
	edgesTo, usesTo, gapsTo, nTo int32
}

// Pack yields the graph in a fixed number of parts, in order; empty ones are
// empty. A part is valid until the next is asked for.
func (g *Graph) Pack(parts int) iter.Seq2[int, []byte] {
	a := g.adjacency()
	byPart := make([][]record, parts)
	for _, r := range g.records(a) {
		p := PartOf(r.owner, parts)
		byPart[p] = append(byPart[p], r)
	}
	return func(yield func(int, []byte) bool) {
		var w packer
		for p, list := range byPart {
			w.b = w.b[:0]
			for i := range list {
				w.record(g, a, &list[i])
			}
			if !yield(p, w.b) {
				return
			}
		}
	}
}

// PartOf chooses the part for an asset. A question that becomes a model stays
// where it is.
func PartOf(r catalog.Ref, parts int) int {
	h := fnv.New32a()
	kind := r.Kind
	if kind.IsCard() {
		kind = catalog.KindQuestion
	}
	_, _ = h.Write([]byte(kind))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(r.ID))
	return int(h.Sum32() % uint32(parts))
}

// records cuts the sorted lists at each change of owner.
func (g *Graph) records(a *adjacency) []record {
	var list []record
	at := map[catalog.Ref]int{}
	of := func(r catalog.Ref) *record {
		i, ok := at[r]
		if !ok {
			i = len(list)
			at[r] = i
			list = append(list, record{owner: r})
		}
		return &list[i]
	}
	runs(len(a.edges.to), func(i, j int) bool { return a.edges.to[i] == a.edges.to[j] }, func(from, to int) {
		r := of(a.refs[a.edges.to[from]])
		r.edges, r.edgesTo = int32(from), int32(to)
	})
	runs(len(a.uses.to), func(i, j int) bool { return a.uses.to[i] == a.uses.to[j] }, func(from, to int) {
		r := of(a.refs[a.uses.to[from]])
		r.uses, r.usesTo = int32(from), int32(to)
	})
	runs(len(g.Unresolved), func(i, j int) bool { return g.Unresolved[i].Asset == g.Unresolved[j].Asset }, func(from, to int) {
		r := of(g.Unresolved[from].Asset)
		r.gaps, r.gapsTo = int32(from), int32(to)
	})
	runs(len(g.Navigation), func(i, j int) bool { return g.Navigation[i].From == g.Navigation[j].From }, func(from, to int) {
		r := of(g.Navigation[from].From)
		r.nav, r.nTo = int32(from), int32(to)
	})
	slices.SortFunc(list, func(x, y record) int { return x.owner.Compare(y.owner) })
	return list
}

// runs cuts 0…n where neighbours differ.
func runs(n int, same func(i, j int) bool, each func(from, to int)) {
	for from := 0; from < n; {
		to := from + 1
		for to < n && same(from, to) {
			to++
		}
		each(from, to)
		from = to
	}
}

// The codes of kinds and ways. A code that was released keeps its meaning; what
// has none is written out behind code 0.
const (
	kindCodes = "question model metric dashboard collection database table column segment measure snippet subscription alert transform action document group person"
	wayCodes  = "query join filter source_card card_reference snippet metric segment model dashcard series parameter_source subscription alert transform action"
)

// packer writes records.
type packer struct{ b []byte }

func (w *packer) number(n int)      { w.b = binary.AppendUvarint(w.b, uint64(n)) }
func (w *packer) text(s string)     { w.number(len(s)); w.b = append(w.b, s...) }
func (w *packer) ref(r catalog.Ref) { w.code(kindCodes, string(r.Kind)); w.text(r.ID) }

func (w *packer) code(table, word string) {
	at := 1
	for known := range strings.SplitSeq(table, " ") {
		if known == word {
			w.number(at)
			return
		}
		at++
	}
	w.number(0)
	w.text(word)
}

func (w *packer) record(g *Graph, a *adjacency, r *record) {
	w.ref(r.owner)
	w.number(int(r.edgesTo - r.edges))
	for p := r.edges; p < r.edgesTo; p++ {
		e := a.edge(p)
		w.ref(e.From)
		w.way(e.Via, e.Confidence)
	}
	w.uses(a, r)
	w.number(int(r.gapsTo - r.gaps))
	for _, u := range g.Unresolved[r.gaps:r.gapsTo] {
		w.text(u.Reason)
		w.text(u.Detail)
		if u.Span == nil {
			w.number(0)
		} else {
			w.number(1 + u.Span.Start)
			w.number(max(0, u.Span.End-u.Span.Start))
		}
		w.ref(u.Target)
	}
	w.number(int(r.nTo - r.nav))
	for _, n := range g.Navigation[r.nav:r.nTo] {
		w.ref(n.To)
	}
}

// uses writes column edges table by table, since many columns of one table come
// in a row. An output is mostly called like its column.
func (w *packer) uses(a *adjacency, r *record) {
	table := func(p int32) string { return catalog.TableOfColumn(a.refs[a.uses.from[p]].ID) }
	groups := 0
	runs(int(r.usesTo-r.uses), func(i, j int) bool { return table(r.uses+int32(i)) == table(r.uses+int32(j)) }, func(int, int) { groups++ })
	w.number(groups)
	runs(int(r.usesTo-r.uses), func(i, j int) bool { return table(r.uses+int32(i)) == table(r.uses+int32(j)) }, func(from, to int) {
		id := table(r.uses + int32(from))
		w.text(id)
		w.number(to - from)
		for p := r.uses + int32(from); p < r.uses+int32(to); p++ {
			e := a.columnEdge(p)
			column := strings.TrimPrefix(e.From.ID[len(id):], "/")
			w.text(column)
			w.way(e.Via, e.Confidence)
			switch e.ToColumn {
			case "":
				w.number(0)
			case column:
				w.number(1)
			default:
				w.number(2)
				w.text(e.ToColumn)
			}
		}
	})
}

func (w *packer) way(v Via, c finding.Confidence) {
	w.number(rank(c))
	w.code(wayCodes, string(v))
}

// Unpack reads a graph back from its parts, in any order; the result does not
// keep them.
func Unpack(parts [][]byte) (*Graph, error) {
	u := newUnpacker(parts)
	var owned []place
	for i, part := range parts {
		u.b = part
		for len(u.b) > 0 {
			start := len(part) - len(u.b)
			owner := u.ref()
			u.skip()
			if u.bad {
				return nil, ErrPack
			}
			owned = append(owned, place{owner, i, start})
		}
	}
	slices.SortFunc(owned, func(x, y place) int { return x.owner.Compare(y.owner) })
	g := &Graph{Unresolved: make([]Unresolved, 0, u.gaps), Navigation: make([]Navigation, 0, u.links)}
	s := newShaper(u.edges, u.uses)
	for _, o := range owned {
		u.b = parts[o.part][o.start:]
		u.record(g, s)
		if u.bad {
			return nil, ErrPack
		}
	}
	g.index = s.finish(g.Unresolved)
	return g, nil
}

// place is where a record lies.
type place struct {
	owner catalog.Ref
	part  int
	start int
}

// unpacker reads records. After the first value that is not there, bad is set
// and everything read is zero.
type unpacker struct {
	b                        []byte
	bad                      bool
	kinds, ways              []string
	texts                    map[string]string // each text once
	scratch                  []byte
	edges, uses, gaps, links int // counted by skip
}

func newUnpacker(parts [][]byte) *unpacker {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	return &unpacker{kinds: strings.Split(kindCodes, " "), ways: strings.Split(wayCodes, " "), texts: make(map[string]string, size/256)}
}

func (u *unpacker) number() int {
	n, read := binary.Uvarint(u.b)
	if read <= 0 || n > 1<<31-1 {
		u.bad, u.b = true, nil
		return 0
	}
	u.b = u.b[read:]
	return int(n)
}

// count is a number of things that take at least one byte each.
func (u *unpacker) count() int {
	n := u.number()
	if n > len(u.b) {
		u.bad, u.b = true, nil
		return 0
	}
	return n
}

func (u *unpacker) raw() []byte {
	n := u.count()
	out := u.b[:n]
	u.b = u.b[n:]
	return out
}

func (u *unpacker) text() string { return u.shared(u.raw()) }

func (u *unpacker) shared(b []byte) string {
	if s, ok := u.texts[string(b)]; ok {
		return s
	}
	s := string(b)
	u.texts[s] = s
	return s
}

func (u *unpacker) code(table []string) string {
	n := u.number()
	switch {
	case n == 0:
		return u.text()
	case n > len(table):
		u.bad = true
		return ""
	}
	return table[n-1]
}

func (u *unpacker) ref() catalog.Ref {
	kind := u.code(u.kinds)
	return catalog.Ref{Kind: catalog.Kind(kind), ID: u.text()}
}

func (u *unpacker) skipRef() {
	if u.number() == 0 {
		u.raw()
	}
	u.raw()
}

func (u *unpacker) skipWay() {
	u.number()
	if u.number() == 0 {
		u.raw()
	}
}

// skip passes over a record behind its owner and counts what is in it.
func (u *unpacker) skip() {
	n := u.count()
	u.edges += n
	for range n {
		u.skipRef()
		u.skipWay()
	}
	for range u.count() {
		u.raw()
		n := u.count()
		u.uses += n
		for range n {
			u.raw()
			u.skipWay()
			if u.number() == 2 {
				u.raw()
			}
		}
	}
	n = u.count()
	u.gaps += n
	for range n {
		u.raw()
		u.raw()
		if u.number() > 0 {
			u.number()
		}
		u.skipRef()
	}
	n = u.count()
	u.links += n
	for range n {
		u.skipRef()
	}
}

func (u *unpacker) way(s *shaper) uint8 {
	c := finding.Possible
	switch u.number() {
	case 0:
		c = finding.Certain
	case 1:
		c = finding.Likely
	}
	how, ok := s.how(Via(u.code(u.ways)), c)
	u.bad = u.bad || !ok
	return how
}

func (u *unpacker) record(g *Graph, s *shaper) {
	owner := u.ref()
	for range u.count() {
		from := s.ref(u.ref())
		s.edge(from, s.owner(owner), u.way(s))
	}
	for range u.count() {
		table := u.raw()
		for range u.count() {
			column := u.raw()
			u.scratch = append(append(append(u.scratch[:0], table...), '/'), column...)
			if len(table) == 0 {
				u.scratch = append(u.scratch[:0], column...)
			}
			from := s.ref(catalog.Ref{Kind: catalog.KindColumn, ID: u.shared(u.scratch)})
			how := u.way(s)
			name := int32(0)
			switch u.number() {
			case 1:
				name = s.name(u.shared(column))
			case 2:
				name = s.name(u.text())
			}
			s.use(from, s.owner(owner), name, how)
		}
	}
	for range u.count() {
		gap := Unresolved{Asset: owner, Reason: u.text(), Detail: string(u.raw())}
		if start := u.number(); start > 0 {
			gap.Span = &finding.Span{Start: start - 1, End: start - 1 + u.number()}
		}
		gap.Target = u.ref()
		g.Unresolved = append(g.Unresolved, gap)
	}
	for range u.count() {
		g.Navigation = append(g.Navigation, Navigation{From: owner, To: u.ref()})
	}
}
