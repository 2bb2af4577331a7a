package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
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

var updateSQL = flag.Bool("update-sql", false, "write what the sql commands answer into the golden files")

type sqlRun func(context.Context, app.Env, app.SQLOptions) error

func lines(t *testing.T, run sqlRun, in io.Reader, o app.SQLOptions) string {
	t.Helper()
	var out bytes.Buffer
	o.JSONL = true
	if err := run(context.Background(), app.Env{Stdin: in, Stdout: &out, Stderr: io.Discard}, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestSQLGolden compares answers with golden files and with the published
// schemas.
func TestSQLGolden(t *testing.T) {
	for name, run := range map[string]sqlRun{"inspect": app.SQLInspect, "canonical": app.SQLCanonical} {
		t.Run(name, func(t *testing.T) {
			schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schema", "sql-"+name+".v1.json"))
			if err != nil {
				t.Fatal(err)
			}
			requests, err := os.ReadFile(filepath.Join("testdata", "sql", "requests.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			got := lines(t, run, bytes.NewReader(requests), app.SQLOptions{})
			if asked, answered := bytes.Count(requests, []byte("\n")), strings.Count(got, "\n"); asked != answered {
				t.Errorf("%d answers to %d lines", answered, asked)
			}
			for line := range strings.Lines(got) {
				answer, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
				if err != nil {
					t.Fatal(err)
				}
				if err := schema.Validate(answer); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
			golden := filepath.Join("testdata", "sql", name+".golden")
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
		})
	}
}

// TestSQLTroubleIsSaidInTheWordsOfTheRequest: a line that is none is answered
// without the names of our types, and a byte order mark is no trouble.
func TestSQLTroubleIsSaidInTheWordsOfTheRequest(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"\ufeff" + `{"id":1,"dialect":"postgres","sql":""}`, `"id":1,"dialect_used":"postgres"`},
		{`[]`, `"bad_json","message":"the line is not a request: it must be an object, not of type array"`},
		{`{"id":1,"dialect":5,"sql":"x"}`, `{"id":1,"errors":[{"code":"bad_json","message":"the line is not a request: dialect must be a string, not of type number"`},
		{`{"sql":["x"]}`, `sql must be a string, not of type array`},
		{`{"sql":"x","schema":{"tables":3}}`, `"bad_schema","message":"the schema is not one: tables must be a list, not of type number"`},
		{`{"sql":"x"`, `unexpected end of JSON input`},
	} {
		if got := lines(t, app.SQLInspect, strings.NewReader(c.line+"\n"), app.SQLOptions{}); !strings.Contains(got, c.want) || strings.Contains(got, "Go ") {
			t.Errorf("%s: answered %s want %s", c.line, got, c.want)
		}
	}
}

func TestSQLLinesKeepTheirOrder(t *testing.T) {
	var in strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&in, `{"id":"%d","dialect":"postgres","sql":"SELECT a%d FROM t%s"}`+"\n", i, i, strings.Repeat(" WHERE a IN (1)", i%2))
	}
	got := lines(t, app.SQLInspect, strings.NewReader(in.String()), app.SQLOptions{})
	i := 0
	for line := range strings.Lines(got) {
		var answer struct{ ID string }
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.ID != fmt.Sprint(i) {
			t.Fatalf("answer %d is that of %s", i, answer.ID)
		}
		i++
	}
	if i != 2000 {
		t.Errorf("%d answers", i)
	}
}

func TestSQLTooLargeIsSaidAndWorkGoesOn(t *testing.T) {
	in := `{"id":"a","dialect":"postgres","sql":"` + strings.Repeat("x", sqllens.MaxSize+1) + "\"}\n" + `{"id":"b","dialect":"postgres","sql":"SELECT 1"}`
	for _, run := range []sqlRun{app.SQLInspect, app.SQLCanonical} {
		got := strings.Split(strings.TrimSpace(lines(t, run, strings.NewReader(in), app.SQLOptions{})), "\n")
		if len(got) != 2 || !strings.Contains(got[0], `"too_large"`) || !strings.HasPrefix(got[0], `{"id":"a","errors"`) || !strings.HasPrefix(got[1], `{"id":"b","dialect_used"`) {
			t.Errorf("%.200s", got)
		}
	}
}

// TestSQLAnswersEachLineAtOnce sends a line and waits for its answer before the
// next, as a program does that keeps the command running.
func TestSQLAnswersEachLineAtOnce(t *testing.T) {
	in, send := io.Pipe()
	receive, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- app.SQLInspect(context.Background(), app.Env{Stdin: in, Stdout: out, Stderr: io.Discard}, app.SQLOptions{JSONL: true})
	}()
	answers := bufio.NewReader(receive)
	for i := range 3 {
		if _, err := fmt.Fprintf(send, "{\"id\":\"%d\",\"sql\":\"SELECT 1\"}\n", i); err != nil {
			t.Fatal(err)
		}
		line, err := answers.ReadString('\n')
		if err != nil || !strings.Contains(line, fmt.Sprintf(`"id":"%d"`, i)) {
			t.Fatalf("%q %v", line, err)
		}
	}
	if err := send.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestSQLSchemaFileServesLinesWithoutOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, []byte(`{"tables":[{"schema":"s","name":"t","columns":["a","b"]}],"default_schema":"s"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	in := `{"dialect":"postgres","sql":"SELECT * FROM t"}` + "\n" + `{"dialect":"postgres","sql":"SELECT * FROM t","schema":{"tables":[{"name":"t","columns":["c"]}]}}`
	got := strings.Split(lines(t, app.SQLInspect, strings.NewReader(in), app.SQLOptions{Schema: file}), "\n")
	if !strings.Contains(got[0], `"name":"b"`) || !strings.Contains(got[0], `"schema":"s"`) {
		t.Errorf("the file's schema is not used: %s", got[0])
	}
	if !strings.Contains(got[1], `"name":"c"`) || strings.Contains(got[1], `"name":"b"`) {
		t.Errorf("the line's schema is not used: %s", got[1])
	}
}
