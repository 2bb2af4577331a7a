package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

const maxKeyText = 64 << 10

// OpenFile reads the key file of single-user mode: a regular file that belongs
// to the running user, with mode 0600 or 0400, in a directory that nobody else
// may write to, and not beside the database.
func OpenFile(path, database string) (*Keyset, error) {
	if err := checkApart(path, database); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fileError(err, path)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the key file: %w", err)
	}
	if err := checkOwn(info, path, 0o077, "600"); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, badKeys("it is not a regular file")
	}
	dir := filepath.Dir(path)
	dirInfo, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("look at the key folder: %w", err)
	}
	if err := checkOwn(dirInfo, dir, 0o022, "700"); err != nil {
		return nil, err
	}
	if err := checkPlace(path); err != nil {
		return nil, err
	}
	return read(f)
}

// OpenOrCreateFile is OpenFile that makes the file, with a new key, where there
// is none. When two processes come together, both get the same key.
func OpenOrCreateFile(path, database string) (*Keyset, error) {
	k, err := OpenFile(path, database)
	if err == nil || errs.KindOf(err) != errs.NotFound {
		return k, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fileError(err, path)
	}
	fresh, err := Generate()
	if err != nil {
		return nil, err
	}
	if err := writeNew(path, fresh.Text()); err != nil {
		return nil, err
	}
	return OpenFile(path, database)
}

// ReplaceFile puts other keys into a key file in one step, durably, and
// overwrites what stood there before.
func ReplaceFile(path string, set *Keyset) error {
	before, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NOFOLLOW, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return fileError(err, path)
	}
	if before != nil {
		defer func() { _ = before.Close() }()
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return fileError(err, path)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(set.Text().Expose())
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fileError(err, path)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fileError(err, path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fileError(err, path)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fileError(err, path)
	}
	if before == nil {
		return nil
	}
	info, err := before.Stat()
	if err == nil {
		_, err = before.WriteAt(make([]byte, info.Size()), 0)
	}
	if err := errors.Join(err, before.Sync()); err != nil {
		return fmt.Errorf("overwrite the old key file: %w", err)
	}
	return nil
}

// writeNew puts the whole file in place in one step and never over another.
func writeNew(path string, text secret.Value) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return fileError(err, path)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(text.Expose())
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fileError(err, path)
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fileError(err, path)
	}
	return nil
}

// FromCredential reads keys from a path that the service manager prepared
// (systemd LoadCredential). Root or the running user must own it, and others
// must not be able to read it.
func FromCredential(path string) (*Keyset, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fileError(err, path)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the credential: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, tooOpen(path, "440")
	}
	if uid, ok := owner(info); ok && uid != 0 && uid != os.Geteuid() {
		return nil, notOurs(path)
	}
	if !info.Mode().IsRegular() {
		return nil, badKeys("it is not a regular file")
	}
	if err := checkPlace(path); err != nil {
		return nil, err
	}
	return read(f)
}

// FromDescriptor reads keys from an inherited file descriptor and closes it.
func FromDescriptor(fd uintptr) (*Keyset, error) {
	if fd < 3 {
		return nil, badKeys("the descriptor is one of the standard three")
	}
	f := os.NewFile(fd, "master key descriptor")
	if f == nil {
		return nil, badKeys("the descriptor is not open")
	}
	defer func() { _ = f.Close() }()
	return read(f)
}

func read(r io.Reader) (*Keyset, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxKeyText+1))
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "bad_key", "The master key could not be read.", "Check that the file or descriptor is readable.")
	}
	defer clear(b)
	if len(b) > maxKeyText {
		return nil, badKeys("it is too large")
	}
	return Parse(secret.New(string(b)))
}

// checkApart refuses a key that lies where the database lies: whoever copies
// the folder would have both.
func checkApart(path, database string) error {
	if database == "" {
		return nil
	}
	keyDir, dbDir := filepath.Dir(path), filepath.Dir(database)
	a, errA := filepath.EvalSymlinks(keyDir)
	b, errB := filepath.EvalSymlinks(dbDir)
	if errA == nil && errB == nil {
		keyDir, dbDir = a, b
	}
	if filepath.Clean(keyDir) == filepath.Clean(dbDir) {
		return errs.New(errs.Invalid, "key_beside_database",
			"The master key lies in the same folder as the database.",
			"Move the key to a folder of its own, so that a copy of the database never carries its key.")
	}
	return nil
}

func checkOwn(info fs.FileInfo, path string, forbidden fs.FileMode, want string) error {
	if info.Mode().Perm()&forbidden != 0 {
		return tooOpen(path, want)
	}
	if uid, ok := owner(info); ok && uid != os.Geteuid() {
		return notOurs(path)
	}
	return nil
}

func owner(info fs.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// ownGroup reports that a file's group is the running user's own.
func ownGroup(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Gid) == os.Getegid()
}

func tooOpen(path, want string) error {
	return errs.New(errs.Invalid, "key_permissions",
		fmt.Sprintf("Other users of this machine can reach the master key: %s is too open.", path),
		fmt.Sprintf("Run: chmod %s %q", want, path))
}

func notOurs(path string) error {
	return errs.New(errs.Invalid, "key_owner",
		fmt.Sprintf("The master key belongs to another user: %s.", path),
		"Run MetaLens as the user who owns the key, or give it a key of its own.")
}

func fileError(err error, path string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errs.Wrap(err, errs.NotFound, "key_missing", fmt.Sprintf("There is no master key at %s.", path),
			"Restore the key file from your backup; without it the stored data cannot be read.")
	case errors.Is(err, syscall.ELOOP):
		return badKeys("the path is a symbolic link")
	}
	return errs.Wrap(err, errs.Invalid, "key_unreadable", fmt.Sprintf("The master key at %s cannot be opened.", path),
		"Check the path and its permissions.")
}
