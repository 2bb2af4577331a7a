// Package backup writes and reads backups: the whole content of a store as it
// stands at one moment, encrypted, in a form that is the same for both engines.
//
// Outside it is an age file (age-encryption.org/v1), for a passphrase or for
// recipients. Inside it is a stream of frames: a manifest, the rows, and at the
// end a count and a checksum of everything. What is cut off, changed or put
// together from parts is refused. Values that are sealed in the database stay
// sealed: a backup is of no use without the master key, which is never in it.
package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"filippo.io/age"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Format is the version of the stream inside.
const Format = 1

// Manifest says what a backup holds.
type Manifest struct {
	Format    int       `json:"format"`
	Product   string    `json:"product"` // metalens
	Version   string    `json:"version"` // of the program that wrote it
	CreatedAt time.Time `json:"created_at"`
	// HoldsMasterKey is always false: it is here for whoever reads a manifest.
	HoldsMasterKey bool `json:"holds_master_key"`
	store.DumpHead
}

// Summary is how a backup ends, and what reading or writing one answers.
type Summary struct {
	Rows   int64            `json:"rows"`
	Tables map[string]int64 `json:"tables"` // rows by table
	SHA256 []byte           `json:"sha256"` // of all frames before
}

// The kinds of frames.
const (
	frameManifest = 'M'
	frameRow      = 'R'
	frameEnd      = 'E'
)

// maxFrame bounds what a reader allocates for one row.
const maxFrame = 1 << 30

// Store is what is backed up.
type Store interface {
	Dump(ctx context.Context, sink store.DumpSink) error
}

// Write writes a backup of a store. The store may be in use.
func Write(ctx context.Context, w io.Writer, from Store, version string, now time.Time, to ...age.Recipient) (Manifest, Summary, error) {
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return Manifest{}, Summary{}, fmt.Errorf("begin the backup: %w", err)
	}
	buffer := bufio.NewWriterSize(sealed, 1<<16)
	s := &sink{
		ctx: ctx, out: buffer, sum: sha256.New(),
		manifest: Manifest{Format: Format, Product: "metalens", Version: version, CreatedAt: now.UTC()}, summary: Summary{Tables: map[string]int64{}},
	}
	if err := from.Dump(ctx, s); err != nil {
		return Manifest{}, Summary{}, err
	}
	if err := s.end(); err != nil {
		return Manifest{}, Summary{}, err
	}
	if err := errors.Join(buffer.Flush(), sealed.Close()); err != nil {
		return Manifest{}, Summary{}, fmt.Errorf("end the backup: %w", err)
	}
	return s.manifest, s.summary, nil
}

// sink writes a dump as frames.
type sink struct {
	ctx      context.Context //nolint:containedctx // of one Write
	out      *bufio.Writer
	sum      hash.Hash
	manifest Manifest
	summary  Summary
	row      []byte
}

// Head implements [store.DumpSink].
func (s *sink) Head(h store.DumpHead) error {
	s.manifest.DumpHead = h
	b, err := json.Marshal(s.manifest)
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return s.frame(frameManifest, b)
}

// Row implements [store.DumpSink].
func (s *sink) Row(table int, values []any) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.row = binary.AppendUvarint(s.row[:0], uint64(table))
	var err error
	if s.row, err = appendValues(s.row, values); err != nil {
		return err
	}
	s.summary.Rows++
	s.summary.Tables[s.manifest.Tables[table].Name]++
	return s.frame(frameRow, s.row)
}

func (s *sink) end() error {
	s.summary.SHA256 = s.sum.Sum(nil)
	b, err := json.Marshal(s.summary)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return s.frame(frameEnd, b)
}

