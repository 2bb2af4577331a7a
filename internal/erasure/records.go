package erasure

// Record is a kind of record that people write: where they see, change and
// delete it, and where an export has it.
type Record struct {
	What   string
	Tables []string // that hold it
	Edit   string   // where it is seen and changed
	Delete string   // where it is deleted
	File   string   // of the export, without its ending; .json and .csv exist
}

// Authored lists every kind of record that people write. A test compares it with
// the schema: a new table is listed here or in [Derived].
func Authored() []Record {
	return []Record{
		{"The organization and its name", []string{"organizations"}, "Settings, General", "Settings, Delete", "organization"},
		{"Members and roles", []string{"memberships", "users"}, "Settings, Members; one’s own name and address on the account page", "Settings, Members; Account, Delete", "members"},
		{"Invitations", []string{"invitations"}, "Settings, Members", "Settings, Members", "invitations"},
		{"Connections with their options", []string{"connections", "connection_keys"}, "Connections", "Connections, Delete", "connections"},
		{"Decisions about findings, and why", []string{"findings", "finding_events"}, "Findings: ignore, reopen, assign", "Findings: reopen; with the connection", "decisions"},
		{"Collections that members see", []string{"grants"}, "Settings, Access", "Settings, Access", "grants"},
		{"Access tokens: names and scopes", []string{"access_tokens"}, "Settings, Access tokens", "Settings, Access tokens", "tokens"},
		{"Rules about sensitive columns", []string{"sensitivity_rules"}, "Settings, Sensitive columns", "Settings, Sensitive columns; with the connection", "sensitivity_rules"},
		{"How models are used, without the key", []string{"ai_settings"}, "Settings, AI", "Settings, AI; with the organization", "ai_settings"},
		{"Chats that are shared", []string{"chats", "chat_messages", "chat_maps"}, "Chat", "Chat: delete; with the membership and the connection", "chats"},
		{"Settings", []string{"settings"}, "Settings", "Settings; with the organization", "settings"},
		{"What people did", []string{"audit_log"}, "Audit log (read only: it is a record)", "by its retention; with the organization", "audit"},
	}
}

// OwnRecords lists what the export of one's own account has beside that.
func OwnRecords() []Record {
	return []Record{
		{"The account", []string{"users", "email_changes"}, "Account", "Account, Delete", "account"},
		{"Memberships", []string{"memberships", "grants"}, "Settings, Members", "Settings, Members: leave", "memberships"},
		{"Logins", []string{"sessions", "known_devices"}, "Account, Sessions", "Account: log out", "logins"},
		{"Second factors: names and kinds", []string{"factors", "recovery_codes"}, "Account, Second factor", "Account, Second factor", "factors"},
		{"Single sign-on", []string{"sso_identities"}, "Account", "Account", "sign_on"},
		{"Access tokens: names and scopes", []string{"access_tokens"}, "Settings, Access tokens", "Settings, Access tokens", "tokens"},
		{"Decisions about findings, and why", []string{"findings", "finding_events"}, "Findings", "Findings: reopen", "decisions"},
		{"Chats", []string{"chats", "chat_messages", "chat_maps"}, "Chat", "Chat: delete", "chats"},
		{"What you did", []string{"audit_log"}, "Audit log", "by its retention", "audit"},
	}
}

// Derived lists the tables that hold nothing a person writes, with the reason.
func Derived() map[string]string {
	const scanned = "read from a Metabase by a scan; exported by metalens scan and from the pages"
	const derived = "worked out from a scan"
	const technical = "the installation's own book-keeping"
	const chain = "hashes and signatures over the logs"
	return map[string]string{
		"scans": scanned, "asset_versions": scanned, "usage_records": scanned, "stages": scanned, "stage_stamps": scanned, "own_reads": technical,
		"connection_facts": derived, "search_docs": derived, "search_words": derived, "lineage_parts": derived, "parse_results": derived,
		"ai_spend": "counts per month; shown under Settings, AI", "ai_calls": "a record of each call of a model; shown under Settings, AI",
		"ai_outputs":    "what a model said about what a scan read; shown beside it",
		"egress_ledger": "what MetaLens sent; exported from the egress page", "egress_payloads": "what MetaLens sent, byte for byte; read on the egress page",
		"system_ledger": "what MetaLens sent for the installation", "system_payloads": "what MetaLens sent for the installation",
		"chain_heads": chain, "chain_links": chain, "chain_checkpoints": chain, "stream_cursors": technical, "signing_keys": technical,
		"password_resets": "links that were asked for, as hashes", "login_throttle": "counters under keyed hashes", "master_keys": technical, "key_rotations": technical,
		"job_runners": technical, "system_settings": "what operators set; shown on the operator console", "deletions": "the record of deletions; names nobody", "retention_reports": "counts; shown on the retention page",
	}
}
