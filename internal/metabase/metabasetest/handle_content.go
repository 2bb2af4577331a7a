package metabasetest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
)

func (x *exchange) listCards() {
	f := cmp.Or(x.q("f"), "all")
	model, err := strconv.Atoi(x.q("model_id"))
	needsModel := f == "database" || f == "table" || f == "using_model" || f == "using_segment" || f == "using_metric"
	if needsModel && err != nil {
		x.invalid("model_id", "model_id is a required parameter when filter mode is '"+f+"'")
		return
	}
	var keep func(*Card) bool
	switch {
	case f == "all":
		keep = func(c *Card) bool { return !c.Archived }
	case f == "archived":
		keep = func(c *Card) bool { return c.Archived }
	case f == "mine":
		keep = func(c *Card) bool { return !c.Archived && c.CreatorID == x.who.PersonID }
	case f == "bookmarked":
		keep = func(*Card) bool { return false }
	case f == "database":
		keep = func(c *Card) bool { return !c.Archived && c.Query != nil && c.Query.DatabaseID == model }
	case f == "table":
		keep = func(c *Card) bool { return !c.Archived && c.Query.mainTable() == model }
	case f == "using_model":
		keep = func(c *Card) bool { return !c.Archived && slices.Contains(c.Query.references().cards, model) }
	case f == "using_segment" && x.v.from(49):
		keep = func(c *Card) bool { return !c.Archived && slices.Contains(c.Query.references().segments, model) }
	case f == "using_metric" && x.v.from(49) && x.v.until(58):
		keep = func(c *Card) bool { return !c.Archived && slices.Contains(c.Query.references().metrics, model) }
	case (f == "popular" || f == "recent") && x.v.until(47):
		keep = func(c *Card) bool { return !c.Archived && (f == "popular" || c.ViewCount > 0) }
	default:
		x.invalid("f", "nullable enum of archived, table, using_model, bookmarked, all, mine, database")
		return
	}
	cards := slices.Clone(x.w.Cards)
	slices.SortStableFunc(cards, func(a, b *Card) int {
		if f == "popular" || f == "recent" {
			return cmp.Compare(b.ViewCount, a.ViewCount)
		}
		return cmp.Compare(a.Name, b.Name)
	})
	e := x.startJSON()
	e.openList()
	n := 0
	for _, c := range cards {
		if !keep(c) || !x.exists(c) || !x.canReadCard(c) {
			continue
		}
		if n++; f == "recent" && n > 10 {
			break
		}
		x.card(e, c, inList, false)
		x.spill()
	}
	e.closeList()
}

func (x *exchange) findCard() *Card {
	id, ok := x.id(0, func(entity string) int {
		for _, c := range x.w.Cards {
			if c.EntityID == entity {
				return c.ID
			}
		}
		return 0
	})
	if !ok {
		return nil
	}
	c := x.w.Card(id)
	switch {
	case c == nil || !x.exists(c):
		x.notFound()
		return nil
	case !x.canReadCard(c):
		x.forbidden()
		return nil
	}
	return c
}

func (x *exchange) getCard() {
	c := x.findCard()
	if c == nil {
		return
	}
	x.card(x.startJSON(), c, inDetail, x.v.mbql5() && x.flag("legacy-mbql"))
	if x.v.countsCardViews() && x.q("ignore_view") != "true" {
		x.after = func(w *World) {
			if c := w.Card(c.ID); c != nil {
				c.ViewCount++
			}
		}
	}
}

func (x *exchange) getCardDashboards() {
	c := x.findCard()
	if c == nil {
		return
	}
	var on []*Dashboard
	for _, d := range x.w.Dashboards {
		if slices.ContainsFunc(d.Cards, func(dc *Dashcard) bool { return dc.CardID == c.ID || slices.Contains(dc.Series, c.ID) }) {
			if !x.canWrite(d.CollectionID) {
				x.forbidden()
				return
			}
			on = append(on, d)
		}
	}
	e := x.startJSON()
	e.openList()
	for _, d := range on {
		e.open()
		e.text("name", d.Name)
		e.int("id", d.ID)
		e.close()
	}
	e.closeList()
}

func (x *exchange) publicCards() {
	e := x.startJSON()
	e.openList()
	for _, c := range x.w.Cards {
		if c.PublicUUID != "" && !c.Archived && x.exists(c) {
			publicRow(e, c.ID, c.Name, c.PublicUUID)
		}
	}
	e.closeList()
}

