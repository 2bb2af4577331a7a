package app

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/siem"
	"github.com/metalens/metalens/internal/store"
)

const (
	jobCheckpoint jobs.Kind = "ledger_checkpoint"
	jobVerify     jobs.Kind = "ledger_verify"
	jobStream     jobs.Kind = "ledger_stream"

	// streamEvery is how long a row waits at most for its way to a collector
	// that answers; after failures it waits longer, up to streamPatience.
	streamEvery    = 30 * time.Second
	streamPatience = 15 * time.Minute

	digestEvery = 7 * 24 * time.Hour
	// digestCursor stores when the last digest left.
	digestCursor = "anchor mail"
)

// anchorFile is where checkpoints are appended by default: beside the database,
// which protects least, and says so.
func anchorFile(cfg config.Config) string {
	if cfg.Ledger.AnchorFile != "" {
		return cfg.Ledger.AnchorFile
	}
	return filepath.Join(cfg.Data, "anchors", "checkpoints.jsonl")
}

// ledgerKeeper signs, anchors, verifies and streams the two logs.
type ledgerKeeper struct {
	store   *store.Store
	cfg     config.Config
	outbox  *mail.Outbox
	anchors []siem.Sink
	stream  *siem.Stream // nil: off
	now     func() time.Time
	log     *slog.Logger

	mu       sync.Mutex
	failures int
	nextTry  time.Time
}

// newLedgerKeeper builds the sinks of the settings. What the operator names may
// have a private address unless those are forbidden outright.
func newLedgerKeeper(env Env, cfg config.Config, s *store.Store, outbox *mail.Outbox, policy outbound.Policy, log *slog.Logger) (*ledgerKeeper, error) {
	k := &ledgerKeeper{store: s, cfg: cfg, outbox: outbox, now: env.Now, log: log}
	allow := cfg.Outbound.AllowPrivate != config.No
	policy.AllowLoopback, policy.AllowPrivate = allow, allow
	out := outbound.Config{Purpose: ledger.PurposeStream, Policy: policy, Recorder: store.NewSystemRecorder(s), Now: env.Now}
	if cfg.Ledger.SyslogCAFile != "" {
		pem, err := os.ReadFile(cfg.Ledger.SyslogCAFile)
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "syslog_ca", "The file "+cfg.Ledger.SyslogCAFile+" (ledger.syslog_ca_file) cannot be read.", "Check the path and its permissions.")
		}
		out.RootCAs = pem
	}
	var streams []siem.Sink
	for _, kind := range []string{"file", "syslog", "webhook"} {
		anchor, stream := slices.Contains(cfg.Ledger.Anchor, kind), slices.Contains(cfg.Ledger.Stream, kind)
		if !anchor && !stream {
			continue
		}
		switch kind {
		case "file":
			if anchor {
				k.anchors = append(k.anchors, siem.NewFile(anchorFile(cfg)))
			}
			if stream && cfg.Ledger.StreamFile == "" {
				return nil, missingSetting("ledger.stream", "file", "ledger.stream_file")
			}
			if stream {
				streams = append(streams, siem.NewFile(cfg.Ledger.StreamFile))
			}
		case "syslog":
			sink, err := syslogSink(cfg, out)
			if err != nil {
				return nil, err
			}
			if anchor {
				k.anchors = append(k.anchors, sink)
			}
			if stream {
				streams = append(streams, sink)
			}
		case "webhook":
			if cfg.Ledger.StreamURL == "" {
				return nil, missingSetting("ledger.stream", "webhook", "ledger.stream_url")
			}
			signed := out
			signed.KeyID = s.KeyID("webhook-secret", cfg.Ledger.StreamSecret)
			transport, err := outbound.NewTransport(signed)
			if err != nil {
				return nil, err
			}
			sink, err := siem.NewWebhook(cfg.Ledger.StreamURL, cfg.Ledger.StreamSecret, transport, env.Now)
			if err != nil {
				return nil, err
			}
			streams = append(streams, sink)
		}
	}
	if slices.Contains(cfg.Ledger.Anchor, "mail") && (cfg.Ledger.AnchorMail == "" || !outbox.Configured()) {
		return nil, missingSetting("ledger.anchor", "mail", "ledger.anchor_mail, mail.host and mail.from")
	}
	if len(streams) > 0 {
		k.stream = siem.NewStream(s, streams...)
	}
	return k, nil
}

