package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
)

func diffAny(want, got any) string { return cmp.Diff(want, got, cmpopts.EquateEmpty()) }

// finder makes findings on questions.
func finder(check, id string, severity finding.Severity) finding.Finding {
	ref := catalog.Ref{Kind: catalog.KindQuestion, ID: id}
	return finding.Finding{
		Check: check, Fingerprint: finding.Fingerprint(check, ref, ""), Severity: severity, Confidence: finding.Certain, Asset: ref,
		Message:     fmt.Sprintf("Question %s fires %s", id, check),
		Evidence:    finding.Evidence{Numbers: map[string]float64{"n": 1}, Related: []catalog.Ref{ref}, Spans: []finding.Span{{Start: 1, End: 2}}},
		Remediation: "Mend it.",
	}
}

type applied struct{ opened, resolved, reopened int }

// apply runs a scan with findings.
func (w *World) apply(s *catalog.Snapshot, not []finding.NotEvaluated, list ...finding.Finding) applied {
	w.T.Helper()
	var a applied
	w.In(func(ctx context.Context, tx *store.Tx) error {
		scan, err := tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning})
		if err != nil {
			return err
		}
		if _, err := tx.CommitSnapshot(ctx, scan.ID, s); err != nil {
			return err
		}
		if a.opened, a.resolved, a.reopened, err = tx.ApplyFindings(ctx, scan.ID, list, not, w.Clock.Now()); err != nil {
			return err
		}
		return tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", "")
	})
	w.Clock.Add(24 * time.Hour)
	return a
}

func (w *World) finding(fingerprint string) (f store.FindingRecord) {
	w.T.Helper()
	w.View(func(ctx context.Context, tx *store.Tx) (err error) {
		f, err = tx.Finding(ctx, w.Conn, fingerprint)
		return err
	})
	return f
}

func (w *World) events(fingerprint string) (list []string) {
	w.T.Helper()
	w.View(func(ctx context.Context, tx *store.Tx) error {
		events, err := tx.FindingEvents(ctx, w.Conn, fingerprint)
		for _, e := range events {
			text := e.What
			if e.By != "" {
				text += " by " + string(e.By)
			}
			if e.Detail != "" {
				text += ": " + e.Detail
			}
			list = append(list, text)
		}
		return err
	})
	return list
}

func company() *catalog.Snapshot {
	s := questions("1", "2", "3")
	s.Add(&catalog.Collection{Common: catalog.Common{ID: "root", Name: "Our analytics"}})
	s.Add(&catalog.Collection{Common: catalog.Common{ID: "4", Name: "Sales"}, ParentID: "root"})
	s.Add(&catalog.Collection{Common: catalog.Common{ID: "14", Name: "North"}, ParentID: "4"})
	s.Questions[0].CollectionID = "14"
	s.Questions[1].CollectionID = "4"
	s.Usage = map[catalog.Ref]catalog.Usage{{Kind: catalog.KindQuestion, ID: "2"}: {Views: new(int64(40))}}
	return s
}

