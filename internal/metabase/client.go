// Package metabase reads a Metabase over HTTP and hands out catalog assets.
//
// It cannot change anything: a request can only be formed from an unexported
// allow-list of GET routes with validated parameters, and the transport checks
// method, origin, path and query keys once more before it adds the credential.
// It keeps only allow-listed keys of what it reads: rows, fingerprints, cached
// and default values, addresses of people, connection details and public links
// are gone before any other package sees an answer.
//
// Lists are decoded element by element while they arrive, so memory does not
// grow with the size of an answer. What could not be read is returned as
// [catalog.Gap], never as silence; an error means that going on makes no sense.
package metabase

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// AuthKind is how a client proves who it is.
type AuthKind string

// The ways to authenticate. There is no login with a password: that would be a
// POST.
const (
	AuthAPIKey  AuthKind = "api_key" // from 0.49
	AuthSession AuthKind = "session" // a pasted session id, for older servers
)

// Auth is a credential.
type Auth struct {
	Kind   AuthKind
	Secret secret.Value
}

// Timeouts limit how long things may take. Zero values take the defaults.
type Timeouts struct {
	Connect time.Duration // 10 s
	Small   time.Duration // one attempt at a small read; 30 s
	Large   time.Duration // one attempt at a big list or schema; 300 s
}

// Config describes a client.
type Config struct {
	URL      string // site address, with its sub-path if it has one; with or without a trailing /api
	Auth     Auth
	Headers  map[string]secret.Value // extra request headers, for access proxies
	Outbound outbound.Config

	MaxResponse      int64 // bytes of one decompressed list or schema; 0 = 1 GiB
	MaxSmallResponse int64 // bytes of any other decompressed answer; 0 = 64 MiB
	Timeouts         Timeouts
	Concurrency      int // most requests at once; 0 = 3

	Exclude         []string // collection ids whose content, and all below, is left out
	IncludePersonal bool     // read other people's personal collections too

	MaskLiterals bool         // replace literals in SQL and MBQL by keyed hashes
	MaskKey      secret.Value // key of those hashes; required with MaskLiterals

	Now    func() time.Time                                 // nil = time.Now
	Wait   func(ctx context.Context, d time.Duration) error // pause between attempts; nil = a timer
	Jitter func() float64                                   // in [0,1); nil = random
	Logger *slog.Logger                                     // nil = silent
}

// Client reads one Metabase. It is safe for concurrent use.
type Client struct{}

// Open checks a configuration and returns a client. Nothing is sent yet.
func Open(Config) (*Client, error) { return nil, errors.ErrUnsupported }

// URL returns the site address, without a trailing slash.
func (c *Client) URL() string { return "" }

// Close drops idle connections.
func (c *Client) Close() {}

// Stats counts what was asked of the server so far, by route pattern.
func (c *Client) Stats() catalog.RequestStats { return catalog.RequestStats{} }

// Identity is what the server says about itself and about the credential.
type Identity struct {
	Instance      catalog.Instance
	ReaderName    string // display name of the key or person; empty when unknown
	VersionKnown  bool   // false on unknown builds: both parameter spellings are sent then
	PublicSharing *bool  // whether public links are switched on; nil when not told
	Gaps          []catalog.Gap
}

// Identify asks for version, edition, features and the reader's identity. A
// server that answers 404 to either is read as an unknown version.
func (c *Client) Identify(ctx context.Context) (Identity, error) {
	return Identity{}, errors.ErrUnsupported
}

// Learn tells the client about databases and tables read earlier (a resumed or
// incremental scan), so that it can resolve their numbers without asking.
func (c *Client) Learn(databases []*catalog.Database, tables []*catalog.Table) {}

// LearnCollections does the same for collections: exclusions and personal
// collections are decided with it.
func (c *Client) LearnCollections(collections []*catalog.Collection) {}

// LearnPeople does the same for people: whether an owner is active, and which
// recipients are nobody's, is decided with it.
func (c *Client) LearnPeople(people []*catalog.Person) {}

