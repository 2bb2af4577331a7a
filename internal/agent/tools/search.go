package tools

import (
	"context"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

// Brief is an asset in a list.
type Brief struct {
	Ref      mask.Text `json:"ref" desc:"how other tools and citations name it"`
	Name     mask.Text `json:"name"`
	Path     mask.Text `json:"path,omitzero" desc:"its collection, or database and schema"`
	Views    *int64    `json:"views,omitempty" desc:"as Metabase counts; absent when not known"`
	Archived bool      `json:"archived,omitempty"`
}

type searchIn struct {
	Query  string    `json:"query" desc:"words that names, descriptions or identifiers contain" min:"1" max:"200"`
	Kinds  *[]string `json:"kinds" desc:"only these kinds; null for all" enum:"question,model,metric,dashboard,collection,database,table,segment,measure,snippet,transform,document"`
	Limit  *int      `json:"limit" desc:"rows" min:"1" max:"50"`
	Offset *int      `json:"offset" desc:"rows to skip" min:"0"`
}

type searchOut struct {
	Page
	Hits []Brief `json:"hits"`
}

func searchTool() (tool, error) {
	return define("search_assets", "Search", llm.SchemaOf[searchIn]("search_assets"),
		mask.Constant("Finds questions, models, metrics, dashboards, tables and other assets by words in their names, descriptions and SQL identifiers. Every word must occur. Best match first."),
		func(ctx context.Context, c *call, in searchIn) (searchOut, error) {
			if strings.TrimSpace(in.Query) == "" {
				return searchOut{}, errs.New(errs.Invalid, "arguments", "The query is empty.", "")
			}
			only, err := kinds(value(in.Kinds))
			if err != nil {
				return searchOut{}, err
			}
			limit, offset := window(in.Limit, in.Offset)
			hits, total, err := c.box.config.Backend.Search(ctx, c.World.Org, c.World.Connection, SearchQuery{Text: in.Query, Kinds: only, Limit: limit, Offset: offset})
			if err != nil {
				return searchOut{}, err
			}
			out := searchOut{Page: Page{Total: total, Offset: offset, More: offset+len(hits) < total}, Hits: []Brief{}}
			for _, h := range hits {
				out.Hits = append(out.Hits, c.Brief(h.Asset))
			}
			c.say("Searched for “" + in.Query + "”: " + count(total, "match", "matches"))
			return out, nil
		})
}
