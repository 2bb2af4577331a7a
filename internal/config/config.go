// Package config gathers MetaLens's settings into one typed value: defaults,
// then a YAML file, then a .env file, then the environment, then flags. It
// remembers where each value came from, refuses keys it does not know, and
// never pairs a key with an address from another, less trusted source.
//
// It holds no global state: the environment, the flags and standard input are
// handed in.
package config

import (
	"net/netip"
	"time"

	"github.com/metalens/metalens/internal/secret"
)

// Config is every setting of MetaLens. See [Keys] for names, environment
// variables and defaults.
type Config struct {
	Data             string       // data directory: database, key file, lock, logs
	DatabaseURL      secret.Value // PostgreSQL; empty = SQLite in the data directory
	AdminDatabaseURL secret.Value // PostgreSQL role for migrations and the operator; empty = DatabaseURL
	MasterKeyFile    string       // key the service manager hands over; empty = a key file in the data directory (single-user mode)
	MasterKeyFD      int          // inherited descriptor to read it from; 0 = none

	Keys      KeyRules
	KMS       KMS
	Metabase  Metabase
	Server    Server
	TLS       TLS
	ACME      ACME
	OIDC      OIDC
	Egress    Egress
	Mail      Mail
	Scan      Scan
	Outbound  Outbound
	Operator  Operator
	Retention Retention
	Ledger    Ledger
	Models    Models
	Security  Security
	AI        AI
	Log       Log
}

// Metabase is the instance that scan reads, and how. Take URL and credential
// from [Loaded.Target], which pairs them safely.
type Metabase struct {
	URL            string
	APIKey         secret.Value
	Session        secret.Value // before 0.49 there are no API keys
	AllowPlainHTTP bool
	TLS12          bool
	CAFile         string
	Proxy          string
	Timeout        time.Duration // limit of one small request; big lists get ten times that
}

// Server is what serve listens on.
type Server struct {
	Listen    string // host:port
	PublicURL string // address people use, behind a reverse proxy
	// TrustedProxies may state the caller's address in X-Forwarded-For.
	TrustedProxies []netip.Prefix
	BehindProxy    bool // a proxy takes TLS off in front; only trusted proxies are answered
	PerAddress     int  // connections that one network address may hold open
	// Organizations says whether owners may make further organizations: one or many.
	Organizations string
}

// Scan are defaults of how a Metabase is read.
type Scan struct {
	Concurrency int
}

// Tri is a setting that may be left to MetaLens.
type Tri string

// The values of a [Tri].
const (
	Auto Tri = "auto"
	Yes  Tri = "yes"
	No   Tri = "no"
)

// Outbound says which addresses MetaLens may talk to.
type Outbound struct {
	AllowPrivate    Tri // auto: scan may, serve only while it listens on loopback
	AllowedNetworks []netip.Prefix
}

// Log says how the program reports on itself.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

func defaults(dataDir string) Config {
	return Config{
		Data:      dataDir,
		Metabase:  Metabase{Timeout: 30 * time.Second},
		Server:    Server{Listen: "127.0.0.1:8300", Organizations: OneOrganization, PerAddress: 200},
		OIDC:      defaultOIDC(),
		ACME:      ACME{Directory: LetsEncrypt},
		Mail:      Mail{TLS: "implicit"},
		Scan:      Scan{Concurrency: 3},
		Outbound:  Outbound{AllowPrivate: Auto},
		Operator:  Operator{Listen: "127.0.0.1:8310"},
		Retention: defaultRetention(),
		Ledger:    ledgerDefaults(),
		Models:    defaultModels(),
		AI:        defaultAI(),
		Log:       Log{Level: "info", Format: "text"},
	}
}
