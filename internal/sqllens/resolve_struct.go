package sqllens

import "strings"

// structFields finds the fields of a struct-valued expression, or of the
// elements of an array of structs. It answers nil when they are not known. Uses
// are not recorded: the expression itself was resolved before.
func (r *resolver) structFields(e *Expr, sc *scope) []outputColumn {
	if e == nil {
		return nil
	}
	r.depth++
	defer func() { r.depth-- }()
	r.steps++
	if r.depth > maxDepth*2 || r.steps > maxSteps {
		return nil
	}
	switch e.Kind {
	case ExprColumn:
		r.quiet++
		defer func() { r.quiet-- }()
		_, fields, _ := r.lookup(e, sc)
		return fields
	case ExprStruct:
		return r.constructed(e, sc)
	case ExprList, ExprArray:
		if e.Kind == ExprArray && len(e.Args) > 0 {
			return r.named(r.structFields(e.Args[0], sc), e.Params)
		}
		if e.Kind == ExprList && len(e.Args) > 1 {
			return r.constructed(e, sc)
		}
	case ExprQuery:
		rel := r.results[e.Query]
		if rel == nil {
			return nil
		}
		columns := visible(rel)
		if s, ok := e.Query.Body.(*Select); ok && s.AsStruct {
			return known(columns)
		}
		if len(columns) == 1 {
			return columns[0].fields
		}
	case ExprFunc:
		return r.callFields(e, sc)
	case ExprCase:
		for _, a := range append(append([]*Expr(nil), e.Args...), e.Else) {
			if fields := r.structFields(a, sc); fields != nil {
				return fields
			}
		}
	case ExprIndex:
		return r.structFields(e.Args[0], sc)
	case ExprField:
		if c := fieldOf(r.t.names, r.structFields(e.Args[0], sc), e.Name[0]); c != nil {
			return c.fields
		}
	}
	return nil
}

// constructed are the fields of STRUCT(…), ROW(…) and of a row.
func (r *resolver) constructed(e *Expr, sc *scope) []outputColumn {
	fields := make([]outputColumn, 0, len(e.Args))
	for i, a := range e.Args {
		name := Ident{}
		switch {
		case a.Alias != nil:
			name = *a.Alias
		case a.Kind == ExprColumn:
			name = a.Name[len(a.Name)-1]
		case a.Kind == ExprField:
			name = a.Name[0]
		}
		if i < len(e.Params) {
			name = e.Params[i]
		}
		value := a
		if a.Kind == ExprNamed {
			value = a.Args[0]
		}
		r.quiet++
		r.reuse++
		sources := r.expr(value, sc, UseValue)
		r.reuse--
		r.quiet--
		fields = append(fields, outputColumn{name: name, sources: sources, fields: r.structFields(value, sc)})
	}
	return fields
}

// callFields follows functions that hand one of their arguments on.
func (r *resolver) callFields(e *Expr, sc *scope) []outputColumn {
	if len(e.Name) == 0 {
		return nil
	}
	name := strings.ToLower(e.Name[len(e.Name)-1].Text)
	switch name {
	case "struct", "row", "named_struct", "struct_pack", "tuple":
		return r.constructed(e, sc)
	case "array_agg", "any_value", "max_by", "min_by", "first_value", "last_value", "nth_value", "lag", "lead", "first", "last",
		"array_concat", "array_concat_agg", "array_reverse", "array_first", "array_last", "array_slice", "array", "arg_max", "arg_min",
		"ifnull", "nullif", "coalesce", "max", "min", "nvl", "collect_list", "collect_set", "list", "list_value", "explode", "unnest", "filter", "array_filter":
		for _, a := range e.Args {
			if fields := r.structFields(a, sc); fields != nil {
				return fields
			}
		}
	case "if", "iff", "iif":
		if len(e.Args) == 3 {
			return r.mergedFields(r.structFields(e.Args[1], sc), r.structFields(e.Args[2], sc))
		}
	}
	return nil
}

