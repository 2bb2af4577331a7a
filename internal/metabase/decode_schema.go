package metabase

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/metalens/metalens/internal/catalog"
)

func optionalStamp(f *faults, key string, val []byte) *time.Time {
	if t := f.stamp(key, val); !t.IsZero() {
		return &t
	}
	return nil
}

func optionalSmall(f *faults, key string, val []byte) *int {
	if isNull(val) {
		return nil
	}
	n := f.small(key, val)
	return &n
}

func optionalCount(f *faults, key string, val []byte) *int64 {
	if n, ok := f.integer(key, val); ok && n >= 0 {
		return &n
	}
	return nil
}

// Databases reads the databases the key may see.
func (c *Client) Databases(ctx context.Context) ([]*catalog.Database, []catalog.Gap, error) {
	const what = "databases"
	req, err := routeDatabases.request("")
	if err != nil {
		return nil, nil, err
	}
	l := list[*catalog.Database]{what: what, kind: catalog.KindDatabase, decode: func(f *faults, val []byte) (string, *catalog.Database, bool) {
		d := c.database(f, val)
		return d.ID, d, !strings.HasPrefix(d.ID, "-") // the virtual "Saved Questions" is none
	}}
	out, gaps, err := l.all(ctx, c, req)
	if err != nil {
		return optional(ctx, c, out, gaps, err, lack{what: what, kind: catalog.KindDatabase})
	}
	for _, d := range out {
		c.names.learnDatabase(d)
	}
	return out, gaps, nil
}

func (c *Client) database(f *faults, val []byte) *catalog.Database {
	d := &catalog.Database{}
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "id":
			d.ID = f.id(k, v)
		case "name":
			d.Name = f.text(k, v)
		case "description":
			d.Description = f.text(k, v)
		case "engine":
			d.Engine = f.text(k, v)
		case "timezone":
			d.Timezone = f.text(k, v)
		case "features":
			d.Features = f.texts(k, v)
			slices.Sort(d.Features)
		case "is_sample":
			d.Sample = f.flag(k, v)
		case "is_audit":
			d.Audit = f.flag(k, v)
		case "initial_sync_status":
			d.SyncStatus = f.text(k, v)
		case "cache_ttl":
			d.CacheTTL = optionalSmall(f, k, v)
		case "creator_id":
			d.CreatorID = f.id(k, v)
		case "created_at":
			d.CreatedAt = f.stamp(k, v)
		}
	})
	return d
}

// rawTable is a table as decoded, before its ids are natural.
type rawTable struct {
	table  *catalog.Table
	usage  catalog.Usage
	fields []rawField
}

type rawField struct {
	column *catalog.Column
	parent int64
	fk     int64
}

// table decodes a table with whatever columns come with it.
func (c *Client) table(f *faults, val []byte) rawTable {
	t := &catalog.Table{}
	var out rawTable
	active, hasFields := true, false
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "id":
			t.MetabaseID, _ = f.integer(k, v)
		case "db_id":
			t.DatabaseID = f.id(k, v)
		case "schema":
			t.Schema = f.text(k, v)
		case "name":
			t.Name = f.text(k, v)
		case "display_name":
			t.DisplayName = f.text(k, v)
		case "description":
			t.Description = f.text(k, v)
		case "active":
			active = isNull(v) || f.flag(k, v)
		case "visibility_type":
			t.Visibility = f.text(k, v)
		case "entity_type":
			t.EntityType = f.text(k, v)
		case "is_upload":
			t.Upload = f.flag(k, v)
		case "database_require_filter":
			t.RequireFilter = f.flag(k, v)
		case "data_authority":
			t.DataAuthority = f.text(k, v)
		case "owner_user_id":
			t.OwnerID = f.id(k, v)
		case "transform_id":
			t.TransformID = f.id(k, v)
		case "archived_at":
			t.Archived = !isNull(v)
		case "created_at":
			t.CreatedAt = f.stamp(k, v)
		case "updated_at":
			out.usage.UpdatedAt = optionalStamp(f, k, v)
		case "view_count":
			out.usage.Views = optionalCount(f, k, v)
		case "fields":
			hasFields = eachElement(v, func(v []byte) {
				if field := c.field(f, v); field.column.Name != "" {
					out.fields = append(out.fields, field)
				} else {
					f.add("fields")
				}
			})
		}
	})
	t.Inactive = !active
	t.ColumnsUnread = !hasFields
	out.table = t
	return out
}

