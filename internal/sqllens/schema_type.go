package sqllens

import "strings"

// typeField is a field of a struct type.
type typeField struct {
	name   Ident
	fields []typeField
}

// Bounds of the types that are read.
const (
	maxTypeText   = 16 << 10
	maxTypeFields = 500
	maxTypeDepth  = 16
)

// structType reads the fields of a column's type as databases print it:
// STRUCT<a INT64, b STRUCT<…>>, struct<a:int>, ROW(a bigint), STRUCT(a INTEGER),
// Tuple(a String), and arrays of these. It answers nil for any other type.
func structType(text string) []typeField {
	if len(text) > maxTypeText || !strings.ContainsAny(text, "<(") {
		return nil
	}
	p := &typeParser{text: text}
	return p.parse(0)
}

type typeParser struct {
	text  string
	at    int
	count int
}

func (p *typeParser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\n' || p.text[p.at] == '\t' || p.text[p.at] == '\r') {
		p.at++
	}
}

// parse reads one type and stops before the comma or bracket behind it.
func (p *typeParser) parse(depth int) []typeField {
	p.space()
	start := p.at
	for p.at < len(p.text) && !strings.ContainsRune("<>(),[] \t\r\n", rune(p.text[p.at])) {
		p.at++
	}
	word := strings.ToLower(p.text[start:p.at])
	p.space()
	var fields []typeField
	if p.at < len(p.text) && (p.text[p.at] == '<' || p.text[p.at] == '(') {
		switch {
		case depth > maxTypeDepth:
			p.skip()
		case word == "struct" || word == "row" || word == "tuple" || word == "nested" || word == "object":
			fields = p.list(depth)
		case word == "array" || word == "nullable" || word == "lowcardinality" || word == "list":
			p.at++
			fields = p.parse(depth + 1)
			p.rest()
			p.at = min(p.at+1, len(p.text))
		default:
			p.skip()
		}
	}
	p.rest()
	return fields
}

// list reads (name type, …).
func (p *typeParser) list(depth int) []typeField {
	p.at++
	var out []typeField
	for p.at < len(p.text) {
		p.space()
		name := p.name()
		p.space()
		if p.at < len(p.text) && p.text[p.at] == ':' {
			p.at++
		}
		fields := p.parse(depth + 1)
		if p.count++; name.Text != "" && p.count <= maxTypeFields {
			out = append(out, typeField{name, fields})
		}
		if p.at >= len(p.text) || p.text[p.at] != ',' {
			break
		}
		p.at++
	}
	p.at = min(p.at+1, len(p.text))
	return out
}

func (p *typeParser) name() Ident {
	if p.at >= len(p.text) {
		return Ident{}
	}
	if q := p.text[p.at]; q == '"' || q == '`' {
		end := strings.IndexByte(p.text[p.at+1:], q)
		if end < 0 {
			p.at = len(p.text)
			return Ident{}
		}
		id := Ident{Text: p.text[p.at+1 : p.at+1+end], Quote: q}
		p.at += end + 2
		return id
	}
	start := p.at
	for p.at < len(p.text) && !strings.ContainsRune("<>(),:[] \t\r\n", rune(p.text[p.at])) {
		p.at++
	}
	return Ident{Text: p.text[start:p.at], Quote: 's'}
}

// skip passes over a bracketed list.
func (p *typeParser) skip() {
	depth := 0
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '<', '(':
			depth++
		case '>', ')':
			if depth--; depth == 0 {
				p.at++
				return
			}
		}
	}
}

// rest passes over what may stand behind a type: [], NOT NULL, OPTIONS(…).
func (p *typeParser) rest() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ',', '>', ')':
			return
		case '<', '(':
			p.skip()
		default:
			p.at++
		}
	}
}

// columnsOf are the fields as columns that all come from the struct.
func columnsOf(fields []typeField, sources sourceSet) []outputColumn {
	if len(fields) == 0 {
		return nil
	}
	out := make([]outputColumn, len(fields))
	for i, f := range fields {
		out[i] = outputColumn{name: f.name, sources: sources, fields: columnsOf(f.fields, sources)}
	}
	return out
}
