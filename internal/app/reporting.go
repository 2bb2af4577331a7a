package app

import (
	"crypto/rand"
	"encoding/base64"
	"slices"

	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/checks"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/sqllineage"
)

// scanConfig configures the scan service; without a core it keeps nothing.
func scanConfig(env Env, c *core, open connection.Opener) scanservice.Config {
	out := scanservice.Config{Opener: open, ReadExport: readExport, SQL: sqllineage.New(sqllineage.WithVersion(buildIdentity())), Identifiers: identifiers, Now: env.Now, Logger: open.Logger}
	if c != nil {
		out.Store, out.Connections = c.store, c.connections
	}
	return out
}

// reportInput makes a report's input of a scan's outcome. Findings that people
// set aside are left out.
func reportInput(out *scanservice.Outcome, baseline *report.Baseline) *report.Input {
	a := out.Analysis
	in := &report.Input{
		Tool: report.Tool{Name: toolName, Version: Version}, Snapshot: out.Snapshot, Index: a.Index,
		Edges: slices.Collect(a.Graph.AllEdges()), ColumnEdges: slices.Collect(a.Graph.AllColumnEdges()), Unresolved: a.Graph.Unresolved,
		NotEvaluated: a.NotEvaluated, Health: a.Health, Baseline: baseline,
		Groups: a.Groups, Families: families(), Checks: checkInfos(), MetricConflicts: a.Conflicts,
	}
	for _, d := range a.Duplicates {
		in.Duplicates = append(in.Duplicates, report.Duplicate{
			ID: d.ID, Kind: string(d.Kind), Score: d.Score, Members: d.Members, Contains: d.Contains, Keep: d.Keep, Reason: d.Reason,
		})
	}
	for _, f := range a.Findings {
		if !out.Ignored[f.Fingerprint] {
			in.Findings = append(in.Findings, f)
		}
	}
	if out.Scan.ID != "" {
		c := out.Scan.Summary.Changes
		in.Changes = &report.Changes{
			Added: c.Added, Changed: c.Changed, Removed: c.Removed, NewFindings: c.NewFindings, ResolvedFindings: c.ResolvedFindings, First: c.First,
		}
	}
	return in
}

func families() []report.FamilyInfo {
	var list []report.FamilyInfo
	for _, f := range check.Families() {
		list = append(list, report.FamilyInfo{Code: string(f), Title: f.Title()})
	}
	return list
}

func checkInfos() []report.CheckInfo {
	var list []report.CheckInfo
	for _, c := range checks.All() {
		m := c.Meta
		list = append(list, report.CheckInfo{
			ID: m.ID, Title: m.Title, Family: string(m.Family), Why: m.Why, Remediation: m.Remediation, Severity: m.Severity,
		})
	}
	return list
}

// randomKey keys the hashes of a run that keeps nothing.
func randomKey() secret.Value {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return secret.New(base64.RawStdEncoding.EncodeToString(raw))
}

func databaseIn(dir string) string { return datadir.DatabaseIn(dir) }