func (c *Client) field(f *faults, val []byte) rawField {
	col := &catalog.Column{}
	out := rawField{column: col}
	active := true
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "id":
			col.MetabaseID, _ = f.integer(k, v)
		case "name":
			col.Name = f.text(k, v)
		case "display_name":
			col.DisplayName = f.text(k, v)
		case "description":
			col.Description = f.text(k, v)
		case "base_type":
			col.BaseType = f.text(k, v)
		case "effective_type":
			col.EffectiveType = f.text(k, v)
		case "database_type":
			col.DatabaseType = f.text(k, v)
		case "semantic_type":
			col.SemanticType = f.text(k, v)
		case "coercion_strategy":
			col.Coercion = f.text(k, v)
		case "fk_target_field_id":
			out.fk, _ = f.integer(k, v)
		case "parent_id":
			out.parent, _ = f.integer(k, v)
		case "nfc_path":
			col.Path = f.texts(k, v)
		case "active":
			active = isNull(v) || f.flag(k, v)
		case "visibility_type":
			col.Visibility = f.text(k, v)
		case "position":
			col.Position = f.small(k, v)
		case "database_is_pk":
			col.PrimaryKey = col.PrimaryKey || f.flag(k, v)
		case "database_required":
			col.Required = f.flag(k, v)
		case "database_is_nullable":
			col.Nullable = f.maybe(k, v)
		case "database_indexed":
			col.Indexed = f.maybe(k, v)
		case "database_partitioned":
			col.Partitioned = f.maybe(k, v)
		case "data_sensitivity":
			col.Sensitivity = f.text(k, v)
		}
	})
	col.Inactive = !active
	col.PrimaryKey = col.PrimaryKey || col.SemanticType == "type/PK"
	return out
}

// settle gives a table and its columns their natural ids. Of columns with the
// same name, the active one stays.
func (c *Client) settle(raw rawTable, databaseID string) *catalog.Table {
	t := raw.table
	if t.DatabaseID == "" {
		t.DatabaseID = databaseID
	}
	t.ID = catalog.TableID(t.DatabaseID, t.Schema, t.Name)
	byNumber := make(map[int64]rawField, len(raw.fields))
	for _, f := range raw.fields {
		byNumber[f.column.MetabaseID] = f
	}
	path := func(f rawField) string {
		name := f.column.Name
		for depth := 0; f.parent != 0 && depth < 32; depth++ {
			up, ok := byNumber[f.parent]
			if !ok {
				break
			}
			name, f = up.column.Name+"."+name, up
		}
		return name
	}
	at := map[string]int{}
	for _, f := range raw.fields {
		f.column.ID = catalog.ColumnID(t.ID, path(f))
		if up, ok := byNumber[f.parent]; ok && f.parent != 0 {
			f.column.ParentID = catalog.ColumnID(t.ID, path(up))
		}
		i, taken := at[f.column.ID]
		switch {
		case !taken:
			at[f.column.ID] = len(t.Columns)
			t.Columns = append(t.Columns, f.column)
		case t.Columns[i].Inactive && !f.column.Inactive:
			c.names.learnColumn(t.Columns[i].MetabaseID, f.column.ID)
			t.Columns[i] = f.column
		default:
			c.names.learnColumn(f.column.MetabaseID, f.column.ID)
		}
	}
	c.names.learnTable(t)
	return t
}

// link resolves foreign keys once all tables of a database are known.
func (c *Client) link(raw []rawTable) {
	for _, t := range raw {
		for _, f := range t.fields {
			if f.fk != 0 {
				f.column.FKTargetID = c.names.column(f.fk)
			}
		}
	}
}

// tableSet collects tables. Of tables with the same natural id the active one stays.
type tableSet struct {
	raw   []rawTable
	at    map[string]int
	out   []*catalog.Table
	usage map[catalog.Ref]catalog.Usage
}