func syslogSink(cfg config.Config, out outbound.Config) (siem.Sink, error) {
	if cfg.Ledger.Syslog == "" {
		return nil, missingSetting("ledger.anchor or ledger.stream", "syslog", "ledger.syslog")
	}
	dialer, err := outbound.NewDialer(out)
	if err != nil {
		return nil, err
	}
	return siem.NewSyslog(cfg.Ledger.Syslog, dialer)
}

func missingSetting(setting, value, missing string) error {
	return errs.New(errs.Invalid, "ledger_settings", setting+" names "+value+", and "+missing+" is not set.", "Set "+missing+", or take "+value+" out.")
}

func (k *ledgerKeeper) handlers() []jobs.Handler {
	list := []jobs.Handler{
		{Kind: jobCheckpoint, Timeout: 10 * time.Minute, MaxAttempts: 3, Run: func(ctx context.Context, _ jobs.Job) error { return k.checkpoint(access.AsSystem(ctx)) }},
		{Kind: jobVerify, Timeout: time.Hour, MaxAttempts: 2, Run: func(ctx context.Context, _ jobs.Job) error { return k.verify(access.AsSystem(ctx)) }},
	}
	if k.stream != nil {
		list = append(list, jobs.Handler{Kind: jobStream, Timeout: 10 * time.Minute, MaxAttempts: 1, Run: func(ctx context.Context, _ jobs.Job) error { return k.send(ctx) }})
	}
	return list
}

func (k *ledgerKeeper) periodic() []jobs.Periodic {
	list := []jobs.Periodic{{Kind: jobCheckpoint, Every: k.cfg.Ledger.CheckpointEvery, RunOnStart: true}}
	if k.cfg.Ledger.VerifyEvery > 0 {
		list = append(list, jobs.Periodic{Kind: jobVerify, Every: k.cfg.Ledger.VerifyEvery, RunOnStart: true})
	}
	if k.stream != nil {
		list = append(list, jobs.Periodic{Kind: jobStream, Every: streamEvery, RunOnStart: true})
	}
	return list
}

// checkpoint signs what has moved and carries it outside. A checkpoint counts
// as anchored once every sink has it.
func (k *ledgerKeeper) checkpoint(ctx context.Context) error {
	public, err := k.store.SigningKey(ctx)
	if err != nil {
		return err
	}
	var list []store.StoredCheckpoint
	err = k.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		list, err = tx.CheckpointChains(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if len(list) > 0 {
		if err := k.anchor(ctx, list, public); err != nil {
			return err
		}
	}
	if slices.Contains(k.cfg.Ledger.Anchor, "mail") {
		return k.digest(ctx, public)
	}
	return nil
}

func (k *ledgerKeeper) anchor(ctx context.Context, list []store.StoredCheckpoint, public ed25519.PublicKey) error {
	records := make([]siem.Record, 0, len(list))
	for _, p := range list {
		r, err := siem.OfCheckpoint(p.Checkpoint, public)
		if err != nil {
			return err
		}
		records = append(records, r)
		k.log.InfoContext(ctx, "checkpoint", "org", p.Org, "chain", string(p.Chain), "kind", string(p.Kind), "seq", p.Seq,
			"link", hex.EncodeToString(p.Link), "key_id", p.KeyID, "signature", hex.EncodeToString(p.Signature))
	}
	var failed error
	for _, sink := range k.anchors {
		if err := sink.Write(ctx, records); err != nil {
			failed = errors.Join(failed, fmt.Errorf("anchor to %s: %w", sink.Name(), err))
		}
	}
	if failed != nil || len(k.anchors) == 0 {
		return failed // mail alone: see digest
	}
	return k.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return tx.SetAnchored(ctx, list) })
}

