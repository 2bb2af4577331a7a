package scanservice

import (
	"context"
	"fmt"

	"github.com/metalens/metalens/internal/analysis"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/lineageview"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
)

// analyse turns a snapshot into findings, and compares them with those of the
// scan before.
func (s *Service) analyse(ctx context.Context, org store.OrgID, j *job, snapshot *catalog.Snapshot) (*Outcome, error) {
	observed, err := s.observed(ctx, org, j)
	if err != nil {
		return nil, err
	}
	j.previous = nil // a large instance counts twice else
	sql, err := s.session(ctx, org, j)
	if err != nil {
		return nil, err
	}
	out, err := s.outcome(ctx, snapshot, j.connection.Options, observed, j.ignored, sql)
	if err != nil {
		return nil, err
	}
	out.Scan = j.scan
	if j.latest.ID != "" {
		out.New = map[string]bool{}
		for _, f := range out.Analysis.Findings {
			if !j.open[f.Fingerprint] {
				out.New[f.Fingerprint] = true
			}
		}
	}
	return out, nil
}

// outcome analyses a snapshot with a connection's check settings.
func (s *Service) outcome(ctx context.Context, snapshot *catalog.Snapshot, o store.ConnectionOptions, observed check.Observed, ignored map[string]bool, sql lineage.SQLAnalyzer) (*Outcome, error) {
	result, err := s.config.Analyze(ctx, snapshot, analysis.Options{
		Now: snapshot.FinishedAt, Observed: observed, Ignored: ignored, SQL: sql, Logger: s.config.Logger,
		Parameters: o.CheckParameters, Enabled: o.EnabledChecks, Disabled: o.DisabledChecks,
	})
	if err != nil {
		return nil, fmt.Errorf("analyse: %w", err)
	}
	return &Outcome{Snapshot: snapshot, Analysis: result, Ignored: ignored}, nil
}

// session prepares the analyzer to take up what the scan before worked out from
// texts that are still the same.
func (s *Service) session(ctx context.Context, org store.OrgID, j *job) (lineage.SQLAnalyzer, error) {
	analyzer, ok := s.config.SQL.(*sqllineage.Analyzer)
	if !ok {
		return s.config.SQL, nil
	}
	err := s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		j.parses = analyzer.Session(tx.ParseHasher())
		return tx.ParseResults(ctx, j.connection.ID, sqllineage.Purpose, func(p store.ParseResult) error {
			j.parses.Add(p.Hash, p.Body)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("take up parse results: %w", err)
	}
	return j.parses, nil
}

// keepParses stores what the next scan can take up.
func (j *job) keepParses(ctx context.Context, tx *store.Tx) error {
	if j.parses == nil {
		return nil
	}
	var fresh []store.ParseResult
	j.parses.Fresh(func(hash sqllineage.Hash, body []byte) {
		fresh = append(fresh, store.ParseResult{Hash: hash, Body: body})
	})
	return tx.SaveParseResults(ctx, j.connection.ID, sqllineage.Purpose, j.parses.Used, fresh)
}

// observed tells how long the connection has been watched.
func (s *Service) observed(ctx context.Context, org store.OrgID, j *job) (check.Observed, error) {
	if j.latest.ID == "" {
		return check.Observed{}, nil
	}
	o := check.Observed{Scans: int(j.latest.Seq), Since: j.connection.CreatedAt}
	err := s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		points, err := tx.HealthSeries(ctx, j.connection.ID, j.connection.CreatedAt)
		if err == nil && len(points) > 0 {
			o.Since = points[0].At
		}
		return err
	})
	if err != nil {
		return check.Observed{}, fmt.Errorf("observation time: %w", err)
	}
	return o, nil
}

// commit stores a scan in one transaction: assets, findings, search, summary
// and end state become visible together or not at all.
func (s *Service) commit(ctx context.Context, org store.OrgID, j *job, out *Outcome) error {
	docs := SearchDocs(out.Analysis.Index, out.Analysis.Graph, s.config.Identifiers)
	now := s.config.Now().UTC()
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		counts, err := tx.CommitSnapshot(ctx, j.scan.ID, out.Snapshot)
		if err != nil {
			return fmt.Errorf("store snapshot: %w", err)
		}
		if err := lineageview.Save(ctx, tx, j.scan.ID, out.Analysis.Index, out.Analysis.Graph); err != nil {
			return fmt.Errorf("store lineage: %w", err)
		}
		if err := j.keepParses(ctx, tx); err != nil {
			return fmt.Errorf("store parse results: %w", err)
		}
		opened, resolved, reopened, err := tx.ApplyFindings(ctx, j.scan.ID, out.Analysis.Findings, out.Analysis.NotEvaluated, now)
		if err != nil {
			return fmt.Errorf("store findings: %w", err)
		}
		counts.NewFindings, counts.ResolvedFindings = opened+reopened, resolved
		if err := tx.ReplaceSearch(ctx, j.connection.ID, docs); err != nil {
			return fmt.Errorf("store search: %w", err)
		}
		if err := tx.SetScanSummary(ctx, j.scan.ID, summary(out, counts)); err != nil {
			return fmt.Errorf("store summary: %w", err)
		}
		if err := tx.StageDrop(ctx, j.scan.ID); err != nil {
			return fmt.Errorf("drop staging: %w", err)
		}
		if err := tx.FinishScan(ctx, j.scan.ID, store.ScanSucceeded, "", ""); err != nil {
			return fmt.Errorf("finish scan: %w", err)
		}
		if out.Scan, err = tx.Scan(ctx, j.scan.ID); err != nil {
			return fmt.Errorf("load finished scan: %w", err)
		}
		if j.latest.ID == "" {
			return nil
		}
		out.Changes, err = tx.Changes(ctx, j.connection.ID, j.latest.Seq, out.Scan.Seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("commit scan %s: %w", j.scan.ID, err)
	}
	s.config.Logger.InfoContext(ctx, "scan ended", "scan_id", string(j.scan.ID), "state", string(store.ScanSucceeded),
		"requests", out.Snapshot.Requests.Total, "findings", len(out.Analysis.Findings), "texts_parsed", j.parses.Parsed())
	return nil
}

// summary gathers the facts that lists show.
func summary(out *Outcome, changes store.ChangeCounts) store.ScanSummary {
	partial, reasons := out.Snapshot.Partial()
	sum := store.ScanSummary{
		Instance: out.Snapshot.Instance, Counts: counts(out.Snapshot), Partial: partial, PartialReasons: reasons,
		Gaps: out.Snapshot.Gaps, Requests: out.Snapshot.Requests, Health: out.Analysis.Health,
		Findings: map[string]int{}, NotEvaluated: len(out.Analysis.NotEvaluated), Changes: changes, Marks: out.Snapshot.Marks,
	}
	for _, f := range out.Analysis.Findings {
		if !out.Ignored[f.Fingerprint] {
			sum.Findings[string(f.Severity)]++
		}
	}
	return sum
}

// counts counts assets by kind; columns are those of all tables.
func counts(s *catalog.Snapshot) map[catalog.Kind]int {
	n := map[catalog.Kind]int{}
	for a := range s.All() {
		n[a.Ref().Kind]++
	}
	for _, t := range s.Tables {
		n[catalog.KindColumn] += len(t.Columns)
	}
	return n
}

// stateless secrets of a target.
func (t Target) secrets() connection.Credentials {
	return connection.Credentials{Key: t.Credential, MaskKey: t.MaskKey}
}
