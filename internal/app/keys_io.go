package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
)

// readAnswer reads one line that a person typed.
func readAnswer(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// writeSecret writes a new file that only this user can read; it never replaces
// one.
func writeSecret(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return errs.Wrap(err, errs.Conflict, "file_exists", "There is a file "+path+" already.", "Choose another name; it is never replaced.")
	}
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "file_unwritable", "The file "+path+" cannot be written.", "Check the folder and its permissions.")
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// KeysNew writes a new master key into a file.
func KeysNew(env Env, path string) error {
	set, err := keys.Generate()
	if err != nil {
		return err
	}
	if err := writeSecret(path, set.Text().Expose()); err != nil {
		return err
	}
	env.Say("%s holds master key %d. Keep a copy apart from backups of the database: nothing can be read without it.", path, set.Primary())
	return nil
}
