package connection

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
)

const addressHint = "Enter the address that you open Metabase with in a browser, such as https://metabase.example.com."

// NormalizeURL turns what people paste into the site address of a Metabase:
// scheme, host and sub-path, without /api, page, query, fragment or trailing
// slash. A missing scheme becomes https, and http for this machine itself.
func NormalizeURL(raw string) (string, error) {
	text := strings.TrimSpace(raw)
	bad := func(why string) error {
		return errs.New(errs.Invalid, "bad_url", fmt.Sprintf("The address %q cannot be used: %s.", printable(text), why), addressHint)
	}
	if text == "" {
		return "", errs.New(errs.Invalid, "bad_url", "The address of Metabase is missing.", addressHint)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return "", bad("it contains blanks, backslashes or control characters")
	}
	if !strings.Contains(text, "://") {
		host, _, _ := strings.Cut(text, "/")
		scheme := "https"
		if ownMachine(host) {
			scheme = "http"
		}
		text = scheme + "://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", bad("it is no web address")
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "", bad("only https and http addresses can be read")
	case u.User != nil:
		return "", errs.New(errs.Invalid, "bad_url", "The address contains a user name or password.", "Remove it from the address, and enter the API key in its own field.")
	case u.Hostname() == "" || u.Opaque != "":
		return "", bad("it names no host")
	}
	port := u.Port()
	if n, err := strconv.Atoi(port); strings.HasSuffix(u.Host, ":") || (port != "" && (err != nil || n < 1 || n > 65535)) {
		return "", bad("its port is not a number from 1 to 65535")
	}
	host := strings.ToLower(u.Hostname())
	if _, err := netip.ParseAddr(host); err != nil {
		// Not strict: names in private networks have underscores.
		if host, err = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)).ToASCII(host); err != nil {
			return "", bad("its host is not a valid name")
		}
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && (u.Scheme != "https" || port != "443") && (u.Scheme != "http" || port != "80") {
		host += ":" + port
	}
	clean := url.URL{Scheme: u.Scheme, Host: host, Path: sitePath(u.Path)}
	return clean.String(), nil
}

// pages are the addresses inside Metabase that people copy from their browser.
var pages = regexp.MustCompile(`/(api|auth/(login|forgot_password)|admin/[a-z-]+|(dashboard|question|model|metric|collection)/([0-9]+|root|personal)|browse/(databases|models|metrics)|setup$)([/-].*)?$`)

// sitePath keeps the sub-path a Metabase is mounted under.
func sitePath(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	path = strings.TrimRight(path, "/")
	if at := pages.FindStringIndex(path); at != nil {
		path = path[:at[0]]
	}
	return strings.TrimRight(path, "/")
}

// ownMachine reports whether a host, with or without port, is this machine.
func ownMachine(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return outbound.IsLoopbackHost(host)
}

// sameSite reports whether two normalised addresses name one Metabase, so that
// a stored credential may go on being used.
func sameSite(a, b string) bool { return a == b }

// defaultName names a connection by the host and path of its normalised address.
func defaultName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host + u.Path
}
