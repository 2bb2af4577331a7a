package chat

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

// Message is a message as a reader may see it.
type Message struct {
	Seq  int64
	At   time.Time
	User bool // a question; else an answer
	Body Body // of an answer that the reader may not see, only its state
	// Text is the question, or the answer with its placeholders turned back.
	// It is untrusted.
	Text  string
	Cites []Cited // in Text, in order
	// Hidden is set for an answer that was made from something that the reader may
	// not see.
	Hidden bool
	State  State
}

// Thread is a chat with its messages as a reader may see them.
type Thread struct {
	store.Chat
	Mine     bool
	Messages []Message
	// AboutRef and AboutName say what it is about; AboutFinding is a fingerprint.
	AboutRef     catalog.Ref
	AboutName    string
	AboutFinding string
}

// Live reports whether an answer is being written.
func (t Thread) Live() bool {
	return len(t.Messages) > 0 && t.Messages[len(t.Messages)-1].State == Running
}

// reader shows messages to whoever the context names.
type reader struct {
	s    *Service
	org  store.OrgID
	conn store.ConnectionID
	m    *mask.Map
	lens *tools.Lens // nil when no scan has succeeded
	mine bool
	now  time.Time
}

func (s *Service) reader(ctx context.Context, org store.OrgID, conn store.ConnectionID, chat string, mine bool) (*reader, error) {
	m, err := s.placeholders(ctx, org, chat)
	if err != nil {
		return nil, err
	}
	r := &reader{s: s, org: org, conn: conn, m: m, mine: mine, now: s.cfg.Now()}
	w, err := s.cfg.Backend.World(ctx, org, conn)
	switch {
	case err == nil:
		classifier, err := mask.NewClassifier(mask.Rules{})
		if err != nil {
			return nil, err //nolint:wrapcheck // cannot fail without rules
		}
		r.lens = tools.NewLens(w, tools.NewConversation(w, classifier, m, false))
	case errs.KindOf(err) != errs.NotFound:
		return nil, err //nolint:wrapcheck // says what failed
	}
	return r, nil
}

// sees reports whether the reader may see everything that an answer was made
// from. What is gone since hides nothing from its author.
func (r *reader) sees(told []catalog.Ref) bool {
	if r.lens == nil {
		return r.mine || len(told) == 0
	}
	whole := r.mine && r.lens.World.Whole
	return whole || !slices.ContainsFunc(told, func(ref catalog.Ref) bool { return !r.lens.Known(ref) })
}

// show makes a message of what is stored.
func (r *reader) show(ctx context.Context, seq int64, at time.Time, role string, b Body) (Message, error) {
	m := Message{Seq: seq, At: at, User: role == roleUser, Body: b, State: b.state(r.now)}
	if m.User {
		m.Text = b.Text
		return m, nil
	}
	if !r.sees(b.Told) {
		return Message{Seq: seq, At: at, State: m.State, Hidden: true}, nil
	}
	if r.lens != nil {
		m.Body.Hits = slices.DeleteFunc(slices.Clone(b.Hits), func(h Hit) bool { return !r.lens.Known(h.Ref) })
	} else if !r.mine {
		m.Body.Hits = nil
	}
	m.Text = plain(r.m.Unmask(b.Text))
	for _, c := range Citations(m.Text) {
		cited, err := r.look(ctx, c)
		if err != nil {
			return Message{}, err
		}
		m.Cites = append(m.Cites, cited)
	}
	return m, nil
}

// look checks a citation.
func (r *reader) look(ctx context.Context, c Citation) (Cited, error) {
	out := Cited{Citation: c}
	if r.lens == nil {
		return out, nil
	}
	if fingerprint, ok := findingOf(c.Text); ok {
		f, err := r.s.cfg.Backend.Finding(ctx, r.org, r.conn, fingerprint)
		if err != nil {
			return out, notThere(err)
		}
		out.OK, out.Finding, out.Name = true, f.Fingerprint, f.Message
		return out, nil
	}
	if ref, err := r.lens.Parse(c.Text); err == nil && r.lens.Known(ref) {
		out.OK, out.Ref, out.Name = true, ref, agent.PlainName(r.lens.World, ref)
	}
	return out, nil
}

func findingOf(text string) (fingerprint string, ok bool) {
	return strings.CutPrefix(text, "finding:")
}

// plain drops what has no place in a text: control and direction characters, and
// private ones, which pages use as marks of their own.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r) && r != '\u200d', unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s)
}

