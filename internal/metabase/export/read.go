package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// Options shape [Read]. The zero value is the safe default.
type Options struct {
	Exclude         []string // collections by entity id; they and everything below are left out
	IncludePersonal bool     // keep personal collections
	// Pseudonym turns a person's e-mail address, in lower case, into an id that
	// tells nothing of it, the same each time; nil = a plain hash, which only
	// somebody who knows the address can confirm.
	Pseudonym func(address string) string
	Now       func() time.Time // nil = time.Now
}

// Read reads an export: a folder, or the .tar.gz archive of one. What cannot be
// read is a gap of the snapshot; an error means that there is no export at all,
// or that the context ended.
func Read(ctx context.Context, location string, o Options) (*catalog.Snapshot, error) {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	c := newCollector(o)
	c.snapshot.StartedAt = now()
	c.snapshot.Instance.URL = "export:" + name(location)
	w := &walker{ctx: ctx, visit: c.file, skip: c.gap}
	if err := w.walk(location); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read export: %w", ctx.Err())
		}
		return nil, err
	}
	if c.recognised == 0 {
		hint := "Give the folder that Metabase's export command or remote sync wrote: the one that holds collections/ or databases/."
		if c.broken > 0 {
			hint = fmt.Sprintf("%d files in it could not be read; the first: %s. %s", c.broken, c.firstBroken, hint)
		}
		return nil, errs.New(errs.Invalid, "not_an_export", location+" holds no Metabase export.", hint)
	}
	c.finish()
	c.snapshot.FinishedAt = now()
	return c.snapshot, nil
}

func name(location string) string {
	abs, err := filepath.Abs(location)
	if err != nil {
		abs = location
	}
	return filepath.Base(abs)
}

// collector takes in entities file by file and settles what depends on several
// of them at the end.
type collector struct {
	options  Options
	snapshot *catalog.Snapshot
	origin   map[catalog.Ref]string // where each asset was read from

	databases map[string]*catalog.Database
	tables    map[string]*tableEntry
	settings  []userSetting // overrides of columns, applied at the end
	used      []usedTable   // tables that content names
	people    map[string]bool

	recognised  int
	broken      int
	firstBroken string
	unknown     map[string]int // models nobody has heard of
	major       int
}

func newCollector(o Options) *collector {
	if o.Pseudonym == nil {
		o.Pseudonym = plainHash
	}
	return &collector{
		options: o, snapshot: &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}},
		origin: map[catalog.Ref]string{}, databases: map[string]*catalog.Database{}, tables: map[string]*tableEntry{}, people: map[string]bool{}, unknown: map[string]int{},
	}
}

func (c *collector) gap(what, reason string, expected bool) {
	c.snapshot.Gaps = append(c.snapshot.Gaps, catalog.Gap{What: what, Reason: reason, Expected: expected})
}

// failed records a file that cannot be read.
func (c *collector) failed(file string, reason string) {
	if c.broken++; c.firstBroken == "" {
		c.firstBroken = file + ": " + reason
	}
	c.snapshot.Gaps = append(c.snapshot.Gaps, catalog.Gap{What: file, Kind: kindOfPath(file), Reason: reason})
}

// kindOfPath guesses what a broken file would have held, in the older layout.
func kindOfPath(file string) catalog.Kind {
	switch path.Base(path.Dir(file)) {
	case "cards":
		return catalog.KindQuestion
	case "dashboards":
		return catalog.KindDashboard
	case "segments":
		return catalog.KindSegment
	case "measures", "metrics":
		return catalog.KindMeasure
	case "fields", "tables":
		return catalog.KindTable
	case "snippets":
		return catalog.KindSnippet
	}
	return ""
}

func (c *collector) file(file string, open func() (io.ReadCloser, error)) {
	if strings.HasSuffix(strings.ToLower(file), ".json") {
		c.metadataFile(file, open)
		return
	}
	data, err := readAll(open)
	if err != nil {
		c.failed(file, "it cannot be read from the disk")
		return
	}
	if int64(len(data)) > maxFileBytes {
		c.failed(file, fmt.Sprintf("it is larger than %d MB", maxFileBytes>>20))
		return
	}
	v, err := parseYAML(data)
	if err != nil {
		c.failed(file, "it is broken: "+err.Error())
		return
	}
	if !v.isObject() {
		return // not Metabase's
	}
	c.entity(file, &v)
}

