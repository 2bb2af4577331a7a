package mbql

import (
	"strconv"
	"strings"
)

// expr reads any value in an expression position. Clauses and references say
// themselves where their options are: an object in second place is MBQL 5, one
// in last place legacy MBQL. Both are read everywhere, because old parameter
// targets and segments sit inside new queries.
func (d *decoder) expr(n *node) *Expr {
	switch {
	case n.isNull():
		return literal(NullLiteral, "")
	case n.kind == boolNode:
		return literal(BooleanLiteral, n.text)
	case n.isNumber():
		return literal(NumberLiteral, n.text)
	case n.isString():
		if looksLikeDate(n.text) {
			return literal(DateLiteral, n.text)
		}
		return literal(StringLiteral, n.text)
	case n.isObject():
		d.report("unexpected_object", "an object where a clause was expected")
		return d.list(n)
	case len(n.items) > 0 && n.items[0].isString():
		return d.clause(n)
	}
	return d.list(n)
}

func literal(t LiteralType, text string) *Expr {
	return &Expr{Kind: LiteralExpr, Index: -1, Literal: Literal{t, text}}
}

func (d *decoder) list(n *node) *Expr {
	e := &Expr{Kind: ListExpr, Index: -1}
	for i := range n.items {
		e.Args = append(e.Args, d.expr(&n.items[i]))
	}
	return e
}

// reference reads a value where only a reference makes sense: there a bare
// integer or a bare portable path is a field.
func (d *decoder) reference(n *node) *Expr {
	if id, ok := fieldID(n); ok && (d.legacy || !n.isNumber()) && (n.isNumber() || !knownOperator(n.items[0].text)) {
		return &Expr{Kind: FieldExpr, Index: -1, Field: &Field{ID: id}}
	}
	if !n.isArray() || len(n.items) == 0 {
		d.report("bad_reference", "a value where a column was expected")
		return nil
	}
	return d.expr(n)
}

// clause reads [operator, …].
func (d *decoder) clause(n *node) *Expr {
	op := kebab(n.items[0].text)
	options, args := splitOptions(n.items)
	switch op {
	case "field", "field-id":
		return d.field(n)
	case "field-literal":
		if len(args) > 0 && args[0].isString() {
			f := &Field{Name: args[0].text}
			if len(args) > 1 {
				f.BaseType = args[1].str()
			}
			return fieldExpr(f)
		}
		return d.badReference(op)
	case "fk->":
		return d.foreignKey(args)
	case "joined-field":
		if len(args) > 1 {
			return d.wrapField(&args[1], op, func(f *Field) { f.JoinAlias = args[0].str() })
		}
		return d.badReference(op)
	case "datetime-field":
		if len(args) > 1 {
			unit := kebab(args[len(args)-1].str())
			return d.wrapField(&args[0], op, func(f *Field) { f.TemporalUnit = unit })
		}
		return d.badReference(op)
	case "binning-strategy":
		if len(args) > 1 {
			param := &node{}
			if len(args) > 2 {
				param = &args[2]
			}
			return d.wrapField(&args[0], op, func(f *Field) { f.Binning = binning(args[1].str(), param) })
		}
		return d.badReference(op)
	case "expression":
		if len(args) > 0 && args[0].isString() {
			return &Expr{Kind: ExpressionExpr, Index: -1, Name: args[0].text, Field: d.bucket(options)}
		}
		return d.badReference(op)
	case "aggregation", "aggregate-field":
		return aggregationRef(args)
	case "segment", "metric", "measure":
		return d.entity(op, options, args)
	case "template-tag":
		if len(args) > 0 {
			return &Expr{Kind: TagExpr, Index: -1, Name: entityTag(&args[0])}
		}
		return d.badReference(op)
	case "value":
		if len(args) > 0 {
			return d.expr(scalarOnly(&args[0]))
		}
		return literal(NullLiteral, "")
	case "aggregation-options", "named":
		return d.named(op, options, args)
	case "case", "if":
		return d.conditional(options, args)
	}
	if !knownOperator(op) {
		d.report("unknown_clause", "an operator that is not known, with "+strconv.Itoa(len(args))+" arguments")
	}
	e := &Expr{Kind: ClauseExpr, Index: -1, Op: op, Options: meaningful(op, options), Column: options.get("name").str(), Title: options.get("display-name").str(), uuid: options.get("lib/uuid").str()}
	for i := range args {
		if (i == 0 || i == 1 && op == "inside") && d.legacy && takesField(op) && args[i].isNumber() {
			e.Args = append(e.Args, d.reference(&args[i]))
			continue
		}
		a := d.expr(&args[i])
		if a.Kind == LiteralExpr && a.Literal.Type == StringLiteral && takesKeyword(op) {
			a.Literal = Literal{KeywordLiteral, kebab(a.Literal.Text)}
		}
		e.Args = append(e.Args, a)
	}
	return e
}

