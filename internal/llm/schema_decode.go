package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mask"
)

// maxProblems is how many problems of an answer are told.
const maxProblems = 20

// Problems are what is wrong with a model's JSON.
type Problems []string

// Text says it to the model, which may then try again. It repeats names that the
// model used and nothing from elsewhere.
func (p Problems) Text() mask.Text {
	return mask.FromModel("The JSON has not the shape that was asked for:\n- " + strings.Join(p, "\n- "))
}

// Error implements error, for logs.
func (p Problems) Error() string { return strings.Join(p, "; ") }

// Decode reads JSON that a model wrote into a value of the type that the schema
// was read off. JSON that has not the schema's shape is errs.Unavailable (code
// model_output) and holds [Problems].
func (s Schema) Decode(raw []byte, into any) error {
	problems := s.validate(raw)
	if len(problems) == 0 {
		if err := json.Unmarshal(raw, into); err != nil {
			problems = Problems{"it does not fit: " + Plain(err.Error())}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return errs.Wrap(problems, errs.Unavailable, CodeOutput, "The model's answer has not the form that was asked for.",
		"Try again. If it repeats, choose another model: small ones often cannot do this.")
}

// Decode reads the arguments of a call of the tool, as [Schema.Decode] does.
func (t Tool) Decode(call ToolCall, into any) error {
	return t.Input.Decode([]byte(call.Args.String()), into)
}

// ProblemsOf returns what was wrong with a model's JSON, nil for other errors.
func ProblemsOf(err error) Problems {
	var p Problems
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// validate lists how raw differs from the schema.
func (s Schema) validate(raw []byte) Problems {
	if !s.isObject() {
		return Problems{"there is no schema"}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	value, err := ordered(d, 0)
	if err != nil {
		return Problems{"it is no JSON: " + Plain(err.Error())}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Problems{"something follows the JSON"}
	}
	var p Problems
	s.root.check(value, "the answer", &p)
	return p
}

// member is a property of an object as it stood in the text.
type member struct {
	name  string
	value any
}

// maxNesting bounds how deep a model's JSON may nest, whatever was asked for.
const maxNesting = 32

// ordered reads a value and keeps objects as lists of members, so that a name
// that stands twice is seen.
func ordered(d *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, errors.New("it nests too deep")
	}
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		members := []member{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := ordered(d, depth+1)
			if err != nil {
				return nil, err
			}
			members = append(members, member{fmt.Sprint(name), value})
		}
		_, err := d.Token()
		return members, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			value, err := ordered(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := d.Token()
		return list, err
	}
	return tok, nil
}

func (n *node) check(v any, at string, p *Problems) {
	say := func(format string, args ...any) {
		if len(*p) < maxProblems {
			*p = append(*p, at+" "+fmt.Sprintf(format, args...))
		}
	}
	if v == nil {
		if !n.nullable {
			say("is null and must not be")
		}
		return
	}
	switch n.kind {
	case kindObject:
		members, ok := v.([]member)
		if !ok {
			say("is no object")
			return
		}
		n.checkMembers(members, at, p, say)
	case kindArray:
		list, ok := v.([]any)
		if !ok {
			say("is no array")
			return
		}
		n.checkSize(int64(len(list)), "elements", say)
		for i, item := range list {
			n.items.check(item, at+"["+strconv.Itoa(i)+"]", p)
		}
	case kindString:
		s, ok := v.(string)
		if !ok {
			say("is no string")
			return
		}
		n.checkSize(int64(utf8.RuneCountInString(s)), "characters", say)
		n.checkEnum(s, say)
	case kindBoolean:
		if _, ok := v.(bool); !ok {
			say("is neither true nor false")
		}
	case kindInteger, kindNumber:
		number, ok := v.(json.Number)
		if !ok {
			say("is no number")
			return
		}
		n.checkNumber(number, say)
	}
}

func (n *node) checkMembers(members []member, at string, p *Problems, say func(string, ...any)) {
	seen := map[string]bool{}
	for _, m := range members {
		var of *node
		for _, have := range n.props {
			if have.name == m.name {
				of = have.node
			}
		}
		switch {
		case of == nil:
			say("has the property %q, which there is not", Plain(m.name))
		case seen[m.name]:
			say("has %s twice", m.name)
		default:
			of.check(m.value, at+"."+m.name, p)
		}
		seen[m.name] = true
	}
	for _, want := range n.props {
		if !seen[want.name] && !want.node.nullable {
			say("lacks %s", want.name)
		}
	}
}

func (n *node) checkSize(size int64, unit string, say func(string, ...any)) {
	if n.min != nil && size < *n.min {
		say("has %d %s, fewer than %d", size, unit, *n.min)
	}
	if n.max != nil && size > *n.max {
		say("has %d %s, more than %d", size, unit, *n.max)
	}
}

func (n *node) checkEnum(s string, say func(string, ...any)) {
	if len(n.enum) == 0 {
		return
	}
	for _, v := range n.enum {
		if v == s {
			return
		}
	}
	say("is none of %s", strings.Join(n.enum, ", "))
}

func (n *node) checkNumber(number json.Number, say func(string, ...any)) {
	f, err := number.Float64()
	switch {
	case err != nil:
		say("is no number of a usable size")
		return
	case n.kind == kindInteger && (f != math.Trunc(f) || math.Abs(f) > 1<<53):
		say("is no integer")
		return
	}
	if n.min != nil && f < float64(*n.min) {
		say("is less than %d", *n.min)
	}
	if n.max != nil && f > float64(*n.max) {
		say("is more than %d", *n.max)
	}
}
