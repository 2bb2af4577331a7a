package web_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/webtest"
)

// short and long are limits that pass at once and limits that no test reaches.
const (
	short = 100 * time.Millisecond
	long  = time.Hour
)

// serve runs the real server and returns its address.
func serve(t *testing.T, h http.Handler, o web.ServeOptions) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	o.Drain = time.Millisecond
	go func() { ended <- web.Serve(ctx, l, h, o) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Logf("stopped in the middle of something: %v", err)
		}
	})
	return l.Addr().String()
}

// pages is the handler of all pages over a scanned company.
func pages(t *testing.T) http.Handler {
	t.Helper()
	b := webtest.New()
	b.AddCompany()
	accounts, err := b.Auth(false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.AddOwner(t.Context(), accounts); err != nil {
		t.Fatal(err)
	}
	h, err := web.New(b.Config(accounts))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func connect(t *testing.T, address string) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // so that a hanging server fails the test
		t.Fatal(err)
	}
	return c
}

// closes reads until the server closes, and fails when it does not.
func closes(t *testing.T, what string, c net.Conn) string {
	t.Helper()
	raw, err := io.ReadAll(c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%s: the server keeps the connection open", what)
	}
	return string(raw)
}

// TestSlowClients holds connections open in every way a caller can; the server
// lets go of each.
func TestSlowClients(t *testing.T) {
	read := make(chan error, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /read", func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		read <- err
	})
	mux.HandleFunc("GET /write", func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 64<<10))
		}
		read <- err
	})
	mux.HandleFunc("GET /ok", func(http.ResponseWriter, *http.Request) {})

	for name, start := range map[string]string{
		"nothing at all": "", "half a line": "GET /ok HT", "half a header": "GET /ok HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
	} {
		c := connect(t, serve(t, mux, web.ServeOptions{}.Limited(short, long, long, long)))
		if _, err := io.WriteString(c, start); err != nil {
			t.Fatal(err)
		}
		if got := closes(t, name, c); strings.Contains(got, "200 OK") {
			t.Errorf("%s: %s", name, got)
		}
	}

	c := connect(t, serve(t, mux, web.ServeOptions{}.Limited(long, short, long, long)))
	if _, err := io.WriteString(c, "POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx"); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err == nil {
		t.Error("a body that never comes was read")
	}
	closes(t, "slow body", c)

	c = connect(t, serve(t, mux, web.ServeOptions{}.Limited(long, long, short, long)))
	if _, err := io.WriteString(c, "GET /write HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err == nil { // nothing is read from c meanwhile
		t.Error("a reader who does not read was waited for")
	}

	c = connect(t, serve(t, mux, web.ServeOptions{}.Limited(long, long, long, short)))
	if _, err := io.WriteString(c, "GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got := closes(t, "idle", c); !strings.Contains(got, "200 OK") {
		t.Errorf("idle: %s", got)
	}
}

