package erasure

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Limits say how many days things are kept.
type Limits struct {
	Scans    int `json:"scans"`    // scans, summaries, resolved findings
	Audit    int `json:"audit"`    // who did what
	Ledger   int `json:"ledger"`   // what left
	Payloads int `json:"payloads"` // exact requests
}

// DefaultLimits are those of an installation that says nothing else.
func DefaultLimits() Limits { return Limits{Scans: 90, Audit: 30, Ledger: 30, Payloads: 30} }

// Days names the limits for a report.
func (l Limits) Days() map[string]int {
	return map[string]int{"scans": l.Scans, "audit": l.Audit, "ledger": l.Ledger, "payloads": l.Payloads}
}

func (l Limits) retention() store.Retention {
	const day = 24 * time.Hour
	return store.Retention{
		Scans: time.Duration(l.Scans) * day, Audit: time.Duration(l.Audit) * day, Ledger: time.Duration(l.Ledger) * day,
		Payloads: time.Duration(l.Payloads) * day, Findings: time.Duration(l.Scans) * day,
	}
}

// within lowers each limit to what is allowed at most; 0 = what is allowed.
func (l Limits) within(most Limits) Limits {
	low := func(own, most int) int {
		if own <= 0 {
			return most
		}
		return min(own, most)
	}
	return Limits{Scans: low(l.Scans, most.Scans), Audit: low(l.Audit, most.Audit), Ledger: low(l.Ledger, most.Ledger), Payloads: low(l.Payloads, most.Payloads)}
}

// LimitErrors are messages per limit: scans, audit, ledger, payloads.
type LimitErrors map[string]string

// Error implements error.
func (e LimitErrors) Error() string { return fmt.Sprintf("%d limits out of range", len(e)) }

// check answers [LimitErrors] unless each limit is from 1 to what is allowed.
func (l Limits) check(most Limits) error {
	bad := LimitErrors{}
	for name, days := range l.Days() {
		if limit := most.Days()[name]; days < 1 || days > limit {
			bad[name] = fmt.Sprintf("Choose from 1 to %d days; the operator allows no more.", limit)
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// limitsSetting is where an organization's own limits are kept.
const limitsSetting = "retention"

// Most returns what the operator allows at most.
func (s *Service) Most() Limits { return s.most }

// Limits returns the limits that hold for an organization.
func (s *Service) Limits(ctx context.Context, org store.OrgID) (l Limits, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return Limits{}, err
	}
	err = s.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		l, err = s.limits(ctx, tx)
		return err
	})
	return l, err
}

func (s *Service) limits(ctx context.Context, tx *store.Tx) (Limits, error) {
	var own Limits
	text, ok, err := tx.Setting(ctx, limitsSetting)
	if err != nil {
		return Limits{}, err
	}
	if ok {
		if err := json.Unmarshal([]byte(text), &own); err != nil {
			return Limits{}, fmt.Errorf("read the limits of retention: %w", err)
		}
	}
	return own.within(s.most), nil
}

// SetLimits changes how long an organization keeps things, downwards from what
// the operator allows. It asks for the role admin. Nothing is deleted before
// [Service.Apply] or the daily run.
func (s *Service) SetLimits(ctx context.Context, org store.OrgID, l Limits) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	if err := l.check(s.most); err != nil {
		return err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write the limits of retention: %w", err)
	}
	return s.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		before, err := s.limits(ctx, tx)
		if err != nil {
			return err
		}
		if err := tx.SetSetting(ctx, limitsSetting, string(text)); err != nil {
			return err
		}
		detail, err := json.Marshal(map[string]Limits{"before": before, "after": l})
		if err != nil {
			return fmt.Errorf("write an audit row: %w", err)
		}
		return tx.Audit(ctx, store.AuditRow{Actor: store.UserID(access.From(ctx).User), Action: "retention_changed", Target: "settings:retention", Detail: string(detail)})
	})
}

// Preview says exactly what limits would delete now. It asks for the role admin.
func (s *Service) Preview(ctx context.Context, org store.OrgID, l Limits) (map[string]int, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return nil, err
	}
	if err := l.check(s.most); err != nil {
		return nil, err
	}
	report, err := s.store.PreviewPrune(ctx, org, l.retention(), s.now().UTC())
	if err != nil {
		return nil, fmt.Errorf("preview retention: %w", err)
	}
	return report.Counts(), nil
}

// Causes of a run.
const (
	CauseDaily   = "daily"
	CauseRequest = "request"
)

// Apply deletes what is past its time now, on a person's request. It asks for
// the role admin.
func (s *Service) Apply(ctx context.Context, org store.OrgID) (store.RetentionReport, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return store.RetentionReport{}, err
	}
	r, err := s.run(ctx, org, CauseRequest)
	if err != nil {
		return r, err
	}
	return r, s.store.Compact(ctx)
}

// run prunes one organization and keeps the report of it, in one transaction.
func (s *Service) run(ctx context.Context, org store.OrgID, cause string) (report store.RetentionReport, err error) {
	now := s.now().UTC()
	err = s.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		l, err := s.limits(ctx, tx)
		if err != nil {
			return err
		}
		gone, err := tx.Prune(ctx, l.retention(), now)
		if err != nil {
			return err
		}
		report = store.RetentionReport{Org: org, At: now, Cause: cause, Days: l.Days(), Deleted: gone.Counts()}
		if cause == CauseRequest {
			if err := tx.Audit(ctx, store.AuditRow{Actor: store.UserID(access.From(ctx).User), Action: "retention_applied", Target: "settings:retention"}); err != nil {
				return err
			}
		}
		return tx.AddRetentionReport(ctx, report)
	})
	if err != nil {
		return store.RetentionReport{}, fmt.Errorf("delete what is past its time: %w", err)
	}
	return report, nil
}

// RunDaily prunes every organization and what belongs to none, and compacts the
// database. One organization's failure does not keep the others waiting.
func (s *Service) RunDaily(ctx context.Context) error {
	now := s.now().UTC()
	var orgs []store.Organization
	err := s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		if orgs, err = tx.Organizations(ctx); err != nil {
			return err
		}
		if _, err := tx.DeleteExpiredLinks(ctx, now); err != nil {
			return err
		}
		if _, err := tx.PruneLogs(ctx, s.most.retention(), now); err != nil {
			return err
		}
		_, err = tx.DeleteExpiredSessions(ctx, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete what is past its time: %w", err)
	}
	var failed error
	for _, o := range orgs {
		r, err := s.run(ctx, o.ID, CauseDaily)
		if errs.KindOf(err) == errs.NotFound {
			continue // deleted meanwhile
		}
		if err != nil {
			failed = err
			continue
		}
		s.log.InfoContext(ctx, "retention", "org", string(o.ID), "rows", r.Total())
	}
	if failed != nil {
		return failed
	}
	return s.store.Housekeep(ctx)
}

// Reports lists what the runs of an organization deleted, newest first.
func (s *Service) Reports(ctx context.Context, org store.OrgID, limit int) (list []store.RetentionReport, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return nil, err
	}
	err = s.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, err = tx.RetentionReports(ctx, limit)
		return err
	})
	return list, err
}
