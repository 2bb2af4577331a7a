package metabasetest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// collectionRow writes the columns of a collection into an open object.
func (x *exchange) collectionRow(e *encoder, c *Collection) {
	if c.Official {
		e.text("authority_level", "official")
	} else {
		e.null("authority_level")
	}
	e.orNull("description", c.Description)
	e.bool("archived", c.Archived)
	e.text("slug", c.Slug)
	e.text("name", c.Name)
	e.idOrNull("personal_owner_id", c.OwnerID)
	e.orNull("type", c.Type)
	e.bool("is_sample", c.Sample)
	e.int("id", c.ID)
	e.text("entity_id", c.EntityID)
	e.text("location", x.w.location(c))
	e.orNull("namespace", c.Namespace)
	e.bool("is_personal", x.w.owner(c.ID) != 0)
	e.time("created_at", c.CreatedAt)
	if x.v.archivedDirectly() {
		e.null("archive_operation_id")
		if c.Archived {
			e.bool("archived_directly", c.ArchivedDirectly)
		} else {
			e.null("archived_directly")
		}
	}
}

// location is the path of ancestor ids, "/" for top-level collections.
func (w *World) location(c *Collection) string {
	loc := "/"
	path := w.path(c.ID)
	for _, up := range path[:max(len(path)-1, 0)] {
		loc += strconv.Itoa(up.ID) + "/"
	}
	return loc
}

func (x *exchange) collectionFull(e *encoder, c *Collection) {
	e.open()
	x.collectionRow(e, c)
	e.bool("can_write", x.canWrite(c.ID))
	if x.v.archivedDirectly() {
		e.bool("can_delete", false)
	}
	if x.v.from(58) {
		e.bool("is_remote_synced", c.RemoteSynced)
	}
}

func (x *exchange) rootCollection(e *encoder) {
	e.open()
	e.null("authority_level")
	e.bool("can_write", x.canWrite(RootCollection))
	e.text("name", "Our analytics")
	e.list("effective_ancestors")
	e.closeList()
	e.null("effective_location")
	e.null("parent_id")
	e.text("id", "root")
	e.bool("is_personal", false)
	if x.v.archivedDirectly() {
		e.bool("can_restore", false)
		e.bool("can_delete", false)
	}
	if x.v.from(58) {
		e.bool("is_remote_synced", false)
	}
	e.close()
}

var postgresFeatures = []string{
	"full-join", "basic-aggregations", "temporal-extract", "identifiers-with-spaces", "now", "convert-timezone",
	"nested-field-columns", "standard-deviation-aggregations", "persist-models", "actions", "expression-aggregations",
	"percentile-aggregations", "foreign-keys", "right-join", "left-join", "native-parameters", "schemas",
	"nested-queries", "expressions", "set-timezone", "regex", "case-sensitivity-string-filter-options", "binning",
	"datetime-diff", "inner-join", "advanced-math-expressions", "native-parameter-card-reference",
}

// databaseRow writes a database into an open object; its connection details go
// to callers who may edit it.
func (x *exchange) databaseRow(e *encoder, d *Database) {
	e.null("uploads_schema_name")
	e.orNull("description", d.Description)
	e.list("features")
	for _, f := range postgresFeatures {
		if f == "schemas" && (d.Engine == "mysql" || d.Engine == "mongo") {
			continue
		}
		e.elemText(f)
	}
	e.closeList()
	e.null("uploads_table_prefix")
	e.text("cache_field_values_schedule", "0 0 5 * * ? *")
	e.text("timezone", cmp.Or(d.Timezone, "UTC"))
	e.bool("is_attached_dwh", false)
	e.bool("auto_run_queries", true)
	e.text("metadata_sync_schedule", "0 11 * * * ? *")
	e.text("name", d.Name)
	e.null("settings")
	e.null("caveats")
	e.idOrNull("creator_id", d.CreatorID)
	e.bool("is_full_sync", true)
	e.time("updated_at", d.UpdatedAt)
	e.idOrNull("cache_ttl", d.CacheTTL)
	if x.who.Admin {
		e.obj("details")
		e.bool("ssl", true)
		e.text("password", "**MetabasePass**")
		e.int("port", 5432)
		e.text("dbname", canaryText+"_"+slugOf(d.Name))
		e.text("host", canaryText+".db.internal")
		e.bool("tunnel-enabled", false)
		e.text("user", canaryText+"_reader")
		e.close()
	}
	e.bool("is_sample", d.Sample)
	e.int("id", d.ID)
	e.bool("is_on_demand", false)
	e.text("engine", d.Engine)
	e.text("initial_sync_status", "complete")
	e.bool("is_audit", d.Audit)
	e.raw("dbms_version", `{"flavor":"`+d.Engine+`","version":"16.4 (`+canaryText+`)","semantic-version":[16,4]}`)
	e.bool("uploads_enabled", false)
	e.bool("refingerprint", false)
	e.time("created_at", d.CreatedAt)
	e.null("points_of_interest")
	if x.v.from(54) {
		e.null("router_database_id")
	}
	if x.v.from(55) {
		e.null("provider_name")
	}
}

