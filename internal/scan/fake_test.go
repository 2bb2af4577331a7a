package scan

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/metabase"
)

// fakeSource serves a small world from memory and counts what is asked. before
// is called ahead of every answer and may fail it.
type fakeSource struct {
	before func(ctx context.Context, call string) error

	identity    metabase.Identity
	collections []*catalog.Collection
	databases   []*catalog.Database
	schemas     map[string][]*catalog.Table
	questions   []*catalog.Question
	usage       map[catalog.Ref]catalog.Usage
	heads       []*catalog.Dashboard
	details     map[string]*catalog.Dashboard
	items       map[string][]metabase.Item
	people      []*catalog.Person
	segments    []*catalog.Segment
	noLists     bool

	mu    sync.Mutex
	calls []string
	reads map[string]int
}

func (f *fakeSource) ask(ctx context.Context, call string) error {
	f.mu.Lock()
	f.calls = append(f.calls, call)
	f.mu.Unlock()
	if f.before != nil {
		if err := f.before(ctx, call); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *fakeSource) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (f *fakeSource) Identify(ctx context.Context) (metabase.Identity, error) {
	return f.identity, f.ask(ctx, "identify")
}

func (f *fakeSource) Stats() catalog.RequestStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return catalog.RequestStats{Total: len(f.calls), ByRoute: map[string]int{"/all": len(f.calls)}}
}

func (f *fakeSource) Learn([]*catalog.Database, []*catalog.Table) {}
func (f *fakeSource) LearnCollections([]*catalog.Collection)      {}
func (f *fakeSource) LearnPeople([]*catalog.Person)               {}
func (f *fakeSource) Resolve(*catalog.Question)                   {}
func (f *fakeSource) PeopleSeen() []*catalog.Person               { return nil }

func (f *fakeSource) Collections(ctx context.Context) ([]*catalog.Collection, []catalog.Gap, error) {
	return f.collections, nil, f.ask(ctx, "collections")
}

func (f *fakeSource) Items(ctx context.Context, id string) ([]metabase.Item, []catalog.Gap, error) {
	return f.items[id], nil, f.ask(ctx, "items/"+id)
}

func (f *fakeSource) Databases(ctx context.Context) ([]*catalog.Database, []catalog.Gap, error) {
	return f.databases, nil, f.ask(ctx, "databases")
}

func (f *fakeSource) Schema(ctx context.Context, id string) ([]*catalog.Table, map[catalog.Ref]catalog.Usage, []catalog.Gap, error) {
	return f.schemas[id], nil, nil, f.ask(ctx, "schema/"+id)
}

func (f *fakeSource) Tables(ctx context.Context) ([]*catalog.Table, map[catalog.Ref]catalog.Usage, []catalog.Gap, error) {
	var heads []*catalog.Table
	for _, d := range f.databases {
		for _, t := range f.schemas[d.ID] {
			if !t.Inactive {
				h := *t
				h.Columns = nil
				heads = append(heads, &h)
			}
		}
	}
	return heads, nil, nil, f.ask(ctx, "tables")
}

func (f *fakeSource) TableByNumber(ctx context.Context, n int64) (*catalog.Table, []catalog.Gap, error) {
	return nil, []catalog.Gap{{What: fmt.Sprint("table ", n), Reason: "not found", Status: 404}}, f.ask(ctx, fmt.Sprint("table/", n))
}

