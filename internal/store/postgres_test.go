package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

// tenantTables are all tables that hold an organization's rows.
var tenantTables = []string{
	"settings", "connections", "scans", "stages", "stage_stamps", "asset_versions", "usage_records", "connection_facts", "own_reads",
	"findings", "finding_events", "search_docs", "search_words", "egress_ledger", "audit_log", "lineage_parts", "parse_results",
	"grants", "retention_reports", "connection_keys", "egress_payloads", "chain_heads", "chain_links", "chain_checkpoints",
	"ai_settings", "ai_spend", "ai_calls", "ai_outputs", "chats", "chat_messages", "chat_maps", "sensitivity_rules",
}

// filled puts a row of the organization into every tenant table.
func filled(t *testing.T, w *storetest.World) (fingerprint string, scan store.ScanID) {
	t.Helper()
	q := &catalog.Question{Type: catalog.KindQuestion}
	q.ID, q.Name = "1", "Revenue"
	f := finding.Finding{Check: "USE001", Fingerprint: finding.Fingerprint("USE001", q.Ref(), ""), Severity: finding.Low, Asset: q.Ref(), Message: "m"}
	var member store.User
	w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
		if member, err = tx.InsertUser(ctx, store.User{Email: string(w.Conn) + "@example.com"}); err != nil {
			return err
		}
		return tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: member.ID, Role: store.RoleViewer})
	})
	w.In(func(ctx context.Context, tx *store.Tx) error {
		s, err := tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning})
		if err != nil {
			return err
		}
		scan = s.ID
		_, openErr := tx.StageOpen(ctx, s.ID, "stamp", w.Clock.Now())
		stageErr := tx.StageSave(ctx, s.ID, "cards", []byte("x"))
		snapshot := &catalog.Snapshot{Questions: []*catalog.Question{q}}
		_, commitErr := tx.CommitSnapshot(ctx, s.ID, snapshot)
		_, _, _, applyErr := tx.ApplyFindings(ctx, s.ID, []finding.Finding{f}, nil, w.Clock.Now())
		return errors.Join(openErr, stageErr, commitErr, applyErr,
			tx.CommitLineage(ctx, s.ID, 1, slices.Values([]store.LineagePart{{Kind: "graph", Content: []byte("x")}})),
			tx.SaveParseResults(ctx, w.Conn, "sql", nil, []store.ParseResult{{Hash: tx.ParseHasher()(), Body: []byte("x")}}),
			tx.ReplaceSearch(ctx, w.Conn, []store.SearchDoc{{Asset: q.Ref(), Name: "Revenue"}}),
			tx.SetSetting(ctx, "k", "v"),
			tx.SetGrant(ctx, w.Conn, member.ID, store.Grant{Mode: store.GrantNone}),
			tx.SetCredential(ctx, w.Conn, secret.New("mb_key")),
			tx.AddOwnReads(ctx, w.Conn, map[string]int64{"1": 1}),
			tx.RecordLedger(ctx, []store.LedgerRow{{Count: 1, Entry: ledger.Entry{Payload: &ledger.Payload{Content: []byte("x")}}}}),
			tx.Audit(ctx, store.AuditRow{Action: "x"}),
			tx.AddRetentionReport(ctx, store.RetentionReport{Cause: "daily"}),
			filledAI(ctx, tx, w, member.ID),
			tx.FinishScan(ctx, s.ID, store.ScanSucceeded, "", ""))
	})
	w.Checkpoint()
	return f.Fingerprint, scan
}

