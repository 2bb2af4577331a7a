package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// parts are the lineage of a scan: "kind number" → content.
type parts map[string]string

// commitLineage runs a whole scan with lineage; nil stores none.
func (w *World) commitLineage(s *catalog.Snapshot, form int, list parts) store.Scan {
	w.T.Helper()
	var scan store.Scan
	w.In(func(ctx context.Context, tx *store.Tx) (err error) {
		if scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning}); err != nil {
			return err
		}
		if _, err = tx.CommitSnapshot(ctx, scan.ID, s); err != nil {
			return err
		}
		if list != nil {
			if err := tx.CommitLineage(ctx, scan.ID, form, sequence(list)); err != nil {
				return err
			}
		}
		return tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", "")
	})
	w.Clock.Add(time.Hour)
	return scan
}

// sequence yields parts in one buffer, as a careful caller does.
func sequence(list parts) func(yield func(store.LineagePart) bool) {
	return func(yield func(store.LineagePart) bool) {
		var buffer []byte
		for _, name := range slices.Sorted(maps.Keys(list)) {
			kind, number, _ := bytes.Cut([]byte(name), []byte(" "))
			n, _ := strconv.Atoi(string(number))
			buffer = append(buffer[:0], list[name]...)
			if !yield(store.LineagePart{Kind: string(kind), Number: n, Content: buffer}) {
				return
			}
		}
	}
}

// loadLineage returns the contents of a scan's parts, sorted; nil when there
// are none.
func (w *World) loadLineage(id store.ScanID, form int) (list []string) {
	w.T.Helper()
	w.View(func(ctx context.Context, tx *store.Tx) error {
		var mu sync.Mutex
		list = []string{}
		ok, err := tx.LoadLineage(ctx, id, form, func(kind string, content []byte) error {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, kind+" "+string(content))
			return nil
		})
		if !ok {
			list = nil
		}
		return err
	})
	slices.Sort(list)
	return list
}

// contents are what loadLineage should return.
func (p parts) contents() []string {
	if p == nil {
		return nil
	}
	list := []string{}
	for name, content := range p {
		kind, _, _ := bytes.Cut([]byte(name), []byte(" "))
		if content != "" {
			list = append(list, string(kind)+" "+content)
		}
	}
	slices.Sort(list)
	return list
}

// testLineage commits random sequences, deletes random scans, and demands every
// kept scan's lineage back.
func testLineage(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		w.Conn = w.NewConnection("round " + strconv.Itoa(round))
		kept := map[store.ScanID]parts{}
		var order []store.ScanID
		current := parts{}
		for range rapid.IntRange(1, 7).Draw(rt, "steps") {
			if len(order) > 0 && rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
				i := rapid.IntRange(0, len(order)-1).Draw(rt, "which")
				w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, order[i]) })
				delete(kept, order[i])
				order = slices.Delete(order, i, i+1)
			} else {
				current = maps.Clone(current)
				for range rapid.IntRange(0, 3).Draw(rt, "edits") {
					name := rapid.SampledFrom([]string{"graph 0", "graph 1", "heads 0", "heads 7"}).Draw(rt, "part")
					current[name] = rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "text") + repeat(rapid.IntRange(0, 300).Draw(rt, "length"))
				}
				stored := current
				if rapid.IntRange(0, 5).Draw(rt, "without") == 0 {
					stored = nil
				}
				scan := w.commitLineage(&catalog.Snapshot{}, 3, stored)
				kept[scan.ID] = stored
				order = append(order, scan.ID)
			}
			for _, id := range order {
				if want, got := kept[id].contents(), w.loadLineage(id, 3); !slices.Equal(want, got) || (want == nil) != (got == nil) {
					rt.Fatalf("scan %s: want %q, got %q", id, want, got)
				}
			}
		}
	})
}

func repeat(n int) string {
	var b []byte
	for i := range n {
		b = strconv.AppendInt(append(b, ' '), int64(i*i), 10)
	}
	return string(b)
}

