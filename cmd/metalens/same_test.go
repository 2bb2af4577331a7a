package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// TestTwoScansDifferOnlyInTimes scans one state twice. Our own dashboard reads,
// which Metabase counts as views, and what need not be asked again must not
// show in anything but the count of requests.
func TestTwoScansDifferOnlyInTimes(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	server := metabasetest.NewServer(metabasetest.Config{World: metabasetest.SampleCompany(now), Key: key, Admin: true, Now: func() time.Time { return now }})
	address := server.Start(t)
	data := filepath.Join(t.TempDir(), "data")
	scan := func() map[string]any {
		var stdout, stderr bytes.Buffer
		env := app.Env{
			Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Now: func() time.Time { return now },
			Environ: []string{"METABASE_URL=" + address, "METABASE_API_KEY=" + key, "METALENS_DATA=" + data},
		}
		if code := run(t.Context(), env, []string{"scan", "--format", "json", "--columns"}); code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr.String())
		}
		var d map[string]any
		if err := json.Unmarshal(stdout.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"started_at", "finished_at", "requests"} {
			if d[name] == nil {
				t.Errorf("%s is missing", name)
			}
			delete(d, name)
		}
		return d
	}
	first := scan()
	now = now.Add(time.Minute)
	if diff := cmp.Diff(first, scan()); diff != "" {
		t.Errorf("the second report differs (-first +second):\n%s", diff)
	}
}
