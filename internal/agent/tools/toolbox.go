package tools

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

// Bounds of what one call takes and gives.
const (
	MaxArguments = 16 << 10 // bytes of arguments
	MaxResult    = 24 << 10 // bytes of a result, about 6,000 tokens
	DefaultPage  = 20       // rows of a page where none are asked for
	MaxPage      = 50       // rows of a page
)

// Definition is a tool as models and MCP clients are told of it. All are
// read-only.
type Definition struct {
	Name        string
	Title       string // for people
	Description mask.Text
	Input       llm.Schema
	Output      json.RawMessage // JSON Schema of the result
}

// Result is the answer of one call.
type Result struct {
	Text    mask.Text // what the model gets: JSON, or what is wrong with its call
	IsError bool
	Words   string        // for people, in the reader's own words: "Searched for “revenue”: 12 found"
	Refs    []catalog.Ref // assets and columns the result told of
	Code    string        // of an error
}

// tool is a definition with what it does.
type tool struct {
	Definition
	call func(ctx context.Context, c *call, given map[string]json.RawMessage) (any, error)
}

// call is one call with what it needs.
type call struct {
	*Lens
	box   *Toolbox
	words string
}

// say sets what people are told about the call.
func (c *call) say(words string) { c.words = words }

// define makes a tool of a typed function. input is the schema of In. Texts in the
// arguments are unmasked before it runs.
func define[In, Out any](name, title string, input llm.Schema, description mask.Text, run func(context.Context, *call, In) (Out, error)) (tool, error) {
	out, err := shapeOf(reflect.TypeFor[Out]())
	if err != nil {
		return tool{}, err
	}
	return tool{
		Definition: Definition{Name: name, Title: title, Description: description, Input: input, Output: out},
		call: func(ctx context.Context, c *call, given map[string]json.RawMessage) (any, error) {
			raw, err := complete(given, reflect.TypeFor[In]())
			if err != nil {
				return nil, err
			}
			var args In
			if err := input.Decode(raw, &args); err != nil {
				return nil, wrongArguments(llm.ProblemsOf(err))
			}
			unmask(reflect.ValueOf(&args).Elem(), c.Conv.Unmask)
			return run(ctx, c, args)
		},
	}, nil
}

// argumentsError is what is wrong with a call's arguments, in words that repeat
// nothing but what the model wrote.
type argumentsError struct{ text mask.Text }

func (e *argumentsError) Error() string { return e.text.String() }

func wrongArguments(p llm.Problems) error {
	return errs.Wrap(&argumentsError{p.Text()}, errs.Invalid, "arguments", "The arguments do not fit.", "")
}

// complete adds null for optional arguments that a model left out: providers
// without a strict mode let it.
func complete(given map[string]json.RawMessage, in reflect.Type) ([]byte, error) {
	for f := range in.Fields() {
		name := f.Tag.Get("json")
		if _, ok := given[name]; !ok && f.Type.Kind() == reflect.Pointer {
			given[name] = json.RawMessage("null")
		}
	}
	raw, err := json.Marshal(given)
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "arguments", "The arguments do not fit.", "")
	}
	return raw, nil
}

// unmask turns placeholders in the texts of arguments back.
func unmask(v reflect.Value, back func(string) string) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(back(v.String()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			unmask(v.Field(i), back)
		}
	case reflect.Slice:
		for i := range v.Len() {
			unmask(v.Index(i), back)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			unmask(v.Elem(), back)
		}
	}
}

// Config says for whom a toolbox is opened.
type Config struct {
	Backend    Backend
	Org        store.OrgID
	Connection store.ConnectionID
	// Conversation masks; its placeholders are those of the whole exchange.
	Conversation *mask.Conversation
	// Only names the tools offered; empty offers all.
	Only []string
}

// Toolbox answers a model's calls about one connection. One goroutine at a time
// may use it.
type Toolbox struct {
	config Config
	tools  []tool
	lens   *Lens // of the last call's world
}

// New opens a toolbox.
func New(c Config) (*Toolbox, error) {
	all, err := every()
	if err != nil {
		return nil, err
	}
	if len(c.Only) > 0 {
		all = slices.DeleteFunc(all, func(t tool) bool { return !slices.Contains(c.Only, t.Name) })
	}
	return &Toolbox{config: c, tools: all}, nil
}

// every lists the tools in the order in which models are told of them.
func every() ([]tool, error) {
	var list []tool
	var trouble error
	add := func(t tool, err error) { list, trouble = append(list, t), errors.Join(trouble, err) }
	add(scanTool())
	add(searchTool())
	add(assetTool())
	add(listTool())
	add(lineageTool())
	add(impactTool())
	add(findingsTool())
	add(findingTool())
	add(duplicatesTool())
	add(compareTool())
	add(metricsTool())
	add(changesTool())
	add(checkSQLTool())
	return list, trouble
}

// Definitions lists what is offered.
func (b *Toolbox) Definitions() []Definition {
	out := make([]Definition, len(b.tools))
	for i, t := range b.tools {
		out[i] = t.Definition
	}
	return out
}

// Title names a tool for people; empty for an unknown one.
func (b *Toolbox) Title(name string) string {
	for _, t := range b.tools {
		if t.Name == name {
			return t.Title
		}
	}
	return ""
}

// Lens returns the reader's view with the conversation's mask.
func (b *Toolbox) Lens(ctx context.Context) (*Lens, error) {
	w, err := b.config.Backend.World(ctx, b.config.Org, b.config.Connection)
	if err != nil {
		return nil, err
	}
	if b.lens == nil || b.lens.World != w {
		b.lens = NewLens(w, b.config.Conversation)
	}
	return b.lens, nil
}