func (f *fakeSource) each(archived bool, database string, each metabase.EachQuestion) error {
	for _, q := range f.questions {
		if q.Archived != archived || (database != "" && q.DatabaseID != database) {
			continue
		}
		c := *q
		if err := each(&c, f.usage[q.Ref()]); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeSource) Questions(ctx context.Context, archived bool, each metabase.EachQuestion) ([]catalog.Gap, error) {
	if err := f.ask(ctx, fmt.Sprint("questions/", archived)); err != nil {
		return nil, err
	}
	if f.noLists {
		return nil, missing()
	}
	return nil, f.each(archived, "", each)
}

func (f *fakeSource) QuestionsOf(ctx context.Context, id string, each metabase.EachQuestion) ([]catalog.Gap, error) {
	if err := f.ask(ctx, "questions-of/"+id); err != nil {
		return nil, err
	}
	return nil, f.each(false, id, each)
}

func (f *fakeSource) Question(ctx context.Context, id string) (*catalog.Question, catalog.Usage, []catalog.Gap, error) {
	if err := f.ask(ctx, "question/"+id); err != nil {
		return nil, catalog.Usage{}, nil, err
	}
	for _, q := range f.questions {
		if q.ID == id {
			u := f.usage[q.Ref()]
			ms := 120.5
			u.AverageQueryMillis = &ms
			return q, u, nil, nil
		}
	}
	return nil, catalog.Usage{}, []catalog.Gap{{What: "question " + id, Reason: "not found", Status: 404}}, nil
}

func (f *fakeSource) DashboardHeads(ctx context.Context, archived bool) ([]metabase.DashboardHead, []catalog.Gap, error) {
	if err := f.ask(ctx, fmt.Sprint("heads/", archived)); err != nil {
		return nil, nil, err
	}
	if f.noLists {
		return nil, nil, missing()
	}
	var heads []metabase.DashboardHead
	for _, d := range f.heads {
		if d.Archived == archived {
			c := *d
			u := f.usage[d.Ref()]
			f.mu.Lock()
			if u.Views != nil {
				views := *u.Views + int64(f.reads[d.ID])
				u.Views = &views
			}
			f.mu.Unlock()
			heads = append(heads, metabase.DashboardHead{Dashboard: &c, Usage: u})
		}
	}
	return heads, nil, nil
}

func (f *fakeSource) Dashboard(ctx context.Context, id string) (*metabase.DashboardDetail, []catalog.Gap, error) {
	f.mu.Lock()
	if f.reads == nil {
		f.reads = map[string]int{}
	}
	f.reads[id]++
	f.mu.Unlock()
	if err := f.ask(ctx, "dashboard/"+id); err != nil {
		return nil, nil, err
	}
	if d := f.details[id]; d != nil {
		c := *d
		return &metabase.DashboardDetail{Dashboard: &c, Usage: f.usage[d.Ref()]}, nil, nil
	}
	return nil, []catalog.Gap{{What: "dashboard " + id, Reason: "not found", Status: 404}}, nil
}

func (f *fakeSource) Segments(ctx context.Context) ([]*catalog.Segment, []catalog.Gap, error) {
	return f.segments, nil, f.ask(ctx, "segments")
}

func (f *fakeSource) Measures(ctx context.Context) ([]*catalog.Measure, []catalog.Gap, error) {
	return nil, []catalog.Gap{{What: "measures", Kind: catalog.KindMeasure, Reason: "this version has none", Status: 404, Whole: true, Expected: true}}, f.ask(ctx, "measures")
}

func (f *fakeSource) Snippets(ctx context.Context) ([]*catalog.Snippet, []catalog.Gap, error) {
	return nil, nil, f.ask(ctx, "snippets")
}

func (f *fakeSource) Subscriptions(ctx context.Context) ([]*catalog.Subscription, []catalog.Gap, error) {
	return nil, nil, f.ask(ctx, "subscriptions")
}

func (f *fakeSource) Alerts(ctx context.Context) ([]*catalog.Alert, []catalog.Gap, error) {
	return nil, nil, f.ask(ctx, "alerts")
}

func (f *fakeSource) Transforms(ctx context.Context) ([]*catalog.Transform, []catalog.Gap, error) {
	return nil, nil, f.ask(ctx, "transforms")
}

func (f *fakeSource) Actions(ctx context.Context) ([]*catalog.Action, []catalog.Gap, error) {
	return nil, nil, f.ask(ctx, "actions")
}

func (f *fakeSource) Documents(ctx context.Context) ([]*catalog.Document, map[catalog.Ref]catalog.Usage, []catalog.Gap, error) {
	return nil, nil, nil, f.ask(ctx, "documents")
}

func (f *fakeSource) People(ctx context.Context) ([]*catalog.Person, []catalog.Gap, error) {
	return f.people, nil, f.ask(ctx, "people")
}

func (f *fakeSource) Groups(ctx context.Context) ([]*catalog.Group, []catalog.Gap, error) {
	return []*catalog.Group{{Common: catalog.Common{ID: "1", Name: "All Users"}, Members: 4}}, nil, f.ask(ctx, "groups")
}

func (f *fakeSource) Memberships(ctx context.Context) (map[string][]string, []catalog.Gap, error) {
	return map[string][]string{"7": {"1"}}, nil, f.ask(ctx, "memberships")
}

func (f *fakeSource) CollectionAccess(ctx context.Context) (map[string]map[string]string, []catalog.Gap, error) {
	return map[string]map[string]string{"1": {"root": "read"}}, nil, f.ask(ctx, "collection-access")
}

func (f *fakeSource) DataAccess(ctx context.Context) ([]catalog.DataGrant, []catalog.Gap, error) {
	return []catalog.DataGrant{{GroupID: "1", DatabaseID: "2", ViewData: "unrestricted"}}, nil, f.ask(ctx, "data-access")
}

// moment is a time in the fake world, n minutes after its beginning.
func moment(n int) time.Time {
	return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
}

func ptr[T any](v T) *T { return &v }

// world builds a fake with ten questions and six dashboards.
func world() *fakeSource {
	f := &fakeSource{
		identity: metabase.Identity{Instance: catalog.Instance{URL: "https://mb.test", Version: "v0.58.2", Major: 58, Edition: "oss", Reader: catalog.Reader{PersonID: "7", Admin: true}}},
		collections: []*catalog.Collection{
			{Common: catalog.Common{ID: "root", Name: "Our analytics"}},
			{Common: catalog.Common{ID: "10", Name: "Sales"}, ParentID: "root"},
			{Common: catalog.Common{ID: "11", Name: "Forecasts"}, ParentID: "10"},
			{Common: catalog.Common{ID: "12", Name: "Ann's Personal Collection"}, ParentID: "root", PersonalOwnerID: "8"},
			{Common: catalog.Common{ID: "13", Name: "Drafts"}, ParentID: "12"},
		},
		databases: []*catalog.Database{{Common: catalog.Common{ID: "2", Name: "Warehouse"}, Engine: "postgres"}, {Common: catalog.Common{ID: "3", Name: "Events"}, Engine: "clickhouse"}},
		schemas:   map[string][]*catalog.Table{},
		usage:     map[catalog.Ref]catalog.Usage{},
		details:   map[string]*catalog.Dashboard{},
		reads:     map[string]int{},
		people:    []*catalog.Person{{Common: catalog.Common{ID: "7", Name: "Sam"}}, {Common: catalog.Common{ID: "8", Name: "Ann"}}},
		segments:  []*catalog.Segment{{Common: catalog.Common{ID: "1", Name: "Active"}, TableID: "2/public/t0"}},
	}
	for n, db := range []string{"2", "3"} {
		for i := range 3 {
			name := fmt.Sprint("t", i)
			id := catalog.TableID(db, "public", name)
			f.schemas[db] = append(f.schemas[db], &catalog.Table{
				Common: catalog.Common{ID: id, Name: name}, MetabaseID: int64(100*(n+1) + i), DatabaseID: db, Schema: "public",
				Columns: []*catalog.Column{{ID: catalog.ColumnID(id, "id"), Name: "id", MetabaseID: int64(1000*(n+1) + i)}},
			})
		}
	}
	places := []string{"root", "10", "11", "12", "13"}
	for i := range 10 {
		q := &catalog.Question{
			Common: catalog.Common{ID: fmt.Sprint(20 + i), Name: fmt.Sprint("Question ", i), CreatorID: "7", Archived: i == 9}, Type: catalog.KindQuestion,
			CollectionID: places[i%5], DatabaseID: fmt.Sprint(2 + i%2),
		}
		f.questions = append(f.questions, q)
		f.usage[q.Ref()] = catalog.Usage{Views: ptr(int64(10 * i)), UpdatedAt: ptr(moment(i))}
	}
	for i := range 6 {
		d := &catalog.Dashboard{
			Common:       catalog.Common{ID: fmt.Sprint(1 + i), Name: fmt.Sprint("Dashboard ", i), Archived: i == 5},
			CollectionID: places[i%3], DetailUnread: true,
		}
		d.LastEditedAt = moment(30 + i)
		f.heads = append(f.heads, d)
		f.usage[d.Ref()] = catalog.Usage{Views: ptr(int64(100 + i)), UpdatedAt: ptr(moment(40 + i))}
		full := *d
		full.DetailUnread = false
		full.Cards = []catalog.Dashcard{{ID: fmt.Sprint(500 + i), QuestionID: fmt.Sprint(20 + i), Width: 4, Height: 3}}
		f.details[d.ID] = &full
	}
	return f
}

// memoryStaging keeps staged steps in a map.
type memoryStaging struct {
	mu    sync.Mutex
	steps map[string][]byte
	fail  func(step string) error
}

func (m *memoryStaging) Load(_ context.Context, step string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.steps[step]
	return data, ok, nil
}

func (m *memoryStaging) Save(ctx context.Context, step string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(step); err != nil {
			return err
		}
	}
	if m.steps == nil {
		m.steps = map[string][]byte{}
	}
	m.steps[step] = data
	return ctx.Err()
}

func (m *memoryStaging) Drop(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.steps = map[string][]byte{}
	return nil
}

// memoryReads counts own reads in a map.
type memoryReads struct {
	mu     sync.Mutex
	counts map[string]int64
}

func (m *memoryReads) Counts(context.Context) (map[string]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]int64{}
	for id, n := range m.counts {
		out[id] = n
	}
	return out, nil
}

func (m *memoryReads) Add(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts == nil {
		m.counts = map[string]int64{}
	}
	m.counts[id]++
	return nil
}

func missing() error {
	return errs.New(errs.NotFound, "route_missing", "This server has no such list.", "")
}
