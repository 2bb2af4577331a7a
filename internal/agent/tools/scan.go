package tools

import (
	"context"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

type scanIn struct{}

// kindCount is how many assets of a kind there are.
type kindCount struct {
	Kind  mask.Text `json:"kind"`
	Count int       `json:"count"`
}

// severityCount is how many open findings of a severity there are.
type severityCount struct {
	Severity mask.Text `json:"severity"`
	Count    int       `json:"count"`
}

type scanOut struct {
	FinishedAt   time.Time       `json:"finished_at"`
	Partial      bool            `json:"partial" desc:"some of Metabase could not be read"`
	Whole        bool            `json:"whole" desc:"the reader sees the whole connection; otherwise figures are of their part"`
	Counts       []kindCount     `json:"counts" desc:"assets the reader sees"`
	Health       int             `json:"health" desc:"0 to 100; 0 when the reader sees a part only"`
	Findings     []severityCount `json:"open_findings" desc:"visible ones"`
	NotEvaluated int             `json:"not_evaluated" desc:"judgements that could not be made"`
	Added        int             `json:"added" desc:"assets since the scan before"`
	Changed      int             `json:"changed"`
	Removed      int             `json:"removed"`
	NewFindings  int             `json:"new_findings"`
	Resolved     int             `json:"resolved_findings"`
}

func scanTool() (tool, error) {
	return define("get_overview", "Look at the overview", llm.SchemaOf[scanIn]("get_overview"),
		mask.Constant("Shows the last scan: when it ended, how much content of each kind there is, health, open findings by severity, and what moved since the scan before."),
		func(ctx context.Context, c *call, _ scanIn) (scanOut, error) {
			w := c.World
			sum := w.Scan.Summary
			out := scanOut{FinishedAt: w.Scan.FinishedAt.UTC(), Partial: sum.Partial, Whole: w.Whole, Counts: []kindCount{}, Findings: []severityCount{}}
			for _, k := range catalog.Kinds() {
				if n := sum.Counts[k]; n > 0 && k != catalog.KindPerson && k != catalog.KindGroup {
					out.Counts = append(out.Counts, kindCount{Kind(k), n})
				}
			}
			for _, s := range []finding.Severity{finding.Critical, finding.High, finding.Medium, finding.Low, finding.Info} {
				_, n, err := c.box.config.Backend.Findings(ctx, w.Org, store.FindingQuery{
					Connection: w.Connection, States: []store.FindingState{store.FindingOpen}, Severities: []finding.Severity{s}, Limit: 1,
				})
				if err != nil {
					return scanOut{}, err
				}
				out.Findings = append(out.Findings, severityCount{c.Word(string(s)), n})
			}
			if w.Whole {
				out.Health, out.NotEvaluated = sum.Health.Score, sum.NotEvaluated
				out.Added, out.Changed, out.Removed = sum.Changes.Added, sum.Changes.Changed, sum.Changes.Removed
				out.NewFindings, out.Resolved = sum.Changes.NewFindings, sum.Changes.ResolvedFindings
			}
			c.say("Looked at the overview")
			return out, nil
		})
}

type changesIn struct {
	What   *string `json:"what" desc:"null for all" enum:"added,changed,removed"`
	Limit  *int    `json:"limit" desc:"rows" min:"1" max:"50"`
	Offset *int    `json:"offset" desc:"rows to skip" min:"0"`
}

type changeRow struct {
	Asset Brief     `json:"asset"`
	What  mask.Text `json:"what"`
}

type changesOut struct {
	Page
	Changes []changeRow `json:"changes" desc:"most used first"`
}

func changesTool() (tool, error) {
	return define("list_changes", "List changes", llm.SchemaOf[changesIn]("list_changes"),
		mask.Constant("Lists the content that was added, changed or removed between the last two scans."),
		func(ctx context.Context, c *call, in changesIn) (changesOut, error) {
			list, err := c.box.config.Backend.Changes(ctx, c.World.Org, c.World.Connection)
			if err != nil {
				return changesOut{}, err
			}
			list = slices.DeleteFunc(slices.Clone(list), func(x store.Change) bool { return value(in.What) != "" && x.What != *in.What })
			slices.SortStableFunc(list, func(a, b store.Change) int {
				return int(max(-1, min(1, c.World.views(b.Asset)-c.World.views(a.Asset))))
			})
			rows, page := pageOf(list, in.Limit, in.Offset)
			out := changesOut{Page: page, Changes: []changeRow{}}
			for _, x := range rows {
				b := c.Brief(x.Asset)
				if !c.Known(x.Asset) && x.Asset.Kind != catalog.KindPerson { // it is gone: the scan before knew its name
					b.Name = c.Conv.Name(x.Asset.Kind, x.Asset.ID, strip(clip(x.Name, maxName)))
				}
				out.Changes = append(out.Changes, changeRow{b, c.Word(x.What)})
			}
			c.say("Listed what changed: " + count(page.Total, "asset", "assets"))
			return out, nil
		})
}
