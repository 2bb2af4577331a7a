package metabasetest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// searchModels are the values that models= takes in this version.
func (x *exchange) searchModels() []string {
	models := []string{"card", "dataset", "dashboard", "collection", "database", "table", "segment", "action", "indexed-entity", "pulse"}
	if x.v.from(50) {
		models = append(models, "metric")
	} else {
		models = append(models, "metric") // legacy metrics
	}
	if x.v.from(58) {
		models = append(models, "document")
	}
	if x.v.from(59) {
		models = append(models, "measure", "transform")
	}
	return models
}

type hit struct {
	model, name, desc string
	id, collection    int
	database          int
	card              *Card
	dashboard         *Dashboard
}

func (x *exchange) search() {
	models := x.qs("models")
	valid := x.searchModels()
	for _, m := range models {
		if !slices.Contains(valid, m) {
			x.invalid("models", "nullable vector of enum of "+strings.Join(valid, ", "))
			return
		}
	}
	wants := func(m string) bool { return len(models) == 0 || slices.Contains(models, m) }
	text := strings.ToLower(x.q("q"))
	archived := x.flag("archived")
	var hits []hit
	add := func(h hit) {
		if text == "" || strings.Contains(strings.ToLower(h.name), text) || strings.Contains(strings.ToLower(h.desc), text) {
			hits = append(hits, h)
		}
	}
	for _, c := range x.w.Cards {
		inside := c.DashboardID != 0 && x.v.dashboardQuestions() && !x.flag("include_dashboard_questions")
		if c.Archived == archived && !inside && wants(modelOf(c)) && x.exists(c) && x.canReadCard(c) {
			db := 0
			if c.Query != nil {
				db = c.Query.DatabaseID
			}
			add(hit{model: modelOf(c), name: c.Name, desc: c.Description, id: c.ID, collection: c.CollectionID, database: db, card: c})
		}
	}
	for _, d := range x.w.Dashboards {
		if d.Archived == archived && wants("dashboard") && x.canRead(d.CollectionID) {
			add(hit{model: "dashboard", name: d.Name, desc: d.Description, id: d.ID, collection: d.CollectionID, dashboard: d})
		}
	}
	for _, c := range x.w.Collections {
		if c.Archived == archived && c.Type != "trash" && c.Namespace == "" && wants("collection") && x.canRead(c.ID) {
			add(hit{model: "collection", name: c.Name, desc: c.Description, id: c.ID, collection: c.ID})
		}
	}
	if !archived {
		for _, t := range x.w.Tables {
			if wants("table") && x.listed(t, false) {
				add(hit{model: "table", name: t.DisplayName, desc: t.Description, id: t.ID, database: t.DatabaseID})
			}
		}
		for _, d := range x.w.Databases {
			if wants("database") && x.canReadDatabase(d.ID) && !d.Audit {
				add(hit{model: "database", name: d.Name, desc: d.Description, id: d.ID, database: d.ID})
			}
		}
		if wants("indexed-entity") {
			hits = append(hits, hit{model: "indexed-entity", name: canaryText + " customer", id: 1})
		}
	}
	if db, err := strconv.Atoi(x.q("table_db_id")); err == nil {
		hits = slices.DeleteFunc(hits, func(h hit) bool { return h.database != db })
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.id, b.id)) })
	total := len(hits)
	limit, offset, paged := window(x.req.Query)
	if !paged {
		limit, offset = 1000, 0
	}
	hits = page(hits, limit, offset)
	e := x.startJSON()
	e.open()
	e.int("total", total)
	e.list("data")
	for i := range hits {
		x.hit(e, &hits[i])
		x.spill()
	}
	e.closeList()
	e.int("limit", limit)
	e.int("offset", offset)
	kindList(e, "models", models)
	kindList(e, "available_models", valid)
	e.text("engine", "in-place")
	e.close()
}

