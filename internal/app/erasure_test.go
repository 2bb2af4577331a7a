package app_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
)

// beside runs a command on a data directory that a server works on.
func beside(t *testing.T, data string, run func(env app.Env, loaded *config.Loaded) error) (stdout, stderr string, err error) {
	t.Helper()
	loaded, err := config.Load(config.Inputs{DefaultData: data})
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	env := app.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said, Now: time.Now}
	err = run(env, loaded)
	return out.String(), said.String(), err
}

// TestDeletionThroughThePages walks retention, export and deletion as people do,
// over the whole program with a real mail server, and proves the deletion beside
// the running server.
func TestDeletionThroughThePages(t *testing.T) {
	owner, post := mailedDemo(t)
	data := dataOf(t, owner)

	owner.want(http.StatusOK, "at most 90", "/settings/retention", nil)
	owner.want(http.StatusUnprocessableEntity, "from 1 to 90", "/settings/retention", url.Values{"scans": {"91"}, "audit": {"30"}, "ledger": {"30"}, "payloads": {"30"}})
	limits := url.Values{"scans": {"30"}, "audit": {"20"}, "ledger": {"20"}, "payloads": {"7"}}
	owner.want(http.StatusOK, "would delete nothing now", "/settings/retention/preview", limits)
	owner.want(http.StatusOK, "Kept.", "/settings/retention", limits)
	owner.want(http.StatusOK, "Nothing is past its time", "/settings/retention/apply", url.Values{})
	owner.want(http.StatusOK, "30 / 20 / 20 / 7", "/settings/retention", nil)

	owner.want(http.StatusOK, "Decisions about findings", "/settings/export", nil)
	_, _, raw := owner.ask("/settings/export", url.Values{})
	z, err := zip.NewReader(strings.NewReader(raw), int64(len(raw)))
	if err != nil || len(z.File) < 15 {
		t.Fatalf("the export: %v", err)
	}
	folder := filepath.Join(t.TempDir(), "export")
	if _, _, err := beside(t, data, func(env app.Env, l *config.Loaded) error {
		return app.Export(t.Context(), env, l, app.ExportOptions{Dir: folder})
	}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(folder, "members.csv")); err != nil || !bytes.Contains(b, []byte(app.DemoEmail)) {
		t.Errorf("members.csv: %s, %v", b, err)
	}

	// The bundle, made beside the server, knows no name.
	bundle := filepath.Join(t.TempDir(), "bundle.zip")
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("time=2026-03-02T08:00:00Z level=INFO msg=\"Sample company asked\" host=lens.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, said, err := beside(t, data, func(env app.Env, l *config.Loaded) error {
		return app.SupportBundle(t.Context(), env, l, app.SupportOptions{Output: bundle, Log: log})
	})
	if err != nil || !strings.Contains(said, "database.json") || !strings.Contains(said, "sent nowhere") {
		t.Fatalf("%v: %s", err, said)
	}
	for name, content := range unzipped(t, bundle) {
		for _, word := range []string{"Sample company", app.DemoEmail, "metalens.example", "lens.test", "mail secret", data, "SELECT"} {
			if strings.Contains(content, word) {
				t.Errorf("%s of the bundle shows %q:\n%s", name, word, content)
			}
		}
	}

	// The last owner cannot go alone; the organization can.
	owner.want(http.StatusOK, "Type your address", "/account/delete", nil)
	owner.want(http.StatusConflict, "last owner", "/account/delete", url.Values{"confirm": {app.DemoEmail}})
	owner.want(http.StatusOK, "Type the name of the organization", "/settings/delete", nil)
	owner.want(http.StatusUnprocessableEntity, "That is not", "/settings/delete", url.Values{"confirm": {"Sample"}})
	status, at, page := owner.ask("/settings/delete", url.Values{"confirm": {"Sample company"}})
	if status != http.StatusOK || !strings.HasPrefix(at, "/receipt/") || !strings.Contains(page, "A mail confirms it") {
		t.Fatalf("%d at %s:\n%s", status, at, page)
	}
	if strings.Contains(page, "Sample company") || strings.Contains(page, app.DemoEmail) {
		t.Error("the receipt names somebody")
	}
	id := regexp.MustCompile(`data-testid="deletion-id">([^<]+)<`).FindStringSubmatch(page)
	if id == nil {
		t.Fatalf("no id on the receipt:\n%s", page)
	}
	letter := post.Wait(t, 1)
	if subject(t, letter) != "Your MetaLens organization was deleted" || !strings.Contains(letter.Raw, app.DemoEmail) {
		t.Errorf("the letter: %s", letter.Raw)
	}
	if owner.loggedIn() {
		t.Error("still logged in")
	}
	stranger := newPerson(t, owner.address)
	stranger.want(http.StatusOK, id[1], at, nil) // without a login
	stranger.want(http.StatusOK, "receipt of a deletion", at+"/text", nil)
	stranger.want(http.StatusNotFound, "not here any more", "/receipt/"+strings.Repeat("A", 43), nil)
	stranger.want(http.StatusOK, "setup", "/setup", nil) // back at the first run

	out, _, err := beside(t, data, func(env app.Env, l *config.Loaded) error { return app.ProveDeletion(t.Context(), env, l, id[1]) })
	if err != nil || !strings.Contains(out, "0 name what was deleted") || !strings.Contains(out, "destroyed: no copy") {
		t.Errorf("the proof: %v\n%s", err, out)
	}
	_, _, err = beside(t, data, func(env app.Env, l *config.Loaded) error { return app.ProveDeletion(t.Context(), env, l, "nothing") })
	if errs.CodeOf(err) != "no_deletion" {
		t.Errorf("a proof of nothing: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(data, "keys", "organizations")); err != nil && !errors.Is(err, os.ErrNotExist) || len(left) != 0 {
		t.Errorf("keys that are left: %v, %v", left, err)
	}
}

// dataOf finds the data directory of the demo that a person is logged in to.
func dataOf(t *testing.T, p *person) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(t.TempDir()), "*", "demo"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the data of the demo at %s: %v, %v", p.address, found, err)
	}
	return found[0]
}

func unzipped(t *testing.T, path string) map[string]string {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	files := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(b)
	}
	return files
}
