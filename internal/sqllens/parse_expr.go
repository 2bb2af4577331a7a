package sqllens

import "strings"

// Binding powers of the binary operators, loosest first.
const (
	precAssign = iota + 1
	precOr
	precXor
	precAnd
	precNot
	precCompare
	precOther
	precAdd
	precMul
	precPower
	precUnary
)

func (p *parser) expr() *Expr { return p.exprPrec(precAssign) }

// exprPrec reads an expression whose operators bind at least as tightly as min.
func (p *parser) exprPrec(minPrec int) *Expr {
	if !p.enter() {
		start := p.cur().start
		p.skipToClause(true)
		p.leave()
		return &Expr{Kind: ExprUnknown, Span: Span{start, p.cur().start}}
	}
	defer p.leave()
	left := p.prefix(minPrec)
	for {
		next, ok := p.infix(left, minPrec)
		if !ok {
			return left
		}
		left = next
	}
}

func (p *parser) prefix(minPrec int) *Expr {
	t := p.cur()
	switch {
	case t.isWord("not") && minPrec <= precNot:
		p.next()
		arg := p.exprPrec(precNot)
		return &Expr{Kind: ExprOp, Op: "not", Args: []*Expr{arg}, Span: t.span().join(arg.Span)}
	case t.kind == tokOp && (t.text == "-" || t.text == "+" || t.text == "~" || t.text == "!" || t.text == "@" || t.text == "|/" || t.text == "||/" || p.prefixOperator(t)):
		p.next()
		if t.text == "@" && p.cur().glued && p.cur().kind != tokOp { // @param, @stage
			return p.param(t)
		}
		arg := p.exprPrec(precUnary)
		return &Expr{Kind: ExprOp, Op: "unary" + t.text, Args: []*Expr{arg}, Span: t.span().join(arg.Span)}
	case t.isWord("prior") && (p.d == Oracle || p.d == Snowflake || p.d == Generic) && p.startsExpr(p.peek(1)):
		p.next()
		arg := p.exprPrec(precUnary)
		return &Expr{Kind: ExprOp, Op: "prior", Args: []*Expr{arg}, Span: t.span().join(arg.Span)}
	case t.isText("connect_by_root") && p.startsExpr(p.peek(1)):
		p.next()
		arg := p.exprPrec(precUnary)
		return &Expr{Kind: ExprOp, Op: "connect_by_root", Args: []*Expr{arg}, Span: t.span().join(arg.Span)}
	case t.isWord("binary") && p.startsExpr(p.peek(1)) && !p.peek(1).isOp("("):
		p.next()
		arg := p.exprPrec(precUnary)
		return &Expr{Kind: ExprCast, Op: "binary", Args: []*Expr{arg}, Span: t.span().join(arg.Span)}
	case t.isWord("distinct") && p.startsExpr(p.peek(1)):
		p.next()
		return p.exprPrec(minPrec)
	}
	return p.postfix(p.primary())
}

// startsExpr says whether a token can begin an expression (rather than end one).
func (p *parser) startsExpr(t *token) bool {
	switch t.kind {
	case tokWord:
		return !reservedAlias[t.word] || t.isWord("case", "null", "not", "left", "right", "cross", "in", "minus", "offset", "over", "rows", "range", "groups")
	case tokQuoted, tokString, tokNumber, tokTag:
		return true
	case tokOp:
		return t.text == "(" || t.text == "[" || t.text == ":" || t.text == "?" || t.text == "$" || t.text == "@" || t.text == "@@"
	}
	return false
}

func (p *parser) binary(op string, left, right *Expr) *Expr {
	return p.node(Expr{Kind: ExprOp, Op: op, Args: []*Expr{left, right}, Span: left.Span.join(right.Span)})
}

