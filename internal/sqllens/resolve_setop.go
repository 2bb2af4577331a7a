package sqllens

import (
	"slices"
	"strconv"
	"strings"
)

// cte resolves one WITH entry and answers with the extended chain.
func (r *resolver) cte(c *CTE, recursive bool, parent *scope, ctes *cteScope) *cteScope {
	if c.Expr != nil { // ClickHouse: WITH expression AS name
		// It means the columns of where it is used; here only its tables count.
		r.muted++
		r.expr(c.Expr, &scope{parent: parent, ctes: ctes}, "")
		r.muted--
		return &cteScope{parent: ctes, name: c.Name, scalar: c.Expr, rel: &relation{blind: true}}
	}
	if c.Query == nil {
		return &cteScope{parent: ctes, name: c.Name, rel: &relation{blind: true}}
	}
	if (recursive || selfReference(c)) && setOpOf(c.Query) != nil {
		return r.recursiveCTE(c, parent, ctes)
	}
	r.rename(c.Query, c.Columns)
	rel := r.query(c.Query, parent, ctes)
	kept := r.renames == nil || r.renames.kept
	r.renames = nil
	if r.on() && len(c.Columns) > 0 && !recursive && !kept {
		r.ed.dropList(c.Name.Span.End, c.Columns)
	}
	rel = renamed(rel, c.Columns)
	return &cteScope{parent: ctes, name: c.Name, rel: rel}
}

func setOpOf(q *Query) *SetOp {
	s, _ := q.Body.(*SetOp)
	return s
}

// selfReference looks for the CTE's own name among its tables, for dialects
// that need no RECURSIVE.
func selfReference(c *CTE) bool {
	set := setOpOf(c.Query)
	if set == nil {
		return false
	}
	found := false
	var tables func(list []*Table)
	tables = func(list []*Table) {
		for _, t := range list {
			if t == nil || found {
				continue
			}
			if t.Kind == TableName && len(t.Name) == 1 && strings.EqualFold(t.Name[0].Text, c.Name.Text) {
				found = true
			}
			if t.Kind == TableJoin {
				tables([]*Table{t.Left, t.Right})
			}
		}
	}
	var walk func(b Body)
	walk = func(b Body) {
		switch b := b.(type) {
		case *SetOp:
			for {
				walk(b.Right)
				next, ok := b.Left.(*SetOp)
				if !ok {
					break
				}
				b = next
			}
			walk(b.Left)
		case *Query:
			walk(b.Body)
		case *Select:
			tables(b.From)
		}
	}
	walk(c.Query.Body)
	return found
}

// recursiveCTE iterates until the sources of the columns settle.
func (r *resolver) recursiveCTE(c *CTE, parent *scope, ctes *cteScope) *cteScope {
	self := &cteScope{parent: ctes, name: c.Name, rel: &relation{blind: true}}
	set := setOpOf(c.Query)
	for _, inner := range c.Query.With {
		self.parent = r.cte(inner, c.Query.Recursive, parent, self.parent)
	}
	r.quiet++
	anchor, _ := r.body(leftmost(set), parent, self)
	self.rel = renamed(anchor, c.Columns)
	for range 8 {
		rel, _ := r.body(c.Query.Body, parent, self)
		rel = renamed(rel, c.Columns)
		if sameSources(rel, self.rel) {
			break
		}
		self.rel = rel
	}
	r.quiet--
	q := *c.Query
	q.With = nil
	rel := r.query(&q, parent, self)
	self.rel = renamed(rel, c.Columns)
	if len(c.Marks) > 0 {
		marked := *self.rel
		marked.columns = visible(self.rel)
		for _, id := range c.Marks {
			marked.columns = append(marked.columns, outputColumn{name: id})
		}
		self.rel = &marked
	}
	return self
}

func leftmost(set *SetOp) Body {
	for {
		next, ok := set.Left.(*SetOp)
		if !ok {
			return set.Left
		}
		set = next
	}
}

func sameSources(a, b *relation) bool {
	if len(a.columns) != len(b.columns) {
		return false
	}
	for i := range a.columns {
		if len(a.columns[i].sources) != len(b.columns[i].sources) {
			return false
		}
	}
	return true
}