func (x *exchange) databaseListed(e *encoder, d *Database) {
	e.open()
	x.databaseRow(e, d)
	if x.writesSQL(d.ID) {
		e.text("native_permissions", "write")
	} else {
		e.text("native_permissions", "none")
	}
	e.bool("can_upload", false)
	if x.v.from(54) {
		e.text("router_user_attribute", canaryText+"_tenant")
	}
}

// tableRow writes a table into an open object.
func (x *exchange) tableRow(e *encoder, t *Table) {
	v := x.v
	e.orNull("description", t.Description)
	e.text("entity_type", t.EntityType)
	if v.from(50) {
		e.long("view_count", t.ViewCount)
	}
	e.orNull("schema", t.Schema)
	if t.RequireFilter {
		e.bool("database_require_filter", true)
	} else {
		e.null("database_require_filter")
	}
	e.bool("show_in_getting_started", false)
	e.text("name", t.Name)
	e.null("caveats")
	e.time("updated_at", t.UpdatedAt)
	e.bool("active", !t.Inactive)
	e.int("id", t.ID)
	e.int("db_id", t.DatabaseID)
	e.orNull("visibility_type", t.Visibility)
	e.text("field_order", "database")
	e.bool("is_upload", t.Upload)
	e.text("initial_sync_status", "complete")
	e.text("display_name", t.DisplayName)
	e.time("created_at", t.CreatedAt)
	e.raw("estimated_row_count", canaryCount)
	e.null("points_of_interest")
	if v.from(57) {
		e.null("archived_at")
		if t.Inactive {
			e.time("deactivated_at", t.UpdatedAt)
		} else {
			e.null("deactivated_at")
		}
		e.text("data_authority", cmp.Or(t.DataAuthority, "unconfigured"))
		e.bool("is_writable", true)
	}
	if v.from(59) {
		e.text("data_layer", "internal")
		e.text("data_source", "ingested")
		e.idOrNull("owner_user_id", t.OwnerID)
		e.null("collection_id")
		e.bool("is_published", false)
		e.idOrNull("transform_id", t.TransformID)
		if p := x.w.Person(t.OwnerID); p != nil {
			e.text("owner_email", p.Email)
		} else {
			e.null("owner_email")
		}
	}
}

// fieldRow writes a field into an open object.
func (x *exchange) fieldRow(e *encoder, f *Field) {
	v := x.v
	e.orNull("description", f.Description)
	e.text("database_type", cmp.Or(f.DatabaseType, "text"))
	e.orNull("semantic_type", f.SemanticType)
	e.int("table_id", f.TableID)
	e.orNull("coercion_strategy", f.Coercion)
	nullableBool(e, "database_indexed", f.Indexed, f.Indexed)
	e.text("name", f.Name)
	e.int("fingerprint_version", 5)
	e.text("has_field_values", "list")
	e.null("settings")
	e.null("caveats")
	e.idOrNull("fk_target_field_id", f.FKTargetID)
	e.time("updated_at", f.UpdatedAt)
	e.int("custom_position", f.Position)
	e.text("effective_type", f.BaseType)
	e.bool("active", !f.Inactive)
	if f.NFCPath == nil {
		e.null("nfc_path")
	} else {
		e.list("nfc_path")
		for _, p := range f.NFCPath {
			e.elemText(p)
		}
		e.closeList()
	}
	e.idOrNull("parent_id", f.ParentID)
	e.int("id", f.ID)
	e.time("last_analyzed", f.UpdatedAt)
	nullableBool(e, "database_partitioned", f.Partitioned, f.Partitioned)
	e.bool("database_is_auto_increment", f.PrimaryKey)
	e.bool("json_unfolding", len(f.NFCPath) > 0)
	e.int("position", f.Position)
	e.text("visibility_type", cmp.Or(f.Visibility, "normal"))
	e.bool("preview_display", true)
	e.text("display_name", f.DisplayName)
	e.int("database_position", f.Position)
	e.bool("database_required", f.Required)
	fingerprint(e, f.BaseType, f.ID)
	e.time("created_at", f.UpdatedAt)
	e.text("base_type", f.BaseType)
	e.null("points_of_interest")
	if v.from(56) {
		e.bool("database_is_pk", f.PrimaryKey)
		if f.ID%4 == 0 {
			e.text("database_default", "'"+canaryText+" default'::text")
		} else {
			e.null("database_default")
		}
		e.bool("database_is_generated", false)
		e.bool("database_is_nullable", !f.NotNull)
	}
	if v.from(64) {
		e.text("data_sensitivity", cmp.Or(f.Sensitivity, "PUBLIC"))
		e.raw("dimension_interestingness", "0.5")
	}
}

