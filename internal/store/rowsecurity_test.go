package store_test

import (
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

// unprotected are the tables that need no row-level security, each with why.
var unprotected = map[string]string{
	"goose_db_version":   "the schema's version, the same for everybody",
	"job_runners":        "which processes work on jobs; belongs to no organization",
	"river_job":          "arguments are ids, and sealed for private jobs; only the job runner's role works on it",
	"river_leader":       "which process leads the job runners",
	"river_migration":    "the job queue's own version",
	"river_notification": "wakes job runners; no content",
	"river_queue":        "the queue's state; no content",
	"river_client":       "which processes work on jobs",
	"river_client_queue": "which processes work on jobs",
}

// TestEveryTableIsProtected asks the database itself, so that a table of a later
// migration cannot be forgotten: what the app's role may touch carries an
// organization and shows only the one that was entered.
func TestEveryTableIsProtected(t *testing.T) {
	address := cluster.Database(t)
	storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.DatabaseURL = secret.New(address)
		return mustOpen(t, cfg)
	})
	db := raw(t, address)
	rows, err := db.QueryContext(t.Context(), `SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
		EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped),
		has_table_privilege('metalens_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE') OR has_any_column_privilege('metalens_app', c.oid, 'SELECT, INSERT, UPDATE'),
		coalesce((SELECT string_agg(p.polname || ' ' || (SELECT string_agg(coalesce(r.rolname, 'public'), ',') FROM unnest(p.polroles) o LEFT JOIN pg_roles r ON r.oid = o)
			|| ' ' || coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), ''), E'\n') FROM pg_policy p WHERE p.polrelid = c.oid), '')
		FROM pg_class c WHERE c.relkind IN ('r', 'p', 'm', 'v') AND c.relnamespace = 'public'::regnamespace`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	seen := map[string]bool{}
	for rows.Next() {
		var name, policies string
		var forced, tenant, app bool
		if err := rows.Scan(&name, &forced, &tenant, &app, &policies); err != nil {
			t.Fatal(err)
		}
		seen[name] = true
		if unprotected[name] != "" {
			if tenant {
				t.Errorf("table %s carries an organization and cannot be an exception", name)
			}
			continue
		}
		if !forced {
			t.Errorf("table %s has no forced row-level security", name)
		}
		if tenant && app && !strings.Contains(policies, "in_org metalens_app ") {
			t.Errorf("table %s has no policy in_org for the app's role", name)
		}
		if !tenant && app && name != "organizations" {
			t.Errorf("table %s is open to the app's role and carries no organization", name)
		}
		for policy := range strings.SplitSeq(policies, "\n") {
			key := "metalens.org_id"
			switch {
			case policy == "":
				continue
			case strings.Contains(policy, " metalens_system "):
				key = "metalens.system"
			case !strings.Contains(policy, " metalens_app "):
				t.Errorf("table %s: policy %q is for another role than the app's or the system's", name, policy)
			}
			if !strings.Contains(policy, "current_setting('"+key+"'") {
				t.Errorf("table %s: policy %q does not ask for %s", name, policy, key)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(seen) < len(tenantTables) || !seen["organizations"] {
		t.Errorf("the catalog was not read: %v", seen)
	}
}
