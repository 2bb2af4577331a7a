package outbound_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
)

// forbidden are addresses that nothing may reach, whatever is configured, in
// every spelling that some resolver, library or proxy understands.
func forbidden() []string {
	return []string{
		// Metadata services, as they are.
		"169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"[fd00:ec2::254]", "[fd00:ec2::23]", "[fd20:ce::254]", "[fd00:c1::a9fe:a9fe]", "[fd00:42::42]",
		// By name, in any case, with the root's dot, in other alphabets' digits and dots.
		"metadata.google.internal", "METADATA.GOOGLE.INTERNAL", "metadata.google.internal.", "metadata.google。internal", "ｍetadata.google.internal",
		"metadata", "metadata.goog", "instance-data", "instance-data.ec2.internal", "metadata.azure.internal", "metadata.tencentyun.com", "rancher-metadata",
		// Link-local.
		"169.254.0.1", "[fe80::1]", "[fe80::1%25eth0]", "[fec0::1]",
		// Unspecified, multicast, broadcast, reserved, documentation.
		"0.0.0.0", "0.1.2.3", "[::]", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "[ff02::1]", "[ff0e::1]",
		"192.0.2.1", "198.51.100.7", "203.0.113.7", "[2001:db8::1]", "[100::1]",
		// Numbers that are addresses to inet_aton: decimal, octal, hexadecimal, short.
		"2852039166", "0xA9FEA9FE", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518", "169.16689662", "0x7f.1", "127.1", "0177.0.0.1", "017700000001",
		"1.2.3.4.5", "256.256.256.256", "1.2.3.04", "0",
		// Dots at the end and nothing between them.
		"169.254.169.254.", "127.0.0.1..", ".", "a..", "",
		// Other alphabets' digits.
		"①⑥⑨.②⑤④.①⑥⑨.②⑤④", "１６９.２５４.１６９.２５４", "169。254。169。254",
		// An IPv4 address inside an IPv6 one: mapped, compatible, translated, NAT64, 6to4, Teredo (server and client), ISATAP.
		"[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::169.254.169.254]", "[::ffff:0:169.254.169.254]", "[64:ff9b::169.254.169.254]",
		"[64:ff9b:1::169.254.169.254]", "[2002:a9fe:a9fe::1]", "[2001:0:a9fe:a9fe::1]", "[2001:0:808:808::5601:5601]", "[2606:4700::5efe:169.254.169.254]",
		"[::ffff:0.0.0.0]", "[::ffff:224.0.0.1]", "[64:ff9b::224.0.0.1]", "[2002:e000:1::]",
	}
}

// TestForbiddenAddresses tries every forbidden address with every purpose under
// the most generous policy, directly and through a proxy, over HTTP, HTTPS and
// bare connections. No socket is opened and nothing is asked of a resolver or a
// proxy.
func TestForbiddenAddresses(t *testing.T) {
	generous := outbound.Policy{
		AllowPrivate: true, AllowLoopback: true,
		AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
	}
	touched := func(what string) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%s was asked", what)
			return nil, errors.New("no")
		}
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the proxy was asked for %s", r.Host) }))
	defer proxy.Close()
	checked := 0
	for _, purpose := range ledger.Purposes() {
		for _, way := range []string{"", proxy.URL} {
			tr, _ := transport(t, func(c *outbound.Config) {
				c.Purpose, c.Policy, c.AllowPlainHTTP, c.MinTLS12, c.ProxyURL = purpose, generous, true, true, way
				c.Resolver = &net.Resolver{PreferGo: true, Dial: touched("a resolver")}
			})
			for _, host := range forbidden() {
				for _, scheme := range []string{"http", "https"} {
					for _, port := range []string{"", ":80", ":3000"} {
						u, err := url.Parse(scheme + "://" + host + port + "/latest/meta-data")
						if err != nil || u.Host == "" {
							continue // no request can be made for it
						}
						req := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}
						resp, err := tr.RoundTrip(req.WithContext(t.Context()))
						if err == nil {
							_ = resp.Body.Close()
						}
						if errs.CodeOf(err) != outbound.CodeBlocked && errs.CodeOf(err) != "bad_address" {
							t.Errorf("%s %s: %v", purpose, u, err)
						}
						checked++
					}
				}
				if way == "" {
					conn, err := tr.Dialer().DialContext(t.Context(), "tcp", net.JoinHostPort(strings.ReplaceAll(strings.Trim(host, "[]"), "%25", "%"), "5432"))
					if err == nil {
						_ = conn.Close()
					}
					if errs.CodeOf(err) != outbound.CodeBlocked {
						t.Errorf("%s: dial %s: %v", purpose, host, err)
					}
				}
			}
		}
	}
	t.Logf("%d requests refused", checked)
	if checked < 5000 {
		t.Errorf("only %d requests were tried", checked)
	}
}

// TestPrivateAddresses holds for every purpose that private and loopback
// addresses need the operator's word, also in disguise and behind a name.
func TestPrivateAddresses(t *testing.T) {
	for _, purpose := range ledger.Purposes() {
		for _, host := range []string{
			"10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "198.18.0.1", "[fc00::1]", "[fd12::1]", "127.0.0.1", "127.255.255.254", "[::1]",
			"[::ffff:10.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::10.0.0.1]", "[2002:a00:1::]", "[2001:0:a00:1::1]", "localhost", "localhost.", "LOCALHOST",
			"ten.example",
		} {
			tr, _ := transport(t, func(c *outbound.Config) {
				c.Purpose, c.Policy, c.AllowPlainHTTP = purpose, outbound.Policy{}, true
				c.Resolver = names(t, []string{"10.0.0.1"})
			})
			if _, err := get(t, tr, "http://"+host+":3000/"); errs.CodeOf(err) != outbound.CodeBlocked {
				t.Errorf("%s %s: %v", purpose, host, err)
			}
		}
	}
}

