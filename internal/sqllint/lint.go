package sqllint

import (
	"cmp"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
)

// Rule names what a remark is about.
type Rule string

// The rules.
const (
	SelectStar       Rule = "select_star"
	CartesianJoin    Rule = "cartesian_join"
	JoinWithoutKey   Rule = "join_without_key"
	NotInNull        Rule = "not_in_null"
	FunctionOnColumn Rule = "function_on_column"
	HardCodedDate    Rule = "hard_coded_date"
	HardCodedID      Rule = "hard_coded_id"
	LimitNoOrder     Rule = "limit_without_order"
	UnionNoAll       Rule = "union_without_all"
	NoTimeFilter     Rule = "no_time_filter"
	DivisionByZero   Rule = "division_by_zero"
	ImplicitCast     Rule = "implicit_cast"
	EqualsNull       Rule = "equals_null"
	OuterJoinUndone  Rule = "outer_join_undone"
	DistinctOverJoin Rule = "distinct_over_join"
	HavingNoAggr     Rule = "having_without_aggregate"
	BetweenDates     Rule = "between_dates"
	CountNullable    Rule = "count_nullable"
	OrderInSubquery  Rule = "order_in_subquery"
	UngroupedColumn  Rule = "ungrouped_column"
	DirtyRead        Rule = "dirty_read"
	Final            Rule = "final"
	IntegerDivision  Rule = "integer_division"
	PipesAsOr        Rule = "pipes_as_or"
	QuotedTag        Rule = "quoted_tag"
	BrokenText       Rule = "broken_text" // the only rule about a text that is skipped
)

// Rules lists every rule.
func Rules() []Rule {
	return []Rule{
		SelectStar, CartesianJoin, JoinWithoutKey, NotInNull, FunctionOnColumn, HardCodedDate, HardCodedID, LimitNoOrder,
		UnionNoAll, NoTimeFilter, DivisionByZero, ImplicitCast, EqualsNull, OuterJoinUndone, DistinctOverJoin, HavingNoAggr,
		BetweenDates, CountNullable, OrderInSubquery, UngroupedColumn, DirtyRead, Final, IntegerDivision, PipesAsOr, QuotedTag,
		BrokenText,
	}
}

// Remark is one thing about one place of the text.
type Remark struct {
	Rule       Rule
	Span       sqllens.Span // of the text that was parsed
	Detail     string       // names and functions, never literals; may be empty
	Confidence finding.Confidence
}

// Subquery is a derived table or common table expression that stands for
// itself: it names no other one and nothing around it, and has no parameters.
type Subquery struct {
	Span   sqllens.Span
	Tables string // the tables it reads, sorted, to group by
	Name   string // of a common table expression
}

// Tag is what is known about a template tag beyond the text.
type Tag struct {
	Type   string          // declared type; "" when it is not declared
	Column *catalog.Column // of a field filter, where it is known
}

// Input is one parsed query with its surroundings.
type Input struct {
	SQL     string // the text of the tree
	Tree    *sqllens.Tree
	Lineage []*sqllens.Lineage // of the tree
	Tags    map[string]Tag
	Table   func(sqllens.TableRef) *catalog.Table // nil where the table is not known
}

// Result is what there is to say about a query.
type Result struct {
	Remarks    []Remark // sorted by place
	Subqueries []Subquery
	// Skipped says why nothing is said about a text: "not_parsed" when it was not
	// understood to its end; "" otherwise. Who calls may have reasons of its own.
	Skipped string
	// Untyped says that the columns of a table it reads are not known: rules
	// that rest on types had nothing to judge there.
	Untyped bool
}

// most bounds the remarks of one rule about one text.
const most = 20

// Lint looks at a query.
func Lint(in Input) Result {
	l := &linter{in: in, d: in.Tree.Dialect, count: map[Rule]int{}}
	if in.Tree.Recovered {
		l.broken()
		return Result{Remarks: l.out.Remarks, Skipped: "not_parsed"}
	}
	l.index()
	l.quotedTags()
	for _, st := range in.Tree.Statements {
		switch {
		case st.Query != nil:
			l.query(st.Query, &place{top: st.Kind == sqllens.StatementSelect}, nil)
		case st.DML != nil && st.DML.Query != nil:
			l.query(st.DML.Query, &place{}, nil)
		}
	}
	slices.SortStableFunc(l.out.Remarks, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(a.Span.Start, b.Span.Start), cmp.Compare(a.Span.End, b.Span.End), cmp.Compare(a.Rule, b.Rule))
	})
	l.out.Remarks = slices.Compact(l.out.Remarks)
	return l.out
}

// linter looks at one text.
type linter struct {
	in     Input
	d      sqllens.Dialect
	uses   map[sqllens.Span][]sqllens.Source // physical columns behind a mention
	tables map[int]sqllens.TableUse          // physical tables by where their mention begins
	count  map[Rule]int
	out    Result
	depth  int
	looked int // how much was read again for single expressions
	passed int // how many queries were passed through in search of what a name stands for
}

// index files the resolution by place.
func (l *linter) index() {
	l.uses, l.tables = map[sqllens.Span][]sqllens.Source{}, map[int]sqllens.TableUse{}
	for _, r := range l.in.Lineage {
		for _, c := range r.Columns {
			s := sqllens.Source{Table: c.Table, Column: c.Column}
			if !slices.Contains(l.uses[c.Span], s) {
				l.uses[c.Span] = append(l.uses[c.Span], s)
			}
		}
		for _, t := range r.Tables {
			l.tables[t.Span.Start] = t
		}
	}
}

func (l *linter) remark(rule Rule, span sqllens.Span, confidence finding.Confidence, detail string) {
	if l.count[rule]++; l.count[rule] > most {
		return
	}
	l.out.Remarks = append(l.out.Remarks, Remark{rule, span, detail, confidence})
}

// optional reports whether a place stands in an optional block.
func (l *linter) optional(s sqllens.Span) bool {
	for _, b := range l.in.Tree.Blocks {
		if b.Start <= s.Start && s.End <= b.End {
			return true
		}
	}
	return false
}

// text is a stretch of the query.
func (l *linter) text(s sqllens.Span) string {
	if s.Start < 0 || s.End > len(l.in.SQL) || s.Start > s.End {
		return ""
	}
	return l.in.SQL[s.Start:s.End]
}
