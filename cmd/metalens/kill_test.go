package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// killFor is how long each of the tests kills.
const killFor = 8 * time.Second

// installation is a data directory that commands of this program work on, each
// in a process of its own.
type installation struct {
	t    *testing.T
	root string
	env  []string
}

// installed scans the sample company into a new data directory.
func installed(t *testing.T) *installation {
	t.Helper()
	const key = "mb_killed"
	fake := metabasetest.NewServer(metabasetest.Config{World: metabasetest.SampleCompany(time.Now()), Key: key})
	address, stop, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	i := &installation{t: t, root: t.TempDir()}
	i.write("key", key)
	i.write("phrase", "correct horse battery staple")
	i.env = append(os.Environ(), "METALENS_DATA="+i.path("data"), "METABASE_URL="+address, "METABASE_API_KEY_FILE="+i.path("key"), "HOME="+i.root)
	i.must("scan", "-q")
	return i
}

func (i *installation) path(parts ...string) string {
	return filepath.Join(append([]string{i.root}, parts...)...)
}

func (i *installation) write(name, text string) {
	i.t.Helper()
	if err := os.WriteFile(i.path(name), []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
}

func (i *installation) command(ctx context.Context, env []string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	said := &bytes.Buffer{}
	cmd := exec.CommandContext(ctx, "metalens", args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = i.root, append(i.env, env...), said, said
	return cmd, said
}

// must runs a command undisturbed.
func (i *installation) must(args ...string) string { i.t.Helper(); return i.mustWith(nil, args...) }

func (i *installation) mustWith(env []string, args ...string) string {
	i.t.Helper()
	cmd, said := i.command(i.t.Context(), env, args...)
	if err := cmd.Run(); err != nil {
		i.t.Fatalf("metalens %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return said.String()
}

// kill runs a command and kills it after a while, as kill -9 and power cuts do.
// killed is false when it got through before.
func (i *installation) kill(after time.Duration, args ...string) (killed bool) {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), after) // its end is SIGKILL
	defer cancel()
	cmd, said := i.command(ctx, nil, args...)
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false
	case ctx.Err() != nil && (errors.As(err, &exit) && exit.ExitCode() == -1 || errors.Is(err, context.DeadlineExceeded)):
		return true
	}
	i.t.Fatalf("metalens %s failed by itself: %v\n%s", strings.Join(args, " "), err, said)
	return false
}

// took is how long a command takes, undisturbed.
func (i *installation) took(args ...string) time.Duration {
	i.t.Helper()
	began := time.Now()
	i.must(args...)
	return time.Since(began)
}

// unchanged is what a scan says when it read what was stored before.
var unchanged = regexp.MustCompile(`Since before +0 added, 0 changed, 0 removed`)

// whole demands that everything that is stored opens and is as it was written.
func (i *installation) whole(env ...string) {
	i.t.Helper()
	i.mustWith(env, "doctor", "--offline")
	i.mustWith(env, "doctor", "--verify-ledger")
	if said := i.mustWith(env, "scan"); !unchanged.MatchString(said) {
		i.t.Errorf("what was stored is not what is read now:\n%s", said)
	}
}

// TestKilledRotations kills rotations of the master key and of the data keys at
// random points. After each the installation opens, and the next rotation goes on
// with what the last one left.
func TestKilledRotations(t *testing.T) {
	i := installed(t)
	ways := [][]string{{"keys", "rotate", "--data-keys"}, {"keys", "rotate"}}
	longest := []time.Duration{i.took(ways[0]...), i.took(ways[1]...)}
	random := rand.New(rand.NewPCG(1, 2))
	killed, through := 0, 0
	for round, end := 0, time.Now().Add(killFor); time.Now().Before(end); round++ {
		way := round % len(ways)
		if i.kill(time.Duration(random.Int64N(int64(longest[way]*3/2))), ways[way]...) {
			killed++
		} else {
			through++
		}
		i.must("doctor", "--offline")
	}
	for _, way := range ways {
		i.must(way...)
	}
	if said := i.must("keys", "status"); !strings.Contains(said, "done") {
		t.Errorf("the last rotation is not done:\n%s", said)
	}
	i.whole()
	if killed == 0 {
		t.Error("nothing was killed")
	}
	t.Logf("%d rotations killed, %d got through", killed, through)
}

// TestKilledBackups kills backups at random points. A file of the name that was
// asked for is there whole or not at all, and the database does not notice.
func TestKilledBackups(t *testing.T) {
	i := installed(t)
	backup := func(name string) []string {
		return []string{"backup", name, "--passphrase-file", "phrase", "--work-factor", "10"}
	}
	longest := i.took(backup("first.age")...)
	random := rand.New(rand.NewPCG(3, 4))
	killed := 0
	var there []string
	for round, end := 0, time.Now().Add(killFor); time.Now().Before(end); round++ {
		name := fmt.Sprintf("round-%d.age", round)
		if i.kill(time.Duration(random.Int64N(int64(longest*5/4))), backup(name)...) {
			killed++
		}
		if _, err := os.Stat(i.path(name)); err == nil {
			there = append(there, name)
		}
	}
	if killed == 0 {
		t.Error("nothing was killed")
	}
	const restores = 3 // each takes as long as many kills
	for n, name := range append([]string{"first.age"}, there...) {
		if n > restores {
			break
		}
		data := i.path(fmt.Sprintf("restored-%d", n))
		if err := os.CopyFS(filepath.Join(data, "keys"), os.DirFS(i.path("data", "keys"))); err != nil {
			t.Fatal(err)
		}
		private(t, data)
		env := []string{"METALENS_DATA=" + data}
		i.mustWith(env, "restore", name, "--passphrase-file", "phrase")
		i.whole(env...)
	}
	i.whole()
	i.must(backup("last.age")...)
	t.Logf("%d backups killed, %d files there, %d restored", killed, len(there)+1, min(restores+1, len(there)+1))
}

// private gives copied keys the permissions that they must have.
func private(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
