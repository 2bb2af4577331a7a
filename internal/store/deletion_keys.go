package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
)

// erasureKeys is a folder with one key file per organization, outside the
// database. A data key is sealed by the organization's erasure key around the
// master key's seal, so that a copy of the database opens only together with
// both. Destroying the file makes every older copy unreadable, backups
// included. A nil *erasureKeys seals nothing.
type erasureKeys struct{ dir string }

// erasureMark starts a data key that an erasure key sealed; what the master key
// alone sealed starts with another byte.
const erasureMark = "E1"

const erasurePlace = "organization erasure key"

const keyFileSuffix = ".key"

func (v *erasureKeys) file(org OrgID) string {
	return filepath.Join(v.dir, filepath.Base(string(org))+keyFileSuffix)
}

func (v *erasureKeys) read(org OrgID) (*keys.Keyset, error) {
	text, err := os.ReadFile(v.file(org))
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return keys.Parse(secret.New(string(text)))
}

// forOrg returns the organization's erasure key and makes it where there is
// none. It is durable when forOrg returns.
func (v *erasureKeys) forOrg(org OrgID) (*keys.Keyset, error) {
	switch set, err := v.read(org); {
	case err == nil:
		return set, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read an erasure key: %w", err)
	}
	set, err := keys.Generate()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of erasure keys: %w", err)
	}
	f, err := os.OpenFile(v.file(org), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return v.read(org) // another process was faster
	}
	if err != nil {
		return nil, fmt.Errorf("write an erasure key: %w", err)
	}
	_, err = f.WriteString(set.Text().Expose())
	if err = errors.Join(err, f.Sync(), f.Close(), syncDir(v.dir)); err != nil {
		return nil, fmt.Errorf("write an erasure key: %w", err)
	}
	return set, nil
}

// seal puts the erasure key's seal around a data key that the master key
// wrapped.
func (v *erasureKeys) seal(org OrgID, wrapped []byte) ([]byte, error) {
	if v == nil || erasureSealed(wrapped) {
		return wrapped, nil
	}
	set, err := v.forOrg(org)
	if err != nil {
		return nil, err
	}
	return set.AppendSeal([]byte(erasureMark), wrapped, erasurePlace, string(org)), nil
}

func erasureSealed(stored []byte) bool { return strings.HasPrefix(string(stored), erasureMark) }

// open takes the erasure key's seal off.
func (v *erasureKeys) open(org OrgID, stored []byte) ([]byte, error) {
	if !erasureSealed(stored) {
		return stored, nil
	}
	missing := errs.New(errs.Invalid, "erasure_key_missing", "The erasure key of this organization is not here.",
		"It is a file in the folder of erasure keys, by default keys/organizations in the data directory. Copy that folder from the machine that wrote the database. If the organization was deleted, its data cannot be read any more, by intent.")
	if v == nil {
		return nil, missing
	}
	set, err := v.read(org)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing
	}
	if err != nil {
		return nil, fmt.Errorf("read an erasure key: %w", err)
	}
	return set.Open(stored[len(erasureMark):], erasurePlace, string(org))
}

// destroy overwrites and removes an organization's erasure key. It reports
// whether there was one.
func (v *erasureKeys) destroy(org OrgID) (bool, error) {
	if v == nil {
		return false, nil
	}
	f, err := os.OpenFile(v.file(org), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("destroy an erasure key: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(make([]byte, info.Size()), 0)
	}
	err = errors.Join(err, f.Sync(), f.Close(), os.Remove(v.file(org)), syncDir(v.dir))
	if err != nil {
		return false, fmt.Errorf("destroy an erasure key: %w", err)
	}
	return true, nil
}

// list names the organizations that have an erasure key.
func (v *erasureKeys) list() ([]OrgID, error) {
	if v == nil {
		return nil, nil
	}
	entries, err := os.ReadDir(v.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the erasure keys: %w", err)
	}
	var list []OrgID
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), keyFileSuffix); ok && !e.IsDir() {
			list = append(list, OrgID(id))
		}
	}
	return list, nil
}

// syncDir makes a new or removed name of a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
