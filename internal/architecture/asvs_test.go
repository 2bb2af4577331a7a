package architecture_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/ledger"
)

// asvs lists the requirements of OWASP ASVS 5.0.0 at levels 1 and 2, by section:
// a requirement's number and, after a slash, its level.
const asvs = `
1.1 1/2 2/2
1.2 1/1 2/1 3/1 4/1 5/1 6/2 7/2 8/2 9/2
1.3 1/1 2/1 3/2 4/2 5/2 6/2 7/2 8/2 9/2 10/2 11/2
1.4 1/2 2/2 3/2
1.5 1/1 2/2
2.1 1/1 2/2 3/2
2.2 1/1 2/1 3/2
2.3 1/1 2/2 3/2 4/2
2.4 1/2
3.2 1/1 2/1
3.3 1/1 2/2 3/2 4/2
3.4 1/1 2/1 3/2 4/2 5/2 6/2
3.5 1/1 2/1 3/1 4/2 5/2
3.7 1/2 2/2
4.1 1/1 2/2 3/2
4.2 1/2
4.3 1/2 2/2
4.4 1/1 2/2 3/2 4/2
5.1 1/2
5.2 1/1 2/1 3/2
5.3 1/1 2/1
5.4 1/2 2/2 3/2
6.1 1/1 2/2 3/2
6.2 1/1 2/1 3/1 4/1 5/1 6/1 7/1 8/1 9/2 10/2 11/2 12/2
6.3 1/1 2/1 3/2 4/2
6.4 1/1 2/1 3/2 4/2
6.5 1/2 2/2 3/2 4/2 5/2
6.6 1/2 2/2 3/2
6.8 1/2 2/2 3/2 4/2
7.1 1/2 2/2 3/2
7.2 1/1 2/1 3/1 4/1
7.3 1/2 2/2
7.4 1/1 2/1 3/2 4/2 5/2
7.5 1/2 2/2
7.6 1/2 2/2
8.1 1/1 2/2
8.2 1/1 2/1 3/2
8.3 1/1
8.4 1/2
9.1 1/1 2/1 3/1
9.2 1/1 2/2 3/2 4/2
10.1 1/2 2/2
10.2 1/2 2/2
10.3 1/2 2/2 3/2 4/2
10.4 1/1 2/1 3/1 4/1 5/1 6/2 7/2 8/2 9/2 10/2 11/2
10.5 1/2 2/2 3/2 4/2 5/2
10.6 1/2 2/2
10.7 1/2 2/2 3/2
11.1 1/2 2/2
11.2 1/2 2/2 3/2
11.3 1/1 2/1 3/2
11.4 1/1 2/2 3/2 4/2
11.5 1/2
11.6 1/2
12.1 1/1 2/2 3/2
12.2 1/1 2/1
12.3 1/2 2/2 3/2 4/2
13.1 1/2
13.2 1/2 2/2 3/2 4/2 5/2
13.3 1/2 2/2
13.4 1/1 2/2 3/2 4/2 5/2
14.1 1/2 2/2
14.2 1/1 2/2 3/2 4/2
14.3 1/1 2/2 3/2
15.1 1/1 2/2 3/2
15.2 1/1 2/2 3/2
15.3 1/1 2/2 3/2 4/2 5/2 6/2 7/2
16.1 1/2
16.2 1/2 2/2 3/2 4/2 5/2
16.3 1/2 2/2 3/2 4/2
16.4 1/2 2/2 3/2
16.5 1/2 2/2 3/2
17.1 1/2
17.2 1/2 2/2 3/2 4/2
17.3 1/2 2/2
`

var (
	asvsRow   = regexp.MustCompile(`(?m)^\| V([0-9.]+) \| ([12]) \| ([a-z ]+) \| (.+?) \| (.*?) \|$`)
	asvsProof = regexp.MustCompile("`([^`#]+)(?:#([A-Za-z0-9_]+))?`")
)

// TestASVSChecklist keeps docs/security/asvs.md whole and its pointers alive:
// every requirement of levels 1 and 2 has a line, and a line that says "met"
// points at a test or a file that exists.
func TestASVSChecklist(t *testing.T) {
	root := filepath.Join("..", "..")
	raw, err := os.ReadFile(filepath.Join(root, "docs", "security", "asvs.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(asvs) {
		fields := strings.Fields(line)
		for _, f := range fields[min(1, len(fields)):] {
			number, level, _ := strings.Cut(f, "/")
			want[fields[0]+"."+number] = level
		}
	}
	if len(want) != 253 {
		t.Fatalf("the list has %d requirements, the standard 253", len(want))
	}
	counts := map[string]int{}
	seen := map[string]bool{}
	for _, m := range asvsRow.FindAllStringSubmatch(string(raw), -1) {
		id, level, state, proof := m[1], m[2], m[3], m[5]
		switch {
		case want[id] == "":
			t.Errorf("V%s is no requirement of levels 1 and 2", id)
		case want[id] != level:
			t.Errorf("V%s is of level %s", id, want[id])
		case seen[id]:
			t.Errorf("V%s stands twice", id)
		}
		seen[id] = true
		counts[state]++
		pointers := asvsProof.FindAllStringSubmatch(proof, -1)
		switch state {
		case "met":
			if len(pointers) == 0 {
				t.Errorf("V%s is met, but nothing shows it", id)
			}
		case "not met", "partly met", "not applicable", "operator":
		default:
			t.Errorf("V%s: unknown state %q", id, state)
		}
		for _, p := range pointers {
			if problem := missingProof(root, p[1], p[2]); problem != "" {
				t.Errorf("V%s: %s", id, problem)
			}
		}
	}
	for id := range want {
		if !seen[id] {
			t.Errorf("V%s is missing", id)
		}
	}
	sum := fmt.Sprintf("%d met, %d partly met, %d not met, %d for the operator, %d not applicable",
		counts["met"], counts["partly met"], counts["not met"], counts["operator"], counts["not applicable"])
	if !strings.Contains(string(raw), sum) {
		t.Errorf("the sum at the top should say: %s", sum)
	}
}

// TestThreatModelNamesEveryPurpose keeps docs/threat-model.md complete: traffic
// of a new purpose is a new flow.
func TestThreatModelNamesEveryPurpose(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ledger.Purposes() {
		if !strings.Contains(string(raw), "`"+string(p)+"`") {
			t.Errorf("the threat model does not say what traffic of purpose %q carries, and to whom", p)
		}
	}
}

// missingProof says what is wrong with a pointer: a file or folder, and a test
// in one of its files.
func missingProof(root, path, test string) string {
	full := filepath.Join(root, filepath.FromSlash(path))
	info, err := os.Stat(full)
	if err != nil {
		return path + " does not exist"
	}
	if test == "" {
		return ""
	}
	files := []string{full}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(full, "*_test.go")); err != nil {
			return err.Error()
		}
	}
	for _, f := range files {
		if raw, err := os.ReadFile(f); err == nil && strings.Contains(string(raw), "func "+test+"(") {
			return ""
		}
	}
	return path + " has no test " + test
}
