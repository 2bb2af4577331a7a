package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

const findingColumns = `fingerprint, check_id, severity, confidence, asset_kind, collections, state, assignee, first_seen_at, last_seen_at, resolved_at,
	reopened, ignored_by, ignored_until, ignored_why, views, body`

func (tx *Tx) scanFinding(conn ConnectionID, row interface{ Scan(...any) error }, withBody bool) (FindingRecord, string, error) {
	f, collections, _, err := tx.scanFindingIf(conn, row, func(string) bool { return withBody })
	return f, collections, err
}

// scanFindingIf reads a finding and opens its sealed texts where open says so of
// its fingerprint.
func (tx *Tx) scanFindingIf(conn ConnectionID, row interface{ Scan(...any) error }, open func(fingerprint string) bool) (f FindingRecord, collections string, opened bool, err error) {
	f = FindingRecord{ConnectionID: conn}
	var severity, confidence int
	var kind catalog.Kind
	var first, last, resolved, until int64
	var why, body []byte
	var views sql.NullInt64
	if err := row.Scan(&f.Fingerprint, &f.Check, &severity, &confidence, &kind, &collections, &f.State, &f.Assignee, &first, &last, &resolved,
		&f.Reopened, &f.IgnoredBy, &until, &why, &views, &body); err != nil {
		return FindingRecord{}, "", false, err
	}
	f.Severity, f.Confidence, f.Asset.Kind = severityAt(severity), confidenceAt(confidence), kind
	if opened = open(f.Fingerprint); opened {
		var b findingBody
		place := findingRow(conn, f.Fingerprint)
		if err := errors.Join(
			tx.openJSON("findings", place, body, &b),
			tx.openJSON("findings.ignored_why", place, why, &f.IgnoredReason)); err != nil {
			return FindingRecord{}, "", false, err
		}
		if len(body) > 0 {
			f.Finding, f.AssetName, f.AssetPath = b.Finding, b.AssetName, b.AssetPath
		}
	}
	f.FirstSeenAt, f.LastSeenAt, f.ResolvedAt, f.IgnoredUntil = fromMicros(first), fromMicros(last), fromMicros(resolved), fromMicros(until)
	if views.Valid {
		f.Views = &views.Int64
	}
	return f, collections, opened, nil
}

func confidenceAt(rank int) finding.Confidence {
	switch rank {
	case 2:
		return finding.Certain
	case 1:
		return finding.Likely
	}
	return finding.Possible
}

// condition builds a WHERE clause with numbered placeholders.
type condition struct {
	text []string
	args []any
}

func (c *condition) and(text string, args ...any) {
	for _, a := range args {
		c.args = append(c.args, a)
		text = strings.Replace(text, "?", fmt.Sprintf("$%d", len(c.args)), 1)
	}
	c.text = append(c.text, text)
}

func in[T ~string](c *condition, column string, values []T) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = string(v)
	}
	c.and(column+" IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")+")", args...)
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func (tx *Tx) findingCondition(q FindingQuery) *condition {
	c := &condition{}
	c.and("org_id = ?", tx.org)
	c.and("connection_id = ?", q.Connection)
	in(c, "state", q.States)
	in(c, "check_id", q.Checks)
	for _, check := range q.NotChecks {
		c.and("check_id <> ?", check)
	}
	in(c, "family", q.Families)
	in(c, "asset_kind", q.Kinds)
	if len(q.Severities) > 0 {
		ranks := make([]any, len(q.Severities))
		for i, s := range q.Severities {
			ranks[i] = s.Rank()
		}
		c.and("severity IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(ranks)), ", ")+")", ranks...)
	}
	if len(q.Confidences) > 0 {
		ranks := make([]any, len(q.Confidences))
		for i, s := range q.Confidences {
			ranks[i] = confidenceRank(s)
		}
		c.and("confidence IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(ranks)), ", ")+")", ranks...)
	}
	if !q.Asset.IsZero() {
		key := tx.assetKey(q.Connection, q.Asset)
		c.and("asset_key = ?", key[:])
	}
	if q.Collection != "" {
		id := strings.ReplaceAll(q.Collection, "/", "%2F")
		c.and(`collections LIKE ? ESCAPE '\'`, "%/"+likeEscaper.Replace(id)+"/%")
	}
	if q.Assignee != "" {
		c.and("assignee = ?", string(q.Assignee))
	}
	if !q.Since.IsZero() {
		c.and("first_seen_at >= ?", micros(q.Since))
	}
	return c
}

