package assets_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/web/assets"
)

func TestEveryFileIsServedUnderAHashedName(t *testing.T) {
	set, err := assets.Load()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("dist")
	if err != nil {
		t.Fatal(err)
	}
	hashed := regexp.MustCompile(`-[0-9A-Z]{8}\.(js|css|svg|woff2)$`)
	served := 0
	for _, e := range entries {
		if e.Name() == "manifest.json" {
			continue
		}
		if !hashed.MatchString(e.Name()) {
			t.Errorf("%s carries no hash", e.Name())
		}
		rec := httptest.NewRecorder()
		set.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, assets.Prefix+e.Name(), nil))
		want, err := os.ReadFile("dist/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if rec.Code != http.StatusOK || rec.Body.String() != string(want) || !strings.Contains(rec.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %d of %d bytes", e.Name(), rec.Code, rec.Body.Len(), len(want))
		}
		served++
	}
	if served < 7 {
		t.Errorf("only %d files", served)
	}
	for _, name := range []string{"app.css", "app.js", "mark.svg", "inter-latin-wght-normal.woff2"} {
		if set.Size(name) <= 0 || strings.Contains(set.URL(name), "missing") {
			t.Errorf("%s is missing: run make assets", name)
		}
	}
	if set.Size("nothing") != -1 || !strings.Contains(set.URL("nothing"), "missing") {
		t.Error("an unknown name is answered")
	}
}

func TestCompression(t *testing.T) {
	set, err := assets.Load()
	if err != nil {
		t.Fatal(err)
	}
	for accept, packed := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "": false, "br": false, "gzip;q=0": false} {
		req := httptest.NewRequest(http.MethodGet, set.URL("app.css"), nil)
		req.Header.Set("Accept-Encoding", accept)
		rec := httptest.NewRecorder()
		set.Handler().ServeHTTP(rec, req)
		if got := rec.Header().Get("Content-Encoding") == "gzip"; got != packed {
			t.Errorf("%q: packed %v", accept, got)
		}
		if packed {
			r, err := gzip.NewReader(rec.Body)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Errorf("%q: %v", accept, err)
			}
		}
	}
	for _, path := range []string{"/assets/../web.go", "/assets/", "/assets/manifest.json", "/assets/app.css"} {
		rec := httptest.NewRecorder()
		set.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}
