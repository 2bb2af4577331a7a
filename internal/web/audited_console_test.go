package web_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/metalens/metalens/internal/ledger"
)

// auditedByOperators is [audited] for the operator console. Its log-in and account
// pages are those of the members and stand there.
var auditedByOperators = map[string][]string{
	"POST /jobs/{job}/cancel":           {"job_cancelled"},
	"POST /jobs/{job}/retry":            {"job_retried"},
	"POST /controls/log-level":          {"log_level_set"},
	"POST /controls/stop":               {"traffic_stopped"},
	"POST /controls/allow":              {"traffic_allowed"},
	"POST /operators/{operator}/remove": {"operator_removed"},
	"POST /egress/{row}/payload":        {"payload_read"},
}

// unauditedByOperators is [unaudited] for the operator console.
var unauditedByOperators = map[string]string{
	"POST /theme":       "keeps a colour scheme in a cookie",
	"POST /logs/verify": "compares the logs with what was written; the result stands beside the chains",
}

// TestEveryChangeByOperatorsIsAudited is [TestEveryChangeIsAudited] for the
// operator console. [TestOperatorConsole] and [TestInstallationLogs] of
// internal/app meet the rows.
func TestEveryChangeByOperatorsIsAudited(t *testing.T) {
	text, err := os.ReadFile("operator.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, e := range ledger.AuditEvents() {
		known[e.Action] = true
	}
	routes := map[string]bool{}
	for _, m := range regexp.MustCompile(`"((?:POST|PUT|PATCH|DELETE) /[^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		pattern := m[1]
		routes[pattern] = true
		actions, why := auditedByOperators[pattern], unauditedByOperators[pattern]
		if (len(actions) == 0) == (why == "") {
			t.Errorf("%s names either its row of the audit log or why it has none", pattern)
		}
		for _, a := range actions {
			if !known[a] {
				t.Errorf("%s names %q, which is no event of the audit log", pattern, a)
			}
		}
	}
	for _, pattern := range slices.Concat(slices.Collect(maps.Keys(auditedByOperators)), slices.Collect(maps.Keys(unauditedByOperators))) {
		if !routes[pattern] {
			t.Errorf("the console has no route %s any more", pattern)
		}
	}
}
