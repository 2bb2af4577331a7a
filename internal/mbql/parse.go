package mbql

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

var errNotQuery = errors.New("mbql: not a query object")

// Parse reads a dataset_query in either dialect, or a bare inner query as
// segment and measure definitions have it. What it does not understand is
// skipped and listed in Diagnostics; the error is for text that is no JSON
// object at all. An empty object gives a query without stages.
func Parse(raw json.RawMessage) (*Query, error) {
	root, deep, err := parseJSON(raw)
	if err != nil {
		return nil, err
	}
	if !root.isObject() {
		return nil, errNotQuery
	}
	d := decoder{}
	q := d.query(&root)
	if deep {
		d.report("too_deep", "parts of the query are nested too deep to read")
	}
	q.Diagnostics = d.diagnostics
	return q, nil
}

// ParseExpr reads one clause or reference in either dialect: the dimension of a
// template tag, a parameter target, a field_ref. It is nil for null and for
// text that is no clause.
func ParseExpr(raw json.RawMessage) *Expr {
	root, _, err := parseJSON(raw)
	if err != nil || !root.isArray() && !root.isNumber() {
		return nil
	}
	d := decoder{legacy: true}
	if root.isNumber() {
		return d.reference(&root)
	}
	return d.expr(&root)
}

// ParseTable reads a table reference: a number or a portable [db, schema,
// table]. The zero id means that it is neither.
func ParseTable(raw json.RawMessage) TableID {
	root, _, err := parseJSON(raw)
	if err != nil {
		return TableID{}
	}
	id, _ := tableID(&root)
	return id
}

// decoder turns JSON into the model.
type decoder struct {
	legacy      bool
	diagnostics []Diagnostic
}

const maxDiagnostics = 50

func (d *decoder) report(code, detail string) {
	if len(d.diagnostics) < maxDiagnostics {
		d.diagnostics = append(d.diagnostics, Diagnostic{code, detail})
	}
}

func (d *decoder) query(n *node) *Query {
	q := &Query{Dialect: Legacy}
	q.Database = entityID(n.get("database"))
	switch kind := kebab(n.get("type").str()); {
	case n.get("stages").isArray():
		q.Dialect = MBQL5
		q.Stages = d.stages(n.get("stages"))
	case strings.HasPrefix(n.get("lib/type").str(), "mbql.stage/"):
		q.Dialect = MBQL5
		q.Stages = d.stageList(n)
	case n.get("query").isObject():
		d.legacy = true
		q.Stages = d.inner(n.get("query"))
	case n.has("native"):
		d.legacy = true
		q.Stages = []*Stage{{Native: d.legacyNative(n.get("native"), n)}}
	case kind == "internal":
		d.report("internal_query", "a query of Metabase's own audit pages")
	case isInner(n):
		d.legacy = true
		q.Stages = d.inner(n)
	default:
		d.report("no_query", "the query is empty")
	}
	return q
}

var innerKeys = []string{"source-table", "source-query", "filter", "aggregation", "breakout", "fields", "joins", "expressions", "order-by", "source-card"}

func isInner(n *node) bool {
	for _, k := range innerKeys {
		if n.has(k) {
			return true
		}
	}
	return false
}

// stages reads the flat list of MBQL 5.
func (d *decoder) stages(list *node) []*Stage {
	var out []*Stage
	for i := range list.items {
		if !list.items[i].isObject() {
			d.report("bad_stage", "a stage is no object")
			continue
		}
		out = append(out, d.stageList(&list.items[i])...)
	}
	return out
}

// stageList reads one MBQL 5 stage. A legacy nested source inside it is
// tolerated and flattened.
func (d *decoder) stageList(n *node) []*Stage {
	if n.get("lib/type").str() == "mbql.stage/native" || n.has("native") {
		return []*Stage{{Native: d.native(n.get("native"), n)}}
	}
	return d.inner(n)
}

