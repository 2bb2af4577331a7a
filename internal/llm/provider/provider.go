// Package provider opens the model services that an operator or an organization
// has set up, each over a transport of its own to that one host.
package provider

import (
	"net/url"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/anthropic"
	"github.com/metalens/metalens/internal/llm/openai"
	"github.com/metalens/metalens/internal/llm/wire"
	"github.com/metalens/metalens/internal/outbound"
)

// Config is the operator's part of every provider.
type Config struct {
	// Policy is for addresses that members of an organization type.
	Policy outbound.Policy
	// OperatorPolicy is for the address that the operator configured, which may be
	// of this machine or the operator's network.
	OperatorPolicy outbound.Policy
	AllowPlainHTTP bool   // send to the operator's address without TLS beyond this machine
	TLS12          bool   // accept TLS 1.2 of the operator's address
	RootCAs        []byte // PEM, added to the system's, for the operator's address
	ProxyURL       string
	Limits         wire.Limits
	UserAgent      string
	Now            func() time.Time
}

// Open implements [llm.Opener]. An unknown provider or unusable address is
// errs.Invalid. Nothing is sent.
func (c Config) Open(t llm.Target, recorder ledger.Recorder) (llm.Provider, error) {
	base := t.BaseURL
	client := wire.Config{Limits: c.Limits, UserAgent: c.UserAgent, Key: t.Key}
	switch t.Provider {
	case llm.Anthropic:
		if base == "" {
			base = anthropic.BaseURL
		}
		client.Who, client.Routes, client.Header = anthropic.Who, anthropic.Routes(), anthropic.Header
	case llm.OpenAI:
		if base == "" {
			base = openai.BaseURL
		}
		client.Who, client.Routes, client.Header, client.Scheme = openai.Who, openai.Routes(), openai.Header, openai.Scheme
	case llm.Compatible:
		client.Who, client.Routes, client.Header, client.Scheme = openai.WhoCompatible, openai.Routes(), openai.Header, openai.Scheme
	default:
		return nil, errs.New(errs.Invalid, llm.CodeProvider, "There is no such provider of models.", "Choose one of: "+strings.Join(llm.Providers(), ", ")+".")
	}
	if t.Key.IsZero() && t.Provider != llm.Compatible {
		return nil, errs.New(errs.NotFound, llm.CodeNoModel, "There is no API key for "+client.Who+".", "Enter one in the settings of the assistant.")
	}
	client.BaseURL = base
	out := outbound.Config{Purpose: ledger.PurposeModel, Policy: c.Policy, Recorder: recorder, KeyID: t.KeyID, ProxyURL: c.ProxyURL, Now: c.Now}
	if t.Operator {
		out.Policy, out.AllowPlainHTTP, out.MinTLS12, out.RootCAs = c.OperatorPolicy, c.AllowPlainHTTP, c.TLS12, c.RootCAs
	}
	out.Policy.Stopped = c.Policy.Stopped
	var err error
	if client.Transport, err = outbound.NewTransport(out); err != nil {
		return nil, err
	}
	w, err := wire.New(client)
	if err != nil {
		return nil, err
	}
	switch t.Provider {
	case llm.Anthropic:
		return anthropic.New(w), nil
	case llm.OpenAI:
		return openai.New(w), nil
	default:
		return openai.NewCompatible(w), nil
	}
}

// CheckAddress says whether a text can be the address of a provider, before it is
// stored. Which machines it may name is decided when it is asked.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errs.New(errs.Invalid, llm.CodeAddress, "The address of the model provider is not usable.", "Write it as https://models.example.com/v1.")
	}
	return nil
}
