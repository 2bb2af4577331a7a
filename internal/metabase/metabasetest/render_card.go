package metabasetest

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// shape says where a card is rendered.
type shape int

const (
	inList      shape = iota // GET /card
	inDetail                 // GET /card/:id
	inDashboard              // dashcards[].card, series[]
)

func (x *exchange) dialect() *dialect {
	x.ids.state = splitmix(x.ids.state)
	return &dialect{w: x.w, five: x.v.mbql5(), measures: x.v.from(59), metrics: x.v.metricCards(), ids: x.ids}
}

// converted reports whether a card was saved before MBQL 5, so that the server
// converts its query on each read with fresh random ids.
func converted(c *Card) bool {
	v := parseVersion(cmp.Or(c.SavedIn, "0.50"), 0, false)
	return v.major < 57
}

func (x *exchange) card(e *encoder, c *Card, in shape, legacy bool) {
	w, v := x.w, x.v
	e.open()
	e.time("cache_invalidated_at", time.Time{})
	e.orNull("description", c.Description)
	e.bool("archived", c.Archived)
	e.idOrNull("collection_position", c.Position)
	table := c.Query.mainTable()
	e.idOrNull("table_id", table)
	if v.from(50) {
		e.long("view_count", c.ViewCount)
		used := c.LastUsedAt
		if used.IsZero() {
			used = w.Upgraded
			if c.CreatedAt.After(used) {
				used = c.CreatedAt
			}
		}
		e.time("last_used_at", used)
	}
	if v.from(53) {
		e.idOrNull("source_card_id", c.Query.sourceCard())
		e.idOrNull("dashboard_id", c.DashboardID)
	}
	x.results(e, c)
	if v.from(58) {
		e.int("dependency_analysis_version", 0)
	}
	e.time("initially_published_at", time.Time{})
	e.bool("can_write", x.canWrite(x.home(c)))
	if v.from(55) {
		e.int("card_schema", min(20+(v.major-55), 24))
	}
	db := 0
	if c.Query != nil {
		db = c.Query.DatabaseID
	}
	e.idOrNull("database_id", db)
	e.bool("enable_embedding", c.Embedded)
	if v.from(57) {
		if c.Embedded {
			e.text("embedding_type", "static-legacy")
		} else {
			e.null("embedding_type")
		}
	}
	embeddingParams(e, c.EmbeddingParams)
	e.idOrNull("collection_id", c.CollectionID)
	switch {
	case c.Query == nil:
		e.null("query_type")
	case c.Query.IsNative() && len(c.Query.Stages) == 1:
		e.text("query_type", "native")
	default:
		e.text("query_type", "query")
	}
	e.text("name", c.Name)
	if v.from(57) {
		e.idOrNull("document_id", c.DocumentID)
	}
	if v.until(49) {
		e.bool("dataset", c.Type == CardModel)
	}
	if v.from(49) {
		e.text("type", c.Type)
	}
	e.int("creator_id", c.CreatorID)
	e.time("updated_at", c.UpdatedAt)
	e.idOrNull("made_public_by_id", c.MadePublicBy)
	e.idOrNull("cache_ttl", c.CacheTTL)
	d := x.dialect()
	if legacy {
		d.five = false
	}
	was := converted(c)
	if !was {
		d.ids = uuids{mix("card", c.ID)}
	}
	e.key("dataset_query")
	d.query(e, c.Query, was)
	if v.legacyQuery() {
		if was && c.Query != nil {
			old := encoder{}
			o := *d
			o.five = false
			o.query(&old, c.Query, false)
			e.text("legacy_query", string(old.b))
		} else {
			e.null("legacy_query")
		}
	}
	e.int("id", c.ID)
	x.mappings(e, "parameter_mappings", c.Mappings)
	e.text("display", c.Display)
	if v.archivedDirectly() {
		e.bool("archived_directly", c.ArchivedDirectly)
	}
	e.text("entity_id", c.EntityID)
	e.bool("collection_preview", true)
	settings(e, c.ID, c.Settings, nil)
	saved := cmp.Or(c.SavedIn, "0.50.5")
	if v.from(49) {
		e.text("metabase_version", "v"+saved+" (48f6978)")
	}
	x.parameters(e, c.Parameters)
	e.time("created_at", c.CreatedAt)
	e.orNull("public_uuid", c.PublicUUID)
	switch in {
	case inDashboard:
		e.key("query_average_duration")
		if c.AverageQueryTime > 0 {
			e.b = appendNumber(e.b, c.AverageQueryTime)
		} else {
			e.b = append(e.b, "null"...)
		}
		moderation(e, c.ID, "card", c.Verified, c.UpdatedAt)
	case inList:
		x.creator(e, c.CreatorID)
		x.collectionOf(e, c.CollectionID)
		x.edited(e, c.EditorID, c.EditedAt)
	case inDetail:
		x.creator(e, c.CreatorID)
		x.collectionOf(e, c.CollectionID)
		x.edited(e, c.EditorID, c.EditedAt)
		x.cardDetail(e, c)
	}
	e.close()
}

