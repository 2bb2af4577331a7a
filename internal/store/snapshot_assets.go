package store

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
)

// assetBatch is how many assets one query reads.
const assetBatch = 200

// LoadAssets loads assets as they were at a scan, as [Tx.LoadAsset] does one;
// atSeq 0 means the newest. The answer has the references that were asked for;
// what the scan did not see is left out.
func (tx *Tx) LoadAssets(ctx context.Context, conn ConnectionID, refs []catalog.Ref, atSeq int64) (map[catalog.Ref]catalog.Asset, error) {
	if atSeq == 0 {
		var err error
		if atSeq, err = tx.newestSeq(ctx, conn); err != nil {
			return nil, err
		}
	}
	key := tx.assetKeyer(conn)
	asked := make(map[assetKey][]catalog.Ref, len(refs))
	keys := make([]assetKey, 0, len(refs))
	for _, r := range refs {
		k := key(r)
		if asked[k] == nil {
			keys = append(keys, k)
		}
		asked[k] = append(asked[k], r)
	}
	out := make(map[catalog.Ref]catalog.Asset, len(refs))
	for batch := range slices.Chunk(keys, assetBatch) {
		rows, err := tx.versionsOf(ctx, assetVersions, conn, batch, atSeq)
		if err != nil {
			return nil, err
		}
		assets, err := tx.decodeEach(conn, rows, atSeq)
		if err != nil {
			return nil, err
		}
		for i, a := range assets {
			if a == nil {
				continue
			}
			for _, r := range asked[rows[i][0].key] {
				out[r] = a
			}
		}
	}
	return out, nil
}

// versionsOf is versions for several assets in one query. Assets without such a
// row have no list.
func (tx *Tx) versionsOf(ctx context.Context, table temporal, conn ConnectionID, keys []assetKey, after int64) ([][]stored, error) {
	args := []any{tx.org, conn, after}
	var in strings.Builder
	for i, k := range keys {
		if i > 0 {
			in.WriteString(", ")
		}
		fmt.Fprintf(&in, "$%d", i+4)
		args = append(args, slices.Clone(k[:]))
	}
	var list [][]stored
	err := tx.rows(ctx, `SELECT `+storedColumns+` FROM `+string(table)+`
		WHERE org_id = $1 AND connection_id = $2 AND asset_key IN (`+in.String()+`) AND (to_seq IS NULL OR to_seq > $3)
		ORDER BY asset_key, from_seq DESC`, args, func(r *sql.Rows) error {
		row, err := scanStored(r)
		if err != nil {
			return err
		}
		if n := len(list); n > 0 && list[n-1][0].key == row.key {
			list[n-1] = append(list[n-1], row)
			return nil
		}
		list = append(list, []stored{row})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the versions of assets: %w", err)
	}
	return list, nil
}

// decodeEach decodes the versions that held at a scan on all cores; nil for an
// asset that was not there then.
func (tx *Tx) decodeEach(conn ConnectionID, lists [][]stored, seq int64) ([]catalog.Asset, error) {
	out := make([]catalog.Asset, len(lists))
	workers := min(runtime.GOMAXPROCS(0), len(lists))
	failures := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := w; i < len(lists) && failures[w] == nil; i += workers {
				rows := lists[i]
				if !rows[len(rows)-1].covers(seq) {
					continue
				}
				d, err := tx.decodeVersions(conn, rows)
				out[i], failures[w] = d.asset, err
			}
		})
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
