package sqllint

import (
	"regexp"
	"strings"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
)

// conditions runs the rules over WHERE, ON, HAVING and QUALIFY.
func (s *scope) conditions() {
	where := append(conjuncts(s.sel.Where), conjuncts(s.sel.Prewhere)...)
	for _, c := range where {
		s.outer(c)
		s.functionOn(c)
		s.betweenDates(c)
	}
	all := where
	for _, j := range s.joins {
		all = append(all, conjuncts(j.node.On)...)
	}
	all = append(all, conjuncts(s.sel.Having)...)
	all = append(all, conjuncts(s.sel.Qualify)...)
	for _, c := range all {
		s.condition(c)
	}
	s.caseNulls()
	s.timeFilter(all)
}

// condition runs the rules that look inside AND, OR and NOT.
func (s *scope) condition(c *sqllens.Expr) {
	if isOp(c, "and", "or", "not") {
		for _, a := range c.Args {
			s.condition(a)
		}
		return
	}
	s.equalsNull(c)
	s.notIn(c)
	s.constants(c)
	s.casts(c)
}

// equalsNull finds comparisons with NULL, which are never true.
func (s *scope) equalsNull(c *sqllens.Expr) {
	if isOp(c, "=", "<>", "<", ">", "<=", ">=") && len(c.Args) == 2 && (isNull(c.Args[0]) || isNull(c.Args[1])) {
		s.l.remark(EqualsNull, c.Span, finding.Certain, c.Op)
	}
}

// caseNulls finds the same in the conditions of CASE.
func (s *scope) caseNulls() {
	for _, e := range s.expressions() {
		walk(e, func(x *sqllens.Expr) bool {
			if x.Kind == sqllens.ExprCase && x.Op != "operand" {
				for i := 0; i+1 < len(x.Args); i += 2 {
					for _, c := range conjuncts(x.Args[i]) {
						s.equalsNull(c)
					}
				}
			}
			return true
		})
	}
}

// notIn finds NOT IN over values that may be null: then no row passes.
func (s *scope) notIn(c *sqllens.Expr) {
	if !isOp(c, "not in") || len(c.Args) != 2 {
		return
	}
	list := c.Args[1]
	if list.Kind == sqllens.ExprList {
		for _, a := range list.Args {
			if isNull(a) {
				s.l.remark(NotInNull, c.Span, finding.Certain, "null")
			}
		}
		return
	}
	if list.Kind != sqllens.ExprQuery || list.Query == nil {
		return
	}
	sel, ok := list.Query.Body.(*sqllens.Select)
	if !ok || len(sel.Items) != 1 || len(sel.From) == 0 || len(list.Query.With) > 0 {
		return
	}
	out := sel.Items[0].Expr
	if out.Kind != sqllens.ExprColumn {
		return
	}
	inner := s.l.newScope(sel, &place{ctes: s.at.ctes, around: s})
	if len(inner.items) == 1 && inner.derived {
		return // what it yields is not looked through
	}
	if rejectsNull(inner, sel, out) {
		return
	}
	confidence := finding.Possible
	if len(inner.items) == 1 {
		inner.at = &place{ctes: s.at.ctes}
	}
	if i := inner.owner(out); i >= 0 && inner.items[i].outer {
		confidence = finding.Likely
	}
	column := inner.column(out)
	switch {
	case column == nil:
		name := strings.ToLower(out.Name[len(out.Name)-1].Text)
		if name == "id" || name == "pk" || name == "uuid" {
			return // a key, by all signs
		}
	case column.PrimaryKey || column.Required && column.Nullable == nil || column.Nullable != nil && !*column.Nullable:
		return
	case column.Nullable != nil:
		confidence = finding.Likely
	}
	s.l.remark(NotInNull, c.Span, confidence, columnText(out))
}

