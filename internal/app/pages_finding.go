package app

import (
	"context"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/checks"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/findings"
)

// findingPages implements [findings.Service].
type findingPages struct {
	store *store.Store
	now   func() time.Time
}

func (p findingPages) Findings(ctx context.Context, org store.OrgID, q findings.Query) (list []store.FindingRecord, total int, err error) {
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, total, err = tx.Findings(ctx, findingQuery(q))
		return err
	})
	return list, total, err
}

func (p findingPages) FindingGroups(ctx context.Context, org store.OrgID, q findings.Query, by findings.GroupBy) (out []findings.Group, err error) {
	grouping := map[findings.GroupBy]store.FindingGroupBy{
		findings.ByCheck: store.GroupByCheck, findings.ByAsset: store.GroupByAsset,
		findings.ByCollection: store.GroupByCollection, findings.BySeverity: store.GroupBySeverity,
	}[by]
	if grouping == "" {
		return nil, errs.New(errs.Invalid, "unknown_grouping", "Findings cannot be grouped by that.", "Group by check, asset, collection or severity.")
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		groups, err := tx.FindingGroups(ctx, findingQuery(q), grouping)
		for _, g := range groups {
			one := findings.Group{Key: g.Key, Count: g.Count, Severity: g.Worst}
			if by == findings.ByAsset || by == findings.ByCollection {
				one.Title = g.Name
			}
			out = append(out, one)
		}
		return err
	})
	return out, err
}

func findingQuery(q findings.Query) store.FindingQuery {
	out := store.FindingQuery{
		Connection: q.Connection, Checks: q.Checks, Families: q.Families, Severities: q.Severities, Text: q.Text, Asset: q.Asset,
		Collection: q.Collection, Assignee: q.Assignee, Limit: q.Limit, Offset: q.Offset,
	}
	if q.State != "" {
		out.States = []store.FindingState{q.State}
	}
	switch q.Sort {
	case findings.SortUsage:
		out.Sort = store.SortViews
	case findings.SortNewest:
		out.Sort = store.SortFirstSeen
	case findings.SortName:
		out.Sort = store.SortAsset
	default:
		out.Sort = store.SortImpact
	}
	return out
}

func (p findingPages) Finding(ctx context.Context, org store.OrgID, conn store.ConnectionID, fingerprint string) (record store.FindingRecord, events []store.FindingEvent, err error) {
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if record, err = tx.Finding(ctx, conn, fingerprint); err != nil {
			return err
		}
		events, err = tx.FindingEvents(ctx, conn, fingerprint)
		return err
	})
	slices.SortStableFunc(events, func(a, b store.FindingEvent) int { return b.At.Compare(a.At) })
	return record, events, err
}

func (p findingPages) NotEvaluated(ctx context.Context, org store.OrgID, conn store.ConnectionID) (list []finding.NotEvaluated, err error) {
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, err = tx.NotEvaluated(ctx, conn)
		return err
	})
	return list, err
}

func (p findingPages) Ignore(ctx context.Context, org store.OrgID, conn store.ConnectionID, by store.UserID, fingerprints []string, reason string, until time.Time) (int, error) {
	return p.each(ctx, org, fingerprints, func(ctx context.Context, tx *store.Tx, fingerprint string) error {
		return tx.IgnoreFinding(ctx, conn, fingerprint, by, reason, until)
	})
}

func (p findingPages) Unignore(ctx context.Context, org store.OrgID, conn store.ConnectionID, by store.UserID, fingerprints []string) (int, error) {
	return p.each(ctx, org, fingerprints, func(ctx context.Context, tx *store.Tx, fingerprint string) error {
		return tx.UnignoreFinding(ctx, conn, fingerprint, by)
	})
}

func (p findingPages) Assign(ctx context.Context, org store.OrgID, conn store.ConnectionID, by, to store.UserID, fingerprints []string) (int, error) {
	return p.each(ctx, org, fingerprints, func(ctx context.Context, tx *store.Tx, fingerprint string) error {
		return tx.AssignFinding(ctx, conn, fingerprint, by, to)
	})
}

// each does one thing with every finding, in one transaction, and counts those
// that exist.
func (p findingPages) each(ctx context.Context, org store.OrgID, fingerprints []string, do func(context.Context, *store.Tx, string) error) (n int, err error) {
	err = p.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		n = 0
		for _, fingerprint := range fingerprints {
			switch err := do(ctx, tx, fingerprint); errs.KindOf(err) {
			case "":
				n++
			case errs.NotFound:
			default:
				return err
			}
		}
		return nil
	})
	return n, err
}

// checkPages implements [findings.Checks].
type checkPages struct {
	list []findings.Check
	byID map[string]findings.Check
}

func newCheckPages() checkPages {
	p := checkPages{byID: map[string]findings.Check{}}
	for _, c := range checks.All() {
		one := checkPage(c.Meta)
		p.list = append(p.list, one)
		p.byID[one.ID] = one
	}
	slices.SortFunc(p.list, func(a, b findings.Check) int {
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
	return p
}

func checkPage(m check.Meta) findings.Check {
	return findings.Check{
		ID: m.ID, Slug: m.Slug, Title: m.Title, Why: m.Why, Remediation: m.Remediation, Bad: m.Bad, Good: m.Good,
		Family: string(m.Family), Severity: m.Severity, Kinds: m.Judges,
	}
}

// Check implements [findings.Checks].
func (p checkPages) Check(id string) (findings.Check, bool) {
	c, ok := p.byID[id]
	return c, ok
}

// Checks implements [findings.Checks].
func (p checkPages) Checks() []findings.Check { return p.list }
