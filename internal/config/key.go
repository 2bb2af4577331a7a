package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/secret"
)

// Key describes one setting to people and to the loader.
type Key struct {
	Name   string   // as the file spells it, for example server.listen
	Env    []string // environment variables, the usual one first
	Help   string
	Secret bool // never shown; <NAME>_file and <ENV>_FILE name a file that holds it
	Path   bool // relative values are relative to the file they stand in

	set  func(*Config, string) error
	show func(*Config) string
}

// Keys lists every setting in the order of the documentation.
func Keys() []Key {
	return slices.Concat(
		generalKeys(),
		tlsKeys(),
		membersKeys(),
		keyKeys(),
		mailKeys(),
		oidcKeys(),
		operatorKeys(),
		retentionKeys(),
		ledgerKeys(),
		modelsKeys(),
		aiKeys(),
	)
}

func generalKeys() []Key {
	return []Key{
		{
			Name: "data", Env: []string{"METALENS_DATA"}, Path: true,
			Help: "data directory: database, key file, lock",
			set:  func(c *Config, v string) error { return setPath(&c.Data, v) },
			show: func(c *Config) string { return c.Data },
		},
		{
			Name: "database_url", Env: []string{"METALENS_DATABASE_URL"}, Secret: true,
			Help: "postgres://… of the database; empty = SQLite in the data directory",
			set:  func(c *Config, v string) error { return setDatabaseURL(&c.DatabaseURL, v) },
			show: func(c *Config) string { return showDatabaseURL(c.DatabaseURL) },
		},
		{
			Name: "admin_database_url", Env: []string{"METALENS_ADMIN_DATABASE_URL"}, Secret: true,
			Help: "postgres://… of the role that owns the schema; empty = database_url",
			set:  func(c *Config, v string) error { return setDatabaseURL(&c.AdminDatabaseURL, v) },
			show: func(c *Config) string { return showDatabaseURL(c.AdminDatabaseURL) },
		},
		{
			Name: "master_key_file", Env: []string{"METALENS_MASTER_KEY_FILE"}, Path: true,
			Help: "file with the master keys, as a service manager hands it over; empty = a key file in the data directory",
			set:  func(c *Config, v string) error { return setPath(&c.MasterKeyFile, v) },
			show: func(c *Config) string { return c.MasterKeyFile },
		},
		{
			Name: "master_key_fd", Env: []string{"METALENS_MASTER_KEY_FD"},
			Help: "inherited file descriptor to read the master keys from; 0 = none",
			set:  func(c *Config, v string) error { return setDescriptor(&c.MasterKeyFD, v) },
			show: func(c *Config) string { return strconv.Itoa(c.MasterKeyFD) },
		},
		{
			Name: "metabase.url", Env: []string{"METABASE_URL", "METALENS_METABASE_URL"},
			Help: "address of the Metabase that scan reads",
			set:  func(c *Config, v string) error { return setHTTPURL(&c.Metabase.URL, v) },
			show: func(c *Config) string { return c.Metabase.URL },
		},
		{
			Name: "metabase.api_key", Env: []string{"METABASE_API_KEY", "METALENS_METABASE_API_KEY"}, Secret: true,
			Help: "API key of that Metabase",
			set:  func(c *Config, v string) error { return setToken(&c.Metabase.APIKey, v) },
			show: func(c *Config) string { return showSecret(c.Metabase.APIKey) },
		},
		{
			Name: "metabase.session", Env: []string{"METABASE_SESSION", "METALENS_METABASE_SESSION"}, Secret: true,
			Help: "session id, for servers before 0.49, which have no API keys",
			set:  func(c *Config, v string) error { return setToken(&c.Metabase.Session, v) },
			show: func(c *Config) string { return showSecret(c.Metabase.Session) },
		},
		{
			Name: "metabase.allow_plain_http", Env: []string{"METALENS_METABASE_ALLOW_PLAIN_HTTP"},
			Help: "send the key over plain HTTP beyond this machine",
			set:  func(c *Config, v string) error { return setBool(&c.Metabase.AllowPlainHTTP, v) },
			show: func(c *Config) string { return strconv.FormatBool(c.Metabase.AllowPlainHTTP) },
		},
		{
			Name: "metabase.tls12", Env: []string{"METALENS_METABASE_TLS12"},
			Help: "accept TLS 1.2",
			set:  func(c *Config, v string) error { return setBool(&c.Metabase.TLS12, v) },
			show: func(c *Config) string { return strconv.FormatBool(c.Metabase.TLS12) },
		},
		{
			Name: "metabase.ca_file", Env: []string{"METALENS_METABASE_CA_FILE"}, Path: true,
			Help: "PEM file of a certificate authority to trust",
			set:  func(c *Config, v string) error { return setPath(&c.Metabase.CAFile, v) },
			show: func(c *Config) string { return c.Metabase.CAFile },
		},
		{
			Name: "metabase.proxy", Env: []string{"METALENS_METABASE_PROXY"},
			Help: "http, https or socks5 proxy to go through, or the word environment to follow HTTPS_PROXY and NO_PROXY",
			set:  func(c *Config, v string) error { return setProxy(&c.Metabase.Proxy, v) },
			show: func(c *Config) string { return redactURL(c.Metabase.Proxy) },
		},
		{
			Name: "metabase.timeout", Env: []string{"METALENS_METABASE_TIMEOUT"},
			Help: "limit of one small request; big lists get ten times that",
			set: func(c *Config, v string) error {
				return setDuration(&c.Metabase.Timeout, v, 100*time.Millisecond, 30*time.Minute)
			},
			show: func(c *Config) string { return c.Metabase.Timeout.String() },
		},
		{
			Name: "server.listen", Env: []string{"METALENS_LISTEN", "METALENS_SERVER_LISTEN"},
			Help: "host:port that serve listens on",
			set:  func(c *Config, v string) error { return setListen(&c.Server.Listen, v) },
			show: func(c *Config) string { return c.Server.Listen },
		},
		{
			Name: "server.public_url", Env: []string{"METALENS_PUBLIC_URL", "METALENS_SERVER_PUBLIC_URL"},
			Help: "address people use, when a reverse proxy stands in front",
			set:  func(c *Config, v string) error { return setHTTPURL(&c.Server.PublicURL, v) },
			show: func(c *Config) string { return c.Server.PublicURL },
		},
		{
			Name: "server.trusted_proxies", Env: []string{"METALENS_TRUSTED_PROXIES", "METALENS_SERVER_TRUSTED_PROXIES"},
			Help: "networks of reverse proxies that may state the caller's address, comma separated",
			set:  func(c *Config, v string) error { return setPrefixes(&c.Server.TrustedProxies, v) },
			show: func(c *Config) string { return showPrefixes(c.Server.TrustedProxies) },
		},
		{
			Name: "scan.concurrency", Env: []string{"METALENS_SCAN_CONCURRENCY"},
			Help: "requests at a time; each costs the Metabase work",
			set:  func(c *Config, v string) error { return setInt(&c.Scan.Concurrency, v, 1, 16) },
			show: func(c *Config) string { return strconv.Itoa(c.Scan.Concurrency) },
		},
		{
			Name: "outbound.allow_private", Env: []string{"METALENS_OUTBOUND_ALLOW_PRIVATE"},
			Help: "auto, yes or no: may a Metabase have a private or loopback address; auto = scan yes, serve only while it listens on loopback",
			set:  func(c *Config, v string) error { return setTri(&c.Outbound.AllowPrivate, v) },
			show: func(c *Config) string { return string(c.Outbound.AllowPrivate) },
		},
		{
			Name: "outbound.allowed_networks", Env: []string{"METALENS_OUTBOUND_ALLOWED_NETWORKS"},
			Help: "private networks a Metabase may be in, comma separated: 10.0.0.0/8, …",
			set:  func(c *Config, v string) error { return setPrefixes(&c.Outbound.AllowedNetworks, v) },
			show: func(c *Config) string { return showPrefixes(c.Outbound.AllowedNetworks) },
		},
		{
			Name: "log.level", Env: []string{"METALENS_LOG_LEVEL"},
			Help: "debug, info, warn or error",
			set:  func(c *Config, v string) error { return setOneOf(&c.Log.Level, v, "debug", "info", "warn", "error") },
			show: func(c *Config) string { return c.Log.Level },
		},
		{
			Name: "log.format", Env: []string{"METALENS_LOG_FORMAT"},
			Help: "text or json",
			set:  func(c *Config, v string) error { return setOneOf(&c.Log.Format, v, "text", "json") },
			show: func(c *Config) string { return c.Log.Format },
		},
	}
}

