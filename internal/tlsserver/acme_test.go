package tlsserver_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/tlsserver"
	"github.com/metalens/metalens/internal/tlsserver/pebbletest"
)

// site is a TLS server that gets its certificate from Pebble.
type site struct {
	server *tlsserver.Server
	ledger *ledger.Memory
	addr   string
	stop   func()
}

// open runs a server under a listener with a sealed cache in dir.
func open(t *testing.T, pebble pebbletest.Server, l net.Listener, challenges net.Listener, dir string, keyset *keys.Keyset, change ...func(*tlsserver.Config)) *site {
	t.Helper()
	roots, err := os.ReadFile(pebble.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{ledger: &ledger.Memory{}, addr: l.Addr().String()}
	own := &outbound.Listeners{}
	own.AddListener(l)
	way, err := outbound.NewTransport(outbound.Config{
		Purpose: ledger.PurposeACME, Recorder: s.ledger, RootCAs: roots, Policy: outbound.Policy{AllowLoopback: true, Own: own},
	})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := tlsserver.NewSealedDir(dir, keyset)
	if err != nil {
		t.Fatal(err)
	}
	cfg := tlsserver.Config{Poll: 20 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), ACME: &tlsserver.ACME{
		Hosts: []string{"metalens.example.com"}, Email: "ops@example.com", Directory: pebble.Directory, AcceptTerms: true,
		Client: way.Client(30 * time.Second), Cache: cache,
	}}
	for _, f := range change {
		f(&cfg)
	}
	s.server, err = tlsserver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	pages := &http.Server{Handler: answer, TLSConfig: s.server.TLSConfig(), ReadHeaderTimeout: time.Minute}
	go func() { _ = pages.ServeTLS(l, "", "") }()
	closing := []io.Closer{pages}
	if challenges != nil {
		h := &http.Server{Handler: s.server.ChallengeHandler(http.NotFoundHandler()), ReadHeaderTimeout: time.Minute}
		go func() { _ = h.Serve(challenges) }()
		closing = append(closing, h)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.server.Run(ctx) }()
	s.stop = func() {
		cancel()
		<-ended
		for _, c := range closing {
			_ = c.Close()
		}
		way.CloseIdleConnections()
	}
	t.Cleanup(s.stop)
	return s
}

// fetch asks the site over TLS 1.3, trusting Pebble's root only.
func (s *site) fetch(t *testing.T, roots []byte) (state tls.ConnectionState, body string, err error) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	tr := &http.Transport{
		ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "metalens.example.com", MinVersion: tls.VersionTLS13},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.addr+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return state, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	return *resp.TLS, string(raw), err
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	return listenOn(t, "127.0.0.1:0")
}

func listenOn(t *testing.T, address string) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func port(l net.Listener) int { return int(netip.MustParseAddrPort(l.Addr().String()).Port()) }

// TestACME gets a certificate from a real ACME server process, once with each
// challenge, keeps it over a restart, and records every exchange before it is
// sent.
func TestACME(t *testing.T) {
	keyset, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			pages, challenges := listen(t), net.Listener(nil)
			o := pebbletest.Options{TLSPort: port(pages), HTTPPort: 1}
			if challenge == "http-01" {
				challenges = listen(t)
				o = pebbletest.Options{TLSPort: 1, HTTPPort: port(challenges)}
			}
			pebble := pebbletest.Start(t, o)
			dir := filepath.Join(t.TempDir(), "acme")
			s := open(t, pebble, pages, challenges, dir, keyset)
			state, body, err := s.fetch(t, pebble.Roots)
			if err != nil {
				t.Fatal(err)
			}
			if body != "HTTP/2.0" || state.Version != tls.VersionTLS13 || state.PeerCertificates[0].DNSNames[0] != "metalens.example.com" {
				t.Errorf("%s, %s, %v", body, tls.VersionName(state.Version), state.PeerCertificates[0].DNSNames)
			}
			st := s.server.Status()
			if st.Mode != "acme" || st.NotAfter.IsZero() || st.Warning(time.Now()) != "" {
				t.Errorf("%+v: %s", st, st.Warning(time.Now()))
			}
			intents, posts := 0, 0
			host := strings.TrimSuffix(strings.TrimPrefix(pebble.Directory, "https://"), "/dir")
			for _, e := range s.ledger.Entries() {
				if e.Purpose != ledger.PurposeACME || e.Host != host {
					t.Errorf("%+v", e)
				}
				if e.Phase == ledger.PhaseIntent {
					intents++
				} else if e.Method == http.MethodPost {
					posts++
				}
			}
			if intents == 0 || posts == 0 || 2*intents != len(s.ledger.Entries()) {
				t.Errorf("%d intents and %d posts in %d entries", intents, posts, len(s.ledger.Entries()))
			}
			serial := state.PeerCertificates[0].SerialNumber
			s.stop()

			again := open(t, pebble, listenOn(t, s.addr), nil, dir, keyset)
			state, _, err = again.fetch(t, pebble.Roots)
			if err != nil || state.PeerCertificates[0].SerialNumber.Cmp(serial) != 0 || len(again.ledger.Entries()) != 0 {
				t.Errorf("after a restart: %v, %d exchanges", err, len(again.ledger.Entries()))
			}
			// A name that is not ours gets nothing, and the authority is not asked.
			client := tls.Dialer{Config: &tls.Config{ServerName: "other.example.com", InsecureSkipVerify: true}}
			if c, err := client.DialContext(t.Context(), "tcp", s.addr); err == nil {
				_ = c.Close()
				t.Error("a stranger's name got a certificate")
			}
			if n := len(again.ledger.Entries()); n != 0 {
				t.Errorf("%d exchanges for a stranger's name", n)
			}
		})
	}
}

