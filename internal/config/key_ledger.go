package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/secret"
)

// Ledger says what the egress ledger keeps, and where the proof that it and the
// audit log are whole goes.
type Ledger struct {
	Payloads        string        // keep, hash
	PayloadDays     int           // at most 30
	CheckpointEvery time.Duration // how often the chains are signed and anchored
	VerifyEvery     time.Duration // how often serve verifies the chains itself; 0 = never
	Anchor          []string      // file, syslog, mail
	AnchorFile      string        // empty = anchors/checkpoints.jsonl in the data directory
	AnchorMail      string        // where the weekly digest goes
	Syslog          string        // tls://host:port or unix:/path
	SyslogCAFile    string
	Stream          []string // syslog, file, webhook; empty = off
	StreamFile      string
	StreamURL       string
	StreamSecret    secret.Value
}

func ledgerDefaults() Ledger {
	return Ledger{Payloads: "keep", PayloadDays: 30, CheckpointEvery: time.Hour, VerifyEvery: 24 * time.Hour, Anchor: []string{"file"}}
}

func ledgerKeys() []Key {
	return []Key{
		{
			Name: "ledger.payloads", Env: []string{"METALENS_LEDGER_PAYLOADS"},
			Help: "keep = requests other than Metabase reads are kept exactly, encrypted, credentials replaced; hash = a salted hash alone",
			set:  func(c *Config, v string) error { return setOneOf(&c.Ledger.Payloads, v, "keep", "hash") },
			show: func(c *Config) string { return c.Ledger.Payloads },
		},
		{
			Name: "ledger.payload_days", Env: []string{"METALENS_LEDGER_PAYLOAD_DAYS"},
			Help: "how many days such requests are kept",
			set:  func(c *Config, v string) error { return setInt(&c.Ledger.PayloadDays, v, 1, 30) },
			show: func(c *Config) string { return strconv.Itoa(c.Ledger.PayloadDays) },
		},
		{
			Name: "ledger.checkpoint_every", Env: []string{"METALENS_LEDGER_CHECKPOINT_EVERY"},
			Help: "how often the chains of audit log and egress ledger are signed and anchored",
			set: func(c *Config, v string) error {
				return setDuration(&c.Ledger.CheckpointEvery, v, time.Minute, 24*time.Hour)
			},
			show: func(c *Config) string { return c.Ledger.CheckpointEvery.String() },
		},
		{
			Name: "ledger.verify_every", Env: []string{"METALENS_LEDGER_VERIFY_EVERY"},
			Help: "how often serve verifies the chains by itself; 0 = never",
			set: func(c *Config, v string) error {
				if v == "0" {
					c.Ledger.VerifyEvery = 0
					return nil
				}
				return setDuration(&c.Ledger.VerifyEvery, v, time.Hour, 30*24*time.Hour)
			},
			show: func(c *Config) string { return c.Ledger.VerifyEvery.String() },
		},
		{
			Name: "ledger.anchor", Env: []string{"METALENS_LEDGER_ANCHOR"},
			Help: "where signed checkpoints go, comma separated: file, syslog, mail",
			set:  func(c *Config, v string) error { return setList(&c.Ledger.Anchor, v, "file", "syslog", "mail") },
			show: func(c *Config) string { return strings.Join(c.Ledger.Anchor, ",") },
		},
		{
			Name: "ledger.anchor_file", Env: []string{"METALENS_LEDGER_ANCHOR_FILE"}, Path: true,
			Help: "file that checkpoints are appended to; empty = anchors/checkpoints.jsonl in the data directory, which protects least",
			set:  func(c *Config, v string) error { return setPath(&c.Ledger.AnchorFile, v) },
			show: func(c *Config) string { return c.Ledger.AnchorFile },
		},
		{
			Name: "ledger.anchor_mail", Env: []string{"METALENS_LEDGER_ANCHOR_MAIL"},
			Help: "address that gets the newest checkpoints once a week",
			set:  func(c *Config, v string) error { return setText(&c.Ledger.AnchorMail, v) },
			show: func(c *Config) string { return c.Ledger.AnchorMail },
		},
		{
			Name: "ledger.syslog", Env: []string{"METALENS_LEDGER_SYSLOG"},
			Help: "syslog server of anchors and stream: tls://host:6514, or unix:/dev/log",
			set:  func(c *Config, v string) error { return setSyslog(&c.Ledger.Syslog, v) },
			show: func(c *Config) string { return c.Ledger.Syslog },
		},
		{
			Name: "ledger.syslog_ca_file", Env: []string{"METALENS_LEDGER_SYSLOG_CA_FILE"}, Path: true,
			Help: "PEM file of a certificate authority to trust for syslog and the webhook",
			set:  func(c *Config, v string) error { return setPath(&c.Ledger.SyslogCAFile, v) },
			show: func(c *Config) string { return c.Ledger.SyslogCAFile },
		},
		{
			Name: "ledger.stream", Env: []string{"METALENS_LEDGER_STREAM"},
			Help: "where audit log and egress ledger are streamed to, comma separated: syslog, file, webhook; empty = nowhere",
			set:  func(c *Config, v string) error { return setList(&c.Ledger.Stream, v, "syslog", "file", "webhook") },
			show: func(c *Config) string { return strings.Join(c.Ledger.Stream, ",") },
		},
		{
			Name: "ledger.stream_file", Env: []string{"METALENS_LEDGER_STREAM_FILE"}, Path: true,
			Help: "file that the stream is appended to, one JSON object per line",
			set:  func(c *Config, v string) error { return setPath(&c.Ledger.StreamFile, v) },
			show: func(c *Config) string { return c.Ledger.StreamFile },
		},
		{
			Name: "ledger.stream_url", Env: []string{"METALENS_LEDGER_STREAM_URL"},
			Help: "address that gets the stream as signed POST requests",
			set:  func(c *Config, v string) error { return setHTTPURL(&c.Ledger.StreamURL, v) },
			show: func(c *Config) string { return c.Ledger.StreamURL },
		},
		{
			Name: "ledger.stream_secret", Env: []string{"METALENS_LEDGER_STREAM_SECRET"}, Secret: true,
			Help: "secret that signs those requests (HMAC-SHA256)",
			set:  func(c *Config, v string) error { return setToken(&c.Ledger.StreamSecret, v) },
			show: func(c *Config) string { return showSecret(c.Ledger.StreamSecret) },
		},
	}
}

// setList takes some of a few words.
func setList(to *[]string, v string, allowed ...string) error {
	var list []string
	for part := range strings.SplitSeq(v, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		switch {
		case part == "" || slices.Contains(list, part):
		case !slices.Contains(allowed, part):
			return fmt.Errorf("has %q, which is not one of %s", part, strings.Join(allowed, ", "))
		default:
			list = append(list, part)
		}
	}
	*to = list
	return nil
}

func setSyslog(to *string, v string) error {
	switch u, err := url.Parse(v); {
	case v == "":
	case err != nil:
		return errors.New("is not an address like tls://syslog.example.com:6514")
	case u.Scheme == "unix" && u.Host == "" && (strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Opaque, "/")):
	case u.Scheme == "tls" && u.Hostname() != "" && u.Path == "" && u.User == nil:
		if u.Port() == "" {
			v += ":6514"
		}
	default:
		return errors.New("is neither tls://host:port nor unix:/path; syslog in clear over the network is not offered")
	}
	*to = v
	return nil
}
