// Package metrics is the pages about figures: what content calls them, how each
// name is defined, where the definitions disagree and where they are shown.
package metrics

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
)

// Service finds the figures that content defines.
type Service interface {
	// Metrics returns the figures of the last succeeded scan. It answers
	// errs.NotFound when no scan of the connection has succeeded.
	Metrics(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*Content, error)
}

// Content is the figures of one scan, ready to be listed. It is safe for
// concurrent use.
type Content struct {
	view    *browse.View
	figures []figure // every name
	names   []figure // names with several definitions
	synonym []figure // definitions with several names
	at      map[string]*figure
}

// figure is one row of the list: a name with its definitions, or a definition
// with its names.
type figure struct {
	ID          string
	Kind        similar.ConflictKind // empty where nothing disagrees
	Name        string
	Definitions []similar.Definition
	Views       int64
	Places      int // assets that define it
	Dashboards  int // live ones that show it
	text        string
}

// NewContent prepares the figures of a scan for the pages.
func NewContent(view *browse.View, metrics []similar.Metric, conflicts []similar.Conflict) *Content {
	c := &Content{view: view, at: map[string]*figure{}}
	disagree := map[string]bool{}
	for _, one := range conflicts {
		names := searchedNames
		if one.Kind == similar.OneDefinition {
			names = len(one.Definitions[0].Names)
		}
		f := figureOf(one.ID, one.Name, one.Definitions, names)
		f.Kind = one.Kind
		if one.Kind == similar.OneDefinition {
			c.synonym = append(c.synonym, f)
		} else {
			disagree[one.ID] = true
			c.names = append(c.names, f)
		}
	}
	for _, m := range metrics {
		f := figureOf(m.ID, m.Name, m.Definitions, searchedNames)
		if disagree[m.ID] {
			f.Kind = similar.OneName
		}
		c.figures = append(c.figures, f)
	}
	for _, list := range [][]figure{c.figures, c.synonym, c.names} {
		for i := range list {
			c.at[list[i].ID] = &list[i]
		}
	}
	return c
}

// searchedNames is how many names of a definition the row of each single name is
// found by: a figure may go by thousands.
const searchedNames = 40

// figureOf sums a row up; it is found by the first of each definition's names.
func figureOf(id, name string, definitions []similar.Definition, names int) figure {
	f := figure{ID: id, Name: name, Definitions: definitions}
	places, dashboards := map[catalog.Ref]bool{}, map[catalog.Ref]bool{}
	words := []string{name}
	for _, d := range definitions {
		f.Views += d.Views
		words = append(words, d.Text)
		words = append(words, d.Names[:min(names, len(d.Names))]...)
		words = append(words, d.Sources...)
		for _, u := range d.Uses {
			places[u.Asset] = true
			for _, r := range u.ShownOn {
				dashboards[r] = true
			}
		}
	}
	f.Places, f.Dashboards = len(places), len(dashboards)
	f.text = strings.ToLower(strings.Join(words, "\n"))
	return f
}

// of returns the rows of a tab.
func (c *Content) of(tab string) []figure {
	switch tab {
	case tabNames:
		return c.names
	case tabSynonyms:
		return c.synonym
	}
	return c.figures
}

// choose returns the rows of a tab that hold every word, in order.
// Only those are listed that an asset defines, where one is given.
func (c *Content) choose(tab, text, sort string, of catalog.Ref) []*figure {
	words := strings.Fields(strings.ToLower(text))
	var list []*figure
	rows := c.of(tab)
	for i := range rows {
		f := &rows[i]
		if !of.IsZero() && !f.definedIn(of) {
			continue
		}
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(f.text, w) }) {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b *figure) int {
		name := cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
		switch sort {
		case "name":
			return name
		case "definitions":
			return cmp.Or(b.width()-a.width(), cmp.Compare(b.Views, a.Views), name)
		case "dashboards":
			return cmp.Or(b.Dashboards-a.Dashboards, cmp.Compare(b.Views, a.Views), name)
		}
		return cmp.Or(cmp.Compare(b.Views, a.Views), b.width()-a.width(), name)
	})
	return list
}

func (f *figure) definedIn(r catalog.Ref) bool {
	return slices.ContainsFunc(f.Definitions, func(d similar.Definition) bool {
		return slices.ContainsFunc(d.Uses, func(u similar.MetricUse) bool { return u.Asset == r })
	})
}

// width is how many definitions a name has, or names a definition.
func (f *figure) width() int {
	if f.Kind == similar.OneDefinition && len(f.Definitions) > 0 {
		return len(f.Definitions[0].Names)
	}
	return len(f.Definitions)
}
