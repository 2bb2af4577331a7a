package datadir_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
)

// TestMain is also the program that holds a lock in another process.
func TestMain(m *testing.M) {
	if path := os.Getenv("DATADIR_TEST_HOLD"); path != "" {
		os.Exit(hold(path))
	}
	os.Exit(m.Run())
}

func hold(path string) int {
	d, err := datadir.Open(path)
	if err == nil {
		_, err = d.Lock(context.Background(), options("serve", 0))
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		return 1
	}
	_, _ = os.Stdout.WriteString("held\n")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test lets go
	return 0                              // without unlocking, as a killed process does
}

func options(command string, wait time.Duration) datadir.LockOptions {
	return datadir.LockOptions{Command: command, Wait: wait, Now: func() time.Time { return time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) }}
}

func private(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "data")
}

func mustOpen(t *testing.T, path string) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDefault(t *testing.T) {
	for _, test := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"set", map[string]string{"METALENS_DATA": "/srv/metalens", "HOME": "/home/a"}, "/srv/metalens"},
		{"data home", map[string]string{"XDG_DATA_HOME": "/data", "HOME": "/home/a"}, "/data/metalens"},
		{"relative data home", map[string]string{"XDG_DATA_HOME": "data", "HOME": "/home/a"}, "/home/a/.local/share/metalens"},
		{"home", map[string]string{"HOME": "/home/a"}, "/home/a/.local/share/metalens"},
	} {
		got, err := datadir.Default(func(k string) string { return test.env[k] })
		if err != nil || got != test.want {
			t.Errorf("%s: got %q, %v", test.name, got, err)
		}
	}
	if _, err := datadir.Default(func(string) string { return "" }); errs.CodeOf(err) != "no_data_dir" {
		t.Errorf("without a home: %v", err)
	}
}

func TestOpen(t *testing.T) {
	path := filepath.Join(private(t), "deep")
	d := mustOpen(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if filepath.Dir(d.KeyFile()) == filepath.Dir(d.Database()) {
		t.Error("the key lies beside the database")
	}
	if d.Path() != path || !strings.HasPrefix(d.Logs(), path) || !strings.HasPrefix(d.EnvFile(), path) || !strings.HasPrefix(d.Database(), path) {
		t.Error("a part lies outside the folder")
	}
	for _, mode := range []os.FileMode{0o755, 0o750, 0o701} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := datadir.Open(path)
		if _, hint := errs.PublicText(err); errs.CodeOf(err) != "data_dir_open" || !strings.Contains(hint, "chmod 700") {
			t.Errorf("mode %o: %v, hint %q", mode, err, hint)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if _, err := datadir.Open(path); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if os.Geteuid() == 0 {
		other := private(t)
		mustOpen(t, other)
		if err := os.Chown(other, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if _, err := datadir.Open(other); errs.CodeOf(err) != "data_dir_owner" {
			t.Errorf("another user's folder: %v", err)
		}
	}
}

func TestLockWithinAProcess(t *testing.T) {
	d := mustOpen(t, private(t))
	if _, held, err := d.Holder(); held || err != nil {
		t.Errorf("held %v, %v", held, err)
	}
	l, err := d.Lock(context.Background(), options("scan", 0))
	if err != nil {
		t.Fatal(err)
	}
	h, held, err := d.Holder()
	if !held || err != nil || h.PID != os.Getpid() || h.Command != "scan" || h.Since.Year() != 2026 {
		t.Errorf("got %+v, %v, %v", h, held, err)
	}
	_, err = d.Lock(context.Background(), options("scan", 0))
	if errs.CodeOf(err) != "data_dir_locked" || errs.KindOf(err) != errs.Conflict {
		t.Errorf("got %v", err)
	}
	// Somebody who waits gets it.
	got := make(chan error, 1)
	go func() {
		second, err := d.Lock(context.Background(), options("scan", time.Minute))
		if err == nil {
			err = second.Unlock()
		}
		got <- err
	}()
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	if _, held, err := d.Holder(); held || err != nil {
		t.Errorf("held %v, %v", held, err)
	}
}

func TestLockAcrossProcesses(t *testing.T) {
	path := private(t)
	d := mustOpen(t, path)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DATADIR_TEST_HOLD="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	_, err = d.Lock(context.Background(), options("scan", 0))
	text, hint := errs.PublicText(err)
	if !strings.Contains(text, `"metalens serve" (process `) || !strings.Contains(text, "2026-03-02 08:00:00 UTC") || !strings.Contains(hint, "--stateless") {
		t.Errorf("got %q, %q", text, hint)
	}
	if _, err := d.Lock(context.Background(), options("scan", 150*time.Millisecond)); errs.CodeOf(err) != "data_dir_locked" {
		t.Errorf("after waiting: %v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Lock(cancelled, options("scan", time.Minute)); errs.KindOf(err) != errs.Canceled {
		t.Errorf("cancelled while waiting: %v", err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	// It went without unlocking; its note does not confuse the next one.
	if _, held, err := d.Holder(); held || err != nil {
		t.Errorf("held %v, %v", held, err)
	}
	l, err := d.Lock(context.Background(), options("scan", 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}
