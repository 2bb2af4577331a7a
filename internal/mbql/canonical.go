package mbql

import (
	"slices"
	"strconv"
	"strings"
)

// Form chooses how much of a query its canonical text keeps.
type Form uint8

// The forms, from strict to loose.
const (
	Strict    Form = iota // everything that changes the answer
	Unordered             // without sorting, row limit and names of aggregations
	Shape                 // Unordered, with constants replaced by their class
)

// Canonical writes a query so that equal meaning mostly gives equal text, in
// whichever dialect it came: join aliases are numbered, operands whose order
// does not matter are sorted, nested conjunctions flattened, hints and random
// ids left out. The database is part of the text. It is empty for a query
// without stages.
func Canonical(q *Query, form Form) string {
	if q == nil || len(q.Stages) == 0 {
		return ""
	}
	c := canonical{form: form, joins: new(int)}
	return "(query (database " + quote(q.Database) + ")" + c.stages(q.Stages) + ")"
}

type canonical struct {
	form    Form
	joins   *int // joins numbered so far, over all nesting
	aliases []alias
}

type alias struct{ from, to string }

func (c *canonical) stages(list []*Stage) string {
	var b strings.Builder
	for i := 0; i < len(list); i++ {
		s := *list[i]
		for i+1 < len(list) && s.bare() { // a source and nothing else
			next := *list[i+1]
			next.Native, next.SourceTable, next.SourceCard = s.Native, s.SourceTable, s.SourceCard
			s = next
			i++
		}
		b.WriteString(c.stage(&s))
	}
	return b.String()
}

// bare reports whether a stage passes its source on as it is.
func (s *Stage) bare() bool {
	return len(s.Joins)+len(s.Expressions)+len(s.Filters)+len(s.Aggregations)+len(s.Breakouts)+len(s.Fields)+len(s.OrderBy) == 0 &&
		s.Limit == 0 && !s.HasPage
}

func (c *canonical) stage(s *Stage) string {
	var b strings.Builder
	b.WriteString(" (stage")
	switch {
	case s.Native != nil:
		b.WriteString(" (native " + quote(strings.TrimSpace(s.Native.Text)) + ")")
	case s.SourceCard != "":
		b.WriteString(" (card " + quote(s.SourceCard) + ")")
	case !s.SourceTable.IsZero():
		b.WriteString(" (table " + tableText(s.SourceTable) + ")")
	}
	for _, j := range s.Joins {
		*c.joins++
		c.aliases = append(c.aliases, alias{j.Alias, "J" + strconv.Itoa(*c.joins)})
	}
	for i, j := range s.Joins {
		b.WriteString(c.join(j, c.aliases[len(c.aliases)-len(s.Joins)+i].to))
	}
	b.WriteString(c.section("expressions", c.expressions(s)))
	b.WriteString(c.section("filter", slices.Compact(slices.Sorted(slices.Values(c.all(s.Filters))))))
	b.WriteString(c.section("aggregation", c.all(s.Aggregations)))
	b.WriteString(c.section("breakout", c.all(s.Breakouts)))
	b.WriteString(c.section("fields", c.all(s.Fields)))
	if c.form == Strict {
		var orders []string
		for _, o := range s.OrderBy {
			direction := "asc"
			if o.Descending {
				direction = "desc"
			}
			orders = append(orders, "("+direction+" "+c.expr(o.Expr)+")")
		}
		b.WriteString(c.section("order", orders))
		if s.Limit > 0 {
			b.WriteString(" (limit " + strconv.FormatInt(s.Limit, 10) + ")")
		}
	}
	b.WriteString(")")
	return b.String()
}

func (c *canonical) section(name string, parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return " (" + name + " " + strings.Join(parts, " ") + ")"
}

func (c *canonical) expressions(s *Stage) []string {
	out := make([]string, 0, len(s.Expressions))
	for _, x := range s.Expressions {
		out = append(out, "("+quote(x.Name)+" "+c.expr(x.Expr)+")")
	}
	slices.Sort(out)
	return out
}

func (c *canonical) join(j *Join, name string) string {
	inner := canonical{form: c.form, joins: c.joins}
	fields := "none"
	switch {
	case j.AllFields:
		fields = "all"
	case len(j.Fields) > 0:
		fields = "(" + strings.Join(c.all(j.Fields), " ") + ")"
	}
	return " (join " + name + " " + quote(j.Strategy) + inner.stages(j.Stages) +
		c.section("on", slices.Compact(slices.Sorted(slices.Values(c.all(j.Conditions))))) + " (fields " + fields + "))"
}

func (c *canonical) all(list []*Expr) []string {
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, c.expr(e))
	}
	return out
}

func (c *canonical) expr(e *Expr) string {
	if e == nil {
		return "null"
	}
	switch e.Kind {
	case FieldExpr:
		return c.field(e.Field)
	case ExpressionExpr:
		return "(expression " + quote(e.Name) + c.bucket(e.Field) + ")"
	case AggregationExpr:
		return "(aggregation " + strconv.Itoa(e.Index) + ")"
	case SegmentExpr:
		return "(segment " + quote(e.Name) + ")"
	case MetricExpr:
		return "(metric " + quote(e.Name) + c.name(e) + ")"
	case MeasureExpr:
		return "(measure " + quote(e.Name) + c.name(e) + ")"
	case TagExpr:
		return "(tag " + quote(e.Name) + ")"
	case LiteralExpr:
		return c.literal(e.Literal)
	case ListExpr:
		return "[" + strings.Join(c.all(e.Args), " ") + "]"
	}
	return c.clause(e)
}

