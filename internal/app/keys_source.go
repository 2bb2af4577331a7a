package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/kms"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// findKeys says where the master key comes from.
func (c *core) findKeys() (*keys.Source, error) {
	o := keys.Options{
		Descriptor: c.config.MasterKeyFD, File: c.config.MasterKeyFile, CredentialsDir: c.env.Variable("CREDENTIALS_DIRECTORY"), KeyFile: c.dir.KeyFile(),
	}
	if c.config.DatabaseURL.IsZero() {
		o.Database = c.dir.Database()
	}
	if c.config.Keys.Mode != "auto" {
		o.Require = keys.Mode(c.config.Keys.Mode)
	}
	if c.config.KMS.Enabled() {
		var err error
		if o.KMS, err = c.keyService(); err != nil {
			return nil, err
		}
		if o.KMSFile = c.config.KMS.File; o.KMSFile == "" {
			o.KMSFile = filepath.Join(filepath.Dir(c.dir.KeyFile()), "master.wrapped")
		}
	}
	return keys.Find(o)
}

// keyService sets up the key management service of the settings.
func (c *core) keyService() (keys.KMS, error) {
	k := c.config.KMS
	if k.Command != "" {
		if k.VaultURL != "" {
			return nil, errs.New(errs.Invalid, "kms_twice", "Both kms.command and kms.vault_url are set.", "Set one of them.")
		}
		var environ []string
		for _, name := range k.CommandEnv {
			if v := c.env.Variable(name); v != "" {
				environ = append(environ, name+"="+v)
			}
		}
		return kms.NewCommand(k.Command, environ)
	}
	token := func() (secret.Value, error) { return k.VaultToken, nil }
	switch {
	case k.VaultTokenPath != "":
		token = kms.TokenFile(k.VaultTokenPath)
	case k.VaultToken.IsZero():
		return nil, errs.New(errs.Invalid, "kms_token", "kms.vault_url is set and no token.", "Set kms.vault_token_path to a file that holds it.")
	}
	c.kmsLedger = &kmsLedger{}
	out := outbound.Config{Purpose: ledger.PurposeKMS, Policy: ownPolicy(c.config), Recorder: c.kmsLedger, Now: c.env.Now}
	// A token is random, so that its fingerprint needs no key of ours; there is none
	// before the service has answered. One that a file brings is renewed by others.
	out.KeyID = "vault-token-file"
	if k.VaultTokenPath == "" {
		out.KeyID = "vault-token:" + k.VaultToken.Fingerprint(nil)
	}
	// The operator names the service; it may be anywhere but where the policy
	// forbids private addresses outright.
	if k.VaultCAFile != "" {
		pem, err := os.ReadFile(k.VaultCAFile)
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "kms_ca", "The file "+k.VaultCAFile+" (kms.vault_ca_file) cannot be read.", "Check the path and its permissions.")
		}
		out.RootCAs = pem
	}
	way, err := outbound.NewTransport(out)
	if err != nil {
		return nil, err
	}
	return kms.NewVault(kms.VaultConfig{Address: k.VaultURL, Mount: k.VaultMount, Key: k.VaultKey, Namespace: k.VaultNamespace, Token: token, Transport: way})
}

// loadKeys reads the master keys, once: a descriptor cannot be read again. A key
// management service that cannot be reached is asked again for a while.
func (c *core) loadKeys(ctx context.Context) (err error) {
	if c.keys != nil {
		return nil
	}
	if c.keySource == nil {
		if c.keySource, err = c.findKeys(); err != nil {
			return err
		}
	}
	wait, left := time.Second, c.config.KMS.Wait
	for {
		c.keys, err = c.keySource.Load(ctx)
		if c.keySource.Mode() != keys.ModeKMS || errs.KindOf(err) != errs.Unavailable || left <= 0 {
			return err
		}
		text, _ := errs.PublicText(err)
		c.env.Say("%s Trying again for %s.", text, left)
		wait = min(wait, left)
		if err := c.pause(ctx, wait); err != nil {
			return err
		}
		left -= wait
		wait = min(2*wait, 15*time.Second)
	}
}

func (c *core) pause(ctx context.Context, d time.Duration) error {
	if c.env.Pause != nil {
		return c.env.Pause(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// kmsLedger records what was asked of a key management service. That happens
// before the store is open, and later inside its transactions, so that entries
// wait here and are written apart. A nil *kmsLedger has nothing to write.
type kmsLedger struct {
	mu      sync.Mutex
	waiting []ledger.Entry
	store   *store.Store
	writing sync.WaitGroup
	err     error
}

// Record implements [ledger.Recorder].
func (l *kmsLedger) Record(_ context.Context, e ledger.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, e)
	l.write() //nolint:contextcheck // an entry is written even when the request was cancelled
	return nil
}

// Flush implements [ledger.Recorder].
func (l *kmsLedger) Flush(context.Context) error { return nil }

// attach begins to write into a store.
func (l *kmsLedger) attach(s *store.Store) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store = s
	l.write()
}

// write hands what waits to the store; the lock is held.
func (l *kmsLedger) write() {
	if l.store == nil || len(l.waiting) == 0 {
		return
	}
	entries, to := l.waiting, store.NewSystemRecorder(l.store)
	l.waiting = nil
	l.writing.Go(func() {
		ctx := context.Background()
		for _, e := range entries {
			if err := to.Record(ctx, e); err != nil {
				l.mu.Lock()
				l.err = errors.Join(l.err, err)
				l.mu.Unlock()
			}
		}
	})
}

// close waits until everything is written.
func (l *kmsLedger) close() error {
	if l == nil {
		return nil
	}
	l.writing.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store = nil
	return l.err
}
