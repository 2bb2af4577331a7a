// Package compare says what differs between two states of a Metabase: two
// scans, two reports, two export folders, or any mixture of them. Assets are
// matched by id within one Metabase and by entity id across several.
//
// It reads what it is given and does no I/O. What one side does not tell (a
// report holds no queries, a scan may have been partial) is not compared and
// listed as such, never reported as a change.
package compare

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// Source is where a side comes from.
type Source string

// The sources.
const (
	FromScan   Source = "scan"
	FromReport Source = "report"
	FromExport Source = "export"
)

// Side is one of the two states.
type Side struct {
	Name    string // as it was asked for
	Source  Source
	ID      string    // of a scan
	URL     string    // of the Metabase; export:<folder> for folders
	At      time.Time // when it was read
	Partial bool

	Assets   []Asset
	Tables   []Table
	Columns  bool            // the columns of tables are known
	Definite bool            // queries are known
	Unread   map[string]bool // kinds of which nothing was read
	Findings []Finding
	Judged   bool // Findings says something
}

// Asset is one asset with what can be compared.
type Asset struct {
	Ref        catalog.Ref
	EntityID   string
	Name       string
	URL        string
	Collection string // path of names
	// Fields are the parts of the asset by name, each as compact JSON or text.
	Fields map[string]string
	SQL    string // of questions and snippets
}

// Table is a table or view with its columns.
type Table struct {
	ID      string // natural id, with the database's name in place of its number across instances
	Name    string
	Schema  string
	Columns []Column // sorted by name
	Fields  map[string]string
	Unread  bool // Columns says nothing
}

// Column is a column of a table.
type Column struct {
	Name   string
	Type   string
	Fields map[string]string
}

// Finding is what a check said.
type Finding struct {
	Check       string           `json:"check"`
	Fingerprint string           `json:"fingerprint"`
	Severity    finding.Severity `json:"severity"`
	Asset       FindingAsset     `json:"asset"`
	Message     string           `json:"message"`
}

// FindingAsset is what a finding is about.
type FindingAsset struct {
	Kind catalog.Kind `json:"kind"`
	ID   string       `json:"id"`
	Name string       `json:"name"`
	URL  string       `json:"url"`

	entity string
}

// Matching is how assets of the two sides were matched.
type Matching string

// The ways of matching.
const (
	ByID     Matching = "id"
	ByEntity Matching = "entity_id"
)

