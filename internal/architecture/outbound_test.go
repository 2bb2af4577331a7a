package architecture_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// onlyForTests reports whether a package serves tests and the demo only: it may listen and dial
// on this machine.
func onlyForTests(pkg string) bool {
	return strings.HasSuffix(pkg, "test") || under(pkg, "internal/store/storetest", "internal/check/checktest")
}

// selectors lists the package-qualified names that a file uses, as
// "net/http.Get", with the node of each.
func selectors(f file) map[string][]ast.Node {
	paths := map[string]string{} // name in the file → import path
	for _, spec := range f.syntax.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		paths[name] = path
	}
	found := map[string][]ast.Node{}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && paths[x.Name] != "" {
			name := paths[x.Name] + "." + sel.Sel.Name
			found[name] = append(found[name], sel)
		}
		return true
	})
	return found
}

// TestOneWayOut: nothing but internal/outbound opens connections, resolves
// names, or makes a client that could. Whoever needs one more takes a Dialer or
// a Transport from there, or adds a line here with a reason that holds.
func TestOneWayOut(t *testing.T) {
	ways := []string{
		"net.Dial", "net.DialTimeout", "net.DialTCP", "net.DialUDP", "net.DialIP", "net.DialUnix", "net.Dialer", "net.Resolver", "net.DefaultResolver",
		"net.LookupHost", "net.LookupIP", "net.LookupAddr", "net.LookupCNAME", "net.LookupMX", "net.LookupNS", "net.LookupPort", "net.LookupSRV", "net.LookupTXT",
		"net.ResolveTCPAddr", "net.ResolveUDPAddr", "net.ResolveIPAddr", "net.FileConn",
		"net/http.Get", "net/http.Post", "net/http.PostForm", "net/http.Head", "net/http.DefaultClient", "net/http.DefaultTransport", "net/http.Transport", "net/http.ProxyFromEnvironment",
		"crypto/tls.Dial", "crypto/tls.DialWithDialer", "crypto/tls.Dialer", "syscall.Connect", "syscall.Socket", "golang.org/x/sys/unix.Connect", "golang.org/x/sys/unix.Socket",
		"golang.org/x/net/http/httpproxy.FromEnvironment", "github.com/coreos/go-oidc/v3/oidc.InsecureIssuerURLContext",
	}
	wholePackages := []string{"net/smtp", "net/rpc", "net/rpc/jsonrpc", "log/syslog", "golang.org/x/net/proxy", "golang.org/x/net/websocket", "os/user"}
	allowed := map[string]string{ // file → reason
		"internal/outbound/":      "the one way out",
		"internal/siem/syslog.go": "a Unix socket of this machine; over the network it takes a Dialer",
	}
	for _, f := range sources(t) {
		if !strings.HasPrefix(f.pkg, "internal/") && !strings.HasPrefix(f.pkg, "cmd/") || onlyForTests(f.pkg) {
			continue
		}
		if exempt(f.name, allowed) {
			continue
		}
		used := selectors(f)
		for _, way := range ways {
			for _, at := range used[way] {
				t.Errorf("%s uses %s: connections are opened by internal/outbound only", f.fset.Position(at.Pos()), way)
			}
		}
		for _, imp := range f.imports {
			if slices.Contains(wholePackages, imp) {
				t.Errorf("%s imports %s, which opens connections by itself", f.name, imp)
			}
		}
		// A client without a transport has the default one.
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			sel, ok := lit.Type.(*ast.SelectorExpr)
			if !ok || !slices.Contains(used["net/http.Client"], ast.Node(sel)) {
				return true
			}
			for _, e := range lit.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Transport" {
						return true
					}
				}
			}
			t.Errorf("%s makes an http.Client without a Transport, which is the default one", f.fset.Position(lit.Pos()))
			return true
		})
	}
}

