package metabase

import (
	"context"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// dashboardMember takes one key of a dashboard, of its head or its detail.
// Cards and tabs are not among them.
func (c *Client) dashboardMember(f *faults, d *catalog.Dashboard, u *catalog.Usage, k string, v []byte) {
	switch k {
	case "id":
		d.ID = f.id(k, v)
	case "entity_id":
		d.EntityID = f.text(k, v)
	case "name":
		d.Name = f.text(k, v)
	case "description":
		d.Description = f.text(k, v)
	case "archived":
		d.Archived = f.flag(k, v)
	case "collection_id":
		if id := f.id(k, v); id != "" {
			d.CollectionID = id
		}
	case "collection":
		c.inCollection(f, v)
	case "collection_position":
		d.Pinned = !isNull(v)
	case "creator_id":
		d.CreatorID = f.id(k, v)
	case "creator":
		if id := c.seenPerson(f, k, v); d.CreatorID == "" {
			d.CreatorID = id
		}
	case "created_at":
		d.CreatedAt = f.stamp(k, v)
	case "last-edit-info":
		d.Edited = c.lastEdit(f, v)
	case "public_uuid":
		d.Public = !isNull(v)
	case "enable_embedding":
		d.Embedded = f.flag(k, v)
	case "cache_ttl":
		d.CacheTTL = optionalSmall(f, k, v)
	case "width":
		d.Width = f.text(k, v)
	case "auto_apply_filters":
		d.AutoApply = f.maybe(k, v)
	case "moderation_reviews":
		d.Verified = verified(f, v)
	case "parameters":
		d.Parameters = c.parameters(f, k, v)
	case "view_count":
		u.Views = optionalCount(f, k, v)
	case "last_viewed_at":
		u.LastUsedAt = optionalStamp(f, k, v)
	case "updated_at":
		u.UpdatedAt = optionalStamp(f, k, v)
	}
}

// DashboardHeads lists the live or the archived dashboards. This counts no view.
// IsMissing reports true for the error of a server without the route.
func (c *Client) DashboardHeads(ctx context.Context, archived bool) ([]DashboardHead, []catalog.Gap, error) {
	what, filter := "dashboards", "all"
	if archived {
		what, filter = "archived dashboards", "archived"
	}
	req, err := routeDashboards.request("", "f", filter)
	if err != nil {
		return nil, nil, err
	}
	l := list[DashboardHead]{what: what, kind: catalog.KindDashboard, placed: true, decode: func(f *faults, val []byte) (string, DashboardHead, bool) {
		d := &catalog.Dashboard{CollectionID: catalog.RootCollectionID, DetailUnread: true}
		head := DashboardHead{Dashboard: d}
		eachMember(val, func(k string, v []byte) { c.dashboardMember(f, d, &head.Usage, k, v) })
		return d.ID, head, !c.leftOut(d.CollectionID)
	}}
	return l.all(ctx, c, req)
}

// Dashboard reads one dashboard with cards, tabs and filters. Metabase counts
// each such read as a view, so a client refuses to read one twice. It returns
// nil with a gap when the server refuses it or has no such dashboard.
func (c *Client) Dashboard(ctx context.Context, id string) (*DashboardDetail, []catalog.Gap, error) {
	what := "dashboard " + id
	req, err := routeDashboard.request(id)
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	again := c.dashboards[id]
	c.dashboards[id] = true
	c.mu.Unlock()
	if again {
		return nil, nil, errs.New(errs.Conflict, "already_read", "Dashboard "+id+" was read already; another read would count as another view.", "")
	}
	var f faults
	out := &DashboardDetail{Dashboard: &catalog.Dashboard{CollectionID: catalog.RootCollectionID}, QueryMillis: map[string]float64{}}
	d := out.Dashboard
	cards, tabs, counted := false, false, false
	err = c.read(ctx, req, func(dec *jsontext.Decoder) error {
		counted = true
		return eachKey(dec, func(key string) error {
			switch {
			case key == "dashcards" || key == "ordered_cards" && !cards:
				cards, d.Cards = true, nil
				seen := map[string]bool{}
				return eachStreamed(dec, func(val []byte) error {
					card, ok := c.dashcard(&f, val, out.QueryMillis)
					f.next()
					switch {
					case !ok:
						f.dropped++
					case !seen[card.ID]:
						seen[card.ID] = true
						d.Cards = append(d.Cards, card)
					}
					return nil
				})
			case key == "tabs" || key == "ordered_tabs" && !tabs:
				tabs, d.Tabs = true, nil
				return eachStreamed(dec, func(val []byte) error {
					d.Tabs = append(d.Tabs, tab(&f, val))
					f.next()
					return nil
				})
			case !dashboardKeys[key]:
				return dec.SkipValue()
			}
			val, err := dec.ReadValue()
			if err != nil {
				return err
			}
			c.dashboardMember(&f, d, &out.Usage, key, val)
			f.next()
			return nil
		})
	})
	c.mu.Lock()
	if counted { // even when the answer broke off, Metabase has counted it
		c.reads[id]++
	} else {
		delete(c.dashboards, id)
	}
	c.mu.Unlock()
	switch {
	case err != nil:
		gaps, err := c.single(ctx, err, what, catalog.KindDashboard)
		return nil, gaps, err
	case d.ID == "":
		return nil, []catalog.Gap{notUnderstood(what, catalog.KindDashboard)}, nil
	case c.leftOut(d.CollectionID):
		return nil, []catalog.Gap{excludedGap(what, catalog.KindDashboard)}, nil
	}
	d.DetailUnread = !cards
	slices.SortStableFunc(d.Tabs, func(a, b catalog.Tab) int { return a.Position - b.Position })
	slices.SortStableFunc(d.Cards, func(a, b catalog.Dashcard) int { return catalog.CompareID(a.ID, b.ID) })
	return out, f.gaps(what, catalog.KindDashboard), nil
}

// dashboardKeys are the keys of a detail that dashboardMember knows; values of
// others are skipped without being read into memory.
var dashboardKeys = wordSet(`id entity_id name description archived collection_id collection collection_position creator_id
creator created_at last-edit-info public_uuid enable_embedding cache_ttl width auto_apply_filters moderation_reviews
parameters view_count last_viewed_at updated_at`)

// DashboardReads returns how often this client read each dashboard in detail
// (once at most), to be subtracted from what Metabase counts later.
func (c *Client) DashboardReads() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]int64, len(c.reads))
	for id, n := range c.reads {
		out[id] = n
	}
	return out
}

