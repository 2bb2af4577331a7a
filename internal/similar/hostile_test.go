package similar

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
)

// TestHostileTextsAreCompared lays texts side by side that nobody can read.
func TestHostileTextsAreCompared(t *testing.T) {
	const bound = 20 * time.Second
	texts := map[string]string{
		"open parentheses":     "select x " + strings.Repeat("( ", 50_000),
		"closed parentheses":   "select x " + strings.Repeat(") ", 50_000),
		"nested parentheses":   "select x ?? " + strings.Repeat("( ", 30_000) + "1" + strings.Repeat(" )", 30_000),
		"nested selects":       strings.Repeat("( select ", 50_000),
		"conditions":           "select 1 where a = 1" + strings.Repeat(" and b = 2", 50_000),
		"commas":               "select " + strings.Repeat("a , ", 30_000),
		"quotes":               strings.Repeat("'", 100_001),
		"tables with a number": strings.Repeat("a as t1 ", 50_000),
	}
	for name, text := range texts {
		s := &catalog.Snapshot{}
		s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "db"}, Engine: "postgres"})
		for i, sql := range []string{text, text + " x"} {
			q := &catalog.Question{Type: catalog.KindQuestion, Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: sql}}
			q.ID = fmt.Sprint(i + 1)
			s.Add(q)
		}
		s.Sort()
		x := catalog.NewIndex(s)
		began := time.Now()
		Analyze(context.Background(), x, lineage.Build(context.Background(), x))
		read := time.Since(began)
		Compare(context.Background(), x, catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}, catalog.Ref{Kind: catalog.KindQuestion, ID: "2"})
		took := time.Since(began)
		t.Logf("%s: read in %v, compared in %v", name, read.Round(time.Millisecond), (took - read).Round(time.Millisecond))
		if took > bound {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// TestNamesShareWhatTheyComeTo: the definition that every question counts by
// keeps its names and places once, not once for each of its names.
func TestNamesShareWhatTheyComeTo(t *testing.T) {
	s := &catalog.Snapshot{}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "db"}, Engine: "postgres"})
	for i, name := range []string{"Open tickets", "Known customers"} {
		q := &catalog.Question{Type: catalog.KindQuestion, Query: catalog.Query{Language: catalog.LanguageSQL, DatabaseID: "1", SQL: "select count(*) from orders"}}
		q.ID, q.Name = fmt.Sprint(i+1), name
		s.Add(q)
	}
	x := catalog.NewIndex(s)
	metrics := Metrics(t.Context(), x, lineage.Build(t.Context(), x))
	if len(metrics) != 2 {
		t.Fatalf("%d metrics", len(metrics))
	}
	a, b := metrics[0].Definitions[0], metrics[1].Definitions[0]
	if len(a.Names) != 2 || len(a.ComputedBy) != 2 || &a.Names[0] != &b.Names[0] || &a.ComputedBy[0] != &b.ComputedBy[0] {
		t.Errorf("each has its own: %v %v, %v %v", a.Names, a.ComputedBy, b.Names, b.ComputedBy)
	}
}

// TestPanicsComeUp: a defect in one goroutine can be caught by who began it.
func TestPanicsComeUp(t *testing.T) {
	defer func() {
		if text, _ := recover().(string); !strings.HasPrefix(text, "boom") {
			t.Errorf("recovered %q", text)
		}
	}()
	parallel(t.Context(), 1000, func(i int) {
		if i == 700 {
			panic("boom")
		}
	})
	t.Error("nothing came up")
}
