package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
)

type backupCommand struct {
	File           string   `arg:"" help:"New file for the backup, - for standard output."`
	PassphraseFile string   `help:"File with the passphrase that opens the backup, - for standard input." placeholder:"FILE"`
	Recipient      []string `help:"Public key (age1…, of age-keygen) that the backup is made for; may be repeated." placeholder:"KEY"`
	WorkFactor     int      `hidden:"" help:"Cost of guessing the passphrase, for tests."`
}

// Run writes a backup.
func (c backupCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.Backup(ctx, i.env, loaded, app.BackupOptions{
		Path: c.File, PassphraseFile: c.PassphraseFile, Recipients: c.Recipient, WorkFactor: c.WorkFactor,
	})
}

type restoreCommand struct {
	File           string `arg:"" help:"File that metalens backup wrote, - for standard input."`
	PassphraseFile string `help:"File with the passphrase that the backup was made with." placeholder:"FILE"`
	IdentityFile   string `help:"File of age-keygen that the backup was made for." placeholder:"FILE"`
	Replace        bool   `help:"Replace a database that holds something. You are asked to type that you mean it."`
	Confirm        string `help:"The words, instead of typing them." placeholder:"WORDS"`
}

// Run restores a backup.
func (c restoreCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.Restore(ctx, i.env, loaded, app.RestoreOptions{
		Path: c.File, PassphraseFile: c.PassphraseFile, IdentityFile: c.IdentityFile, Replace: c.Replace, Confirm: c.Confirm,
	})
}
