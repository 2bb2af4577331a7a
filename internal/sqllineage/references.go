package sqllineage

import (
	"cmp"
	"context"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/sqllens"
)

// ReferenceKind says what a place of SQL text stands for.
type ReferenceKind string

// The kinds of references.
const (
	TableReference  ReferenceKind = "table"
	ColumnReference ReferenceKind = "column"
	TagReference    ReferenceKind = "tag"     // a template tag, its braces included
	GapReference    ReferenceKind = "unknown" // a name that could not be told
)

// Reference is one place of SQL text and what it means.
type Reference struct {
	Span finding.Span
	Kind ReferenceKind
	// Targets are what it stands for: one, except where a name is a merged
	// column or a star, and none for a plain variable. A column of a question
	// has the question here and its name in Column.
	Targets []catalog.Ref
	More    int    // targets beyond those listed
	Column  string // of a question
	Tag     string // name of the tag
	Type    string // of the tag: card, snippet, dimension, table, text, …
	// Reason is the code of what is unresolved, Detail its names.
	Reason string
	Detail string
}

// References are the places of a text that are known, in text order and apart
// from each other.
type References struct {
	List []Reference
	// Skipped says why the text was not read: too_long, not_sql; empty when it
	// was.
	Skipped string
}

// MaxReferenceText is how many bytes of SQL are read place by place. A longer
// text is only looked at for its tags.
const MaxReferenceText = 256 << 10

// maxTargets bounds the targets of one place, a star of a wide table.
const maxTargets = 12

// Texts finds what stands where in the SQL of one snapshot's assets. It is safe
// for concurrent use.
type Texts struct {
	*lineage.Reader
	analyzer *Analyzer
}

// NewTexts returns a finder over a snapshot.
func NewTexts(index *catalog.Index) *Texts {
	analyzer := New()
	return &Texts{Reader: lineage.NewReader(index, lineage.WithSQL(analyzer)), analyzer: analyzer}
}

// References finds the references in the SQL of an asset; none for one without
// SQL.
func (t *Texts) References(ctx context.Context, r catalog.Ref) References {
	in, gaps, ok := t.SQL(ctx, r)
	if !ok {
		return References{}
	}
	return t.analyzer.References(ctx, in, gaps)
}

// References finds the references in SQL: names of tables and columns with the
// catalog's ids, template tags, and names that could not be told. gaps are tags
// that lead nowhere. It never fails; text that cannot be read yields what was
// understood.
func (a *Analyzer) References(ctx context.Context, in lineage.SQLInput, gaps []lineage.Unresolved) References {
	out := placed{}
	for _, tag := range in.Tags {
		out.tag(tag)
	}
	for _, g := range gaps {
		if g.Span != nil {
			out.gap(*g.Span, g.Reason, g.Detail)
		}
	}
	skipped := a.readPlaces(ctx, in, &out)
	return References{List: out.apart(), Skipped: skipped}
}

func (a *Analyzer) readPlaces(ctx context.Context, in lineage.SQLInput, out *placed) (skipped string) {
	if in.Schema == nil || ctx.Err() != nil {
		return ""
	}
	s := a.schema(in.Schema)
	if !s.sql {
		return "not_sql"
	}
	if len(in.SQL) > MaxReferenceText {
		return "too_long"
	}
	text := expand(in.SQL, in.Tags)
	m := &merger{schema: s, text: text}
	tree := sqllens.Parse(text.sql, s.dialect, true)
	out.read(m, tree, relations(s, in.Tags))
	if len(tree.Blocks) > 0 {
		out.read(m, sqllens.Parse(text.sql, s.dialect, false), relations(s, in.Tags))
	}
	return ""
}

// placed collects references by their place.
type placed struct {
	list []Reference
	at   map[finding.Span]int
}

// place finds or makes the entry of a span. The first kind at a place stays.
func (p *placed) place(span finding.Span, kind ReferenceKind) *Reference {
	if p.at == nil {
		p.at = map[finding.Span]int{}
	}
	i, ok := p.at[span]
	if !ok {
		i = len(p.list)
		p.at[span] = i
		p.list = append(p.list, Reference{Span: span, Kind: kind})
	}
	return &p.list[i]
}

func (p *placed) tag(t lineage.SQLTag) {
	r := p.place(t.Span, TagReference)
	r.Tag, r.Type = t.Name, t.Type
	switch {
	case t.Card.ID != "":
		r.target(t.Card)
	case t.Asset.ID != "":
		r.target(t.Asset)
	case t.ColumnID != "":
		r.target(catalog.Ref{Kind: catalog.KindColumn, ID: t.ColumnID})
	case t.TableID != "":
		r.target(catalog.Ref{Kind: catalog.KindTable, ID: t.TableID})
	}
}

func (p *placed) gap(span finding.Span, reason, detail string) {
	r := p.place(span, GapReference)
	if r.Reason == "" && len(r.Targets) == 0 {
		r.Reason, r.Detail = reason, detail
	}
}

func (r *Reference) target(t catalog.Ref) {
	switch {
	case slices.Contains(r.Targets, t):
	case len(r.Targets) == maxTargets:
		r.More++
	default:
		r.Targets = append(r.Targets, t)
	}
}

// read adds what one variant of a text mentions.
func (p *placed) read(m *merger, tree *sqllens.Tree, tags map[string]sqllens.TagRelation) {
	for _, statement := range sqllens.Resolve(tree, m.schema.index, tags) {
		for _, t := range statement.Tables {
			table := m.schema.table(t.Table)
			if span, ok := m.text.own(t.Span); ok && table != nil && t.Known {
				p.place(span, TableReference).target(table.Ref())
			}
		}
		for _, c := range statement.Columns {
			span, ok := m.text.own(c.Span)
			if !ok {
				continue
			}
			column, known := m.column(sqllens.Source{Table: c.Table, Column: c.Column}, "", finding.Certain)
			switch {
			case !known:
			case column.ColumnID != "":
				p.place(span, ColumnReference).target(catalog.Ref{Kind: catalog.KindColumn, ID: column.ColumnID})
			default:
				r := p.place(span, ColumnReference)
				r.Column = column.Column
				r.target(catalog.Ref{Kind: catalog.KindQuestion, ID: column.Card})
			}
		}
		for _, u := range statement.Unresolved {
			if span, ok := m.text.own(u.Span); ok {
				p.gap(span, u.Reason, u.Detail)
			}
		}
	}
}

// own maps a span of the expanded text back; false for one inside a snippet,
// whose place is its tag's.
func (x expanded) own(s sqllens.Span) (finding.Span, bool) {
	if s.End <= s.Start {
		return finding.Span{}, false
	}
	for _, p := range x.pieces {
		if s.Start < p.end && s.End > p.start {
			return finding.Span{}, false
		}
	}
	return x.original(s), true
}

// apart sorts the references and drops those that another one contains: of a
// name and a longer text around it the name is what a reader means, unless the
// longer one is a tag.
func (p *placed) apart() []Reference {
	slices.SortFunc(p.list, func(x, y Reference) int {
		return cmp.Or(x.Span.Start-y.Span.Start, y.Span.End-x.Span.End)
	})
	out := p.list[:0]
	for _, r := range p.list {
		overlaps := false
		for len(out) > 0 && out[len(out)-1].Span.End > r.Span.Start {
			last := out[len(out)-1]
			if last.Kind != TagReference && (r.Span.End <= last.Span.End || r.Kind == TagReference) {
				out = out[:len(out)-1]
				continue
			}
			overlaps = true
			break
		}
		if !overlaps {
			out = append(out, r)
		}
	}
	return out
}
