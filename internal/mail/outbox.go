package mail

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
)

// JobMail is the kind of job that delivers one letter.
const JobMail jobs.Kind = "mail"

// attempts spread over about three hours, the patience that greylisting and a
// server's restart ask for.
const attempts = 12

// Outbox queues letters and delivers them.
type Outbox struct {
	server *Server
	store  *store.Store
	queue  *jobs.Queue
}

// NewOutbox returns the outbox of a server, which need not be configured.
func NewOutbox(server *Server, s *store.Store, q *jobs.Queue) *Outbox {
	return &Outbox{server: server, store: s, queue: q}
}

// Configured reports whether letters can be queued.
func (o *Outbox) Configured() bool { return o != nil && o.server.Configured() }

// Server returns the server that takes the letters.
func (o *Outbox) Server() *Server { return o.server }

// Queue adds a letter in the caller's transaction: it leaves after that
// commits. org is whose egress ledger the delivery enters; it may be empty, and
// may be gone by then: the installation's own record takes the delivery.
//
// An unusable letter answers errs.Invalid, an outbox without a server
// errs.Unavailable (code no_mail).
func (o *Outbox) Queue(ctx context.Context, tx jobs.Transaction, org store.OrgID, m Message) error {
	if !o.Configured() {
		return errNoMail
	}
	if err := m.check(); err != nil {
		return err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write a mail: %w", err)
	}
	item := rand.Text()
	sealed, err := o.store.SealSystem(b, "mail", item)
	if err != nil {
		return fmt.Errorf("seal a mail: %w", err)
	}
	if err := o.queue.EnqueuePrivate(ctx, tx, JobMail, jobs.Args{Org: org, Item: item, Sealed: base64.StdEncoding.EncodeToString(sealed)}, attempts); err != nil {
		return fmt.Errorf("queue a mail: %w", err)
	}
	return nil
}

// Send implements [Sender]: it delivers at once, for a person who waits, and
// records in the installation's own record.
func (o *Outbox) Send(ctx context.Context, m Message) error { return o.SendFor(ctx, "", m) }

// SendFor delivers at once and records in the egress ledger of org.
func (o *Outbox) SendFor(ctx context.Context, org store.OrgID, m Message) error {
	return o.server.Via(o.Recorder(org)).Send(ctx, m)
}

// Handler delivers the queued letters.
func (o *Outbox) Handler() jobs.Handler {
	return jobs.Handler{
		Kind: JobMail, Timeout: 3 * time.Minute, MaxAttempts: attempts, Private: true,
		Run: func(ctx context.Context, job jobs.Job) error {
			if job.Args.Sealed == "" {
				return errs.New(errs.NotFound, "mail_gone", "The mail is gone already.", "")
			}
			sealed, err := base64.StdEncoding.DecodeString(job.Args.Sealed)
			if err != nil {
				return errs.Wrap(err, errs.Invalid, "mail_sealed", "The mail cannot be read.", "")
			}
			b, err := o.store.OpenSystem(sealed, "mail", job.Args.Item)
			if err != nil {
				return errs.Wrap(err, errs.Invalid, "mail_sealed", "The mail cannot be opened with this master key.", "")
			}
			var m Message
			if err := json.Unmarshal(b, &m); err != nil {
				return errs.Wrap(err, errs.Invalid, "mail_sealed", "The mail cannot be read.", "")
			}
			if !o.Configured() {
				return errs.New(errs.Unavailable, "no_mail", "No mail server is set up any more.", "")
			}
			return o.SendFor(ctx, job.Args.Org, m)
		},
	}
}

// Recorder returns the egress ledger of an organization, or the installation's
// own record where there is none.
func (o *Outbox) Recorder(org store.OrgID) ledger.Recorder {
	own := store.NewSystemRecorder(o.store)
	if org == "" {
		return own
	}
	return &orElse{first: store.NewRecorder(o.store, org, "", ""), second: own}
}

// orElse records in the first, or in the second where the organization of the
// first is gone.
type orElse struct{ first, second ledger.Recorder }

func (r *orElse) Record(ctx context.Context, e ledger.Entry) error {
	err := r.first.Record(ctx, e)
	var known *errs.Error
	if errors.As(err, &known) && known.Kind == errs.NotFound {
		return r.second.Record(ctx, e)
	}
	return err
}

func (r *orElse) Flush(ctx context.Context) error { return r.first.Flush(ctx) }
