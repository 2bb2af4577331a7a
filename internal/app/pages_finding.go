package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/checks"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/findings"
)

// findingPages implements [findings.Service]. Who sees a part of a connection
// only knows of the findings about that part; others are answered like unknown
// ones.
type findingPages struct {
	store   *store.Store
	library *library
	now     func() time.Time
}

// visibleFindings picks the findings about what lies within a part: the asset,
// and everything the finding rests on. nil sees all.
func visibleFindings(scope *browse.View) func(*store.FindingRecord) bool {
	if scope == nil {
		return nil
	}
	visible := func(f *store.FindingRecord) bool {
		if !scope.Part.Sees(f.Asset) {
			return false
		}
		for _, r := range f.Evidence.Related {
			if !scope.Part.Sees(r) {
				return false
			}
		}
		if scope.MoreUsers(f.Asset) && shared(f.Asset.Kind) {
			return false // it may count users that are hidden
		}
		if scope.MoreSources(f.Asset) && (f.Message != "" || len(f.Evidence.Texts) > 0) && !ownWords(f) {
			return false
		}
		if a := scope.Index.Asset(f.Asset); a != nil {
			f.AssetPath = scope.Path(a)
		}
		f.Aggregated = false // said of all assets together
		return true
	}
	return func(f *store.FindingRecord) bool {
		is := visible(f)
		scope.Part.Findings.Keep(f.Fingerprint, is)
		return is
	}
}

// within narrows a query to what a scope shows; nil shows all.
func within(scope *browse.View, ask *store.FindingQuery) {
	if scope == nil {
		return
	}
	ask.Visible, ask.Judged = visibleFindings(scope), scope.Part.Findings.Of
}

// shared reports whether content of many places uses assets of a kind.
func shared(k catalog.Kind) bool {
	switch k {
	case catalog.KindTable, catalog.KindColumn, catalog.KindDatabase, catalog.KindSnippet, catalog.KindSegment, catalog.KindMeasure:
		return true
	}
	return false
}

// ownWords reports whether what a finding says about an asset cannot be the words
// of something hidden that the asset uses: it names nothing but what is visible.
func ownWords(f *store.FindingRecord) bool {
	switch family, _, _ := strings.Cut(strings.TrimRight(f.Check, "0123456789"), "-"); family {
	case "USE", "DOC", "ORG", "SEC":
		return true // about the asset's own life, not about what it is built on
	}
	return false
}

func (p findingPages) Findings(ctx context.Context, org store.OrgID, q findings.Query) (list []store.FindingRecord, total int, err error) {
	scope, err := p.library.scope(ctx, org, q.Connection)
	if err != nil {
		return nil, 0, err
	}
	ask := findingQuery(q)
	within(scope, &ask)
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, total, err = tx.Findings(ctx, ask)
		return err
	})
	return list, total, err
}

func (p findingPages) FindingGroups(ctx context.Context, org store.OrgID, q findings.Query, by findings.GroupBy) (out []findings.Group, err error) {
	scope, err := p.library.scope(ctx, org, q.Connection)
	if err != nil {
		return nil, err
	}
	grouping := map[findings.GroupBy]store.FindingGroupBy{
		findings.ByCheck: store.GroupByCheck, findings.ByAsset: store.GroupByAsset,
		findings.ByCollection: store.GroupByCollection, findings.BySeverity: store.GroupBySeverity,
	}[by]
	if grouping == "" {
		return nil, errs.New(errs.Invalid, "unknown_grouping", "Findings cannot be grouped by that.", "Group by check, asset, collection or severity.")
	}
	ask := findingQuery(q)
	within(scope, &ask)
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		groups, err := tx.FindingGroups(ctx, ask, grouping)
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
	scope, err := p.library.scope(ctx, org, conn)
	if err != nil {
		return store.FindingRecord{}, nil, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if record, err = tx.Finding(ctx, conn, fingerprint); err != nil {
			return err
		}
		events, err = tx.FindingEvents(ctx, conn, fingerprint)
		return err
	})
	if err == nil && scope != nil && !visibleFindings(scope)(&record) {
		err = unknownFinding()
	}
	if err != nil {
		return store.FindingRecord{}, nil, err
	}
	slices.SortStableFunc(events, func(a, b store.FindingEvent) int { return b.At.Compare(a.At) })
	return record, events, nil
}

// unknownFinding is the store's answer for a fingerprint it does not know.
func unknownFinding() error {
	return errs.New(errs.NotFound, "not_found", "There is no such finding.", "")
}

func (p findingPages) NotEvaluated(ctx context.Context, org store.OrgID, conn store.ConnectionID) (list []finding.NotEvaluated, err error) {
	scope, err := p.library.scope(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, err = tx.NotEvaluated(ctx, conn)
		return err
	})
	if scope == nil || err != nil {
		return list, err
	}
	var visible []finding.NotEvaluated
	for _, n := range list {
		if n.Asset.IsZero() || !scope.Part.Sees(n.Asset) {
			continue
		}
		if scope.MoreSources(n.Asset) { // its words may be those of what is hidden
			n.Reason = "it uses something that you may not see"
		}
		visible = append(visible, n)
	}
	return visible, nil
}

func (p findingPages) Ignore(ctx context.Context, org store.OrgID, conn store.ConnectionID, by store.UserID, fingerprints []string, reason string, until time.Time) (int, error) {
	return p.each(ctx, org, conn, "finding_ignored", fingerprints, func(ctx context.Context, tx *store.Tx, fingerprint string) error {
		return tx.IgnoreFinding(ctx, conn, fingerprint, by, reason, until)
	})
}

func (p findingPages) Unignore(ctx context.Context, org store.OrgID, conn store.ConnectionID, by store.UserID, fingerprints []string) (int, error) {
	return p.each(ctx, org, conn, "finding_unignored", fingerprints, func(ctx context.Context, tx *store.Tx, fingerprint string) error {
		return tx.UnignoreFinding(ctx, conn, fingerprint, by)
	})
}

func (p findingPages) Assign(ctx context.Context, org store.OrgID, conn store.ConnectionID, by, to store.UserID, fingerprints []string) (int, error) {
	return p.each(ctx, org, conn, "finding_assigned", fingerprints, func(ctx context.Context, tx *store.Tx, fingerprint string) error {
		return tx.AssignFinding(ctx, conn, fingerprint, by, to)
	})
}

// each does one thing with every finding, in one transaction with its row in
// the audit log, and counts those that exist and that the actor may see.
func (p findingPages) each(ctx context.Context, org store.OrgID, conn store.ConnectionID, action string, fingerprints []string, do func(context.Context, *store.Tx, string) error) (n int, err error) {
	if err := access.Require(ctx, access.Editor); err != nil {
		return 0, err
	}
	scope, err := p.library.scope(ctx, org, conn)
	if err != nil {
		return 0, err
	}
	err = p.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		n = 0
		for _, fingerprint := range fingerprints {
			if scope != nil {
				f, err := tx.Finding(ctx, conn, fingerprint)
				if errs.KindOf(err) == errs.NotFound || err == nil && !visibleFindings(scope)(&f) {
					continue
				}
				if err != nil {
					return err
				}
			}
			switch err := do(ctx, tx, fingerprint); errs.KindOf(err) {
			case "":
				n++
			case errs.NotFound:
			default:
				return err
			}
		}
		if n == 0 {
			return nil
		}
		return tx.Audit(ctx, store.AuditRow{
			Actor: store.UserID(access.From(ctx).User), Action: action, Target: "connection:" + string(conn), Detail: fmt.Sprintf(`{"findings":%d}`, n),
		})
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
