package metabase

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// The functions of this file walk over one JSON value that the stream decoder
// has validated already. They look at a key, and at its value only when the
// caller wants it, so that what is not kept is never decoded.

// eachMember calls f for every member of an object, and reports false when the
// value is none.
func eachMember(obj []byte, f func(key string, val []byte)) bool {
	i := space(obj, 0)
	if i >= len(obj) || obj[i] != '{' {
		return false
	}
	for i = space(obj, i+1); i < len(obj) && obj[i] != '}'; i = space(obj, i) {
		if obj[i] == ',' {
			i++
			continue
		}
		end := valueEnd(obj, i)
		key := obj[i:end]
		i = space(obj, end)
		if i >= len(obj) || obj[i] != ':' {
			return true
		}
		i = space(obj, i+1)
		if end = valueEnd(obj, i); end == i {
			return true // cannot be in valid JSON
		}
		f(keyText(key), obj[i:end])
		i = end
	}
	return true
}

// eachElement calls f for every element of an array, and reports false when the
// value is none.
func eachElement(list []byte, f func(val []byte)) bool {
	i := space(list, 0)
	if i >= len(list) || list[i] != '[' {
		return false
	}
	for i = space(list, i+1); i < len(list) && list[i] != ']'; i = space(list, i) {
		if list[i] == ',' {
			i++
			continue
		}
		end := valueEnd(list, i)
		if end == i {
			return true // cannot be in valid JSON
		}
		f(list[i:end])
		i = end
	}
	return true
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// valueEnd returns the index behind the value that begins at i.
func valueEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = stringEnd(b, i+1)
			if depth == 0 {
				return i
			}
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
			if depth == 0 {
				return i
			}
		case ',', ' ', '\n', '\r', '\t', ':':
			if depth == 0 {
				return i
			}
			i++
		default:
			i++
		}
	}
	return len(b)
}

// stringEnd returns the index behind the quote that ends the string whose text
// begins at i.
func stringEnd(b []byte, i int) int {
	for i < len(b) {
		quote := bytes.IndexByte(b[i:], '"')
		if quote < 0 {
			return len(b)
		}
		end := i + quote
		slashes := 0
		for end-slashes > i && b[end-slashes-1] == '\\' {
			slashes++
		}
		if i = end + 1; slashes%2 == 0 {
			return i
		}
	}
	return len(b)
}

// keyText returns an object key. Keys without escapes, the usual ones, are not
// copied twice.
func keyText(quoted []byte) string {
	if len(quoted) < 2 {
		return ""
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	return unquote(quoted)
}

// unquote decodes a JSON string. NUL characters, which no database takes, and
// broken UTF-8 are removed.
func unquote(quoted []byte) string {
	var text string
	if inner := quoted[1:max(len(quoted)-1, 1)]; bytes.IndexByte(inner, '\\') < 0 {
		text = string(inner)
	} else {
		decoded, err := jsontext.AppendUnquote(nil, quoted)
		if err != nil && len(decoded) == 0 {
			return ""
		}
		text = string(decoded)
	}
	return cleanText(text)
}

func cleanText(text string) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "")
	}
	return text
}

func isNull(val []byte) bool   { return len(val) == 0 || val[0] == 'n' }
func isString(val []byte) bool { return len(val) >= 2 && val[0] == '"' }
func isNumber(val []byte) bool {
	return len(val) > 0 && (val[0] == '-' || val[0] >= '0' && val[0] <= '9')
}
func isObject(val []byte) bool { return len(val) > 0 && val[0] == '{' }
func isArray(val []byte) bool  { return len(val) > 0 && val[0] == '[' }

// faults counts what of an answer had an unexpected form, by key.
type faults struct {
	elements int // elements with at least one such key
	dropped  int // elements of which nothing could be kept
	keys     map[string]int
	now      bool // the current element has one
}

func (f *faults) add(key string) {
	if f.keys == nil {
		f.keys = map[string]int{}
	}
	f.keys[key]++
	f.now = true
}

// next closes the account of an element.
func (f *faults) next() {
	if f.now {
		f.elements++
	}
	f.now = false
}

// The readers below take a value of the right type, take what can be understood
// of a wrong one, and note the key then.

// text reads a string.
func (f *faults) text(key string, val []byte) string {
	switch {
	case isNull(val):
		return ""
	case isString(val):
		return unquote(val)
	case isNumber(val) || val[0] == 't' || val[0] == 'f':
		f.add(key)
		return string(val)
	default:
		f.add(key)
		return ""
	}
}

const longestID = 64

// id reads an id: a number or a text.
func (f *faults) id(key string, val []byte) string {
	switch {
	case isNull(val):
		return ""
	case isNumber(val) && len(val) <= longestID:
		text := string(val)
		if whole, frac, ok := strings.Cut(text, "."); ok && strings.Trim(frac, "0") == "" {
			text = whole
		}
		if strings.ContainsAny(text, ".eE") {
			f.add(key)
			return ""
		}
		return text
	case isString(val):
		if text := unquote(val); len(text) <= longestID && !strings.ContainsAny(text, "/\x00\n\r\t") {
			return text
		}
	}
	f.add(key)
	return ""
}

// integer reads a whole number; ok is false for null and for anything else.
func (f *faults) integer(key string, val []byte) (n int64, ok bool) {
	switch {
	case isNull(val):
		return 0, false
	case isNumber(val):
		if n, err := strconv.ParseInt(string(val), 10, 64); err == nil {
			return n, true
		}
		if x, err := strconv.ParseFloat(string(val), 64); err == nil && x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			return int64(x), true
		}
	case isString(val):
		if n, err := strconv.ParseInt(unquote(val), 10, 64); err == nil {
			return n, true
		}
	}
	f.add(key)
	return 0, false
}

// small reads a whole number that fits an int, 0 for anything else.
func (f *faults) small(key string, val []byte) int {
	n, _ := f.integer(key, val)
	if n > math.MaxInt32 || n < math.MinInt32 {
		f.add(key)
		return 0
	}
	return int(n)
}

// float reads a number.
func (f *faults) float(key string, val []byte) (x float64, ok bool) {
	if isNull(val) {
		return 0, false
	}
	if isNumber(val) {
		if x, err := strconv.ParseFloat(string(val), 64); err == nil && !math.IsInf(x, 0) {
			return x, true
		}
	}
	f.add(key)
	return 0, false
}

// flag reads a boolean.
func (f *faults) flag(key string, val []byte) bool {
	switch {
	case isNull(val):
		return false
	case val[0] == 't':
		return true
	case val[0] == 'f':
		return false
	}
	f.add(key)
	return string(val) == "1" || string(val) == `"true"`
}

// maybe reads a boolean that may be absent.
func (f *faults) maybe(key string, val []byte) *bool {
	if isNull(val) {
		return nil
	}
	b := f.flag(key, val)
	return &b
}

// stamp reads a time; times without a zone are UTC.
func (f *faults) stamp(key string, val []byte) time.Time {
	if isNull(val) {
		return time.Time{}
	}
	if isString(val) {
		text := unquote(val)
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", time.DateOnly} {
			if t, err := time.Parse(layout, text); err == nil && t.Year() > 0 && t.Year() < 10000 {
				return t.UTC()
			}
		}
	}
	f.add(key)
	return time.Time{}
}

// texts reads a list of strings.
func (f *faults) texts(key string, val []byte) []string {
	if isNull(val) {
		return nil
	}
	var out []string
	if !eachElement(val, func(v []byte) { out = append(out, f.text(key, v)) }) {
		f.add(key)
	}
	return out
}