// infix extends left by one operator when it binds tightly enough.
func (p *parser) infix(left *Expr, minPrec int) (*Expr, bool) {
	t := p.cur()
	switch t.kind {
	case tokWord:
		return p.infixWord(left, minPrec)
	case tokOp:
		prec := p.opPrec(t)
		if prec == 0 || prec < minPrec {
			return nil, false
		}
		op := t.text
		switch op {
		case "(":
			// Oracle's outer join mark.
			if p.peek(1).isOp("+") && p.peek(2).isOp(")") {
				p.next()
				p.next()
				end := p.next()
				left.Span.End = end.end
				return left, true
			}
			return nil, false
		case "->":
			if p.lambda(left) {
				p.next()
				body := p.expr()
				e := &Expr{Kind: ExprLambda, Args: []*Expr{body}, Span: left.Span.join(body.Span)}
				e.Params = lambdaParams(left)
				return e, true
			}
		case "?":
			if p.d == ClickHouse { // cond ? a : b
				p.next()
				yes := p.exprPrec(precAssign)
				if p.acceptOp(":") {
					no := p.exprPrec(precAssign)
					return &Expr{Kind: ExprFunc, Name: []Ident{{Text: "if"}}, Args: []*Expr{left, yes, no}, Span: left.Span.join(no.Span)}, true
				}
				return p.binary("?", left, yes), true
			}
		}
		p.next()
		if prec == precCompare && (p.is("any", "all", "some") && p.peek(1).isOp("(")) {
			p.next()
			arg := p.primary()
			return p.binary(normalOp(op), left, arg), true
		}
		right := p.exprPrec(prec + 1)
		return p.binary(normalOp(op), left, right), true
	}
	return nil, false
}

func normalOp(op string) string {
	switch op {
	case "==":
		return "="
	case "!=", "^=":
		return "<>"
	}
	return op
}

func (p *parser) opPrec(t *token) int {
	switch t.text {
	case "=", "<", ">", "<=", ">=", "<>", "!=", "==", "<=>", "^=", "!<", "!>", "~", "~*", "!~", "!~*", "~~", "!~~", "~~*", "!~~*":
		return precCompare
	case "+", "-":
		return precAdd
	case "*", "/", "%", "//":
		return precMul
	case "^", "**":
		if t.text == "^" && (p.d == Postgres || p.d == Redshift || p.d == DuckDB) {
			return precPower
		}
		return precOther
	case "||", "|", "&", "#", "<<", ">>", "->", "->>", "#>", "#>>", "@>", "<@", "&&", "?|", "?&", "#-", "@@", "^@", "<->", "@-@", "-|-", "<#>", "@?", "&&&", "<|":
		return precOther
	case ":=":
		return precAssign
	case "?":
		if p.d == Postgres || p.d == Generic || p.d == Redshift {
			return precOther
		}
		if p.d == ClickHouse {
			return precAssign
		}
	case "(":
		return precUnary
	case "+=", "-=", "*=", "/=", "%=", "||=":
		return precAssign
	case "@", "##":
		if p.d == Postgres && !p.peek(1).glued {
			return precOther
		}
	default:
		if len(t.text) > 1 && (p.d == Postgres || p.d == DuckDB) && !structural(t.text) {
			return precOther // an extension's operator
		}
	}
	return 0
}

// structural are signs of several characters that are no operators between two
// values.
func structural(op string) bool {
	switch op {
	case "::", "..", "...", "=>", "|>", "?:", "||=", "**=", "|/", "||/":
		return true
	}
	return false
}

// prefixOperator tells the operators that PostgreSQL has before a value.
func (p *parser) prefixOperator(t *token) bool {
	if p.d != Postgres && p.d != DuckDB {
		return false
	}
	switch t.text {
	case "!!", "@@", "@-@", "##", "#":
		return p.startsExpr(p.peek(1))
	}
	return false
}

// lambda tells x -> f(x) from a JSON arrow.
func (p *parser) lambda(left *Expr) bool {
	switch p.d {
	case Postgres, MySQL, MariaDB, SQLite, Redshift:
		return false
	}
	n := p.peek(1)
	if n.kind == tokString || n.kind == tokNumber {
		return p.d == ClickHouse || p.d == Trino || p.d == Athena
	}
	switch left.Kind {
	case ExprColumn:
		return len(left.Name) == 1
	case ExprList:
		for _, a := range left.Args {
			if a.Kind != ExprColumn || len(a.Name) != 1 {
				return false
			}
		}
		return true
	}
	return false
}

func lambdaParams(e *Expr) []Ident {
	if e.Kind == ExprColumn {
		return e.Name[:1]
	}
	var names []Ident
	for _, a := range e.Args {
		if a.Kind == ExprColumn && len(a.Name) == 1 {
			names = append(names, a.Name[0])
		}
	}
	return names
}