// TestACMERetries lets the first order fail, as when a name does not lead here
// yet. Visitors cause no further orders; when the pause is over the next one is
// made, long before the minute for which autocert remembers a failure.
func TestACMERetries(t *testing.T) {
	keyset, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	gate := listen(t) // where the authority looks; nobody answers yet
	address := gate.Addr().String()
	if err := gate.Close(); err != nil {
		t.Fatal(err)
	}
	pebble := pebbletest.Start(t, pebbletest.Options{TLSPort: port(gate), HTTPPort: 1})
	began := time.Now()
	var ahead atomic.Int64
	s := open(t, pebble, listen(t), nil, filepath.Join(t.TempDir(), "acme"), keyset, func(c *tlsserver.Config) {
		c.Now = func() time.Time { return began.Add(time.Duration(ahead.Load())) }
	})
	for s.server.Status().Problem == "" && t.Context().Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	asked := -1
	for n := len(s.ledger.Entries()); n != asked; n = len(s.ledger.Entries()) { // the failed order has its last words
		asked = n
		time.Sleep(time.Second)
	}
	for range 20 {
		if _, _, err := s.fetch(t, pebble.Roots); err == nil {
			t.Fatal("a certificate without a challenge")
		}
	}
	if n := len(s.ledger.Entries()); n != asked {
		t.Errorf("visitors caused %d exchanges with the authority", n-asked)
	}
	ahead.Store(int64(9 * time.Second))
	time.Sleep(100 * time.Millisecond) // five looks at the clock
	if n := len(s.ledger.Entries()); n != asked {
		t.Errorf("%d exchanges before the pause was over", n-asked)
	}

	gate = listenOn(t, address)
	door := &http.Server{Handler: http.NotFoundHandler(), TLSConfig: s.server.TLSConfig(), ReadHeaderTimeout: time.Minute}
	go func() { _ = door.ServeTLS(gate, "", "") }()
	t.Cleanup(func() { _ = door.Close() })
	ahead.Store(int64(10 * time.Second))
	for s.server.Status().NotAfter.IsZero() {
		if time.Since(began) > 45*time.Second {
			t.Fatalf("no certificate: %+v", s.server.Status())
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, _, err := s.fetch(t, pebble.Roots); err != nil || s.server.Status().Problem != "" {
		t.Errorf("%v, %+v", err, s.server.Status())
	}
}

// TestACMERenews watches a certificate of forty seconds be replaced while
// visitors come and go: none of them meets an expired one.
func TestACMERenews(t *testing.T) {
	keyset, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	pages := listen(t)
	pebble := pebbletest.Start(t, pebbletest.Options{TLSPort: port(pages), HTTPPort: 1, Lifetime: 40 * time.Second})
	dir := filepath.Join(t.TempDir(), "acme")
	s := open(t, pebble, pages, nil, dir, keyset)
	state, _, err := s.fetch(t, pebble.Roots)
	if err != nil {
		t.Fatal(err)
	}
	first, visits := state.PeerCertificates[0], 1
	for deadline := time.Now().Add(2 * time.Minute); state.PeerCertificates[0].SerialNumber.Cmp(first.SerialNumber) == 0; visits++ {
		if time.Now().After(deadline) {
			t.Fatalf("not renewed: %+v", s.server.Status())
		}
		time.Sleep(100 * time.Millisecond)
		if state, _, err = s.fetch(t, pebble.Roots); err != nil {
			t.Fatalf("after %d visits: %v", visits, err)
		}
	}
	if left := time.Until(first.NotAfter); left <= 0 {
		t.Errorf("renewed %s after the end of the first", -left)
	}
	if st := s.server.Status(); !st.NotAfter.After(first.NotAfter) || st.Problem != "" {
		t.Errorf("%+v", st)
	}
	t.Logf("%d visits, renewed %s before the end", visits, time.Until(first.NotAfter).Round(time.Millisecond))
}

// TestACMEFails lets the authority find no challenge: people are told, and what
// was tried is on the record.
func TestACMEFails(t *testing.T) {
	pages := listen(t)
	pebble := pebbletest.Start(t, pebbletest.Options{TLSPort: 1, HTTPPort: 1}) // nobody answers challenges there
	keyset, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, pebble, pages, nil, filepath.Join(t.TempDir(), "acme"), keyset)
	if _, _, err := s.fetch(t, pebble.Roots); err == nil {
		t.Fatal("a certificate without a challenge")
	}
	st := s.server.Status()
	for st.Problem == "" && t.Context().Err() == nil { // the first attempt is still under way
		st = s.server.Status()
	}
	if w := st.Warning(time.Now()); !strings.Contains(w, "no certificate yet") || strings.Contains(w, "acme:") {
		t.Errorf("%q", w)
	}
	if len(s.ledger.Entries()) == 0 {
		t.Error("nothing on the record")
	}
}
