package keys

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/metalens/metalens/internal/secret"
)

func (s *Source) wrap(ctx context.Context, set *Keyset) (secret.Value, error) {
	plain := []byte(set.Text().Expose())
	defer clear(plain)
	wrapped, err := s.kms.Wrap(ctx, plain, wrappedPlace)
	if err != nil {
		return secret.Value{}, err
	}
	return secret.New(wrappedTag + " " + base64.StdEncoding.EncodeToString(wrapped) + "\n"), nil
}

func parseWrapped(b []byte) ([]byte, error) {
	fields := strings.Fields(string(b))
	if len(fields) != 2 || fields[0] != wrappedTag {
		return nil, badKeys("the file does not hold wrapped keys")
	}
	wrapped, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, badKeys("the wrapped keys are not in base64")
	}
	return wrapped, nil
}

// saveWrapped replaces the file of wrapped keys in one step.
func (s *Source) saveWrapped(ctx context.Context, set *Keyset) error {
	text, err := s.wrap(ctx, set)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(s.path), ".key-*") // mode 0600
	if err != nil {
		return fileError(err, s.path)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(text.Expose())
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fileError(err, s.path)
	}
	if err := os.Rename(tmp.Name(), s.path); err != nil {
		return fileError(err, s.path)
	}
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return fileError(err, s.path)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fileError(err, s.path)
	}
	return nil
}
