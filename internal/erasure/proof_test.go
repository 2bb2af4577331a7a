package erasure_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// backup copies the database as it is now and returns how to open the copy.
func (b *bench) backup() (copied store.Config) {
	b.t.Helper()
	copied = b.cfg
	copied.Dir = filepath.Join(b.t.TempDir(), "copy")
	copied.Tombstones = filepath.Join(copied.Dir, "tombstones") // of its own: it knows of no deletion
	b.close()
	if b.engine == store.EngineSQLite {
		to := datadir.DatabaseIn(copied.Dir)
		content, err := os.ReadFile(datadir.DatabaseIn(b.dir))
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o700)); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
			b.t.Fatal(err)
		}
		b.open()
		return copied
	}
	u, err := url.Parse(b.cfg.DatabaseURL.Expose())
	if err != nil {
		b.t.Fatal(err)
	}
	from := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	admin := rawPostgres(b.t, u.String())
	to := from + "_copy"
	if _, err := admin.ExecContext(b.t.Context(), `CREATE DATABASE `+to+` TEMPLATE `+from); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if _, err := admin.ExecContext(context.Background(), `DROP DATABASE `+to+` WITH (FORCE)`); err != nil {
			b.t.Errorf("drop the copy: %v", err)
		}
	})
	u.Path = "/" + to
	copied.DatabaseURL = secret.New(u.String())
	b.open()
	return copied
}

// ids are what names the organization and its people in rows.
func (b *bench) ids() []string {
	return []string{string(b.org), string(b.owner), string(b.member), string(b.conn), string(b.second), string(b.scan)}
}

// sealed collects what sealed values look like on the disk: a part of each.
func sealed(dump map[string][][]byte) (samples [][]byte) {
	for table, values := range dump {
		if strings.HasPrefix(table, "river_") || table == "master_keys" || table == "signing_keys" || table == "deletions" {
			continue
		}
		for _, v := range values {
			if _, ok := keys.KeyID(v); ok && v[0] == 1 && len(v) >= 64 {
				samples = append(samples, v[20:52])
			}
		}
	}
	return samples
}

// findings of a search through files.
type looked struct {
	files, bytes int64
	hits         map[string]int
}