func (s *sink) frame(kind byte, content []byte) error {
	head := binary.AppendUvarint([]byte{kind}, uint64(len(content)))
	s.sum.Write(head)
	s.sum.Write(content)
	_, err := s.out.Write(head)
	if err == nil {
		_, err = s.out.Write(content)
	}
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// Reader reads a backup. It hands rows out before it has seen the end: whoever
// takes them must undo everything when it fails later.
type Reader struct {
	in       *bufio.Reader
	sum      hash.Hash
	manifest Manifest
	summary  Summary
}

// Open begins to read a backup. The wrong passphrase or identity is
// errs.Invalid, code backup_key; what is no backup, code not_a_backup.
func Open(r io.Reader, with ...age.Identity) (*Reader, error) {
	plain, err := age.Decrypt(r, with...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, errs.Wrap(err, errs.Invalid, "backup_key", "The passphrase or the identity does not open this backup.", "Give the one that it was made for.")
	case err != nil:
		return nil, errs.Wrap(err, errs.Invalid, "not_a_backup", "This file is no backup of MetaLens, or it is damaged.", "Give a file that metalens backup wrote.")
	}
	b := &Reader{in: bufio.NewReaderSize(plain, 1<<16), sum: sha256.New(), summary: Summary{Tables: map[string]int64{}}}
	kind, content, err := b.frame(false)
	if err != nil {
		return nil, err
	}
	if kind != frameManifest || json.Unmarshal(content, &b.manifest) != nil || b.manifest.Product != "metalens" {
		return nil, damaged(nil)
	}
	if b.manifest.Format > Format {
		return nil, errs.New(errs.Conflict, "backup_newer", fmt.Sprintf("This backup has form %d; this program knows up to %d.", b.manifest.Format, Format),
			"Use the version of MetaLens that wrote it, or a later one.")
	}
	return b, nil
}

func damaged(err error) error {
	const text, hint = "The backup is damaged or cut off.", "Nothing was changed. Use another copy of it."
	if err == nil {
		return errs.New(errs.Invalid, "backup_damaged", text, hint)
	}
	return errs.Wrap(err, errs.Invalid, "backup_damaged", text, hint)
}

// Manifest says what the backup holds.
func (r *Reader) Manifest() Manifest { return r.manifest }

// Summary is what was read.
func (r *Reader) Summary() Summary { return r.summary }

// Next implements [store.DumpSource].
func (r *Reader) Next() (table int, values []any, err error) {
	before := r.sum.Sum(nil)
	kind, content, err := r.frame(true)
	if err != nil {
		return 0, nil, err
	}
	switch kind {
	case frameRow:
		n, size := binary.Uvarint(content)
		if size <= 0 || n >= uint64(len(r.manifest.Tables)) {
			return 0, nil, damaged(nil)
		}
		if values, err = readValues(content[size:]); err != nil {
			return 0, nil, err
		}
		r.summary.Rows++
		r.summary.Tables[r.manifest.Tables[n].Name]++
		return int(n), values, nil
	case frameEnd:
		return 0, nil, r.end(content, before)
	}
	return 0, nil, damaged(nil)
}

// end compares what was read with what was written.
func (r *Reader) end(content, sum []byte) error {
	var want Summary
	if err := json.Unmarshal(content, &want); err != nil {
		return damaged(err)
	}
	if !bytes.Equal(want.SHA256, sum) || want.Rows != r.summary.Rows {
		return damaged(nil)
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) { // the age file must end here too
		return damaged(err)
	}
	r.summary.SHA256 = sum
	return io.EOF
}

func (r *Reader) frame(counted bool) (kind byte, content []byte, err error) {
	kind, err = r.in.ReadByte()
	if err != nil {
		return 0, nil, damaged(err)
	}
	size, err := binary.ReadUvarint(r.in)
	if err != nil || size > maxFrame {
		return 0, nil, damaged(err)
	}
	// Grows with what is there, not with what a damaged file promises.
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r.in, int64(size)); err != nil {
		return 0, nil, damaged(err)
	}
	if !counted || kind != frameEnd {
		r.sum.Write(binary.AppendUvarint([]byte{kind}, size))
		r.sum.Write(b.Bytes())
	}
	return kind, b.Bytes(), nil
}
