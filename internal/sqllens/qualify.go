package sqllens

import (
	"slices"
	"strconv"
	"strings"
)

// maxQualified bounds the texts that are also answered in qualified form.
const maxQualified = 64 << 10

// maxMerged bounds the columns that one column of USING stands for.
const maxMerged = 64

// maxCopied bounds what replacing aliases by their expressions may add.
const maxCopied = 256 << 10

// edit replaces a stretch of the text. Where expr is set, the new text is that
// of another stretch, edits included.
type edit struct {
	span  Span
	text  string
	expr  Span
	paren bool
}

// editor collects what turns a text into its qualified form: every column with
// the alias of its table, every output with a name, every table with an alias,
// stars written out, USING as ON.
type editor struct {
	src       string
	d         Dialect
	edits     []edit
	positions map[*Expr]Ident // the columns behind $1
	tables    int             // names given to derived tables
	failed    bool
	written   int
}

// on says whether edits are being collected at this point of the resolution.
func (r *resolver) on() bool { return r.ed != nil && r.quiet == 0 }

func (e *editor) replace(span Span, text string) {
	e.edits = append(e.edits, edit{span: span, text: text})
}

func (e *editor) insert(at int, text string) { e.replace(Span{at, at}, text) }

// name writes an identifier, with quotes where it needs them.
func (e *editor) name(id Ident) string {
	q := id.Quote
	if q == 's' || q == 0 || q == '\'' {
		if plainName(id.Text) && (keywords[strings.ToLower(id.Text)] == "" || id.Quote == 0) {
			return id.Text
		}
		q = '"'
		if e.d.traits().doubleQuoteText {
			q = '`'
		}
	}
	if q == '"' && e.d.traits().doubleQuoteText { // a name that the engine made
		q = '`'
	}
	shut := string(rune(q))
	if q == '[' {
		shut = "]"
	}
	return string(rune(q)) + strings.ReplaceAll(id.Text, shut, shut+shut) + shut
}

// qualifier is how columns of a relation are prefixed; a relation without a
// name gets one.
func (e *editor) qualifier(rel *relation) string {
	if rel.asValue && e.d == BigQuery {
		return ""
	}
	if rel.given != "" {
		return rel.given + "."
	}
	if rel.alias.Text == "" {
		return ""
	}
	return e.name(rel.alias) + "."
}

// column qualifies a column that stands without its table, or under a name that
// its table has no longer.
func (e *editor) column(expr *Expr, hit hit) {
	at := expr.Name[0].Span
	if at == (Span{}) {
		return
	}
	switch {
	case hit.column != nil:
		name := e.name(*hit.column)
		if hit.number {
			e.positions[expr] = *hit.column
		}
		e.replace(at.join(expr.Name[len(expr.Name)-1].Span), e.qualifier(hit.rel)+name)
	case hit.alias != nil:
		e.edits = append(e.edits, edit{span: at, expr: hit.alias.Span, paren: hit.alias.Kind == ExprOp})
	case len(hit.merged) > 1:
		e.replace(at.join(expr.Name[len(expr.Name)-1].Span), "COALESCE("+strings.Join(hit.merged, ", ")+")")
	case hit.rel != nil:
		e.insert(at.Start, e.qualifier(hit.rel))
	case hit.written != nil:
		e.requalify(expr.Name, hit.written, hit.parts)
	}
}

// requalify puts a relation's alias in the place of a name that it does not go
// by any longer: the alias it was given hides its path.
func (e *editor) requalify(name []Ident, rel *relation, parts int) {
	if rel.given == "" && (rel.path == nil || parts < 2) {
		return
	}
	prefix := e.qualifier(rel)
	if prefix == "" {
		return
	}
	at := name[0].Span.join(name[parts-1].Span)
	if parts < len(name) && name[parts].Span.Start < at.End { // one pair of quotes around everything
		names := make([]string, 0, len(name)-parts)
		for _, id := range name[parts:] {
			names = append(names, e.name(id))
		}
		e.replace(at, prefix+strings.Join(names, "."))
		return
	}
	e.replace(at, strings.TrimSuffix(prefix, "."))
}

