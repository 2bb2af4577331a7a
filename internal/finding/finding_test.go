package finding_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

func ref(kind catalog.Kind, id string) catalog.Ref { return catalog.Ref{Kind: kind, ID: id} }

func TestFingerprint(t *testing.T) {
	question := ref(catalog.KindQuestion, "7")
	base := finding.Fingerprint("USE001", question, "")
	tests := []struct {
		name  string
		other string
		same  bool
	}{
		{"again", finding.Fingerprint("USE001", question, ""), true},
		{"turned into a model", finding.Fingerprint("USE001", ref(catalog.KindModel, "7"), ""), true},
		{"another check", finding.Fingerprint("USE002", question, ""), false},
		{"another question", finding.Fingerprint("USE001", ref(catalog.KindQuestion, "8"), ""), false},
		{"a dashboard of that id", finding.Fingerprint("USE001", ref(catalog.KindDashboard, "7"), ""), false},
		{"a key", finding.Fingerprint("USE001", question, "", "p1"), false},
		{"an entity id that looks like the id", finding.Fingerprint("USE001", question, "7"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if same := base == tt.other; same != tt.same {
				t.Errorf("same = %v, want %v", same, tt.same)
			}
		})
	}
	if finding.Fingerprint("X", question, "", "ab", "c") == finding.Fingerprint("X", question, "", "a", "bc") {
		t.Error("the parts of a key run into each other")
	}
	if finding.Fingerprint("X", ref(catalog.KindQuestion, "1"), "eid") != finding.Fingerprint("X", ref(catalog.KindQuestion, "99"), "eid") {
		t.Error("an entity id must hold across instances")
	}
}

func one(check, id string, s finding.Severity, c finding.Confidence) finding.Counted {
	r := ref(catalog.KindQuestion, id)
	return finding.Counted{Family: check[:3], Finding: &finding.Finding{
		Check: check, Asset: r, Severity: s, Confidence: c, Fingerprint: finding.Fingerprint(check, r, "", string(s)),
	}}
}

func judged(family string, n int) finding.Judged {
	j := finding.Judged{}
	for i := range n {
		j.Add(family, ref(catalog.KindQuestion, fmt.Sprint(i)))
	}
	return j
}

func TestScore(t *testing.T) {
	tests := []struct {
		name     string
		findings []finding.Counted
		judged   finding.Judged
		want     int
	}{
		{name: "nothing judged", judged: finding.Judged{}, want: 100},
		{name: "all clean", judged: judged("USE", 50), want: 100},
		{name: "one medium in a hundred", judged: judged("USE", 100), findings: []finding.Counted{one("USE001", "1", finding.Medium, finding.Certain)}, want: 99},
		{name: "one low in ten thousand is not perfect", judged: judged("USE", 10000), findings: []finding.Counted{one("USE001", "1", finding.Low, finding.Possible)}, want: 99},
		{name: "info costs nothing", judged: judged("USE", 3), findings: []finding.Counted{one("USE001", "1", finding.Info, finding.Certain)}, want: 100},
		{name: "the only asset", judged: judged("USE", 1), findings: []finding.Counted{one("USE001", "0", finding.Low, finding.Certain)}, want: 66},
		{name: "critical", judged: judged("USE", 5), findings: []finding.Counted{one("USE001", "1", finding.Critical, finding.Certain)}, want: 55},
		{name: "an asset outside the judged", judged: judged("USE", 9), findings: []finding.Counted{one("USE001", "77", finding.Medium, finding.Certain)}, want: 90},
		{name: "the heaviest of a check counts", judged: judged("USE", 9), findings: []finding.Counted{
			one("USE001", "77", finding.Medium, finding.Certain), one("USE001", "77", finding.Low, finding.Certain),
		}, want: 90},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := finding.Score(tt.findings, tt.judged).Score; got != tt.want {
				t.Errorf("score %d, want %d", got, tt.want)
			}
		})
	}
}

