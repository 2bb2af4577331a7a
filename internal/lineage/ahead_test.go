package lineage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/mbql"
)

// wordy answers with what it was asked, late at times: a column of the table
// that the text names, and one for each column of the questions it refers to.
type wordy struct {
	running, most, asked atomic.Int64
	cancel               context.CancelFunc // called in the middle
}

func (w *wordy) AnalyzeSQL(ctx context.Context, in lineage.SQLInput) (out lineage.SQLAnalysis) {
	if n := w.asked.Add(1); n == 40 && w.cancel != nil {
		w.cancel()
	}
	now := w.running.Add(1)
	defer w.running.Add(-1)
	for most := w.most.Load(); now > most && !w.most.CompareAndSwap(most, now); most = w.most.Load() {
	}
	if ctx.Err() != nil {
		return out
	}
	time.Sleep(time.Duration(len(in.SQL)%4) * 100 * time.Microsecond)
	table := in.Schema.Tables[len(in.SQL)%len(in.Schema.Tables)]
	out.Tables = []lineage.SQLTable{{TableID: table.ID, Confidence: finding.Certain}}
	own := lineage.SQLColumn{ColumnID: table.Columns[0].ID, Use: mbql.UseValue, Confidence: finding.Certain}
	out.Outputs = []lineage.SQLOutput{{Name: "own", Sources: []lineage.SQLColumn{own}}}
	for _, t := range in.Tags {
		for _, c := range t.Columns {
			source := lineage.SQLColumn{Card: t.Card.ID, Column: c, Use: mbql.UseValue, Confidence: finding.Certain}
			out.Outputs = append(out.Outputs, lineage.SQLOutput{Name: c + "_of_" + t.Card.ID, Sources: []lineage.SQLColumn{source}})
		}
		if t.Columns == nil {
			out.Unresolved = append(out.Unresolved, lineage.SQLUnresolved{Reason: "open", Detail: t.Name})
		}
	}
	return out
}

// chained is an instance whose native questions are built on earlier and later
// ones, on themselves and on each other, with copies.
func chained() *catalog.Snapshot {
	s := &catalog.Snapshot{}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "Shop"}, Engine: "postgres"})
	for i := range 7 {
		id := catalog.TableID("1", "public", fmt.Sprintf("t%d", i))
		s.Add(&catalog.Table{
			Common: catalog.Common{ID: id, Name: fmt.Sprintf("t%d", i)}, DatabaseID: "1", Schema: "public",
			Columns: []*catalog.Column{{ID: catalog.ColumnID(id, "c"), Name: "c"}},
		})
	}
	for i := range 400 {
		sql := fmt.Sprintf("select c from t%d%s", i%7, strings.Repeat(" ", i%11))
		tags := []catalog.TemplateTag(nil)
		refer := func(to int) {
			name := fmt.Sprintf("#%d-words", to)
			sql += " join {{" + name + "}}"
			tags = append(tags, catalog.TemplateTag{Name: name, Type: "card", QuestionID: fmt.Sprint(to)})
		}
		switch i % 10 {
		case 2:
			refer(i) // its predecessor, by number
		case 3:
			refer(i + 30) // a later one
		case 4:
			refer(i + 4) // in a circle
		case 7:
			refer(i - 2)
		case 8:
			refer(i / 2)
			sql += " -- {{other}}"
		}
		q := &catalog.Question{Common: catalog.Common{ID: fmt.Sprint(i + 1), Name: "Q"}, Type: catalog.KindQuestion, DatabaseID: "1"}
		q.Query = catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: sql, Tags: tags}
		s.Add(q)
	}
	s.Sort()
	return s
}

func graphText(t *testing.T, g *lineage.Graph) string {
	t.Helper()
	text, err := json.Marshal([]any{slices.Collect(g.AllEdges()), slices.Collect(g.AllColumnEdges()), g.Unresolved})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestBuildOnAllProcessors compares the graph of one processor with that of
// several.
func TestBuildOnAllProcessors(t *testing.T) {
	index := catalog.NewIndex(chained())
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	alone := &wordy{}
	want := graphText(t, lineage.Build(t.Context(), index, lineage.WithSQL(alone)))
	if !strings.Contains(want, "c_of_") && !strings.Contains(want, "own_of_") {
		t.Fatal("no question sees the columns of another one")
	}
	if alone.most.Load() != 1 {
		t.Errorf("%d at a time on one processor", alone.most.Load())
	}
	runtime.GOMAXPROCS(4)
	for range 5 {
		together := &wordy{}
		if got := graphText(t, lineage.Build(t.Context(), index, lineage.WithSQL(together))); got != want {
			t.Fatal("the graph depends on the number of processors")
		}
		if together.most.Load() < 2 {
			t.Error("never two texts at a time")
		}
		if together.asked.Load() != alone.asked.Load() || together.running.Load() != 0 {
			t.Errorf("asked %d times, want %d; %d still at work", together.asked.Load(), alone.asked.Load(), together.running.Load())
		}
	}
}

// TestBuildCancelledAhead: a build that ends early leaves nobody at work.
func TestBuildCancelledAhead(t *testing.T) {
	before := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(before)
	ctx, cancel := context.WithCancel(t.Context())
	w := &wordy{cancel: cancel}
	lineage.Build(ctx, catalog.NewIndex(chained()), lineage.WithSQL(w))
	if w.running.Load() != 0 {
		t.Error("somebody is still at work")
	}
	if n := w.asked.Load(); n < 40 || n > 200 {
		t.Errorf("%d texts were asked for after the end at 40", n)
	}
}
