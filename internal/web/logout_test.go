package web_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestLogoutClearsTheBrowser ends the session on the server and tells the browser
// to drop what it keeps, but for the cookie by which the throttle knows it.
func TestLogoutClearsTheBrowser(t *testing.T) {
	s, _ := owned(t)
	a := s.post("/logout")
	says := a.header.Get("Clear-Site-Data")
	if !strings.Contains(says, `"cache"`) || !strings.Contains(says, `"storage"`) || strings.Contains(says, "cookies") {
		t.Errorf("Clear-Site-Data is %q", says)
	}
	if a := s.get("/account"); a.status != http.StatusSeeOther {
		t.Errorf("after the logout: %d", a.status)
	}
}