// Field is a part of an asset that differs. A missing side is nil.
type Field struct {
	Name   string          `json:"name"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// Changed is an asset that is on both sides and differs.
type Changed struct {
	Asset   Asset
	Fields  []Field
	SQLDiff string // unified diff; empty where the SQL is equal or not known
}

// Result is the difference.
type Result struct {
	A, B      *Side
	MatchedBy Matching
	Added     []Asset
	Removed   []Asset
	Changed   []Changed
	New       []Finding // findings that only B has
	Resolved  []Finding // findings that only A has
	Judged    bool      // New and Resolved say something
	Schema    Schema
	// NotCompared says what one of the sides does not tell.
	NotCompared []string
}

// Empty reports whether nothing differs.
func (r *Result) Empty() bool {
	return len(r.Added)+len(r.Removed)+len(r.Changed)+len(r.New)+len(r.Resolved) == 0 && r.Schema.Empty()
}

// Schema is the difference between the databases.
type Schema struct {
	Tables  SchemaTables  `json:"tables"`
	Columns SchemaColumns `json:"columns"`
}

// Empty reports whether nothing differs.
func (s *Schema) Empty() bool {
	return len(s.Tables.Added)+len(s.Tables.Removed)+len(s.Tables.Changed)+len(s.Columns.Added)+len(s.Columns.Removed)+len(s.Columns.Changed) == 0
}

// SchemaTables are tables that came, went or changed otherwise than in columns.
type SchemaTables struct {
	Added   []SchemaItem `json:"added"`
	Removed []SchemaItem `json:"removed"`
	Changed []SchemaItem `json:"changed"`
}

// SchemaColumns are columns of tables that both sides have.
type SchemaColumns struct {
	Added   []SchemaItem `json:"added"`
	Removed []SchemaItem `json:"removed"`
	Changed []SchemaItem `json:"changed"`
}

// SchemaItem is a table or column.
type SchemaItem struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Type   string  `json:"type,omitempty"`
	Fields []Field `json:"fields,omitempty"`
}

// Diff compares two sides. Both must have been made for the same matching, and
// from a report both where one is: a report holds less than a snapshot.
func Diff(a, b *Side, by Matching) *Result {
	r := &Result{A: a, B: b, MatchedBy: by, Judged: a.Judged && b.Judged}
	before, after := keyed(a, by), keyed(b, by)
	for key, old := range before {
		now, ok := after[key]
		switch {
		case ok:
			r.changed(old, now)
		case !b.Unread[kindKey(old.Ref.Kind)]:
			r.Removed = append(r.Removed, *old)
		}
	}
	for key, now := range after {
		if _, ok := before[key]; !ok && !a.Unread[kindKey(now.Ref.Kind)] {
			r.Added = append(r.Added, *now)
		}
	}
	byRef := func(x, y Asset) int { return cmp.Or(x.Ref.Compare(y.Ref), strings.Compare(x.Name, y.Name)) }
	slices.SortFunc(r.Added, byRef)
	slices.SortFunc(r.Removed, byRef)
	slices.SortFunc(r.Changed, func(x, y Changed) int { return byRef(x.Asset, y.Asset) })
	if r.Judged {
		r.New, r.Resolved = only(b.Findings, a.Findings, by), only(a.Findings, b.Findings, by)
	}
	r.schema(a, b)
	r.gaps()
	return r
}

// kindKey treats questions, models and metrics as one kind: a question may
// become a model.
func kindKey(k catalog.Kind) string {
	if k.IsCard() {
		return "card"
	}
	return string(k)
}

func keyed(s *Side, by Matching) map[string]*Asset {
	out := make(map[string]*Asset, len(s.Assets))
	for i := range s.Assets {
		a := &s.Assets[i]
		out[a.key(by)] = a
	}
	return out
}

// key is equal for the same asset on both sides.
func (a *Asset) key(by Matching) string {
	kind := kindKey(a.Ref.Kind)
	if by == ByID {
		return kind + "\x00" + a.Ref.ID
	}
	if a.EntityID != "" && a.Ref.Kind != catalog.KindDatabase { // each Metabase gives its databases ids of its own
		return kind + "\x00e\x00" + a.EntityID
	}
	return kind + "\x00n\x00" + a.Collection + "\x00" + a.Name
}

func (r *Result) changed(old, now *Asset) {
	c := Changed{Asset: *now, Fields: fields(old.Fields, now.Fields)}
	if r.A.Definite && r.B.Definite && old.SQL != now.SQL {
		c.SQLDiff = Unified(old.SQL, now.SQL)
		c.Fields = append(c.Fields, Field{"sql", quoted(old.SQL), quoted(now.SQL)})
	}
	if len(c.Fields) > 0 {
		r.Changed = append(r.Changed, c)
	}
}

func quoted(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	raw, _ := json.Marshal(s) // a string cannot fail
	return raw
}

// fields lists what differs, by name.
func fields(before, after map[string]string) []Field {
	var out []Field
	for name, old := range before {
		if now := after[name]; now != old {
			out = append(out, Field{name, raw(old), raw(now)})
		}
	}
	for name, now := range after {
		if _, ok := before[name]; !ok && now != "" {
			out = append(out, Field{name, nil, raw(now)})
		}
	}
	slices.SortFunc(out, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func raw(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

// only lists the findings of one list that the other has not, gravest first.
func only(list, other []Finding, by Matching) []Finding {
	known := make(map[string]bool, len(other))
	for i := range other {
		known[other[i].key(by)] = true
	}
	var out []Finding
	for i := range list {
		if !known[list[i].key(by)] {
			out = append(out, list[i])
		}
	}
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(b.Severity.Rank()-a.Severity.Rank(), strings.Compare(a.Check, b.Check), catalog.CompareID(a.Asset.ID, b.Asset.ID), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out
}

// key is equal for the same finding on both sides. A fingerprint belongs to one
// Metabase; across several, a check on an asset counts.
func (f *Finding) key(by Matching) string {
	if by == ByID || f.Asset.entity == "" {
		return f.Fingerprint
	}
	return f.Check + "\x00" + kindKey(f.Asset.Kind) + "\x00" + f.Asset.entity
}

func (r *Result) schema(a, b *Side) {
	before := map[string]*Table{}
	for i := range a.Tables {
		before[a.Tables[i].ID] = &a.Tables[i]
	}
	seen := map[string]bool{}
	for i := range b.Tables {
		now := &b.Tables[i]
		seen[now.ID] = true
		old := before[now.ID]
		if old == nil {
			if !a.Unread[string(catalog.KindTable)] {
				r.Schema.Tables.Added = append(r.Schema.Tables.Added, SchemaItem{ID: now.ID, Name: now.title()})
			}
			continue
		}
		if f := fields(old.Fields, now.Fields); len(f) > 0 {
			r.Schema.Tables.Changed = append(r.Schema.Tables.Changed, SchemaItem{ID: now.ID, Name: now.title(), Fields: f})
		}
		if a.Columns && b.Columns && !old.Unread && !now.Unread {
			r.columns(old, now)
		}
	}
	for i := range a.Tables {
		if old := &a.Tables[i]; !seen[old.ID] && !b.Unread[string(catalog.KindTable)] {
			r.Schema.Tables.Removed = append(r.Schema.Tables.Removed, SchemaItem{ID: old.ID, Name: old.title()})
		}
	}
	for _, list := range [][]SchemaItem{
		r.Schema.Tables.Added, r.Schema.Tables.Removed, r.Schema.Tables.Changed,
		r.Schema.Columns.Added, r.Schema.Columns.Removed, r.Schema.Columns.Changed,
	} {
		slices.SortFunc(list, func(x, y SchemaItem) int { return strings.Compare(x.ID, y.ID) })
	}
}

func (t *Table) title() string {
	if t.Schema != "" {
		return t.Schema + "." + t.Name
	}
	return t.Name
}

func (r *Result) columns(old, now *Table) {
	item := func(t *Table, c *Column, f []Field) SchemaItem {
		return SchemaItem{ID: catalog.ColumnID(t.ID, c.Name), Name: t.title() + "." + c.Name, Type: c.Type, Fields: f}
	}
	before := map[string]*Column{}
	for i := range old.Columns {
		before[old.Columns[i].Name] = &old.Columns[i]
	}
	seen := map[string]bool{}
	for i := range now.Columns {
		c := &now.Columns[i]
		seen[c.Name] = true
		was := before[c.Name]
		if was == nil {
			r.Schema.Columns.Added = append(r.Schema.Columns.Added, item(now, c, nil))
			continue
		}
		if f := fields(was.Fields, c.Fields); len(f) > 0 {
			r.Schema.Columns.Changed = append(r.Schema.Columns.Changed, item(now, c, f))
		}
	}
	for i := range old.Columns {
		if c := &old.Columns[i]; !seen[c.Name] {
			r.Schema.Columns.Removed = append(r.Schema.Columns.Removed, item(old, c, nil))
		}
	}
}

// gaps says what could not be compared.
func (r *Result) gaps() {
	say := func(text string) { r.NotCompared = append(r.NotCompared, text) }
	unread := func(s *Side) string { return strings.Join(slices.Sorted(maps.Keys(s.Unread)), ", ") }
	switch left, right := unread(r.A), unread(r.B); {
	case left == right && left != "":
		say("neither side read: " + left)
	default:
		for _, s := range []*Side{r.A, r.B} {
			if kinds := unread(s); kinds != "" {
				say(s.Name + " did not read: " + kinds)
			}
		}
	}
	if !r.A.Definite || !r.B.Definite {
		say("queries: a report holds none")
	}
	if !r.A.Columns || !r.B.Columns {
		say("columns: a report holds them only with --columns")
	}
	if !r.Judged {
		say("findings: one side has none")
	}
}
