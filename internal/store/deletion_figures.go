package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/access"
)

// Figures describe a database without anything of what is in it.
type Figures struct {
	Engine     Engine
	Bytes      int64
	Rows       map[string]int64 // table → rows
	Migrations []Migration
	Outcomes   []Outcome // of scans, over all organizations
}

// Migration is a change of the schema that was made.
type Migration struct {
	Version int64
	At      string // as the database keeps it
}

// Outcome counts scans that ended alike.
type Outcome struct {
	State ScanState
	Code  string // of the error; empty where there was none
	Count int
	Last  time.Time
}

// Figures counts rows and outcomes for somebody who helps from outside.
func (s *Store) Figures(ctx context.Context) (Figures, error) {
	f := Figures{Engine: s.engine, Rows: map[string]int64{}}
	var err error
	if f.Bytes, err = s.Size(ctx); err != nil {
		return f, err
	}
	var orgs []OrgID
	err = s.everywhere(ctx, false, func(ctx context.Context, e *eraser) error {
		if orgs, err = e.organizations(ctx); err != nil {
			return err
		}
		for _, t := range e.tables {
			each := []OrgID{""}
			if t.tenant && s.engine == EnginePostgres {
				each = orgs
			}
			f.Rows[t.name] = 0
			for _, org := range each {
				if err := e.within(ctx, t, org); err != nil {
					return err
				}
				var n int64
				if err := e.scanOne(ctx, t.name, `SELECT count(*) FROM `+t.name, nil, &n); err != nil {
					return err
				}
				f.Rows[t.name] += n
			}
		}
		if err := e.asSystem(ctx); err != nil {
			return err
		}
		return e.rows(ctx, `SELECT version_id, CAST(tstamp AS text) FROM goose_db_version WHERE version_id > 0 ORDER BY version_id`, nil, func(r *sql.Rows) error {
			var m Migration
			err := r.Scan(&m.Version, &m.At)
			f.Migrations = append(f.Migrations, m)
			return err
		})
	})
	if err != nil {
		return f, fmt.Errorf("count the rows: %w", err)
	}
	for _, org := range orgs {
		err := s.ViewOrg(access.AsSystem(ctx), org, func(ctx context.Context, tx *Tx) error {
			return tx.rows(ctx, `SELECT state, error_code, count(*), max(finished_at) FROM scans WHERE org_id = $1 GROUP BY state, error_code ORDER BY state, error_code`,
				[]any{tx.org}, func(r *sql.Rows) error {
					var o Outcome
					var last int64
					err := r.Scan(&o.State, &o.Code, &o.Count, &last)
					o.Last = fromMicros(last)
					f.Outcomes = append(f.Outcomes, o)
					return err
				})
		})
		if err != nil {
			return f, fmt.Errorf("count the scans: %w", err)
		}
	}
	return f, nil
}

// Names lists what names people and things in the database, for somebody who
// must leave it out of a text: organizations, accounts, connections and their
// addresses.
func (s *Store) Names(ctx context.Context) ([]string, error) {
	var names []string
	var orgs []OrgID
	err := s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		list, err := tx.Organizations(ctx)
		if err != nil {
			return err
		}
		for _, o := range list {
			names, orgs = append(names, o.Name), append(orgs, o.ID)
		}
		return tx.rows(ctx, `SELECT name, email FROM users`, nil, func(r *sql.Rows) error {
			var name, email string
			err := r.Scan(&name, &email)
			names = append(names, name, email)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the names: %w", err)
	}
	for _, org := range orgs {
		err := s.ViewOrg(access.AsSystem(ctx), org, func(ctx context.Context, tx *Tx) error {
			conns, err := tx.Connections(ctx)
			for _, c := range conns {
				names = append(names, c.Name, c.URL)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list the names: %w", err)
		}
	}
	return names, nil
}
