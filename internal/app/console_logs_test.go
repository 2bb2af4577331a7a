package app_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/mail/mailtest"
)

// TestInstallationLogs reads the installation's own ledger and audit log on the
// operator console: filters, payload, exports, verification. Members of an
// organization, its owner too, get none of it, and the console nothing of theirs.
func TestInstallationLogs(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(root, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	post := mailtest.Start(t, mailtest.Options{User: "lens", Password: "mail-password-1"})
	loaded := func() *config.Loaded {
		l, err := config.Load(config.Inputs{DefaultData: filepath.Join(root, "data"), Environ: []string{
			"METALENS_LISTEN=127.0.0.1:0", "METALENS_OPERATOR_LISTEN=127.0.0.1:0", "METALENS_LOG_LEVEL=warn", "METALENS_PUBLIC_URL=http://metalens.test",
			"METALENS_MAIL_HOST=localhost", "METALENS_MAIL_PORT=" + strconv.Itoa(post.Port), "METALENS_MAIL_FROM=lens@example.com",
			"METALENS_MAIL_USER=lens", "METALENS_MAIL_PASSWORD=mail-password-1", "METALENS_MAIL_CA_FILE=" + write("ca.pem", string(post.CA)),
			"METALENS_LEDGER_ANCHOR=file,mail", "METALENS_LEDGER_ANCHOR_MAIL=auditor@example.com",
		}})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	env := app.Env{Stdin: strings.NewReader(""), Stdout: &output{}, Stderr: &output{}, Now: time.Now}
	if err := app.OperatorAdd(t.Context(), env, loaded(), app.OperatorOptions{Email: opsEmail, PasswordFile: write("password", opsPassword)}); err != nil {
		t.Fatal(err)
	}
	p := boot(t, func(ctx context.Context, env app.Env) error { return app.Serve(ctx, env, loaded()) })
	setup := regexp.MustCompile(`/setup\?token=(\S+)`).FindStringSubmatch(p.stderr.String())
	if setup == nil {
		t.Fatalf("no setup link:\n%s", p.stderr)
	}
	owner := visit(t, p.address)
	owner.post("/setup", url.Values{"token": {setup[1]}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {"plenty of tall green trees"}, "organization": {"Acme"}})
	owner.enrol()

	console := visit(t, consoleOf(t, p))
	for _, path := range []string{"/egress", "/egress.csv", "/egress.jsonl", "/audit.csv", "/audit.jsonl"} {
		if status, location, _ := console.ask(http.MethodGet, path, nil); status != http.StatusSeeOther || !strings.HasPrefix(location, "/login") {
			t.Errorf("a stranger got %d %s for %s", status, location, path)
		}
	}
	console.post("/login", url.Values{"email": {opsEmail}, "password": {opsPassword}})
	console.enrol()
	post.Wait(t, 1) // the checkpoints go by mail: traffic of the installation

	type exchange struct{ ID, Purpose, Host, Phase string }
	var rows []exchange
	for deadline := time.Now().Add(20 * time.Second); len(rows) < 2 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		rows = nil
		for line := range strings.Lines(console.page("/egress.jsonl?purpose=mail")) {
			var x exchange
			if err := json.Unmarshal([]byte(line), &x); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, x)
		}
	}
	if len(rows) < 2 || rows[0].Purpose != "mail" {
		t.Fatalf("the letter is not in the installation's ledger: %+v", rows)
	}
	list := console.page("/egress")
	for _, want := range []string{"for the installation itself", rows[0].Host, `data-testid="filters"`, `data-testid="verify-logs"`} {
		if !strings.Contains(list, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(console.page("/egress?host=elsewhere.example"), rows[0].ID) || strings.Contains(console.page("/egress?since=2999-01-01"), rows[0].ID) {
		t.Error("the filters let everything through")
	}
	sheet, err := csv.NewReader(bufio.NewReader(strings.NewReader(console.page("/egress.csv?purpose=mail")))).ReadAll()
	if err != nil || len(sheet) != len(rows)+1 || sheet[0][0] != "at" {
		t.Errorf("%d lines of CSV for %d rows, %v", len(sheet), len(rows), err)
	}

	intent := rows[len(rows)-1]
	if intent.Phase != "intent" {
		t.Fatalf("the oldest row is %+v", intent)
	}
	if detail := console.page("/egress/" + intent.ID); strings.Contains(detail, "auditor") || !strings.Contains(detail, "show-payload") {
		t.Errorf("the row shows its payload unasked, or not at all:\n%s", detail)
	}
	status, _, body := console.ask(http.MethodPost, "/egress/"+intent.ID+"/payload", url.Values{})
	if status != http.StatusOK || !strings.Contains(body, `data-testid="payload"`) || !strings.Contains(body, "verify-ledger --anchors") {
		t.Errorf("the payload: %d\n%s", status, body)
	}
	if looked := console.page("/audit.jsonl?action=payload_read"); strings.Count(looked, "\n") != 1 || !strings.Contains(looked, "exchange:"+intent.ID) {
		t.Errorf("the look at the payload is not in the audit log: %s", looked)
	}
	for _, want := range []string{"operator_added", "factor_added", "login"} {
		if found := console.page("/audit.jsonl?action=" + want); !strings.Contains(found, `"action":"`+want+`"`) {
			t.Errorf("the audit log lacks %s", want)
		}
	}
	if audit := console.page("/audit"); !strings.Contains(audit, opsEmail) || strings.Contains(audit, "Owner created") && strings.Contains(audit, "Acme") {
		t.Error("the page names no operator, or tells of an organization")
	}

	if to := console.post("/logs/verify", url.Values{"back": {"/egress"}}); to != "/egress" {
		t.Errorf("sent to %s", to)
	}
	if said := console.page("/egress"); !strings.Contains(said, "as written") || strings.Contains(said, "not yet; metalens doctor") {
		t.Errorf("nothing is said about the verification:\n%s", said)
	}
	if to := console.post("/logs/verify", url.Values{"back": {"https://elsewhere.example/"}}); to != "/audit" {
		t.Errorf("sent to %s", to)
	}

	// What is the installation's is not the owner's, and the other way round.
	if status, _, _ := owner.ask(http.MethodGet, "/egress/"+intent.ID, nil); status != http.StatusNotFound {
		t.Errorf("an owner got %d for a row of the installation", status)
	}
	if status, _, _ := owner.ask(http.MethodPost, "/egress/"+intent.ID+"/payload", url.Values{}); status != http.StatusNotFound {
		t.Errorf("an owner got %d for a payload of the installation", status)
	}
	if status, _, _ := owner.ask(http.MethodPost, "/logs/verify", url.Values{}); status != http.StatusNotFound {
		t.Errorf("members have the console's button: %d", status)
	}
	if strings.Contains(console.page("/audit.jsonl"), "organization_created") || strings.Contains(console.page("/egress.jsonl"), "ada@example.com") {
		t.Error("the console shows what is an organization's")
	}
}
