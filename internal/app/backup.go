package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/metalens/metalens/internal/backup"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// BackupOptions say where a backup goes and who can read it.
type BackupOptions struct {
	Path           string   // "-" is standard output
	PassphraseFile string   // "-" is standard input
	Recipients     []string // age1…
	// WorkFactor makes a passphrase slow to guess, as a power of two; 0 = 18.
	WorkFactor int
}

// minPassphrase is enough for four random words.
const minPassphrase = 16

// Backup writes everything that the store holds, as it stands at one moment. A
// server may run.
func Backup(ctx context.Context, env Env, loaded *config.Loaded, o BackupOptions) (err error) {
	to, err := recipients(env, o)
	if err != nil {
		return err
	}
	if !stateExists(loaded.Config) {
		return errs.New(errs.NotFound, "no_database", "There is no database in "+loaded.Config.Data+" yet.", "There is nothing to back up.")
	}
	c, err := open(ctx, env, quietly(loaded), coreOptions{command: "backup", reads: true, policy: ownPolicy(loaded.Config)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var made backup.Manifest
	var sum backup.Summary
	err = writeWhole(env, o.Path, func(w io.Writer) (err error) {
		made, sum, err = backup.Write(ctx, w, c.store, VersionText(), env.Now(), to...)
		return err
	})
	if err != nil {
		return err
	}
	env.Say("Backed up %d rows of %d tables, %d organizations, schema %d.", sum.Rows, len(sum.Tables), len(made.Organizations), made.Schema)
	env.Say("The master key is not in it (%s): without that key the backup cannot be used. Keep a copy of it elsewhere.", c.keySource.Place())
	if c.store.ErasureKeys() == nil {
		env.Say("Nor are the erasure keys of the organizations: they are a folder of their own, and are needed too.")
	}
	return nil
}

func recipients(env Env, o BackupOptions) ([]age.Recipient, error) {
	if (o.PassphraseFile == "") == (len(o.Recipients) == 0) {
		return nil, errs.New(errs.Invalid, "backup_key", "Say for whom the backup is encrypted: a passphrase or recipients.",
			"Give --passphrase-file FILE, or --recipient age1… (made by age-keygen), once or more.")
	}
	if o.PassphraseFile != "" {
		phrase, err := readPassphrase(env, o.PassphraseFile)
		if err != nil {
			return nil, err
		}
		if len(phrase.Expose()) < minPassphrase {
			return nil, errs.New(errs.Invalid, "weak_passphrase", fmt.Sprintf("The passphrase has fewer than %d characters.", minPassphrase), "Use four or more random words.")
		}
		r, err := age.NewScryptRecipient(phrase.Expose())
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "backup_key", "The passphrase cannot be used.", "Use another one.")
		}
		if o.WorkFactor > 0 {
			r.SetWorkFactor(o.WorkFactor)
		}
		return []age.Recipient{r}, nil
	}
	var list []age.Recipient
	for _, text := range o.Recipients {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "backup_key", "A recipient is not of the form age1….", "Give the public key that age-keygen prints.")
		}
		list = append(list, r)
	}
	return list, nil
}

func readPassphrase(env Env, path string) (secret.Value, error) {
	v, err := readPassword(env, path)
	if err != nil {
		return v, err
	}
	if v.IsZero() || v.Expose() == "" {
		return v, errs.New(errs.Invalid, "secret_file", "The passphrase file "+path+" is empty.", "Put one line with the passphrase into it.")
	}
	return v, nil
}

// writeWhole lets write fill a new file that appears whole or not at all, and
// that only this user can read. It never replaces one.
func writeWhole(env Env, path string, write func(io.Writer) error) (err error) {
	if path == "-" {
		return write(env.Stdout)
	}
	exists := errs.New(errs.Conflict, "file_exists", "There is a file "+path+" already.", "Choose another name; a backup never replaces a file.")
	if _, err := os.Lstat(path); err == nil {
		return exists
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".metalens-backup-*") // mode 0600
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "file_unwritable", "The file "+path+" cannot be written.", "Check the folder and its permissions.")
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	err = write(tmp)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		return exists
	} else if err != nil {
		if err := os.Rename(tmp.Name(), path); err != nil { // a file system without links
			return fmt.Errorf("put the backup in place: %w", err)
		}
	}
	return nil
}

// RestoreOptions say what is restored, and with what it is opened.
type RestoreOptions struct {
	Path           string // "-" is standard input
	PassphraseFile string
	IdentityFile   string // of age-keygen
	Replace        bool   // the database holds something, which may be lost
	Confirm        string // replaceWord, instead of typing it
}

// replaceWord is what a person types to lose what a database holds.
const replaceWord = "replace everything"

