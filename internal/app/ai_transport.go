package app

import (
	"os"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm/provider"
	"github.com/metalens/metalens/internal/llm/wire"
)

// modelTransport adds to providers how the operator wants them reached.
func modelTransport(cfg config.Models, open provider.Config) (provider.Config, error) {
	open.AllowPlainHTTP, open.TLS12, open.ProxyURL = cfg.AllowPlainHTTP, cfg.TLS12, cfg.Proxy
	open.Limits = wire.Limits{FirstByte: cfg.FirstByte, Idle: cfg.Idle, Total: cfg.Total}
	if cfg.CAFile == "" {
		return open, nil
	}
	var err error
	if open.RootCAs, err = os.ReadFile(cfg.CAFile); err != nil {
		return open, errs.Wrap(err, errs.Invalid, "bad_ca", "The file "+cfg.CAFile+" cannot be read.", "Correct ai.ca_file.")
	}
	return open, nil
}

// modelsStopped adds the setting that switches models off to what operators stop
// while the server runs.
func modelsStopped(cfg config.Models, live func(ledger.Purpose) bool) func(ledger.Purpose) bool {
	return func(p ledger.Purpose) bool { return live(p) || cfg.Off && p == ledger.PurposeModel }
}
