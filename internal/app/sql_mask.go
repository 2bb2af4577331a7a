package app

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/sqllens"
)

// SQLMaskOptions are the flags of sql mask.
type SQLMaskOptions struct {
	SQLOptions
	WithMap bool // answer with the placeholders and their originals
}

// SQLMask answers with SQL whose literals and sensitive names are placeholders.
func SQLMask(ctx context.Context, env Env, o SQLMaskOptions) error {
	schema, err := readSchema(o.Schema)
	if err != nil {
		return err
	}
	classifier, err := mask.NewClassifier(mask.Rules{})
	if err != nil {
		return err
	}
	return runSQL(ctx, env, o.SQLOptions, func() answerer {
		return &masker{schema: schema, classifier: classifier, withMap: o.WithMap}
	})
}

// SQLUnmask answers with the original of what sql mask --with-map answered.
func SQLUnmask(ctx context.Context, env Env, o SQLOptions) error {
	o.limit = maxLine
	return runSQL(ctx, env, o, func() answerer { return unmasker{} })
}

// masker answers sql mask. Like inspector it keeps the schema of the line
// before.
type masker struct {
	schema     *schemaFile
	classifier *mask.Classifier
	withMap    bool

	key    schemaKey
	raw    []byte
	tables *sqllens.Schema
	types  map[string]string // "table\x00column" in lower case → type
	built  bool
}

type maskLine struct {
	inspectLine
	Sensitive *[]string `json:"sensitive"`
}

type maskAnswer struct {
	ID            json.RawMessage   `json:"id,omitempty"`
	DialectUsed   sqllens.Dialect   `json:"dialect_used"`
	Masked        string            `json:"masked"`
	MapSize       int               `json:"map_size"`
	MaskedColumns []string          `json:"masked_columns"`
	Map           *[]mask.Entry     `json:"map,omitempty"`
	Fallback      bool              `json:"fallback,omitempty"` // not parsed: every literal was masked
	Errors        []sqllens.Problem `json:"errors"`
}

func (x *masker) one(sql, dialect string) any {
	return x.answer(maskLine{inspectLine: inspectLine{SQL: &sql}}, dialect)
}

func (x *masker) line(data []byte, dialect string) any {
	var in maskLine
	if err := json.Unmarshal(data, &in); err != nil {
		return failure(idOf(data), "bad_json", "the line is not a request: "+jsonTrouble(err))
	}
	if !utf8.Valid(data) {
		return failure(in.ID, "not_utf8", "the line is not UTF-8, so that it could not be given back byte for byte")
	}
	return x.answer(in, dialect)
}

func (x *masker) answer(in maskLine, dialect string) any {
	if fail := checked(in.ID, in.SQL); fail != nil {
		return *fail
	}
	if !utf8.ValidString(*in.SQL) {
		return failure(in.ID, "not_utf8", "the SQL is not UTF-8, so that it could not be given back byte for byte")
	}
	if in.Dialect != nil {
		dialect = *in.Dialect
	}
	d, ok := sqllens.ParseDialect(dialect)
	if !ok {
		return failure(in.ID, "unknown_dialect", "unknown dialect "+dialect)
	}
	if fail := x.index(in, d); fail != nil {
		return *fail
	}
	query := mask.SQLInput{Dialect: d, SQL: *in.SQL, Schema: x.tables, Sensitive: x.classify}
	if in.Sensitive != nil {
		listed := newSensitiveList(*in.Sensitive)
		query.Sensitive, query.Given = listed.column, listed.name
	}
	m := mask.NewMap()
	masked := mask.SQL(query, m)
	out := maskAnswer{
		ID: in.ID, DialectUsed: d, Masked: masked.Masked, MapSize: m.Len(), MaskedColumns: masked.MaskedColumns,
		Fallback: masked.Fallback, Errors: masked.Errors,
	}
	if out.MaskedColumns == nil {
		out.MaskedColumns = []string{}
	}
	if out.Errors == nil {
		out.Errors = []sqllens.Problem{}
	}
	if x.withMap {
		entries := m.Entries()
		if entries == nil {
			entries = []mask.Entry{}
		}
		out.Map = &entries
	}
	return out
}

