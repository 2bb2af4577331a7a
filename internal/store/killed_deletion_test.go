package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

const (
	eraserEnv       = "METALENS_TEST_ERASER"
	eraserQuestions = 400
	eraserMarker    = "zebrafinch"
	eraserFor       = 8 * time.Second // how long the test kills
)

// eraserConfig is a store whose deletions are on record beside it.
func eraserConfig(root string, set *keys.Keyset) store.Config {
	return store.Config{Dir: filepath.Join(root, "data"), Keys: set, ErasureKeys: filepath.Join(root, "erasure"), Tombstones: filepath.Join(root, "tombstones")}
}

// eraseOnce is the process that is killed: it deletes an organization.
func eraseOnce(arguments string) error {
	root, org, _ := strings.Cut(arguments, "|")
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	set, err := keys.Parse(secret.New(string(text)))
	if err != nil {
		return err
	}
	ctx := access.AsSystem(context.Background())
	s, err := store.Open(ctx, eraserConfig(root, set))
	if err != nil {
		return err
	}
	fmt.Println("open")
	if _, _, err := s.EraseOrganization(ctx, store.OrgID(org), store.Erasure{}); err != nil {
		return err
	}
	fmt.Println("done")
	return s.Close()
}

// TestKilledDeletions kills the deletion of an organization at random points. It
// is there whole, and can be deleted again, or it is gone: from every table, from
// the database's files, and with its key.
func TestKilledDeletions(t *testing.T) {
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	origin := t.TempDir()
	s := mustOpen(t, eraserConfig(origin, set))
	w := &storetest.World{T: t, Store: s, Keys: set, Clock: storetest.NewClock()}
	w.Org = w.NewOrg("Acme " + eraserMarker)
	w.Conn = w.NewConnection("Main")
	snapshot := &catalog.Snapshot{}
	for n := range eraserQuestions {
		q := &catalog.Question{Type: catalog.KindQuestion, Query: catalog.Query{SQL: fmt.Sprintf("SELECT %d AS %s", n, eraserMarker)}}
		q.ID, q.Name = fmt.Sprint(n+1), eraserMarker
		snapshot.Add(q)
	}
	scan, _ := w.Commit(snapshot)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	random := rand.New(rand.NewPCG(5, 6))
	longest := 400 * time.Millisecond
	stayed, went, through := 0, 0, 0
	for end := time.Now().Add(eraserFor); time.Now().Before(end); {
		root := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(root, os.DirFS(origin)); err != nil {
			t.Fatal(err)
		}
		owned(t, root)
		done, took := killEraser(t, root, set, w.Org, time.Duration(random.Int64N(int64(longest))))
		if done {
			longest = max(took*5/4, 20*time.Millisecond)
		}

		s := mustOpen(t, eraserConfig(root, set))
		ctx := access.AsSystem(t.Context())
		there := false
		err := s.ViewOrg(ctx, w.Org, func(ctx context.Context, tx *store.Tx) error {
			got, err := tx.LoadSnapshot(ctx, scan.ID)
			there = err == nil && len(got.Questions) == eraserQuestions
			return err
		})
		switch {
		case done && err == nil:
			t.Error("deleted, and still there")
		case err == nil && there:
			if stayed++; stayed == 1 {
				if _, _, err := s.EraseOrganization(ctx, w.Org, store.Erasure{}); err != nil {
					t.Errorf("cannot be deleted any more: %v", err)
				}
				nothingLeft(t, s, root)
			}
		case errs.KindOf(err) == errs.NotFound:
			if done {
				through++
			} else {
				went++
			}
			nothingLeft(t, s, root)
		default:
			t.Errorf("half an organization: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if stayed+went == 0 {
		t.Error("nothing was killed on its way")
	}
	t.Logf("killed before the commit %d times, after it %d times, too late %d times", stayed, went, through)
}

// killEraser lets a process delete and kills it some time after it has opened the
// store. done says that it reported the end before, and took after how long.
func killEraser(t *testing.T, root string, set *keys.Keyset, org store.OrgID, after time.Duration) (done bool, took time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), eraserEnv+"="+root+"|"+string(org))
	cmd.Stdin, cmd.Stderr = strings.NewReader(set.Text().Expose()), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("open\n"))
	if _, err := io.ReadFull(out, line); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	took = time.Since(began)
	timer.Stop()
	_ = cmd.Wait() // killed, or done
	return bytes.Contains(rest, []byte("done")), took
}

// nothingLeft looks for the organization's words in every table, opened, and in
// every file, and for its key.
func nothingLeft(t *testing.T, s *store.Store, root string) {
	t.Helper()
	report, err := s.FindText(access.AsSystem(t.Context()), eraserMarker)
	if err != nil || len(report.Found) != 0 {
		t.Errorf("words are left in %v, %v", report.Found, err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.HasPrefix(path, filepath.Join(root, "erasure")+string(filepath.Separator)) {
			t.Errorf("the organization's key is left: %s", filepath.Base(path))
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if bytes.Contains(bytes.ToLower(raw), []byte(eraserMarker)) {
			t.Errorf("words are left in the file %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// owned gives copied files the permissions that they must have.
func owned(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
