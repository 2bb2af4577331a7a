package store_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

func rawSQLite(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+datadir.DatabaseIn(dir))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestNothingReadableOnDisk plants a word in everything that comes from a
// Metabase or is secret, and looks for it in the database's files.
func TestNothingReadableOnDisk(t *testing.T) {
	const canary = "canary7f3a"
	dir := t.TempDir()
	open := func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = dir
		return mustOpen(t, cfg)
	}
	w := storetest.NewWorld(t, open)
	ref := catalog.Ref{Kind: catalog.KindTable, ID: "1/" + canary + "/" + canary}
	table := &catalog.Table{DatabaseID: "1", Schema: canary}
	table.ID, table.Name = ref.ID, canary
	question := &catalog.Question{Type: catalog.KindQuestion, Query: catalog.Query{SQL: "SELECT '" + canary + "'"}}
	question.ID, question.Name, question.CollectionID = "1", canary, "root"
	snapshot := &catalog.Snapshot{
		Instance: catalog.Instance{URL: "https://" + canary}, Gaps: []catalog.Gap{{What: canary, Reason: canary}},
		Questions: []*catalog.Question{question}, Tables: []*catalog.Table{table},
		Usage:  map[catalog.Ref]catalog.Usage{ref: {Views: new(int64(1))}},
		Access: catalog.Access{Memberships: map[string][]string{canary: {canary}}},
	}
	f := finding.Finding{Check: "USE001", Fingerprint: "abc", Asset: ref, Message: canary, Evidence: finding.Evidence{Texts: map[string]string{"x": canary}}}
	w.In(func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.InsertConnection(ctx, store.Connection{Name: canary, URL: "https://" + canary, Options: store.ConnectionOptions{Headers: map[string]string{"X": canary}}})
		if err != nil {
			return err
		}
		s, err := tx.InsertScan(ctx, store.Scan{ConnectionID: c.ID, State: store.ScanRunning})
		if err != nil {
			return err
		}
		_, progressErr := tx.UpdateScanProgress(ctx, s.ID, store.ScanProgress{Steps: []store.StepProgress{{Note: canary}}}, w.Clock.Now())
		stageErr := tx.StageSave(ctx, s.ID, "cards", []byte(canary))
		_, commitErr := tx.CommitSnapshot(ctx, s.ID, snapshot)
		_, _, _, applyErr := tx.ApplyFindings(ctx, s.ID, []finding.Finding{f}, []finding.NotEvaluated{{Check: "X", Reason: canary}}, w.Clock.Now())
		return errors.Join(progressErr, stageErr, commitErr, applyErr,
			tx.CommitLineage(ctx, s.ID, 1, slices.Values([]store.LineagePart{{Kind: "graph", Content: []byte(canary)}})),
			tx.SaveParseResults(ctx, c.ID, "sql", nil, []store.ParseResult{{Hash: tx.ParseHasher()([]byte(canary)), Body: []byte(canary)}}),
			tx.IgnoreFinding(ctx, c.ID, "abc", "u1", canary, time.Time{}),
			tx.SetCredential(ctx, c.ID, secret.New(canary)),
			tx.ReplaceSearch(ctx, c.ID, []store.SearchDoc{{Asset: ref, Name: canary, Path: canary, Description: canary, Identifiers: []string{canary}}}),
			tx.SetSetting(ctx, "k", canary),
			tx.RecordLedger(ctx, []store.LedgerRow{{Entry: ledger.Entry{Host: canary, Route: canary, Payload: &ledger.Payload{Media: canary, Content: []byte(canary)}}}}),
			tx.Audit(ctx, store.AuditRow{Action: "x", Target: canary, Source: canary, Detail: canary}),
			tx.FinishScan(ctx, s.ID, store.ScanSucceeded, "x", canary))
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		return errors.Join(tx.Audit(ctx, store.AuditRow{Action: "x", Detail: canary}),
			tx.RecordLedger(ctx, []store.LedgerRow{{Entry: ledger.Entry{Host: canary, Payload: &ledger.Payload{Content: []byte(canary)}}}}))
	})
	w.Checkpoint()
	if err := w.Store.KeepVerification(context.Background(), w.Verify()); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Sessions().Commit(canary, []byte(canary), w.Clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	look := func(when string) {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(bytes.ToLower(b), []byte(canary)) {
				t.Errorf("%s: %s shows what it must not", when, filepath.Base(path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	look("open, with its write-ahead log")
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	look("closed")
	info, err := os.Stat(datadir.DatabaseIn(dir))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the database has mode %o", info.Mode().Perm())
	}
}

// TestBodiesAreBoundToTheirRow swaps two sealed bodies.
func TestBodiesAreBoundToTheirRow(t *testing.T) {
	dir := t.TempDir()
	w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = dir
		return mustOpen(t, cfg)
	})
	other := w.NewConnection("Other")
	db := rawSQLite(t, dir)
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(context.Background(), `UPDATE connections SET body = (SELECT body FROM connections WHERE id = $1) WHERE id = $2`, string(other), string(w.Conn)); err != nil {
		t.Fatal(err)
	}
	err := w.Store.ViewOrg(context.Background(), w.Org, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Connection(ctx, w.Conn)
		return err
	})
	if err == nil {
		t.Error("a body opened in another row")
	}
}

