package scanservice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/scan"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
)

// Run executes a queued scan to its end; it is what the job worker calls. How
// the scan went is in the scan itself: the error tells only that this process
// could not bring it to an end, so that another attempt goes on with it.
func (s *Service) Run(ctx context.Context, org store.OrgID, id store.ScanID) error {
	if err := access.RequireSystem(ctx); err != nil {
		return err
	}
	sc, err := s.Scan(ctx, org, id)
	if err != nil {
		if errs.KindOf(err) == errs.NotFound {
			return nil // the connection was deleted with its scans
		}
		return err
	}
	if Finished(sc) {
		return nil
	}
	if s.running(id) != nil || s.alive(sc) {
		return errs.New(errs.Conflict, "scan_running", "This scan runs already.", "")
	}
	_, err = s.execute(ctx, org, sc, Request{Connection: sc.ConnectionID, Trigger: sc.Trigger}, nil)
	if errors.As(err, new(*interruptedError)) {
		return err
	}
	return nil
}

// alive reports whether somebody seems to be working on a scan right now.
func (s *Service) alive(sc store.Scan) bool {
	return sc.State == store.ScanRunning && s.config.Now().Sub(sc.HeartbeatAt) < aliveFor
}

// RunDirect scans a stored connection in this process and returns the result.
// It takes over a scan that is queued and is Conflict while one is running.
func (s *Service) RunDirect(ctx context.Context, org store.OrgID, r Request, progress func(store.ScanProgress)) (*Outcome, error) {
	if err := access.RequireSystem(ctx); err != nil {
		return nil, err
	}
	if r.Trigger == "" {
		r.Trigger = TriggerCLI
	}
	now := s.config.Now().UTC()
	var sc store.Scan
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.AbandonStale(ctx, now.Add(-staleAfter)); err != nil {
			return err
		}
		added, fresh, err := s.insert(ctx, tx, r, now)
		switch {
		case err != nil:
			return err
		case !fresh && added.State != store.ScanQueued:
			return errs.New(errs.Conflict, "scan_running", "A scan of this connection is running already.", "Wait until it has ended, or cancel it.")
		}
		sc = added
		return tx.StartScan(ctx, sc.ID, now)
	})
	if err != nil {
		return nil, fmt.Errorf("start scan of connection %s: %w", r.Connection, err)
	}
	out, err := s.execute(ctx, org, sc, r, progress)
	var interrupted *interruptedError
	if errors.As(err, &interrupted) {
		// Nobody takes a direct run up again: it ends here, its staging stays.
		s.fail(ctx, org, sc, interrupted.cause)
		return nil, interrupted.cause
	}
	return out, err
}

// interruptedError says that a scan stopped because its process did, not
// because of Metabase or a person; it is still marked as running.
type interruptedError struct{ cause error }

func (e *interruptedError) Error() string { return "scan interrupted: " + e.cause.Error() }
func (e *interruptedError) Unwrap() error { return e.cause }

// execute runs a scan that exists in the store. Except after an interruption,
// the scan has an end state when it returns.
func (s *Service) execute(parent context.Context, org store.OrgID, sc store.Scan, r Request, progress func(store.ScanProgress)) (*Outcome, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	ctx, stopTimer := context.WithTimeout(ctx, s.config.Timeout)
	defer stopTimer()

	live := s.report(ctx, org, sc.ID, progress, cancel)
	defer live.leave()
	out, err := s.scanAndCommit(ctx, org, sc, r, live)
	if err == nil {
		return out, nil
	}
	live.close(context.WithoutCancel(parent))
	switch {
	case errors.Is(context.Cause(ctx), errCancelRequested):
		err = errCancelRequested
	case errors.Is(context.Cause(ctx), errTakenAway):
		return nil, errTakenAway
	case parent.Err() != nil:
		return nil, &interruptedError{cause: err}
	}
	s.fail(parent, org, sc, err)
	return nil, err
}

// fail gives a scan its end state.
func (s *Service) fail(ctx context.Context, org store.OrgID, sc store.Scan, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	state := store.ScanFailed
	if errs.KindOf(cause) == errs.Canceled {
		state = store.ScanCancelled
	}
	text, hint := errs.PublicText(cause)
	if hint != "" {
		text += " " + hint
	}
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		return tx.FinishScan(ctx, sc.ID, state, errs.CodeOf(cause), text)
	})
	if kind := errs.KindOf(err); err != nil && kind != errs.NotFound && kind != errs.Conflict {
		s.config.Logger.ErrorContext(ctx, "scan end not stored", "scan_id", string(sc.ID), "error", err)
	}
	s.config.Logger.InfoContext(ctx, "scan ended", "scan_id", string(sc.ID), "state", string(state), "code", errs.CodeOf(cause), "cause", cause)
	s.retryLater(ctx, org, sc, cause)
}