func setPath(to *string, v string) error {
	if v == "" {
		*to = ""
		return nil
	}
	abs, err := filepath.Abs(v)
	if err != nil {
		return errors.New("is not a usable path")
	}
	*to = abs
	return nil
}

func setBool(to *bool, v string) error {
	switch strings.ToLower(v) {
	case "true", "yes", "on", "1":
		*to = true
	case "false", "no", "off", "0":
		*to = false
	default:
		return errors.New("is neither true nor false")
	}
	return nil
}

func setTri(to *Tri, v string) error {
	var b bool
	switch {
	case strings.EqualFold(v, string(Auto)):
		*to = Auto
	case setBool(&b, v) != nil:
		return errors.New("is not auto, yes or no")
	case b:
		*to = Yes
	default:
		*to = No
	}
	return nil
}

func setInt(to *int, v string, low, high int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		return fmt.Errorf("is not a number from %d to %d", low, high)
	}
	*to = n
	return nil
}

func setDuration(to *time.Duration, v string, low, high time.Duration) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < low || d > high {
		return fmt.Errorf("is not a time like 60s, from %s to %s", low, high)
	}
	*to = d
	return nil
}

func setOneOf(to *string, v string, allowed ...string) error {
	for _, a := range allowed {
		if strings.EqualFold(v, a) {
			*to = a
			return nil
		}
	}
	return fmt.Errorf("is not one of %s", strings.Join(allowed, ", "))
}

