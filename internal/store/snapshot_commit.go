package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// snapshotHead is what a snapshot holds beside assets and usage.
type snapshotHead struct {
	Instance   catalog.Instance     `json:"instance"`
	StartedAt  time.Time            `json:"started_at"`
	FinishedAt time.Time            `json:"finished_at"`
	Gaps       []catalog.Gap        `json:"gaps,omitempty"`
	Requests   catalog.RequestStats `json:"requests"`
	Marks      catalog.Marks        `json:"marks"`
}

// temporal is a table of versions: each row holds what a key stood for from one
// scan on until before another. All such tables have the same columns.
type temporal string

const (
	assetVersions temporal = "asset_versions"
	lineageParts  temporal = "lineage_parts"
)

// version identifies the current version of an asset.
type version struct {
	from int64
	kind catalog.Kind
	hash [hashSize]byte
	seen bool
}

const hashSize = 32

const (
	commitChunk = 64 // assets that one worker takes at a time
	insertBatch = 50 // rows of one INSERT
)

// CommitSnapshot stores what a scan read, gives the scan its Seq and fills the
// part of its summary that the snapshot knows. An asset whose definition did
// not change writes nothing; of one that did, the older version shrinks to a
// patch against the newer. A second asset of the same identity is left out.
//
// Call it in one transaction with ApplyFindings, ReplaceSearch and FinishScan:
// then either all of a scan is visible, or nothing.
func (tx *Tx) CommitSnapshot(ctx context.Context, scan ScanID, s *catalog.Snapshot) (ChangeCounts, error) {
	record, err := tx.Scan(ctx, scan)
	if err != nil {
		return ChangeCounts{}, err
	}
	if record.Seq != 0 || (record.State != ScanQueued && record.State != ScanRunning) {
		return ChangeCounts{}, errs.New(errs.Conflict, "scan_finished", "This scan has ended already.", "Start a new one.")
	}
	conn := record.ConnectionID
	var seq int64
	if err := tx.scanOne(ctx, "connection", `UPDATE connections SET last_seq = last_seq + 1 WHERE org_id = $1 AND id = $2 RETURNING last_seq`,
		[]any{tx.org, conn}, &seq); err != nil {
		return ChangeCounts{}, err
	}
	previous, first, err := tx.previousHead(ctx, conn)
	if err != nil {
		return ChangeCounts{}, err
	}
	counts, err := tx.commitAssets(ctx, conn, seq, s, previous)
	if err != nil {
		return ChangeCounts{}, fmt.Errorf("commit the assets of a scan: %w", err)
	}
	counts.First = first
	if err := tx.commitUsage(ctx, conn, seq, s.Usage); err != nil {
		return ChangeCounts{}, fmt.Errorf("commit the usage of a scan: %w", err)
	}
	head := snapshotHead{Instance: s.Instance, StartedAt: s.StartedAt, FinishedAt: s.FinishedAt, Gaps: s.Gaps, Requests: s.Requests, Marks: s.Marks}
	sealed, err := tx.sealJSON("scans.head", string(scan), head)
	if err != nil {
		return ChangeCounts{}, err
	}
	if err := tx.one(ctx, "scan", `UPDATE scans SET seq = $3, head = $4 WHERE org_id = $1 AND id = $2`, tx.org, scan, seq, sealed); err != nil {
		return ChangeCounts{}, err
	}
	summary := record.Summary
	summary.Instance, summary.Gaps, summary.Requests, summary.Changes = s.Instance, s.Gaps, s.Requests, counts
	summary.Partial, summary.PartialReasons = s.Partial()
	summary.Counts = countAssets(s)
	if err := tx.SetScanSummary(ctx, scan, summary); err != nil {
		return ChangeCounts{}, err
	}
	tx.committed, tx.committedBy = s, scan
	return counts, nil
}

func countAssets(s *catalog.Snapshot) map[catalog.Kind]int {
	counts := map[catalog.Kind]int{}
	for a := range s.All() {
		counts[a.Ref().Kind]++
	}
	for _, t := range s.Tables {
		counts[catalog.KindColumn] += len(t.Columns)
	}
	return counts
}

// previousHead is the head of the newest committed scan of a connection.
func (tx *Tx) previousHead(ctx context.Context, conn ConnectionID) (head snapshotHead, none bool, err error) {
	var id ScanID
	var sealed []byte
	err = tx.sql.QueryRowContext(ctx, `SELECT id, head FROM scans WHERE org_id = $1 AND connection_id = $2 AND seq > 0 ORDER BY seq DESC LIMIT 1`,
		tx.org, conn).Scan(&id, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return snapshotHead{}, true, nil
	}
	if err != nil {
		return snapshotHead{}, false, fmt.Errorf("read the scan before: %w", err)
	}
	return head, false, tx.openJSON("scans.head", string(id), sealed, &head)
}

// unread are the kinds of which a scan read nothing: their assets have neither
// come nor gone.
func (h *snapshotHead) unread(kind catalog.Kind) bool {
	return slices.ContainsFunc(h.Gaps, func(g catalog.Gap) bool { return g.Whole && identityKind(g.Kind) == identityKind(kind) })
}