func (x *exchange) embeddableCards() {
	e := x.startJSON()
	e.openList()
	for _, c := range x.w.Cards {
		if c.Embedded && !c.Archived && x.exists(c) {
			publicRow(e, c.ID, c.Name, "")
		}
	}
	e.closeList()
}

func publicRow(e *encoder, id int, name, uuid string) {
	e.open()
	e.text("name", name)
	e.int("id", id)
	if uuid != "" {
		e.text("public_uuid", uuid)
	}
	e.close()
}

func (x *exchange) listDashboards() {
	f := cmp.Or(x.q("f"), "all")
	if f != "all" && f != "mine" && f != "archived" {
		x.invalid("f", "nullable enum of all, mine, archived")
		return
	}
	dashboards := slices.Clone(x.w.Dashboards)
	slices.SortStableFunc(dashboards, func(a, b *Dashboard) int { return cmp.Compare(a.Name, b.Name) })
	e := x.startJSON()
	e.openList()
	for _, d := range dashboards {
		if d.Archived != (f == "archived") || f == "mine" && d.CreatorID != x.who.PersonID || !x.canRead(d.CollectionID) {
			continue
		}
		x.dashboard(e, d, false)
		x.spill()
	}
	e.closeList()
}

func (x *exchange) findDashboard() *Dashboard {
	id, ok := x.id(0, func(entity string) int {
		for _, d := range x.w.Dashboards {
			if d.EntityID == entity {
				return d.ID
			}
		}
		return 0
	})
	if !ok {
		return nil
	}
	d := x.w.Dashboard(id)
	switch {
	case d == nil:
		x.notFound()
		return nil
	case !x.canRead(d.CollectionID):
		x.forbidden()
		return nil
	}
	return d
}

func (x *exchange) getDashboard() {
	d := x.findDashboard()
	if d == nil {
		return
	}
	x.dashboard(x.startJSON(), d, true)
	x.after = func(w *World) {
		if d := w.Dashboard(d.ID); d != nil {
			d.ViewCount++
		}
	}
}

func (x *exchange) dashboardItems() {
	d := x.findDashboard()
	if d == nil {
		return
	}
	var items []item
	for _, c := range x.w.Cards {
		if c.DashboardID == d.ID && !c.Archived {
			items = append(items, x.cardItem(c))
		}
	}
	x.itemPage(items, nil)
}

func (x *exchange) publicDashboards() {
	e := x.startJSON()
	e.openList()
	for _, d := range x.w.Dashboards {
		if d.PublicUUID != "" && !d.Archived {
			publicRow(e, d.ID, d.Name, d.PublicUUID)
		}
	}
	e.closeList()
}

func (x *exchange) embeddableDashboards() {
	e := x.startJSON()
	e.openList()
	for _, d := range x.w.Dashboards {
		if d.Embedded && !d.Archived {
			publicRow(e, d.ID, d.Name, "")
		}
	}
	e.closeList()
}

func (x *exchange) listSegments() {
	e := x.startJSON()
	e.openList()
	for _, s := range x.w.Segments {
		if t := x.w.Table(s.TableID); t != nil && !s.Archived && x.canReadTable(t) {
			x.segment(e, s)
		}
	}
	e.closeList()
}

func (x *exchange) listMeasures(list func(*World) []*Measure, legacy bool) {
	e := x.startJSON()
	e.openList()
	for _, m := range list(x.w) {
		if t := x.w.Table(m.TableID); t != nil && !m.Archived && x.canReadTable(t) {
			x.measure(e, m, legacy)
		}
	}
	e.closeList()
}

// listMetricCards is GET /metric as it means from 0.60: a paged light list of
// metric cards.
func (x *exchange) listMetricCards() {
	var cards []*Card
	for _, c := range x.w.Cards {
		if c.Type == CardMetric && !c.Archived && x.canReadCard(c) {
			cards = append(cards, c)
		}
	}
	total := len(cards)
	limit, offset, paged := window(x.req.Query)
	if paged {
		cards = page(cards, limit, offset)
	}
	e := x.startJSON()
	e.open()
	e.list("data")
	for _, c := range cards {
		e.open()
		e.int("id", c.ID)
		e.text("name", c.Name)
		e.orNull("description", c.Description)
		e.idOrNull("collection_id", c.CollectionID)
		x.collectionOf(e, c.CollectionID)
		e.close()
	}
	e.closeList()
	pageEnd(e, total, limit, offset, paged)
	e.close()
}

func page[T any](list []T, limit, offset int) []T {
	if offset >= len(list) {
		return nil
	}
	return list[offset:min(offset+limit, len(list))]
}