// inner flattens a legacy inner query into stages.
func (d *decoder) inner(n *node) []*Stage {
	if n.has("native") && !n.has("source-table") && !n.has("source-query") {
		return []*Stage{{Native: d.legacyNative(n.get("native"), n)}}
	}
	var before []*Stage
	s := &Stage{}
	if source := n.get("source-query"); source.isObject() {
		before = d.inner(source)
	} else {
		d.source(n, s)
	}
	d.stage(n, s)
	return append(before, s)
}

// source reads where a stage reads from.
func (d *decoder) source(n *node, s *Stage) {
	if card := n.get("source-card"); !card.isNull() {
		s.SourceCard = entityID(card)
		return
	}
	source := n.get("source-table")
	if source.isNull() {
		return
	}
	if source.isString() {
		id := strings.TrimPrefix(source.text, "card__")
		if id == source.text && isDigits(id) {
			s.SourceTable = TableID{Number: number(source.text)}
			return
		}
		s.SourceCard = id
		return
	}
	var ok bool
	if s.SourceTable, ok = tableID(source); !ok {
		d.report("bad_reference", "source-table is neither a table nor a card")
	}
}

func (d *decoder) stage(n *node, s *Stage) {
	if joins := n.get("joins"); joins.isArray() {
		for i := range joins.items {
			if j := d.join(&joins.items[i]); j != nil {
				s.Joins = append(s.Joins, j)
			}
		}
	}
	d.expressions(n.get("expressions"), s)
	s.Filters = append(d.conditions(n.get("filter")), d.conditions(n.get("filters"))...)
	s.Aggregations = d.aggregations(n.get("aggregation"))
	s.Breakouts = d.references(n.get("breakout"))
	if fields := n.get("fields"); fields.isArray() {
		s.Fields = d.references(fields)
		s.HasFields = len(s.Fields) > 0
	}
	s.OrderBy = d.orders(n.get("order-by"))
	if limit := n.get("limit"); limit.isNumber() {
		s.Limit = number(limit.text)
	}
	s.HasPage = n.get("page").isObject()
	s.bindAggregations(d)
}

func (d *decoder) join(n *node) *Join {
	if !n.isObject() {
		d.report("bad_join", "a join is no object")
		return nil
	}
	j := &Join{Alias: n.get("alias").str(), Strategy: kebab(n.get("strategy").str())}
	if j.Alias == "" {
		j.Alias = "__join"
	}
	if j.Strategy == "" {
		j.Strategy = "left-join"
	}
	if stages := n.get("stages"); stages.isArray() {
		j.Stages = d.stages(stages)
	} else {
		s := &Stage{}
		if source := n.get("source-query"); source.isObject() {
			j.Stages = d.inner(source)
		} else {
			d.source(n, s)
			j.Stages = []*Stage{s}
		}
	}
	j.Conditions = append(d.conditions(n.get("condition")), d.conditions(n.get("conditions"))...)
	switch fields := n.get("fields"); {
	case fields.isString():
		j.AllFields = kebab(fields.text) == "all"
	case fields.isArray():
		j.Fields = d.references(fields)
	}
	return j
}

// expressions reads custom columns: a map in legacy MBQL, a list in MBQL 5.
func (d *decoder) expressions(n *node, s *Stage) {
	switch {
	case n.isObject():
		for i := range n.items {
			s.Expressions = append(s.Expressions, Named{Name: n.keys[i], Expr: d.expr(&n.items[i])})
		}
	case n.isArray():
		for i := range n.items {
			item := &n.items[i]
			name := ""
			if item.isArray() && len(item.items) > 1 {
				name = item.items[1].get("lib/expression-name").str()
			}
			if name == "" {
				d.report("bad_expression", "a custom column has no name")
				continue
			}
			s.Expressions = append(s.Expressions, Named{Name: name, Expr: d.expr(item)})
		}
	}
}

