package main

import (
	"context"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/metalens/metalens/internal/app"
)

// TestMain lets scripts run this binary as the program itself. It differs from
// the real one in nothing but the pauses between attempts at a Metabase.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"metalens": func() { os.Exit(fast()) }})
}

func fast() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := app.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), Now: time.Now,
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil {
		env.Width = width
	}
	return run(ctx, env, os.Args[1:])
}