// mergedFields joins the fields of two values of which either may be taken.
func (r *resolver) mergedFields(a, b []outputColumn) []outputColumn {
	if a == nil || b == nil || len(a) != len(b) {
		if a == nil {
			return b
		}
		return a
	}
	out := make([]outputColumn, len(a))
	for i := range a {
		out[i] = a[i]
		out[i].sources = append(sourceSet(nil), a[i].sources...).add(b[i].sources...)
		out[i].fields = r.mergedFields(a[i].fields, b[i].fields)
	}
	return out
}

// named gives fields the names of a type, ARRAY<STRUCT<a INT64, …>>.
func (r *resolver) named(fields []outputColumn, names []Ident) []outputColumn {
	if len(names) == 0 || fields == nil {
		return fields
	}
	out := make([]outputColumn, 0, len(fields))
	for i, f := range fields {
		if i < len(names) {
			f.name = names[i]
		}
		out = append(out, f)
	}
	return out
}

// known answers with columns that can be listed, or nil when a star is among
// them.
func known(columns []outputColumn) []outputColumn {
	for i := range columns {
		if columns[i].star {
			return nil
		}
	}
	return columns
}

func fieldOf(rule caseRule, fields []outputColumn, name Ident) *outputColumn {
	if rule != sensitive {
		rule = insensitive
	}
	for i := range fields {
		if matchName(rule, name, fields[i].name) {
			return &fields[i]
		}
	}
	return nil
}

// fieldOfElement says whether a name in a subquery over one unnested array of
// unknown structs is a field of these: unless a query around it is known to have
// a column of that name.
func (r *resolver) fieldOfElement(s *scope, id Ident) bool {
	if r.d != BigQuery || s.parent == nil || len(s.relations) != 1 {
		return false
	}
	rel := s.relations[0]
	if !rel.asValue || !rel.blind || len(rel.columns) == 0 {
		return false
	}
	for p := s.parent; p != nil; p = p.parent {
		for _, outer := range p.relations {
			if _, n := outer.find(r.t.names, id); n > 0 {
				return false
			}
		}
	}
	return true
}

// descend follows .field.field behind a column as far as the fields are known.
func (r *resolver) descend(c *outputColumn, path []Ident) (sourceSet, []outputColumn) {
	for _, name := range path {
		next := fieldOf(r.t.names, c.fields, name)
		if next == nil {
			return c.sources, nil
		}
		c = next
	}
	return c.sources, c.fields
}

// fieldPath is the dotted path of a column or of a field of one, nil for other
// values.
func fieldPath(e *Expr) []Ident {
	switch e.Kind {
	case ExprColumn:
		return e.Name
	case ExprField:
		if path := fieldPath(e.Args[0]); path != nil {
			return append(path[:len(path):len(path)], e.Name[0])
		}
	}
	return nil
}

// structStar expands expression.* into the fields of the expression.
func (r *resolver) structStar(e, value *Expr, sc *scope) *relation {
	before := 0
	if r.on() {
		before = len(r.ed.edits)
	}
	sources := r.expr(value, sc, UseValue)
	means := r.hit
	fields := r.structFields(value, sc)
	r.hit = means
	if fields == nil {
		return &relation{columns: []outputColumn{{name: Ident{Text: "*"}, sources: sources, star: true}}, blind: true}
	}
	via := &relation{columns: fields}
	path := fieldPath(value)
	if r.on() && path != nil {
		names := make([]string, len(path))
		for i, id := range path {
			names[i] = r.ed.name(id)
		}
		via.given = strings.Join(names, ".")
		if r.hit.rel != nil {
			via.given = r.ed.qualifier(r.hit.rel) + via.given
		}
		r.ed.edits = r.ed.edits[:before]
	}
	inner := &scope{parent: sc, ctes: sc.ctes, relations: []*relation{via}}
	r.quiet++
	out := r.star(&Expr{Kind: ExprStar, Star: &Star{Except: e.Star.Except, Rename: e.Star.Rename}, Span: e.Span}, inner)
	r.quiet--
	if path == nil {
		for i := range out.columns { // the fields of a computed value stay behind its star
			out.columns[i].via = nil
		}
	}
	for _, item := range e.Star.Replace {
		for i := range out.columns {
			if c := &out.columns[i]; item.Alias != nil && matchName(r.t.names, *item.Alias, c.name) {
				c.sources, c.fields = r.expr(item.Expr, sc, UseValue), nil
			}
		}
	}
	return out
}