func (c *canonical) clause(e *Expr) string {
	op, args := e.Op, e.Args
	t, _ := traits(op)
	if op == "and" || op == "or" {
		args = flatten(nil, op, args)
		if len(args) == 1 {
			return c.expr(args[0])
		}
	}
	switch op {
	case "in":
		op = "="
	case "not-in":
		op = "!="
	}
	texts := c.all(args)
	switch {
	case op == "and" || op == "or":
		slices.Sort(texts)
		texts = slices.Compact(texts)
	case t&commutative != 0:
		slices.Sort(texts)
	case (op == "=" || op == "!=") && len(args) == 2 && args[0].Kind != LiteralExpr && args[1].Kind != LiteralExpr:
		slices.Sort(texts)
	case len(texts) > 2 && manyValues(op):
		slices.Sort(texts[1:])
		texts = append(texts[:1], slices.Compact(texts[1:])...)
	}
	var b strings.Builder
	b.WriteString("(" + quote(op))
	for _, t := range texts {
		b.WriteString(" " + t)
	}
	for _, o := range e.Options {
		b.WriteString(" :" + o.Name + " " + quote(o.Value))
	}
	b.WriteString(c.name(e) + ")")
	return b.String()
}

// manyValues lists the operators that take a set of values after the column.
func manyValues(op string) bool {
	switch op {
	case "=", "!=", "contains", "does-not-contain", "starts-with", "ends-with":
		return true
	}
	return false
}

func flatten(out []*Expr, op string, args []*Expr) []*Expr {
	for _, a := range args {
		if a != nil && a.Kind == ClauseExpr && a.Op == op {
			out = flatten(out, op, a.Args)
			continue
		}
		out = append(out, a)
	}
	return out
}

func (c *canonical) name(e *Expr) string {
	if c.form != Strict || e.Column == "" {
		return ""
	}
	return " :name " + quote(e.Column)
}

func (c *canonical) literal(l Literal) string {
	switch {
	case l.Type == KeywordLiteral:
		return quote(l.Text)
	case l.Type == NullLiteral:
		return "null"
	case c.form == Shape:
		return "?" + string(l.Type)
	case l.Type == NumberLiteral:
		return numberText(l.Text)
	case l.Type == BooleanLiteral:
		return l.Text
	}
	return "'" + quote(l.Text)
}

// numberText writes equal numbers equally: 1000, 1000.0 and 1e3.
func numberText(s string) string {
	if isDigits(strings.TrimPrefix(s, "-")) {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func (c *canonical) field(f *Field) string {
	var b strings.Builder
	if f.ID.IsZero() {
		b.WriteString("(column " + quote(c.columnName(f.Name)))
	} else {
		b.WriteString("(field " + fieldText(f.ID))
	}
	if f.JoinAlias != "" {
		b.WriteString(" :join " + quote(c.alias(f.JoinAlias)))
	}
	if !f.Source.IsZero() {
		b.WriteString(" :source " + fieldText(f.Source))
		if f.SourceJoinAlias != "" {
			b.WriteString(" :source-join " + quote(c.alias(f.SourceJoinAlias)))
		}
	}
	b.WriteString(c.bucket(f) + ")")
	return b.String()
}

func (c *canonical) bucket(f *Field) string {
	if f == nil {
		return ""
	}
	var b strings.Builder
	if f.TemporalUnit != "" && f.TemporalUnit != "default" {
		b.WriteString(" :unit " + quote(f.TemporalUnit))
	}
	if f.Binning != "" {
		b.WriteString(" :binning " + quote(f.Binning))
	}
	return b.String()
}

func (c *canonical) alias(name string) string {
	for i := len(c.aliases) - 1; i >= 0; i-- {
		if c.aliases[i].from == name {
			return c.aliases[i].to
		}
	}
	return name
}

// columnName replaces the alias inside "Alias__column".
func (c *canonical) columnName(name string) string {
	for i := len(c.aliases) - 1; i >= 0; i-- {
		if rest, ok := strings.CutPrefix(name, c.aliases[i].from+"__"); ok {
			return c.aliases[i].to + "__" + rest
		}
	}
	return name
}

func tableText(t TableID) string {
	if t.Number != 0 {
		return strconv.FormatInt(t.Number, 10)
	}
	return quote(t.Database) + "." + quote(t.Schema) + "." + quote(t.Name)
}

func fieldText(f FieldID) string {
	if f.Number != 0 {
		return strconv.FormatInt(f.Number, 10)
	}
	return tableText(f.Table) + "." + quote(f.Name)
}

// quote writes a name plainly where that is unambiguous.
func quote(s string) string {
	plain := s != ""
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_',
			c == '=', c == '!', c == '<', c == '>', c == '+', c == '*', c == '/':
		default:
			plain = false
		}
	}
	if plain {
		return s
	}
	return strconv.Quote(s)
}