// Resolve rewrites the table and column numbers a question was read with
// (placeholder ids) into natural ids, where they have become known since.
func (c *Client) Resolve(q *catalog.Question) {}

// PeopleSeen returns everybody who was named as creator or editor in what was
// read so far, sorted by id, for keys that may not list people.
func (c *Client) PeopleSeen() []*catalog.Person { return nil }

// Collections reads live and archived collections and the snippet folders. The
// root collection is always among them.
func (c *Client) Collections(ctx context.Context) ([]*catalog.Collection, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Databases reads the databases the key may see.
func (c *Client) Databases(ctx context.Context) ([]*catalog.Database, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Schema reads the tables and columns of one database, hidden and inactive ones
// included as far as the server tells them.
func (c *Client) Schema(ctx context.Context, databaseID string) ([]*catalog.Table, map[catalog.Ref]catalog.Usage, []catalog.Gap, error) {
	return nil, nil, nil, errors.ErrUnsupported
}

// Tables reads the heads of all active tables in one request, without columns.
func (c *Client) Tables(ctx context.Context) ([]*catalog.Table, map[catalog.Ref]catalog.Usage, []catalog.Gap, error) {
	return nil, nil, nil, errors.ErrUnsupported
}

// TableByNumber reads the head of one table that content refers to and no list
// names, typically a dropped one. It returns nil with a gap when refused.
func (c *Client) TableByNumber(ctx context.Context, number int64) (*catalog.Table, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// EachQuestion receives one question and its usage.
type EachQuestion func(*catalog.Question, catalog.Usage) error

// Questions reads every live or every archived question, model and metric the
// key may see, one at a time as they arrive. IsMissing reports true for the
// error of a server without the route: discover by [Client.Items] then.
func (c *Client) Questions(ctx context.Context, archived bool, each EachQuestion) ([]catalog.Gap, error) {
	return nil, errors.ErrUnsupported
}

// QuestionsOf does the same for the live questions of one database, to split
// lists that are too big for one answer.
func (c *Client) QuestionsOf(ctx context.Context, databaseID string, each EachQuestion) ([]catalog.Gap, error) {
	return nil, errors.ErrUnsupported
}

// Question reads one question without counting as a view. It returns nil with a
// gap when the server refuses it or has no such question.
func (c *Client) Question(ctx context.Context, id string) (*catalog.Question, catalog.Usage, []catalog.Gap, error) {
	return nil, catalog.Usage{}, nil, errors.ErrUnsupported
}

// DashboardHead is a dashboard without its cards (DetailUnread is set).
type DashboardHead struct {
	Dashboard *catalog.Dashboard
	Usage     catalog.Usage
}

// DashboardHeads lists the live or the archived dashboards. This counts no view.
// IsMissing reports true for the error of a server without the route.
func (c *Client) DashboardHeads(ctx context.Context, archived bool) ([]DashboardHead, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// DashboardDetail is a dashboard with its cards.
type DashboardDetail struct {
	Dashboard *catalog.Dashboard
	Usage     catalog.Usage // as the server counted before this read
	// QueryMillis is the mean run time of the questions on it, where told.
	QueryMillis map[string]float64
}

// Dashboard reads one dashboard with cards, tabs and filters. Metabase counts
// each such read as a view, so a client refuses to read one twice. It returns
// nil with a gap when the server refuses it or has no such dashboard.
func (c *Client) Dashboard(ctx context.Context, id string) (*DashboardDetail, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// DashboardReads returns how often this client read each dashboard in detail
// (once at most), to be subtracted from what Metabase counts later.
func (c *Client) DashboardReads() map[string]int64 { return nil }

// Item is an entry of a collection: enough to find, place and date content.
type Item struct {
	Ref          catalog.Ref
	EntityID     string
	Name         string
	CollectionID string
	DashboardID  string // of a question that lives inside a dashboard
	Archived     bool
	Pinned       bool
	Verified     bool
	LastEditedAt time.Time
	Usage        catalog.Usage
}

// Items lists what lies directly in a collection ("root" for the root),
// questions inside dashboards included.
func (c *Client) Items(ctx context.Context, collectionID string) ([]Item, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Segments reads all segments.
func (c *Client) Segments(ctx context.Context) ([]*catalog.Segment, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Measures reads measures, and the legacy metrics of old servers.
func (c *Client) Measures(ctx context.Context) ([]*catalog.Measure, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Snippets reads live and archived snippets.
func (c *Client) Snippets(ctx context.Context) ([]*catalog.Snippet, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Subscriptions reads dashboard subscriptions. Read people before, or the
// number of external recipients and the owners' state stay estimates.
func (c *Client) Subscriptions(ctx context.Context) ([]*catalog.Subscription, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Alerts reads alerts on questions, from notifications where the server has them.
func (c *Client) Alerts(ctx context.Context) ([]*catalog.Alert, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Transforms reads transforms.
func (c *Client) Transforms(ctx context.Context) ([]*catalog.Transform, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Actions reads actions on models.
func (c *Client) Actions(ctx context.Context) ([]*catalog.Action, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Documents reads the list of documents; their bodies are not read.
func (c *Client) Documents(ctx context.Context) ([]*catalog.Document, map[catalog.Ref]catalog.Usage, []catalog.Gap, error) {
	return nil, nil, nil, errors.ErrUnsupported
}

// Groups reads permission groups (admin keys only).
func (c *Client) Groups(ctx context.Context) ([]*catalog.Group, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// People reads everybody, deactivated people included (admin keys only),
// without addresses and login times.
func (c *Client) People(ctx context.Context) ([]*catalog.Person, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// Memberships reads person id → group ids (admin keys only).
func (c *Client) Memberships(ctx context.Context) (map[string][]string, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// CollectionAccess reads group id → collection id → "read" or "write" (admin
// keys only).
func (c *Client) CollectionAccess(ctx context.Context) (map[string]map[string]string, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// DataAccess reads the data permission graph (admin keys only).
func (c *Client) DataAccess(ctx context.Context) ([]catalog.DataGrant, []catalog.Gap, error) {
	return nil, nil, errors.ErrUnsupported
}

// IsMissing reports whether an error says that the server has no such route, so
// that content must be found another way.
func IsMissing(error) bool { return false }

// TestReport is the outcome of a connection test, in the order things were tried.
type TestReport struct {
	OK          bool
	Steps       []TestStep
	TLSVersion  string // "1.3", "1.2", "" on plain HTTP
	Identity    Identity
	Databases   int // visible to the key; -1 when not told
	Collections int
	Unseen      []Unseen    // what the key will not show, and why
	Exceptions  []Exception // what a person may accept to get past a problem
}

// TestStep is one thing the test tried.
type TestStep struct {
	Name   string // address, tls, metabase, credential, version, content
	OK     bool
	Detail string // safe to show
	Err    error  // an errs.Error where OK is false
}

// Unseen is something a key cannot read.
type Unseen struct {
	What string
	Why  string
	Hint string
}

// Exception is a relaxation that a person may accept.
type Exception struct {
	Kind   ExceptionKind
	Text   string // what it means, in words
	Detail string // for certificates: issuer, names, expiry, fingerprint
}

// ExceptionKind names a relaxation.
type ExceptionKind string

// The relaxations on offer.
const (
	ExceptionPlainHTTP ExceptionKind = "plain_http" // outbound.Config.AllowPlainHTTP
	ExceptionTLS12     ExceptionKind = "tls_1_2"    // outbound.Config.MinTLS12
	ExceptionCustomCA  ExceptionKind = "custom_ca"  // outbound.Config.RootCAs
)

// Test tries a connection step by step and says what it found. It returns an
// error only when it could not run at all (cancelled); problems of the
// connection are in the report.
func (c *Client) Test(ctx context.Context) (TestReport, error) {
	return TestReport{}, errors.ErrUnsupported
}