func testFindingsLife(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	a, b := finder("USE001", "1", finding.Low), finder("BRK002", "2", finding.High)
	start := w.Clock.Now()
	wantEqual(t, applied{opened: 2}, w.apply(company(), nil, a, b, a), cmp.AllowUnexported(applied{}))
	wantEqual(t, store.FindingRecord{
		Finding: b, ConnectionID: w.Conn, AssetName: "Question 2", AssetPath: w.finding(b.Fingerprint).AssetPath, State: store.FindingOpen,
		FirstSeenAt: start, LastSeenAt: start, Views: new(int64(40)),
	}, w.finding(b.Fingerprint))
	if path := w.finding(a.Fingerprint).AssetPath; path == "" {
		t.Error("a finding does not know where its asset lies")
	}
	wantEqual(t, applied{resolved: 1}, w.apply(company(), nil, a), cmp.AllowUnexported(applied{}))
	got := w.finding(b.Fingerprint)
	wantEqual(t, store.FindingResolved, got.State)
	wantEqual(t, start.Add(24*time.Hour), got.ResolvedAt)
	wantEqual(t, start, got.LastSeenAt)

	changed := b
	changed.Message, changed.Severity = "It is worse now", finding.Critical
	wantEqual(t, applied{reopened: 1}, w.apply(company(), nil, a, changed), cmp.AllowUnexported(applied{}))
	got = w.finding(b.Fingerprint)
	wantEqual(t, store.FindingOpen, got.State)
	wantEqual(t, 1, got.Reopened)
	wantEqual(t, changed, got.Finding)
	wantEqual(t, start, got.FirstSeenAt)
	wantEqual(t, start.Add(48*time.Hour), got.LastSeenAt)
	if !got.ResolvedAt.IsZero() {
		t.Error("an open finding is resolved")
	}
	wantEqual(t, start.Add(48*time.Hour), w.finding(a.Fingerprint).LastSeenAt)
	wantEqual(t, []string{"opened", "resolved", "reopened"}, w.events(b.Fingerprint))

	w.View(func(ctx context.Context, tx *store.Tx) error {
		scan, err := tx.LatestScan(ctx, w.Conn)
		wantEqual(t, map[string]int{"low": 1, "critical": 1}, scan.Summary.Findings)
		wantEqual(t, 1, scan.Summary.Changes.NewFindings)
		_, missing := tx.Finding(ctx, w.Conn, "nobody")
		wantKind(t, missing, errs.NotFound, "")
		return err
	})
	w.In(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AssignFinding(ctx, w.Conn, a.Fingerprint, "u1", "u2"); err != nil {
			return err
		}
		return tx.AssignFinding(ctx, w.Conn, a.Fingerprint, "u2", "")
	})
	wantEqual(t, []string{"opened", "assigned by u1: u2", "assigned by u2"}, w.events(a.Fingerprint))

	// Many at once, more than one INSERT takes.
	var many []finding.Finding
	for i := range 130 {
		many = append(many, finder("DUP001", fmt.Sprint(i), finding.Info))
	}
	wantEqual(t, applied{opened: 130, resolved: 2}, w.apply(company(), nil, many...), cmp.AllowUnexported(applied{}))
	wantEqual(t, applied{}, w.apply(company(), nil, many...), cmp.AllowUnexported(applied{}))
}

func testFindingsNotEvaluated(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	a1, a2, b1 := finder("USE001", "1", finding.Low), finder("USE001", "2", finding.Low), finder("BRK002", "1", finding.Low)
	w.apply(company(), nil, a1, a2, b1)
	not := []finding.NotEvaluated{
		{Check: "USE001", Asset: catalog.Ref{Kind: catalog.KindModel, ID: "1"}, Reason: "no usage"}, // became a model meanwhile
		{Check: "BRK002", Reason: "permissions not readable"},
	}
	wantEqual(t, applied{resolved: 1}, w.apply(company(), not), cmp.AllowUnexported(applied{}))
	wantEqual(t, store.FindingOpen, w.finding(a1.Fingerprint).State)
	wantEqual(t, store.FindingResolved, w.finding(a2.Fingerprint).State)
	wantEqual(t, store.FindingOpen, w.finding(b1.Fingerprint).State)
	w.View(func(ctx context.Context, tx *store.Tx) error {
		got, err := tx.NotEvaluated(ctx, w.Conn)
		wantEqual(t, not, got)
		return err
	})
	wantEqual(t, applied{resolved: 2}, w.apply(company(), nil), cmp.AllowUnexported(applied{}))
}

