package web_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/web"
)

// audited says which row of the audit log a successful request leaves behind.
var audited = map[string][]string{
	"POST /setup":            {"owner_created"},
	"POST /setup/connection": {"connection_created", "scan_started"},
	"POST /setup/sample":     {"connection_created", "scan_started"},

	"POST /login":                {"login", "login_failed", "login_half"},
	"POST /login/factor":         {"login", "login_failed"},
	"POST /login/factor/passkey": {"login", "login_failed"},
	"POST /login/passkey":        {"login", "login_failed"},
	"POST /logout":               {"logout"},
	"POST /confirm":              {"identity_confirmed"},
	"POST /confirm/passkey":      {"identity_confirmed"},
	"POST /login/forgot":         {"password_reset_asked"},
	"POST /reset/{token}":        {"password_reset_by_mail"},

	"POST /account/name":                      {"name_changed"},
	"POST /account/password":                  {"password_changed"},
	"POST /account/email":                     {"email_change_asked"},
	"POST /account/email/{token}":             {"email_changed"},
	"POST /account/factors/app":               {"factor_added"},
	"POST /account/factors/passkey":           {"factor_added"},
	"POST /account/factors/{factor}/remove":   {"factor_removed"},
	"POST /account/factors/{factor}/rename":   {"factor_renamed"},
	"POST /account/recovery-codes":            {"recovery_codes_made"},
	"POST /account/recovery-codes/keep":       {"recovery_codes_kept"},
	"POST /account/sessions/revoke-others":    {"sessions_revoked"},
	"POST /account/sessions/{session}/revoke": {"sessions_revoked"},

	"POST /connections":               {"connection_created"},
	"POST /connections/{conn}":        {"connection_updated", "credential_replaced", "exception_accepted"},
	"POST /connections/{conn}/delete": {"connection_deleted"},

	"POST /c/{conn}/scans":                 {"scan_started"},
	"POST /c/{conn}/scans/{scan}/cancel":   {"scan_cancelled"},
	"POST /c/{conn}/findings/ignore":       {"finding_ignored"},
	"POST /c/{conn}/findings/unignore":     {"finding_unignored"},
	"POST /c/{conn}/findings/assign":       {"finding_assigned"},
	"POST /c/{conn}/egress/{row}/payload":  {"payload_read"},
	"POST /egress/{row}/payload":           {"payload_read"},
	"POST /settings/access/{conn}/default": {"grant_default_changed"},
	"POST /settings/access/counts":         {"grant_counts_changed"},
	"POST /settings/access/{conn}/{member}": {
		"grant_changed",
	},

	"POST /settings/ai":                                   {"ai_settings_changed"},
	"POST /settings/ai/switch":                            {"ai_enabled", "ai_disabled"},
	"POST /settings/ai/key":                               {"ai_key_set"},
	"POST /settings/ai/key/delete":                        {"ai_key_deleted"},
	"POST /settings/ai/test":                              {"ai_tested"},
	"POST /settings/sensitive/{conn}/rules":               {"sensitivity_rule_added"},
	"POST /settings/sensitive/{conn}/rules/{rule}/delete": {"sensitivity_rule_deleted"},
	"POST /c/{conn}/agents":                               {"ai_after_scan_changed"},
	"POST /c/{conn}/chat/{chat}/share":                    {"chat_shared", "chat_unshared"},
	"POST /c/{conn}/chat/{chat}/delete":                   {"chat_deleted"},
	"POST /settings/name":                                 {"organization_renamed"},
	"POST /settings/members/invite":                       {"member_invited"},
	"POST /settings/members/leave":                        {"member_left"},
	"POST /settings/members/{user}/remove":                {"member_removed"},
	"POST /settings/members/{user}/role":                  {"member_role_changed"},
	"POST /settings/invitations/{invitation}/resend":      {"invitation_resent"},
	"POST /settings/invitations/{invitation}/revoke":      {"invitation_revoked"},
	"POST /invite/{token}/accept":                         {"invitation_accepted"},
	"POST /invite/{token}/join":                           {"invitation_accepted"},
	"POST /invite/{token}/register":                       {"invitation_accepted"},
	"POST /organizations":                                 {"organization_created"},
	"POST /settings/sign-in/required":                     {"sso_required", "sso_optional"},
	"POST /settings/tokens":                               {"token_created"},
	"POST /settings/tokens/{token}/revoke":                {"token_revoked"},
	"POST /settings/retention":                            {"retention_changed"},
	"POST /settings/retention/apply":                      {"retention_applied"},
	"POST /settings/export":                               {"organization_exported"},
}