// filledAI puts a row into every table of what belongs to models.
func filledAI(ctx context.Context, tx *store.Tx, w *storetest.World, member store.UserID) error {
	_, keyErr := tx.SetAIKey(ctx, secret.New("sk-0123456789abcdef"))
	call, err := tx.ReserveAICall(ctx, store.AICall{Agent: "chat", Provider: "anthropic", Model: "m", SettleBy: w.Clock.Now().Add(time.Hour)}, func(store.AIBudget, store.AIBudget) error { return nil })
	chat, chatErr := tx.InsertChat(ctx, store.Chat{Connection: w.Conn, User: member, Title: "t"})
	if err := errors.Join(keyErr, err, chatErr); err != nil {
		return err
	}
	_, messageErr := tx.AddChatMessage(ctx, store.ChatMessage{Chat: chat.ID, Role: "user", Content: []byte(`"x"`)})
	_, ruleErr := tx.AddSensitivityRule(ctx, store.SensitivityRule{Connection: w.Conn, Pattern: "*.email"})
	call.Outcome = "ok"
	return errors.Join(messageErr, ruleErr, tx.SettleAICall(ctx, call), tx.SetChatMap(ctx, chat.ID, []byte(`[]`)),
		tx.PutAIOutput(ctx, store.AIOutput{Connection: w.Conn, Agent: "explainer", Subject: "question:1", Output: []byte(`{}`)}))
}

