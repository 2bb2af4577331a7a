package sqlsuite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/metalens/metalens/internal/sqlsuite"
)

// TestAccuracy runs every suite of the corpus. METALENS_ACCURACY names a file
// for the failures and makes the table say every dialect; METALENS_SUITE runs
// one suite.
func TestAccuracy(t *testing.T) {
	corpus := sqlsuite.CorpusDir(os.Getenv("METALENS_CORPUS"))
	if corpus == "" {
		t.Skip("the corpus is not here; set METALENS_CORPUS to its folder")
	}
	report := sqlsuite.NewReport()
	for _, suite := range sqlsuite.Suites() {
		if only := os.Getenv("METALENS_SUITE"); only != "" && only != suite.Name {
			continue
		}
		if err := suite.Run(report, corpus); err != nil {
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
	if os.Getenv("METALENS_SUITE") == "" {
		checkBars(t, report)
	}
	file := os.Getenv("METALENS_ACCURACY")
	t.Log("\n" + report.Table(file != ""))
	if file == "" {
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(report.FailureText()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d failures in %s", len(report.Failures), file)
}

// checkBars fails when a suite falls below its bar. The bars are what the
// project promises or, where more is reached, a little below that.
func checkBars(t *testing.T, report *sqlsuite.Report) {
	t.Helper()
	bars := []struct {
		suite, measure string
		percent        float64
	}{
		{"macaw", "tables", 99},
		{"macaw", "columns", 97},
		{"bytebase", "tables", 99},
		{"bytebase", "outputs", 97},
		{"sqllineage", "tables", 99},
		{"sqllineage", "targets", 99},
		{"sqllineage", "columns", 97},
		{"teamster", "tables", 99},
		{"teamster", "outputs", 98},
		{"mozilla", "outputs", 98},
		{"mimic", "agreement", 98},
		{"sqlglot qualify", "qualified", 98},
		{"qualified again", "lineage", 99.5},
		{"parse real", "parse", 97.5},
		{"parse benchmark", "parse", 100},
		{"parse who_espen", "parse", 97.5},
		{"parse philadelphia", "parse", 98},
		{"parse fixture", "parse", 91.5},
		{"parse sqlglot", "parse", 97.5},
	}
	for _, bar := range bars {
		row := report.Total(bar.suite, bar.measure)
		if row.Cases() == 0 || row.Rate() < bar.percent {
			t.Errorf("%s %s: %.1f %% of %d cases, want %.1f", bar.suite, bar.measure, row.Rate(), row.Cases(), bar.percent)
		}
	}
}