// unaudited are requests that leave no row, each with why.
var unaudited = map[string]string{
	"POST /theme":                             "keeps a colour scheme in a cookie",
	"POST /login/passkey/begin":               "makes a challenge; nothing is decided",
	"POST /login/factor/passkey/begin":        "makes a challenge; nothing is decided",
	"POST /confirm/passkey/begin":             "makes a challenge; nothing is decided",
	"POST /account/factors/passkey/begin":     "makes a challenge; nothing is decided",
	"POST /organizations/switch":              "chooses what this session shows; the member's rights are the same",
	"POST /connections/test":                  "stores nothing; what it asked of the Metabase is in the egress ledger",
	"POST /c/{conn}/chat":                     "a member's own words; what leaves for the answer is in the egress ledger and the books of AI",
	"POST /c/{conn}/chat/{chat}":              "a member's own words; what leaves for the answer is in the egress ledger and the books of AI",
	"POST /c/{conn}/chat/{chat}/retry":        "asks again; what leaves for the answer is in the egress ledger and the books of AI",
	"POST /c/{conn}/chat/{chat}/stop":         "ends an answer that is being written",
	"POST /c/{conn}/chat/{chat}/rename":       "the title of a member's own chat",
	"POST /c/{conn}/assist/{agent}/{subject}": "asks a model; what leaves is in the egress ledger and the books of AI",
	"POST /c/{conn}/write":                    "asks a model and stores nothing; what leaves is in the egress ledger and the books of AI",
	"POST /c/{conn}/impact/migration":         "a question whose text is too long for an address; stores nothing",
	"POST /c/{conn}/impact/migration.csv":     "a question whose text is too long for an address; stores nothing",
	"POST /c/{conn}/impact/migration.md":      "a question whose text is too long for an address; stores nothing",
	"POST /settings/retention/preview":        "says what would be deleted; stores nothing",
	"POST /settings/mail/test":                "sends a fixed text to whoever asks; the exchange is in the egress ledger",
	"POST /account/export":                    "hands people their own records",
	"POST /account/delete":                    "the account's rows of the audit log go with it; the record of deletions has it",
	"POST /settings/delete":                   "the organization's audit log goes with it; the record of deletions has it",
}

// TestEveryChangeIsAudited walks the routes: one that can change something names
// the row it leaves, or why it leaves none. What writes each row is proven where
// it is written, and [TestDeedsLeaveRows] of internal/app walks the common ones
// against the whole program.
func TestEveryChangeIsAudited(t *testing.T) {
	known := map[string]bool{}
	for _, e := range ledger.AuditEvents() {
		known[e.Action] = true
	}
	routes := map[string]bool{}
	for _, pattern := range append(web.Patterns(), declared(t)...) {
		method, _, _ := strings.Cut(pattern, " ")
		if method == "GET" {
			continue
		}
		routes[pattern] = true
		actions, why := audited[pattern], unaudited[pattern]
		switch {
		case len(actions) == 0 && why == "":
			t.Errorf("%s neither names its row of the audit log nor says why it has none", pattern)
		case len(actions) > 0 && why != "":
			t.Errorf("%s is in both lists", pattern)
		}
		for _, a := range actions {
			if !known[a] {
				t.Errorf("%s names %q, which is no event of the audit log", pattern, a)
			}
		}
	}
	for _, pattern := range slices.Concat(slices.Collect(maps.Keys(audited)), slices.Collect(maps.Keys(unaudited))) {
		if !routes[pattern] {
			t.Errorf("there is no route %s any more", pattern)
		}
	}
}

// declared finds the patterns of all routes, also of those that exist in some
// deployments only.
func declared(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("routes*.go")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"((?:POST|PUT|PATCH|DELETE) /[^"]*)"`).FindAllStringSubmatch(string(text), -1) {
			list = append(list, m[1])
		}
	}
	return list
}