func (x *exchange) cardDetail(e *encoder, c *Card) {
	e.bool("can_run_adhoc_query", true)
	if x.v.archivedDirectly() {
		e.bool("can_restore", c.Archived)
		e.bool("can_delete", c.Archived)
	}
	if x.v.from(54) {
		e.bool("can_manage_db", x.who.Admin)
	}
	if x.v.dashboardQuestions() {
		x.dashboardStub(e, c)
	}
	e.time("last_query_start", c.LastQueryStart)
	e.int("dashboard_count", x.w.dashboardCount(c.ID))
	e.key("average_query_time")
	if c.AverageQueryTime > 0 {
		e.b = strconv.AppendFloat(e.b, c.AverageQueryTime, 'f', 1, 64)
	} else {
		e.b = append(e.b, "null"...)
	}
	moderation(e, c.ID, "card", c.Verified, c.UpdatedAt)
	e.int("parameter_usage_count", x.w.parameterUses(c.ID))
	if c.Type == CardModel {
		e.bool("persisted", c.Persisted)
	}
	if x.v.from(58) {
		e.bool("is_remote_synced", false)
	}
}

func (x *exchange) dashboardStub(e *encoder, c *Card) {
	d := x.w.Dashboard(c.DashboardID)
	if d == nil {
		e.null("dashboard")
		return
	}
	e.obj("dashboard")
	e.int("id", d.ID)
	e.text("name", d.Name)
	if d.Verified {
		e.text("moderation_status", "verified")
	} else {
		e.null("moderation_status")
	}
	e.close()
}

func embeddingParams(e *encoder, params map[string]string) {
	if params == nil {
		e.null("embedding_params")
		return
	}
	e.obj("embedding_params")
	keys := make([]string, 0, len(params))
	for k := range params {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		e.textKey(k)
		e.b = appendText(e.b, params[k])
	}
	e.close()
}

func moderation(e *encoder, id int, kind string, verified bool, at time.Time) {
	e.list("moderation_reviews")
	if verified {
		e.open()
		e.int("id", id*2+1)
		e.text("status", "verified")
		e.bool("most_recent", true)
		e.int("moderator_id", 1)
		e.int("moderated_item_id", id)
		e.text("moderated_item_type", kind)
		e.text("text", canaryText+" reviewed with the numbers of last month")
		e.time("created_at", at)
		e.time("updated_at", at)
		e.close()
	}
	e.closeList()
}

func (x *exchange) mappings(e *encoder, key string, list []Mapping) {
	e.list(key)
	for i := range list {
		m := &list[i]
		e.open()
		e.text("parameter_id", m.ParameterID)
		e.idOrNull("card_id", m.CardID)
		e.key("target")
		x.target(e, m.Target)
		e.close()
	}
	e.closeList()
}

// target writes a parameter target, which keeps the old argument order in every
// version.
func (x *exchange) target(e *encoder, t Target) {
	e.openList()
	switch {
	case t.Tag != "":
		e.elemText("dimension")
		e.elemRaw(`["template-tag",` + string(appendText(nil, t.Tag)) + `]`)
	case t.Variable != "":
		e.elemText("variable")
		e.elemRaw(`["template-tag",` + string(appendText(nil, t.Variable)) + `]`)
	case t.TextTag != "":
		e.elemText("text-tag")
		e.elemText(t.TextTag)
	case t.Legacy:
		e.elemText("dimension")
		e.elemRaw(`["field-id",` + strconv.Itoa(t.Field.ID) + `]`)
	default:
		e.elemText("dimension")
		(&dialect{w: x.w}).clause(e, t.Field, "")
		if x.v.from(52) {
			e.elemRaw(`{"stage-number":0}`)
		}
	}
	e.closeList()
}

