package checktest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/sqllineage"
)

// Shows lists what every check's cases must show.
func Shows() []string { return []string{"firing", "silent", "near-miss", "not-evaluated"} }

// Named is one case of a file.
type Named struct {
	Name     string // "firing: never opened"
	Show     string // one of [Shows]
	Snapshot []byte
	Want     []Want
}

// Want is one expected line.
type Want struct {
	Asset        catalog.Ref // zero for a gap of the whole check
	NotEvaluated bool
	Severity     finding.Severity   // "" = any
	Confidence   finding.Confidence // "" = any
	Pattern      *regexp.Regexp
	Line         string
}

// File reads a check's cases.
func File(path string) ([]Named, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	archive := txtar.Parse(text)
	if strings.TrimSpace(string(archive.Comment)) == "" {
		return nil, fmt.Errorf("%s: no comment says what it is about", path)
	}
	var out []Named
	for i := 0; i < len(archive.Files); i += 2 {
		if i+1 == len(archive.Files) || archive.Files[i+1].Name != "want" {
			return nil, fmt.Errorf("%s: case %q is not followed by want", path, archive.Files[i].Name)
		}
		c := Named{Name: archive.Files[i].Name, Snapshot: archive.Files[i].Data}
		c.Show, _, _ = strings.Cut(c.Name, ":")
		if c.Want, err = parseWant(string(archive.Files[i+1].Data)); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, c.Name, err)
		}
		out = append(out, c)
	}
	return out, nil
}

func parseWant(text string) ([]Want, error) {
	var out []Want
	said := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		said = true
		if line == "none" {
			continue
		}
		w := Want{Line: line}
		words, quoted, ok := strings.Cut(line, `"`)
		if !ok {
			return nil, fmt.Errorf("%q has no quoted expression", line)
		}
		pattern, err := strconv.Unquote(`"` + quoted)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		if w.Pattern, err = regexp.Compile(pattern); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		for word := range strings.FieldsSeq(words) {
			ref, isRef := ParseRef(word)
			switch {
			case word == "not-evaluated":
				w.NotEvaluated = true
			case isRef:
				w.Asset = ref
			case finding.Severity(word).Rank() >= 0:
				w.Severity = finding.Severity(word)
			case finding.Confidence(word).Rank() >= 0:
				w.Confidence = finding.Confidence(word)
			default:
				return nil, fmt.Errorf("%q: %q is no reference, severity or confidence", line, word)
			}
		}
		if w.Asset.IsZero() && !w.NotEvaluated {
			return nil, fmt.Errorf("%q names no asset", line)
		}
		out = append(out, w)
	}
	if !said {
		return nil, fmt.Errorf(`want is empty; write "none"`)
	}
	return out, nil
}

// Evaluate runs checks over a decoded case.
func Evaluate(ctx context.Context, checks []check.Check, c *Case, workers int) (check.Result, error) {
	raw := map[string]string{}
	for name, value := range c.Params {
		for _, one := range checks {
			raw[one.Meta.ID+"."+name] = value
		}
	}
	settings, err := check.ParseSettings(checks, raw)
	if err != nil {
		return check.Result{}, err
	}
	index := catalog.NewIndex(c.Snapshot)
	var options []lineage.Option
	if c.Analysed {
		options = append(options, lineage.WithSQL(sqllineage.New()))
	}
	graph := lineage.Build(ctx, index, options...)
	alike := similar.Analyze(ctx, index, graph)
	return check.Run(ctx, checks, &check.Input{
		Snapshot: c.Snapshot, Index: index, Graph: graph, Clusters: alike.Clusters, Metrics: alike.Metrics, Conflicts: alike.Conflicts,
		Now: c.Now, Observed: c.Observed, Settings: settings, Workers: workers, Logger: slog.New(slog.DiscardHandler),
	})
}

// Run runs a case of a check and compares.
func Run(t *testing.T, one check.Check, c Named) {
	t.Helper()
	decoded, err := Decode(c.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Evaluate(t.Context(), []check.Check{one}, decoded, 1)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got, c.Want)
	switch c.Show {
	case "firing":
		if len(got.Findings) == 0 {
			t.Error("a firing case must expect findings")
		}
	case "silent", "near-miss":
		if len(got.Findings) > 0 {
			t.Errorf("a %s case must expect no findings", c.Show)
		}
	case "not-evaluated":
		if len(got.NotEvaluated) == 0 {
			t.Error("a not-evaluated case must expect a reason")
		}
	default:
		t.Errorf("the name must start with one of %v", Shows())
	}
}

// compare matches wants and results one to one.
func compare(t *testing.T, got check.Result, want []Want) {
	t.Helper()
	used := make([]bool, len(want))
	match := func(ok func(Want) bool) bool {
		for i, w := range want {
			if !used[i] && ok(w) {
				used[i] = true
				return true
			}
		}
		return false
	}
	for _, f := range got.Findings {
		if !match(func(w Want) bool {
			return !w.NotEvaluated && w.Asset == f.Asset && w.Pattern.MatchString(f.Message) &&
				(w.Severity == "" || w.Severity == f.Severity) && (w.Confidence == "" || w.Confidence == f.Confidence)
		}) {
			t.Errorf("unexpected finding: %s %s %s %q", f.Asset, f.Severity, f.Confidence, f.Message)
		}
	}
	for _, n := range got.NotEvaluated {
		if !match(func(w Want) bool {
			return w.NotEvaluated && w.Asset == n.Asset && w.Pattern.MatchString(n.Reason)
		}) {
			t.Errorf("unexpected gap: %s %q", n.Asset, n.Reason)
		}
	}
	for i, w := range want {
		if !used[i] {
			t.Errorf("missing: %s", w.Line)
		}
	}
}