func testFindingsIgnore(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	a, b := finder("USE001", "1", finding.Low), finder("USE001", "2", finding.Low)
	w.apply(company(), nil, a, b)
	until := w.Clock.Now().Add(36 * time.Hour)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		wantKind(t, tx.IgnoreFinding(ctx, w.Conn, a.Fingerprint, "u1", " ", time.Time{}), errs.Invalid, "reason_missing")
		wantKind(t, tx.IgnoreFinding(ctx, w.Conn, a.Fingerprint, "u1", "x", w.Clock.Now()), errs.Invalid, "until_past")
		wantKind(t, tx.IgnoreFinding(ctx, w.Conn, "nobody", "u1", "x", time.Time{}), errs.NotFound, "")
		wantKind(t, tx.UnignoreFinding(ctx, w.Conn, a.Fingerprint, "u1"), errs.Conflict, "finding_not_ignored")
		if err := tx.IgnoreFinding(ctx, w.Conn, a.Fingerprint, "u1", "known", until); err != nil {
			return err
		}
		return tx.IgnoreFinding(ctx, w.Conn, b.Fingerprint, "u2", "for good", time.Time{})
	})
	got := w.finding(a.Fingerprint)
	if got.State != store.FindingIgnored || got.IgnoredBy != "u1" || got.IgnoredReason != "known" || !got.IgnoredUntil.Equal(until) {
		t.Errorf("got %+v", got)
	}
	wantEqual(t, applied{}, w.apply(company(), nil, a, b), cmp.AllowUnexported(applied{})) // still ignored
	w.Clock.Add(24 * time.Hour)
	wantEqual(t, applied{reopened: 1}, w.apply(company(), nil, a, b), cmp.AllowUnexported(applied{})) // the first has expired
	got = w.finding(a.Fingerprint)
	if got.State != store.FindingOpen || got.IgnoredBy != "" || got.IgnoredReason != "" || !got.IgnoredUntil.IsZero() || got.Reopened != 1 {
		t.Errorf("got %+v", got)
	}
	wantEqual(t, []string{"opened", "ignored by u1: known (until " + until.Format("2006-01-02") + ")", "reopened: the ignore has expired"}, w.events(a.Fingerprint))
	wantEqual(t, store.FindingIgnored, w.finding(b.Fingerprint).State)

	// An ignore outlives the finding going away and coming back.
	wantEqual(t, applied{resolved: 1}, w.apply(company(), nil), cmp.AllowUnexported(applied{}))
	wantEqual(t, applied{}, w.apply(company(), nil, b), cmp.AllowUnexported(applied{}))
	wantEqual(t, store.FindingIgnored, w.finding(b.Fingerprint).State)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		wantKind(t, tx.IgnoreFinding(ctx, w.Conn, a.Fingerprint, "u1", "x", time.Time{}), errs.Conflict, "finding_resolved")
		return tx.UnignoreFinding(ctx, w.Conn, b.Fingerprint, "u3")
	})
	wantEqual(t, store.FindingOpen, w.finding(b.Fingerprint).State)
	wantEqual(t, []string{"opened", "ignored by u2: for good", "unignored by u3"}, w.events(b.Fingerprint))
}