func tab(f *faults, val []byte) catalog.Tab {
	var t catalog.Tab
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "id":
			t.ID = f.id("tabs.id", v)
		case "entity_id":
			t.EntityID = f.text("tabs.entity_id", v)
		case "name":
			t.Name = f.text("tabs.name", v)
		case "position":
			t.Position = f.small("tabs.position", v)
		}
	})
	return t
}

func (c *Client) dashcard(f *faults, val []byte, millis map[string]float64) (catalog.Dashcard, bool) {
	var d catalog.Dashcard
	refused := false
	ok := eachMember(val, func(k string, v []byte) {
		key := "dashcards." + k
		switch k {
		case "id":
			d.ID = f.id(key, v)
		case "entity_id":
			d.EntityID = f.text(key, v)
		case "card_id":
			d.QuestionID = f.id(key, v)
		case "action_id":
			d.ActionID = f.id(key, v)
		case "dashboard_tab_id":
			d.TabID = f.id(key, v)
		case "row":
			d.Row = f.small(key, v)
		case "col":
			d.Col = f.small(key, v)
		case "size_x", "sizeX":
			d.Width = f.small(key, v)
		case "size_y", "sizeY":
			d.Height = f.small(key, v)
		case "parameter_mappings":
			d.Mappings = c.mappings(f, key, v)
		case "inline_parameters":
			d.InlineParameters = f.texts(key, v)
		case "series":
			eachElement(v, func(v []byte) {
				if id, _, _ := c.embedded(f, v, millis); id != "" {
					d.SeriesIDs = append(d.SeriesIDs, id)
				}
			})
		case "card":
			if isObject(v) {
				id, whole, _ := c.embedded(f, v, millis)
				refused = id != "" && !whole
			}
		case "visualization_settings":
			_, d.ClickTargets = c.visualization(f, key, v)
			c.virtual(f, &d, v)
		}
	})
	d.QuestionRefused = refused && d.QuestionID != ""
	return d, ok && d.ID != ""
}

// embedded looks at a card inside a dashcard: its id, its run time, and whether
// it is more than the stub of a card that the key may not read.
func (c *Client) embedded(f *faults, val []byte, millis map[string]float64) (id string, whole bool, ok bool) {
	var took float64
	ok = eachMember(val, func(k string, v []byte) {
		switch k {
		case "id":
			id = f.id("card.id", v)
		case "dataset_query":
			whole = true
		case "query_average_duration":
			took, _ = f.float("card.query_average_duration", v)
		case "creator":
			c.seenPerson(f, k, v)
		}
	})
	if id != "" && took > 0 {
		millis[id] = took
	}
	return id, whole, ok
}

// virtual decodes what a tile without a question is, and what a link tile leads to.
func (c *Client) virtual(f *faults, d *catalog.Dashcard, val []byte) {
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "virtual_card":
			eachMember(v, func(k string, v []byte) {
				if k == "display" {
					d.Virtual = f.text("virtual_card.display", v)
				}
			})
		case "link":
			eachMember(v, func(k string, v []byte) {
				if k == "entity" {
					d.LinkTarget = c.linkEntity(f, v)
				}
			})
		}
	})
}

func (c *Client) linkEntity(f *faults, val []byte) catalog.Ref {
	var ref catalog.Ref
	var number int64
	var database string
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "id":
			ref.ID = f.id("link.entity.id", v)
			if isNumber(v) {
				number, _ = f.integer("link.entity.id", v)
			}
		case "model":
			ref.Kind = kindOfModel(f.text("link.entity.model", v))
		case "db_id", "database_id":
			database = f.id("link.entity.database_id", v)
		}
	})
	switch {
	case ref.ID == "" || ref.Kind == "":
		return catalog.Ref{}
	case ref.Kind == catalog.KindTable:
		ref.ID = c.names.table(database, number)
	}
	return ref
}

func idNumber(n int64) string { return strconv.FormatInt(n, 10) }
