package sqllens

import (
	"regexp"
	"slices"
	"strings"
)

// semiUsing records the columns of USING in a semi or anti join, which yields
// nothing of its right side.
func (r *resolver) semiUsing(sc *scope, start, right int, id Ident) []string {
	var names []string
	for _, side := range [][]*relation{sc.relations[start:right], sc.relations[right:]} {
		for _, rel := range side {
			sources := openSources(rel, id)
			if c, n := rel.find(r.t.names, id); n > 0 {
				sources = c.sources
			} else if len(rel.open) == 0 {
				continue
			}
			for _, s := range sources {
				r.use(s, UseJoin, id.Span)
			}
			if r.on() {
				names = append(names, r.ed.qualifier(rel)+r.ed.name(id))
			}
			break
		}
	}
	if len(names) != 2 {
		return nil
	}
	return []string{names[0] + " = " + names[1]}
}

// mergeUsing joins the two columns of a USING entry: the left one stands for
// both, the right one needs its qualifier.
func (r *resolver) mergeUsing(sc *scope, start, right int, id Ident, j *Table) []string {
	var left *outputColumn
	var owner *relation
	for _, rel := range sc.relations[start:right] {
		if c, n := rel.find(r.t.names, id); n > 0 && !c.hidden {
			left, owner = c, rel
			break
		}
	}
	if left == nil { // an open relation may have it
		for _, rel := range sc.relations[start:right] {
			if len(rel.open) > 0 {
				rel.columns = append([]outputColumn{{name: id, sources: openSources(rel, id), added: true}}, rel.columns...)
				left, owner = &rel.columns[0], rel
				break
			}
		}
	}
	if left == nil {
		if !slices.ContainsFunc(sc.relations[start:right], func(rel *relation) bool { return rel.blind }) {
			r.unresolved("unknown_column", id.Text, id.Span)
			return nil
		}
		for _, rel := range sc.relations[right:] { // the left side has it among columns that belong to no table
			if c, n := rel.find(r.t.names, id); n > 0 {
				for _, s := range c.sources {
					r.use(s, UseJoin, id.Span)
				}
			}
		}
		return nil
	}
	for _, s := range left.sources {
		r.use(s, UseJoin, id.Span)
	}
	for _, rel := range sc.relations[right:] {
		c, n := rel.find(r.t.names, id)
		if n == 0 {
			if len(rel.open) == 0 {
				continue
			}
			rel.columns = append(rel.columns, outputColumn{name: id, sources: openSources(rel, id), added: true})
			c = &rel.columns[len(rel.columns)-1]
		}
		for _, s := range c.sources {
			r.use(s, UseJoin, id.Span)
		}
		c.hidden = true
		left.using = r.usingRank()
		form := left.forms()
		if form.own == nil {
			form.own = left.sources
		}
		left.form = &columnForm{own: form.own, merged: form.merged}
		left.sources = append(sourceSet(nil), left.sources...).add(c.sources...)
		if !r.on() {
			return nil
		}
		merged := form.merged
		if merged == nil {
			merged = []string{r.ed.qualifier(owner) + r.ed.name(id)}
		}
		if len(merged) >= maxMerged {
			r.ed.failed = true
			return nil
		}
		mine := r.ed.qualifier(rel) + r.ed.name(id)
		value := merged[0]
		if len(merged) > 1 && (j.Natural || sc.relations[len(sc.relations)-1].outer) {
			value = "COALESCE(" + strings.Join(merged, ", ") + ")"
		}
		left.form.outer = form.outer || j.Join != "" && j.Join != "inner"
		left.form.merged = append(merged[:len(merged):len(merged)], mine)
		return []string{value + " = " + mine}
	}
	return nil
}

// usingRank orders merged columns for a star: a later join's columns come
// first, within a join the listed order holds.
func (r *resolver) usingRank() int {
	r.merged++
	return (r.usings+1)<<20 - r.merged
}

func openSources(rel *relation, id Ident) sourceSet {
	if len(rel.open) == 1 {
		return sourceSet{{rel.open[0], id.Text}}
	}
	return sourceSet{{nil, id.Text}}
}

func (r *resolver) mergeNatural(j *Table, sc *scope, start, right int) {
	var shared []Ident
	for _, rel := range sc.relations[start:right] {
		for _, c := range rel.columns {
			if c.star || c.hidden {
				continue
			}
			for _, other := range sc.relations[right:] {
				if d, n := other.find(r.t.names, c.name); n > 0 && !d.hidden {
					shared = append(shared, Ident{Text: c.name.Text, Quote: c.name.Quote, Span: rel.alias.Span})
				}
			}
		}
	}
	var conditions []string
	for _, id := range shared {
		conditions = append(conditions, r.mergeUsing(sc, start, right, id, j)...)
	}
	if r.on() && len(conditions) > 0 {
		r.ed.natural(j, conditions)
	}
}

// maxColumns bounds what a star stands for: tables that are joined with
// themselves again and again double it each time.
const maxColumns = 5_000

