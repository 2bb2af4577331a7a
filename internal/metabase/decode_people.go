package metabase

import (
	"context"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// people decoding keeps an id and a display name. Metabase fills common_name
// with the e-mail address where nobody entered a name; an address is never
// taken for a name.

type personName struct{ first, last, common string }

func (p *personName) take(f *faults, key string, val []byte) bool {
	switch key {
	case "first_name":
		p.first = f.text(key, val)
	case "last_name":
		p.last = f.text(key, val)
	case "common_name":
		p.common = f.text(key, val)
	default:
		return false
	}
	return true
}

func (p *personName) display() string {
	for _, name := range []string{p.common, strings.TrimSpace(p.first + " " + p.last)} {
		if name != "" && !strings.Contains(name, "@") {
			return name
		}
	}
	return ""
}

// seenPerson notes a creator or editor object and returns the id.
func (c *Client) seenPerson(f *faults, key string, val []byte) string {
	if !isObject(val) {
		return ""
	}
	var id string
	var name personName
	eachMember(val, func(k string, v []byte) {
		if k == "id" {
			id = f.id(key+".id", v)
			return
		}
		name.take(f, k, v)
	})
	c.names.seen(id, name.display())
	return id
}

// lastEdit decodes last-edit-info.
func (c *Client) lastEdit(f *faults, val []byte) catalog.Edited {
	var out catalog.Edited
	if !isObject(val) {
		return out
	}
	out.LastEditorID = c.seenPerson(f, "last-edit-info", val)
	eachMember(val, func(k string, v []byte) {
		if k == "timestamp" {
			out.LastEditedAt = f.stamp("last-edit-info.timestamp", v)
		}
	})
	return out
}

// People reads everybody, deactivated people included (admin keys only),
// without addresses and login times.
func (c *Client) People(ctx context.Context) ([]*catalog.Person, []catalog.Gap, error) {
	const what = "people"
	req, err := routeUsers.request("", "status", "all")
	if err != nil {
		return nil, nil, err
	}
	l := list[*catalog.Person]{what: what, kind: catalog.KindPerson, decode: func(f *faults, val []byte) (string, *catalog.Person, bool) {
		p := &catalog.Person{}
		var name personName
		eachMember(val, func(k string, v []byte) {
			switch k {
			case "id":
				p.ID = f.id(k, v)
			case "is_active":
				p.Active = f.maybe(k, v)
			case "is_superuser":
				p.Admin = f.maybe(k, v)
			default:
				name.take(f, k, v)
			}
		})
		if p.Name = name.display(); p.Name == "" {
			p.Name = "Person " + p.ID
		}
		return p.ID, p, true
	}}
	out, gaps, err := l.all(ctx, c, req)
	if err != nil {
		return optional(ctx, c, out, gaps, err, lack{
			what: what, kind: catalog.KindPerson,
			forbidden: "only an admin's key may list people; names are known from content only",
		})
	}
	for _, p := range out {
		c.names.learnPerson(p)
	}
	c.names.mu.Lock()
	c.names.allPeople = true
	c.names.mu.Unlock()
	return out, gaps, nil
}

// Groups reads permission groups (admin keys only).
func (c *Client) Groups(ctx context.Context) ([]*catalog.Group, []catalog.Gap, error) {
	req, err := routeGroups.request("")
	if err != nil {
		return nil, nil, err
	}
	l := list[*catalog.Group]{what: "groups", kind: catalog.KindGroup, decode: func(f *faults, val []byte) (string, *catalog.Group, bool) {
		g := &catalog.Group{}
		eachMember(val, func(k string, v []byte) {
			switch k {
			case "id":
				g.ID = f.id(k, v)
			case "entity_id":
				g.EntityID = f.text(k, v)
			case "name":
				g.Name = f.text(k, v)
			case "member_count":
				g.Members = f.small(k, v)
			case "magic_group_type":
				g.Magic = f.text(k, v)
			}
		})
		if g.Magic == "" { // before 0.51 the two fixed groups are known by number
			switch g.ID {
			case "1":
				g.Magic = "all-internal-users"
			case "2":
				g.Magic = "admin"
			}
		}
		return g.ID, g, true
	}}
	out, gaps, err := l.all(ctx, c, req)
	return optional(ctx, c, out, gaps, err, lack{what: "groups", kind: catalog.KindGroup, forbidden: "only an admin's key may list groups"})
}
