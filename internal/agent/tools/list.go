package tools

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

type listIn struct {
	Kind       string  `json:"kind" enum:"question,model,metric,dashboard,collection,database,table,segment,measure,snippet,transform,document,subscription,alert"`
	Collection *string `json:"collection" desc:"ref of a collection: only what lies directly in it"`
	Database   *string `json:"database" desc:"ref of a database: only what belongs to it"`
	Sort       *string `json:"sort" desc:"name when null" enum:"name,most_used,least_used,longest_unused"`
	Archived   *bool   `json:"archived" desc:"true: only archived assets; otherwise only live ones"`
	Limit      *int    `json:"limit" desc:"rows" min:"1" max:"50"`
	Offset     *int    `json:"offset" desc:"rows to skip" min:"0"`
}

type listRow struct {
	Brief
	LastUsed *time.Time `json:"last_used,omitempty" desc:"absent when not known"`
}

type listOut struct {
	Page
	Assets       []listRow `json:"assets"`
	UsageUnknown int       `json:"usage_unknown" desc:"how many of the total have no known usage"`
}

func listTool() (tool, error) {
	return define("list_assets", "List content", llm.SchemaOf[listIn]("list_assets"),
		mask.Constant("Lists assets of one kind with their usage, in an order: by name, most used, least used or longest unused first. Use it to count content, and to find what is used most or not at all."),
		func(_ context.Context, c *call, in listIn) (listOut, error) {
			only, err := kinds([]string{in.Kind})
			if err != nil {
				return listOut{}, err
			}
			keep, err := c.within(in)
			if err != nil {
				return listOut{}, err
			}
			var found []catalog.Asset
			for a := range c.World.Index.Snapshot().All() {
				if a.Ref().Kind == only[0] && a.IsArchived() == value(in.Archived) && keep(a) {
					found = append(found, a)
				}
			}
			slices.SortStableFunc(found, c.sorter(value(in.Sort)))
			rows, page := pageOf(found, in.Limit, in.Offset)
			out := listOut{Page: page, Assets: []listRow{}}
			for _, a := range found {
				if u := c.World.Usage(a.Ref()); u == nil || u.Views == nil {
					out.UsageUnknown++
				}
			}
			for _, a := range rows {
				row := listRow{Brief: c.Brief(a.Ref())}
				if u := c.World.Usage(a.Ref()); u != nil {
					row.LastUsed = u.LastUsedAt
				}
				out.Assets = append(out.Assets, row)
			}
			c.say("Listed " + count(page.Total, in.Kind, plural(in.Kind)))
			return out, nil
		})
}

// within tests for the collection and the database of a request.
func (c *call) within(in listIn) (func(catalog.Asset) bool, error) {
	collection, err := c.idOf(in.Collection, catalog.KindCollection)
	if err != nil {
		return nil, err
	}
	database, err := c.idOf(in.Database, catalog.KindDatabase)
	if err != nil {
		return nil, err
	}
	return func(a catalog.Asset) bool {
		return (collection == "" || a.InCollection() == collection) && (database == "" || databaseOf(a) == database)
	}, nil
}

// idOf reads the reference of an asset of one kind; empty for none.
func (c *call) idOf(text *string, kind catalog.Kind) (string, error) {
	if value(text) == "" {
		return "", nil
	}
	r, err := c.Parse(*text)
	if err == nil && r.Kind != kind {
		err = errs.New(errs.Invalid, "arguments", "That is of another kind.", "")
	}
	return r.ID, err
}

// databaseOf is the database that an asset belongs to; empty for none.
func databaseOf(a catalog.Asset) string {
	switch a := a.(type) {
	case *catalog.Question:
		return cmp.Or(a.DatabaseID, a.Query.DatabaseID)
	case *catalog.Table:
		return a.DatabaseID
	case *catalog.Transform:
		return cmp.Or(a.Query.DatabaseID, a.TargetDatabase)
	case *catalog.Database:
		return a.ID
	case *catalog.Segment:
		d, _, _, _, _ := catalog.SplitID(a.TableID)
		return d
	case *catalog.Measure:
		d, _, _, _, _ := catalog.SplitID(a.TableID)
		return d
	}
	return ""
}

func (c *call) sorter(order string) func(a, b catalog.Asset) int {
	name := func(a, b catalog.Asset) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title()), strings.ToLower(b.Title())), a.Ref().Compare(b.Ref()))
	}
	switch order {
	case "most_used":
		return func(a, b catalog.Asset) int {
			return cmp.Or(cmp.Compare(c.World.views(b.Ref()), c.World.views(a.Ref())), name(a, b))
		}
	case "least_used":
		return func(a, b catalog.Asset) int {
			return cmp.Or(cmp.Compare(c.World.views(a.Ref()), c.World.views(b.Ref())), name(a, b))
		}
	case "longest_unused":
		return func(a, b catalog.Asset) int {
			return cmp.Or(c.lastUsed(a).Compare(c.lastUsed(b)), name(a, b))
		}
	}
	return name
}

// lastUsed sorts what was never used, as far as is known, first.
func (c *call) lastUsed(a catalog.Asset) time.Time {
	if u := c.World.Usage(a.Ref()); u != nil && u.LastUsedAt != nil {
		return *u.LastUsedAt
	}
	return time.Time{}
}
