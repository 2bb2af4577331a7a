package backup_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/backup"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

var at = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// place is where a store is, and how it is opened again.
type place struct{ cfg store.Config }

func newPlace(t *testing.T, engine store.Engine) *place {
	t.Helper()
	p := &place{store.Config{Dir: filepath.Join(t.TempDir(), "data")}}
	// The keys lie apart from the database and survive it, as in real life.
	p.cfg.ErasureKeys = filepath.Join(t.TempDir(), "erasure")
	p.cfg.Tombstones = filepath.Join(t.TempDir(), "tombstones")
	if engine == store.EnginePostgres {
		p.cfg.DatabaseURL = secret.New(cluster.SuperuserDatabase(t))
	}
	return p
}

func (p *place) open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), p.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// world fills a store at a place.
func (p *place) world(t *testing.T) *storetest.World {
	t.Helper()
	w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		p.cfg.Keys, p.cfg.Now = cfg.Keys, cfg.Now
		return p.open(t)
	})
	question := &catalog.Question{Type: catalog.KindQuestion}
	question.ID, question.Name = "1", "Revenue"
	f := finding.Finding{Check: "USE001", Fingerprint: finding.Fingerprint("USE001", question.Ref(), ""), Severity: finding.Low, Asset: question.Ref(), Message: "m"}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.InsertUser(ctx, store.User{Email: "ada@example.com", Name: "Ada"})
		if err != nil {
			return err
		}
		return errors.Join(tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: store.RoleOwner}),
			tx.Audit(ctx, store.AuditRow{Action: "set_up"}))
	})
	w.In(func(ctx context.Context, tx *store.Tx) error {
		scan, err := tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning})
		if err != nil {
			return err
		}
		_, commitErr := tx.CommitSnapshot(ctx, scan.ID, &catalog.Snapshot{Questions: []*catalog.Question{question}})
		_, _, _, applyErr := tx.ApplyFindings(ctx, scan.ID, []finding.Finding{f}, nil, w.Clock.Now())
		return errors.Join(commitErr, applyErr, tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", ""),
			tx.ReplaceSearch(ctx, w.Conn, []store.SearchDoc{{Asset: question.Ref(), Name: "Revenue"}}),
			tx.SetCredential(ctx, w.Conn, secret.New("mb_secret")),
			tx.RecordLedger(ctx, []store.LedgerRow{{Count: 1}}),
			tx.SetSetting(ctx, "k", "v"))
	})
	return w
}

