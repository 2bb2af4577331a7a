package mail_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/mail/mailtest"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

// office is a store with an organization, an outbox and a runner.
type office struct {
	*testing.T
	store  *store.Store
	org    store.OrgID
	queue  *jobs.Queue
	outbox *mail.Outbox
}

// offices runs a test on both engines.
func offices(t *testing.T, o mailtest.Options, test func(*office, *mailtest.Server)) {
	t.Helper()
	for _, engine := range []store.Engine{store.EngineSQLite, store.EnginePostgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			set, err := keys.Generate()
			if err != nil {
				t.Fatal(err)
			}
			cfg := store.Config{Dir: filepath.Join(t.TempDir(), "data"), Keys: set}
			if engine == store.EnginePostgres {
				cfg.DatabaseURL = secret.New(cluster.Database(t))
			}
			s, err := store.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			b := &office{T: t, store: s}
			err = s.InSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
				made, err := tx.InsertOrganization(ctx, store.Organization{Name: "Acme"})
				b.org = made.ID
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if b.queue, err = jobs.NewQueue(s); err != nil {
				t.Fatal(err)
			}
			fake := mailtest.Start(t, o)
			b.outbox = mail.NewOutbox(server(t, settings(fake, mail.Implicit)), s, b.queue)
			test(b, fake)
		})
	}
}

// deliver lets a runner work. Its clock is behind, so that pauses between
// attempts are over at once.
func (b *office) deliver() {
	b.Helper()
	runner, err := jobs.New(jobs.Config{
		Store: b.store, Handlers: []jobs.Handler{b.outbox.Handler()}, Poll: 20 * time.Millisecond,
		Now: func() time.Time { return time.Now().Add(-24 * time.Hour) }, Heartbeat: 50 * time.Millisecond, Silence: time.Minute,
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := runner.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := runner.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	})
}

func (b *office) post(org store.OrgID, m mail.Message) {
	b.Helper()
	err := b.store.InSystem(b.Context(), func(ctx context.Context, tx *store.SystemTx) error { return b.outbox.Queue(ctx, tx, org, m) })
	if err != nil {
		b.Fatal(err)
	}
}

// args returns what the queue keeps of all jobs.
func (b *office) args() string {
	b.Helper()
	var all strings.Builder
	err := b.store.InSystem(b.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		rows, err := tx.SQL().QueryContext(ctx, `SELECT args, state FROM river_job`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var args []byte
			var state string
			if err := rows.Scan(&args, &state); err != nil {
				return err
			}
			all.Write(args)
			all.WriteString(" " + state + "\n")
		}
		return rows.Err()
	})
	if err != nil {
		b.Fatal(err)
	}
	return all.String()
}

