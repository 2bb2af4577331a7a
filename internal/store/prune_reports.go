package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// RetentionReport says what one run of retention deleted in an organization. It
// holds counts only, so that the operator may see it as proof.
type RetentionReport struct {
	ID      string
	Org     OrgID
	At      time.Time
	Cause   string         // daily, request, changed
	Days    map[string]int // limit in days: scans, audit, ledger, payloads
	Deleted map[string]int // what went: scans, asset_versions, audit_rows, …
}

// Total is how many rows went in all.
func (r RetentionReport) Total() (n int) {
	for _, c := range r.Deleted {
		n += c
	}
	return n
}

// keepReports is how long retention's reports themselves are kept: as proof of
// a year and a month.
const keepReports = 396 * 24 * time.Hour

type reportBody struct {
	Cause   string         `json:"cause"`
	Days    map[string]int `json:"days,omitempty"`
	Deleted map[string]int `json:"deleted,omitempty"`
}

// AddRetentionReport keeps what a run deleted and forgets reports that are past
// their time.
func (tx *Tx) AddRetentionReport(ctx context.Context, r RetentionReport) error {
	id, err := newID()
	if err != nil {
		return err
	}
	if r.At.IsZero() {
		r.At = tx.store.now()
	}
	body, err := json.Marshal(reportBody{Cause: r.Cause, Days: r.Days, Deleted: r.Deleted})
	if err != nil {
		return fmt.Errorf("write a retention report: %w", err)
	}
	if _, err := tx.exec(ctx, `INSERT INTO retention_reports (org_id, id, at, body) VALUES ($1, $2, $3, $4)`, tx.org, id, micros(r.At), string(body)); err != nil {
		return fmt.Errorf("keep a retention report: %w", err)
	}
	if _, err := tx.exec(ctx, `DELETE FROM retention_reports WHERE org_id = $1 AND at < $2`, tx.org, micros(r.At.Add(-keepReports))); err != nil {
		return fmt.Errorf("forget old retention reports: %w", err)
	}
	return nil
}

// RetentionReports lists the organization's reports, newest first.
func (tx *Tx) RetentionReports(ctx context.Context, limit int) ([]RetentionReport, error) {
	return tx.retentionReports(ctx, `WHERE org_id = $2`, limit, tx.org)
}

// RetentionReports lists the reports of all organizations, newest first: the
// operator's proof that retention runs.
func (tx *SystemTx) RetentionReports(ctx context.Context, limit int) ([]RetentionReport, error) {
	return tx.retentionReports(ctx, ``, limit)
}

func (c *core) retentionReports(ctx context.Context, where string, limit int, args ...any) ([]RetentionReport, error) {
	var list []RetentionReport
	err := c.rows(ctx, `SELECT org_id, id, at, body FROM retention_reports `+where+` ORDER BY at DESC, id DESC LIMIT $1`, append([]any{limit}, args...), func(r *sql.Rows) error {
		var report RetentionReport
		var at int64
		var body string
		if err := r.Scan(&report.Org, &report.ID, &at, &body); err != nil {
			return err
		}
		var b reportBody
		if err := json.Unmarshal([]byte(body), &b); err != nil {
			return fmt.Errorf("read a retention report: %w", err)
		}
		report.At, report.Cause, report.Days, report.Deleted = fromMicros(at), b.Cause, b.Days, b.Deleted
		list = append(list, report)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the retention reports: %w", err)
	}
	return list, nil
}

// errPreview rolls a preview back.
var errPreview = errors.New("preview")

// PreviewPrune says what Prune would delete, exactly: it deletes and rolls back.
func (s *Store) PreviewPrune(ctx context.Context, org OrgID, r Retention, now time.Time) (report PruneReport, err error) {
	err = s.InOrg(ctx, org, func(ctx context.Context, tx *Tx) error {
		if report, err = tx.Prune(ctx, r, now); err != nil {
			return err
		}
		return errPreview
	})
	if errors.Is(err, errPreview) {
		err = nil
	}
	return report, err
}

// Counts names what a run deleted, without what was nothing.
func (r PruneReport) Counts() map[string]int {
	counts := map[string]int{}
	for name, n := range map[string]int{
		"scans": r.Scans, "asset_versions": r.AssetVersions, "audit_rows": r.AuditRows, "ledger_rows": r.LedgerRows, "payloads": r.Payloads, "findings": r.Findings,
		"ai_calls": r.AICalls, "ai_outputs": r.AIOutputs,
	} {
		if n > 0 {
			counts[name] = n
		}
	}
	return counts
}
