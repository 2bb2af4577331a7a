package app

import (
	"cmp"
	"context"
	"slices"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/audit"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/ui"
)

// installationLogs implements [console.Logs]: the ledger and the audit log of
// what belongs to no organization, for operators.
type installationLogs struct {
	store *store.Store
	cfg   config.Config
}

// operators lets those through who are owners of no organization: operators.
func (installationLogs) operators(ctx context.Context, org store.OrgID, conn store.ConnectionID) error {
	if org != "" || conn != "" {
		return errs.New(errs.NotFound, "no_organization", "The console does not show the logs of organizations.", "Their owners and admins see them.")
	}
	if err := access.Require(ctx, access.Owner); err != nil {
		return err
	}
	return access.Enter(ctx, "")
}

// Ledger implements [egress.Ledger].
func (p installationLogs) Ledger(ctx context.Context, org store.OrgID, q egress.Query) (rows []store.LedgerRow, total int, err error) {
	if err := p.operators(ctx, org, q.Connection); err != nil {
		return nil, 0, err
	}
	err = p.store.ViewInstallation(ctx, func(ctx context.Context, logs store.InstallationLogs) error {
		rows, total, err = logs.Ledger(ctx, store.LedgerQuery{
			Purpose: q.Purpose, Host: q.Host, Status: q.Status, Since: q.Since, Until: q.Until, Limit: q.Limit, Offset: q.Offset,
		})
		return err
	})
	return rows, total, err
}

// LedgerRow implements [egress.Ledger].
func (p installationLogs) LedgerRow(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) (row store.LedgerRow, err error) {
	if err := p.operators(ctx, org, conn); err != nil {
		return row, err
	}
	err = p.store.ViewInstallation(ctx, func(ctx context.Context, logs store.InstallationLogs) error {
		row, err = logs.LedgerRow(ctx, id)
		return err
	})
	return row, err
}

// Payload implements [egress.Ledger]. An operator's look is on the record before
// the payload is handed out.
func (p installationLogs) Payload(ctx context.Context, org store.OrgID, conn store.ConnectionID, id, source string) (payload ledger.Payload, err error) {
	if err := p.operators(ctx, org, conn); err != nil {
		return payload, err
	}
	err = p.store.InInstallation(ctx, func(ctx context.Context, logs store.InstallationLogs) error {
		row, err := logs.LedgerRow(ctx, id)
		if err != nil {
			return err
		}
		if payload, err = logs.Payload(ctx, id); err != nil {
			return payloadGone(err)
		}
		who := access.From(ctx)
		if row.PayloadRef != nil && row.PayloadRef.Author != "" && row.PayloadRef.Author == who.User {
			return nil
		}
		return logs.Audit(ctx, store.AuditRow{Actor: store.UserID(who.User), Action: "payload_read", Target: "exchange:" + id, Source: source})
	})
	if err != nil {
		return ledger.Payload{}, err
	}
	return payload, nil
}

// LedgerHosts implements [egress.Ledger].
func (p installationLogs) LedgerHosts(ctx context.Context, org store.OrgID, conn store.ConnectionID) (hosts []string, err error) {
	if err := p.operators(ctx, org, conn); err != nil {
		return nil, err
	}
	err = p.store.ViewInstallation(ctx, func(ctx context.Context, logs store.InstallationLogs) error {
		hosts, err = logs.LedgerHosts(ctx)
		return err
	})
	return hosts, err
}

// AuditLog implements [audit.Log].
func (p installationLogs) AuditLog(ctx context.Context, org store.OrgID, q audit.Query) (rows []store.AuditRow, total int, err error) {
	if err := p.operators(ctx, org, ""); err != nil {
		return nil, 0, err
	}
	err = p.store.ViewInstallation(ctx, func(ctx context.Context, logs store.InstallationLogs) error {
		rows, total, err = logs.AuditLog(ctx, store.AuditQuery{
			Actor: q.Actor, System: q.System, Action: q.Action, Target: q.Object, Since: q.Since, Until: q.Until, Limit: q.Limit, Offset: q.Offset,
		})
		return err
	})
	return rows, total, err
}

// AuditPeople implements [audit.Log]: the operators.
func (p installationLogs) AuditPeople(ctx context.Context, org store.OrgID) (list []audit.Person, err error) {
	if err := p.operators(ctx, org, ""); err != nil {
		return nil, err
	}
	err = p.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		known, err := tx.Operators(ctx)
		for _, u := range known {
			list = append(list, audit.Person{ID: u.ID, Name: cmp.Or(u.Name, u.Email)})
		}
		return err
	})
	slices.SortFunc(list, func(a, b audit.Person) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// Integrity implements [egress.Ledger] and [audit.Log].
func (p installationLogs) Integrity(ctx context.Context, org store.OrgID, chain ledger.Chain) (v ui.IntegrityView, err error) {
	if err := p.operators(ctx, org, ""); err != nil {
		return v, err
	}
	err = p.store.ViewInstallation(ctx, func(ctx context.Context, logs store.InstallationLogs) error {
		report, ok, err := logs.LastVerification(ctx)
		if err != nil {
			return err
		}
		report, ok = newerVerification(report, ok, p.cfg.Data, "")
		for _, c := range report.Chains {
			if ok && c.Chain == chain {
				v.Verified, v.VerifiedAt, v.Problems, v.Rows, v.NotCovered = true, report.At, c.ProblemCount, c.Rows, c.NotCovered
			}
		}
		last, err := logs.LastAnchor(ctx, chain)
		if errs.KindOf(err) == errs.NotFound {
			return nil
		}
		v.Anchored, v.AnchoredAt, v.KeyID = err == nil, last.At, last.KeyID
		return err
	})
	return v, err
}

// VerifyLogs implements [console.Logs].
func (p installationLogs) VerifyLogs(ctx context.Context) (report ledger.Report, err error) {
	if err := p.operators(ctx, "", ""); err != nil {
		return report, err
	}
	anchors, err := readAnchors(anchorFile(p.cfg)) // before the chains: see [store.Store.VerifyLedger]
	if err != nil {
		return report, err
	}
	if report, err = p.store.VerifyInstallation(ctx, anchors); err != nil {
		return report, err
	}
	return report, p.store.KeepVerification(ctx, report)
}