// renamed gives a relation's columns the names of a column list.
func renamed(rel *relation, names []Ident) *relation {
	if len(names) == 0 {
		return rel
	}
	out := *rel
	out.columns = make([]outputColumn, 0, len(rel.columns))
	i := 0
	for _, c := range rel.columns {
		if c.hidden {
			continue
		}
		if i < len(names) {
			if c.star { // the star's columns get the remaining names
				for ; i < len(names); i++ {
					out.columns = append(out.columns, outputColumn{name: names[i], sources: c.sources})
				}
				out.open = nil
				continue
			}
			c.name, c.form = names[i], nil
		}
		i++
		out.columns = append(out.columns, c)
	}
	for ; i < len(names); i++ {
		out.columns = append(out.columns, outputColumn{name: names[i]})
	}
	return &out
}

// setOp merges operands by position, or by name.
func (r *resolver) setOp(set *SetOp, parent *scope, ctes *cteScope) *relation {
	var operands []Body // left-deep chains are walked without recursion
	var steps []*SetOp
	node := set
	for {
		operands = append(operands, node.Right)
		steps = append(steps, node)
		left, ok := node.Left.(*SetOp)
		if !ok {
			operands = append(operands, node.Left)
			break
		}
		node = left
	}
	rel, _ := r.body(operands[len(operands)-1], parent, ctes)
	for i := len(operands) - 2; i >= 0; i-- {
		right, _ := r.body(operands[i], parent, ctes)
		if steps[i].ByName {
			rel = r.byName(steps[i], rel, right)
		} else {
			rel = r.unionByPlace(rel, right)
		}
	}
	return rel
}

func visible(rel *relation) []outputColumn {
	out := make([]outputColumn, 0, len(rel.columns))
	for _, c := range rel.columns {
		if !c.hidden {
			out = append(out, c)
		}
	}
	return out
}

func (r *resolver) unionByPlace(left, right *relation) *relation {
	a, b := visible(left), visible(right)
	out := &relation{columns: make([]outputColumn, len(a)), open: append(append([]*TableRef(nil), left.open...), right.open...), blind: left.blind || right.blind}
	starA := firstStar(a)
	for i := range a {
		out.columns[i] = outputColumn{name: a[i].name, star: a[i].star, made: a[i].made, sources: a[i].sources, fields: a[i].fields}
	}
	for i := range b {
		switch {
		case b[i].star && i < len(a):
			// an unknown number of columns meets the rest of the left side
			for j := i; j < len(a); j++ {
				out.columns[j].sources = out.columns[j].sources.add(b[i].sources...)
			}
		case starA >= 0 && i >= starA:
			out.columns[starA].sources = append(sourceSet(nil), out.columns[starA].sources...).add(b[i].sources...)
		case i < len(a):
			out.columns[i].sources = append(sourceSet(nil), out.columns[i].sources...).add(b[i].sources...)
		}
	}
	if len(a) == 0 {
		out.columns = b
	}
	return out
}

func firstStar(cols []outputColumn) int {
	for i := range cols {
		if cols[i].star {
			return i
		}
	}
	return -1
}

// byName merges operands by the names of their columns: those of both sides,
// of the left one or of either, as the operation's side says.
func (r *resolver) byName(set *SetOp, left, right *relation) *relation {
	out := r.unionByName(left, right)
	side := set.Side
	if len(set.On) == 0 && (side == "" || side == "full") || firstStar(out.columns) >= 0 {
		return out
	}
	has := func(list []outputColumn, id Ident) bool {
		return slices.ContainsFunc(list, func(c outputColumn) bool { return matchName(r.t.names, id, c.name) })
	}
	var columns []outputColumn
	take := func(c outputColumn) {
		switch {
		case side == "inner" && len(set.On) == 0 && !has(right.columns, c.name):
		case side == "left" && !has(left.columns, c.name):
		case side == "inner" && !has(left.columns, c.name):
		default:
			columns = append(columns, c)
		}
	}
	if len(set.On) == 0 {
		for _, c := range out.columns {
			take(c)
		}
	} else {
		for _, id := range set.On {
			if i := slices.IndexFunc(out.columns, func(c outputColumn) bool { return matchName(r.t.names, id, c.name) }); i >= 0 {
				take(out.columns[i])
			}
		}
	}
	out.columns = columns
	return out
}