// TestConnectionsPerAddress opens more connections than one address may hold.
func TestConnectionsPerAddress(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ok", func(http.ResponseWriter, *http.Request) {})
	works := func(c net.Conn) bool {
		if _, err := io.WriteString(c, "GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return false
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	address := serve(t, mux, web.ServeOptions{PerAddress: 2})
	one, two := connect(t, address), connect(t, address)
	if !works(one) || !works(two) {
		t.Fatal("two connections do not work")
	}
	if works(connect(t, address)) {
		t.Error("a third connection was answered")
	}
	if !works(one) {
		t.Error("the first connection fell with the third")
	}
	_ = one.Close()
	for !works(connect(t, address)) { // as soon as the server has noticed
		if t.Context().Err() != nil {
			t.Fatal("a closed connection still counts")
		}
	}
	trusted := serve(t, mux, web.ServeOptions{PerAddress: 1, Uncounted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for range 5 {
		if !works(connect(t, trusted)) {
			t.Error("a proxy's connections are counted")
		}
	}
}

// TestOddRequests sends what no library would, over a raw connection, to the
// real server with all pages: requests of two readings are refused, and never
// answered twice.
func TestOddRequests(t *testing.T) {
	address := serve(t, pages(t), web.ServeOptions{}.Limited(5*time.Second, 5*time.Second, 5*time.Second, short))
	const inner = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	form := "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n"
	for name, c := range map[string]struct {
		send string
		want string // statuses that are right, separated by a blank
	}{
		"plain":                   {"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"},
		"length and chunked":      {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner, "400 411"},
		"chunked and length":      {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Transfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\n" + inner, "400 411"},
		"chunked":                 {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Transfer-Encoding: chunked\r\n\r\n5\r\nemail\r\n0\r\n\r\n" + inner, "411"},
		"bad chunk size":          {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n" + inner, "400 411"},
		"chunk extension":         {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Transfer-Encoding: chunked\r\n\r\n1;\nx\r\ny\r\n0\r\n\r\n" + inner, "400 411"},
		"encoding in disguise":    {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + inner, "400 501"},
		"two encodings":           {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + inner, "400 501"},
		"encoding with tab":       {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + inner, "400 411 501"},
		"encoding under HTTP/1.0": {"POST /login HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n" + form + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + inner, "400 411 422 501"},
		"two lengths":             {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Content-Length: 0\r\nContent-Length: 47\r\n\r\n" + inner, "400"},
		"a list of lengths":       {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Content-Length: 0, 47\r\n\r\n" + inner, "400"},
		"signed length":           {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Content-Length: +0\r\n\r\n" + inner, "400"},
		"negative length":         {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Content-Length: -1\r\n\r\n" + inner, "400"},
		"hexadecimal length":      {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Content-Length: 0x0\r\n\r\n" + inner, "400"},
		"blank in a header name":  {"GET /login HTTP/1.1\r\nHost: localhost\r\nContent-Length : 47\r\n\r\n" + inner, "400"},
		"blank before a header":   {"GET /login HTTP/1.1\r\n Host: localhost\r\n\r\n", "400"},
		"no colon":                {"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Odd\r\n\r\n", "400"},
		"control in a header":     {"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Odd: a\x00b\r\n\r\n", "400"},
		"return in a header":      {"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Odd: a\rb\r\n\r\n", "400"},
		"no host":                 {"GET /login HTTP/1.1\r\n\r\n", "400"},
		"two hosts":               {"GET /login HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "400"},
		"another host":            {"GET /login HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"},
		"absolute, another host":  {"GET http://evil.example/login HTTP/1.1\r\nHost: localhost\r\n\r\n", "421"},
		"absolute, disguised":     {"GET http://localhost@evil.example/login HTTP/1.1\r\nHost: localhost\r\n\r\n", "400 421"},
		"host with a path":        {"GET /login HTTP/1.1\r\nHost: localhost/evil\r\n\r\n", "400 421"},
		"forwarded host":          {"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n\r\n", "200"},
		"connect":                 {"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", "400 404 405 421"},
		"trace":                   {"TRACE /login HTTP/1.1\r\nHost: localhost\r\nX-Secret: seen\r\n\r\n", "405"},
		"made-up method":          {"GE\tT /login HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"},
		"made-up version":         {"GET /login HTTP/9.9\r\nHost: localhost\r\n\r\n", "505"},
		"HTTP/2 in the clear":     {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 405 421 505"},
		"huge header":             {"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Long: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", "431"},
		"many headers":            {"GET /login HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X-A: b\r\n", 9000) + "\r\n", "431"},
		"huge target":             {"GET /login?" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "414 431"},
		"huge body":               {"POST /login HTTP/1.1\r\nHost: localhost\r\n" + form + "Content-Length: 9999999\r\n\r\nemail=" + strings.Repeat("a", 2<<20), "413 422"},
		"path upwards":            {"GET /assets/../../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "301 307 308 404"},
		"path upwards, encoded":   {"GET /assets/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "301 307 308 404"},
		"path with a null":        {"GET /login%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"},
		"path to elsewhere":       {"GET //evil.example/%2f.. HTTP/1.1\r\nHost: localhost\r\n\r\n", "301 307 308 404"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := connect(t, address)
			go func() { _, _ = io.WriteString(conn, c.send) }() // the server may stop reading early
			raw := closes(t, name, conn)
			if strings.Contains(raw, "\nready") {
				t.Errorf("the inner request was answered:\n%s", raw)
			}
			if n := strings.Count(raw, "HTTP/1."); n != 1 {
				t.Errorf("%d answers:\n%s", n, raw)
			}
			status, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(raw, "HTTP/1.1 "), "HTTP/1.0 "), " ")
			if !strings.Contains(" "+c.want+" ", " "+strings.TrimSpace(status)+" ") {
				t.Errorf("status %q, want %s:\n%.600s", status, c.want, raw)
			}
			for _, never := range []string{"Location: http", "Location: //", "root:", "X-Secret: seen"} {
				if strings.Contains(raw, never) {
					t.Errorf("the answer holds %q:\n%.600s", never, raw)
				}
			}
		})
	}
}