func raw(t *testing.T, address string) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*cfg)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func count(t *testing.T, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, table string,
) int {
	t.Helper()
	var n int
	if err := q.QueryRowContext(context.Background(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
		t.Fatalf("%s: %v", table, err)
	}
	return n
}

func TestRowLevelSecurity(t *testing.T) {
	address := cluster.Database(t)
	open := func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.DatabaseURL = secret.New(address)
		return mustOpen(t, cfg)
	}
	w := storetest.NewWorld(t, open)
	filled(t, w)
	a := w.Org
	w.Org = w.NewOrg("B")
	w.Conn = w.NewConnection("B's own")
	fingerprintB, scanB := filled(t, w)
	b, connB := w.Org, w.Conn
	ctx := context.Background()

	// Every tenant table is protected; a new one cannot be forgotten.
	db := raw(t, address)
	rows, err := db.QueryContext(ctx, `SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
		WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	protected := map[string]bool{}
	for rows.Next() {
		var name string
		var forced bool
		if err := rows.Scan(&name, &forced); err != nil {
			t.Fatal(err)
		}
		protected[name] = forced
		if !forced {
			t.Errorf("table %s has no forced row-level security", name)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, table := range tenantTables {
		if !protected[table] {
			t.Errorf("table %s is not protected", table)
		}
	}
	// And, of the system role: memberships, invitations, access_tokens,
	// system_ledger, system_payloads and stream_cursors.
	if len(protected) != len(tenantTables)+6 {
		t.Errorf("this test does not know all tables of tenants: %v", protected)
	}

	t.Run("a query without a where clause sees one organization", func(t *testing.T) {
		for _, org := range []store.OrgID{a, b} {
			err := w.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
				for _, table := range tenantTables {
					var mine, others int
					if err := tx.SQL().QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE org_id = $1), count(*) FILTER (WHERE org_id <> $1) FROM `+table, string(org)).Scan(&mine, &others); err != nil {
						return fmt.Errorf("%s: %w", table, err)
					}
					if mine == 0 || others != 0 {
						t.Errorf("%s: %d rows of its own, %d of others", table, mine, others)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("a change without a where clause touches one organization", func(t *testing.T) {
		failure := errors.New("roll back")
		err := w.Store.InOrg(ctx, a, func(ctx context.Context, tx *store.Tx) error {
			for _, table := range tenantTables {
				if table == "chain_checkpoints" {
					continue // nobody of the organization may delete one; see below
				}
				result, err := tx.SQL().ExecContext(ctx, `DELETE FROM `+table)
				if err != nil {
					return fmt.Errorf("%s: %w", table, err)
				}
				if _, err := result.RowsAffected(); err != nil {
					return err
				}
			}
			_, err := tx.SQL().ExecContext(ctx, `INSERT INTO settings (org_id, name, body) VALUES ($1, 'x', 'y')`, string(b))
			if err == nil || !strings.Contains(err.Error(), "row-level security") {
				t.Errorf("a row was written into another organization: %v", err)
			}
			return failure
		})
		if !errors.Is(err, failure) {
			t.Fatal(err)
		}
		w.View(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Connection(ctx, connB)
			return err
		})
	})
	t.Run("without the organization's setting nothing is visible", func(t *testing.T) {
		for _, role := range []string{"", "metalens_app", "metalens_system"} { // the owner itself first
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if role != "" {
				if _, err := tx.ExecContext(ctx, `SET LOCAL ROLE `+role); err != nil {
					t.Fatal(err)
				}
			}
			for _, table := range append([]string{"organizations"}, tenantTables...) {
				if role == "metalens_system" && table != "organizations" {
					continue // no right to count them at all; see below
				}
				if n := count(t, tx, table); n != 0 {
					t.Errorf("role %q sees %d rows of %s", role, n, table)
				}
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("history is added to, not changed", func(t *testing.T) {
		for _, statement := range []string{
			`UPDATE chain_links SET link = commitment`, `UPDATE chain_checkpoints SET seq = 0`, `DELETE FROM chain_checkpoints`, `SELECT private_key FROM signing_keys`,
		} {
			err := w.Store.InOrg(ctx, a, func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.SQL().ExecContext(ctx, statement)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
	t.Run("the system role sees no content", func(t *testing.T) {
		for _, query := range []string{
			`SELECT body FROM connections`, `SELECT credential FROM connections`, `SELECT summary FROM scans`, `SELECT body FROM asset_versions`,
			`SELECT body FROM findings`, `SELECT body FROM settings`, `SELECT body FROM search_docs`, `SELECT body FROM egress_ledger`,
			`SELECT body FROM lineage_parts`, `SELECT body FROM parse_results`, `SELECT body FROM egress_payloads`,
			`SELECT credential FROM ai_settings`, `SELECT body FROM ai_calls`, `SELECT body FROM ai_outputs`, `SELECT body FROM chats`, `SELECT body FROM chat_messages`,
			`SELECT body FROM chat_maps`, `SELECT body FROM sensitivity_rules`, `UPDATE ai_spend SET calls = 0`,
		} {
			err := w.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
				_, err := tx.SQL().ExecContext(ctx, query)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("%s: %v", query, err)
			}
		}
	})
	t.Run("the app role sees no accounts", func(t *testing.T) {
		for _, table := range []string{"users", "sessions", "memberships", "login_throttle", "factors", "recovery_codes", "email_changes", "known_devices", "access_tokens", "sso_identities"} {
			err := w.Store.InOrg(ctx, a, func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.SQL().ExecContext(ctx, `SELECT * FROM `+table)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("%s: %v", table, err)
			}
		}
	})
	t.Run("ids of another organization are not found", func(t *testing.T) {
		foreignIDs(t, w.Store, a, connB, scanB, fingerprintB)
	})
}

// foreignIDs uses another organization's ids in every way.
func foreignIDs(t *testing.T, s *store.Store, a store.OrgID, connB store.ConnectionID, scanB store.ScanID, fingerprintB string) {
	t.Helper()
	ref := catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}
	for name, use := range map[string]func(context.Context, *store.Tx) error{
		"Connection": func(ctx context.Context, tx *store.Tx) error { _, err := tx.Connection(ctx, connB); return err },
		"UpdateConnection": func(ctx context.Context, tx *store.Tx) error {
			return tx.UpdateConnection(ctx, store.Connection{ID: connB})
		},
		"DeleteConnection": func(ctx context.Context, tx *store.Tx) error { return tx.DeleteConnection(ctx, connB) },
		"Credential":       func(ctx context.Context, tx *store.Tx) error { _, err := tx.Credential(ctx, connB); return err },
		"SetCredential":    func(ctx context.Context, tx *store.Tx) error { return tx.SetCredential(ctx, connB, secret.New("x")) },
		"InsertScan": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.InsertScan(ctx, store.Scan{ConnectionID: connB})
			return err
		},
		"Scan":              func(ctx context.Context, tx *store.Tx) error { _, err := tx.Scan(ctx, scanB); return err },
		"RequestScanCancel": func(ctx context.Context, tx *store.Tx) error { return tx.RequestScanCancel(ctx, scanB) },
		"DeleteScan":        func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, scanB) },
		"LatestScan":        func(ctx context.Context, tx *store.Tx) error { _, err := tx.LatestScan(ctx, connB); return err },
		"LoadSnapshot":      func(ctx context.Context, tx *store.Tx) error { _, err := tx.LoadSnapshot(ctx, scanB); return err },
		"LoadAsset":         func(ctx context.Context, tx *store.Tx) error { _, err := tx.LoadAsset(ctx, connB, ref, 0); return err },
		"LoadSnapshotHead":  func(ctx context.Context, tx *store.Tx) error { _, err := tx.LoadSnapshotHead(ctx, scanB); return err },
		"LoadLineage": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.LoadLineage(ctx, scanB, 1, func(string, []byte) error { return errors.New("content of another organization") })
			return err
		},
		"CommitLineage": func(ctx context.Context, tx *store.Tx) error {
			return tx.CommitLineage(ctx, scanB, 1, slices.Values([]store.LineagePart{{Kind: "graph", Content: []byte("y")}}))
		},
		"PutAIOutput": func(ctx context.Context, tx *store.Tx) error {
			return tx.PutAIOutput(ctx, store.AIOutput{Connection: connB, Agent: "a", Subject: "s"})
		},
		"AddSensitivityRule": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.AddSensitivityRule(ctx, store.SensitivityRule{Connection: connB, Pattern: "x"})
			return err
		},
		"InsertChat": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.InsertChat(ctx, store.Chat{Connection: connB})
			return err
		},
		"SaveParseResults": func(ctx context.Context, tx *store.Tx) error {
			return tx.SaveParseResults(ctx, connB, "sql", nil, []store.ParseResult{{Body: []byte("y")}})
		},
		"CommitSnapshot": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.CommitSnapshot(ctx, scanB, &catalog.Snapshot{})
			return err
		},
		"ApplyFindings": func(ctx context.Context, tx *store.Tx) error {
			_, _, _, err := tx.ApplyFindings(ctx, scanB, nil, nil, s.Now())
			return err
		},
		"Finding": func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Finding(ctx, connB, fingerprintB)
			return err
		},
		"IgnoreFinding": func(ctx context.Context, tx *store.Tx) error {
			return tx.IgnoreFinding(ctx, connB, fingerprintB, "u", "x", s.Now().AddDate(1, 0, 0))
		},
		"AssignFinding": func(ctx context.Context, tx *store.Tx) error {
			return tx.AssignFinding(ctx, connB, fingerprintB, "u", "u")
		},
		"StageSave": func(ctx context.Context, tx *store.Tx) error { return tx.StageSave(ctx, scanB, "x", nil) },
		"StageLoad": func(ctx context.Context, tx *store.Tx) error {
			_, _, err := tx.StageLoad(ctx, scanB, "cards")
			return err
		},
		"ReplaceSearch": func(ctx context.Context, tx *store.Tx) error { return tx.ReplaceSearch(ctx, connB, nil) },
		"AddOwnReads": func(ctx context.Context, tx *store.Tx) error {
			return tx.AddOwnReads(ctx, connB, map[string]int64{"1": 1})
		},
	} {
		if err := s.InOrg(context.Background(), a, use); errs.KindOf(err) != errs.NotFound {
			t.Errorf("%s with another organization's id: %v", name, err)
		}
	}
	err := s.ViewOrg(context.Background(), a, func(ctx context.Context, tx *store.Tx) error {
		_, findings, err1 := tx.Findings(ctx, store.FindingQuery{Connection: connB})
		_, found, err2 := tx.Search(ctx, connB, store.SearchQuery{Text: "revenue"})
		scans, err3 := tx.Scans(ctx, connB, 10, s.Now().AddDate(1, 0, 0))
		history, err4 := tx.AssetHistory(ctx, connB, ref)
		reads, err5 := tx.OwnReads(ctx, connB)
		assets, err7 := tx.LoadAssets(ctx, connB, []catalog.Ref{ref}, 1)
		err6 := tx.ParseResults(ctx, connB, "sql", func(store.ParseResult) error { return errors.New("a result of another organization") })
		if n := findings + found + len(scans) + len(history) + len(reads) + len(assets); n != 0 {
			t.Errorf("lists show %d things of another organization", n)
		}
		return errors.Join(err1, err2, err3, err4, err5, err6, err7)
	})
	if err != nil {
		t.Error(err)
	}
}