func nullableBool(e *encoder, key string, known, value bool) {
	if known {
		e.bool(key, value)
		return
	}
	e.null(key)
}

// fieldFull writes a field with the target of its foreign key, as metadata
// answers do.
func (x *exchange) fieldFull(e *encoder, f *Field) {
	e.open()
	x.fieldRow(e, f)
	if t := x.w.Field(f.FKTargetID); t != nil {
		e.obj("target")
		x.fieldRow(e, t)
		e.null("name_field")
		e.close()
	} else {
		e.null("target")
	}
	e.close()
}

func (x *exchange) segmentsOf(e *encoder, t *Table) {
	e.list("segments")
	for _, s := range x.w.Segments {
		if s.TableID == t.ID && !s.Archived {
			x.segment(e, s)
		}
	}
	e.closeList()
	e.list("metrics")
	if x.v.until(49) {
		for _, m := range x.w.LegacyMetrics {
			if m.TableID == t.ID && !m.Archived {
				x.measure(e, m, true)
			}
		}
	}
	e.closeList()
	if x.v.from(59) {
		e.list("measures")
		for _, m := range x.w.Measures {
			if m.TableID == t.ID && !m.Archived {
				x.measure(e, m, false)
			}
		}
		e.closeList()
	}
}

// definition writes a segment's or measure's query: a bare MBQL 4 inner query
// up to 0.56, a whole MBQL 5 query later.
func (x *exchange) definition(e *encoder, id, table int, filters []Expr, aggregation *Expr) {
	stage := Stage{SourceTable: table, Filters: filters}
	if aggregation != nil {
		stage.Aggregation = []Expr{*aggregation}
	}
	db := 0
	if t := x.w.Table(table); t != nil {
		db = t.DatabaseID
	}
	d := x.dialect()
	d.ids = uuids{mix("definition", id)}
	e.key("definition")
	if d.five {
		d.query(e, &Query{DatabaseID: db, Stages: []Stage{stage}}, false)
		return
	}
	d.inner4(e, []Stage{stage})
}

func (x *exchange) segment(e *encoder, s *Segment) {
	e.open()
	e.orNull("description", s.Description)
	e.bool("archived", s.Archived)
	x.definition(e, s.ID, s.TableID, s.Filters, nil)
	e.text("definition_description", "Filtered by "+canaryText)
	e.int("table_id", s.TableID)
	e.null("caveats")
	e.int("creator_id", s.CreatorID)
	x.creator(e, s.CreatorID)
	e.time("updated_at", s.UpdatedAt)
	e.text("name", s.Name)
	e.text("entity_id", s.EntityID)
	e.bool("show_in_getting_started", false)
	e.int("id", s.ID)
	e.time("created_at", s.CreatedAt)
	e.null("points_of_interest")
	e.close()
}

func (x *exchange) measure(e *encoder, m *Measure, legacy bool) {
	e.open()
	e.orNull("description", m.Description)
	e.bool("archived", m.Archived)
	kind := 1
	if legacy {
		kind = 2
	}
	x.definition(e, m.ID*3+kind, m.TableID, m.Filters, &m.Aggregation)
	e.text("definition_description", "Sum where "+canaryText)
	e.int("table_id", m.TableID)
	e.int("creator_id", m.CreatorID)
	x.creator(e, m.CreatorID)
	e.time("updated_at", m.UpdatedAt)
	e.text("name", m.Name)
	e.text("entity_id", m.EntityID)
	e.int("id", m.ID)
	e.time("created_at", m.CreatedAt)
	if legacy {
		e.null("how_is_this_calculated")
		e.null("caveats")
		e.null("points_of_interest")
		e.bool("show_in_getting_started", false)
	} else {
		e.text("result_column_name", "sum")
		e.raw("dimensions", `[{"id":"d1","name":"x","values":["`+canaryText+`"]}]`)
	}
	e.close()
}
