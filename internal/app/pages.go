package app

import (
	"context"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/connections"
	"github.com/metalens/metalens/internal/web/overview"
)

// The types of this file and its neighbours give pages what their interfaces
// ask for, over the store and the services. They decide nothing.

// connectionPages implements [connections.Service].
type connectionPages struct{ service *connection.Service }

func (p connectionPages) Connections(ctx context.Context, org store.OrgID) ([]store.Connection, error) {
	return p.service.List(ctx, org)
}

func (p connectionPages) Connection(ctx context.Context, org store.OrgID, id store.ConnectionID) (store.Connection, error) {
	return p.service.Connection(ctx, org, id)
}

func (p connectionPages) TestConnection(ctx context.Context, org store.OrgID, d connections.Draft) (connections.Report, error) {
	found, err := p.service.TestDraft(ctx, org, d.ID, connectionDraft(d))
	if err != nil {
		return connections.Report{}, err
	}
	out := connections.Report{
		Reachable: found.Reachable, URL: found.URL, TLS: found.TLSVersion, Version: found.Version, Edition: found.Edition,
		Reader: found.Reader, Admin: found.Admin, Took: found.Took,
	}
	for _, what := range []string{"collections", "databases"} {
		if n, ok := found.Sees[what]; ok {
			out.Sees = append(out.Sees, connections.Fact{What: what, Count: n})
		}
	}
	for _, l := range found.NotSeen {
		out.Misses = append(out.Misses, connections.Miss{What: l.What, Why: l.Why})
	}
	offered := map[string]bool{}
	for _, e := range found.Exceptions {
		offered[e.Option] = true
	}
	for _, problem := range found.Problems {
		out.Problems = append(out.Problems, connections.Problem{
			Code: problem.Code, Text: problem.Text, Hint: problem.Hint, Exception: exceptionFor(problem.Code, offered),
		})
	}
	return out, nil
}

// exceptionFor names the exception that would solve a problem, if it is on offer.
func exceptionFor(code string, offered map[string]bool) connections.Exception {
	switch {
	case code == "plain_http" && offered[connection.OptionPlainHTTP]:
		return connections.ExceptionPlainHTTP
	case code == "tls_too_old" && offered[connection.OptionTLS12]:
		return connections.ExceptionTLS12
	case code == "tls_untrusted" && offered[connection.OptionCustomCA]:
		return connections.ExceptionCustomCA
	}
	return ""
}

func (p connectionPages) CreateConnection(ctx context.Context, org store.OrgID, by store.UserID, d connections.Draft) (store.Connection, error) {
	return p.service.Create(ctx, org, connection.Actor{UserID: by, Source: "web"}, connectionDraft(d))
}

func (p connectionPages) UpdateConnection(ctx context.Context, org store.OrgID, by store.UserID, d connections.Draft) error {
	_, err := p.service.Update(ctx, org, connection.Actor{UserID: by, Source: "web"}, d.ID, connectionDraft(d))
	return err
}

func (p connectionPages) DeleteConnection(ctx context.Context, org store.OrgID, by store.UserID, id store.ConnectionID) error {
	return p.service.Delete(ctx, org, connection.Actor{UserID: by, Source: "web"}, id)
}

func connectionDraft(d connections.Draft) connection.Draft {
	return connection.Draft{Name: d.Name, URL: d.URL, Auth: d.Auth, Credential: d.Key, Options: d.Options, Schedule: d.Schedule}
}

// scanPages implements the scan pages' services, the overview's and the
// frame's. Who sees a part of a connection only is told of scans that they were,
// not how much they read.
type scanPages struct {
	store   *store.Store
	scans   *scanservice.Service
	library *library
}

// bounded leaves out of scans what is beyond the reader's part.
func (p scanPages) bounded(ctx context.Context, org store.OrgID, conn store.ConnectionID, list ...store.Scan) ([]store.Scan, error) {
	scope, err := p.library.scope(ctx, org, conn)
	if err != nil || scope == nil {
		return list, err
	}
	for i := range list {
		list[i] = partOfScan(list[i])
	}
	return list, nil
}

func (p scanPages) Scans(ctx context.Context, org store.OrgID, conn store.ConnectionID, limit int, before store.ScanID) (list []store.Scan, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return nil, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		var last store.Scan
		if before != "" {
			if last, err = tx.Scan(ctx, before); err != nil {
				return err
			}
		}
		list, err = tx.Scans(ctx, conn, limit, last.QueuedAt)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p.bounded(ctx, org, conn, list...)
}

