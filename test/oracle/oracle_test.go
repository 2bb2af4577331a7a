package oracle_test

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/metalens/metalens/test/oracle"
)

func TestMain(m *testing.M) {
	oracle.ServeIfWorker()
	os.Exit(m.Run())
}

// The bars for texts that people wrote and for the benchmarks.
const (
	barParsed = 99.5 // per cent of what the grammar accepts that we read whole
	barSilent = 0.1  // per cent of other tables although neither side says it is incomplete
)

//go:embed excluded.tsv
var excludedList string

// excluded maps "grammar id" to the reason for leaving a case out.
func excluded(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(excludedList) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, "\t")
		if len(parts) != 3 || parts[2] == "" {
			t.Fatalf("excluded.tsv: %q needs grammar, id and reason", line)
		}
		out[parts[0]+" "+parts[1]] = parts[2]
	}
	return out
}

// corpusDir is the corpus's folder, "" when there is none.
func corpusDir() string {
	dir := os.Getenv("METALENS_CORPUS")
	if dir == "" {
		dir = "../../../shared/corpus"
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

// count is one line of the table.
type count struct {
	cases, accepted, whole, compared, agree, silent, excluded, ended int
}

func percent(part, whole int) float64 {
	if whole == 0 {
		return 100
	}
	return 100 * float64(part) / float64(whole)
}

// TestOracle judges the corpus with every grammar and fails below the bars.
func TestOracle(t *testing.T) {
	var cases []oracle.Case
	if dir := corpusDir(); dir != "" {
		read, err := oracle.Cases(dir)
		if err != nil {
			t.Fatal(err)
		}
		cases = read
	} else {
		fmt.Println("the corpus is not here, only the grammars' own tests are judged; set METALENS_CORPUS to its folder")
	}
	for _, g := range oracle.Grammars() {
		own, err := oracle.Regressions(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, own...)
	}
	failures := failureFile(t)
	failed := func(format string, args ...any) { write(t, failures, format, args...) }
	skip := excluded(t)
	unused := map[string]bool{}
	for k := range skip {
		unused[k] = true
	}
	counts := map[[2]string]*count{}
	pools := map[string]*oracle.Pool{}
	for _, g := range oracle.Grammars() {
		pools[g.Dialect] = oracle.NewPool(g)
	}
	for _, c := range cases {
		key := [2]string{c.Grammar, c.Class}
		if counts[key] == nil {
			counts[key] = &count{}
		}
		n := counts[key]
		n.cases++
		v, ended, err := judge(pools[c.Grammar], c.SQL)
		if err != nil {
			t.Fatal(err)
		}
		if ended != "" {
			n.ended++
			failed("ENDED %s %s %s: %s\n\n", c.Grammar, c.Class, c.ID, ended)
		}
		if !v.Accepted {
			continue
		}
		if skip[c.Grammar+" "+c.ID] != "" {
			n.excluded++
			delete(unused, c.Grammar+" "+c.ID)
			continue
		}
		n.accepted++
		ours := oracle.Inspect(c.Dialect, c.SQL)
		if ours.Recovered {
			failed("PARSE %s %s %s: %s\n%s\n\n", c.Grammar, c.Class, c.ID, ours.Problem, c.SQL)
			continue
		}
		n.whole++
		n.compared++
		if slices.Equal(ours.Tables, v.Tables) {
			n.agree++
			continue
		}
		n.silent++
		missing, extra := difference(v.Tables, ours.Tables), difference(ours.Tables, v.Tables)
		failed("TABLES %s %s %s: not found by us %v, only by us %v\n%s\n\n", c.Grammar, c.Class, c.ID, missing, extra, c.SQL)
	}
	for _, p := range pools {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	for k := range unused {
		t.Errorf("excluded.tsv lists %s, which the grammar does not accept (any more): remove the line", k)
	}
	report(t, counts)
}

// judge shows a text to a grammar as Metabase would send it, with and without
// its optional blocks; both must be accepted.
func judge(p *oracle.Pool, sql string) (v oracle.Verdict, ended string, err error) {
	v, err = p.Read(oracle.Fill(sql, true))
	if err != nil || !v.Accepted {
		return v, endedBy(v), err
	}
	if bare := oracle.Fill(sql, false); strings.Contains(sql, "[[") && bare != sql {
		w, err := p.Read(bare)
		if err != nil || !w.Accepted {
			return w, endedBy(w), err
		}
		v.Tables = append(v.Tables, w.Tables...)
		slices.Sort(v.Tables)
		v.Tables = slices.Compact(v.Tables)
	}
	return v, "", nil
}

func endedBy(v oracle.Verdict) string {
	for _, s := range []string{"no answer", "the process of", "the grammar panics"} {
		if strings.HasPrefix(v.Error, s) {
			return v.Error
		}
	}
	return ""
}

func difference(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

func write(t *testing.T, w io.Writer, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		t.Fatal(err)
	}
}

// failureFile is where failures are written: METALENS_ORACLE_FAILURES, else
// nowhere.
func failureFile(t *testing.T) io.Writer {
	t.Helper()
	path := os.Getenv("METALENS_ORACLE_FAILURES")
	if path == "" {
		return io.Discard
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(f)
	t.Cleanup(func() {
		if err := out.Flush(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return out
}

// report prints the table and fails where a bar is missed.
func report(t *testing.T, counts map[[2]string]*count) {
	t.Helper()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	write(t, w, "%s", "| Grammar\t| Texts\t| Cases\t| Accepted\t| Read whole\t| %\t| Same tables\t| %\t| Silent\t| %\t| Excluded\t| Ended\t|\n")
	write(t, w, "%s", "|---\t|---\t|---:\t|---:\t|---:\t|---:\t|---:\t|---:\t|---:\t|---:\t|---:\t|---:\t|\n")
	total := map[string]*count{}
	line := func(name, class string, n *count) {
		write(t, w, "| %s\t| %s\t| %d\t| %d\t| %d\t| %.2f\t| %d\t| %.2f\t| %d\t| %.2f\t| %d\t| %d\t|\n", name, class, n.cases, n.accepted, n.whole,
			percent(n.whole, n.accepted), n.agree, percent(n.agree, n.compared), n.silent, 100-percent(n.compared-n.silent, n.compared), n.excluded, n.ended)
	}
	classes := []string{oracle.Real, oracle.Benchmark, oracle.Fixture, oracle.Strings, oracle.Regression}
	for _, class := range classes {
		sum := &count{}
		total[class] = sum
		for _, g := range oracle.Grammars() {
			n := counts[[2]string{g.Dialect, class}]
			if n == nil {
				continue
			}
			line(g.Dialect, class, n)
			sum.cases, sum.accepted, sum.whole, sum.compared = sum.cases+n.cases, sum.accepted+n.accepted, sum.whole+n.whole, sum.compared+n.compared
			sum.agree, sum.silent, sum.excluded, sum.ended = sum.agree+n.agree, sum.silent+n.silent, sum.excluded+n.excluded, sum.ended+n.ended
		}
		line("all", class, sum)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	fmt.Println(b.String())
	for _, class := range []string{oracle.Real, oracle.Benchmark} {
		for _, g := range oracle.Grammars() {
			if n := counts[[2]string{g.Dialect, class}]; n != nil && percent(n.whole, n.accepted) < barParsed {
				t.Errorf("%s, %s: %.2f %% of the accepted texts are read whole; the bar is %.1f %%", g.Dialect, class, percent(n.whole, n.accepted), barParsed)
			}
		}
		if n := total[class]; 100-percent(n.compared-n.silent, n.compared) > barSilent {
			t.Errorf("%s: %d of %d texts have other tables and say nothing; the bar is %.1f %%", class, n.silent, n.compared, barSilent)
		}
	}
}
