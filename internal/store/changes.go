package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// Changes lists what moved between two committed scans, sorted by reference.
// fromSeq 0 means before the first. Kinds that one of the two scans could not
// read at all have neither come nor gone.
func (tx *Tx) Changes(ctx context.Context, conn ConnectionID, fromSeq, toSeq int64) ([]Change, error) {
	type ends struct {
		before, after *version // nil = not there
	}
	moved := map[assetKey]*ends{}
	err := tx.rows(ctx, `SELECT asset_key, from_seq, coalesce(to_seq, 0), kind, content_hash FROM asset_versions
		WHERE org_id = $1 AND connection_id = $2
		AND ((from_seq > $3 AND from_seq <= $4) OR (to_seq > $3 AND to_seq <= $4))`, []any{tx.org, conn, fromSeq, toSeq}, func(r *sql.Rows) error {
		var key, hash sql.RawBytes
		var v version
		s := stored{}
		if err := r.Scan(&key, &s.from, &s.to, &v.kind, &hash); err != nil {
			return err
		}
		copy(v.hash[:], hash)
		v.from = s.from
		e := moved[assetKey(key)]
		if e == nil {
			e = &ends{}
			moved[assetKey(key)] = e
		}
		if s.covers(fromSeq) {
			e.before = &v
		}
		if s.covers(toSeq) {
			e.after = &v
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	before, err := tx.headAt(ctx, conn, fromSeq)
	if err != nil {
		return nil, err
	}
	after, err := tx.headAt(ctx, conn, toSeq)
	if err != nil {
		return nil, err
	}
	keys := make([]assetKey, 0, len(moved))
	for key := range moved {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b assetKey) int { return bytes.Compare(a[:], b[:]) })
	var list []Change
	for _, key := range keys {
		e := moved[key]
		var what string
		var kind catalog.Kind
		seq := toSeq
		switch {
		case e.before == nil && e.after == nil: // came and went in between
			continue
		case e.before == nil:
			what, kind = "added", e.after.kind
		case e.after == nil:
			what, kind, seq = "removed", e.before.kind, fromSeq
		case e.before.hash == e.after.hash: // and back again
			continue
		default:
			what, kind = "changed", e.after.kind
		}
		if kind == kindAccess || (what == "added" && before.unread(kind)) || (what == "removed" && after.unread(kind)) {
			continue
		}
		d, err := tx.assetAt(ctx, conn, key, seq)
		if err != nil {
			return nil, err
		}
		list = append(list, Change{Asset: d.asset.Ref(), Name: d.asset.Title(), What: what})
	}
	slices.SortFunc(list, func(a, b Change) int {
		if c := a.Asset.Compare(b.Asset); c != 0 {
			return c
		}
		return strings.Compare(a.What, b.What)
	})
	return list, nil
}

func (tx *Tx) headAt(ctx context.Context, conn ConnectionID, seq int64) (head snapshotHead, err error) {
	var id ScanID
	var sealed []byte
	err = tx.rows(ctx, `SELECT id, head FROM scans WHERE org_id = $1 AND connection_id = $2 AND seq = $3 AND seq > 0`, []any{tx.org, conn, seq}, func(r *sql.Rows) error {
		return r.Scan(&id, &sealed)
	})
	if err != nil {
		return snapshotHead{}, fmt.Errorf("read a scan's head: %w", err)
	}
	return head, tx.openJSON("scans.head", string(id), sealed, &head)
}
