package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// stored is a row of asset_versions.
type stored struct {
	key   assetKey
	from  int64
	to    int64 // 0 = current
	kind  catalog.Kind
	patch bool
	body  []byte
}

const storedColumns = `asset_key, from_seq, coalesce(to_seq, 0), kind, patch, body`

func scanStored(r *sql.Rows) (stored, error) {
	var s stored
	var key []byte
	var patch int64
	err := r.Scan(&key, &s.from, &s.to, &s.kind, &patch, &s.body)
	if err == nil && len(key) != assetKeySize {
		err = errors.New("a stored version has a key of the wrong size")
	}
	if err != nil {
		return stored{}, err
	}
	s.key, s.patch = assetKey(key), patch != 0
	return s, nil
}

// covers reports whether the version held at a scan.
func (s *stored) covers(seq int64) bool { return s.from <= seq && (s.to == 0 || s.to > seq) }

// LoadSnapshot gives back the snapshot of any kept scan, sorted. errs.NotFound
// when the scan committed none.
func (tx *Tx) LoadSnapshot(ctx context.Context, scan ScanID) (*catalog.Snapshot, error) {
	s, conn, seq, err := tx.loadHead(ctx, scan)
	if err != nil {
		return nil, err
	}
	if err := tx.loadAssets(ctx, conn, seq, s); err != nil {
		return nil, fmt.Errorf("load a snapshot: %w", err)
	}
	if s.Usage, err = tx.loadUsage(ctx, conn, seq); err != nil {
		return nil, fmt.Errorf("load a snapshot: %w", err)
	}
	s.Sort()
	return s, nil
}

// loadHead loads what a snapshot has beside assets and usage.
func (tx *Tx) loadHead(ctx context.Context, scan ScanID) (s *catalog.Snapshot, conn ConnectionID, seq int64, err error) {
	var sealed []byte
	if err := tx.scanOne(ctx, "scan", `SELECT connection_id, seq, head FROM scans WHERE org_id = $1 AND id = $2`, []any{tx.org, scan}, &conn, &seq, &sealed); err != nil {
		return nil, "", 0, err
	}
	if seq == 0 {
		return nil, "", 0, errs.New(errs.NotFound, "no_snapshot", "This scan has no snapshot: it did not succeed.", "Look at the newest scan that did.")
	}
	var head snapshotHead
	if err := tx.openJSON("scans.head", string(scan), sealed, &head); err != nil {
		return nil, "", 0, err
	}
	return &catalog.Snapshot{
		Instance: head.Instance, StartedAt: head.StartedAt, FinishedAt: head.FinishedAt, Gaps: head.Gaps, Requests: head.Requests, Marks: head.Marks,
	}, conn, seq, nil
}

// loadAssets reads the rows one after the other and decodes them on all cores.
func (tx *Tx) loadAssets(ctx context.Context, conn ConnectionID, seq int64, s *catalog.Snapshot) error {
	workers := runtime.GOMAXPROCS(0)
	var (
		group   sync.WaitGroup
		mu      sync.Mutex // guards s and failure
		failure error
		work    = make(chan []stored, workers)
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if failure == nil {
			failure = err
		}
	}
	for range workers {
		group.Go(func() {
			var buffer []byte
			for chunk := range work {
				assets := make([]catalog.Asset, 0, len(chunk))
				var access *storedAccess
				for _, row := range chunk {
					var err error
					if buffer, err = tx.appendText(buffer[:0], assetVersions, conn, row); err != nil {
						fail(err)
						continue
					}
					if row.kind == kindAccess {
						access = &storedAccess{}
						if err := json.Unmarshal(buffer, access); err != nil {
							fail(fmt.Errorf("read the stored permissions: %w", err))
						}
						continue
					}
					a, err := decodeAsset(row.kind, buffer)
					if err != nil {
						fail(err)
						continue
					}
					assets = append(assets, a)
				}
				mu.Lock()
				for _, a := range assets {
					s.Add(a)
				}
				if access != nil {
					s.Access = catalog.Access(*access)
				}
				mu.Unlock()
			}
		})
	}
	patched, err := tx.feed(ctx, conn, seq, work)
	close(work)
	group.Wait()
	if err = errors.Join(err, failure); err != nil {
		return err
	}
	for _, row := range patched {
		a, err := tx.assetAt(ctx, conn, row.key, seq)
		if err != nil {
			return err
		}
		if a.access != nil {
			s.Access = catalog.Access(*a.access)
			continue
		}
		s.Add(a.asset)
	}
	return nil
}

