package ledger

// AuditEvent is something that the audit log knows of.
type AuditEvent struct {
	Action  string // as it stands in the log; stable
	Group   string
	Meaning string
}

// AuditEvents lists every action that is written to the audit log, in the order
// of the guide. A test compares it with the code and with docs/guide/audit.md.
func AuditEvents() []AuditEvent { return auditEvents }
