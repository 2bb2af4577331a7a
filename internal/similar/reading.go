package similar

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// reading is a simple query in terms that SQL and the query builder share: one
// step over tables that the scan knows or a saved question, with columns, fixed
// conditions and what is computed. A query that is not simple has none; nothing
// is ever left out of a reading silently.
type reading struct {
	database string
	tables   []term // the first is the one that is read from, the others are joined
	joins    []term // how they are joined, sorted
	filters  []term // conditions that always hold, sorted
	windows  []term // conditions on time, sorted: they choose a period
	params   []term // conditions that readers set, sorted
	groups   []term // sorted
	outputs  []output
	distinct bool
	limited  bool // only some rows are answered, or their order was asked for together with a limit
}

// output is a column of the answer.
type output struct {
	name string // given by a person; empty when none was
	term term
}

// term is an expression in normal form. key identifies it: columns and tables by
// their ids in the catalog. text says it to people.
type term struct {
	key, text string
	aggregate bool
	temporal  bool // a date or time
	param     bool // a reader's choice is part of it
	literal   bool
	column    string // catalog id of a plain column
	conjuncts []term // of a conjunction
	saved     bool   // a segment says it
	inner     *term  // of a wrapper that changes how a value looks: the value
	lookup    string // of a join by the joined table's own key, which adds no rows: that table
	looksUp   string // of an inner join by the key of the table before it: that table
}

// key identifies what a query answers, whatever its language, the order of its
// columns and what they are called.
func (r *reading) key() string {
	var b strings.Builder
	b.WriteString(r.database)
	section := func(name string, list []term) {
		b.WriteString("\x00" + name)
		for _, k := range sortedKeys(list) {
			b.WriteString("\x01" + k)
		}
	}
	r.source(&b)
	section("where", r.filters)
	section("period", r.windows)
	section("parameter", r.params)
	section("group", r.groups)
	var outputs []term
	for _, o := range r.outputs {
		outputs = append(outputs, o.term)
	}
	section("answer", outputs)
	if r.distinct {
		b.WriteString("\x00distinct")
	}
	return b.String()
}

func (r *reading) source(b *strings.Builder) {
	b.WriteString("\x00from")
	for _, t := range r.tables[:1] {
		b.WriteString("\x01" + t.key)
	}
	for _, k := range sortedKeys(r.tables[1:]) {
		b.WriteString("\x01" + k)
	}
	b.WriteString("\x00on")
	for _, k := range sortedKeys(r.joins) {
		b.WriteString("\x01" + k)
	}
}

