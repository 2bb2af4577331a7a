// Package analysis turns a snapshot into what people read: lineage, duplicates,
// findings and health. It is the one function that the command line and the
// server call after a scan.
package analysis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/checks"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/sqllineage"
)

// Options shape a run. The zero value runs the default checks with their
// default parameters, as of the end of the scan.
type Options struct {
	Now        time.Time // zero = when the scan finished
	Observed   check.Observed
	Parameters map[string]string // "USE002.days" → "180"
	Enabled    []string          // check ids, slugs, families or "all", beyond the defaults
	Disabled   []string
	Ignored    map[string]bool     // fingerprints that people set aside: not counted in the health
	SQL        lineage.SQLAnalyzer // nil = native queries stay unread
	Workers    int                 // 0 = one per processor
	Logger     *slog.Logger        // nil = silent
}

// Result is all that follows from a snapshot, in a fixed order: the same
// snapshot and options give the same result byte for byte.
type Result struct {
	Index        *catalog.Index
	Graph        *lineage.Graph // compact: its fields Edges and ColumnEdges are empty
	Findings     []finding.Finding
	NotEvaluated []finding.NotEvaluated
	Groups       []finding.Group // per check; some are shown as one line
	Duplicates   []similar.Cluster
	Metrics      []similar.Metric   // figures that content names
	Conflicts    []similar.Conflict // metrics that disagree
	Health       finding.Health
	Checks       []check.Meta // of the checks that ran

	counted []finding.Counted
	judged  finding.Judged
}

// Run analyses a snapshot. It is an [errs.Error] of kind Invalid when a check
// setting makes no sense; otherwise it fails only when the context ends.
func Run(ctx context.Context, s *catalog.Snapshot, o Options) (*Result, error) {
	all := checks.All()
	settings, err := check.ParseSettings(all, o.Parameters)
	if err != nil {
		return nil, invalid(err)
	}
	selected, err := check.Select(all, o.Enabled, o.Disabled)
	if err != nil {
		return nil, invalid(err)
	}
	now := o.Now
	if now.IsZero() {
		now = s.FinishedAt
	}
	options := []lineage.Option{lineage.Compactly()}
	sql := o.SQL
	if a, ok := sql.(*sqllineage.Analyzer); ok {
		sql = a.Scratch() // lineage and checks read each text once
	}
	if sql != nil {
		options = append(options, lineage.WithSQL(sql))
	}
	linter, _ := sql.(check.Linter)
	r := &Result{Index: catalog.NewIndex(s)}
	r.Graph = lineage.Build(ctx, r.Index, options...)
	alike := similar.Analyze(ctx, r.Index, r.Graph)
	r.Duplicates, r.Metrics, r.Conflicts = alike.Clusters, alike.Metrics, alike.Conflicts
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("analyse snapshot: %w", err)
	}
	out, err := check.Run(ctx, selected, &check.Input{
		Snapshot: s, Index: r.Index, Graph: r.Graph, Clusters: r.Duplicates, Metrics: r.Metrics, Conflicts: r.Conflicts,
		Now: now, Observed: o.Observed, Settings: settings, Ignored: o.Ignored,
		Workers: o.Workers, Logger: o.Logger, Linter: linter,
	})
	if err != nil {
		return nil, err
	}
	r.Findings, r.NotEvaluated, r.Groups, r.Health = out.Findings, out.NotEvaluated, out.Groups, out.Health
	r.counted, r.judged = out.Counted, out.Judged
	for _, c := range selected {
		r.Checks = append(r.Checks, c.Meta)
	}
	return r, nil
}

// Validate checks settings without a snapshot, for forms and configuration
// files. The error is an [errs.Error] of kind Invalid.
func Validate(o Options) error {
	all := checks.All()
	if _, err := check.ParseSettings(all, o.Parameters); err != nil {
		return invalid(err)
	}
	if _, err := check.Select(all, o.Enabled, o.Disabled); err != nil {
		return invalid(err)
	}
	return nil
}

// Explain says where the health score comes from, down to the finding.
func (r *Result) Explain() finding.Explanation { return finding.Explain(r.counted, r.judged) }

func invalid(err error) error {
	var s *check.SettingError
	if !errors.As(err, &s) {
		return err
	}
	return errs.Wrap(err, errs.Invalid, "check_setting",
		fmt.Sprintf("The check setting %q is not usable: %s.", s.Key, s.Reason),
		"Correct or remove it; docs/checks lists every check with its parameters and their bounds.")
}
