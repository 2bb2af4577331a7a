package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

func TestOutputIsWholeOrUntouched(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := newOutput(path, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	err = out.write(func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, errors.New("disk full"))
	})
	if errs.KindOf(err) != errs.Invalid {
		t.Errorf("got %v", err)
	}
	content := func() string {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if got := content(); got != "before" {
		t.Errorf("the earlier file holds %q", got)
	}
	if err := out.write(func(w io.Writer) error { _, err := io.WriteString(w, "after"); return err }); err != nil {
		t.Fatal(err)
	}
	if got := content(); got != "after" {
		t.Errorf("the file holds %q", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want that of the earlier file; %v", info.Mode(), err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestOutputToDevice(t *testing.T) {
	out, err := newOutput(os.DevNull, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.write(func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("the device was replaced: %v", err)
	}
}

func TestLinesOfProgress(t *testing.T) {
	var out strings.Builder
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := &lines{w: &out, now: func() time.Time { return now }, seen: map[string]string{}}
	step := func(state string, done, total int, note string) {
		l.update(store.ScanProgress{Resumed: true, Steps: []store.StepProgress{
			{Name: "cards", Title: "Questions\x1b[31m", State: state, Done: done, Total: total, Note: note},
			{Name: "later", Title: "Later", State: "waiting"},
		}})
	}
	step("running", 1, 300, "")
	step("running", 100, 300, "")
	now = now.Add(6 * time.Second)
	step("running", 120, 300, "")
	step("running", 121, 300, "")
	step("partial", 300, 300, "two\nwere refused")
	step("partial", 300, 300, "two\nwere refused")
	want := "Going on with a scan that was interrupted\nQuestions[31m: 120 of 300\nQuestions[31m: 300, partial (two were refused)\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// TestBarsEnd draws every state of a step and must come to an end.
func TestBarsEnd(t *testing.T) {
	b := newBars(t.Context(), io.Discard)
	for done := range 50 {
		b.update(store.ScanProgress{Steps: []store.StepProgress{
			{Name: "a", Title: "A title that is longer than there is room for it", State: "running", Done: done, Total: 50, ETASeconds: 9},
			{Name: "b", Title: "Unknown total", State: "running", Done: done},
			{Name: "c", Title: "Skipped", State: "skipped"},
			{Name: "d", Title: "Failed", State: "failed", Note: "why"},
		}})
	}
	b.update(store.ScanProgress{Steps: []store.StepProgress{{Name: "a", Title: "A", State: "done", Done: 50, Total: 50}}})
	b.close()
	if got := b.label("d"); got != "0 failed (why)" {
		t.Errorf("label %q", got)
	}
}

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"nothing", nil, ExitOK},
		{"findings", &FindingsError{Count: 1}, ExitFindings},
		{"usage", errs.New(errs.Invalid, "bad_setting", "", ""), ExitUsage},
		{"unknown connection", errs.New(errs.NotFound, "unknown_connection", "", ""), ExitUsage},
		{"locked", errs.New(errs.Conflict, "data_dir_locked", "", ""), ExitUsage},
		{"unauthorized", errs.New(errs.Unauthorized, "unauthorized", "", ""), ExitMetabase},
		{"refused before anything is sent", errs.New(errs.Invalid, "plain_http", "", ""), ExitMetabase},
		{"too slow", errs.New(errs.Limited, "timeout", "", ""), ExitMetabase},
		{"joined with a clean-up", errors.Join(errs.New(errs.Unavailable, "unreachable", "", ""), errors.New("x")), ExitMetabase},
		{"ours", errors.New("x"), ExitInternal},
		{"doctor", &DoctorError{cause: errs.New(errs.Unavailable, "unreachable", "", "")}, ExitMetabase},
	}
	for _, tt := range tests {
		if got := ExitCode(tt.err); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestCollectionsAsPeopleCopyThem(t *testing.T) {
	got := strings.Join(collections([]string{"12", " 12-finance ", "root", "abcdefghijklmnopqrst1", "trash-2024"}), " ")
	if want := "12 12 root abcdefghijklmnopqrst1 trash-2024"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
