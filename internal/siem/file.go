package siem

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/metalens/metalens/internal/errs"
)

// File appends records to a file, one JSON object per line, and never changes
// what stands there. It makes the folder (0700) and the file (0600) where they
// are missing.
type File struct{ path string }

// NewFile returns a sink over a path.
func NewFile(path string) *File { return &File{path} }

// Name implements [Sink].
func (f *File) Name() string { return "file:" + f.path }

// Write implements [Sink]. The lines are on the disk when it returns.
func (f *File) Write(_ context.Context, records []Record) (err error) {
	defer func() {
		if err != nil {
			err = errs.Wrap(err, errs.Unavailable, "stream_file", "The file of anchors or of the stream could not be written: "+f.path+".",
				"Check that the folder exists and that MetaLens may write there.")
		}
	}()
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if half, err := endsHalf(file); err != nil {
		return errors.Join(err, file.Close())
	} else if half {
		b.WriteByte('\n') // a crash left half a line: the rest starts anew
	}
	for _, r := range records {
		b.Write(r.Body)
		b.WriteByte('\n')
	}
	_, err = file.Write(b.Bytes())
	return errors.Join(err, file.Sync(), file.Close())
}

func endsHalf(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}
