package sqllens

import "slices"

// dml resolves a data-changing statement. top says that its outputs are the
// statement's outputs.
func (r *resolver) dml(d *DML, ctes *cteScope, top bool) *relation {
	for _, c := range d.With {
		ctes = r.cte(c, true, nil, ctes)
	}
	if d.Verb != "insert" {
		for _, o := range d.Others { // OUTPUT … INTO t
			r.tableUse(o.Target, true)
		}
	}
	switch d.Verb {
	case "insert", "create":
		return r.insert(d, ctes, top)
	case "update":
		return r.update(d, ctes, top)
	case "delete":
		return r.deleteFrom(d, ctes)
	case "merge":
		return r.merge(d, ctes, top)
	}
	return &relation{blind: true}
}

func (r *resolver) insert(d *DML, ctes *cteScope, top bool) *relation {
	var target *TableRef
	if d.Target != nil {
		target = r.tableUse(d.Target, true)
	}
	for _, t := range d.From { // CREATE TABLE … LIKE t
		r.tableUse(t, false)
	}
	result := &relation{}
	if d.Multi && d.Query != nil {
		r.multiInsert(d, r.query(d.Query, nil, ctes), target, ctes, top)
		return result
	}
	if d.Query != nil {
		rel := r.query(d.Query, nil, ctes)
		names := r.spelled(d.Target, d.Columns)
		switch {
		case d.ByName:
			names = nil
			for _, c := range visible(rel) {
				names = append(names, c.name)
			}
			names = r.spelled(d.Target, names)
		case names == nil && d.Verb == "insert" && target != nil:
			names = r.tableColumns(d.Target, len(visible(rel)))
		}
		if top && target != nil {
			r.outputs(rel, target, names)
		} else if top {
			r.outputs(rel, nil, nil)
		}
		if d.Target != nil && d.Target.Kind == TableName {
			if d.Verb == "create" {
				r.rememberTable(d.Target.Name, target, renamed(rel, d.Columns), d.Temporary)
			} else {
				r.remember(d.Target.Name, renamed(rel, d.Columns))
			}
		}
	}
	for _, o := range d.Others {
		if o.Target == nil {
			continue
		}
		if other := r.tableUse(o.Target, true); o.Query != nil && other != nil {
			rel := r.query(o.Query, nil, ctes)
			names := r.spelled(o.Target, o.Columns)
			if names == nil && o.Verb == "insert" {
				names = r.tableColumns(o.Target, len(visible(rel)))
			}
			if top {
				r.outputs(rel, other, names)
			}
		}
	}
	sc := &scope{ctes: ctes}
	if d.Target != nil && d.Target.Kind == TableName {
		sc.relations = append(sc.relations, r.targetRelation(d.Target, target))
	}
	r.assignments(d.Set[:d.Given], sc, target, d.Target, top)
	r.assignments(d.Set[d.Given:], sc, target, d.Target, false)
	if d.Where != nil {
		r.expr(d.Where, sc, UseFilter)
	}
	if len(d.Returning) > 0 {
		result = r.returning(d, sc)
	}
	return result
}

// multiInsert resolves INSERT ALL and INSERT FIRST: every row of a query goes to
// several tables.
func (r *resolver) multiInsert(d *DML, rel *relation, target *TableRef, ctes *cteScope, top bool) {
	sc := &scope{ctes: ctes, relations: []*relation{rel}}
	if d.Where != nil {
		r.expr(d.Where, sc, UseFilter)
	}
	for i, o := range append([]*DML{d}, d.Others...) {
		if i > 0 {
			if o.Target == nil {
				continue
			}
			target = r.tableUse(o.Target, true)
		}
		names := r.spelled(o.Target, o.Columns)
		if o.Values == nil {
			if names == nil && target != nil {
				names = r.tableColumns(o.Target, len(visible(rel)))
			}
			if top && target != nil {
				r.outputs(rel, target, names)
			}
			continue
		}
		if names == nil && target != nil {
			names = r.tableColumns(o.Target, len(o.Values))
		}
		for i, v := range o.Values {
			var sources sourceSet
			if v != nil {
				sources = r.expr(v, sc, UseValue)
			}
			if top && target != nil && i < len(names) {
				r.out.Outputs = append(r.out.Outputs, Output{Name: names[i].Text, Sources: sources, Target: &Source{Table: target, Column: names[i].Text}})
			}
		}
	}
}

