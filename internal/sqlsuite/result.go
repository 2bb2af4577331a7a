package sqlsuite

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Outcome is how one answer compares with what its suite expects.
type Outcome int

// The outcomes. Partial means that at least half of what was expected is there
// and the rest is missing or wrong.
const (
	Exact Outcome = iota
	Partial
	Wrong
	Excluded
)

// Failure is a case whose answer differs.
type Failure struct {
	Suite, Measure, Dialect, ID string
	Outcome                     Outcome
	SQL, Want, Got, Note        string
}

// Row is one line of the accuracy table.
type Row struct {
	Suite, Measure, Dialect string
	Counts                  [4]int // by Outcome
}

// Cases is the number of cases that count.
func (r Row) Cases() int { return r.Counts[Exact] + r.Counts[Partial] + r.Counts[Wrong] }

// Rate is the share of exact cases, in percent.
func (r Row) Rate() float64 {
	if r.Cases() == 0 {
		return 100
	}
	return 100 * float64(r.Counts[Exact]) / float64(r.Cases())
}

// Report collects the outcomes of all suites.
type Report struct {
	rows     map[Row]*Row // keyed with zero counts
	excluded map[string]string
	Failures []Failure
}

// NewReport returns an empty report that honours the committed exclusions.
func NewReport() *Report { return &Report{rows: map[Row]*Row{}, excluded: exclusions()} }

// add counts one outcome.
func (r *Report) add(f Failure) {
	if _, out := r.excluded[f.Suite+"\t"+f.ID]; out {
		f.Outcome = Excluded
	}
	key := Row{Suite: f.Suite, Measure: f.Measure, Dialect: f.Dialect}
	if r.rows[key] == nil {
		r.rows[key] = &Row{Suite: f.Suite, Measure: f.Measure, Dialect: f.Dialect}
	}
	r.rows[key].Counts[f.Outcome]++
	if f.Outcome == Partial || f.Outcome == Wrong {
		r.Failures = append(r.Failures, f)
	}
}

// compare counts a case by two lists. Order counts when ordered.
func (r *Report) compare(f Failure, want, got []string, ordered bool) {
	if !ordered {
		want, got = unique(want), unique(got)
	}
	f.Outcome = Wrong
	if slices.Equal(want, got) {
		f.Outcome = Exact
	} else {
		hits := 0
		for _, w := range want {
			if slices.Contains(got, w) {
				hits++
			}
		}
		if hits > 0 && hits*2 >= max(len(want), len(got)) {
			f.Outcome = Partial
		}
	}
	f.Want, f.Got = strings.Join(want, "\n       "), strings.Join(got, "\n       ")
	r.add(f)
}

func unique(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}

// Rows lists the table, sorted, with a total per suite and measure where there
// are several dialects.
func (r *Report) Rows() []Row {
	totals := map[Row]*Row{}
	var out []Row
	for key, row := range r.rows {
		out = append(out, *row)
		key.Dialect = "all"
		if totals[key] == nil {
			totals[key] = &Row{Suite: key.Suite, Measure: key.Measure, Dialect: "all"}
		}
		for i, n := range row.Counts {
			totals[key].Counts[i] += n
		}
	}
	for _, t := range totals {
		out = append(out, *t)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return a.Suite+"\x00"+a.Measure+"\x00"+a.Dialect < b.Suite+"\x00"+b.Measure+"\x00"+b.Dialect
	})
	return out
}

// Total is the row of all dialects of a suite's measure.
func (r *Report) Total(suite, measure string) Row {
	for _, row := range r.Rows() {
		if row.Suite == suite && row.Measure == measure && row.Dialect == "all" {
			return row
		}
	}
	return Row{Suite: suite, Measure: measure, Dialect: "all"}
}

// Table prints the rows. Without detail only the totals are printed.
func (r *Report) Table(detail bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-22s %-14s %-12s %7s %7s %8s %6s %9s %8s\n", "suite", "measure", "dialect", "cases", "exact", "partial", "wrong", "excluded", "exact %")
	for _, row := range r.Rows() {
		if row.Dialect != "all" && !detail {
			continue
		}
		fmt.Fprintf(&b, "%-22s %-14s %-12s %7d %7d %8d %6d %9d %8.1f\n", row.Suite, row.Measure, row.Dialect,
			row.Cases(), row.Counts[Exact], row.Counts[Partial], row.Counts[Wrong], row.Counts[Excluded], row.Rate())
	}
	return b.String()
}

// FailureText prints the failures for reading.
func (r *Report) FailureText() string {
	var b strings.Builder
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "=== %s | %s | %s | %s\n%s\n want: %s\n  got: %s\n note: %s\n\n", f.Suite, f.Measure, f.Dialect, f.ID, strings.TrimSpace(f.SQL), f.Want, f.Got, f.Note)
	}
	return b.String()
}
