// Package assets serves the bundled styles, scripts and fonts from the binary.
// Every file carries a hash of its content in its name, so that browsers keep it
// for good. dist is built from the npm project in web/ (make assets).
package assets

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed dist
var dist embed.FS

// Prefix is the path under which [Set.Handler] expects to be mounted.
const Prefix = "/assets/"

// Set are the assets of this build, ready to serve.
type Set struct {
	names map[string]string // plain name → hashed name
	files map[string]file   // by hashed name
}

type file struct {
	contentType string
	plain       []byte
	packed      []byte // gzip; nil where it would not help
}

// Load reads the embedded files.
func Load() (*Set, error) {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("assets: %w", err)
	}
	return load(sub)
}

func load(fsys fs.FS) (*Set, error) {
	s := &Set{names: map[string]string{}, files: map[string]file{}}
	manifest, err := fs.ReadFile(fsys, "manifest.json")
	if err != nil {
		return nil, fmt.Errorf("assets: %w", err)
	}
	if err := json.Unmarshal(manifest, &s.names); err != nil {
		return nil, fmt.Errorf("assets: manifest: %w", err)
	}
	for plain, name := range s.names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("assets: %s: %w", plain, err)
		}
		f := file{contentType: contentType(name), plain: data}
		if path.Ext(name) != ".woff2" {
			if f.packed, err = pack(data); err != nil {
				return nil, fmt.Errorf("assets: %s: %w", plain, err)
			}
		}
		s.files[name] = f
	}
	return s, nil
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func pack(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// URL returns the address of an asset by its plain name ("app.css"). An unknown
// name is answered with an address that does not exist, which the tests notice.
func (s *Set) URL(name string) string {
	if hashed, ok := s.names[name]; ok {
		return Prefix + hashed
	}
	return Prefix + "missing/" + name
}

// Size returns how many bytes an asset costs on the wire, compressed; -1 for an
// unknown name.
func (s *Set) Size(name string) int {
	f, ok := s.files[s.names[name]]
	switch {
	case !ok:
		return -1
	case f.packed != nil:
		return len(f.packed)
	}
	return len(f.plain)
}

// Handler serves the files under [Prefix].
func (s *Set) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := s.files[strings.TrimPrefix(r.URL.Path, Prefix)]
		if !ok {
			http.Error(w, "no such asset", http.StatusNotFound)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.contentType)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		body := f.plain
		if f.packed != nil {
			h.Set("Vary", "Accept-Encoding")
			if acceptsGzip(r) {
				h.Set("Content-Encoding", "gzip")
				body = f.packed
			}
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method == http.MethodHead {
			return
		}
		_, _ = w.Write(body) // the reader may have gone; nobody is left to tell
	})
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(name, "gzip") && strings.ReplaceAll(q, " ", "") != "q=0" {
			return true
		}
	}
	return false
}
