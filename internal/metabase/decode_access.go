package metabase

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/metalens/metalens/internal/catalog"
)

// members streams the members of an object answer.
func (c *Client) members(ctx context.Context, r route, each func(key string, val []byte)) error {
	req, err := r.request("")
	if err != nil {
		return err
	}
	return c.read(ctx, req, func(dec *jsontext.Decoder) error {
		if dec.PeekKind() != '{' {
			if err := dec.SkipValue(); err != nil {
				return err
			}
			return strange(r)
		}
		return eachKey(dec, func(key string) error {
			val, err := dec.ReadValue()
			if err != nil {
				return err
			}
			each(cleanText(key), val)
			return nil
		})
	})
}

// groupsOf streams the groups of a permission graph, one group at a time.
func (c *Client) groupsOf(ctx context.Context, r route, each func(group string, val []byte)) error {
	req, err := r.request("")
	if err != nil {
		return err
	}
	return c.read(ctx, req, func(dec *jsontext.Decoder) error {
		found := false
		err := eachKey(dec, func(key string) error {
			if key != "groups" || dec.PeekKind() != '{' {
				return dec.SkipValue()
			}
			found = true
			return eachKey(dec, func(group string) error {
				val, err := dec.ReadValue()
				if err != nil {
					return err
				}
				each(cleanText(group), val)
				return nil
			})
		})
		if err == nil && !found {
			err = strange(r)
		}
		return err
	})
}

// Memberships reads person id → group ids (admin keys only).
func (c *Client) Memberships(ctx context.Context) (map[string][]string, []catalog.Gap, error) {
	const what = "group memberships"
	var f faults
	out := map[string][]string{}
	err := c.members(ctx, routeMemberships, func(person string, val []byte) {
		groups := out[person][:0]
		if !eachElement(val, func(v []byte) {
			eachMember(v, func(k string, v []byte) {
				if k == "group_id" {
					groups = append(groups, f.id(k, v))
				}
			})
		}) {
			f.add("memberships")
		}
		f.next()
		slices.SortFunc(groups, catalog.CompareID)
		out[person] = slices.Compact(groups)
	})
	return optional(ctx, c, out, f.gaps(what, ""), err, lack{what: what, forbidden: "only an admin's key may see who is in which group"})
}

// CollectionAccess reads group id → collection id → "read" or "write" (admin
// keys only).
func (c *Client) CollectionAccess(ctx context.Context) (map[string]map[string]string, []catalog.Gap, error) {
	const what = "collection permissions"
	var f faults
	out := map[string]map[string]string{}
	err := c.groupsOf(ctx, routeCollectionGraph, func(group string, val []byte) {
		grants := map[string]string{}
		eachMember(val, func(collection string, v []byte) {
			level := f.text("groups", v)
			if (level == "read" || level == "write") && !c.names.isHidden(collection) {
				grants[collection] = level
			}
		})
		f.next()
		out[group] = grants
	})
	return optional(ctx, c, out, f.gaps(what, ""), err, lack{what: what, forbidden: "only an admin's key may read permissions"})
}

// DataAccess reads the data permission graph (admin keys only).
func (c *Client) DataAccess(ctx context.Context) ([]catalog.DataGrant, []catalog.Gap, error) {
	const what = "data permissions"
	var f faults
	var out []catalog.DataGrant
	err := c.groupsOf(ctx, routeDataGraph, func(group string, val []byte) {
		eachMember(val, func(database string, v []byte) {
			g := grants{c: c, f: &f, group: group, database: database, at: map[[2]string]*catalog.DataGrant{}}
			eachMember(v, func(k string, v []byte) {
				switch k {
				case "view-data":
					g.take(v, func(d *catalog.DataGrant, value string) { d.ViewData = value })
				case "create-queries":
					g.take(v, func(d *catalog.DataGrant, value string) { d.CreateQueries = value })
				case "data":
					g.legacy(v)
				}
			})
			out = append(out, g.sorted()...)
		})
		f.next()
	})
	slices.SortStableFunc(out, func(a, b catalog.DataGrant) int {
		return cmp.Or(catalog.CompareID(a.GroupID, b.GroupID), catalog.CompareID(a.DatabaseID, b.DatabaseID),
			cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.TableID, b.TableID))
	})
	out = slices.Compact(out)
	return optional(ctx, c, out, f.gaps(what, ""), err, lack{what: what, forbidden: "only an admin's key may read permissions"})
}

// grants flattens one group's permissions on one database.
type grants struct {
	c               *Client
	f               *faults
	group, database string
	at              map[[2]string]*catalog.DataGrant
}

func (g *grants) grant(schema, table string) *catalog.DataGrant {
	key := [2]string{schema, table}
	if g.at[key] == nil {
		g.at[key] = &catalog.DataGrant{GroupID: g.group, DatabaseID: g.database, Schema: schema, TableID: table}
	}
	return g.at[key]
}

// take walks a value: a word, or {schema: word or {table number: word}}.
func (g *grants) take(val []byte, set func(*catalog.DataGrant, string)) {
	switch {
	case isString(val):
		set(g.grant("", ""), unquote(val))
	case isObject(val):
		eachMember(val, func(schema string, v []byte) {
			switch {
			case isString(v):
				set(g.grant(schema, ""), unquote(v))
			case isObject(v):
				eachMember(v, func(num string, v []byte) {
					n, err := strconv.ParseInt(num, 10, 64)
					if err != nil || !isString(v) {
						g.f.add("groups")
						return
					}
					set(g.grant(schema, g.c.names.table(g.database, n)), unquote(v))
				})
			}
		})
	}
}

// legacy reads the {native, schemas} form of servers before 0.50 in the words
// of the later one.
func (g *grants) legacy(val []byte) {
	native := false
	var schemas []byte
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "native":
			native = isString(v) && unquote(v) == "write"
		case "schemas":
			schemas = v
		}
	})
	create := "query-builder"
	if native {
		create = "query-builder-and-native"
	}
	g.take(schemas, func(d *catalog.DataGrant, word string) {
		switch word {
		case "all":
			d.ViewData, d.CreateQueries = "unrestricted", create
		case "block":
			d.ViewData, d.CreateQueries = "blocked", "no"
		case "segmented", "sandboxed":
			d.ViewData, d.CreateQueries = "sandboxed", create
		default:
			d.ViewData, d.CreateQueries = "legacy-no-self-service", "no"
		}
	})
}

func (g *grants) sorted() []catalog.DataGrant {
	out := make([]catalog.DataGrant, 0, len(g.at))
	for _, d := range g.at {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b catalog.DataGrant) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.TableID, b.TableID))
	})
	return out
}
