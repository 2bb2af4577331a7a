package architecture_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/metalens/metalens/"

// file is a non-test Go source file of the module.
type file struct {
	pkg     string // path below the module, "internal/catalog"
	name    string
	imports []string
	syntax  *ast.File
	fset    *token.FileSet
}

func sources(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var files []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "node_modules" || name == "testdata" || (strings.HasPrefix(name, ".") && p != root && name != "..") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		f := file{pkg: path.Dir(filepath.ToSlash(rel)), name: filepath.ToSlash(rel), syntax: syntax, fset: fset}
		for _, spec := range syntax.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, name)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d source files found", len(files))
	}
	return files
}

func under(pkg string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") })
}

// TestInnerPackagesImportNothingOutward lists the packages at the centre with
// everything of ours they may import.
func TestInnerPackagesImportNothingOutward(t *testing.T) {
	allowed := map[string][]string{
		"internal/errs":    {},
		"internal/access":  {"internal/errs"},
		"internal/secret":  {},
		"internal/catalog": {},
		"internal/ledger":  {},
		"internal/finding": {"internal/catalog"},
		"internal/mbql":    {"internal/catalog"},
		"internal/lineage": {"internal/catalog", "internal/finding", "internal/mbql"},
		"internal/similar": {"internal/catalog", "internal/finding", "internal/lineage", "internal/mbql", "internal/sqllens"},
		"internal/check":   {"internal/catalog", "internal/finding", "internal/lineage", "internal/similar", "internal/mbql", "internal/sqllens", "internal/sqllineage", "internal/sqllint"},
		"internal/sqllint": {"internal/catalog", "internal/finding", "internal/sqllens"},
		"internal/keys":    {"internal/errs", "internal/secret"},
		"internal/mask":    {"internal/catalog", "internal/errs", "internal/sqllens"},
		"internal/llm":     {"internal/errs", "internal/ledger", "internal/mask", "internal/outbound", "internal/secret"},
		"internal/outbound": {
			"internal/errs", "internal/ledger", "internal/secret",
		},
	}
	for _, f := range sources(t) {
		may, listed := allowed[f.pkg]
		if !listed {
			continue
		}
		for _, imp := range f.imports {
			if ours, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(may, ours) {
				t.Errorf("%s imports %s; %s may import only %v", f.name, ours, f.pkg, may)
			}
		}
	}
}

// TestForbiddenImports gives a reason for each import that is not allowed.
func TestForbiddenImports(t *testing.T) {
	rules := []struct {
		who    []string // packages and everything below
		except []string
		what   []string // import path prefixes
		why    string
	}{
		{
			who:    []string{"internal/web", "internal/check", "internal/checks", "internal/report", "internal/analysis"},
			what:   []string{module + "internal/metabase", "database/sql", "modernc.org/sqlite", "github.com/jackc/pgx"},
			except: []string{"internal/web/browsertest"},
			why:    "pages, checks and reports see services and snapshots, never a Metabase or a driver",
		},
		{
			who:    []string{"internal/check", "internal/checks", "internal/finding", "internal/catalog", "internal/lineage", "internal/mbql", "internal/similar", "internal/sqllens", "internal/sqllint", "internal/impact", "internal/compare"},
			except: []string{"internal/checks/gen", "internal/check/checktest", "internal/sqllens/sqltest"},
			what:   []string{"net/http", "net/url", "os", "os/exec", "database/sql"},
			why:    "analysis is pure: same snapshot in, same findings out",
		},
		{
			who:  []string{"internal/lineageview"},
			what: []string{module + "internal/sqllineage", module + "internal/sqllens", module + "internal/analysis", module + "internal/web", module + "internal/metabase"},
			why:  "a stored lineage is read without an SQL engine; what builds it anew is handed in",
		},
		{
			who:    []string{"internal", "cmd"},
			except: []string{"internal/store"},
			what:   []string{"modernc.org/sqlite", "github.com/jackc/pgx", "github.com/pressly/goose"},
			why:    "the database is the store's business",
		},
		{
			who:    []string{"internal", "cmd"},
			except: []string{"internal/app", "internal/web/browsertest"},
			what:   []string{module + "internal/metabase/metabasetest"},
			why:    "the fake Metabase serves tests and the demo only",
		},
		{
			who:  []string{"internal/metabase/metabasetest"},
			what: []string{module},
			why:  "the fake is an independent reading of Metabase's documentation; sharing code would share mistakes",
		},
		{
			who:  []string{"internal/llm/llmtest"},
			what: []string{module},
			why:  "the fake is an independent reading of the providers' documentation; sharing code would share mistakes",
		},
		{
			who:    []string{"internal"},
			except: []string{"internal/app"},
			what:   []string{module + "internal/app", module + "cmd"},
			why:    "only the composition root knows everything",
		},
		{
			who:    []string{"internal", "cmd"},
			except: []string{"internal/architecture"},
			what:   []string{"github.com/stretchr/testify", "math/rand\x00"},
			why:    "tests use the standard library and go-cmp; randomness comes from math/rand/v2 or crypto/rand",
		},
	}
	for _, f := range sources(t) {
		for _, rule := range rules {
			if !under(f.pkg, rule.who...) || under(f.pkg, rule.except...) {
				continue
			}
			for _, imp := range f.imports {
				for _, banned := range rule.what {
					if exact, isExact := strings.CutSuffix(banned, "\x00"); (isExact && imp == exact) || (!isExact && under(imp, strings.TrimSuffix(banned, "/"))) {
						t.Errorf("%s imports %s: %s", f.name, imp, rule.why)
					}
				}
			}
		}
	}
}

