package app

import (
	"context"
	"log/slog"
	"os"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/sso"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/signin"
)

// newSSO builds single sign-on; without an issuer it is switched off. base is
// where browsers open the pages.
func newSSO(env Env, cfg config.Config, s *store.Store, policy outbound.Policy, base string, log *slog.Logger) (*sso.Service, error) {
	if err := cfg.OIDC.Check(); err != nil {
		return nil, err
	}
	out := sso.Config{OIDC: cfg.OIDC, Store: s, Now: env.Now, Logger: log}
	if cfg.OIDC.Enabled() {
		if cfg.Server.PublicURL != "" {
			base = cfg.Server.PublicURL
		}
		var err error
		if out.Provider, err = newProvider(env, cfg, policy, homeRecorder{s, cfg.OIDC.Organization}, base, s.KeyID); err != nil {
			return nil, err
		}
	}
	return sso.New(out)
}

func newProvider(env Env, cfg config.Config, policy outbound.Policy, recorder ledger.Recorder, base string, keyID keyNamer) (*sso.Provider, error) {
	// The operator names the provider, so it may be in his own network.
	allow := cfg.Outbound.AllowPrivate != config.No
	policy.AllowLoopback, policy.AllowPrivate = allow, allow
	p := sso.ProviderConfig{
		OIDC: cfg.OIDC, Outbound: outbound.Config{Policy: policy, Recorder: recorder, Now: env.Now, KeyID: keyID.of("oidc-client-secret", cfg.OIDC.ClientSecret)}, Redirect: base + signin.CallbackPath, Now: env.Now,
	}
	if cfg.OIDC.CAFile != "" {
		var err error
		if p.RootCAs, err = os.ReadFile(cfg.OIDC.CAFile); err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "ca_file", "The certificate file "+cfg.OIDC.CAFile+" (oidc.ca_file) cannot be read.", "Check the path and its permissions.")
		}
	}
	return sso.NewProvider(p)
}

// homeRecorder writes traffic that belongs to no organization yet to the ledger
// of the one that people join, or of the oldest.
type homeRecorder struct {
	store *store.Store
	org   string
}

// Record implements [ledger.Recorder].
func (r homeRecorder) Record(ctx context.Context, e ledger.Entry) error {
	ctx = access.AsSystem(ctx)
	var home store.OrgID
	err := r.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Organizations(ctx)
		if err != nil {
			return err
		}
		for _, o := range list {
			if home == "" || r.org == string(o.ID) {
				home = o.ID
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return store.NewRecorder(r.store, home, "", "").Record(ctx, e)
}

// Flush implements [ledger.Recorder].
func (r homeRecorder) Flush(context.Context) error { return nil }

// signOn examines single sign-on: its settings, and the provider's discovery
// document.
func (x *examination) signOn(ctx context.Context, cfg config.Config, offline bool) {
	if err := cfg.OIDC.Check(); err != nil {
		x.fail(err)
		return
	}
	if !cfg.OIDC.Enabled() {
		return
	}
	base := cfg.Server.PublicURL
	if base == "" {
		base = "http://" + cfg.Server.Listen
	}
	p, err := newProvider(x.env, cfg, ownPolicy(cfg), &ledger.Memory{}, base, nil)
	if err != nil {
		x.fail(err)
		return
	}
	if offline {
		x.ok("single sign-on at %s (not asked); its redirect address is %s", cfg.OIDC.Issuer, p.Redirect())
		return
	}
	if err := p.Discover(ctx); err != nil {
		x.fail(sso.Explain(err))
		return
	}
	x.ok("single sign-on at %s answers; register the redirect address %s there", cfg.OIDC.Issuer, p.Redirect())
	if cfg.Server.PublicURL == "" {
		x.warn("Single sign-on is set up without server.public_url.", "The provider sends people back to "+p.Redirect()+"; that works on this machine only.")
	}
}

// Unlink unties an account from the identity provider, so that its next login
// there is tied anew by the verified address.
func (c *core) unlink(ctx context.Context, user store.UserID) (n int, err error) {
	err = c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		if n, err = tx.DeleteSSOIdentities(ctx, user); err != nil || n == 0 {
			return err
		}
		members, err := tx.MembershipsOf(ctx, user)
		if err != nil {
			return err
		}
		for _, m := range members {
			if err := tx.Audit(ctx, store.AuditRow{OrgID: m.OrgID, Action: "sso_unlinked", Target: "user:" + string(user), Source: "command line"}); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}