// counts counts the rows of all tables; as a superuser on PostgreSQL, so that
// nothing is hidden.
func (p *place) counts(t *testing.T) map[string]int64 {
	t.Helper()
	driver, address := "sqlite", filepath.Join(p.cfg.Dir, "db", "metalens.db")
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if !p.cfg.DatabaseURL.IsZero() {
		driver, address = "pgx", p.cfg.DatabaseURL.Expose()
		query = `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, name := range names {
		var n int64
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 && !strings.HasPrefix(name, "river_") && name != "goose_db_version" {
			counts[name] = n
		}
	}
	return counts
}

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func write(t *testing.T, s *store.Store, to age.Recipient) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, _, err := backup.Write(t.Context(), &b, s, "test", at, to); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func restore(t *testing.T, p *place, file []byte, with age.Identity, replace bool) error {
	t.Helper()
	r, err := backup.Open(bytes.NewReader(file), with)
	if err != nil {
		return err
	}
	return store.Restore(t.Context(), p.cfg, r.Manifest().DumpHead, r, replace)
}

func TestRestoreOnEachEngine(t *testing.T) {
	for _, from := range []store.Engine{store.EngineSQLite, store.EnginePostgres} {
		for _, to := range []store.Engine{store.EngineSQLite, store.EnginePostgres} {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) { roundTrip(t, from, to) })
		}
	}
}

func roundTrip(t *testing.T, from, to store.Engine) {
	source := newPlace(t, from)
	w := source.world(t)
	want := source.counts(t)
	id := identity(t)
	file := write(t, w.Store, id.Recipient())
	if bytes.Contains(file, []byte("ada@example.com")) {
		t.Error("an address is readable in the backup")
	}
	target := newPlace(t, to)
	target.cfg.Keys, target.cfg.Now, target.cfg.ErasureKeys = source.cfg.Keys, source.cfg.Now, source.cfg.ErasureKeys
	if err := restore(t, target, file, id, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, target.counts(t)); diff != "" {
		t.Errorf("rows (-before +after):\n%s", diff)
	}
	again := *w
	again.Store = target.open(t)
	again.In(func(ctx context.Context, tx *store.Tx) error {
		credential, err := tx.Credential(ctx, w.Conn)
		if err != nil || credential.Expose() != "mb_secret" {
			t.Errorf("the credential is lost: %v", err)
		}
		c, err := tx.ConnectionByName(ctx, "Main")
		if err != nil || c.ID != w.Conn {
			t.Errorf("got %+v, %v", c, err)
		}
		// New rows do not collide with the restored ones.
		question := &catalog.Question{Type: catalog.KindQuestion}
		question.ID, question.Name = "2", "Costs"
		return errors.Join(tx.SetSetting(ctx, "k", "w"), tx.ReplaceSearch(ctx, w.Conn, []store.SearchDoc{{Asset: question.Ref(), Name: "Costs"}}),
			tx.Audit(ctx, store.AuditRow{Action: "after"}))
	})
}

func TestTamperedAndTruncatedBackupsAreRefused(t *testing.T) {
	source := newPlace(t, store.EngineSQLite)
	w := source.world(t)
	id := identity(t)
	file := write(t, w.Store, id.Recipient())
	target := newPlace(t, store.EngineSQLite)
	target.cfg.Keys, target.cfg.Now, target.cfg.ErasureKeys = source.cfg.Keys, source.cfg.Now, source.cfg.ErasureKeys
	refused := func(what string, file []byte) {
		t.Helper()
		err := restore(t, target, file, id, false)
		if errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: got %v", what, err)
		}
		if _, err := os.Stat(filepath.Join(target.cfg.Dir, "db", "metalens.db")); !os.IsNotExist(err) {
			t.Fatalf("%s: something was restored", what)
		}
	}
	for part := range 24 {
		at := len(file) * part / 24
		flipped := bytes.Clone(file)
		flipped[at] ^= 0x10
		refused(fmt.Sprintf("byte %d flipped", at), flipped)
		refused(fmt.Sprintf("cut at %d", at), file[:at])
	}
	refused("appended", append(bytes.Clone(file), 0))
	if err := restore(t, target, file, identity(t), false); errs.CodeOf(err) != "backup_key" {
		t.Errorf("another identity: %v", err)
	}
	if err := restore(t, target, file, id, false); err != nil {
		t.Errorf("the whole file: %v", err)
	}
}

// cut is a backup that ends in the middle, inside valid encryption: what a
// program that was killed leaves.
type cut struct {
	store.DumpSource
	left int
}

func (c *cut) Next() (int, []any, error) {
	if c.left--; c.left < 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return c.DumpSource.Next()
}

func TestInterruptedRestoreChangesNothing(t *testing.T) {
	for _, engine := range []store.Engine{store.EngineSQLite, store.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			source := newPlace(t, engine)
			w := source.world(t)
			id := identity(t)
			file := write(t, w.Store, id.Recipient())
			target := newPlace(t, engine)
			other := target.world(t)
			before := target.counts(t)
			target.cfg.Keys, target.cfg.ErasureKeys = source.cfg.Keys, source.cfg.ErasureKeys
			if err := restore(t, target, file, id, false); errs.CodeOf(err) != "not_empty" {
				t.Errorf("a database that is in use was replaced: %v", err)
			}
			if err := other.Store.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := backup.Open(bytes.NewReader(file), id)
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Restore(t.Context(), target.cfg, r.Manifest().DumpHead, &cut{r, 12}, true); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, target.counts(t)); diff != "" {
				t.Errorf("something changed (-before +after):\n%s", diff)
			}
			if err := restore(t, target, file, id, true); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(source.counts(t), target.counts(t)); diff != "" {
				t.Errorf("rows (-source +restored):\n%s", diff)
			}
		})
	}
}

func TestWrongMasterKeyAndNewerSchemaAreRefused(t *testing.T) {
	source := newPlace(t, store.EngineSQLite)
	w := source.world(t)
	id := identity(t)
	file := write(t, w.Store, id.Recipient())
	target := newPlace(t, store.EngineSQLite)
	target.cfg.ErasureKeys = source.cfg.ErasureKeys
	var err error
	if target.cfg.Keys, err = keys.Generate(); err != nil {
		t.Fatal(err)
	}
	if err := restore(t, target, file, id, false); errs.CodeOf(err) != "wrong_master_key" {
		t.Errorf("got %v", err)
	}
	target.cfg.Keys = source.cfg.Keys
	r, err := backup.Open(bytes.NewReader(file), id)
	if err != nil {
		t.Fatal(err)
	}
	head := r.Manifest().DumpHead
	head.Schema += 1000
	if err := store.Restore(t.Context(), target.cfg, head, r, false); errs.CodeOf(err) != "schema_newer" {
		t.Errorf("got %v", err)
	}
	if text := fmt.Sprintf("%+v", r.Manifest()); strings.Contains(text, "metalens-key") || r.Manifest().HoldsMasterKey {
		t.Error("the manifest speaks of keys")
	}
}

// TestDeletedOrganizationStaysDeleted restores a backup from before a deletion.
func TestDeletedOrganizationStaysDeleted(t *testing.T) {
	source := newPlace(t, store.EngineSQLite)
	w := source.world(t)
	id := identity(t)
	file := write(t, w.Store, id.Recipient())
	if _, _, err := w.Store.EraseOrganization(t.Context(), w.Org, store.Erasure{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := restore(t, source, file, id, true); err != nil {
		t.Fatal(err)
	}
	if n := source.counts(t)["organizations"]; n != 1 {
		t.Fatalf("%d organizations in the restored file", n)
	}
	s := source.open(t) // replays the deletion before anybody can read
	err := s.ViewOrg(t.Context(), w.Org, func(context.Context, *store.Tx) error { return nil })
	if errs.KindOf(err) != errs.NotFound {
		t.Errorf("the deleted organization is back: %v", err)
	}
	if n := source.counts(t)["connections"]; n != 0 {
		t.Errorf("%d of its connections are back", n)
	}
}

// TestBackupWhileWriting takes a backup while rows are written: it holds one
// moment, or its own checks would not pass on restoring.
func TestBackupWhileWriting(t *testing.T) {
	source := newPlace(t, store.EngineSQLite)
	w := source.world(t)
	id := identity(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			w.In(func(ctx context.Context, tx *store.Tx) error {
				return errors.Join(tx.SetSetting(ctx, "a", fmt.Sprint(n)), tx.SetSetting(ctx, "b", fmt.Sprint(n)))
			})
		}
	}()
	file := write(t, w.Store, id.Recipient())
	close(stop)
	<-done
	target := newPlace(t, store.EngineSQLite)
	target.cfg.Keys, target.cfg.Now, target.cfg.ErasureKeys = source.cfg.Keys, source.cfg.Now, source.cfg.ErasureKeys
	if err := restore(t, target, file, id, false); err != nil {
		t.Fatal(err)
	}
	again := *w
	again.Store = target.open(t)
	again.In(func(ctx context.Context, tx *store.Tx) error {
		a, _, errA := tx.Setting(ctx, "a")
		b, _, errB := tx.Setting(ctx, "b")
		if a != b {
			t.Errorf("two settings of one transaction differ: %q, %q", a, b)
		}
		return errors.Join(errA, errB)
	})
}