func pageEnd(e *encoder, total, limit, offset int, paged bool) {
	e.int("total", total)
	if paged {
		e.int("limit", limit)
		e.int("offset", offset)
	} else {
		e.null("limit")
		e.null("offset")
	}
}

func (x *exchange) listSnippets() {
	if !x.writesSQL(0) {
		x.startJSON().elemRaw("[]")
		return
	}
	archived := x.flag("archived")
	e := x.startJSON()
	e.openList()
	for _, s := range x.w.Snippets {
		if s.Archived != archived {
			continue
		}
		e.open()
		e.text("name", s.Name)
		e.orNull("description", s.Description)
		e.text("content", s.Content)
		e.bool("archived", s.Archived)
		e.idOrNull("collection_id", s.CollectionID)
		e.int("creator_id", s.CreatorID)
		x.creator(e, s.CreatorID)
		e.text("entity_id", s.EntityID)
		if x.v.from(57) {
			e.raw("template_tags", "{}")
		}
		e.int("id", s.ID)
		e.time("created_at", s.CreatedAt)
		e.time("updated_at", s.UpdatedAt)
		e.close()
	}
	e.closeList()
}

func (x *exchange) listTimelines() {
	archived := x.flag("archived")
	e := x.startJSON()
	e.openList()
	for _, t := range x.w.Timelines {
		if t.Archived != archived || !x.canRead(t.CollectionID) {
			continue
		}
		e.open()
		e.int("id", t.ID)
		e.text("name", t.Name)
		e.null("description")
		e.text("icon", "star")
		e.idOrNull("collection_id", t.CollectionID)
		e.bool("archived", t.Archived)
		e.bool("default", false)
		e.int("creator_id", t.CreatorID)
		e.text("entity_id", t.EntityID)
		e.time("created_at", t.CreatedAt)
		e.time("updated_at", t.CreatedAt)
		if x.q("include") == "events" {
			e.list("events")
			for i, name := range t.Events {
				e.open()
				e.int("id", t.ID*100+i)
				e.text("name", name+" "+canaryText)
				e.time("timestamp", t.CreatedAt)
				e.close()
			}
			e.closeList()
		}
		e.close()
	}
	e.closeList()
}

func (x *exchange) listTransforms() {
	e := x.startJSON()
	e.openList()
	for _, t := range x.w.Transforms {
		e.open()
		e.int("id", t.ID)
		e.text("name", t.Name)
		e.orNull("description", t.Description)
		e.text("entity_id", t.EntityID)
		e.obj("source")
		kind := "native"
		if t.Query != nil {
			e.text("type", "query")
			e.key("query")
			d := x.dialect()
			d.ids = uuids{mix("transform", t.ID)}
			d.query(e, t.Query, false)
			if !t.Query.IsNative() {
				kind = "mbql"
			}
		} else {
			kind = "python"
			e.text("type", "python")
			e.text("body", t.Python)
			e.obj("source-tables")
			for _, name := range sortedKeys(t.SourceTables) {
				e.textKey(name)
				e.b = strconv.AppendInt(e.b, int64(t.SourceTables[name]), 10)
			}
			e.close()
		}
		e.close()
		e.obj("target")
		e.text("type", "table")
		e.orNull("schema", t.TargetSchema)
		e.text("name", t.TargetTable)
		e.int("database", t.DatabaseID)
		e.close()
		e.text("source_type", kind)
		e.int("source_database_id", t.DatabaseID)
		e.raw("tag_ids", "[]")
		e.idOrNull("collection_id", t.CollectionID)
		e.int("creator_id", t.CreatorID)
		x.creator(e, t.CreatorID)
		e.raw("last_run", `{"id":1,"status":"succeeded","message":"`+canaryText+` wrote rows","checkpoint_hi_value":"`+canaryTime+`"}`)
		e.text("last_checkpoint_value", canaryTime)
		e.time("created_at", t.CreatedAt)
		e.time("updated_at", t.UpdatedAt)
		e.close()
	}
	e.closeList()
}

