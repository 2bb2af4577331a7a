package sqllens

import (
	"slices"
	"strconv"
	"strings"
)

// listed is what the clauses behind a select list need to know of it: GROUP BY,
// HAVING and QUALIFY may name outputs, and dialects differ in which name wins.
type listed struct {
	items   []SelectItem
	outputs []outputColumn
	forms   []string // for the qualified form: what an output that came from a star is computed of; "" for others
	grouped []Ident  // the columns that GROUP BY names
	keys    []Span   // the expressions that it groups by
	first   bool     // aliases come before columns that are not grouped by
	group   *Expr    // the entry of GROUP BY being resolved, nil in other clauses
}

// aliasedHaving says whether HAVING may name an alias of the select list. Where
// it may not, a name is a column.
func (d Dialect) aliasedHaving() bool {
	switch d {
	case Postgres, Redshift, TSQL, Oracle, Trino, Athena:
		return false
	}
	return true
}

// aggregateFunctions turn rows into one value.
var aggregateFunctions = wordSet(`sum count avg min max any_value array_agg string_agg listagg group_concat stddev stddev_pop stddev_samp
	variance var_pop var_samp median mode count_if countif sumif avgif logical_or logical_and bool_or bool_and every json_agg jsonb_agg
	json_object_agg jsonb_object_agg object_agg approx_count_distinct approx_quantiles approx_top_count hll_count percentile_cont
	percentile_disc corr covar_pop covar_samp bit_and bit_or bit_xor collect_list collect_set first last arg_min arg_max argmin argmax
	min_by max_by uniq uniqexact quantile quantiles grouparray groupuniqarray stringagg array_concat_agg xmlagg kurtosis skewness`)

// aggregate says whether a call turns the rows of a group into one value.
func (e *Expr) aggregate() bool {
	return e.Kind == ExprFunc && len(e.Name) == 1 && (e.Call == nil || e.Call.Over == nil && e.Call.OverName == nil) && aggregateFunctions[strings.ToLower(e.Name[0].Text)]
}

// readKeys notes what GROUP BY groups by. A number stands for an output; GROUP
// BY ALL for every output without an aggregate.
func (l *listed) readKeys(s *Select) {
	key := func(e *Expr) {
		if e.Kind == ExprColumn {
			l.grouped = append(l.grouped, e.Name[len(e.Name)-1])
			return
		}
		l.keys = append(l.keys, e.Span)
	}
	for _, e := range s.GroupBy {
		if e.Kind == ExprLiteral {
			if item := ordinal(e, s.Items); item != nil {
				key(item.Expr)
			}
			continue
		}
		key(e)
	}
	if s.GroupAll {
		for _, item := range s.Items {
			if !aggregates(item.Expr) {
				key(item.Expr)
			}
		}
	}
}

// groups says whether an expression is one that GROUP BY groups by: the names in
// it are columns then.
func (l *listed) groups(r *resolver, e *Expr) bool {
	for _, k := range l.keys {
		if k.End-k.Start == e.Span.End-e.Span.Start && strings.EqualFold(r.text(k), r.text(e.Span)) {
			return true
		}
	}
	return false
}

// alias finds the output that a name means before any column: behind GROUP BY a
// column that is not grouped by has no value outside an aggregate.
func (l *listed) alias(rule caseRule, aliases []outputColumn, id Ident) *outputColumn {
	if !l.first || slices.ContainsFunc(l.grouped, func(g Ident) bool { return matchName(rule, id, g) }) {
		return nil
	}
	return aliasOf(rule, aliases, id)
}

// shadows says whether an output has the name of a relation: BigQuery then
// takes the relation's name for the output.
func (l *listed) shadows(rel *relation) bool {
	if rel == nil || rel.alias.Text == "" {
		return false
	}
	return slices.ContainsFunc(l.outputs, func(c outputColumn) bool { return strings.EqualFold(c.name.Text, rel.alias.Text) })
}

// place is the position of the output that an expression computes, from 1.
func (l *listed) place(e *Expr) int {
	at := 0
	for i := range l.items {
		if l.items[i].Expr.Kind == ExprStar {
			return 0
		}
		if at++; l.items[i].Expr == e {
			return at
		}
	}
	return 0
}

