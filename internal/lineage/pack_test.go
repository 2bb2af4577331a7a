package lineage

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

func packed(g *Graph, n int) [][]byte {
	parts := make([][]byte, n)
	for i, b := range g.Pack(n) {
		parts[i] = bytes.Clone(b)
	}
	return parts
}

// same compares all that two graphs say, edge by edge in order.
func same(t *testing.T, want, got *Graph) {
	t.Helper()
	if diff := cmp.Diff(slices.Collect(want.AllEdges()), slices.Collect(got.AllEdges())); diff != "" {
		t.Errorf("edges (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(slices.Collect(want.AllColumnEdges()), slices.Collect(got.AllColumnEdges())); diff != "" {
		t.Errorf("column edges (-want +got)\n%s", diff)
	}
	if len(want.Unresolved)+len(got.Unresolved) > 0 && !cmp.Equal(want.Unresolved, got.Unresolved) {
		t.Errorf("unresolved (-want +got)\n%s", cmp.Diff(want.Unresolved, got.Unresolved))
	}
	if len(want.Navigation)+len(got.Navigation) > 0 && !cmp.Equal(want.Navigation, got.Navigation) {
		t.Errorf("navigation (-want +got)\n%s", cmp.Diff(want.Navigation, got.Navigation))
	}
}

// everything is a graph with each kind, way and confidence, odd names, and ids
// that no code table knows.
func everything() *Graph {
	g := &Graph{}
	for i, kind := range append(catalog.Kinds(), "future") {
		to := catalog.Ref{Kind: kind, ID: fmt.Sprint("id ", i, " é\n")}
		for j, via := range []Via{
			ViaQuery, ViaJoin, ViaFilter, ViaSourceCard, ViaCardReference, ViaSnippet, ViaMetric, ViaSegment, ViaModel, ViaDashcard,
			ViaSeries, ViaParameterSource, ViaSubscription, ViaAlert, ViaTransform, ViaAction, "beyond",
		} {
			confidence := []finding.Confidence{finding.Certain, finding.Likely, finding.Possible}[(i+j)%3]
			g.Edges = append(g.Edges, Edge{From: catalog.Ref{Kind: kind, ID: fmt.Sprint(j)}, To: to, Via: via, Confidence: confidence})
			id := catalog.ColumnID(catalog.TableID("1", "s", fmt.Sprint("t", j/5)), fmt.Sprint("a/b%", j))
			output := []string{"", "sum", "a%2Fb%25" + fmt.Sprint(j)}[j%3]
			g.ColumnEdges = append(g.ColumnEdges, ColumnEdge{From: ref(catalog.KindColumn, id), To: to, ToColumn: output, Via: via, Confidence: confidence})
		}
		g.Unresolved = append(g.Unresolved,
			Unresolved{Asset: to, Reason: "unknown_table", Detail: "t"},
			Unresolved{Asset: to, Reason: "unknown_table", Detail: "u", Span: &finding.Span{Start: 0, End: 7}, Target: ref(catalog.KindTable, "1/s/u")})
		g.Navigation = append(g.Navigation, Navigation{From: to, To: ref(catalog.KindDashboard, "1")})
	}
	b := builder{shape: newShaper(0, 0), unresolved: g.Unresolved, navigation: g.Navigation}
	for _, e := range g.Edges {
		b.edge(e.From, e.To, e.Via, e.Confidence)
	}
	for _, e := range g.ColumnEdges {
		b.columnEdge(e.From.ID, e.To, e.ToColumn, e.Via, e.Confidence)
	}
	return b.graph()
}

func TestPackedGraphComesBack(t *testing.T) {
	for name, g := range map[string]*Graph{
		"everything": everything(), "empty": {},
		"built": Build(context.Background(), catalog.NewIndex(big(300)), WithSQL(analyst{})),
	} {
		t.Run(name, func(t *testing.T) {
			parts := packed(g, 7)
			slices.Reverse(parts) // the order of parts does not count
			got, err := Unpack(parts)
			if err != nil {
				t.Fatal(err)
			}
			same(t, g, got)
			same(t, g, g.Compact())
			if len(got.Edges) != 0 || len(got.ColumnEdges) != 0 {
				t.Error("an unpacked graph holds its edges twice")
			}
			again := packed(got, 7)
			slices.Reverse(again)
			if !slices.EqualFunc(parts, again, bytes.Equal) {
				t.Error("packing what was unpacked gives other bytes")
			}
			for _, e := range g.Edges[:min(40, len(g.Edges))] {
				for _, r := range []catalog.Ref{e.From, e.To} {
					if diff := cmp.Diff(g.Downstream(r, 0), got.Downstream(r, 0)); diff != "" {
						t.Errorf("downstream of %s\n%s", r, diff)
					}
					if diff := cmp.Diff(g.Upstream(r, 0), got.Upstream(r, 0)); diff != "" {
						t.Errorf("upstream of %s\n%s", r, diff)
					}
				}
			}
			if diff := cmp.Diff(g.Cycles(), got.Cycles()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompactBuildSaysTheSame(t *testing.T) {
	index := catalog.NewIndex(big(300))
	wide, compact := Build(context.Background(), index), Build(context.Background(), index, Compactly())
	same(t, wide, compact)
	if len(compact.Edges)+len(compact.ColumnEdges) != 0 || len(wide.Edges) == 0 || len(wide.ColumnEdges) == 0 {
		t.Error("fields are filled where they should not be, or not where they should")
	}
	if diff := cmp.Diff(wide.Edges, slices.Collect(wide.AllEdges())); diff != "" {
		t.Error(diff)
	}
	if compact.Bytes()*2 > wide.Bytes() {
		t.Errorf("%d bytes compact, %d wide", compact.Bytes(), wide.Bytes())
	}
}

// TestAnEditTouchesOnePart is why parts are written asset by asset.
func TestAnEditTouchesOnePart(t *testing.T) {
	s := big(300)
	before := packed(Build(context.Background(), catalog.NewIndex(s), WithSQL(analyst{})), 16)
	q := *s.Questions[42]
	q.Query = catalog.Query{Language: catalog.LanguageOther, DatabaseID: "1"}
	s.Questions[42] = &q
	after := packed(Build(context.Background(), catalog.NewIndex(s), WithSQL(analyst{})), 16)
	changed := 0
	for i := range before {
		if !bytes.Equal(before[i], after[i]) {
			changed++
		}
	}
	if users := len(Build(context.Background(), catalog.NewIndex(s)).Downstream(q.Ref(), 0)); changed == 0 || changed > 1+users {
		t.Errorf("%d of 16 parts changed, with %d users downstream", changed, users)
	}
	if m := (&catalog.Question{Common: q.Common, Type: catalog.KindModel}); PartOf(q.Ref(), 16) != PartOf(m.Ref(), 16) {
		t.Error("a question that becomes a model moves to another part")
	}
}

// TestDamagedPartsEndCleanly cuts and flips every byte: an error or another
// graph, never a panic.
func TestDamagedPartsEndCleanly(t *testing.T) {
	part := packed(everything(), 1)[0]
	part = part[:min(len(part), 6000)]
	for i := range part {
		_, _ = Unpack([][]byte{part[:i]})
		b := bytes.Clone(part)
		b[i] ^= 0xff
		_, _ = Unpack([][]byte{b})
	}
	if _, err := Unpack([][]byte{part[:len(part)-1]}); err == nil {
		t.Error("half a record was taken for a graph")
	}
}

func FuzzUnpack(f *testing.F) {
	for _, p := range packed(everything(), 30) {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := Unpack([][]byte{b})
		if err != nil {
			return
		}
		for range g.AllColumnEdges() { // must not panic
			continue
		}
		_ = g.Cycles()
	})
}
