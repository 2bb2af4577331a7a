package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// key is what the fake accepts; no output and no file may ever hold it.
const key = "mb_canary_key_7Jq2"

// wrongKey is what it does not accept; it must not be seen either.
const wrongKey = "mb_canary_wrong_9Xw4"

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("METALENS_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("HOME", e.WorkDir)
			if err := os.WriteFile(filepath.Join(e.WorkDir, "wrongkey"), []byte(wrongKey+"\n"), 0o600); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "key"), []byte(key+"\n"), 0o600)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fake":     fakeCommand,
			"ml":       metalensCommand,
			"hold":     holdCommand,
			"requests": requestsCommand,
			"mode":     modeCommand,
			"copykeys": copyKeysCommand,
		},
	})
}

// fakeCommand starts a fake Metabase with the sample company, or another
// server, and puts its address into URL.
//
//	fake [version=0.58] [user] [path=/sub] [session] [empty] [fault=kind:route]…
func fakeCommand(ts *testscript.TestScript, _ bool, args []string) {
	cfg := metabasetest.Config{World: metabasetest.SampleCompany(time.Now()), Key: key, Admin: true, Now: time.Now}
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "version":
			cfg.Version = value
		case "user":
			cfg.Admin = false
		case "path":
			cfg.BasePath = value
		case "session":
			cfg.Session = key
		case "empty":
			cfg.World = nil
		case "fault":
			kind, route, _ := strings.Cut(value, ":")
			cfg.Faults = append(cfg.Faults, metabasetest.Fault{Kind: metabasetest.FaultKind(kind), Route: route})
		default:
			ts.Fatalf("fake does not know %s", a)
		}
	}
	server := metabasetest.NewServer(cfg)
	url, stop, err := server.Listen("127.0.0.1:0")
	ts.Check(err)
	ts.Defer(stop)
	ts.Defer(func() { server.CheckOnlyAllowed(scriptTB{ts}) })
	ts.Setenv("URL", url)
	running.put(url, server)
}

// requestsCommand checks how many requests the fake at URL got since it was
// last asked: requests at-most 26, or requests none.
func requestsCommand(ts *testscript.TestScript, _ bool, args []string) {
	n := running.since(ts.Getenv("URL"))
	switch {
	case len(args) == 0:
	case args[0] == "none" && n != 0:
		ts.Fatalf("%d requests, want none", n)
	case args[0] == "at-most":
		most, err := strconv.Atoi(args[1])
		ts.Check(err)
		if n > most {
			ts.Fatalf("%d requests, want at most %d", n, most)
		}
		ts.Logf("%d requests", n)
	}
}

// metalensCommand runs the program, checks its exit code and that neither key
// is in its output or in any file of the script's folder:
//
//	ml 3 scan --url $URL …
func metalensCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: ml CODE arguments…")
	}
	err := ts.Exec("metalens", args[1:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if text := ts.ReadFile(stream); strings.Contains(text, key) || strings.Contains(text, wrongKey) {
			ts.Fatalf("the key is in %s", stream)
		}
	}
	ts.Check(filepath.WalkDir(ts.MkAbs("."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Base(path) == "key" || filepath.Base(path) == "wrongkey" || strings.HasPrefix(filepath.Base(path), ".env") {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(key)) || bytes.Contains(raw, []byte(wrongKey)) {
			ts.Fatalf("the key is in the file %s", path)
		}
		return err
	}))
}

// holdCommand locks the data directory until the script ends, as a server would.
func holdCommand(ts *testscript.TestScript, _ bool, args []string) {
	dir, err := datadir.Open(ts.Getenv("METALENS_DATA"))
	ts.Check(err)
	lock, err := dir.Lock(context.Background(), datadir.LockOptions{Command: args[0], Now: time.Now})
	ts.Check(err)
	ts.Defer(func() { _ = lock.Unlock() })
}

// modeCommand checks the permissions of a file: mode 600 .env
func modeCommand(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatInt(int64(info.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

type scriptTB struct{ *testscript.TestScript }

func (scriptTB) Helper()                        {}
func (s scriptTB) Errorf(f string, args ...any) { s.Fatalf(f, args...) }
func (s scriptTB) Cleanup(f func())             { s.Defer(f) }
