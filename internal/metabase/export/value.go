package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on one file.
const (
	maxNesting = 200
	maxNodes   = 2_000_000
	aliasNodes = 100_000 // beyond what the text itself can hold
)

var (
	errDeep = errors.New("it is nested too deeply")
	errBomb = errors.New("its aliases expand to more than any real export holds")
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// value is a YAML value without aliases, keys in their order.
type value struct {
	kind  kind
	text  string // of texts, and numbers and booleans as JSON writes them
	keys  []string
	items []value
}

// parseYAML reads the first document of a file. The error is safe to show: it
// names lines, not content.
func parseYAML(data []byte) (v value, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser must not take the scan down
			err = errors.New("the YAML parser gave up on it")
		}
	}()
	var n yaml.Node
	if err := yaml.Unmarshal(data, &n); err != nil {
		return value{}, yamlError(err)
	}
	if n.Kind == 0 {
		return value{}, nil
	}
	budget := min(maxNodes, len(data)+aliasNodes)
	return convert(&n, 0, &budget)
}

// yamlError shortens the parser's message to where and what.
func yamlError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if len(text) > 120 {
		text = text[:120]
	}
	return errors.New(text)
}

func convert(n *yaml.Node, depth int, budget *int) (value, error) {
	if depth > maxNesting {
		return value{}, fmt.Errorf("line %d: %w", n.Line, errDeep)
	}
	if *budget--; *budget < 0 {
		return value{}, fmt.Errorf("line %d: %w", n.Line, errBomb)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return value{}, nil
		}
		return convert(n.Content[0], depth, budget)
	case yaml.AliasNode:
		return convert(n.Alias, depth+1, budget)
	case yaml.SequenceNode:
		out := value{kind: list}
		for _, c := range n.Content {
			v, err := convert(c, depth+1, budget)
			if err != nil {
				return value{}, err
			}
			out.items = append(out.items, v)
		}
		return out, nil
	case yaml.MappingNode:
		return convertMap(n, depth, budget)
	}
	return scalar(n), nil
}

func convertMap(n *yaml.Node, depth int, budget *int) (value, error) {
	out := value{kind: object}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		v, err := convert(n.Content[i+1], depth+1, budget)
		if err != nil {
			return value{}, err
		}
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" { // "<<": own keys win
			for j, key := range v.keys {
				if out.get(key) == nil {
					out.keys = append(out.keys, key)
					out.items = append(out.items, v.items[j])
				}
			}
			continue
		}
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		out.keys = append(out.keys, k.Value)
		out.items = append(out.items, v)
	}
	return out, nil
}

func scalar(n *yaml.Node) value {
	switch n.ShortTag() {
	case "!!null":
		return value{}
	case "!!bool":
		return value{kind: boolean, text: strconv.FormatBool(strings.EqualFold(n.Value, "true"))}
	case "!!int", "!!float":
		var f float64
		if json.Valid([]byte(n.Value)) {
			return value{kind: number, text: n.Value}
		}
		var whole int64
		if n.Decode(&whole) == nil {
			return value{kind: number, text: strconv.FormatInt(whole, 10)}
		}
		if n.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return value{kind: number, text: strconv.FormatFloat(f, 'g', -1, 64)}
		}
	}
	return value{kind: text, text: clean(n.Value)}
}

// clean removes what no name or query needs and a terminal would obey.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "")
}

// get returns the value of a key; the last one wins where a key repeats.
func (v *value) get(key string) *value {
	if v == nil || v.kind != object {
		return nil
	}
	for i := len(v.keys) - 1; i >= 0; i-- {
		if v.keys[i] == key {
			return &v.items[i]
		}
	}
	return nil
}

func (v *value) isNull() bool   { return v == nil || v.kind == null }
func (v *value) isText() bool   { return v != nil && v.kind == text }
func (v *value) isList() bool   { return v != nil && v.kind == list }
func (v *value) isObject() bool { return v != nil && v.kind == object }

// str returns a text, also of numbers: names in YAML need no quotes.
func (v *value) str() string {
	if v != nil && (v.kind == text || v.kind == number || v.kind == boolean) {
		return v.text
	}
	return ""
}

// yes reads a boolean in the spellings of YAML 1.1 too.
func (v *value) yes() bool {
	switch {
	case v == nil:
		return false
	case v.kind == boolean:
		return v.text == "true"
	case v.kind == text:
		switch strings.ToLower(v.text) {
		case "yes", "y", "on", "true":
			return true
		}
	}
	return false
}

func (v *value) integer() int {
	if v == nil || v.kind != number {
		return 0
	}
	if n, err := strconv.Atoi(v.text); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(v.text, 64); err == nil && math.Abs(f) < 1e9 {
		return int(f)
	}
	return 0
}

// path returns a list of texts, null as "". ok is false for anything else.
func (v *value) path() (parts []string, ok bool) {
	if !v.isList() {
		return nil, false
	}
	for i := range v.items {
		switch c := &v.items[i]; c.kind {
		case null:
			parts = append(parts, "")
		case text, number, boolean:
			parts = append(parts, c.text)
		default:
			return nil, false
		}
	}
	return parts, true
}

// json writes the value with sorted keys, so that equal values give equal text.
func (v *value) json() json.RawMessage {
	if v.isNull() {
		return nil
	}
	return v.append(nil)
}

func (v *value) append(b []byte) []byte {
	switch v.kind {
	case boolean, number:
		return append(b, v.text...)
	case text:
		return appendText(b, v.text)
	case list:
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.items[i].append(b)
		}
		return append(b, ']')
	case object:
		order := make([]int, len(v.keys))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(x, y int) int { return strings.Compare(v.keys[x], v.keys[y]) })
		b = append(b, '{')
		for i, p := range order {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, v.keys[p])
			b = append(b, ':')
			b = v.items[p].append(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// appendText writes a text without escaping <, > and &: operators are full of
// them, and nothing here is HTML.
func appendText(b []byte, s string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil { // texts always encode
		return append(b, `""`...)
	}
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}

func textValue(s string) value { return value{kind: text, text: s} }

// set adds a key to an object.
func (v *value) set(key string, item value) {
	v.kind = object
	v.keys = append(v.keys, key)
	v.items = append(v.items, item)
}
