package lineage

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
)

// corpus finds other people's recorded data.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("METALENS_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus here; set METALENS_CORPUS to its folder")
	}
	return dir
}

func read(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// instance builds a snapshot from recorded answers, with as little of the real
// reader as lineage needs.
func instance(t testing.TB, api string) *catalog.Index {
	t.Helper()
	s := &catalog.Snapshot{}
	var metadata struct {
		ID     int64
		Name   string
		Engine string
		Tables []struct {
			ID     int64
			Schema string
			Name   string
			Fields []struct {
				ID   int64
				Name string
			}
		}
	}
	read(t, filepath.Join(api, "database", "2", "metadata.json"), &metadata)
	s.Add(&catalog.Database{Common: catalog.Common{ID: "2", Name: metadata.Name}, Engine: metadata.Engine})
	for _, m := range metadata.Tables {
		table := &catalog.Table{Common: catalog.Common{ID: catalog.TableID("2", m.Schema, m.Name), Name: m.Name}, MetabaseID: m.ID, DatabaseID: "2", Schema: m.Schema}
		for _, f := range m.Fields {
			table.Columns = append(table.Columns, &catalog.Column{ID: catalog.ColumnID(table.ID, f.Name), MetabaseID: f.ID, Name: f.Name})
		}
		s.Add(table)
	}
	cards, err := filepath.Glob(filepath.Join(api, "card", "*.json"))
	if err != nil || len(cards) == 0 {
		t.Fatalf("no cards in %s", api)
	}
	for _, path := range cards {
		var c struct {
			ID        int64
			Name      string
			QueryType string          `json:"query_type"`
			Query     json.RawMessage `json:"dataset_query"`
		}
		read(t, path, &c)
		q := &catalog.Question{Common: catalog.Common{ID: strconv.FormatInt(c.ID, 10), Name: c.Name}, Type: catalog.KindQuestion}
		q.Query = catalog.Query{Language: catalog.LanguageMBQL, DatabaseID: "2", MBQL: c.Query}
		if c.QueryType == "native" {
			q.Query.Language = catalog.LanguageSQL
			q.Query.MBQL = nil
			var native struct {
				Native struct{ Query string }
				Stages []struct{ Native string }
			}
			if err := json.Unmarshal(c.Query, &native); err != nil {
				t.Fatal(err)
			}
			q.Query.SQL = native.Native.Query
			if len(native.Stages) > 0 {
				q.Query.SQL = native.Stages[0].Native
			}
		}
		s.Add(q)
	}
	var d struct {
		ID        int64
		Dashcards []struct {
			ID     int64
			CardID int64 `json:"card_id"`
			Series []struct{ ID int64 }
		}
	}
	read(t, filepath.Join(api, "dashboard", "2.json"), &d)
	dash := &catalog.Dashboard{Common: catalog.Common{ID: strconv.FormatInt(d.ID, 10)}}
	for _, c := range d.Dashcards {
		card := catalog.Dashcard{ID: strconv.FormatInt(c.ID, 10)}
		if c.CardID != 0 {
			card.QuestionID = strconv.FormatInt(c.CardID, 10)
		}
		for _, x := range c.Series {
			card.SeriesIDs = append(card.SeriesIDs, strconv.FormatInt(x.ID, 10))
		}
		dash.Cards = append(dash.Cards, card)
	}
	s.Add(dash)
	s.Sort()
	return catalog.NewIndex(s)
}

func recordedRoots(t testing.TB) map[string]string {
	base := filepath.Join(corpus(t), "A_api_responses", "dbt-metabase")
	return map[string]string{
		"v0.50": filepath.Join(base, "2024-12_c579c0cb"),
		"mbql4": filepath.Join(base, "2026-08_head_5c2c7649", "mbql4"),
		"mbql5": filepath.Join(base, "2026-08_head_5c2c7649", "mbql5"),
	}
}

func TestRecordedInstanceIsTheSameInBothDialects(t *testing.T) {
	roots := recordedRoots(t)
	g4 := Build(context.Background(), instance(t, filepath.Join(roots["mbql4"], "api")))
	g5 := Build(context.Background(), instance(t, filepath.Join(roots["mbql5"], "api")))
	if len(g4.Edges) == 0 || len(g4.ColumnEdges) == 0 {
		t.Fatal("no edges")
	}
	if diff := cmp.Diff(g4.Edges, g5.Edges); diff != "" {
		t.Errorf("edges differ:\n%s", diff)
	}
	if diff := cmp.Diff(g4.ColumnEdges, g5.ColumnEdges); diff != "" {
		t.Errorf("column edges differ:\n%s", diff)
	}
	if diff := cmp.Diff(g4.Unresolved, g5.Unresolved); diff != "" {
		t.Errorf("unresolved differs:\n%s", diff)
	}
}

var dependsOn = regexp.MustCompile(`ref\('([^']+)'\)`)

// Models of the recorded dbt project whose table has another name.
var dbtAlias = map[string]string{"payments": "transactions"}

func TestRecordedExposures(t *testing.T) {
	for name, root := range recordedRoots(t) {
		t.Run(name, func(t *testing.T) {
			index := instance(t, filepath.Join(root, "api"))
			g := Build(context.Background(), index)
			checked := 0
			for _, q := range index.Snapshot().Questions {
				if q.Query.Language != catalog.LanguageMBQL {
					continue
				}
				text, err := os.ReadFile(filepath.Join(root, "exposure", "type", "card", q.ID+".yml"))
				if err != nil {
					t.Fatal(err)
				}
				var want []string
				for _, m := range dependsOn.FindAllStringSubmatch(string(text), -1) {
					table := m[1]
					if alias, ok := dbtAlias[table]; ok {
						table = alias
					}
					want = append(want, table)
				}
				var got []string
				for _, step := range g.Upstream(q.Ref(), 0) {
					if step.Asset.Kind == catalog.KindTable {
						_, _, table, _, _ := catalog.SplitID(step.Asset.ID)
						got = append(got, table)
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("question %s:\n%s", q.ID, diff)
				}
				checked++
			}
			if checked < 3 {
				t.Errorf("only %d questions compared", checked)
			}
		})
	}
}

// lines writes a graph compactly for comparison.
func lines(g *Graph) string {
	var b strings.Builder
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "%s -> %s %s", e.From, e.To, e.Via)
		if e.Confidence != "certain" {
			fmt.Fprintf(&b, " %s", e.Confidence)
		}
		b.WriteByte('\n')
	}
	for _, e := range g.ColumnEdges {
		fmt.Fprintf(&b, "%s => %s %s", e.From.ID, e.To, e.Via)
		if e.ToColumn != "" {
			fmt.Fprintf(&b, " [%s]", e.ToColumn)
		}
		b.WriteByte('\n')
	}
	for _, u := range g.Unresolved {
		fmt.Fprintf(&b, "%s ! %s", u.Asset, u.Reason)
		if !u.Target.IsZero() {
			fmt.Fprintf(&b, " %s", u.Target)
		}
		b.WriteByte('\n')
	}
	for _, n := range g.Navigation {
		fmt.Fprintf(&b, "%s ~> %s\n", n.From, n.To)
	}
	return b.String()
}
