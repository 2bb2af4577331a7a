package scan

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/metabase"
)

// Source is what a scan reads from: *[metabase.Client], or a fake of it in
// tests. Its methods return assets that are already cleaned. What is refused or
// does not exist on that server comes back as gaps; an error of an optional
// list becomes a gap here.
type Source interface {
	identitySource
	structureSource
	questionSource
	dashboardSource
	extraSource
	peopleSource
}

var _ Source = (*metabase.Client)(nil)

type identitySource interface {
	Identify(ctx context.Context) (metabase.Identity, error)
	Stats() catalog.RequestStats
	Learn(databases []*catalog.Database, tables []*catalog.Table)
	LearnCollections(collections []*catalog.Collection)
	LearnPeople(people []*catalog.Person)
}

type structureSource interface {
	Collections(ctx context.Context) ([]*catalog.Collection, []catalog.Gap, error)
	Items(ctx context.Context, collectionID string) ([]metabase.Item, []catalog.Gap, error)
	Databases(ctx context.Context) ([]*catalog.Database, []catalog.Gap, error)
	Schema(ctx context.Context, databaseID string) ([]*catalog.Table, map[catalog.Ref]catalog.Usage, []catalog.Gap, error)
	Tables(ctx context.Context) ([]*catalog.Table, map[catalog.Ref]catalog.Usage, []catalog.Gap, error)
	TableByNumber(ctx context.Context, number int64) (*catalog.Table, []catalog.Gap, error)
}

type questionSource interface {
	Questions(ctx context.Context, archived bool, each metabase.EachQuestion) ([]catalog.Gap, error)
	QuestionsOf(ctx context.Context, databaseID string, each metabase.EachQuestion) ([]catalog.Gap, error)
	Question(ctx context.Context, id string) (*catalog.Question, catalog.Usage, []catalog.Gap, error)
	Resolve(q *catalog.Question)
}

type dashboardSource interface {
	DashboardHeads(ctx context.Context, archived bool) ([]metabase.DashboardHead, []catalog.Gap, error)
	Dashboard(ctx context.Context, id string) (*metabase.DashboardDetail, []catalog.Gap, error)
}

type extraSource interface {
	Segments(ctx context.Context) ([]*catalog.Segment, []catalog.Gap, error)
	Measures(ctx context.Context) ([]*catalog.Measure, []catalog.Gap, error)
	Snippets(ctx context.Context) ([]*catalog.Snippet, []catalog.Gap, error)
	Subscriptions(ctx context.Context) ([]*catalog.Subscription, []catalog.Gap, error)
	Alerts(ctx context.Context) ([]*catalog.Alert, []catalog.Gap, error)
	Transforms(ctx context.Context) ([]*catalog.Transform, []catalog.Gap, error)
	Actions(ctx context.Context) ([]*catalog.Action, []catalog.Gap, error)
	Documents(ctx context.Context) ([]*catalog.Document, map[catalog.Ref]catalog.Usage, []catalog.Gap, error)
}

type peopleSource interface {
	People(ctx context.Context) ([]*catalog.Person, []catalog.Gap, error)
	PeopleSeen() []*catalog.Person
	Groups(ctx context.Context) ([]*catalog.Group, []catalog.Gap, error)
	Memberships(ctx context.Context) (map[string][]string, []catalog.Gap, error)
	CollectionAccess(ctx context.Context) (map[string]map[string]string, []catalog.Gap, error)
	DataAccess(ctx context.Context) ([]catalog.DataGrant, []catalog.Gap, error)
}