// spelled gives the columns of a written table the spelling of the schema.
func (r *resolver) spelled(t *Table, names []Ident) []Ident {
	if t == nil || t.Kind != TableName || len(names) == 0 {
		return names
	}
	entry, ambiguous := r.schema.find(t.Name)
	if entry == nil || ambiguous {
		return names
	}
	out := make([]Ident, len(names))
	for i, n := range names {
		out[i] = n
		for _, c := range entry.table.Columns {
			if matchName(r.t.names, Ident{Text: c, Quote: 's'}, n) {
				out[i] = Ident{Text: c, Quote: 's'}
				break
			}
		}
	}
	return out
}

// tableColumns are the columns of a known target, when their number fits.
func (r *resolver) tableColumns(t *Table, n int) []Ident {
	entry, ambiguous := r.schema.find(t.Name)
	if entry == nil || ambiguous || len(entry.table.Columns) < n {
		return nil
	}
	names := make([]Ident, 0, n)
	for _, c := range entry.table.Columns[:n] {
		names = append(names, Ident{Text: c, Quote: 's'})
	}
	return names
}

// targetRelation makes a written table readable in its own statement.
func (r *resolver) targetRelation(t *Table, ref *TableRef) *relation {
	rel := &relation{alias: t.Name[len(t.Name)-1], path: t.Name, table: ref}
	if t.Alias != nil {
		rel.alias, rel.path = *t.Alias, nil
	}
	entry, ambiguous := r.schema.find(t.Name)
	if entry == nil || ambiguous || len(entry.table.Columns) == 0 {
		rel.open = []*TableRef{ref}
		return rel
	}
	for _, c := range entry.table.Columns {
		rel.columns = append(rel.columns, outputColumn{name: Ident{Text: c, Quote: 's'}, sources: sourceSet{{ref, c}}, physical: true})
	}
	return rel
}

// assignments records SET entries. top makes them outputs.
func (r *resolver) assignments(set []Assignment, sc *scope, target *TableRef, t *Table, top bool) {
	for _, a := range set {
		sources := r.expr(a.Value, sc, UseValue)
		if !top || target == nil || len(a.Columns) == 0 {
			continue
		}
		var per []sourceSet
		if a.Value != nil && a.Value.Kind == ExprList {
			r.quiet++
			for _, v := range a.Value.Args {
				per = append(per, r.expr(v, sc, UseValue))
			}
			r.quiet--
		}
		if a.Value != nil && a.Value.Kind == ExprQuery && len(a.Columns) > 1 { // SET (a, b) = (SELECT x, y …)
			r.quiet++
			for _, c := range visible(r.query(a.Value.Query, sc, sc.ctes)) {
				per = append(per, c.sources)
			}
			r.quiet--
		}
		columns := a.Columns
		if a.Value == nil || a.Value.Kind != ExprList && a.Value.Kind != ExprQuery {
			columns = columns[len(columns)-1:]
		}
		for i, c := range r.spelled(t, columns) {
			s := sources
			if i < len(per) {
				s = per[i]
			}
			r.out.Outputs = append(r.out.Outputs, Output{Name: c.Text, Sources: s, Target: &Source{Table: target, Column: c.Text}})
		}
	}
}

func (r *resolver) update(d *DML, ctes *cteScope, top bool) *relation {
	sc := &scope{ctes: ctes}
	target := r.writtenTable(d, sc)
	for _, t := range d.From {
		r.table(t, sc)
	}
	target = r.aliasedTarget(d, sc, target)
	r.assignments(d.Set, sc, target, d.Target, top)
	if d.Where != nil {
		r.expr(d.Where, sc, UseFilter)
	}
	return r.returning(d, sc)
}

// returning is what RETURNING yields.
func (r *resolver) returning(d *DML, sc *scope) *relation {
	if len(d.Returning) == 0 {
		return &relation{blind: true}
	}
	rel := &relation{}
	for _, item := range d.Returning {
		if item.Expr.Kind == ExprStar {
			star := r.itemStar(item.Expr, sc)
			rel.columns = append(rel.columns, star.columns...)
			rel.open = append(rel.open, star.open...)
			continue
		}
		sources := r.expr(item.Expr, sc, UseValue)
		rel.columns = append(rel.columns, outputColumn{name: r.itemName(item, len(rel.columns)), sources: sources})
	}
	return rel
}