// Call runs a tool. What is wrong with the call, or cannot be had, is a result
// that says so; an error means that the whole exchange cannot go on: the context
// ended, or something broke.
func (b *Toolbox) Call(ctx context.Context, name string, args json.RawMessage) (Result, error) {
	i := slices.IndexFunc(b.tools, func(t tool) bool { return t.Name == name })
	if i < 0 {
		return Result{
			IsError: true, Code: "unknown_tool", Words: "Asked for something that does not exist",
			Text: mask.Constant("There is no such tool. Use one of those that were given."),
		}, nil
	}
	t := b.tools[i]
	given, err := arguments(args)
	if err != nil {
		return failed(t, err), nil
	}
	lens, err := b.Lens(ctx)
	if err != nil {
		return b.refused(ctx, t, err)
	}
	lens.Restart()
	c := &call{Lens: lens, box: b, words: t.Title}
	out, err := t.call(ctx, c, given)
	if err != nil {
		return b.refused(ctx, t, err)
	}
	text, err := mask.JSON(out)
	if err != nil {
		return Result{}, err
	}
	if len(text.String()) > MaxResult {
		return failed(t, errs.New(errs.Limited, "too_large", "The answer is too large.", "Ask for fewer rows, or for one asset.")), nil
	}
	return Result{Text: text, Words: c.words, Refs: lens.Told()}, nil
}

// refused tells failures that the model can act on from those that end the run.
func (b *Toolbox) refused(ctx context.Context, t tool, err error) (Result, error) {
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	switch errs.KindOf(err) {
	case errs.Invalid, errs.NotFound, errs.Conflict, errs.Limited:
		return failed(t, err), nil
	case errs.Forbidden, errs.Unauthorized:
		return failed(t, errs.New(errs.Forbidden, "not_allowed", "The reader may not see this.", "Answer without it, and say so.")), nil
	default:
		return Result{}, err
	}
}

// failed tells the model what is wrong. Public texts can quote what the caller
// wrote, which is the model's own, and names: they are known by code instead.
func failed(t tool, err error) Result {
	r := Result{IsError: true, Code: errs.CodeOf(err), Words: t.Title + ": not possible"}
	if wrong := (*argumentsError)(nil); errors.As(err, &wrong) {
		r.Text = wrong.text
		return r
	}
	switch r.Code {
	case "arguments":
		r.Text = mask.Constant("The arguments do not fit the schema of this tool. Use exactly the properties it names, with values of the types it gives.")
	case "unknown_reference", "not_found":
		r.Text = mask.Constant("There is no such asset, or the reader may not see it. Find it with search_assets and use the ref given there.")
	case "ambiguous_reference":
		r.Text = mask.Constant("Several assets answer to that name. Find the one you mean with search_assets and use its ref.")
	case "change":
		r.Text = mask.Constant("Only a column has a type that can change. Ask for drop or rename, or name a column.")
	case "too_large":
		r.Text = mask.Constant("The answer is too large. Ask for fewer rows, or for one asset.")
	case "not_allowed":
		r.Text = mask.Constant("The reader may not see this. Answer without it, and say so.")
	case "no_sql":
		r.Text = mask.Constant("There is no SQL to compare or check. Give one statement of at most 100,000 characters.")
	case "unknown_database":
		r.Text = mask.Constant("There is no such database. Give the ref of one, for example database:1; list_assets with kind database lists them.")
	default:
		r.Text = mask.Constant("This cannot be answered. Try another tool or other arguments.")
	}
	return r
}

// arguments are the JSON of a call; nothing stands for an empty object.
func arguments(raw json.RawMessage) (map[string]json.RawMessage, error) {
	trimmed := bytes.TrimSpace(raw)
	given := map[string]json.RawMessage{}
	if len(trimmed) == 0 || bytes.Equal(trimmed, []byte("null")) {
		return given, nil
	}
	if len(trimmed) > MaxArguments {
		return nil, errs.New(errs.Invalid, "arguments", "The arguments are too long.", "")
	}
	if err := json.Unmarshal(trimmed, &given); err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "arguments", "The arguments are not a JSON object.", "")
	}
	return given, nil
}

// Page says which rows a result holds out of how many.
type Page struct {
	Total  int  `json:"total" desc:"how many there are in all"`
	Offset int  `json:"offset" desc:"rows before the first one given"`
	More   bool `json:"more" desc:"further rows follow; ask again with offset plus the rows given"`
}

// window bounds what a model asks for.
func window(limit, offset *int) (l, o int) {
	return max(1, min(cmp.Or(value(limit), DefaultPage), MaxPage)), max(0, value(offset))
}

// value of an optional argument; its zero where it was left out.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// pageOf cuts a page from a list that is known in full.
func pageOf[T any](list []T, limit, offset *int) ([]T, Page) {
	size, from := window(limit, offset)
	start := min(from, len(list))
	end := min(len(list), start+size)
	return list[start:end], Page{Total: len(list), Offset: from, More: end < len(list)}
}

// kinds reads names of asset kinds; unknown ones are an error.
func kinds(names []string) ([]catalog.Kind, error) {
	var out []catalog.Kind
	for _, n := range names {
		k := catalog.Kind(strings.ToLower(strings.TrimSpace(n)))
		if !slices.Contains(catalog.Kinds(), k) {
			return nil, errs.New(errs.Invalid, "arguments", "There is no such kind of asset.", "")
		}
		out = append(out, k)
	}
	return out, nil
}
