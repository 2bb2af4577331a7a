package mbql

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of what the package reads. Real queries stay far below.
const (
	maxBytes = 2 << 20
	maxDepth = 120 // nesting of clauses and stages; legacy nesting costs one per stage
)

var (
	errTooLarge = errors.New("mbql: query is larger than 2 MB")
	errSyntax   = errors.New("mbql: not a JSON value")
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	arrayNode
	objectNode
)

// node is a JSON value with the order of its keys kept: custom columns of a
// legacy query are a map whose order is the order of the result columns.
type node struct {
	kind  nodeKind
	text  string // string value, or the number or boolean as written
	keys  []string
	items []node // of arrays, and the values of objects
}

// parseJSON reads a JSON value. Nesting beyond the cap is replaced by null and
// reported by deep.
func parseJSON(raw []byte) (root node, deep bool, err error) {
	if len(raw) > maxBytes {
		return node{}, false, errTooLarge
	}
	p := reader{data: raw}
	root, ok := p.value(0)
	if !ok {
		return node{}, false, errSyntax
	}
	p.space()
	if p.at != len(raw) {
		return node{}, false, errSyntax
	}
	return root, p.deep, nil
}

type reader struct {
	data    []byte
	at      int
	deep    bool
	scratch []node   // children of the values being read, until they are complete
	keys    []string // likewise
}

func (p *reader) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *reader) value(depth int) (node, bool) {
	p.space()
	if p.at >= len(p.data) {
		return node{}, false
	}
	switch c := p.data[p.at]; {
	case c == '[' || c == '{':
		if depth >= 2*maxDepth {
			p.deep = true
			return node{}, p.skip()
		}
		if c == '[' {
			return p.array(depth)
		}
		return p.object(depth)
	case c == '"':
		s, ok := p.str()
		return node{kind: stringNode, text: s}, ok
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 't':
		return node{kind: boolNode, text: "true"}, p.word("true")
	case c == 'f':
		return node{kind: boolNode, text: "false"}, p.word("false")
	case c == 'n':
		return node{}, p.word("null")
	}
	return node{}, false
}

func (p *reader) word(w string) bool {
	if !bytes.HasPrefix(p.data[p.at:], []byte(w)) {
		return false
	}
	p.at += len(w)
	return true
}

func (p *reader) number() (node, bool) {
	start := p.at
	for p.at < len(p.data) {
		switch c := p.data[p.at]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			p.at++
		default:
			goto done
		}
	}
done:
	text := string(p.data[start:p.at])
	return node{kind: numberNode, text: text}, json.Valid([]byte(text))
}

func (p *reader) str() (string, bool) {
	start := p.at + 1
	for i := start; i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '"':
			p.at = i + 1
			plain := p.data[start:i]
			if !utf8.Valid(plain) {
				return string([]rune(string(plain))), true // each bad byte becomes U+FFFD
			}
			return string(plain), true
		case c == '\\':
			return p.escaped(start - 1)
		case c < 0x20:
			return "", false
		}
	}
	return "", false
}

// escaped reads a string with escapes; rare enough to leave to the library.
func (p *reader) escaped(quote int) (string, bool) {
	for i := quote + 1; i < len(p.data); i++ {
		switch p.data[i] {
		case '\\':
			i++
		case '"':
			var s string
			if json.Unmarshal(p.data[quote:i+1], &s) != nil {
				return "", false
			}
			p.at = i + 1
			return s, true
		}
	}
	return "", false
}

func (p *reader) array(depth int) (node, bool) {
	p.at++
	if p.space(); p.at < len(p.data) && p.data[p.at] == ']' {
		p.at++
		return node{kind: arrayNode}, true
	}
	start := len(p.scratch)
	for {
		v, ok := p.value(depth + 1)
		if !ok {
			return node{}, false
		}
		p.scratch = append(p.scratch, v)
		end, ok := p.next(']')
		if !ok {
			return node{}, false
		}
		if end {
			n := node{kind: arrayNode, items: slices.Clone(p.scratch[start:])}
			p.scratch = p.scratch[:start]
			return n, true
		}
	}
}

