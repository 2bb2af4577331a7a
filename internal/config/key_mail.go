package config

import (
	"strconv"

	"github.com/metalens/metalens/internal/secret"
)

// Mail is the server that takes letters: invitations, links that reset a
// password, notices. Without a host there is no mail, and links are shown on
// the page instead.
type Mail struct {
	Host     string
	Port     int    // 0 = the usual one of TLS
	TLS      string // implicit, starttls, none-loopback
	TLS12    bool
	CAFile   string
	User     string
	Password secret.Value
	From     string
}

func mailKeys() []Key {
	return []Key{
		{
			Name: "mail.host", Env: []string{"METALENS_MAIL_HOST"},
			Help: "mail server that takes letters; empty = no mail",
			set:  func(c *Config, v string) error { return setText(&c.Mail.Host, v) },
			show: func(c *Config) string { return c.Mail.Host },
		},
		{
			Name: "mail.port", Env: []string{"METALENS_MAIL_PORT"},
			Help: "its port; 0 = the usual one: 465 for implicit, 587 for starttls, 25 for none-loopback",
			set:  func(c *Config, v string) error { return setInt(&c.Mail.Port, v, 0, 65535) },
			show: func(c *Config) string { return strconv.Itoa(c.Mail.Port) },
		},
		{
			Name: "mail.tls", Env: []string{"METALENS_MAIL_TLS"},
			Help: "implicit = TLS from the first byte, starttls = after the greeting, required; none-loopback = no TLS, to this machine only",
			set: func(c *Config, v string) error {
				return setOneOf(&c.Mail.TLS, v, "implicit", "starttls", "none-loopback")
			},
			show: func(c *Config) string { return c.Mail.TLS },
		},
		{
			Name: "mail.tls12", Env: []string{"METALENS_MAIL_TLS12"},
			Help: "accept TLS 1.2 of the mail server",
			set:  func(c *Config, v string) error { return setBool(&c.Mail.TLS12, v) },
			show: func(c *Config) string { return strconv.FormatBool(c.Mail.TLS12) },
		},
		{
			Name: "mail.ca_file", Env: []string{"METALENS_MAIL_CA_FILE"}, Path: true,
			Help: "PEM file of a certificate authority to trust for mail",
			set:  func(c *Config, v string) error { return setPath(&c.Mail.CAFile, v) },
			show: func(c *Config) string { return c.Mail.CAFile },
		},
		{
			Name: "mail.user", Env: []string{"METALENS_MAIL_USER"},
			Help: "name to log in to the mail server with; empty = no login",
			set:  func(c *Config, v string) error { return setText(&c.Mail.User, v) },
			show: func(c *Config) string { return c.Mail.User },
		},
		{
			Name: "mail.password", Env: []string{"METALENS_MAIL_PASSWORD"}, Secret: true,
			Help: "password of that login",
			set:  func(c *Config, v string) error { c.Mail.Password = secret.New(v); return nil },
			show: func(c *Config) string { return showSecret(c.Mail.Password) },
		},
		{
			Name: "mail.from", Env: []string{"METALENS_MAIL_FROM"},
			Help: "sender of letters: MetaLens <metalens@example.com>",
			set:  func(c *Config, v string) error { return setText(&c.Mail.From, v) },
			show: func(c *Config) string { return c.Mail.From },
		},
	}
}