// shadowed says whether an expression names a relation that an output hides.
func (r *resolver) shadowed(e *Expr, sc *scope) bool {
	if r.d != BigQuery || r.listed == nil || !slices.ContainsFunc(sc.relations, r.listed.shadows) {
		return false
	}
	found := false
	before := r.hit
	r.quiet++
	r.muted++
	walkExpr(e, func(x *Expr) {
		if x.Kind != ExprColumn || found {
			return
		}
		r.hit = hit{}
		r.lookup(x, &scope{parent: sc.parent, relations: sc.relations, ctes: sc.ctes})
		found = r.listed.shadows(r.hit.rel) || r.listed.shadows(r.hit.written)
	})
	r.muted--
	r.quiet--
	r.hit = before
	return found
}

// groupBy resolves GROUP BY.
func (r *resolver) groupBy(s *Select, l *listed, sc *scope) {
	outer := r.listed
	r.listed = l
	defer func() { r.listed = outer }()
	for _, e := range s.GroupBy {
		if e.Kind == ExprLiteral {
			r.groupPlace(e, s.Items, l, sc)
			continue
		}
		l.group = e
		r.expr(e, sc, UseGroup)
	}
	l.group = nil
}

// groupPlace writes the output out that a number in GROUP BY means. A constant
// stays a number, a subquery and an unnested array cannot be grouped by.
func (r *resolver) groupPlace(e *Expr, items []SelectItem, l *listed, sc *scope) {
	if !r.on() {
		return
	}
	item := ordinal(e, items)
	if item == nil {
		n, err := strconv.Atoi(e.Text)
		if err == nil && n > 0 && n <= len(l.forms) && l.forms[n-1] != "" {
			r.ed.replace(e.Span, l.forms[n-1])
		}
		return
	}
	switch item.Expr.Kind {
	case ExprLiteral, ExprStar, ExprQuery:
		return
	}
	if unnests(item.Expr) || r.shadowed(item.Expr, sc) {
		return
	}
	r.ed.edits = append(r.ed.edits, edit{span: e.Span, expr: item.Expr.Span})
}

func unnests(e *Expr) bool {
	found := false
	walkExpr(e, func(x *Expr) {
		if x.Kind == ExprFunc && len(x.Name) == 1 {
			switch strings.ToLower(x.Name[0].Text) {
			case "unnest", "explode", "explode_outer", "posexplode", "inline", "arrayjoin":
				found = true
			}
		}
	})
	return found
}

// laterAlias finds an alias of the select list in the condition of a join, where
// Snowflake lets it stand.
func (r *resolver) laterAlias(id Ident, sc *scope) (sourceSet, bool) {
	for i := range sc.later {
		item := &sc.later[i]
		if item.Alias == nil || !matchName(r.t.names, id, *item.Alias) {
			continue
		}
		inner := *sc
		inner.later = nil
		r.quiet++
		sources := r.expr(item.Expr, &inner, UseValue)
		r.quiet--
		r.hit = hit{alias: item.Expr}
		return sources, true
	}
	return nil, false
}

// onlyRelation is the one relation that an unknown name can belong to, or nil.
func onlyRelation(sc *scope) *relation {
	var only *relation
	for s := sc; s != nil; s = s.parent {
		for _, rel := range s.relations {
			if rel.semi {
				continue
			}
			if only != nil || !rel.blind {
				return nil
			}
			only = rel
		}
	}
	return only
}

// rewrite writes a resolved column into the qualified form.
func (r *resolver) rewrite(e *Expr, sc *scope) {
	h := r.hit
	if l := r.listed; l != nil {
		switch {
		case r.d == BigQuery && (l.shadows(h.rel) || l.shadows(h.written)):
			if h.written != nil { // the relation's name means the output here
				r.ed.replace(e.Name[0].Span.join(e.Name[h.parts].Span), r.ed.name(e.Name[h.parts]))
			}
			return
		case h.alias == nil:
		case h.alias.Kind == ExprLiteral:
			if place := l.place(h.alias); l.group == e && place > 0 {
				r.ed.replace(e.Name[0].Span, strconv.Itoa(place))
			}
			return
		case l.group != nil && aggregates(h.alias) || r.shadowed(h.alias, sc):
			return
		}
	}
	r.ed.column(e, h)
}

// behind resolves HAVING or QUALIFY.
func (r *resolver) behind(e *Expr, l *listed, sc *scope, first bool) {
	if e == nil {
		return
	}
	outer := r.listed
	r.listed = l
	l.first = first
	r.expr(e, sc, UseFilter)
	l.first = false
	r.listed = outer
}
