package dup

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// DUP003 finds copies that call themselves copies.
func DUP003() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DUP003",
			Slug:   "copy-by-name",
			Title:  "A copy by its name",
			Family: check.Duplication,
			Why: "\"Copy of …\", \"… - Duplicate\", \"… v2\", \"… final\", \"… (1)\": names like these are left by an experiment that nobody " +
				"finished. Readers cannot know which of them counts.\n\nA name is a copy's when without its mark it equals the name of other live " +
				"content of the same kind. Marks are known in several languages. What Metabase itself writes (\"… - Duplicate\", \"Copy of …\") counts " +
				"without an original too, with less confidence.",
			Bad: `questions:
  - {id: 1, name: Churn by month}
  - {id: 2, name: Copy of Churn by month}`,
			Good: `questions:
  - {id: 1, name: Churn by month}
  - {id: 2, name: Churn by month of the second cohort}`,
			Remediation: "Say in the name what is different, or archive it.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard},
		},
		Run: runCopyByName,
	}
}

// A certain mark is one that Metabase or a desktop writes on copying.
var (
	certainMark = regexp.MustCompile(`(?i)^\s*(copy of|kopie von|copie de|copia de|copia di|cópia de|kopia|kopi av|kopie van|копия|コピー[:：]?)\s+` +
		`|\s*[-–—(\[]*\s*\b(duplicate|copy|kopie|kopia|copie|copia|cópia|duplikat|duplicado|doublon)\s*\d*[)\]]?\s*$|\s*(のコピー|副本|копия)\s*\d*\s*$`)
	weakMark = regexp.MustCompile(`(?i)[\s_-]*(\(\d{1,2}\)|[\s_(-]v(ersion)?[ .]?\d{1,2}(\.\d+)?\)?|[\s_(-](final|finale?s?|definitiv[aeo]?|old|alt|ancien(ne)?|viejo|antigo|vecchio|new|neu|nouveau|nuevo|backup|bak|bkp|wip|draft|entwurf|brouillon|borrador|temp|tmp)\)?)\s*$`)
)

// stripped takes the marks off a name. base is folded for comparison; mark says
// what was found, "" for none.
func stripped(name string) (base, mark string, certain bool) {
	rest := strings.TrimSpace(name)
	for range 4 {
		before := rest
		if m := certainMark.FindString(rest); m != "" {
			certain, mark = true, cmp.Or(mark, strings.TrimSpace(m))
			rest = strings.TrimSpace(certainMark.ReplaceAllString(rest, ""))
		} else if m := weakMark.FindString(rest); m != "" {
			mark = cmp.Or(mark, strings.TrimSpace(m))
			rest = strings.TrimSpace(weakMark.ReplaceAllString(rest, ""))
		}
		if rest == before || rest == "" {
			break
		}
	}
	if rest == "" { // the mark is the whole name: "Final", "Copy"
		return fold(name), "", false
	}
	return fold(rest), mark, certain
}

func fold(name string) string { return strings.ToLower(strings.Join(strings.Fields(name), " ")) }

type named struct {
	asset   catalog.Asset
	mark    string
	certain bool
}

func runCopyByName(p *check.Pass) error {
	groups := map[string][]named{}
	for a := range p.Subjects() {
		kind := "card"
		if a.Ref().Kind == catalog.KindDashboard {
			kind = "dashboard"
		}
		base, mark, certain := stripped(a.Title())
		key := kind + "\x00" + base
		groups[key] = append(groups[key], named{a, mark, certain})
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		group := groups[key]
		// The one without a mark comes first: it is the original.
		slices.SortStableFunc(group, func(a, b named) int {
			return cmp.Or(compareBool(a.mark != "", b.mark != ""), catalog.CompareID(a.asset.Ref().ID, b.asset.Ref().ID))
		})
		original := group[0]
		for i, n := range group {
			if n.mark == "" {
				continue
			}
			e := finding.Evidence{Texts: map[string]string{"mark": check.Clean(n.mark)}}
			switch {
			case i > 0:
				e.Related = []catalog.Ref{original.asset.Ref()}
				p.Report(n.asset, check.Diagnostic{
					Message:  fmt.Sprintf("Its name says that it is a copy or version of %s.", p.Name(original.asset.Ref())),
					Evidence: e,
				})
			case n.certain:
				p.Report(n.asset, check.Diagnostic{
					Message:  "Its name says that it is a copy; no original of that name is live.",
					Evidence: e, Confidence: finding.Possible,
				})
			}
		}
	}
	return nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