func readAll(open func() (io.ReadCloser, error)) (data []byte, err error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

// identity is what a file says it holds.
type identity struct {
	model string
	id    string
	meta  *value // the path of database objects
}

func identify(file string, v *value) identity {
	if meta := v.get("serdes/meta"); meta.isList() && len(meta.items) > 0 {
		last := &meta.items[len(meta.items)-1]
		return identity{last.get("model").str(), last.get("id").str(), meta}
	}
	// Trees of database metadata carry no identity; content that was edited by
	// hand may have lost it.
	switch {
	case v.get("dataset_query").isObject() && v.get("entity_id").isText():
		return identity{model: "Card", id: v.get("entity_id").str()}
	case v.get("dashcards").isList() && v.get("entity_id").isText():
		return identity{model: "Dashboard", id: v.get("entity_id").str()}
	case v.get("db_id").isText() && v.get("fields").isList() && v.get("name").str() != "":
		return identity{model: "Table"}
	case v.get("table_id").isList() && v.get("base_type").isText():
		return identity{model: "Field"}
	case !strings.Contains("/"+path.Dir(file)+"/", "/databases/"):
		return identity{}
	case v.get("db_id").isText() && v.get("name").str() != "":
		return identity{model: "Table"}
	case v.get("engine").isText() && v.get("name").str() != "":
		return identity{model: "Database"}
	}
	return identity{}
}

func (c *collector) entity(file string, v *value) {
	id := identify(file, v)
	if e := v.get("entity_id"); e.isText() && e.text != "" {
		id.id = e.text
	}
	switch id.model {
	case "":
		return
	case "Card":
		c.add(file, c.card(id.id, v))
	case "Dashboard":
		c.add(file, c.dashboard(id.id, v))
	case "Collection":
		c.add(file, c.collection(id.id, v))
	case "Document":
		c.add(file, c.document(id.id, v))
	case "NativeQuerySnippet":
		c.add(file, c.snippet(id.id, v))
	case "Segment":
		c.add(file, c.segment(id.id, v))
	case "Measure":
		c.add(file, c.measure(id.id, v, false))
	case "Metric":
		c.add(file, c.measure(id.id, v, true))
	case "Transform":
		c.add(file, c.transform(id.id, v))
	case "Action":
		c.add(file, c.action(id.id, v))
	case "Database":
		c.database(file, id, v)
	case "Table":
		c.table(file, id, v)
	case "Field":
		c.field(file, id, v)
	case "FieldUserSettings":
		c.userSettings(id, v)
	case "FieldValues", "Schema", "Timeline", "Channel", "TransformJob", "TransformTag", "PythonLibrary",
		"Glossary", "Metabot", "Setting", "DashboardCard", "DashboardTab", "Comment", "EmbeddingTheme":
		// Data, or nothing that a catalog lists.
	default:
		if c.recognised > 0 || len(id.model) < 60 {
			c.unknown[id.model]++
		}
		return
	}
	c.recognised++
}

// add takes an asset in, once.
func (c *collector) add(file string, a catalog.Asset) {
	r := a.Ref()
	if r.ID == "" {
		c.failed(file, "it has no entity_id")
		return
	}
	key := r
	if r.Kind.IsCard() {
		key.Kind = catalog.KindQuestion
	}
	if first, taken := c.origin[key]; taken {
		c.failed(file, "it has the same entity_id as "+first+", which was read instead")
		return
	}
	c.origin[key] = file
	c.snapshot.Add(a)
}

// person turns an e-mail address into a pseudonym.
func (c *collector) person(v *value) string {
	address := strings.ToLower(strings.TrimSpace(v.str()))
	if address == "" {
		return ""
	}
	id := c.options.Pseudonym(address)
	c.people[id] = true
	return id
}

func plainHash(address string) string {
	sum := sha256.Sum256([]byte("metalens person\x00" + address))
	return "p_" + hex.EncodeToString(sum[:6])
}

// finish settles what needs all files: tables with their columns, collections
// that are left out, people, and what exports never hold.
func (c *collector) finish() {
	c.settleTables()
	c.leaveOut()
	for _, id := range sortedKeys(c.people) {
		c.snapshot.Add(&catalog.Person{Common: catalog.Common{ID: id, Name: "Person " + id}})
	}
	for _, model := range sortedKeys(c.unknown) {
		c.gap(fmt.Sprintf("%d files of kind %q", c.unknown[model], clip(model)), "this version of MetaLens does not know them", false)
	}
	c.absences()
	s := c.snapshot
	slices.SortStableFunc(s.Gaps, func(a, b catalog.Gap) int {
		if a.Expected != b.Expected {
			if b.Expected {
				return -1
			}
			return 1
		}
		return strings.Compare(a.What, b.What)
	})
	s.Sort()
	s.Files = map[catalog.Ref]string{}
	for a := range s.All() {
		key := a.Ref()
		if key.Kind.IsCard() {
			key.Kind = catalog.KindQuestion
		}
		if file, ok := c.origin[key]; ok {
			s.Files[a.Ref()] = file
		}
	}
}

// absences says what no export holds, so that checks answer "not evaluated".
func (c *collector) absences() {
	absent := func(what string, kind catalog.Kind, reason string) {
		c.snapshot.Gaps = append(c.snapshot.Gaps, catalog.Gap{What: what, Kind: kind, Reason: reason, Whole: true, Expected: true})
	}
	absent("usage", "", "exports hold no view counts and no times of use")
	absent("last edits", "", "exports do not say who changed content last, or when")
	absent("subscriptions", catalog.KindSubscription, "exports hold no subscriptions")
	absent("alerts", catalog.KindAlert, "exports hold no alerts")
	absent("groups and permissions", catalog.KindGroup, "exports hold no groups and no permissions")
	if len(c.tables) == 0 {
		absent("tables and columns", catalog.KindTable, "the export was made without the data model; only tables that content names are known")
	}
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60]
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
