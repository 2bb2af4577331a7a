package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// ExportOptions say whose records are written where.
type ExportOptions struct {
	Organization string // name or id; empty = the only one
	Account      string // address of an account instead of an organization
	Dir          string // folder to write to; must not exist or be empty
}

// Export writes what people wrote as JSON and CSV files. A server may run.
func Export(ctx context.Context, env Env, loaded *config.Loaded, o ExportOptions) (err error) {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	c, service, err := openForReading(ctx, env, loaded, "export")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var files []erasure.File
	if o.Account != "" {
		files, err = c.exportAccount(ctx, service, o.Account)
	} else {
		files, err = c.exportOrganization(ctx, service, o.Organization)
	}
	if err != nil {
		return err
	}
	if err := writeFolder(o.Dir, files); err != nil {
		return err
	}
	env.Say("Wrote %d files to %s. docs/guide/export.md says what is in them.", len(files), o.Dir)
	return nil
}

func (c *core) exportAccount(ctx context.Context, service *erasure.Service, address string) ([]erasure.File, error) {
	var user store.User
	err := c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		user, err = tx.UserByEmail(ctx, address)
		return err
	})
	if err != nil {
		return nil, err
	}
	return service.AccountFiles(ctx, user.ID)
}

func (c *core) exportOrganization(ctx context.Context, service *erasure.Service, name string) ([]erasure.File, error) {
	var orgs []store.Organization
	err := c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		all, err := tx.Organizations(ctx)
		for _, o := range all {
			if name == "" || o.Name == name || string(o.ID) == name {
				orgs = append(orgs, o)
			}
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(orgs) == 0:
		return nil, errs.New(errs.NotFound, "no_organization", "There is no such organization.", "Give its name or its id with --organization.")
	case len(orgs) > 1:
		return nil, errs.New(errs.Invalid, "several_organizations", "This database holds several organizations.", "Choose one by its name or its id with --organization.")
	}
	return service.OrganizationFiles(ctx, orgs[0].ID)
}

// openForReading opens the store beside whoever writes to it, with the service
// of retention and deletion.
func openForReading(ctx context.Context, env Env, loaded *config.Loaded, command string) (*core, *erasure.Service, error) {
	if !stateExists(loaded.Config) {
		return nil, nil, errs.New(errs.NotFound, "no_database", "There is no database in "+loaded.Config.Data+" yet.", "Start metalens serve or metalens scan first.")
	}
	c, err := open(ctx, env, quietly(loaded), coreOptions{command: command, reads: true, policy: ownPolicy(loaded.Config)})
	if err != nil {
		return nil, nil, err
	}
	service, err := erasure.New(erasure.Config{Store: c.store, Most: retentionLimits(loaded.Config.Retention), Now: env.Now, Logger: c.log})
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, service, nil
}

// writeFolder writes files that only this user can read into a new or empty
// folder.
func writeFolder(dir string, files []erasure.File) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return errs.Wrap(err, errs.Invalid, "output", "The folder "+dir+" cannot be made.", "Choose another one.")
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "output", "The folder "+dir+" cannot be read.", "Choose another one.")
	}
	if len(there) > 0 {
		return errs.New(errs.Invalid, "output", "The folder "+dir+" is not empty.", "Choose a new one, so that no two exports mix.")
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Content, 0o600); err != nil {
			return errs.Wrap(err, errs.Invalid, "output", "The file "+f.Name+" cannot be written.", "Make room, or choose another folder.")
		}
	}
	return nil
}

// ProveDeletion looks through the database for what a deletion removed and says
// what it found. A server may run.
func ProveDeletion(ctx context.Context, env Env, loaded *config.Loaded, id string) (err error) {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	c, service, err := openForReading(ctx, env, loaded, "doctor")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	p, err := service.Proof(ctx, id)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(env.Stdout, format+"\n", args...) }
	say("Deletion  %s", p.Deletion.ID)
	say("Of        %s", p.Deletion.Kind)
	say("At        %s", p.Deletion.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	if !p.Deletion.ReplayedAt.IsZero() {
		say("Replayed  %s, after a restore", p.Deletion.ReplayedAt.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	say("Removed   %d rows", p.Deletion.Rows())
	say("")
	say("%-22s %9s %6s  %s", "table", "values", "left", "compared")
	for _, t := range p.Tables {
		say("%-22s %9d %6d  %v", t.Table, t.Rows, t.Found, t.Columns)
	}
	say("")
	say("%d values of %d tables compared with the tombstone: %d name what was deleted.", p.Rows, len(p.Tables), p.Found)
	switch {
	case !p.KeyGone:
		say("The erasure key is STILL there.")
	case p.Deletion.KeyDestroyed:
		say("The organization's key outside the database is destroyed: no copy from before can be read.")
	default:
		say("No erasure key of it is here.")
	}
	if p.Outside {
		say("The record outside the database has the deletion: a restored backup loses it again.")
	} else {
		say("The record outside the database does NOT have the deletion; the next start of a server adds it.")
	}
	if !p.Clean() {
		return errs.New(errs.Conflict, "not_deleted", "Something of it is left.", "Start metalens serve once, which deletes again what is on record, and run this again.")
	}
	return nil
}
