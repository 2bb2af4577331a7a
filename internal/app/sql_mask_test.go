package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/sqllens"
)

func maskWithMap(ctx context.Context, env app.Env, o app.SQLOptions) error {
	return app.SQLMask(ctx, env, app.SQLMaskOptions{SQLOptions: o, WithMap: true})
}

func validate(t *testing.T, name, answers string) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schema", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(answers) {
		answer, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(answer); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestSQLMaskGolden compares answers with a golden file and the published
// schemas, and turns every one back byte for byte.
func TestSQLMaskGolden(t *testing.T) {
	requests, err := os.ReadFile(filepath.Join("testdata", "sql", "mask_requests.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	got := lines(t, maskWithMap, bytes.NewReader(requests), app.SQLOptions{})
	validate(t, "sql-mask.v1.json", got)
	golden := filepath.Join("testdata", "sql", "mask.golden")
	if *updateSQL {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	back := lines(t, app.SQLUnmask, strings.NewReader(got), app.SQLOptions{})
	validate(t, "sql-unmask.v1.json", back)
	asked, answered := strings.Split(strings.TrimSpace(string(requests)), "\n"), strings.Split(strings.TrimSpace(back), "\n")
	if len(asked) != len(answered) {
		t.Fatalf("%d answers to %d lines", len(answered), len(asked))
	}
	for i := range asked {
		var in, out struct {
			SQL    *string
			Errors []sqllens.Problem
		}
		_ = json.Unmarshal([]byte(asked[i]), &in) // some are no requests
		if err := json.Unmarshal([]byte(answered[i]), &out); err != nil {
			t.Fatal(err)
		}
		if in.SQL != nil && out.SQL != nil && *in.SQL != *out.SQL {
			t.Errorf("%s comes back as %s", *in.SQL, *out.SQL)
		}
	}
	without := lines(t, func(ctx context.Context, env app.Env, o app.SQLOptions) error {
		return app.SQLMask(ctx, env, app.SQLMaskOptions{SQLOptions: o})
	}, bytes.NewReader(requests), app.SQLOptions{})
	validate(t, "sql-mask.v1.json", without)
	if strings.Contains(without, `"map":`) || strings.Contains(without, "hunter2") {
		t.Errorf("without --with-map: %s", without)
	}
}

// TestSQLUnmaskRefuses goes through requests that cannot be turned back.
func TestSQLUnmaskRefuses(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"id":1}`, `{"id":1,"errors":[{"code":"missing_masked"`},
		{`{"id":1,"masked":"x"}`, `"missing_map"`},
		{`{"masked":"x","map":[{"placeholder":"x","original":"y","class":"string"}]}`, `"bad_map"`},
		{`{"masked":"x","map":[{"placeholder":"<string1>","original":"a","class":"string"},{"placeholder":"<string1>","original":"b","class":"string"}]}`, `"bad_map"`},
		{`{"masked":5,"map":[]}`, `masked must be a string`},
		{`oops`, `"bad_json"`},
		{`{"masked":"<string1> <string2>","map":[{"placeholder":"<string1>","original":"a","class":"string"}]}`, `"sql":"a <string2>"`},
	} {
		if got := lines(t, app.SQLUnmask, strings.NewReader(c.line+"\n"), app.SQLOptions{}); !strings.Contains(got, c.want) {
			t.Errorf("%s: answered %s want %s", c.line, got, c.want)
		}
	}
}

// TestSQLMaskTakesOneText masks a text that comes without a line around it.
func TestSQLMaskTakesOneText(t *testing.T) {
	var masked, back bytes.Buffer
	sql := "SELECT 'hunter2' FROM t -- ü"
	if err := maskWithMap(context.Background(), app.Env{Stdin: strings.NewReader(sql), Stdout: &masked, Stderr: io.Discard}, app.SQLOptions{Dialect: "postgres"}); err != nil {
		t.Fatal(err)
	}
	if err := app.SQLUnmask(context.Background(), app.Env{Stdin: &masked, Stdout: &back, Stderr: io.Discard}, app.SQLOptions{}); err != nil {
		t.Fatal(err)
	}
	var out struct{ SQL string }
	if err := json.Unmarshal(back.Bytes(), &out); err != nil || out.SQL != sql {
		t.Errorf("%v: came back as %q", err, out.SQL)
	}
	large := lines(t, maskWithMap, strings.NewReader(`{"id":"a","sql":"`+strings.Repeat("x", sqllens.MaxSize+1)+`"}`), app.SQLOptions{})
	if !strings.Contains(large, `"too_large"`) {
		t.Errorf("answered %.200s", large)
	}
	if got := lines(t, maskWithMap, strings.NewReader("{\"sql\":\"\xff\"}"), app.SQLOptions{}); !strings.Contains(got, `"not_utf8"`) {
		t.Errorf("answered %s", got)
	}
}
