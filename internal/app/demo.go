package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// DemoOptions say where the demo listens and keeps its data.
type DemoOptions struct {
	Listen   string
	Dir      string       // empty: a temporary folder that goes with the demo
	Password secret.Value // of the demo's owner; empty: one is made up
}

// The demo's owner.
const (
	DemoEmail = "demo@metalens.example"
	demoOwner = "Demo owner"
)

// Demo shows MetaLens on a sample company: a fake Metabase on this machine,
// scanned, with pages and a login. It serves until ctx ends and cleans up.
func Demo(ctx context.Context, env Env, o DemoOptions) (err error) {
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "metalens-demo-"); err != nil {
			return fmt.Errorf("make a folder for the demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	loaded, err := config.Load(config.Inputs{DefaultData: dir, Flags: []config.Flag{
		{Key: "data", Flag: "--keep", Value: dir},
		{Key: "server.listen", Flag: "--listen", Value: o.Listen},
		{Key: "log.level", Flag: "--log-level", Value: "warn"},
	}})
	if err != nil {
		return err
	}
	s, err := newServer(ctx, env, loaded.Config, "demo")
	if err != nil {
		return err
	}
	defer func() { _ = s.listener.Close() }()
	password := o.Password
	if password.IsZero() {
		password = secret.New(strings.ToLower(rand.Text()[:16]))
	}
	if err := s.prepareDemo(ctx, password); err != nil {
		return errors.Join(err, s.shut())
	}
	env.Say("")
	env.Say("MetaLens shows a sample company at %s", s.url())
	env.Say("  E-mail    %s", DemoEmail)
	env.Say("  Password  %s", password.Expose())
	if o.Dir == "" {
		env.Say("  Everything is deleted when you stop it with Ctrl-C.")
	}
	return s.run(ctx)
}

// prepareDemo makes the owner, the connection and the first scan, where they
// are not there from an earlier run.
func (s *server) prepareDemo(ctx context.Context, password secret.Value) error {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	needs, err := s.auth.NeedsSetup(ctx)
	if err != nil {
		return err
	}
	if needs {
		_, err := s.auth.CreateOwner(ctx, auth.NewOwner{
			Organization: "Sample company", Name: demoOwner, Email: DemoEmail, Password: password, Trusted: true,
		})
		if err != nil {
			return fmt.Errorf("make the demo's owner: %w", err)
		}
	} else if _, _, err := s.resetPassword(ctx, UserResetOptions{Email: DemoEmail}, password); err != nil {
		return err
	}
	org, err := s.organization(ctx)
	if err != nil {
		return err
	}
	if err := s.sample.resume(ctx, s.core); err != nil {
		return err
	}
	address, err := s.sample.start("127.0.0.1:0") //nolint:contextcheck // it listens until it is closed
	if err != nil {
		return err
	}
	conn, err := s.connections.Ensure(ctx, org, connection.Actor{}, connection.Draft{
		Name: sampleName, URL: address, Auth: store.AuthAPIKey, Credential: secret.New(metabasetest.DefaultKey), Schedule: "daily 03:00",
	})
	if err != nil {
		return err
	}
	s.env.Say("Reading the sample company's Metabase at %s", address)
	screen := s.env.display(ctx, ProgressAuto)
	began := s.env.Now()
	out, err := s.scans.RunDirect(ctx, org, scanservice.Request{Connection: conn.ID, Trigger: scanservice.TriggerManual}, screen.update)
	screen.close()
	if err != nil {
		return err
	}
	s.env.Say("Read in %s: %d questions, %d dashboards, %d findings.", s.env.Now().Sub(began).Round(10*time.Millisecond),
		len(out.Snapshot.Questions), len(out.Snapshot.Dashboards), len(out.Analysis.Findings))
	return nil
}
