package scaffold_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/check/checktest"
	"github.com/metalens/metalens/internal/checks/gen/scaffold"
)

// module makes an empty module.
func module(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "internal", "checks", "gen"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestNew(t *testing.T) {
	root := module(t)
	if found, err := scaffold.ModuleRoot(filepath.Join(root, "internal", "checks", "gen")); err != nil || found != root {
		t.Errorf("module root %q, %v", found, err)
	}
	files, err := scaffold.New(root, "USE009", "unused-table")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"internal/checks/use/use009_unused_table.go", "internal/checks/use/testdata/USE009.txtar"}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Fatal(diff)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, files[0]), nil, 0); err != nil {
		t.Errorf("the check does not parse: %v", err)
	}
	cases, err := checktest.File(scaffold.CasesPath(root, "USE009"))
	if err != nil || len(cases) != len(checktest.Shows()) {
		t.Errorf("%d cases, %v", len(cases), err)
	}
	if _, err := scaffold.New(root, "DUP004", "near-copy"); err != nil {
		t.Fatal(err)
	}
	list, err := scaffold.List(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`internal/checks/dup"`, `internal/checks/use"`, "dup.DUP004(),\n\t\tuse.USE009(),\n"} {
		if !strings.Contains(string(list), line) {
			t.Errorf("the list lacks %q:\n%s", line, list)
		}
	}
	if err := scaffold.WriteList(root); err != nil {
		t.Fatal(err)
	}
	if written, err := os.ReadFile(scaffold.ListPath(root)); err != nil || string(written) != string(list) {
		t.Errorf("written list differs: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	root := module(t)
	if _, err := scaffold.New(root, "USE009", "unused-table"); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, id, slug, want string }{
		{"taken", "USE009", "another", "exists"},
		{"unknown family", "FOO001", "some-slug", "no check id"},
		{"lower case", "use010", "some-slug", "no check id"},
		{"path", "../001", "some-slug", "no check id"},
		{"slug with a path", "USE010", "../x", "no slug"},
		{"slug in capitals", "USE010", "Unused", "no slug"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := scaffold.New(root, tt.id, tt.slug); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