// dropList takes a column list out whose names the items have now.
func (e *editor) dropList(from int, names []Ident) {
	first, last := names[0].Span.Start, names[len(names)-1].Span.End
	open := strings.IndexByte(e.src[from:first], '(')
	shut := strings.IndexByte(e.src[last:], ')')
	if open < 0 || shut < 0 {
		return
	}
	e.replace(Span{from + open, last + shut + 1}, "")
}

// using writes USING (a, b) as a condition.
func (e *editor) using(from int, list []Ident, conditions []string) {
	if len(conditions) != len(list) || len(list) == 0 {
		e.failed = true
		return
	}
	from = min(from, list[0].Span.Start)
	start := strings.LastIndex(strings.ToLower(e.src[from:list[0].Span.Start]), "using")
	shut := strings.IndexByte(e.src[list[len(list)-1].Span.End:], ')')
	if start < 0 || shut < 0 {
		e.failed = true
		return
	}
	e.replace(Span{from + start, list[len(list)-1].Span.End + shut + 1}, "ON "+strings.Join(conditions, " AND "))
}

// natural writes NATURAL JOIN as a join with a condition.
func (e *editor) natural(j *Table, conditions []string) {
	if j.Left == nil || j.Right == nil || j.Right.Span.Start < j.Left.Span.End {
		e.failed = true
		return
	}
	at := strings.Index(strings.ToLower(e.src[j.Left.Span.End:j.Right.Span.Start]), "natural")
	if at < 0 {
		e.failed = true
		return
	}
	at += j.Left.Span.End
	e.replace(Span{at, at + len("natural ")}, "")
	e.insert(j.Right.Span.End, " ON "+strings.Join(conditions, " AND "))
}

// aggregates says whether an expression holds an aggregate, which GROUP BY
// cannot.
func aggregates(x *Expr) bool {
	found := false
	walkExpr(x, func(e *Expr) { found = found || e.aggregate() })
	return found
}

// starForms notes for every output what GROUP BY writes for its number when it
// came from a star.
func (e *editor) starForms(forms []string, item SelectItem, cols []outputColumn) []string {
	if len(forms) > maxColumns {
		return forms
	}
	for i := range cols {
		text := ""
		if c := &cols[i]; item.Expr.Kind == ExprStar && c.via != nil && !c.star && c.form == nil && c.name.Text != "" {
			text = e.qualifier(c.via) + e.name(c.name)
		}
		forms = append(forms, text)
	}
	return forms
}

// tableName gives a FROM item an alias when it has none. A table that stands
// beside itself, behind a semi join, gets a name of its own.
func (e *editor) tableName(t *Table, rel *relation, others []*relation) {
	if t.Alias != nil || t.Span.End <= t.Span.Start {
		return
	}
	switch t.Kind {
	case TableName:
		last := t.Name[len(t.Name)-1].Span.End
		name := e.name(rel.alias)
		for _, other := range others {
			if other.semi && strings.EqualFold(other.alias.Text, rel.alias.Text) {
				name = e.name(Ident{Text: rel.alias.Text + "_2", Quote: rel.alias.Quote})
				rel.given = name
			}
		}
		e.insert(last, e.as()+name)
	case TableQuery, TableFunc:
		rel.given = "_" + strconv.Itoa(e.tables)
		e.tables++
		e.insert(t.Span.End, e.as()+rel.given)
	}
}

// lateralView names a lateral view that has no name, so that its columns can be
// qualified.
func (e *editor) lateralView(t *Table, rel *relation) {
	at := t.Func.Span
	if at.Start <= 0 || at.End <= at.Start {
		return
	}
	before := strings.ToLower(strings.TrimSpace(e.src[max(at.Start-24, 0):at.Start]))
	if !strings.HasSuffix(before, "view") && !strings.HasSuffix(before, "view outer") {
		return
	}
	rel.given = "_" + strconv.Itoa(e.tables)
	e.tables++
	e.insert(at.End, " "+rel.given)
}

