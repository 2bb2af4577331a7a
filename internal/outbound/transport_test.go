package outbound_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
)

func transport(t *testing.T, set func(*outbound.Config)) (*outbound.Transport, *ledger.Memory) {
	t.Helper()
	rec := &ledger.Memory{}
	cfg := outbound.Config{Purpose: ledger.PurposeMetabase, Recorder: rec, Policy: outbound.Policy{AllowLoopback: true}}
	if set != nil {
		set(&cfg)
	}
	tr, err := outbound.NewTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr, rec
}

func get(t *testing.T, rt http.RoundTripper, address string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(outbound.WithRoute(t.Context(), "/some/:id"), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// names is a DNS server that answers A queries from a list, one answer set per
// query, so that a second look-up may differ from the first.
func names(t *testing.T, answers ...[]string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var n atomic.Int64
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			query := append([]byte(nil), buf[:size]...)
			end := 12
			for end < size && query[end] != 0 {
				end += int(query[end]) + 1
			}
			end += 5
			kind := binary.BigEndian.Uint16(query[end-4 : end-2])
			reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
			if kind == 1 {
				set := answers[min(int(n.Add(1)), len(answers))-1]
				for _, a := range set {
					ip := netip.MustParseAddr(a).As4()
					reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
					reply = append(reply, ip[:]...)
				}
				binary.BigEndian.PutUint16(reply[6:8], uint16(len(set)))
			}
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// TestRebinding: a name that points at an innocent address first and at a
// forbidden one later is refused when it does, because the policy looks at the
// address that is dialed.
func TestRebinding(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	defer server.Close()
	port := server.Listener.Addr().(*net.TCPAddr).Port
	address := (&url.URL{Scheme: "http", Host: net.JoinHostPort("rebind.example", itoa(port))}).String()

	tr, rec := transport(t, func(c *outbound.Config) {
		c.Resolver = names(t, []string{"127.0.0.1"}, []string{"169.254.169.254"}, []string{"10.0.0.1"})
	})
	if status, err := get(t, tr, address); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	for range 2 {
		tr.CloseIdleConnections()
		if _, err := get(t, tr, address); errs.CodeOf(err) != outbound.CodeBlocked {
			t.Errorf("%v, want blocked", err)
		}
	}
	entries := rec.Entries()
	if len(entries) != 3 || entries[0].Address != server.Listener.Addr().String() || entries[0].Status != 200 || entries[0].ResponseSize != 2 || entries[0].Route != "/some/:id" || entries[1].Error != outbound.CodeBlocked {
		t.Errorf("%+v", entries)
	}
}

// A name with one allowed and one forbidden address reaches the allowed one only.
func TestMixedAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	tr, rec := transport(t, func(c *outbound.Config) { c.Resolver = names(t, []string{"169.254.169.254", "127.0.0.1"}) })
	if _, err := get(t, tr, "http://mixed.example:"+port); err != nil {
		t.Fatal(err)
	}
	if got := rec.Entries()[0].Address; !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("dialed %s", got)
	}
}

func itoa(n int) string {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)).String()[len("0.0.0.0:"):]
}

