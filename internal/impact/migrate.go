package impact

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/impact/ddl"
	"github.com/metalens/metalens/internal/sqllens"
)

// Migration says where a script will run.
type Migration struct {
	Database string // id or name; empty = names alone decide
	Dialect  string // empty = that of the database
}

// OfMigration answers for every statement of a script: what is gone, renamed or
// of another type once the whole script has run, told by the statement that did
// it. What one statement takes and a later one gives back changes nothing.
func OfMigration(ctx context.Context, in Input, sql string, m Migration) ([]Impact, []Skipped, error) {
	w, err := newWorld(in.Index, m.Database)
	if err != nil {
		return nil, nil, err
	}
	d, err := w.dialect(sql, m.Dialect)
	if err != nil {
		return nil, nil, err
	}
	script := ddl.Read(sql, d)
	for _, s := range script.Skipped {
		w.skipped = append(w.skipped, Skipped{s.Line, s.SQL, "not_understood", s.Reason})
	}
	for i := range script.Operations {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		w.apply(&script.Operations[i], d)
	}
	list, err := w.impacts(ctx, in)
	slices.SortStableFunc(w.skipped, func(a, b Skipped) int { return a.Line - b.Line })
	return list, w.skipped, err
}

// world is the tables of a scan while a script runs over them.
type world struct {
	index     *catalog.Index
	database  string // id; empty = any
	relations []*relation
	origins   map[string]*relation // table id → the relation that it is now
	cause     map[string]*ddl.Operation
	dropped   map[*relation]bool
	skipped   []Skipped
}

type relation struct {
	database, schema, name string
	origin                 *catalog.Table // nil for what the script made
	columns                []*relationColumn
	unknown                bool // its columns are not known
	made                   *ddl.Operation
}

type relationColumn struct {
	name   string
	origin string // column id; empty for what the script made
	typed  *ddl.Operation
}

func newWorld(x *catalog.Index, database string) (*world, error) {
	w := &world{index: x, origins: map[string]*relation{}, cause: map[string]*ddl.Operation{}, dropped: map[*relation]bool{}}
	if database != "" {
		var names []string
		for _, d := range x.Snapshot().Databases {
			names = append(names, d.Name)
			if d.ID == database || strings.EqualFold(d.Name, database) {
				w.database = d.ID
			}
		}
		if w.database == "" {
			return nil, errs.New(errs.NotFound, "unknown_database", fmt.Sprintf("This scan knows no database %s.", database), "Databases: "+strings.Join(names, ", ")+".")
		}
	}
	for _, t := range x.Snapshot().Tables {
		if t.Inactive || w.database != "" && t.DatabaseID != w.database {
			continue
		}
		r := &relation{database: t.DatabaseID, schema: t.Schema, name: t.Name, origin: t, unknown: t.ColumnsUnread}
		for _, c := range t.Columns {
			if !c.Inactive && c.ParentID == "" {
				r.columns = append(r.columns, &relationColumn{name: c.Name, origin: c.ID})
			}
		}
		w.relations = append(w.relations, r)
		w.origins[t.ID] = r
	}
	return w, nil
}

