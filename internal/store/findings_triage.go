package store

import (
	"context"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

// IgnoreFinding takes an open finding out of sight, with who and why, until a
// time (zero = for good). Ignoring an ignored one again replaces the reason and
// the time.
func (tx *Tx) IgnoreFinding(ctx context.Context, conn ConnectionID, fingerprint string, by UserID, reason string, until time.Time) error {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return errs.New(errs.Invalid, "reason_missing", "Ignoring a finding needs a reason.", "Say in a few words why it does not matter.")
	}
	if !until.IsZero() && !until.After(tx.store.now()) {
		return errs.New(errs.Invalid, "until_past", "The time until which to ignore the finding has passed already.", "Choose a later day, or none.")
	}
	f, err := tx.lockFinding(ctx, conn, fingerprint)
	if err != nil {
		return err
	}
	if f.State == FindingResolved {
		return errs.New(errs.Conflict, "finding_resolved", "This finding is resolved already.", "There is nothing to ignore.")
	}
	why, err := tx.sealJSON("findings.ignored_why", findingRow(conn, fingerprint), reason)
	if err != nil {
		return err
	}
	if err := tx.one(ctx, "finding", `UPDATE findings SET state = 'ignored', ignored_by = $4, ignored_until = $5, ignored_why = $6
		WHERE org_id = $1 AND connection_id = $2 AND fingerprint = $3`, tx.org, conn, fingerprint, string(by), micros(until), why); err != nil {
		return err
	}
	detail := reason
	if !until.IsZero() {
		detail += " (until " + until.UTC().Format("2006-01-02") + ")"
	}
	return tx.addEvent(ctx, conn, fingerprint, eventIgnored, by, detail)
}

// UnignoreFinding opens an ignored finding again. The next scan resolves it if
// it no longer fires.
func (tx *Tx) UnignoreFinding(ctx context.Context, conn ConnectionID, fingerprint string, by UserID) error {
	f, err := tx.lockFinding(ctx, conn, fingerprint)
	if err != nil {
		return err
	}
	if f.State != FindingIgnored {
		return errs.New(errs.Conflict, "finding_not_ignored", "This finding is not ignored.", "")
	}
	if err := tx.one(ctx, "finding", `UPDATE findings SET state = 'open', ignored_by = '', ignored_until = 0, ignored_why = NULL
		WHERE org_id = $1 AND connection_id = $2 AND fingerprint = $3`, tx.org, conn, fingerprint); err != nil {
		return err
	}
	return tx.addEvent(ctx, conn, fingerprint, eventUnignored, by, "")
}

// AssignFinding gives a finding to a user; an empty assignee takes it back.
func (tx *Tx) AssignFinding(ctx context.Context, conn ConnectionID, fingerprint string, by, assignee UserID) error {
	if _, err := tx.lockFinding(ctx, conn, fingerprint); err != nil {
		return err
	}
	if err := tx.one(ctx, "finding", `UPDATE findings SET assignee = $4 WHERE org_id = $1 AND connection_id = $2 AND fingerprint = $3`,
		tx.org, conn, fingerprint, string(assignee)); err != nil {
		return err
	}
	return tx.addEvent(ctx, conn, fingerprint, eventAssigned, by, string(assignee))
}

// lockFinding reads a finding while no scan is being applied.
func (tx *Tx) lockFinding(ctx context.Context, conn ConnectionID, fingerprint string) (FindingRecord, error) {
	if err := tx.lockConnection(ctx, conn); err != nil {
		return FindingRecord{}, err
	}
	return tx.Finding(ctx, conn, fingerprint)
}

func (tx *Tx) addEvent(ctx context.Context, conn ConnectionID, fingerprint, what string, by UserID, detail string) error {
	row, err := tx.eventRow(conn, fingerprint, tx.store.now(), what, by, detail)
	if err != nil {
		return err
	}
	events := tx.inserter(insertEvent, 8)
	if err := events.add(ctx, row...); err != nil {
		return err
	}
	return events.flush(ctx)
}
