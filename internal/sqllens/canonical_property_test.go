package sqllens_test

import (
	"os"
	"testing"

	"github.com/metalens/metalens/internal/sqllens"
	"github.com/metalens/metalens/internal/sqlsuite"
)

// TestCanonicalMutants changes what people wrote, one thing at a time: what
// changes the meaning must change the fingerprint of equal meaning, what does
// not must not.
func TestCanonicalMutants(t *testing.T) {
	corpus := sqlsuite.CorpusDir(os.Getenv("METALENS_CORPUS"))
	if corpus == "" {
		t.Skip("the corpus is not here; set METALENS_CORPUS to its folder")
	}
	rows, err := sqlsuite.RealQueries(corpus)
	if err != nil {
		t.Fatal(err)
	}
	tried, shown := map[string]int{}, map[string]int{}
	for i, row := range rows {
		if len(row.SQL) > 6000 || i%10 != 0 && os.Getenv("METALENS_VERBOSE") == "" {
			continue
		}
		d, _ := sqllens.ParseDialect(row.Dialect)
		if !sqllens.CanonicalOK(row.SQL, d) {
			continue
		}
		before := sqllens.Canonicalize(row.SQL, d)
		answer := sqllens.Inspect(row)
		for _, m := range sqllens.Mutants(row.SQL, d, 2) {
			if sqllens.Recovered(m.Text, d) || m.Same && !sqllens.CanonicalOK(m.Text, d) {
				continue
			}
			if m.Rule == "rename" && len(answer.Unresolved) > 0 { // a name that means nothing cannot be renamed
				continue
			}
			tried[m.Rule]++
			after := sqllens.Canonicalize(m.Text, d)
			same := after.Fingerprints.Equivalent == before.Fingerprints.Equivalent
			if same == m.Same {
				continue
			}
			if shown[m.Rule]++; shown[m.Rule] <= 3 {
				t.Errorf("%s in %s: same %v, want %v\n%s\n---\n%s\n---\n%s\n%s", m.Rule, row.Dialect, same, m.Same, row.SQL, m.Text, before.Text, after.Text)
			}
		}
	}
	t.Logf("tried %v, wrong %v", tried, shown)
	if len(tried) < 40 {
		t.Errorf("only %d kinds of change were tried", len(tried))
	}
}
