package store_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

// onBoth runs a test on both engines, with the raw database beside the store.
func onBoth(t *testing.T, test func(t *testing.T, w *storetest.World, db *sql.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
			cfg.Dir = dir
			return mustOpen(t, cfg)
		})
		db := rawSQLite(t, dir)
		t.Cleanup(func() { _ = db.Close() })
		test(t, w, db)
	})
	t.Run("postgres", func(t *testing.T) {
		address := cluster.Database(t)
		w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
			cfg.DatabaseURL = secret.New(address)
			return mustOpen(t, cfg)
		})
		test(t, w, raw(t, address))
	})
}

// byteColumns lists every column of bytes of the schema.
func byteColumns(t *testing.T, w *storetest.World, db *sql.DB) []string {
	t.Helper()
	query := `SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.type = 'BLOB' AND m.name NOT LIKE 'river_%'`
	if w.Store.Engine() == store.EnginePostgres {
		query = `SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c WHERE c.table_schema = 'public' AND c.data_type = 'bytea'
			AND c.table_name NOT LIKE 'river_%'`
	}
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var list []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		list = append(list, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestEveryColumnOfBytesIsAccountedFor fails when a table gets a column of bytes
// that rotation would not know of.
func TestEveryColumnOfBytesIsAccountedFor(t *testing.T) {
	onBoth(t, func(t *testing.T, w *storetest.World, db *sql.DB) {
		known := map[string]bool{}
		for _, c := range store.SealedColumns() {
			known[c.Name()] = true
		}
		for name, why := range store.ClearColumns() {
			if known[name] || why == "" {
				t.Errorf("%s is listed twice, or without a reason", name)
			}
			known[name] = true
		}
		there := byteColumns(t, w, db)
		for _, name := range there {
			if !known[name] {
				t.Errorf("%s is neither in store.SealedColumns nor in store.ClearColumns (internal/store/keys_registry.go): rotation and the swap test would miss it", name)
			}
		}
		for name := range known {
			if !slices.Contains(there, name) {
				t.Errorf("%s is listed and does not exist", name)
			}
		}
	})
}

// samples takes values of every sealed column.
func samples(t *testing.T, w *storetest.World, orgs []store.OrgID) []store.SealedValue {
	t.Helper()
	var list []store.SealedValue
	for _, c := range store.SealedColumns() {
		within := orgs
		if c.Installation() {
			within = []store.OrgID{""}
		}
		for _, org := range within {
			values, err := w.Store.SealedValues(t.Context(), c, org, 3)
			if err != nil {
				t.Fatalf("%s: %v", c.Name(), err)
			}
			list = append(list, values...)
		}
	}
	return list
}

// TestCiphertextsOpenInTheirOwnPlaceOnly puts every sealed value into the place
// of every other one: another row, another column, another organization.
func TestCiphertextsOpenInTheirOwnPlaceOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, w *storetest.World, _ *sql.DB) {
		orgs := []store.OrgID{w.Org}
		filledWholly(t, w)
		first := w.Conn
		w.Conn = w.NewConnection("Second")
		filledWholly(t, w)
		if w.Store.Engine() == store.EnginePostgres {
			w.Org = w.NewOrg("B")
			w.Conn = w.NewConnection("B's own")
			filledWholly(t, w)
			orgs = append(orgs, w.Org)
		}
		if first == w.Conn {
			t.Fatal("one connection only")
		}
		list := samples(t, w, orgs)
		found := map[string]int{}
		sealed := make([][]byte, len(list))
		for i, v := range list {
			found[v.Column.Name()]++
			sealed[i] = v.Bytes
		}
		for _, c := range store.SealedColumns() {
			if found[c.Name()] == 0 && c.Name() != "chain_heads.verified_body" { // written by a verification
				t.Errorf("the test put nothing into %s: nothing was proven of it", c.Name())
			}
		}
		for i, v := range list {
			results, err := w.Store.OpenAt(t.Context(), v, sealed)
			if err != nil {
				t.Fatalf("%s: %v", v.Column.Name(), err)
			}
			for j, err := range results {
				switch {
				case i == j && err != nil:
					t.Errorf("%s %v does not open in its own place: %v", v.Column.Name(), v.Key, err)
				case i != j && err == nil:
					t.Errorf("the value of %s %v opened as %s %v", list[j].Column.Name(), list[j].Key, v.Column.Name(), v.Key)
				case i != j && !errors.Is(err, keys.ErrOpen):
					t.Errorf("the value of %s as %s: an unclear error: %v", list[j].Column.Name(), v.Column.Name(), err)
				}
			}
		}
		t.Logf("%d values of %d columns, each in %d places", len(list), len(found), len(list))
	})
}

