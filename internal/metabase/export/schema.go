package export

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// tableEntry gathers a table, whose columns may come in files of their own
// before or after it.
type tableEntry struct {
	table   *catalog.Table
	file    string
	columns map[string]*catalog.Column
	listed  bool // its own file was read
}

// usedTable is a table, or a column of one, that content names.
type usedTable struct{ database, schema, table, column string }

// userSetting overrides what is shown of a column.
type userSetting struct {
	column string
	fields *value
}

func (c *collector) database(file string, id identity, v *value) {
	d := &catalog.Database{
		Common: c.common("", v), Engine: v.get("engine").str(), Timezone: v.get("timezone").str(),
		Sample: v.get("is_sample").yes(), Audit: v.get("is_audit").yes(), SyncStatus: v.get("initial_sync_status").str(),
		CacheTTL: ttl(v.get("cache_ttl")),
	}
	d.ID = d.Name
	if d.ID == "" {
		d.ID, d.Name = id.id, id.id
	}
	d.EntityID = ""
	if old, ok := c.databases[d.ID]; ok { // a metadata tree beside the export repeats it
		if id.meta != nil {
			*old, c.origin[old.Ref()] = *d, file
		} else if old.Engine == "" {
			old.Engine = d.Engine
		}
		return
	}
	c.databases[d.ID] = d
	c.add(file, d)
}

// entry finds or makes the place of a table.
func (c *collector) entry(database, schema, table string) *tableEntry {
	id := catalog.TableID(database, schema, table)
	e := c.tables[id]
	if e == nil {
		e = &tableEntry{
			table:   &catalog.Table{Common: catalog.Common{ID: id, Name: table}, DatabaseID: database, Schema: schema},
			columns: map[string]*catalog.Column{},
		}
		c.tables[id] = e
	}
	return e
}

// tablePath reads database, schema and table from the identity of a database
// object, and the path of fields below them.
func tablePath(meta *value) (database, schema, table string, fields []string) {
	if !meta.isList() {
		return
	}
	for i := range meta.items {
		item := &meta.items[i]
		switch id := item.get("id").str(); item.get("model").str() {
		case "Database":
			database = id
		case "Schema":
			schema = id
		case "Table":
			table = id
		case "Field":
			fields = append(fields, id)
		}
	}
	return
}

func (c *collector) table(file string, id identity, v *value) {
	database, schema, table, _ := tablePath(id.meta)
	if database == "" {
		database = v.get("db_id").str()
	}
	if schema == "" {
		schema = v.get("schema").str()
	}
	if n := v.get("name").str(); n != "" {
		table = n
	}
	if database == "" || table == "" {
		c.failed(file, "it does not say which table of which database it describes")
		return
	}
	e := c.entry(database, schema, table)
	inline := v.get("fields")
	if e.listed {
		if inline.isList() && len(e.columns) == 0 { // the companion tree of the same table
			c.inlineFields(e, inline)
		}
		return
	}
	e.listed, e.file = true, file
	t := e.table
	t.Description, t.DisplayName = v.get("description").str(), v.get("display_name").str()
	t.CreatedAt = stamp(v.get("created_at"))
	t.Inactive = isFalse(v.get("active"))
	t.Visibility, t.EntityType = v.get("visibility_type").str(), v.get("entity_type").str()
	t.Upload, t.RequireFilter = v.get("is_upload").yes(), v.get("database_require_filter").yes()
	t.DataAuthority, t.OwnerID = v.get("data_authority").str(), c.person(v.get("owner_user_id"))
	t.TransformID, t.Archived = v.get("transform_id").str(), !v.get("archived_at").isNull()
	if inline.isList() {
		c.inlineFields(e, inline)
	}
}

func isFalse(v *value) bool {
	return !v.isNull() && !v.yes()
}

// inlineFields reads the columns that the metadata tree lists inside a table.
func (c *collector) inlineFields(e *tableEntry, list *value) {
	for i := range list.items {
		f := &list.items[i]
		name := f.get("name").str()
		if name == "" {
			continue
		}
		path := []string{name}
		if nested := texts(f.get("nfc_path")); len(nested) > 1 {
			path = nested
		} else if parent, ok := f.get("parent_id").path(); ok && len(parent) >= 4 {
			path = append(slices.Clone(parent[3:]), name)
		}
		column := c.column(e, path, f)
		if f.get("position").isNull() {
			column.Position = i
		}
	}
}

func (c *collector) field(file string, id identity, v *value) {
	database, schema, table, path := tablePath(id.meta)
	if parts, ok := v.get("table_id").path(); ok && len(parts) == 3 {
		database, schema, table = parts[0], parts[1], parts[2]
	}
	name := v.get("name").str()
	if len(path) == 0 && name != "" {
		path = []string{name}
	}
	if parent, ok := v.get("parent_id").path(); ok && len(parent) >= 4 && len(path) == 1 {
		path = append(slices.Clone(parent[3:]), path[0])
	}
	if database == "" || table == "" || len(path) == 0 {
		c.failed(file, "it does not say which column of which table it describes")
		return
	}
	c.column(c.entry(database, schema, table), path, v)
}