// writtenTable puts the target of an UPDATE into scope and records the write.
func (r *resolver) writtenTable(d *DML, sc *scope) *TableRef {
	if d.Target == nil {
		return nil
	}
	t := d.Target
	for t.Kind == TableJoin {
		t = t.Left
	}
	if t.Kind != TableName {
		r.table(d.Target, sc)
		return nil
	}
	if r.namesFromItem(t, d.From) {
		return nil // UPDATE alias SET … FROM table alias
	}
	if len(t.Name) == 1 && sc.ctes.find(r.cteRule(), t.Name[0]) != nil {
		r.table(d.Target, sc)
		return nil
	}
	ref := r.tableUse(t, true)
	sc.relations = append(sc.relations, r.targetRelation(t, ref))
	if d.Target.Kind == TableJoin {
		r.quiet++
		holder := &scope{ctes: sc.ctes}
		r.table(t, holder)
		r.quiet--
		r.joinRest(d.Target, sc)
	}
	return ref
}

// joinRest resolves the joins behind the written table of an UPDATE.
func (r *resolver) joinRest(t *Table, sc *scope) {
	if t.Kind != TableJoin {
		return
	}
	r.joinRest(t.Left, sc)
	r.table(t.Right, sc)
	if t.On != nil {
		r.expr(t.On, sc, UseJoin)
	}
}

// namesFromItem says whether a written name is the alias of a FROM item.
func (r *resolver) namesFromItem(t *Table, from []*Table) bool {
	if len(t.Name) != 1 {
		return false
	}
	found := false
	var look func(list []*Table)
	look = func(list []*Table) {
		for _, f := range list {
			if f == nil {
				continue
			}
			if f.Kind == TableJoin {
				look([]*Table{f.Left, f.Right})
				continue
			}
			if f.Alias != nil && matchName(insensitive, *f.Alias, t.Name[0]) || f.Alias == nil && f.Kind == TableName && matchName(insensitive, f.Name[len(f.Name)-1], t.Name[0]) {
				found = true
			}
		}
	}
	look(from)
	return found
}

// aliasedTarget finds the table behind UPDATE alias … FROM table alias and
// marks it written.
func (r *resolver) aliasedTarget(d *DML, sc *scope, target *TableRef) *TableRef {
	if target != nil || d.Target == nil || d.Target.Kind != TableName {
		return target
	}
	rel := r.qualified(d.Target.Name, sc)
	if rel == nil || rel.table == nil {
		return nil
	}
	r.written(rel.table)
	return rel.table
}

// written marks the first use of a table as a write.
func (r *resolver) written(t *TableRef) {
	for i := range r.out.Tables {
		if r.out.Tables[i].Table == *t {
			r.out.Tables[i].Write = true
			return
		}
	}
}

func (r *resolver) deleteFrom(d *DML, ctes *cteScope) *relation {
	sc := &scope{ctes: ctes}
	target := r.writtenTable(d, sc)
	for _, t := range d.From {
		r.table(t, sc)
	}
	r.aliasedTarget(d, sc, target)
	for _, t := range d.Deleted { // DELETE a, b FROM a JOIN b
		if rel := r.qualified(t.Name, sc); rel != nil && rel.table != nil {
			r.written(rel.table)
		}
	}
	if d.Where != nil {
		r.expr(d.Where, sc, UseFilter)
	}
	return r.returning(d, sc)
}

func (r *resolver) merge(d *DML, ctes *cteScope, top bool) *relation {
	sc := &scope{ctes: ctes}
	var target *TableRef
	if d.Target != nil && d.Target.Kind == TableName {
		target = r.tableUse(d.Target, true)
		sc.relations = append(sc.relations, r.targetRelation(d.Target, target))
	}
	source := &scope{ctes: ctes}
	for _, t := range d.From {
		r.table(t, source)
	}
	sc.relations = append(sc.relations, source.relations...)
	if d.On != nil {
		r.expr(d.On, sc, UseJoin)
	}
	for _, a := range d.Actions {
		if a.Cond != nil {
			r.expr(a.Cond, sc, UseFilter)
		}
		r.assignments(a.Set, sc, target, d.Target, top)
		names := r.spelled(d.Target, a.Columns)
		if names == nil && target != nil {
			names = r.tableColumns(d.Target, len(a.Values))
		}
		for i, v := range a.Values {
			// values of an INSERT branch see the source; the target has no row yet
			sources := r.expr(v, &scope{relations: append(source.relations, sc.relations[:min(1, len(sc.relations))]...), ctes: ctes}, UseValue)
			if top && target != nil && i < len(names) {
				r.out.Outputs = append(r.out.Outputs, Output{Name: names[i].Text, Sources: sources, Target: &Source{Table: target, Column: names[i].Text}})
			}
		}
		if a.Star && top && target != nil {
			for _, rel := range source.relations {
				columns := slices.DeleteFunc(visible(rel), func(c outputColumn) bool { return r.excepted(&Star{Except: a.Except}, c) })
				r.outputs(&relation{columns: columns}, target, nil)
			}
		}
	}
	return &relation{blind: true}
}