// TestOwnListenersAreRefused adds listeners while clients exist: from then on
// none reaches them, by address, by loopback, in disguise or by public name.
func TestOwnListenersAreRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	own := &outbound.Listeners{}
	for _, purpose := range ledger.Purposes() {
		tr, _ := transport(t, func(c *outbound.Config) {
			c.Purpose, c.AllowPlainHTTP = purpose, true
			c.Policy = outbound.Policy{AllowLoopback: true, AllowPrivate: true, Own: own}
			c.Resolver = names(t, []string{"127.0.0.1"})
		})
		if len(own.All()) == 0 {
			if status, err := get(t, tr, server.URL); err != nil || status != http.StatusOK {
				t.Fatal(status, err)
			}
			tr.CloseIdleConnections()
			own.AddListener(server.Listener)
			own.AddSite("MetaLens.example:443")
		}
		for _, address := range []string{
			server.URL, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://[64:ff9b::7f00:1]:" + port, "http://rebound.example:" + port,
			"https://metalens.example/", "https://METALENS.example.:443/",
		} {
			if _, err := get(t, tr, address); errs.CodeOf(err) != outbound.CodeBlocked {
				t.Errorf("%s %s: %v", purpose, address, err)
			}
		}
	}
}

// TestClientFollowsWithinOneOrigin redirects to everywhere; only the same
// scheme, host and port is followed, and no header travels elsewhere.
func TestClientFollowsWithinOneOrigin(t *testing.T) {
	stolen := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen = true }))
	defer other.Close()
	var target string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			_, _ = io.WriteString(w, "end")
			return
		}
		http.Redirect(w, r, target, http.StatusFound)
	}))
	defer server.Close()
	tr, _ := transport(t, func(c *outbound.Config) { c.Purpose, c.AllowPlainHTTP = ledger.PurposeOIDC, true })
	client := tr.Client(0)
	ask := func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/begin", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Api-Key", "secret")
		resp, err := client.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	for _, target = range []string{"/end", "end", server.URL + "/end"} {
		if err := ask(); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	port := strings.TrimPrefix(server.URL, "http://127.0.0.1:")
	for _, target = range []string{
		other.URL + "/end", strings.Replace(server.URL, "http:", "https:", 1) + "/end", "http://localhost:" + port + "/end",
		"http://169.254.169.254/latest", "//169.254.169.254/", "http://x@127.0.0.1:" + port + "/end", "file:///etc/passwd", "gopher://127.0.0.1:" + port, "/begin",
	} {
		if err := ask(); err == nil {
			t.Errorf("%s was followed", target)
		}
	}
	if stolen {
		t.Error("another server was asked")
	}
}

// TestUserinfoAndHostTricks: neither a user name that looks like the host nor a
// Host header of its own changes where a request goes or what is recorded.
func TestUserinfoAndHostTricks(t *testing.T) {
	tr, rec := transport(t, func(c *outbound.Config) { c.AllowPlainHTTP = true })
	for _, address := range []string{"http://metabase.example@127.0.0.1:1/", "http://metabase.example:443@169.254.169.254/", "http://127.0.0.1:1#@metabase.example/"} {
		if _, err := get(t, tr, address); err == nil {
			t.Errorf("%s was asked", address)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "metabase.example"
	if resp, err := tr.RoundTrip(req); err == nil || errs.CodeOf(err) != "bad_address" {
		if err == nil {
			_ = resp.Body.Close()
		}
		t.Errorf("another Host header: %v", err)
	}
	for _, e := range rec.Entries() {
		if !strings.HasPrefix(e.Host, "127.0.0.1:") {
			t.Errorf("%+v", e)
		}
	}
}

// TestEgressAddress sends from the configured address only; a destination of
// another family is refused, and this machine is reached as ever.
func TestEgressAddress(t *testing.T) {
	from := make(chan string, 4)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { from <- r.RemoteAddr }))
	defer server.Close()
	tr, _ := transport(t, func(c *outbound.Config) { c.Policy.From = []netip.Addr{netip.MustParseAddr("127.0.0.9")} })
	if status, err := get(t, tr, server.URL); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	if got := <-from; !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("this machine was reached from %s", got)
	}
	far, _ := transport(t, func(c *outbound.Config) {
		c.Policy = outbound.Policy{AllowPrivate: true, From: []netip.Addr{netip.MustParseAddr("203.0.113.9")}} // not this machine's
	})
	if _, err := get(t, far, "https://10.0.0.1/"); errs.CodeOf(err) != outbound.CodeUnreachable || !strings.Contains(text(err), "cannot send from 203.0.113.9") {
		t.Errorf("%v", err)
	}
	if _, err := get(t, far, "https://[fd00:1::1]/"); errs.CodeOf(err) != outbound.CodeBlocked || !strings.Contains(text(err), "IPv4 or IPv6") {
		t.Errorf("%v", err)
	}
}

func text(err error) string { public, _ := errs.PublicText(err); return public }
