package app

import (
	"context"
	"errors"
	"time"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/lineageview"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
)

// stored gives commands the scans that are kept.
type stored struct {
	*core
	org    store.OrgID
	loader *lineageview.Loader
}

// openStored opens what scans left behind; it makes nothing.
func openStored(ctx context.Context, env Env, loaded *config.Loaded, command string) (*stored, error) {
	cfg := quietly(loaded)
	if !stateExists(cfg) {
		return nil, noScanIn(cfg.Data)
	}
	c, err := open(ctx, env, cfg, coreOptions{command: command, policy: ownPolicy(cfg), reads: true})
	if err != nil {
		return nil, err
	}
	org, err := c.organization(ctx)
	if errs.CodeOf(err) == "read_only" { // a database without an organization
		err = noScanIn(cfg.Data)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &stored{core: c, org: org, loader: lineageview.New(lineageview.Config{Store: c.store, SQL: sqllineage.New()})}, nil
}

func noScanIn(dir string) error {
	return errs.New(errs.NotFound, "no_scan", "There is no stored scan yet in "+dir+".", "Run metalens scan first, without --stateless.")
}

// close releases what was opened; nil was not.
func (s *stored) close() error {
	if s == nil {
		return nil
	}
	return s.Close()
}

// view finds the lineage of the scan that is meant: one by id, else the newest
// of the connection.
func (s *stored) view(ctx context.Context, connection, scan string) (*lineageview.View, store.Connection, error) {
	found, conn, err := s.scan(ctx, connection, scan)
	if err != nil {
		return nil, conn, err
	}
	view, err := s.loader.Load(ctx, s.org, found.ID)
	return view, conn, err
}

// scan finds a succeeded scan: by id, or latest (empty, too) or previous of a
// connection.
func (s *stored) scan(ctx context.Context, connection, text string) (found store.Scan, conn store.Connection, err error) {
	if text != "" && text != "latest" && text != "previous" {
		err = s.store.ViewOrg(ctx, s.org, func(ctx context.Context, tx *store.Tx) (err error) {
			found, err = tx.Scan(ctx, store.ScanID(text))
			return err
		})
		if errs.KindOf(err) == errs.NotFound {
			return found, conn, errs.Wrap(err, errs.NotFound, "unknown_scan", "There is no stored scan "+text+".", "Give the id of a scan, latest or previous; metalens serve lists the scans.")
		}
		if err != nil {
			return found, conn, err
		}
		if found.Seq == 0 {
			return found, conn, errs.New(errs.NotFound, "no_snapshot", "The scan "+text+" did not succeed, so there is nothing to read.", "Name another scan, or latest.")
		}
		conn, err = s.connections.Connection(ctx, s.org, found.ConnectionID)
		return found, conn, err
	}
	if conn, err = s.connections.Find(ctx, s.org, connection); err != nil {
		return found, conn, err
	}
	err = s.store.ViewOrg(ctx, s.org, func(ctx context.Context, tx *store.Tx) error {
		list, err := tx.Scans(ctx, conn.ID, 0, time.Time{})
		if err != nil {
			return err
		}
		skip := 0
		if text == "previous" {
			skip = 1
		}
		for _, one := range list {
			if one.State != store.ScanSucceeded || one.Seq == 0 {
				continue
			}
			if skip == 0 {
				found = one
				return nil
			}
			skip--
		}
		return nil
	})
	if err == nil && found.ID == "" {
		what := "The connection " + conn.Name + " has no stored scan yet."
		if text == "previous" {
			what = "The connection " + conn.Name + " has no second stored scan."
		}
		err = errs.New(errs.NotFound, "no_scan", what, "Run metalens scan first, without --stateless.")
	}
	return found, conn, err
}