// TestExposedSecretsAreListed names every package that takes a secret out of
// its wrapper.
func TestExposedSecretsAreListed(t *testing.T) {
	allowed := map[string]string{
		"internal/secret":          "defines it",
		"internal/metabase":        "the transport adds the credential header",
		"internal/outbound":        "proxy credentials",
		"internal/store":           "the vault seals credentials",
		"internal/store/storetest": "the conformance suite compares what it stored",
		"internal/store/postgres":  "the driver opener needs the connection URL",
		"internal/keys":            "master key material",
		"internal/kms":             "the token goes to the key management service",
		"internal/config":          "checks formats and redacts; prints only masks",
		"internal/auth":            "hashes and compares passwords",
		"internal/mail":            "logs in to the mail server",
		"internal/siem":            "signs what it posts to a webhook",
		"internal/token":           "hashes and compares tokens",
		"internal/web/tokens":      "shows a new token once, to whoever made it",
		"internal/tlsserver":       "binds an ACME account",
		"internal/sso":             "the client's secret goes to the identity provider",
		"internal/llm/wire":        "the key goes to the model provider",
		"internal/ai":              "checks that a provider's new key has the shape of one",
		"internal/connection":      "compares old and new keys, checks the key's shape",
		"internal/app":             "one-time setup link and the demo's login are printed for the person at the terminal",
	}
	for _, f := range sources(t) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Expose" && len(call.Args) == 0 {
				if _, ok := allowed[f.pkg]; !ok {
					t.Errorf("%s: Expose is called outside the listed packages", f.fset.Position(call.Pos()))
				}
			}
			return true
		})
	}
}

// TestOneDialer finds transports and dialers made outside internal/outbound.
func TestOneDialer(t *testing.T) {
	allowed := []string{"internal/outbound", "internal/metabase/metabasetest", "internal/web/browsertest", "internal/tlsserver/pebbletest"}
	banned := map[string][]string{
		"http": {"Transport", "DefaultClient", "DefaultTransport", "Get", "Post", "Head", "PostForm"},
		"net":  {"Dial", "DialTimeout", "Dialer", "DialTCP"},
		"tls":  {"Dial", "Dialer"},
		"smtp": {"Dial", "SendMail"},
	}
	for _, f := range sources(t) {
		if under(f.pkg, allowed...) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Obj == nil && slices.Contains(banned[x.Name], sel.Sel.Name) {
				t.Errorf("%s: %s.%s: outbound traffic goes through internal/outbound", f.fset.Position(sel.Pos()), x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

// TestPackagesAreDocumented wants a package comment in every package.
func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		if f.syntax.Name.Name == "main" && !strings.HasPrefix(f.pkg, "cmd/") {
			continue
		}
		documented[f.pkg] = documented[f.pkg] || f.syntax.Doc.Text() != ""
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

// TestFilesStaySmall splits what grew past reading. Generated files do not count.
func TestFilesStaySmall(t *testing.T) {
	const limit = 800
	for _, f := range sources(t) {
		if ast.IsGenerated(f.syntax) {
			continue
		}
		if lines := f.fset.File(f.syntax.Pos()).LineCount(); lines > limit {
			t.Errorf("%s has %s", f.name, fmt.Sprintf("%d lines; split it at %d", lines, limit))
		}
	}
}
