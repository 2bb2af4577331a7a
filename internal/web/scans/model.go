package scans

import (
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

type listView struct {
	Base  string
	Rows  []row
	Older string
	Later bool // not the first page
	May   bool
	Now   time.Time
}

type row struct {
	ID       string
	State    string
	Word     string
	At       time.Time
	Took     string
	Assets   int
	Findings int
	New      int
	Resolved int
	First    bool
	Requests int
	Bytes    int64
	Trigger  string
	Percent  int
	Error    string
}

func rowOf(s store.Scan, now time.Time) row {
	p := ProgressOf(s, now)
	r := row{
		ID: string(s.ID), State: p.State, Word: p.Title(), At: s.QueuedAt, Took: p.Elapsed, Percent: p.Percent,
		New: s.Summary.Changes.NewFindings, Resolved: s.Summary.Changes.ResolvedFindings, First: s.Summary.Changes.First,
		Requests: s.Summary.Requests.Total, Bytes: s.Summary.Requests.Bytes, Trigger: triggerWord(s.Trigger), Error: s.ErrorText,
	}
	for _, n := range s.Summary.Counts {
		r.Assets += n
	}
	for _, n := range s.Summary.Findings {
		r.Findings += n
	}
	return r
}

// told reports whether the reader is told how much was read and found; who sees
// a part of a connection is not.
func (r row) told() bool { return r.done() && (r.Requests > 0 || r.Assets > 0) }

func (r row) done() bool { return r.State == "succeeded" || r.State == "partial" }

func triggerWord(t string) string {
	switch t {
	case "manual":
		return "by hand"
	case "schedule":
		return "by schedule"
	case "cli":
		return "command line"
	}
	return ui.Clean(t)
}

type routeRow struct {
	Route string
	Count int
}

type detailView struct {
	Base         string
	ID           string
	May          bool
	Now          time.Time
	Row          row
	Scan         store.Scan
	Progress     Progress
	Routes       []routeRow
	Changes      []store.Change
	ChangesTotal int
}

func (v detailView) events() string { return v.Base + "/scans/" + v.ID + "/events" }

type kindCount struct {
	Kind  catalog.Kind
	Count int
}

// counts lists what was read, in the order of kinds.
func (v detailView) counts() []kindCount {
	var list []kindCount
	for _, k := range catalog.Kinds() {
		if n := v.Scan.Summary.Counts[k]; n > 0 {
			list = append(list, kindCount{k, n})
		}
	}
	return list
}

type severityCount struct {
	Severity finding.Severity
	Count    int
}

func (v detailView) severities() []severityCount {
	var list []severityCount
	for _, s := range []finding.Severity{finding.Critical, finding.High, finding.Medium, finding.Low, finding.Info} {
		if n := v.Scan.Summary.Findings[string(s)]; n > 0 {
			list = append(list, severityCount{s, n})
		}
	}
	return list
}

func (v detailView) gaps(expected bool) []catalog.Gap {
	var list []catalog.Gap
	for _, g := range v.Scan.Summary.Gaps {
		if g.Expected == expected {
			list = append(list, g)
		}
	}
	return list
}

// changeWord says what happened to an asset.
func changeWord(what string) string {
	switch what {
	case "added":
		return "Added"
	case "removed":
		return "Removed"
	}
	return "Changed"
}
