package ddl_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/metalens/metalens/internal/impact/ddl"
	"github.com/metalens/metalens/internal/sqllens"
)

// TestScripts reads each script of testdata: a case is a pair of NAME.sql and
// NAME.want, in the dialect that the file is called after.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range files {
		dialect, ok := sqllens.ParseDialect(strings.TrimSuffix(filepath.Base(path), ".txtar"))
		if !ok {
			t.Fatalf("%s is named after no dialect", path)
		}
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(archive.Files); i += 2 {
			in, want := archive.Files[i], archive.Files[i+1]
			name := strings.TrimSuffix(in.Name, ".sql")
			if want.Name != name+".want" {
				t.Fatalf("%s: %s is followed by %s", path, in.Name, want.Name)
			}
			t.Run(string(dialect)+"/"+name, func(t *testing.T) {
				got := describe(ddl.Read(string(in.Data), dialect))
				if diff := cmp.Diff(strings.TrimSpace(string(want.Data)), strings.TrimSpace(got)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

func describe(s ddl.Script) string {
	var b strings.Builder
	for _, o := range s.Operations {
		fmt.Fprintf(&b, "%d %s %s", o.Line, o.Action, o.Table)
		if o.To.Table != "" {
			fmt.Fprintf(&b, " -> %s", o.To)
		}
		if o.Column != "" {
			fmt.Fprintf(&b, " . %s", o.Column)
		}
		if o.Text != "" {
			fmt.Fprintf(&b, " = %s", o.Text)
		}
		for i, c := range o.Columns {
			sep := ", "
			if i == 0 {
				sep = " columns "
			}
			b.WriteString(strings.TrimRight(sep+c.Name+" "+c.Type, " "))
		}
		if o.Query != "" {
			fmt.Fprintf(&b, " query %s", strings.Join(strings.Fields(o.Query), " "))
		}
		if o.New {
			b.WriteString(" new")
		}
		b.WriteString("\n")
	}
	for _, k := range s.Skipped {
		fmt.Fprintf(&b, "%d skipped: %s\n", k.Line, k.Reason)
	}
	return b.String()
}

func TestDialectOfAText(t *testing.T) {
	for sql, want := range map[string]sqllens.Dialect{
		"alter table a drop column b":               sqllens.Generic,
		"ALTER TABLE [dbo].[a] DROP COLUMN [b]":     sqllens.TSQL,
		"alter table a drop column b\nGO\nselect 1": sqllens.TSQL,
		"EXEC sp_rename 'a', 'b'":                   sqllens.TSQL,
	} {
		if got := ddl.Dialect(sql); got != want {
			t.Errorf("%q: %s, want %s", sql, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"alter table a drop column b, rename c to d", "ALTER TABLE", "drop table", "exec sp_rename", "create view v (a) as select", "((((", "alter table t modify (a", "-- x",
		"exec sp_rename @objname = ", "alter table t replace columns (", "alter schema a transfer b::c", "if exists (select) drop",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, d := range []sqllens.Dialect{sqllens.Generic, sqllens.TSQL, sqllens.MySQL} {
			s := ddl.Read(sql, d)
			for _, o := range s.Operations {
				if o.Line < 1 || o.Action == "" {
					t.Fatalf("operation %+v", o)
				}
			}
		}
	})
}