// star expands * or t.* over the scope.
func (r *resolver) star(e *Expr, sc *scope) *relation {
	out := &relation{}
	relations := sc.relations
	if len(e.Name) > 0 {
		rel := r.qualified(e.Name, sc)
		if rel == nil {
			rel = r.hiddenName(e, sc)
		}
		if rel == nil {
			return r.structStar(e, &Expr{Kind: ExprColumn, Name: e.Name, Span: e.Span}, sc)
		}
		relations = []*relation{rel}
	}
	if len(relations) == 0 && len(e.Name) == 0 {
		out.blind = true
		return out
	}
	for _, rel := range relations {
		out.open = append(out.open, rel.open...)
		out.blind = out.blind || rel.blind
	}
	matches := e.Star.matcher()
	placed := uint64(0) // which entries of REPLACE met their column
	for _, c := range starOrder(relations, len(e.Name) > 0, r.d.usingFirst()) {
		if r.steps += 4; len(out.columns) >= maxColumns || r.steps > maxSteps {
			out.blind = true
			r.unresolved("too_many_columns", "*", e.Span)
			break
		}
		{
			if r.excepted(e.Star, c) || matches != nil && !c.star && !matches(c.name.Text) {
				continue
			}
			c.hidden = false
			replaced := false
			for i, item := range e.Star.Replace {
				if item.Alias != nil && matchName(r.t.names, *item.Alias, c.name) && !c.star {
					c = outputColumn{name: c.name, via: c.via, form: &columnForm{replaced: item.Expr}, sources: r.expr(item.Expr, sc, UseValue), fields: r.structFields(item.Expr, sc)}
					replaced = true
					placed |= 1 << min(i, 63)
				}
			}
			for _, rn := range e.Star.Rename {
				if matchName(r.t.names, rn.From, c.name) {
					own := c.name
					form := c.forms()
					form.before = &own
					c.form, c.name = &form, rn.To
				}
			}
			if !replaced && !c.star {
				for _, s := range c.sources {
					r.use(s, UseValue, e.Span)
				}
			}
			out.columns = append(out.columns, c)
		}
	}
	for i, item := range e.Star.Replace {
		switch {
		case placed&(1<<min(i, 63)) != 0:
		case item.Alias != nil && len(out.open) > 0: // the replaced columns are among the unknown ones
			out.columns = append(out.columns, outputColumn{name: *item.Alias, sources: r.expr(item.Expr, sc, UseValue), fields: r.structFields(item.Expr, sc)})
		default:
			r.expr(item.Expr, sc, UseValue)
		}
	}
	if e.Star.Pattern != "" && matches == nil {
		out.blind = true
	}
	return out
}

// maxPattern bounds the patterns of columns' names that are read.
const maxPattern = 1000

// matcher says which names a star's pattern takes, nil when it has none or is no
// plain text.
func (s *Star) matcher() func(name string) bool {
	text, ok := strings.CutPrefix(s.Pattern, "'")
	if !ok || len(text) > maxPattern || strings.Count(text, "'") != 1 || !strings.HasSuffix(text, "'") {
		return nil
	}
	text = text[:len(text)-1]
	if s.Like != "" {
		if strings.Contains(text, `\`) {
			return nil
		}
		text = "^" + strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(text)) + "$"
		if s.Like == "ilike" {
			text = "(?i)" + text
		}
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil
	}
	return re.MatchString
}

// itemStar expands a star of a select list, that of an expression included.
func (r *resolver) itemStar(e *Expr, sc *scope) *relation {
	if e.Args != nil {
		return r.structStar(e, e.Args[0], sc)
	}
	return r.star(e, sc)
}

// usingFirst says whether a star begins with the columns that USING merged, as
// the standard has it, or has them where the left table has them.
func (d Dialect) usingFirst() bool {
	switch d {
	case DuckDB, SQLite, ClickHouse, Generic:
		return false
	}
	return true
}

// starOrder lists the columns a star stands for. Within a FROM item the columns
// that USING merged come first where the dialect says so, those of the last join
// before the others.
func starOrder(relations []*relation, qualified, usingFirst bool) []outputColumn {
	var out []outputColumn
	for i := 0; i < len(relations); {
		end := i + 1
		for end < len(relations) && !qualified && relations[end].item == relations[i].item {
			end++
		}
		var merged, rest []outputColumn
		for _, rel := range relations[i:end] {
			for _, c := range rel.columns {
				c.via = rel
				if form := c.forms(); form.own != nil && qualified {
					c.sources = form.own
					if form.outer { // its value and that of all merged columns may differ
						c.form = nil
					}
				}
				switch {
				case c.added || c.hidden && !qualified:
				case c.using > 0 && !qualified && usingFirst:
					merged = append(merged, c)
				default:
					rest = append(rest, c)
				}
			}
		}
		slices.SortStableFunc(merged, func(a, b outputColumn) int { return b.using - a.using })
		out = append(append(out, merged...), rest...)
		i = end
	}
	return out
}

// hiddenName finds the relation whose table a qualifier names although an alias
// hides that name. Databases refuse it; the reader's intent is clear, and the
// answer says that the name was not in scope.
func (r *resolver) hiddenName(e *Expr, sc *scope) *relation {
	var found *relation
	for _, rel := range sc.relations {
		if rel.table == nil || rel.path != nil || len(e.Name) != 1 || !matchName(insensitive, e.Name[0], Ident{Text: rel.table.Name}) {
			continue
		}
		if found != nil {
			return nil
		}
		found = rel
	}
	if found != nil {
		r.unresolved("unknown_alias", pathText(e.Name), e.Span)
	}
	return found
}

func (r *resolver) excepted(s *Star, c outputColumn) bool {
	if c.star {
		return false
	}
	for _, id := range s.Except {
		if matchName(r.t.names, id, c.name) {
			return true
		}
	}
	return false
}
