package config_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/config"
)

var update = flag.Bool("update", false, "rewrite the table of settings in docs/guide/settings.md")

// TestGuideListsEveryKey keeps the table of settings in the guide current.
func TestGuideListsEveryKey(t *testing.T) {
	const begin, end = "<!-- settings: generated, run go test ./internal/config -update -->\n", "<!-- end of settings -->\n"
	var table strings.Builder
	table.WriteString("\n| Setting | Environment | Default | Meaning |\n| --- | --- | --- | --- |\n")
	l, err := config.Load(config.Inputs{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range config.Keys() {
		env := "`" + k.Env[0] + "`"
		if k.Secret {
			env += " or `" + k.Env[0] + "_FILE`"
		}
		shown := l.Show(k.Name)
		if shown != "" {
			shown = "`" + shown + "`"
		}
		_, _ = fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", k.Name, env, shown, k.Help)
	}
	table.WriteString("\n")
	path := filepath.Join("..", "..", "docs", "guide", "settings.md")
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
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("docs/guide/settings.md is not current; run go test ./internal/config -update")
	}
}
