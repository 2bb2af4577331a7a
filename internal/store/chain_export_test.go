package store

import "context"

// EraseAudit lets tests erase rows of the audit log.
func EraseAudit(ctx context.Context, tx *SystemTx, org OrgID, ids []string) error {
	return tx.eraseAudit(ctx, org, ids)
}