func (r *resolver) unionByName(left, right *relation) *relation {
	out := &relation{columns: visible(left), open: append(append([]*TableRef(nil), left.open...), right.open...), blind: left.blind || right.blind}
	for _, c := range visible(right) {
		merged := false
		for i := range out.columns {
			if !c.star && !out.columns[i].star && matchName(r.t.names, c.name, out.columns[i].name) {
				out.columns[i].sources = append(sourceSet(nil), out.columns[i].sources...).add(c.sources...)
				merged = true
			}
		}
		if !merged {
			out.columns = append(out.columns, c)
		}
	}
	return out
}

func (r *resolver) values(v *Values, parent *scope, ctes *cteScope) *relation {
	rel := &relation{}
	sc := &scope{parent: parent, ctes: ctes}
	for n, row := range v.Rows {
		for i, e := range row {
			sources := r.expr(e, sc, UseValue)
			if i >= len(rel.columns) {
				if n > 0 {
					continue
				}
				column := outputColumn{name: Ident{Text: r.valuesName(i)}}
				if r.d == Generic { // no database names it
					column.form = &columnForm{label: &Ident{Text: "_col_" + strconv.Itoa(i)}}
				}
				rel.columns = append(rel.columns, column)
			}
			rel.columns[i].sources = rel.columns[i].sources.add(sources...)
		}
	}
	return rel
}

// valuesFunction names the columns of ClickHouse's values('a String, …', row, …):
// every argument is a row, the first may declare the columns.
func (r *resolver) valuesFunction(t *Table, rel *relation) {
	v, ok := t.Query.Body.(*Values)
	rel.listed = ok && r.d == Generic
	if !ok || r.d != ClickHouse || len(v.Rows) != 1 || !strings.EqualFold(r.text(Span{t.Span.Start, t.Span.Start + len("values")}), "values") {
		return
	}
	rows := v.Rows[0]
	var names []Ident
	if first := rows[0]; len(rows) > 1 && first.Kind == ExprLiteral && first.Op == "string" {
		names = declared(strings.Trim(first.Text, "'"))
		rows = rows[1:]
	}
	width := 1
	if rows[0].Kind == ExprList || rows[0].Kind == ExprStruct {
		width = len(rows[0].Args)
	}
	if names == nil {
		for i := range width {
			names = append(names, Ident{Text: "c" + strconv.Itoa(i+1)})
		}
	}
	var sources sourceSet
	for _, c := range rel.columns {
		sources = sources.add(c.sources...)
	}
	rel.columns = make([]outputColumn, 0, len(names))
	for _, name := range names {
		rel.columns = append(rel.columns, outputColumn{name: name, sources: sources})
	}
	rel.listed = true
}

// declared are the names of a list of columns with types, 'a String, b Array(UInt8)'.
func declared(text string) []Ident {
	var names []Ident
	depth, start := 0, 0
	for i := 0; i <= len(text); i++ {
		switch {
		case i < len(text) && text[i] == '(':
			depth++
		case i < len(text) && text[i] == ')':
			depth--
		case i == len(text) || text[i] == ',' && depth == 0:
			if words := strings.Fields(text[start:i]); len(words) > 1 {
				names = append(names, Ident{Text: strings.Trim(words[0], "`\"")})
			}
			start = i + 1
		}
	}
	return names
}

// valuesName is the name a dialect gives to a column of a bare VALUES list.
func (r *resolver) valuesName(i int) string {
	switch r.d {
	case DuckDB:
		return "col" + strconv.Itoa(i)
	case Spark, Databricks:
		return "col" + strconv.Itoa(i+1)
	case Trino, Athena:
		return "_col" + strconv.Itoa(i)
	case MySQL, MariaDB:
		return "column_" + strconv.Itoa(i)
	case Snowflake:
		return "COLUMN" + strconv.Itoa(i+1)
	}
	return "column" + strconv.Itoa(i+1)
}
