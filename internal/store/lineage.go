package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// LineagePart is a piece of what a scan's lineage consists of. The store knows
// nothing about the content; Kind and Number name the piece, so that the next
// scan's piece of that name is kept as a difference.
type LineagePart struct {
	Kind    string
	Number  int
	Content []byte // empty = there is no such part
}

// CommitLineage stores the lineage of the snapshot that CommitSnapshot has
// stored in the same transaction. form names how the parts are written, 1 or
// more; a part that is as it was in the scan before writes nothing, of one that
// changed the older shrinks to a patch. parts may reuse one buffer.
func (tx *Tx) CommitLineage(ctx context.Context, scan ScanID, form int, parts iter.Seq[LineagePart]) error {
	conn, seq, _, err := tx.storedScan(ctx, scan)
	if err != nil {
		return err
	}
	if seq == 0 || tx.committedBy != scan || form < 1 {
		return errs.New(errs.Conflict, "scan_finished", "Lineage is stored with its snapshot or not at all.", "")
	}
	current, err := tx.currentVersions(ctx, lineageParts, conn)
	if err != nil {
		return err
	}
	insert := tx.versionInserter(lineageParts)
	hash := tx.key.Hasher("lineage content")
	for part := range parts {
		if len(part.Content) == 0 {
			continue
		}
		e := encoded{key: tx.partKey(conn, part.Kind, part.Number), kind: catalog.Kind(part.Kind), text: part.Content}
		hash(e.hash[:0], []byte(part.Kind), []byte{0}, part.Content)
		old := current[e.key]
		if old != nil {
			if old.seen {
				return fmt.Errorf("store lineage: part %s %d comes twice", part.Kind, part.Number)
			}
			old.seen = true
			if old.hash == e.hash {
				continue
			}
		}
		e.body = tx.key.Seal(tx.store.codec.Compress(nil, part.Content), string(lineageParts), versionRow(conn, e.key, seq))
		if old != nil {
			err = tx.supersede(ctx, lineageParts, conn, seq, old, e, insert)
		} else {
			err = insert.add(ctx, tx.org, conn, e.key[:], seq, nil, part.Kind, e.hash[:], 0, e.body)
		}
		if err != nil {
			return fmt.Errorf("store lineage: %w", err)
		}
	}
	if err := insert.flush(ctx); err != nil {
		return fmt.Errorf("store lineage: %w", err)
	}
	if _, err := tx.closeVersions(ctx, lineageParts, conn, seq, current); err != nil {
		return fmt.Errorf("store lineage: %w", err)
	}
	return tx.one(ctx, "scan", `UPDATE scans SET lineage = $3 WHERE org_id = $1 AND id = $2`, tx.org, scan, int64(form))
}

