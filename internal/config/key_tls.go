package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/metalens/metalens/internal/secret"
)

// LetsEncrypt is the ACME directory that is asked when none is set.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// TLS is the certificate that serve shows, from files.
type TLS struct {
	CertFile string // PEM, leaf first
	KeyFile  string // PEM
}

// ACME says from whom serve gets a certificate by itself.
type ACME struct {
	Hosts       []string // names of the certificate; empty = ACME is off
	Email       string   // where the authority writes to about expiring certificates
	Directory   string   // address of the authority's directory
	AcceptTerms bool     // the operator agrees to the authority's terms
	CAFile      string   // PEM of a private authority's own certificate
	HTTPListen  string   // host:port of HTTP-01 and of the redirect to https; empty = TLS-ALPN-01 only
	KeyID       string   // external account binding
	Key         secret.Value
}

// Egress says from which addresses MetaLens talks to others.
type Egress struct {
	Addresses []netip.Addr // as others see them, for firewall allow-lists
	Bind      []netip.Addr // of this machine, at most one of each family
}

func tlsKeys() []Key {
	return []Key{
		{
			Name: "tls.cert_file", Env: []string{"METALENS_TLS_CERT_FILE"}, Path: true,
			Help: "PEM file with the certificate serve shows, leaf first; read again when it changes",
			set:  func(c *Config, v string) error { return setPath(&c.TLS.CertFile, v) },
			show: func(c *Config) string { return c.TLS.CertFile },
		},
		{
			Name: "tls.key_file", Env: []string{"METALENS_TLS_KEY_FILE"}, Path: true,
			Help: "PEM file with its private key",
			set:  func(c *Config, v string) error { return setPath(&c.TLS.KeyFile, v) },
			show: func(c *Config) string { return c.TLS.KeyFile },
		},
		{
			Name: "acme.hosts", Env: []string{"METALENS_ACME_HOSTS"},
			Help: "host names to get a certificate for by ACME, comma separated; empty = off",
			set:  func(c *Config, v string) error { return setHosts(&c.ACME.Hosts, v) },
			show: func(c *Config) string { return strings.Join(c.ACME.Hosts, ",") },
		},
		{
			Name: "acme.accept_terms", Env: []string{"METALENS_ACME_ACCEPT_TERMS"},
			Help: "you agree to the terms of the ACME authority; needed",
			set:  func(c *Config, v string) error { return setBool(&c.ACME.AcceptTerms, v) },
			show: func(c *Config) string { return strconv.FormatBool(c.ACME.AcceptTerms) },
		},
		{
			Name: "acme.email", Env: []string{"METALENS_ACME_EMAIL"},
			Help: "where the authority writes to about the certificate",
			set:  func(c *Config, v string) error { return setContact(&c.ACME.Email, v) },
			show: func(c *Config) string { return c.ACME.Email },
		},
		{
			Name: "acme.directory", Env: []string{"METALENS_ACME_DIRECTORY"},
			Help: "directory address of the ACME authority, for example Let's Encrypt's staging one or your own",
			set:  func(c *Config, v string) error { return setDirectory(&c.ACME.Directory, v) },
			show: func(c *Config) string { return c.ACME.Directory },
		},
		{
			Name: "acme.ca_file", Env: []string{"METALENS_ACME_CA_FILE"}, Path: true,
			Help: "PEM file of the certificate authority that the ACME server itself uses",
			set:  func(c *Config, v string) error { return setPath(&c.ACME.CAFile, v) },
			show: func(c *Config) string { return c.ACME.CAFile },
		},
		{
			Name: "acme.http_listen", Env: []string{"METALENS_ACME_HTTP_LISTEN"},
			Help: "host:port that answers the HTTP-01 challenge and sends browsers on to https, usually :80; empty = TLS-ALPN-01 on the pages' own port",
			set: func(c *Config, v string) error {
				if v == "" {
					c.ACME.HTTPListen = ""
					return nil
				}
				return setListen(&c.ACME.HTTPListen, v)
			},
			show: func(c *Config) string { return c.ACME.HTTPListen },
		},
		{
			Name: "acme.eab_key_id", Env: []string{"METALENS_ACME_EAB_KEY_ID"},
			Help: "key id of an external account binding, where the authority asks for one",
			set:  func(c *Config, v string) error { c.ACME.KeyID = v; return nil },
			show: func(c *Config) string { return c.ACME.KeyID },
		},
		{
			Name: "acme.eab_key", Env: []string{"METALENS_ACME_EAB_KEY"}, Secret: true,
			Help: "key of that binding, base64url",
			set:  func(c *Config, v string) error { return setToken(&c.ACME.Key, v) },
			show: func(c *Config) string { return showSecret(c.ACME.Key) },
		},
		{
			Name: "server.behind_proxy", Env: []string{"METALENS_BEHIND_PROXY", "METALENS_SERVER_BEHIND_PROXY"},
			Help: "a reverse proxy with TLS stands in front: serve may listen in plain text beyond loopback, and answers trusted_proxies only",
			set:  func(c *Config, v string) error { return setBool(&c.Server.BehindProxy, v) },
			show: func(c *Config) string { return strconv.FormatBool(c.Server.BehindProxy) },
		},
		{
			Name: "server.connections_per_address", Env: []string{"METALENS_CONNECTIONS_PER_ADDRESS", "METALENS_SERVER_CONNECTIONS_PER_ADDRESS"},
			Help: "connections that one network address may hold open; trusted proxies are not counted",
			set:  func(c *Config, v string) error { return setInt(&c.Server.PerAddress, v, 8, 100000) },
			show: func(c *Config) string { return strconv.Itoa(c.Server.PerAddress) },
		},
		{
			Name: "egress.address", Env: []string{"METALENS_EGRESS_ADDRESS"},
			Help: "addresses that others see MetaLens come from, comma separated; shown for firewall allow-lists",
			set:  func(c *Config, v string) error { return setAddrs(&c.Egress.Addresses, v) },
			show: func(c *Config) string { return showAddrs(c.Egress.Addresses) },
		},
		{
			Name: "egress.bind", Env: []string{"METALENS_EGRESS_BIND"},
			Help: "address of this machine to send from, at most one of IPv4 and one of IPv6; a family without one is not used beyond this machine",
			set:  func(c *Config, v string) error { return setBind(&c.Egress.Bind, v) },
			show: func(c *Config) string { return showAddrs(c.Egress.Bind) },
		},
	}
}

