package llm

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// constant is a text of the source code: only untyped constants convert to it
// outside of this package.
type constant string

// Schema is the shape of a JSON value as the source code states it: of a tool's
// arguments, or of an answer. It is read off a Go type with [SchemaOf], so that
// nothing from outside can stand in it.
//
// What is sent is the part of JSON Schema that every provider takes in its
// strict mode: all properties are required, no others are allowed, and limits
// are told in words. They are enforced here, by [Schema.Decode].
type Schema struct {
	name string
	root *node
	err  error
}

// kind is the type of a JSON value.
type kind string

const (
	kindObject  kind = "object"
	kindArray   kind = "array"
	kindString  kind = "string"
	kindInteger kind = "integer"
	kindNumber  kind = "number"
	kindBoolean kind = "boolean"
)

type node struct {
	kind     kind
	desc     string
	enum     []string // of strings
	min, max *int64   // of numbers the value, of strings the characters, of arrays the elements
	nullable bool
	props    []property
	items    *node
}

type property struct {
	name string
	node *node
}

// maxDepth bounds how deep a schema nests. OpenAI allowed five levels at first, ten later.
const maxDepth = 5

// SchemaOf reads a schema off a struct type. Fields need a json tag; a pointer is
// a value that may be null. Further tags:
//
//	desc:"what it is"      for the model
//	enum:"low,high"        of strings: the values there are
//	min:"1" max:"200"      of numbers the value, of strings the characters, of slices the elements
//
// Fields are structs, slices, strings, booleans, integers and floats. A type that
// cannot be described gives a schema that [Request.Check] refuses.
func SchemaOf[T any](name constant) Schema {
	s := Schema{name: string(name)}
	s.root, s.err = describe(reflect.TypeFor[T](), 0)
	if s.err == nil && (s.root.kind != kindObject || !isName(s.name)) {
		s.err = fmt.Errorf("schema %q is misnamed or no object", s.name)
	}
	return s
}

// Name is the schema's name, for providers that want one.
func (s Schema) Name() string { return s.name }

// Unions counts the values that may be null, which some providers limit.
func (s Schema) Unions() int {
	if s.root == nil {
		return 0
	}
	return s.root.unions()
}

func (n *node) unions() (count int) {
	if n.nullable {
		count++
	}
	if n.items != nil {
		count += n.items.unions()
	}
	for _, p := range n.props {
		count += p.node.unions()
	}
	return count
}

func (s Schema) isObject() bool { return s.err == nil && s.root != nil && s.root.kind == kindObject }

func describe(t reflect.Type, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s nests deeper than %d", t, maxDepth)
	}
	switch t.Kind() {
	case reflect.Pointer:
		n, err := describe(t.Elem(), depth)
		if err != nil {
			return nil, err
		}
		n.nullable = true
		return n, nil
	case reflect.String:
		return &node{kind: kindString}, nil
	case reflect.Bool:
		return &node{kind: kindBoolean}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return &node{kind: kindInteger}, nil
	case reflect.Float32, reflect.Float64:
		return &node{kind: kindNumber}, nil
	case reflect.Slice:
		items, err := describe(t.Elem(), depth+1)
		if err != nil {
			return nil, err
		}
		return &node{kind: kindArray, items: items}, nil
	case reflect.Struct:
		return describeStruct(t, depth)
	default:
		return nil, fmt.Errorf("%s has no place in a schema", t)
	}
}

func describeStruct(t reflect.Type, depth int) (*node, error) {
	n := &node{kind: kindObject}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name == "" || options != "" || !f.IsExported() || f.Anonymous || !isName(name) {
			return nil, fmt.Errorf("%s.%s: a field needs a plain json tag", t, f.Name)
		}
		sub, err := describe(f.Type, depth+1)
		if err != nil {
			return nil, err
		}
		sub.desc = f.Tag.Get("desc")
		if values := f.Tag.Get("enum"); values != "" {
			target := sub
			if sub.kind == kindArray {
				target = sub.items
			}
			if target.kind != kindString {
				return nil, fmt.Errorf("%s.%s: enum is for strings", t, f.Name)
			}
			target.enum = strings.Split(values, ",")
		}
		if sub.min, err = bound(f.Tag.Get("min")); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		if sub.max, err = bound(f.Tag.Get("max")); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		n.props = append(n.props, property{name, sub})
	}
	return n, nil
}

func bound(text string) (*int64, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return &n, err
}

// JSON is the schema as providers take it. Its properties stand in the order of
// the Go type's fields, and it is the same bytes each time, which caches need.
func (s Schema) JSON() json.RawMessage {
	if !s.isObject() {
		return nil
	}
	var b strings.Builder
	s.root.write(&b)
	return json.RawMessage(b.String())
}

func (n *node) write(b *strings.Builder) {
	b.WriteString(`{"type":`)
	if n.nullable {
		b.WriteString(`["` + string(n.kind) + `","null"]`)
	} else {
		b.WriteString(`"` + string(n.kind) + `"`)
	}
	if text := n.words(); text != "" {
		b.WriteString(`,"description":` + quote(text))
	}
	switch n.kind {
	case kindString:
		if len(n.enum) > 0 {
			values := make([]string, 0, len(n.enum)+1)
			for _, v := range n.enum {
				values = append(values, quote(v))
			}
			if n.nullable {
				values = append(values, "null")
			}
			b.WriteString(`,"enum":[` + strings.Join(values, ",") + `]`)
		}
	case kindArray:
		b.WriteString(`,"items":`)
		n.items.write(b)
	case kindObject:
		b.WriteString(`,"properties":{`)
		names := make([]string, 0, len(n.props))
		for i, p := range n.props {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quote(p.name) + ":")
			p.node.write(b)
			names = append(names, quote(p.name))
		}
		b.WriteString(`},"required":[` + strings.Join(names, ",") + `],"additionalProperties":false`)
	case kindInteger, kindNumber, kindBoolean:
	}
	b.WriteByte('}')
}

// words is the description with the limits that are not sent as keywords.
func (n *node) words() string {
	unit := map[kind]string{kindString: " characters", kindArray: " elements"}[n.kind]
	text := n.desc
	add := func(more string) {
		if text != "" {
			text += " "
		}
		text += more
	}
	switch {
	case n.min != nil && n.max != nil:
		add("(" + strconv.FormatInt(*n.min, 10) + " to " + strconv.FormatInt(*n.max, 10) + unit + ")")
	case n.min != nil:
		add("(at least " + strconv.FormatInt(*n.min, 10) + unit + ")")
	case n.max != nil:
		add("(at most " + strconv.FormatInt(*n.max, 10) + unit + ")")
	}
	return text
}

func quote(s string) string {
	raw, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return `""`
	}
	return string(raw)
}