func (p *parser) infixWord(left *Expr, minPrec int) (*Expr, bool) {
	t := p.cur()
	level := func(prec int) bool { return prec >= minPrec }
	switch t.word {
	case "or":
		if !level(precOr) {
			return nil, false
		}
		p.next()
		return p.binary("or", left, p.exprPrec(precOr+1)), true
	case "xor":
		if !level(precXor) {
			return nil, false
		}
		p.next()
		return p.binary("xor", left, p.exprPrec(precXor+1)), true
	case "and":
		if !level(precAnd) {
			return nil, false
		}
		p.next()
		return p.binary("and", left, p.exprPrec(precAnd+1)), true
	case "div", "mod":
		if !level(precMul) || !p.startsExpr(p.peek(1)) {
			return nil, false
		}
		p.next()
		return p.binary(t.word, left, p.exprPrec(precMul+1)), true
	case "is":
		if !level(precCompare) {
			return nil, false
		}
		p.next()
		op := "is"
		if p.accept("not") {
			op = "is not"
		}
		if p.is("distinct") && p.peek(1).isWord("from") {
			p.next()
			p.next()
			return p.binary(op+" distinct from", left, p.exprPrec(precCompare+1)), true
		}
		if (p.cur().isText("nfc") || p.cur().isText("nfd") || p.cur().isText("nfkc") || p.cur().isText("nfkd")) && p.peek(1).isText("normalized") {
			p.next()
		}
		if p.acceptText("json") || p.acceptText("normalized") || p.acceptText("document") || p.acceptText("unknown") || p.acceptText("empty") || p.acceptText("nan") || p.acceptText("infinite") || p.acceptText("present") {
			for p.accept("array", "with", "unique") || p.acceptText("object") || p.acceptText("scalar") || p.acceptText("value") || p.acceptText("keys") || p.acceptText("without") {
				continue
			}
			return &Expr{Kind: ExprOp, Op: op + " kind", Args: []*Expr{left}, Span: left.Span.join(t.span())}, true
		}
		if p.acceptText("a") { // IS [NOT] A SET
			p.acceptText("set")
			return &Expr{Kind: ExprOp, Op: op + " kind", Args: []*Expr{left}, Span: left.Span.join(t.span())}, true
		}
		if p.acceptText("of") {
			p.acceptText("type")
			p.skipBalanced()
			return &Expr{Kind: ExprOp, Op: op + " of type", Args: []*Expr{left}, Span: left.Span.join(t.span())}, true
		}
		return p.binary(op, left, p.exprPrec(precCompare+1)), true
	case "isnull", "notnull":
		if !level(precCompare) {
			return nil, false
		}
		p.next()
		op := "is"
		if t.word == "notnull" {
			op = "is not"
		}
		null := &Expr{Kind: ExprLiteral, Op: "null", Text: "null", Span: t.span()}
		return p.binary(op, left, null), true
	case "not":
		n := p.peek(1)
		if !n.isWord("in", "between", "like", "ilike", "rlike", "regexp", "glob", "similar", "null") && !n.isText("like_regex") && !n.isText("match") {
			return nil, false
		}
		if !level(precCompare) {
			return nil, false
		}
		p.next()
		if p.is("null") { // x NOT NULL (SQLite)
			end := p.next()
			null := &Expr{Kind: ExprLiteral, Op: "null", Text: "null", Span: end.span()}
			return p.binary("is not", left, null), true
		}
		return p.predicate(left, "not ")
	case "in", "between", "like", "ilike", "rlike", "regexp", "glob", "similar":
		if !level(precCompare) {
			return nil, false
		}
		if t.isWord("glob") && !p.startsExpr(p.peek(1)) {
			return nil, false
		}
		return p.predicate(left, "")
	case "global": // ClickHouse: GLOBAL [NOT] IN
		if p.peek(1).isWord("in") || p.peek(1).isWord("not") && p.peek(2).isWord("in") {
			if !level(precCompare) {
				return nil, false
			}
			p.next()
			not := ""
			if p.accept("not") {
				not = "not "
			}
			return p.predicate(left, not)
		}
	case "collate":
		if !level(precUnary) {
			return nil, false
		}
		p.next()
		if p.cur().kind == tokString {
			p.next()
		} else {
			p.path()
		}
		return p.node(Expr{Kind: ExprCast, Op: "collate", Args: []*Expr{left}, Span: left.Span.join(p.toks[p.pos-1].span())}), true
	case "at":
		if p.peek(1).isWord("time") && p.peek(2).isWord("zone") {
			if !level(precOther) {
				return nil, false
			}
			p.next()
			p.next()
			p.next()
			zone := p.exprPrec(precOther + 1)
			return p.binary("at time zone", left, zone), true
		}
		if p.peek(1).isText("local") {
			p.next()
			p.next()
			return left, true
		}
	case "overlaps", "escape":
		if !level(precCompare) || !p.startsExpr(p.peek(1)) {
			return nil, false
		}
		p.next()
		return p.binary(t.word, left, p.exprPrec(precCompare+1)), true
	case "member":
		if p.peek(1).isWord("of") || p.peek(1).isText("of") {
			p.next()
			p.next()
			return p.binary("member of", left, p.exprPrec(precCompare+1)), true
		}
	case "":
		if t.isText("operator") && p.peek(1).isOp("(") && (p.d == Postgres || p.d == Redshift || p.d == Generic) { // OPERATOR(pg_catalog.+)
			p.next()
			p.skipBalanced()
			return p.binary("operator", left, p.exprPrec(precOther+1)), true
		}
		if (t.isText("match") || t.isText("like_regex") || t.isText("sounds") || t.isText("multiset")) && level(precCompare) && (p.startsExpr(p.peek(1)) || t.isText("sounds") && p.peek(1).isWord("like") || t.isText("multiset") && p.peek(1).isWord("union", "except", "intersect")) && !p.peek(1).isOp("(") {
			p.next()
			p.accept("like", "union", "except", "intersect")
			p.accept("all", "distinct")
			return p.binary(strings.ToLower(t.text), left, p.exprPrec(precCompare+1)), true
		}
		if t.isText("during") || t.isText("contains") {
			return nil, false
		}
	}
	return nil, false
}

