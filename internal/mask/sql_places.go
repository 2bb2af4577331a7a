package mask

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// place is where a lexeme stands, told from the lexemes around it. The syntax
// tree is not asked: literals have to be judged in the same way in texts that
// are understood in part only.
type place struct {
	call   string // lower-case name of the function whose arguments it is in, "(" for other parentheses, "[" for brackets
	before string // lower-case word or sign before the parentheses' word
	arg    int    // which argument, from 0
	clause string // clause of the query at this depth
	opens  int    // lexeme that opened the parentheses; -1 outside
}

// places are the places of all lexemes of a text.
type places struct {
	at      []place
	role    []nameRole       // what the syntax tree says of each lexeme
	asText  []bool           // a quoted name that is a string in truth
	classes map[string]Class // lower-case name → class, for names the tree holds
	foreign bool             // the text is no SQL
	word    []string         // lower-case text of words and operators
}

var clauseWords = map[string]bool{
	"select": true, "from": true, "where": true, "having": true, "limit": true, "offset": true, "fetch": true, "values": true,
	"set": true, "on": true, "union": true, "intersect": true, "except": true, "minus": true, "qualify": true, "window": true,
	"returning": true, "join": true, "using": true, "settings": true, "option": true, "when": true, "then": true, "else": true, "end": true,
	"rows": true, "range": true, "groups": true, "format": true, "with": true, "top": true,
}

func placesOf(src string, list []sqllens.Lexeme, names *sqlNames) *places {
	p := &places{
		at: make([]place, len(list)), role: make([]nameRole, len(list)), asText: make([]bool, len(list)),
		word: make([]string, len(list)), classes: map[string]Class{},
	}
	for i := range list {
		x := &list[i]
		switch x.Kind {
		case sqllens.LexemeWord, sqllens.LexemeOperator:
			p.word[i] = strings.ToLower(src[x.Span.Start:x.Span.End])
		default:
		}
	}
	p.nest(list)
	p.roles(src, list, names)
	trimmed := strings.TrimLeft(src, " \t\r\n")
	p.foreign = strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")
	if !p.foreign && (names.in.Dialect == sqllens.Generic || names.in.Dialect == sqllens.SQLite) {
		for i := range list {
			p.asText[i] = p.quotedText(list, names, i)
		}
	}
	return p
}

// nest goes through the parentheses and clauses.
func (p *places) nest(list []sqllens.Lexeme) {
	stack := []place{{opens: -1}}
	for i := range list {
		top := &stack[len(stack)-1]
		w := p.word[i]
		switch w {
		case "(", "[":
			p.at[i] = *top
			inner := place{call: w, opens: i, clause: ""}
			if i > 0 {
				prev := &list[i-1]
				switch {
				case w == "(" && prev.Kind == sqllens.LexemeWord && !notFunctions[p.word[i-1]], w == "(" && prev.Kind == sqllens.LexemeQuoted:
					inner.call = p.word[i-1]
					if i > 1 {
						inner.before = p.word[i-2]
					}
				case w == "(":
					inner.before = p.word[i-1]
					inner.clause = top.clause
					if p.word[i-1] == "by" || top.clause == "by" && p.word[i-1] == "," || p.word[i-1] == "sets" {
						inner.clause = "by"
					}
				case prev.Kind == sqllens.LexemeWord && prev.Keyword != "array" || prev.Kind == sqllens.LexemeQuoted || p.word[i-1] == ")" || p.word[i-1] == "]":
					inner.call = "subscript"
				}
			}
			if top.clause == "by" && (inner.call == "rollup" || inner.call == "cube") {
				inner.clause = "by"
			}
			stack = append(stack, inner)
			continue
		case ")", "]":
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
			p.at[i] = stack[len(stack)-1]
			continue
		case ",":
			top.arg++
			p.at[i] = *top
			continue
		case ";":
			stack = append(stack[:0], place{opens: -1})
			p.at[i] = stack[0]
			continue
		}
		p.at[i] = *top
		if list[i].Kind != sqllens.LexemeWord {
			continue
		}
		switch {
		case w == "by" && i > 0 && (p.word[i-1] == "order" || p.word[i-1] == "group" || p.word[i-1] == "partition" || p.word[i-1] == "siblings" || p.word[i-1] == "sort" || p.word[i-1] == "cluster" || p.word[i-1] == "distribute"):
			top.clause = "by"
		case clauseWords[w]:
			top.clause = w
		}
	}
}