// encoded is an asset ready to be stored; body is nil when nothing changed.
type encoded struct {
	key  assetKey
	kind catalog.Kind
	hash [hashSize]byte
	text []byte // of a changed asset
	body []byte
}

func (tx *Tx) commitAssets(ctx context.Context, conn ConnectionID, seq int64, s *catalog.Snapshot, previous snapshotHead) (ChangeCounts, error) {
	current, err := tx.currentVersions(ctx, assetVersions, conn)
	if err != nil {
		return ChangeCounts{}, err
	}
	now := snapshotHead{Gaps: s.Gaps}
	var counts ChangeCounts
	insert := tx.versionInserter(assetVersions)
	err = tx.encodeAssets(ctx, conn, seq, s, current, func(e encoded) error {
		old := current[e.key]
		if old != nil {
			old.seen = true
		}
		if e.body == nil {
			return nil
		}
		switch {
		case e.kind == kindAccess:
		case old != nil:
			counts.Changed++
		case !previous.unread(e.kind):
			counts.Added++
		}
		if old != nil {
			return tx.supersede(ctx, assetVersions, conn, seq, old, e, insert)
		}
		return insert.add(ctx, tx.org, conn, e.key[:], seq, nil, string(e.kind), e.hash[:], 0, e.body)
	})
	if err == nil {
		err = insert.flush(ctx)
	}
	if err != nil {
		return ChangeCounts{}, err
	}
	gone, err := tx.closeVersions(ctx, assetVersions, conn, seq, current)
	for _, kind := range gone {
		if !now.unread(kind) {
			counts.Removed++
		}
	}
	return counts, err
}

// closeVersions ends what a scan did not see, and tells the kinds.
func (tx *Tx) closeVersions(ctx context.Context, table temporal, conn ConnectionID, seq int64, current map[assetKey]*version) ([]catalog.Kind, error) {
	var gone []assetKey
	for key, v := range current {
		if !v.seen {
			gone = append(gone, key)
		}
	}
	slices.SortFunc(gone, func(a, b assetKey) int { return bytes.Compare(a[:], b[:]) })
	kinds := make([]catalog.Kind, 0, len(gone))
	for _, key := range gone {
		if _, err := tx.exec(ctx, `UPDATE `+string(table)+` SET to_seq = $5 WHERE org_id = $1 AND connection_id = $2 AND asset_key = $3 AND from_seq = $4`,
			tx.org, conn, key[:], current[key].from, seq); err != nil {
			return nil, fmt.Errorf("close a version: %w", err)
		}
		kinds = append(kinds, current[key].kind)
	}
	return kinds, nil
}

func (tx *Tx) versionInserter(table temporal) *inserter {
	return tx.inserter(`INSERT INTO `+string(table)+` (org_id, connection_id, asset_key, from_seq, to_seq, kind, content_hash, patch, body) VALUES `, 9)
}