// predicate reads what follows IN, BETWEEN, LIKE and their kin.
func (p *parser) predicate(left *Expr, not string) (*Expr, bool) {
	t := p.next()
	op := not + t.word
	if t.word == "" {
		op = not + strings.ToLower(t.text)
	}
	switch t.word {
	case "in":
		if p.isOp("(") {
			right := p.primary()
			if right.Kind != ExprQuery && right.Kind != ExprList {
				right = &Expr{Kind: ExprList, Args: []*Expr{right}, Span: right.Span}
			}
			return p.binary(op, left, right), true
		}
		return p.binary(op, left, p.exprPrec(precCompare+1)), true
	case "between":
		p.acceptText("symmetric")
		p.acceptText("asymmetric")
		low := p.exprPrec(precCompare + 1)
		if !p.accept("and") {
			p.problem("syntax", "BETWEEN without AND", p.cur().span())
			return p.binary(op, left, low), true
		}
		high := p.exprPrec(precCompare + 1)
		return &Expr{Kind: ExprOp, Op: op, Args: []*Expr{left, low, high}, Span: left.Span.join(high.Span)}, true
	case "similar":
		p.acceptText("to")
		op = not + "similar to"
	}
	if p.is("any", "all", "some") && p.peek(1).isOp("(") {
		p.next()
	}
	right := p.exprPrec(precCompare + 1)
	e := p.binary(op, left, right)
	if p.accept("escape") {
		esc := p.exprPrec(precCompare + 1)
		e.Args = append(e.Args, esc)
		e.Span = e.Span.join(esc.Span)
	}
	return e, true
}

