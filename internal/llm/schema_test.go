package llm_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/llm"
)

type inner struct {
	Name  string   `json:"name" max:"5"`
	Parts []string `json:"parts" enum:"a,b" min:"1" max:"2"`
}

type outer struct {
	Count int      `json:"count" desc:"How many." min:"0" max:"9"`
	Share *float64 `json:"share"`
	On    bool     `json:"on"`
	Kind  *string  `json:"kind" enum:"x,y"`
	List  []inner  `json:"list"`
	Skip  string   `json:"-"`
}

func TestSchemaJSON(t *testing.T) {
	const want = `{"type":"object","properties":{` +
		`"count":{"type":"integer","description":"How many. (0 to 9)"},"share":{"type":["number","null"]},"on":{"type":"boolean"},"kind":{"type":["string","null"],"enum":["x","y",null]},` +
		`"list":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string","description":"(at most 5 characters)"},` +
		`"parts":{"type":"array","description":"(1 to 2 elements)","items":{"type":"string","enum":["a","b"]}}},"required":["name","parts"],"additionalProperties":false}}},` +
		`"required":["count","share","on","kind","list"],"additionalProperties":false}`
	s := llm.SchemaOf[outer]("outer")
	if d := cmp.Diff(want, string(s.JSON())); d != "" {
		t.Error(d)
	}
	if !json.Valid(s.JSON()) || s.Unions() != 2 || s.Name() != "outer" {
		t.Errorf("%d unions", s.Unions())
	}
}

func TestSchemaDecode(t *testing.T) {
	s := llm.SchemaOf[outer]("outer")
	const good = `{"count":3,"share":0.5,"on":true,"kind":null,"list":[{"name":"héllo","parts":["a"]}]}`
	var v outer
	if err := s.Decode([]byte(good), &v); err != nil || v.Count != 3 || v.List[0].Name != "héllo" {
		t.Fatalf("%+v, %v", v, err)
	}
	if err := s.Decode([]byte(`{"count":3,"on":true,"list":[]}`), &v); err != nil {
		t.Errorf("what may be null may be missing: %v", err)
	}
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	for name, c := range map[string]struct{ raw, says string }{
		"not JSON":      {`Sure: {"count"`, "no JSON"},
		"empty":         {``, "no JSON"},
		"null":          {`null`, "is null"},
		"array":         {`[]`, "is no object"},
		"missing":       {`{"count":1,"on":true}`, "lacks list"},
		"extra":         {strings.Replace(good, "{", `{"evil":1,`, 1), `property "evil"`},
		"twice":         {strings.Replace(good, "{", `{"count":1,`, 1), "has count twice"},
		"case":          {strings.Replace(good, "count", "Count", 1), `property "Count"`},
		"fraction":      {strings.Replace(good, "3", "3.5", 1), "is no integer"},
		"too much":      {strings.Replace(good, "3", "10", 1), "is more than 9"},
		"too little":    {strings.Replace(good, "3", "-1", 1), "is less than 0"},
		"huge":          {strings.Replace(good, "3", "1e999", 1), "usable size"},
		"string number": {strings.Replace(good, "3", `"3"`, 1), "is no number"},
		"no bool":       {strings.Replace(good, "true", `"yes"`, 1), "neither true nor false"},
		"no enum":       {strings.Replace(good, `"kind":null`, `"kind":"z"`, 1), "none of x, y"},
		"long":          {strings.Replace(good, "héllo", "héllo!", 1), "6 characters, more than 5"},
		"few":           {strings.Replace(good, `["a"]`, `[]`, 1), "0 elements, fewer than 1"},
		"inner enum":    {strings.Replace(good, `["a"]`, `["c"]`, 1), "list[0].parts[0]"},
		"after":         {good + " and more", "follows"},
		"deep":          {deep, "too deep"},
	} {
		err := s.Decode([]byte(c.raw), &v)
		p := llm.ProblemsOf(err)
		if p == nil || !strings.Contains(p.Error(), c.says) {
			t.Errorf("%s: %v", name, p)
		}
		if text := p.Text().String(); !strings.Contains(text, "shape") {
			t.Errorf("%s: tells the model %q", name, text)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	type noTag struct{ A string }
	type recursive struct {
		Next []recursive `json:"next"`
	}
	type other struct {
		M map[string]string `json:"m"`
	}
	type empty struct {
		A string `json:"a,omitempty"`
	}
	type numberEnum struct {
		A int `json:"a" enum:"1,2"`
	}
	for name, s := range map[string]llm.Schema{
		"no tag": llm.SchemaOf[noTag]("x"), "recursive": llm.SchemaOf[recursive]("x"), "map": llm.SchemaOf[other]("x"), "options": llm.SchemaOf[empty]("x"),
		"enum of numbers": llm.SchemaOf[numberEnum]("x"), "no object": llm.SchemaOf[string]("x"), "misnamed": llm.SchemaOf[inner]("a b"),
	} {
		if s.JSON() != nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzSchemaDecode(f *testing.F) {
	f.Add(`{"count":3,"share":0.5,"on":true,"kind":"x","list":[{"name":"a","parts":["a"]}]}`)
	f.Add(`{"count":`)
	s := llm.SchemaOf[outer]("outer")
	f.Fuzz(func(t *testing.T, raw string) {
		var v outer
		if s.Decode([]byte(raw), &v) == nil && (v.Count < 0 || v.Count > 9 || !json.Valid([]byte(raw))) {
			t.Errorf("taken: %s", raw)
		}
	})
}