func setListen(to *string, v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return errors.New("is not host:port, for example 127.0.0.1:8300")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("has no port from 0 to 65535")
	}
	*to = v
	return nil
}

func setHTTPURL(to *string, v string) error {
	if v == "" {
		*to = ""
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("is not an address like https://metabase.example.com")
	case u.User != nil:
		return errors.New("holds a user name or password; leave them out")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("has a query or fragment; give the address of the start page")
	}
	*to = strings.TrimRight(v, "/")
	return nil
}

func setProxy(to *string, v string) error {
	if v == "" || v == "environment" {
		*to = v
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" && u.Scheme != "socks5h" {
		return errors.New("is not an address like http://proxy.example.com:3128")
	}
	*to = v
	return nil
}

func setDatabaseURL(to *secret.Value, v string) error {
	if v == "" {
		*to = secret.Value{}
		return nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("is not a postgres:// address")
	}
	*to = secret.New(v)
	return nil
}

func setDescriptor(to *int, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n != 0 && n < 3 || n > 1<<16 {
		return errors.New("is not an inherited descriptor; they begin at 3")
	}
	*to = n
	return nil
}

func setToken(to *secret.Value, v string) error {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] > '~' {
			return errors.New("holds white space or characters that no key has")
		}
	}
	*to = secret.New(v)
	return nil
}

func setPrefixes(to *[]netip.Prefix, v string) error {
	var list []netip.Prefix
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return fmt.Errorf("has %q, which is not a network like 10.0.0.0/8", part)
		}
		list = append(list, p.Masked())
	}
	*to = list
	return nil
}

func showPrefixes(list []netip.Prefix) string {
	parts := make([]string, 0, len(list))
	for _, p := range list {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, ",")
}

func showSecret(v secret.Value) string {
	if v.IsZero() {
		return ""
	}
	return "(set, hidden)"
}

// showDatabaseURL shows where the database is, never who logs in with what.
func showDatabaseURL(v secret.Value) string {
	if v.IsZero() {
		return ""
	}
	u, err := url.Parse(v.Expose())
	if err != nil {
		return "(set, hidden)"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath() + " (credentials hidden)"
}

func redactURL(v string) string {
	u, err := url.Parse(v)
	if err != nil {
		return "(set, hidden)"
	}
	if u.User != nil {
		u.User = url.User("hidden")
	}
	return u.String()
}