// SQLite holds one organization only, so foreign ids are simply unknown ones.
func TestForeignIDsOnSQLite(t *testing.T) {
	w := storetest.NewWorld(t, openSQLite())
	filled(t, w)
	foreignIDs(t, w.Store, w.Org, "other", "other", "other")
}

func TestSeparateLogin(t *testing.T) {
	owner := cluster.Database(t)
	ctx := context.Background()
	db := raw(t, owner)
	login := "metalens_login_" + strings.TrimPrefix(strings.Split(strings.Split(owner, "//")[1], ":")[0], "metalens_test_")
	if _, err := db.ExecContext(ctx, `CREATE ROLE `+login+` LOGIN PASSWORD 'test'`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(ctx, `DROP ROLE `+login); err != nil {
			t.Error(err)
		}
	})
	service := pgtest.As(owner, login)
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}

	// The service's own login may not migrate, and is told what to do.
	_, err = store.Open(ctx, store.Config{DatabaseURL: secret.New(service), Keys: set})
	if _, hint := errs.PublicText(err); err == nil || hint == "" {
		t.Errorf("got %v without a hint", err)
	}
	open := func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.DatabaseURL, cfg.AdminURL = secret.New(service), secret.New(owner)
		return mustOpen(t, cfg)
	}
	w := storetest.NewWorld(t, open)
	filled(t, w)
	if warnings := w.Store.Warnings(); len(warnings) != 0 {
		t.Errorf("a login of its own was warned about: %v", warnings)
	}
	// Once migrated, it starts without the owner.
	again, err := store.Open(ctx, store.Config{DatabaseURL: secret.New(service), Keys: w.Keys})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	// Outside a transaction of ours it sees nothing, though it is a member of both roles.
	serviceDB := raw(t, service)
	for _, table := range []string{"settings", "asset_versions", "organizations", "users"} {
		if n := count(t, serviceDB, table); n != 0 {
			t.Errorf("the login sees %d rows of %s", n, table)
		}
	}
	if err := serviceDB.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Store.Close(); err != nil {
		t.Error(err)
	}
}