// filledWholly is filled plus what belongs to the installation.
func filledWholly(t *testing.T, w *storetest.World) {
	t.Helper()
	fingerprint, _ := filled(t, w)
	ctx := t.Context()
	payload := &ledger.Payload{Media: "text/plain", Content: []byte("what was sent")}
	w.In(func(ctx context.Context, tx *store.Tx) error {
		scan, err := tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning})
		if err != nil {
			return err
		}
		return errors.Join(tx.FinishScan(ctx, scan.ID, store.ScanFailed, "unreachable", "the reason"),
			tx.IgnoreFinding(ctx, w.Conn, fingerprint, "", "not now", time.Time{}),
			tx.RecordLedger(ctx, []store.LedgerRow{{Count: 1, Entry: ledger.Entry{Payload: payload}}}))
	})
	sessions := w.Store.Sessions()
	for _, suffix := range []string{"a", "b"} {
		token := string(w.Conn) + suffix
		if err := sessions.CommitCtx(ctx, token, []byte("content of "+token), w.Clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		w.System(func(ctx context.Context, tx *store.SystemTx) error {
			u, err := tx.InsertUser(ctx, store.User{Email: token + "@example.com"})
			if err != nil {
				return err
			}
			_, factorErr := tx.InsertFactor(ctx, store.Factor{UserID: u.ID, Kind: store.FactorTOTP, Name: "phone", Secret: secret.New("JBSWY3DP")})
			_, inviteErr := tx.PutInvitation(ctx, store.Invitation{OrgID: w.Org, Email: "new@example.com", Role: store.RoleViewer}, []byte(token))
			return errors.Join(factorErr, inviteErr,
				tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: u.ID, Role: store.RoleViewer}),
				tx.BindSession(ctx, token, u.ID, "agent", "192.0.2.1"),
				tx.Audit(ctx, store.AuditRow{Action: "login_failed", Target: token}),
				tx.InsertAccessToken(ctx, store.AccessToken{ID: token, OrgID: w.Org, UserID: u.ID, Hash: []byte(token), Name: "laptop"}),
				tx.InsertSSOIdentity(ctx, store.SSOIdentity{Issuer: "https://id.example.com", Subject: token, Email: token, UserID: u.ID}),
				tx.SetEmailChange(ctx, u.ID, "other"+token+"@example.com", token, w.Clock.Now()),
				tx.SetSystemSetting(ctx, "test_"+token, "value"),
				tx.RecordLedger(ctx, []store.LedgerRow{{Count: 1, Entry: ledger.Entry{Payload: payload}}}))
		})
	}
}

func rotatedWorld(t *testing.T, w *storetest.World) *keys.Keyset {
	t.Helper()
	next, err := w.Keys.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Store.AddMasterKeys(next); err != nil {
		t.Fatal(err)
	}
	return next
}

// only fails unless all counted values are sealed by one key.
func only(t *testing.T, what string, counts map[uint32]int64, id uint32) {
	t.Helper()
	if len(counts) != 1 || counts[id] == 0 {
		t.Errorf("%s: sealed by %v, want all by %d", what, counts, id)
	}
}

