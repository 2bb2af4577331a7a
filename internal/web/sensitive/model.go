package sensitive

import (
	"net/url"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

type connectionRow struct {
	Name, Href     string
	All, Sensitive int
	Rules          int
	Unscanned      bool
}

type listView struct{ Rows []connectionRow }

type showView struct {
	Name, Base string
	Admin      bool
	Unscanned  bool
	Rules      []store.SensitivityRule
	Page       ai.ColumnPage
	Pager      ui.PagerView
	Params     url.Values
	Now        time.Time
}

type ruleView struct {
	Name, Base string
	Draft      ai.RuleDraft
	Preview    *ai.Preview
	Problems   ai.FieldErrors
	Unscanned  bool
}

type deleteView struct {
	Name, Base string
	Rule       store.SensitivityRule
	Preview    *ai.Preview // nil before a scan
}

func categoryName(c mask.Category) string {
	switch c {
	case mask.Contact:
		return "Contact"
	case mask.Name:
		return "Name"
	case mask.Identity:
		return "Identity"
	case mask.GovernmentID:
		return "Government id"
	case mask.Financial:
		return "Financial"
	case mask.Credential:
		return "Credential"
	case mask.Health:
		return "Health"
	case mask.Location:
		return "Location"
	case mask.Network:
		return "Network"
	case mask.Demographic:
		return "Demographic"
	case mask.FreeText:
		return "Free text"
	case mask.NoCategory:
		return "None"
	}
	return ui.Clean(string(c))
}

func (v showView) categories() []ui.Choice {
	var list []ui.Choice
	for _, c := range ai.Categories() {
		label := categoryName(c)
		if n := v.Page.Counts[c]; n > 0 {
			label += " (" + ui.Number(n) + ")"
		}
		list = append(list, ui.Choice{Value: string(c), Label: label})
	}
	return list
}

func (v showView) sensitives() []ui.Choice {
	return []ui.Choice{{Value: "yes", Label: "Sensitive"}, {Value: "no", Label: "Not sensitive"}}
}

func (v showView) deciders() []ui.Choice {
	return []ui.Choice{{Value: "rule", Label: "A rule decided"}, {Value: "classifier", Label: "The classifier decided"}}
}

type chip struct{ Label, Remove string }

func (v showView) chips() []chip {
	var list []chip
	for _, name := range []string{"q", "category", "sensitive", "by", "rule"} {
		value := v.Params.Get(name)
		if value == "" {
			continue
		}
		label := "“" + ui.Clean(value) + "”"
		switch name {
		case "category":
			label = categoryName(mask.Category(value))
		case "sensitive":
			label = labelOf(v.sensitives(), value)
		case "by":
			label = labelOf(v.deciders(), value)
		case "rule":
			label = "One rule"
			for _, r := range v.Rules {
				if r.ID == value {
					label = "Rule " + ui.Clean(r.Pattern)
				}
			}
		}
		rest := url.Values{}
		for k, l := range v.Params {
			if k != name && k != "page" {
				rest[k] = l
			}
		}
		list = append(list, chip{label, ui.Address(v.Base, rest)})
	}
	return list
}

func labelOf(choices []ui.Choice, value string) string {
	for _, c := range choices {
		if c.Value == value {
			return c.Label
		}
	}
	return ui.Clean(value)
}

// export is the address of the same columns as a file.
func (v showView) export() string {
	q := url.Values{}
	for k, l := range v.Params {
		if k != "page" {
			q[k] = l
		}
	}
	return ui.Address(v.Base+"/columns.csv", q)
}

// about leads to the form of a rule for one column.
func (v showView) about(c ai.Column) string {
	q := url.Values{"pattern": {strings.ToLower(c.Table + "." + c.Name)}, "kind": {"block"}}
	if c.Sensitive {
		q.Set("kind", "allow")
	}
	q.Set("preview", "yes")
	return ui.Address(v.Base+"/rules/new", q)
}

func kindName(allow bool) string {
	if allow {
		return "Not sensitive"
	}
	return "Sensitive"
}

func verdict(c ai.Column) string {
	if !c.Sensitive {
		return "not sensitive"
	}
	return categoryName(c.Category)
}

// effect says in one sentence what a change of rules does.
func effect(p *ai.Preview, without bool) string {
	more, fewer, other := 0, 0, 0
	for _, c := range p.Changes {
		switch {
		case c.After.Sensitive && !c.Before.Sensitive:
			more++
		case c.Before.Sensitive && !c.After.Sensitive:
			fewer++
		default:
			other++
		}
	}
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{{more, "more sensitive"}, {fewer, "fewer sensitive"}, {other, "of another category"}} {
		if part.n > 0 {
			parts = append(parts, ui.Count(part.n, "column", "columns")+" "+part.text)
		}
	}
	lead := "It makes "
	if without {
		lead = "Without it there would be "
	}
	what := lead + strings.Join(parts, ", ")
	if len(parts) == 0 {
		what = "Nothing would change"
	}
	if p.Hidden > 0 {
		what += ", among the first " + ui.Number(len(p.Changes)) + " of " + ui.Number(len(p.Changes)+p.Hidden) + " changes"
	}
	return "The rule names " + ui.Count(p.Hits, "column", "columns") + " of the newest scan. " + what + "."
}
