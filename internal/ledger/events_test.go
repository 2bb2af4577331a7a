package ledger_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/ledger"
)

var (
	actionWord  = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	auditorFunc = regexp.MustCompile(`(?i)audit|event|record|note`)
)

// written finds the actions that the program writes to the audit log: in
// literals of AuditRow and auth.Event, and in calls of the functions that make
// them.
func written(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || name == "storetest" || name == "webtest" || name == "llmtest" || name == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_templ.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		add := func(e ast.Expr) {
			lit, ok := e.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return
			}
			if s, err := strconv.Unquote(lit.Value); err == nil && actionWord.MatchString(s) {
				found[s] = set.Position(lit.Pos()).String()
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				name := typeName(n.Type)
				if name != "AuditRow" && name != "Event" {
					return true
				}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						if key, ok := kv.Key.(*ast.Ident); ok && (name == "AuditRow" && key.Name == "Action" || name == "Event" && key.Name == "What") {
							add(kv.Value)
						}
					}
				}
			case *ast.CallExpr:
				name := typeName(n.Fun)
				if !auditorFunc.MatchString(name) {
					return true
				}
				for _, arg := range n.Args {
					if lit, ok := arg.(*ast.BasicLit); ok && strings.Contains(lit.Value, "_") || name == "audit" {
						add(arg)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// TestAuditEventsAreAllOfThem compares the catalogue with the code, both ways.
func TestAuditEventsAreAllOfThem(t *testing.T) {
	code := written(t)
	if len(code) < 20 {
		t.Fatalf("only %d actions found in the code", len(code))
	}
	source := everything(t)
	seen := map[string]bool{}
	for _, e := range ledger.AuditEvents() {
		if seen[e.Action] {
			t.Errorf("%s is listed twice", e.Action)
		}
		seen[e.Action] = true
		if !strings.Contains(source, strconv.Quote(e.Action)) {
			t.Errorf("%s is listed and nothing writes it", e.Action)
		}
		if e.Meaning == "" || e.Group == "" || !actionWord.MatchString(e.Action) {
			t.Errorf("got %+v", e)
		}
	}
	for action, where := range code {
		if !seen[action] {
			t.Errorf("%s: %q is written to the audit log and not listed in ledger.AuditEvents", where, action)
		}
	}
}

// everything is the program's source without tests and without the catalogue.
func everything(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_templ.go") || d.Name() == "events_list.go" {
			return err
		}
		text, err := os.ReadFile(path)
		b.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGuideListsEveryAuditEvent keeps the table of the guide current.
func TestGuideListsEveryAuditEvent(t *testing.T) {
	const begin, end = "<!-- events: generated, run METALENS_UPDATE=1 go test ./internal/ledger -->\n", "<!-- end of events -->\n"
	var table strings.Builder
	var groups []string
	for _, e := range ledger.AuditEvents() {
		if !slices.Contains(groups, e.Group) {
			groups = append(groups, e.Group)
		}
	}
	for _, group := range groups {
		_, _ = fmt.Fprintf(&table, "\n### %s\n\n| Action | Meaning |\n| --- | --- |\n", group)
		for _, e := range ledger.AuditEvents() {
			if e.Group == group {
				_, _ = fmt.Fprintf(&table, "| `%s` | %s |\n", e.Action, e.Meaning)
			}
		}
	}
	table.WriteString("\n")
	path := filepath.Join("..", "..", "docs", "guide", "audit.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(raw), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the guide lost its markers")
	}
	want := head + begin + table.String() + end + tail
	if os.Getenv("METALENS_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("docs/guide/audit.md is not current; run METALENS_UPDATE=1 go test ./internal/ledger")
	}
}
