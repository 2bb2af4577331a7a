package finding

import (
	"cmp"
	"maps"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
)

// Health is the score of an instance: 0 (bad) to 100, per check family and
// overall. It is comparable over time and between instances of different size.
//
// The rule fits on a line: an asset without findings counts 1 for, each finding
// counts its weight against, and the score is the share of "for".
//
//	score = 100 × (clean + 1) ÷ (clean + 1 + weight)
//
// A medium, certain finding weighs as much as one clean asset ([Weight]). Of
// several findings of one check on one asset the heaviest counts. An asset with
// nothing but info findings counts neither way. The one added on both sides
// keeps an instance with a handful of assets from jumping between 0 and 100.
// Because clean assets alone stand for the good side, the overall score never
// falls when a finding goes, whether its asset was mended or archived.
type Health struct {
	Score    int                     `json:"score"`
	Families map[string]FamilyHealth `json:"families"`
}

// FamilyHealth is the score of one check family.
type FamilyHealth struct {
	Score    int     `json:"score"`
	Findings int     `json:"findings"` // findings that people did not set aside
	Assets   int     `json:"assets"`   // assets the family judged
	Clean    int     `json:"clean"`    // of them without such a finding
	Weight   float64 `json:"weight"`   // of the findings, in clean assets
}

// weightUnit is the weight of one clean asset. Weights are whole numbers, so
// that the score does not depend on the order of additions.
const weightUnit = 20

// units is the weight of a finding in parts of [weightUnit].
func units(s Severity, c Confidence) int64 {
	var w int64
	switch s {
	case Critical:
		w = 4 * weightUnit
	case High:
		w = 2 * weightUnit
	case Medium:
		w = weightUnit
	case Low:
		w = weightUnit / 2
	default:
		return 0
	}
	switch c {
	case Certain:
		return w
	case Likely:
		return w * 7 / 10
	default:
		return w * 4 / 10
	}
}

// Weight is what a finding of this severity and confidence counts against the
// score: 4, 2, 1 and 0.5 for critical to low, nothing for info; seven tenths of
// it when likely, four tenths when possible.
func Weight(s Severity, c Confidence) float64 { return float64(units(s, c)) / weightUnit }

// Judged is what was looked at: family → the assets its evaluated checks
// judged. Assets a check could not judge are not among them.
type Judged map[string]map[catalog.Ref]struct{}

// Add notes that a family judged an asset.
func (j Judged) Add(family string, asset catalog.Ref) {
	set := j[family]
	if set == nil {
		set = map[catalog.Ref]struct{}{}
		j[family] = set
	}
	set[asset] = struct{}{}
}

// Counted is a finding as the score sees it.
type Counted struct {
	Finding *Finding
	Family  string
}

// Score computes the health. Findings that people ignored are left out by the
// caller; so ignoring, like mending, never lowers a score. A family that judged
// nothing has no score. A finding about an asset that is not among the judged
// counts, its asset with it.
func Score(findings []Counted, judged Judged) Health {
	total, families := tally(findings, judged)
	h := Health{Score: total.score(), Families: make(map[string]FamilyHealth, len(families))}
	for name, t := range families {
		h.Families[name] = FamilyHealth{
			Score: t.score(), Findings: t.findings, Assets: t.assets,
			Clean: t.clean(), Weight: float64(t.weight) / weightUnit,
		}
	}
	return h
}

// Explanation takes a score apart.
type Explanation struct {
	Score    int                 `json:"score"`
	Assets   int                 `json:"assets"`
	Clean    int                 `json:"clean"`
	Weight   float64             `json:"weight"`
	Families []FamilyExplanation `json:"families"` // those that cost most first
}

// FamilyExplanation is a family's part.
type FamilyExplanation struct {
	Family string             `json:"family"`
	Health FamilyHealth       `json:"health"`
	Checks []CheckExplanation `json:"checks"` // those that cost most first
}

// CheckExplanation is a check's part. Gain says by how many points the overall
// score would rise if all its findings went.
type CheckExplanation struct {
	Check         string         `json:"check"`
	Findings      int            `json:"findings"`
	Weight        float64        `json:"weight"`
	Gain          int            `json:"gain"`
	Contributions []Contribution `json:"contributions"` // heaviest first
}

// Contribution is what one finding costs. It is 0 where a heavier finding of
// the same check on the same asset counts already.
type Contribution struct {
	Fingerprint string      `json:"fingerprint"`
	Asset       catalog.Ref `json:"asset"`
	Weight      float64     `json:"weight"`
}

