package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/metalens/metalens/internal/app"
)

func classifyLines(t *testing.T, in string) []string {
	t.Helper()
	var out bytes.Buffer
	env := app.Env{Stdin: strings.NewReader(in), Stdout: &out, Stderr: io.Discard}
	if err := app.SensitiveClassify(context.Background(), env, app.SensitiveOptions{JSONL: true}); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// TestSensitiveClassifyAnswersEveryLine: whatever a line holds, it is answered in
// its place, as the published schema says, and work goes on.
func TestSensitiveClassifyAnswersEveryLine(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schema", "sensitive-classify.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ line, want string }{
		{`{"id":1,"table":"users","column":"email"}`, `{"id":1,"sensitive":true,"score":0.97,"category":"contact",`},
		{`{"id":{"a":[1]},"table":"users","column":"email","type":null,"description":null,"semantic_type":null}`, `{"id":{"a":[1]},"sensitive":true`},
		{`{"table":null,"column":"iban"}`, `{"sensitive":true,"score":0.85,"category":"financial"`},
		{`{"id":"x","table":"users"}`, `{"id":"x","errors":[{"code":"missing_column","message":"the request names no column"}]}`},
		{`{"id":"x","column":" "}`, `{"id":"x","errors":[{"code":"missing_column"`},
		{`{"id":"x","column":null}`, `{"id":"x","errors":[{"code":"missing_column"`},
		{`{"id":"x","column":["email"]}`, `{"id":"x","errors":[{"code":"bad_json","message":"the line is not a request: column must be a string, not of type array"}]}`},
		{`{"id":"x","column":"email","type":5}`, `{"id":"x","errors":[{"code":"bad_json","message":"the line is not a request: type must be a string, not of type number"}]}`},
		{`[]`, `{"errors":[{"code":"bad_json"`},
		{`null`, `{"errors":[{"code":"missing_column"`},
		{`{"column":`, `{"errors":[{"code":"bad_json"`},
		{``, `{"errors":[{"code":"bad_json","message":"the line is empty"}]}`},
		{"\x00\x01\xff", `{"errors":[{"code":"bad_json"`},
		{`{"column":"<script>alert(1)</script>\u0000","table":"<b>users</b>"}`, `{"sensitive":false`},
		{`{"column":"` + "\xff\xfe" + `email"}`, `{"sensitive":true`},
		{`{"id":7,"column":"` + strings.Repeat("x", 1<<20) + `"}`, `{"id":7,"errors":[{"code":"too_large","message":"the line is longer than 1 MB"}]}`},
		{`{"column":"` + strings.Repeat("email_", 1<<17) + `"}`, `{"sensitive":`},
		{`{"column":"password"}`, `{"sensitive":true`},
	}
	var in strings.Builder
	for _, test := range tests {
		in.WriteString(test.line + "\n")
	}
	got := classifyLines(t, in.String())
	if len(got) != len(tests) {
		t.Fatalf("%d answers to %d lines", len(got), len(tests))
	}
	for i, test := range tests {
		if !strings.HasPrefix(got[i], test.want) {
			t.Errorf("%.80q: got %s, want %s…", test.line, got[i], test.want)
		}
		answer, err := jsonschema.UnmarshalJSON(strings.NewReader(got[i]))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(answer); err != nil {
			t.Errorf("%s: %v", got[i], err)
		}
	}
}

func TestSensitiveClassifyOneColumn(t *testing.T) {
	var out bytes.Buffer
	env := app.Env{Stdin: strings.NewReader("{\n  \"table\": \"people\",\n  \"column\": \"birth_date\"\n}\n"), Stdout: &out, Stderr: io.Discard}
	if err := app.SensitiveClassify(context.Background(), env, app.SensitiveOptions{}); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Sensitive bool
		Category  string
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if !answer.Sensitive || answer.Category != "demographic" {
		t.Error(out.String())
	}
}
