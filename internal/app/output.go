package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/metalens/metalens/internal/errs"
)

// output is where data goes: standard output, or a file that appears whole or
// not at all.
type output struct {
	path   string // empty = stdout
	stdout io.Writer
}

// newOutput checks that a file can be written there, before any work is done.
func newOutput(path string, stdout io.Writer) (output, error) {
	o := output{path, stdout}
	if path == "" || path == "-" {
		o.path = ""
		return o, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return o, outputError(nil, path, "it is a folder", "Give the name of a file.")
	case err == nil && !info.Mode().IsRegular():
		return o, nil // a pipe or a device is written as it is
	}
	probe, err := o.temporary()
	if err != nil {
		return o, err
	}
	return o, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// temporary opens a new file beside the target. The process's umask decides who
// may read it, as with a shell's redirection.
func (o output) temporary() (*os.File, error) {
	dir := filepath.Dir(o.path)
	name := filepath.Join(dir, "."+filepath.Base(o.path)+"."+rand.Text()[:8]+".tmp")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // G302: the umask decides
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, outputError(err, o.path, "the folder "+dir+" does not exist", "Create the folder first.")
	case errors.Is(err, fs.ErrPermission):
		return nil, outputError(err, o.path, "this user may not write to "+dir, "Choose another folder or change its permissions.")
	case err != nil:
		return nil, outputError(err, o.path, "the folder "+dir+" cannot be written to", "Choose another folder.")
	}
	return f, nil
}

// write hands over a writer; a file is put in place only when everything was
// written.
func (o output) write(fill func(io.Writer) error) error {
	if o.path == "" {
		if err := fill(o.stdout); err != nil {
			return errs.Wrap(err, errs.Invalid, "output", "The report could not be written to standard output.", "Check what reads it, or the free space where it goes.")
		}
		return nil
	}
	if info, err := os.Stat(o.path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(o.path, os.O_WRONLY, 0)
		if err != nil {
			return outputError(err, o.path, "it cannot be opened", "Choose another file.")
		}
		if err := errors.Join(fill(f), f.Close()); err != nil {
			return outputError(err, o.path, "writing stopped half-way", "Check the free space.")
		}
		return nil
	}
	f, err := o.temporary()
	if err != nil {
		return err
	}
	if info, serr := os.Stat(o.path); serr == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	err = errors.Join(err, fill(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), o.path)
	}
	if err != nil {
		return errors.Join(outputError(err, o.path, "writing stopped half-way", "Check the free space; an earlier file is unchanged."), os.Remove(f.Name()))
	}
	return nil
}

func outputError(err error, path, why, hint string) error {
	return errs.Wrap(err, errs.Invalid, "output", fmt.Sprintf("The output file %s cannot be written: %s.", path, why), hint)
}