// digest mails the newest checkpoint of every chain once a week.
func (k *ledgerKeeper) digest(ctx context.Context, public ed25519.PublicKey) error {
	now := k.now()
	due := false
	var list []store.StoredCheckpoint
	err := k.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		last, err := tx.StreamCursor(ctx, digestCursor, "", "")
		if err != nil {
			return err
		}
		if due = now.Sub(time.Unix(last, 0)) >= digestEvery; !due {
			return nil
		}
		if list, err = tx.LatestCheckpoints(ctx); err != nil || len(list) == 0 {
			return err
		}
		text, err := digestText(list, public)
		if err != nil {
			return err
		}
		if err := k.outbox.Queue(ctx, tx, "", mail.Message{To: k.cfg.Ledger.AnchorMail, Subject: "MetaLens: signed checkpoints of the audit log and the egress ledger", Text: text}); err != nil {
			return err
		}
		if len(k.anchors) == 0 { // mail is the only anchor
			if err := tx.SetAnchored(ctx, list); err != nil {
				return err
			}
		}
		return tx.SetStreamCursor(ctx, digestCursor, "", "", now.Unix())
	})
	if err != nil {
		return fmt.Errorf("mail the checkpoints: %w", err)
	}
	return nil
}

func digestText(list []store.StoredCheckpoint, public ed25519.PublicKey) (string, error) {
	var b strings.Builder
	b.WriteString("Keep this mail. Save it as a file, and\n\n    metalens doctor --verify-ledger --anchors FILE\n\ncompares the logs with what is signed here: they are tamper-evident since these checkpoints.\n\n")
	for _, p := range list {
		line, err := ledger.AnchorLine(p.Checkpoint, public)
		if err != nil {
			return "", err
		}
		b.Write(line)
		b.WriteString("\n\n")
	}
	return b.String(), nil
}

// readAnchors reads a file of anchors; one that does not exist has none.
func readAnchors(path string) ([]ledger.Checkpoint, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []ledger.Checkpoint
	if err == nil {
		list, err = ledger.ReadAnchors(f)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "anchors", "The anchors in "+path+" cannot be read.", "Give a file of checkpoints as MetaLens wrote them, or a log or mail that holds such lines.")
	}
	return list, nil
}

// verify checks all chains, keeps the result and raises the alarm.
func (k *ledgerKeeper) verify(ctx context.Context) error {
	anchors, err := readAnchors(anchorFile(k.cfg))
	if err != nil {
		return err
	}
	report, err := k.store.VerifyLedger(ctx, anchors)
	if err != nil {
		return err
	}
	if err := k.store.KeepVerification(ctx, report); err != nil {
		return err
	}
	for _, c := range report.Chains {
		if c.ProblemCount == 0 {
			continue
		}
		first := c.Problems[0]
		k.log.ErrorContext(ctx, "a log was tampered with", "org", c.Org, "chain", string(c.Chain), "problems", c.ProblemCount,
			"code", string(first.Code), "seq", first.Seq, "detail", first.Text)
	}
	k.log.InfoContext(ctx, "logs verified", "chains", len(report.Chains), "problems", report.Problems(), "anchors", len(anchors), "took", report.Took)
	return nil
}

// send streams what is waiting; a collector that fails is left alone for a
// while.
func (k *ledgerKeeper) send(ctx context.Context) error {
	k.mu.Lock()
	wait := k.now().Before(k.nextTry)
	k.mu.Unlock()
	if wait {
		return nil
	}
	_, err := k.stream.Run(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.failures, k.nextTry = 0, time.Time{}
		return nil
	}
	k.failures++
	k.nextTry = k.now().Add(min(streamPatience, streamEvery<<min(k.failures, 6)))
	k.log.ErrorContext(ctx, "the stream of audit log and egress ledger is behind", "error", err, "failures", k.failures)
	return nil // it goes on by itself; the cursor is kept
}
