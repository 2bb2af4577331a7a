package browse

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
	"github.com/metalens/metalens/internal/web/ui"
)

// queryView is a query of the query builder in words.
type queryView struct {
	Steps []queryStep
	Cut   bool // too long to be shown as a whole
	Odd   int  // parts that were not understood
}

// queryStep is one thing the query does, such as "Filter", with a line for each
// of its parts.
type queryStep struct {
	Word  string
	Lines [][]word
	Stage int // 2 and more: works on the result of the stage before
}

// word is a piece of a line.
type word struct {
	Text string
	Href string // leads to what the word names
	Kind catalog.Kind
	Dim  bool // a word between names and values
	Code bool // a value
}

// The bounds of one description.
const (
	maxWords     = 1500
	maxWordDepth = 24
)

// queryOf describes the query of an asset; nil when it cannot be read.
func queryOf(view *View, base string, a catalog.Asset) *queryView {
	var raw json.RawMessage
	switch a := a.(type) {
	case *catalog.Question:
		raw = a.Query.MBQL
	case *catalog.Transform:
		raw = a.Query.MBQL
	case *catalog.Segment:
		raw = a.Definition
	case *catalog.Measure:
		raw = a.Definition
	}
	parsed, err := mbql.Parse(raw)
	if err != nil || len(parsed.Stages) == 0 {
		return nil
	}
	d := &describer{view: view, base: base}
	for i, s := range parsed.Stages {
		d.stage(s, i)
	}
	if len(d.out.Steps) == 0 {
		return nil
	}
	d.out.Odd = len(parsed.Diagnostics)
	return &d.out
}

type describer struct {
	view  *View
	base  string
	out   queryView
	line  []word
	words int
}

func (d *describer) stage(s *mbql.Stage, n int) {
	step := func(name string, lines ...func()) {
		st := queryStep{Word: name, Stage: n + 1}
		for _, write := range lines {
			d.line = nil
			write()
			if len(d.line) > 0 {
				st.Lines = append(st.Lines, d.line)
			}
		}
		if len(st.Lines) > 0 {
			d.out.Steps = append(d.out.Steps, st)
		}
	}
	each := func(list []*mbql.Expr) []func() {
		var out []func()
		for _, e := range list {
			out = append(out, func() { d.expr(e, 0) })
		}
		return out
	}
	if n == 0 || s.Native != nil || s.SourceCard != "" || !s.SourceTable.IsZero() {
		step("Start with", func() { d.source(s) })
	}
	var joins []func()
	for _, j := range s.Joins {
		joins = append(joins, func() { d.join(j) })
	}
	step("Join", joins...)
	var custom []func()
	for _, x := range s.Expressions {
		custom = append(custom, func() {
			d.name(x.Name)
			d.dim("=")
			d.expr(x.Expr, 0)
		})
	}
	step("Custom column", custom...)
	step("Filter", each(s.Filters)...)
	step("Summarize", each(s.Aggregations)...)
	step("Group by", each(s.Breakouts)...)
	step("Columns", each(s.Fields)...)
	var orders []func()
	for _, o := range s.OrderBy {
		orders = append(orders, func() {
			d.expr(o.Expr, 0)
			if o.Descending {
				d.dim("descending")
			} else {
				d.dim("ascending")
			}
		})
	}
	step("Sort by", orders...)
	if s.Limit > 0 {
		step("Limit", func() { d.value(ui.Number(s.Limit)); d.dim("rows") })
	}
}

func (d *describer) source(s *mbql.Stage) {
	switch {
	case s.Native != nil:
		d.dim("native SQL")
	case s.SourceCard != "":
		d.question(s.SourceCard)
	case !s.SourceTable.IsZero():
		d.table(s.SourceTable)
	}
}

func (d *describer) join(j *mbql.Join) {
	d.dim(strings.ReplaceAll(ui.Clean(j.Strategy), "-", " "))
	if len(j.Stages) > 0 {
		d.source(j.Stages[0])
		if len(j.Stages) > 1 {
			d.dim("(summarized first)")
		}
	}
	for i, c := range j.Conditions {
		if i == 0 {
			d.dim("on")
		} else {
			d.dim("and")
		}
		d.expr(c, 1)
	}
}