func lookThrough(t *testing.T, root string, skip func(string) bool, needles ...[]byte) looked {
	t.Helper()
	l := looked{hits: map[string]int{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || skip != nil && skip(name) {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || d.Type()&fs.ModeSocket != 0 {
			return nil
		}
		if err != nil {
			return err
		}
		l.files++
		l.bytes += int64(len(content))
		lower := bytes.ToLower(content)
		for _, n := range needles {
			if bytes.Contains(lower, bytes.ToLower(n)) || bytes.Contains(content, n) {
				l.hits[name]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (b *bench) dataDirectory(db *sql.DB) string {
	var path string
	b.query(db, `SHOW data_directory`, func(v []any) { path = fmt.Sprint(v[0]) })
	return path
}

// TestNothingIsLeftOfAnOrganization plants a word in every text that a person or
// a Metabase can author, deletes the organization, and looks for the word
// everywhere: in every table, in the database's files byte by byte, in the log,
// in the data directory, and in a copy from before.
func TestNothingIsLeftOfAnOrganization(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		b.plant()
		before := b.dump(b.raw())
		samples := sealed(before)
		report, err := b.store.FindText(t.Context(), b.marker)
		if err != nil {
			t.Fatal(err)
		}
		places := len(report.Found)
		if places < 20 || len(samples) < 60 {
			t.Fatalf("too little was planted to prove anything: %d places, %d sealed values: %v", places, len(samples), report.Found)
		}
		old := b.backup()

		name := ""
		b.system(func(ctx context.Context, tx *store.SystemTx) error {
			o, err := tx.Organization(ctx, b.org)
			name = o.Name
			return err
		})
		if _, err := b.service.DeleteOrganization(b.as(b.owner, store.RoleOwner), b.org, name+"!"); errs.CodeOf(err) != "mistyped" {
			t.Fatalf("a wrong name was accepted: %v", err)
		}
		if _, err := b.service.DeleteOrganization(b.as(b.member, store.RoleAdmin), b.org, name); errs.KindOf(err) != errs.Forbidden {
			t.Fatalf("an admin may delete: %v", err)
		}
		receipt, err := b.service.DeleteOrganization(b.as(b.owner, store.RoleOwner), b.org, "  "+name+" ")
		if err != nil {
			t.Fatal(err)
		}

		// Every table, every column, as the engine stores them.
		after := b.dump(b.raw())
		db := b.raw()
		needles := append([]string{b.marker, b.memberMarker}, b.ids()...)
		values := 0
		for table, list := range after {
			for _, v := range list {
				values++
				for _, n := range needles {
					if bytes.Contains(bytes.ToLower(v), []byte(strings.ToLower(n))) {
						t.Errorf("table %s still shows %q", table, n)
					}
				}
			}
		}
		// What may have rows: the installation's own.
		own := map[string]bool{
			"goose_db_version": true, "deletions": true, "master_keys": true, "key_rotations": true, "signing_keys": true, "system_settings": true, "sqlite_sequence": true,
			"sqlite_stat1": true, "sqlite_stat4": true, "job_runners": true, "login_throttle": true, "audit_log": true, "chain_heads": true, "chain_links": true, "chain_checkpoints": true,
		}
		for table, list := range after {
			if len(list) > 0 && !own[table] && !strings.HasPrefix(table, "river_") {
				t.Errorf("%d values are left in %s", len(list), table)
			}
		}
		again, err := b.store.FindText(t.Context(), b.marker)
		if err != nil || len(again.Found) != 0 {
			t.Errorf("decrypted, it still stands in %v, %v", again.Found, err)
		}

		// The files, byte by byte.
		root := b.dir
		var skip func(string) bool
		if b.engine == store.EnginePostgres {
			if os.Getenv("METALENS_TEST_POSTGRES") != "" {
				t.Skip("the server's files are not here")
			}
			if _, err := db.ExecContext(t.Context(), `CHECKPOINT`); err != nil {
				t.Fatal(err)
			}
			root = b.dataDirectory(db)
			var oid string
			b.query(db, `SELECT oid FROM pg_database WHERE datname = current_database()`, func(v []any) { oid = fmt.Sprint(v[0]) })
			skip = func(name string) bool { return !strings.HasPrefix(name, filepath.Join("base", oid)+"/") }
		}
		plain := lookThrough(t, root, skip, []byte(b.marker), []byte(b.memberMarker))
		for name, n := range plain.hits {
			t.Errorf("file %s shows a planted word (%d)", name, n)
		}
		cipher := lookThrough(t, root, skip, samples...)
		if b.engine == store.EngineSQLite && len(cipher.hits) > 0 {
			t.Errorf("sealed values are still in the files: %v", cipher.hits)
		}
		left := 0
		for _, n := range cipher.hits {
			left += n
		}
		wal := looked{}
		if b.engine == store.EnginePostgres {
			wal = lookThrough(t, filepath.Join(root, "pg_wal"), nil, []byte(b.marker), []byte(b.memberMarker))
		}

		// The log, and what the person gets.
		for _, n := range []string{b.marker, b.memberMarker} {
			if strings.Contains(b.logged.String(), n) {
				t.Errorf("the log shows %q", n)
			}
			if strings.Contains(erasure.Text(receipt.Deletion), n) {
				t.Errorf("the receipt shows %q", n)
			}
		}
		found, err := b.service.Receipt(t.Context(), receipt.Token)
		if err != nil || found.ID != receipt.ID || !found.KeyDestroyed || found.Counts["connections"] != 2 || found.Counts["users"] != 2 || found.Counts["river_job"] != 1 {
			t.Errorf("receipt %+v, %v", found, err)
		}
		proof, err := b.service.Proof(access.AsSystem(t.Context()), receipt.ID)
		if err != nil || !proof.Clean() || !proof.Outside || len(proof.Tables) < 20 {
			t.Errorf("proof %+v, %v", proof, err)
		}
		b.clock = b.clock.Add(store.ReceiptLife)
		if _, err := b.service.Receipt(t.Context(), receipt.Token); errs.CodeOf(err) != "no_receipt" {
			t.Errorf("the receipt outlives its time: %v", err)
		}

		_ = db.Close()
		b.copyIsUnreadable(old)
		t.Logf("planted %d texts, found before in %d columns and %d sealed values; after: 0 in %d values of %d tables, 0 in %d files of %.1f MB (%d sealed values left there, without a key), 0 in %d log bytes; pg_wal: %d files, %d with a name or an address",
			b.planted, places, len(samples), values, len(after), plain.files, float64(plain.bytes)/1e6, left, b.logged.Len(), wal.files, len(wal.hits))
	})
}

// copyIsUnreadable opens the copy from before the deletion: with the keys that
// are left it gives nothing away, and with the record of deletions it is emptied
// before anything is served.
func (b *bench) copyIsUnreadable(old store.Config) {
	t := b.t
	t.Helper()
	b.close()
	copied, err := store.Open(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	err = copied.ViewOrg(t.Context(), b.org, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Connections(ctx)
		return err
	})
	if errs.CodeOf(err) != "erasure_key_missing" {
		t.Errorf("a copy from before the deletion opens: %v", err)
	}
	if err := copied.Close(); err != nil {
		t.Fatal(err)
	}
	live, cfg := b.cfg, old
	cfg.Tombstones = filepath.Join(live.Dir, "tombstones")
	reading := cfg
	reading.ReadOnly = true
	if s, err := store.Open(t.Context(), reading); errs.CodeOf(err) != "tombstones_pending" {
		t.Errorf("a restored copy is served for reading: %v", errors.Join(err, s.Close()))
	}
	b.cfg = cfg
	b.dir = cfg.Dir
	b.open()
	for table, list := range b.dump(b.raw()) {
		for _, v := range list {
			for _, n := range append([]string{b.marker, b.memberMarker}, b.ids()...) {
				if bytes.Contains(bytes.ToLower(v), []byte(strings.ToLower(n))) {
					t.Errorf("after a restore, table %s shows %q", table, n)
				}
			}
		}
	}
	// It is known now: the next start has nothing to do.
	b.close()
	b.open()
	if r, err := b.store.ReplayTombstones(t.Context()); err != nil || r.Any() {
		t.Errorf("replayed again: %+v, %v", r, err)
	}
}

// TestNothingIsLeftOfAnAccount deletes one member. What the member decided for
// the organization stays, without a name.
func TestNothingIsLeftOfAnAccount(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		b.plant()
		before, err := b.store.FindText(t.Context(), b.memberMarker)
		if err != nil || len(before.Found) < 6 {
			t.Fatalf("too little was planted: %v, %v", before.Found, err)
		}
		old := b.backup()
		if _, err := b.service.DeleteAccount(b.as(b.owner, store.RoleOwner), "x"); errs.CodeOf(err) != "mistyped" {
			t.Fatalf("a wrong address was accepted: %v", err)
		}
		owner := b.addressOf(b.owner)
		if _, err := b.service.DeleteAccount(b.as(b.owner, store.RoleOwner), owner); errs.CodeOf(err) != "last_owner" {
			t.Fatalf("the last owner may go: %v", err)
		}
		receipt, err := b.service.DeleteAccount(b.as(b.member, store.RoleAdmin), strings.ToUpper(b.addressOf(b.member)))
		if err != nil {
			t.Fatal(err)
		}
		values := b.accountIsGone()
		proof, err := b.service.Proof(access.AsSystem(t.Context()), receipt.ID)
		if err != nil || !proof.Clean() {
			t.Errorf("proof %+v, %v", proof, err)
		}
		b.in(func(ctx context.Context, tx *store.Tx) error {
			list, _, err := tx.Findings(ctx, store.FindingQuery{Connection: b.conn, States: []store.FindingState{store.FindingIgnored}})
			if err != nil || len(list) != 1 || list[0].IgnoredBy != "" || list[0].Assignee != "" || !strings.Contains(list[0].IgnoredReason, b.marker) {
				t.Errorf("the decision did not stay without a name: %+v, %v", list, err)
			}
			return nil
		})
		if r, err := b.store.VerifyLedger(t.Context(), nil); err != nil || !r.OK() {
			t.Errorf("the chains do not hold after the deletion: %+v, %v", r, err)
		}

		// A restored copy loses the account again, and nothing else.
		b.close()
		cfg := old
		cfg.Tombstones = filepath.Join(b.cfg.Dir, "tombstones")
		b.cfg, b.dir = cfg, cfg.Dir
		b.open()
		b.accountIsGone()
		b.in(func(ctx context.Context, tx *store.Tx) error {
			list, err := tx.Connections(ctx)
			if len(list) != 2 {
				t.Errorf("%d connections after a restore, %v", len(list), err)
			}
			return err
		})
		t.Logf("before: %d columns; after: 0 in %d values", len(before.Found), values)
	})
}

func (b *bench) addressOf(user store.UserID) (email string) {
	b.system(func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.User(ctx, user)
		email = u.Email
		return err
	})
	return email
}

func (b *bench) accountIsGone() (values int64) {
	t := b.t
	t.Helper()
	after, err := b.store.FindText(t.Context(), b.memberMarker)
	if err != nil || len(after.Found) != 0 {
		t.Errorf("the member still stands in %v, %v", after.Found, err)
	}
	for table, list := range b.dump(b.raw()) {
		for _, v := range list {
			if bytes.Contains(bytes.ToLower(v), []byte(b.memberMarker)) {
				t.Errorf("table %s shows the member", table)
			}
			// The logs keep the id, which names nobody any more, for their own time.
			if bytes.Contains(v, []byte(b.member)) && table != "audit_log" {
				t.Errorf("table %s names the member's id", table)
			}
		}
	}
	if b.engine == store.EngineSQLite {
		for name := range lookThrough(t, b.dir, nil, []byte(b.memberMarker)).hits {
			t.Errorf("file %s shows the member", name)
		}
	}
	if strings.Contains(b.logged.String(), b.memberMarker) {
		t.Error("the log shows the member")
	}
	return after.Values
}

// TestNothingIsLeftOfAConnection deletes one of two connections.
func TestNothingIsLeftOfAConnection(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		b.plant()
		b.in(func(ctx context.Context, tx *store.Tx) error {
			return tx.SetCredential(ctx, b.conn, secret.New("mb_gone"))
		})
		old := b.backup()
		b.in(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteConnection(ctx, b.conn) })
		if err := b.store.Scrub(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone := func() {
			t.Helper()
			for table, list := range b.dump(b.raw()) {
				for _, v := range list {
					// What left stays on record for its own time, and so does its job for a day.
					if (bytes.Contains(v, []byte(b.conn)) || bytes.Contains(v, []byte(b.scan))) && table != "egress_ledger" && table != "river_job" {
						t.Errorf("table %s names the connection", table)
					}
				}
			}
		}
		gone()
		var id string
		b.system(func(ctx context.Context, tx *store.SystemTx) error {
			list, err := tx.Deletions(ctx, 10)
			if len(list) != 1 || list[0].Kind != store.DeletedConnection {
				t.Fatalf("the deletion is not on record: %+v", list)
			}
			id = list[0].ID
			return err
		})
		proof, err := b.service.Proof(access.AsSystem(t.Context()), id)
		if err != nil || !proof.Clean() {
			t.Errorf("proof %+v, %v", proof, err)
		}
		b.close()
		cfg := old
		cfg.Tombstones = filepath.Join(b.cfg.Dir, "tombstones")
		b.cfg, b.dir = cfg, cfg.Dir
		b.open()
		gone()
	})
}

