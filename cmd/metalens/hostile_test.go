package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/PuerkitoBio/goquery"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// disarmed fails when a text could move a terminal's cursor, set its title,
// reorder what is read, or forge a line of its own.
func disarmed(t *testing.T, what, text string) {
	t.Helper()
	for i, r := range text {
		if r == '\n' {
			continue
		}
		if unicode.IsControl(r) && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			t.Errorf("%s holds %U: …%q…", what, r, text[max(0, i-60):min(len(text), i+40)])
			return
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "X-"+metabasetest.HostileMark) || strings.HasPrefix(line, "time=now") {
			t.Errorf("%s has a forged line: %q", what, line)
		}
	}
}

// shared is a buffer that several may write to.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestHostileMetabase scans a Metabase whose every text is an attack, in every
// output format, and looks at impact and differences the same way: nothing
// reaches a terminal, a spreadsheet, a browser or a log as more than text.
func TestHostileMetabase(t *testing.T) {
	world := metabasetest.SampleCompany(time.Now())
	if n := world.Poison(); n < 500 {
		t.Fatalf("only %d hostile texts", n)
	}
	server := metabasetest.NewServer(metabasetest.Config{World: world, Key: key, Admin: true, Now: time.Now})
	address, stop, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	ml := func(args ...string) (stdout string) {
		t.Helper()
		var out bytes.Buffer
		var errOut shared // a command's loggers write to it side by side
		env := app.Env{
			Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errOut, Now: time.Now, Width: 100, Environ: []string{"METALENS_DATA=" + filepath.Join(dir, "data"), "HOME=" + dir},
		}
		if code := run(t.Context(), env, args); code != app.ExitOK {
			t.Fatalf("%v: exit code %d\n%s", args, code, errOut.String())
		}
		disarmed(t, strings.Join(args[:1], " ")+" on standard error", errOut.String())
		return out.String()
	}
	scan := []string{"scan", "--url", address, "--api-key-file", keyFile, "--log-level", "debug", "--format"}
	seen := 0
	for _, format := range []string{"table", "json", "ndjson", "csv", "markdown", "html", "sarif"} {
		out := ml(append(scan, format)...)
		if strings.Contains(out, metabasetest.HostileMark) {
			seen++
		}
		switch format {
		case "csv":
			sheet(t, out)
		case "html":
			markup(t, out)
		case "markdown":
			markdown(t, out)
		case "json", "sarif":
			if !json.Valid([]byte(out)) {
				t.Errorf("%s is not JSON", format)
			}
			if err := os.WriteFile(filepath.Join(dir, format+".json"), []byte(out), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if format != "csv" {
			disarmed(t, format, out)
		}
	}
	if seen < 5 {
		t.Errorf("hostile texts reached %d formats only: this test proves nothing", seen)
	}
	for _, format := range []string{"tree", "json", "csv", "markdown"} {
		out := ml("impact", "question:1", "--format", format)
		disarmed(t, "impact as "+format, out)
		if format == "csv" {
			sheet(t, out)
		}
	}
	server.Update(func(w *metabasetest.World) { w.Poison() })
	after := ml(append(scan, "json")...)
	if err := os.WriteFile(filepath.Join(dir, "after.json"), []byte(after), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"table", "json", "markdown"} {
		out := ml("diff", filepath.Join(dir, "json.json"), filepath.Join(dir, "after.json"), "--format", format)
		disarmed(t, "diff as "+format, out)
		if !strings.Contains(out, metabasetest.HostileMark) {
			t.Errorf("diff as %s shows no hostile text", format)
		}
	}
}

// sheet fails when a spreadsheet would take a cell for a formula.
func sheet(t *testing.T, text string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell == "" {
				continue
			}
			if strings.ContainsAny(cell[:1], "=+-@\t\r\n|") && !number(cell) {
				t.Errorf("a cell begins as a formula does: %q", cell)
			}
			disarmed(t, "a cell", cell)
		}
	}
	if len(rows) < 2 {
		t.Error("the sheet is empty")
	}
}

func number(s string) bool {
	return strings.Trim(s, "-0123456789.") == ""
}

// markup fails when an element or attribute of a page is not ours.
func markup(t *testing.T, text string) {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	doc.Find("*").Each(func(_ int, e *goquery.Selection) {
		for _, a := range e.Nodes[0].Attr {
			if strings.HasPrefix(a.Key, "on") || strings.Contains(a.Key, metabasetest.HostileMark) {
				t.Errorf("<%s %s=%q>", goquery.NodeName(e), a.Key, a.Val)
			}
			if a.Key == "href" || a.Key == "src" || a.Key == "action" {
				if v := strings.ToLower(strings.TrimSpace(a.Val)); strings.HasPrefix(v, "javascript:") || strings.HasPrefix(v, "data:text") || strings.HasPrefix(v, "http://"+metabasetest.HostileHost) {
					t.Errorf("<%s %s=%q>", goquery.NodeName(e), a.Key, a.Val)
				}
			}
		}
		switch goquery.NodeName(e) {
		case "script", "iframe", "object", "embed", "base", "img":
			if strings.Contains(e.Text(), metabasetest.HostileMark) || e.AttrOr("src", "") == "x" || goquery.NodeName(e) != "script" {
				t.Errorf("a foreign <%s>: %.100s", goquery.NodeName(e), e.Text())
			}
		}
	})
}

// markdown fails where a text could become an element, a picture or a link to
// somewhere else.
func markdown(t *testing.T, text string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		for _, bad := range []string{"<img", "<script", "<svg", "](http://" + metabasetest.HostileHost, "![x]", "<http://" + metabasetest.HostileHost} {
			if at := strings.Index(line, bad); at >= 0 && (at == 0 || line[at-1] != '\\') {
				t.Errorf("Markdown holds %q: %.200s", bad, line)
			}
		}
	}
}
