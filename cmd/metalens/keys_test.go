package main

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// copyKeysCommand copies the keys of one folder into another, as private as they
// were.
//
//	copykeys FROM TO
func copyKeysCommand(ts *testscript.TestScript, _ bool, args []string) {
	from, to := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	entries, err := os.ReadDir(from)
	ts.Check(err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(to, e.Name()), b, 0o600))
	}
}