func (d *describer) add(w word) {
	if d.words++; d.words > maxWords {
		d.out.Cut = true
		return
	}
	d.line = append(d.line, w)
}

func (d *describer) dim(text string)   { d.add(word{Text: text, Dim: true}) }
func (d *describer) value(text string) { d.add(word{Text: ui.Clip(ui.Clean(text), 120), Code: true}) }
func (d *describer) name(text string)  { d.add(word{Text: ui.Clip(ui.Name(text), 120)}) }

func (d *describer) asset(r catalog.Ref, fallback string) {
	name, known := d.view.Name(r)
	if !known {
		d.add(word{Text: fallback})
		d.dim("(not in the last scan)")
		return
	}
	if a := d.view.Index.Asset(r); a != nil {
		r = a.Ref()
	}
	d.add(word{Text: ui.Clip(ui.Name(name), 120), Href: ui.AssetPath(d.base, r), Kind: r.Kind})
}

func (d *describer) question(id string) {
	d.asset(catalog.Ref{Kind: catalog.KindQuestion, ID: id}, "question "+ui.Clip(ui.Clean(id), 20))
}

func (d *describer) table(id mbql.TableID) {
	if t := d.view.Texts.Table(id); t != nil {
		d.asset(t.Ref(), t.Name)
		return
	}
	name := id.Name
	if name == "" {
		name = "table " + strconv.FormatInt(id.Number, 10)
	}
	d.add(word{Text: ui.Clip(ui.Name(name), 120)})
	d.dim("(not in the schema that was read)")
}

func (d *describer) field(f *mbql.Field) {
	switch {
	case f == nil:
		d.dim("a column")
		return
	case f.ID.IsZero():
		d.name(f.Name)
	default:
		if c := d.view.Texts.Column(f.ID); c != nil {
			d.asset(c.Ref(), c.Name)
		} else {
			name := f.ID.Name
			if name == "" {
				name = "column " + strconv.FormatInt(f.ID.Number, 10)
			}
			d.add(word{Text: ui.Clip(ui.Name(name), 120)})
			d.dim("(not in the schema that was read)")
		}
	}
	if !f.Source.IsZero() {
		if c := d.view.Texts.Column(f.Source); c != nil {
			d.dim("through")
			d.asset(c.Ref(), c.Name)
		}
	}
	if f.TemporalUnit != "" && f.TemporalUnit != "default" {
		d.dim("by " + strings.ReplaceAll(ui.Clean(f.TemporalUnit), "-", " "))
	}
	if f.Binning != "" {
		d.dim("in bins")
	}
}

func (d *describer) expr(e *mbql.Expr, depth int) {
	if e == nil {
		return
	}
	if depth > maxWordDepth {
		d.dim("…")
		d.out.Cut = true
		return
	}
	switch e.Kind {
	case mbql.FieldExpr:
		d.field(e.Field)
	case mbql.ExpressionExpr:
		d.name(e.Name)
		if e.Field != nil && e.Field.TemporalUnit != "" {
			d.dim("by " + strings.ReplaceAll(ui.Clean(e.Field.TemporalUnit), "-", " "))
		}
	case mbql.AggregationExpr:
		d.dim("summary " + strconv.Itoa(e.Index+1))
	case mbql.SegmentExpr:
		d.dim("segment")
		d.asset(catalog.Ref{Kind: catalog.KindSegment, ID: e.Name}, ui.Clip(ui.Clean(e.Name), 20))
	case mbql.MetricExpr:
		d.dim("metric")
		if d.view.Index.Question(e.Name) != nil {
			d.question(e.Name)
		} else {
			d.asset(catalog.Ref{Kind: catalog.KindMeasure, ID: e.Name}, ui.Clip(ui.Clean(e.Name), 20))
		}
	case mbql.MeasureExpr:
		d.dim("measure")
		d.asset(catalog.Ref{Kind: catalog.KindMeasure, ID: e.Name}, ui.Clip(ui.Clean(e.Name), 20))
	case mbql.TagExpr:
		d.name(e.Name)
	case mbql.LiteralExpr:
		d.literal(e.Literal)
	case mbql.ListExpr:
		d.list(e.Args, depth, ",")
	default:
		d.clause(e, depth)
	}
	if e.Column != "" && depth == 0 {
		d.dim("as")
		d.name(e.Column)
	}
}

