// Command generate packs a list of breached passwords, one a line, into the form
// that package breached embeds.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/metalens/metalens/internal/auth/breached"
)

const target = "internal/auth/breached/list.bin.zst"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: go run ./internal/auth/breached/generate LIST.txt, from the root of the module")
	}
	text, err := os.ReadFile(args[0]) //nolint:gosec // the person at the terminal names the file
	if err != nil {
		return err
	}
	packed, err := breached.Pack(strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"))
	if err != nil {
		return err
	}
	return os.WriteFile(target, packed, 0o644) //nolint:gosec // part of the source
}
