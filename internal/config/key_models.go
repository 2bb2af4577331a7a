package config

import (
	"strconv"
	"time"
)

// Models is how models are reached. Which ones, with which keys and within which
// budget is [AI].
type Models struct {
	Off            bool // nobody here may use models, whatever an organization sets
	AllowPlainHTTP bool // these three are of the address that the operator configured
	TLS12          bool
	CAFile         string
	Proxy          string
	FirstByte      time.Duration // until an answer begins
	Idle           time.Duration // between two pieces of an answer
	Total          time.Duration // until an answer is over
}

func defaultModels() Models {
	return Models{FirstByte: 2 * time.Minute, Idle: 90 * time.Second, Total: 15 * time.Minute}
}

func modelsKeys() []Key {
	const longest = time.Hour
	patience := func(name, env, help string, field func(*Models) *time.Duration) Key {
		return Key{
			Name: name, Env: []string{env}, Help: help,
			set:  func(c *Config, v string) error { return setDuration(field(&c.Models), v, time.Second, longest) },
			show: func(c *Config) string { return field(&c.Models).String() },
		}
	}
	return []Key{
		{
			Name: "ai.off", Env: []string{"METALENS_AI_OFF"},
			Help: "true = nothing of this installation goes to a model, whatever an organization sets",
			set:  func(c *Config, v string) error { return setBool(&c.Models.Off, v) },
			show: func(c *Config) string { return strconv.FormatBool(c.Models.Off) },
		},
		{
			Name: "ai.allow_plain_http", Env: []string{"METALENS_AI_ALLOW_PLAIN_HTTP"},
			Help: "send prompts and the key to ai.base_url over plain HTTP beyond this machine",
			set:  func(c *Config, v string) error { return setBool(&c.Models.AllowPlainHTTP, v) },
			show: func(c *Config) string { return strconv.FormatBool(c.Models.AllowPlainHTTP) },
		},
		{
			Name: "ai.tls12", Env: []string{"METALENS_AI_TLS12"},
			Help: "accept TLS 1.2 of ai.base_url",
			set:  func(c *Config, v string) error { return setBool(&c.Models.TLS12, v) },
			show: func(c *Config) string { return strconv.FormatBool(c.Models.TLS12) },
		},
		{
			Name: "ai.ca_file", Env: []string{"METALENS_AI_CA_FILE"}, Path: true,
			Help: "PEM file of a certificate authority to trust for ai.base_url",
			set:  func(c *Config, v string) error { return setPath(&c.Models.CAFile, v) },
			show: func(c *Config) string { return c.Models.CAFile },
		},
		{
			Name: "ai.proxy", Env: []string{"METALENS_AI_PROXY"},
			Help: "http, https or socks5 proxy to reach models through, or the word environment to follow HTTPS_PROXY and NO_PROXY",
			set:  func(c *Config, v string) error { return setProxy(&c.Models.Proxy, v) },
			show: func(c *Config) string { return redactURL(c.Models.Proxy) },
		},
		patience("ai.first_byte", "METALENS_AI_FIRST_BYTE", "how long a model's answer may take to begin", func(m *Models) *time.Duration { return &m.FirstByte }),
		patience("ai.idle", "METALENS_AI_IDLE", "how long a model's answer may stand still", func(m *Models) *time.Duration { return &m.Idle }),
		patience("ai.total", "METALENS_AI_TOTAL", "how long a model's answer may take in all", func(m *Models) *time.Duration { return &m.Total }),
	}
}