// feed hands out the whole versions of a scan and returns the patched ones.
func (tx *Tx) feed(ctx context.Context, conn ConnectionID, seq int64, work chan<- []stored) (patched []stored, err error) {
	var chunk []stored
	err = tx.rows(ctx, `SELECT `+storedColumns+` FROM asset_versions
		WHERE org_id = $1 AND connection_id = $2 AND from_seq <= $3 AND (to_seq IS NULL OR to_seq > $3)`, []any{tx.org, conn, seq}, func(r *sql.Rows) error {
		row, err := scanStored(r)
		if err != nil {
			return err
		}
		if row.patch {
			row.body = nil
			patched = append(patched, row)
			return nil
		}
		if chunk = append(chunk, row); len(chunk) == commitChunk {
			work <- chunk
			chunk = nil
		}
		return nil
	})
	if len(chunk) > 0 {
		work <- chunk
	}
	return patched, err
}

// appendText appends the text of a whole version.
func (tx *Tx) appendText(dst []byte, table temporal, conn ConnectionID, row stored) ([]byte, error) {
	small, err := tx.key.Open(row.body, string(table), versionRow(conn, row.key, row.from))
	if err != nil {
		return dst, fmt.Errorf("open an asset version: %w", err)
	}
	text, err := tx.store.codec.Expand(dst, small)
	if err != nil {
		return dst, fmt.Errorf("expand an asset version: %w", err)
	}
	return text, nil
}

// texts decodes the versions of one asset, which must be given newest first and
// reach back without a hole from a whole one. Each patch is applied to the text
// before it in the list.
func (tx *Tx) texts(table temporal, conn ConnectionID, rows []stored) ([][]byte, error) {
	texts := make([][]byte, len(rows))
	for i, row := range rows {
		if !row.patch {
			text, err := tx.appendText(nil, table, conn, row)
			if err != nil {
				return nil, err
			}
			texts[i] = text
			continue
		}
		if i == 0 {
			return nil, errors.New("the newest version of an asset is a patch")
		}
		patch, err := tx.key.Open(row.body, string(table), versionRow(conn, row.key, row.from))
		if err != nil {
			return nil, fmt.Errorf("open an asset version: %w", err)
		}
		if texts[i], err = tx.store.codec.Apply(texts[i-1], patch); err != nil {
			return nil, fmt.Errorf("apply a patch: %w", err)
		}
	}
	return texts, nil
}

