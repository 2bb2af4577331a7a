package store

import (
	"context"

	"github.com/metalens/metalens/internal/store/postgres"
)

// replayChat deletes again the chat that a tombstone names, where a restored
// backup brought it back.
func (e *eraser) replayChat(ctx context.Context, org OrgID, t tombstone, counts map[string]int64, n *int) error {
	chats, err := e.tenantIDs(ctx, org, `SELECT id FROM chats WHERE org_id = $1`)
	if err != nil {
		return err
	}
	for _, id := range chats {
		if !t.names(id) {
			continue
		}
		if _, err := e.exec(ctx, `DELETE FROM egress_payloads WHERE org_id = $1 AND subject = $2`, string(org), ChatSubject(id)); err != nil {
			return err
		}
		gone, err := e.exec(ctx, `DELETE FROM chats WHERE org_id = $1 AND id = $2`, string(org), id)
		if err != nil {
			return err
		}
		add(counts, "chats", gone)
		*n++
	}
	return nil
}

// replayModelKey deletes again the provider's key that a tombstone names.
func (e *eraser) replayModelKey(ctx context.Context, org OrgID, t tombstone, counts map[string]int64, n *int) error {
	held, err := e.tenantIDs(ctx, org, `SELECT key_id FROM ai_settings WHERE org_id = $1 AND key_id <> ''`)
	if err != nil {
		return err
	}
	for _, id := range held {
		if !t.names(id) {
			continue
		}
		e.wipeAfter()
		gone, err := e.exec(ctx, `UPDATE ai_settings SET credential = NULL, key_id = '' WHERE org_id = $1 AND key_id = $2`, string(org), id)
		if err != nil {
			return err
		}
		add(counts, "ai_settings", gone)
		*n++
	}
	return nil
}

// tenantIDs reads ids of an organization's rows as the role that may, which it
// stays.
func (e *eraser) tenantIDs(ctx context.Context, org OrgID, query string) ([]string, error) {
	if err := e.as(ctx, postgres.AppRole, org); err != nil {
		return nil, err
	}
	return e.column(ctx, query, string(org))
}
