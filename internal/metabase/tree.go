package metabase

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A node is a value of a query or settings tree: nil, bool, string, number,
// list or object.
type (
	number string
	array  = []any
	object = map[string]any
)

const deepest = 200 // nesting of a tree that is kept; real queries stay below 50

var errTooDeep = errors.New("nested too deeply")

// parse decodes a validated value into a tree.
func parse(val []byte) (any, error) { return parseAt(val, 0) }

func parseAt(val []byte, depth int) (any, error) {
	switch {
	case depth > deepest:
		return nil, errTooDeep
	case isNull(val):
		return nil, nil //nolint:nilnil // JSON null is a value
	case isString(val):
		return unquote(val), nil
	case isNumber(val):
		return number(val), nil
	case isArray(val):
		out := array{}
		var failed error
		eachElement(val, func(v []byte) {
			n, err := parseAt(v, depth+1)
			if err != nil {
				failed = err
			}
			out = append(out, n)
		})
		return out, failed
	case isObject(val):
		out := object{}
		var failed error
		eachMember(val, func(key string, v []byte) {
			n, err := parseAt(v, depth+1)
			if err != nil {
				failed = err
			}
			out[key] = n
		})
		return out, failed
	default:
		return val[0] == 't', nil
	}
}

// parseText parses JSON that came inside a JSON string.
func parseText(text string) (any, error) {
	val := jsontext.Value(text)
	if !val.IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) {
		return nil, errors.New("not JSON")
	}
	return parse(val[space(val, 0):])
}

// encode writes a tree with sorted keys, so that equal trees give equal text.
func encode(n any) json.RawMessage {
	if n == nil {
		return nil
	}
	return appendNode(nil, n)
}

func appendNode(b []byte, n any) []byte {
	switch n := n.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, n)
	case string:
		out, err := jsontext.AppendQuote(b, n)
		if err != nil { // broken UTF-8, which cleanText has removed before
			out, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(n, "\uFFFD"))
		}
		return out
	case number:
		return append(b, n...)
	case array:
		b = append(b, '[')
		for i, v := range n {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendNode(b, v)
		}
		return append(b, ']')
	case object:
		b = append(b, '{')
		for i, k := range slices.Sorted(maps.Keys(n)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendNode(b, k)
			b = append(b, ':')
			b = appendNode(b, n[k])
		}
		return append(b, '}')
	default:
		return append(b, "null"...)
	}
}

// idText reads an id out of a tree.
func idText(n any) string {
	switch n := n.(type) {
	case number:
		if len(n) <= longestID && !strings.ContainsAny(string(n), ".eE") {
			return string(n)
		}
	case string:
		if len(n) <= longestID && !strings.ContainsAny(n, "/\n\r\t") {
			return n
		}
	}
	return ""
}

// stringOf reads a text out of a tree.
func stringOf(n any) string {
	s, _ := n.(string)
	return s
}