// dialect is the one asked for, else that of the database, else that which all
// databases share, else what the text looks like.
func (w *world) dialect(sql, asked string) (sqllens.Dialect, error) {
	if asked != "" {
		d, ok := sqllens.ParseDialect(asked)
		if !ok {
			return "", errs.New(errs.Invalid, "unknown_dialect", "There is no dialect "+asked+".", "metalens sql inspect --help lists the dialects.")
		}
		return d, nil
	}
	var found []sqllens.Dialect
	for _, d := range w.index.Snapshot().Databases {
		if w.database != "" && d.ID != w.database || d.Sample && w.database == "" {
			continue
		}
		if dialect, ok := sqllens.DialectOfEngine(d.Engine); ok && !slices.Contains(found, dialect) {
			found = append(found, dialect)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return ddl.Dialect(sql), nil
}

func (w *world) skip(o *ddl.Operation, code, reason string) {
	text := strings.Join(strings.Fields(o.SQL), " ")
	if runes := []rune(text); len(runes) > 120 {
		text = string(runes[:120]) + "…"
	}
	s := Skipped{o.Line, text, code, reason}
	if !slices.Contains(w.skipped, s) {
		w.skipped = append(w.skipped, s)
	}
}

// find looks a name up among the tables as they are now. Several of one name
// are told apart by the schema that a bare name means, then by the catalog.
func (w *world) find(n ddl.Name) []*relation {
	var found []*relation
	for _, r := range w.relations {
		if strings.EqualFold(r.name, n.Table) && (n.Schema == "" || strings.EqualFold(r.schema, n.Schema)) {
			found = append(found, r)
		}
	}
	narrow := func(keep func(*relation) bool) {
		if len(found) < 2 {
			return
		}
		var some []*relation
		for _, r := range found {
			if keep(r) {
				some = append(some, r)
			}
		}
		if len(some) > 0 {
			found = some
		}
	}
	narrow(func(r *relation) bool { return r.name == n.Table && (n.Schema == "" || r.schema == n.Schema) })
	if n.Catalog != "" {
		narrow(func(r *relation) bool {
			d := w.index.Database(r.database)
			return d != nil && strings.EqualFold(d.Name, n.Catalog)
		})
	}
	if n.Schema == "" {
		narrow(func(r *relation) bool { return r.origin == nil || isDefaultSchema(r.schema) })
	}
	return found
}

func isDefaultSchema(s string) bool {
	return slices.Contains([]string{"public", "dbo", "main", "default", ""}, strings.ToLower(s))
}

// one finds the only table of a name and says so when there is none or several.
func (w *world) one(o *ddl.Operation, n ddl.Name) *relation {
	found := w.find(n)
	switch len(found) {
	case 1:
		return found[0]
	case 0:
		w.skip(o, "unknown_object", "this scan knows no table "+n.String())
	default:
		names := make([]string, 0, len(found))
		for _, r := range found {
			names = append(names, catalog.TableID(r.database, r.schema, r.name))
		}
		w.skip(o, "ambiguous", fmt.Sprintf("%s means %s; --database tells them apart", n, strings.Join(names, " or ")))
	}
	return nil
}

func (r *relation) column(name string) *relationColumn {
	for _, c := range r.columns {
		if c.name == name {
			return c
		}
	}
	for _, c := range r.columns {
		if strings.EqualFold(c.name, name) {
			return c
		}
	}
	return nil
}

// move gives a table another name and remembers who did it.
func (w *world) move(r *relation, schema, name string, o *ddl.Operation) {
	if r.origin != nil {
		w.cause[r.origin.ID] = o
	}
	r.schema, r.name = schema, name
}

func (w *world) remove(r *relation, o *ddl.Operation) {
	if r.origin != nil {
		w.cause[r.origin.ID] = o
	}
	w.dropped[r] = true
	w.relations = slices.DeleteFunc(w.relations, func(x *relation) bool { return x == r })
}

func (w *world) apply(o *ddl.Operation, d sqllens.Dialect) {
	switch o.Action {
	case ddl.DropSchema, ddl.RenameSchema:
		w.schema(o)
		return
	case ddl.Define:
		w.define(o, d)
		return
	}
	r := w.one(o, o.Table)
	if r == nil {
		return
	}
	switch o.Action {
	case ddl.DropTable:
		w.remove(r, o)
	case ddl.RenameTable:
		w.move(r, cmp.Or(o.To.Schema, r.schema), o.To.Table, o)
	case ddl.SwapTables:
		if other := w.one(o, o.To); other != nil {
			schema, name := r.schema, r.name
			w.move(r, other.schema, other.name, o)
			w.move(other, schema, name, o)
		}
	case ddl.AddColumn:
		if r.column(o.Column) == nil {
			r.columns = append(r.columns, &relationColumn{name: o.Column})
		}
	case ddl.Columns:
		w.replace(r, o, o.Columns)
	case ddl.DropColumn, ddl.RenameColumn, ddl.AlterType:
		w.alter(r, o)
	default:
	}
}

func (w *world) alter(r *relation, o *ddl.Operation) {
	c := r.column(o.Column)
	if c == nil {
		if !strings.Contains(o.Column, ".") || r.column(strings.SplitN(o.Column, ".", 2)[0]) == nil {
			if r.origin != nil && !r.unknown {
				w.skip(o, "unknown_object", fmt.Sprintf("this scan knows no column %s in %s", o.Column, o.Table))
			}
			return
		}
		c = r.column(strings.SplitN(o.Column, ".", 2)[0]) // a part of a struct: its column changes
		c.typed = o
		return
	}
	if c.origin != "" {
		w.cause[c.origin] = o
	}
	switch o.Action {
	case ddl.DropColumn:
		r.columns = slices.DeleteFunc(r.columns, func(x *relationColumn) bool { return x == c })
	case ddl.RenameColumn:
		c.name = o.Text
	case ddl.AlterType:
		c.typed = o
	default:
	}
}

// schema drops or renames all tables of a schema.
func (w *world) schema(o *ddl.Operation) {
	databases := map[string]bool{}
	var list []*relation
	for _, r := range w.relations {
		if strings.EqualFold(r.schema, o.Table.Schema) {
			list = append(list, r)
			databases[r.database] = true
		}
	}
	switch len(databases) {
	case 0:
		w.skip(o, "unknown_object", "this scan knows no schema "+o.Table.Schema)
		return
	case 1:
	default:
		w.skip(o, "ambiguous", "several databases have a schema "+o.Table.Schema+"; --database tells them apart")
		return
	}
	for _, r := range list {
		if o.Action == ddl.DropSchema {
			w.remove(r, o)
		} else {
			w.move(r, o.Text, r.name, o)
		}
	}
}

// define gives a name its new columns.
func (w *world) define(o *ddl.Operation, d sqllens.Dialect) {
	found := w.find(o.Table)
	if len(found) > 0 && o.New {
		return // fails, or does nothing
	}
	columns, known := o.Columns, o.Columns != nil
	if !known && o.Query != "" {
		columns, known = w.outputs(o.Query, d)
	}
	switch len(found) {
	case 0:
		r := &relation{schema: o.Table.Schema, name: o.Table.Table, made: o, unknown: !known}
		for _, c := range columns {
			r.columns = append(r.columns, &relationColumn{name: c.Name})
		}
		w.relations = append(w.relations, r)
	case 1:
		if !known {
			w.skip(o, "not_understood", "which columns "+o.Table.String()+" has then cannot be told")
			return
		}
		w.replace(found[0], o, columns)
	default:
		w.one(o, o.Table)
	}
}

// replace sets the columns of a table: those of the same name go on.
func (w *world) replace(r *relation, o *ddl.Operation, columns []ddl.Column) {
	var next []*relationColumn
	for _, c := range columns {
		if old := r.column(c.Name); old != nil {
			next = append(next, old)
		} else {
			next = append(next, &relationColumn{name: c.Name})
		}
	}
	for _, c := range r.columns {
		if c.origin != "" && !slices.Contains(next, c) {
			w.cause[c.origin] = o
		}
	}
	r.columns, r.unknown = next, false
}

// outputs are the columns that a query answers with, if they can be told.
func (w *world) outputs(query string, d sqllens.Dialect) ([]ddl.Column, bool) {
	return queryColumns(query, d, w.named(query, d))
}

// named is the tables as they are now whose name occurs in a query: a script may
// hold thousands of queries, and a database thousands of tables.
func (w *world) named(query string, d sqllens.Dialect) *sqllens.InspectSchema {
	names := map[string]bool{}
	for _, word := range sqllens.Words(query, d) {
		for part := range strings.SplitSeq(strings.ToLower(word.Name), ".") { // one pair of quotes around a path
			names[part] = true
		}
	}
	schema := &sqllens.InspectSchema{}
	for _, r := range w.relations {
		if r.unknown || !names[strings.ToLower(r.name)] {
			continue
		}
		t := sqllens.InspectTable{Schema: r.schema, Name: r.name}
		for _, c := range r.columns {
			t.Columns = append(t.Columns, sqllens.InspectColumn{Name: c.name})
		}
		schema.Tables = append(schema.Tables, t)
	}
	return schema
}

func queryColumns(query string, d sqllens.Dialect, schema *sqllens.InspectSchema) ([]ddl.Column, bool) {
	answer := sqllens.Inspect(sqllens.InspectRequest{Dialect: string(d), SQL: query, Schema: schema})
	if len(answer.Statements) == 0 || answer.Recovered {
		return nil, false
	}
	var out []ddl.Column
	for _, o := range answer.Statements[len(answer.Statements)-1].Outputs {
		if o.Star || o.Name == "" {
			return nil, false
		}
		out = append(out, ddl.Column{Name: o.Name})
	}
	return out, len(out) > 0
}

// at finds the table that now stands at a name.
func (w *world) at(t *catalog.Table) *relation {
	for _, r := range w.relations {
		if r.origin != nil && r.database != t.DatabaseID || r.origin == nil && r.database != "" && r.database != t.DatabaseID {
			continue
		}
		if strings.EqualFold(r.name, t.Name) && (strings.EqualFold(r.schema, t.Schema) || r.origin == nil && r.schema == "") {
			return r
		}
	}
	return nil
}

// effect is what one statement does to one thing in the end.
type effect struct {
	cause  *ddl.Operation
	change Change
	action string
	root   catalog.Ref
	to     string
}

// impacts compares the tables before and after.
func (w *world) impacts(ctx context.Context, in Input) ([]Impact, error) {
	var effects []effect
	for _, t := range w.index.Snapshot().Tables {
		before := w.origins[t.ID]
		if before == nil {
			continue
		}
		now := w.at(t)
		cause := w.cause[t.ID]
		switch {
		case now == nil && w.dropped[before]:
			effects = append(effects, effect{cause, Drop, "drop_table", t.Ref(), ""})
		case now == nil:
			to := before.name
			if before.schema != t.Schema {
				to = before.schema + "." + before.name
			}
			effects = append(effects, effect{cause, Rename, "rename_table", t.Ref(), to})
		case now == before:
			effects = append(effects, w.columnEffects(t, now, nil)...)
		case now.unknown:
			w.skip(cmp.Or(now.made, cause), "not_understood", "which columns "+now.name+" has then cannot be told")
		default:
			effects = append(effects, w.columnEffects(t, now, cmp.Or(now.made, cause))...)
		}
	}
	slices.SortStableFunc(effects, func(a, b effect) int { return cmp.Or(a.cause.Line-b.cause.Line, strings.Compare(a.action, b.action)) })
	var out []Impact
	for i := 0; i < len(effects); {
		e := effects[i]
		group := []effect{e}
		for i++; i < len(effects) && effects[i].cause == e.cause && effects[i].action == e.action && effects[i].to == e.to; i++ {
			group = append(group, effects[i])
		}
		req := Request{Change: e.change}
		for _, g := range group {
			req.Roots = append(req.Roots, g.root)
		}
		result, err := Of(ctx, in, req)
		if err != nil {
			return nil, err
		}
		out = append(out, Impact{Title: effectTitle(w.index, group), Action: e.action, Line: e.cause.Line, To: e.to, Result: result})
	}
	return out, nil
}

func (w *world) columnEffects(t *catalog.Table, now *relation, made *ddl.Operation) []effect {
	var out []effect
	for _, c := range t.Columns {
		if c.Inactive || c.ParentID != "" {
			continue
		}
		if same := now.column(c.Name); same != nil {
			if same.typed != nil {
				out = append(out, effect{same.typed, Type, "alter_type", c.Ref(), same.typed.Text})
			}
			continue
		}
		cause := cmp.Or(made, w.cause[c.ID])
		if cause == nil {
			continue // the table has it, but not under this name since the scan: nothing here did that
		}
		renamed := ""
		for _, o := range now.columns {
			if o.origin == c.ID {
				renamed = o.name
			}
		}
		if renamed != "" {
			out = append(out, effect{cause, Rename, "rename_column", c.Ref(), renamed})
		} else {
			out = append(out, effect{cause, Drop, "drop_column", c.Ref(), ""})
		}
	}
	return out
}

// effectTitle names a change as its statement would.
func effectTitle(x *catalog.Index, group []effect) string {
	names := make([]string, 0, 4)
	for i, e := range group {
		if i == 3 && len(group) > 4 {
			names = append(names, fmt.Sprintf("and %d more", len(group)-i))
			break
		}
		names = append(names, title(x, e.root))
	}
	list := strings.Join(names, ", ")
	switch e := group[0]; e.action {
	case "drop_table":
		return "DROP TABLE " + list
	case "rename_table":
		return "RENAME TABLE " + list + " TO " + e.to
	case "drop_column":
		return "DROP COLUMN " + list
	case "rename_column":
		return "RENAME COLUMN " + list + " TO " + e.to
	default:
		return "ALTER TYPE " + list + " TO " + e.to
	}
}
