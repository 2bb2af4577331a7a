package store

import (
	"encoding/hex"
	"strconv"
)

// SealedColumn is a column of sealed bytes: which key seals it and to which
// place each value is bound. Every BLOB or BYTEA column stands here or in
// [ClearColumns]; a test compares both with the schema, and rotation walks
// through this list.
type SealedColumn struct {
	Table, Column string

	key   []string // columns that tell the table's rows apart, org_id left out
	by    sealer
	sees  side
	place func(v []any) (table, row string) // from the key columns' values
	// tenantless rows only, of a table that has an org_id
	systemRows bool
}

// Name is table.column.
func (c SealedColumn) Name() string { return c.Table + "." + c.Column }

// sealer is the key that a column's values are sealed with.
type sealer int

const (
	byOrg        sealer = iota // the organization's data key
	bySystem                   // the system's data key: the master key, for what belongs to no organization
	byMaster                   // the master key itself
	byConnection               // the connection's own key, which the organization's data key seals
)

// side is which kind of transaction reaches a table.
type side int

const (
	tenantSide side = iota
	systemSide
)

// SealedColumns lists all columns of sealed bytes but organizations.data_key,
// which holds the wrapped data keys themselves.
func SealedColumns() []SealedColumn {
	return []SealedColumn{
		// What belongs to an organization.
		{Table: "connection_keys", Column: "body", key: cols("connection_id"), place: whole("connection_keys")},
		{Table: "connections", Column: "credential", key: cols("id"), by: byConnection, place: whole("connections.credential")},
		{Table: "connections", Column: "body", key: cols("id"), place: whole("connections")},
		{Table: "settings", Column: "body", key: cols("name"), place: whole("settings")},
		{Table: "audit_log", Column: "body", key: cols("id"), place: whole("audit_log")},
		{Table: "egress_ledger", Column: "body", key: cols("id"), place: whole("egress_ledger")},
		{Table: "egress_payloads", Column: "body", key: cols("id"), place: whole("egress_payloads")},
		{Table: "chain_heads", Column: "verified_body", key: cols("chain"), place: whole("chain_heads")},
		{Table: "scans", Column: "error_text", key: cols("id"), place: whole("scans.error_text")},
		{Table: "scans", Column: "progress", key: cols("id"), place: whole("scans.progress")},
		{Table: "scans", Column: "summary", key: cols("id"), place: whole("scans.summary")},
		{Table: "scans", Column: "head", key: cols("id"), place: whole("scans.head")},
		{Table: "stages", Column: "body", key: cols("connection_id", "step"), place: joined("stages")},
		{Table: "asset_versions", Column: "body", key: cols("connection_id", "asset_key", "from_seq"), place: versioned("asset_versions")},
		{Table: "lineage_parts", Column: "body", key: cols("connection_id", "asset_key", "from_seq"), place: versioned("lineage_parts")},
		{Table: "usage_records", Column: "body", key: cols("connection_id", "seq"), place: joined("usage_records")},
		{Table: "connection_facts", Column: "body", key: cols("connection_id", "name"), place: joined("connection_facts")},
		{Table: "findings", Column: "body", key: cols("connection_id", "fingerprint"), place: joined("findings")},
		{Table: "findings", Column: "ignored_why", key: cols("connection_id", "fingerprint"), place: joined("findings.ignored_why")},
		{Table: "finding_events", Column: "detail", key: cols("connection_id", "fingerprint", "id"), place: last("finding_events")},
		{Table: "search_docs", Column: "body", key: cols("connection_id", "asset_key"), place: versioned("search_docs")},
		{Table: "search_words", Column: "body", key: cols("connection_id", "bucket"), place: joined("search_words")},
		{Table: "parse_results", Column: "body", key: cols("connection_id", "purpose", "hash"), place: joined("parse_results")},
		{Table: "grants", Column: "body", key: cols("connection_id", "user_id"), place: joined("grants")},
		{Table: "ai_settings", Column: "body", key: cols("id"), place: whole("ai_settings")},
		{Table: "ai_settings", Column: "credential", key: cols("id"), place: whole("ai_settings.credential")},
		{Table: "ai_calls", Column: "body", key: cols("id"), place: whole("ai_calls")},
		{Table: "ai_outputs", Column: "body", key: cols("connection_id", "agent", "subject_key"), place: joined("ai_outputs")},
		{Table: "chats", Column: "body", key: cols("id"), place: whole("chats")},
		{Table: "chat_messages", Column: "body", key: cols("chat_id", "seq"), place: joined("chat_messages")},
		{Table: "chat_maps", Column: "body", key: cols("chat_id"), place: whole("chat_maps")},
		{Table: "sensitivity_rules", Column: "body", key: cols("connection_id", "id"), place: joined("sensitivity_rules")},
		{Table: "access_tokens", Column: "body", key: cols("id"), sees: systemSide, place: whole("access_tokens")},
		{Table: "invitations", Column: "body", key: cols("id"), sees: systemSide, place: whole("invitations")},
		// What belongs to the installation.
		{Table: "factors", Column: "body", key: cols("user_id", "id"), by: byMaster, sees: systemSide, place: joined("factors")},
		{Table: "email_changes", Column: "body", key: cols("id"), by: byMaster, sees: systemSide, place: whole("email_changes")},
		{Table: "system_settings", Column: "body", key: cols("name"), by: bySystem, sees: systemSide, place: whole("system_settings")},
		{Table: "system_ledger", Column: "body", key: cols("id"), by: bySystem, sees: systemSide, place: whole("system_ledger")},
		{Table: "system_payloads", Column: "body", key: cols("id"), by: bySystem, sees: systemSide, place: whole("system_payloads")},
		{Table: "chain_heads", Column: "verified_body", key: cols("chain"), by: bySystem, sees: systemSide, systemRows: true, place: whole("chain_heads")},
		{Table: "signing_keys", Column: "private_key", key: cols("purpose"), by: bySystem, sees: systemSide, place: whole("signing_keys")},
		{Table: "audit_log", Column: "body", key: cols("id"), by: bySystem, sees: systemSide, systemRows: true, place: whole("audit_log")},
		{Table: "sessions", Column: "data", key: cols("id"), by: byMaster, sees: systemSide, place: whole("sessions")},
		{Table: "sessions", Column: "info", key: cols("id"), by: byMaster, sees: systemSide, place: whole("sessions.info")},
		{Table: "sso_identities", Column: "body", key: cols("id"), by: byMaster, sees: systemSide, place: whole("sso_identities")},
	}
}

