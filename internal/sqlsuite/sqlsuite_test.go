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
