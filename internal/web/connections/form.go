package connections

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

// FormView is the connection form with what was entered. It never holds a key
// or the value of a header.
type FormView struct {
	ID          store.ConnectionID
	Name        string
	URL         string
	Auth        store.AuthKind
	Excluded    string // one collection id per line
	Personal    bool
	NoDetail    bool
	MaskSQL     bool
	Concurrency string
	Schedule    string
	QuietHours  string
	PlainHTTP   bool
	TLS12       bool
	CA          string
	Proxy       string
	Headers     string   // "Name: value" per line; names alone keep the stored value
	HeaderNames []string // names of the stored headers
	Errors      map[string]string
	Problem     string // about the form as a whole
	Hint        string
	Report      *Report
	HasKey      bool   // a key is stored
	Egress      string // the addresses that MetaLens comes from; empty = not fixed
	Setup       bool   // the form is the second step of the first run
}

// Limits of a form's texts.
const (
	maxName     = 100
	maxURL      = 2000
	maxKey      = 4000
	maxCA       = 200_000
	maxHeaders  = 20
	maxExcluded = 500
)

// viewOf fills the form from a stored connection.
func viewOf(c store.Connection) FormView {
	v := FormView{
		ID: c.ID, Name: c.Name, URL: c.URL, Auth: c.Auth, HasKey: true,
		Excluded: strings.Join(c.Options.ExcludedCollections, "\n"),
		Personal: c.Options.IncludePersonal, NoDetail: c.Options.NoDashboardDetail, MaskSQL: c.Options.MaskLiterals,
		Schedule: c.Schedule, QuietHours: c.Options.QuietHours,
		PlainHTTP: c.Options.AllowPlainHTTP, TLS12: c.Options.MinTLS12, CA: c.Options.CACertificates, Proxy: hideUserinfo(c.Options.ProxyURL),
	}
	if c.Options.Concurrency > 0 {
		v.Concurrency = strconv.Itoa(c.Options.Concurrency)
	}
	for name := range c.Options.Headers {
		v.HeaderNames = append(v.HeaderNames, name)
	}
	slices.Sort(v.HeaderNames)
	v.Headers = strings.Join(v.HeaderNames, "\n")
	return v
}

// Blank is the form of a new connection.
func Blank(setup bool) FormView {
	return FormView{Auth: store.AuthAPIKey, Setup: setup}
}

// readForm takes a form in. The draft is usable only when the view has no errors.
func readForm(r *http.Request, stored *store.Connection) (FormView, Draft) {
	v := FormView{
		Name: strings.TrimSpace(r.PostFormValue("name")), URL: strings.TrimSpace(r.PostFormValue("url")),
		Auth:     store.AuthKind(r.PostFormValue("auth")),
		Excluded: r.PostFormValue("excluded"), Personal: r.PostFormValue("personal") != "",
		NoDetail: r.PostFormValue("no_detail") != "", MaskSQL: r.PostFormValue("mask") != "",
		Concurrency: strings.TrimSpace(r.PostFormValue("concurrency")),
		Schedule:    strings.TrimSpace(r.PostFormValue("schedule")), QuietHours: strings.TrimSpace(r.PostFormValue("quiet_hours")),
		PlainHTTP: r.PostFormValue("plain_http") != "", TLS12: r.PostFormValue("tls_12") != "",
		CA: strings.TrimSpace(r.PostFormValue("ca")), Proxy: strings.TrimSpace(r.PostFormValue("proxy")),
		Headers: r.PostFormValue("headers"),
		Errors:  map[string]string{}, Setup: r.PostFormValue("setup") != "",
	}
	for _, e := range r.PostForm["accept"] {
		switch Exception(e) {
		case ExceptionPlainHTTP:
			v.PlainHTTP = true
		case ExceptionTLS12:
			v.TLS12 = true
		}
	}
	key := secret.New(strings.TrimSpace(r.PostFormValue("key")))
	d := Draft{Name: v.Name, URL: v.URL, Auth: v.Auth, Key: key, Schedule: v.Schedule}
	if stored != nil {
		v.ID, v.HasKey, d.ID = stored.ID, true, stored.ID
		d.Options = stored.Options // checks and their parameters are set elsewhere
		for name := range stored.Options.Headers {
			v.HeaderNames = append(v.HeaderNames, name)
		}
		slices.Sort(v.HeaderNames)
	}
	v.check(&d, stored, len(r.PostFormValue("key")))
	return v, d
}

