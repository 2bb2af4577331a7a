package export

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
)

// common reads what most entities share.
func (c *collector) common(id string, v *value) catalog.Common {
	return catalog.Common{
		ID: id, EntityID: id, Name: v.get("name").str(), Description: v.get("description").str(),
		Archived: v.get("archived").yes(), CreatorID: c.person(v.get("creator_id")), CreatedAt: stamp(v.get("created_at")),
	}
}

func stamp(v *value) time.Time {
	text := v.str()
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

func inCollection(v *value) string {
	if id := v.get("collection_id").str(); id != "" {
		return id
	}
	return catalog.RootCollectionID
}

func exposure(v *value) catalog.Exposure {
	return catalog.Exposure{Public: !v.get("public_uuid").isNull(), Embedded: v.get("enable_embedding").yes()}
}

func ttl(v *value) *int {
	if v.isNull() || v.kind != number {
		return nil
	}
	n := v.integer()
	return &n
}

func (c *collector) card(id string, v *value) *catalog.Question {
	q := &catalog.Question{
		Common: c.common(id, v), Exposure: exposure(v), Type: catalog.KindQuestion,
		Display: v.get("display").str(), DatabaseID: v.get("database_id").str(), TableID: tableID(v.get("table_id")),
		SourceQuestionID: v.get("source_card_id").str(), CollectionID: inCollection(v),
		DashboardID: v.get("dashboard_id").str(), DocumentID: v.get("document_id").str(),
		Pinned: !v.get("collection_position").isNull(), CacheTTL: ttl(v.get("cache_ttl")),
		Parameters: parameters(v.get("parameters")), Mappings: mappings(v.get("parameter_mappings")),
		ResultColumns: resultColumns(v.get("result_metadata")),
	}
	switch t := v.get("type").str(); {
	case t == "model" || t == "" && v.get("dataset").yes():
		q.Type = catalog.KindModel
	case t == "metric":
		q.Type = catalog.KindMetric
	}
	var source string
	q.Query, source = query(v.get("dataset_query"), q.DatabaseID)
	if q.SourceQuestionID == "" {
		q.SourceQuestionID = source
	}
	if q.DatabaseID == "" {
		q.DatabaseID = q.Query.DatabaseID
	}
	q.Visualization, q.ClickTargets = visualization(v.get("visualization_settings"))
	c.version(v.get("metabase_version").str())
	c.queryUses(q.Query)
	return q
}

// queryUses notes the tables and columns that a query names, for exports that
// come without the data model.
func (c *collector) queryUses(q catalog.Query) {
	if len(q.MBQL) > 0 {
		c.uses(q.MBQL)
	}
	for _, t := range q.Tags {
		if id := mbql.ParseTable(t.TableRef); id.Name != "" {
			c.used = append(c.used, usedTable{id.Database, id.Schema, id.Name, ""})
		}
		if e := mbql.ParseExpr(t.Dimension); e != nil && e.Kind == mbql.FieldExpr {
			c.usedField(e.Field.ID)
		}
	}
}

func (c *collector) uses(raw []byte) {
	q, err := mbql.Parse(raw)
	if err != nil {
		return
	}
	refs := q.References(nil)
	for _, t := range refs.Tables {
		if t.Table.Number == 0 {
			c.used = append(c.used, usedTable{t.Table.Database, t.Table.Schema, t.Table.Name, ""})
		}
	}
	for _, f := range refs.Columns {
		c.usedField(f.Field)
	}
}

func (c *collector) usedField(f mbql.FieldID) {
	if f.Number == 0 && f.Table.Name != "" {
		c.used = append(c.used, usedTable{f.Table.Database, f.Table.Schema, f.Table.Name, f.Name})
	}
}

// version keeps the newest version that any card was made with.
func (c *collector) version(text string) {
	tag, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	parts := strings.Split(strings.TrimPrefix(tag, "v"), ".")
	if len(parts) < 2 {
		return
	}
	major, err := strconv.Atoi(parts[1])
	if err != nil || major < c.major || major > 10_000 {
		return
	}
	c.major = major
	i := &c.snapshot.Instance
	i.Major, i.Version = major, tag
	switch parts[0] {
	case "0":
		i.Edition = "oss"
	case "1":
		i.Edition = "enterprise"
	}
}

func (c *collector) dashboard(id string, v *value) *catalog.Dashboard {
	d := &catalog.Dashboard{
		Common: c.common(id, v), Exposure: exposure(v), CollectionID: inCollection(v),
		Pinned: !v.get("collection_position").isNull(), CacheTTL: ttl(v.get("cache_ttl")),
		Width: v.get("width").str(), Parameters: parameters(v.get("parameters")),
	}
	if auto := v.get("auto_apply_filters"); !auto.isNull() {
		on := auto.yes()
		d.AutoApply = &on
	}
	if tabs := v.get("tabs"); tabs.isList() {
		for i := range tabs.items {
			t := &tabs.items[i]
			tab := catalog.Tab{ID: t.get("entity_id").str(), EntityID: t.get("entity_id").str(), Name: t.get("name").str(), Position: t.get("position").integer()}
			d.Tabs = append(d.Tabs, tab)
		}
		slices.SortStableFunc(d.Tabs, func(a, b catalog.Tab) int { return a.Position - b.Position })
	}
	cards := v.get("dashcards")
	if cards == nil {
		cards = v.get("ordered_cards")
	}
	if cards.isList() {
		for i := range cards.items {
			if cards.items[i].isObject() {
				d.Cards = append(d.Cards, dashcard(&cards.items[i], i))
			}
		}
	}
	return d
}

func dashcard(v *value, position int) catalog.Dashcard {
	d := catalog.Dashcard{
		ID: v.get("entity_id").str(), EntityID: v.get("entity_id").str(), QuestionID: entityID(v.get("card_id")),
		ActionID: v.get("action_id").str(), TabID: entityID(v.get("dashboard_tab_id")),
		Row: v.get("row").integer(), Col: v.get("col").integer(), Width: v.get("size_x").integer(), Height: v.get("size_y").integer(),
		Mappings: mappings(v.get("parameter_mappings")), InlineParameters: texts(v.get("inline_parameters")),
	}
	if d.ID == "" { // written by hand
		d.ID = "#" + strconv.Itoa(position+1)
	}
	if series := v.get("series"); series.isList() {
		for i := range series.items {
			if id := entityID(series.items[i].get("card_id")); id != "" {
				d.SeriesIDs = append(d.SeriesIDs, id)
			}
		}
	}
	settings := v.get("visualization_settings")
	_, d.ClickTargets = visualization(settings)
	d.Virtual = settings.get("virtual_card").get("display").str()
	if entity := settings.get("link").get("entity"); entity.isObject() {
		d.LinkTarget = linkTarget(entity.get("model").str(), entity.get("id"))
		if d.LinkTarget.ID == "" {
			d.LinkTarget = catalog.Ref{}
		}
	}
	return d
}

func (c *collector) collection(id string, v *value) *catalog.Collection {
	a := &catalog.Collection{
		Common: c.common(id, v), ParentID: v.get("parent_id").str(), Slug: v.get("slug").str(),
		Namespace: strings.TrimPrefix(v.get("namespace").str(), ":"), Type: v.get("type").str(), Official: v.get("authority_level").str() == "official",
		PersonalOwnerID: c.person(v.get("personal_owner_id")), Sample: v.get("is_sample").yes(), RemoteSynced: v.get("is_remote_synced").yes(),
	}
	if a.ParentID == "" {
		a.ParentID = catalog.RootCollectionID
	}
	return a
}

func (c *collector) snippet(id string, v *value) *catalog.Snippet {
	s := &catalog.Snippet{Common: c.common(id, v), CollectionID: v.get("collection_id").str(), SQL: v.get("content").str()}
	s.Tags = newCleaner(&value{}).tags(v.get("template_tags"))
	return s
}

func (c *collector) segment(id string, v *value) *catalog.Segment {
	d := definition(v.get("definition"))
	c.uses(d)
	return &catalog.Segment{Common: c.common(id, v), TableID: tableID(v.get("table_id")), Definition: d}
}

func (c *collector) measure(id string, v *value, legacy bool) *catalog.Measure {
	d := definition(v.get("definition"))
	c.uses(d)
	return &catalog.Measure{Common: c.common(id, v), TableID: tableID(v.get("table_id")), Definition: d, Legacy: legacy}
}

func (c *collector) transform(id string, v *value) *catalog.Transform {
	source, target := v.get("source"), v.get("target")
	t := &catalog.Transform{
		Common: c.common(id, v), CollectionID: v.get("collection_id").str(), SourceType: source.get("type").str(),
		TargetDatabase: target.get("database").str(), TargetSchema: target.get("schema").str(), TargetTable: target.get("name").str(),
	}
	database := v.get("source_database_id").str()
	if t.TargetDatabase == "" {
		t.TargetDatabase = database
	}
	if q := source.get("query"); q.isObject() {
		t.Query, _ = query(q, database)
		c.queryUses(t.Query)
	}
	if tables := source.get("source-tables"); tables.isList() || tables.isObject() {
		out := value{kind: list}
		for i := range tables.items {
			item := &tables.items[i]
			if ref := item.get("table_id"); tableID(ref) != "" {
				out.items = append(out.items, *ref)
			} else if tableID(item) != "" {
				out.items = append(out.items, *item)
			} else if name := item.get("table").str(); name != "" {
				out.items = append(out.items, value{kind: list, items: []value{textValue(item.get("database_id").str()), textValue(item.get("schema").str()), textValue(name)}})
			}
		}
		for i := range out.items {
			if parts, ok := out.items[i].path(); ok {
				c.used = append(c.used, usedTable{parts[0], parts[1], parts[2], ""})
			}
		}
		if len(out.items) > 0 {
			t.SourceTables = out.json()
		}
	}
	return t
}

func (c *collector) action(id string, v *value) *catalog.Action {
	return &catalog.Action{
		Common: c.common(id, v), ModelID: v.get("model_id").str(), Type: v.get("type").str(),
		DatabaseID: v.get("database_id").str(), Public: !v.get("public_uuid").isNull(),
	}
}

// document keeps which questions are embedded and what is linked, not a word of
// the prose.
func (c *collector) document(id string, v *value) *catalog.Document {
	d := &catalog.Document{Common: c.common(id, v), CollectionID: inCollection(v)}
	var visit func(n *value)
	visit = func(n *value) {
		attributes := n.get("attrs")
		switch n.get("type").str() {
		case "cardEmbed":
			if id := entityID(attributes.get("id")); id != "" {
				d.QuestionIDs = append(d.QuestionIDs, id)
			}
		case "smartLink":
			target := attributes.get("entityId")
			model := attributes.get("model").str()
			if target.isList() && len(target.items) > 0 && target.items[len(target.items)-1].isObject() && model == "" {
				model = target.items[len(target.items)-1].get("model").str()
			}
			if r := linkTarget(model, target); r.ID != "" {
				d.Links = append(d.Links, r)
			}
		}
		if children := n.get("content"); children.isList() {
			for i := range children.items {
				visit(&children.items[i])
			}
		}
	}
	if root := v.get("document"); root.isObject() {
		visit(root)
	}
	slices.Sort(d.QuestionIDs)
	d.QuestionIDs = slices.Compact(d.QuestionIDs)
	slices.SortFunc(d.Links, catalog.Ref.Compare)
	d.Links = slices.Compact(d.Links)
	return d
}
