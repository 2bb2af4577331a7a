package check_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

func now() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) }

// rule is a check over questions with the given body.
func rule(id string, run func(*check.Pass) error) check.Check {
	return check.Check{
		Meta: check.Meta{
			ID: id, Slug: strings.ToLower(id), Family: check.Family(id[:3]), Severity: finding.Medium, Confidence: finding.Certain,
			Remediation: "Do something.", Judges: []catalog.Kind{catalog.KindQuestion}, Default: true,
		},
		Run: run,
	}
}

// firing reports every question whose name starts with bad.
func firing(id string) check.Check {
	return rule(id, func(p *check.Pass) error {
		for q := range p.Questions() {
			if strings.HasPrefix(q.Name, "bad") {
				p.Report(q, check.Diagnostic{Message: "Is bad."})
			}
		}
		return nil
	})
}

func snapshot(good, bad int) *catalog.Snapshot {
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	for i := range good + bad {
		name := "good"
		if i < bad {
			name = "bad"
		}
		s.Add(&catalog.Question{Common: catalog.Common{ID: fmt.Sprint(i + 1), Name: name}, Type: catalog.KindQuestion, CollectionID: "root"})
	}
	return s
}

func run(t *testing.T, s *catalog.Snapshot, in check.Input, list ...check.Check) check.Result {
	t.Helper()
	in.Snapshot, in.Index, in.Now = s, catalog.NewIndex(s), now()
	in.Graph = lineage.Build(t.Context(), in.Index)
	got, err := check.Run(t.Context(), list, &in)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRunFillsInTheCheck(t *testing.T) {
	got := run(t, snapshot(1, 1), check.Input{}, firing("USE901"))
	want := []finding.Finding{{
		Check: "USE901", Severity: finding.Medium, Confidence: finding.Certain, Asset: catalog.Ref{Kind: catalog.KindQuestion, ID: "1"},
		Fingerprint: finding.Fingerprint("USE901", catalog.Ref{Kind: catalog.KindQuestion, ID: "1"}, ""),
		Message:     "Is bad.", Remediation: "Do something.",
	}}
	if diff := cmp.Diff(want, got.Findings); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]finding.Group{{Check: "USE901", Findings: 1, Assets: 1, Judged: 2}}, got.Groups); diff != "" {
		t.Error(diff)
	}
}

func TestPanicsAndErrorsStayWithTheirCheck(t *testing.T) {
	var log bytes.Buffer
	got := run(t, snapshot(0, 1), check.Input{Logger: slog.New(slog.NewTextHandler(&log, nil))},
		rule("USE901", func(p *check.Pass) error {
			for q := range p.Questions() {
				p.Report(q, check.Diagnostic{Message: "half a truth"})
			}
			panic("secret name of content")
		}),
		rule("USE902", func(*check.Pass) error { return errors.New("broken") }),
		firing("USE903"),
	)
	if len(got.Findings) != 1 || got.Findings[0].Check != "USE903" {
		t.Errorf("findings: %v", got.Findings)
	}
	var gaps []string
	for _, n := range got.NotEvaluated {
		gaps = append(gaps, n.Check)
		if !n.Asset.IsZero() || !strings.Contains(n.Reason, "inside MetaLens") {
			t.Errorf("gap: %+v", n)
		}
	}
	if diff := cmp.Diff([]string{"USE901", "USE902"}, gaps); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(log.String(), "USE901") || strings.Contains(log.String(), "secret name") {
		t.Errorf("log: %s", log.String())
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := snapshot(0, 1)
	index := catalog.NewIndex(s)
	_, err := check.Run(ctx, []check.Check{
		rule("USE901", func(*check.Pass) error { cancel(); return nil }),
		rule("USE902", func(*check.Pass) error { return nil }),
	}, &check.Input{Snapshot: s, Index: index, Graph: lineage.Build(t.Context(), index), Now: now(), Workers: 1})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestAggregation(t *testing.T) {
	tests := []struct {
		name      string
		good, bad int
		want      bool
	}{
		{name: "few in total", good: 0, bad: 19, want: false},
		{name: "many and more than a fifth", good: 79, bad: 21, want: true},
		{name: "exactly a fifth", good: 80, bad: 20, want: false},
		{name: "many and less than a fifth", good: 200, bad: 40, want: false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, snapshot(tt.good, tt.bad), check.Input{}, firing("USE901"))
			if len(got.Findings) != tt.bad || got.Groups[0].Aggregated != tt.want || got.Findings[0].Aggregated != tt.want {
				t.Errorf("%d findings, group %+v", len(got.Findings), got.Groups[0])
			}
		})
	}
}

func TestIgnoredFindingsDoNotCount(t *testing.T) {
	s := snapshot(3, 1)
	open := run(t, s, check.Input{}, firing("USE901"))
	set := run(t, s, check.Input{Ignored: map[string]bool{open.Findings[0].Fingerprint: true}}, firing("USE901"))
	if len(set.Findings) != 1 || set.Health.Score != 100 || open.Health.Score != 80 {
		t.Errorf("%d findings, health %d after %d", len(set.Findings), set.Health.Score, open.Health.Score)
	}
}