// rejectsNull reports whether a condition of a SELECT leaves out rows where a
// column is null.
func rejectsNull(s *scope, sel *sqllens.Select, column *sqllens.Expr) bool {
	list := append(conjuncts(sel.Where), conjuncts(sel.Having)...)
	for _, j := range s.joins {
		if j.node.Join == "inner" {
			list = append(list, conjuncts(j.node.On)...)
		}
		for _, name := range j.node.Using {
			if strings.EqualFold(name.Text, column.Name[len(column.Name)-1].Text) {
				return true
			}
		}
	}
	name := column.Name[len(column.Name)-1].Text
	for _, c := range list {
		if isOp(c, "or", "is", "not") || c.Kind != sqllens.ExprOp {
			if opaque(c) {
				return true
			}
			continue
		}
		if contains(c, func(x *sqllens.Expr) bool {
			return x.Kind == sqllens.ExprColumn && strings.EqualFold(x.Name[len(x.Name)-1].Text, name)
		}) {
			return true
		}
	}
	return false
}

// rowStore reports whether a dialect's databases search by indexes that a
// function on the column switches off.
func rowStore(d sqllens.Dialect) bool {
	switch d {
	case sqllens.Postgres, sqllens.Redshift, sqllens.MySQL, sqllens.MariaDB, sqllens.TSQL, sqllens.Oracle, sqllens.SQLite, sqllens.Generic:
		return true
	}
	return false
}

// dateFunction names functions that make a coarser time of a time.
func dateFunction(name string) bool {
	switch name {
	case "date", "trunc", "date_trunc", "datetrunc", "to_char", "date_format", "year", "month", "day", "extract", "date_part", "datepart",
		"strftime", "to_date", "dayofmonth", "yearweek", "week", "quarter", "datediff", "timestampdiff", "to_days", "unix_timestamp", "format", "convert_tz":
		return true
	}
	return false
}

// functionOn finds filters on a function of a column, which keep an index from
// being used.
func (s *scope) functionOn(c *sqllens.Expr) {
	if !rowStore(s.l.d) {
		return
	}
	var side *sqllens.Expr
	switch {
	case isComparison(c):
		switch {
		case hasColumn(c.Args[0]) && !hasColumn(c.Args[1]) && !hasQuery(c.Args[1]):
			side = c.Args[0]
		case hasColumn(c.Args[1]) && !hasColumn(c.Args[0]) && !hasQuery(c.Args[0]):
			side = c.Args[1]
		}
	case isOp(c, "between", "in") && len(c.Args) >= 2 && !hasColumn(c.Args[1]) && !hasQuery(c.Args[1]):
		side = c.Args[0]
	}
	if side == nil || hasQuery(side) {
		return
	}
	var column *sqllens.Expr
	name := ""
	switch {
	case side.Kind == sqllens.ExprFunc && dateFunction(funcName(side)) && !window(side):
		for _, a := range side.Args {
			if a = bare(a); a.Kind == sqllens.ExprColumn {
				if column != nil {
					return // of two columns: nothing to search by
				}
				column = a
			}
		}
		name = funcName(side)
	case side.Kind == sqllens.ExprCast && dateType(side.Op) && s.l.d != sqllens.TSQL && side.Args[0].Kind == sqllens.ExprColumn:
		column, name = side.Args[0], "cast"
	case side.Kind == sqllens.ExprFunc && (funcName(side) == "lower" || funcName(side) == "upper") && len(side.Args) == 1 && side.Args[0].Kind == sqllens.ExprColumn:
		if known := s.column(side.Args[0]); known == nil || known.Indexed == nil || !*known.Indexed {
			return // comparing without case is meant more often than not
		}
		column, name = side.Args[0], funcName(side)
	}
	if column == nil {
		return
	}
	if i := s.owner(column); i >= 0 && !s.items[i].physical() {
		return // of a query, which has no index
	} else if i < 0 && s.derived {
		return
	}
	confidence := finding.Possible
	if known := s.column(column); known != nil {
		if known.Indexed != nil && !*known.Indexed {
			return
		}
		if known.Indexed != nil {
			confidence = finding.Likely
		}
		if name == "cast" && isDate(known.BaseType) {
			return // casting a date to a date
		}
	}
	s.l.remark(FunctionOnColumn, side.Span, confidence, name+" of "+columnText(column))
}

func dateType(name string) bool { return strings.EqualFold(strings.TrimSpace(name), "date") }

func isDate(base string) bool { return base == "type/Date" }