// postfix reads casts, subscripts, fields and window clauses behind a primary.
func (p *parser) postfix(e *Expr) *Expr {
	for {
		t := p.cur()
		switch {
		case t.isOp("::"):
			p.next()
			typ := p.typeName()
			e = &Expr{Kind: ExprCast, Op: typ.Text, Args: []*Expr{e}, Span: e.Span.join(typ.Span)}
		case t.isOp("[") && (t.glued || e.Kind != ExprLiteral) && e.Kind != ExprLambda:
			e = p.subscript(e)
		case t.isOp(".") && (p.peek(1).kind == tokWord || p.peek(1).kind == tokQuoted || p.peek(1).kind == tokNumber || p.peek(1).kind == tokTag):
			p.next()
			name := p.pathPart()
			if p.isOp("(") { // method call: x.f(…), Oracle and SQL Server XML
				call := p.callArgs(&Expr{Kind: ExprFunc, Name: []Ident{name}, Span: name.Span})
				call.Args = append([]*Expr{e}, call.Args...)
				call.Span = call.Span.join(e.Span)
				e = p.callTail(call)
				continue
			}
			e = &Expr{Kind: ExprField, Name: []Ident{name}, Args: []*Expr{e}, Span: e.Span.join(name.Span)}
		case t.isOp(".") && p.peek(1).isOp("*"):
			p.next()
			end := p.next()
			e = &Expr{Kind: ExprStar, Args: []*Expr{e}, Star: &Star{}, Span: e.Span.join(end.span())}
			p.starTail(e)
		case t.isOp("?") && t.glued && p.peek(1).isOp("::") && (p.d == Databricks || p.d == Spark): // a cast that may fail
			p.next()
		case t.isOp("(") && t.glued && p.d == Snowflake && e.Kind == ExprFunc && len(e.Name) == 1 && strings.EqualFold(e.Name[0].Text, "identifier"):
			e = p.callTail(p.callArgs(&Expr{Kind: ExprFunc, Name: e.Name, Span: e.Span}))
		case p.d == Oracle && p.cur().kind == tokWord && p.unitWord(t) && (e.Kind == ExprOp || e.Kind == ExprFunc) && p.intervalTail():
			e.Span.End = p.toks[p.pos-1].end
		case t.isOp(":") && (p.d == Snowflake || p.d == Databricks || p.d == Spark || p.d == Generic) && p.jsonPath(e):
			p.next()
			e = p.readJSONPath(e)
		case t.isOp("!") && p.d == DuckDB && t.glued: // 5! is a factorial
			p.next()
			e = &Expr{Kind: ExprOp, Op: "!", Args: []*Expr{e}, Span: e.Span.join(t.span())}
		case p.d == ClickHouse && t.isOp(".") && t.glued && (p.peek(1).isOp("^") || p.peek(1).isOp(":")) && (p.peek(2).kind == tokWord || p.peek(2).kind == tokQuoted):
			e = p.typedPath(e)
		case p.d == ClickHouse && t.isWord("apply") && p.peek(1).isOp("(") && e.Kind == ExprFunc && e.Name[0].Text != "" && strings.EqualFold(e.Name[0].Text, "columns"):
			p.next()
			p.skipBalanced()
			e.Span.End = p.toks[p.pos-1].end
		default:
			return e
		}
	}
}

// intervalTail reads Oracle's (a - b) DAY(9) TO SECOND(3).
func (p *parser) intervalTail() bool {
	n := 1
	if p.peek(n).isOp("(") {
		n += 3
	}
	if !p.peek(n).isWord("to") && !p.peek(n).isText("to") || !p.unitWord(p.peek(n+1)) {
		return false
	}
	for range n + 2 {
		p.next()
	}
	p.skipParens()
	return true
}

// typedPath reads ClickHouse's json.^sub and json.path.:Type.
func (p *parser) typedPath(e *Expr) *Expr {
	p.next()
	typed := p.next().isOp(":")
	name := p.ident(p.next())
	span := e.Span.join(name.Span)
	if typed {
		if p.isOp("(") && p.cur().glued {
			p.skipBalanced()
			span.End = p.toks[p.pos-1].end
		}
		return &Expr{Kind: ExprCast, Op: name.Text, Args: []*Expr{e}, Span: span}
	}
	return &Expr{Kind: ExprField, Name: []Ident{name}, Args: []*Expr{e}, Span: span}
}

// jsonPath tells col:field from a slice or a parameter.
func (p *parser) jsonPath(e *Expr) bool {
	switch e.Kind {
	case ExprColumn, ExprField, ExprIndex, ExprFunc, ExprParam, ExprCast, ExprList, ExprTag:
		n := p.peek(1)
		return n.kind == tokWord || n.kind == tokQuoted || n.isOp("[")
	}
	return false
}

func (p *parser) readJSONPath(e *Expr) *Expr {
	for {
		switch t := p.cur(); {
		case t.isOp("["):
			e = p.subscript(e)
		case t.kind == tokWord || t.kind == tokQuoted:
			p.next()
			e = &Expr{Kind: ExprField, Name: []Ident{p.ident(t)}, Args: []*Expr{e}, Span: e.Span.join(t.span())}
		default:
			return e
		}
		if (p.isOp(".") || p.isOp(":")) && (p.peek(1).kind == tokWord || p.peek(1).kind == tokQuoted) {
			p.next()
			continue
		}
		if p.isOp("[") {
			continue
		}
		return e
	}
}

