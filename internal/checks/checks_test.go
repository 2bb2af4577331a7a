package checks_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/check/checktest"
	"github.com/metalens/metalens/internal/checks"
	"github.com/metalens/metalens/internal/checks/gen/pages"
	"github.com/metalens/metalens/internal/checks/gen/scaffold"
)

const root = "../.."

// retired lists the ids of checks that are gone. They are never used again:
// findings and settings of old installations still name them.
func retired() []string { return []string{} }

func eachCheck(t *testing.T, visit func(*testing.T, check.Check)) {
	t.Helper()
	for _, c := range checks.All() {
		t.Run(c.Meta.ID, func(t *testing.T) { visit(t, c) })
	}
}

func TestMeta(t *testing.T) {
	var (
		idForm    = regexp.MustCompile(`^[A-Z]{3}\d{3}$`)
		slugForm  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
		paramForm = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	)
	ids, slugs := map[string]bool{}, map[string]bool{}
	for _, c := range checks.All() {
		m := c.Meta
		fail := func(format string, args ...any) { t.Helper(); t.Errorf("%s: "+format, append([]any{m.ID}, args...)...) }
		if !idForm.MatchString(m.ID) || string(m.Family) != m.ID[:3] || !slices.Contains(check.Families(), m.Family) {
			fail("id and family %q do not fit", m.Family)
		}
		if ids[m.ID] || slices.Contains(retired(), m.ID) {
			fail("the id is taken or retired")
		}
		if !slugForm.MatchString(m.Slug) || slugs[m.Slug] {
			fail("slug %q is malformed or taken", m.Slug)
		}
		ids[m.ID], slugs[m.Slug] = true, true
		for name, text := range map[string]string{"Title": m.Title, "Why": m.Why, "Bad": m.Bad, "Good": m.Good, "Remediation": m.Remediation, "Since": m.Since} {
			if strings.TrimSpace(text) == "" || strings.Contains(text, "TODO") {
				fail("%s is empty", name)
			}
		}
		if strings.HasSuffix(m.Title, ".") || !strings.HasSuffix(m.Remediation, ".") || !strings.HasSuffix(m.Why, ".") {
			fail("the title is a phrase, why and remediation are sentences")
		}
		if m.Severity.Rank() < 0 || m.Confidence.Rank() < 0 {
			fail("severity %q, confidence %q", m.Severity, m.Confidence)
		}
		if len(m.Judges) == 0 || c.Run == nil {
			fail("it judges nothing")
		}
		if m.ReplacedBy != "" && !ids[m.ReplacedBy] && !slices.ContainsFunc(checks.All(), func(o check.Check) bool { return o.Meta.ID == m.ReplacedBy }) {
			fail("replaced by %s, which does not exist", m.ReplacedBy)
		}
		for _, p := range m.Params {
			if !paramForm.MatchString(p.Name) || p.Title == "" || p.Default == "" && p.Type != check.ListParam {
				fail("parameter %+v is incomplete", p)
			}
			if _, err := check.ParseSettings(checks.All(), map[string]string{m.ID + "." + p.Name: p.Default}); err != nil {
				fail("the default of %s is not within its bounds: %v", p.Name, err)
			}
			if p.Type == check.IntParam && p.Min >= p.Max {
				fail("parameter %s has no room between %d and %d", p.Name, p.Min, p.Max)
			}
		}
	}
}

// TestListIsCurrent compares the generated list with the files.
func TestListIsCurrent(t *testing.T) {
	want, err := scaffold.List(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(scaffold.ListPath(root))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go generate ./internal/checks (-want +got):\n%s", diff)
	}
	ids, err := scaffold.IDs(root)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, c := range checks.All() {
		listed = append(listed, c.Meta.ID)
	}
	if diff := cmp.Diff(ids, listed); diff != "" {
		t.Errorf("files and checks differ (-files +checks):\n%s", diff)
	}
}

// TestDocsAreCurrent compares docs/checks with the checks.
func TestDocsAreCurrent(t *testing.T) {
	want := pages.Render(checks.All())
	dir := filepath.Join(root, filepath.FromSlash(pages.Dir))
	files, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(f)] = string(text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run go generate ./internal/checks (-want +got):\n%s", diff)
	}
}

// TestExamples runs what the documentation shows.
func TestExamples(t *testing.T) {
	eachCheck(t, func(t *testing.T, c check.Check) {
		for name, text := range map[string]string{"bad": c.Meta.Bad, "good": c.Meta.Good} {
			decoded, err := checktest.Decode([]byte(text))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := checktest.Evaluate(t.Context(), []check.Check{c}, decoded, 1)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(got.NotEvaluated) > 0 {
				t.Errorf("%s: not evaluated: %v", name, got.NotEvaluated)
			}
			if fired := len(got.Findings) > 0; fired != (name == "bad") {
				t.Errorf("%s: fired = %v: %v", name, fired, got.Findings)
			}
		}
	})
}

// TestCases runs every case of every check and demands the four shows.
func TestCases(t *testing.T) {
	eachCheck(t, func(t *testing.T, c check.Check) {
		cases, err := checktest.File(scaffold.CasesPath(root, c.Meta.ID))
		if err != nil {
			t.Fatal(err)
		}
		shown := map[string]bool{}
		names := map[string]bool{}
		for _, one := range cases {
			if names[one.Name] {
				t.Errorf("two cases are called %q", one.Name)
			}
			names[one.Name], shown[one.Show] = true, true
			t.Run(one.Name, func(t *testing.T) { checktest.Run(t, c, one) })
		}
		for _, show := range checktest.Shows() {
			if !shown[show] {
				t.Errorf("no case shows %q", show)
			}
		}
	})
}

