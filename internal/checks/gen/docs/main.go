// Command docs writes the documentation of all checks to docs/checks.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/metalens/metalens/internal/checks"
	"github.com/metalens/metalens/internal/checks/gen/pages"
	"github.com/metalens/metalens/internal/checks/gen/scaffold"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(2)
	}
}

func run() error {
	root, err := scaffold.ModuleRoot(".")
	if err != nil {
		return err
	}
	dir := filepath.Join(root, filepath.FromSlash(pages.Dir))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	rendered := pages.Render(checks.All())
	old, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range old {
		if _, current := rendered[f.Name()]; !current && strings.HasSuffix(f.Name(), ".md") {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	for name, text := range rendered {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