// TestAnotherOrganizationStays deletes one of two and looks at the other.
func TestAnotherOrganizationStays(t *testing.T) {
	b := newBench(t, store.EnginePostgres)
	b.plant()
	first, firstConn := b.org, b.conn
	shared := b.member
	b.plant()
	b.system(func(ctx context.Context, tx *store.SystemTx) error { // belongs to both
		return tx.SetMembership(ctx, store.Membership{OrgID: b.org, UserID: shared, Role: store.RoleViewer})
	})
	before := b.dump(b.raw())
	if _, _, err := b.store.EraseOrganization(t.Context(), first, store.Erasure{}); err != nil {
		t.Fatal(err)
	}
	b.system(func(ctx context.Context, tx *store.SystemTx) error {
		users, err := tx.Users(ctx)
		if len(users) != 3 { // the shared one, and the two of the other organization
			t.Errorf("%d accounts are left", len(users))
		}
		return err
	})
	b.in(func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.Credential(ctx, b.conn)
		if err != nil || !c.Equal(secret.New("mb_"+b.marker)) {
			t.Errorf("the other organization's key: %v", err)
		}
		_, err = tx.LoadSnapshot(ctx, b.scan)
		return err
	})
	for table, list := range b.dump(b.raw()) {
		for _, v := range list {
			if bytes.Contains(v, []byte(first)) || bytes.Contains(v, []byte(firstConn)) {
				t.Errorf("table %s names the deleted organization", table)
			}
		}
		if table == "findings" && len(list)*2 != len(before[table]) {
			t.Errorf("%d of %d values of findings are left", len(list), len(before[table]))
		}
	}
}

// TestAnotherProcessForgets deletes in one process what another one works on.
func TestAnotherProcessForgets(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		b.plant()
		other, err := store.Open(t.Context(), b.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Close() }()
		if err := other.ViewOrg(t.Context(), b.org, func(context.Context, *store.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if gone, err := other.ForgetDeleted(t.Context()); err != nil || len(gone) != 0 {
			t.Fatalf("forgot what lives: %v, %v", gone, err)
		}
		if _, _, err := b.store.EraseOrganization(t.Context(), b.org, store.Erasure{}); err != nil {
			t.Fatal(err)
		}
		gone, err := other.ForgetDeleted(t.Context())
		if err != nil || len(gone) != 1 || gone[0] != b.org {
			t.Errorf("the other process did not notice: %v, %v", gone, err)
		}
		err = other.ViewOrg(t.Context(), b.org, func(context.Context, *store.Tx) error { return nil })
		if errs.CodeOf(err) != "no_organization" {
			t.Errorf("the other process still reads: %v", err)
		}
	})
}