func TestDangerousLoginIsReported(t *testing.T) {
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, store.Config{DatabaseURL: secret.New(cluster.SuperuserDatabase(t)), Keys: set})
	if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], "superuser") {
		t.Errorf("got %v", w)
	}
}

func TestUnreachableDatabase(t *testing.T) {
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		address string
		kind    errs.Kind
	}{
		"nobody listens": {"postgres://u:canary@" + pgtest.Free(t) + "/x?connect_timeout=2", errs.Unavailable},
		"no address":     {"postgres://u:canary@h:port:port/x", errs.Invalid},
	} {
		_, err := store.Open(context.Background(), store.Config{DatabaseURL: secret.New(test.address), Keys: set})
		if errs.KindOf(err) != test.kind {
			t.Errorf("%s: got %v", name, err)
		}
		text, hint := errs.PublicText(err)
		if hint == "" || strings.Contains(text+hint+err.Error(), "canary") {
			t.Errorf("%s: %q %q %v", name, text, hint, err)
		}
	}
}

func TestConcurrentMigration(t *testing.T) {
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]store.Config{
		"sqlite":   {Dir: t.TempDir(), Keys: set},
		"postgres": {DatabaseURL: secret.New(cluster.Database(t)), Keys: set},
	} {
		var group sync.WaitGroup
		failures := make([]error, 5)
		for i := range failures {
			group.Go(func() {
				s, err := store.Open(context.Background(), cfg)
				if err == nil {
					err = s.Close()
				}
				failures[i] = err
			})
		}
		group.Wait()
		if err := errors.Join(failures...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	address := cluster.Database(t)
	for name, test := range map[string]struct {
		cfg store.Config
		raw func() *sql.DB
	}{
		"sqlite":   {store.Config{Dir: dir, Keys: set}, func() *sql.DB { return rawSQLite(t, dir) }},
		"postgres": {store.Config{DatabaseURL: secret.New(address), Keys: set}, func() *sql.DB { return raw(t, address) }},
	} {
		s, err := store.Open(context.Background(), test.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		db := test.raw()
		if _, err := db.ExecContext(context.Background(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = store.Open(context.Background(), test.cfg)
		text, hint := errs.PublicText(err)
		if errs.CodeOf(err) != "schema_newer" || !strings.Contains(text, "9999") || hint == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
