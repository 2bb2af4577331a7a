package dup

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/sqllens"
)

// DUP010 finds subqueries that many questions repeat.
func DUP010() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:     "DUP010",
			Slug:   "repeated-subquery",
			Title:  "A subquery that several questions repeat",
			Family: check.Duplication,
			Why: "The same intermediate result, pasted from question to question, is a definition without a home: it is mended in one place and " +
				"stays wrong in the others. A model gives it one place, a name and an owner.\n\nCompared are common table expressions and derived " +
				"tables of some size, without variables, that read tables or questions only, in the normal form of `sql canonical`: case, white " +
				"space and names of aliases do not matter. Copies of one whole question count once.",
			Bad: `questions:
  - {id: 1, sql: "with paid as (select user_id, sum(total) as revenue, count(*) as orders, max(created_at) as last_order from orders where status = 'paid' and total > 0 group by user_id) select avg(revenue) from paid"}
  - {id: 2, sql: "with p as (select user_id, sum(total) as revenue, count(*) as orders, max(created_at) as last_order from orders where total > 0 and status = 'paid' group by user_id) select max(last_order) from p"}
  - {id: 3, sql: "select sum(x.orders) from (SELECT user_id, sum(total) as revenue, count(*) as orders, max(created_at) as last_order from orders where status = 'paid' and total > 0 group by user_id) x"}`,
			Good: `questions:
  - {id: 4, type: model, sql: "select user_id, sum(total) as revenue, count(*) as orders, max(created_at) as last_order from orders where status = 'paid' and total > 0 group by user_id"}
  - {id: 1, sql: "select avg(revenue) from {{#4-paid}}", tags: [{name: "#4-paid", type: card, question: 4}]}
  - {id: 2, sql: "select max(last_order) from {{#4-paid}}", tags: [{name: "#4-paid", type: card, question: 4}]}
  - {id: 3, sql: "select sum(x.orders) from {{#4-paid}} x", tags: [{name: "#4-paid", type: card, question: 4}]}`,
			Remediation: "Make a model of the subquery and read it with {{#…}} instead.",
			Severity:    finding.Low,
			Confidence:  finding.Likely,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion, catalog.KindModel},
			Params: []check.Param{
				{Name: "questions", Title: "Questions that share it, at least", Type: check.IntParam, Default: "3", Min: 2, Max: 1000},
			},
		},
		Run: func(p *check.Pass) error {
			repeated(p, p.Int("questions"))
			return nil
		},
	}
}

// part is one subquery of one question.
type part struct {
	question *catalog.Question
	span     sqllens.Span
	name     string
}

// repeated groups subqueries in two steps: by the tables they read, which costs
// nothing, and of those that enough questions share by their normal form.
func repeated(p *check.Pass, least int) {
	byTables := map[string][]part{}
	var order []string
	for q := range p.Questions() {
		if q.Unreadable {
			p.NotEvaluated(q.Ref(), "Its query could not be read.")
			continue
		}
		r := p.SQL(q.Ref())
		if r == nil {
			continue
		}
		if r.Skipped != "" && r.Skipped != "not_sql" {
			p.NotEvaluated(q.Ref(), "Its SQL was not understood to its end.")
			continue
		}
		for _, s := range r.Subqueries {
			key := q.Query.DatabaseID + "\x00" + s.Tables
			if byTables[key] == nil {
				order = append(order, key)
			}
			byTables[key] = append(byTables[key], part{q, s.Span, s.Name})
		}
	}
	copies := copiesOf(p)
	found := map[*catalog.Question][]shared{}
	for _, key := range order {
		if distinct(byTables[key], copies) < least {
			continue
		}
		byForm := map[string][]part{}
		var forms []string
		for _, x := range byTables[key] {
			form, ok := form(p, x)
			if !ok {
				continue
			}
			if byForm[form] == nil {
				forms = append(forms, form)
			}
			byForm[form] = append(byForm[form], x)
		}
		for _, f := range forms {
			if n := distinct(byForm[f], copies); n >= least {
				for _, x := range byForm[f] {
					found[x.question] = append(found[x.question], shared{x, f, byForm[f], n})
				}
			}
		}
	}
	for q := range p.Questions() {
		list := found[q]
		slices.SortFunc(list, func(a, b shared) int {
			return cmp.Or((b.span.End-b.span.Start)-(a.span.End-a.span.Start), a.span.Start-b.span.Start)
		})
		reportShared(p, q, list)
	}
}

// shared is a subquery with the questions that have it too.
type shared struct {
	part
	form      string
	with      []part
	questions int
}

// reportShared reports the subqueries of one question, those inside of others
// left out.
func reportShared(p *check.Pass, q *catalog.Question, list []shared) {
	var told []shared
	for _, x := range list {
		if slices.ContainsFunc(told, func(t shared) bool {
			return t.span.Start <= x.span.Start && x.span.End <= t.span.End || t.form == x.form
		}) {
			continue
		}
		told = append(told, x)
		spans := []sqllens.Span{x.span}
		var related []catalog.Ref
		for _, other := range x.with {
			switch ref := other.question.Ref(); {
			case other.question == q:
				if other.span != x.span {
					spans = append(spans, other.span)
				}
			case len(related) < 50 && !slices.Contains(related, ref):
				related = append(related, ref)
			}
		}
		slices.SortFunc(related, catalog.Ref.Compare)
		what := "Contains a subquery"
		if x.name != "" {
			what = fmt.Sprintf("Contains the subquery \"%s\"", check.Clean(x.name))
		}
		p.Report(q, check.Diagnostic{
			Message:  fmt.Sprintf("%s that %s.", what, check.Count(x.questions-1, "other question repeats", "other questions repeat")),
			Evidence: finding.Evidence{Spans: check.Places(spans...), Related: related, Numbers: map[string]float64{"questions": float64(x.questions)}},
			Key:      []string{x.form},
		})
	}
}

// form is the fingerprint of a subquery's normal form; ok is false where it
// cannot be compared by meaning.
func form(p *check.Pass, x part) (string, bool) {
	dialect, ok := p.Dialect(x.question.Query.DatabaseID)
	if !ok || x.span.End > len(x.question.Query.SQL) {
		return "", false
	}
	c := sqllens.Canonicalize(x.question.Query.SQL[x.span.Start:x.span.End], dialect)
	return c.Fingerprints.Equivalent, len(c.Problems) == 0
}

// copiesOf says which questions are copies of one.
func copiesOf(p *check.Pass) map[catalog.Ref]catalog.Ref {
	out := map[catalog.Ref]catalog.Ref{}
	for _, kind := range []similar.Kind{similar.Exact, similar.Equivalent} { // the looser holds the stricter
		for _, c := range p.Clusters {
			if c.Kind != kind {
				continue
			}
			for _, m := range c.Members {
				out[m] = c.Keep
			}
		}
	}
	return out
}

// distinct counts the questions of subqueries, copies once.
func distinct(list []part, copies map[catalog.Ref]catalog.Ref) int {
	seen := map[catalog.Ref]bool{}
	for _, x := range list {
		ref := x.question.Ref()
		if keep, ok := copies[ref]; ok {
			ref = keep
		}
		seen[ref] = true
	}
	return len(seen)
}
