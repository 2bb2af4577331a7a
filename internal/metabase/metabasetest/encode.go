package metabasetest

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// encoder appends JSON. It writes commas by looking at what stands before, so
// callers only state structure; keys keep the order they are written in.
type encoder struct{ b []byte }

func (e *encoder) sep() {
	if n := len(e.b); n > 0 {
		switch e.b[n-1] {
		case '{', '[', ':':
		default:
			e.b = append(e.b, ',')
		}
	}
}

func (e *encoder) key(k string) {
	e.sep()
	e.b = append(e.b, '"')
	e.b = append(e.b, k...)
	e.b = append(e.b, '"', ':')
}

// textKey writes a key that may need escaping.
func (e *encoder) textKey(k string) {
	e.sep()
	e.b = appendText(e.b, k)
	e.b = append(e.b, ':')
}

func (e *encoder) open()         { e.sep(); e.b = append(e.b, '{') }
func (e *encoder) openList()     { e.sep(); e.b = append(e.b, '[') }
func (e *encoder) close()        { e.b = append(e.b, '}') }
func (e *encoder) closeList()    { e.b = append(e.b, ']') }
func (e *encoder) obj(k string)  { e.key(k); e.b = append(e.b, '{') }
func (e *encoder) list(k string) { e.key(k); e.b = append(e.b, '[') }

func (e *encoder) raw(k, json string)    { e.key(k); e.b = append(e.b, json...) }
func (e *encoder) text(k, v string)      { e.key(k); e.b = appendText(e.b, v) }
func (e *encoder) null(k string)         { e.key(k); e.b = append(e.b, "null"...) }
func (e *encoder) bool(k string, v bool) { e.key(k); e.b = strconv.AppendBool(e.b, v) }
func (e *encoder) int(k string, v int)   { e.key(k); e.b = strconv.AppendInt(e.b, int64(v), 10) }
func (e *encoder) long(k string, v int64) {
	e.key(k)
	e.b = strconv.AppendInt(e.b, v, 10)
}

// orNull writes null for the empty text.
func (e *encoder) orNull(k, v string) {
	if v == "" {
		e.null(k)
		return
	}
	e.text(k, v)
}

// idOrNull writes null for 0.
func (e *encoder) idOrNull(k string, v int) {
	if v == 0 {
		e.null(k)
		return
	}
	e.int(k, v)
}

func (e *encoder) float(k string, v float64) {
	e.key(k)
	e.b = appendNumber(e.b, v)
}

func (e *encoder) time(k string, t time.Time) {
	e.key(k)
	e.b = appendTime(e.b, t)
}

// elements

func (e *encoder) elemText(v string)    { e.sep(); e.b = appendText(e.b, v) }
func (e *encoder) elemInt(v int)        { e.sep(); e.b = strconv.AppendInt(e.b, int64(v), 10) }
func (e *encoder) elemRaw(json string)  { e.sep(); e.b = append(e.b, json...) }
func (e *encoder) elemNumber(v float64) { e.sep(); e.b = appendNumber(e.b, v) }

func appendNumber(b []byte, v float64) []byte {
	if v == float64(int64(v)) {
		return strconv.AppendInt(b, int64(v), 10)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

// appendTime writes null for the zero time, else what Metabase's serializer
// writes: UTC, microseconds without trailing zeros.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.999999Z")
	return append(b, '"')
}

const hexDigits = "0123456789abcdef"

func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
			i++
			start = i
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendUUID writes a version 4 identifier made of two numbers.
func appendUUID(b []byte, hi, lo uint64) []byte {
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			b = append(b, '-')
		}
		var d byte
		if i < 16 {
			d = byte(hi >> (60 - 4*i) & 15)
		} else {
			d = byte(lo >> (60 - 4*(i-16)) & 15)
		}
		switch i {
		case 12:
			d = 4
		case 16:
			d = 8 | d&3
		}
		b = append(b, hexDigits[d])
	}
	return b
}

// uuidOf derives a stable identifier from a kind and an id.
func uuidOf(kind string, id int) string {
	x := mix(kind, id)
	return string(appendUUID(nil, x, splitmix(x)))
}

// slugOf makes the slug Metabase would: lower case, everything but letters and
// digits an underscore, the rest percent-encoded.
func slugOf(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-'):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			b.WriteByte('_')
		default:
			b.WriteString(url.QueryEscape(string(r)))
		}
	}
	return b.String()
}

// displayOf humanises a database name: order_id becomes Order ID.
func displayOf(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == ' ' })
	for i, w := range words {
		if strings.EqualFold(w, "id") {
			words[i] = "ID"
			continue
		}
		r, size := utf8.DecodeRuneInString(w)
		words[i] = strings.ToUpper(string(r)) + strings.ToLower(w[size:])
	}
	return strings.Join(words, " ")
}