// TestLineageIsBoundToItsRow puts the sealed lineage and parse results of one
// scan into the rows of another connection.
func TestLineageIsBoundToItsRow(t *testing.T) {
	dir := t.TempDir()
	w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = dir
		return mustOpen(t, cfg)
	})
	_, scan := filled(t, w)
	first := w.Conn
	w.Conn = w.NewConnection("Other")
	w.Commit(&catalog.Snapshot{})
	db := rawSQLite(t, dir)
	defer func() { _ = db.Close() }()
	for _, move := range []string{
		`UPDATE lineage_parts SET connection_id = $1`, `UPDATE parse_results SET connection_id = $1`,
		`UPDATE scans SET connection_id = $1, seq = seq + 5 WHERE id = '` + string(scan) + `'`, `UPDATE lineage_parts SET to_seq = NULL`,
	} {
		if _, err := db.ExecContext(context.Background(), move, string(w.Conn)); err != nil {
			t.Fatal(err)
		}
	}
	for name, read := range map[string]func(ctx context.Context, tx *store.Tx) error{
		"lineage": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.LoadLineage(ctx, scan, 1, func(string, []byte) error { return nil })
			return err
		},
		"parse result": func(ctx context.Context, tx *store.Tx) error {
			return tx.ParseResults(ctx, w.Conn, "sql", func(store.ParseResult) error { return nil })
		},
	} {
		if err := w.Store.ViewOrg(context.Background(), w.Org, read); err == nil || first == w.Conn {
			t.Errorf("a %s opened in another row", name)
		}
	}
}

// TestDeletingTheOrganizationLeavesNothing looks into every table.
func TestDeletingTheOrganizationLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = dir
		return mustOpen(t, cfg)
	})
	filled(t, w)
	db := rawSQLite(t, dir)
	defer func() { _ = db.Close() }()
	for _, table := range tenantTables {
		if count(t, db, table) == 0 {
			t.Errorf("nothing was put into %s", table)
		}
	}
	if _, _, err := w.Store.EraseOrganization(context.Background(), w.Org, store.Erasure{}); err != nil {
		t.Fatal(err)
	}
	for _, table := range tenantTables {
		if n := count(t, db, table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}

// TestReadersDoNotWaitForAWriter holds a write open while reading.
func TestReadersDoNotWaitForAWriter(t *testing.T) {
	w := storetest.NewWorld(t, openSQLite())
	w.In(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.SetSetting(ctx, "k", "v"); err != nil {
			return err
		}
		done := make(chan error, 1)
		go func() {
			limited, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			done <- w.Store.ViewOrg(limited, w.Org, func(ctx context.Context, tx *store.Tx) error {
				_, ok, err := tx.Setting(ctx, "k")
				if ok {
					t.Error("an uncommitted change was seen")
				}
				return err
			})
		}()
		return <-done
	})
}

func TestCompactGivesSpaceBack(t *testing.T) {
	dir := t.TempDir()
	w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = dir
		return mustOpen(t, cfg)
	})
	size := func() int64 {
		if err := w.Store.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(datadir.DatabaseIn(dir))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	s := &catalog.Snapshot{}
	g := newGenerator()
	for i := range 400 {
		s.Add(g.question(i+1, 5000))
	}
	w.Commit(s)
	full := size()
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteConnection(ctx, w.Conn) })
	if after := size(); after > before+(full-before)/5 {
		t.Errorf("%d bytes empty, %d full, %d after deleting", before, full, after)
	}
}

