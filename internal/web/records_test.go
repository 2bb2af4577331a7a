package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
	"github.com/metalens/metalens/internal/web/webtest"
)

// exchanges are ledger rows of a connection and of none, hostile names included.
func exchanges(conn store.ConnectionID, author store.UserID) []store.LedgerRow {
	at := webtest.Now.Add(-time.Hour)
	row := func(id string, conn store.ConnectionID, e ledger.Entry, ref *ledger.PayloadRef) store.LedgerRow {
		e.At, at = at, at.Add(-time.Hour)
		return store.LedgerRow{Entry: e, ID: id, Seq: 7, ConnectionID: conn, Count: 1, PayloadRef: ref}
	}
	kept := &ledger.PayloadRef{Mode: ledger.PayloadKept, Size: 2048, Author: string(author)}
	return []store.LedgerRow{
		row("r1", conn, ledger.Entry{Purpose: ledger.PurposeMetabase, Method: "GET", Host: "m.example:443", Route: "/api/card", Status: 200}, nil),
		row("r2", conn, ledger.Entry{Purpose: ledger.PurposeModel, Method: "POST", Host: "p.example:443", Route: "/v1/messages", Phase: ledger.PhaseIntent, Exchange: "X1"}, kept),
		row("r3", "", ledger.Entry{Purpose: ledger.PurposeMail, Method: "CONNECT", Host: "=cmd|' /C calc'!A0", Error: "unreachable", Phase: ledger.PhaseOutcome}, nil),
		row("r4", "", ledger.Entry{Purpose: ledger.PurposeOIDC, Method: "POST", Host: "<img src=x onerror=alert(1)>", Phase: ledger.PhaseIntent},
			&ledger.PayloadRef{Mode: ledger.PayloadHash, Size: 10, Digest: []byte{0xab}, Salt: []byte{0xcd}}),
	}
}

func recordsSite(t *testing.T) (s *site, conn string, user store.UserID) {
	t.Helper()
	b := webtest.New()
	c := b.AddCompany()
	s = newSite(t, b)
	id := s.owner()
	b.SetLedger(exchanges(c.ID, id.User))
	b.SetPayload("r2", ledger.Payload{Media: "application/http", Content: []byte("POST /v1/messages HTTP/1.1\r\nX-Api-Key: [key k1]\r\n\r\n<script>alert(1)</script>\u202e\x1b[31m{{7*7}}")})
	b.SetIntegrity(ui.IntegrityView{Verified: true, VerifiedAt: webtest.Now.Add(-time.Hour), Rows: 1234, Anchored: true, AnchoredAt: webtest.Now.Add(-2 * time.Hour), NotCovered: 3})
	return s, "/c/" + string(c.ID), id.User
}

func TestEgressPages(t *testing.T) {
	s, conn, _ := recordsSite(t)
	a := s.get("/egress")
	if a.status != http.StatusOK || a.count("egress-row") != 4 {
		t.Fatalf("%d, %d rows", a.status, a.count("egress-row"))
	}
	for _, want := range []string{"1,234 rows as written", "60 minutes ago", "2 hours ago", "3 rows from before"} {
		if !strings.Contains(strings.ReplaceAll(a.see("integrity"), "\u202f", ","), want) {
			t.Errorf("integrity lacks %q: %s", want, a.see("integrity"))
		}
	}
	for query, want := range map[string]int{
		"purpose=model": 1, "host=" + url.QueryEscape("m.example:443"): 1, "status=failed": 3, "since=2026-11-20": 4, "until=2026-11-19": 0, "purpose=model&host=other": 0,
	} {
		a := s.get("/egress?" + query)
		if a.status != http.StatusOK || a.count("egress-row") != want || a.doc.Find("[data-testid=chips] a").Length() < 2 {
			t.Errorf("%s: %d, %d rows, %d chips", query, a.status, a.count("egress-row"), a.doc.Find("[data-testid=chips] a").Length())
		}
		if want == 0 && !strings.Contains(a.see("empty"), "Nothing matches") {
			t.Errorf("%s: no empty state", query)
		}
	}
	if a := s.get("/egress?since=yesterday"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a day that is none: %d", a.status)
	}
	if a := s.get(conn + "/egress"); a.count("egress-row") != 2 {
		t.Errorf("%d rows of the connection", a.count("egress-row"))
	}
	if a := s.get(conn + "/egress/r3"); a.status != http.StatusNotFound {
		t.Errorf("a row of elsewhere under the connection's address: %d", a.status)
	}
	a = s.get("/egress/r4")
	if a.status != http.StatusOK || !strings.Contains(a.text, ">ab<") || a.doc.Find("img").Length() != 0 {
		t.Errorf("%d: the hash is missing, or a host became an element", a.status)
	}
}

