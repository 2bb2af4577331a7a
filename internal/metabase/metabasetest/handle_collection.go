package metabasetest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (x *exchange) listCollections() {
	archived := x.flag("archived")
	onlyPersonal := x.flag("personal-only")
	namespace := x.q("namespace")
	e := x.startJSON()
	e.openList()
	if !archived && !onlyPersonal && x.canRead(RootCollection) {
		x.rootCollection(e)
	}
	for _, c := range x.visibleCollections(namespace, archived) {
		if onlyPersonal && c.OwnerID == 0 {
			continue
		}
		x.collectionFull(e, c)
		if x.v.from(60) {
			e.idOrNull("parent_id", c.ParentID)
		}
		e.close()
		x.spill()
	}
	e.closeList()
}

// visibleCollections lists what the caller may read, by name as Metabase does.
func (x *exchange) visibleCollections(namespace string, archived bool) []*Collection {
	notOthers := x.flag("exclude-other-user-collections")
	var list []*Collection
	for _, c := range x.w.Collections {
		switch {
		case c.Type == "trash", c.Namespace != namespace, c.Archived != archived, !x.canRead(c.ID):
			continue
		case notOthers:
			if owner := x.w.owner(c.ID); owner != 0 && owner != x.who.PersonID {
				continue
			}
		}
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(a, b *Collection) int {
		if a.Official != b.Official && x.v.from(50) {
			if a.Official {
				return -1
			}
			return 1
		}
		return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return list
}

func (x *exchange) collectionTree() {
	excludeArchived := x.flag("exclude-archived")
	all := x.visibleCollections(x.q("namespace"), false)
	if !excludeArchived {
		all = append(all, x.visibleCollections(x.q("namespace"), true)...)
	}
	visible := map[int]bool{}
	for _, c := range all {
		visible[c.ID] = true
	}
	children := map[int][]*Collection{}
	for _, c := range all {
		parent := x.visibleParent(c, visible)
		children[parent] = append(children[parent], c)
	}
	e := x.startJSON()
	var write func(parent int)
	write = func(parent int) {
		for _, c := range children[parent] {
			x.collectionFull(e, c)
			here, below := x.kindsIn(c.ID)
			kindList(e, "here", here)
			kindList(e, "below", below)
			e.list("children")
			write(c.ID)
			e.closeList()
			e.close()
		}
	}
	e.openList()
	write(RootCollection)
	e.closeList()
}

// visibleParent is the nearest ancestor the caller can see.
func (x *exchange) visibleParent(c *Collection, visible map[int]bool) int {
	path := x.w.path(c.ID)
	for i := len(path) - 2; i >= 0; i-- {
		if visible[path[i].ID] {
			return path[i].ID
		}
	}
	return RootCollection
}

// kindsIn tells what lies in a collection and below it.
func (x *exchange) kindsIn(id int) (here, below []string) {
	if x.held == nil {
		x.held = x.kinds()
		x.under = map[int]map[string]bool{}
		for coll, kinds := range x.held {
			path := x.w.path(coll)
			for _, up := range path[:max(len(path)-1, 0)] {
				if x.under[up.ID] == nil {
					x.under[up.ID] = map[string]bool{}
				}
				maps.Copy(x.under[up.ID], kinds)
			}
		}
	}
	return sortedKeys(x.held[id]), sortedKeys(x.under[id])
}

// kinds tells per collection what lies in it.
func (x *exchange) kinds() map[int]map[string]bool {
	has := map[int]map[string]bool{}
	add := func(coll int, kind string) {
		if has[coll] == nil {
			has[coll] = map[string]bool{}
		}
		has[coll][kind] = true
	}
	for _, c := range x.w.Cards {
		if !c.Archived && x.exists(c) {
			add(c.CollectionID, modelOf(c))
		}
	}
	for _, d := range x.w.Dashboards {
		if !d.Archived {
			add(d.CollectionID, "dashboard")
		}
	}
	return has
}

func kindList(e *encoder, key string, kinds []string) {
	e.list(key)
	for _, k := range kinds {
		e.elemText(k)
	}
	e.closeList()
}

func modelOf(c *Card) string {
	switch c.Type {
	case CardModel:
		return "dataset"
	case CardMetric:
		return "metric"
	}
	return "card"
}

func (x *exchange) getRootCollection() {
	if !x.canRead(RootCollection) {
		x.forbidden()
		return
	}
	x.rootCollection(x.startJSON())
}

func (x *exchange) getTrash() {
	e := x.startJSON()
	x.collectionFull(e, x.w.Collection(TrashCollection))
	e.close()
}

func (x *exchange) findCollection() (id int, ok bool) {
	id, ok = x.id(0, func(entity string) int {
		for _, c := range x.w.Collections {
			if c.EntityID == entity {
				return c.ID
			}
		}
		return 0
	})
	if !ok {
		return 0, false
	}
	c := x.w.Collection(id)
	switch {
	case c == nil || c.Type == "trash" && x.v.until(49):
		x.notFound()
		return 0, false
	case !x.canRead(id):
		x.forbidden()
		return 0, false
	}
	return id, true
}

func (x *exchange) getCollection() {
	id, ok := x.findCollection()
	if !ok {
		return
	}
	c := x.w.Collection(id)
	e := x.startJSON()
	x.collectionFull(e, c)
	e.idOrNull("parent_id", c.ParentID)
	e.text("effective_location", x.w.location(c))
	e.list("effective_ancestors")
	if x.canRead(RootCollection) {
		x.rootCollection(e)
	}
	for _, up := range x.w.path(id) {
		if up.ID != id && x.canRead(up.ID) {
			x.collectionFull(e, up)
			e.close()
		}
	}
	e.closeList()
	e.close()
}

func (x *exchange) collectionGraph() {
	e := x.startJSON()
	e.open()
	e.int("revision", 17)
	e.obj("groups")
	namespace := x.q("namespace")
	for _, g := range x.w.Groups {
		e.key(strconv.Itoa(g.ID))
		e.b = append(e.b, '{')
		entry := func(id int, key string) {
			access := x.w.CollectionAccess[g.ID][id]
			if g.ID == GroupAdministrators {
				access = "write"
			}
			switch {
			case access != "":
				e.text(key, access)
			case x.v.until(55):
				e.text(key, "none")
			}
		}
		entry(RootCollection, "root")
		for _, c := range x.w.Collections {
			if x.w.owner(c.ID) == 0 && c.Type != "trash" && c.Namespace == namespace && !c.Archived {
				entry(c.ID, strconv.Itoa(c.ID))
			}
		}
		e.close()
	}
	e.close()
	e.close()
}

// item is one row of a collection's contents.
type item struct {
	model     string
	id        int
	name      string
	editor    int
	editedAt  time.Time
	pinned    bool
	desc      string
	official  bool
	card      *Card
	dashboard *Dashboard
	coll      *Collection
	entity    string
	home      int
}

func (x *exchange) cardItem(c *Card) item {
	return item{
		model: modelOf(c), id: c.ID, name: c.Name, desc: c.Description, editor: c.EditorID, editedAt: c.EditedAt,
		pinned: c.Position != 0, card: c, entity: c.EntityID, home: c.CollectionID,
	}
}

// itemModels are the values that models= takes in this version.
func (x *exchange) itemModels() []string {
	models := []string{"card", "collection", "dashboard", "dataset", "no_models", "pulse", "snippet", "timeline"}
	if x.v.from(50) {
		models = append(models, "metric")
	}
	if x.v.from(58) {
		models = append(models, "document")
	}
	if x.v.from(59) {
		models = append(models, "table", "transform")
	}
	return models
}

func (x *exchange) rootItems() {
	x.items(RootCollection, x.q("namespace"))
}

func (x *exchange) collectionItems() {
	if x.params[0] == "root" {
		x.rootItems()
		return
	}
	id, ok := x.findCollection()
	if !ok {
		return
	}
	x.items(id, x.w.Collection(id).Namespace)
}

func (x *exchange) items(id int, namespace string) {
	models := x.qs("models")
	valid := x.itemModels()
	for _, m := range models {
		if !slices.Contains(valid, m) {
			x.invalid("models", "nullable vector of enum of "+strings.Join(valid, ", "))
			return
		}
	}
	all := x.itemsOf(id, namespace)
	all = slices.DeleteFunc(all, func(it item) bool {
		if len(models) > 0 && !slices.Contains(models, it.model) {
			return true
		}
		switch x.spelled("pinned_state") {
		case "is_pinned":
			return !it.pinned
		case "is_not_pinned":
			return it.pinned
		}
		return false
	})
	x.sortItems(all)
	x.itemPage(all, models)
}

func (x *exchange) sortItems(all []item) {
	column := x.spelled("sort_column")
	down := x.spelled("sort_direction") == "desc"
	slices.SortStableFunc(all, func(a, b item) int {
		if a.official != b.official && (x.v.from(50) || x.spelled("official_collections_first") == "true") {
			if a.official {
				return -1
			}
			return 1
		}
		var c int
		switch column {
		case "last_edited_at":
			c = a.editedAt.Compare(b.editedAt)
		case "model":
			c = cmp.Compare(a.model, b.model)
		case "description":
			c = cmp.Compare(a.desc, b.desc)
		default:
			c = cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name))
		}
		if down {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), cmp.Compare(a.id, b.id))
	})
}