// everyCase decodes all cases of all checks.
func everyCase(t *testing.T) map[string]checktest.Named {
	t.Helper()
	out := map[string]checktest.Named{}
	for _, c := range checks.All() {
		cases, err := checktest.File(scaffold.CasesPath(root, c.Meta.ID))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range cases {
			out[c.Meta.ID+" "+one.Name] = one
		}
	}
	return out
}

// TestClean runs all checks over instances in good order.
func TestClean(t *testing.T) {
	files, err := filepath.Glob("testdata/clean/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no clean instances: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			decoded, err := checktest.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := checktest.Evaluate(t.Context(), checks.All(), decoded, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range got.Findings {
				t.Errorf("finding: %s %s %q", x.Check, x.Asset, x.Message)
			}
			for _, x := range got.NotEvaluated {
				if x.Reason == "Its SQL was not analysed." {
					continue // the harness brings no SQL engine
				}
				t.Errorf("not evaluated: %s %s %q", x.Check, x.Asset, x.Reason)
			}
			if got.Health.Score != 100 {
				t.Errorf("health %d, want 100", got.Health.Score)
			}
		})
	}
}

// TestDeterminism runs all checks over every case, in order and shuffled, one
// and many at a time: the result must be equal byte for byte.
func TestDeterminism(t *testing.T) {
	for name, one := range everyCase(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first string
			for round := range 4 {
				decoded, err := checktest.Decode(one.Snapshot)
				if err != nil {
					t.Fatal(err)
				}
				decoded.Params = nil // of one check only
				selection := checks.All()
				if round > 0 {
					random := rand.New(rand.NewPCG(uint64(round), 7))
					shuffle(decoded.Snapshot, random)
					random.Shuffle(len(selection), func(i, j int) { selection[i], selection[j] = selection[j], selection[i] })
				}
				got, err := checktest.Evaluate(t.Context(), selection, decoded, 1+round*3)
				if err != nil {
					t.Fatal(err)
				}
				text, err := json.Marshal([]any{got.Findings, got.NotEvaluated, got.Groups, got.Health})
				if err != nil {
					t.Fatal(err)
				}
				if round == 0 {
					first = string(text)
				} else if diff := cmp.Diff(first, string(text)); diff != "" {
					t.Fatalf("round %d differs:\n%s", round, diff)
				}
			}
		})
	}
}

func shuffle(s *catalog.Snapshot, r *rand.Rand) {
	r.Shuffle(len(s.Questions), func(i, j int) { s.Questions[i], s.Questions[j] = s.Questions[j], s.Questions[i] })
	r.Shuffle(len(s.Dashboards), func(i, j int) { s.Dashboards[i], s.Dashboards[j] = s.Dashboards[j], s.Dashboards[i] })
	r.Shuffle(len(s.Collections), func(i, j int) { s.Collections[i], s.Collections[j] = s.Collections[j], s.Collections[i] })
	r.Shuffle(len(s.Subscriptions), func(i, j int) { s.Subscriptions[i], s.Subscriptions[j] = s.Subscriptions[j], s.Subscriptions[i] })
	r.Shuffle(len(s.People), func(i, j int) { s.People[i], s.People[j] = s.People[j], s.People[i] })
}

// byName are the checks whose subject is the name itself, or that read a rhythm
// from it.
func byName() []string { return []string{"DUP003", "ORG008", "MET001", "MET002"} }

// TestFingerprintsSurviveRenames renames and redescribes everything and moves it
// in time: the same findings must come back under the same fingerprints.
func TestFingerprintsSurviveRenames(t *testing.T) {
	for _, c := range checks.All() {
		if slices.Contains(byName(), c.Meta.ID) {
			continue
		}
		cases, err := checktest.File(scaffold.CasesPath(root, c.Meta.ID))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range cases {
			if one.Show != "firing" {
				continue
			}
			t.Run(c.Meta.ID+" "+one.Name, func(t *testing.T) {
				before, after := fingerprints(t, c, one, false), fingerprints(t, c, one, true)
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("fingerprints moved (-before +after):\n%s", diff)
				}
				if len(slices.Compact(slices.Clone(before))) != len(before) {
					t.Error("two findings share a fingerprint")
				}
			})
		}
	}
}

func fingerprints(t *testing.T, c check.Check, one checktest.Named, renamed bool) []string {
	t.Helper()
	decoded, err := checktest.Decode(one.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if renamed {
		for i, q := range decoded.Snapshot.Questions {
			q.Name = fmt.Sprintf("renamed %d", i)
		}
		for i, d := range decoded.Snapshot.Dashboards {
			d.Name = fmt.Sprintf("renamed %d", i)
			for j := range d.Parameters {
				d.Parameters[j].Name = fmt.Sprintf("filter %d", j)
			}
		}
		for i, x := range decoded.Snapshot.Collections {
			x.Name = fmt.Sprintf("folder %d", i)
		}
		for i, x := range decoded.Snapshot.People {
			x.Name = fmt.Sprintf("person %d", i)
		}
		decoded.Now = decoded.Now.AddDate(0, 0, 1)
	}
	got, err := checktest.Evaluate(t.Context(), []check.Check{c}, decoded, 1)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range got.Findings {
		out = append(out, f.Fingerprint)
	}
	slices.Sort(out)
	return out
}
