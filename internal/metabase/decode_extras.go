package metabase

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
)

// common takes the keys that most assets share.
func (c *Client) common(f *faults, a *catalog.Common, k string, v []byte) {
	switch k {
	case "id":
		a.ID = f.id(k, v)
	case "entity_id":
		a.EntityID = f.text(k, v)
	case "name":
		a.Name = f.text(k, v)
	case "description":
		a.Description = f.text(k, v)
	case "archived":
		a.Archived = f.flag(k, v)
	case "creator_id":
		a.CreatorID = f.id(k, v)
	case "creator":
		if id := c.seenPerson(f, k, v); a.CreatorID == "" {
			a.CreatorID = id
		}
	case "created_at":
		a.CreatedAt = f.stamp(k, v)
	}
}

// definition cleans the query of a segment or measure.
func (c *Client) definition(f *faults, key string, val []byte) []byte {
	tree, ok := c.queryTree(f, key, val)
	if !ok {
		return nil
	}
	cleaned, _ := c.cleaner("").clean(tree).(object)
	if len(cleaned) == 0 {
		return nil
	}
	return encode(cleaned)
}

// Segments reads all segments.
func (c *Client) Segments(ctx context.Context) ([]*catalog.Segment, []catalog.Gap, error) {
	req, err := routeSegments.request("")
	if err != nil {
		return nil, nil, err
	}
	l := list[*catalog.Segment]{what: "segments", kind: catalog.KindSegment, decode: func(f *faults, val []byte) (string, *catalog.Segment, bool) {
		s := &catalog.Segment{}
		eachMember(val, func(k string, v []byte) {
			switch k {
			case "table_id":
				if n, ok := f.integer(k, v); ok {
					s.TableID = c.names.table("", n)
				}
			case "definition":
				s.Definition = c.definition(f, k, v)
			default:
				c.common(f, &s.Common, k, v)
			}
		})
		return s.ID, s, true
	}}
	out, gaps, err := l.all(ctx, c, req)
	return optional(ctx, c, out, gaps, err, lack{what: l.what, kind: l.kind})
}

// Measures reads measures, and the legacy metrics of old servers.
func (c *Client) Measures(ctx context.Context) ([]*catalog.Measure, []catalog.Gap, error) {
	major := c.major.Load()
	r, legacy := routeMeasures, false
	switch {
	case major == 0: // the new list; the old ones would answer something else, or nothing
	case major < 50:
		r, legacy = routeMetrics, true
	case major == 50:
		r, legacy = routeLegacyMetrics, true
	}
	l := list[*catalog.Measure]{what: "measures", kind: catalog.KindMeasure, decode: func(f *faults, val []byte) (string, *catalog.Measure, bool) {
		m := &catalog.Measure{Legacy: legacy}
		eachMember(val, func(k string, v []byte) {
			switch k {
			case "table_id":
				if n, ok := f.integer(k, v); ok {
					m.TableID = c.names.table("", n)
				}
			case "definition":
				m.Definition = c.definition(f, k, v)
			default:
				c.common(f, &m.Common, k, v)
			}
		})
		return m.ID, m, true
	}}
	missing := lack{what: l.what, kind: l.kind, since: 59}
	if legacy {
		l.what = "metrics"
		missing = lack{what: l.what, kind: l.kind, until: 50}
	}
	if gap, absent := c.absent(missing); absent {
		return nil, []catalog.Gap{gap}, nil
	}
	req, err := r.request("")
	if err != nil {
		return nil, nil, err
	}
	out, gaps, err := l.all(ctx, c, req)
	return optional(ctx, c, out, gaps, err, missing)
}

// Snippets reads live and archived snippets.
func (c *Client) Snippets(ctx context.Context) ([]*catalog.Snippet, []catalog.Gap, error) {
	var out []*catalog.Snippet
	var gaps []catalog.Gap
	known := map[string]bool{}
	for _, archived := range []string{"false", "true"} {
		req, err := routeSnippets.request("", "archived", archived)
		if err != nil {
			return nil, nil, err
		}
		l := list[*catalog.Snippet]{what: "snippets", kind: catalog.KindSnippet, decode: func(f *faults, val []byte) (string, *catalog.Snippet, bool) {
			s := c.snippet(f, val)
			return s.ID, s, true
		}}
		found, more, err := l.all(ctx, c, req)
		if err != nil {
			_, more, err = optional(ctx, c, found, more, err, lack{
				what: l.what, kind: l.kind,
				forbidden: "snippets are shown to keys that may write native queries on some database",
			})
			return out, append(gaps, more...), err
		}
		gaps = append(gaps, more...)
		for _, s := range found {
			if !known[s.ID] {
				known[s.ID] = true
				out = append(out, s)
			}
		}
	}
	return out, gaps, nil
}

func (c *Client) snippet(f *faults, val []byte) *catalog.Snippet {
	s := &catalog.Snippet{Masked: c.mask != nil}
	q := c.cleaner("")
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "content":
			s.SQL = q.sql(f.text(k, v))
		case "collection_id":
			s.CollectionID = f.id(k, v)
		case "template_tags":
			if tree, err := parse(v); err == nil {
				s.Tags = q.tags(tree)
			} else {
				f.add(k)
			}
		default:
			c.common(f, &s.Common, k, v)
		}
	})
	return s
}

