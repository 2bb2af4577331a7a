package browse

import (
	"context"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/sqlview"
	"github.com/metalens/metalens/internal/web/ui"
)

// tagChip is a template tag above the SQL.
type tagChip struct {
	Name     string
	Word     string // what it is
	Ref      catalog.Ref
	Target   string // name of what it stands for
	Required bool
}

// gap is a name of the SQL that could not be told.
type gap struct {
	Text, Reason string
	Line         int
}

// marked is a finding that is about places of the SQL.
type marked struct {
	Number      int
	Title, Href string
	Severity    finding.Severity
	Line        int
}

// maxGaps bounds the listed gaps.
const maxGaps = 50

// text prepares the SQL of the page: what its names and tags stand for, and
// what findings mark.
func (v *assetView) text(ctx context.Context, view *View, records []store.FindingRecord) {
	v.Text.SQL = v.SQL
	if v.SQL == "" {
		return
	}
	found := view.Texts.References(ctx, v.Ref)
	v.Skipped = found.Skipped
	targets := map[string]catalog.Ref{}
	words := tagWords(v.Tags)
	for _, r := range found.List {
		link, ok := linkOf(view, v.Base, r, words)
		if !ok {
			continue
		}
		v.Text.Links = append(v.Text.Links, link)
		if r.Kind == sqllineage.TagReference && len(r.Targets) > 0 {
			targets[r.Tag] = r.Targets[0]
		}
		if r.Reason != "" && len(v.Gaps) < maxGaps {
			one := gap{Text: excerpt(v.SQL, r.Span), Reason: ui.ReasonName(r.Reason), Line: lineOf(v.SQL, r.Span.Start)}
			if !slices.Contains(v.Gaps, one) {
				v.Gaps = append(v.Gaps, one)
			}
		}
	}
	v.TagChips = chips(view, v.Tags, targets)
	for i, r := range records {
		spans := r.Evidence.Spans
		if len(spans) == 0 {
			continue
		}
		m := marked{Number: len(v.Marked) + 1, Title: v.Findings[i].Title, Href: v.Findings[i].Href, Severity: r.Severity, Line: lineOf(v.SQL, spans[0].Start)}
		v.Marked = append(v.Marked, m)
		for _, s := range spans {
			if s.Start >= 0 && s.End > s.Start && s.Start < len(v.SQL) && len(v.Text.Marks) < sqlview.MaxMarks {
				v.Text.Marks = append(v.Text.Marks, sqlview.Mark{Span: s, Number: m.Number, Title: m.Title, Href: m.Href})
			}
		}
	}
	v.LinksCut = len(v.Text.Links) > sqlview.MaxLinks
}

// excerpt is a piece of SQL for a line of text.
func excerpt(sql string, s finding.Span) string {
	if s.Start < 0 || s.End > len(sql) || s.End < s.Start {
		return ""
	}
	return ui.Clip(ui.Clean(sql[s.Start:s.End]), 80)
}

// lineOf is the line of a text that an offset lies in.
func lineOf(sql string, offset int) int {
	return 1 + strings.Count(sql[:min(max(offset, 0), len(sql))], "\n")
}

func tagWords(tags []catalog.TemplateTag) map[string]string {
	words := make(map[string]string, len(tags))
	for _, t := range tags {
		words[t.Name] = tagWord(t)
	}
	return words
}

// linkOf explains one reference.
func linkOf(view *View, base string, r sqllineage.Reference, words map[string]string) (sqlview.Link, bool) {
	link := sqlview.Link{Span: r.Span}
	name := func(t catalog.Ref) string {
		n, known := view.Name(t)
		if !known {
			return strings.ToLower(ui.KindName(t.Kind)) + " " + ui.Clip(ui.Clean(t.ID), 60)
		}
		return ui.Clip(ui.Name(n), 120)
	}
	switch r.Kind {
	case sqllineage.TableReference:
		link.Kind = sqlview.TableLink
	case sqllineage.ColumnReference:
		link.Kind = sqlview.ColumnLink
	case sqllineage.TagReference:
		link.Kind = sqlview.TagLink
	default:
		link.Kind = sqlview.GapLink
	}
	if r.Reason != "" {
		link.Kind = sqlview.GapLink
		link.Title = "Not resolved: " + ui.ReasonName(r.Reason)
		link.Note = link.Title
		return link, true
	}
	if r.Kind == sqllineage.TagReference && len(r.Targets) == 0 {
		link.Title = "Variable"
		if w := words[r.Tag]; w != "" {
			link.Title = ui.Capital(w) + " variable"
			if w == "field filter" {
				link.Title = "Field filter"
			}
		}
		return link, true
	}
	if len(r.Targets) == 0 {
		return link, false
	}
	first := r.Targets[0]
	var names []string
	for _, t := range r.Targets[:min(len(r.Targets), 6)] {
		names = append(names, name(t))
	}
	text := strings.Join(names, ", ")
	if more := len(r.Targets) + r.More - len(names); more > 0 {
		text += " and " + ui.Count(more, "more", "more")
	}
	switch {
	case r.Column != "":
		link.Title = "Column " + ui.Clip(ui.Name(r.Column), 80) + " of " + text
	case r.Kind == sqllineage.TagReference && first.Kind == catalog.KindColumn:
		link.Title = "Field filter on " + text
		link.Note = link.Title
	case len(r.Targets) > 1 && first.Kind == catalog.KindColumn:
		link.Title = "Columns " + text
	default:
		if a := view.Index.Asset(first); a != nil {
			first = a.Ref()
		}
		link.Title = ui.KindName(first.Kind) + " " + text
	}
	if r.Kind == sqllineage.TagReference && link.Note == "" {
		link.Note = link.Title
	}
	link.Href = addressOf(base, r.Targets, first)
	return link, true
}

// addressOf is where a reference leads: to the one thing it stands for, to the table
// of several columns of one table, and nowhere where it is several.
func addressOf(base string, targets []catalog.Ref, first catalog.Ref) string {
	if len(targets) == 1 {
		return ui.AssetPath(base, first)
	}
	table := catalog.TableOfColumn(first.ID)
	several := slices.ContainsFunc(targets, func(t catalog.Ref) bool {
		return t.Kind != catalog.KindColumn || catalog.TableOfColumn(t.ID) != table
	})
	if several {
		return ""
	}
	return ui.AssetPath(base, catalog.Ref{Kind: catalog.KindTable, ID: table})
}

func chips(view *View, tags []catalog.TemplateTag, targets map[string]catalog.Ref) []tagChip {
	list := make([]tagChip, 0, len(tags))
	for _, t := range tags {
		chip := tagChip{Name: t.Name, Word: tagWord(t), Required: t.Required}
		if r, ok := targets[t.Name]; ok {
			if a := view.Index.Asset(r); a != nil {
				r = a.Ref()
			}
			if name, known := view.Name(r); known {
				chip.Ref, chip.Target = r, name
			}
		}
		list = append(list, chip)
	}
	return list
}

func tagWord(t catalog.TemplateTag) string {
	switch t.Type {
	case "dimension":
		return "field filter"
	case "temporal-unit":
		return "time grouping"
	case "card":
		return "question " + ui.Clip(ui.Clean(t.QuestionID), 20)
	case "snippet":
		return "snippet"
	}
	return ui.Clip(ui.Clean(t.Type), 30)
}
