// Command metalens reads a Metabase and says what is in it, what is used, and
// what to fix. See metalens --help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/metalens/metalens/internal/app"
)

func main() { os.Exit(start()) }

// start gives the program the real world and turns signals into cancellation:
// the first one stops cleanly, the second one at once.
func start() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		_, _ = fmt.Fprintln(os.Stderr, "\nStopping; once more to stop at once.")
		cancel()
		<-signals
		os.Exit(app.ExitInterrupted)
	}()
	env := app.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
		StdoutTTY: term.IsTerminal(int(os.Stdout.Fd())), StderrTTY: term.IsTerminal(int(os.Stderr.Fd())), Now: time.Now,
	}
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		env.Width = width
	}
	if len(os.Args) > 1 && (os.Args[1] == "scan" || os.Args[1] == "impact") && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
	return run(ctx, env, os.Args[1:])
}

// softMemory is the memory in bytes beyond which a scan or the impact of a change
// collects garbage more eagerly: they often run beside other things. It is no hard
// limit.
const softMemory = 200 << 20