// Thread reads a chat as the reader may see it.
func (s *Service) Thread(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) (Thread, error) {
	if err := enter(ctx, org); err != nil {
		return Thread{}, err
	}
	var t Thread
	var messages []store.ChatMessage
	err := s.cfg.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		if t.Chat, err = load(ctx, tx, conn, id, false); err != nil {
			return err
		}
		messages, err = tx.ChatMessages(ctx, id, 0, 0)
		return err
	})
	if err != nil {
		return Thread{}, err //nolint:wrapcheck // the store says what failed
	}
	t.Mine = t.User == me(ctx)
	r, err := s.reader(ctx, org, conn, id, t.Mine)
	if err != nil {
		return Thread{}, err
	}
	for _, m := range messages {
		b, err := read(m)
		if err != nil {
			return Thread{}, err
		}
		shown, err := r.show(ctx, m.Seq, m.At, m.Role, b)
		if err != nil {
			return Thread{}, err
		}
		t.Messages = append(t.Messages, shown)
	}
	if fingerprint, ok := findingOf(t.About); ok {
		cited, err := r.look(ctx, Citation{Text: t.About})
		if err != nil {
			return Thread{}, err
		}
		if cited.OK {
			t.AboutFinding, t.AboutName = fingerprint, cited.Name
		}
	} else if ref, ok := catalog.ParseRef(t.About); ok && r.lens != nil && r.lens.Known(ref) {
		t.AboutRef, t.AboutName = ref, agent.PlainName(r.lens.World, ref)
	}
	return t, nil
}

const (
	watchEvery = time.Second            // of an answer that another process writes
	settleFor  = 100 * time.Millisecond // several changes are shown as one
)

// Watch hands on the last answer of a chat as it grows, whichever process writes
// it, and ends with the answer's end, with the context, or at once where nothing
// is being written. An error of on ends it and comes back.
func (s *Service) Watch(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string, on func(Message) error) error {
	for {
		m, moved, err := s.last(ctx, org, conn, id)
		if err != nil {
			return err
		}
		if err := on(m); err != nil || m.State != Running {
			return err
		}
		pause := time.NewTimer(watchEvery)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-moved: // nil when another process writes: never
			pause.Reset(settleFor)
			select {
			case <-ctx.Done():
				pause.Stop()
				return nil
			case <-pause.C:
			}
		case <-pause.C:
		}
	}
}

// last is the last message of a chat, and what is closed when it changes.
func (s *Service) last(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) (Message, <-chan struct{}, error) {
	if err := enter(ctx, org); err != nil {
		return Message{}, nil, err
	}
	var chat store.Chat
	var messages []store.ChatMessage
	live := s.running(id)
	err := s.cfg.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		if chat, err = load(ctx, tx, conn, id, false); err != nil {
			return err
		}
		messages, err = tx.ChatMessages(ctx, id, 0, 0)
		return err
	})
	if err != nil {
		return Message{}, nil, err //nolint:wrapcheck // the store says what failed
	}
	if len(messages) == 0 {
		return Message{}, nil, unknown()
	}
	m := messages[len(messages)-1]
	b, err := read(m)
	if err != nil {
		return Message{}, nil, err
	}
	var moved <-chan struct{}
	if live != nil && live.org == org && live.seq == m.Seq {
		b, moved = live.now()
		if b.State != Running {
			// An end is told once it is kept, so that whoever reads it next finds it.
			select {
			case <-live.done:
			case <-ctx.Done():
				return Message{}, nil, ctx.Err()
			}
			b, _ = live.now()
		}
		b.Beat = s.cfg.Now()
	}
	r, err := s.reader(ctx, org, conn, id, chat.User == me(ctx))
	if err != nil {
		return Message{}, nil, err
	}
	shown, err := r.show(ctx, m.Seq, m.At, m.Role, b)
	return shown, moved, err
}

// Sent is one request that left for an answer, exactly as it was.
type Sent struct {
	store.LedgerRow
	Content []byte // empty when it is not kept any more
	Media   string
}

// WhatWasSent returns what left for an answer of one of the member's chats. What
// is kept as a hash only, or is past its time, has no content.
func (s *Service) WhatWasSent(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string, seq int64) (list []Sent, b Body, err error) {
	if err := enter(ctx, org); err != nil {
		return nil, b, err
	}
	err = s.cfg.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := load(ctx, tx, conn, id, true); err != nil {
			return err
		}
		if b, err = message(ctx, tx, id, seq); err != nil {
			return err
		}
		rows, err := tx.PayloadsOf(ctx, store.ChatSubject(id))
		if err != nil {
			return err
		}
		for _, row := range rows {
			if !slices.Contains(b.Exchanges, row.Exchange) || row.Phase == ledger.PhaseOutcome {
				continue
			}
			p, err := tx.Payload(ctx, row.ID)
			if err != nil {
				return err
			}
			list = append(list, Sent{row, p.Content, p.Media})
		}
		return nil
	})
	return list, b, err
}