// ended waits until the one job has ended in a state and lost its content.
func (b *office) ended(state jobs.State) jobs.Info {
	b.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		list, err := b.queue.List(b.Context(), "", 10)
		if err != nil {
			b.Fatal(err)
		}
		if len(list) == 1 && list[0].State == state {
			if list[0].Args.Sealed != "" || strings.Contains(b.args(), "sealed") {
				b.Errorf("the job kept its content: %s", b.args())
			}
			return list[0]
		}
		if time.Now().After(deadline) {
			b.Fatalf("no job is %s: %+v", state, list)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestOutboxDelivers(t *testing.T) {
	offices(t, mailtest.Options{}, func(b *office, fake *mailtest.Server) {
		stop := errors.New("stop")
		err := b.store.InOrg(b.Context(), b.org, func(ctx context.Context, tx *store.Tx) error {
			if err := b.outbox.Queue(ctx, tx, b.org, letter); err != nil {
				return err
			}
			return stop
		})
		if !errors.Is(err, stop) || b.args() != "" {
			b.Fatalf("a letter outlived its transaction: %v, %s", err, b.args())
		}
		err = b.store.InOrg(b.Context(), b.org, func(ctx context.Context, tx *store.Tx) error { return b.outbox.Queue(ctx, tx, b.org, letter) })
		if err != nil {
			b.Fatal(err)
		}
		if held := b.args(); !strings.Contains(held, "sealed") || strings.Contains(held, "ada") || strings.Contains(held, "Hello") {
			b.Errorf("the queue holds %s", held)
		}
		b.deliver()
		if got := fake.Wait(b, 1); got.To != letter.To {
			b.Errorf("delivered to %s", got.To)
		}
		b.ended(jobs.StateDone)
		err = b.store.ViewOrg(b.Context(), b.org, func(ctx context.Context, tx *store.Tx) error {
			rows, total, err := tx.Ledger(ctx, store.LedgerQuery{Limit: 10})
			if err == nil && (total != 2 || rows[0].Purpose != "mail" || rows[0].Host != fake.Address()) {
				b.Errorf("ledger: %d rows, %+v", total, rows)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}

func TestOutboxTriesAgainWhenGreylisted(t *testing.T) {
	answer := func(n int, _ string) error {
		if n%2 != 0 {
			return mailtest.Greylisted()
		}
		return nil
	}
	offices(t, mailtest.Options{Rcpt: answer}, func(b *office, fake *mailtest.Server) {
		b.post(b.org, letter)
		b.deliver()
		fake.Wait(b, 1)
		if info := b.ended(jobs.StateDone); info.Attempt != 2 || info.LastError != "unavailable/mail_deferred" {
			b.Errorf("%+v", info)
		}
		if n := len(fake.Letters()); n != 1 {
			b.Errorf("%d letters", n)
		}
	})
}

func TestOutboxGivesUpOnWhatIsRefused(t *testing.T) {
	refuse := func(int, string) error { return mailtest.Unknown() }
	offices(t, mailtest.Options{Rcpt: refuse}, func(b *office, fake *mailtest.Server) {
		b.post(b.org, letter)
		b.deliver()
		if info := b.ended(jobs.StateFailed); info.Attempt != 1 || info.LastError != "invalid/mail_refused" {
			b.Errorf("%+v", info)
		}
		if n := fake.Connections(); n != 1 {
			b.Errorf("%d conversations", n)
		}
	})
}

// TestOutboxOutlivesTheOrganization delivers a letter about a deletion, and
// records that where no organization is needed.
func TestOutboxOutlivesTheOrganization(t *testing.T) {
	offices(t, mailtest.Options{}, func(b *office, fake *mailtest.Server) {
		for n, org := range []store.OrgID{"", "0199-gone"} {
			b.post(org, letter)
			if n == 0 {
				b.deliver()
			}
			fake.Wait(b, n+1)
		}
		deadline := time.Now().Add(60 * time.Second)
		for {
			var rows []store.LedgerRow
			err := b.store.ViewSystem(b.Context(), func(ctx context.Context, tx *store.SystemTx) (err error) {
				rows, _, err = tx.SystemLedger(ctx, store.LedgerQuery{Limit: 10})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			if len(rows) == 4 {
				for _, r := range rows {
					if r.Purpose != ledger.PurposeMail || r.Host != fake.Address() || (r.PayloadRef == nil) != (r.Phase == ledger.PhaseOutcome) {
						b.Errorf("%+v", r)
					}
				}
				return
			}
			if time.Now().After(deadline) {
				b.Fatalf("recorded: %+v", rows)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func TestOutboxRefusesAtOnce(t *testing.T) {
	offices(t, mailtest.Options{}, func(b *office, _ *mailtest.Server) {
		none := mail.NewOutbox(server(t, mail.Config{}), b.store, b.queue)
		err := b.store.InSystem(b.Context(), func(ctx context.Context, tx *store.SystemTx) error {
			if err := none.Queue(ctx, tx, b.org, letter); errs.CodeOf(err) != "no_mail" {
				b.Errorf("no server: %v", err)
			}
			if err := b.outbox.Queue(ctx, tx, b.org, mail.Message{To: "a\n@b.example", Subject: "s", Text: "t"}); errs.CodeOf(err) != "mail_address" {
				b.Errorf("bad address: %v", err)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		if none.Configured() || !b.outbox.Configured() {
			b.Error("what is configured is confused")
		}
	})
}
