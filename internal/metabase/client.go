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
//
// Queries name tables and columns by number. Read (or [Client.Learn]) the schema
// before questions: numbers that are not known by then become the placeholder
// catalog.TableID(database, "", "#<number>"), which [Client.Resolve] replaces later.
package metabase

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
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
	Stall   time.Duration // between two pieces of an answer; Small by default
}

// Config describes a client.
type Config struct {
	URL      string // site address with its sub-path; a trailing /api, or a page's path copied with it, is cut off
	Auth     Auth
	Headers  map[string]secret.Value // extra request headers, for access proxies
	Outbound outbound.Config         // its Purpose is always a Metabase read

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
type Client struct {
	cfg       Config
	site      *url.URL
	transport *outbound.Transport
	gate      *gate
	http      *http.Client
	pace      *pacer
	names     *names
	mask      *masker
	log       *slog.Logger

	welcome atomic.Bool  // the credential was accepted once
	admin   atomic.Bool  // the reader is an admin
	major   atomic.Int64 // 0 while unknown

	mu         sync.Mutex
	dashboards map[string]bool  // asked for in detail
	reads      map[string]int64 // answered in detail
}

// Open checks a configuration and returns a client. Nothing is sent yet.
func Open(cfg Config) (*Client, error) {
	site, err := siteOf(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Auth.Kind == "" {
		cfg.Auth.Kind = AuthAPIKey
	}
	if cfg.Auth.Kind != AuthAPIKey && cfg.Auth.Kind != AuthSession {
		return nil, errs.New(errs.Invalid, "bad_credential", "The kind of credential is unknown.", "Use an API key, or a session on servers before 0.49.")
	}
	cfg.Auth.Secret = secret.New(strings.TrimSpace(cfg.Auth.Secret.Expose()))
	if cfg.Auth.Secret.IsZero() {
		return nil, errs.New(errs.Invalid, "no_credential", "There is no credential for Metabase.",
			"Set METABASE_API_KEY or METABASE_API_KEY_FILE (or METABASE_SESSION before 0.49).")
	}
	if !httpguts.ValidHeaderFieldValue(cfg.Auth.Secret.Expose()) {
		return nil, errs.New(errs.Invalid, "bad_credential", "The credential holds characters that no key has, such as a line break.",
			"Copy the key again, alone on its line.")
	}
	if err := checkHeaders(cfg.Headers); err != nil {
		return nil, err
	}
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	transport, err := outbound.NewTransport(cfg.Outbound)
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, site: site, transport: transport, log: cfg.Logger,
		pace: newPacer(cfg.Concurrency, cfg.Now), names: newNames(),
		dashboards: map[string]bool{}, reads: map[string]int64{},
		gate: &gate{
			site: site, allowed: routes(), auth: cfg.Auth, headers: cfg.Headers, next: transport,
			stats: catalog.RequestStats{ByRoute: map[string]int{}},
		},
	}
	if cfg.MaskLiterals {
		c.mask = &masker{key: cfg.MaskKey}
	}
	c.http = &http.Client{Transport: c.gate, CheckRedirect: c.gate.redirect}
	return c, nil
}

func (cfg Config) withDefaults() (Config, error) {
	setDefault(&cfg.MaxResponse, 1<<30)
	setDefault(&cfg.MaxSmallResponse, 64<<20)
	setDefault(&cfg.Timeouts.Connect, 10*time.Second)
	setDefault(&cfg.Timeouts.Small, 30*time.Second)
	setDefault(&cfg.Timeouts.Large, 300*time.Second)
	setDefault(&cfg.Timeouts.Stall, max(cfg.Timeouts.Small, 10*time.Millisecond))
	setDefault(&cfg.Concurrency, 3)
	if cfg.MaskLiterals && cfg.MaskKey.IsZero() {
		return cfg, errs.New(errs.Internal, "no_mask_key", "Masking literals needs a key.", "")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Wait == nil {
		cfg.Wait = wait
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Outbound.Purpose = ledger.PurposeMetabase
	cfg.Outbound.ConnectTimeout = cfg.Timeouts.Connect
	if cfg.Outbound.Now == nil {
		cfg.Outbound.Now = cfg.Now
	}
	return cfg, nil
}

func setDefault[N int | int64 | time.Duration](value *N, standard N) {
	if *value <= 0 {
		*value = standard
	}
}

// wait pauses unless the context ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pagePath finds where the address of a page of Metabase's interface leaves the site.
var pagePath = regexp.MustCompile(`/(api|auth|browse|question|dashboard|model|metric|collection|admin|setup|search|trash|data-studio)(/.*)?$`)

// siteOf cleans the address a person wrote.
func siteOf(text string) (*url.URL, error) {
	bad := errs.New(errs.Invalid, "bad_address", "The address of Metabase is not usable.", "Write it as https://metabase.example.com, with the sub-path if it has one.")
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, errs.New(errs.Invalid, "bad_address", "There is no address of a Metabase.", "Set METABASE_URL, or give --url.")
	}
	if !strings.Contains(text, "://") {
		scheme := "https://"
		if isLocal(text) {
			scheme = "http://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, bad // the cause would quote the address, which may hold a password
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "":
		return nil, bad
	case u.User != nil:
		return nil, errs.New(errs.Invalid, "bad_address", "The address holds a user name or password.", "Leave it out; a key or session is given apart from the address.")
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	if at := pagePath.FindStringIndex(path); at != nil {
		path = path[:at[0]]
	}
	plain, err := url.PathUnescape(path)
	if err != nil || strings.Contains(plain, "..") {
		return nil, bad
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: plain, RawPath: path}, nil
}

// isLocal reports whether an address without a scheme names this machine.
func isLocal(text string) bool {
	host, _, _ := strings.Cut(text, "/")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// checkHeaders refuses headers that cannot be sent or that are ours.
func checkHeaders(headers map[string]secret.Value) error {
	for name, value := range headers {
		switch http.CanonicalHeaderKey(name) {
		case "X-Api-Key", "X-Metabase-Session", "Host", "Accept", "Accept-Encoding", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade":
			return errs.New(errs.Invalid, "bad_header", fmt.Sprintf("The header %q is set by MetaLens itself.", name), "Remove it from the connection's headers.")
		}
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value.Expose()) {
			return errs.New(errs.Invalid, "bad_header", fmt.Sprintf("The header %q cannot be sent.", name), "A header's name is one word; its value is one line.")
		}
	}
	return nil
}

// URL returns the site address, without a trailing slash.
func (c *Client) URL() string { return c.site.String() }

// Close drops idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Stats counts what was asked of the server so far, by route pattern.
func (c *Client) Stats() catalog.RequestStats { return c.gate.snapshot() }

// AtOnce tells how many requests may run at once now: it falls while the server
// is slow or refuses, and grows back.
func (c *Client) AtOnce() int { return c.pace.atOnce() }

// EachQuestion receives one question and its usage.
type EachQuestion func(*catalog.Question, catalog.Usage) error

// DashboardHead is a dashboard without its cards (DetailUnread is set).
type DashboardHead struct {
	Dashboard *catalog.Dashboard
	Usage     catalog.Usage
}

// DashboardDetail is a dashboard with its cards.
type DashboardDetail struct {
	Dashboard *catalog.Dashboard
	Usage     catalog.Usage // as the server counted before this read
	// QueryMillis is the mean run time of the questions on it, where told.
	QueryMillis map[string]float64
}

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

// Learn tells the client about databases and tables read earlier (a resumed or
// incremental scan), so that it can resolve their numbers without asking.
func (c *Client) Learn(databases []*catalog.Database, tables []*catalog.Table) {
	for _, d := range databases {
		c.names.learnDatabase(d)
	}
	for _, t := range tables {
		c.names.learnTable(t)
	}
}

// LearnCollections does the same for collections: exclusions and personal
// collections are decided with it.
func (c *Client) LearnCollections(collections []*catalog.Collection) {
	c.names.learnCollections(collections, c.cfg.Exclude, c.cfg.IncludePersonal)
	if len(collections) > 0 {
		c.names.mu.Lock()
		c.names.complete = true
		c.names.mu.Unlock()
	}
}

// LearnPeople does the same for people: whether an owner is active, and which
// recipients are nobody's, is decided with it. People whose state is known are
// taken for the whole list.
func (c *Client) LearnPeople(people []*catalog.Person) {
	whole := false
	for _, p := range people {
		c.names.learnPerson(p)
		whole = whole || p.Active != nil
	}
	if whole {
		c.names.mu.Lock()
		c.names.allPeople = true
		c.names.mu.Unlock()
	}
}

// Resolve rewrites the table and column numbers a question was read with
// (placeholder ids) into natural ids, where they have become known since.
func (c *Client) Resolve(q *catalog.Question) {
	q.TableID = c.names.resolveTable(q.TableID)
	for i := range q.ResultColumns {
		q.ResultColumns[i].ColumnID = c.names.resolveColumn(q.ResultColumns[i].ColumnID)
	}
}

// PeopleSeen returns everybody who was named as creator or editor in what was
// read so far, sorted by id, for keys that may not list people.
func (c *Client) PeopleSeen() []*catalog.Person { return c.names.seenPeople() }
