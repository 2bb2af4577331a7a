package scan

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
)

// Source is what a scan reads from: a Metabase over HTTP, or a fake of it in
// tests. Every method returns assets that are already cleaned: no rows, values,
// addresses or connection details.
//
// A method that meets a refusal (403), a missing route (404) or an unlicensed
// feature (402) returns the error as it is; the scan decides whether that is a
// gap or the end. Gaps that a source returns beside a result are taken over.
type Source interface {
	Identity
	Structure
	Questions
	Dashboards
	Extras
	People
}

// Identity tells what is being read and as whom.
type Identity interface {
	// Identify never fails because the version or the reader cannot be told;
	// it fails when the address answers nothing or no Metabase.
	Identify(ctx context.Context) (catalog.Instance, []catalog.Gap, error)
	// Stats returns what was asked so far.
	Stats() catalog.RequestStats
}

// Structure is what content hangs on: collections and the schema.
type Structure interface {
	Collections(ctx context.Context) ([]*catalog.Collection, []catalog.Gap, error)
	// Items lists the direct children of a collection; for servers without
	// lists of questions and dashboards.
	Items(ctx context.Context, collectionID string) ([]Item, error)
	Databases(ctx context.Context) ([]*catalog.Database, []catalog.Gap, error)
	Schema(ctx context.Context, databaseID string) ([]*catalog.Table, []catalog.Gap, error)
	// Tables lists the tables of all databases, without columns.
	Tables(ctx context.Context) ([]*catalog.Table, catalogUsage, error)
	// UseSchema tells the source the tables that numbers in queries mean. It is
	// called before anything that carries queries is read.
	UseSchema(tables []*catalog.Table)
}

// Questions reads questions, models and metrics.
type Questions interface {
	// Questions hands over one question after the other; an error of each ends it.
	Questions(ctx context.Context, q QuestionQuery, each func(*catalog.Question, catalog.Usage) error) ([]catalog.Gap, error)
	Question(ctx context.Context, id string) (*catalog.Question, catalog.Usage, error)
}

// QuestionQuery chooses questions.
type QuestionQuery struct {
	Archived   bool   // archived instead of live ones
	DatabaseID string // of one database only; live ones only
}

// Dashboards reads dashboards.
type Dashboards interface {
	// DashboardHeads lists dashboards without their cards; it counts no view.
	DashboardHeads(ctx context.Context, archived bool) ([]*catalog.Dashboard, catalogUsage, []catalog.Gap, error)
	// Dashboard reads one in detail. Metabase counts that as a view. The
	// questions are those that its tiles carry.
	Dashboard(ctx context.Context, id string) (DashboardDetail, error)
}

// DashboardDetail is the answer to one dashboard read.
type DashboardDetail struct {
	Dashboard *catalog.Dashboard
	Usage     catalog.Usage
}

// Item is a child of a collection as a listing shows it.
type Item struct {
	Ref          catalog.Ref
	CollectionID string
	Collection   *catalog.Collection // set when the child is a collection
}

// Extras are assets that not every server has.
type Extras interface {
	Segments(ctx context.Context) ([]*catalog.Segment, []catalog.Gap, error)
	Measures(ctx context.Context) ([]*catalog.Measure, []catalog.Gap, error)
	Snippets(ctx context.Context) ([]*catalog.Snippet, []catalog.Gap, error)
	Subscriptions(ctx context.Context) ([]*catalog.Subscription, []catalog.Gap, error)
	Alerts(ctx context.Context) ([]*catalog.Alert, []catalog.Gap, error)
	Transforms(ctx context.Context) ([]*catalog.Transform, []catalog.Gap, error)
	Actions(ctx context.Context) ([]*catalog.Action, []catalog.Gap, error)
	Documents(ctx context.Context) ([]*catalog.Document, catalogUsage, []catalog.Gap, error)
}

// People reads who owns content and who may see it.
type People interface {
	People(ctx context.Context) ([]*catalog.Person, []catalog.Gap, error)
	Person(ctx context.Context, id string) (*catalog.Person, error)
	Groups(ctx context.Context) ([]*catalog.Group, []catalog.Gap, error)
	Memberships(ctx context.Context) (map[string][]string, []catalog.Gap, error)
	CollectionAccess(ctx context.Context) (map[string]map[string]string, []catalog.Gap, error)
	DataAccess(ctx context.Context) ([]catalog.DataGrant, []catalog.Gap, error)
}

type catalogUsage = map[catalog.Ref]catalog.Usage
