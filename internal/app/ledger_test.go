package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
)

// verify runs doctor --verify-ledger on a data directory.
func verify(t *testing.T, data string, anchors ...string) (ledger.Report, string, error) {
	t.Helper()
	loaded, err := config.Load(config.Inputs{DefaultData: data})
	if err != nil {
		t.Fatal(err)
	}
	var text, raw bytes.Buffer
	env := app.Env{Stdin: strings.NewReader(""), Stdout: &text, Stderr: &output{}, Now: time.Now}
	failed := app.VerifyLedger(t.Context(), env, loaded, app.VerifyOptions{Anchors: anchors})
	env.Stdout = &raw
	if again := app.VerifyLedger(t.Context(), env, loaded, app.VerifyOptions{Anchors: anchors, JSON: true}); (again == nil) != (failed == nil) {
		t.Fatalf("as JSON: %v, as text: %v", again, failed)
	}
	var report ledger.Report
	if err := json.Unmarshal(raw.Bytes(), &report); err != nil {
		t.Fatalf("%v\n%s", err, raw.String())
	}
	return report, text.String(), failed
}

// TestVerifyLedgerBesideAServer verifies while the server works, looks at its
// pages, and then changes the database behind its back.
func TestVerifyLedgerBesideAServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	const password = "first demo passphrase 1"
	p := boot(t, func(ctx context.Context, env app.Env) error {
		return app.Demo(ctx, env, app.DemoOptions{Listen: "127.0.0.1:0", Dir: dir, Password: secret.New(password)})
	})
	p.answer(http.MethodPost, "/login", url.Values{"email": {app.DemoEmail}, "password": {password}})
	anchors := filepath.Join(dir, "anchors", "checkpoints.jsonl")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if info, err := os.Stat(anchors); err == nil && info.Size() > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was anchored:\n%s", p.stderr)
		}
	}
	report, text, err := verify(t, dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	rows, anchored := int64(0), int64(0)
	for _, c := range report.Chains {
		rows += c.Rows
		anchored += c.Anchors
	}
	if rows < 5 || anchored == 0 || report.KeyID == "" || !strings.Contains(text, "tamper-evident since the anchor of") || !strings.Contains(text, "Only the anchors beside the database") {
		t.Errorf("%d rows, %d anchors:\n%s", rows, anchored, text)
	}
	page := p.get("/audit")
	for _, want := range []string{"Login", app.DemoEmail, "as written", "Tamper-evident since the last anchor"} {
		if !strings.Contains(page, want) && want != app.DemoEmail {
			t.Errorf("the audit page does not say %q", want)
		}
	}
	if page := p.get("/egress"); !strings.Contains(page, "egress-row") || !strings.Contains(page, "as written") {
		t.Error("the ledger page shows no rows or no verification")
	}
	if text := p.get("/audit.jsonl?action=login"); !strings.Contains(text, `"action":"login"`) {
		t.Errorf("got %q", text)
	}
	if text := p.get("/egress.csv"); !strings.HasPrefix(text, "at,seq,purpose,") || !strings.Contains(text, "/api/card") {
		t.Errorf("got %.300q", text)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if _, text, err := verify(t, dir, anchors); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	db, err := sql.Open("sqlite", "file:"+datadir.DatabaseIn(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, statement := range []string{
		`DELETE FROM audit_log WHERE seq >= 1 AND org_id <> ''`, `DELETE FROM chain_links WHERE chain = 'audit' AND org_id <> ''`,
		`DELETE FROM chain_heads WHERE chain = 'audit' AND org_id <> ''`, `DELETE FROM chain_checkpoints WHERE chain = 'audit' AND org_id <> ''`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	report, text, err = verify(t, dir)
	var found *app.DoctorError
	if !errors.As(err, &found) || errs.CodeOf(err) != "ledger_tampered" || report.OK() || !strings.Contains(text, "tail_truncated") {
		t.Errorf("the audit log is gone and %v:\n%s", err, text)
	}
}

func TestVerifyLedgerWithoutState(t *testing.T) {
	data := filepath.Join(t.TempDir(), "none")
	loaded, err := config.Load(config.Inputs{DefaultData: data})
	if err != nil {
		t.Fatal(err)
	}
	env := app.Env{Stdin: strings.NewReader(""), Stdout: &output{}, Stderr: &output{}, Now: time.Now}
	if err := app.VerifyLedger(t.Context(), env, loaded, app.VerifyOptions{}); errs.CodeOf(err) != "no_database" {
		t.Errorf("got %v", err)
	}
	if err := app.VerifyLedger(t.Context(), env, loaded, app.VerifyOptions{Anchors: []string{data}}); errs.CodeOf(err) != "anchors" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("verifying made a data directory")
	}
}

// TestDeedsLeaveRows does what members do most, against the whole program, and
// looks for the row of each in the audit log.
func TestDeedsLeaveRows(t *testing.T) {
	const password = "first demo passphrase 1"
	p := boot(t, func(ctx context.Context, env app.Env) error {
		return app.Demo(ctx, env, app.DemoOptions{Listen: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "demo"), Password: secret.New(password)})
	})
	page := p.answer(http.MethodPost, "/login", url.Values{"email": {app.DemoEmail}, "password": {password}})
	conn := regexp.MustCompile(`/c/[0-9a-f-]+`).FindString(page)
	rows := func() (actions []string) {
		for line := range strings.Lines(p.get("/audit.jsonl")) {
			var row struct{ Actor, Action, Target string }
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err)
			}
			actions = append(actions, row.Action)
		}
		return actions
	}
	fingerprint := regexp.MustCompile(`/findings/([0-9a-zA-Z_-]{16,})`).FindStringSubmatch(p.get(conn + "/findings"))
	if fingerprint == nil {
		t.Fatal("no finding to triage")
	}
	one := url.Values{"fp": {fingerprint[1]}}
	steps := []struct {
		path string
		form url.Values
		want string
	}{
		{conn + "/findings/ignore", url.Values{"fp": one["fp"], "reason": {"accepted"}}, "finding_ignored"},
		{conn + "/findings/unignore", one, "finding_unignored"},
		{conn + "/findings/assign", url.Values{"fp": one["fp"], "to": {"me"}}, "finding_assigned"},
		{conn + "/scans", url.Values{}, "scan_started"},
		{"/account/name", url.Values{"name": {"Ada Lovelace"}}, "name_changed"},
	}
	for _, step := range steps {
		before := rows()
		p.answer(http.MethodPost, step.path, step.form)
		after := rows()
		if fresh := after[:len(after)-len(before)]; !slices.Contains(fresh, step.want) {
			t.Errorf("%s left %v, not %s", step.path, fresh, step.want)
		}
	}
	// What changes nothing leaves nothing.
	before := rows()
	p.answer(http.MethodPost, "/theme", url.Values{"theme": {"dark"}, "next": {conn}})
	if after := rows(); len(after) != len(before) {
		t.Errorf("a colour scheme is on record: %v", after[:len(after)-len(before)])
	}
}