// pipe applies one |> step to a relation.
func (r *resolver) pipe(p *Pipe, rel *relation, parent *scope, ctes *cteScope) *relation {
	sc := &scope{parent: parent, ctes: ctes, relations: []*relation{rel}}
	item := func(it SelectItem) []outputColumn {
		if it.Expr.Kind == ExprStar && it.Expr.Args == nil {
			return r.star(it.Expr, sc).columns
		}
		return []outputColumn{{name: r.itemName(it, 0), sources: r.expr(it.Expr, sc, UseValue)}}
	}
	out := &relation{alias: rel.alias, open: rel.open, blind: rel.blind}
	switch p.Op {
	case "select":
		for _, it := range p.Items {
			out.columns = append(out.columns, item(it)...)
		}
		out.open = nil
	case "extend": // the earlier step's columns are nobody else's: they grow in place
		out.columns = rel.columns
		if slices.ContainsFunc(rel.columns, func(c outputColumn) bool { return c.hidden }) {
			out.columns = visible(rel)
		}
		for _, it := range p.Items {
			out.columns = append(out.columns, item(it)...)
		}
	case "set":
		out.columns = visible(rel)
		for _, it := range p.Items {
			sources := r.expr(it.Expr, sc, UseValue)
			for i := range out.columns {
				if it.Alias != nil && matchName(r.t.names, *it.Alias, out.columns[i].name) {
					out.columns[i].sources = sources
				}
			}
		}
	case "drop":
		for _, c := range visible(rel) {
			if !r.excepted(&Star{Except: p.Names}, c) {
				out.columns = append(out.columns, c)
			}
		}
	case "rename":
		out.columns = visible(rel)
		for i := 0; i+1 < len(p.Names); i += 2 {
			for j := range out.columns {
				if matchName(r.t.names, p.Names[i], out.columns[j].name) {
					out.columns[j].name = p.Names[i+1]
				}
			}
		}
	case "aggregate":
		for _, it := range p.GroupBy {
			sources := r.expr(it.Expr, sc, UseGroup)
			out.columns = append(out.columns, outputColumn{name: r.itemName(it, 0), sources: sources})
		}
		for _, it := range p.Items {
			out.columns = append(out.columns, item(it)...)
		}
		out.open = nil
	case "where":
		for _, e := range p.Exprs {
			r.expr(e, sc, UseFilter)
		}
		return rel
	case "order", "limit":
		for _, e := range p.Exprs {
			r.orderExpr(e, sc, UseOrder)
		}
		return rel
	case "as":
		copied := *rel
		copied.alias = *p.Alias
		return &copied
	case "join", "pivot", "unpivot":
		if p.Table.Kind == TableJoin {
			r.joinPipe(p.Table, sc)
		} else if p.Table.Pivot != nil {
			sc.relations = append(sc.relations[:0], r.pivot(p.Table, sc))
		}
		r.quiet++
		joined := r.star(&Expr{Kind: ExprStar, Star: &Star{}}, sc)
		r.quiet--
		joined.alias = rel.alias
		return joined
	case "union", "intersect", "except":
		merged := rel
		for _, q := range p.Queries {
			right, _ := r.body(q, parent, ctes)
			merged = r.unionByPlace(merged, right)
		}
		return merged
	default:
		return rel
	}
	return out
}

// joinPipe resolves |> JOIN: the left side is the piped relation.
func (r *resolver) joinPipe(t *Table, sc *scope) {
	if t.Kind != TableJoin {
		return
	}
	r.joinPipe(t.Left, sc)
	right := len(sc.relations)
	r.table(t.Right, sc)
	for _, id := range t.Using {
		r.mergeUsing(sc, 0, right, id, t)
	}
	if t.On != nil {
		r.expr(t.On, sc, UseJoin)
	}
}
