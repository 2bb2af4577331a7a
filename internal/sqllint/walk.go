package sqllint

import (
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// parts calls visit for every expression directly below another. Queries are
// not entered.
func parts(e *sqllens.Expr, visit func(*sqllens.Expr)) {
	for _, a := range e.Args {
		visit(a)
	}
	if e.Else != nil {
		visit(e.Else)
	}
	if e.Star != nil {
		for _, r := range e.Star.Replace {
			visit(r.Expr)
		}
	}
	if e.Call == nil {
		return
	}
	for _, list := range [][]*sqllens.Expr{e.Call.OrderBy, e.Call.WithinGroup} {
		for _, a := range list {
			visit(a)
		}
	}
	if e.Call.Filter != nil {
		visit(e.Call.Filter)
	}
	if w := e.Call.Over; w != nil {
		for _, list := range [][]*sqllens.Expr{w.PartitionBy, w.OrderBy, w.Frame} {
			for _, a := range list {
				visit(a)
			}
		}
	}
}

// walk visits an expression and all below it, as far as enter says so.
func walk(e *sqllens.Expr, enter func(*sqllens.Expr) bool) {
	if e == nil || !enter(e) {
		return
	}
	parts(e, func(a *sqllens.Expr) { walk(a, enter) })
}

// contains reports whether an expression or one below it answers to a test.
func contains(e *sqllens.Expr, test func(*sqllens.Expr) bool) bool {
	found := false
	walk(e, func(x *sqllens.Expr) bool {
		found = found || test(x)
		return !found
	})
	return found
}

// conjuncts takes an AND apart.
func conjuncts(e *sqllens.Expr) []*sqllens.Expr {
	var out []*sqllens.Expr
	for e != nil && e.Kind == sqllens.ExprOp && e.Op == "and" && len(e.Args) == 2 {
		out = append(out, e.Args[1]) // chains lean to the left
		e = e.Args[0]
	}
	if e == nil {
		return nil
	}
	out = append(out, e)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	var flat []*sqllens.Expr
	for i, c := range out {
		if c.Kind == sqllens.ExprOp && c.Op == "and" && i > 0 {
			flat = append(flat, conjuncts(c)...)
			continue
		}
		flat = append(flat, c)
	}
	return flat
}

// isOp reports whether an expression is one of the operators.
func isOp(e *sqllens.Expr, ops ...string) bool {
	if e == nil || e.Kind != sqllens.ExprOp {
		return false
	}
	for _, op := range ops {
		if e.Op == op {
			return true
		}
	}
	return false
}

func isComparison(e *sqllens.Expr) bool {
	return isOp(e, "=", "<>", "<", ">", "<=", ">=") && len(e.Args) == 2
}

// isNull reports whether an expression is the word NULL.
func isNull(e *sqllens.Expr) bool { return e.Kind == sqllens.ExprLiteral && e.Op == "null" }

// isNumber reports whether an expression is a number, with a sign perhaps.
func isNumber(e *sqllens.Expr) bool {
	if isOp(e, "unary-", "unary+") && len(e.Args) == 1 {
		e = e.Args[0]
	}
	return e.Kind == sqllens.ExprLiteral && e.Op == "number"
}

// stringOf is the content of a plain string literal.
func stringOf(e *sqllens.Expr) (string, bool) {
	if e.Kind != sqllens.ExprLiteral || e.Op != "string" && e.Op != "typed" {
		return "", false
	}
	at := strings.IndexAny(e.Text, `'"`)
	if at < 0 || len(e.Text) < at+2 || e.Text[len(e.Text)-1] != e.Text[at] {
		return "", false
	}
	return e.Text[at+1 : len(e.Text)-1], true
}

// funcName is the last part of a function's name in lower case.
func funcName(e *sqllens.Expr) string {
	if e.Kind != sqllens.ExprFunc || len(e.Name) == 0 {
		return ""
	}
	return strings.ToLower(e.Name[len(e.Name)-1].Text)
}

// hasColumn reports whether an expression names a column outside of queries.
func hasColumn(e *sqllens.Expr) bool {
	return contains(e, func(x *sqllens.Expr) bool { return x.Kind == sqllens.ExprColumn })
}

// hasQuery reports whether an expression holds a query.
func hasQuery(e *sqllens.Expr) bool {
	return contains(e, func(x *sqllens.Expr) bool { return x.Query != nil })
}

// opaque reports whether an expression holds what nobody can judge: skipped
// text, or a template tag that may stand for anything.
func opaque(e *sqllens.Expr) bool {
	return contains(e, func(x *sqllens.Expr) bool {
		return x.Kind == sqllens.ExprUnknown || x.Kind == sqllens.ExprTag && x.Tag != nil && x.Tag.Kind == sqllens.TagSnippet
	})
}

// window reports whether a call has an OVER clause.
func window(e *sqllens.Expr) bool {
	return e.Call != nil && (e.Call.Over != nil || e.Call.OverName != nil)
}

// aggregateName lists the functions that make one value of many rows, in any
// dialect.
func aggregateName(name string) bool {
	switch name {
	case "count", "sum", "avg", "min", "max", "mean", "total", "median", "mode", "stddev", "stddev_pop", "stddev_samp", "stdev", "stdevp",
		"variance", "var_pop", "var_samp", "var", "varp", "count_if", "countif", "count_big", "countdistinct", "approx_count_distinct",
		"approx_distinct", "approx_percentile", "approx_quantiles", "approx_top_count", "hll", "ndv", "array_agg", "string_agg", "group_concat",
		"listagg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "json_arrayagg", "json_objectagg", "object_agg", "xmlagg",
		"bool_and", "bool_or", "every", "bit_and", "bit_or", "bit_xor", "logical_and", "logical_or", "any_value", "arbitrary", "first", "last",
		"corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept", "percentile", "percentile_cont", "percentile_disc", "percentile_approx",
		"quantile", "max_by", "min_by", "argmax", "argmin", "arg_max", "arg_min", "collect_list", "collect_set", "grouping", "checksum_agg",
		"uniq", "uniqexact", "sumif", "avgif", "sum_if", "avg_if", "wm_concat", "rank_agg", "product", "geomean", "entropy", "histogram", "map_agg",
		"grouparray", "groupuniqarray", "anylast", "any", "topk", "sumdistinct":
		return true
	}
	return false
}

// scalarName lists functions that are surely no aggregates, so that a name on
// neither list counts as either.
func scalarName(name string) bool {
	switch name {
	case "lower", "upper", "trim", "ltrim", "rtrim", "length", "len", "char_length", "substr", "substring", "left", "right", "replace", "concat",
		"coalesce", "ifnull", "nvl", "isnull", "nullif", "abs", "round", "floor", "ceil", "ceiling", "mod", "power", "sqrt", "date", "year", "month",
		"day", "extract", "date_trunc", "date_part", "datepart", "to_char", "to_date", "trunc", "now", "current_date", "current_timestamp", "getdate",
		"cast", "convert", "if", "iif", "greatest", "least", "date_format", "strftime", "datediff", "date_diff", "dateadd", "date_add", "date_sub",
		"timestamp", "datetime", "concat_ws", "initcap", "split_part", "regexp_replace", "week", "quarter", "hour", "unix_timestamp", "to_timestamp":
		return true
	}
	return false
}

// aggregated reports whether an expression holds an aggregate outside of
// windows and queries. maybe says that a function might be one.
func aggregated(e *sqllens.Expr) (yes, maybe bool) {
	walk(e, func(x *sqllens.Expr) bool {
		if x.Kind != sqllens.ExprFunc {
			return true
		}
		if window(x) {
			return false
		}
		name := funcName(x)
		switch {
		case name == "max" || name == "min":
			yes = yes || len(x.Args) < 2 // SQLite: max(a, b) is no aggregate
		case aggregateName(name):
			yes = true
		case !scalarName(name):
			maybe = true
		}
		return !yes
	})
	return yes, maybe
}