// itemsOf gathers the direct contents of a collection that the caller may see.
func (x *exchange) itemsOf(id int, namespace string) []item {
	archived := x.flag("archived")
	trash := id == TrashCollection
	var all []item
	if x.canRead(id) && (namespace == "" || trash) {
		showDashboardCards := x.spelled("show_dashboard_questions") == "true" || !x.v.dashboardQuestions()
		for _, c := range x.w.Cards {
			if !x.exists(c) || !x.canReadCard(c) || c.DocumentID != 0 && x.v.from(58) {
				continue
			}
			if trash && c.Archived && c.ArchivedDirectly ||
				!trash && c.CollectionID == id && c.Archived == archived && (c.DashboardID == 0 || showDashboardCards) {
				all = append(all, x.cardItem(c))
			}
		}
		for _, d := range x.w.Dashboards {
			if trash && d.Archived && d.ArchivedDirectly && x.canRead(d.CollectionID) || !trash && d.CollectionID == id && d.Archived == archived {
				all = append(all, item{
					model: "dashboard", id: d.ID, name: d.Name, desc: d.Description, editor: d.EditorID,
					editedAt: d.EditedAt, pinned: d.Position != 0, dashboard: d, entity: d.EntityID, home: d.CollectionID,
				})
			}
		}
		if x.v.from(58) {
			for _, d := range x.w.Documents {
				if d.CollectionID == id && d.Archived == archived {
					all = append(all, item{model: "document", id: d.ID, name: d.Name, entity: d.EntityID, home: id})
				}
			}
		}
		if !archived && !trash {
			for _, t := range x.w.Timelines {
				if t.CollectionID == id && !t.Archived {
					all = append(all, item{model: "timeline", id: t.ID, name: t.Name, entity: t.EntityID, home: id})
				}
			}
		}
	}
	if namespace == "snippets" {
		for _, s := range x.w.Snippets {
			if s.CollectionID == id && s.Archived == archived {
				all = append(all, item{model: "snippet", id: s.ID, name: s.Name, desc: s.Description, entity: s.EntityID, home: id})
			}
		}
	}
	visible := map[int]bool{}
	for _, c := range x.w.Collections {
		visible[c.ID] = x.canRead(c.ID)
	}
	for _, c := range x.w.Collections {
		switch {
		case c.Type == "trash" || !visible[c.ID] || c.Namespace != namespace:
			continue
		case trash:
			if !c.Archived || !c.ArchivedDirectly {
				continue
			}
		case c.Archived != archived || x.visibleParent(c, visible) != id:
			continue
		case c.OwnerID != 0 && c.OwnerID != x.who.PersonID:
			continue
		}
		all = append(all, item{
			model: "collection", id: c.ID, name: c.Name, desc: c.Description, official: c.Official, coll: c,
			entity: c.EntityID, home: c.ParentID,
		})
	}
	return all
}

