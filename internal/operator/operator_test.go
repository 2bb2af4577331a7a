package operator_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/operator"
	"github.com/metalens/metalens/internal/store"
)

type bench struct {
	t       *testing.T
	store   *store.Store
	live    *operator.Live
	level   *slog.LevelVar
	service *operator.Service
	queue   *jobs.Queue
	me      store.UserID
}

func newBench(t *testing.T) *bench {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, level: &slog.LevelVar{}}
	if b.store, err = store.Open(t.Context(), store.Config{Dir: t.TempDir(), Keys: set}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if b.queue, err = jobs.NewQueue(b.store); err != nil {
		t.Fatal(err)
	}
	b.live = operator.NewLive(b.level)
	if b.service, err = operator.New(operator.Config{Store: b.store, Queue: b.queue, Live: b.live}); err != nil {
		t.Fatal(err)
	}
	err = b.store.InSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.InsertOperator(ctx, store.User{Email: "ops@example.com", Name: "Ops"})
		b.me = u.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// actions lists what the audit log of no organization holds, the oldest first.
func (b *bench) actions() (list []string) {
	b.t.Helper()
	var rows []store.AuditRow
	err := b.store.ViewInstallation(b.t.Context(), func(ctx context.Context, logs store.InstallationLogs) (err error) {
		rows, _, err = logs.AuditLog(ctx, store.AuditQuery{Limit: 50})
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].Actor != b.me {
			b.t.Errorf("%s by %q", rows[i].Action, rows[i].Actor)
		}
		list = append(list, rows[i].Action)
	}
	return list
}

func TestControlsHoldForEveryProcess(t *testing.T) {
	b := newBench(t)
	otherLevel := &slog.LevelVar{}
	otherLevel.Set(slog.LevelWarn)
	other := operator.NewLive(otherLevel)
	if err := b.service.StopTraffic(t.Context(), b.me, ledger.PurposeMail, "key was lost"); err != nil {
		t.Fatal(err)
	}
	if err := b.service.SetLogLevel(t.Context(), b.me, "debug"); err != nil {
		t.Fatal(err)
	}
	if !b.live.Stopped(ledger.PurposeMail) || b.live.Stopped(ledger.PurposeMetabase) || b.level.Level() != slog.LevelDebug {
		t.Error("this process does not follow at once")
	}
	if other.Stopped(ledger.PurposeMail) {
		t.Error("another process knew before it looked")
	}
	if err := other.Load(t.Context(), b.store); err != nil {
		t.Fatal(err)
	}
	if !other.Stopped(ledger.PurposeMail) || otherLevel.Level() != slog.LevelDebug {
		t.Error("another process does not follow")
	}
	stops := other.Controls().Stopped
	if len(stops) != 1 || stops[0].Why != "key was lost" || stops[0].By != b.me || stops[0].At.IsZero() {
		t.Errorf("got %+v", stops)
	}
	if err := b.service.AllowTraffic(t.Context(), b.me, ledger.PurposeMail); err != nil {
		t.Fatal(err)
	}
	if err := b.service.SetLogLevel(t.Context(), b.me, ""); err != nil {
		t.Fatal(err)
	}
	if err := other.Load(t.Context(), b.store); err != nil {
		t.Fatal(err)
	}
	if other.Stopped(ledger.PurposeMail) || otherLevel.Level() != slog.LevelWarn {
		t.Error("what was taken back still holds")
	}
	got := b.actions()
	want := []string{"traffic_stopped", "log_level_set", "traffic_allowed", "log_level_set"}
	if len(got) != len(want) {
		t.Fatalf("audit log: %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("audit log: %v", got)
		}
	}
}

func TestBadControlsChangeNothing(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	for name, test := range map[string]struct {
		err  error
		kind errs.Kind
	}{
		"level":   {b.service.SetLogLevel(ctx, b.me, "loud"), errs.Invalid},
		"purpose": {b.service.StopTraffic(ctx, b.me, "everything", "x"), errs.Invalid},
		"why":     {b.service.StopTraffic(ctx, b.me, ledger.PurposeMail, ""), errs.Invalid},
		"allow":   {b.service.AllowTraffic(ctx, b.me, ledger.PurposeMail), errs.Conflict},
		"self":    {b.service.RemoveOperator(ctx, b.me, b.me), errs.Conflict},
		"unknown": {b.service.RemoveOperator(ctx, b.me, "nobody"), errs.NotFound},
		"job":     {b.service.CancelJob(ctx, b.me, 12345), errs.NotFound},
		"retry":   {b.service.RetryJob(ctx, b.me, 12345), errs.NotFound},
	} {
		if errs.KindOf(test.err) != test.kind {
			t.Errorf("%s: got %v", name, test.err)
		}
	}
	if list := b.actions(); len(list) > 0 {
		t.Errorf("left in the audit log: %v", list)
	}
}

func TestSizesWithoutContent(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	var org store.OrgID
	err := b.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.InsertOrganization(ctx, store.Organization{Name: "Acme"})
		org = o.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var job int64
	err = b.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.InsertConnection(ctx, store.Connection{Name: "Main"}); err != nil {
			return err
		}
		job, _, err = b.queue.Enqueue(ctx, tx, "scan", jobs.Args{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	orgs, err := b.service.Organizations(ctx)
	if err != nil || len(orgs) != 1 || orgs[0].Name != "Acme" || orgs[0].Connections != 1 || orgs[0].Problem != "" {
		t.Errorf("got %+v, %v", orgs, err)
	}
	list, counts, err := b.service.Jobs(ctx, 10)
	if err != nil || len(list) != 1 || len(counts) != 1 || counts[0].Count != 1 || counts[0].Kind != "scan" {
		t.Errorf("got %+v, %+v, %v", list, counts, err)
	}
	if err := b.service.CancelJob(ctx, b.me, job); err != nil {
		t.Error(err)
	}
	if err := b.service.CancelJob(ctx, b.me, job); errs.KindOf(err) != errs.Conflict {
		t.Errorf("cancelled twice: %v", err)
	}
	if err := b.service.RetryJob(ctx, b.me, job); err != nil {
		t.Error(err)
	}
	if s, err := b.service.Storage(ctx); err != nil || s.Bytes == 0 || s.Engine != store.EngineSQLite {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := b.service.RetentionReports(ctx, 5); err != nil {
		t.Error(err)
	}
}