func (c *Client) settleAll(raw []rawTable, databaseID string) ([]*catalog.Table, map[catalog.Ref]catalog.Usage) {
	set := tableSet{raw: raw, at: map[string]int{}, usage: map[catalog.Ref]catalog.Usage{}}
	for _, r := range raw {
		t := c.settle(r, databaseID)
		i, taken := set.at[t.ID]
		switch {
		case !taken:
			set.at[t.ID] = len(set.out)
			set.out = append(set.out, t)
		case set.out[i].Inactive && !t.Inactive:
			set.out[i] = t
		default:
			continue
		}
		if r.usage != (catalog.Usage{}) {
			set.usage[t.Ref()] = r.usage
		}
	}
	c.link(raw)
	return set.out, set.usage
}

// Schema reads the tables and columns of one database, hidden and inactive ones
// included as far as the server tells them. The answer is decoded table by
// table.
func (c *Client) Schema(ctx context.Context, databaseID string) ([]*catalog.Table, map[catalog.Ref]catalog.Usage, []catalog.Gap, error) {
	what := "tables of database " + databaseID
	req, err := routeDatabaseMetadata.request(databaseID, "include_hidden", "true")
	if err != nil {
		return nil, nil, nil, err
	}
	var f faults
	var raw []rawTable
	seen := map[int64]bool{}
	err = c.read(ctx, req, func(dec *jsontext.Decoder) error {
		found := false
		err := eachKey(dec, func(key string) error {
			switch {
			case key == "tables" && dec.PeekKind() == '[':
				found = true
				return eachStreamed(dec, func(val []byte) error {
					t := c.table(&f, val)
					f.next()
					switch {
					case t.table.Name == "":
						f.dropped++
					case !seen[t.table.MetabaseID] || t.table.MetabaseID == 0:
						seen[t.table.MetabaseID] = true
						raw = append(raw, t)
					}
					return nil
				})
			default:
				return dec.SkipValue()
			}
		})
		if err == nil && !found {
			err = strange(req.route)
		}
		return err
	})
	if err != nil {
		gaps, err := c.single(ctx, err, what, catalog.KindTable)
		return nil, nil, gaps, err
	}
	tables, usage := c.settleAll(raw, databaseID)
	return tables, usage, f.gaps(what, catalog.KindTable), nil
}

// Tables reads the heads of all active tables in one request, without columns.
func (c *Client) Tables(ctx context.Context) ([]*catalog.Table, map[catalog.Ref]catalog.Usage, []catalog.Gap, error) {
	const what = "tables"
	req, err := routeTables.request("")
	if err != nil {
		return nil, nil, nil, err
	}
	l := list[rawTable]{what: what, kind: catalog.KindTable, decode: func(f *faults, val []byte) (string, rawTable, bool) {
		t := c.table(f, val)
		if t.table.Name == "" || t.table.DatabaseID == "" {
			return "", t, false
		}
		return strconv.FormatInt(t.table.MetabaseID, 10), t, !strings.HasPrefix(t.table.DatabaseID, "-")
	}}
	raw, gaps, err := l.all(ctx, c, req)
	if err != nil {
		_, gaps, err = optional(ctx, c, raw, gaps, err, lack{what: what, kind: catalog.KindTable})
		return nil, nil, gaps, err
	}
	tables, usage := c.settleAll(raw, "")
	return tables, usage, gaps, nil
}

// TableByNumber reads the head of one table that content refers to and no list
// names, typically a dropped one. It returns nil with a gap when refused.
func (c *Client) TableByNumber(ctx context.Context, num int64) (*catalog.Table, []catalog.Gap, error) {
	what := "table number " + strconv.FormatInt(num, 10)
	req, err := routeTable.request(strconv.FormatInt(num, 10))
	if err != nil {
		return nil, nil, err
	}
	var f faults
	var raw rawTable
	err = c.read(ctx, req, func(dec *jsontext.Decoder) error {
		val, err := dec.ReadValue()
		if err != nil {
			return err
		}
		raw = c.table(&f, val)
		f.next()
		return nil
	})
	switch {
	case err != nil:
		gaps, err := c.single(ctx, err, what, catalog.KindTable)
		return nil, gaps, err
	case raw.table == nil || raw.table.Name == "":
		return nil, []catalog.Gap{notUnderstood(what, catalog.KindTable)}, nil
	}
	return c.settle(raw, ""), f.gaps(what, catalog.KindTable), nil
}
