package web_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestPrivacyPages asks for each page of retention, deletion and export.
func TestPrivacyPages(t *testing.T) {
	s, _ := owned(t)
	for path, want := range map[string]string{
		"/settings/retention": "at most 90",
		"/settings/export":    "Everything that people wrote",
		"/settings/delete":    "Type the name of the organization",
		"/account/delete":     "Type your address",
		"/account/export":     "Export your records",
		"/receipt/sample":     "01890000-0000-7000-8000-000000000000",
		"/account":            "delete your account for good",
	} {
		if a := s.get(path); a.status != http.StatusOK || !strings.Contains(a.doc.Text(), want) {
			t.Errorf("%s: %d, without %q", path, a.status, want)
		}
	}
	if a := s.post("/settings/retention/preview", "scans", "10", "audit", "5", "ledger", "5", "payloads", "5"); a.status != http.StatusOK ||
		!strings.Contains(a.see("retention-preview"), "2 scans, 1 row of the egress ledger") {
		t.Errorf("preview: %d, %s", a.status, a.see("retention-preview"))
	}
	for _, path := range []string{"/settings/delete", "/account/delete"} {
		if a := s.post(path, "confirm", "nonsense"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.doc.Text(), "That is not") {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	s.forget()
	if a := s.get("/receipt/sample"); a.status != http.StatusOK || a.header.Get("Referrer-Policy") != "no-referrer" || strings.Contains(a.header.Get("Cache-Control"), "public") {
		t.Errorf("a receipt without a login: %d, %v", a.status, a.header)
	}
	if a := s.get("/receipt/other"); a.status != http.StatusNotFound {
		t.Errorf("another receipt: %d", a.status)
	}
}
