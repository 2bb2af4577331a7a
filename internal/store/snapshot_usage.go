package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/store/codec"
)

// A usage record is complete, or holds what differs from a complete one. After
// usageSpan scans, or when the difference has grown to a third, a new complete
// one begins.
const usageSpan = 16

func usageRow(conn ConnectionID, seq int64) string {
	return string(conn) + "/" + strconv.FormatInt(seq, 10)
}

func (tx *Tx) commitUsage(ctx context.Context, conn ConnectionID, seq int64, usage codec.Usage) error {
	base, known, size, err := tx.usageBase(ctx, conn, seq)
	if err != nil {
		return err
	}
	small := []byte(nil)
	if base != 0 {
		small = tx.store.codec.EncodeUsage(known, usage)
	}
	if base == 0 || len(small) > size/3 {
		base, small = 0, tx.store.codec.EncodeUsage(nil, usage)
	}
	return tx.putUsage(ctx, conn, seq, base, small)
}

func (tx *Tx) putUsage(ctx context.Context, conn ConnectionID, seq, base int64, small []byte) error {
	body := tx.key.Seal(small, "usage_records", usageRow(conn, seq))
	if _, err := tx.exec(ctx, `INSERT INTO usage_records (org_id, connection_id, seq, base_seq, body) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (org_id, connection_id, seq) DO UPDATE SET base_seq = excluded.base_seq, body = excluded.body`, tx.org, conn, seq, base, body); err != nil {
		return fmt.Errorf("store a usage record: %w", err)
	}
	return nil
}

// usageBase finds the complete record that the next one can be relative to.
func (tx *Tx) usageBase(ctx context.Context, conn ConnectionID, seq int64) (base int64, known codec.Usage, size int, err error) {
	err = tx.sql.QueryRowContext(ctx, `SELECT seq FROM usage_records WHERE org_id = $1 AND connection_id = $2 AND base_seq = 0 ORDER BY seq DESC LIMIT 1`,
		tx.org, conn).Scan(&base)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && seq-base >= usageSpan) {
		return 0, nil, 0, nil
	}
	if err != nil {
		return 0, nil, 0, fmt.Errorf("find a complete usage record: %w", err)
	}
	small, _, err := tx.usageRecord(ctx, conn, base)
	if err != nil {
		return 0, nil, 0, err
	}
	known, err = tx.store.codec.DecodeUsage(nil, small)
	return base, known, len(small), err
}

// usageRecord opens one record.
func (tx *Tx) usageRecord(ctx context.Context, conn ConnectionID, seq int64) (small []byte, base int64, err error) {
	var sealed []byte
	if err := tx.scanOne(ctx, "usage record", `SELECT base_seq, body FROM usage_records WHERE org_id = $1 AND connection_id = $2 AND seq = $3`,
		[]any{tx.org, conn, seq}, &base, &sealed); err != nil {
		return nil, 0, err
	}
	small, err = tx.key.Open(sealed, "usage_records", usageRow(conn, seq))
	if err != nil {
		return nil, 0, fmt.Errorf("open a usage record: %w", err)
	}
	return small, base, nil
}

func (tx *Tx) loadUsage(ctx context.Context, conn ConnectionID, seq int64) (codec.Usage, error) {
	small, base, err := tx.usageRecord(ctx, conn, seq)
	if err != nil {
		return nil, err
	}
	var known codec.Usage
	if base != 0 {
		if known, err = tx.loadUsage(ctx, conn, base); err != nil {
			return nil, err
		}
	}
	usage, err := tx.store.codec.DecodeUsage(known, small)
	if err != nil {
		return nil, fmt.Errorf("read a usage record: %w", err)
	}
	return usage, nil
}

// UsageSeries lists an asset's usage over the kept scans, oldest first. Scans
// that know no usage of it are left out.
func (tx *Tx) UsageSeries(ctx context.Context, conn ConnectionID, ref catalog.Ref) ([]UsagePoint, error) {
	kept, err := tx.keptScans(ctx, conn)
	if err != nil {
		return nil, err
	}
	type figure struct {
		usage catalog.Usage
		known bool
	}
	at := map[int64]figure{}
	// Ordered so that complete records come before those relative to them.
	err = tx.rows(ctx, `SELECT seq, base_seq, body FROM usage_records WHERE org_id = $1 AND connection_id = $2 ORDER BY seq`, []any{tx.org, conn}, func(r *sql.Rows) error {
		var seq, base int64
		var sealed []byte
		if err := r.Scan(&seq, &base, &sealed); err != nil {
			return err
		}
		small, err := tx.key.Open(sealed, "usage_records", usageRow(conn, seq))
		if err != nil {
			return fmt.Errorf("open a usage record: %w", err)
		}
		known := at[base]
		usage, ok, err := tx.store.codec.LookUpUsage(known.usage, known.known, small, ref)
		at[seq] = figure{usage, ok}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the usage of an asset: %w", err)
	}
	var list []UsagePoint
	for _, k := range kept {
		if f := at[k.seq]; f.known {
			list = append(list, UsagePoint{ScanID: k.id, Seq: k.seq, At: k.at, Usage: f.usage})
		}
	}
	return list, nil
}

// rebaseUsage makes the records that are relative to a record independent of
// it, before it is deleted: the first of them becomes complete, the others
// relative to that one.
func (tx *Tx) rebaseUsage(ctx context.Context, conn ConnectionID, gone int64) error {
	var dependent []int64
	err := tx.rows(ctx, `SELECT seq FROM usage_records WHERE org_id = $1 AND connection_id = $2 AND base_seq = $3 ORDER BY seq`, []any{tx.org, conn, gone}, func(r *sql.Rows) error {
		var seq int64
		err := r.Scan(&seq)
		dependent = append(dependent, seq)
		return err
	})
	if err != nil || len(dependent) == 0 {
		return err
	}
	first, err := tx.loadUsage(ctx, conn, dependent[0])
	if err != nil {
		return err
	}
	for _, seq := range dependent[1:] {
		usage, err := tx.loadUsage(ctx, conn, seq)
		if err != nil {
			return err
		}
		if err := tx.putUsage(ctx, conn, seq, dependent[0], tx.store.codec.EncodeUsage(first, usage)); err != nil {
			return err
		}
	}
	return tx.putUsage(ctx, conn, dependent[0], 0, tx.store.codec.EncodeUsage(nil, first))
}
