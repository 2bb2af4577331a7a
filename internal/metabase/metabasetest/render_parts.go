package metabasetest

import (
	"encoding/json"
	"strconv"
	"time"
)

// creator writes the hydrated account, personal data included.
func (x *exchange) creator(e *encoder, id int) {
	p := x.w.Person(id)
	if p == nil {
		e.null("creator")
		return
	}
	e.key("creator")
	x.account(e, p)
}

func (x *exchange) account(e *encoder, p *Person) {
	e.b = append(e.b, '{')
	e.orNull("email", p.Email)
	e.orNull("first_name", p.First)
	e.time("last_login", p.LastLogin)
	e.bool("is_qbnewb", false)
	e.bool("is_superuser", p.Admin)
	e.int("id", p.ID)
	e.orNull("last_name", p.Last)
	if x.v.from(56) {
		e.null("tenant_id")
	}
	e.time("date_joined", p.Joined)
	e.text("common_name", p.FullName())
	e.close()
}

// edited writes last-edit-info, which is absent on things never edited.
func (x *exchange) edited(e *encoder, editor int, at time.Time) {
	if at.IsZero() {
		return
	}
	e.obj("last-edit-info")
	e.int("id", editor)
	p := x.w.Person(editor)
	if p == nil {
		p = &Person{}
	}
	e.orNull("email", p.Email)
	e.orNull("first_name", p.First)
	e.orNull("last_name", p.Last)
	e.time("timestamp", at)
	e.close()
}

// collectionOf writes the hydrated collection of a card or dashboard.
func (x *exchange) collectionOf(e *encoder, id int) {
	if id == RootCollection {
		e.obj("collection")
		if x.v.from(54) {
			e.bool("metabase.collections.models.collection.root/is-root?", true)
		} else {
			e.bool("metabase.models.collection.root/is-root?", true)
		}
		e.null("authority_level")
		e.text("name", "Our analytics")
		e.bool("is_personal", false)
		e.text("id", "root")
		e.bool("can_write", x.canWrite(RootCollection))
		e.close()
		return
	}
	c := x.w.Collection(id)
	if c == nil {
		e.null("collection")
		return
	}
	e.key("collection")
	e.b = append(e.b, '{')
	x.collectionRow(e, c)
	e.close()
}

// settings writes visualization_settings: the given ones, and beside them what
// a reader has to drop.
func settings(e *encoder, seed int, given json.RawMessage, more func()) {
	e.obj("visualization_settings")
	if body := trimObject(given); body != "" {
		e.b = append(e.b, body...)
	}
	if more != nil {
		more()
	}
	if seed%3 == 0 {
		e.raw("graph.goal_value", canaryNumber)
		e.text("graph.goal_label", canaryText+" goal")
		e.raw("series_settings", `{"`+canaryText+` customer":{"color":"#509EE3","display":"line"}}`)
		e.raw("graph.series_order", `[{"key":"`+canaryText+` key","name":"`+canaryText+` name","enabled":true}]`)
	}
	if seed%5 == 0 {
		e.raw("table.column_formatting", `[{"columns":["x"],"type":"single","operator":">","value":"`+canaryText+` threshold"}]`)
		e.raw("pie.rows", `[{"key":"`+canaryText+` slice","name":"`+canaryText+` slice","originalName":"`+canaryText+`"}]`)
		e.raw("pivot_table.collapsed_rows", `{"rows":[],"value":["[\"`+canaryText+` row\"]"]}`)
	}
	e.close()
}

// trimObject returns the inside of a JSON object.
func trimObject(raw json.RawMessage) string {
	s := string(raw)
	if len(s) < 2 || s[0] != '{' {
		return ""
	}
	return s[1 : len(s)-1]
}

func (w *World) dashboardCount(card int) int {
	known := w.usedBy.Load()
	if known == nil {
		counts := map[int]int{}
		for _, d := range w.Dashboards {
			seen := map[int]bool{}
			for _, dc := range d.Cards {
				for _, id := range append([]int{dc.CardID}, dc.Series...) {
					if id != 0 && !seen[id] {
						seen[id] = true
						counts[id]++
					}
				}
			}
		}
		known = &counts
		w.usedBy.Store(known)
	}
	return (*known)[card]
}

func (w *World) parameterUses(card int) int {
	n := 0
	for _, d := range w.Dashboards {
		for i := range d.Parameters {
			if d.Parameters[i].SourceCardID == card {
				n++
			}
		}
	}
	for _, c := range w.Cards {
		for i := range c.Parameters {
			if c.Parameters[i].SourceCardID == card {
				n++
			}
		}
	}
	return n
}