func (x *exchange) itemPage(all []item, models []string) {
	total := len(all)
	limit, offset, paged := window(x.req.Query)
	if paged {
		all = page(all, limit, offset)
	}
	e := x.startJSON()
	e.open()
	if len(all) == 0 && !x.v.from(64) {
		e.null("total") // read from the rows, of which there are none
	} else {
		e.int("total", total)
	}
	e.list("data")
	for i := range all {
		x.item(e, &all[i])
		x.spill()
	}
	e.closeList()
	if models == nil {
		models = x.itemModels()
	}
	kindList(e, "models", models)
	if paged {
		e.int("limit", limit)
		e.int("offset", offset)
	} else {
		e.null("limit")
		e.null("offset")
	}
	e.close()
}

func (x *exchange) item(e *encoder, it *item) {
	v := x.v
	e.open()
	e.orNull("description", it.desc)
	e.null("collection_position")
	if it.pinned {
		e.b = e.b[:len(e.b)-len("null")]
		e.b = append(e.b, '1')
	}
	e.bool("can_write", x.canWrite(it.home))
	e.text("name", it.name)
	e.int("id", it.id)
	e.text("entity_id", it.entity)
	e.idOrNull("collection_id", it.home)
	if v.archivedDirectly() {
		e.bool("can_restore", false)
		e.bool("can_delete", false)
	}
	if v.from(53) {
		dashboard := 0
		if it.card != nil {
			dashboard = it.card.DashboardID
		}
		e.idOrNull("dashboard_id", dashboard)
	}
	if v.from(58) {
		e.bool("is_remote_synced", false)
	}
	e.text("model", it.model)
	x.edited(e, it.editor, it.editedAt)
	switch {
	case it.card != nil:
		x.itemOfCard(e, it.card)
	case it.dashboard != nil:
		d := it.dashboard
		e.null("database_id")
		if v.from(51) {
			e.bool("archived", d.Archived)
			verified(e, d.Verified)
			viewed := d.LastViewedAt
			if viewed.IsZero() {
				viewed = x.w.Upgraded
			}
			e.time("last_used_at", viewed)
			e.text("location", "/")
		} else {
			e.null("location")
		}
	case it.coll != nil:
		c := it.coll
		e.bool("archived", c.Archived)
		if c.Official {
			e.text("authority_level", "official")
		} else {
			e.null("authority_level")
		}
		e.orNull("type", c.Type)
		e.text("location", x.w.location(c))
		e.text("effective_location", x.w.location(c))
		e.idOrNull("personal_owner_id", c.OwnerID)
		here, below := x.kindsIn(c.ID)
		kindList(e, "here", here)
		kindList(e, "below", below)
	}
	e.close()
}