func (x *exchange) hit(e *encoder, h *hit) {
	e.open()
	e.int("id", h.id)
	e.text("model", h.model)
	e.text("name", h.name)
	e.orNull("description", h.desc)
	e.bool("archived", false)
	x.collectionOf(e, h.collection)
	e.idOrNull("database_id", h.database)
	e.raw("scores", `[{"weight":2,"score":0.5,"name":"text","match":"`+canaryText+` match"}]`)
	switch {
	case h.card != nil:
		x.hitAuthor(e, h.card.CreatorID, h.card.EditorID, h.card.EditedAt, h.card.CreatedAt)
		e.text("display", h.card.Display)
		verified(e, h.card.Verified)
		e.int("dashboardcard_count", x.w.dashboardCount(h.card.ID))
		if x.v.from(50) {
			e.long("view_count", h.card.ViewCount)
		}
		e.text("dataset_query", `{"native":{"query":"select '`+canaryText+`'"}}`)
	case h.dashboard != nil:
		x.hitAuthor(e, h.dashboard.CreatorID, h.dashboard.EditorID, h.dashboard.EditedAt, h.dashboard.CreatedAt)
		if x.v.from(50) {
			e.long("view_count", h.dashboard.ViewCount)
		}
	}
	e.close()
}

func (x *exchange) hitAuthor(e *encoder, creator, editor int, edited, created time.Time) {
	e.time("created_at", created)
	e.int("creator_id", creator)
	if p := x.w.Person(creator); p != nil {
		e.text("creator_common_name", p.FullName())
	}
	e.time("last_edited_at", edited)
	e.idOrNull("last_editor_id", editor)
}

// stale is the paid list of things nobody uses.
func (x *exchange) stale() {
	before := x.s.now().AddDate(0, -6, 0)
	if t, err := time.Parse(time.DateOnly, x.q("before_date")); err == nil {
		before = t
	}
	type row struct {
		it   item
		used time.Time
	}
	var rows []row
	for _, c := range x.w.Cards {
		if !c.Archived && c.LastUsedAt.Before(before) && x.canReadCard(c) {
			rows = append(rows, row{x.cardItem(c), c.LastUsedAt})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.it.name, b.it.name) })
	total := len(rows)
	limit, offset, paged := window(x.req.Query)
	if paged {
		rows = page(rows, limit, offset)
	}
	e := x.startJSON()
	e.open()
	e.int("total", total)
	e.list("data")
	for i := range rows {
		x.item(e, &rows[i].it)
	}
	e.closeList()
	e.close()
}

func (x *exchange) revisions() {
	e := x.startJSON()
	e.openList()
	e.open()
	e.int("id", 1)
	e.time("timestamp", x.w.Epoch)
	e.bool("is_creation", true)
	e.bool("is_reversion", false)
	e.bool("most_recent", true)
	e.raw("user", `{"id":1,"common_name":"`+canaryText+`"}`)
	e.raw("diff", `{"before":{"name":"`+canaryText+`"},"after":{}}`)
	e.text("description", canaryText+" renamed it")
	e.close()
	e.closeList()
}

func (x *exchange) caches() {
	x.startJSON().elemRaw(`{"data":[{"model":"root","model_id":0,"strategy":{"type":"nocache"}}]}`)
}

func (x *exchange) persisted() {
	e := x.startJSON()
	e.open()
	e.list("data")
	n := 0
	for _, c := range x.w.Cards {
		if !c.Persisted {
			continue
		}
		n++
		e.open()
		e.int("card_id", c.ID)
		if c.Query != nil {
			e.int("database_id", c.Query.DatabaseID)
		}
		e.text("state", "persisted")
		e.bool("active", true)
		e.text("error", canaryText+" error")
		e.close()
	}
	e.closeList()
	pageEnd(e, n, 0, 0, false)
	e.close()
}

func (x *exchange) emptyList() { x.startJSON().elemRaw("[]") }

func (x *exchange) emptyPage() {
	x.startJSON().elemRaw(`{"data":[],"total":0,"limit":null,"offset":null}`)
}

func (x *exchange) openapi() {
	e := x.startJSON()
	e.open()
	e.text("openapi", "3.1.0")
	e.obj("info")
	e.text("title", "Metabase API")
	e.text("version", x.v.tag)
	e.close()
	e.obj("paths")
	for _, rt := range x.s.routes {
		if rt.has(x.v) && (rt.feature == "" || x.v.enterprise) {
			e.textKey(braces(rt.pattern))
			e.b = append(e.b, `{"get":{}}`...)
		}
	}
	e.close()
	e.close()
}

// braces writes a pattern as OpenAPI does.
func braces(pattern string) string {
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") {
			parts[i] = "{" + p[1:] + "}"
		}
	}
	return strings.Join(parts, "/")
}
