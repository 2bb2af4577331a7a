package sso_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/sso"
	"github.com/metalens/metalens/internal/sso/ssotest"
)

var people = map[string]ssotest.Person{
	"ada": {Email: "ada@example.com", EmailVerified: true, Name: "Ada Lovelace", Groups: []string{"analysts", "data"}},
	"ben": {Email: "ben@example.com", EmailVerified: false, Name: "Ben"},
}

func realOptions() ssotest.Options {
	return ssotest.Options{ClientID: clientID, ClientSecret: clientSecret, Redirect: callback, PostLogout: "http://127.0.0.1:8300/login", People: people}
}

// visit goes to the provider as a person would, logs in there and returns what
// the provider sends back to us.
func visit(t *testing.T, address string, authority *x509.CertPool, form url.Values) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	arrived := errors.New("back home")
	browser := &http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), callback) {
				return arrived
			}
			return nil
		},
	}
	if authority != nil {
		browser.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority, MinVersion: tls.VersionTLS13}}
	}
	resp, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Request.URL.Path, "/interaction/") {
		t.Fatalf("the provider shows no login: %s at %s", resp.Status, resp.Request.URL)
	}
	resp, err = browser.PostForm(resp.Request.URL.String(), form)
	if resp != nil {
		_ = resp.Body.Close()
	}
	var stopped *url.Error
	if !errors.As(err, &stopped) || !errors.Is(err, arrived) {
		t.Fatalf("the provider did not send back: %v", err)
	}
	back, err := url.Parse(stopped.URL)
	if err != nil {
		t.Fatal(err)
	}
	if back.Path == "" {
		t.Fatal("no callback")
	}
	return back.Query()
}

func TestRealProvider(t *testing.T) {
	issuer := ssotest.Start(t, realOptions())
	o := settings(issuer)
	o.Scopes, o.GroupsClaim, o.TrustMFA = []string{"groups"}, "groups", config.TrustMFAClaims
	p, recorder := open(t, o)
	login := func(t *testing.T, form url.Values) (sso.Claims, error) {
		t.Helper()
		pending, address, err := p.Begin(t.Context(), "/", false)
		if err != nil {
			t.Fatal(err)
		}
		back := visit(t, address, nil, form)
		found, ok := p.Match([]sso.Pending{pending}, back.Get("state"))
		if !ok {
			t.Fatal("the state did not come back")
		}
		return p.Finish(t.Context(), found, back)
	}
	t.Run("a login", func(t *testing.T) {
		c, err := login(t, url.Values{"login": {"ada"}, "do": {"login"}})
		if err != nil {
			t.Fatal(err)
		}
		if c.Issuer != issuer || c.Subject != "ada" || c.Email != "ada@example.com" || !c.EmailVerified || c.Name != "Ada Lovelace" ||
			!slices.Equal(c.Groups, []string{"analysts", "data"}) || c.SecondFactor {
			t.Errorf("claims: %+v", c)
		}
	})
	t.Run("with a second factor there", func(t *testing.T) {
		if c, err := login(t, url.Values{"login": {"ada"}, "otp": {"1"}, "do": {"login"}}); err != nil || !c.SecondFactor {
			t.Errorf("%+v, %v", c, err)
		}
	})
	t.Run("an address that is not verified", func(t *testing.T) {
		if c, err := login(t, url.Values{"login": {"ben"}, "do": {"login"}}); err != nil || c.EmailVerified {
			t.Errorf("%+v, %v", c, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		if _, err := login(t, url.Values{"do": {"cancel"}}); errs.CodeOf(err) != "sso_cancelled" {
			t.Error(err)
		}
	})
	t.Run("a code is good once, and for its own verifier only", func(t *testing.T) {
		pending, address, err := p.Begin(t.Context(), "/", false)
		if err != nil {
			t.Fatal(err)
		}
		back := visit(t, address, nil, url.Values{"login": {"ada"}, "do": {"login"}})
		other := pending
		other.Verifier = strings.Repeat("x", 43)
		if _, err := p.Finish(t.Context(), other, back); errs.CodeOf(err) != "sso_refused" {
			t.Errorf("another verifier: %v", err)
		}
		if _, err := p.Finish(t.Context(), pending, back); err != nil {
			t.Errorf("its own: %v", err)
		}
		if _, err := p.Finish(t.Context(), pending, back); errs.CodeOf(err) != "sso_refused" {
			t.Errorf("a second time: %v", err)
		}
	})
	t.Run("a proof is asked for anew", func(t *testing.T) {
		pending, address, err := p.Begin(t.Context(), "/", true)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now().Add(-2 * time.Second)
		c, err := p.Finish(t.Context(), pending, visit(t, address, nil, url.Values{"login": {"ada"}, "do": {"login"}}))
		if err != nil || c.AuthenticatedAt.Before(began) {
			t.Errorf("asked %s, %v", c.AuthenticatedAt, err)
		}
	})
	t.Run("logout there", func(t *testing.T) {
		address, ok, err := p.EndSession(t.Context(), "http://127.0.0.1:8300/login")
		if err != nil || !ok || !strings.HasPrefix(address, issuer+"/session/end?") {
			t.Errorf("%s, %t, %v", address, ok, err)
		}
	})
	t.Run("a wrong secret", func(t *testing.T) {
		wrong := o
		wrong.ClientSecret = secret.New("another-secret-of-thirty-two-letters")
		q, _ := open(t, wrong)
		pending, address, err := q.Begin(t.Context(), "/", false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Finish(t.Context(), pending, visit(t, address, nil, url.Values{"login": {"ada"}, "do": {"login"}})); errs.CodeOf(err) != "sso_refused" {
			t.Error(err)
		}
	})
	for _, e := range recorder.Entries() {
		if strings.Contains(e.Route, "?") || e.Error != "" {
			t.Errorf("ledger: %+v", e)
		}
	}
}

func TestRealProviderOverTLS(t *testing.T) {
	authority, key, cert := throwaway(t)
	o := realOptions()
	o.Key, o.Cert, o.AuthMethod = key, cert, "client_secret_basic"
	issuer := ssotest.Start(t, o)

	p, _ := open(t, settings(issuer))
	if err := p.Discover(t.Context()); errs.CodeOf(err) != "sso_unavailable" {
		t.Errorf("an unknown authority: %v", err)
	}
	p, _ = open(t, settings(issuer), func(c *sso.ProviderConfig) { c.RootCAs = authority })
	pending, address, err := p.Begin(t.Context(), "/", false)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	if c, err := p.Finish(t.Context(), pending, visit(t, address, pool, url.Values{"login": {"ada"}, "do": {"login"}})); err != nil || c.Subject != "ada" {
		t.Errorf("%+v, %v", c, err)
	}
}

// throwaway makes a certificate authority and a certificate for loopback.
func throwaway(t *testing.T) (authority []byte, key, cert string) {
	t.Helper()
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, ca.Public(), ca)
	if err != nil {
		t.Fatal(err)
	}
	site := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	siteDER, err := x509.CreateCertificate(rand.Reader, site, root, leaf.Public(), ca)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leaf)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return block("CERTIFICATE", rootDER), string(block("PRIVATE KEY", keyDER)), string(block("CERTIFICATE", siteDER))
}
