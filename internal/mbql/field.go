package mbql

import (
	"slices"
	"strconv"
	"strings"
)

// field finds the column a reference means.
func (w *walker) field(f *Field, sc *scope) Column {
	if f.ID.IsZero() {
		return w.named(f, sc)
	}
	info, known := w.info(f.ID)
	if !f.Source.IsZero() {
		return w.implicitJoin(f, info, known)
	}
	if f.JoinAlias != "" {
		return w.joinedField(f, info, known, sc)
	}
	if sc.table.IsZero() { // of a card or of the stage before
		if c := find(sc.source, info); c != nil {
			return *c
		}
	}
	return w.physical(info, known)
}

// info looks a field up; without a resolver the id stands for itself.
func (w *walker) info(id FieldID) (FieldInfo, bool) {
	if w.resolver == nil {
		return FieldInfo{ID: id, Table: id.Table, Name: id.Name}, true
	}
	if info, ok := w.resolver.Field(id); ok {
		return info, true
	}
	return FieldInfo{ID: id, Table: id.Table, Name: id.Name}, false
}

func (w *walker) physical(info FieldInfo, known bool) Column {
	if !known {
		w.gap(Unresolved{Reason: "unknown_field", Detail: describeField(info.ID), Field: info.ID})
		return Column{Name: info.Name, original: info.Name, Partial: true}
	}
	return Column{Name: info.Name, original: info.Name, Sources: []FieldID{info.ID}}
}

// find looks for the column that carries a field: the one that is nothing but
// the field, else one made from it under its name.
func find(columns []Column, info FieldInfo) *Column {
	var best *Column
	for i := range columns {
		c := &columns[i]
		if len(c.Sources) == 1 && c.Sources[0] == info.ID {
			if c.original == info.Name || c.Name == info.Name {
				return c
			}
			if best == nil {
				best = c
			}
		}
	}
	if best != nil {
		return best
	}
	for i := range columns {
		if columns[i].Name == info.Name && slices.Contains(columns[i].Sources, info.ID) {
			return &columns[i]
		}
	}
	return nil
}

// implicitJoin is a field of another table, reached over a foreign key.
func (w *walker) implicitJoin(f *Field, info FieldInfo, known bool) Column {
	key, keyKnown := w.info(f.Source)
	if keyKnown {
		w.refs.Columns = append(w.refs.Columns, ColumnUse{Field: key.ID, Use: UseJoin})
	} else {
		w.gap(Unresolved{Reason: "unknown_field", Detail: describeField(key.ID), Field: key.ID})
	}
	if known && !info.Table.IsZero() {
		w.refs.Tables = append(w.refs.Tables, TableUse{Table: info.Table, Join: true, Implicit: true})
	}
	c := w.physical(info, known)
	c.alias = key.Name // Metabase names the join after the foreign key
	return c
}

func (w *walker) joinedField(f *Field, info FieldInfo, known bool, sc *scope) Column {
	j := sc.join(f.JoinAlias)
	if j == nil {
		if sc.table.IsZero() { // joined in a stage before
			for i := range sc.source {
				if c := &sc.source[i]; c.alias == f.JoinAlias && len(c.Sources) == 1 && c.Sources[0] == info.ID {
					return *c
				}
			}
			if c := find(sc.source, info); c != nil {
				return *c
			}
		}
		w.gap(Unresolved{Reason: "unknown_alias", Detail: f.JoinAlias, Field: info.ID})
		c := w.physical(info, known)
		c.alias = f.JoinAlias
		return c
	}
	if j.table.IsZero() {
		if c := find(j.columns, info); c != nil {
			out := *c
			out.alias, out.original = j.alias, c.Name
			return out
		}
	}
	c := w.physical(info, known)
	c.alias = j.alias
	return c
}

func (sc *scope) join(alias string) *joined {
	for i := range sc.joins {
		if sc.joins[i].alias == alias {
			return &sc.joins[i]
		}
	}
	return nil
}

// named finds a column by the name it has in the stage or card before, or in a
// join.
func (w *walker) named(f *Field, sc *scope) Column {
	if f.Name == "" {
		return Column{Partial: true}
	}
	if f.JoinAlias != "" {
		if j := sc.join(f.JoinAlias); j != nil {
			if c := byName(j.columns, f.Name); c != nil {
				out := *c
				out.alias, out.original = j.alias, c.Name
				return out
			}
			if slices.ContainsFunc(j.columns, func(c Column) bool { return c.Star }) {
				return Column{Name: f.Name, original: f.Name, alias: j.alias, Partial: true}
			}
		}
	}
	if c := byName(sc.source, f.Name); c != nil {
		return *c
	}
	for i := range sc.expressions {
		if sc.expressions[i].Name == f.Name {
			return sc.expressions[i]
		}
	}
	for i := range sc.joins { // "Alias__column", as generated SQL names it
		j := &sc.joins[i]
		if rest, ok := strings.CutPrefix(f.Name, j.alias+"__"); ok {
			if c := byName(j.columns, rest); c != nil {
				out := *c
				out.alias, out.original = j.alias, c.Name
				return out
			}
		}
	}
	if !sc.open() {
		w.gap(Unresolved{Reason: "unknown_column", Detail: f.Name})
	}
	return Column{Name: f.Name, original: f.Name, Partial: true}
}

// byName matches the exact name first, then the name in generated SQL, then the
// name before a suffix was added, when only one column has it.
func byName(columns []Column, name string) *Column {
	for i := range columns {
		if columns[i].Name == name && !columns[i].Star {
			return &columns[i]
		}
	}
	for i := range columns {
		c := &columns[i]
		if c.alias != "" && len(name) == len(c.alias)+2+len(c.original) &&
			strings.HasPrefix(name, c.alias) && strings.HasSuffix(name, "__"+c.original) {
			return c
		}
	}
	var found *Column
	for i := range columns {
		if columns[i].original == name && !columns[i].Star {
			if found != nil {
				return nil
			}
			found = &columns[i]
		}
	}
	return found
}

// aggregationName is the default name of an aggregation's column.
func (w *walker) aggregationName(e *Expr, c *Column, sc *scope) string {
	if e.Column != "" {
		return e.Column
	}
	switch e.Kind {
	case MetricExpr, MeasureExpr:
		if c.Name != "" {
			return c.Name
		}
		return "expression"
	case FieldExpr, ExpressionExpr, AggregationExpr:
		return c.Name
	case ClauseExpr:
	default:
		return "expression"
	}
	switch e.Op {
	case "count", "cum-count", "distinct":
		return "count"
	case "sum", "cum-sum":
		return "sum"
	case "avg", "min", "max", "median", "stddev", "var", "percentile", "share", "case":
		return e.Op
	case "count-where":
		return "count_where"
	case "sum-where", "distinct-where":
		name := strings.ReplaceAll(e.Op, "-", "_")
		if len(e.Args) > 0 {
			if argument := w.value(e.Args[0], sc); argument.Name != "" {
				return name + "_" + argument.Name
			}
		}
		return name
	case "offset":
		if len(e.Args) > 0 {
			return w.aggregationName(e.Args[0], &Column{}, sc)
		}
	}
	return "expression"
}

func describeTable(t TableID) string {
	if t.Number != 0 {
		return "table " + strconv.FormatInt(t.Number, 10)
	}
	return "table " + strings.Trim(t.Schema+"."+t.Name, ".")
}

func describeField(f FieldID) string {
	if f.Number != 0 {
		return "field " + strconv.FormatInt(f.Number, 10)
	}
	return "column " + strings.Trim(f.Table.Schema+"."+f.Table.Name+"."+f.Name, ".")
}
