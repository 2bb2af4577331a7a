package connection

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Opener opens readers. Policy and limits are the operator's; everything else
// comes from the connection.
type Opener struct {
	Policy      outbound.Policy
	Timeout     time.Duration // one attempt at a small read, big ones get ten times that; 0 = the reader's defaults
	Concurrency int           // for connections that name none; 0 = the reader's default
	MaxResponse int64         // bytes of one decompressed list; 0 = the reader's default
	Now         func() time.Time
	// KeyID names a credential in the ledger; nil = the rows do not name it.
	KeyID func(kind string, v secret.Value) string
	// Pause waits between attempts at a Metabase; nil = a timer.
	Pause  func(ctx context.Context, d time.Duration) error
	Logger *slog.Logger
}

// Credentials are the secrets of one reader.
type Credentials struct {
	Key     secret.Value // API key or session id
	MaskKey secret.Value // of keyed hashes, where the connection masks literals
}

// Open returns a reader of a connection. Every exchange goes to the recorder.
// Nothing is sent yet; the caller closes the reader.
func (o Opener) Open(c store.Connection, secrets Credentials, recorder ledger.Recorder) (*metabase.Client, error) {
	headers := map[string]secret.Value{}
	for name, value := range c.Options.Headers {
		headers[name] = secret.New(value)
	}
	concurrency := c.Options.Concurrency
	if concurrency == 0 {
		concurrency = o.Concurrency
	}
	keyID := ""
	if o.KeyID != nil {
		keyID = o.KeyID(string(c.Auth), secrets.Key)
	}
	return metabase.Open(metabase.Config{
		URL:     c.URL,
		Auth:    metabase.Auth{Kind: metabase.AuthKind(c.Auth), Secret: secrets.Key},
		Headers: headers,
		Outbound: outbound.Config{
			Purpose: ledger.PurposeMetabase, Policy: o.Policy, Recorder: recorder, KeyID: keyID,
			AllowPlainHTTP: c.Options.AllowPlainHTTP, MinTLS12: c.Options.MinTLS12,
			RootCAs: []byte(c.Options.CACertificates), ProxyURL: c.Options.ProxyURL, Now: o.Now,
		},
		MaxResponse:     o.MaxResponse,
		Timeouts:        metabase.Timeouts{Small: o.Timeout, Large: 10 * o.Timeout},
		Concurrency:     concurrency,
		IncludePersonal: c.Options.IncludePersonal, // excluded collections are the scan's business: it knows what uses their content
		MaskLiterals:    c.Options.MaskLiterals,
		MaskKey:         secrets.MaskKey,
		Now:             o.Now,
		Wait:            o.Pause,
		Logger:          o.Logger,
	})
}

// Probe opens a connection once and tells what it sees. Problems of the
// connection are in the report; an error means that the test could not run.
func (o Opener) Probe(ctx context.Context, c store.Connection, secrets Credentials, recorder ledger.Recorder) (TestReport, error) {
	client, err := o.Open(c, secrets, recorder)
	if err != nil {
		var e *errs.Error
		if !errors.As(err, &e) {
			return TestReport{}, err
		}
		return TestReport{URL: c.URL, Problems: []Problem{problem(err)}}, nil
	}
	defer client.Close()
	found, err := client.Test(ctx)
	if err != nil {
		return TestReport{}, err
	}
	report := TestReport{
		URL: client.URL(), Version: found.Identity.Instance.Version, Edition: found.Identity.Instance.Edition,
		Reader: found.Identity.ReaderName, Admin: found.Identity.Instance.Reader.Admin, Sees: map[string]int{},
	}
	if found.TLSVersion != "" {
		report.TLSVersion = "TLS " + found.TLSVersion
	}
	for _, s := range found.Steps {
		if s.OK && s.Name == "metabase" {
			report.Reachable = true
		}
		if !s.OK && s.Err != nil {
			report.Problems = append(report.Problems, problem(s.Err))
		}
	}
	report.Reachable = report.Reachable || found.OK
	if found.Collections >= 0 && found.OK {
		report.Sees["collections"] = found.Collections
	}
	if found.Databases >= 0 && found.OK {
		report.Sees["databases"] = found.Databases
	}
	for _, u := range found.Unseen {
		report.NotSeen = append(report.NotSeen, Limit{What: u.What, Why: u.Why, Hint: u.Hint})
	}
	for _, e := range found.Exceptions {
		report.Exceptions = append(report.Exceptions, Exception{Option: option(e.Kind), Text: e.Text, Detail: e.Detail})
	}
	return report, nil
}

func problem(err error) Problem {
	text, hint := errs.PublicText(err)
	return Problem{Code: errs.CodeOf(err), Text: text, Hint: hint}
}

// option names the connection option that grants an exception.
func option(kind metabase.ExceptionKind) string {
	switch kind {
	case metabase.ExceptionPlainHTTP:
		return OptionPlainHTTP
	case metabase.ExceptionTLS12:
		return OptionTLS12
	case metabase.ExceptionCustomCA:
		return OptionCustomCA
	}
	return string(kind)
}

// Stamp names everything that decides what a reader of a connection sees: its
// address, credential and options. It gives nothing of the credential away and
// differs between organizations.
func Stamp(c store.Connection, secrets Credentials) (string, error) {
	options, err := json.Marshal(c.Options)
	if err != nil {
		return "", fmt.Errorf("stamp connection %s: %w", c.ID, err)
	}
	mac := hmac.New(sha256.New, []byte(secrets.MaskKey.Expose()))
	for _, text := range []string{c.URL, string(c.Auth), secrets.Key.Expose(), string(options)} {
		_, _ = fmt.Fprintf(mac, "%d:%s;", len(text), text)
	}
	return hex.EncodeToString(mac.Sum(nil)), nil
}
