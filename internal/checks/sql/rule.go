package sql

import (
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqllint"
)

// kinds are the kinds whose own SQL is judged.
func kinds() []catalog.Kind {
	return []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindTransform}
}

// sentence says what a rule found in one query. n is the number of places,
// names what stands there.
type sentence func(n int, names string) string

// run reports the remarks of one rule, one finding for each query.
func run(rule sqllint.Rule, say sentence) func(*check.Pass) error {
	return judge(rule, false, say)
}

// runTyped is run for a rule that rests on what the scan knows of the tables.
func runTyped(rule sqllint.Rule, say sentence) func(*check.Pass) error {
	return judge(rule, true, say)
}

func judge(rule sqllint.Rule, typed bool, say sentence) func(*check.Pass) error {
	return func(p *check.Pass) error {
		for a := range p.Subjects() {
			if q, ok := a.(*catalog.Question); ok && q.Unreadable {
				p.NotEvaluated(a.Ref(), "Its query could not be read.")
				continue
			}
			r := p.SQL(a.Ref())
			if r == nil {
				continue
			}
			if reason := skipped(r.Skipped); reason != "" {
				p.NotEvaluated(a.Ref(), reason)
				continue
			}
			found := false
			d := check.Diagnostic{Confidence: finding.Possible}
			var names []string
			var spans []sqllens.Span
			for _, m := range r.Remarks {
				if m.Rule != rule {
					continue
				}
				found = true
				if m.Confidence.Rank() > d.Confidence.Rank() {
					d.Confidence = m.Confidence
				}
				names = append(names, m.Detail)
				spans = append(spans, m.Span)
			}
			switch {
			case found:
				d.Message = say(len(spans), list(names))
				d.Evidence = finding.Evidence{Spans: check.Places(spans...), Numbers: map[string]float64{"places": float64(len(spans))}}
				p.Report(a, d)
			case typed && r.Untyped:
				p.NotEvaluated(a.Ref(), "The columns of a table that its SQL reads are not known.")
			}
		}
		return nil
	}
}

func skipped(code string) string {
	switch code {
	case "":
		return ""
	case "not_sql":
		return "Its native query is in a language that is not SQL."
	case "too_long":
		return "Its SQL is too long to be looked at place by place."
	}
	return "Its SQL was not understood to its end."
}

// list names what stands at the places: each once, three at most.
func list(names []string) string {
	var out []string
	seen := map[string]bool{}
	more := 0
	for _, n := range names {
		n = check.Clean(n)
		switch {
		case n == "" || seen[n]:
		case len(out) == 3:
			more++
		default:
			out = append(out, strconv.Quote(n))
		}
		seen[n] = true
	}
	if more > 0 {
		out = append(out, strconv.Itoa(more)+" more")
	}
	return check.Join(out)
}

// times writes how often, in words that close a sentence: "", " in 3 places".
func times(n int) string {
	if n < 2 {
		return ""
	}
	return " in " + strings.TrimSpace(check.Count(n, "place", "places"))
}

// bare takes the quotes off what [list] quoted, for details that are phrases.
func bare(names string) string { return strings.ReplaceAll(names, `"`, "") }