// splitOptions separates the options of a clause from its arguments.
func splitOptions(items []node) (options *node, args []node) {
	switch {
	case len(items) > 1 && items[1].isObject():
		return &items[1], items[2:]
	case len(items) > 2 && items[len(items)-1].isObject():
		return &items[len(items)-1], items[1 : len(items)-1]
	}
	return nil, items[1:]
}

func fieldExpr(f *Field) *Expr { return &Expr{Kind: FieldExpr, Index: -1, Field: f} }

func (d *decoder) badReference(op string) *Expr {
	d.report("bad_reference", "a reference of the form "+op+" that names nothing")
	return &Expr{Kind: ClauseExpr, Index: -1, Op: op}
}

// field reads ["field", id|name, options] and ["field", options, id|name], and
// the older ["field-id", …], which may wrap another reference.
func (d *decoder) field(n *node) *Expr {
	var options, target *node
	for i := 1; i < len(n.items); i++ {
		switch item := &n.items[i]; {
		case item.isObject() && options == nil:
			options = item
		case !item.isNull() && !item.isObject() && target == nil:
			target = item
		}
	}
	if target == nil {
		return d.badReference("field")
	}
	apply := func(f *Field) { d.fieldOptions(f, options) }
	if target.isString() {
		f := &Field{Name: target.text}
		apply(f)
		return fieldExpr(f)
	}
	if id, ok := fieldID(target); ok && (target.isNumber() || !knownOperator(kebab(target.items[0].text)) || len(target.items) > 3) {
		f := &Field{ID: id}
		apply(f)
		return fieldExpr(f)
	}
	return d.wrapField(target, "field", apply)
}

// wrapField reads a reference inside another form and adds to it.
func (d *decoder) wrapField(n *node, op string, add func(*Field)) *Expr {
	if n.isString() { // a column by name, without its own clause
		f := &Field{Name: n.text}
		add(f)
		return fieldExpr(f)
	}
	if id, ok := fieldID(n); ok && (n.isNumber() || !knownOperator(kebab(n.items[0].text))) {
		f := &Field{ID: id}
		add(f)
		return fieldExpr(f)
	}
	if !n.isArray() || len(n.items) == 0 || !n.items[0].isString() {
		return d.badReference(op)
	}
	e := d.clause(n)
	switch e.Kind {
	case FieldExpr:
		add(e.Field)
	case ExpressionExpr:
		if e.Field == nil {
			e.Field = &Field{}
		}
		add(e.Field)
	}
	return e
}

func (d *decoder) fieldOptions(f *Field, options *node) {
	if options == nil {
		return
	}
	if alias := options.get("join-alias").str(); alias != "" {
		f.JoinAlias = alias
	}
	if source := options.get("source-field"); !source.isNull() {
		f.Source = d.plainFieldID(source)
	}
	f.SourceName = options.get("source-field-name").str()
	f.SourceJoinAlias = options.get("source-field-join-alias").str()
	if unit := kebab(options.get("temporal-unit").str()); unit != "" {
		f.TemporalUnit = unit
	}
	if b := options.get("binning"); b.isObject() {
		strategy := kebab(b.get("strategy").str())
		f.Binning = binning(strategy, b.get(strategy))
	}
	if t := options.get("base-type").str(); t != "" {
		f.BaseType = t
	}
}

// bucket reads the temporal unit or binning of a reference to a custom column.
func (d *decoder) bucket(options *node) *Field {
	if !options.has("temporal-unit") && !options.has("binning") {
		return nil
	}
	f := &Field{}
	d.fieldOptions(f, options)
	return f
}

// plainFieldID reads a field id that may be wrapped in a reference.
func (d *decoder) plainFieldID(n *node) FieldID {
	if id, ok := fieldID(n); ok && (n.isNumber() || !knownOperator(kebab(n.items[0].text))) {
		return id
	}
	if n.isArray() && len(n.items) > 0 && n.items[0].isString() {
		if e := d.clause(n); e.Kind == FieldExpr {
			return e.Field.ID
		}
	}
	d.report("bad_reference", "a foreign key that is no field")
	return FieldID{}
}

