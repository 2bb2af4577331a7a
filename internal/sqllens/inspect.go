package sqllens

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// InspectRequest is one input line of `metalens sql inspect`.
type InspectRequest struct {
	ID             json.RawMessage `json:"id,omitempty"`
	Dialect        string          `json:"dialect"`
	SQL            string          `json:"sql"`
	Schema         *InspectSchema  `json:"schema,omitempty"`
	DefaultCatalog string          `json:"default_catalog,omitempty"`
	DefaultSchema  string          `json:"default_schema,omitempty"`
}

// InspectSchema is the schema a request brings along.
type InspectSchema struct {
	Tables []InspectTable `json:"tables"`
}

// InspectTable is one table of it.
type InspectTable struct {
	Catalog string          `json:"catalog,omitempty"`
	Schema  string          `json:"schema,omitempty"`
	Name    string          `json:"name"`
	Columns []InspectColumn `json:"columns"`
}

// InspectColumn is a column, written as a name or as an object with a type.
type InspectColumn struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
}

// UnmarshalJSON takes both spellings.
func (c *InspectColumn) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &c.Name)
	}
	type plain InspectColumn
	if err := json.Unmarshal(data, (*plain)(c)); err != nil {
		return err
	}
	if c.Name == "" {
		return errors.New("a column has no name")
	}
	return nil
}

// InspectAnswer is one output line of `metalens sql inspect`.
type InspectAnswer struct {
	ID          json.RawMessage    `json:"id,omitempty"`
	DialectUsed Dialect            `json:"dialect_used"`
	Recovered   bool               `json:"recovered"`
	Resolved    bool               `json:"resolved"`
	Statements  []InspectStatement `json:"statements"`
	// QualifiedSQL is the text with every column under the alias of its table,
	// every output named and stars written out. Empty when it cannot be written.
	QualifiedSQL string              `json:"qualified_sql,omitempty"`
	Unresolved   []InspectUnresolved `json:"unresolved"`
	Errors       []Problem           `json:"errors"`
}

// InspectStatement is one statement of the text.
type InspectStatement struct {
	Kind     StatementKind      `json:"kind"`
	Span     spanPair           `json:"span"`
	Tables   []InspectTableUse  `json:"tables"`
	Columns  []InspectColumnUse `json:"columns"`
	Outputs  []InspectOutput    `json:"outputs"`
	Cards    []string           `json:"cards"`
	Snippets []string           `json:"snippets"`
	Tags     []InspectTag       `json:"tags"`
}

// spanPair is a span as it is printed, [start, end].
type spanPair [2]int

func pair(s Span) spanPair { return spanPair{s.Start, s.End} }

// InspectTableUse is a physical table that a statement names.
type InspectTableUse struct {
	TableRef
	Access string   `json:"access"` // read, write
	Span   spanPair `json:"span"`
}

// InspectColumnUse is a physical column that a statement names.
type InspectColumnUse struct {
	Table  *TableRef `json:"table"`
	Column string    `json:"column"`
	Use    Use       `json:"use"`
	Span   spanPair  `json:"span"`
}

// InspectOutput is one column of the outermost query.
type InspectOutput struct {
	Name    string          `json:"name"`
	Sources []InspectSource `json:"sources"`
	Star    bool            `json:"star,omitempty"`
	Target  *InspectSource  `json:"target,omitempty"`
}

// InspectSource is a physical column that a value comes from.
type InspectSource struct {
	Table  *TableRef `json:"table"`
	Column string    `json:"column"`
}

// InspectTag is a template tag with every place it stands at.
type InspectTag struct {
	Name     string     `json:"name"`
	Kind     TagKind    `json:"kind"`
	Optional bool       `json:"optional"`
	Spans    []spanPair `json:"spans"`
}

// InspectUnresolved is a name that could not be told.
type InspectUnresolved struct {
	Reason string   `json:"reason"`
	Detail string   `json:"detail"`
	Span   spanPair `json:"span"`
}

// Inspector answers requests that bring no schema of their own with one schema
// that was indexed once. It is safe for concurrent use.
type Inspector struct {
	dialect Dialect
	schema  *Schema
}

// NewInspector indexes a schema. A nil schema knows nothing.
func NewInspector(d Dialect, schema *InspectSchema, defaultCatalog, defaultSchema string) *Inspector {
	in := InspectRequest{Schema: schema, DefaultCatalog: defaultCatalog, DefaultSchema: defaultSchema}
	return &Inspector{dialect: d, schema: in.schema(d)}
}

