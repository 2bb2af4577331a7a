package config

import (
	"errors"
	"net/mail"
	"net/url"

	"github.com/metalens/metalens/internal/secret"
)

// Operator is the console of whoever runs the installation, on a listener of its
// own. It opens once an operator's account exists.
type Operator struct {
	Listen       string       // host:port
	PublicURL    string       // address operators use, when it is not the listener's own
	MetricsToken secret.Value // lets a scraper read /metrics without a log-in
}

// Security is what strangers are told.
type Security struct {
	Contact string // mailto: or https: of whoever takes reports about this deployment
}

func operatorKeys() []Key {
	return []Key{
		{
			Name: "operator.listen", Env: []string{"METALENS_OPERATOR_LISTEN"},
			Help: "host:port of the operator console; it opens once metalens operator add has made an account, beyond loopback only with TLS",
			set:  func(c *Config, v string) error { return setListen(&c.Operator.Listen, v) },
			show: func(c *Config) string { return c.Operator.Listen },
		},
		{
			Name: "operator.public_url", Env: []string{"METALENS_OPERATOR_PUBLIC_URL"},
			Help: "address operators use; empty = localhost with the listener's port",
			set:  func(c *Config, v string) error { return setHTTPURL(&c.Operator.PublicURL, v) },
			show: func(c *Config) string { return c.Operator.PublicURL },
		},
		{
			Name: "operator.metrics_token", Env: []string{"METALENS_OPERATOR_METRICS_TOKEN"}, Secret: true,
			Help: "bearer token that lets Prometheus read /metrics of the console; empty = only operators may",
			set:  func(c *Config, v string) error { return setToken(&c.Operator.MetricsToken, v) },
			show: func(c *Config) string { return showSecret(c.Operator.MetricsToken) },
		},
		{
			Name: "security.contact", Env: []string{"METALENS_SECURITY_CONTACT"},
			Help: "who takes reports about this deployment, for /.well-known/security.txt: mailto:security@example.com or https://…",
			set:  func(c *Config, v string) error { return setSecurityContact(&c.Security.Contact, v) },
			show: func(c *Config) string { return c.Security.Contact },
		},
	}
}

func setSecurityContact(to *string, v string) error {
	if v == "" {
		*to = ""
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		return errors.New("is neither a mailto nor an https link")
	case u.Scheme == "mailto":
		if a, err := mail.ParseAddress(u.Opaque); err != nil || a.Address != u.Opaque {
			return errors.New("is no mailto link with one address")
		}
	case u.Scheme != "https" || u.Host == "":
		return errors.New("is neither a mailto nor an https link")
	}
	*to = v
	return nil
}