func TestScoreIsComparableOverSize(t *testing.T) {
	var scores []int
	for _, size := range []int{100, 1000, 10000} {
		var list []finding.Counted
		for i := range size / 5 {
			list = append(list, one("USE001", fmt.Sprint(i), finding.Medium, finding.Certain))
		}
		scores = append(scores, finding.Score(list, judged("USE", size)).Score)
	}
	for _, s := range scores {
		if s < 79 || s > 80 {
			t.Errorf("scores %v: a fifth of the assets with a medium finding means about 80 at every size", scores)
		}
	}
}

// TestScoreIsMonotone removes findings one by one, in place and by archiving
// the asset: no score may fall.
func TestScoreIsMonotone(t *testing.T) {
	severities := []finding.Severity{finding.Info, finding.Low, finding.Medium, finding.High, finding.Critical}
	confidences := []finding.Confidence{finding.Certain, finding.Likely, finding.Possible}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		size := 1 + r.IntN(40)
		j := judged("USE", size)
		for i := range size {
			if r.IntN(2) == 0 {
				j.Add("DOC", ref(catalog.KindQuestion, fmt.Sprint(i)))
			}
		}
		var list []finding.Counted
		for range r.IntN(60) {
			check := []string{"USE001", "USE002", "DOC001"}[r.IntN(3)]
			f := one(check, fmt.Sprint(r.IntN(size)), severities[r.IntN(5)], confidences[r.IntN(3)])
			j.Add(f.Family, f.Finding.Asset)
			list = append(list, f)
		}
		for len(list) > 0 {
			before := finding.Score(list, j)
			at := r.IntN(len(list))
			archived := list[at].Finding.Asset
			archive := r.IntN(2) == 0
			var rest []finding.Counted
			for i, f := range list {
				if i != at && (!archive || f.Finding.Asset != archived) {
					rest = append(rest, f)
				}
			}
			if archive {
				for _, set := range j {
					delete(set, archived)
				}
			}
			after := finding.Score(rest, j)
			if after.Score < before.Score {
				t.Fatalf("seed %d: the score fell from %d to %d (archived: %v)", seed, before.Score, after.Score, archive)
			}
			if !archive {
				for name, b := range before.Families {
					if a := after.Families[name]; a.Score < b.Score {
						t.Fatalf("seed %d: %s fell from %d to %d", seed, name, b.Score, a.Score)
					}
				}
			}
			list = rest
		}
	}
}

func TestExplainAddsUp(t *testing.T) {
	j := judged("USE", 20)
	j.Add("DOC", ref(catalog.KindQuestion, "3"))
	list := []finding.Counted{
		one("USE001", "1", finding.Medium, finding.Certain),
		one("USE001", "1", finding.Low, finding.Certain),
		one("USE001", "2", finding.High, finding.Likely),
		one("USE002", "2", finding.Low, finding.Possible),
		one("DOC001", "3", finding.Info, finding.Certain),
	}
	e := finding.Explain(list, j)
	health := finding.Score(list, j)
	if e.Score != health.Score || e.Assets != 20 || e.Clean != 17 {
		t.Errorf("explained %d, %d of %d clean; scored %d", e.Score, e.Clean, e.Assets, health.Score)
	}
	total := 0.0
	for _, f := range e.Families {
		sum := 0.0
		for _, c := range f.Checks {
			for _, x := range c.Contributions {
				sum += x.Weight
			}
		}
		if diff := cmp.Diff(sum, f.Health.Weight); diff != "" {
			t.Errorf("%s: contributions and weight differ: %s", f.Family, diff)
		}
		total += sum
	}
	if diff := cmp.Diff(total, e.Weight); diff != "" {
		t.Errorf("families and weight differ: %s", diff)
	}
	if first := e.Families[0].Checks[0]; first.Check != "USE001" || first.Gain <= 0 {
		t.Errorf("the costliest check is %s with gain %d", first.Check, first.Gain)
	}
}
