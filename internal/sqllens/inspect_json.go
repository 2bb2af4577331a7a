package sqllens

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// AppendJSON appends the answer as encoding/json would print it without HTML
// escapes. A line of `sql inspect` spends a fifth of its time on printing
// otherwise.
func (a *InspectAnswer) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if len(a.ID) > 0 {
		b = append(b, `"id":`...)
		b = appendRaw(b, a.ID)
		b = append(b, ',')
	}
	b = append(b, `"dialect_used":`...)
	b = appendString(b, string(a.DialectUsed))
	b = append(b, `,"recovered":`...)
	b = strconv.AppendBool(b, a.Recovered)
	b = append(b, `,"resolved":`...)
	b = strconv.AppendBool(b, a.Resolved)
	b = append(b, `,"statements":`...)
	b = appendList(b, a.Statements, appendStatement)
	if a.QualifiedSQL != "" {
		b = append(b, `,"qualified_sql":`...)
		b = appendString(b, a.QualifiedSQL)
	}
	b = append(b, `,"unresolved":`...)
	b = appendList(b, a.Unresolved, func(b []byte, u *InspectUnresolved) []byte {
		b = append(b, `{"reason":`...)
		b = appendString(b, u.Reason)
		b = append(b, `,"detail":`...)
		b = appendString(b, u.Detail)
		b = append(b, `,"span":`...)
		return append(appendSpan(b, u.Span), '}')
	})
	b = append(b, `,"errors":`...)
	b = appendList(b, a.Errors, func(b []byte, p *Problem) []byte {
		b = append(b, `{"code":`...)
		b = appendString(b, p.Code)
		b = append(b, `,"message":`...)
		b = appendString(b, p.Message)
		if p.Span != nil {
			b = append(b, `,"span":`...)
			b = appendSpan(b, pair(*p.Span))
		}
		return append(b, '}')
	})
	return append(b, '}')
}

func appendStatement(b []byte, s *InspectStatement) []byte {
	b = append(b, `{"kind":`...)
	b = appendString(b, string(s.Kind))
	b = append(b, `,"span":`...)
	b = appendSpan(b, s.Span)
	b = append(b, `,"tables":`...)
	b = appendList(b, s.Tables, func(b []byte, t *InspectTableUse) []byte {
		b = append(b, '{')
		b = appendTableNames(b, &t.TableRef)
		b = append(b, `,"access":`...)
		b = appendString(b, t.Access)
		b = append(b, `,"span":`...)
		return append(appendSpan(b, t.Span), '}')
	})
	b = append(b, `,"columns":`...)
	b = appendList(b, s.Columns, func(b []byte, c *InspectColumnUse) []byte {
		b = append(b, `{"table":`...)
		b = appendTable(b, c.Table)
		b = append(b, `,"column":`...)
		b = appendString(b, c.Column)
		b = append(b, `,"use":`...)
		b = appendString(b, string(c.Use))
		b = append(b, `,"span":`...)
		return append(appendSpan(b, c.Span), '}')
	})
	b = append(b, `,"outputs":`...)
	b = appendList(b, s.Outputs, func(b []byte, o *InspectOutput) []byte {
		b = append(b, `{"name":`...)
		b = appendString(b, o.Name)
		b = append(b, `,"sources":`...)
		b = appendList(b, o.Sources, appendSource)
		if o.Star {
			b = append(b, `,"star":true`...)
		}
		if o.Target != nil {
			b = append(b, `,"target":`...)
			b = appendSource(b, o.Target)
		}
		return append(b, '}')
	})
	text := func(b []byte, s *string) []byte { return appendString(b, *s) }
	b = append(b, `,"cards":`...)
	b = appendList(b, s.Cards, text)
	b = append(b, `,"snippets":`...)
	b = appendList(b, s.Snippets, text)
	b = append(b, `,"tags":`...)
	b = appendList(b, s.Tags, func(b []byte, t *InspectTag) []byte {
		b = append(b, `{"name":`...)
		b = appendString(b, t.Name)
		b = append(b, `,"kind":`...)
		b = appendString(b, string(t.Kind))
		b = append(b, `,"optional":`...)
		b = strconv.AppendBool(b, t.Optional)
		b = append(b, `,"spans":`...)
		b = appendList(b, t.Spans, func(b []byte, s *spanPair) []byte { return appendSpan(b, *s) })
		return append(b, '}')
	})
	return append(b, '}')
}

func appendSource(b []byte, s *InspectSource) []byte {
	b = append(b, `{"table":`...)
	b = appendTable(b, s.Table)
	b = append(b, `,"column":`...)
	return append(appendString(b, s.Column), '}')
}

func appendTable(b []byte, t *TableRef) []byte {
	if t == nil {
		return append(b, "null"...)
	}
	return append(appendTableNames(append(b, '{'), t), '}')
}

func appendTableNames(b []byte, t *TableRef) []byte {
	b = append(b, `"catalog":`...)
	b = appendString(b, t.Catalog)
	b = append(b, `,"schema":`...)
	b = appendString(b, t.Schema)
	b = append(b, `,"name":`...)
	return appendString(b, t.Name)
}

func appendSpan(b []byte, s spanPair) []byte {
	b = strconv.AppendInt(append(b, '['), int64(s[0]), 10)
	b = strconv.AppendInt(append(b, ','), int64(s[1]), 10)
	return append(b, ']')
}

func appendList[T any](b []byte, list []T, one func([]byte, *T) []byte) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, &list[i])
	}
	return append(b, ']')
}

// appendRaw appends a value that came as JSON, without its white space.
func appendRaw(b []byte, raw json.RawMessage) []byte {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return append(b, "null"...)
	}
	return append(b, compact.Bytes()...)
}

// appendString appends ASCII text itself and leaves everything else to
// encoding/json.
func appendString(b []byte, s string) []byte {
	before := len(b)
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0x80 {
			continue
		}
		var escape byte
		switch c {
		case '"', '\\':
			escape = c
		case '\n':
			escape = 'n'
		case '\r':
			escape = 'r'
		case '\t':
			escape = 't'
		default:
			return appendEscaped(b[:before], s)
		}
		b = append(b, s[from:i]...)
		b = append(b, '\\', escape)
		from = i + 1
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil { // a string always encodes
		return append(b, `""`...)
	}
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}
