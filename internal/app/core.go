package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/operator"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// core is what every command that keeps state shares: the locked data
// directory, the open store and the services over it.
type core struct {
	env         Env
	config      config.Config
	log         *slog.Logger
	dir         *datadir.Dir
	lock        *datadir.Lock // nil on PostgreSQL, which needs none
	store       *store.Store
	connections *connection.Service
	keys        *keys.Keyset
	keySource   *keys.Source
	kmsLedger   *kmsLedger
	live        *operator.Live // what the operator changed while it runs
}

// coreOptions say who opens the core and under which outbound policy.
type coreOptions struct {
	command string
	wait    time.Duration // for the lock
	policy  outbound.Policy
	reads   bool // nothing is written: works beside a process that holds the lock
}

// quietly lowers the log of commands that talk to a person to warnings, unless
// a level was asked for.
func quietly(loaded *config.Loaded) config.Config {
	cfg := loaded.Config
	if loaded.Origin("log.level").Source == config.SourceDefault {
		cfg.Log.Level = "warn"
	}
	return cfg
}

// open locks the data directory, opens keys and store and builds the services.
func open(ctx context.Context, env Env, cfg config.Config, o coreOptions) (c *core, err error) {
	log, level := env.leveled(cfg.Log)
	c = &core{env: env, config: cfg, log: log, live: operator.NewLive(level)}
	o.policy = c.stoppable(o.policy)
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
			c = nil
		}
	}()
	if c.dir, err = datadir.Open(cfg.Data); err != nil {
		return c, err
	}
	if o.reads {
		switch err := c.openStore(ctx, true); {
		case err == nil:
			return c.withServices(o), c.live.Load(ctx, c.store)
		case errs.CodeOf(err) != "schema_older" && errs.CodeOf(err) != "tombstones_pending":
			return c, err
		}
	}
	if cfg.DatabaseURL.IsZero() {
		if c.lock, err = c.dir.Lock(ctx, datadir.LockOptions{Command: o.command, Wait: o.wait, Now: env.Now}); err != nil {
			return c, err
		}
	}
	if err := c.openStore(ctx, false); err != nil {
		return c, err
	}
	return c.withServices(o), c.live.Load(ctx, c.store)
}

func (c *core) openStore(ctx context.Context, readOnly bool) error {
	if err := c.loadKeys(ctx); err != nil {
		return err
	}
	var err error
	if c.store, err = store.Open(ctx, c.storeConfig(ctx, readOnly)); err == nil && !readOnly {
		c.kmsLedger.attach(c.store) //nolint:contextcheck // entries outlive the exchange that made them
	}
	return err
}

// storeConfig is how the store is opened, and restored.
func (c *core) storeConfig(ctx context.Context, readOnly bool) store.Config {
	return store.Config{
		Dir: c.dir.Path(), DatabaseURL: c.config.DatabaseURL, AdminURL: c.config.AdminDatabaseURL, Keys: c.keys, ReloadKeys: c.keySource.Reload(ctx), ReadOnly: readOnly, Now: c.env.Now, Logger: c.log,
		Tombstones: c.config.Retention.Tombstones, ErasureKeys: c.config.Retention.ErasureKeys,
		Payloads: ledger.PayloadMode(c.config.Ledger.Payloads), PayloadAge: time.Duration(c.config.Ledger.PayloadDays) * 24 * time.Hour,
	}
}

func (c *core) withServices(o coreOptions) *core {
	c.connections = connection.New(connection.Config{Store: c.store, Opener: c.opener(o.policy), Now: c.env.Now, Logger: c.log})
	return c
}

// Close releases everything that open took, in reverse.
func (c *core) Close() error {
	if c == nil {
		return nil
	}
	err := c.kmsLedger.close()
	if c.store != nil {
		err = errors.Join(err, c.store.Close())
		c.store = nil
	}
	if c.lock != nil {
		err = errors.Join(err, c.lock.Unlock())
		c.lock = nil
	}
	return err
}

// opener opens readers under the operator's policy and limits.
func opener(env Env, cfg config.Config, policy outbound.Policy, log *slog.Logger) connection.Opener {
	return connection.Opener{Policy: policy, Timeout: cfg.Metabase.Timeout, Concurrency: cfg.Scan.Concurrency, Now: env.Now, Pause: env.Pause, Logger: log}
}

// keyNamer names a credential in the egress ledger; see [store.Store.KeyID]. Nil
// names none, as before there is a store.
type keyNamer func(kind string, v secret.Value) string

func (n keyNamer) of(kind string, v secret.Value) string {
	if n == nil {
		return ""
	}
	return n(kind, v)
}

// opener is [opener] for connections of the store, whose ledger names the keys.
func (c *core) opener(policy outbound.Policy) connection.Opener {
	o := opener(c.env, c.config, policy, c.log)
	o.KeyID = c.store.KeyID
	return o
}

// stoppable adds what operators stop to a policy.
func (c *core) stoppable(p outbound.Policy) outbound.Policy {
	p.Stopped = c.live.Stopped
	return p
}

// ownPolicy is the outbound policy of commands that a person runs: whoever
// types an address may reach it.
func ownPolicy(cfg config.Config) outbound.Policy {
	allow := cfg.Outbound.AllowPrivate != config.No
	return outbound.Policy{AllowLoopback: allow, AllowPrivate: allow, AllowedCIDRs: cfg.Outbound.AllowedNetworks, From: cfg.Egress.Bind}
}

// servePolicy is the outbound policy of the server, whose members type the
// addresses: private ones only where the operator says so, or where nobody but
// the operator can reach the pages.
func servePolicy(cfg config.Config, listen netip.AddrPort, own *outbound.Listeners) outbound.Policy {
	allow := cfg.Outbound.AllowPrivate == config.Yes || cfg.Outbound.AllowPrivate == config.Auto && listen.Addr().IsLoopback()
	return outbound.Policy{
		AllowLoopback: allow, AllowPrivate: allow, AllowedCIDRs: cfg.Outbound.AllowedNetworks, Own: own, From: cfg.Egress.Bind,
	}
}

// organization returns the one organization of this store and makes it where
// there is none yet.
func (c *core) organization(ctx context.Context) (store.OrgID, error) {
	var id store.OrgID
	err := c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		id, err = onlyOrganization(ctx, tx)
		return err
	})
	if err == nil && id == "" {
		err = c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
			if id, err = onlyOrganization(ctx, tx); err != nil || id != "" {
				return err
			}
			made, err := tx.InsertOrganization(ctx, store.Organization{Name: "My organization", CreatedAt: c.env.Now().UTC()})
			id = made.ID
			return err
		})
	}
	if err != nil {
		return "", fmt.Errorf("find the organization: %w", err)
	}
	return id, nil
}

// onlyOrganization is empty where there is none yet.
func onlyOrganization(ctx context.Context, tx *store.SystemTx) (store.OrgID, error) {
	list, err := tx.Organizations(ctx)
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		return "", nil
	case len(list) > 1:
		return "", errs.New(errs.Invalid, "several_organizations", "This database holds several organizations.",
			"Start scans from the pages, or scan with --stateless.")
	}
	return list[0].ID, nil
}