// ClearColumns lists the columns of bytes that nobody needs a key to read, with
// the reason why that gives nothing away.
func ClearColumns() map[string]string {
	const hash = "a keyed hash: equal contents can be found, none can be read"
	return map[string]string{ //nolint:gosec // names of columns, no credentials
		"organizations.data_key":      "the data key itself, wrapped by the master key; rotation handles it apart",
		"connections.name_key":        hash,
		"asset_versions.asset_key":    hash,
		"asset_versions.content_hash": hash,
		"lineage_parts.asset_key":     hash,
		"lineage_parts.content_hash":  hash,
		"findings.asset_key":          hash,
		"findings.body_hash":          hash,
		"search_docs.asset_key":       hash,
		"search_docs.content_hash":    hash,
		"parse_results.hash":          hash,
		"ai_outputs.subject_key":      hash,
		"chain_heads.link":            "a hash of hashes",
		"chain_links.commitment":      "a hash over a random salt that is sealed with the row",
		"chain_links.link":            "a hash of hashes",
		"chain_checkpoints.link":      "a hash of hashes",
		"chain_checkpoints.signature": "a signature, to be checked by anybody",
		"signing_keys.public_key":     "the public half of the signing key",
		"access_tokens.hash":          "a hash of a token of 256 random bits",
		"invitations.token_hash":      "a hash of a token of 130 random bits",
		"password_resets.token_hash":  "a hash of a token of 130 random bits",
		"deletions.salt":              "random; so that the subject cannot be looked up",
		"deletions.subject":           "a salted hash of the random id of what was deleted",
	}
}

func cols(names ...string) []string { return names }

// whole binds to the last key column's text.
func whole(table string) func([]any) (string, string) { return last(table) }

func last(table string) func([]any) (string, string) {
	return func(v []any) (string, string) { return table, keyText(v[len(v)-1]) }
}

// joined binds to all key columns, with a slash between.
func joined(table string) func([]any) (string, string) {
	return func(v []any) (string, string) {
		row := keyText(v[0])
		for _, part := range v[1:] {
			row += "/" + keyText(part)
		}
		return table, row
	}
}

// versioned binds to a row named by [versionRow].
func versioned(table string) func([]any) (string, string) {
	return func(v []any) (string, string) {
		var key assetKey
		if b, ok := v[1].([]byte); ok {
			copy(key[:], b)
		}
		var from int64
		if len(v) > 2 {
			from, _ = v[2].(int64)
		}
		return table, versionRow(ConnectionID(keyText(v[0])), key, from)
	}
}

func keyText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case []byte:
		return hex.EncodeToString(v)
	}
	return ""
}