func verified(e *encoder, yes bool) {
	if yes {
		e.text("moderated_status", "verified")
	} else {
		e.null("moderated_status")
	}
}

func (x *exchange) itemOfCard(e *encoder, c *Card) {
	v := x.v
	db := 0
	if c.Query != nil {
		db = c.Query.DatabaseID
	}
	e.idOrNull("database_id", db)
	e.text("display", c.Display)
	e.bool("collection_preview", true)
	e.bool("fully_parameterized", true)
	verified(e, c.Verified)
	e.null("location")
	if v.from(51) {
		e.bool("archived", c.Archived)
		used := c.LastUsedAt
		if used.IsZero() {
			used = x.w.Upgraded
		}
		e.time("last_used_at", used)
	}
	if v.dashboardQuestions() {
		x.dashboardStub(e, c)
	}
	if v.from(56) {
		e.int("dashboard_count", x.w.dashboardCount(c.ID))
	}
}

func (x *exchange) itemsMetadata() {
	id := RootCollection
	if len(x.params) > 0 {
		var ok bool
		if id, ok = x.findCollection(); !ok {
			return
		}
	}
	kinds := map[string]bool{}
	all := x.itemsOf(id, "")
	for i := range all {
		kinds[all[i].model] = true
	}
	e := x.startJSON()
	e.open()
	kindList(e, "available_models", sortedKeys(kinds))
	e.int("total_items", len(all))
	e.close()
}