func TestHostsThatNeverReachAResolver(t *testing.T) {
	tr, _ := transport(t, func(c *outbound.Config) {
		c.Policy = outbound.Policy{AllowLoopback: true, AllowPrivate: true}
		c.AllowPlainHTTP = true
		c.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Error("a resolver was asked")
			return nil, errors.New("no")
		}}
	})
	for _, host := range []string{
		"169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[fe80::1%25eth0]", "metadata.google.internal", "METADATA.google.internal.",
		"2852039166", "0xA9FEA9FE", "169.254.43518", "0x7f.1", "1.2.3.4.5", "0.0.0.0", "[::]",
	} {
		if _, err := get(t, tr, "http://"+host+"/latest/meta-data"); errs.CodeOf(err) != outbound.CodeBlocked {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestPlainHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	tr, _ := transport(t, func(c *outbound.Config) { c.Resolver = names(t, []string{"127.0.0.1"}) })
	if _, err := get(t, tr, "http://local.example:"+port); err != nil {
		t.Errorf("plain HTTP to loopback: %v", err)
	}
	beyond, _ := transport(t, func(c *outbound.Config) {
		c.Policy.AllowPrivate = true
		c.Resolver = names(t, []string{"10.255.255.1"})
	})
	if _, err := get(t, beyond, "http://mb.example:"+port); errs.CodeOf(err) != outbound.CodePlainHTTP {
		t.Errorf("plain HTTP beyond loopback: %v", err)
	}
	if _, err := get(t, tr, "ftp://mb.example"); err == nil {
		t.Error("ftp passed")
	}
}

func tlsServer(t *testing.T, version uint16) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Proto))
	}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: version}
	server.Config.ErrorLog = nil
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func ca(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func TestTLS(t *testing.T) {
	modern, old := tlsServer(t, tls.VersionTLS13), tlsServer(t, tls.VersionTLS12)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	for _, tc := range []struct {
		name    string
		address string
		set     func(*outbound.Config)
		code    string
	}{
		{"1.3 with our authority", modern.URL, func(c *outbound.Config) { c.RootCAs = ca(modern) }, ""},
		{"1.3 with an unknown authority", modern.URL, nil, outbound.CodeTLSUntrusted},
		{"1.2 is too old", old.URL, func(c *outbound.Config) { c.RootCAs = ca(old) }, outbound.CodeTLSTooOld},
		{"1.2 by exception", old.URL, func(c *outbound.Config) { c.RootCAs, c.MinTLS12 = ca(old), true }, ""},
		{"1.2 by exception is still verified", old.URL, func(c *outbound.Config) { c.MinTLS12 = true }, outbound.CodeTLSUntrusted},
		{"another name", strings.Replace(modern.URL, "127.0.0.1", "localhost", 1), func(c *outbound.Config) { c.RootCAs = ca(modern) }, outbound.CodeTLSUntrusted},
		{"plain server on an https address", strings.Replace(plain.URL, "http:", "https:", 1), nil, outbound.CodePlainHTTP},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr, rec := transport(t, tc.set)
			_, err := get(t, tr, tc.address)
			if (err == nil) != (tc.code == "") || err != nil && errs.CodeOf(err) != tc.code {
				t.Errorf("%v, want %q", err, tc.code)
			}
			if e := rec.Entries(); len(e) != 1 || e[0].Error != tc.code {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestInspectTLS(t *testing.T) {
	for version, server := range map[string]*httptest.Server{"1.3": tlsServer(t, tls.VersionTLS13), "1.2": tlsServer(t, tls.VersionTLS12)} {
		asked := false
		server.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true })
		site, _ := url.Parse(server.URL)
		tr, rec := transport(t, nil)
		report, err := tr.InspectTLS(t.Context(), site)
		if err != nil || report.Version != version || report.Trusted || len(report.Chain) != 1 || len(report.Chain[0].Fingerprint) != 95 {
			t.Errorf("%+v %v", report, err)
		}
		trusting, _ := transport(t, func(c *outbound.Config) { c.RootCAs = []byte(report.Chain[0].PEM) })
		if report, err = trusting.InspectTLS(t.Context(), site); err != nil || !report.Trusted {
			t.Errorf("with the authority: %+v %v", report, err)
		}
		if asked {
			t.Error("a request was sent")
		}
		if e := rec.Entries(); len(e) != 1 || e[0].Method != "TLS" || e[0].Error != "" {
			t.Errorf("%+v", e)
		}
	}
	tr, _ := transport(t, nil)
	if _, err := tr.InspectTLS(t.Context(), &url.URL{Scheme: "https", Host: "169.254.169.254"}); errs.CodeOf(err) != outbound.CodeBlocked {
		t.Errorf("%v", err)
	}
}

func TestProxy(t *testing.T) {
	var seen []string
	var mu sync.Mutex
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method+" "+r.Host)
		mu.Unlock()
		w.WriteHeader(http.StatusTeapot)
	}))
	defer proxy.Close()

	tr, rec := transport(t, func(c *outbound.Config) { c.ProxyURL, c.AllowPlainHTTP, c.Resolver = proxy.URL, true, names(t, nil) })
	if status, err := get(t, tr, "http://mb.example/api"); err != nil || status != http.StatusTeapot {
		t.Fatal(status, err)
	}
	if _, err := get(t, tr, "https://mb.example/api"); err == nil {
		t.Error("CONNECT was refused by the proxy, the request must fail")
	}
	if got := strings.Join(seen, ", "); got != "GET mb.example, CONNECT mb.example:443" {
		t.Errorf("the proxy saw %s", got)
	}
	if e := rec.Entries()[0]; e.Host != "mb.example:80" || e.Address != strings.TrimPrefix(proxy.URL, "http://") {
		t.Errorf("%+v", e)
	}
	// Targets that the policy refuses by their text do not reach the proxy.
	for _, address := range []string{"http://169.254.169.254/", "http://10.0.0.1/", "http://metadata.google.internal/"} {
		if _, err := get(t, tr, address); errs.CodeOf(err) != outbound.CodeBlocked {
			t.Errorf("%s: %v", address, err)
		}
	}
	// A name that this machine resolves to a refused address is not handed over.
	inside, _ := transport(t, func(c *outbound.Config) { c.ProxyURL, c.Resolver = proxy.URL, names(t, []string{"10.1.1.1"}) })
	before := len(seen)
	if _, err := get(t, inside, "https://mb.example/"); errs.CodeOf(err) != outbound.CodeBlocked || len(seen) != before {
		t.Errorf("%v, the proxy was asked %v", err, seen[before:])
	}
	// Without the exception plain HTTP does not pass through a proxy either.
	strict, _ := transport(t, func(c *outbound.Config) { c.ProxyURL, c.Resolver = proxy.URL, names(t, nil) })
	if _, err := get(t, strict, "http://mb.example/"); errs.CodeOf(err) != outbound.CodePlainHTTP {
		t.Errorf("%v", err)
	}
	// The proxy's own address obeys the policy.
	far, _ := transport(t, func(c *outbound.Config) {
		c.ProxyURL, c.Policy = "http://10.0.0.1:3128", outbound.Policy{AllowLoopback: true}
		c.Resolver = names(t, nil)
	})
	if _, err := get(t, far, "https://mb.example/"); errs.CodeOf(err) != outbound.CodeBlocked {
		t.Errorf("%v", err)
	}
	// Loopback is not asked of a proxy.
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	if status, err := get(t, strict, server.URL); err != nil || status != 200 {
		t.Errorf("%d %v", status, err)
	}
}

