package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// TextReport says where a text stands in the database.
type TextReport struct {
	Columns int            // columns looked through
	Values  int64          // values read, sealed ones opened
	Patches int64          // sealed values that are differences to another value and not texts of their own
	Found   map[string]int // table.column → values with the text
}

// FindText looks for a text, whatever its case, in every column of every table:
// in what stands there in the clear, and in what this installation can decrypt.
// It answers whether anything about a person or a thing is left.
func (s *Store) FindText(ctx context.Context, text string) (TextReport, error) {
	r := TextReport{Found: map[string]int{}}
	needle := bytes.ToLower([]byte(text))
	var orgs []OrgID
	err := s.everywhere(ctx, false, func(ctx context.Context, e *eraser) (err error) {
		if orgs, err = e.organizations(ctx); err != nil {
			return err
		}
		for _, t := range e.tables {
			if err := e.findClear(ctx, t, orgs, needle, &r); err != nil {
				return err
			}
		}
		return e.findJobs(ctx, needle, &r)
	})
	if err != nil {
		return r, fmt.Errorf("look for a text: %w", err)
	}
	for _, c := range SealedColumns() {
		r.Columns++
		of := orgs
		if c.by == bySystem || c.by == byMaster {
			of = []OrgID{systemOrg}
		}
		for _, org := range of {
			if err := s.findSealed(ctx, c, org, needle, &r); err != nil {
				return r, fmt.Errorf("look for a text in %s: %w", c.Name(), err)
			}
		}
	}
	return r, nil
}

// findClear looks through the columns of texts.
func (e *eraser) findClear(ctx context.Context, t tableInfo, orgs []OrgID, needle []byte, r *TextReport) error {
	for _, c := range t.columns {
		if !c.text {
			continue
		}
		r.Columns++
		each := []OrgID{""}
		if t.tenant && e.store.engine == EnginePostgres {
			each = orgs
		}
		for _, org := range each {
			if err := e.within(ctx, t, org); err != nil {
				return err
			}
			err := e.rows(ctx, `SELECT `+c.name+` FROM `+t.name+` WHERE `+c.name+` IS NOT NULL`, nil, func(rows *sql.Rows) error {
				var value string
				err := rows.Scan(&value)
				r.count(t.name+"."+c.name, []byte(value), needle)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *eraser) findJobs(ctx context.Context, needle []byte, r *TextReport) error {
	if err := e.asSystem(ctx); err != nil {
		return err
	}
	query := `SELECT json(args) FROM river_job`
	if e.store.engine == EnginePostgres {
		query = `SELECT args::text FROM river_job`
	}
	r.Columns++
	return e.rows(ctx, query, nil, func(rows *sql.Rows) error {
		var value string
		err := rows.Scan(&value)
		r.count("river_job.args", []byte(value), needle)
		return err
	})
}

func (r *TextReport) count(where string, value, needle []byte) {
	r.Values++
	if bytes.Contains(bytes.ToLower(value), needle) {
		r.Found[where]++
	}
}

// findSealed opens every value of a sealed column.
func (s *Store) findSealed(ctx context.Context, c SealedColumn, org OrgID, needle []byte, r *TextReport) error {
	if c.by == byConnection {
		return nil // keys of a Metabase, in no form that a text could be found in
	}
	return s.inColumn(ctx, c, org, false, func(ctx context.Context, t core, key sealing) error {
		where, args := c.scope(org)
		n := len(c.key)
		return t.rows(ctx, fmt.Sprintf(`SELECT %s, %s FROM %s WHERE %s AND length(%s) > 0`, strings.Join(c.key, ", "), c.Column, c.Table, where, c.Column), args, func(rows *sql.Rows) error {
			values := make([]any, n)
			dest := make([]any, n+1)
			for i := range values {
				dest[i] = &values[i]
			}
			var sealed []byte
			dest[n] = &sealed
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			table, row := c.place(values)
			plain, err := key.open(sealed, table, row)
			if err != nil {
				return nil //nolint:nilerr // sealed by a key that is gone: nobody can read it
			}
			if bytes.Contains(bytes.ToLower(plain), needle) {
				r.count(c.Name(), plain, needle)
				return nil
			}
			text, err := s.codec.Expand(nil, plain)
			if err != nil { // not compressed, or a difference
				if slices.Contains([]string{"asset_versions", "lineage_parts", "usage_records"}, c.Table) {
					r.Patches++
				}
				text = plain
			}
			r.count(c.Name(), text, needle)
			return nil
		})
	})
}