func TestPayloadsAreText(t *testing.T) {
	s, conn, _ := recordsSite(t)
	a := s.get(conn + "/egress/r2")
	if a.count("payload") != 0 || a.count("show-payload") != 1 || strings.Contains(a.doc.Find("main").Text(), "audit log") {
		t.Errorf("before it is asked for: %s", a.doc.Find("main").Text())
	}
	a = s.post(conn + "/egress/r2/payload")
	text := a.doc.Find("[data-testid=payload]").Text()
	if a.status != http.StatusOK || !strings.Contains(text, "<script>alert(1)</script>") || !strings.Contains(text, "{{7*7}}") {
		t.Errorf("%d: %q", a.status, text)
	}
	if a.doc.Find("main script").Length() != 0 || strings.ContainsAny(text, "\u202e\x1b") {
		t.Error("a payload became markup or kept its control characters")
	}
	if a := s.post("/egress/r1/payload"); a.status != http.StatusNotFound {
		t.Errorf("a row without a payload: %d", a.status)
	}
}

// TestRecordsByRole asks as each role for what only admins may see.
func TestRecordsByRole(t *testing.T) {
	for _, c := range []struct {
		role store.Role
		may  bool
	}{{store.RoleViewer, false}, {store.RoleEditor, false}, {store.RoleAdmin, true}, {store.RoleOwner, true}} {
		t.Run(string(c.role), func(t *testing.T) {
			s, conn, user := recordsSite(t)
			rows := exchanges(store.ConnectionID(strings.TrimPrefix(conn, "/c/")), "somebody else")
			s.backend.SetLedger(rows)
			s.backend.Users.SetRole(user, c.role)
			want := http.StatusForbidden
			if c.may {
				want = http.StatusOK
			}
			for _, path := range []string{"/audit", "/audit.csv", "/audit.jsonl", "/egress", "/egress.csv", "/egress.jsonl", "/egress/r3"} {
				if a := s.get(path); a.status != want {
					t.Errorf("%s: %d", path, a.status)
				}
			}
			for _, path := range []string{"/egress/r2/payload", conn + "/egress/r2/payload"} {
				if a := s.post(path); a.status != want {
					t.Errorf("%s: %d", path, a.status)
				}
			}
			a := s.get(conn + "/egress/r2")
			if a.status != http.StatusOK || (a.count("show-payload") == 1) != c.may {
				t.Errorf("the row: %d, %d buttons", a.status, a.count("show-payload"))
			}
		})
	}
}

func TestAuditPage(t *testing.T) {
	s, _, _ := recordsSite(t)
	var rows []store.AuditRow
	for i := range 60 {
		rows = append(rows, store.AuditRow{ID: fmt.Sprint(i), At: webtest.Now.Add(-time.Duration(i) * time.Hour), Actor: "u1", Action: "login", Target: "user:u1", Source: "192.0.2.1", Seq: int64(60 - i)})
	}
	rows[1].Action, rows[1].Actor, rows[1].Target = "scan_started", "", `=HYPERLINK("http://x")`
	rows[2].Actor, rows[2].Target, rows[2].Detail = "gone-user", "<img src=x>", `{"name":"@SUM(1)"}`
	s.backend.SetAudit(rows)
	a := s.get("/audit")
	if a.status != http.StatusOK || a.count("audit-row") != ui.PerPage || a.doc.Find("main img").Length() != 0 {
		t.Fatalf("%d, %d rows", a.status, a.count("audit-row"))
	}
	for _, want := range []string{"Ada", "MetaLens", "former member gone-us", "Scan started"} {
		if !strings.Contains(a.doc.Find("main").Text(), want) {
			t.Errorf("lacks %q", want)
		}
	}
	for query, want := range map[string]int{"action=scan_started": 1, "actor=system": 1, "actor=gone-user": 1, "object=HYPER": 1, "since=2026-11-20": 10, "page=2": 60 - ui.PerPage, "object=nothing": 0} {
		if a := s.get("/audit?" + query); a.count("audit-row") != want {
			t.Errorf("%s: %d rows", query, a.count("audit-row"))
		}
	}
	csv := s.get("/audit.csv?object=HYPER")
	if lines := strings.Split(strings.TrimSpace(csv.text), "\n"); len(lines) != 2 || !strings.Contains(lines[1], `"'=HYPERLINK(""http://x"")"`) {
		t.Errorf("got %q", csv.text)
	}
	if got := csv.header.Get("Content-Disposition"); got != `attachment; filename="metalens-audit.csv"` {
		t.Errorf("got %q", got)
	}
	lines := strings.Split(strings.TrimSpace(s.get("/audit.jsonl").text), "\n")
	if len(lines) != 60 || !strings.Contains(lines[2], `"detail":{"name":"@SUM(1)"}`) {
		t.Errorf("%d lines, %s", len(lines), lines[2])
	}
	egress := s.get("/egress.csv").text
	if !strings.Contains(egress, "'=cmd|") || slices.ContainsFunc(strings.Split(egress, ","), func(c string) bool { return strings.HasPrefix(strings.Trim(c, "\"\n"), "=") }) {
		t.Errorf("a formula is exported:\n%s", egress)
	}
	s.backend.SetAudit(nil)
	if a := s.get("/audit"); !strings.Contains(a.see("empty"), "Nothing has happened yet") {
		t.Error("no empty state")
	}
}