// index reads the schema of a line, or of the file where it brings none.
func (x *masker) index(in maskLine, d sqllens.Dialect) *sqlFailure {
	key := schemaKey{dialect: d, catalog: in.DefaultCatalog, schema: in.DefaultSchema, source: "line"}
	raw := []byte(in.Schema)
	if string(raw) == "null" {
		raw = nil
	}
	if raw == nil && x.schema != nil {
		key.source = "file"
		if key.catalog == "" {
			key.catalog = x.schema.DefaultCatalog
		}
		if key.schema == "" {
			key.schema = x.schema.DefaultSchema
		}
	}
	if x.built && key == x.key && bytes.Equal(raw, x.raw) {
		return nil
	}
	var tables *sqllens.InspectSchema
	switch {
	case key.source == "file":
		tables = &x.schema.InspectSchema
	case raw != nil:
		tables = &sqllens.InspectSchema{}
		if err := json.Unmarshal(raw, tables); err != nil {
			fail := failure(in.ID, "bad_schema", "the schema is not one: "+jsonTrouble(err))
			return &fail
		}
	}
	x.key, x.raw, x.built = key, bytes.Clone(raw), true
	x.tables = sqllens.InspectRequest{Schema: tables, DefaultCatalog: key.catalog, DefaultSchema: key.schema}.Index(d)
	x.types = map[string]string{}
	if tables != nil {
		for _, t := range tables.Tables {
			for _, c := range t.Columns {
				x.types[strings.ToLower(t.Name+"\x00"+c.Name)] = c.Type
			}
		}
	}
	return nil
}

// classify asks the classifier, with the type that the schema gives.
func (x *masker) classify(c mask.Column) mask.Verdict {
	table := c.Table[strings.LastIndexByte(c.Table, '.')+1:]
	c.Type = x.types[strings.ToLower(table+"\x00"+c.Name)]
	return x.classifier.Classify(c)
}

// sensitiveList are the columns that a request calls sensitive, in lower case: each a
// column, or a column behind its table, which may have a schema and a catalog.
type sensitiveList struct {
	names  map[string]bool       // of entries without a table
	tables map[string][][]string // column → qualifiers of entries with one
}

func newSensitiveList(entries []string) sensitiveList {
	l := sensitiveList{names: map[string]bool{}, tables: map[string][][]string{}}
	for _, e := range entries {
		e = strings.ToLower(strings.TrimSpace(e))
		parts := strings.Split(e, ".")
		for i := range parts {
			parts[i] = strings.Trim(parts[i], "\"`[]")
		}
		last := len(parts) - 1
		if last == 0 {
			l.names[parts[0]] = true
			continue
		}
		l.tables[parts[last]] = append(l.tables[parts[last]], parts[:last])
	}
	return l
}

// column decides about a column. One whose table is not known is sensitive when
// any table's column of that name is.
func (l sensitiveList) column(c mask.Column) mask.Verdict {
	name := strings.ToLower(c.Name)
	hit := l.names[name]
	table := strings.Split(strings.ToLower(c.Table), ".")
	for _, qualifier := range l.tables[name] {
		hit = hit || c.Table == "" || endsAlike(table, qualifier)
	}
	if hit {
		return mask.Verdict{Sensitive: true, Score: 1, Category: mask.NoCategory, Reason: "the request lists it"}
	}
	return mask.Verdict{Category: mask.NoCategory, Reason: "the request does not list it"}
}

// name decides about a name that the text gives itself.
func (l sensitiveList) name(name string) bool { return l.names[strings.ToLower(name)] }

// endsAlike compares two qualifiers from their ends, as far as both go.
func endsAlike(a, b []string) bool {
	for i := 1; i <= min(len(a), len(b)); i++ {
		if a[len(a)-i] != b[len(b)-i] {
			return false
		}
	}
	return true
}

// unmasker answers sql unmask.
type unmasker struct{}

type unmaskAnswer struct {
	ID       json.RawMessage   `json:"id,omitempty"`
	SQL      string            `json:"sql"`
	Original string            `json:"original"` // the same, under the name that the map uses
	Errors   []sqllens.Problem `json:"errors"`
}

func (u unmasker) one(text, dialect string) any { return u.line([]byte(text), dialect) }

func (unmasker) line(data []byte, _ string) any {
	var in struct {
		ID     json.RawMessage `json:"id"`
		Masked *string         `json:"masked"`
		Map    *[]mask.Entry   `json:"map"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return failure(idOf(data), "bad_json", "the line is not a request: "+jsonTrouble(err))
	}
	switch {
	case in.Masked == nil:
		return failure(in.ID, "missing_masked", "the request has no masked text")
	case in.Map == nil:
		return failure(in.ID, "missing_map", "the request has no map; sql mask --with-map prints one")
	}
	m, err := mask.MapOf(*in.Map)
	if err != nil {
		return failure(in.ID, "bad_map", err.Error())
	}
	text := m.Unmask(*in.Masked)
	return unmaskAnswer{ID: in.ID, SQL: text, Original: text, Errors: []sqllens.Problem{}}
}