// TestKilledWhileCommitting kills a process that commits without pause and
// demands a whole database each time. METALENS_KILLS sets how often.
func TestKilledWhileCommitting(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("METALENS_KILLS"))
	if err != nil {
		kills = 4
	}
	dir := t.TempDir()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	cfg := store.Config{Dir: dir, Keys: set}
	s := mustOpen(t, cfg)
	w := &storetest.World{T: t, Store: s, Keys: set, Clock: storetest.NewClock()}
	w.Org = w.NewOrg("Acme")
	w.Conn = w.NewConnection("Main")
	whole := 0
	for i := range kills {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), committerEnv+"="+dir+"|"+string(w.Org)+"|"+string(w.Conn))
		cmd.Stdin = strings.NewReader(set.Text().Expose())
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		for range 1 + i%3 { // some scans that were reported as finished
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			whole++
		}
		wait := time.NewTimer(time.Duration(i*7919%90) * time.Millisecond) // somewhere in the next one
		<-wait.C
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		whole += bytes.Count(rest, []byte("\n"))
		_ = cmd.Wait() // killed

		w.In(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.AbandonStale(ctx, time.Now().Add(time.Hour))
			return err
		})
		w.View(func(ctx context.Context, tx *store.Tx) error {
			scan, err := tx.LatestScan(ctx, w.Conn)
			if err != nil {
				return err
			}
			if scan.Seq < int64(whole) || scan.Seq > int64(whole)+1 {
				t.Errorf("scan %d is the newest after %d were reported", scan.Seq, whole)
			}
			whole = int(scan.Seq)
			snapshot, err := tx.LoadSnapshot(ctx, scan.ID)
			if err != nil {
				return err
			}
			for _, q := range snapshot.Questions {
				if want := fmt.Sprintf("SELECT %d", scan.Seq); q.Query.SQL != want || len(snapshot.Questions) != committerQuestions {
					t.Fatalf("%d questions, one says %q, want %q", len(snapshot.Questions), q.Query.SQL, want)
				}
			}
			_, findings, err := tx.Findings(ctx, store.FindingQuery{Connection: w.Conn, Text: fmt.Sprintf("scan %d.", scan.Seq)})
			if findings != committerQuestions {
				t.Errorf("%d findings of the newest scan", findings)
			}
			return err
		})
	}
	var verdict string
	db := rawSQLite(t, dir)
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity: %q, %v", verdict, err)
	}
}

const (
	committerEnv       = "METALENS_TEST_COMMITTER"
	committerQuestions = 300
)

// commitForever is the process that is killed: in every scan every question
// says the scan's number.
func commitForever(arguments string) error {
	parts := strings.Split(arguments, "|")
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	set, err := keys.Parse(secret.New(string(text)))
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Dir: parts[0], Keys: set})
	if err != nil {
		return err
	}
	org, conn := store.OrgID(parts[1]), store.ConnectionID(parts[2])
	for {
		var scan store.Scan
		if err := s.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
			scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: conn, State: store.ScanRunning})
			return err
		}); err != nil {
			return err
		}
		if err := s.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
			next := int64(1)
			if last, err := tx.LatestScan(ctx, conn); err == nil {
				next = last.Seq + 1
			}
			snapshot := &catalog.Snapshot{}
			var findings []finding.Finding
			var docs []store.SearchDoc
			for i := range committerQuestions {
				q := &catalog.Question{Type: catalog.KindQuestion, Query: catalog.Query{SQL: fmt.Sprintf("SELECT %d", next)}}
				q.ID = strconv.Itoa(i + 1)
				snapshot.Add(q)
				findings = append(findings, finding.Finding{Check: "USE001", Fingerprint: q.ID, Asset: q.Ref(), Message: fmt.Sprintf("scan %d.", next)})
				docs = append(docs, store.SearchDoc{Asset: q.Ref(), Name: fmt.Sprintf("name %d", next)})
			}
			if _, err := tx.CommitSnapshot(ctx, scan.ID, snapshot); err != nil {
				return err
			}
			if _, _, _, err := tx.ApplyFindings(ctx, scan.ID, findings, nil, time.Now()); err != nil {
				return err
			}
			if err := tx.ReplaceSearch(ctx, conn, docs); err != nil {
				return err
			}
			return tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", "")
		}); err != nil {
			return err
		}
		fmt.Println("done")
	}
}
