package sqllens_test

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/metalens/metalens/internal/sqllens"
)

var update = flag.Bool("update", false, "write what the engine answers into the cases")

// TestCases runs testdata/<dialect>/<feature>.txtar. A case is a name, the SQL
// and what is expected of it:
//
//	-- name.sql --
//	SELECT …
//	-- name.want --
//	table public.orders read
//	output total < public.orders.total
//	unresolved ambiguous_column id
//	recovered
//
// In qualified.txtar the qualified form is expected instead. schema.json is the schema of all cases of a file. The comment of a file says
// when it holds known gaps.
func TestCases(t *testing.T) {
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txtar" {
			return err
		}
		t.Run(strings.TrimSuffix(filepath.ToSlash(path), ".txtar"), func(t *testing.T) { runCases(t, path) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func runCases(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dialect := filepath.Base(filepath.Dir(path))
	var schema *sqllens.InspectSchema
	wants := map[string]string{}
	for _, f := range archive.Files {
		switch {
		case f.Name == "schema.json":
			if err := json.Unmarshal(f.Data, &schema); err != nil {
				t.Fatal(err)
			}
		case strings.HasSuffix(f.Name, ".want"):
			wants[strings.TrimSuffix(f.Name, ".want")] = string(f.Data)
		}
	}
	var files []txtar.File
	for _, f := range archive.Files {
		name, ok := strings.CutSuffix(f.Name, ".sql")
		if !ok {
			if !strings.HasSuffix(f.Name, ".want") {
				files = append(files, f)
			}
			continue
		}
		answer := sqllens.Inspect(sqllens.InspectRequest{Dialect: dialect, SQL: string(f.Data), Schema: schema, DefaultSchema: "public"})
		got := answerText(answer)
		if filepath.Base(path) == "qualified.txtar" {
			got = answer.QualifiedSQL
		}
		files = append(files, f, txtar.File{Name: name + ".want", Data: []byte(got)})
		if diff := cmp.Diff(wants[name], got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s\n%s", name, diff, f.Data)
		}
	}
	if *update {
		archive.Files = files
		if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// answerText prints an answer line by line.
func answerText(a sqllens.InspectAnswer) string {
	var b strings.Builder
	name := func(t *sqllens.TableRef, column ...string) string {
		var parts []string
		if t == nil {
			parts = append(parts, "?")
		} else {
			for _, p := range []string{t.Catalog, t.Schema, t.Name} {
				if p != "" {
					parts = append(parts, p)
				}
			}
		}
		return strings.Join(append(parts, column...), ".")
	}
	for _, s := range a.Statements {
		if len(a.Statements) > 1 || s.Kind != sqllens.StatementSelect {
			b.WriteString("statement " + string(s.Kind) + "\n")
		}
		var seen []string
		for _, t := range s.Tables {
			line := "table " + name(&t.TableRef) + " " + t.Access
			if !slices.Contains(seen, line) {
				seen = append(seen, line)
				b.WriteString(line + "\n")
			}
		}
		for _, o := range s.Outputs {
			var sources []string
			for _, src := range o.Sources {
				sources = append(sources, name(src.Table, src.Column))
			}
			line := "output " + o.Name
			if o.Target != nil {
				line += " -> " + name(o.Target.Table, o.Target.Column)
			}
			b.WriteString(strings.TrimRight(line+" < "+strings.Join(sources, ", "), " ") + "\n")
		}
		for _, tag := range s.Tags {
			line := "tag " + string(tag.Kind) + " " + tag.Name
			if tag.Optional {
				line += " optional"
			}
			b.WriteString(line + "\n")
		}
	}
	for _, u := range a.Unresolved {
		b.WriteString("unresolved " + u.Reason + " " + u.Detail + "\n")
	}
	if a.Recovered {
		b.WriteString("recovered\n")
	}
	return b.String()
}