var findingOrders = map[FindingSort]string{
	SortImpact:    "severity DESC, confidence DESC, coalesce(views, -1) DESC, fingerprint",
	SortCheck:     "check_id, severity DESC, fingerprint",
	SortFirstSeen: "first_seen_at DESC, severity DESC, fingerprint",
	SortLastSeen:  "last_seen_at DESC, severity DESC, fingerprint",
	SortViews:     "coalesce(views, -1) DESC, severity DESC, fingerprint",
}

// Findings lists findings and tells how many match in all. Names and texts are
// sealed, so that a text filter and the order by name read every match.
func (tx *Tx) Findings(ctx context.Context, q FindingQuery) ([]FindingRecord, int, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	order, known := findingOrders[q.Sort]
	if !known {
		order = findingOrders[SortImpact]
	}
	c := tx.findingCondition(q)
	inGo := q.Text != "" || q.Sort == SortAsset || q.Visible != nil
	if q.Judged != nil && q.Text == "" && q.Sort != SortAsset {
		if list, total, known, err := tx.judgedFindings(ctx, q, c, order); known || err != nil {
			return list, total, err
		}
	}
	query := `SELECT ` + findingColumns + ` FROM findings WHERE ` + strings.Join(c.text, " AND ") + ` ORDER BY ` + order
	total := 0
	if !inGo {
		if err := tx.scanOne(ctx, "finding", `SELECT count(*) FROM findings WHERE `+strings.Join(c.text, " AND "), c.args, &total); err != nil {
			return nil, 0, err
		}
		query += fmt.Sprintf(` LIMIT %d OFFSET %d`, q.Limit, max(0, q.Offset))
	}
	var list []FindingRecord
	needle := strings.ToLower(strings.TrimSpace(q.Text))
	err := tx.rows(ctx, query, c.args, func(r *sql.Rows) error {
		f, _, opened, err := tx.scanFindingIf(q.Connection, r, q.maySee)
		if err == nil && opened && q.sees(&f) && matches(&f, needle) {
			list = append(list, f)
		}
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list findings: %w", err)
	}
	if !inGo {
		return list, total, nil
	}
	if q.Sort == SortAsset {
		slices.SortStableFunc(list, func(a, b FindingRecord) int {
			return cmp.Or(strings.Compare(strings.ToLower(a.AssetName), strings.ToLower(b.AssetName)), a.Asset.Compare(b.Asset))
		})
	}
	total = len(list)
	from := min(max(0, q.Offset), total)
	return list[from:min(total, from+q.Limit)], total, nil
}

func (q *FindingQuery) sees(f *FindingRecord) bool { return q.Visible == nil || q.Visible(f) }

func matches(f *FindingRecord, needle string) bool {
	return needle == "" || strings.Contains(strings.ToLower(f.Message), needle) ||
		strings.Contains(strings.ToLower(f.AssetName), needle) || strings.Contains(strings.ToLower(f.AssetPath), needle)
}

// FindingGroups counts the findings that match by one property, the worst and
// most frequent groups first. Sort, Limit and Offset of the query do not count.
func (tx *Tx) FindingGroups(ctx context.Context, q FindingQuery, by FindingGroupBy) ([]FindingGroup, error) {
	c := tx.findingCondition(q)
	needle := strings.ToLower(strings.TrimSpace(q.Text))
	withBody := q.Visible != nil || needle != "" || by == GroupByAsset || by == GroupByCollection
	groups := map[string]*FindingGroup{}
	add := func(f *FindingRecord, collections string, n int) {
		key, name := groupKey(f, collections, by)
		g := groups[key]
		if g == nil {
			g = &FindingGroup{Key: key, Name: name, Worst: f.Severity, BySeverity: map[finding.Severity]int{}}
			groups[key] = g
		}
		g.Count += n
		g.BySeverity[f.Severity] += n
		if f.Severity.Rank() > g.Worst.Rank() {
			g.Worst = f.Severity
		}
	}
	where := ` FROM findings WHERE ` + strings.Join(c.text, " AND ")
	query, read := `SELECT `+findingColumns+where, func(r *sql.Rows) error {
		f, collections, opened, err := tx.scanFindingIf(q.Connection, r, q.maySee)
		if err == nil && opened && q.sees(&f) && matches(&f, needle) {
			add(&f, collections, 1)
		}
		return err
	}
	if q.Judged != nil && needle == "" && by != GroupByAsset && by != GroupByCollection {
		known, err := tx.judgedGroups(ctx, q, where, c, func(f *FindingRecord) { add(f, "", 1) })
		if err != nil {
			return nil, fmt.Errorf("group findings: %w", err)
		}
		if known {
			return sortedGroups(groups), nil
		}
		clear(groups)
	}
	if !withBody { // the database counts: no sealed text is needed
		query, read = `SELECT check_id, severity, state, count(*)`+where+` GROUP BY check_id, severity, state`, func(r *sql.Rows) error {
			var f FindingRecord
			var severity, n int
			if err := r.Scan(&f.Check, &severity, &f.State, &n); err != nil {
				return err
			}
			f.Severity = severityAt(severity)
			add(&f, "", n)
			return nil
		}
	}
	err := tx.rows(ctx, query, c.args, read)
	if err != nil {
		return nil, fmt.Errorf("group findings: %w", err)
	}
	return sortedGroups(groups), nil
}

func sortedGroups(groups map[string]*FindingGroup) []FindingGroup {
	list := make([]FindingGroup, 0, len(groups))
	for _, g := range groups {
		list = append(list, *g)
	}
	slices.SortFunc(list, func(a, b FindingGroup) int {
		return cmp.Or(cmp.Compare(b.Worst.Rank(), a.Worst.Rank()), cmp.Compare(b.Count, a.Count), strings.Compare(a.Key, b.Key))
	})
	return list
}

func groupKey(f *FindingRecord, collections string, by FindingGroupBy) (key, name string) {
	switch by {
	case GroupByFamily:
		key = family(f.Check)
	case GroupBySeverity:
		key = string(f.Severity)
	case GroupByState:
		key = string(f.State)
	case GroupByAsset:
		return f.Asset.String(), f.AssetName
	case GroupByCollection:
		ids := strings.Split(strings.Trim(collections, "/"), "/")
		return strings.ReplaceAll(ids[len(ids)-1], "%2F", "/"), f.AssetPath
	default:
		key = f.Check
	}
	return key, key
}

// Finding reads one finding.
func (tx *Tx) Finding(ctx context.Context, conn ConnectionID, fingerprint string) (FindingRecord, error) {
	f, _, err := tx.scanFinding(conn, tx.sql.QueryRowContext(ctx, `SELECT `+findingColumns+` FROM findings
		WHERE org_id = $1 AND connection_id = $2 AND fingerprint = $3`, tx.org, conn, fingerprint), true)
	return f, tx.missing("finding", err)
}

// FindingEvents lists the steps in a finding's life, oldest first.
func (tx *Tx) FindingEvents(ctx context.Context, conn ConnectionID, fingerprint string) ([]FindingEvent, error) {
	var list []FindingEvent
	err := tx.rows(ctx, `SELECT id, at, what, actor, detail FROM finding_events WHERE org_id = $1 AND connection_id = $2 AND fingerprint = $3 ORDER BY at, id`,
		[]any{tx.org, conn, fingerprint}, func(r *sql.Rows) error {
			e := FindingEvent{Fingerprint: fingerprint}
			var id string
			var at int64
			var detail []byte
			if err := r.Scan(&id, &at, &e.What, &e.By, &detail); err != nil {
				return err
			}
			e.At = fromMicros(at)
			if err := tx.openJSON("finding_events", id, detail, &e.Detail); err != nil {
				return err
			}
			list = append(list, e)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("list the events of a finding: %w", err)
	}
	return list, nil
}
