package web

import (
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
)

var packers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// packed compresses HTML. Event streams and everything else pass untouched. The
// pages hold no secret that a guesser could make them repeat beside his own
// text: there are no tokens in forms, and keys are never shown.
func packed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		p := &packingWriter{ResponseWriter: w}
		defer p.close()
		next.ServeHTTP(p, r)
	})
}

type packingWriter struct {
	http.ResponseWriter
	packer  *gzip.Writer
	decided bool
}

func (p *packingWriter) WriteHeader(status int) {
	if !p.decided {
		p.decided = true
		h := p.Header()
		h.Add("Vary", "Accept-Encoding")
		if strings.HasPrefix(h.Get("Content-Type"), "text/html") && h.Get("Content-Encoding") == "" && status != http.StatusNoContent && status != http.StatusNotModified {
			h.Set("Content-Encoding", "gzip")
			h.Del("Content-Length")
			p.packer, _ = packers.Get().(*gzip.Writer)
			p.packer.Reset(p.ResponseWriter)
		}
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *packingWriter) Write(b []byte) (int, error) {
	if !p.decided {
		p.WriteHeader(http.StatusOK)
	}
	if p.packer != nil {
		return p.packer.Write(b)
	}
	return p.ResponseWriter.Write(b)
}

func (p *packingWriter) close() {
	if p.packer == nil {
		return
	}
	_ = p.packer.Close() // the reader may have gone; nobody is left to tell
	packers.Put(p.packer)
}

func (p *packingWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