func TestEnvironmentProxyIsIgnored(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	resolver := names(t, []string{"10.9.9.9"})
	tr, _ := transport(t, func(c *outbound.Config) { c.Resolver = resolver })
	if _, err := get(t, tr, "https://mb.example/"); errs.CodeOf(err) != outbound.CodeBlocked {
		t.Errorf("%v: the target's own address must be looked at", err)
	}
	asked, _ := transport(t, func(c *outbound.Config) {
		c.Resolver, c.ProxyURL = names(t, []string{"93.184.215.14"}), outbound.ProxyEnvironment
	})
	if _, err := get(t, asked, "https://mb.example/"); errs.CodeOf(err) != outbound.CodeUnreachable {
		t.Errorf("%v: with environment proxies asked for, the dead proxy is dialed", err)
	}
}

func TestRefusesWithoutLedger(t *testing.T) {
	if _, err := outbound.NewTransport(outbound.Config{Purpose: ledger.PurposeMetabase}); err == nil {
		t.Error("built without a recorder")
	}
	if _, err := outbound.NewDialer(outbound.Config{Recorder: &ledger.Memory{}}); err == nil {
		t.Error("built without a purpose")
	}
}

// fallible is a recorder that can fail.
type fallible struct {
	ledger.Memory
	fail  atomic.Bool
	flush atomic.Int64
}

func (f *fallible) Record(ctx context.Context, e ledger.Entry) error {
	if f.fail.Load() {
		return errors.New("disk full")
	}
	return f.Memory.Record(ctx, e)
}

func (f *fallible) Flush(context.Context) error { f.flush.Add(1); return nil }