// offset names the column of WITH OFFSET where the text leaves that to the
// database.
func (e *editor) offset(id Ident) {
	before := strings.TrimRight(e.src[:id.Span.Start], " \t\r\n")
	if strings.HasSuffix(strings.ToLower(before[max(len(before)-4, 0):]), "with") {
		e.insert(id.Span.End, " AS "+e.name(id))
	}
}

// columnList lists the columns of a relation behind its alias, where they are
// not its own to name.
func (e *editor) columnList(t *Table, rel *relation) {
	if !rel.listed || rel.blind || len(rel.columns) == 0 {
		return
	}
	names := make([]string, len(rel.columns))
	for i := range rel.columns {
		names[i] = e.name(rel.columns[i].name)
		if label := rel.columns[i].forms().label; label != nil {
			names[i] = e.name(*label)
		}
	}
	at := t.Span.End
	if t.Alias != nil {
		at = t.Alias.Span.End
	}
	e.insert(at, " ("+strings.Join(names, ", ")+")")
}

// as is what stands between a table and its alias.
func (e *editor) as() string {
	if e.d == Oracle {
		return " "
	}
	return " AS "
}

// item names an output that has no name, and writes stars out.
func (e *editor) item(item SelectItem, cols []outputColumn, place int, names []Ident) {
	span := item.Expr.Span
	if item.Expr.Kind == ExprStar {
		e.star(item, cols, names)
		return
	}
	var name *Ident
	if len(names) > 0 {
		name = &names[0]
	}
	switch {
	case name != nil && item.Alias != nil:
		e.replace(item.Alias.Span, e.name(*name))
	case name != nil:
		e.insert(span.End, " AS "+e.name(*name))
	case item.More != nil:
	case item.Alias == nil:
		label := outputName(item.Expr, place)
		if id, ok := e.positions[item.Expr]; ok {
			label = id
			if label.Quote == 's' {
				label.Quote = 0
			}
		} else if item.Expr.Kind == ExprColumn && label.Quote == 0 && strings.HasPrefix(label.Text, "$") {
			label = Ident{Text: "_col_" + strconv.Itoa(place)}
		}
		if len(cols) == 1 && label.Text != cols[0].name.Text {
			cols[0].form = &columnForm{label: &label}
		}
		e.insert(span.End, " AS "+e.name(label))
	case !strings.Contains(strings.ToLower(e.src[span.End:max(span.End, item.Alias.Span.Start)]), "as") && item.Alias.Span.Start >= span.End:
		as := "AS "
		if item.Alias.Span.Start == span.End {
			as = " AS "
		}
		e.insert(item.Alias.Span.Start, as)
	}
}

// outputName is what an output without alias is called.
func outputName(x *Expr, place int) Ident {
	switch x.Kind {
	case ExprColumn:
		return Ident{Text: x.Name[len(x.Name)-1].Text, Quote: x.Name[len(x.Name)-1].Quote}
	case ExprField:
		return Ident{Text: x.Name[0].Text, Quote: x.Name[0].Quote}
	case ExprCast:
		if len(x.Args) == 1 && (x.Args[0].Kind == ExprColumn || x.Args[0].Kind == ExprField) {
			return outputName(x.Args[0], place)
		}
	case ExprLiteral:
		if x.Op == "number" {
			return Ident{Text: x.Text, Quote: '"'}
		}
	}
	return Ident{Text: "_col_" + strconv.Itoa(place)}
}

