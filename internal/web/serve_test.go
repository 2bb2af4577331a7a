package web_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/page"
)

func ask(t *testing.T, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// TestServeDrains stops a server while it answers: the answer is finished, event
// streams are told to end, and nothing new is taken.
func TestServeDrains(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "whole")
	})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		select {
		case <-page.Stopping(r.Context()):
			_, _ = io.WriteString(w, "told")
		case <-r.Context().Done():
			_, _ = io.WriteString(w, "cut")
		}
	})
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ctx, l, mux, web.ServeOptions{Drain: 5 * time.Second}) }()
	base := "http://" + l.Addr().String()
	type result struct {
		text string
		err  error
	}
	slow, stream := make(chan result, 1), make(chan result, 1)
	go func() { s, err := ask(t, base+"/slow"); slow <- result{s, err} }()
	go func() { s, err := ask(t, base+"/stream"); stream <- result{s, err} }()
	<-entered
	stop()
	if r := <-stream; r.err == nil && r.text != "told" {
		t.Errorf("the stream got %q", r.text)
	}
	close(release)
	if r := <-slow; r.err != nil || r.text != "whole" {
		t.Errorf("the running answer: %q, %v", r.text, r.err)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := ask(t, base+"/slow"); err == nil {
		t.Error("a stopped server answers")
	}
}

func TestServeTellsWhyItCannot(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := web.Serve(t.Context(), l, http.NewServeMux(), web.ServeOptions{}); err == nil {
		t.Error("a closed listener was served")
	}
}
