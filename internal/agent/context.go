package agent

import (
	"cmp"
	"slices"

	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

// part is a piece of what a model is told.
type part struct {
	title  mask.Text // constant
	data   mask.Text // masked JSON
	weight float64   // how much it helps; the heaviest go first
	must   bool      // goes whatever it costs, cut where it is too long
}

// contextTokens is how many tokens of context one call of an agent gets. Some
// thousand answer as well as many thousand, and cost less.
const contextTokens = 6_000

// assemble builds the context: the parts that must, then as many of the others as
// fit the budget, the heaviest first. It says how many were left out, to the
// model too.
func assemble(budget int64, parts []part) (text mask.Text, left int) {
	order := slices.Clone(parts)
	slices.SortStableFunc(order, func(a, b part) int {
		if a.must != b.must {
			if a.must {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.weight, a.weight)
	})
	var out []mask.Text
	for _, p := range order {
		cost := llm.TokensOf(int64(p.title.Len() + p.data.Len())).Likely
		switch {
		case cost <= budget:
		case p.must && budget > 0:
			p.data = mask.Join(p.data.Cut(int(max(budget, 200)*2)), mask.Constant(" …(cut)"))
			cost = budget
		case p.must:
			p.data, cost = mask.Constant("(left out)"), 0
		default:
			left++
			continue
		}
		budget -= cost
		out = append(out, p.title, Untrusted(p.data))
	}
	if left > 0 {
		out = append(out, mask.Join(mask.Number(left), mask.Constant(" less relevant parts were left out.")))
	}
	return mask.Lines(out...), left
}