// star writes the columns out that a star stands for. One whose columns are not
// known stays.
func (e *editor) star(item SelectItem, cols []outputColumn, names []Ident) {
	if len(cols) == 0 {
		return
	}
	parts := make([]string, 0, len(cols))
	type column struct {
		rel  *relation
		name string
	}
	seen := make(map[column]bool, len(cols))
	for i := range cols {
		c := &cols[i]
		key := column{c.via, strings.ToLower(c.name.Text)}
		form := c.forms()
		switch {
		case c.star || c.via == nil || c.via.blind || c.name.Text == "" && form.label == nil || seen[key]:
			return
		}
		seen[key] = true
		switch {
		case form.replaced != nil:
			parts = append(parts, "\x00"+strconv.Itoa(form.replaced.Span.Start)+":"+strconv.Itoa(form.replaced.Span.End)+"\x00 AS "+e.name(c.name))
			continue
		case len(form.merged) > 1:
			parts = append(parts, "COALESCE("+strings.Join(form.merged, ", ")+") AS "+e.name(c.name))
			continue
		}
		own := c.name
		if form.before != nil {
			own = *form.before
		}
		name := c.name
		if form.label != nil {
			own, name = *form.label, *form.label
		}
		if i < len(names) {
			name = names[i]
		}
		parts = append(parts, e.qualifier(c.via)+e.name(own)+" AS "+e.name(name))
	}
	e.replace(item.Expr.Span, strings.Join(parts, ", "))
}

// text applies the edits to a stretch of the source.
func (e *editor) text(s Span, depth int) string {
	if depth > 8 || e.failed {
		e.failed = true
		return ""
	}
	var b strings.Builder
	at := s.Start
	i, _ := slices.BinarySearchFunc(e.edits, s.Start, func(x edit, start int) int { return x.span.Start - start })
	for ; i < len(e.edits) && e.edits[i].span.Start <= s.End; i++ {
		x := &e.edits[i]
		if x.span.Start == s.Start && x.span.End == s.Start && depth > 0 && s.Start > 0 && strings.HasPrefix(x.text, " ") {
			continue // belongs to what ends here
		}
		if x.span.End > s.End || x.span.Start == s.End && depth > 0 {
			continue
		}
		if x.span.Start < at { // inside something that was replaced
			continue
		}
		b.WriteString(e.src[at:x.span.Start])
		at = x.span.End
		switch {
		case x.expr != (Span{}):
			text := e.text(x.expr, depth+1)
			if x.paren && !strings.HasPrefix(text, "(") {
				text = "(" + text + ")"
			}
			b.WriteString(text)
		case strings.IndexByte(x.text, 0) >= 0:
			b.WriteString(e.filled(x.text, depth))
		default:
			b.WriteString(x.text)
		}
		if e.written += len(x.text); e.written+b.Len() > len(e.src)+maxCopied {
			e.failed = true
			return ""
		}
	}
	b.WriteString(e.src[min(at, s.End):s.End])
	e.written += b.Len()
	return b.String()
}

// filled puts the expressions of REPLACE into a written-out star.
func (e *editor) filled(text string, depth int) string {
	parts := strings.Split(text, "\x00")
	for i := 1; i < len(parts); i += 2 {
		from, to, _ := strings.Cut(parts[i], ":")
		start, err1 := strconv.Atoi(from)
		end, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || start > end || end > len(e.src) {
			e.failed = true
			return ""
		}
		parts[i] = e.text(Span{start, end}, depth+1)
	}
	return strings.Join(parts, "")
}

// qualified is the whole text with its edits. ok is false when it could not be
// written.
func (e *editor) qualified() (string, bool) {
	// At one place, what ends comes before what begins.
	slices.SortStableFunc(e.edits, func(a, b edit) int {
		if a.span.Start != b.span.Start {
			return a.span.Start - b.span.Start
		}
		if ra, rb := rank(a), rank(b); ra != rb || ra != 2 {
			return ra - rb
		}
		return b.span.End - a.span.End // the outer of two
	})
	text := e.text(Span{0, len(e.src)}, 0)
	return text, !e.failed
}

func rank(x edit) int {
	switch {
	case x.span.End == x.span.Start && strings.HasPrefix(x.text, " "):
		return 0
	case x.span.End == x.span.Start:
		return 1
	}
	return 2
}
