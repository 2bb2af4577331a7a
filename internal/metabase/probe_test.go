package metabase_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

func steps(r metabase.TestReport) string {
	var out []string
	for _, s := range r.Steps {
		mark := "ok"
		if !s.OK {
			mark = errs.CodeOf(s.Err)
		}
		out = append(out, s.Name+":"+mark)
	}
	return strings.Join(out, " ")
}

func exceptions(r metabase.TestReport) string {
	var out []string
	for _, e := range r.Exceptions {
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

func secureServer(t *testing.T, version uint16, h http.Handler) (server *httptest.Server, ca []byte) {
	t.Helper()
	server = httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: version}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func TestConnectionTest(t *testing.T) {
	fake := metabasetest.NewServer(metabasetest.Config{Version: "0.58", World: metabasetest.SampleCompany(fakeNow), Admin: true, PersonID: 1})
	plain := httptest.NewServer(fake)
	t.Cleanup(plain.Close)
	modern, modernCA := secureServer(t, tls.VersionTLS13, fake)
	old, oldCA := secureServer(t, tls.VersionTLS12, fake)
	elsewhere := httptest.NewServer(metabasetest.NewServer(metabasetest.Config{Version: "0.58"}))
	t.Cleanup(elsewhere.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>hello</html>")) }))
	t.Cleanup(page.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := "http://" + closed.Addr().String()
	_ = closed.Close()

	const allGood = "metabase:ok credential:ok version:ok content:ok"
	for _, tc := range []struct {
		name       string
		url        string
		set        func(*metabase.Config)
		steps      string
		exceptions string
		tls        string
	}{
		{name: "plain on loopback", url: plain.URL, steps: "address:ok " + allGood},
		{name: "tls 1.3", url: modern.URL, set: func(c *metabase.Config) { c.Outbound.RootCAs = modernCA }, steps: "address:ok tls:ok " + allGood, tls: "1.3"},
		{name: "tls 1.2", url: old.URL, set: func(c *metabase.Config) { c.Outbound.RootCAs = oldCA }, steps: "address:ok tls:tls_too_old", exceptions: "tls_1_2", tls: "1.2"},
		{name: "tls 1.2 accepted", url: old.URL, set: func(c *metabase.Config) { c.Outbound.RootCAs, c.Outbound.MinTLS12 = oldCA, true }, steps: "address:ok tls:ok " + allGood, tls: "1.2"},
		{name: "untrusted", url: modern.URL, steps: "address:ok tls:tls_untrusted", exceptions: "custom_ca", tls: "1.3"},
		{name: "untrusted and old", url: old.URL, steps: "address:ok tls:tls_too_old tls:tls_untrusted", exceptions: "tls_1_2 custom_ca", tls: "1.2"},
		{name: "https on a plain port", url: strings.Replace(plain.URL, "http:", "https:", 1), steps: "tls:plain_http", exceptions: "plain_http"},
		{name: "nobody there", url: nowhere, steps: "address:unreachable"},
		{name: "blocked", url: "http://169.254.169.254", steps: "address:address_blocked"},
		{name: "private not allowed", url: "http://10.0.0.1", steps: "address:address_blocked"},
		{name: "a web page", url: page.URL, steps: "metabase:not_a_metabase"},
		{name: "wrong path", url: elsewhere.URL + "/nested", steps: "metabase:not_a_metabase"},
		{name: "wrong key", url: plain.URL, set: func(c *metabase.Config) { c.Auth.Secret = secret.New("mb_wrong") }, steps: "address:ok metabase:ok credential:unauthorized"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, b := config(tc.url, func(c *metabase.Config) { c.Auth.Secret = secret.New(metabasetest.DefaultKey) })
			if tc.set != nil {
				tc.set(&cfg)
			}
			c, err := metabase.Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			report, err := c.Test(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.steps, tc.exceptions, tc.tls}, []string{steps(report), exceptions(report), report.TLSVersion}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if good := !strings.Contains(strings.ReplaceAll(steps(report), ":ok", ""), ":"); report.OK != good {
				t.Errorf("OK is %v", report.OK)
			}
			for _, s := range report.Steps {
				if _, hint := errs.PublicText(s.Err); s.Detail == "" || !s.OK && hint == "" {
					t.Errorf("step %s helps nobody: %+v", s.Name, s)
				}
			}
			for _, e := range report.Exceptions {
				if e.Text == "" || e.Kind == metabase.ExceptionCustomCA && (e.PEM == "" || !strings.Contains(e.Detail, "SHA-256")) {
					t.Errorf("%+v", e)
				}
			}
			if report.OK && (report.Databases < 1 || report.Collections < 2 || report.Identity.Instance.Major != 58 || len(report.Advice) == 0 || len(report.Unseen) != 0) {
				t.Errorf("%+v", report)
			}
			if len(b.ledger.Entries()) == 0 && !strings.Contains(tc.steps, "blocked") {
				t.Error("nothing in the ledger")
			}
		})
	}
	fake.CheckOnlyAllowed(t)
}

// The certificate a person accepts makes the same connection work.
func TestAcceptingWhatTheTestOffers(t *testing.T) {
	fake := metabasetest.NewServer(metabasetest.Config{Version: "0.58", World: metabasetest.SampleCompany(fakeNow), Admin: true, PersonID: 1})
	server, _ := secureServer(t, tls.VersionTLS12, fake)
	cfg, _ := config(server.URL, func(c *metabase.Config) { c.Auth.Secret = secret.New(metabasetest.DefaultKey) })
	c, err := metabase.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	report, err := c.Test(t.Context())
	if err != nil || report.OK || len(fake.Requests()) != 0 {
		t.Fatalf("%v %v: a request was sent before the certificate was accepted", err, fake.Requests())
	}
	for _, e := range report.Exceptions {
		switch e.Kind {
		case metabase.ExceptionTLS12:
			cfg.Outbound.MinTLS12 = true
		case metabase.ExceptionCustomCA:
			cfg.Outbound.RootCAs = []byte(e.PEM)
		}
	}
	if c, err = metabase.Open(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if report, err = c.Test(t.Context()); err != nil || !report.OK {
		t.Errorf("%s %v", steps(report), err)
	}
}

func TestConnectionTestWithoutAdminRights(t *testing.T) {
	_, b := against(t, metabasetest.Config{Version: "0.58", World: metabasetest.SampleCompany(fakeNow)})
	report, err := b.Test(t.Context())
	if err != nil || !report.OK {
		t.Fatal(steps(report), err)
	}
	if len(report.Unseen) < 3 {
		t.Errorf("%+v", report.Unseen)
	}
	for _, u := range report.Unseen {
		if u.What == "" || u.Why == "" || u.Hint == "" {
			t.Errorf("%+v", u)
		}
	}
	if guide := strings.Join(metabase.KeyGuide(), "\n"); !strings.Contains(guide, "API keys") || !strings.Contains(guide, "0.49") {
		t.Error("the guide does not say how to make a key")
	}
}

// Plain HTTP beyond this machine is offered as an exception, before the key is sent.
func TestPlainHTTPIsAnException(t *testing.T) {
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(proxy.Close)
	cfg, _ := config("http://mb.example", func(c *metabase.Config) { c.Outbound.ProxyURL = proxy.URL })
	c, err := metabase.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	report, err := c.Test(t.Context())
	if err != nil || steps(report) != "tls:"+outbound.CodePlainHTTP || exceptions(report) != "plain_http" || asked.Load() != 0 {
		t.Errorf("%s, %s, %v, %d requests", steps(report), exceptions(report), err, asked.Load())
	}
}
