package connection

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/analysis"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

const (
	maxName        = 200
	maxConcurrency = 10
	maxHeaders     = 20
	maxExcluded    = 10000
)

// checked is a draft that passed validation, in its normal form.
type checked struct {
	store.Connection
	schedule Schedule
	quiet    QuietHours
}

// check validates a draft. Its credential is checked apart.
func check(d Draft) (checked, error) {
	var c checked
	address, err := NormalizeURL(d.URL)
	if err != nil {
		return c, err
	}
	c.URL = address
	c.Name = strings.TrimSpace(d.Name)
	if c.Name == "" {
		c.Name = defaultName(address)
	}
	if len([]rune(c.Name)) > maxName || strings.ContainsFunc(c.Name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return c, errs.New(errs.Invalid, "bad_name", "The name is too long or contains characters that cannot be shown.", fmt.Sprintf("Use up to %d printable characters.", maxName))
	}
	switch d.Auth {
	case "", store.AuthAPIKey:
		c.Auth = store.AuthAPIKey
	case store.AuthSession:
		c.Auth = store.AuthSession
	default:
		return c, errs.New(errs.Invalid, "bad_auth", "This way to log in is not known.", "Choose an API key, or a session id for Metabase before 0.49.")
	}
	if c.schedule, err = ParseSchedule(d.Schedule); err != nil {
		return c, err
	}
	c.Schedule = c.schedule.String()
	if c.quiet, err = ParseQuietHours(d.Options.QuietHours); err != nil {
		return c, err
	}
	c.Options, err = checkOptions(d.Options)
	return c, err
}

func checkOptions(o store.ConnectionOptions) (store.ConnectionOptions, error) {
	o.QuietHours = strings.TrimSpace(o.QuietHours)
	if o.Concurrency < 0 || o.Concurrency > maxConcurrency {
		return o, errs.New(errs.Invalid, "bad_concurrency", fmt.Sprintf("%d requests at once are not possible.", o.Concurrency),
			fmt.Sprintf("Choose 1 to %d; 3 spares the Metabase server.", maxConcurrency))
	}
	var ids []string
	for _, id := range o.ExcludedCollections {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, catalog.CompareID)
	o.ExcludedCollections = slices.Compact(ids)
	if len(ids) > maxExcluded {
		return o, errs.New(errs.Invalid, "too_many_collections", "Too many collections are excluded one by one.", "Exclude the collections above them instead; everything below is left out too.")
	}
	if err := checkCertificates(o.CACertificates); err != nil {
		return o, err
	}
	if err := checkProxy(o.ProxyURL); err != nil {
		return o, err
	}
	if err := checkHeaders(o.Headers); err != nil {
		return o, err
	}
	return o, analysis.Validate(analysis.Options{Parameters: o.CheckParameters, Enabled: o.EnabledChecks, Disabled: o.DisabledChecks})
}

func checkCertificates(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	bad := func(err error) error {
		return errs.Wrap(err, errs.Invalid, "bad_certificate", "The certificate authority is not a list of PEM certificates.",
			`Paste the text that begins with "-----BEGIN CERTIFICATE-----", one block after the other, without any private key.`)
	}
	rest := []byte(text)
	for n := 0; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if n == 0 || strings.TrimSpace(string(rest)) != "" {
				return bad(errors.New("no PEM block"))
			}
			return nil
		}
		if block.Type != "CERTIFICATE" {
			return bad(errors.New("another PEM block"))
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return bad(err)
		}
	}
}

func checkProxy(text string) error {
	if text == "" || text == "environment" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
		return errs.New(errs.Invalid, "bad_proxy", "The proxy's address is not understood.",
			`Write it as "http://proxy.example.com:3128", with http, https or socks5, or "environment" to follow HTTPS_PROXY.`)
	}
	return nil
}

// ownHeaders are set by the reader itself.
var ownHeaders = []string{"x-api-key", "x-metabase-session", "host", "content-length", "transfer-encoding", "connection", "accept", "accept-encoding"}

func checkHeaders(headers map[string]string) error {
	if len(headers) > maxHeaders {
		return errs.New(errs.Invalid, "bad_header", "There are too many extra headers.", fmt.Sprintf("Up to %d are possible.", maxHeaders))
	}
	for name, value := range headers {
		switch {
		case !isToken(name):
			return errs.New(errs.Invalid, "bad_header", fmt.Sprintf("%q is not a header name.", printable(name)), "Use letters, digits and dashes only.")
		case slices.Contains(ownHeaders, strings.ToLower(name)):
			return errs.New(errs.Invalid, "bad_header", fmt.Sprintf("The header %q is set by MetaLens itself.", printable(name)), "Enter the key in its own field.")
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return errs.New(errs.Invalid, "bad_header", fmt.Sprintf("The value of header %q contains control characters.", printable(name)), "Remove line breaks from it.")
		}
	}
	return nil
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > 0x7e || r <= ' ' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// checkCredential refuses what cannot be a key, before it is sent anywhere.
func checkCredential(auth store.AuthKind, v secret.Value) (secret.Value, error) {
	text := strings.TrimSpace(v.Expose())
	what, hint := "API key", "Create one in Metabase under Admin settings, Authentication, API keys, and paste it whole: it begins with mb_."
	if auth == store.AuthSession {
		what, hint = "session id", "Log in to Metabase in a browser and copy the value of the cookie metabase.SESSION."
	}
	switch {
	case text == "":
		return v, errs.New(errs.Invalid, "no_credential", "The "+what+" is missing.", hint)
	case strings.Contains(text, "*"):
		return v, errs.New(errs.Invalid, "masked_credential", "This is the masked form in which Metabase lists a key, not the key itself.", "Metabase shows a key only once, when it is made. Make a new one, or regenerate this one.")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > 0x7e }) || len(text) > 4096:
		return v, errs.New(errs.Invalid, "bad_credential", "The "+what+" contains blanks or characters that no key has.", hint)
	}
	return secret.New(text), nil
}

// Check validates a draft without storing anything and returns the connection
// it would make.
func Check(d Draft) (store.Connection, error) {
	c, err := check(d)
	if err != nil {
		return store.Connection{}, err
	}
	if _, err := checkCredential(c.Auth, d.Credential); err != nil {
		return store.Connection{}, err
	}
	return c.Connection, nil
}