func (v *FormView) check(d *Draft, stored *store.Connection, keyLength int) {
	if utf8.RuneCountInString(v.Name) > maxName {
		v.Errors["name"] = "Use at most 100 characters."
	}
	if problem := checkAddress(v.URL); problem != "" {
		v.Errors["url"] = problem
	}
	if v.Auth != store.AuthAPIKey && v.Auth != store.AuthSession {
		v.Auth = store.AuthAPIKey
		d.Auth = v.Auth
	}
	switch {
	case keyLength > maxKey:
		v.Errors["key"] = "This is too long for a key."
	case keyLength == 0 && stored == nil:
		v.Errors["key"] = "Enter the key."
	case keyLength == 0 && siteOf(stored.URL) != siteOf(v.URL):
		v.Errors["key"] = "The address names another server now: enter the key again. The stored one is only ever sent to " + siteOf(stored.URL) + "."
	case keyLength == 0 && stored.Auth != v.Auth:
		v.Errors["key"] = "The kind of credential changed: enter the new one."
	}
	o := &d.Options
	o.ExcludedCollections = fields(v.Excluded)
	if len(o.ExcludedCollections) > maxExcluded {
		v.Errors["excluded"] = "Name at most 500 collections."
	}
	o.IncludePersonal, o.NoDashboardDetail, o.MaskLiterals = v.Personal, v.NoDetail, v.MaskSQL
	o.AllowPlainHTTP, o.MinTLS12 = v.PlainHTTP, v.TLS12
	o.QuietHours, o.CACertificates = v.QuietHours, v.CA
	o.Concurrency = 0
	if v.Concurrency != "" {
		n, err := strconv.Atoi(v.Concurrency)
		if err != nil || n < 1 || n > 8 {
			v.Errors["concurrency"] = "Enter a number from 1 to 8, or leave it empty for 3."
		}
		o.Concurrency = n
	}
	if problem := checkCA(v.CA); problem != "" {
		v.Errors["ca"] = problem
	}
	v.checkProxy(d, stored)
	v.checkHeaders(d, stored)
}

func (v *FormView) checkProxy(d *Draft, stored *store.Connection) {
	if stored != nil && v.Proxy != "" && v.Proxy == hideUserinfo(stored.Options.ProxyURL) {
		d.Options.ProxyURL = stored.Options.ProxyURL // unchanged, with the user name and password that the form does not show
		return
	}
	d.Options.ProxyURL = v.Proxy
	if v.Proxy == "" {
		return
	}
	u, err := url.Parse(v.Proxy)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || len(v.Proxy) > maxURL {
		v.Errors["proxy"] = "Enter an address such as http://proxy.example.com:3128."
		return
	}
	v.Proxy = hideUserinfo(v.Proxy)
}

// checkHeaders reads "Name: value" lines. A name alone keeps its stored value,
// because values are not shown again.
func (v *FormView) checkHeaders(d *Draft, stored *store.Connection) {
	lines := strings.Split(strings.ReplaceAll(v.Headers, "\r\n", "\n"), "\n")
	headers := map[string]string{}
	var names []string
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		value = strings.TrimSpace(value)
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			v.Errors["headers"] = "Write one header per line as “Name: value”."
			continue
		}
		if reserved(name) {
			v.Errors["headers"] = name + " is set by MetaLens itself."
			continue
		}
		if !found || value == "" {
			if stored == nil || stored.Options.Headers[name] == "" {
				v.Errors["headers"] = name + " has no value."
				continue
			}
			value = stored.Options.Headers[name]
		}
		headers[name] = value
		names = append(names, name)
	}
	if len(headers) > maxHeaders {
		v.Errors["headers"] = "Use at most 20 headers."
	}
	if len(headers) == 0 {
		headers = nil
	}
	d.Options.Headers = headers
	// What was typed is not shown again; names stand for the values.
	v.Headers = strings.Join(names, "\n")
}

func reserved(name string) bool {
	return slices.Contains([]string{"X-Api-Key", "X-Metabase-Session", "Host", "Content-Length", "Transfer-Encoding", "Connection", "Cookie", "Accept-Encoding"}, name)
}

func checkAddress(text string) string {
	const hint = "Enter the address of the site, such as https://metabase.example.com."
	if text == "" || len(text) > maxURL {
		return hint
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return hint
	case u.User != nil:
		return "Leave user name and password out of the address; the key below is enough."
	case u.RawQuery != "" || u.Fragment != "":
		return "Leave out everything from the question mark or the # on."
	}
	return ""
}

// siteOf is where an address leads to: scheme, host and port.
func siteOf(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return ""
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return strings.ToLower(u.Scheme + "://" + u.Hostname() + ":" + port)
}

func hideUserinfo(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	u.User = url.User("•••")
	s, err := url.PathUnescape(u.String())
	if err != nil {
		return u.Redacted()
	}
	return s
}

func checkCA(text string) string {
	if text == "" {
		return ""
	}
	if len(text) > maxCA {
		return "This is larger than a list of certificates should be."
	}
	rest := []byte(text)
	n := 0
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return "Paste certificates only. A private key does not belong here."
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "One of the certificates cannot be read."
		}
		n++
	}
	if n == 0 || len(bytes.TrimSpace(rest)) > 0 {
		return "Paste certificates in PEM form, beginning with -----BEGIN CERTIFICATE-----."
	}
	return ""
}

func fields(text string) []string {
	list := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ' ' || r == '\t' })
	for i := range list {
		list[i] = strings.TrimSpace(ui.Clean(list[i]))
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) == 0 {
		return nil
	}
	return list
}
