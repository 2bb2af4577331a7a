package mask_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/mask"
)

// judged is a column of testdata/classify_systems.tsv with our judgement.
type judged struct {
	system    string
	sensitive bool
	column    mask.Column
}

func systems(t *testing.T) []judged {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "classify_systems.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var out []judged
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(line, "#") || len(fields) != 4 {
			continue
		}
		for _, name := range strings.Fields(fields[3]) {
			out = append(out, judged{system: fields[0], sensitive: fields[1] == "+", column: mask.Column{Table: fields[2], Name: name}})
		}
	}
	return out
}

// TestClassifySystems holds the bars on columns of well-known systems that no
// word was tuned on when they were written down.
func TestClassifySystems(t *testing.T) {
	classifier, err := mask.NewClassifier(mask.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	var hits, misses, alarms, quiet int
	for _, j := range systems(t) {
		v := classifier.Classify(j.column)
		switch {
		case v.Sensitive && j.sensitive:
			hits++
		case j.sensitive:
			misses++
			t.Logf("missed: %s %s.%s %.2f %s", j.system, j.column.Table, j.column.Name, v.Score, v.Reason)
		case v.Sensitive:
			alarms++
			t.Logf("false alarm: %s %s.%s %.2f %s", j.system, j.column.Table, j.column.Name, v.Score, v.Reason)
		default:
			quiet++
		}
	}
	recall := float64(hits) / float64(hits+misses)
	precision := float64(hits) / float64(hits+alarms)
	t.Logf("%d columns: recall %.3f, precision %.3f", hits+misses+alarms+quiet, recall, precision)
	if recall < 0.95 || precision < 0.95 {
		t.Errorf("recall %.3f, precision %.3f", recall, precision)
	}
}