var (
	dateText = regexp.MustCompile(`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T]\d{1,2}:\d{2}.*)?$`)
	uuidText = regexp.MustCompile(`(?i)^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{24}|[0-9a-f]{32})$`)
	idColumn = regexp.MustCompile(`(?i)(^|_)(id|uuid|guid)s?$|[a-z](Id|ID|Uuid|UUID)$`)
	enumID   = regexp.MustCompile(`(?i)(type|status|state|kind|categor|level|currency|country|lang|locale|code|role|item|tier|stage|priority|reason|class|group|flag|source|channel|gender|concept)`)
)

// dateLiteral is the text of a literal that says a day, also inside the
// functions that read one.
func dateLiteral(e *sqllens.Expr) (string, bool) {
	for depth := 0; depth < 4; depth++ {
		switch {
		case e.Kind == sqllens.ExprCast && len(e.Args) == 1:
			e = e.Args[0]
			continue
		case e.Kind == sqllens.ExprFunc && len(e.Args) > 0:
			switch funcName(e) {
			case "date", "timestamp", "datetime", "to_date", "to_timestamp", "todate", "todatetime", "parse_date", "str_to_date", "convert":
			default:
				return "", false
			}
			for _, a := range e.Args {
				if text, ok := dateLiteral(a); ok {
					return text, true
				}
			}
			return "", false
		case e.Kind == sqllens.ExprStruct && len(e.Args) == 1: // {d '…'}
			e = e.Args[0]
			continue
		}
		break
	}
	text, ok := stringOf(e)
	if !ok || !dateText.MatchString(text) {
		return "", false
	}
	return text, true
}

// sentinel reports whether a date stands for the beginning or the end of time.
func sentinel(text string) bool {
	year := text[:4]
	return year < "1990" || year >= "2090"
}

// constants finds dates and ids that are written into conditions.
func (s *scope) constants(c *sqllens.Expr) {
	switch {
	case isComparison(c):
		for side := range 2 {
			x, y := c.Args[side], c.Args[1-side]
			if !hasColumn(x) || hasQuery(x) || hasColumn(y) {
				continue
			}
			if text, ok := dateLiteral(y); ok && !sentinel(text) {
				s.date(y, c.Op, side)
			}
			if x.Kind == sqllens.ExprColumn && (c.Op == "=" || c.Op == "<>") && s.l.recordID(x, y) {
				s.l.remark(HardCodedID, y.Span, finding.Likely, columnText(x))
			}
		}
	case isOp(c, "between") && len(c.Args) == 3 && hasColumn(c.Args[0]):
		low, okLow := dateLiteral(c.Args[1])
		high, okHigh := dateLiteral(c.Args[2])
		if okHigh && !sentinel(high) {
			s.l.remark(HardCodedDate, c.Args[2].Span, finding.Likely, "end")
		} else if okLow && !sentinel(low) && !okHigh {
			s.l.remark(HardCodedDate, c.Args[1].Span, finding.Possible, "start")
		}
	case isOp(c, "in", "not in") && len(c.Args) == 2 && c.Args[0].Kind == sqllens.ExprColumn && c.Args[1].Kind == sqllens.ExprList:
		for _, a := range c.Args[1].Args {
			if s.l.recordID(c.Args[0], a) {
				s.l.remark(HardCodedID, c.Args[1].Span, finding.Likely, columnText(c.Args[0]))
				return
			}
		}
	}
}

// date remarks on a fixed day in a comparison. A fixed start is often meant:
// "since the launch". A fixed end or a fixed day lets the answer stand still.
func (s *scope) date(literal *sqllens.Expr, op string, side int) {
	if side == 1 { // literal first
		switch op {
		case "<":
			op = ">"
		case "<=":
			op = ">="
		case ">":
			op = "<"
		case ">=":
			op = "<="
		}
	}
	switch op {
	case "<", "<=":
		s.l.remark(HardCodedDate, literal.Span, finding.Likely, "end")
	case "=":
		s.l.remark(HardCodedDate, literal.Span, finding.Likely, "day")
	case ">", ">=":
		s.l.remark(HardCodedDate, literal.Span, finding.Possible, "start")
	}
}