func (tx *Tx) currentVersions(ctx context.Context, table temporal, conn ConnectionID) (map[assetKey]*version, error) {
	current := map[assetKey]*version{}
	err := tx.rows(ctx, `SELECT asset_key, from_seq, kind, content_hash FROM `+string(table)+`
		WHERE org_id = $1 AND connection_id = $2 AND to_seq IS NULL`, []any{tx.org, conn}, func(r *sql.Rows) error {
		var key, hash sql.RawBytes
		var v version
		if err := r.Scan(&key, &v.from, &v.kind, &hash); err != nil {
			return err
		}
		if len(key) != assetKeySize || copy(v.hash[:], hash) != hashSize {
			return errors.New("a stored version has a key of the wrong size")
		}
		current[assetKey(key)] = &v
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the current versions: %w", err)
	}
	return current, nil
}

// encodeAssets hashes every asset and compresses and seals the new and changed
// ones, on all cores, and hands them on in the snapshot's order. current is
// only read.
func (tx *Tx) encodeAssets(ctx context.Context, conn ConnectionID, seq int64, s *catalog.Snapshot, current map[assetKey]*version, each func(encoded) error) error {
	type outcome struct {
		list []encoded
		err  error
	}
	workers := runtime.GOMAXPROCS(0)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan outcome, 2*workers) // in order; its size bounds the memory
	slots := make(chan *encoder, workers)
	for range workers {
		slots <- tx.newEncoder(conn, seq, current)
	}
	go func() {
		defer close(queue)
		for chunk := range chunks(s) {
			done := make(chan outcome, 1)
			select {
			case queue <- done:
			case <-ctx.Done():
				return
			}
			worker := <-slots
			go func() {
				list, err := worker.encode(chunk)
				slots <- worker
				done <- outcome{list, err}
			}()
		}
	}()
	for done := range queue {
		o := <-done
		if o.err != nil {
			return o.err
		}
		for _, e := range o.list {
			if err := each(e); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// item is an asset, or the permission graphs.
type item struct {
	ref   catalog.Ref
	value any
}

// chunks yields all that is versioned, each identity once.
func chunks(s *catalog.Snapshot) func(yield func([]item) bool) {
	return func(yield func([]item) bool) {
		chunk := []item{{ref: catalog.Ref{Kind: kindAccess}, value: storedAccess(s.Access)}}
		seen := map[catalog.Ref]struct{}{}
		for a := range s.All() {
			ref := a.Ref()
			identity := catalog.Ref{Kind: identityKind(ref.Kind), ID: ref.ID}
			if _, twice := seen[identity]; twice {
				continue
			}
			seen[identity] = struct{}{}
			if chunk = append(chunk, item{ref: ref, value: a}); len(chunk) == commitChunk {
				if !yield(chunk) {
					return
				}
				chunk = nil
			}
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}

// encoder is one worker's tools.
type encoder struct {
	tx      *Tx
	conn    ConnectionID
	seq     int64
	current map[assetKey]*version
	key     func(catalog.Ref) assetKey
	hash    func(dst []byte, data ...[]byte) []byte
}

func (tx *Tx) newEncoder(conn ConnectionID, seq int64, current map[assetKey]*version) *encoder {
	return &encoder{tx: tx, conn: conn, seq: seq, current: current, key: tx.assetKeyer(conn), hash: tx.key.Hasher("asset content")}
}

func (w *encoder) encode(chunk []item) ([]encoded, error) {
	list := make([]encoded, 0, len(chunk))
	var small []byte
	for _, it := range chunk {
		text, err := canonical(it.value)
		if err != nil {
			return nil, err
		}
		e := encoded{key: w.key(it.ref), kind: it.ref.Kind}
		w.hash(e.hash[:0], []byte(it.ref.Kind), []byte{0}, text)
		old := w.current[e.key]
		if old == nil || old.hash != e.hash {
			small = w.tx.store.codec.Compress(small[:0], text)
			e.body = w.tx.key.Seal(small, "asset_versions", versionRow(w.conn, e.key, w.seq))
			if old != nil {
				e.text = text
			}
		}
		list = append(list, e)
	}
	return list, nil
}

// supersede puts a new version in the place of the current one and keeps that as
// a patch against the text that followed it, where this saves space. The newest
// version always stays whole, so that the newest snapshot loads fast and the
// oldest can be deleted without a look at the others. It also stays in its row:
// the table grows by the patch alone.
func (tx *Tx) supersede(ctx context.Context, table temporal, conn ConnectionID, seq int64, old *version, next encoded, insert *inserter) error {
	var sealed []byte
	if err := tx.scanOne(ctx, "asset version", `SELECT body FROM `+string(table)+` WHERE org_id = $1 AND connection_id = $2 AND asset_key = $3 AND from_seq = $4`,
		[]any{tx.org, conn, next.key[:], old.from}, &sealed); err != nil {
		return err
	}
	row := versionRow(conn, next.key, old.from)
	text, err := tx.openText(table, row, sealed)
	if err != nil {
		return err
	}
	patched := 0
	if body := tx.key.Seal(tx.store.codec.Patch(next.text, text), string(table), row); len(body) < len(sealed) {
		sealed, patched = body, 1
	}
	if err := tx.one(ctx, "asset version", `UPDATE `+string(table)+` SET from_seq = $5, kind = $6, content_hash = $7, body = $8
		WHERE org_id = $1 AND connection_id = $2 AND asset_key = $3 AND from_seq = $4`,
		tx.org, conn, next.key[:], old.from, seq, string(next.kind), next.hash[:], next.body); err != nil {
		return err
	}
	return insert.add(ctx, tx.org, conn, next.key[:], old.from, seq, string(old.kind), old.hash[:], patched, sealed)
}

// openText opens a body that is no patch.
func (tx *Tx) openText(table temporal, row string, sealed []byte) ([]byte, error) {
	small, err := tx.key.Open(sealed, string(table), row)
	if err != nil {
		return nil, fmt.Errorf("open an asset version: %w", err)
	}
	text, err := tx.store.codec.Expand(nil, small)
	if err != nil {
		return nil, fmt.Errorf("expand an asset version: %w", err)
	}
	return text, nil
}

// inserter collects rows for INSERTs of many rows.
type inserter struct {
	core    *core
	prefix  string
	suffix  string
	columns int
	args    []any
}

func (c *core) inserter(prefix string, columns int) *inserter {
	return &inserter{core: c, prefix: prefix, columns: columns}
}

func (in *inserter) add(ctx context.Context, row ...any) error {
	in.args = append(in.args, row...)
	if len(in.args) == insertBatch*in.columns {
		return in.flush(ctx)
	}
	return nil
}

func (in *inserter) flush(ctx context.Context) error {
	if len(in.args) == 0 {
		return nil
	}
	var q strings.Builder
	q.WriteString(in.prefix)
	for i := range in.args {
		switch {
		case i == 0:
			q.WriteString("(")
		case i%in.columns == 0:
			q.WriteString("), (")
		default:
			q.WriteString(", ")
		}
		fmt.Fprintf(&q, "$%d", i+1)
	}
	q.WriteString(")")
	q.WriteString(in.suffix)
	_, err := in.core.exec(ctx, q.String(), in.args...)
	clear(in.args)
	in.args = in.args[:0]
	return err
}
