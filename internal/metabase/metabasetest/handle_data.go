package metabasetest

import (
	"net/url"
	"slices"
	"strconv"
)

func (x *exchange) listDatabases() {
	withTables := x.q("include") == "tables"
	e := x.startJSON()
	e.open()
	e.list("data")
	n := 0
	for _, d := range x.w.Databases {
		if !x.canReadDatabase(d.ID) || d.Audit && !x.flag("include_analytics") {
			continue
		}
		n++
		x.databaseListed(e, d)
		if withTables {
			e.list("tables")
			for _, t := range x.w.TablesOf(d.ID) {
				if x.listed(t, false) {
					e.open()
					x.tableRow(e, t)
					e.close()
				}
			}
			e.closeList()
		}
		e.close()
		x.spill()
	}
	if x.flag("saved") {
		n++
		e.elemRaw(`{"id":-1337,"name":"Saved Questions","is_saved_questions":true,"features":["basic-aggregations"]}`)
	}
	e.closeList()
	e.int("total", n)
	e.close()
}

// listed reports whether a table shows in metadata: active, readable and not
// hidden unless hidden ones are asked for.
func (x *exchange) listed(t *Table, hidden bool) bool {
	return !t.Inactive && x.canReadTable(t) && (hidden || t.Visibility == "")
}

func (x *exchange) findDatabase() *Database {
	id, ok := x.id(0, nil)
	if !ok {
		return nil
	}
	d := x.w.Database(id)
	switch {
	case d == nil:
		x.notFound()
		return nil
	case !x.canReadDatabase(d.ID):
		x.forbidden()
		return nil
	}
	return d
}

func (x *exchange) getDatabase() {
	d := x.findDatabase()
	if d == nil {
		return
	}
	e := x.startJSON()
	x.databaseListed(e, d)
	include := x.q("include")
	if include == "tables" || include == "tables.fields" {
		x.tablesWithFields(e, d, false, include == "tables.fields")
	}
	e.close()
}

func (x *exchange) databaseMetadata() {
	d := x.findDatabase()
	if d == nil {
		return
	}
	e := x.startJSON()
	e.open()
	x.databaseRow(e, d)
	x.tablesWithFields(e, d, x.flag("include_hidden"), !x.flag("skip_fields"))
	e.close()
}

func (x *exchange) tablesWithFields(e *encoder, d *Database, hidden, fields bool) {
	dropInactive := x.flag("remove_inactive")
	e.list("tables")
	for _, t := range x.w.TablesOf(d.ID) {
		if !x.listed(t, hidden) {
			continue
		}
		e.open()
		x.tableRow(e, t)
		if fields {
			e.list("fields")
			for _, f := range t.Fields {
				if f.Visibility == "sensitive" || f.Visibility == "retired" || f.Inactive && dropInactive {
					continue
				}
				x.fieldFull(e, f)
			}
			e.closeList()
		}
		x.segmentsOf(e, t)
		e.close()
		x.spill()
	}
	e.closeList()
}

// databaseFields is the light list.
func (x *exchange) databaseFields() {
	d := x.findDatabase()
	if d == nil {
		return
	}
	e := x.startJSON()
	e.openList()
	for _, t := range x.w.TablesOf(d.ID) {
		if !x.listed(t, false) {
			continue
		}
		for _, f := range t.Fields {
			if f.Inactive || f.Visibility == "sensitive" || f.Visibility == "retired" {
				continue
			}
			e.open()
			e.int("id", f.ID)
			e.text("name", f.Name)
			e.text("display_name", f.DisplayName)
			e.text("base_type", f.BaseType)
			e.orNull("semantic_type", f.SemanticType)
			e.text("table_name", t.DisplayName)
			if x.v.from(52) {
				e.int("table_id", t.ID)
			}
			e.orNull("schema", t.Schema)
			e.close()
		}
		x.spill()
	}
	e.closeList()
}

func (x *exchange) databaseSchemas() {
	d := x.findDatabase()
	if d == nil {
		return
	}
	schemas := map[string]bool{}
	for _, t := range x.w.TablesOf(d.ID) {
		if x.listed(t, x.flag("include_hidden")) {
			schemas[t.Schema] = true
		}
	}
	e := x.startJSON()
	e.openList()
	for _, s := range sortedKeys(schemas) {
		e.elemText(s)
	}
	e.closeList()
}

