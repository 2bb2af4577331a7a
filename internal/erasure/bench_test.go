package erasure_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// engines runs a test on both engines.
func engines(t *testing.T, test func(*testing.T, *bench)) {
	t.Helper()
	for _, engine := range []store.Engine{store.EngineSQLite, store.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) { test(t, newBench(t, engine)) })
	}
}

// bench is an installation with everything that can be planted in it.
type bench struct {
	t       *testing.T
	engine  store.Engine
	dir     string
	cfg     store.Config
	store   *store.Store
	service *erasure.Service
	logged  *bytes.Buffer
	clock   time.Time

	marker        string // of everything in the organization but the member
	memberMarker  string // of what the second member is and wrote
	planted       int    // texts that hold a marker
	org           store.OrgID
	owner, member store.UserID
	conn, second  store.ConnectionID
	scan          store.ScanID
}

func newBench(t *testing.T, engine store.Engine) *bench {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		t: t, engine: engine, dir: filepath.Join(t.TempDir(), "data"), logged: &bytes.Buffer{},
		clock: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), marker: "mk" + strings.ToLower(rand.Text()), memberMarker: "pn" + strings.ToLower(rand.Text()),
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.cfg = store.Config{
		Dir: b.dir, Keys: set, Now: func() time.Time { return b.clock }, ErasureKeys: filepath.Join(b.dir, "keys", "organizations"),
		Logger: slog.New(slog.NewTextHandler(b.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if engine == store.EnginePostgres {
		b.cfg.DatabaseURL = secret.New(cluster.SuperuserDatabase(t))
	}
	b.open()
	t.Cleanup(func() { b.close() })
	return b
}

func (b *bench) open() {
	b.t.Helper()
	var err error
	if b.store, err = store.Open(b.t.Context(), b.cfg); err != nil {
		b.t.Fatal(err)
	}
	b.service, err = erasure.New(erasure.Config{Store: b.store, Now: b.cfg.Now, Logger: b.cfg.Logger})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) close() {
	if b.store != nil {
		if err := b.store.Close(); err != nil {
			b.t.Errorf("close: %v", err)
		}
		b.store = nil
	}
}

func (b *bench) system(fn func(context.Context, *store.SystemTx) error) {
	b.t.Helper()
	if err := b.store.InSystem(b.t.Context(), fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) in(fn func(context.Context, *store.Tx) error) {
	b.t.Helper()
	if err := b.store.InOrg(b.t.Context(), b.org, fn); err != nil {
		b.t.Fatal(err)
	}
}

// as is a context in which a member acts.
func (b *bench) as(user store.UserID, role store.Role) context.Context {
	return access.With(b.t.Context(), access.Actor{Kind: access.Person, User: string(user), Org: string(b.org), Role: role})
}

// text is a text with the organization's marker; it counts.
func (b *bench) text() string {
	b.planted++
	return fmt.Sprintf("%s x%d", b.marker, b.planted)
}

// personal is a text with the member's marker.
func (b *bench) personal() string {
	b.planted++
	return fmt.Sprintf("%sx%d", b.memberMarker, b.planted)
}

// fill plants a marker in every text of a value: fields, elements of lists,
// keys and values of maps. Named types (kinds, states) keep their meaning.
func (b *bench) fill(v reflect.Value, depth int) {
	if depth > 8 || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			v.SetString(b.text())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			b.fill(v.Field(i), depth+1)
		}
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct || v.Type().Elem().Kind() == reflect.String {
			v.Set(reflect.New(v.Type().Elem()))
			b.fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() || v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		b.fill(v.Index(0), depth+1)
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return
		}
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		key.SetString(b.text())
		b.fill(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	}
}

// snapshot has one asset of every kind with a marker in every text.
func (b *bench) snapshot() *catalog.Snapshot {
	s := &catalog.Snapshot{}
	b.fill(reflect.ValueOf(s).Elem(), 0)
	for i, id := range []*string{&s.Questions[0].ID, &s.Dashboards[0].ID, &s.Collections[0].ID} {
		*id = fmt.Sprint(i + 1) // Metabase gives numbers
	}
	s.Questions[0].Type = catalog.KindQuestion
	s.Tables[0].ID, s.Tables[0].DatabaseID = "1/"+b.text()+"/"+b.text(), "1"
	s.Access.Collections = nil
	s.Usage = map[catalog.Ref]catalog.Usage{s.Questions[0].Ref(): {Views: new(int64(3))}}
	return s
}

// plant makes an organization with two members and fills every kind of row.
func (b *bench) plant() {
	t := b.t
	t.Helper()
	b.system(func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.InsertOrganization(ctx, store.Organization{Name: b.text()})
		if err != nil {
			return err
		}
		b.org = o.ID
		for _, u := range []struct {
			id   *store.UserID
			text func() string
			role store.Role
		}{{&b.owner, b.text, store.RoleOwner}, {&b.member, b.personal, store.RoleAdmin}} {
			made, err := tx.InsertUser(ctx, store.User{Email: strings.ReplaceAll(u.text(), " ", "") + "@example.com", Name: u.text(), PasswordHash: "$argon2id$" + u.text()})
			if err != nil {
				return err
			}
			*u.id = made.ID
			hash := func() []byte { return []byte(rand.Text()) }
			err = errors.Join(
				tx.SetMembership(ctx, store.Membership{OrgID: b.org, UserID: made.ID, Role: u.role}),
				second(tx.InsertFactor(ctx, store.Factor{UserID: made.ID, Kind: "totp", Name: u.text(), Secret: secret.New(u.text())})),
				tx.SetEmailChange(ctx, made.ID, strings.ReplaceAll(u.text(), " ", "")+"@example.com", rand.Text(), b.clock.Add(time.Hour)),
				tx.PutPasswordReset(ctx, made.ID, hash(), b.clock.Add(time.Hour)),
				tx.InsertSSOIdentity(ctx, store.SSOIdentity{Issuer: "https://" + u.text(), Subject: u.text(), UserID: made.ID, Email: u.text()}),
				tx.InsertAccessToken(ctx, store.AccessToken{ID: rand.Text(), OrgID: b.org, UserID: made.ID, Hash: hash(), Name: u.text(), Scopes: []string{"read"}, CreatedAt: b.clock, ExpiresAt: b.clock.Add(time.Hour)}),
				tx.Audit(ctx, store.AuditRow{Actor: made.ID, Action: "login_failed", Target: "user:" + string(made.ID), Source: "192.0.2.1", Detail: u.text()}),
				tx.Audit(ctx, store.AuditRow{OrgID: b.org, Actor: made.ID, Action: "login", Target: "user:" + string(made.ID), Source: "192.0.2.1"}),
			)
			if err != nil {
				return err
			}
		}
		_, err = tx.PutInvitation(ctx, store.Invitation{OrgID: b.org, Email: b.text() + "@example.com", Role: store.RoleViewer, InvitedBy: b.member, CreatedAt: b.clock, ExpiresAt: b.clock.Add(time.Hour)}, []byte(rand.Text()))
		return err
	})
	for _, u := range []store.UserID{b.owner, b.member} {
		token := rand.Text()
		if err := b.store.Sessions().Commit(token, []byte(b.text()), b.clock.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		b.system(func(ctx context.Context, tx *store.SystemTx) error {
			text := b.text
			if u == b.member {
				text = b.personal
			}
			return tx.BindSession(ctx, token, u, text(), "192.0.2.1")
		})
	}
	b.conn, b.scan = b.plantConnection()
	b.second, _ = b.plantConnection()
	queue, err := jobs.NewQueue(b.store)
	if err != nil {
		t.Fatal(err)
	}
	address := b.addressOf(b.member)
	b.in(func(ctx context.Context, tx *store.Tx) error {
		_, _, err := queue.Enqueue(ctx, tx, "scan", jobs.Args{Org: b.org, Connection: b.conn, Scan: b.scan})
		return errors.Join(err,
			tx.SetSetting(ctx, "anything", b.text()),
			tx.AddRetentionReport(ctx, store.RetentionReport{Cause: "daily"}),
			tx.Audit(ctx, store.AuditRow{Actor: b.owner, Action: "member_invited", Target: b.text(), Source: b.text(), Detail: `{"email":"` + address + `"}`}))
	})
}

func second[T any](_ T, err error) error { return err }

// plantConnection makes a connection and a finished scan with findings, triage,
// search and records of what was asked.
func (b *bench) plantConnection() (conn store.ConnectionID, scan store.ScanID) {
	b.in(func(ctx context.Context, tx *store.Tx) error {
		c := store.Connection{}
		b.fill(reflect.ValueOf(&c).Elem(), 0)
		c.Name, c.URL, c.Auth = b.text(), "https://"+b.marker+".example.com", store.AuthAPIKey
		c.ID, c.Schedule = "", ""
		c, err := tx.InsertConnection(ctx, c)
		if err != nil {
			return err
		}
		conn = c.ID
		s, err := tx.InsertScan(ctx, store.Scan{ConnectionID: conn, State: store.ScanRunning, RequestedBy: b.member})
		if err != nil {
			return err
		}
		scan = s.ID
		snapshot := b.snapshot()
		ref := snapshot.Questions[0].Ref()
		f := finding.Finding{}
		b.fill(reflect.ValueOf(&f).Elem(), 0)
		f.Check, f.Fingerprint, f.Severity, f.Asset = "USE001", finding.Fingerprint("USE001", ref, ""), finding.Low, ref
		_, progressErr := tx.UpdateScanProgress(ctx, scan, store.ScanProgress{Steps: []store.StepProgress{{Note: b.text()}}}, b.clock)
		_, stageErr := tx.StageOpen(ctx, scan, "stamp", b.clock)
		saveErr := tx.StageSave(ctx, scan, "cards", []byte(b.text()))
		_, commitErr := tx.CommitSnapshot(ctx, scan, snapshot)
		_, _, _, applyErr := tx.ApplyFindings(ctx, scan, []finding.Finding{f}, []finding.NotEvaluated{{Check: "X", Reason: b.text()}}, b.clock)
		chat, aiErr := b.plantAI(ctx, tx, conn)
		summary := store.ScanSummary{}
		b.fill(reflect.ValueOf(&summary).Elem(), 0)
		return errors.Join(progressErr, aiErr, stageErr, saveErr, commitErr, applyErr,
			tx.CommitLineage(ctx, scan, 1, slices.Values([]store.LineagePart{{Kind: "graph", Content: []byte(b.text())}})),
			tx.SaveParseResults(ctx, conn, "sql", nil, []store.ParseResult{{Hash: tx.ParseHasher()([]byte(b.text())), Body: []byte(b.text())}}),
			tx.IgnoreFinding(ctx, conn, f.Fingerprint, b.member, b.text(), time.Time{}),
			tx.AssignFinding(ctx, conn, f.Fingerprint, b.member, b.member),
			tx.SetCredential(ctx, conn, secret.New("mb_"+b.marker)),
			tx.ReplaceSearch(ctx, conn, []store.SearchDoc{{Asset: ref, Name: b.text(), Path: b.text(), Description: b.text(), Identifiers: []string{b.marker}}}),
			tx.SetGrant(ctx, conn, b.member, store.Grant{Mode: "collections", Collections: []string{b.text()}}),
			tx.AddOwnReads(ctx, conn, map[string]int64{"1": 1}),
			tx.RecordLedger(ctx, []store.LedgerRow{
				{Entry: ledger.Entry{At: b.clock, Purpose: ledger.PurposeMetabase, Host: b.text(), Route: b.text(), Error: b.text()}, ConnectionID: conn, ScanID: scan},
				{Entry: ledger.Entry{At: b.clock, Purpose: ledger.PurposeModel, Host: b.text(), Payload: &ledger.Payload{Media: "text/plain", Content: []byte(b.text()), Subject: store.ChatSubject(chat.ID), Author: string(b.member)}}, ConnectionID: conn, ScanID: scan},
			}),
			tx.SetScanSummary(ctx, scan, summary),
			tx.FinishScan(ctx, scan, store.ScanSucceeded, "x", b.text()))
	})
	b.in(func(ctx context.Context, tx *store.Tx) error { // searched, read back: caches and temporary tables had it
		hits, _, err := tx.Search(ctx, conn, store.SearchQuery{Text: b.marker})
		if err == nil && len(hits) == 0 {
			b.t.Error("the planted text is not found by search")
		}
		_, loadErr := tx.LoadSnapshot(ctx, scan)
		return errors.Join(err, loadErr)
	})
	return conn, scan
}

// plantAI fills what belongs to models: the member's own chat and a shared one of
// the owner, which it returns.
func (b *bench) plantAI(ctx context.Context, tx *store.Tx, conn store.ConnectionID) (shared store.Chat, err error) {
	settings := store.AISettings{}
	b.fill(reflect.ValueOf(&settings).Elem(), 0)
	var keyErr error
	if _, _, err := tx.AIKey(ctx); err != nil { // once: a second one would delete the first
		_, keyErr = tx.SetAIKey(ctx, secret.New("sk-"+b.marker))
	}
	settingsErr := tx.SetAISettings(ctx, settings)
	call, err := tx.ReserveAICall(ctx, store.AICall{
		Agent: "chat", Provider: "anthropic", Model: b.text(), Actor: b.member, Subject: store.AssetSubject(conn, b.text()), SettleBy: b.clock.Add(time.Hour),
	}, func(store.AIBudget, store.AIBudget) error { return nil })
	if err := errors.Join(keyErr, settingsErr, err); err != nil {
		return store.Chat{}, err
	}
	output := store.AIOutput{}
	b.fill(reflect.ValueOf(&output).Elem(), 0)
	output.Connection, output.Agent = conn, "explainer"
	call.Outcome, call.Request, call.Exchanges = "failed", b.text(), []string{b.text()}
	_, ruleErr := tx.AddSensitivityRule(ctx, store.SensitivityRule{Connection: conn, Pattern: b.text(), Category: b.text(), Note: b.text(), CreatedBy: b.member})
	err = errors.Join(ruleErr, tx.SettleAICall(ctx, call), tx.PutAIOutput(ctx, output))
	for _, c := range []struct {
		user   store.UserID
		text   func() string
		shared bool
	}{{b.member, b.personal, false}, {b.owner, b.text, true}} {
		made, insertErr := tx.InsertChat(ctx, store.Chat{Connection: conn, User: c.user, Title: c.text(), About: c.text(), Shared: c.shared})
		if insertErr != nil {
			return store.Chat{}, insertErr
		}
		_, addErr := tx.AddChatMessage(ctx, store.ChatMessage{Chat: made.ID, Role: "user", Content: []byte(`"` + c.text() + `"`)})
		err = errors.Join(err, addErr, tx.SetChatMap(ctx, made.ID, []byte(`["`+c.text()+`"]`)))
		shared = made
	}
	return shared, err
}

// raw opens the database as it is, past row-level security.
func (b *bench) raw() *sql.DB {
	b.t.Helper()
	if b.engine == store.EnginePostgres {
		return rawPostgres(b.t, b.cfg.DatabaseURL.Expose())
	}
	db, err := sql.Open("sqlite", "file:"+datadir.DatabaseIn(b.dir))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = db.Close() })
	return db
}

func rawPostgres(t *testing.T, address string) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*cfg)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// dump reads every value of every table and closes the database.
func (b *bench) dump(db *sql.DB) map[string][][]byte {
	b.t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
	if b.engine == store.EnginePostgres {
		query = `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname`
	}
	var tables []string
	b.query(db, query, func(values []any) { tables = append(tables, fmt.Sprint(values[0])) })
	all := map[string][][]byte{}
	defer func() { _ = db.Close() }()
	for _, table := range tables {
		all[table] = [][]byte{}
		b.query(db, `SELECT * FROM `+table, func(values []any) {
			for _, v := range values {
				switch v := v.(type) {
				case []byte:
					all[table] = append(all[table], bytes.Clone(v))
				case string:
					all[table] = append(all[table], []byte(v))
				case nil:
				default:
					all[table] = append(all[table], fmt.Append(nil, v))
				}
			}
		})
	}
	return all
}

func (b *bench) query(db *sql.DB, query string, each func([]any)) {
	b.t.Helper()
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		b.t.Fatal(err)
	}
	for rows.Next() {
		values := make([]any, len(columns))
		dest := make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			b.t.Fatal(err)
		}
		each(values)
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
}
