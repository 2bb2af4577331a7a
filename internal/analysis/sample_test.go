package analysis_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/analysis"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/scan"
	"github.com/metalens/metalens/internal/secret"
)

// scanned reads the sample company from a server of a version.
func scanned(t *testing.T, version string, admin bool) *catalog.Snapshot {
	t.Helper()
	clock := func() time.Time { return now() }
	server := metabasetest.NewServer(metabasetest.Config{
		Version: version, World: metabasetest.SampleCompany(now()), Admin: admin, GroupIDs: []int{1}, Now: clock,
	})
	c, err := metabase.Open(metabase.Config{
		URL: server.Start(t), Now: clock,
		Auth:     metabase.Auth{Kind: metabase.AuthAPIKey, Secret: secret.New(metabasetest.DefaultKey)},
		Outbound: outbound.Config{Purpose: ledger.PurposeMetabase, Policy: outbound.Policy{AllowLoopback: true}, Recorder: &ledger.Memory{}, Now: clock},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s, err := scan.Read(t.Context(), c, scan.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lines names the findings of checks, without what moves with the server.
func lines(r *analysis.Result, prefixes ...string) []string {
	var out []string
	for _, f := range r.Findings {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(f.Check, p) }) {
			out = append(out, strings.Join([]string{f.Check, f.Asset.String(), f.Fingerprint, string(f.Severity), string(f.Confidence), f.Message}, " "))
		}
	}
	return out
}

// conflicts names the metrics that disagree with their definitions.
func conflicts(r *analysis.Result) []string {
	var out []string
	for _, c := range r.Conflicts {
		for _, d := range c.Definitions {
			out = append(out, strings.Join([]string{c.ID, string(c.Kind), c.Name, d.ID, d.Text}, " "))
		}
	}
	return out
}

// TestSampleCompany analyses one company as servers of several versions answer
// it: legacy queries up to 0.56, the newer dialect after that.
func TestSampleCompany(t *testing.T) {
	var first *analysis.Result
	for _, version := range []string{"0.52", "0.56", "0.58", "0.62", "0.64"} {
		t.Run(version, func(t *testing.T) {
			r, err := analysis.Run(t.Context(), scanned(t, version, true), analysis.Options{Enabled: []string{"all"}})
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = r
			}
			same := []string{"BRK", "DUP", "MET", "USE001", "USE002", "USE003", "USE005", "DOC002", "SEC"}
			if diff := cmp.Diff(lines(first, same...), lines(r, same...)); diff != "" {
				t.Errorf("the findings depend on the version (-0.52 +%s):\n%s", version, diff)
			}
			if diff := cmp.Diff(first.Duplicates, r.Duplicates); diff != "" {
				t.Errorf("the duplicates depend on the version:\n%s", diff)
			}
			if diff := cmp.Diff(conflicts(first), conflicts(r)); diff != "" {
				t.Errorf("the metric conflicts depend on the version:\n%s", diff)
			}
			for _, f := range r.Findings {
				if strings.HasPrefix(f.Check, "BRK") && f.Confidence == finding.Possible && !strings.Contains(f.Message, "click") {
					t.Errorf("an admin's key leaves no doubt: %s %s %q", f.Check, f.Asset, f.Message)
				}
			}
			fired := map[string]bool{}
			for _, f := range r.Findings {
				fired[f.Check] = true
			}
			for _, id := range []string{"BRK001", "BRK002", "BRK003", "BRK006", "BRK007", "BRK008", "BRK009", "DUP001", "DUP004", "DUP005", "DUP006", "MET001", "MET002", "MET003", "MET004", "USE001", "USE002", "USE003", "USE005", "SEC001"} {
				if !fired[id] {
					t.Errorf("%s found nothing", id)
				}
			}
		})
	}
}

// TestSampleCompanyWithLessRights: what a key cannot see is never called
// missing for certain, unless an admin's key says so too.
func TestSampleCompanyWithLessRights(t *testing.T) {
	r, err := analysis.Run(t.Context(), scanned(t, "0.58", false), analysis.Options{Enabled: []string{"all"}})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := analysis.Run(t.Context(), scanned(t, "0.58", true), analysis.Options{Enabled: []string{"all"}})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range admin.Findings {
		found[f.Fingerprint] = true
	}
	for _, f := range r.Findings {
		if (strings.HasPrefix(f.Check, "BRK") || f.Check == "ORG002") && f.Confidence != finding.Possible && !found[f.Fingerprint] {
			t.Errorf("%s %s is %s, and an admin's key does not find it: %q", f.Check, f.Asset, f.Confidence, f.Message)
		}
	}
	gaps := map[string]bool{}
	for _, n := range r.NotEvaluated {
		gaps[n.Check] = true
	}
	for _, id := range []string{"PRM001", "PRM002", "DOC002"} {
		if !gaps[id] {
			t.Errorf("%s was evaluated without the rights for it", id)
		}
	}
}
