package check

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
)

// Input is what a run works on. Index and Graph must belong to Snapshot.
type Input struct {
	Snapshot  *catalog.Snapshot
	Index     *catalog.Index
	Graph     *lineage.Graph
	Clusters  []similar.Cluster
	Metrics   []similar.Metric
	Conflicts []similar.Conflict
	Now       time.Time
	Observed  Observed
	Settings  Settings
	Linter    Linter // nil = one that knows nothing yet
	// Ignored are fingerprints that people have set aside: reported, but not
	// counted against the health.
	Ignored map[string]bool
	Workers int          // 0 = one per processor
	Logger  *slog.Logger // nil = silent
}

// Result is what a run found, in a fixed order.
type Result struct {
	Findings     []finding.Finding
	NotEvaluated []finding.NotEvaluated
	Groups       []finding.Group // one per check that ran and judged something
	Health       finding.Health
	// Counted and Judged are what the health rests on; [finding.Explain] takes
	// it apart with them.
	Counted []finding.Counted
	Judged  finding.Judged
}

// The engine folds a check's findings into one line when it fires on at least
// so many assets, and on more than this share of those it judged.
const (
	aggregateFrom  = 20
	aggregateShare = 5 // one in five
)

// Run runs checks over a snapshot. A check that panics or fails answers "not
// evaluated" and leaves the others alone. The error is only ever the context's.
func Run(ctx context.Context, checks []Check, in *Input) (Result, error) {
	logger := in.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	facts := NewFacts(in.Index, in.Graph, in.Observed)
	facts.ctx, facts.sql.linter, facts.sql.logger = ctx, in.Linter, logger
	workers := in.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	outcomes := make([]outcome, len(checks))
	next := make(chan int)
	var wait sync.WaitGroup
	for range min(workers, len(checks)) {
		wait.Go(func() {
			for i := range next {
				outcomes[i] = runOne(ctx, checks[i], in, facts, logger)
			}
		})
	}
	for i := range checks {
		next <- i
	}
	close(next)
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("run checks: %w", err)
	}
	return collect(checks, outcomes, in.Ignored), nil
}

type outcome struct {
	findings     []finding.Finding
	notEvaluated []finding.NotEvaluated
	subjects     []catalog.Asset
	whole        bool // nothing was judged
}