func (d *describer) literal(l mbql.Literal) {
	switch l.Type {
	case mbql.KeywordLiteral:
		d.dim(strings.ReplaceAll(ui.Clip(ui.Clean(l.Text), 60), "-", " "))
	case mbql.NullLiteral:
		d.dim("nothing")
	case mbql.StringLiteral:
		d.value("“" + l.Text + "”")
	default:
		d.value(l.Text)
	}
}

func (d *describer) list(args []*mbql.Expr, depth int, between string) {
	for i, a := range args {
		if i > 0 {
			d.dim(between)
		}
		d.expr(a, depth+1)
	}
}

// infix are operators that stand between their arguments.
func infix(op string) string {
	switch op {
	case "=", "in":
		return "is"
	case "!=", "not-in":
		return "is not"
	case "<", ">", "+", "-", "*", "/":
		return op
	case "<=":
		return "≤"
	case ">=":
		return "≥"
	case "contains", "starts-with", "ends-with", "does-not-contain":
		return strings.ReplaceAll(op, "-", " ")
	}
	return ""
}

// summary is the word of an aggregation, before what it is about.
func summary(op string) string {
	switch op {
	case "count", "sum", "median", "share", "percentile":
		return op + " of"
	case "max":
		return "maximum of"
	case "min":
		return "minimum of"
	case "var":
		return "variance of"
	case "avg":
		return "average of"
	case "distinct":
		return "distinct values of"
	case "cum-sum":
		return "running sum of"
	case "cum-count":
		return "running count of"
	case "stddev":
		return "standard deviation of"
	}
	return ""
}

func (d *describer) clause(e *mbql.Expr, depth int) {
	group := depth > 0 && len(e.Args) > 1
	switch {
	case e.Op == "and" || e.Op == "or":
		if group {
			d.dim("(")
		}
		d.list(e.Args, depth, e.Op)
		if group {
			d.dim(")")
		}
	case e.Op == "not" && len(e.Args) == 1:
		d.dim("not")
		d.expr(e.Args[0], depth+1)
	case (e.Op == "is-null" || e.Op == "is-empty") && len(e.Args) == 1:
		d.expr(e.Args[0], depth+1)
		d.dim("is empty")
	case (e.Op == "not-null" || e.Op == "not-empty") && len(e.Args) == 1:
		d.expr(e.Args[0], depth+1)
		d.dim("is not empty")
	case e.Op == "between" && len(e.Args) == 3:
		d.expr(e.Args[0], depth+1)
		d.dim("is between")
		d.list(e.Args[1:], depth, "and")
	case e.Op == "time-interval" && len(e.Args) >= 3:
		d.expr(e.Args[0], depth+1)
		d.dim("in the interval")
		d.list(e.Args[1:], depth, "")
	case infix(e.Op) != "" && len(e.Args) >= 2:
		if group && strings.ContainsAny(e.Op, "+-*/") {
			d.dim("(")
		}
		d.expr(e.Args[0], depth+1)
		if strings.ContainsAny(e.Op, "+*/") || e.Op == "-" {
			for _, a := range e.Args[1:] {
				d.dim(infix(e.Op))
				d.expr(a, depth+1)
			}
		} else {
			d.dim(infix(e.Op))
			d.list(e.Args[1:], depth, "or")
		}
		if group && strings.ContainsAny(e.Op, "+-*/") {
			d.dim(")")
		}
	case e.Op == "count" && len(e.Args) == 0:
		d.dim("count of rows")
	case summary(e.Op) != "" && len(e.Args) > 0:
		d.dim(summary(e.Op))
		d.list(e.Args, depth, ",")
	default:
		d.dim(ui.Clip(strings.ReplaceAll(ui.Clean(e.Op), "-", " "), 60) + " (")
		d.list(e.Args, depth, ",")
		d.dim(")")
	}
}