func (c *collector) column(e *tableEntry, path []string, v *value) *catalog.Column {
	id := catalog.ColumnID(e.table.ID, strings.Join(path, "."))
	col := &catalog.Column{
		ID: id, Name: v.get("name").str(), DisplayName: v.get("display_name").str(), Description: v.get("description").str(),
		BaseType: v.get("base_type").str(), EffectiveType: v.get("effective_type").str(), DatabaseType: v.get("database_type").str(),
		SemanticType: v.get("semantic_type").str(), Coercion: v.get("coercion_strategy").str(), FKTargetID: columnID(v.get("fk_target_field_id")),
		Path: texts(v.get("nfc_path")), Inactive: isFalse(v.get("active")), Visibility: v.get("visibility_type").str(),
		Position: v.get("position").integer(), PrimaryKey: v.get("database_is_pk").yes() || v.get("semantic_type").str() == "type/PK",
		Required: v.get("database_required").yes(), Nullable: maybe(v.get("database_is_nullable")), Indexed: maybe(v.get("database_indexed")),
		Partitioned: maybe(v.get("database_partitioned")), Sensitivity: v.get("data_sensitivity").str(),
	}
	if col.Name == "" {
		col.Name = path[len(path)-1]
	}
	if len(path) > 1 {
		col.ParentID = catalog.ColumnID(e.table.ID, strings.Join(path[:len(path)-1], "."))
	}
	if old := e.columns[id]; old != nil && (!old.Inactive || col.Inactive) {
		return old
	}
	e.columns[id] = col
	return col
}

func maybe(v *value) *bool {
	if v.isNull() {
		return nil
	}
	b := v.yes()
	return &b
}

func (c *collector) userSettings(id identity, v *value) {
	database, schema, table, path := tablePath(id.meta)
	if table == "" || len(path) == 0 {
		return
	}
	c.settings = append(c.settings, userSetting{catalog.ColumnID(catalog.TableID(database, schema, table), strings.Join(path, ".")), v})
}

// settleTables attaches columns to tables and adds, for databases whose schema
// the export does not hold, the tables and columns that content names.
func (c *collector) settleTables() {
	known := map[string]bool{} // databases with a schema
	for _, e := range c.tables {
		known[e.table.DatabaseID] = true
	}
	for _, s := range c.settings {
		e := c.tables[catalog.TableOfColumn(s.column)]
		if e == nil || e.columns[s.column] == nil {
			continue
		}
		col := e.columns[s.column]
		for key, into := range map[string]*string{
			"display_name": &col.DisplayName, "description": &col.Description, "semantic_type": &col.SemanticType,
			"visibility_type": &col.Visibility, "effective_type": &col.EffectiveType, "coercion_strategy": &col.Coercion,
		} {
			if set := s.fields.get(key); !set.isNull() {
				*into = set.str()
			}
		}
	}
	databases := map[string]bool{}
	for _, d := range c.snapshot.Databases {
		databases[d.ID] = true
	}
	for _, q := range c.snapshot.Questions {
		c.named(databases, q.DatabaseID)
	}
	for _, t := range c.snapshot.Transforms {
		c.named(databases, t.TargetDatabase)
		c.named(databases, t.Query.DatabaseID)
	}
	stubs := map[string]*tableEntry{}
	for _, u := range c.used {
		if known[u.database] || u.database == "" || u.table == "" {
			continue
		}
		id := catalog.TableID(u.database, u.schema, u.table)
		e := stubs[id]
		if e == nil {
			e = &tableEntry{columns: map[string]*catalog.Column{}, table: &catalog.Table{
				Common: catalog.Common{ID: id, Name: u.table}, DatabaseID: u.database, Schema: u.schema, ColumnsUnread: true,
			}}
			stubs[id] = e
		}
		if u.column != "" {
			cid := catalog.ColumnID(id, u.column)
			e.columns[cid] = &catalog.Column{ID: cid, Name: u.column[strings.LastIndexByte(u.column, '.')+1:]}
		}
	}
	for _, group := range []map[string]*tableEntry{c.tables, stubs} {
		for _, id := range sortedKeys(group) {
			e := group[id]
			c.named(databases, e.table.DatabaseID)
			for _, cid := range sortedKeys(e.columns) {
				e.table.Columns = append(e.table.Columns, e.columns[cid])
			}
			slices.SortStableFunc(e.table.Columns, func(a, b *catalog.Column) int { return a.Position - b.Position })
			if len(e.columns) == 0 {
				e.table.ColumnsUnread = true
			}
			c.snapshot.Add(e.table)
			if e.file != "" {
				c.origin[e.table.Ref()] = e.file
			}
		}
	}
}