// testLineageRules: with its snapshot or not at all, of one form, each part
// once.
func testLineageRules(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	list := parts{"graph 0": "g", "heads 0": "h"}
	scan := w.commitLineage(questions("1"), 7, list)
	wantEqual(t, list.contents(), w.loadLineage(scan.ID, 7))
	if got := w.loadLineage(scan.ID, 8); got != nil {
		t.Errorf("another form was handed out: %q", got)
	}
	late := func(form int, list parts) error {
		return w.Store.InOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) error {
			return tx.CommitLineage(ctx, scan.ID, form, sequence(list))
		})
	}
	wantKind(t, late(7, list), errs.Conflict, "scan_finished")
	w.View(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.LoadLineage(ctx, "no such scan", 7, nil)
		wantKind(t, err, errs.NotFound, "")
		return nil
	})
	twice := w.Store.InOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		s, err := tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning})
		if err != nil {
			return err
		}
		if _, err := tx.CommitSnapshot(ctx, s.ID, questions("1")); err != nil {
			return err
		}
		return tx.CommitLineage(ctx, s.ID, 7, func(yield func(store.LineagePart) bool) {
			part := store.LineagePart{Kind: "graph", Content: []byte("x")}
			if yield(part) {
				_ = yield(part)
			}
		})
	})
	if twice == nil {
		t.Error("a part was stored twice")
	}
	failed := errors.New("enough")
	err := w.Store.ViewOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.LoadLineage(ctx, scan.ID, 7, func(string, []byte) error { return failed })
		return err
	})
	if !errors.Is(err, failed) {
		t.Errorf("the reader's error became %v", err)
	}

	head := &catalog.Snapshot{Instance: catalog.Instance{URL: "https://m.example.com"}, Questions: questions("1").Questions}
	head.Usage = map[catalog.Ref]catalog.Usage{head.Questions[0].Ref(): {Views: new(int64(3))}}
	committed, _ := w.Commit(head)
	w.View(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.LoadSnapshotHead(ctx, committed.ID)
		wantEqual(t, &catalog.Snapshot{Instance: head.Instance, Usage: head.Usage}, got)
		return err
	})
}

// testParseResults keeps what the newest scan used, per purpose and connection.
func testParseResults(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	other := w.NewConnection("Other")
	var hash func(...[]byte) store.ParseHash
	w.View(func(_ context.Context, tx *store.Tx) error {
		hash = tx.ParseHasher()
		return nil
	})
	result := func(name, body string) store.ParseResult {
		return store.ParseResult{Hash: hash([]byte(name)), Body: []byte(body)}
	}
	save := func(conn store.ConnectionID, purpose string, keep func(store.ParseHash) bool, fresh ...store.ParseResult) {
		t.Helper()
		w.In(func(ctx context.Context, tx *store.Tx) error {
			return tx.SaveParseResults(ctx, conn, purpose, keep, fresh)
		})
	}
	load := func(conn store.ConnectionID, purpose string) (list []string) {
		t.Helper()
		w.View(func(ctx context.Context, tx *store.Tx) error {
			return tx.ParseResults(ctx, conn, purpose, func(p store.ParseResult) error {
				list = append(list, string(p.Body))
				return nil
			})
		})
		slices.Sort(list)
		return list
	}
	all := func(store.ParseHash) bool { return true }
	scan, _ := w.Commit(questions("1"))
	save(w.Conn, "sql", all, result("a", "A"), result("b", "B"), result("a", "A"))
	save(w.Conn, "other", all, result("a", "AA"))
	save(other, "sql", all, result("a", "AAA"))
	var many []store.ParseResult
	for i := range 120 {
		many = append(many, result(fmt.Sprint(i), "M"))
	}
	save(w.Conn, "many", all, many...)
	wantEqual(t, []string{"A", "B"}, load(w.Conn, "sql"))
	wantEqual(t, []string{"AA"}, load(w.Conn, "other"))
	wantEqual(t, []string{"AAA"}, load(other, "sql"))
	if n := len(load(w.Conn, "many")); n != 120 {
		t.Errorf("%d of 120 results", n)
	}
	// What is not used any more goes, what is stored again replaces.
	save(w.Conn, "sql", func(h store.ParseHash) bool { return h == hash([]byte("a")) }, result("a", "A2"), result("c", "C"))
	wantEqual(t, []string{"A2", "C"}, load(w.Conn, "sql"))
	stop := errors.New("stop")
	err := w.Store.ViewOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		return tx.ParseResults(ctx, w.Conn, "sql", func(store.ParseResult) error { return stop })
	})
	if !errors.Is(err, stop) {
		t.Errorf("the reader's error became %v", err)
	}
	if a, again := hash([]byte("a")), hash([]byte("a")); a != again || a == hash([]byte("b")) {
		t.Error("hashes do not tell texts apart")
	}
	// They go with the newest scan and with the connection.
	second, _ := w.Commit(questions("1"))
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, scan.ID) })
	wantEqual(t, []string{"A2", "C"}, load(w.Conn, "sql"))
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, second.ID) })
	wantEqual(t, []string(nil), load(w.Conn, "sql"))
	wantEqual(t, []string(nil), load(w.Conn, "other"))
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteConnection(ctx, other) })
	wantEqual(t, []string(nil), load(other, "sql"))
}
