package app_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/tlsserver/pebbletest"
)

// certificate writes a self-signed certificate for localhost.
func certificate(t *testing.T, dir string, serial int64, life time.Duration) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-90 * 24 * time.Hour), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, pool
}

// over asks an address with TLS.
func over(t *testing.T, c *tls.Config, address string) (*http.Response, string, error) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	return resp, string(raw), err
}

// TestServeTLS serves with a certificate from files: TLS 1.3 only, HTTP/2, HSTS,
// secure cookies, no plain text; a SIGHUP shows the new certificate, and one
// that ends soon is warned of.
func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir, 1, 365*24*time.Hour)
	reload := make(chan struct{})
	p := boot(t, func(ctx context.Context, env app.Env) error {
		loaded, err := config.Load(config.Inputs{DefaultData: filepath.Join(dir, "data"), Environ: []string{
			"METALENS_LISTEN=127.0.0.1:0", "METALENS_LOG_LEVEL=info", "METALENS_TLS_CERT_FILE=" + cert, "METALENS_TLS_KEY_FILE=" + key,
		}})
		if err != nil {
			return err
		}
		env.Reload = reload
		return app.Serve(ctx, env, loaded)
	})
	if !strings.HasPrefix(p.address, "https://localhost:") {
		t.Fatalf("the pages are at %s", p.address)
	}
	trusting := func(pool *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: pool} }
	resp, _, err := over(t, trusting(pool), p.address+"/setup")
	if err != nil {
		t.Fatal(err)
	}
	if resp.TLS.Version != tls.VersionTLS13 || resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s, %s, HSTS %q", tls.VersionName(resp.TLS.Version), resp.Proto, resp.Header.Get("Strict-Transport-Security"))
	}
	for _, c := range resp.Cookies() {
		if !c.Secure || !c.HttpOnly {
			t.Errorf("cookie %s", c)
		}
	}
	old := trusting(pool)
	old.MaxVersion = tls.VersionTLS12
	if _, _, err := over(t, old, p.address+"/setup"); err == nil {
		t.Error("TLS 1.2 was accepted")
	}
	if resp, body, err := over(t, nil, strings.Replace(p.address, "https:", "http:", 1)+"/setup"); err == nil && resp.StatusCode != http.StatusBadRequest {
		t.Errorf("plain text was answered: %s %s", resp.Status, body)
	}
	if _, body, err := over(t, trusting(pool), p.address+"/readyz"); err != nil || strings.TrimSpace(body) != "ready" {
		t.Errorf("%q %v", body, err)
	}

	_, _, next := certificate(t, dir, 2, 5*24*time.Hour)
	reload <- struct{}{}
	reload <- struct{}{} // the first one is done when the second is taken
	resp, body, err := over(t, trusting(next), p.address+"/readyz")
	if err != nil || resp.TLS.PeerCertificates[0].SerialNumber.Int64() != 2 {
		t.Fatalf("after a reload: %v", err)
	}
	if !strings.Contains(body, "warning: The server's certificate expires on") {
		t.Errorf("%q", body)
	}
}

