package sqllens

import "strings"

// TableRef is a physical table. Parts that neither the text nor the schema nor
// the defaults give are empty.
type TableRef struct {
	Catalog string `json:"catalog"`
	Schema  string `json:"schema"`
	Name    string `json:"name"`
}

// SchemaTable is a table of the scanned schema.
type SchemaTable struct {
	TableRef
	Columns []string
	Types   map[string]string // types of columns as the database prints them; only those of structs matter
}

// Schema answers which tables and columns exist. Build it once per database
// with [NewSchema]; it is read-only after. A nil Schema knows nothing.
type Schema struct {
	dialect        Dialect
	defaultCatalog string
	defaultSchema  string
	byName         map[string][]*schemaEntry // lower-case table name
	asked          func(name string)         // nil = nobody listens
}

type schemaEntry struct {
	table   *SchemaTable
	structs map[string][]typeField // the fields of columns that are structs, by column
}

// NewSchema indexes tables. The defaults complete names that leave a part out.
func NewSchema(d Dialect, tables []SchemaTable, defaultCatalog, defaultSchema string) *Schema {
	s := &Schema{dialect: d, defaultCatalog: defaultCatalog, defaultSchema: defaultSchema, byName: make(map[string][]*schemaEntry, len(tables))}
	for i := range tables {
		t := &tables[i]
		e := &schemaEntry{table: t}
		for column, text := range t.Types {
			if fields := structType(text); fields != nil {
				if e.structs == nil {
					e.structs = map[string][]typeField{}
				}
				e.structs[column] = fields
			}
		}
		key := strings.ToLower(t.Name)
		s.byName[key] = append(s.byName[key], e)
	}
	return s
}

// Watched returns a schema that answers the same and tells each table name it is
// asked for, in lower case. What a text resolves to depends on the tables of
// those names and on no others.
func (s *Schema) Watched(asked func(name string)) *Schema {
	w := *s
	w.asked = asked
	return &w
}

// knowsTables says whether tables that are not in the schema are unknown.
func (s *Schema) knowsTables() bool { return s != nil && len(s.byName) > 0 }

// sameName compares a name of the text with a stored one by the dialect's rules.
func sameName(rule caseRule, id Ident, stored string) bool {
	if id.Text == stored {
		return true
	}
	switch rule {
	case sensitive:
		return false
	case foldLower, foldUpper:
		return id.Quote == 0 && strings.EqualFold(id.Text, stored)
	}
	return strings.EqualFold(id.Text, stored)
}

// find looks a dotted name up. ambiguous is set when several tables answer to
// it and none is the default one.
func (s *Schema) find(path []Ident) (e *schemaEntry, ambiguous bool) {
	if s == nil || len(path) == 0 {
		return nil, false
	}
	rule := s.dialect.traits().names
	if s.dialect == MySQL || s.dialect == MariaDB || s.dialect == BigQuery {
		rule = insensitive
	}
	name := path[len(path)-1]
	key := strings.ToLower(name.Text)
	if s.asked != nil {
		s.asked(key)
	}
	var found []*schemaEntry
	for _, c := range s.byName[key] {
		if !sameName(rule, name, c.table.Name) && !(rule == sensitive) {
			continue
		}
		if rule == sensitive && c.table.Name != name.Text {
			continue
		}
		if !s.qualifies(rule, path[:len(path)-1], c.table) {
			continue
		}
		found = append(found, c)
	}
	switch len(found) {
	case 0:
		return nil, false
	case 1:
		return found[0], false
	}
	for _, c := range found { // exact spelling beats folding, the default schema beats others
		if strings.EqualFold(c.table.Schema, s.defaultSchema) && (s.defaultCatalog == "" || strings.EqualFold(c.table.Catalog, s.defaultCatalog)) && s.defaultSchema != "" && len(path) == 1 {
			return c, false
		}
	}
	for _, c := range found {
		if len(path) > 1 && (s.defaultCatalog == "" || strings.EqualFold(c.table.Catalog, s.defaultCatalog)) && c.table.Name == name.Text && len(path) == 2 && c.table.Schema == path[0].Text {
			return c, false
		}
	}
	return found[0], true
}

// has says whether a name means a table, or one of several.
func (s *Schema) has(path []Ident) bool {
	e, _ := s.find(path)
	return e != nil
}

// qualifies compares the qualifier of a name with a table's schema and catalog.
func (s *Schema) qualifies(rule caseRule, qualifier []Ident, t *SchemaTable) bool {
	same := func(id Ident, stored, fallback string) bool {
		if id.Text == "" {
			return true
		}
		if stored == "" {
			stored = fallback
		}
		return stored == "" || sameName(rule, id, stored)
	}
	switch len(qualifier) {
	case 0:
		return true
	case 1:
		if t.Schema == "" && t.Catalog != "" { // MySQL: the database is the only qualifier
			return same(qualifier[0], t.Catalog, "")
		}
		return same(qualifier[0], t.Schema, s.defaultSchema)
	default:
		n := len(qualifier)
		return same(qualifier[n-1], t.Schema, s.defaultSchema) && same(qualifier[n-2], t.Catalog, s.defaultCatalog)
	}
}

// databaseIsSchema says that a dialect qualifies tables by one name, the
// database, which some describe as catalog and some as schema.
func (d Dialect) databaseIsSchema() bool {
	return d == MySQL || d == MariaDB || d == ClickHouse || d == SQLite || d == Oracle
}

// systemTable says whether a name belongs to the database's own catalog, which
// scans leave out, and pseudo whether it is no table at all.
func (d Dialect) systemTable(path []Ident) (system, pseudo bool) {
	if len(path) == 1 {
		return false, d.dual(path[0])
	}
	for _, id := range path[:len(path)-1] {
		switch strings.ToLower(id.Text) {
		case "information_schema", "pg_catalog", "sys", "system", "performance_schema", "mysql", "sysibm", "syscat", "account_usage", "svv", "pg_toast":
			last := path[len(path)-1]
			return true, d.dual(last) || d == Generic && strings.EqualFold(last.Text, "dummy")
		}
	}
	return false, false
}

// dual says whether a name is DUAL, the table of one row that some dialects have
// for queries that read none. MySQL knows it as a word only, not as a name in
// quotes.
func (d Dialect) dual(id Ident) bool {
	if !strings.EqualFold(id.Text, "dual") {
		return false
	}
	switch d {
	case Oracle, Snowflake:
		return id.Quote == 0 || id.Text == "DUAL"
	case MySQL, MariaDB, Generic:
		return id.Quote == 0
	}
	return false
}

// complete builds the reference of a name that the schema does not know.
func (s *Schema) complete(path []Ident) TableRef {
	ref := TableRef{Name: path[len(path)-1].Text}
	if n := len(path); n >= 2 {
		ref.Schema = path[n-2].Text
	}
	if n := len(path); n >= 3 {
		ref.Catalog = path[n-3].Text
	}
	if s == nil {
		return ref
	}
	if len(path) == 2 && s.defaultSchema == "" && s.dialect.databaseIsSchema() {
		return ref // the qualifier is the database itself
	}
	if ref.Schema == "" {
		ref.Schema = s.defaultSchema
	}
	if ref.Catalog == "" && (ref.Schema == s.defaultSchema || len(path) <= 2) {
		ref.Catalog = s.defaultCatalog
	}
	return ref
}
