package tlsserver

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Sealer encrypts what a cache keeps. The place binds a ciphertext to its name.
type Sealer interface {
	Seal(plaintext []byte, place ...string) []byte
	Open(sealed []byte, place ...string) ([]byte, error)
}

// SealedDir is a cache of files, each sealed with the master key, in a folder
// of this user's only.
type SealedDir struct {
	dir  string
	keys Sealer
}

var _ Cache = (*SealedDir)(nil)

// NewSealedDir makes the folder where it is missing.
func NewSealedDir(dir string, keys Sealer) (*SealedDir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for certificates: %w", err)
	}
	return &SealedDir{dir, keys}, nil
}

// path hides separators: names hold a "+" and host names only, but a cache
// trusts nobody.
func (d *SealedDir) path(name string) string {
	return filepath.Join(d.dir, base64.RawURLEncoding.EncodeToString([]byte(name)))
}

// Get implements [Cache]. An entry that another master key sealed is as good as
// none: a certificate can be had again.
func (d *SealedDir) Get(_ context.Context, name string) ([]byte, error) {
	sealed, err := os.ReadFile(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrCacheMiss
	}
	if err != nil {
		return nil, fmt.Errorf("read a kept certificate: %w", err)
	}
	plain, err := d.keys.Open(sealed, "acme", name)
	if err != nil {
		return nil, ErrCacheMiss // see above
	}
	return plain, nil
}

// Put implements [Cache]; a crash leaves the old entry or the new one.
func (d *SealedDir) Put(_ context.Context, name string, data []byte) error {
	f, err := os.CreateTemp(d.dir, ".new-")
	if err != nil {
		return fmt.Errorf("keep a certificate: %w", err)
	}
	_, err = f.Write(d.keys.Seal(data, "acme", name)) // CreateTemp makes it 0600
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), d.path(name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep a certificate: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// Delete implements [Cache].
func (d *SealedDir) Delete(_ context.Context, name string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget a certificate: %w", err)
	}
	return nil
}
