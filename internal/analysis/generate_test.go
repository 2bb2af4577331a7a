package analysis_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
)

func now() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) }

// company generates an instance of a given number of questions: half SQL, half
// query builder, with dashboards, tables, models, copies and decay.
func company(questions int, queryBytes int) *catalog.Snapshot {
	r := rand.New(rand.NewPCG(42, uint64(questions)))
	s := &catalog.Snapshot{
		Instance:  catalog.Instance{URL: "https://metabase.example.com", Major: 58, Reader: catalog.Reader{Admin: true}},
		StartedAt: now().Add(-time.Minute), FinishedAt: now(), Usage: map[catalog.Ref]catalog.Usage{},
	}
	s.Add(&catalog.Database{Common: catalog.Common{ID: "1", Name: "Shop"}, Engine: "postgres"})
	tables := max(10, questions/5)
	for i := range tables {
		id := catalog.TableID("1", "public", fmt.Sprintf("table_%d", i))
		t := &catalog.Table{Common: catalog.Common{ID: id, Name: fmt.Sprintf("table_%d", i)}, DatabaseID: "1", Schema: "public", MetabaseID: int64(i + 1)}
		for c := range 12 {
			name := fmt.Sprintf("column_%d", c)
			t.Columns = append(t.Columns, &catalog.Column{ID: catalog.ColumnID(id, name), Name: name, MetabaseID: int64(i*100 + c + 1)})
		}
		s.Add(t)
	}
	collections := max(5, questions/40)
	for i := range collections {
		parent := catalog.RootCollectionID
		if i > 10 {
			parent = fmt.Sprint(r.IntN(i) + 1)
		}
		s.Add(&catalog.Collection{Common: catalog.Common{ID: fmt.Sprint(i + 1), Name: fmt.Sprintf("Collection %d", i)}, ParentID: parent})
	}
	for i := range questions {
		s.Add(question(r, s, i, tables, collections, queryBytes))
	}
	for i := range questions / 10 {
		d := &catalog.Dashboard{
			Common:       catalog.Common{ID: fmt.Sprint(i + 1), Name: fmt.Sprintf("Dashboard %d", i), CreatedAt: now().AddDate(-2, 0, 0), CreatorID: "1"},
			CollectionID: fmt.Sprint(r.IntN(collections) + 1),
			Parameters:   []catalog.Parameter{{ID: "p1", Name: "Date", Type: "date/all-options"}},
		}
		for c := range 8 {
			q := fmt.Sprint(r.IntN(questions) + 1)
			card := catalog.Dashcard{ID: fmt.Sprint(i*100 + c), QuestionID: q}
			card.Mappings = []catalog.ParameterMapping{{ParameterID: "p1", QuestionID: q, Target: json.RawMessage(`["dimension",["field",1,null]]`)}}
			d.Cards = append(d.Cards, card)
		}
		s.Add(d)
		use(s, d.Ref(), r)
	}
	yes := true
	s.Add(&catalog.Person{Common: catalog.Common{ID: "1", Name: "Ann"}, Active: &yes})
	s.Sort()
	return s
}

func question(r *rand.Rand, s *catalog.Snapshot, i, tables, collections, queryBytes int) *catalog.Question {
	q := &catalog.Question{
		Common: catalog.Common{ID: fmt.Sprint(i + 1), EntityID: fmt.Sprintf("entity%015d", i+1), Name: fmt.Sprintf("Question %d", i), CreatedAt: now().AddDate(-2, 0, 0), CreatorID: "1"},
		Type:   catalog.KindQuestion, Display: "table", DatabaseID: "1", CollectionID: fmt.Sprint(r.IntN(collections) + 1),
	}
	shape := i
	if i%20 == 0 && i > 0 {
		shape = i - 2 // a copy
	}
	q.Query.DatabaseID = "1"
	switch {
	case i%2 == 0 || i%20 == 0:
		q.Query.Language = catalog.LanguageSQL
		filler := strings.Repeat("  and coalesce(o.column_3, 'none') <> 'nothing at all'\n", queryBytes/55)
		q.Query.SQL = fmt.Sprintf("-- %d\nselect o.column_1, count(*) from public.table_%d o where o.column_2 = %d\n%s group by 1", r.IntN(9), shape%tables, shape, filler)
		if i%50 == 48 {
			q.Query.SQL = fmt.Sprintf("select * from {{#%d-x}} where a = %d", r.IntN(i)+1, i)
		}
	default:
		q.Query.Language, q.Query.Dialect = catalog.LanguageMBQL, "mbql5"
		table := shape % tables
		field := func(n int) string {
			return fmt.Sprintf(`["field",{"lib/uuid":"%d-%d"},%d]`, i, n, table*100+n)
		}
		q.Query.MBQL = json.RawMessage(fmt.Sprintf(
			`{"lib/type":"mbql/query","database":1,"stages":[{"lib/type":"mbql.stage/mbql","source-table":%d,"filters":[["=",{"lib/uuid":"a"},%s,%d]],"aggregation":[["sum",{"lib/uuid":"b"},%s]],"breakout":[%s]}]}`,
			table+1, field(2), shape, field(3), field(4)))
	}
	use(s, q.Ref(), r)
	return q
}

func use(s *catalog.Snapshot, ref catalog.Ref, r *rand.Rand) {
	views := int64(r.IntN(500))
	last := now().Add(-time.Duration(r.IntN(600*24*60)) * time.Minute)
	s.Usage[ref] = catalog.Usage{Views: &views, LastUsedAt: &last}
}
