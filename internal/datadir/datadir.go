// Package datadir finds, creates and guards the folder that holds MetaLens'
// state: the database, the key file of single-user mode, logs. The folder is
// the user's own (0700), and one lock in it is shared by the command line and
// the server.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/metalens/metalens/internal/errs"
)

// Dir is a data directory that exists and is private.
type Dir struct {
	path string
}

// Default returns $METALENS_DATA, else the user's data folder by the habits of
// the operating system. getenv is os.Getenv.
func Default(getenv func(string) string) (string, error) {
	if p := getenv("METALENS_DATA"); p != "" {
		return filepath.Abs(p)
	}
	home := getenv("HOME")
	switch {
	case runtime.GOOS == "windows" && getenv("LOCALAPPDATA") != "":
		return filepath.Join(getenv("LOCALAPPDATA"), "MetaLens"), nil
	case runtime.GOOS == "darwin" && home != "":
		return filepath.Join(home, "Library", "Application Support", "MetaLens"), nil
	case filepath.IsAbs(getenv("XDG_DATA_HOME")):
		return filepath.Join(getenv("XDG_DATA_HOME"), "metalens"), nil
	case home != "":
		return filepath.Join(home, ".local", "share", "metalens"), nil
	}
	return "", errs.New(errs.Invalid, "no_data_dir", "There is no home folder to keep MetaLens' data in.",
		"Set METALENS_DATA to a folder that only this user can read.")
}

// Open creates the folder with mode 0700 where it is missing and refuses one
// that others can read or write, or that belongs to another user.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("resolve the data folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "data_dir_unusable", fmt.Sprintf("The data folder %s cannot be created.", path), reason(err))
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "data_dir_unusable", fmt.Sprintf("The data folder %s cannot be read.", path), reason(err))
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if int(st.Uid) != os.Geteuid() {
			return nil, errs.New(errs.Invalid, "data_dir_owner", fmt.Sprintf("The data folder %s belongs to another user.", path),
				"Run MetaLens as that user, or set METALENS_DATA to a folder of your own.")
		}
		if info.Mode().Perm()&0o077 != 0 {
			return nil, errs.New(errs.Invalid, "data_dir_open", fmt.Sprintf("Other users of this machine can reach the data folder %s.", path),
				fmt.Sprintf("Run: chmod 700 %q", path))
		}
	}
	return &Dir{path: path}, nil
}

func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "Set METALENS_DATA to a folder that this user may write to."
	case errors.Is(err, syscall.ENOTDIR):
		return "A part of the path is a file. Set METALENS_DATA to another folder."
	}
	return "Set METALENS_DATA to another folder."
}

// Path returns the folder.
func (d *Dir) Path() string { return d.path }

// Database returns where the embedded database lies.
func (d *Dir) Database() string { return DatabaseIn(d.path) }

// DatabaseIn returns where the embedded database of a data folder lies.
func DatabaseIn(path string) string { return filepath.Join(path, "db", "metalens.db") }

// KeyFile returns where the key file of single-user mode lies: in a folder of
// its own, never beside the database.
func (d *Dir) KeyFile() string { return filepath.Join(d.path, "keys", "master.key") }

// Logs returns the folder for log files.
func (d *Dir) Logs() string { return filepath.Join(d.path, "logs") }

// EnvFile returns the .env that is read from the data folder.
func (d *Dir) EnvFile() string { return filepath.Join(d.path, ".env") }