func sortedKeys(list []term) []string {
	out := make([]string, 0, len(list))
	for _, t := range list {
		out = append(out, t.key)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// where sorts a condition into those that always hold, those that choose a
// period and those that readers set.
func (r *reading) where(t term) {
	if len(t.conjuncts) > 0 {
		for _, c := range t.conjuncts {
			r.where(c)
		}
		return
	}
	if t.column != "" { // a column that is a condition
		t = comparison("=", t, wordLiteral("true"))
	}
	list := &r.filters
	switch {
	case t.param:
		list = &r.params
	case t.temporal:
		list = &r.windows
	}
	if !slices.ContainsFunc(*list, func(have term) bool { return have.key == t.key }) {
		*list = append(*list, t)
	}
}

// tidy sorts the parts whose order means nothing.
func (r *reading) tidy() {
	for _, list := range []*[]term{&r.joins, &r.filters, &r.windows, &r.params, &r.groups} {
		slices.SortFunc(*list, byKey)
		*list = slices.CompactFunc(*list, func(a, b term) bool { return a.key == b.key })
	}
}

func byKey(a, b term) int { return strings.Compare(a.key, b.key) }

// tableTerm names a scanned table.
func tableTerm(t *catalog.Table) term { return term{key: t.ID, text: t.Name} }

// columnTerm names a scanned column.
func columnTerm(t *catalog.Table, c *catalog.Column) term {
	return term{key: "[" + c.ID + "]", text: t.Name + "." + c.Name, column: c.ID, temporal: isTemporal(c)}
}

func isTemporal(c *catalog.Column) bool {
	for _, t := range []string{c.EffectiveType, c.BaseType} {
		if strings.Contains(t, "Date") || strings.Contains(t, "Time") || strings.Contains(t, "Instant") {
			return true
		}
	}
	kind := strings.ToLower(c.DatabaseType)
	return strings.HasPrefix(kind, "timestamp") || strings.HasPrefix(kind, "date") || strings.HasPrefix(kind, "time")
}

// call writes a function over its arguments.
func call(name string, args ...term) term {
	keys, texts := make([]string, 0, len(args)), make([]string, 0, len(args))
	out := term{}
	for _, a := range args {
		keys, texts = append(keys, a.key), append(texts, a.text)
		out.inherit(a)
	}
	out.key = name + "(" + strings.Join(keys, ",") + ")"
	out.text = name + "(" + strings.Join(texts, ", ") + ")"
	out.literal = fixed(args)
	if name == "nullif" && len(args) == 2 && args[1].key == "#0" { // guards a division
		return args[0]
	}
	if len(args) > 0 && presents(name) && !slices.ContainsFunc(args[1:], func(a term) bool { return !a.literal }) {
		out.inner = &args[0]
	}
	return out
}

// fixed reports whether an expression is made of constants alone.
func fixed(args []term) bool {
	return len(args) > 0 && !slices.ContainsFunc(args, func(a term) bool { return !a.literal })
}

// presents lists the functions that change how a figure looks, not what it is.
func presents(function string) bool {
	switch function {
	case "round", "cast", "coalesce", "ifnull", "nvl", "isnull", "trunc", "ceil", "floor", "to_char", "format":
		return true
	}
	return false
}

// bare is the figure under what only changes its looks.
func (t term) bare() term {
	for t.inner != nil {
		t = *t.inner
	}
	return t
}

// byItsKey marks a join by the joined table's primary key.
func byItsKey(joined *catalog.Table, table, on term) string {
	if joined == nil {
		return ""
	}
	for _, c := range joined.Columns {
		if c.PrimaryKey && strings.HasPrefix(on.key, "=(") && strings.Contains(on.key, "["+c.ID+"]") {
			return table.key
		}
	}
	return ""
}

// inherit takes over from a part what is true of the whole too.
func (t *term) inherit(part term) {
	t.aggregate = t.aggregate || part.aggregate
	t.temporal = t.temporal || part.temporal
	t.param = t.param || part.param
}

// aggregation writes an aggregate over its arguments.
func aggregation(name string, args ...term) term {
	out := call(name, args...)
	switch {
	case name == "count" && len(args) == 0:
		out.key, out.text = "count(*)", "count(*)"
	case name == "distinct":
		out.text = "count(distinct " + join(args, ", ") + ")"
	}
	out.aggregate, out.temporal = true, false
	return out
}

func join(list []term, separator string) string {
	texts := make([]string, 0, len(list))
	for _, t := range list {
		texts = append(texts, t.text)
	}
	return strings.Join(texts, separator)
}

// conditional gives an aggregate a condition of its own.
func conditional(t, condition term) term {
	t.key = "if(" + condition.key + "," + t.key + ")"
	t.text += " where " + condition.text
	t.param = t.param || condition.param
	return t
}

// arithmetic writes + - * / over operands.
func arithmetic(op string, args ...term) term {
	if op == "+" || op == "*" {
		slices.SortStableFunc(args, byKey)
	}
	var out term
	keys, texts := make([]string, 0, len(args)), make([]string, 0, len(args))
	for _, a := range args {
		text := a.text
		if strings.Contains(text, " + ") || strings.Contains(text, " - ") || op != "+" && op != "-" && (strings.Contains(text, " * ") || strings.Contains(text, " / ")) {
			text = "(" + text + ")"
		}
		keys, texts = append(keys, a.key), append(texts, text)
		out.inherit(a)
	}
	out.key = op + "(" + strings.Join(keys, ",") + ")"
	out.text = strings.Join(texts, " "+op+" ")
	out.literal = fixed(args)
	return out
}

// comparison writes = <> < <= > >= with what is fixed on the right.
func comparison(op string, a, b term) term {
	turned := map[string]string{"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
	if a.literal && !b.literal || a.literal == b.literal && a.key > b.key {
		a, b, op = b, a, turned[op]
	}
	out := term{key: op + "(" + a.key + "," + b.key + ")", text: a.text + " " + op + " " + b.text}
	out.inherit(a)
	out.inherit(b)
	return out
}

// among writes column in (…), one value as a comparison.
func among(not bool, a term, list []term) term {
	slices.SortFunc(list, byKey)
	list = slices.CompactFunc(list, func(a, b term) bool { return a.key == b.key })
	op, word := "=", "in"
	if not {
		op, word = "<>", "not in"
	}
	if len(list) == 1 {
		return comparison(op, a, list[0])
	}
	out := call(word, append([]term{a}, list...)...)
	out.text = a.text + " " + word + " (" + join(list, ", ") + ")"
	return out
}

// logical writes and, or over operands in any order.
func logical(op string, list []term) term {
	var flat []term
	for _, t := range list {
		if op == "and" && len(t.conjuncts) > 0 {
			flat = append(flat, t.conjuncts...)
			continue
		}
		if t.column != "" {
			t = comparison("=", t, wordLiteral("true"))
		}
		flat = append(flat, t)
	}
	slices.SortFunc(flat, byKey)
	flat = slices.CompactFunc(flat, func(a, b term) bool { return a.key == b.key })
	if len(flat) == 1 {
		return flat[0]
	}
	out := call(op, flat...)
	out.text = "(" + join(flat, " "+op+" ") + ")"
	out.temporal = !slices.ContainsFunc(flat, func(t term) bool { return !t.temporal })
	if op == "and" {
		out.conjuncts = flat
	}
	return out
}

// isNull writes the two tests for a missing value.
func isNull(not bool, a term) term {
	name, text := "is null", " is null"
	if not {
		name, text = "is not null", " is not null"
	}
	out := call(name, a)
	out.text = a.text + text
	out.temporal = false // deleted_at is null chooses no period
	return out
}

// not writes a negation; that of a plain column compares it.
func not(a term) term {
	if a.column != "" {
		return comparison("=", a, wordLiteral("false"))
	}
	out := call("not", a)
	out.text = "not " + a.text
	return out
}

func numberLiteral(text string) term {
	text = strings.ToLower(strings.ReplaceAll(text, "_", ""))
	if strings.Contains(text, ".") && !strings.Contains(text, "e") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	if text == "" || text[0] == '.' {
		text = "0" + text
	}
	return term{key: "#" + text, text: text, literal: true}
}

func stringLiteral(value string) term {
	quoted := "'" + strings.ReplaceAll(value, "'", "''") + "'"
	return term{key: quoted, text: quoted, literal: true}
}

func wordLiteral(word string) term {
	word = strings.ToLower(word)
	return term{key: "#" + word, text: word, literal: true}
}