// notFunctions are words whose parentheses are no arguments.
var notFunctions = map[string]bool{
	"in": true, "values": true, "by": true, "and": true, "or": true, "not": true, "where": true, "on": true, "select": true, "from": true,
	"when": true, "then": true, "else": true, "as": true, "over": true, "using": true, "having": true, "exists": true, "between": true,
	"union": true, "all": true, "except": true, "intersect": true, "with": true, "like": true, "ilike": true, "is": true, "case": true,
	"distinct": true, "join": true, "lateral": true, "limit": true, "offset": true, "fetch": true, "top": true, "interval": true, "sets": true, "set": true,
}

// roles carries what the syntax tree says over to the lexemes.
func (p *places) roles(src string, list []sqllens.Lexeme, names *sqlNames) {
	spans := names.inside
	slices.SortFunc(spans, func(a, b sqllens.Span) int { return a.Start - b.Start })
	next := 0
	end, role := 0, roleNone
	for i := range list {
		x := &list[i]
		for next < len(spans) && spans[next].Start <= x.Span.Start {
			if spans[next].End > end {
				end, role = spans[next].End, names.idents[spans[next].Start]
			}
			next++
		}
		if r, ok := names.idents[x.Span.Start]; ok {
			role = r
		}
		if x.Span.End > end {
			continue
		}
		p.role[i] = role
		if x.Kind != sqllens.LexemeWord && x.Kind != sqllens.LexemeQuoted && x.Kind != sqllens.LexemeString || role == roleFunction {
			continue
		}
		text := src[x.Span.Start:x.Span.End]
		if x.Kind != sqllens.LexemeWord {
			open, shut := quotes(text)
			text = text[open:max(len(text)-shut, open)]
		}
		p.classify(strings.ToLower(strings.TrimLeft(text, "@#$:")), role.class())
		if x.Quote == '`' && role == roleTable {
			parts := strings.Split(strings.ToLower(text), ".")
			for k, part := range parts {
				class := ClassSchema
				if k == len(parts)-1 {
					class = ClassTable
				}
				p.classify(part, class)
			}
		}
	}
}

// classify notes the class of a name. A name that is spelled for several things
// is the first of table, column, schema and other.
func (p *places) classify(name string, c Class) {
	rank := func(c Class) int { return slices.Index([]Class{ClassTable, ClassColumn, ClassSchema, ClassName}, c) }
	if old, ok := p.classes[name]; !ok || rank(c) < rank(old) {
		p.classes[name] = c
	}
}

// quotedText says whether a name in double quotes is a string for all that is
// known: it means nothing and stands where a value is compared. SQLite reads it
// so, and text whose dialect is not known may.
func (p *places) quotedText(list []sqllens.Lexeme, names *sqlNames, i int) bool {
	x := &list[i]
	if x.Kind != sqllens.LexemeQuoted || x.Quote != '"' || i == 0 || names.clean[x.Span.Start] {
		return false
	}
	if i+1 < len(list) && p.word[i+1] == "." || p.word[i-1] == "." {
		return false
	}
	return comparing(p.word[i-1]) || p.at[i].before == "in" || p.at[i].call == "in"
}

// comparing says whether a word or sign compares what follows with a value.
func comparing(w string) bool {
	switch w {
	case "=", "<>", "!=", "<", ">", "<=", ">=", "==", "<=>", "like", "ilike", "rlike", "regexp", "glob", "similar", "between", "~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "^=":
		return true
	}
	return false
}
