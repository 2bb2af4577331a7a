package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
)

// awaitEvery is how often a rotation looks whether the last writers that seal
// with the old key are done.
const awaitEvery = 20 * time.Millisecond

// RotationState is where a rotation stands.
type RotationState string

// The states of a rotation.
const (
	RotationRunning    RotationState = "running"
	RotationDone       RotationState = "done"
	RotationIncomplete RotationState = "incomplete" // some values do not open; the old key stays
)

// Rotation is the last change of one key: an organization's data key, or the
// master key.
type Rotation struct {
	Org        OrgID // empty for the master key
	State      RotationState
	KeyID      uint32 // the new key
	Part       string // table that is worked on
	Total      int64  // values that were to be sealed again when it began
	Done       int64
	StartedAt  time.Time
	FinishedAt time.Time
}

func (r Rotation) id() string {
	if r.Org == systemOrg {
		return masterScope
	}
	return string(r.Org)
}

const rotationColumns = `coalesce(org, ''), state, key_id, part, total, done, started_at, finished_at`

func scanRotation(row interface{ Scan(...any) error }) (Rotation, error) {
	var r Rotation
	var started, finished int64
	err := row.Scan(&r.Org, &r.State, &r.KeyID, &r.Part, &r.Total, &r.Done, &started, &finished)
	r.StartedAt, r.FinishedAt = fromMicros(started), fromMicros(finished)
	return r, err
}