// conditions reads one clause or a list of them and splits top-level "and".
func (d *decoder) conditions(n *node) []*Expr {
	if !n.isArray() || len(n.items) == 0 {
		return nil
	}
	if !n.items[0].isString() {
		var out []*Expr
		for i := range n.items {
			out = append(out, d.conditions(&n.items[i])...)
		}
		return out
	}
	return splitAnd(nil, d.expr(n))
}

func splitAnd(out []*Expr, e *Expr) []*Expr {
	switch {
	case e == nil || e.Kind == LiteralExpr && e.Literal.Type == NullLiteral:
		return out
	case e.Kind == ClauseExpr && e.Op == "and":
		for _, a := range e.Args {
			out = splitAnd(out, a)
		}
		return out
	}
	return append(out, e)
}

// clauses yields the clauses of a list, or the single un-nested clause that
// very old rows have in its place.
func clauses(n *node) []*node {
	if !n.isArray() || len(n.items) == 0 {
		return nil
	}
	if n.items[0].isString() {
		return []*node{n}
	}
	out := make([]*node, len(n.items))
	for i := range n.items {
		out[i] = &n.items[i]
	}
	return out
}

func (d *decoder) aggregations(n *node) []*Expr {
	if n.isString() { // "aggregation": "count"
		n = &node{kind: arrayNode, items: []node{*n}}
	}
	var out []*Expr
	for _, c := range clauses(n) {
		e := d.expr(c)
		if e == nil || e.Kind == LiteralExpr || e.Kind == ClauseExpr && e.Op == "rows" {
			continue // "rows" is how MBQL 2 said "no aggregation"
		}
		out = append(out, e)
	}
	return out
}

func (d *decoder) references(n *node) []*Expr {
	var out []*Expr
	for _, c := range clauses(n) {
		if e := d.reference(c); e != nil {
			out = append(out, e)
		}
	}
	return out
}

func (d *decoder) orders(n *node) []Order {
	if !n.isArray() {
		return nil
	}
	list := make([]*node, 0, len(n.items))
	if len(n.items) >= 2 && (n.items[0].isString() || n.items[1].isString()) {
		list = append(list, n) // a single un-nested pair
	} else {
		for i := range n.items {
			list = append(list, &n.items[i])
		}
	}
	var out []Order
	for _, o := range list {
		if !o.isArray() || len(o.items) < 2 {
			d.report("bad_order", "a sort key is no pair")
			continue
		}
		first, last := &o.items[0], &o.items[len(o.items)-1]
		direction, ref := first, &o.items[1]
		switch {
		case !isDirection(first) && isDirection(last):
			direction, ref = last, first // ancient: [ref, "ascending"]
		case o.items[1].isObject() && len(o.items) > 2:
			ref = &o.items[2]
		}
		if e := d.reference(ref); e != nil {
			out = append(out, Order{Descending: strings.HasPrefix(kebab(direction.str()), "desc"), Expr: e})
		}
	}
	return out
}

func isDirection(n *node) bool {
	switch kebab(n.str()) {
	case "asc", "desc", "ascending", "descending":
		return true
	}
	return false
}

func (d *decoder) legacyNative(n, holder *node) *Native {
	if n.isObject() && n.has("query") {
		return d.native(n.get("query"), n)
	}
	return d.native(n, holder)
}

func (d *decoder) native(text, holder *node) *Native {
	out := &Native{}
	switch {
	case text.isString():
		out.Text, out.SQL = text.text, true
	case !text.isNull():
		var b strings.Builder
		text.write(&b)
		out.Text = b.String()
	}
	if holder.get("collection").isString() {
		out.SQL = false // MongoDB: the text is an aggregation pipeline
	}
	tags := holder.get("template-tags")
	if tags.isArray() || tags.isObject() {
		for i := range tags.items {
			key := ""
			if tags.isObject() {
				key = tags.keys[i]
			}
			if tag, ok := d.tag(key, &tags.items[i]); ok {
				out.Tags = append(out.Tags, tag)
			}
		}
	}
	return out
}

