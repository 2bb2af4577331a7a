package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

// DeleteScan deletes a scan and what only it knew. A queued or running scan is
// errs.Conflict: cancel it first.
func (tx *Tx) DeleteScan(ctx context.Context, id ScanID) error {
	_, err := tx.deleteScan(ctx, id)
	return err
}

// deleteScan returns how many asset versions went with the scan.
func (tx *Tx) deleteScan(ctx context.Context, id ScanID) (versions int, err error) {
	s, err := tx.Scan(ctx, id)
	if err != nil {
		return 0, err
	}
	if s.State == ScanQueued || s.State == ScanRunning {
		return 0, errs.New(errs.Conflict, "scan_running", "This scan is still running.", "Cancel it first.")
	}
	if s.Seq > 0 {
		if err := tx.lockConnection(ctx, s.ConnectionID); err != nil {
			return 0, err
		}
		if versions, err = tx.forgetSeq(ctx, s.ConnectionID, s.Seq); err != nil {
			return 0, fmt.Errorf("forget a scan: %w", err)
		}
	}
	return versions, tx.one(ctx, "scan", `DELETE FROM scans WHERE org_id = $1 AND id = $2`, tx.org, id)
}

// forgetSeq removes the versions that no other kept scan needs, and the usage
// record.
func (tx *Tx) forgetSeq(ctx context.Context, conn ConnectionID, seq int64) (int, error) {
	kept, err := tx.keptScans(ctx, conn)
	if err != nil {
		return 0, err
	}
	before, after := int64(0), int64(math.MaxInt64) // the neighbours that stay
	for _, k := range kept {
		if k.seq < seq {
			before = k.seq
		}
		if k.seq > seq && k.seq < after {
			after = k.seq
		}
	}
	if err := tx.rebaseUsage(ctx, conn, seq); err != nil {
		return 0, err
	}
	if _, err := tx.exec(ctx, `DELETE FROM usage_records WHERE org_id = $1 AND connection_id = $2 AND seq = $3`, tx.org, conn, seq); err != nil {
		return 0, err
	}
	n, err := tx.forgetVersions(ctx, assetVersions, conn, before, seq, after)
	if err != nil {
		return 0, err
	}
	if _, err := tx.forgetVersions(ctx, lineageParts, conn, before, seq, after); err != nil {
		return 0, err
	}
	if after == math.MaxInt64 { // what was derived for the newest scan
		if _, err := tx.exec(ctx, `DELETE FROM parse_results WHERE org_id = $1 AND connection_id = $2`, tx.org, conn); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (tx *Tx) forgetVersions(ctx context.Context, table temporal, conn ConnectionID, before, seq, after int64) (int, error) {
	if before == 0 {
		// The oldest scan: nothing is a patch against what goes.
		n, err := tx.exec(ctx, `DELETE FROM `+string(table)+` WHERE org_id = $1 AND connection_id = $2 AND from_seq <= $3
			AND coalesce(to_seq, $5) <= $4`, tx.org, conn, seq, after, int64(math.MaxInt64))
		return int(n), err
	}
	return tx.cutVersions(ctx, table, conn, before, seq, after)
}

// cutVersions removes the versions that only the scans after one neighbour and
// before the other saw.
func (tx *Tx) cutVersions(ctx context.Context, table temporal, conn ConnectionID, before, seq, after int64) (int, error) {
	var keys []assetKey
	err := tx.rows(ctx, `SELECT DISTINCT asset_key FROM `+string(table)+` WHERE org_id = $1 AND connection_id = $2
		AND ((from_seq > $3 AND from_seq <= $4 AND coalesce(to_seq, $6) <= $5) OR ($5 = $6 AND to_seq > $3))`,
		[]any{tx.org, conn, before, seq, after, int64(math.MaxInt64)}, func(r *sql.Rows) error {
			var key []byte
			err := r.Scan(&key)
			if err == nil && len(key) == assetKeySize {
				keys = append(keys, assetKey(key))
			}
			return err
		})
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, key := range keys {
		n, err := tx.cutAsset(ctx, table, conn, key, before, seq, after)
		if err != nil {
			return 0, err
		}
		removed += n
	}
	return removed, nil
}

func (tx *Tx) cutAsset(ctx context.Context, table temporal, conn ConnectionID, key assetKey, before, seq, after int64) (int, error) {
	rows, err := tx.versions(ctx, table, conn, key, 0)
	if err != nil {
		return 0, err
	}
	texts, err := tx.texts(table, conn, rows)
	if err != nil {
		return 0, err
	}
	removed := 0
	var base []byte // text of the next newer version that stays
	var hasBase, baseGone bool
	for i, row := range rows {
		if row.from > before && row.from <= seq && (row.to == 0 || row.to <= after) && (row.to != 0 || after == math.MaxInt64) {
			if _, err := tx.exec(ctx, `DELETE FROM `+string(table)+` WHERE org_id = $1 AND connection_id = $2 AND asset_key = $3 AND from_seq = $4`,
				tx.org, conn, key[:], row.from); err != nil {
				return 0, err
			}
			removed++
			baseGone = true
			continue
		}
		// Without a later scan, what the deleted one had ended goes on.
		to := row.to
		if after == math.MaxInt64 && row.to > before {
			to = 0
		}
		if to != row.to || (row.patch && baseGone) {
			if err := tx.rewrite(ctx, table, conn, row, to, texts[i], base, hasBase); err != nil {
				return 0, err
			}
		}
		base, hasBase, baseGone = texts[i], true, false
	}
	return removed, nil
}

// rewrite stores a version anew, whole or against another base.
func (tx *Tx) rewrite(ctx context.Context, table temporal, conn ConnectionID, row stored, to int64, text, base []byte, hasBase bool) error {
	name := versionRow(conn, row.key, row.from)
	body := tx.key.Seal(tx.store.codec.Compress(nil, text), string(table), name)
	patched := 0
	if hasBase && to != 0 {
		if b := tx.key.Seal(tx.store.codec.Patch(base, text), string(table), name); len(b) < len(body) {
			body, patched = b, 1
		}
	}
	end := any(nil)
	if to != 0 {
		end = to
	}
	_, err := tx.exec(ctx, `UPDATE `+string(table)+` SET to_seq = $5, patch = $6, body = $7
		WHERE org_id = $1 AND connection_id = $2 AND asset_key = $3 AND from_seq = $4`, tx.org, conn, row.key[:], row.from, end, patched, body)
	return err
}

// Prune deletes what has outlived its time and says how much. What people
// decided about findings (ignored, assigned) outlives the scans it was decided
// on; the text of such findings does not.
func (tx *Tx) Prune(ctx context.Context, r Retention, now time.Time) (PruneReport, error) {
	var report PruneReport
	if r.Scans > 0 {
		if err := tx.pruneScans(ctx, micros(now.Add(-r.Scans)), &report); err != nil {
			return report, fmt.Errorf("prune scans: %w", err)
		}
	}
	if r.Findings > 0 {
		n, err := tx.exec(ctx, `DELETE FROM findings WHERE org_id = $1 AND state = 'resolved' AND assignee = '' AND resolved_at < $2`,
			tx.org, micros(now.Add(-r.Findings)))
		if err != nil {
			return report, fmt.Errorf("prune findings: %w", err)
		}
		report.Findings = int(n)
	}
	if err := tx.pruneLogs(ctx, r, now, &report); err != nil {
		return report, err
	}
	return report, tx.pruneAI(ctx, r, now, &report)
}

func (tx *Tx) pruneScans(ctx context.Context, before int64, report *PruneReport) error {
	type old struct {
		id   ScanID
		conn ConnectionID
	}
	var list []old
	// Oldest first: that is the order in which versions are cheapest to let go.
	err := tx.rows(ctx, `SELECT id, connection_id FROM scans WHERE org_id = $1 AND state NOT IN ('queued', 'running')
		AND (CASE WHEN finished_at > 0 THEN finished_at ELSE queued_at END) < $2 ORDER BY seq, queued_at, id`, []any{tx.org, before}, func(r *sql.Rows) error {
		var o old
		err := r.Scan(&o.id, &o.conn)
		list = append(list, o)
		return err
	})
	if err != nil {
		return err
	}
	var touched []ConnectionID
	for _, o := range list {
		n, err := tx.deleteScan(ctx, o.id)
		if err != nil {
			return err
		}
		report.Scans++
		report.AssetVersions += n
		if !slices.Contains(touched, o.conn) {
			touched = append(touched, o.conn)
		}
	}
	for _, conn := range touched {
		if err := tx.pruneTexts(ctx, conn, before); err != nil {
			return err
		}
	}
	return nil
}

// pruneTexts empties the findings that no kept scan can have reported, and,
// when no scan is left, what was derived from the last one.
func (tx *Tx) pruneTexts(ctx context.Context, conn ConnectionID, before int64) error {
	// The hash goes too, so that a finding that fires again gets its text back.
	if _, err := tx.exec(ctx, `UPDATE findings SET body = NULL, body_hash = $4, collections = '' WHERE org_id = $1 AND connection_id = $2
		AND last_seen_at < $3 AND body IS NOT NULL`, tx.org, conn, before, []byte{0}); err != nil {
		return err
	}
	newest, err := tx.newestSeq(ctx, conn)
	if err != nil || newest > 0 {
		return err
	}
	for _, query := range []string{
		`DELETE FROM search_docs WHERE org_id = $1 AND connection_id = $2`,
		`DELETE FROM search_words WHERE org_id = $1 AND connection_id = $2`,
		`DELETE FROM connection_facts WHERE org_id = $1 AND connection_id = $2`,
		`DELETE FROM asset_versions WHERE org_id = $1 AND connection_id = $2`,
		`DELETE FROM lineage_parts WHERE org_id = $1 AND connection_id = $2`,
		`DELETE FROM parse_results WHERE org_id = $1 AND connection_id = $2`,
		`DELETE FROM ai_outputs WHERE org_id = $1 AND connection_id = $2 AND agent <> '` + AIChoices + `'`,
		`DELETE FROM findings WHERE org_id = $1 AND connection_id = $2 AND state <> 'ignored' AND assignee = ''`,
	} {
		if _, err := tx.exec(ctx, query, tx.org, conn); err != nil {
			return err
		}
	}
	_, err = tx.exec(ctx, `UPDATE findings SET body = NULL, body_hash = $3, collections = '' WHERE org_id = $1 AND connection_id = $2`,
		tx.org, conn, []byte{0})
	return err
}
