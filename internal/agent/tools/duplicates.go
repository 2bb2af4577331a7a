package tools

import (
	"context"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/similar"
)

type duplicatesIn struct {
	Ref    *string `json:"ref" desc:"only groups that hold this asset"`
	ID     *string `json:"id" desc:"only this group"`
	Kind   *string `json:"kind" desc:"how alike; null for all" enum:"exact,equivalent,near"`
	Limit  *int    `json:"limit" desc:"rows" min:"1" max:"50"`
	Offset *int    `json:"offset" desc:"rows to skip" min:"0"`
}

// Cluster is a group of duplicates.
type Cluster struct {
	ID      mask.Text `json:"id"`
	Kind    mask.Text `json:"kind" desc:"exact: same text; equivalent: same meaning; near: alike"`
	Score   float64   `json:"score"`
	Members []Brief   `json:"members" desc:"some of them"`
	Count   int       `json:"member_count"`
	Keep    mask.Text `json:"keep" desc:"ref of the member that rules would keep"`
	Reason  mask.Text `json:"reason" desc:"why that one"`
}

type duplicatesOut struct {
	Page
	Groups []Cluster `json:"groups"`
}

func duplicatesTool() (tool, error) {
	return define("list_duplicates", "List duplicates", llm.SchemaOf[duplicatesIn]("list_duplicates"),
		mask.Constant("Lists groups of questions or dashboards that say the same thing, or nearly, with the one that rules would keep."),
		func(ctx context.Context, c *call, in duplicatesIn) (duplicatesOut, error) {
			found, err := c.box.config.Backend.Similar(ctx, c.World.Org, c.World.Connection)
			if err != nil {
				return duplicatesOut{}, err
			}
			var only catalog.Ref
			if value(in.Ref) != "" {
				if only, err = c.Parse(*in.Ref); err != nil {
					return duplicatesOut{}, err
				}
			}
			list := slices.DeleteFunc(slices.Clone(found.Clusters), func(s similar.Cluster) bool {
				return value(in.Kind) != "" && string(s.Kind) != *in.Kind || value(in.ID) != "" && s.ID != *in.ID || !only.IsZero() && !slices.Contains(s.Members, only)
			})
			rows, page := pageOf(list, in.Limit, in.Offset)
			out := duplicatesOut{Page: page, Groups: []Cluster{}}
			for i := range rows {
				out.Groups = append(out.Groups, c.Cluster(&rows[i]))
			}
			c.say("Listed duplicates: " + count(page.Total, "group", "groups"))
			return out, nil
		})
}

// Cluster describes a group of duplicates.
func (l *Lens) Cluster(s *similar.Cluster) Cluster {
	out := Cluster{ID: l.Handle(s.ID), Kind: l.Word(string(s.Kind)), Score: s.Score, Members: []Brief{}, Count: len(s.Members), Keep: l.Ref(s.Keep), Reason: l.Written(s.Reason, maxName)}
	for _, m := range s.Members[:min(len(s.Members), maxNear)] {
		out.Members = append(out.Members, l.Brief(m))
	}
	return out
}

type compareIn struct {
	A string `json:"a" desc:"ref of a question, model, metric or dashboard"`
	B string `json:"b" desc:"ref of another one of the same sort"`
}

// Comparison says how one asset differs from another.
type Comparison struct {
	A           Brief       `json:"a"`
	B           Brief       `json:"b"`
	Kind        mask.Text   `json:"kind" desc:"exact, equivalent or near; different when less than that"`
	Score       float64     `json:"score"`
	Differences []mask.Text `json:"differences" desc:"what b does otherwise, masked"`
	NotCompared bool        `json:"not_compared" desc:"they cannot be compared"`
}

func compareTool() (tool, error) {
	return define("compare_assets", "Compare content", llm.SchemaOf[compareIn]("compare_assets"),
		mask.Constant("Says how two questions, or two dashboards, differ in meaning."),
		func(ctx context.Context, c *call, in compareIn) (Comparison, error) {
			a, err := c.Parse(in.A)
			if err != nil {
				return Comparison{}, err
			}
			b, err := c.Parse(in.B)
			if err != nil {
				return Comparison{}, err
			}
			c.say("Compared " + c.plainName(a) + " with " + c.plainName(b))
			return c.Compare(ctx, a, b), nil
		})
}

