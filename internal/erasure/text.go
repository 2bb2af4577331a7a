package erasure

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/store"
)

// words names the tables for people; what is not here is shown by its own name.
var words = map[string]string{
	"organizations": "organizations", "users": "accounts", "memberships": "memberships", "sessions": "logins", "audit_log": "rows of the audit log",
	"settings": "settings", "connections": "connections", "connection_keys": "keys of credentials", "scans": "scans", "stages": "parts of unfinished scans",
	"stage_stamps": "marks of unfinished scans", "asset_versions": "versions of questions, dashboards and tables", "usage_records": "usage records",
	"connection_facts": "facts of scans", "own_reads": "counts of our own reads", "findings": "findings", "finding_events": "steps in findings' lives",
	"search_docs": "search entries", "search_words": "parts of the search index", "egress_ledger": "rows of the egress ledger", "egress_payloads": "kept requests",
	"lineage_parts": "parts of lineage", "parse_results": "results of parsing", "grants": "grants", "invitations": "invitations", "access_tokens": "access tokens",
	"river_job": "jobs", "factors": "second factors", "recovery_codes": "recovery codes", "known_devices": "known browsers", "email_changes": "changes of address",
	"password_resets": "password links", "sso_identities": "identities of single sign-on", "retention_reports": "retention reports",
	"ai_settings": "AI settings and keys of providers", "ai_spend": "months of AI spend", "ai_calls": "calls of models", "ai_outputs": "outputs of models",
	"chats": "chats", "chat_messages": "messages of chats", "chat_maps": "placeholders of chats", "sensitivity_rules": "rules about sensitive columns",
	"chain_heads": "heads of hash chains", "chain_links": "links of hash chains", "chain_checkpoints": "signed checkpoints", "stream_cursors": "stream positions",
}

// Line is one kind of thing that was deleted.
type Line struct {
	What  string
	Table string
	Count int64
}

// Lines lists what a deletion removed, the most first.
func Lines(d store.Deletion) []Line {
	var list []Line
	for _, table := range slices.Sorted(maps.Keys(d.Counts)) {
		what := words[table]
		if what == "" {
			what = strings.ReplaceAll(table, "_", " ")
		}
		list = append(list, Line{What: what, Table: table, Count: d.Counts[table]})
	}
	slices.SortStableFunc(list, func(a, b Line) int { return int(b.Count - a.Count) })
	return list
}

func subject(k store.DeletionKind) string {
	switch k {
	case store.DeletedOrganization:
		return "an organization with everything in it"
	case store.DeletedAccount:
		return "an account"
	case store.DeletedChat:
		return "a chat"
	case store.DeletedModelKey:
		return "a key of a model provider"
	default:
		return "a connection"
	}
}

// Text is the receipt to keep. It names nobody and nothing that was deleted.
func Text(d store.Deletion) string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "MetaLens: receipt of a deletion\n\nDeletion   %s\nDeleted    %s\nTime       %s\nRows       %d\n", d.ID, subject(d.Kind), d.At.UTC().Format("2006-01-02 15:04:05 UTC"), d.Rows())
	if d.Kind == store.DeletedOrganization {
		key := "destroyed with the row that held it, wrapped by the master key; copies of the database from before can be opened by whoever has that key, and MetaLens deletes it from a restored copy again"
		if d.KeyDestroyed {
			key = "destroyed, and with it the key outside the database: no copy of the database from before can be read"
		}
		_, _ = fmt.Fprintf(&b, "Data key   %s\n", key)
	}
	b.WriteString("\nWhat was deleted\n")
	for _, l := range Lines(d) {
		_, _ = fmt.Fprintf(&b, "  %8d  %s\n", l.Count, l.What)
	}
	_, _ = fmt.Fprintf(&b, "\nTo check it later, the operator runs: metalens doctor --deletion %s\n", d.ID)
	return b.String()
}

// Letter is the text of the confirmation.
func Letter(d store.Deletion) string {
	return "You asked MetaLens to delete " + subject(d.Kind) + ". It is done.\n\n" + Text(d) +
		"\nThis letter is the last thing that MetaLens knew your address for; it has forgotten it.\n"
}
