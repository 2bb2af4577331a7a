package outbound

import (
	"net"
	"time"

	"github.com/metalens/metalens/internal/ledger"
)

// Config describes one outbound client.
type Config struct {
	Purpose  ledger.Purpose
	Policy   Policy
	Recorder ledger.Recorder

	AllowPlainHTTP bool   // exception: HTTP without TLS beyond loopback
	MinTLS12       bool   // exception: TLS 1.2 beside 1.3
	RootCAs        []byte // PEM, added to the system's roots

	// ProxyURL is an http, https or socks5 address; "environment" follows the
	// process environment (HTTPS_PROXY, NO_PROXY, …); empty means no proxy,
	// whatever the environment says.
	ProxyURL string

	ConnectTimeout time.Duration // 0 = 10 s
	Resolver       *net.Resolver // nil = the system's
	Now            func() time.Time
}