func (x *exchange) listActions() {
	model, _ := strconv.Atoi(x.q("model-id"))
	e := x.startJSON()
	e.openList()
	for _, a := range x.w.Actions {
		c := x.w.Card(a.ModelID)
		if a.Archived || c == nil || !x.canReadCard(c) || model != 0 && model != a.ModelID {
			continue
		}
		e.open()
		e.int("id", a.ID)
		e.int("model_id", a.ModelID)
		e.text("name", a.Name)
		e.text("type", a.Type)
		e.null("description")
		e.text("entity_id", a.EntityID)
		e.bool("archived", false)
		e.int("creator_id", a.CreatorID)
		x.creator(e, a.CreatorID)
		e.orNull("public_uuid", a.PublicUUID)
		e.raw("parameters", `[{"id":"id","type":"number/=","default":"`+canaryText+`"}]`)
		e.raw("visualization_settings", `{"fields":{"id":{"defaultValue":"`+canaryText+`"}}}`)
		switch a.Type {
		case "query":
			e.int("database_id", a.DatabaseID)
			e.key("dataset_query")
			d := x.dialect()
			d.ids = uuids{mix("action", a.ID)}
			d.query(e, Native(a.DatabaseID, a.SQL), false)
		case "http":
			e.raw("template", `{"method":"POST","url":"https://hooks.example.com/`+canaryText+`","headers":"{\"Authorization\":\"`+canaryText+`\"}"}`)
		default:
			e.text("kind", "row/update")
		}
		e.time("created_at", a.CreatedAt)
		e.time("updated_at", a.UpdatedAt)
		e.close()
	}
	e.closeList()
}

func (x *exchange) listDocuments() {
	e := x.startJSON()
	e.openList()
	for _, d := range x.w.Documents {
		if d.Archived || !x.canRead(d.CollectionID) {
			continue
		}
		e.open()
		x.documentRow(e, d)
		e.close()
	}
	e.closeList()
}

func (x *exchange) documentRow(e *encoder, d *Document) {
	e.int("id", d.ID)
	e.text("name", d.Name)
	e.text("entity_id", d.EntityID)
	e.idOrNull("collection_id", d.CollectionID)
	e.bool("archived", d.Archived)
	e.int("creator_id", d.CreatorID)
	x.creator(e, d.CreatorID)
	e.long("view_count", d.ViewCount)
	e.time("created_at", d.CreatedAt)
	e.time("updated_at", d.UpdatedAt)
}

func (x *exchange) getDocument() {
	id, ok := x.id(0, nil)
	if !ok {
		return
	}
	for _, d := range x.w.Documents {
		if d.ID != id {
			continue
		}
		if !x.canRead(d.CollectionID) {
			x.forbidden()
			return
		}
		e := x.startJSON()
		e.open()
		x.documentRow(e, d)
		e.obj("document")
		e.text("type", "doc")
		e.list("content")
		e.elemRaw(`{"type":"paragraph","content":[{"type":"text","text":"` + canaryText + ` prose"}]}`)
		for _, card := range d.CardIDs {
			e.elemRaw(`{"type":"cardEmbed","attrs":{"id":` + strconv.Itoa(card) + `}}`)
		}
		e.closeList()
		e.close()
		e.close()
		x.after = func(*World) { d.ViewCount++ }
		return
	}
	x.notFound()
}

// references lists what a query uses.
type references struct{ cards, segments, metrics []int }

func (q *Query) references() references {
	var r references
	if q != nil {
		r.stages(q.Stages)
	}
	return r
}

func (r *references) stages(stages []Stage) {
	for i := range stages {
		s := &stages[i]
		if s.SourceCard != 0 {
			r.cards = append(r.cards, s.SourceCard)
		}
		for _, t := range s.Tags {
			if t.CardID != 0 {
				r.cards = append(r.cards, t.CardID)
			}
		}
		for j := range s.Joins {
			if c := s.Joins[j].SourceCard; c != 0 {
				r.cards = append(r.cards, c)
			}
			r.stages(s.Joins[j].Stages)
		}
		for _, list := range [][]Expr{s.Filters, s.Aggregation, s.Breakout, s.Fields} {
			for k := range list {
				r.expr(&list[k])
			}
		}
	}
}

func (r *references) expr(x *Expr) {
	switch x.Kind {
	case ExprSegment:
		r.segments = append(r.segments, x.ID)
	case ExprMetric:
		r.metrics = append(r.metrics, x.ID)
	}
	for i := range x.Args {
		r.expr(&x.Args[i])
	}
}

func (x *exchange) health() {
	x.startJSON().elemRaw(`{"status":"ok"}`)
}

func (x *exchange) queryMetadata() {
	if x.findCard() == nil {
		return
	}
	x.startJSON().elemRaw(`{"databases":[],"tables":[],"fields":[]}`)
}

func (x *exchange) rows() {
	x.reply(http.StatusOK, "application/json;charset=utf-8")
	x.e.elemRaw(`{"values":[["` + canaryText + ` row"]],"has_more_values":false,"data":{"rows":[["` + canaryText + ` row"]]}}`)
}