func (p *reader) object(depth int) (node, bool) {
	p.at++
	if p.space(); p.at < len(p.data) && p.data[p.at] == '}' {
		p.at++
		return node{kind: objectNode}, true
	}
	start, firstKey := len(p.scratch), len(p.keys)
	for {
		p.space()
		if p.at >= len(p.data) || p.data[p.at] != '"' {
			return node{}, false
		}
		key, ok := p.str()
		if !ok {
			return node{}, false
		}
		p.space()
		if p.at >= len(p.data) || p.data[p.at] != ':' {
			return node{}, false
		}
		p.at++
		p.keys = append(p.keys, key)
		v, ok := p.value(depth + 1)
		if !ok {
			return node{}, false
		}
		p.scratch = append(p.scratch, v)
		end, ok := p.next('}')
		if !ok {
			return node{}, false
		}
		if end {
			n := node{kind: objectNode, keys: slices.Clone(p.keys[firstKey:]), items: slices.Clone(p.scratch[start:])}
			p.scratch, p.keys = p.scratch[:start], p.keys[:firstKey]
			return n, true
		}
	}
}

// next reads the comma or the closing bracket behind a value.
func (p *reader) next(closing byte) (end, ok bool) {
	p.space()
	if p.at >= len(p.data) {
		return false, false
	}
	c := p.data[p.at]
	p.at++
	return c == closing, c == closing || c == ','
}

// skip passes over a value that is nested too deep, checking brackets only.
func (p *reader) skip() bool {
	depth := 0
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case '[', '{':
			depth++
			p.at++
		case ']', '}':
			depth--
			p.at++
			if depth == 0 {
				return true
			}
		case '"':
			if _, ok := p.str(); !ok {
				return false
			}
		default:
			p.at++
		}
	}
	return false
}

// get returns the value of a key, in kebab, snake or upper case; the last one
// wins where a key repeats.
func (n *node) get(key string) *node {
	if n == nil || n.kind != objectNode {
		return nil
	}
	for i := len(n.keys) - 1; i >= 0; i-- {
		if n.keys[i] == key {
			return &n.items[i]
		}
	}
	for i := len(n.keys) - 1; i >= 0; i-- {
		if kebab(n.keys[i]) == key {
			return &n.items[i]
		}
	}
	return nil
}

// has reports whether a key exists with a value other than null.
func (n *node) has(key string) bool {
	v := n.get(key)
	return v != nil && v.kind != nullNode
}

func (n *node) isString() bool { return n != nil && n.kind == stringNode }
func (n *node) isNumber() bool { return n != nil && n.kind == numberNode }
func (n *node) isArray() bool  { return n != nil && n.kind == arrayNode }
func (n *node) isObject() bool { return n != nil && n.kind == objectNode }
func (n *node) isNull() bool   { return n == nil || n.kind == nullNode }

// str returns the text of a string node, else "".
func (n *node) str() string {
	if n.isString() {
		return n.text
	}
	return ""
}

// kebab normalises operator and key names: very old rows have them in upper or
// snake case.
func kebab(s string) string {
	for i := range len(s) {
		if c := s[i]; c == '_' || c >= 'A' && c <= 'Z' {
			return strings.ReplaceAll(strings.ToLower(s), "_", "-")
		}
	}
	return s
}

// write puts a node back into JSON, for native texts that are no string.
func (n *node) write(b *strings.Builder) {
	switch n.kind {
	case nullNode:
		b.WriteString("null")
	case boolNode, numberNode:
		b.WriteString(n.text)
	case stringNode:
		writeString(b, n.text)
	case arrayNode:
		b.WriteByte('[')
		for i := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			n.items[i].write(b)
		}
		b.WriteByte(']')
	case objectNode:
		b.WriteByte('{')
		for i := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, n.keys[i])
			b.WriteByte(':')
			n.items[i].write(b)
		}
		b.WriteByte('}')
	}
}

func writeString(b *strings.Builder, s string) {
	text, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return
	}
	b.Write(text)
}
