package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// TestInterruptedScanGoesOn stops a scan in the middle, as Ctrl-C does. The exit
// code says so, the data directory is free, and the next scan goes on where this
// one stopped.
func TestInterruptedScanGoesOn(t *testing.T) {
	server := metabasetest.NewServer(metabasetest.Config{World: metabasetest.SampleCompany(time.Now()), Key: key, Admin: true, Now: time.Now, Latency: time.Millisecond})
	address := server.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stderr bytes.Buffer
	env := app.Env{
		Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Now: time.Now,
		Stderr:  &watcher{when: "Archived questions", do: cancel, Buffer: &stderr},
		Environ: []string{"METABASE_URL=" + address, "METABASE_API_KEY=" + key, "METALENS_DATA=" + filepath.Join(t.TempDir(), "data")},
	}
	if code := run(ctx, env, []string{"scan"}); code != app.ExitInterrupted {
		t.Fatalf("exit code %d:\n%s", code, stderr.String())
	}
	stderr.Reset()
	env.Stderr = &stderr
	if code := run(t.Context(), env, []string{"scan"}); code != app.ExitOK {
		t.Fatalf("exit code %d:\n%s", code, stderr.String())
	}
	if !strings.Contains(stderr.String(), "Going on with a scan that was interrupted") {
		t.Errorf("the second scan began anew:\n%s", stderr.String())
	}
	server.CheckOnlyAllowed(t)
}

// watcher does something when a text is written.
type watcher struct {
	*bytes.Buffer
	when string
	do   func()
}

func (w *watcher) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.when)) {
		w.do()
	}
	return w.Buffer.Write(p)
}
