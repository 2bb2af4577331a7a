package architecture_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/metabase"
)

// statedProof is how the Security & data page names what shows a line.
var statedProof = regexp.MustCompile(`"(internal/[a-z/]+): (Test\w+)"`)

// TestStatedProofsExist keeps the page Security & data honest: each test that a
// line of it names is there.
func TestStatedProofsExist(t *testing.T) {
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "internal", "app", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range statedProof.FindAllStringSubmatch(string(raw), -1) {
			found++
			if problem := missingProof(root, m[1], m[2]); problem != "" {
				t.Errorf("%s: %s", filepath.Base(f), problem)
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d stated proofs were found", found)
	}
}

// TestFiguresOfThePrivacyPages compares figures in documents for reviewers with
// the code they speak of.
func TestFiguresOfThePrivacyPages(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "security", "data-processing.md"))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("[%d read routes]", len(metabase.AllowedRoutes())); !strings.Contains(string(raw), want) {
		t.Errorf("the data-processing description should say %s", want)
	}
	for _, want := range []string{"deletion receipts 7 days", "known browsers a year", "sessions 7 days"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the data-processing description should say %q", want)
		}
	}
}