// TestServeRefusesPlainText names the ways out, before anything is opened.
func TestServeRefusesPlainText(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		code string
		says []string
	}{
		"all addresses":    {[]string{"METALENS_LISTEN=:0"}, "plain_listener", []string{"tls.cert_file", "acme.hosts", "server.behind_proxy", "127.0.0.1"}},
		"one address":      {[]string{"METALENS_LISTEN=192.0.2.1:8300"}, "plain_listener", nil},
		"a public address": {[]string{"METALENS_LISTEN=0.0.0.0:0", "METALENS_PUBLIC_URL=https://metalens.example.com"}, "plain_listener", nil},
		"a proxy unnamed":  {[]string{"METALENS_LISTEN=0.0.0.0:0", "METALENS_PUBLIC_URL=https://metalens.example.com", "METALENS_BEHIND_PROXY=yes"}, "proxy_unknown", nil},
		"a proxy in plain": {[]string{"METALENS_LISTEN=0.0.0.0:0", "METALENS_PUBLIC_URL=http://metalens.example.com", "METALENS_BEHIND_PROXY=yes", "METALENS_TRUSTED_PROXIES=10.0.0.0/8"}, "proxy_address", nil},
		"half a pair":      {[]string{"METALENS_TLS_CERT_FILE=/nowhere/tls.crt"}, "tls_incomplete", nil},
		"terms":            {[]string{"METALENS_ACME_HOSTS=metalens.example.com"}, "acme_terms", []string{"acme.accept_terms"}},
	} {
		data := filepath.Join(t.TempDir(), "data")
		loaded, err := config.Load(config.Inputs{DefaultData: data, Environ: c.env})
		if err != nil {
			t.Fatal(err)
		}
		err = app.Serve(t.Context(), app.Env{Stdout: io.Discard, Stderr: &bytes.Buffer{}, Now: time.Now}, loaded)
		_, hint := errs.PublicText(err)
		if errs.CodeOf(err) != c.code || app.ExitCode(err) != app.ExitUsage {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.says {
			if !strings.Contains(hint, want) {
				t.Errorf("%s: the hint lacks %s: %s", name, want, hint)
			}
		}
		if _, err := os.Stat(data); err == nil {
			t.Errorf("%s: a data folder was made", name)
		}
	}
}

// TestServeBehindAProxy answers in plain text beyond loopback when a proxy is
// declared, and believes its word about the caller only from there.
func TestServeBehindAProxy(t *testing.T) {
	p := boot(t, func(ctx context.Context, env app.Env) error {
		loaded, err := config.Load(config.Inputs{DefaultData: filepath.Join(t.TempDir(), "data"), Environ: []string{
			"METALENS_LISTEN=0.0.0.0:0", "METALENS_BEHIND_PROXY=yes", "METALENS_TRUSTED_PROXIES=192.0.2.0/24", "METALENS_PUBLIC_URL=https://metalens.example.com", "METALENS_LOG_LEVEL=warn",
		}})
		if err != nil {
			return err
		}
		return app.Serve(ctx, env, loaded)
	})
	resp, _, err := over(t, nil, p.address+"/setup") // loopback counts as the proxy's own machine
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%v %v", resp, err)
	}
	if !strings.Contains(p.stderr.String(), "people use https://metalens.example.com") {
		t.Errorf("%s", p.stderr)
	}
}

// TestServeACME lets the whole program get its certificate from an ACME server
// process, keeps it sealed, and records the exchange.
func TestServeACME(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	_, port, _ := net.SplitHostPort(listen)
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // serve takes it
	pebble := pebbletest.Start(t, pebbletest.Options{TLSPort: number, HTTPPort: 1})
	data := filepath.Join(t.TempDir(), "data")
	p := boot(t, func(ctx context.Context, env app.Env) error {
		loaded, err := config.Load(config.Inputs{DefaultData: data, Environ: []string{
			"METALENS_LISTEN=" + listen, "METALENS_LOG_LEVEL=info", "METALENS_ACME_HOSTS=metalens.example.com", "METALENS_ACME_ACCEPT_TERMS=yes",
			"METALENS_ACME_DIRECTORY=" + pebble.Directory, "METALENS_ACME_CA_FILE=" + pebble.CAFile,
		}})
		if err != nil {
			return err
		}
		return app.Serve(ctx, env, loaded)
	})
	if p.address != "https://metalens.example.com:"+port {
		t.Errorf("the pages are at %s", p.address)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pebble.Roots)
	var resp *http.Response
	// A handshake waits for the certificate; after an order that failed, and Pebble
	// fails some on purpose, autocert makes the next one a minute later.
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
		if resp, _, err = over(t, &tls.Config{RootCAs: pool, ServerName: "metalens.example.com"}, "https://"+listen+"/healthz"); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
	if resp.TLS.PeerCertificates[0].DNSNames[0] != "metalens.example.com" {
		t.Errorf("%v", resp.TLS.PeerCertificates[0].DNSNames)
	}
	list, err := os.ReadDir(filepath.Join(data, "acme"))
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	for _, f := range list {
		raw, err := os.ReadFile(filepath.Join(data, "acme", f.Name()))
		if err != nil || bytes.Contains(raw, []byte("PRIVATE KEY")) {
			t.Errorf("%s lies in the clear: %v", f.Name(), err)
		}
	}
}