func exempt(name string, allowed map[string]string) bool {
	for prefix := range allowed {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// TestModulesThatTalk classifies every module that production code imports: one
// that can open connections is named with the packages that may import it and
// how its traffic is kept on the one way out. A module in neither list fails, so
// that a new one is looked at.
func TestModulesThatTalk(t *testing.T) {
	silent := []string{
		"filippo.io/age",           // encrypts files
		"github.com/yuin/goldmark", // reads Markdown
		"github.com/a-h/templ", "github.com/alecthomas/kong", "github.com/alexedwards/scs", "github.com/boombuler/barcode", "github.com/go-json-experiment/json",
		"github.com/gofrs/flock", "github.com/google/go-cmp", "github.com/google/uuid", "github.com/joho/godotenv", "github.com/klauspost/compress", "github.com/mattn/go-runewidth",
		"github.com/pquerna/otp", "github.com/prometheus/client_golang", "github.com/robfig/cron", "github.com/vbauerster/mpb", "go.yaml.in/yaml",
		"golang.org/x/sync", "golang.org/x/term", "golang.org/x/text", "golang.org/x/tools", "golang.org/x/crypto/argon2", "golang.org/x/crypto/hkdf", "golang.org/x/net/idna",
		"golang.org/x/net/http/httpguts", "golang.org/x/net/html", "golang.org/x/time", "pgregory.net/rapid", "golang.org/x/sys", "github.com/skip2/go-qrcode", "github.com/nbutton23/zxcvbn-go",
	}
	talking := []struct{ module, who, why string }{
		{"github.com/jackc/pgx", "internal/store", "the database that the operator configured; no member types its address"},
		{"github.com/pressly/goose", "internal/store", "migrations over the store's own connection"},
		{"modernc.org/sqlite", "internal/store", "files only"},
		{"github.com/riverqueue/river", "internal/jobs internal/store", "jobs over the store's own connection"},
		{"golang.org/x/net/http/httpproxy", "internal/outbound", "finds proxies for the one way out"},
		{"golang.org/x/crypto/acme", "internal/tlsserver", "asks with the HTTP client it is given, an outbound one"},
		{"github.com/wneessen/go-mail", "internal/mail", "dials with outbound's Dialer"},
		{"github.com/emersion/go-smtp", "internal/mail", "dials with outbound's Dialer"},
		{"github.com/emersion/go-sasl", "internal/mail", "dials with outbound's Dialer"},
		{"github.com/coreos/go-oidc", "internal/sso", "asks with the client of its context, an outbound one"},
		{"golang.org/x/oauth2", "internal/sso", "asks with the client of its context, an outbound one"},
		{"github.com/go-webauthn/webauthn", "internal/auth", "attestations are not looked up: no metadata service is configured"},
		{"github.com/anthropics/anthropic-sdk-go", "internal/llm/anthropic", "asks with the HTTP client it is given, an outbound one; reads no environment, traces nothing"},
		{"go.opentelemetry.io", "internal/telemetry", "off by default; exports through outbound"},
		{"github.com/getsentry/sentry-go", "internal/telemetry", "off by default; sends through outbound"},
	}
	for _, f := range sources(t) {
		if !strings.HasPrefix(f.pkg, "internal/") && !strings.HasPrefix(f.pkg, "cmd/") || onlyForTests(f.pkg) {
			continue
		}
		for _, imp := range f.imports {
			if !strings.Contains(strings.Split(imp, "/")[0], ".") || strings.HasPrefix(imp, module) || slices.ContainsFunc(silent, func(m string) bool { return under(imp, m) }) {
				continue
			}
			at := -1
			for i, m := range talking {
				if under(imp, m.module) && (at < 0 || len(m.module) > len(talking[at].module)) {
					at = i
				}
			}
			switch {
			case at < 0:
				t.Errorf("%s imports %s: say in this test whether it opens connections, and how they are kept on the one way out", f.name, imp)
			case !slices.ContainsFunc(strings.Fields(talking[at].who), func(p string) bool { return under(f.pkg, p) }):
				t.Errorf("%s imports %s; only %s may: %s", f.name, imp, talking[at].who, talking[at].why)
			}
		}
	}
}

// TestListenersAreKnown: whatever MetaLens listens on has to be among the
// addresses that the outbound policy refuses. Listeners are opened in these
// files only, which say so to outbound.Listeners.
func TestListenersAreKnown(t *testing.T) {
	opens := []string{"net.Listen", "net.ListenConfig", "net.ListenTCP", "net.ListenPacket", "net.ListenUDP", "net.ListenUnix", "net/http.ListenAndServe", "net/http.ListenAndServeTLS", "crypto/tls.Listen"}
	for _, f := range sources(t) {
		if !strings.HasPrefix(f.pkg, "internal/") && !strings.HasPrefix(f.pkg, "cmd/") || onlyForTests(f.pkg) {
			continue
		}
		used := selectors(f)
		for _, name := range opens {
			if len(used[name]) == 0 {
				continue
			}
			told := false
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && (sel.Sel.Name == "AddListener" || sel.Sel.Name == "Add") {
					told = true
				}
				return !told
			})
			if f.pkg != "internal/app" || !told {
				t.Errorf("%s uses %s: listeners are opened in internal/app, which adds each to outbound.Listeners", f.fset.Position(used[name][0].Pos()), name)
			}
		}
	}
}