// Transforms reads transforms.
func (c *Client) Transforms(ctx context.Context) ([]*catalog.Transform, []catalog.Gap, error) {
	missing := lack{
		what: "transforms", kind: catalog.KindTransform, since: 58,
		forbidden: "transforms are shown to admins and data analysts only",
	}
	if gap, absent := c.absent(missing); absent {
		return nil, []catalog.Gap{gap}, nil
	}
	req, err := routeTransforms.request("")
	if err != nil {
		return nil, nil, err
	}
	l := list[*catalog.Transform]{what: missing.what, kind: missing.kind, decode: func(f *faults, val []byte) (string, *catalog.Transform, bool) {
		t := c.transform(f, val)
		return t.ID, t, true
	}}
	out, gaps, err := l.all(ctx, c, req)
	return optional(ctx, c, out, gaps, err, missing)
}

func (c *Client) transform(f *faults, val []byte) *catalog.Transform {
	t := &catalog.Transform{}
	var database string
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "collection_id":
			t.CollectionID = f.id(k, v)
		case "source_database_id":
			database = f.id(k, v)
		case "target":
			eachMember(v, func(k string, v []byte) {
				switch k {
				case "database", "database_id":
					if id := f.id("target.database", v); id != "" {
						t.TargetDatabase = id
					}
				case "schema":
					t.TargetSchema = f.text("target.schema", v)
				case "name":
					t.TargetTable = f.text("target.name", v)
				}
			})
		case "source":
			eachMember(v, func(k string, v []byte) {
				switch k {
				case "type":
					t.SourceType = f.text("source.type", v)
				case "query":
					if tree, ok := c.queryTree(f, "source.query", v); ok {
						t.Query = c.queryFrom(tree)
					}
				case "source-tables":
					if tree, err := parse(v); err == nil {
						t.SourceTables = encode(sourceTables(tree))
					}
				}
			})
		default:
			c.common(f, &t.Common, k, v)
		}
	})
	if t.TargetDatabase == "" {
		t.TargetDatabase = orText(t.Query.DatabaseID, database)
	}
	return t
}

// sourceTables keeps alias → table number, or alias → {database_id, schema, table}.
func sourceTables(n any) any {
	switch n := n.(type) {
	case object:
		out := object{}
		for k, v := range n {
			switch v := v.(type) {
			case number:
				out[k] = v
			case object:
				kept := object{}
				for _, part := range []string{"alias", "database", "database_id", "schema", "table", "table_id"} {
					switch v[part].(type) {
					case string, number:
						kept[part] = v[part]
					}
				}
				out[k] = kept
			case array:
				if ref := tableReference(v); ref != nil {
					out[k] = ref
				}
			}
		}
		return out
	case array:
		out := array{}
		for _, v := range n {
			if kept, ok := sourceTables(object{"t": v}).(object); ok && kept["t"] != nil {
				out = append(out, kept["t"])
			}
		}
		return out
	}
	return nil
}

// Actions reads actions on models.
func (c *Client) Actions(ctx context.Context) ([]*catalog.Action, []catalog.Gap, error) {
	req, err := routeActions.request("")
	if err != nil {
		return nil, nil, err
	}
	l := list[*catalog.Action]{what: "actions", kind: catalog.KindAction, decode: func(f *faults, val []byte) (string, *catalog.Action, bool) {
		a := &catalog.Action{}
		eachMember(val, func(k string, v []byte) {
			switch k {
			case "model_id":
				a.ModelID = f.id(k, v)
			case "type":
				a.Type = f.text(k, v)
			case "database_id":
				a.DatabaseID = f.id(k, v)
			case "public_uuid":
				a.Public = !isNull(v)
			case "dataset_query":
				if tree, ok := c.queryTree(f, k, v); ok {
					a.SQL = c.queryFrom(tree).SQL
				}
			default:
				c.common(f, &a.Common, k, v)
			}
		})
		return a.ID, a, true
	}}
	out, gaps, err := l.all(ctx, c, req)
	return optional(ctx, c, out, gaps, err, lack{what: l.what, kind: l.kind})
}

// Documents reads the list of documents; their bodies are not read.
func (c *Client) Documents(ctx context.Context) ([]*catalog.Document, map[catalog.Ref]catalog.Usage, []catalog.Gap, error) {
	missing := lack{what: "documents", kind: catalog.KindDocument, since: 58}
	if gap, absent := c.absent(missing); absent {
		return nil, nil, []catalog.Gap{gap}, nil
	}
	req, err := routeDocuments.request("")
	if err != nil {
		return nil, nil, nil, err
	}
	usage := map[catalog.Ref]catalog.Usage{}
	l := list[*catalog.Document]{what: missing.what, kind: missing.kind, placed: true, decode: func(f *faults, val []byte) (string, *catalog.Document, bool) {
		d := &catalog.Document{CollectionID: catalog.RootCollectionID}
		var u catalog.Usage
		eachMember(val, func(k string, v []byte) {
			switch k {
			case "collection_id":
				if id := f.id(k, v); id != "" {
					d.CollectionID = id
				}
			case "view_count":
				u.Views = optionalCount(f, k, v)
			case "last_viewed_at":
				u.LastUsedAt = optionalStamp(f, k, v)
			case "updated_at":
				u.UpdatedAt = optionalStamp(f, k, v)
			default:
				c.common(f, &d.Common, k, v)
			}
		})
		keep := !c.leftOut(d.CollectionID)
		if keep && u != (catalog.Usage{}) {
			usage[d.Ref()] = u
		}
		return d.ID, d, keep
	}}
	out, gaps, err := l.all(ctx, c, req)
	out, gaps, err = optional(ctx, c, out, gaps, err, missing)
	return out, usage, gaps, err
}