// scanAndCommit reads, analyses and stores. It closes the live view before the
// commit, so that the last progress is never written after the end.
func (s *Service) scanAndCommit(ctx context.Context, org store.OrgID, sc store.Scan, r Request, live *reporter) (*Outcome, error) {
	j, err := s.prepare(ctx, org, sc, r)
	if err != nil {
		return nil, err
	}
	defer j.source.Close()
	snapshot, err := scan.Read(ctx, j.source, s.options(j, r, live.progress))
	flushed := j.recorder.Flush(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	if flushed != nil {
		return nil, fmt.Errorf("record requests: %w", flushed)
	}
	live.analysing("running")
	out, err := s.analyse(ctx, org, j, snapshot)
	if err != nil {
		return nil, err
	}
	live.analysing("done")
	live.close(context.WithoutCancel(ctx))
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	// From here on nothing stops the scan: the commit is short and complete.
	if err := s.commit(context.WithoutCancel(ctx), org, j, out); err != nil {
		return nil, err
	}
	return out, nil
}

// options turns a connection and a request into scan options.
func (s *Service) options(j *job, r Request, progress func(store.ScanProgress)) scan.Options {
	o := j.connection.Options
	return scan.Options{
		Previous:            j.previous,
		OwnReads:            &ownReads{store: s.config.Store, org: j.org, connection: j.connection.ID},
		Staging:             &staging{store: s.config.Store, org: j.org, scan: j.scan.ID, stamp: j.stamp, now: s.config.Now},
		Fingerprint:         j.stamp,
		Progress:            progress,
		ExcludedCollections: o.ExcludedCollections,
		IncludePersonal:     o.IncludePersonal,
		NoDashboardDetail:   o.NoDashboardDetail,
		RefreshSchema:       r.RefreshSchema,
		Concurrency:         j.concurrency,
		Now:                 s.config.Now,
		Logger:              s.config.Logger,
	}
}

// job is one scan with all it needs.
type job struct {
	org         store.OrgID
	scan        store.Scan
	connection  store.Connection
	stamp       string
	concurrency int
	recorder    flusher
	source      Source
	previous    *catalog.Snapshot // of the scan before; nil on the first
	latest      store.Scan        // the scan before; zero on the first
	open        map[string]bool   // fingerprints reported by the scan before
	ignored     map[string]bool
	parses      *sqllineage.Session // nil: nothing is kept of what is parsed
}

type flusher interface {
	Flush(ctx context.Context) error
}

// prepare loads what a scan needs and opens its reader.
func (s *Service) prepare(ctx context.Context, org store.OrgID, sc store.Scan, r Request) (*job, error) {
	j := &job{org: org, scan: sc, open: map[string]bool{}, ignored: map[string]bool{}}
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		if err = tx.StartScan(ctx, sc.ID, s.config.Now().UTC()); err != nil {
			return err
		}
		if j.connection, err = tx.Connection(ctx, sc.ConnectionID); err != nil {
			return err
		}
		if j.latest, err = tx.LatestScan(ctx, sc.ConnectionID); err != nil {
			if errs.KindOf(err) == errs.NotFound {
				return nil
			}
			return err
		}
		previous, err := tx.LoadSnapshot(ctx, j.latest.ID)
		if err != nil {
			return err
		}
		j.previous = scan.Slim(previous)
		j.previous.Marks = j.latest.Summary.Marks
		return j.findings(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("prepare scan %s: %w", sc.ID, err)
	}
	o := &j.connection.Options
	o.ExcludedCollections = slices.Concat(o.ExcludedCollections, r.Exclude)
	o.NoDashboardDetail = o.NoDashboardDetail || r.NoDashboardDetail
	if r.Checks != nil {
		o.CheckParameters, o.EnabledChecks, o.DisabledChecks = r.Checks.Parameters, r.Checks.Enabled, r.Checks.Disabled
	}
	j.concurrency = o.Concurrency
	if j.concurrency == 0 {
		j.concurrency = s.config.Opener.Concurrency
	}
	secrets, err := s.config.Connections.Secrets(ctx, org, j.connection.ID)
	if err != nil {
		return nil, err
	}
	if j.stamp, err = connection.Stamp(j.connection, secrets); err != nil {
		return nil, err
	}
	recorder := store.NewRecorder(s.config.Store, org, j.connection.ID, sc.ID)
	j.recorder = recorder
	j.source, err = s.config.Open(j.connection, secrets, recorder)
	return j, err
}

// findings loads the fingerprints that are open or set aside.
func (j *job) findings(ctx context.Context, tx *store.Tx) error {
	const page = 1000
	for offset := 0; ; offset += page {
		list, total, err := tx.Findings(ctx, store.FindingQuery{
			Connection: j.connection.ID, States: []store.FindingState{store.FindingOpen, store.FindingIgnored},
			Sort: store.SortCheck, Limit: page, Offset: offset,
		})
		if err != nil {
			return err
		}
		for _, f := range list {
			if f.State == store.FindingIgnored {
				j.ignored[f.Fingerprint] = true
			}
			j.open[f.Fingerprint] = true
		}
		if offset+page >= total || len(list) == 0 {
			return nil
		}
	}
}