// Compare says how b differs from a.
func (l *Lens) Compare(ctx context.Context, a, b catalog.Ref) Comparison {
	found := similar.Compare(ctx, l.World.Index, a, b)
	out := Comparison{A: l.Brief(a), B: l.Brief(b), Kind: l.Word(string(found.Kind)), Score: found.Score, Differences: []mask.Text{}, NotCompared: found.Reason != ""}
	if found.Kind == "" {
		out.Kind = mask.Constant("different")
	}
	database := ""
	if asset := l.World.Index.Asset(a); asset != nil {
		database = databaseOf(asset)
	}
	for _, w := range found.Words[:min(len(found.Words), maxNear)] {
		out.Differences = append(out.Differences, l.Fragment(database, w))
	}
	return out
}

type metricsIn struct {
	Query     *string `json:"query" desc:"only metrics whose name contains this"`
	Conflicts *bool   `json:"conflicts" desc:"true: only names with several definitions"`
	Limit     *int    `json:"limit" desc:"rows" min:"1" max:"50"`
	Offset    *int    `json:"offset" desc:"rows to skip" min:"0"`
}

// Meaning is a way to compute a figure.
type Meaning struct {
	ID      mask.Text   `json:"id"`
	Text    mask.Text   `json:"text" desc:"masked expression"`
	Differs []mask.Text `json:"differs" desc:"how, from the first definition"`
	Names   []mask.Text `json:"names"`
	UsedIn  []Brief     `json:"used_in" desc:"some of the places"`
	Uses    int         `json:"use_count"`
	Trusted bool        `json:"trusted" desc:"a metric, verified question or official collection stands behind it"`
	Views   int64       `json:"views"`
}

// Figure is a name with all it is defined as.
type Figure struct {
	ID          mask.Text `json:"id"`
	Name        mask.Text `json:"name"`
	Definitions []Meaning `json:"definitions" desc:"the one to go by first"`
	Count       int       `json:"definition_count"`
}

type metricsOut struct {
	Page
	Metrics []Figure `json:"metrics"`
}

func metricsTool() (tool, error) {
	return define("list_metrics", "List metrics", llm.SchemaOf[metricsIn]("list_metrics"),
		mask.Constant("Lists figures that content names, each with every definition in use; several definitions under one name contradict each other."),
		func(ctx context.Context, c *call, in metricsIn) (metricsOut, error) {
			found, err := c.box.config.Backend.Similar(ctx, c.World.Org, c.World.Connection)
			if err != nil {
				return metricsOut{}, err
			}
			list := slices.Clone(found.Metrics)
			if value(in.Conflicts) {
				list = list[:0]
				for _, x := range found.Conflicts {
					if x.Kind == similar.OneName {
						list = append(list, similar.Metric{ID: x.ID, Name: x.Name, Definitions: x.Definitions})
					}
				}
			}
			if text := strings.ToLower(strings.TrimSpace(value(in.Query))); text != "" {
				list = slices.DeleteFunc(list, func(m similar.Metric) bool { return !strings.Contains(strings.ToLower(m.Name), text) })
			}
			rows, page := pageOf(list, in.Limit, in.Offset)
			out := metricsOut{Page: page, Metrics: []Figure{}}
			for i := range rows {
				out.Metrics = append(out.Metrics, c.Figure(rows[i].ID, rows[i].Name, rows[i].Definitions))
			}
			c.say("Listed metrics: " + count(page.Total, "metric", "metrics"))
			return out, nil
		})
}

// maxMeanings is how many definitions of one name are listed.
const maxMeanings = 6

// Figure describes a metric.
func (l *Lens) Figure(id, name string, definitions []similar.Definition) Figure {
	f := Figure{ID: l.Handle(id), Name: l.Written(name, maxName), Definitions: []Meaning{}, Count: len(definitions)}
	for i := range definitions[:min(len(definitions), maxMeanings)] {
		f.Definitions = append(f.Definitions, l.Meaning(&definitions[i]))
	}
	return f
}

// Meaning describes one definition of a figure.
func (l *Lens) Meaning(d *similar.Definition) Meaning {
	database := ""
	if len(d.Sources) > 0 {
		database, _, _, _, _ = catalog.SplitID(d.Sources[0])
	}
	m := Meaning{
		ID: l.Handle(d.ID), Text: l.Fragment(database, d.Text), Differs: []mask.Text{}, Names: []mask.Text{}, UsedIn: []Brief{}, Uses: len(d.Uses), Trusted: d.Trusted, Views: d.Views,
	}
	for _, w := range d.Words[:min(len(d.Words), maxMeanings)] {
		m.Differs = append(m.Differs, l.Fragment(database, w))
	}
	for _, n := range d.Names[:min(len(d.Names), maxMeanings)] {
		m.Names = append(m.Names, l.Written(n, maxName))
	}
	for _, u := range d.Uses[:min(len(d.Uses), maxMeanings)] {
		m.UsedIn = append(m.UsedIn, l.Brief(u.Asset))
	}
	return m
}
