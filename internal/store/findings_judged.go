package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// maySee reports whether a finding has to be opened: not where it is known that
// the reader may not see it.
func (q *FindingQuery) maySee(fingerprint string) bool {
	if q.Judged == nil {
		return true
	}
	visible, known := q.Judged(fingerprint)
	return visible || !known
}

// maxJudgedPage bounds a page that is read by its fingerprints; longer ones are
// cheaper to read in one go.
const maxJudgedPage = 300

// judgedFindings answers a query for a reader of whom it is known which findings he
// sees: only those of the page are opened. known is false when one of them has not
// been judged yet.
func (tx *Tx) judgedFindings(ctx context.Context, q FindingQuery, c *condition, order string) (list []FindingRecord, total int, known bool, err error) {
	if q.Limit > maxJudgedPage {
		return nil, 0, false, nil
	}
	known = true
	var page []string
	from := max(0, q.Offset)
	err = tx.rows(ctx, `SELECT fingerprint FROM findings WHERE `+strings.Join(c.text, " AND ")+` ORDER BY `+order, c.args, func(r *sql.Rows) error {
		var fingerprint string
		if err := r.Scan(&fingerprint); err != nil {
			return err
		}
		visible, judged := q.Judged(fingerprint)
		known = known && judged
		if visible {
			if total >= from && len(page) < q.Limit {
				page = append(page, fingerprint)
			}
			total++
		}
		return nil
	})
	if err != nil || !known {
		return nil, 0, false, err
	}
	list, err = tx.findingsOf(ctx, q, page)
	return list, total, true, err
}

// findingsOf reads findings by their fingerprints, in that order.
func (tx *Tx) findingsOf(ctx context.Context, q FindingQuery, page []string) ([]FindingRecord, error) {
	if len(page) == 0 {
		return nil, nil
	}
	args := []any{tx.org, q.Connection}
	marks := make([]string, len(page))
	at := make(map[string]int, len(page))
	for i, fingerprint := range page {
		args = append(args, fingerprint)
		marks[i] = fmt.Sprintf("$%d", len(args))
		at[fingerprint] = i
	}
	list := make([]FindingRecord, len(page))
	err := tx.rows(ctx, `SELECT `+findingColumns+` FROM findings WHERE org_id = $1 AND connection_id = $2 AND fingerprint IN (`+strings.Join(marks, ", ")+`)`, args, func(r *sql.Rows) error {
		f, _, err := tx.scanFinding(q.Connection, r, true)
		if err == nil {
			q.sees(&f) // it writes over what is not for the reader
			list[at[f.Fingerprint]] = f
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	return list, nil
}

// judgedGroups adds every finding that the reader sees by its plain columns; known
// is false when one of them has not been judged yet.
func (tx *Tx) judgedGroups(ctx context.Context, q FindingQuery, where string, c *condition, add func(*FindingRecord)) (known bool, err error) {
	known = true
	err = tx.rows(ctx, `SELECT fingerprint, check_id, severity, state`+where, c.args, func(r *sql.Rows) error {
		var f FindingRecord
		var severity int
		if err := r.Scan(&f.Fingerprint, &f.Check, &severity, &f.State); err != nil {
			return err
		}
		visible, judged := q.Judged(f.Fingerprint)
		known = known && judged
		if visible {
			f.Severity = severityAt(severity)
			add(&f)
		}
		return nil
	})
	return known, err
}