func usage(t *testing.T, s *store.Store) store.KeyUsage {
	t.Helper()
	u, err := s.KeyUsage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRotateDataKey(t *testing.T) {
	onBoth(t, func(t *testing.T, w *storetest.World, _ *sql.DB) {
		filledWholly(t, w)
		ctx := t.Context()
		before := samples(t, w, []store.OrgID{w.Org})
		old := usage(t, w.Store).Data[w.Org]
		var seen []store.Rotation
		if err := w.Store.RotateDataKey(ctx, w.Org, func(r store.Rotation) { seen = append(seen, r) }); err != nil {
			t.Fatal(err)
		}
		last := seen[len(seen)-1]
		if last.State != store.RotationDone || last.Total == 0 || last.Done != last.Total || old[last.KeyID] != 0 {
			t.Errorf("ended as %+v", last)
		}
		only(t, "data", usage(t, w.Store).Data[w.Org], last.KeyID)
		after := samples(t, w, []store.OrgID{w.Org})
		if len(after) < len(before) {
			t.Errorf("%d values, %d before", len(after), len(before))
		}
		for _, v := range after {
			results, err := w.Store.OpenAt(ctx, v, [][]byte{v.Bytes})
			if err != nil || results[0] != nil {
				t.Errorf("%s %v: %v %v", v.Column.Name(), v.Key, err, results)
			}
		}
		// The old key is gone: nothing that it sealed opens any more.
		for _, v := range before {
			if v.Column.Installation() {
				continue
			}
			results, err := w.Store.OpenAt(ctx, v, [][]byte{v.Bytes})
			if err != nil || !errors.Is(results[0], keys.ErrOpen) {
				t.Errorf("%s %v still opens in its old form: %v %v", v.Column.Name(), v.Key, err, results)
			}
		}
		// Hashes still find what they found.
		w.In(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ConnectionByName(ctx, "Main")
			return err
		})
	})
}

func TestRotateMasterKey(t *testing.T) {
	onBoth(t, func(t *testing.T, w *storetest.World, _ *sql.DB) {
		filledWholly(t, w)
		ctx := t.Context()
		first := w.Keys.Primary()
		next := rotatedWorld(t, w)
		if err := w.Store.RevokeMasterKey(ctx, first); err == nil {
			t.Error("the active key was revoked")
		}
		if err := w.Store.RotateMasterKey(ctx, next.Primary(), nil); err != nil {
			t.Fatal(err)
		}
		only(t, "installation", usage(t, w.Store).Master, next.Primary())
		if err := w.Store.RevokeMasterKey(ctx, first); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(w.Store.MasterIDs(), first) {
			t.Error("the revoked key is still in memory")
		}
		if err := w.Store.RotateMasterKey(ctx, first, nil); err == nil {
			t.Error("a revoked key seals again")
		}
		w.In(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Credential(ctx, w.Conn)
			return err
		})
		b, found, err := w.Store.Sessions().FindCtx(ctx, string(w.Conn)+"a")
		if err != nil || !found || len(b) == 0 {
			t.Errorf("the session was lost: %v %v", found, err)
		}
	})
}

// TestInterruptedRotationGoesOn stops a rotation in the middle, as a kill does,
// and resumes it in another process.
func TestInterruptedRotationGoesOn(t *testing.T) {
	onBoth(t, func(t *testing.T, w *storetest.World, _ *sql.DB) {
		filledWholly(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		batches := 0
		err := w.Store.RotateDataKey(ctx, w.Org, func(store.Rotation) {
			if batches++; batches == 4 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		if n := len(usage(t, w.Store).Data[w.Org]); n != 2 {
			t.Fatalf("values of %d keys after half of it", n)
		}
		if err := w.Store.ResumeRotations(t.Context()); err != nil {
			t.Fatal(err)
		}
		var list []store.Rotation
		w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
			list, err = tx.Rotations(ctx)
			return err
		})
		if len(list) != 1 || list[0].State != store.RotationDone {
			t.Fatalf("got %+v", list)
		}
		only(t, "data", usage(t, w.Store).Data[w.Org], list[0].KeyID)
	})
}

// TestDamagedValueKeepsTheOldKey: a value that does not open must not take the
// key with it that could have opened it.
func TestDamagedValueKeepsTheOldKey(t *testing.T) {
	onBoth(t, func(t *testing.T, w *storetest.World, _ *sql.DB) {
		filledWholly(t, w)
		other := w.NewConnection("Other")
		w.In(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.SQL().ExecContext(ctx, `UPDATE connections SET body = (SELECT body FROM connections WHERE id = $1) WHERE id = $2`, string(w.Conn), string(other))
			return err
		})
		err := w.Store.RotateDataKey(t.Context(), w.Org, nil)
		if err == nil || !strings.Contains(err.Error(), "1 stored value") {
			t.Fatalf("got %v", err)
		}
		if n := len(usage(t, w.Store).Data[w.Org]); n != 2 {
			t.Errorf("values of %d keys, want the damaged one apart", n)
		}
		w.In(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Credential(ctx, w.Conn)
			return err
		})
	})
}