// Rotations lists the last rotation of each key.
func (tx *SystemTx) Rotations(ctx context.Context) ([]Rotation, error) {
	var list []Rotation
	err := tx.rows(ctx, `SELECT `+rotationColumns+` FROM key_rotations ORDER BY started_at, id`, nil, func(r *sql.Rows) error {
		rotation, err := scanRotation(r)
		list = append(list, rotation)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the rotations: %w", err)
	}
	return list, nil
}

func (tx *SystemTx) rotation(ctx context.Context, id string) (Rotation, error) {
	r, err := scanRotation(tx.sql.QueryRowContext(ctx, `SELECT `+rotationColumns+` FROM key_rotations WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Rotation{}, nil
	}
	return r, err
}

func (tx *SystemTx) putRotation(ctx context.Context, r Rotation) error {
	var org any
	if r.Org != systemOrg {
		org = string(r.Org)
	}
	_, err := tx.exec(ctx, `INSERT INTO key_rotations (id, org, state, key_id, part, total, done, started_at, finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, key_id = excluded.key_id, part = excluded.part, total = excluded.total, done = excluded.done,
		started_at = excluded.started_at, finished_at = excluded.finished_at`,
		r.id(), org, string(r.State), int64(r.KeyID), r.Part, r.Total, r.Done, micros(r.StartedAt), micros(r.FinishedAt))
	if err != nil {
		return fmt.Errorf("note the rotation: %w", err)
	}
	return nil
}

// orgColumns are the columns that an organization's data key seals, directly or
// through a connection's key; systemColumns those that the master key seals.
func orgColumns() []SealedColumn {
	return slices.DeleteFunc(SealedColumns(), func(c SealedColumn) bool {
		return c.by == bySystem || c.by == byMaster || c.Table == connectionKeyPlace // goes with the credential
	})
}

func systemColumns() []SealedColumn {
	return slices.DeleteFunc(SealedColumns(), func(c SealedColumn) bool { return c.by != bySystem && c.by != byMaster })
}

// RotateDataKey gives an organization a new data key and seals everything it has
// again, in small transactions beside everybody else; then the old key is
// destroyed. A rotation that was interrupted goes on where it stopped, in any
// process. report is told the progress; it may be nil.
//
// When stored values do not open, everything else gets the new key, the old one
// is kept and the answer is errs.Conflict, code key_damaged.
func (s *Store) RotateDataKey(ctx context.Context, org OrgID, report func(Rotation)) error {
	r, old, err := s.startData(ctx, org)
	if err != nil {
		return fmt.Errorf("begin to rotate a data key: %w", err)
	}
	for _, id := range old {
		if err := s.awaitKey(ctx, string(org), id); err != nil {
			return err
		}
	}
	return s.finish(ctx, r, orgColumns(), report, func(ctx context.Context, tx *SystemTx) error {
		key, err := tx.lockDataKey(ctx, org)
		if err != nil {
			return err
		}
		if len(key.IDs()) == 1 {
			return nil // another process was faster
		}
		alone, err := key.Alone()
		if err != nil {
			return err
		}
		tx.wipeAfter()
		if err := tx.putDataKey(ctx, org, alone); err != nil {
			return err
		}
		return tx.Audit(ctx, AuditRow{OrgID: org, Actor: "system", Action: "data_key_rotated", Target: fmt.Sprintf("key %d", alone.Primary())})
	})
}

// startData publishes a new data key, unless a rotation is under way. old are
// the keys that it replaces.
func (s *Store) startData(ctx context.Context, org OrgID) (r Rotation, old []uint32, err error) {
	err = s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		key, err := tx.lockDataKey(ctx, org)
		if err != nil {
			return err
		}
		if r, err = tx.rotation(ctx, string(org)); err != nil {
			return err
		}
		if len(key.IDs()) == 1 {
			if key, err = key.Rotate(); err != nil {
				return err
			}
			if err := tx.putDataKey(ctx, org, key); err != nil {
				return err
			}
			r = Rotation{Org: org, State: RotationRunning, KeyID: key.Primary(), StartedAt: tx.store.now()}
		}
		if r.State == RotationIncomplete {
			r = Rotation{StartedAt: tx.store.now()}
		}
		r.Org, r.State, r.KeyID, old = org, RotationRunning, key.Primary(), key.IDs()[1:]
		return tx.putRotation(ctx, r)
	})
	return r, old, err
}

// lockDataKey reads an organization's data key and makes other rotations of it
// wait until the transaction ends.
func (tx *SystemTx) lockDataKey(ctx context.Context, org OrgID) (*keys.DataKey, error) {
	query := `SELECT data_key FROM organizations WHERE id = $1`
	if tx.store.engine == EnginePostgres {
		query += ` FOR NO KEY UPDATE` // rows that refer to the organization can still be written
	}
	var stored []byte
	if err := tx.scanOne(ctx, "organization", query, []any{string(org)}, &stored); err != nil {
		return nil, err
	}
	return tx.store.dataKey(org, stored)
}

func (tx *SystemTx) putDataKey(ctx context.Context, org OrgID, key *keys.DataKey) error {
	stored, err := tx.store.erasure.seal(org, tx.store.master.WrapDataKey(key))
	if err != nil {
		return err
	}
	return tx.one(ctx, "organization", `UPDATE organizations SET data_key = $2 WHERE id = $1`, string(org), stored)
}

// finish seals all values of some columns again and then lets end destroy the
// old key, in the transaction that notes the end of the rotation.
func (s *Store) finish(ctx context.Context, r Rotation, columns []SealedColumn, report func(Rotation), end func(context.Context, *SystemTx) error) error {
	if r.Total == 0 {
		for _, c := range columns {
			n, err := s.staleOf(ctx, c, r.Org)
			if err != nil {
				return err
			}
			r.Total += n
		}
	}
	note := func(ctx context.Context, end func(context.Context, *SystemTx) error) error {
		err := s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
			if end != nil {
				if err := end(ctx, tx); err != nil {
					return err
				}
			}
			return tx.putRotation(ctx, r)
		})
		if err == nil && report != nil {
			report(r)
		}
		return err
	}
	if err := note(ctx, nil); err != nil {
		return err
	}
	err := s.reseal(ctx, columns, r.Org, func(part string, n int) error {
		r.Part, r.Done = part, r.Done+int64(n)
		r.Total = max(r.Total, r.Done)
		return note(ctx, nil)
	})
	r.Part, r.FinishedAt = "", s.now()
	if errs.CodeOf(err) == "key_damaged" {
		r.State = RotationIncomplete
		return errors.Join(err, note(ctx, nil))
	}
	if err != nil {
		return err
	}
	r.State, r.Done = RotationDone, r.Total
	return note(ctx, end)
}

// ResumeRotations goes on with the rotations that were interrupted.
func (s *Store) ResumeRotations(ctx context.Context) error {
	var list []Rotation
	err := s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) (err error) {
		list, err = tx.Rotations(ctx)
		return err
	})
	for _, r := range list {
		switch {
		case err != nil:
			return err
		case r.State != RotationRunning:
		case r.Org == systemOrg:
			err = s.RotateMasterKey(ctx, r.KeyID, nil)
		default:
			err = s.RotateDataKey(ctx, r.Org, nil)
		}
		if errs.KindOf(err) == errs.NotFound || errs.CodeOf(err) == "key_damaged" {
			err = nil // deleted meanwhile; or on record
		}
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