func (x *exchange) dashboard(e *encoder, d *Dashboard, detail bool) {
	v := x.v
	e.open()
	e.orNull("description", d.Description)
	e.bool("archived", d.Archived)
	if v.from(50) {
		e.long("view_count", d.ViewCount)
	}
	e.idOrNull("collection_position", d.Position)
	if v.from(58) {
		e.int("dependency_analysis_version", 0)
		e.bool("is_remote_synced", false)
	}
	e.time("initially_published_at", time.Time{})
	e.bool("enable_embedding", d.Embedded)
	if v.from(57) {
		e.null("embedding_type")
	}
	embeddingParams(e, d.EmbeddingParams)
	e.idOrNull("collection_id", d.CollectionID)
	e.bool("show_in_getting_started", false)
	e.text("name", d.Name)
	if v.from(49) {
		if d.FullWidth {
			e.text("width", "full")
		} else {
			e.text("width", "fixed")
		}
	}
	if v.from(47) {
		e.bool("auto_apply_filters", !d.ManualApply)
	}
	e.null("caveats")
	e.null("points_of_interest")
	e.null("position")
	e.int("creator_id", d.CreatorID)
	e.time("updated_at", d.UpdatedAt)
	e.idOrNull("made_public_by_id", d.MadePublicBy)
	e.idOrNull("cache_ttl", d.CacheTTL)
	e.int("id", d.ID)
	if v.from(51) {
		viewed := d.LastViewedAt
		if viewed.IsZero() {
			viewed = x.w.Upgraded
		}
		e.time("last_viewed_at", viewed)
		e.bool("archived_directly", d.ArchivedDirectly)
	}
	e.text("entity_id", d.EntityID)
	x.parameters(e, d.Parameters)
	e.time("created_at", d.CreatedAt)
	e.orNull("public_uuid", d.PublicUUID)
	x.edited(e, d.EditorID, d.EditedAt)
	e.bool("can_write", x.canWrite(d.CollectionID))
	if !detail {
		x.creator(e, d.CreatorID)
		e.close()
		return
	}
	if v.from(51) {
		e.bool("can_restore", d.Archived)
		e.bool("can_delete", d.Archived)
		moderation(e, d.ID, "dashboard", d.Verified, d.UpdatedAt)
	}
	x.collectionOf(e, d.CollectionID)
	c := x.w.Collection(d.CollectionID)
	if c != nil && c.Official {
		e.text("collection_authority_level", "official")
	} else {
		e.null("collection_authority_level")
	}
	x.filterValues(e, d)
	tabs, cards := "tabs", "dashcards"
	if v.until(47) {
		tabs, cards = "ordered_tabs", "ordered_cards"
	}
	if v.from(47) {
		e.list(tabs)
		for i, t := range d.Tabs {
			e.open()
			e.int("id", t.ID)
			e.text("name", t.Name)
			e.int("position", i)
			e.text("entity_id", t.EntityID)
			e.int("dashboard_id", d.ID)
			e.time("created_at", d.CreatedAt)
			e.time("updated_at", d.UpdatedAt)
			e.close()
		}
		e.closeList()
	}
	e.list(cards)
	for _, dc := range d.Cards {
		x.dashcard(e, d, dc)
		x.spill()
	}
	e.closeList()
	e.close()
}

