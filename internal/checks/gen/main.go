// Command gen keeps the list of checks and starts new ones.
//
//	go run ./internal/checks/gen new USE009 some-slug
//	go run ./internal/checks/gen list
//
// "new" writes the check's file and its cases; "list" rewrites all_gen.go from
// the files. The documentation has a command of its own, docs, because it
// imports the list.
package main

import (
	"fmt"
	"os"

	"github.com/metalens/metalens/internal/checks/gen/scaffold"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	root, err := scaffold.ModuleRoot(".")
	if err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "list":
		return scaffold.WriteList(root)
	case len(args) == 3 && args[0] == "new":
		files, err := scaffold.New(root, args[1], args[2])
		if err != nil {
			return err
		}
		for _, f := range files {
			fmt.Println("wrote", f)
		}
		fmt.Println("next: fill them in, then go generate ./internal/checks")
		return scaffold.WriteList(root)
	}
	return fmt.Errorf("usage: gen list | gen new ID slug")
}