// recordID reports whether a literal beside a column picks out one record.
// Small numbers and columns that name a kind of thing are choices among a few.
func (l *linter) recordID(column, literal *sqllens.Expr) bool {
	name := column.Name[len(column.Name)-1].Text
	if !idColumn.MatchString(name) || enumID.MatchString(name) {
		return false
	}
	if text, ok := stringOf(literal); ok {
		return uuidText.MatchString(text) || len(text) >= 4 && strings.Trim(text, "0123456789") == ""
	}
	return literal.Kind == sqllens.ExprLiteral && literal.Op == "number" && len(literal.Text) >= 4 && strings.Trim(literal.Text, "0123456789") == ""
}

// momentName names columns that hold a moment rather than a day.
var momentName = regexp.MustCompile(`(?i)(_at|_ts|_time|timestamp|datetime|[a-z]At)$`)

// betweenDates finds an end day that a moment after midnight is beyond.
func (s *scope) betweenDates(c *sqllens.Expr) {
	var column, high *sqllens.Expr
	switch {
	case isOp(c, "between") && len(c.Args) == 3:
		column, high = c.Args[0], c.Args[2]
	case isOp(c, "<=") && len(c.Args) == 2:
		column, high = c.Args[0], c.Args[1]
	default:
		return
	}
	if column.Kind != sqllens.ExprColumn {
		return
	}

	switch {
	case high.Kind == sqllens.ExprTag && high.Tag != nil && s.l.in.Tags[high.Tag.Name].Type == "date":
	default:
		text, ok := dateLiteral(high)
		if !ok || sentinel(text) || strings.ContainsAny(text, ":") || strings.HasSuffix(text, "-01") || hasTime(high) {
			return
		}
	}
	confidence := finding.Possible
	if known := s.column(column); known != nil && known.BaseType != "" {
		if !strings.HasPrefix(known.BaseType, "type/DateTime") && known.BaseType != "type/Instant" {
			return
		}
		confidence = finding.Likely
	} else {
		if !momentName.MatchString(column.Name[len(column.Name)-1].Text) {
			return
		}
		if i := s.owner(column); i >= 0 && !s.items[i].physical() {
			return
		}
	}
	s.l.remark(BetweenDates, c.Span, confidence, columnText(column))
}

// hasTime reports whether a literal's format names hours.
func hasTime(e *sqllens.Expr) bool {
	return contains(e, func(x *sqllens.Expr) bool {
		text, ok := stringOf(x)
		return ok && strings.Contains(strings.ToLower(text), "hh")
	})
}

// casts finds comparisons of a column with a value of another type.
func (s *scope) casts(c *sqllens.Expr) {
	if !isComparison(c) {
		return
	}
	x, y := s.columnType(c.Args[0]), s.columnType(c.Args[1])
	switch {
	case x != "" && y != "":
		if x != y && (x == "text" || y == "text") {
			s.l.remark(ImplicitCast, c.Span, finding.Likely, columnText(c.Args[0])+" ("+x+") and "+columnText(c.Args[1])+" ("+y+")")
		}
		return
	case x != "":
		s.castLiteral(c, c.Args[0], x, c.Args[1])
	case y != "":
		s.castLiteral(c, c.Args[1], y, c.Args[0])
	}
}

func (s *scope) castLiteral(c, column *sqllens.Expr, kind string, literal *sqllens.Expr) {
	if literal.Kind != sqllens.ExprLiteral && !isNumber(literal) {
		return
	}
	text, isText := stringOf(literal)
	switch {
	case kind == "text" && isNumber(literal):
		s.l.remark(ImplicitCast, c.Span, finding.Likely, columnText(column)+" (text) and a number")
	case kind == "number" && isText && strings.Trim(text, " +-.0123456789eE") != "":
		s.l.remark(ImplicitCast, c.Span, finding.Likely, columnText(column)+" (number) and a text")
	}
}

// columnType is text or number for a column whose type the scan knows for sure.
func (s *scope) columnType(e *sqllens.Expr) string {
	if e.Kind != sqllens.ExprColumn {
		return ""
	}
	c := s.column(e)
	if c == nil {
		return ""
	}
	switch c.BaseType {
	case "type/Text":
		return "text"
	case "type/Integer", "type/BigInteger", "type/Float", "type/Decimal":
		return "number"
	}
	return ""
}