func TestOthersAreRecordedBeforeTheyAreSent(t *testing.T) {
	rec := &fallible{}
	var atArrival []ledger.Entry
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		atArrival = rec.Entries()
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte("hello"))
	}))
	defer server.Close()
	tr, err := outbound.NewTransport(outbound.Config{Purpose: ledger.PurposeModel, Recorder: rec, Policy: outbound.Policy{AllowLoopback: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	post := func() error {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1", io.NopCloser(bytes.NewReader([]byte("prompt"))))
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	}
	if err := post(); err != nil {
		t.Fatal(err)
	}
	all := rec.Entries()
	if len(atArrival) != 1 || atArrival[0].Phase != ledger.PhaseIntent || rec.flush.Load() != 1 || len(all) != 2 {
		t.Fatalf("at arrival %+v, in the end %+v", atArrival, all)
	}
	if all[1].Phase != ledger.PhaseOutcome || all[1].Exchange != all[0].Exchange || all[1].RequestSize != 6 || all[1].ResponseSize != 5 || all[1].Status != 200 {
		t.Errorf("%+v", all[1])
	}
	atArrival = nil
	rec.fail.Store(true)
	if err := post(); errs.CodeOf(err) != outbound.CodeLedger || atArrival != nil {
		t.Errorf("with a broken ledger: %v, reached %v", err, atArrival != nil)
	}
	rec.fail.Store(false)
	if err := post(); errs.CodeOf(err) != outbound.CodeLedger {
		t.Errorf("after the ledger broke nothing may leave: %v", err)
	}
}

func TestMetabaseReadsStopWhenTheLedgerBreaks(t *testing.T) {
	rec := &fallible{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }))
	defer server.Close()
	tr, _ := transport(t, func(c *outbound.Config) { c.Recorder = rec })
	rec.fail.Store(true)
	if _, err := get(t, tr, server.URL); errs.CodeOf(err) != outbound.CodeLedger {
		t.Errorf("%v", err)
	}
	if _, err := get(t, tr, server.URL); errs.CodeOf(err) != outbound.CodeLedger {
		t.Errorf("%v", err)
	}
}

func TestDialContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 4)
		_, _ = io.ReadFull(c, buf)
		_, _ = c.Write([]byte("pong!"))
		_ = c.Close()
	}()
	rec := &ledger.Memory{}
	d, err := outbound.NewDialer(outbound.Config{Purpose: ledger.PurposeWarehouse, Recorder: rec, Policy: outbound.Policy{AllowLoopback: true}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Entries()) != 1 {
		t.Error("not recorded before it was dialed")
	}
	_, _ = conn.Write([]byte("ping"))
	_, _ = io.Copy(io.Discard, conn)
	_, _ = conn.Close(), conn.Close()
	all := rec.Entries()
	if len(all) != 2 || all[1].RequestSize != 4 || all[1].ResponseSize != 5 || all[1].Exchange != all[0].Exchange || all[1].Address != l.Addr().String() {
		t.Errorf("%+v", all)
	}
	if d.TLSConfig().MinVersion != tls.VersionTLS13 {
		t.Error("the TLS policy for drivers allows less than 1.3")
	}
	for _, bad := range []struct{ network, address string }{{"tcp", "169.254.169.254:80"}, {"tcp", "10.0.0.1:5432"}, {"unix", "/var/run/x"}, {"tcp", "nohost"}, {"udp", "127.0.0.1:53"}} {
		if c, err := d.DialContext(t.Context(), bad.network, bad.address); err == nil {
			_ = c.Close()
			t.Errorf("%s %s was dialed", bad.network, bad.address)
		}
	}
}

// TestCrossHostRedirectsAreNotFollowed: the transport itself follows nothing.
func TestRedirectsAreNotFollowed(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/", http.StatusFound))
	defer server.Close()
	tr, rec := transport(t, nil)
	if status, err := get(t, tr, server.URL); err != nil || status != http.StatusFound || len(rec.Entries()) != 1 {
		t.Error(status, err)
	}
	// And a client that follows one is stopped by the policy.
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	if errs.CodeOf(err) != outbound.CodeBlocked {
		t.Errorf("%v", err)
	}
}