// named adds a database that is known by its name only.
func (c *collector) named(known map[string]bool, id string) {
	if id == "" || known[id] {
		return
	}
	known[id] = true
	c.snapshot.Add(&catalog.Database{Common: catalog.Common{ID: id, Name: id}})
	c.gap("database "+id, "the export names it and does not describe it: its engine is not known", true)
}

// metadataFile reads table_metadata.json, the flat form of the metadata tree.
func (c *collector) metadataFile(file string, open func() (io.ReadCloser, error)) {
	f, err := open()
	if err != nil {
		c.failed(file, "it cannot be read from the disk")
		return
	}
	defer func() { _ = f.Close() }()
	var m metadata
	limited := &io.LimitedReader{R: f, N: maxJSONBytes}
	if err := json.NewDecoder(limited).Decode(&m); err != nil {
		reason := "it is broken JSON, or not a table of metadata"
		if limited.N <= 0 {
			reason = fmt.Sprintf("it is larger than %d MB", maxJSONBytes>>20)
		}
		c.failed(file, reason)
		return
	}
	c.metadata(file, &m)
}

type metadata struct {
	Databases []struct {
		ID     int64  `json:"id"`
		Name   string `json:"name"`
		Engine string `json:"engine"`
	} `json:"databases"`
	Tables []struct {
		ID          int64  `json:"id"`
		DatabaseID  int64  `json:"db_id"`
		Name        string `json:"name"`
		Schema      string `json:"schema"`
		Description string `json:"description"`
	} `json:"tables"`
	Fields []metadataField `json:"fields"`
}

type metadataField struct {
	ID            int64    `json:"id"`
	TableID       int64    `json:"table_id"`
	ParentID      int64    `json:"parent_id"`
	Name          string   `json:"name"`
	Description   string   `json:"description"`
	BaseType      string   `json:"base_type"`
	EffectiveType string   `json:"effective_type"`
	DatabaseType  string   `json:"database_type"`
	SemanticType  string   `json:"semantic_type"`
	Coercion      string   `json:"coercion_strategy"`
	FKTargetID    int64    `json:"fk_target_field_id"`
	Path          []string `json:"nfc_path"`
}

func (c *collector) metadata(file string, m *metadata) {
	if len(m.Databases) == 0 {
		return
	}
	c.recognised++
	databases := map[int64]string{}
	for _, d := range m.Databases {
		databases[d.ID] = d.Name
		if c.databases[d.Name] != nil || d.Name == "" {
			continue // described by a file of its own
		}
		c.databases[d.Name] = &catalog.Database{Common: catalog.Common{ID: d.Name, Name: clean(d.Name)}, Engine: d.Engine}
		c.add(file, c.databases[d.Name])
	}
	tables := map[int64]*tableEntry{}
	for _, t := range m.Tables {
		database := databases[t.DatabaseID]
		if database == "" || t.Name == "" {
			continue
		}
		e := c.entry(database, t.Schema, t.Name)
		e.table.MetabaseID = t.ID
		if !e.listed {
			e.listed, e.file, e.table.Description = true, file, clean(t.Description)
		}
		tables[t.ID] = e
	}
	fields := map[int64]*metadataField{}
	for i := range m.Fields {
		fields[m.Fields[i].ID] = &m.Fields[i]
	}
	id := func(f *metadataField) (string, []string) {
		e := tables[f.TableID]
		if e == nil {
			return "", nil
		}
		path := []string{f.Name}
		for up, depth := fields[f.ParentID], 0; up != nil && f.ParentID != 0 && depth < 32; up, depth = fields[up.ParentID], depth+1 {
			path = append([]string{up.Name}, path...)
		}
		if len(path) == 1 && len(f.Path) > 1 {
			path = f.Path
		}
		return catalog.ColumnID(e.table.ID, strings.Join(path, ".")), path
	}
	for i := range m.Fields {
		f := &m.Fields[i]
		cid, path := id(f)
		if cid == "" || f.Name == "" {
			continue
		}
		e := tables[f.TableID]
		if e.columns[cid] != nil {
			continue
		}
		col := &catalog.Column{
			ID: cid, MetabaseID: f.ID, Name: clean(f.Name), Description: clean(f.Description), BaseType: f.BaseType, EffectiveType: f.EffectiveType,
			DatabaseType: f.DatabaseType, SemanticType: f.SemanticType, Coercion: f.Coercion, Path: f.Path,
			PrimaryKey: f.SemanticType == "type/PK", Position: i,
		}
		if target := fields[f.FKTargetID]; target != nil && f.FKTargetID != 0 {
			col.FKTargetID, _ = id(target)
		}
		if len(path) > 1 {
			col.ParentID = catalog.ColumnID(e.table.ID, strings.Join(path[:len(path)-1], "."))
		}
		e.columns[cid] = col
	}
}