// Inspect answers one request. Text with optional blocks is read with all
// blocks and with none, and the results are merged.
func Inspect(in InspectRequest) InspectAnswer {
	return (&Inspector{}).Inspect(in)
}

// Inspect answers one request; a schema in the request replaces the
// inspector's.
func (x *Inspector) Inspect(in InspectRequest) InspectAnswer {
	out := InspectAnswer{ID: in.ID, Statements: []InspectStatement{}, Unresolved: []InspectUnresolved{}, Errors: []Problem{}}
	d, ok := ParseDialect(in.Dialect)
	if !ok {
		out.Errors = append(out.Errors, Problem{Code: "unknown_dialect", Message: "unknown dialect " + in.Dialect})
		return out
	}
	out.DialectUsed = d
	schema := in.schema(d)
	if schema == nil && x.dialect == d {
		schema = x.schema
	}
	tree := Parse(in.SQL, d, true)
	lineage, qualified := resolve(tree, schema, nil, len(tree.Blocks) == 0 && !tree.made)
	out.add(tree, lineage)
	out.QualifiedSQL = qualified
	if len(tree.Blocks) > 0 {
		bare := Parse(in.SQL, d, false)
		out.merge(bare, Resolve(bare, schema, nil))
		bare.release()
	}
	out.tags(tree)
	tree.release()
	out.Recovered = tree.Recovered
	out.Resolved = !out.Recovered && len(out.Unresolved) == 0
	return out
}

// Index indexes the schema that a request brings; nil when it brings none.
func (in InspectRequest) Index(d Dialect) *Schema { return in.schema(d) }

func (in InspectRequest) schema(d Dialect) *Schema {
	if in.Schema == nil {
		if in.DefaultCatalog == "" && in.DefaultSchema == "" {
			return nil
		}
		return NewSchema(d, nil, in.DefaultCatalog, in.DefaultSchema)
	}
	tables := make([]SchemaTable, 0, len(in.Schema.Tables))
	for _, t := range in.Schema.Tables {
		st := SchemaTable{TableRef: TableRef{Catalog: t.Catalog, Schema: t.Schema, Name: t.Name}}
		for _, c := range t.Columns {
			st.Columns = append(st.Columns, c.Name)
			if strings.ContainsAny(c.Type, "<(") {
				if st.Types == nil {
					st.Types = map[string]string{}
				}
				st.Types[c.Name] = c.Type
			}
		}
		tables = append(tables, st)
	}
	return NewSchema(d, tables, in.DefaultCatalog, in.DefaultSchema)
}

func (a *InspectAnswer) add(tree *Tree, results []*Lineage) {
	a.Errors = append(a.Errors, tree.Problems...)
	for i, st := range tree.Statements {
		s := InspectStatement{
			Kind: st.Kind, Span: pair(st.Span), Tables: []InspectTableUse{}, Columns: []InspectColumnUse{},
			Outputs: []InspectOutput{}, Cards: []string{}, Snippets: []string{}, Tags: []InspectTag{},
		}
		s.take(results[i])
		s.Outputs = slices.Grow(s.Outputs, len(results[i].Outputs))
		for _, o := range results[i].Outputs {
			s.Outputs = append(s.Outputs, inspectOutput(o))
		}
		a.Statements = append(a.Statements, s)
		a.unresolved(results[i].Unresolved)
	}
}

// merge adds what the variant without optional blocks has beyond the other.
func (a *InspectAnswer) merge(tree *Tree, results []*Lineage) {
	for i := range tree.Statements {
		if i >= len(a.Statements) {
			return
		}
		s := &a.Statements[i]
		s.take(results[i])
		for n, o := range results[i].Outputs {
			if n >= len(s.Outputs) {
				s.Outputs = append(s.Outputs, inspectOutput(o))
				continue
			}
			for _, src := range inspectOutput(o).Sources {
				if !containsSource(s.Outputs[n].Sources, src) {
					s.Outputs[n].Sources = append(s.Outputs[n].Sources, src)
				}
			}
		}
		a.unresolved(results[i].Unresolved)
	}
}

func containsSource(list []InspectSource, s InspectSource) bool {
	return slices.ContainsFunc(list, func(o InspectSource) bool { return o.Column == s.Column && sameTable(o.Table, s.Table) })
}