// filterValues writes the maps that hold values of the warehouse.
func (x *exchange) filterValues(e *encoder, d *Dashboard) {
	if x.v.paramValues() {
		e.obj("param_values")
		seen := map[int]bool{}
		for _, dc := range d.Cards {
			for i := range dc.Mappings {
				if id := dc.Mappings[i].Target.Field.ID; id != 0 && !seen[id] && x.w.Field(id) != nil {
					seen[id] = true
					e.key(strconv.Itoa(id))
					e.b = append(e.b, `{"values":[["`+canaryText+` value"]],"has_more_values":true,"field_id":`+strconv.Itoa(id)+`}`...)
				}
			}
		}
		e.close()
	}
	e.obj("param_fields")
	seen := map[string]bool{}
	for _, dc := range d.Cards {
		for i := range dc.Mappings {
			m := &dc.Mappings[i]
			f := x.w.Field(m.Target.Field.ID)
			if f == nil {
				continue
			}
			key := m.ParameterID
			if x.v.until(53) {
				key = strconv.Itoa(f.ID)
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			e.textKey(key)
			if x.v.from(54) {
				e.b = append(e.b, '[')
			}
			e.open()
			x.fieldRow(e, f)
			e.raw("values", `["`+canaryText+` field value"]`)
			e.close()
			if x.v.from(54) {
				e.closeList()
			}
		}
	}
	e.close()
	if x.v.from(50) {
		if len(d.Parameters) > 0 {
			e.raw("last_used_param_values", `{"`+d.Parameters[0].ID+`":["`+canaryText+` last used"]}`)
		} else {
			e.raw("last_used_param_values", "{}")
		}
	}
}

func (x *exchange) dashcard(e *encoder, d *Dashboard, dc *Dashcard) {
	card := x.w.Card(dc.CardID)
	if card != nil && (card.Archived || !x.exists(card)) {
		return // hidden until it is restored
	}
	e.open()
	e.int("size_x", dc.Width)
	if x.v.from(47) {
		if dc.Tab != nil {
			e.int("dashboard_tab_id", dc.Tab.ID)
		} else {
			e.null("dashboard_tab_id")
		}
	}
	e.list("series")
	for _, id := range dc.Series {
		if c := x.w.Card(id); c != nil && !c.Archived && x.exists(c) {
			x.dashcardCard(e, c)
		}
	}
	e.closeList()
	if x.v.from(56) {
		if dc.Inline == nil {
			e.null("inline_parameters")
		} else {
			e.list("inline_parameters")
			for _, id := range dc.Inline {
				e.elemText(id)
			}
			e.closeList()
		}
	}
	e.idOrNull("action_id", dc.ActionID)
	e.null("collection_authority_level")
	if card == nil {
		if dc.CardID == 0 {
			e.null("card")
		} else {
			e.raw("card", `{"query_average_duration":null}`)
		}
	} else {
		e.key("card")
		x.dashcardCard(e, card)
	}
	e.time("updated_at", dc.CreatedAt)
	e.int("col", dc.Col)
	e.int("id", dc.ID)
	x.mappings(e, "parameter_mappings", dc.Mappings)
	e.idOrNull("card_id", dc.CardID)
	e.text("entity_id", dc.EntityID)
	settings(e, dc.ID, dc.Settings, func() { tileSettings(e, dc) })
	e.int("size_y", dc.Height)
	e.int("dashboard_id", d.ID)
	e.time("created_at", dc.CreatedAt)
	e.int("row", dc.Row)
	e.close()
}

// dashcardCard writes the card of a tile, or only its id when the caller may
// not read it.
func (x *exchange) dashcardCard(e *encoder, c *Card) {
	if !x.canReadCard(c) {
		e.open()
		e.int("id", c.ID)
		e.close()
		return
	}
	x.card(e, c, inDashboard, false)
}

func tileSettings(e *encoder, dc *Dashcard) {
	if dc.Virtual != "" {
		e.obj("virtual_card")
		e.null("name")
		e.text("display", dc.Virtual)
		e.raw("visualization_settings", "{}")
		e.raw("dataset_query", "{}")
		e.bool("archived", false)
		e.close()
	}
	switch {
	case dc.Virtual == "iframe":
		e.text("iframe", dc.Text+"?token="+canaryText)
	case dc.Virtual == "link" && dc.LinkID != 0:
		e.obj("link")
		e.obj("entity")
		e.int("id", dc.LinkID)
		e.text("model", dc.LinkModel)
		e.text("name", canaryText+" copied name")
		e.null("description")
		e.close()
		e.close()
	case dc.Virtual == "link":
		e.obj("link")
		e.text("url", dc.Text+"?token="+canaryText)
		e.close()
	case dc.Text != "":
		e.text("text", dc.Text)
	}
	if dc.Click != nil {
		e.key("click_behavior")
		clickValue(e, *dc.Click)
	}
	if len(dc.ColClicks) > 0 {
		e.obj("column_settings")
		for _, name := range sortedKeys(dc.ColClicks) {
			e.textKey(`["name",` + string(appendText(nil, name)) + `]`)
			e.b = append(e.b, '{')
			e.key("click_behavior")
			clickValue(e, dc.ColClicks[name])
			e.text("prefix", canaryText+" prefix")
			e.close()
		}
		e.close()
	}
}

func clickValue(e *encoder, c Click) {
	e.b = append(e.b, '{')
	switch c.To {
	case "crossfilter":
		e.text("type", "crossfilter")
	case "url":
		e.text("type", "link")
		e.text("linkType", "url")
		e.text("linkTemplate", c.URL+"?customer="+canaryText)
		e.text("linkTextTemplate", canaryText+" link text")
	default:
		e.text("type", "link")
		e.text("linkType", c.To)
		e.int("targetId", c.ID)
	}
	e.raw("parameterMapping", `{"p":{"id":"p","source":{"type":"text","id":"`+canaryText+`"},"target":{"type":"parameter","id":"p"}}}`)
	e.close()
}