// Explain says where a score comes from, down to the finding: the weights of
// all contributions of a family add up to the family's weight.
func Explain(findings []Counted, judged Judged) Explanation {
	total, families := tally(findings, judged)
	health := Score(findings, judged)
	out := Explanation{Score: total.score(), Assets: total.assets, Clean: total.clean(), Weight: float64(total.weight) / weightUnit}
	byCheck := map[string][]Counted{}
	for _, f := range findings {
		byCheck[f.Finding.Check] = append(byCheck[f.Finding.Check], f)
	}
	familyOf := map[string][]CheckExplanation{}
	for _, id := range slices.Sorted(maps.Keys(byCheck)) {
		list := byCheck[id]
		without := slices.DeleteFunc(slices.Clone(findings), func(f Counted) bool { return f.Finding.Check == id })
		rest, _ := tally(without, judged)
		e := CheckExplanation{Check: id, Findings: len(list), Gain: max(0, rest.score()-total.score())}
		var sum int64
		best := map[catalog.Ref]bool{}
		slices.SortStableFunc(list, func(a, b Counted) int {
			return cmp.Or(
				cmp.Compare(units(b.Finding.Severity, b.Finding.Confidence), units(a.Finding.Severity, a.Finding.Confidence)),
				a.Finding.Asset.Compare(b.Finding.Asset),
				cmp.Compare(a.Finding.Fingerprint, b.Finding.Fingerprint),
			)
		})
		for _, f := range list {
			var w int64
			if !best[f.Finding.Asset] {
				best[f.Finding.Asset] = true
				w = units(f.Finding.Severity, f.Finding.Confidence)
			}
			sum += w
			e.Contributions = append(e.Contributions, Contribution{Fingerprint: f.Finding.Fingerprint, Asset: f.Finding.Asset, Weight: float64(w) / weightUnit})
		}
		e.Weight = float64(sum) / weightUnit
		familyOf[list[0].Family] = append(familyOf[list[0].Family], e)
	}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		checks := familyOf[name]
		slices.SortStableFunc(checks, func(a, b CheckExplanation) int { return cmp.Compare(b.Weight, a.Weight) })
		out.Families = append(out.Families, FamilyExplanation{Family: name, Health: health.Families[name], Checks: checks})
	}
	slices.SortStableFunc(out.Families, func(a, b FamilyExplanation) int { return cmp.Compare(b.Health.Weight, a.Health.Weight) })
	return out
}

// balance is one side against the other.
type balance struct {
	assets   int
	dirty    int
	findings int
	weight   int64
}

func (b balance) clean() int { return b.assets - b.dirty }

func (b balance) score() int {
	good := int64(b.clean()+1) * weightUnit
	return int(100 * good / (good + b.weight))
}

// tally adds up assets and weights, overall and per family.
func tally(findings []Counted, judged Judged) (total balance, families map[string]balance) {
	type slot struct {
		check string
		asset catalog.Ref
	}
	heaviest := make(map[slot]int64, len(findings))
	counts := map[string]int{}
	familyOf := map[string]string{}
	dirty := map[string]map[catalog.Ref]struct{}{}
	for _, f := range findings {
		w := units(f.Finding.Severity, f.Finding.Confidence)
		s := slot{f.Finding.Check, f.Finding.Asset}
		heaviest[s] = max(heaviest[s], w)
		counts[f.Family]++
		familyOf[f.Finding.Check] = f.Family
		Judged(dirty).Add(f.Family, f.Finding.Asset)
	}
	families = make(map[string]balance, len(judged))
	everything, everythingDirty := map[catalog.Ref]struct{}{}, map[catalog.Ref]struct{}{}
	for family, set := range judged {
		families[family] = balance{assets: len(set)}
		for r := range set {
			everything[r] = struct{}{}
		}
	}
	for family, set := range dirty {
		b := families[family]
		b.dirty, b.findings = len(set), counts[family]
		for r := range set {
			if _, known := judged[family][r]; !known {
				b.assets++
			}
			everything[r] = struct{}{}
			everythingDirty[r] = struct{}{}
		}
		families[family] = b
	}
	for s, w := range heaviest {
		family := familyOf[s.check]
		b := families[family]
		b.weight += w
		families[family] = b
		total.weight += w
	}
	total.assets, total.dirty = len(everything), len(everythingDirty)
	for _, n := range counts {
		total.findings += n
	}
	return total, families
}