// Restore fills the database from a backup. Nothing else may use it meanwhile.
func Restore(ctx context.Context, env Env, loaded *config.Loaded, o RestoreOptions) (err error) {
	with, err := identities(env, o)
	if err != nil {
		return err
	}
	if err := confirmed(env, o); err != nil {
		return err
	}
	c := &core{env: env, config: quietly(loaded), log: env.logger(loaded.Config.Log)}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.lockForRestore(ctx); err != nil {
		return err
	}
	in := env.Stdin
	if o.Path != "-" {
		f, err := os.Open(o.Path)
		if err != nil {
			return errs.Wrap(err, errs.NotFound, "no_backup", "The backup "+o.Path+" cannot be read.", "Check the path and its permissions.")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	r, err := backup.Open(in, with...)
	if err != nil {
		return err
	}
	cfg := c.storeConfig(ctx, false)
	if err := store.Restore(ctx, cfg, r.Manifest().DumpHead, r, o.Replace); err != nil {
		return err
	}
	// Opening brings the schema up to date and deletes again what was deleted
	// since, before anything can be served.
	if c.store, err = store.Open(ctx, cfg); err != nil {
		return fmt.Errorf("open the restored database: %w", err)
	}
	if err := c.judgeRestored(ctx, r.Manifest()); err != nil {
		return err
	}
	env.Say("Restored %d rows of %d tables from the backup of %s. Everybody logs in again.",
		r.Summary().Rows, len(r.Summary().Tables), r.Manifest().CreatedAt.Format("2006-01-02 15:04:05 MST"))
	return nil
}

func confirmed(env Env, o RestoreOptions) (err error) {
	if !o.Replace {
		return nil
	}
	answer := o.Confirm
	if answer == "" {
		env.Say("Everything in the database will be lost, and what the backup holds takes its place.")
		env.Say("Type %q to go on:", replaceWord)
		if answer, err = readAnswer(env.Stdin); err != nil {
			return err
		}
	}
	if strings.TrimSpace(answer) != replaceWord {
		return errs.New(errs.Invalid, "not_confirmed", "Nothing was restored: the words were not typed.", fmt.Sprintf("Run the command again and type %q.", replaceWord))
	}
	return nil
}

// lockForRestore takes the data directory and reads the master key. A key is
// never made here: it could not be the one that the backup needs.
func (c *core) lockForRestore(ctx context.Context) (err error) {
	if c.dir, err = datadir.Open(c.config.Data); err != nil {
		return err
	}
	if c.config.DatabaseURL.IsZero() {
		if c.lock, err = c.dir.Lock(ctx, datadir.LockOptions{Command: "restore", Now: c.env.Now}); err != nil {
			return err
		}
	}
	if c.keySource, err = c.findKeys(); err != nil {
		return err
	}
	if path := c.keySource.Path(); path != "" {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return errs.New(errs.NotFound, "key_missing", "There is no master key at "+path+".",
				"Put the master key that the backup was made with there first; it is not in the backup.")
		}
	}
	return c.loadKeys(ctx)
}

// judgeRestored checks that everything restored can be read, and puts the
// restore on record.
func (c *core) judgeRestored(ctx context.Context, m backup.Manifest) error {
	var orgs []store.Organization
	err := c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		if orgs, err = tx.Organizations(ctx); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditRow{Actor: "system", Action: "backup_restored", Detail: "made " + m.CreatedAt.Format("2006-01-02T15:04:05Z07:00")})
	})
	if err != nil {
		return err
	}
	for _, o := range orgs {
		if err := c.store.ViewOrg(ctx, o.ID, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Connections(ctx)
			return err
		}); err != nil {
			return fmt.Errorf("read the restored organization %s: %w", o.ID, err)
		}
	}
	if gone := len(m.Organizations) - len(orgs); gone > 0 {
		c.env.Say("%d organizations were deleted since the backup was made, and were deleted again.", gone)
	}
	return nil
}

func identities(env Env, o RestoreOptions) ([]age.Identity, error) {
	if (o.PassphraseFile == "") == (o.IdentityFile == "") {
		return nil, errs.New(errs.Invalid, "backup_key", "Say what opens the backup.", "Give --passphrase-file FILE, or --identity-file FILE (of age-keygen).")
	}
	if o.PassphraseFile != "" {
		phrase, err := readPassphrase(env, o.PassphraseFile)
		if err != nil {
			return nil, err
		}
		id, err := age.NewScryptIdentity(phrase.Expose())
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "backup_key", "The passphrase cannot be used.", "Use the one that the backup was made with.")
		}
		return []age.Identity{id}, nil
	}
	text, err := os.ReadFile(o.IdentityFile)
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "secret_file", "The identity file "+o.IdentityFile+" cannot be read.", "Check the path and its permissions.")
	}
	defer clear(text)
	list, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, errs.New(errs.Invalid, "backup_key", "The identity file holds no age identity.", "Give the file that age-keygen wrote.")
	}
	return list, nil
}
