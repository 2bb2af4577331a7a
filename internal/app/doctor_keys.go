package app

import (
	"errors"
	"io/fs"
	"os"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
)

// masterKey says by which way the master key comes and where it is, without
// reading it. It reports whether that could be told.
func (x *examination) masterKey(cfg config.Config, dir *datadir.Dir) bool {
	source, err := (&core{env: x.env, config: cfg, dir: dir}).findKeys()
	if err != nil {
		x.fail(err)
		return false
	}
	if path := source.Path(); source.Mode() == keys.ModeKeyFile || source.Mode() == keys.ModeKMS {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && cfg.DatabaseURL.IsZero() {
			x.fail(errs.New(errs.Invalid, "key_missing", "There is a database and no master key at "+path+".",
				"Restore the key file from your backup; without it the stored data cannot be read."))
			return false
		}
	}
	x.ok("master key: mode %s, %s", source.Mode(), source.Place())
	switch source.Mode() {
	case keys.ModeKMS:
		x.hint("The keys are in the file " + source.Path() + ", wrapped, and nowhere else: the service keeps no copy, only what unwraps them. Keep a copy of the file, apart from backups of the database.")
	case keys.ModeKeyFile:
		x.hint("Single-user mode: whoever is this user reads the key and the data. A credential of the service manager, or a KMS, keeps them apart (docs/guide/keys.md). Keep a copy of the file, apart from backups.")
	default:
		x.hint("Keep a copy of it, apart from backups of the database: without it nothing can be read.")
	}
	return true
}
