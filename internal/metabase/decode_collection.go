package metabase

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// Collections reads live and archived collections and the snippet folders. The
// root collection is always among them. Excluded and other people's personal
// collections are left out, with everything below them; so is, from here on,
// what lies in them.
func (c *Client) Collections(ctx context.Context) ([]*catalog.Collection, []catalog.Gap, error) {
	const what = "collections"
	others := strconv.FormatBool(!c.cfg.IncludePersonal)
	reads := []struct {
		what  string
		query []string
	}{
		{what, []string{"exclude-other-user-collections", others}},
		{"archived collections", []string{"archived", "true", "exclude-other-user-collections", others}},
		{"snippet folders", []string{"namespace", "snippets"}},
	}
	root := &catalog.Collection{}
	root.ID, root.Name = catalog.RootCollectionID, "Our analytics"
	out := []*catalog.Collection{root}
	known := map[string]bool{root.ID: true}
	var gaps []catalog.Gap
	for i, read := range reads {
		req, err := routeCollections.request("", read.query...)
		if err != nil {
			return nil, nil, err
		}
		found, more, err := c.collectionList(read.what).all(ctx, c, req)
		if err != nil {
			if i > 0 && statusOf(err) == http.StatusNotFound && len(gaps) > 0 {
				continue // the route is missing as a whole; said already
			}
			found, more, err = optional(ctx, c, found, more, err, lack{what: read.what, kind: catalog.KindCollection})
			if err != nil {
				return nil, nil, err
			}
			if i > 0 {
				for j := range more {
					more[j].Whole = false
				}
			}
		} else if i == 0 {
			c.names.mu.Lock()
			c.names.complete = true
			c.names.mu.Unlock()
		}
		gaps = append(gaps, more...)
		for _, a := range found {
			switch {
			case a.ID == root.ID:
				if a.Name != "" && i == 0 {
					root.Name = a.Name
				}
			case !known[a.ID]:
				known[a.ID] = true
				out = append(out, a)
			}
		}
	}
	c.names.learnCollections(out, c.cfg.Exclude, c.cfg.IncludePersonal)
	for _, id := range c.cfg.Exclude {
		if !slices.ContainsFunc(out, func(a *catalog.Collection) bool { return a.ID == id || a.EntityID == id }) {
			gaps = append(gaps, catalog.Gap{What: "excluded collection " + id, Reason: "no collection has this id, so nothing was left out for it"})
		}
	}
	shown := out[:0:0]
	excluded, personal := 0, 0
	for _, a := range out {
		a.PersonalOwnerID = c.names.ownerOf(a.ID)
		switch {
		case !c.names.isHidden(a.ID):
			shown = append(shown, a)
		case a.PersonalOwnerID != "" && !c.cfg.IncludePersonal && a.ParentID == catalog.RootCollectionID:
			shown = append(shown, a.Nameless())
			personal++
		case a.PersonalOwnerID != "" && !c.cfg.IncludePersonal:
			personal++
		default:
			excluded++
		}
	}
	if excluded > 0 {
		gaps = append(gaps, catalog.Gap{What: "excluded collections", Reason: fmt.Sprintf("%d collections are excluded in the connection's settings", excluded), Expected: true})
	}
	if personal > 0 {
		gaps = append(gaps, catalog.Gap{What: "personal collections", Reason: fmt.Sprintf("%d personal collections are left out", personal), Expected: true})
	}
	return shown, gaps, nil
}

func (c *Client) collectionList(what string) list[*catalog.Collection] {
	return list[*catalog.Collection]{what: what, kind: catalog.KindCollection, decode: func(f *faults, val []byte) (string, *catalog.Collection, bool) {
		a := c.collection(f, val)
		return a.ID, a, true
	}}
}