func setHosts(to *[]string, v string) error {
	var list []string
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		host, err := idna.Lookup.ToASCII(strings.TrimSuffix(part, "."))
		if _, perr := netip.ParseAddr(host); err != nil || perr == nil || !strings.Contains(host, ".") || strings.ContainsAny(host, ":/*") {
			return fmt.Errorf("has %q, which is not a host name like metalens.example.com", part)
		}
		list = append(list, host)
	}
	*to = list
	return nil
}

func setContact(to *string, v string) error {
	if v != "" && (!strings.Contains(v, "@") || strings.ContainsAny(v, " ,<>\r\n")) {
		return errors.New("is not an e-mail address")
	}
	*to = v
	return nil
}

func setDirectory(to *string, v string) error {
	if err := setHTTPURL(to, v); err != nil {
		return err
	}
	if !strings.HasPrefix(*to, "https://") {
		return errors.New("is not an https:// address")
	}
	return nil
}

func setAddrs(to *[]netip.Addr, v string) error {
	var list []netip.Addr
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		a, err := netip.ParseAddr(part)
		if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
			return fmt.Errorf("has %q, which is not a network address like 203.0.113.7", part)
		}
		list = append(list, a.Unmap())
	}
	*to = list
	return nil
}

func setBind(to *[]netip.Addr, v string) error {
	var list []netip.Addr
	if err := setAddrs(&list, v); err != nil {
		return err
	}
	if len(list) > 2 || len(list) == 2 && list[0].Is4() == list[1].Is4() {
		return errors.New("names more than one address of a family")
	}
	*to = list
	return nil
}

func showAddrs(list []netip.Addr) string {
	parts := make([]string, 0, len(list))
	for _, a := range list {
		parts = append(parts, a.String())
	}
	return strings.Join(parts, ",")
}

// OwnTLS reports whether serve shows a certificate of its own.
func (c Config) OwnTLS() bool {
	return c.TLS.CertFile != "" || c.TLS.KeyFile != "" || len(c.ACME.Hosts) > 0
}

// CheckTransport refuses settings under which pages would travel unprotected
// beyond this machine, or that contradict each other.
func (c Config) CheckTransport() error {
	switch {
	case (c.TLS.CertFile == "") != (c.TLS.KeyFile == ""):
		return invalid("tls_incomplete", "A certificate needs its private key and the other way round.", "Set both tls.cert_file and tls.key_file.")
	case c.TLS.CertFile != "" && len(c.ACME.Hosts) > 0:
		return invalid("tls_twice", "Certificate files and ACME are both set.", "Choose one: remove tls.cert_file and tls.key_file, or acme.hosts.")
	case len(c.ACME.Hosts) > 0 && !c.ACME.AcceptTerms:
		return invalid("acme_terms", "An ACME authority gives no certificate before you agree to its terms.",
			"Read the terms of "+c.ACME.Directory+" and set acme.accept_terms to yes.")
	case (c.ACME.KeyID == "") != c.ACME.Key.IsZero():
		return invalid("acme_binding", "An external account binding needs its key id and its key.", "Set both acme.eab_key_id and acme.eab_key.")
	case c.OwnTLS() && c.Server.BehindProxy:
		return invalid("tls_and_proxy", "TLS of its own and a proxy that takes TLS off are both set.",
			"Choose one. A proxy that passes TLS through needs no server.behind_proxy.")
	case c.Server.BehindProxy && len(c.Server.TrustedProxies) == 0:
		return invalid("proxy_unknown", "A reverse proxy is declared and its address is not.", "Set server.trusted_proxies to the proxy's address or network.")
	case c.Server.BehindProxy && !strings.HasPrefix(c.Server.PublicURL, "https://"):
		return invalid("proxy_address", "A reverse proxy is declared and the address people use is not an https:// one.",
			"Set server.public_url to the address that the proxy answers with TLS.")
	case c.OwnTLS() && strings.HasPrefix(c.Server.PublicURL, "http://"):
		return invalid("public_plain", "MetaLens serves TLS and server.public_url is an http:// address.", "Write it with https://.")
	case !c.OwnTLS() && !c.Server.BehindProxy && !onLoopback(c.Server.Listen):
		return invalid("plain_listener", "MetaLens would listen on "+c.Server.Listen+" without TLS: passwords and what was read would cross the network in the clear.",
			"One of three: give it a certificate (tls.cert_file and tls.key_file), or let it get one (acme.hosts), "+
				"or put a reverse proxy with TLS in front and declare it (server.behind_proxy, server.trusted_proxies, server.public_url). Listening on 127.0.0.1 needs none of them.")
	}
	return nil
}

// onLoopback reports whether host:port can only be reached from this machine.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
