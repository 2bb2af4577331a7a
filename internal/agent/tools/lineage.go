package tools

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

// maxDepth is how many steps of lineage are followed.
const maxDepth = 20

type lineageIn struct {
	Ref       string `json:"ref" desc:"asset or column"`
	Direction string `json:"direction" desc:"upstream: what it is made from; downstream: what uses it" enum:"upstream,downstream"`
	Depth     *int   `json:"depth" desc:"steps to follow; 1 = direct neighbours only; null = all" min:"1" max:"20"`
	Limit     *int   `json:"limit" desc:"rows" min:"1" max:"50"`
	Offset    *int   `json:"offset" desc:"rows to skip" min:"0"`
}

type lineageRow struct {
	Brief
	Steps int `json:"steps" desc:"distance"`
}

type lineageOut struct {
	Page
	Assets     []lineageRow `json:"assets" desc:"nearest first, then most used"`
	Unresolved int          `json:"unresolved" desc:"uses of this asset that could not be resolved"`
	Hidden     bool         `json:"hidden" desc:"more lies beyond what the reader may see"`
}

func lineageTool() (tool, error) {
	return define("get_lineage", "Follow lineage", llm.SchemaOf[lineageIn]("get_lineage"),
		mask.Constant("Follows lineage from an asset or a column: what it is made from (upstream) or what uses it (downstream), with distances."),
		func(_ context.Context, c *call, in lineageIn) (lineageOut, error) {
			r, err := c.Parse(in.Ref)
			if err != nil {
				return lineageOut{}, err
			}
			up := in.Direction == "upstream"
			depth := min(cmp.Or(value(in.Depth), maxDepth), maxDepth)
			var steps []lineage.Step
			if up {
				steps = c.World.Graph.Upstream(r, depth)
			} else {
				steps = c.World.Graph.Downstream(r, depth)
			}
			slices.SortStableFunc(steps, func(a, b lineage.Step) int {
				return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(c.World.views(b.Asset), c.World.views(a.Asset)), a.Asset.Compare(b.Asset))
			})
			rows, page := pageOf(steps, in.Limit, in.Offset)
			out := lineageOut{Page: page, Assets: []lineageRow{}, Unresolved: len(c.World.Graph.Gaps(r))}
			out.Hidden = up && c.World.MoreSources(r) || !up && c.World.MoreUsers(r)
			c.tell(r)
			for _, s := range rows {
				out.Assets = append(out.Assets, lineageRow{Brief: c.Brief(s.Asset), Steps: s.Distance})
			}
			way := "what uses"
			if up {
				way = "what feeds"
			}
			c.say("Looked at " + way + " " + c.plainName(r) + ": " + count(page.Total, "asset", "assets"))
			return out, nil
		})
}

type impactIn struct {
	Ref    string  `json:"ref" desc:"the table, column or content that would change"`
	Change *string `json:"change" desc:"drop when null; type is for columns" enum:"drop,rename,type"`
	Limit  *int    `json:"limit" desc:"rows" min:"1" max:"50"`
	Offset *int    `json:"offset" desc:"rows to skip" min:"0"`
}

type impactRow struct {
	Brief
	Breaks   mask.Text `json:"breaks" desc:"yes, maybe or no"`
	Reason   mask.Text `json:"reason" desc:"code of the reason"`
	Distance int       `json:"distance"`
}

type impactOut struct {
	Page
	Affected     []impactRow `json:"affected" desc:"most important first"`
	Breaking     int         `json:"breaking" desc:"affected assets that break for certain"`
	Maybe        int         `json:"maybe"`
	Unharmed     int         `json:"unharmed" desc:"use it and keep working"`
	KnockOn      int         `json:"knock_on" desc:"further assets built on something that breaks"`
	People       int         `json:"people" desc:"people whose content is affected"`
	NotEvaluated int         `json:"not_evaluated" desc:"assets whose use could not be judged"`
	Hidden       bool        `json:"hidden" desc:"more lies beyond what the reader may see"`
}

func impactTool() (tool, error) {
	return define("get_impact", "Judge the impact of a change", llm.SchemaOf[impactIn]("get_impact"),
		mask.Constant("Says what breaks when a table, a column or a piece of content is dropped, renamed or changes its type: every affected asset with whether it breaks and why."),
		func(ctx context.Context, c *call, in impactIn) (impactOut, error) {
			r, err := c.Parse(in.Ref)
			if err != nil {
				return impactOut{}, err
			}
			found, err := impact.Of(ctx, impact.From(c.World.Index, c.World.Graph), impact.Request{Roots: []catalog.Ref{r}, Change: impact.Change(value(in.Change)), Paths: 1})
			if err != nil {
				return impactOut{}, err
			}
			rows, page := pageOf(found.Affected, in.Limit, in.Offset)
			out := impactOut{
				Page: page, Affected: []impactRow{}, Breaking: found.Breaks[impact.Yes], Maybe: found.Breaks[impact.Maybe], Unharmed: found.Breaks[impact.No],
				KnockOn: len(found.KnockOn), People: len(found.People), NotEvaluated: len(found.NotEvaluated), Hidden: c.World.MoreUsers(r),
			}
			c.tell(r)
			for i := range rows {
				a := &rows[i]
				out.Affected = append(out.Affected, impactRow{Brief: c.Brief(a.Asset), Breaks: c.Word(string(a.Breaks)), Reason: c.Word(a.Code), Distance: a.Distance})
			}
			c.say("Judged what breaks when " + c.plainName(r) + " goes: " + count(out.Breaking, "asset", "assets") + " for certain")
			return out, nil
		})
}

// strip removes what no text for a model or a reader holds: control characters
// and those that turn the direction of writing.
func strip(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r >= 0x7f && r <= 0x9f:
			return -1
		case r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff || r >= 0xe0000 && r <= 0xe007f:
			return -1
		}
		return r
	}, s)
}
