package app

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/jobs"
)

const jobRetention jobs.Kind = "retention"

// retention deletes what is past its time, once a day and at every start.
type retention struct{ service *erasure.Service }

func (r retention) handler() jobs.Handler {
	return jobs.Handler{Kind: jobRetention, Timeout: 30 * time.Minute, MaxAttempts: 3, Run: func(ctx context.Context, _ jobs.Job) error {
		return r.service.RunDaily(access.AsSystem(ctx))
	}}
}

func (r retention) periodic() jobs.Periodic {
	return jobs.Periodic{Kind: jobRetention, Every: 24 * time.Hour, RunOnStart: true}
}

// retentionLimits are those of the operator.
func retentionLimits(c config.Retention) erasure.Limits {
	return erasure.Limits{Scans: c.ScanDays, Audit: c.AuditDays, Ledger: c.LedgerDays, Payloads: c.PayloadDays}
}