func (p scanPages) Scan(ctx context.Context, org store.OrgID, id store.ScanID) (store.Scan, error) {
	found, err := p.scans.Scan(ctx, org, id)
	if err != nil {
		return store.Scan{}, err
	}
	list, err := p.bounded(ctx, org, found.ConnectionID, found)
	if err != nil {
		return store.Scan{}, err
	}
	return list[0], nil
}

func (p scanPages) StartScan(ctx context.Context, org store.OrgID, conn store.ConnectionID, by store.UserID) (store.Scan, error) {
	started, _, err := p.scans.Start(ctx, org, scanservice.Request{Connection: conn, Trigger: scanservice.TriggerManual, RequestedBy: by})
	return started, err
}

func (p scanPages) CancelScan(ctx context.Context, org store.OrgID, id store.ScanID) error {
	return p.scans.Cancel(ctx, org, id)
}

func (p scanPages) WatchScan(ctx context.Context, org store.OrgID, id store.ScanID) (<-chan store.Scan, error) {
	found, err := p.scans.Scan(ctx, org, id)
	if err != nil {
		return nil, err
	}
	scope, err := p.library.scope(ctx, org, found.ConnectionID)
	if err != nil {
		return nil, err
	}
	updates, err := p.scans.Subscribe(ctx, org, id)
	if err != nil || scope == nil {
		return updates, err
	}
	out := make(chan store.Scan, 1)
	go func() {
		defer close(out)
		for s := range updates {
			select {
			case out <- partOfScan(s):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func (p scanPages) Changes(ctx context.Context, org store.OrgID, conn store.ConnectionID, fromSeq, toSeq int64) (list []store.Change, err error) {
	scope, err := p.library.scope(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, err = tx.Changes(ctx, conn, fromSeq, toSeq)
		return err
	})
	if scope != nil {
		// What was removed lies in no collection any more: it stays hidden.
		list = slices.DeleteFunc(list, func(c store.Change) bool { return !scope.Part.Sees(c.Asset) })
	}
	return list, err
}

func (p scanPages) LatestScan(ctx context.Context, org store.OrgID, conn store.ConnectionID) (latest store.Scan, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return latest, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		latest, err = tx.LatestScan(ctx, conn)
		return err
	})
	if err != nil {
		return store.Scan{}, err
	}
	scope, err := p.library.scope(ctx, org, conn)
	switch {
	case err != nil:
		return store.Scan{}, err
	case scope == nil:
		return latest, nil
	case scope.Scan.ID == latest.ID: // with counts of what is visible
		return scope.Scan, nil
	}
	return partOfScan(latest), nil
}

// Whole implements [overview.Service].
func (p scanPages) Whole(ctx context.Context, org store.OrgID, conn store.ConnectionID) (bool, error) {
	scope, err := p.library.scope(ctx, org, conn)
	return err == nil && scope == nil, err
}

// OpenFindings counts the open findings of a connection; ok is false when no
// scan has succeeded.
func (p scanPages) OpenFindings(ctx context.Context, org store.OrgID, conn store.ConnectionID) (n int, ok bool, err error) {
	scope, err := p.library.scope(ctx, org, conn)
	if err != nil {
		return 0, false, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.LatestScan(ctx, conn); err != nil {
			if errs.KindOf(err) == errs.NotFound {
				return nil
			}
			return err
		}
		ok = true
		ask := store.FindingQuery{Connection: conn, States: []store.FindingState{store.FindingOpen}, Limit: 1}
		within(scope, &ask)
		_, n, err = tx.Findings(ctx, ask)
		return err
	})
	return n, ok, err
}

// RunningScan returns the queued or running scan of a connection, nil when there
// is none.
func (p scanPages) RunningScan(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*store.Scan, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return nil, err
	}
	var running *store.Scan
	err := p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		active, err := tx.ActiveScan(ctx, conn)
		if errs.KindOf(err) == errs.NotFound {
			return nil
		}
		if err == nil {
			running = &active
		}
		return err
	})
	if err != nil || running == nil {
		return nil, err
	}
	list, err := p.bounded(ctx, org, conn, *running)
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// overviewPages implements [overview.Service].
type overviewPages struct{ scanPages }

// HealthSeries is empty for readers of a part: a score over everything tells of
// what they may not see.
func (p overviewPages) HealthSeries(ctx context.Context, org store.OrgID, conn store.ConnectionID, since time.Time) (list []overview.HealthPoint, err error) {
	scope, err := p.library.scope(ctx, org, conn)
	if err != nil || scope != nil {
		return nil, err
	}
	err = p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		points, err := tx.HealthSeries(ctx, conn, since)
		for _, h := range points {
			list = append(list, overview.HealthPoint{At: h.At, Scan: h.ScanID, Health: h.Health})
		}
		return err
	})
	return list, err
}
