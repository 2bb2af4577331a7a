package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
)

// AddMasterKeys gives the store the keys of a set that this process made or was
// handed. They open; [Store.RotateMasterKey] makes one of them seal.
func (s *Store) AddMasterKeys(set *keys.Keyset) error { return s.master.Put(set) }

// MasterIDs returns the ids of the master keys that this process holds, the
// sealing one first.
func (s *Store) MasterIDs() []uint32 { return s.master.IDs() }

// RotateMasterKey makes a master key that this process holds seal from now on:
// all data keys are wrapped by it, and what belongs to no organization is sealed
// again, in small transactions beside everybody else. Other processes notice
// with their next write. The old key still opens until [Store.RevokeMasterKey].
// An interrupted rotation goes on with the same id.
func (s *Store) RotateMasterKey(ctx context.Context, id uint32, report func(Rotation)) error {
	r, old, err := s.startMaster(ctx, id)
	if err != nil {
		return fmt.Errorf("begin to rotate the master key: %w", err)
	}
	for _, id := range old {
		if err := s.awaitKey(ctx, masterScope, id); err != nil {
			return err
		}
	}
	if err := s.rewrap(ctx); err != nil {
		return err
	}
	return s.finish(ctx, r, systemColumns(), report, func(ctx context.Context, tx *SystemTx) error {
		return tx.Audit(ctx, AuditRow{Actor: "system", Action: "master_key_rotated", Target: fmt.Sprintf("key %d", id)})
	})
}

func (s *Store) startMaster(ctx context.Context, id uint32) (r Rotation, old []uint32, err error) {
	err = s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		old = old[:0]
		list, err := tx.MasterKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range list {
			switch {
			case k.ID == id && k.State == keyRevoked:
				return errs.New(errs.Invalid, "key_revoked", fmt.Sprintf("Master key %d was revoked.", id), "Make a new one: metalens keys rotate.")
			case k.ID != id && k.State != keyRevoked:
				old = append(old, k.ID)
			}
		}
		if !s.master.Keyset().Has(id) {
			return errs.New(errs.NotFound, "unknown_key", fmt.Sprintf("Master key %d is not among the keys that this program was given.", id), "")
		}
		if r, err = tx.rotation(ctx, masterScope); err != nil {
			return err
		}
		if r.KeyID == id && r.State == RotationRunning {
			return nil
		}
		now := tx.store.now()
		if _, err := tx.exec(ctx, `UPDATE master_keys SET state = '`+keyRetired+`', changed_at = $2 WHERE state = '`+keyActive+`' AND id <> $1`, int64(id), micros(now)); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `INSERT INTO master_keys (id, state, made_at, changed_at) VALUES ($1, '`+keyActive+`', $2, $2)
			ON CONFLICT (id) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at`, int64(id), micros(now)); err != nil {
			return err
		}
		r = Rotation{State: RotationRunning, KeyID: id, StartedAt: now}
		return tx.putRotation(ctx, r)
	})
	return r, old, err
}

// rewrap wraps every data key by the sealing master key.
func (s *Store) rewrap(ctx context.Context) error {
	var orgs []Organization
	err := s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) (err error) { // a writing one knows the sealing key
		orgs, err = tx.Organizations(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, o := range orgs {
		err := s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
			key, err := tx.lockDataKey(ctx, o.ID)
			if errs.KindOf(err) == errs.NotFound {
				return nil
			}
			if err != nil {
				return err
			}
			tx.wipeAfter()
			return tx.putDataKey(ctx, o.ID, key)
		})
		if err != nil {
			return fmt.Errorf("wrap a data key again: %w", err)
		}
	}
	return nil
}

// MasterKey is what the database knows of a master key.
type MasterKey struct {
	ID        uint32
	State     string // active, retired, revoked
	Held      bool   // this process has it
	MadeAt    time.Time
	ChangedAt time.Time
}