func (d *decoder) foreignKey(args []node) *Expr {
	if len(args) < 2 {
		return d.badReference("fk->")
	}
	source := d.plainFieldID(&args[0])
	return d.wrapField(&args[1], "fk->", func(f *Field) { f.Source = source })
}

func aggregationRef(args []node) *Expr {
	e := &Expr{Kind: AggregationExpr, Index: -1}
	if len(args) == 0 {
		return e
	}
	switch a := &args[0]; {
	case a.isNumber():
		e.Index = int(min(max(number(a.text), -1), 1<<20))
	case a.isString():
		e.uuid = a.text
	}
	return e
}

func (d *decoder) entity(op string, options *node, args []node) *Expr {
	if len(args) == 0 || entityID(&args[0]) == "" {
		return d.badReference(op)
	}
	e := &Expr{Index: -1, Name: entityID(&args[0]), Column: options.get("name").str(), Title: options.get("display-name").str(), uuid: options.get("lib/uuid").str()}
	if strings.HasPrefix(e.Name, "ga:") || strings.HasPrefix(e.Name, "gaid:") {
		return &Expr{Kind: ClauseExpr, Index: -1, Op: op} // Google Analytics built-ins, long gone
	}
	switch op {
	case "segment":
		e.Kind = SegmentExpr
	case "metric":
		e.Kind = MetricExpr
	default:
		e.Kind = MeasureExpr
	}
	return e
}

func (d *decoder) named(op string, options *node, args []node) *Expr {
	if len(args) == 0 {
		return d.badReference(op)
	}
	e := d.expr(&args[0])
	if name := options.get("name").str(); name != "" && op == "aggregation-options" {
		e.Column = name
	}
	if title := options.get("display-name").str(); title != "" && op == "aggregation-options" {
		e.Title = title
	}
	if id := options.get("lib/uuid").str(); id != "" && e.uuid == "" {
		e.uuid = id
	}
	return e
}

// conditional reads case and if: pairs, then the default, which is an option in
// legacy MBQL and an argument in MBQL 5.
func (d *decoder) conditional(options *node, args []node) *Expr {
	e := &Expr{Kind: ClauseExpr, Index: -1, Op: "case", Column: options.get("name").str(), Title: options.get("display-name").str(), uuid: options.get("lib/uuid").str()}
	for i := range args {
		pairs := &args[i]
		if i > 0 || !pairs.isArray() || len(pairs.items) == 0 || pairs.items[0].isString() {
			e.Args = append(e.Args, d.expr(pairs))
			continue
		}
		for k := range pairs.items {
			if pairs.items[k].isArray() {
				e.Args = append(e.Args, d.list(&pairs.items[k]))
			}
		}
	}
	if value := options.get("default"); !value.isNull() {
		e.Args = append(e.Args, d.expr(value))
	}
	return e
}

// scalarOnly keeps a value clause from being read as anything but a constant.
func scalarOnly(n *node) *node {
	if n.isArray() || n.isObject() {
		return &node{}
	}
	return n
}

func entityTag(n *node) string {
	if n.isString() {
		return n.text
	}
	return n.get("id").str()
}

func binning(strategy string, param *node) string {
	strategy = kebab(strategy)
	if param.isNumber() {
		return strategy + ":" + param.text
	}
	return strategy
}

// meaningful keeps the options that change what a clause does.
func meaningful(op string, options *node) []Option {
	var out []Option
	if v := options.get("case-sensitive"); v != nil && v.kind == boolNode && v.text == "false" {
		out = append(out, Option{"case-sensitive", "false"})
	}
	if v := options.get("include-current"); v != nil && v.kind == boolNode && v.text == "true" {
		out = append(out, Option{"include-current", "true"})
	}
	if mode := options.get("mode").str(); mode != "" && op == "datetime" {
		out = append(out, Option{"mode", mode})
	}
	return out
}

// looksLikeDate recognises ISO dates and times, so that their class survives
// when constants are dropped.
func looksLikeDate(s string) bool {
	if len(s) < 7 || len(s) > 40 || s[4] != '-' {
		return false
	}
	for i, c := range []byte(s[:7]) {
		if i != 4 && (c < '0' || c > '9') {
			return false
		}
	}
	for _, c := range []byte(s[7:]) {
		switch {
		case c >= '0' && c <= '9', c == '-', c == ':', c == '.', c == 'T', c == 'Z', c == '+', c == ' ':
		default:
			return false
		}
	}
	return true
}