func (x *exchange) databaseSchema() {
	d := x.findDatabase()
	if d == nil {
		return
	}
	schema := ""
	if len(x.params) > 1 {
		schema = x.params[1]
		if text, err := url.PathUnescape(schema); err == nil {
			schema = text
		}
	}
	var tables []*Table
	for _, t := range x.w.TablesOf(d.ID) {
		if t.Schema == schema && x.listed(t, x.flag("include_hidden")) {
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		x.notFound()
		return
	}
	e := x.startJSON()
	e.openList()
	for _, t := range tables {
		e.open()
		x.tableRow(e, t)
		e.close()
		x.spill()
	}
	e.closeList()
}

func (x *exchange) databaseUsage() {
	d := x.findDatabase()
	if d == nil {
		return
	}
	counts := map[string]int{}
	for _, c := range x.w.Cards {
		if c.Query != nil && c.Query.DatabaseID == d.ID && !c.Archived {
			counts[c.Type]++
		}
	}
	e := x.startJSON()
	e.open()
	e.int("question", counts[CardQuestion])
	e.int("dataset", counts[CardModel])
	e.int("metric", counts[CardMetric])
	e.int("segment", 0)
	e.close()
}

// allMetadata is the light dump of 0.60 and 0.61.
func (x *exchange) allMetadata() {
	e := x.startJSON()
	e.open()
	e.list("databases")
	for _, d := range x.w.Databases {
		if x.canReadDatabase(d.ID) && !d.Audit {
			e.open()
			e.int("id", d.ID)
			e.text("name", d.Name)
			e.text("engine", d.Engine)
			e.close()
		}
	}
	e.closeList()
	e.list("tables")
	for _, t := range x.w.Tables {
		if x.listed(t, true) {
			e.open()
			e.int("id", t.ID)
			e.int("db_id", t.DatabaseID)
			e.text("name", t.Name)
			e.orNull("schema", t.Schema)
			e.orNull("description", t.Description)
			e.close()
			x.spill()
		}
	}
	e.closeList()
	e.list("fields")
	for _, t := range x.w.Tables {
		if !x.listed(t, true) {
			continue
		}
		for _, f := range t.Fields {
			if f.Inactive {
				continue
			}
			e.open()
			e.int("id", f.ID)
			e.int("table_id", t.ID)
			e.text("name", f.Name)
			e.text("base_type", f.BaseType)
			e.orNull("database_type", f.DatabaseType)
			e.orNull("semantic_type", f.SemanticType)
			e.idOrNull("fk_target_field_id", f.FKTargetID)
			e.close()
		}
		x.spill()
	}
	e.closeList()
	e.close()
}

func (x *exchange) listTables() {
	e := x.startJSON()
	e.openList()
	tables := slices.Clone(x.w.Tables)
	for _, t := range tables {
		d := x.w.Database(t.DatabaseID)
		if d == nil || d.Audit || !x.listed(t, true) {
			continue
		}
		e.open()
		x.tableRow(e, t)
		e.obj("db")
		x.databaseRow(e, d)
		e.close()
		e.close()
		x.spill()
	}
	e.closeList()
}

func (x *exchange) findTable() *Table {
	id, ok := x.id(0, nil)
	if !ok {
		return nil
	}
	t := x.w.Table(id)
	switch {
	case t == nil:
		x.notFound()
		return nil
	case !x.canReadTable(t):
		x.forbidden()
		return nil
	}
	return t
}

func (x *exchange) getTable() {
	t := x.findTable()
	if t == nil {
		return
	}
	e := x.startJSON()
	e.open()
	x.tableRow(e, t)
	if d := x.w.Database(t.DatabaseID); d != nil {
		e.obj("db")
		x.databaseRow(e, d)
		e.close()
	}
	pk := 0
	for _, f := range t.Fields {
		if f.PrimaryKey {
			pk = f.ID
		}
	}
	e.idOrNull("pk_field", pk)
	e.close()
}

func (x *exchange) tableMetadata() {
	t := x.findTable()
	if t == nil {
		return
	}
	e := x.startJSON()
	e.open()
	x.tableRow(e, t)
	e.list("fields")
	for _, f := range t.Fields {
		switch {
		case f.Inactive,
			f.Visibility == "sensitive" && !x.flag("include_sensitive_fields"),
			f.Visibility == "hidden" && !x.flag("include_hidden_fields"):
			continue
		}
		x.fieldFull(e, f)
	}
	e.closeList()
	x.segmentsOf(e, t)
	if x.v.until(55) {
		e.raw("dimension_options", `{"0":{"name":"`+canaryText+` option","mbql":null}}`)
	}
	e.close()
}

func (x *exchange) tableKeys() {
	t := x.findTable()
	if t == nil {
		return
	}
	own := map[int]bool{}
	for _, f := range t.Fields {
		own[f.ID] = true
	}
	e := x.startJSON()
	e.openList()
	for _, from := range x.w.Tables {
		for _, f := range from.Fields {
			if !own[f.FKTargetID] || f.Inactive {
				continue
			}
			e.open()
			e.text("relationship", "Mt1")
			e.int("origin_id", f.ID)
			e.key("origin")
			x.fieldFull(e, f)
			e.int("destination_id", f.FKTargetID)
			e.key("destination")
			x.fieldFull(e, x.w.Field(f.FKTargetID))
			e.close()
		}
	}
	e.closeList()
}

func (x *exchange) getField() {
	id, ok := x.id(0, nil)
	if !ok {
		return
	}
	f := x.w.Field(id)
	switch {
	case f == nil:
		x.notFound()
	case !x.canReadTable(x.w.Table(f.TableID)):
		x.forbidden()
	default:
		x.fieldFull(x.startJSON(), f)
	}
}

func (x *exchange) permissionsGraph() {
	e := x.startJSON()
	e.open()
	e.int("revision", 9)
	e.obj("groups")
	for _, g := range x.w.Groups {
		e.key(strconv.Itoa(g.ID))
		e.b = append(e.b, '{')
		for _, d := range x.w.Databases {
			if d.Audit {
				continue
			}
			e.key(strconv.Itoa(d.ID))
			e.b = append(e.b, '{')
			if x.v.until(49) {
				x.oldGrant(e, g, d)
			} else {
				x.newGrant(e, g, d)
			}
			e.close()
		}
		e.close()
	}
	e.close()
	e.close()
}

func (x *exchange) grantsOf(g *Group, d *Database) (whole DataGrant, parts []DataGrant, found bool) {
	if g.ID == GroupAdministrators {
		return DataGrant{ViewData: "unrestricted", CreateQueries: "query-builder-and-native"}, nil, true
	}
	for _, grant := range x.w.DataAccess {
		if grant.GroupID != g.ID || grant.DatabaseID != d.ID {
			continue
		}
		if grant.Schema == "" && grant.TableID == 0 {
			whole, found = grant, true
		} else {
			parts = append(parts, grant)
		}
	}
	return whole, parts, found
}

func (x *exchange) newGrant(e *encoder, g *Group, d *Database) {
	whole, parts, found := x.grantsOf(g, d)
	if len(parts) > 0 {
		for _, kind := range []string{"view-data", "create-queries"} {
			e.obj(kind)
			schemas := map[string][]DataGrant{}
			for _, p := range parts {
				schema := p.Schema
				if t := x.w.Table(p.TableID); t != nil {
					schema = t.Schema
				}
				schemas[schema] = append(schemas[schema], p)
			}
			for _, schema := range sortedKeys(schemas) {
				e.textKey(schema)
				tables := false
				for _, p := range schemas[schema] {
					value := p.ViewData
					if kind == "create-queries" {
						value = p.CreateQueries
					}
					if p.TableID == 0 {
						e.b = appendText(e.b, value)
						break
					}
					if !tables {
						tables = true
						e.b = append(e.b, '{')
					}
					e.text(strconv.Itoa(p.TableID), value)
				}
				if tables {
					e.close()
				}
			}
			e.close()
		}
		return
	}
	if !found {
		e.text("view-data", "blocked")
		e.text("create-queries", "no")
		return
	}
	e.text("view-data", whole.ViewData)
	e.text("create-queries", whole.CreateQueries)
	e.obj("download")
	e.text("schemas", "full")
	e.close()
}

func (x *exchange) oldGrant(e *encoder, g *Group, d *Database) {
	whole, _, found := x.grantsOf(g, d)
	if !found || whole.ViewData == "blocked" {
		return
	}
	e.obj("data")
	if whole.CreateQueries == "query-builder-and-native" {
		e.text("native", "write")
	}
	e.text("schemas", "all")
	e.close()
}