// runOne runs one check, whatever it does.
func runOne(ctx context.Context, c Check, in *Input, facts *Facts, logger *slog.Logger) (out outcome) {
	if ctx.Err() != nil {
		return outcome{whole: true}
	}
	refuse := func(reason string) outcome {
		return outcome{whole: true, notEvaluated: []finding.NotEvaluated{{Check: c.Meta.ID, Reason: reason}}}
	}
	if reason := unmet(c.Meta, facts); reason != "" {
		return refuse(reason)
	}
	defer func() {
		if r := recover(); r != nil {
			logger.ErrorContext(ctx, "check panicked", "check", c.Meta.ID, "panic", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
			out = refuse("The check failed inside MetaLens; the log has the detail.")
		}
	}()
	p := &Pass{
		Snapshot: in.Snapshot, Index: in.Index, Graph: in.Graph, Clusters: in.Clusters, Metrics: in.Metrics, Conflicts: in.Conflicts,
		Now: in.Now, Observed: in.Observed, Facts: facts,
		meta: c.Meta, settings: in.Settings, subjects: subjects(c.Meta, facts),
	}
	if err := c.Run(p); err != nil {
		logger.ErrorContext(ctx, "check failed", "check", c.Meta.ID, "error", err)
		return refuse("The check failed inside MetaLens; the log has the detail.")
	}
	out = outcome{findings: p.findings, notEvaluated: p.notEvaluated, subjects: p.subjects}
	out.whole = slices.ContainsFunc(out.notEvaluated, func(n finding.NotEvaluated) bool { return n.Asset.IsZero() })
	return out
}

// unmet says what a check needs and the snapshot lacks, "" when nothing.
func unmet(m Meta, facts *Facts) string {
	all := 0
	first := ""
	for _, k := range m.Judges {
		if reason := facts.unread(k); reason != "" {
			all++
			first = cmp.Or(first, reason)
		}
	}
	if all > 0 && all == len(m.Judges) {
		return first
	}
	for _, k := range m.Needs {
		if reason := facts.unread(k); reason != "" {
			return reason
		}
	}
	for _, fact := range m.Facts {
		if reason := facts.missing(fact); reason != "" {
			return reason
		}
	}
	return ""
}

// subjects lists what a check judges.
func subjects(m Meta, facts *Facts) []catalog.Asset {
	var out []catalog.Asset
	for a := range facts.index.Snapshot().All() {
		if slices.Contains(m.Judges, a.Ref().Kind) && facts.InScope(a, m.Personal) {
			out = append(out, a)
		}
	}
	return out
}

// collect puts the outcomes of all checks into one sorted result.
func collect(checks []Check, outcomes []outcome, ignored map[string]bool) Result {
	var r Result
	r.Judged = finding.Judged{}
	family := map[string]string{}
	for i, c := range checks {
		o := &outcomes[i]
		family[c.Meta.ID] = string(c.Meta.Family)
		tidy(o)
		judged := map[catalog.Ref]bool{}
		if !o.whole {
			for _, a := range o.subjects {
				judged[a.Ref()] = true
			}
			for _, n := range o.notEvaluated {
				delete(judged, n.Asset)
			}
		}
		hit := map[catalog.Ref]bool{}
		for _, f := range o.findings {
			hit[f.Asset] = true
			judged[f.Asset] = true
		}
		for ref := range judged {
			r.Judged.Add(string(c.Meta.Family), ref)
		}
		if len(judged) > 0 {
			g := finding.Group{Check: c.Meta.ID, Findings: len(o.findings), Assets: len(hit), Judged: len(judged)}
			g.Aggregated = g.Assets >= aggregateFrom && g.Assets*aggregateShare > g.Judged
			for i := range o.findings {
				o.findings[i].Aggregated = g.Aggregated
			}
			r.Groups = append(r.Groups, g)
		}
		r.Findings = append(r.Findings, o.findings...)
		r.NotEvaluated = append(r.NotEvaluated, o.notEvaluated...)
	}
	slices.SortStableFunc(r.Findings, compareFindings)
	slices.SortStableFunc(r.NotEvaluated, compareNotEvaluated)
	slices.SortStableFunc(r.Groups, func(a, b finding.Group) int { return cmp.Compare(a.Check, b.Check) })
	for i := range r.Findings {
		if f := &r.Findings[i]; !ignored[f.Fingerprint] {
			r.Counted = append(r.Counted, finding.Counted{Finding: f, Family: family[f.Check]})
		}
	}
	r.Health = finding.Score(r.Counted, r.Judged)
	return r
}

// tidy sorts what one check said and drops what it said twice.
func tidy(o *outcome) {
	for i := range o.findings {
		e := &o.findings[i].Evidence
		slices.SortFunc(e.Related, catalog.Ref.Compare)
		e.Related = slices.Compact(e.Related)
		slices.SortFunc(e.Spans, func(a, b finding.Span) int {
			return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
		})
	}
	slices.SortStableFunc(o.findings, compareFindings)
	o.findings = slices.CompactFunc(o.findings, func(a, b finding.Finding) bool { return a.Fingerprint == b.Fingerprint })
	slices.SortStableFunc(o.notEvaluated, compareNotEvaluated)
	o.notEvaluated = slices.CompactFunc(o.notEvaluated, func(a, b finding.NotEvaluated) bool { return a == b })
}

func compareFindings(a, b finding.Finding) int {
	return cmp.Or(
		strings.Compare(a.Check, b.Check),
		a.Asset.Compare(b.Asset),
		strings.Compare(a.Fingerprint, b.Fingerprint),
		strings.Compare(a.Message, b.Message),
	)
}

func compareNotEvaluated(a, b finding.NotEvaluated) int {
	return cmp.Or(
		strings.Compare(a.Check, b.Check),
		a.Asset.Compare(b.Asset),
		strings.Compare(a.Reason, b.Reason),
	)
}