func (d *decoder) tag(key string, n *node) (Tag, bool) {
	if !n.isObject() {
		d.report("bad_tag", "a template tag is no object")
		return Tag{}, false
	}
	t := Tag{
		Name:      n.get("name").str(),
		Type:      kebab(n.get("type").str()),
		CardID:    entityID(n.get("card-id")),
		Snippet:   n.get("snippet-name").str(),
		SnippetID: entityID(n.get("snippet-id")),
	}
	if t.Name == "" {
		t.Name = key
	}
	if id := n.get("table-id"); !id.isNull() {
		t.Table, _ = tableID(id)
	}
	if dim := n.get("dimension"); dim.isArray() {
		legacy := d.legacy
		d.legacy = true
		t.Dimension = d.expr(dim)
		d.legacy = legacy
	}
	return t, true
}

// bindAggregations turns the uuids by which MBQL 5 refers to aggregations into
// positions.
func (s *Stage) bindAggregations(d *decoder) {
	position := map[string]int{}
	for i, a := range s.Aggregations {
		if a.uuid != "" {
			position[a.uuid] = i
		}
	}
	bind := func(e *Expr) {
		if e.Kind != AggregationExpr {
			return
		}
		if e.uuid != "" {
			i, ok := position[e.uuid]
			switch {
			case ok:
				e.Index = i
			case len(s.Aggregations) == 1:
				e.Index = 0
			}
		}
		if e.Index < 0 || e.Index >= len(s.Aggregations) {
			e.Index = -1
			d.report("bad_reference", "a reference to an aggregation that does not exist")
		}
	}
	for _, list := range [][]*Expr{s.Filters, s.Aggregations, s.Breakouts, s.Fields} {
		for _, e := range list {
			walk(e, bind)
		}
	}
	for _, x := range s.Expressions {
		walk(x.Expr, bind)
	}
	for _, o := range s.OrderBy {
		walk(o.Expr, bind)
	}
}

// walk visits an expression and everything below it.
func walk(e *Expr, visit func(*Expr)) {
	if e == nil {
		return
	}
	visit(e)
	for _, a := range e.Args {
		walk(a, visit)
	}
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// number reads an integer; fractions are cut, nonsense is 0.
func number(text string) int64 {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f > -1e15 && f < 1e15 {
		return int64(f)
	}
	return 0
}

// entityID reads the id of a card, snippet, … or the number or name of a
// database.
func entityID(n *node) string {
	switch {
	case n.isString():
		return strings.TrimPrefix(n.text, "card__")
	case n.isNumber():
		return strconv.FormatInt(number(n.text), 10)
	}
	return ""
}

// tableID reads a number or a portable [db, schema|null, table].
func tableID(n *node) (TableID, bool) {
	switch {
	case n.isNumber():
		id := TableID{Number: number(n.text)}
		return id, !id.IsZero()
	case n.isArray() && len(n.items) == 3:
		return portableTable(n.items)
	}
	return TableID{}, false
}

func portableTable(items []node) (TableID, bool) {
	if !items[0].isString() || !items[2].isString() || items[2].text == "" {
		return TableID{}, false
	}
	if !items[1].isNull() && !items[1].isString() {
		return TableID{}, false
	}
	return TableID{Database: items[0].text, Schema: items[1].str(), Name: items[2].text}, true
}

// fieldID reads a number or a portable [db, schema|null, table, field, …].
func fieldID(n *node) (FieldID, bool) {
	switch {
	case n.isNumber():
		id := FieldID{Number: number(n.text)}
		return id, !id.IsZero()
	case n.isArray() && len(n.items) >= 4:
		table, ok := portableTable(n.items[:3])
		if !ok {
			return FieldID{}, false
		}
		path := make([]string, 0, len(n.items)-3)
		for i := 3; i < len(n.items); i++ {
			if !n.items[i].isString() {
				return FieldID{}, false
			}
			path = append(path, n.items[i].text)
		}
		return FieldID{Table: table, Name: strings.Join(path, ".")}, true
	}
	return FieldID{}, false
}