func (x *exchange) parameters(e *encoder, list []Parameter) {
	e.list("parameters")
	for i := range list {
		p := &list[i]
		e.open()
		e.text("id", p.ID)
		e.text("name", p.Name)
		e.text("slug", cmp.Or(p.Slug, slugOf(p.Name)))
		e.text("type", p.Type)
		if p.Required {
			e.bool("required", true)
		}
		if p.HasDefault {
			e.raw("default", `["`+canaryText+` default"]`)
		}
		if len(p.LinkedTo) > 0 {
			e.list("filteringParameters")
			for _, id := range p.LinkedTo {
				e.elemText(id)
			}
			e.closeList()
		}
		switch {
		case p.SourceCardID != 0:
			e.text("values_query_type", "list")
			e.text("values_source_type", "card")
			e.obj("values_source_config")
			e.int("card_id", p.SourceCardID)
			e.raw("value_field", `["field",`+string(appendText(nil, p.ValueField))+`,{"base-type":"type/Text"}]`)
			e.close()
		case p.StaticValues != nil:
			e.text("values_query_type", "list")
			e.text("values_source_type", "static-list")
			e.obj("values_source_config")
			e.list("values")
			for range p.StaticValues {
				e.elemText(canaryText + " static value")
			}
			e.closeList()
			e.close()
		}
		if p.Tag != "" {
			kind := "variable"
			if p.TagIsField {
				kind = "dimension"
			}
			e.raw("target", `["`+kind+`",["template-tag",`+string(appendText(nil, p.Tag))+`]]`)
		}
		e.close()
	}
	e.closeList()
}

// results writes result_metadata with planted fingerprints.
func (x *exchange) results(e *encoder, c *Card) {
	if c.ResultsUnknown || c.Query == nil {
		e.null("result_metadata")
		return
	}
	e.list("result_metadata")
	for i := range c.Results {
		r := &c.Results[i]
		e.open()
		f := x.w.fields[r.FieldID]
		e.text("display_name", cmp.Or(r.DisplayName, displayOf(r.Name)))
		e.list("field_ref")
		e.elemText("field")
		if f != nil {
			e.elemInt(f.ID)
			e.elemRaw("null")
		} else {
			e.elemText(r.Name)
			e.elemRaw(`{"base-type":` + string(appendText(nil, r.BaseType)) + `}`)
		}
		e.closeList()
		e.text("name", r.Name)
		e.text("base_type", r.BaseType)
		e.text("effective_type", r.BaseType)
		e.orNull("semantic_type", r.SemanticType)
		if f != nil {
			e.orNull("description", cmp.Or(r.Description, f.Description))
			e.null("coercion_strategy")
			e.null("settings")
			e.idOrNull("fk_target_field_id", f.FKTargetID)
			e.int("id", f.ID)
			e.text("visibility_type", cmp.Or(f.Visibility, "normal"))
		} else if r.Description != "" {
			e.text("description", r.Description)
		}
		fingerprint(e, r.BaseType, r.FieldID+c.ID*7+i)
		if x.v.from(60) && !converted(c) {
			e.text("lib/desired-column-alias", r.Name)
			e.raw(":fingerprint", `{"global":{"distinct-count":`+canaryCount+`}}`)
			e.raw("lib/external-remap", `{"lib/type":"metadata.column.remapping/external","values":["`+canaryText+` remapped"]}`)
		}
		e.close()
	}
	e.closeList()
}

// fingerprint writes statistics of a column, the planted values among them.
func fingerprint(e *encoder, baseType string, seed int) {
	r := splitmix(uint64(seed))
	e.obj("fingerprint")
	e.obj("global")
	e.raw("distinct-count", canaryCount)
	e.float("nil%", float64(r%100)/100)
	e.close()
	switch baseType {
	case "type/Integer", "type/BigInteger", "type/Decimal", "type/Float":
		e.obj("type")
		e.obj("type/Number")
		e.float("min", float64(r%50))
		e.float("q1", float64(r%50)+12.25)
		e.float("q3", float64(r%50)+88.75)
		e.raw("max", canaryNumber)
		e.float("sd", 28.719704534890823)
		e.float("avg", float64(r%50)+50.5)
		e.close()
		e.close()
	case "type/Date", "type/DateTime", "type/DateTimeWithLocalTZ", "type/DateTimeWithTZ":
		e.obj("type")
		e.obj("type/DateTime")
		e.text("earliest", canaryTime)
		e.text("latest", "2023-01-31T00:00:00Z")
		e.close()
		e.close()
	case "type/Text":
		e.obj("type")
		e.obj("type/Text")
		e.float("percent-json", 0)
		e.float("percent-url", 0)
		e.float("percent-email", float64(r%3)/100)
		e.float("percent-state", 0.02)
		e.raw("average-length", canaryWord)
		e.close()
		e.close()
	}
	e.close()
}

// mainTable is what Metabase denormalises into table_id: the first table of a
// structured query.
func (q *Query) mainTable() int {
	if q == nil || len(q.Stages) == 0 || q.IsNative() {
		return 0
	}
	return q.Stages[0].SourceTable
}

func (q *Query) sourceCard() int {
	if q == nil || len(q.Stages) == 0 {
		return 0
	}
	return q.Stages[0].SourceCard
}