func (c *Client) collection(f *faults, val []byte) *catalog.Collection {
	a := &catalog.Collection{}
	location, parent := "", ""
	personal := false
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "id":
			a.ID = f.id(k, v)
		case "entity_id":
			a.EntityID = f.text(k, v)
		case "name":
			a.Name = f.text(k, v)
		case "description":
			a.Description = f.text(k, v)
		case "slug":
			a.Slug = f.text(k, v)
		case "location":
			location = f.text(k, v)
		case "parent_id":
			parent = f.id(k, v)
		case "namespace":
			a.Namespace = f.text(k, v)
		case "type":
			a.Type = f.text(k, v)
		case "authority_level":
			a.Official = f.text(k, v) == "official"
		case "personal_owner_id":
			a.PersonalOwnerID = f.id(k, v)
		case "is_personal":
			personal = f.flag(k, v)
		case "is_sample":
			a.Sample = f.flag(k, v)
		case "is_remote_synced":
			a.RemoteSynced = f.flag(k, v)
		case "archived":
			a.Archived = f.flag(k, v)
		case "created_at":
			a.CreatedAt = f.stamp(k, v)
		}
	})
	if a.ID == catalog.RootCollectionID {
		return a
	}
	switch {
	case parent != "":
		a.ParentID = parent
	default:
		a.ParentID = lastOf(location)
	}
	if personal && a.PersonalOwnerID == "" && a.ParentID == catalog.RootCollectionID {
		a.PersonalOwnerID = "unknown"
	}
	c.names.seen(a.PersonalOwnerID, "")
	return a
}

// lastOf returns the parent in a location such as /12/34/.
func lastOf(location string) string {
	location = strings.Trim(location, "/")
	if location == "" {
		return catalog.RootCollectionID
	}
	return location[strings.LastIndexByte(location, '/')+1:]
}

// learnCollections takes in the tree and decides what is left out.
func (n *names) learnCollections(list []*catalog.Collection, exclude []string, includePersonal bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range list {
		n.parents[a.ID] = a.ParentID
		if a.PersonalOwnerID != "" {
			n.personal[a.ID] = a.PersonalOwnerID
		}
	}
	for _, id := range exclude {
		n.hidden[id] = true
	}
	for _, a := range list {
		if slices.Contains(exclude, a.EntityID) && a.EntityID != "" {
			n.hidden[a.ID] = true
		}
	}
	if !includePersonal {
		for id := range n.personal {
			n.hidden[id] = true
		}
	}
}

// notePersonal remembers a personal collection that content named.
func (n *names) notePersonal(id, owner string, includePersonal bool) {
	if id == "" || id == catalog.RootCollectionID {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.personal[id] = owner
	if !includePersonal {
		n.hidden[id] = true
	}
}

// maxCollectionDepth bounds the walk up a chain of collections, against
// hostile ones. What lies deeper counts as neither personal nor excluded by a
// collection above it.
const maxCollectionDepth = 2000

// ownerOf returns the owner of the personal collection that an id is or lies in.
func (n *names) ownerOf(id string) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for range maxCollectionDepth {
		if owner := n.personal[id]; owner != "" {
			return owner
		}
		next, ok := n.parents[id]
		if !ok || next == "" {
			return ""
		}
		id = next
	}
	return ""
}

// isHidden reports whether a collection, or one above it, is left out.
func (n *names) isHidden(id string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for range maxCollectionDepth {
		if n.hidden[id] {
			return true
		}
		next, ok := n.parents[id]
		if !ok || next == "" {
			return false
		}
		id = next
	}
	return false
}

// stranger reports whether a collection id is in no list that was read.
func (n *names) stranger(id string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, known := n.parents[id]
	return n.complete && !known
}

// leftOut decides whether content in a collection is left out. An admin's key
// is shown content of other people's personal collections, whose collections
// the list of collections does not name: content in a collection that nobody
// named is taken for such.
func (c *Client) leftOut(collectionID string) bool {
	if collectionID == "" || collectionID == catalog.RootCollectionID {
		return c.names.isHidden(catalog.RootCollectionID)
	}
	if c.names.isHidden(collectionID) {
		return true
	}
	return c.admin.Load() && !c.cfg.IncludePersonal && c.names.stranger(collectionID)
}

// inCollection decodes a hydrated collection object and notes what it tells.
func (c *Client) inCollection(f *faults, val []byte) {
	if !isObject(val) {
		return
	}
	a := c.collection(f, val)
	personal, shared := a.PersonalOwnerID, false
	eachMember(val, func(k string, v []byte) {
		if k != "is_personal" || isNull(v) {
			return
		}
		if !f.flag(k, v) {
			shared = true
		} else if personal == "" {
			personal = "unknown"
		}
	})
	switch {
	case personal != "":
		c.names.notePersonal(a.ID, personal, c.cfg.IncludePersonal)
	case shared: // of a namespace that the list does not show
		c.names.noteShared(a.ID, a.ParentID)
	}
}