// versions reads the rows of one asset that end after a scan, newest first.
func (tx *Tx) versions(ctx context.Context, table temporal, conn ConnectionID, key assetKey, after int64) ([]stored, error) {
	var list []stored
	err := tx.rows(ctx, `SELECT `+storedColumns+` FROM `+string(table)+`
		WHERE org_id = $1 AND connection_id = $2 AND asset_key = $3 AND (to_seq IS NULL OR to_seq > $4) ORDER BY from_seq DESC`,
		[]any{tx.org, conn, key[:], after}, func(r *sql.Rows) error {
			row, err := scanStored(r)
			list = append(list, row)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the versions of an asset: %w", err)
	}
	return list, nil
}

// decoded is an asset or the permission graphs.
type decoded struct {
	asset  catalog.Asset
	access *storedAccess
}

// assetAt decodes the version of one asset that held at a scan.
func (tx *Tx) assetAt(ctx context.Context, conn ConnectionID, key assetKey, seq int64) (decoded, error) {
	rows, err := tx.versions(ctx, assetVersions, conn, key, seq)
	if err != nil {
		return decoded{}, err
	}
	if len(rows) == 0 || !rows[len(rows)-1].covers(seq) {
		return decoded{}, notFound("asset")
	}
	return tx.decodeVersions(conn, rows)
}

// decodeVersions decodes the oldest of the versions of one asset, which [Tx.texts]
// asks for in its order.
func (tx *Tx) decodeVersions(conn ConnectionID, rows []stored) (decoded, error) {
	texts, err := tx.texts(assetVersions, conn, rows)
	if err != nil {
		return decoded{}, err
	}
	last := rows[len(rows)-1]
	if last.kind == kindAccess {
		access := &storedAccess{}
		if err := json.Unmarshal(texts[len(texts)-1], access); err != nil {
			return decoded{}, fmt.Errorf("read the stored permissions: %w", err)
		}
		return decoded{access: access}, nil
	}
	a, err := decodeAsset(last.kind, texts[len(texts)-1])
	return decoded{asset: a}, err
}

// newestSeq is the Seq of the newest committed scan; 0 without one.
func (tx *Tx) newestSeq(ctx context.Context, conn ConnectionID) (int64, error) {
	var seq int64
	err := tx.scanOne(ctx, "scan", `SELECT coalesce(max(seq), 0) FROM scans WHERE org_id = $1 AND connection_id = $2`, []any{tx.org, conn}, &seq)
	return seq, err
}

// LoadAsset loads one asset as it was at a scan; atSeq 0 means the newest. A
// reference to a question finds it as a model or metric, too. Columns are loaded
// with their table.
func (tx *Tx) LoadAsset(ctx context.Context, conn ConnectionID, ref catalog.Ref, atSeq int64) (catalog.Asset, error) {
	if atSeq == 0 {
		var err error
		if atSeq, err = tx.newestSeq(ctx, conn); err != nil {
			return nil, err
		}
	}
	d, err := tx.assetAt(ctx, conn, tx.assetKey(conn, ref), atSeq)
	if err != nil {
		return nil, err
	}
	if d.asset == nil {
		return nil, notFound("asset")
	}
	return d.asset, nil
}

// AssetHistory lists the kept versions of an asset, newest first; empty for an
// asset that no kept scan saw.
func (tx *Tx) AssetHistory(ctx context.Context, conn ConnectionID, ref catalog.Ref) ([]AssetVersion, error) {
	rows, err := tx.versions(ctx, assetVersions, conn, tx.assetKey(conn, ref), 0)
	if err != nil {
		return nil, err
	}
	texts, err := tx.texts(assetVersions, conn, rows)
	if err != nil {
		return nil, err
	}
	kept, err := tx.keptScans(ctx, conn)
	if err != nil {
		return nil, err
	}
	list := make([]AssetVersion, len(rows))
	for i, row := range rows {
		a, err := decodeAsset(row.kind, texts[i])
		if err != nil {
			return nil, err
		}
		list[i] = AssetVersion{FromSeq: row.from, ToSeq: row.to, Since: firstSince(kept, row.from), Asset: a}
		if row.to != 0 {
			list[i].Until = firstSince(kept, row.to)
		}
	}
	return list, nil
}

// keptScan is a committed scan that was not pruned.
type keptScan struct {
	id  ScanID
	seq int64
	at  time.Time
}

func (tx *Tx) keptScans(ctx context.Context, conn ConnectionID) ([]keptScan, error) {
	var list []keptScan
	err := tx.rows(ctx, `SELECT id, seq, CASE WHEN finished_at > 0 THEN finished_at ELSE heartbeat_at END FROM scans
		WHERE org_id = $1 AND connection_id = $2 AND seq > 0 ORDER BY seq`, []any{tx.org, conn}, func(r *sql.Rows) error {
		var k keptScan
		var at int64
		err := r.Scan(&k.id, &k.seq, &at)
		k.at = fromMicros(at)
		list = append(list, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the kept scans: %w", err)
	}
	return list, nil
}

// firstSince is the time of the first kept scan from a Seq on.
func firstSince(kept []keptScan, seq int64) time.Time {
	for _, k := range kept {
		if k.seq >= seq {
			return k.at
		}
	}
	return time.Time{}
}