// MasterKeys lists the master keys that the database has seen, oldest first.
func (tx *SystemTx) MasterKeys(ctx context.Context) ([]MasterKey, error) {
	var list []MasterKey
	err := tx.rows(ctx, `SELECT id, state, made_at, changed_at FROM master_keys ORDER BY made_at, id`, nil, func(r *sql.Rows) error {
		var k MasterKey
		var made, changed int64
		err := r.Scan(&k.ID, &k.State, &made, &changed)
		k.MadeAt, k.ChangedAt, k.Held = fromMicros(made), fromMicros(changed), tx.store.master.Keyset().Has(k.ID)
		list = append(list, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the master keys: %w", err)
	}
	return list, nil
}

// RevokeMasterKey forbids the use of a master key that does not seal any more.
// While something is left that it sealed, the answer is errs.Conflict, code
// key_in_use. Other processes forget the key with their next write; whoever
// holds it outside (a file, a credential) destroys it there.
func (s *Store) RevokeMasterKey(ctx context.Context, id uint32) error {
	usage, err := s.KeyUsage(ctx)
	if err != nil {
		return err
	}
	if n := usage.Master[id]; n > 0 {
		return errs.New(errs.Conflict, "key_in_use", fmt.Sprintf("%d stored values still need master key %d.", n, id), "Run metalens keys rotate first, to its end.")
	}
	return s.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		var state string
		if err := tx.scanOne(ctx, "master key", `SELECT state FROM master_keys WHERE id = $1`, []any{int64(id)}, &state); err != nil {
			return err
		}
		switch state {
		case keyActive:
			return errs.New(errs.Conflict, "key_active", fmt.Sprintf("Master key %d seals new data.", id), "Run metalens keys rotate first.")
		case keyRevoked:
			return s.master.Forget(id)
		}
		if _, err := tx.exec(ctx, `UPDATE master_keys SET state = '`+keyRevoked+`', changed_at = $2 WHERE id = $1`, int64(id), micros(s.now())); err != nil {
			return err
		}
		if err := s.master.Forget(id); err != nil {
			return err
		}
		return tx.Audit(ctx, AuditRow{Actor: "system", Action: "master_key_revoked", Target: fmt.Sprintf("key %d", id)})
	})
}

// KeyUsage counts stored values by the key that sealed them.
type KeyUsage struct {
	Master map[uint32]int64           // values of the installation, and wrapped data keys
	Data   map[OrgID]map[uint32]int64 // values of each organization
}

// KeyUsage looks at every sealed value; it reads only how each begins.
func (s *Store) KeyUsage(ctx context.Context) (KeyUsage, error) {
	u := KeyUsage{Master: map[uint32]int64{}, Data: map[OrgID]map[uint32]int64{}}
	err := s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		return tx.rows(ctx, `SELECT id, data_key FROM organizations`, nil, func(r *sql.Rows) error {
			var org OrgID
			var stored []byte
			if err := r.Scan(&org, &stored); err != nil {
				return err
			}
			u.Data[org] = map[uint32]int64{}
			wrapped, err := s.erasure.open(org, stored)
			if err != nil {
				return err
			}
			if id, ok := keys.KeyID(wrapped); ok {
				u.Master[id]++
			}
			return nil
		})
	})
	if err != nil {
		return KeyUsage{}, fmt.Errorf("look at the data keys: %w", err)
	}
	for _, c := range systemColumns() {
		if err := s.countKeys(ctx, c, systemOrg, u.Master); err != nil {
			return KeyUsage{}, err
		}
	}
	for org, counts := range u.Data {
		for _, c := range orgColumns() {
			if c.by == byConnection {
				c = SealedColumns()[0] // the connection's key stands for the credential
			}
			if err := s.countKeys(ctx, c, org, counts); err != nil {
				return KeyUsage{}, err
			}
		}
	}
	return u, nil
}

func (s *Store) countKeys(ctx context.Context, c SealedColumn, org OrgID, into map[uint32]int64) error {
	return s.inColumn(ctx, c, org, false, func(ctx context.Context, t core, _ sealing) error {
		where, args := c.scope(org)
		return t.rows(ctx, fmt.Sprintf(`SELECT substr(%s, 1, 5), count(*) FROM %s WHERE %s AND length(%s) > 0 GROUP BY 1`, c.Column, c.Table, where, c.Column), args, func(r *sql.Rows) error {
			var header []byte
			var n int64
			err := r.Scan(&header, &n)
			if len(header) == 5 {
				into[binary.BigEndian.Uint32(header[1:])] += n
			}
			return err
		})
	})
}
