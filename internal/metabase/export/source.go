package export

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/metalens/metalens/internal/errs"
)

// Limits on a tree.
const (
	maxFileBytes  = 16 << 20
	maxJSONBytes  = 512 << 20
	maxTotalBytes = 4 << 30
	maxFiles      = 500_000
	maxFolders    = 64 // nesting
)

// walker visits the files of a folder or archive that may hold content.
type walker struct {
	ctx   context.Context //nolint:containedctx // lives for one call of Read
	visit func(name string, open func() (io.ReadCloser, error))
	skip  func(what, reason string, expected bool)
	files int
	links int
}

// walk visits a folder, or an archive of one.
func (w *walker) walk(location string) error {
	info, err := os.Stat(location)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errs.Wrap(err, errs.Invalid, "export_missing", "There is no folder "+location+".", "Give the folder that the export was written to, or its .tar.gz file.")
	case err != nil:
		return errs.Wrap(err, errs.Invalid, "export_unreadable", "The folder "+location+" cannot be read.", "Check its permissions.")
	case info.IsDir():
		return w.folder(location)
	}
	return w.archive(location)
}

func (w *walker) folder(location string) error {
	root, err := os.OpenRoot(location)
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "export_unreadable", "The folder "+location+" cannot be read.", "Check its permissions.")
	}
	defer func() { _ = root.Close() }()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		if err != nil {
			w.skip(name, "it cannot be read", false)
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		switch {
		case d.IsDir():
			if d.Name() == ".git" || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			if strings.Count(name, "/") >= maxFolders {
				w.skip(name, "its folders are nested too deeply", false)
				return fs.SkipDir
			}
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			if wanted(name) || path.Ext(name) == "" {
				w.links++
			}
			return nil
		case !d.Type().IsRegular() || !wanted(name):
			return nil
		}
		if w.files++; w.files > maxFiles {
			w.skip(location, "it holds more files than any real export", false)
			return fs.SkipAll
		}
		w.visit(name, func() (io.ReadCloser, error) { return root.Open(filepath.FromSlash(name)) })
		return nil
	})
	if w.links > 0 {
		w.skip("symbolic links", fmt.Sprintf("%d symbolic links in the folder are not followed", w.links), true)
	}
	return err
}

func (w *walker) archive(location string) error {
	f, err := os.Open(location)
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "export_unreadable", "The file "+location+" cannot be read.", "Check its permissions.")
	}
	defer func() { _ = f.Close() }()
	unpack, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "not_an_export", location+" is neither a folder nor a .tar.gz archive.", "Give the folder that the export was written to, or the .tar.gz file that Metabase's export API answered with.")
	}
	limited := &io.LimitedReader{R: unpack, N: maxTotalBytes}
	archive := tar.NewReader(limited)
	for {
		if w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			reason := "it is damaged or cut off; what came before was read"
			if limited.N <= 0 {
				reason = "it unpacks to more than any real export holds; what came before was read"
			}
			w.skip(filepath.Base(location), reason, false)
			return nil
		}
		name := path.Clean("/" + strings.ReplaceAll(header.Name, `\`, "/"))[1:]
		if header.Typeflag == tar.TypeSymlink || header.Typeflag == tar.TypeLink {
			w.links++
			continue
		}
		if header.Typeflag != tar.TypeReg || !wanted(name) || strings.Contains("/"+name, "/.git/") {
			continue
		}
		if w.files++; w.files > maxFiles {
			w.skip(filepath.Base(location), "it holds more files than any real export", false)
			return nil
		}
		w.visit(name, func() (io.ReadCloser, error) { return io.NopCloser(archive), nil })
	}
}

// wanted reports whether a file may hold content. Files of field values are
// data and are not even opened.
func wanted(name string) bool {
	base := strings.ToLower(path.Base(name))
	if base == "table_metadata.json" {
		return true
	}
	ext := path.Ext(base)
	if ext != ".yaml" && ext != ".yml" {
		return false
	}
	stem := strings.TrimSuffix(base, ext)
	return !strings.HasSuffix(stem, "___fieldvalues") && base != "settings.yaml" && !strings.HasPrefix(base, "._")
}
