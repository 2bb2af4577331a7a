package webtest

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/operator"
	"github.com/metalens/metalens/internal/store"
)

// Console implements the operator console's service with an installation that
// has a bit of everything.
type Console struct{ controls operator.Controls }

// ConsoleLogs are the installation's logs: those of a [Backend], which verify.
type ConsoleLogs struct{ *Backend }

// VerifyLogs implements console.Logs.
func (ConsoleLogs) VerifyLogs(context.Context) (ledger.Report, error) {
	return ledger.Report{At: Now, Chains: []ledger.ChainReport{{Chain: ledger.ChainLedger, Rows: 8}, {Chain: ledger.ChainAudit, Rows: 2}}}, nil
}

// Organizations implements console.Service.
func (*Console) Organizations(context.Context) ([]operator.Organization, error) {
	return []operator.Organization{
		{
			Organization: store.Organization{ID: "org-1", Name: "Northwind Outfitters", CreatedAt: Now.AddDate(0, -3, 0)}, Members: 14,
			Footprint: store.Footprint{Connections: 2, Scans: 90, Assets: 12_400, Versions: 20_000, Findings: 312, Bytes: 88_000_000, LastScanAt: Now.Add(-time.Hour).UnixMicro()},
		},
		{
			Organization: store.Organization{ID: "org-2", Name: "A name that is much longer than a column of this table would like it to be", CreatedAt: Now}, Members: 1,
			Problem: "The stored data cannot be decrypted with this master key.",
		},
	}, nil
}

// Jobs implements console.Service.
func (*Console) Jobs(_ context.Context, limit int) ([]jobs.Info, []operator.JobCount, error) {
	list := []jobs.Info{
		{ID: 3, Kind: "scan", State: jobs.StateRunning, Attempt: 1, MaxAttempts: 5, CreatedAt: Now, ScheduledAt: Now},
		{ID: 2, Kind: "mail", State: jobs.StateFailed, Attempt: 5, MaxAttempts: 5, CreatedAt: Now, ScheduledAt: Now, FinishedAt: Now, LastError: "unavailable: traffic_stopped"},
		{ID: 1, Kind: "retention", State: jobs.StateDone, Attempt: 1, MaxAttempts: 3, CreatedAt: Now, ScheduledAt: Now, FinishedAt: Now},
	}
	return list[:min(limit, len(list))], []operator.JobCount{{Kind: "mail", State: jobs.StateFailed, Count: 1}, {Kind: "scan", State: jobs.StateRunning, Count: 1}}, nil
}

// CancelJob implements console.Service.
func (*Console) CancelJob(_ context.Context, _ store.UserID, id int64) error {
	if id == 3 {
		return nil
	}
	return errs.New(errs.Conflict, "job_ended", "This job has ended already.", "")
}

// RetryJob implements console.Service.
func (*Console) RetryJob(context.Context, store.UserID, int64) error { return nil }

// Storage implements console.Service.
func (*Console) Storage(context.Context) (operator.Storage, error) {
	return operator.Storage{
		Engine: store.EnginePostgres, Bytes: 120_000_000, Disk: &operator.Disk{Free: 40 << 30, Total: 100 << 30},
		Tables: []store.TableSize{{Name: "asset_versions", Bytes: 80_000_000}, {Name: "findings", Bytes: 9_000_000}}, Warnings: []string{"The database login owns the tables."},
	}, nil
}

// Keys implements console.Service.
func (*Console) Keys() (operator.KeyState, bool) {
	return operator.KeyState{Mode: "systemd-credential", Where: "a file that the service manager hands over", Primary: "1", IDs: []string{"1"}}, true
}

// Controls implements console.Service.
func (c *Console) Controls() operator.Controls { return c.controls }

// Configuration implements console.Service.
func (*Console) Configuration() [][2]string {
	return [][2]string{{"server.listen", "127.0.0.1:8300"}, {"mail.password", "(set, hidden)"}}
}

// Uptime implements console.Service.
func (*Console) Uptime() time.Duration { return 49 * time.Hour }

// SetLogLevel implements console.Service.
func (c *Console) SetLogLevel(_ context.Context, _ store.UserID, level string) error {
	c.controls.LogLevel = level
	return nil
}

// StopTraffic implements console.Service.
func (c *Console) StopTraffic(_ context.Context, by store.UserID, p ledger.Purpose, why string) error {
	c.controls.Stopped = append(c.controls.Stopped, operator.Stop{Purpose: p, At: Now, By: by, Why: why})
	return nil
}

// AllowTraffic implements console.Service.
func (c *Console) AllowTraffic(context.Context, store.UserID, ledger.Purpose) error {
	c.controls.Stopped = nil
	return nil
}

// Operators implements console.Service.
func (*Console) Operators(context.Context) ([]store.User, error) {
	return []store.User{{ID: "op-1", Name: "Ops", Email: "ops@example.com", LastLoginAt: Now}, {ID: "op-2", Name: "Night shift", Email: "night@example.com"}}, nil
}

// RemoveOperator implements console.Service.
func (*Console) RemoveOperator(context.Context, store.UserID, store.UserID) error { return nil }

// RetentionReports implements console.Service.
func (*Console) RetentionReports(context.Context, int) ([]store.RetentionReport, error) {
	return []store.RetentionReport{{
		ID: "r1", Org: "org-1", At: Now, Cause: "daily", Days: map[string]int{"scans": 90, "audit": 30},
		Deleted: map[string]int{"scans": 3, "asset_versions": 1200, "audit_rows": 77},
	}}, nil
}