func (p *parser) subscript(e *Expr) *Expr {
	p.next()
	out := &Expr{Kind: ExprIndex, Args: []*Expr{e}, Span: e.Span}
	for !p.eof() && !p.isOp("]") {
		if p.acceptOp(":") || p.acceptOp(",") {
			continue
		}
		if p.isOp("-") && p.peek(1).isOp(":") || p.isOp("*") {
			p.next()
			continue
		}
		before := p.pos
		out.Args = append(out.Args, p.expr())
		if p.pos == before {
			break
		}
	}
	out.Span.End = p.cur().end
	p.expectOp("]")
	return out
}

// typed literals: DATE '2024-01-01'.
var literalTypes = wordSet(`date time timestamp datetime interval json binary`)

func (p *parser) primary() *Expr {
	t := p.cur()
	switch t.kind {
	case tokNumber:
		p.next()
		return p.node(Expr{Kind: ExprLiteral, Op: "number", Text: t.text, Span: t.span()})
	case tokString:
		p.next()
		e := p.node(Expr{Kind: ExprLiteral, Op: "string", Text: t.text, Span: t.span()})
		for p.cur().kind == tokString && (p.cur().quote == t.quote && t.quote == '\'' || p.d == BigQuery) { // 'a' 'b' is one string
			e.Span.End = p.next().end
			e.Text = p.src[e.Span.Start:e.Span.End]
		}
		if t.quote == '"' && (p.isOp(".") && p.cur().glued) { // "t"."c" in a dialect where " quotes strings
			p.pos--
			return p.nameOrCall()
		}
		if p.d == SQLite && p.isOp(".") && p.cur().glued && p.peek(1).kind != tokNumber { // 't'.'c'
			p.pos--
			names := p.anyPath()
			return &Expr{Kind: ExprColumn, Name: names, Span: t.span().join(names[len(names)-1].Span)}
		}
		return e
	case tokTag:
		if n := p.peek(1); n.glued && (n.isOp(".") || n.kind == tokWord) {
			return p.nameOrCall()
		}
		p.next()
		if p.isOp("(") && p.cur().glued {
			return p.callTail(p.callArgs(&Expr{Kind: ExprFunc, Name: []Ident{{Text: t.text, Span: t.span()}}, Span: t.span()}))
		}
		return &Expr{Kind: ExprTag, Tag: t.tag, Span: t.span()}
	case tokQuoted:
		return p.nameOrCall()
	case tokWord:
		return p.primaryWord()
	case tokOp:
		return p.primaryOp()
	}
	p.problem("syntax", "expected an expression before "+p.describe(), t.span())
	return &Expr{Kind: ExprUnknown, Span: Span{t.start, t.start}}
}

func (p *parser) primaryOp() *Expr {
	t := p.cur()
	switch t.text {
	case "(":
		return p.paren()
	case "*":
		p.next()
		if p.d == DuckDB && p.is("columns") && p.peek(1).isOp("(") { // *COLUMNS(…) spreads into a list
			return p.primary()
		}
		e := &Expr{Kind: ExprStar, Star: &Star{}, Span: t.span()}
		p.starTail(e)
		return e
	case "[":
		return p.arrayLiteral()
	case "{":
		return p.braces()
	case "?":
		p.next()
		if p.cur().kind == tokNumber && p.cur().glued {
			p.next()
		}
		return &Expr{Kind: ExprParam, Text: t.text, Span: t.span()}
	case ":", "$", "@", "@@", "%", "&", "&&":
		p.next()
		return p.param(t)
	case "#": // #temp or #{x}
		p.next()
		return p.param(t)
	case ".", "..", "...":
		if p.d == TSQL && (p.peek(1).kind == tokWord || p.peek(1).kind == tokQuoted) { // ..table.column
			p.next()
			return p.primary()
		}
	}
	p.problem("syntax", "expected an expression before "+p.describe(), t.span())
	e := &Expr{Kind: ExprUnknown, Span: t.span()}
	if !t.isOp(")") && !t.isOp(",") && !t.isOp(";") && !t.isOp("]") && !t.isOp("}") && !t.isOp("|>") {
		p.next()
	}
	return e
}

// param reads :name, @name, @@name, $1, ${name}, %(name)s, %s.
// paren reads ( … ): a subquery, a row, or a grouped expression.
// listItem is an expression in a row, with a lambda's typed parameter or an alias.
// expectClose takes a closing bracket; when something else stands there it
// skips to the bracket and says so.
// braces reads a struct literal {'a': 1}, a map, or an ODBC escape {d '…'},
// {fn f(x)}, or ClickHouse's {name:Type}.
// starTail reads EXCEPT, EXCLUDE, REPLACE, RENAME, ILIKE behind a star.
