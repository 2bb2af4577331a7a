package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/token"
)

const (
	jobRetention jobs.Kind = "retention"

	keepScans  = 90 * 24 * time.Hour
	keepAudit  = 30 * 24 * time.Hour
	keepLedger = 30 * 24 * time.Hour
)

// retention deletes what is past its time, once a day.
type retention struct {
	store *store.Store
	now   func() time.Time
	log   *slog.Logger
}

func (r retention) handler() jobs.Handler {
	return jobs.Handler{Kind: jobRetention, Timeout: 30 * time.Minute, MaxAttempts: 3, Run: func(ctx context.Context, _ jobs.Job) error { return r.run(ctx) }}
}

func (r retention) periodic() jobs.Periodic {
	return jobs.Periodic{Kind: jobRetention, Every: 24 * time.Hour, RunOnStart: true}
}

func (r retention) run(ctx context.Context) error {
	now := r.now().UTC()
	var orgs []store.Organization
	err := r.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		if orgs, err = tx.Organizations(ctx); err != nil {
			return err
		}
		if _, err := tx.DeleteExpiredLinks(ctx, now); err != nil {
			return err
		}
		if _, err := tx.DeleteExpiredAccessTokens(ctx, now.Add(-token.KeepExpired)); err != nil {
			return err
		}
		_, err = tx.DeleteExpiredSessions(ctx, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete expired sessions: %w", err)
	}
	for _, o := range orgs {
		var gone store.PruneReport
		err := r.store.InOrg(ctx, o.ID, func(ctx context.Context, tx *store.Tx) (err error) {
			gone, err = tx.Prune(ctx, store.Retention{Scans: keepScans, Audit: keepAudit, Ledger: keepLedger, Findings: keepScans}, now)
			return err
		})
		if err != nil {
			return fmt.Errorf("delete what is past its time: %w", err)
		}
		r.log.InfoContext(ctx, "retention", "org", string(o.ID), "scans", gone.Scans, "asset_versions", gone.AssetVersions,
			"audit_rows", gone.AuditRows, "ledger_rows", gone.LedgerRows, "findings", gone.Findings)
	}
	return nil
}