// noteShared remembers a collection that content named and that is nobody's.
func (n *names) noteShared(id, parent string) {
	if id == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.parents[id]; !known {
		n.parents[id] = parent
	}
}

const pageSize = 200

// Items lists what lies directly in a collection ("root" for the root),
// questions inside dashboards included. Paging ends with a page that is short
// or names nothing new.
func (c *Client) Items(ctx context.Context, collectionID string) ([]Item, []catalog.Gap, error) {
	what := "content of collection " + collectionID
	var f faults
	var out []Item
	seen := map[string]bool{}
	spellings := c.spellings()
	for offset := 0; ; {
		rows, fresh := 0, 0
		query := []string{"limit", strconv.Itoa(pageSize), "offset", strconv.Itoa(offset)}
		for _, key := range spellings[0] {
			query = append(query, key, "true")
		}
		req, err := routeCollectionItems.request(collectionID, query...)
		if err != nil {
			return nil, nil, err
		}
		err = c.elements(ctx, req, func(val []byte) error {
			item, model := c.item(&f, val)
			rows++
			f.next()
			key := model + ":" + item.Ref.ID
			if item.Ref.ID == "" || seen[key] {
				return nil
			}
			seen[key] = true
			fresh++
			if item.Ref.Kind != "" {
				if item.CollectionID == "" {
					item.CollectionID = collectionID
				}
				out = append(out, item)
			}
			return nil
		})
		if statusOf(err) == http.StatusBadRequest && len(spellings) > 1 {
			spellings = spellings[1:]
			continue
		}
		if err != nil {
			out, gaps, err := optional(ctx, c, out, f.gaps(what, ""), err, lack{what: what})
			return out, gaps, err
		}
		if rows < pageSize || fresh == 0 {
			break
		}
		offset += rows
	}
	return out, f.gaps(what, ""), nil
}

// spellings returns the spellings of a renamed query key to try, in order: the
// one of the version, or both at once and then each, where it is unknown.
func (c *Client) spellings() [][]string {
	const snake, dashed = "show_dashboard_questions", "show-dashboard-questions"
	switch major := c.major.Load(); {
	case major == 0:
		return [][]string{{snake, dashed}, {dashed}, {snake}}
	case major >= 64:
		return [][]string{{dashed}}
	case major < 53: // there are no questions inside dashboards yet
		return [][]string{nil}
	default:
		return [][]string{{snake}}
	}
}

func (c *Client) item(f *faults, val []byte) (Item, string) {
	var it Item
	var model string
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "id":
			it.Ref.ID = f.id(k, v)
		case "model":
			model = f.text(k, v)
		case "entity_id":
			it.EntityID = f.text(k, v)
		case "name":
			it.Name = f.text(k, v)
		case "collection_id":
			it.CollectionID = f.id(k, v)
		case "dashboard_id":
			it.DashboardID = f.id(k, v)
		case "archived":
			it.Archived = f.flag(k, v)
		case "collection_position":
			it.Pinned = !isNull(v)
		case "moderated_status":
			it.Verified = f.text(k, v) == "verified"
		case "last_used_at":
			it.Usage.LastUsedAt = optionalStamp(f, k, v)
		case "dashboard_count":
			it.Usage.DashboardCount = optionalSmall(f, k, v)
		case "last-edit-info":
			it.LastEditedAt = c.lastEdit(f, v).LastEditedAt
		}
	})
	it.Ref.Kind = kindOfModel(model)
	return it, model
}

// kindOfModel maps the API's model words to asset kinds; "" for those that are
// not read.
func kindOfModel(model string) catalog.Kind {
	switch model {
	case "card", "question":
		return catalog.KindQuestion
	case "dataset", "model":
		return catalog.KindModel
	case "metric":
		return catalog.KindMetric
	case "dashboard":
		return catalog.KindDashboard
	case "collection":
		return catalog.KindCollection
	case "snippet":
		return catalog.KindSnippet
	case "document":
		return catalog.KindDocument
	case "table":
		return catalog.KindTable
	case "database":
		return catalog.KindDatabase
	case "transform":
		return catalog.KindTransform
	case "segment":
		return catalog.KindSegment
	case "measure":
		return catalog.KindMeasure
	case "action":
		return catalog.KindAction
	default:
		return ""
	}
}
