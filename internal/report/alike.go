package report

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/similar"
)

// Limits of what the Markdown report says about content that is alike.
const (
	markdownDuplicates = 20
	markdownConflicts  = 20
)

// conflicts yields the metrics that disagree, by kind and id.
func (d *document) conflicts() iter.Seq[similar.Conflict] {
	list := slices.Clone(d.in.MetricConflicts)
	slices.SortStableFunc(list, func(a, b similar.Conflict) int {
		return cmp.Or(strings.Compare(string(b.Kind), string(a.Kind)), strings.Compare(a.ID, b.ID))
	})
	return slices.Values(list)
}

// duplicatesByKind lists the clusters for people: the surest first, then the
// largest.
func (d *document) duplicatesByKind() []Duplicate {
	strictness := map[string]int{string(similar.Exact): 0, string(similar.Equivalent): 1, string(similar.Near): 2}
	return slices.SortedStableFunc(d.duplicates(), func(a, b Duplicate) int {
		return cmp.Or(cmp.Compare(strictness[a.Kind], strictness[b.Kind]), cmp.Compare(len(b.Members), len(a.Members)), strings.Compare(a.ID, b.ID))
	})
}

// duplicateKinds counts the clusters of each kind for people.
func (d *document) duplicateKinds() []string {
	counts := map[string]int{}
	for _, dup := range d.in.Duplicates {
		counts[dup.Kind]++
	}
	var out []string
	for _, k := range []struct{ kind, words string }{
		{string(similar.Exact), "of the same"}, {string(similar.Equivalent), "of the same meaning"}, {string(similar.Near), "of nearly the same"},
	} {
		if n := counts[k.kind]; n > 0 {
			out = append(out, plural(n, "group", "groups")+" "+k.words)
		}
	}
	return out
}

// conflictKinds counts the conflicts of each kind for people.
func (d *document) conflictKinds() []string {
	counts := map[similar.ConflictKind]int{}
	for _, c := range d.in.MetricConflicts {
		counts[c.Kind]++
	}
	var out []string
	if n := counts[similar.OneName]; n > 0 {
		out = append(out, plural(n, "name", "names")+" with several definitions")
	}
	if n := counts[similar.OneDefinition]; n > 0 {
		out = append(out, plural(n, "definition", "definitions")+" with several names")
	}
	return out
}

func (p *page) duplicates(d *document) {
	list := d.duplicatesByKind()
	if len(list) == 0 {
		return
	}
	p.f("## Duplicates (%s)\n\n", group(int64(len(list))))
	for i, dup := range list {
		if i == markdownDuplicates {
			p.f("- … and %s more groups\n", group(int64(len(list)-i)))
			break
		}
		p.f("- %s: keep %s (%s); the others are", dup.kindWord(), d.link(dup.Keep), md(dup.Reason))
		others := slices.DeleteFunc(slices.Clone(dup.Members), func(r catalog.Ref) bool { return r == dup.Keep })
		for n, m := range others {
			if n == markdownPerCheck {
				p.f(" and %s more", group(int64(len(others)-n)))
				break
			}
			separator := ", "
			if n == 0 {
				separator = " "
			}
			p.f("%s%s", separator, d.link(m))
		}
		p.f("\n")
	}
	p.f("\n")
}

// kindWord is how alike the members are, in the words of the Duplicates page.
func (d Duplicate) kindWord() string {
	switch d.Kind {
	case string(similar.Exact):
		return "Exact"
	case string(similar.Equivalent):
		return "Same meaning"
	}
	return percent(d.Score) + " alike"
}

func percent(score float64) string { return itoa(int64(score*100)) + " %" }

func (p *page) conflicts(d *document) {
	n := len(d.in.MetricConflicts)
	if n == 0 {
		return
	}
	p.f("## Metrics that disagree (%s)\n\n", group(int64(n)))
	i := 0
	for c := range d.conflicts() {
		if i++; i > markdownConflicts {
			p.f("- … and %s more\n", group(int64(n-markdownConflicts)))
			break
		}
		p.f("- **%s**: %s\n", md(c.Name), conflictWord(c))
		for k, def := range c.Definitions {
			if k == markdownPerCheck {
				p.f("  - … and %s more definitions\n", group(int64(len(c.Definitions)-k)))
				break
			}
			p.f("  - %s (%s)", md(def.Text), d.definedBy(def))
			if c.Kind == similar.OneDefinition {
				p.f(", called %s", md(strings.Join(def.Names, ", ")))
			}
			if len(def.Words) > 0 {
				p.f(": %s", md(strings.Join(def.Words, "; ")))
			}
			p.f("\n")
		}
	}
	p.f("\n")
}

func conflictWord(c similar.Conflict) string {
	if c.Kind == similar.OneDefinition {
		return "one definition, " + plural(len(c.Definitions[0].Names), "name", "names")
	}
	return "one name, " + plural(len(c.Definitions), "definition", "definitions")
}

// definedBy links the first asset of a definition and counts the others.
func (d *document) definedBy(def similar.Definition) string {
	if len(def.Uses) == 0 {
		return "nobody"
	}
	text := d.link(def.Uses[0].Asset)
	if more := len(def.Uses) - 1; more > 0 {
		text += " and " + group(int64(more)) + " more"
	}
	return text
}

type htmlConflict struct {
	Name, Kind  string
	Definitions []htmlDefinition
}

type htmlDefinition struct {
	Text, Names string
	Words       []string
	Uses        []htmlAsset
	More        string
}

// htmlUses is how many assets of a definition the HTML report links.
const htmlUses = 20

func (d *document) htmlConflict(c similar.Conflict) htmlConflict {
	out := htmlConflict{Name: Clean(c.Name), Kind: conflictWord(c)}
	for _, def := range c.Definitions {
		h := htmlDefinition{Text: Clean(def.Text)}
		if c.Kind == similar.OneDefinition {
			h.Names = Clean(strings.Join(def.Names, ", "))
		}
		for _, w := range def.Words {
			h.Words = append(h.Words, Clean(w))
		}
		for i, u := range def.Uses {
			if i == htmlUses {
				h.More = "and " + group(int64(len(def.Uses)-i)) + " more"
				break
			}
			h.Uses = append(h.Uses, d.htmlAsset(u.Asset))
		}
		out.Definitions = append(out.Definitions, h)
	}
	return out
}