func testFindingsQueries(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	one, two, three := finder("USE001", "1", finding.Low), finder("BRK002", "2", finding.High), finder("USE003", "3", finding.High)
	three.Confidence = finding.Possible
	three.Message = "Ärger mit 100%"
	w.apply(company(), nil, one, two, three)
	w.apply(company(), nil, one, two) // three is resolved
	w.In(func(ctx context.Context, tx *store.Tx) error {
		return tx.AssignFinding(ctx, w.Conn, one.Fingerprint, "u1", "u9")
	})
	all := []string{"BRK002", "USE003", "USE001"}
	for _, test := range []struct {
		name  string
		query store.FindingQuery
		want  []string
		total int
	}{
		{"all", store.FindingQuery{}, all, 3},
		{"open", store.FindingQuery{States: []store.FindingState{store.FindingOpen}}, []string{"BRK002", "USE001"}, 2},
		{"two states", store.FindingQuery{States: []store.FindingState{store.FindingOpen, store.FindingResolved}}, all, 3},
		{"check", store.FindingQuery{Checks: []string{"USE001"}}, []string{"USE001"}, 1},
		{"not check", store.FindingQuery{NotChecks: []string{"USE001"}}, []string{"BRK002", "USE003"}, 2},
		{"family", store.FindingQuery{Families: []string{"USE"}}, []string{"USE003", "USE001"}, 2},
		{"severity", store.FindingQuery{Severities: []finding.Severity{finding.Low, finding.Info}}, []string{"USE001"}, 1},
		{"confidence", store.FindingQuery{Confidences: []finding.Confidence{finding.Possible}}, []string{"USE003"}, 1},
		{"kind", store.FindingQuery{Kinds: []catalog.Kind{catalog.KindDashboard}}, nil, 0},
		{"asset", store.FindingQuery{Asset: catalog.Ref{Kind: catalog.KindModel, ID: "2"}}, []string{"BRK002"}, 1},
		{"collection", store.FindingQuery{Collection: "14"}, []string{"USE001"}, 1},
		{"collection tree", store.FindingQuery{Collection: "4"}, []string{"BRK002", "USE001"}, 2},
		{"collection wildcard", store.FindingQuery{Collection: "%"}, nil, 0},
		{"assignee", store.FindingQuery{Assignee: "u9"}, []string{"USE001"}, 1},
		{"since", store.FindingQuery{Since: w.Clock.Now()}, nil, 0},
		{"text in message", store.FindingQuery{Text: "ÄRGER mit 100%"}, []string{"USE003"}, 1},
		{"text in path", store.FindingQuery{Text: "north"}, []string{"USE001"}, 1},
		{"text is no pattern", store.FindingQuery{Text: "%"}, []string{"USE003"}, 1},
		{"text page", store.FindingQuery{Text: "question", Limit: 1, Offset: 1}, []string{"USE003"}, 3},
		{"page", store.FindingQuery{Limit: 1, Offset: 1}, []string{"USE003"}, 3},
		{"beyond", store.FindingQuery{Offset: 9}, nil, 3},
		{"by check", store.FindingQuery{Sort: store.SortCheck}, []string{"BRK002", "USE001", "USE003"}, 3},
		{"by asset", store.FindingQuery{Sort: store.SortAsset}, []string{"USE001", "BRK002", "USE003"}, 3},
		{"by views", store.FindingQuery{Sort: store.SortViews, Limit: 1}, []string{"BRK002"}, 3},
		{"by last seen", store.FindingQuery{Sort: store.SortLastSeen}, []string{"BRK002", "USE001", "USE003"}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.query.Connection = w.Conn
			w.View(func(ctx context.Context, tx *store.Tx) error {
				list, total, err := tx.Findings(ctx, test.query)
				var got []string
				for _, f := range list {
					got = append(got, f.Check)
				}
				wantEqual(t, test.want, got)
				wantEqual(t, test.total, total)
				return err
			})
		})
	}
	for by, want := range map[store.FindingGroupBy][]string{
		store.GroupByCheck:      {"BRK002/BRK002 1 high", "USE003/USE003 1 high", "USE001/USE001 1 low"},
		store.GroupByFamily:     {"USE/USE 2 high", "BRK/BRK 1 high"},
		store.GroupBySeverity:   {"high/high 2 high", "low/low 1 low"},
		store.GroupByState:      {"open/open 2 high", "resolved/resolved 1 high"},
		store.GroupByAsset:      {"question:2/Question 2 1 high", "question:3/Question 3 1 high", "question:1/Question 1 1 low"},
		store.GroupByCollection: {"4 1 high", "root 1 high", "14 1 low"},
	} {
		w.View(func(ctx context.Context, tx *store.Tx) error {
			groups, err := tx.FindingGroups(ctx, store.FindingQuery{Connection: w.Conn}, by)
			var got []string
			for _, g := range groups {
				text := fmt.Sprintf("%s/%s %d %s", g.Key, g.Name, g.Count, g.Worst)
				if by == store.GroupByCollection { // its name is the catalog's path
					text = fmt.Sprintf("%s %d %s", g.Key, g.Count, g.Worst)
				}
				got = append(got, text)
			}
			wantEqual(t, want, got)
			return err
		})
	}
}
