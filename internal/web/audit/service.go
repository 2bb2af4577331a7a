// Package audit is the page of the audit log: who did what, to what, from where.
package audit

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

// Query selects audit rows.
type Query struct {
	Actor  store.UserID // empty = everybody
	System bool         // only what no person did
	Action string       // empty = every
	Object string       // part of what it was done to; empty = everything
	Since  time.Time
	Until  time.Time
	Limit  int
	Offset int
}

// Person is somebody who did something.
type Person struct {
	ID   store.UserID
	Name string // name or e-mail address
}

// Log is what the page needs of the audit log. All of it is for admins.
type Log interface {
	// AuditLog returns one page, the newest first, and how many rows there are in all.
	AuditLog(ctx context.Context, org store.OrgID, q Query) ([]store.AuditRow, int, error)
	// AuditPeople lists the members of the organization.
	AuditPeople(ctx context.Context, org store.OrgID) ([]Person, error)
	// Integrity says when the chain of a log was verified and anchored.
	Integrity(ctx context.Context, org store.OrgID, chain ledger.Chain) (ui.IntegrityView, error)
}
