package app

import (
	"encoding/json"
	"unicode/utf8"
)

// lineReader decodes the usual line of sql inspect in one pass: encoding/json
// reads every line twice, which is a sixth of the whole work. What is unusual
// in any way is left to encoding/json.
type lineReader struct {
	data    []byte
	at      int
	scratch []byte
}

// read answers false when the line has to be decoded by encoding/json; in is
// then to be thrown away.
func (r *lineReader) read(data []byte, in *inspectLine) bool {
	r.data, r.at = data, 0
	if !r.next('{') {
		return false
	}
	for first := true; !r.next('}'); first = false {
		if !first && !r.next(',') {
			return false
		}
		key, ok := r.text()
		if !ok || !r.next(':') {
			return false
		}
		switch key {
		case "sql":
			text, fine := r.text()
			in.SQL, ok = &text, fine
		case "dialect":
			text, fine := r.text()
			in.Dialect, ok = &text, fine
		case "default_catalog":
			in.DefaultCatalog, ok = r.text()
		case "default_schema":
			in.DefaultSchema, ok = r.text()
		case "id":
			in.ID, ok = r.id()
		case "schema":
			in.Schema, ok = r.object()
		default:
			return false
		}
		if !ok {
			return false
		}
	}
	r.space()
	return r.at == len(data)
}

func (r *lineReader) space() {
	for r.at < len(r.data) && (r.data[r.at] == ' ' || r.data[r.at] == '\t' || r.data[r.at] == '\n' || r.data[r.at] == '\r') {
		r.at++
	}
}

// next passes over a character if it comes next.
func (r *lineReader) next(c byte) bool {
	r.space()
	if r.at < len(r.data) && r.data[r.at] == c {
		r.at++
		return true
	}
	return false
}

// text reads a string.
func (r *lineReader) text() (string, bool) {
	if !r.next('"') {
		return "", false
	}
	out := r.scratch[:0]
	start := r.at
	for i := r.at; i < len(r.data); i++ {
		c := r.data[i]
		switch {
		case c == '"':
			out = append(out, r.data[start:i]...)
			r.scratch = out
			r.at = i + 1
			return string(out), utf8.Valid(out)
		case c < ' ':
			return "", false
		case c == '\\':
			out = append(out, r.data[start:i]...)
			if i++; i >= len(r.data) {
				return "", false
			}
			plain, ok := escaped(r.data[i])
			if !ok {
				if r.data[i] != 'u' || i+4 >= len(r.data) {
					return "", false
				}
				code, fine := hexadecimal(r.data[i+1 : i+5])
				if !fine {
					return "", false
				}
				out = utf8.AppendRune(out, code)
				i += 4
			} else {
				out = append(out, plain)
			}
			start = i + 1
		}
	}
	return "", false
}

// escaped is what a character behind a backslash stands for.
func escaped(c byte) (byte, bool) {
	switch c {
	case '"', '\\', '/':
		return c, true
	case 'n':
		return '\n', true
	case 't':
		return '\t', true
	case 'r':
		return '\r', true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	}
	return 0, false
}

// hexadecimal reads four digits; halves of a pair are left to encoding/json.
func hexadecimal(digits []byte) (rune, bool) {
	var code rune
	for _, c := range digits {
		code <<= 4
		switch {
		case c >= '0' && c <= '9':
			code |= rune(c - '0')
		case c >= 'a' && c <= 'f':
			code |= rune(c-'a') + 10
		case c >= 'A' && c <= 'F':
			code |= rune(c-'A') + 10
		default:
			return 0, false
		}
	}
	return code, code < 0xd800 || code > 0xdfff
}

// id reads a short string or a whole number as it stands.
func (r *lineReader) id() (json.RawMessage, bool) {
	r.space()
	start := r.at
	if start < len(r.data) && r.data[start] == '"' {
		_, ok := r.text()
		return json.RawMessage(r.data[start:r.at:r.at]), ok
	}
	for r.at < len(r.data) && r.data[r.at] >= '0' && r.data[r.at] <= '9' {
		r.at++
	}
	n := r.at - start
	return json.RawMessage(r.data[start:r.at:r.at]), n == 1 || n > 1 && r.data[start] != '0'
}

// object passes over an object and answers with its text.
func (r *lineReader) object() (json.RawMessage, bool) {
	r.space()
	start, depth, quoted := r.at, 0, false
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; {
		case quoted && c == '\\':
			r.at++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				r.at++
				raw := r.data[start:r.at:r.at]
				return json.RawMessage(raw), raw[0] == '{' && json.Valid(raw)
			}
		case depth == 0:
			return nil, false
		}
	}
	return nil, false
}
