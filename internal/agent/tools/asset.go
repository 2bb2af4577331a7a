package tools

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/store"
)

// maxDefinition bounds the definition of one asset in bytes, and maxNear how many
// neighbours are listed with it.
const (
	maxDefinition = 14 << 10
	maxNear       = 12
)

type assetIn struct {
	Ref string `json:"ref" desc:"for example question:12, dashboard:3, table:7, or schema.table"`
}

// AssetDoc is everything a model may know of one asset.
type AssetDoc struct {
	Brief
	Kind        mask.Text  `json:"kind"`
	Definition  mask.Text  `json:"definition" desc:"masked: placeholders stand for literals and sensitive columns"`
	Cut         bool       `json:"cut,omitempty" desc:"the definition is longer than what is given"`
	LastUsed    *time.Time `json:"last_used,omitempty" desc:"absent when not known"`
	Sources     []Brief    `json:"sources" desc:"what it is made from, directly"`
	SourceCount int        `json:"source_count"`
	Users       []Brief    `json:"users" desc:"what uses it directly, most used first"`
	UserCount   int        `json:"user_count"`
	Hidden      bool       `json:"hidden" desc:"it uses, or is used by, what the reader may not see"`
	Findings    []Finding  `json:"findings" desc:"open ones, worst first"`
	FindingsAll int        `json:"finding_count"`
	Duplicates  mask.Text  `json:"duplicates,omitzero" desc:"id of the group of duplicates it is in"`
}

func assetTool() (tool, error) {
	return define("get_asset", "Look at content", llm.SchemaOf[assetIn]("get_asset"),
		mask.Constant("Shows one asset: its definition (SQL or query, columns, filters, cards), where it lies, its usage, what it is made from, what uses it, and its open findings."),
		func(ctx context.Context, c *call, in assetIn) (AssetDoc, error) {
			r, err := c.Parse(in.Ref)
			if err != nil {
				return AssetDoc{}, err
			}
			doc, err := c.box.document(ctx, c.Lens, r)
			c.say("Looked at " + c.plainName(r))
			return doc, err
		})
}

// document describes one asset with what lies around it.
func (b *Toolbox) document(ctx context.Context, l *Lens, r catalog.Ref) (AssetDoc, error) {
	doc := AssetDoc{Brief: l.Brief(r), Kind: Kind(r.Kind), Sources: []Brief{}, Users: []Brief{}, Findings: []Finding{}}
	definition := l.Definition(r)
	doc.Definition = definition.Cut(maxDefinition)
	doc.Cut = doc.Definition.Len() < definition.Len()
	if u := l.World.Usage(r); u != nil {
		doc.LastUsed = u.LastUsedAt
	}
	doc.Sources, doc.SourceCount = l.near(l.World.Graph.Sources(r), func(e lineage.Edge) catalog.Ref { return e.From })
	doc.Users, doc.UserCount = l.near(l.World.Graph.Users(r), func(e lineage.Edge) catalog.Ref { return e.To })
	doc.Hidden = l.World.MoreSources(r) || l.World.MoreUsers(r)
	if r.Kind == catalog.KindColumn {
		doc.Users, doc.UserCount = l.columnUsers(r)
		return doc, nil
	}
	list, total, err := b.config.Backend.Findings(ctx, l.World.Org, store.FindingQuery{
		Connection: l.World.Connection, Asset: r, States: []store.FindingState{store.FindingOpen}, Sort: store.SortImpact, Limit: maxNear,
	})
	if err != nil {
		return AssetDoc{}, err
	}
	doc.FindingsAll = total
	for i := range list {
		doc.Findings = append(doc.Findings, l.Finding(b.config.Backend, &list[i]))
	}
	if r.Kind.IsCard() || r.Kind == catalog.KindDashboard {
		found, err := b.config.Backend.Similar(ctx, l.World.Org, l.World.Connection)
		if err != nil {
			return AssetDoc{}, err
		}
		if c := similar.ByMember(found.Clusters)[r]; c != nil {
			doc.Duplicates = l.Handle(c.ID)
		}
	}
	return doc, nil
}

// near lists the other ends of edges, each asset once and the most used first.
func (l *Lens) near(edges []lineage.Edge, end func(lineage.Edge) catalog.Ref) ([]Brief, int) {
	refs := map[catalog.Ref]bool{}
	for _, e := range edges {
		refs[end(e)] = true
	}
	return l.briefs(refs)
}

func (l *Lens) columnUsers(r catalog.Ref) ([]Brief, int) {
	refs := map[catalog.Ref]bool{}
	for _, e := range l.World.Graph.ColumnUsers(r) {
		refs[e.To] = true
	}
	return l.briefs(refs)
}

func (l *Lens) briefs(refs map[catalog.Ref]bool) ([]Brief, int) {
	list := make([]catalog.Ref, 0, len(refs))
	for r := range refs {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b catalog.Ref) int {
		return cmp.Or(cmp.Compare(l.World.views(b), l.World.views(a)), a.Compare(b))
	})
	out := []Brief{}
	for _, r := range list[:min(len(list), maxNear)] {
		out = append(out, l.Brief(r))
	}
	return out, len(list)
}

// Definition renders an asset or a column.
func (l *Lens) Definition(r catalog.Ref) mask.Text {
	if r.Kind == catalog.KindColumn {
		t, c := l.World.Index.Table(catalog.TableOfColumn(r.ID)), l.World.Index.Column(r.ID)
		if t == nil || c == nil {
			return mask.Text{}
		}
		return mask.Join(l.Name(r), mask.Constant(" of type "), l.Word(c.DatabaseType), mask.Constant("\n"), l.Written(c.Description, maxWords))
	}
	a := l.World.Index.Asset(r)
	if a == nil || r.Kind == catalog.KindPerson {
		return mask.Text{}
	}
	return l.Conv.Asset(a)
}

// Handle writes an id that we made: of a finding, a cluster, a metric. Such ids
// are hexadecimal hashes; anything else is masked as free text.
func (l *Lens) Handle(id string) mask.Text {
	const digits = "0123456789abcdef"
	parts := make([]mask.Text, 0, len(id))
	for i := range len(id) {
		n := strings.IndexByte(digits, id[i])
		if n < 0 {
			return l.Free(id, maxName)
		}
		parts = append(parts, digit(n))
	}
	return mask.Join(parts...)
}

// digit is a hexadecimal digit.
func digit(n int) mask.Text {
	switch n {
	case 10:
		return mask.Constant("a")
	case 11:
		return mask.Constant("b")
	case 12:
		return mask.Constant("c")
	case 13:
		return mask.Constant("d")
	case 14:
		return mask.Constant("e")
	case 15:
		return mask.Constant("f")
	}
	return mask.Number(n)
}
