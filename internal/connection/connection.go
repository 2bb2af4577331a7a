// Package connection manages the Metabases an organization reads: their
// address, credential, options and schedule.
//
// An address is stored normalised; a credential goes straight into the store's
// vault and is handed out only to whoever opens a reader. Every exception a
// person accepts (plain HTTP, old TLS, own certificate authority, personal
// collections) leaves an audit row.
package connection

import (
	"context"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Draft is what a person enters to create or change a connection.
type Draft struct {
	Name       string // empty = the host of the address
	URL        string
	Auth       store.AuthKind // empty = api_key
	Credential secret.Value   // empty on update = keep the stored one
	Options    store.ConnectionOptions
	Schedule   string
}

// TestReport is the answer to "does this connection work, and what will it see".
type TestReport struct {
	Reachable  bool
	URL        string // normalised
	TLSVersion string // "TLS 1.3", empty for plain HTTP
	Version    string // Metabase's tag, empty when unknown
	Edition    string
	Admin      bool
	Reader     string         // who the key is, as Metabase names it
	Sees       map[string]int // "collections", "databases" → how many
	NotSeen    []Limit        // what a scan will leave out, and why
	Problems   []Problem      // in the order to mend them; empty = it works
	Exceptions []Exception    // what a person may accept to go on nevertheless
	Took       time.Duration
}

// OK reports whether a scan would work.
func (r TestReport) OK() bool { return r.Reachable && len(r.Problems) == 0 }

// Limit is something that the key will not show.
type Limit struct{ What, Why, Hint string }

// Problem is something that keeps the connection from working.
type Problem struct{ Code, Text, Hint string }

// Exception is a weaker setting that would help; a person has to accept it.
type Exception struct {
	Option string // one of the Option constants
	Text   string // what it means
	Detail string // for certificates: issuer, names, expiry, fingerprint
}

// The options that are exceptions: each is audited when it is switched on.
const (
	OptionPlainHTTP = "allow_plain_http"
	OptionTLS12     = "min_tls_12"
	OptionCustomCA  = "ca_certificates"
	OptionPersonal  = "include_personal"
)

// Actor is who does something, for the audit log. The zero value is the
// command line's single user.
type Actor struct {
	UserID store.UserID
	Source string // network address; empty = "cli"
}

// Prober opens a connection once and tells what it sees.
type Prober interface {
	Probe(ctx context.Context, c store.Connection, secrets Credentials, recorder ledger.Recorder) (TestReport, error)
}

// Config are the service's dependencies.
type Config struct {
	Store  *store.Store
	Opener Opener
	Prober Prober           // nil = Opener
	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = silent
}

// Service manages connections. It is safe for concurrent use.
type Service struct{ config Config }

// New returns a service.
func New(config Config) *Service {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Opener.Now == nil {
		config.Opener.Now = config.Now
	}
	if config.Prober == nil {
		config.Prober = config.Opener
	}
	return &Service{config: config}
}

// testTimeout ends a connection test that hangs.
const testTimeout = 45 * time.Second