// LoadLineage hands out the stored parts of a scan's lineage, in any order and
// from several goroutines at once. ok is false when the scan stored none of
// this form.
func (tx *Tx) LoadLineage(ctx context.Context, scan ScanID, form int, each func(kind string, content []byte) error) (ok bool, err error) {
	conn, seq, have, err := tx.storedScan(ctx, scan)
	if err != nil || have == 0 || have != form {
		return false, err
	}
	var whole, patched []stored
	err = tx.rows(ctx, `SELECT asset_key, from_seq, coalesce(to_seq, 0), kind, patch, CASE WHEN patch = 0 THEN body END FROM lineage_parts
		WHERE org_id = $1 AND connection_id = $2 AND from_seq <= $3 AND (to_seq IS NULL OR to_seq > $3)`, []any{tx.org, conn, seq}, func(r *sql.Rows) error {
		row, err := scanStored(r)
		if row.patch {
			patched = append(patched, row)
		} else {
			whole = append(whole, row)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("load lineage: %w", err)
	}
	if err := tx.expandAll(conn, whole, each); err != nil {
		return false, fmt.Errorf("load lineage: %w", err)
	}
	for _, row := range patched {
		rows, err := tx.versions(ctx, lineageParts, conn, row.key, seq)
		if err != nil {
			return false, err
		}
		texts, err := tx.texts(lineageParts, conn, rows)
		if err != nil {
			return false, fmt.Errorf("load lineage: %w", err)
		}
		if err := each(string(row.kind), texts[len(texts)-1]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// expandAll decrypts and expands on all cores.
func (tx *Tx) expandAll(conn ConnectionID, rows []stored, each func(kind string, content []byte) error) error {
	var (
		group    sync.WaitGroup
		work     = make(chan stored)
		failures = make(chan error, len(rows))
	)
	for range min(runtime.GOMAXPROCS(0), len(rows)) {
		group.Go(func() {
			for row := range work {
				text, err := tx.appendText(nil, lineageParts, conn, row)
				if err == nil {
					err = each(string(row.kind), text)
				}
				failures <- err
			}
		})
	}
	for _, row := range rows {
		work <- row
	}
	close(work)
	group.Wait()
	close(failures)
	var err error
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	return err
}

// LoadSnapshotHead loads a scan's snapshot without its assets and permissions:
// instance, times, gaps, requests, marks and usage.
func (tx *Tx) LoadSnapshotHead(ctx context.Context, scan ScanID) (*catalog.Snapshot, error) {
	s, conn, seq, err := tx.loadHead(ctx, scan)
	if err != nil {
		return nil, err
	}
	if s.Usage, err = tx.loadUsage(ctx, conn, seq); err != nil {
		return nil, fmt.Errorf("load a snapshot: %w", err)
	}
	return s, nil
}

func (tx *Tx) storedScan(ctx context.Context, scan ScanID) (conn ConnectionID, seq int64, form int, err error) {
	err = tx.scanOne(ctx, "scan", `SELECT connection_id, seq, lineage FROM scans WHERE org_id = $1 AND id = $2`, []any{tx.org, scan}, &conn, &seq, &form)
	return conn, seq, form, err
}

func (tx *Tx) partKey(conn ConnectionID, kind string, number int) assetKey {
	return assetKey(tx.key.MAC("lineage part", []byte(conn), []byte{0}, []byte(kind), []byte{0}, []byte(strconv.Itoa(number)))[:assetKeySize])
}

// ParseHash names a parse result: a keyed hash of the text and of all that the
// result depends on.
type ParseHash = [parseHashSize]byte

const parseHashSize = 32

// ParseResult is what was worked out from a text.
type ParseResult struct {
	Hash ParseHash
	Body []byte
}

// ParseHasher returns the function that makes the hashes of parse results. It
// outlives the transaction and is safe for concurrent use. Hashes of two
// organizations have nothing in common.
func (tx *Tx) ParseHasher() func(data ...[]byte) ParseHash {
	var mu sync.Mutex
	hash := tx.key.Hasher("parse result")
	return func(data ...[]byte) ParseHash {
		mu.Lock()
		defer mu.Unlock()
		var h ParseHash
		hash(h[:0], data...)
		return h
	}
}

// ParseResults hands out the results that a connection's newest scan left for
// one purpose. The body belongs to the caller.
func (tx *Tx) ParseResults(ctx context.Context, conn ConnectionID, purpose string, each func(ParseResult) error) error {
	err := tx.rows(ctx, `SELECT hash, body FROM parse_results WHERE org_id = $1 AND connection_id = $2 AND purpose = $3`, []any{tx.org, conn, purpose}, func(r *sql.Rows) error {
		var hash, sealed sql.RawBytes
		if err := r.Scan(&hash, &sealed); err != nil {
			return err
		}
		if len(hash) != parseHashSize {
			return errors.New("a stored parse result has a hash of the wrong size")
		}
		p := ParseResult{Hash: ParseHash(hash)}
		small, err := tx.key.Open(sealed, "parse_results", parseRow(conn, purpose, p.Hash))
		if err != nil {
			return fmt.Errorf("open a parse result: %w", err)
		}
		if p.Body, err = tx.store.codec.Expand(nil, small); err != nil {
			return fmt.Errorf("expand a parse result: %w", err)
		}
		return each(p)
	})
	if err != nil {
		return fmt.Errorf("read parse results: %w", err)
	}
	return nil
}

// SaveParseResults keeps of a purpose's results those that keep approves of (nil
// approves of all), deletes the others, and adds the fresh ones or puts them in the place of
// those with the same hash.
func (tx *Tx) SaveParseResults(ctx context.Context, conn ConnectionID, purpose string, keep func(ParseHash) bool, fresh []ParseResult) error {
	var gone [][]byte
	err := tx.rows(ctx, `SELECT hash FROM parse_results WHERE org_id = $1 AND connection_id = $2 AND purpose = $3`, []any{tx.org, conn, purpose}, func(r *sql.Rows) error {
		var hash []byte
		if err := r.Scan(&hash); err != nil {
			return err
		}
		if len(hash) != parseHashSize || (keep != nil && !keep(ParseHash(hash))) {
			gone = append(gone, hash)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save parse results: %w", err)
	}
	remove := func(hash []byte) error {
		_, err := tx.exec(ctx, `DELETE FROM parse_results WHERE org_id = $1 AND connection_id = $2 AND purpose = $3 AND hash = $4`, tx.org, conn, purpose, hash)
		return err
	}
	for _, hash := range gone {
		if err := remove(hash); err != nil {
			return fmt.Errorf("save parse results: %w", err)
		}
	}
	insert := tx.inserter(`INSERT INTO parse_results (org_id, connection_id, purpose, hash, body) VALUES `, 5)
	insert.suffix = ` ON CONFLICT (org_id, connection_id, purpose, hash) DO UPDATE SET body = excluded.body`
	var small []byte
	fresh = slices.SortedFunc(slices.Values(fresh), func(a, b ParseResult) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	for _, p := range slices.CompactFunc(fresh, func(a, b ParseResult) bool { return a.Hash == b.Hash }) {
		small = tx.store.codec.Compress(small[:0], p.Body)
		if err := insert.add(ctx, tx.org, conn, purpose, p.Hash[:], tx.key.Seal(small, "parse_results", parseRow(conn, purpose, p.Hash))); err != nil {
			return fmt.Errorf("save parse results: %w", err)
		}
	}
	if err := insert.flush(ctx); err != nil {
		return fmt.Errorf("save parse results: %w", err)
	}
	return nil
}

func parseRow(conn ConnectionID, purpose string, hash ParseHash) string {
	return string(conn) + "/" + purpose + "/" + hex.EncodeToString(hash[:])
}