// take adds the tables and columns of a lineage, each mention once.
func (s *InspectStatement) take(l *Lineage) {
	s.Tables = slices.Grow(s.Tables, len(l.Tables))
	for _, t := range l.Tables {
		use := InspectTableUse{TableRef: t.Table, Access: "read", Span: pair(t.Span)}
		if t.Write {
			use.Access = "write"
		}
		s.Tables = append(s.Tables, use)
	}
	slices.SortStableFunc(s.Tables, func(a, b InspectTableUse) int { return a.Span[0] - b.Span[0] })
	s.Tables = once(s.Tables, func(u *InspectTableUse) int { return u.Span[0] }, func(a, b *InspectTableUse) bool { return *a == *b })
	s.Columns = slices.Grow(s.Columns, len(l.Columns))
	for _, c := range l.Columns {
		s.Columns = append(s.Columns, InspectColumnUse{Table: c.Table, Column: c.Column, Use: c.Use, Span: pair(c.Span)})
	}
	slices.SortStableFunc(s.Columns, func(a, b InspectColumnUse) int { return a.Span[0] - b.Span[0] })
	s.Columns = once(s.Columns, func(u *InspectColumnUse) int { return u.Span[0] }, func(a, b *InspectColumnUse) bool {
		return a.Column == b.Column && a.Use == b.Use && a.Span == b.Span && sameTable(a.Table, b.Table)
	})
}

// maxAtOnePlace bounds the comparisons between mentions at one place, a star of
// a wide table.
const maxAtOnePlace = 64

// once drops repeated mentions from a list that is sorted by place.
func once[T any](list []T, place func(*T) int, same func(a, b *T) bool) []T {
	out := list[:0]
next:
	for i := range list {
		for j := len(out) - 1; j >= max(0, len(out)-maxAtOnePlace) && place(&out[j]) == place(&list[i]); j-- {
			if same(&out[j], &list[i]) {
				continue next
			}
		}
		out = append(out, list[i])
	}
	return out
}

func inspectOutput(o Output) InspectOutput {
	out := InspectOutput{Name: o.Name, Star: o.Star, Sources: []InspectSource{}}
	for _, s := range o.Sources {
		out.Sources = append(out.Sources, InspectSource(s))
	}
	slices.SortStableFunc(out.Sources, func(x, y InspectSource) int { return strings.Compare(x.text(), y.text()) })
	if o.Target != nil {
		target := InspectSource(*o.Target)
		out.Target = &target
	}
	return out
}

func (s InspectSource) text() string {
	if s.Table == nil {
		return "\xff" + s.Column
	}
	return strings.Join([]string{s.Table.Catalog, s.Table.Schema, s.Table.Name, s.Column}, "\x00")
}

func (a *InspectAnswer) unresolved(list []Unresolved) {
	for _, u := range list {
		x := InspectUnresolved{u.Reason, u.Detail, pair(u.Span)}
		if !slices.Contains(a.Unresolved, x) {
			a.Unresolved = append(a.Unresolved, x)
		}
	}
}

// tags puts every tag of the text under the statement it stands in.
func (a *InspectAnswer) tags(tree *Tree) {
	for _, tag := range tree.Tags {
		var s *InspectStatement
		for i := range a.Statements {
			if s == nil || a.Statements[i].Span[0] <= tag.Span.Start {
				s = &a.Statements[i]
			}
		}
		if s == nil {
			return
		}
		switch {
		case tag.Kind == TagCard && !slices.Contains(s.Cards, tag.CardID):
			s.Cards = append(s.Cards, tag.CardID)
		case tag.Kind == TagSnippet && !slices.Contains(s.Snippets, tag.Name):
			s.Snippets = append(s.Snippets, tag.Name)
		}
		i := slices.IndexFunc(s.Tags, func(t InspectTag) bool { return t.Name == tag.Name && t.Kind == tag.Kind })
		if i < 0 {
			s.Tags = append(s.Tags, InspectTag{Name: tag.Name, Kind: tag.Kind, Optional: tag.Optional})
			i = len(s.Tags) - 1
		}
		s.Tags[i].Optional = s.Tags[i].Optional && tag.Optional // needed once is needed
		s.Tags[i].Spans = append(s.Tags[i].Spans, pair(tag.Span))
	}
}