func TestUnjudgedAssetsAreNotCounted(t *testing.T) {
	skip := rule("USE901", func(p *check.Pass) error {
		for q := range p.Questions() {
			p.NotEvaluated(q.Ref(), "no idea")
		}
		return nil
	})
	got := run(t, snapshot(3, 0), check.Input{}, skip)
	if len(got.Groups) != 0 || len(got.Health.Families) != 0 || len(got.NotEvaluated) != 3 {
		t.Errorf("groups %v, families %v", got.Groups, got.Health.Families)
	}
	whole := rule("USE901", func(p *check.Pass) error { p.NotEvaluated(catalog.Ref{}, "no idea"); return nil })
	if got := run(t, snapshot(3, 0), check.Input{}, whole); len(got.Health.Families) != 0 {
		t.Errorf("families %v", got.Health.Families)
	}
}

func TestNeeds(t *testing.T) {
	c := firing("USE901")
	c.Meta.Judges = []catalog.Kind{catalog.KindQuestion, catalog.KindDashboard}
	s := snapshot(0, 1)
	s.Gaps = []catalog.Gap{{Kind: catalog.KindDashboard, What: "dashboards", Reason: "500", Whole: true}}
	if got := run(t, s, check.Input{}, c); len(got.Findings) != 1 || len(got.NotEvaluated) != 0 {
		t.Errorf("one of two kinds is enough: %v", got.NotEvaluated)
	}
	c.Meta.Needs = []catalog.Kind{catalog.KindDashboard}
	if got := run(t, s, check.Input{}, c); len(got.Findings) != 0 || len(got.NotEvaluated) != 1 {
		t.Errorf("a need that was not read: %v", got.Findings)
	}
}

func TestSettings(t *testing.T) {
	c := firing("USE901")
	c.Meta.Params = []check.Param{
		{Name: "days", Type: check.IntParam, Default: "90", Min: 1, Max: 100},
		{Name: "strict", Type: check.BoolParam, Default: "false"},
		{Name: "names", Type: check.ListParam, Default: "a, b"},
	}
	list := []check.Check{c}
	bad := []struct{ key, value, want string }{
		{"USE901.days", "0", "between 1 and 100"},
		{"USE901.days", "101", "between 1 and 100"},
		{"USE901.days", "ten", "whole number"},
		{"USE901.strict", "yes", "true or false"},
		{"USE901.names", strings.Repeat("x", 4001), "too long"},
		{"USE901.day", "3", "no such parameter"},
		{"USE999.days", "3", "no such check"},
		{"days", "3", "no such check"},
	}
	for _, tt := range bad {
		t.Run(tt.key+"="+tt.value[:min(4, len(tt.value))], func(t *testing.T) {
			var se *check.SettingError
			if _, err := check.ParseSettings(list, map[string]string{tt.key: tt.value}); !errors.As(err, &se) || se.Key != tt.key || !strings.Contains(se.Reason, tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	settings, err := check.ParseSettings(list, map[string]string{"USE901.days": " 7 ", "USE901.strict": "true"})
	if err != nil {
		t.Fatal(err)
	}
	list[0].Run = func(p *check.Pass) error {
		if p.Int("days") != 7 || !p.Bool("strict") || !cmp.Equal(p.List("names"), []string{"a", "b"}) || p.Days("days") != 7*24*time.Hour {
			t.Errorf("read %d %v %v", p.Int("days"), p.Bool("strict"), p.List("names"))
		}
		return nil
	}
	run(t, snapshot(1, 0), check.Input{Settings: settings}, list...)
}

func TestSelect(t *testing.T) {
	off := firing("DUP901")
	off.Meta.Default = false
	all := []check.Check{firing("USE901"), firing("USE902"), off}
	tests := []struct {
		name              string
		enabled, disabled []string
		want              []string
		wantErr           string
	}{
		{name: "defaults", want: []string{"USE901", "USE902"}},
		{name: "enable by id", enabled: []string{"DUP901"}, want: []string{"USE901", "USE902", "DUP901"}},
		{name: "enable by slug in any case", enabled: []string{"Dup901"}, want: []string{"USE901", "USE902", "DUP901"}},
		{name: "disable a family", disabled: []string{"use"}},
		{name: "only one", enabled: []string{"DUP"}, disabled: []string{"USE"}, want: []string{"DUP901"}},
		{name: "disabled wins", enabled: []string{"all"}, disabled: []string{"USE901"}, want: []string{"USE902", "DUP901"}},
		{name: "a family without checks", enabled: []string{"MET"}, want: []string{"USE901", "USE902"}},
		{name: "unknown", disabled: []string{"USE77"}, wantErr: "USE77"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := check.Select(all, tt.enabled, tt.disabled)
			var se *check.SettingError
			if tt.wantErr != "" {
				if !errors.As(err, &se) || se.Key != tt.wantErr {
					t.Errorf("error %v", err)
				}
				return
			}
			var ids []string
			for _, c := range got {
				ids = append(ids, c.Meta.ID)
			}
			if diff := cmp.Diff(tt.want, ids); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Revenue", "Revenue"},
		{"  two\n words\t", "two words"},
		{"a\x1b[31mred\x07", "a[31mred"},
		{"safe\u202egnp.exe", "safegnp.exe"},
		{"zero\u200bwidth\ufeff", "zerowidth"},
		{"مبيعات 🎯", "مبيعات 🎯"},
		{"family 👩\u200d👧", "family 👩\u200d👧"},
		{strings.Repeat("x", 100), strings.Repeat("x", 80) + "…"},
		{"\xff\xfebad", "bad"},
		{"", ""},
	}
	for _, tt := range tests {
		if got := check.Clean(tt.in); got != tt.want {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := check.Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
}
