package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

const (
	saveEvery    = 2 * time.Second
	answerTokens = 3000 // of one answer
	// historyBytes bounds what is repeated of earlier turns, about 10,000 tokens;
	// older turns are left out first.
	historyBytes = 40 << 10
	searchHits   = 10
	closing      = 10 * time.Second
)

// turn is an answer that is being written by this process.
type turn struct {
	org    store.OrgID
	conn   store.ConnectionID
	chat   string
	seq    int64
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	body  Body
	moved chan struct{} // closed when body changes
}

func (t *turn) change(f func(*Body)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.body)
	close(t.moved)
	t.moved = make(chan struct{})
}

// now returns a copy of the body as it stands, and what is closed with its next
// change.
func (t *turn) now() (Body, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.body
	b.Steps, b.Told = slices.Clone(b.Steps), slices.Clone(b.Told)
	return b, t.moved
}

func (s *Service) running(chat string) *turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[chat]
}

// Ask adds a question to one of the member's chats and answers it in the
// background. A chat that is being answered is errs.Conflict.
func (s *Service) Ask(ctx context.Context, org store.OrgID, conn store.ConnectionID, id, question string) error {
	question, err := checked(question)
	if err != nil {
		return err
	}
	return s.begin(ctx, org, conn, id, func(ctx context.Context, tx *store.Tx, messages []store.ChatMessage) error {
		if len(messages) >= MaxMessages {
			return errs.New(errs.Limited, "chat_full", "This chat has grown too long.", "Begin a new one.")
		}
		m, err := write(id, roleUser, Body{Text: question})
		if err != nil {
			return err
		}
		_, err = tx.AddChatMessage(ctx, m)
		return err //nolint:wrapcheck // the store says what failed
	})
}

// Retry answers the last question of one of the member's chats anew; the answer
// it had is deleted.
func (s *Service) Retry(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) error {
	return s.begin(ctx, org, conn, id, func(ctx context.Context, tx *store.Tx, messages []store.ChatMessage) error {
		for _, m := range slices.Backward(messages) {
			if m.Role == roleUser {
				_, err := tx.TruncateChat(ctx, id, m.Seq+1)
				return err //nolint:wrapcheck // the store says what failed
			}
		}
		return errs.New(errs.Conflict, "no_question", "There is no question to answer again.", "Ask one.")
	})
}

// begin prepares a chat and starts the answer. Everything that is stored before
// the model is asked is stored in one transaction.
func (s *Service) begin(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string, prepare func(context.Context, *store.Tx, []store.ChatMessage) error) error { //nolint:contextcheck // the answer outlives the request
	if err := enter(ctx, org); err != nil {
		return err
	}
	if s.base.Err() != nil {
		return errs.New(errs.Unavailable, "stopping", "MetaLens is being stopped.", "Try again in a moment.")
	}
	t := &turn{org: org, conn: conn, chat: id, done: make(chan struct{}), moved: make(chan struct{})}
	now := s.cfg.Now().UTC()
	t.body = Body{State: Running, Began: now, Beat: now}
	var chat store.Chat
	var history []store.ChatMessage
	err := s.cfg.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		if chat, err = load(ctx, tx, conn, id, true); err != nil {
			return err
		}
		messages, err := tx.ChatMessages(ctx, id, 0, 0)
		if err != nil {
			return err
		}
		if err := prepare(ctx, tx, messages); err != nil {
			return err
		}
		m, err := write(id, roleAssistant, t.body)
		if err != nil {
			return err
		}
		if m, err = tx.AddChatMessage(ctx, m); err != nil { // from here on the chat is locked
			return err
		}
		t.seq = m.Seq
		if history, err = tx.ChatMessages(ctx, id, 0, 0); err != nil {
			return err
		}
		for _, m := range history {
			b, err := read(m)
			if err != nil {
				return err
			}
			if m.Seq != t.seq && m.Role == roleAssistant && b.state(now) == Running {
				return errs.New(errs.Conflict, "chat_busy", "The last question of this chat is still being answered.", "Wait for the answer, or stop it.")
			}
		}
		return nil
	})
	if err != nil {
		return err //nolint:wrapcheck // the store says what failed
	}
	// The answer outlives the request; it acts with the rights of who asked.
	run, cancel := context.WithCancel(ledger.WithConnection(access.With(s.base, access.From(ctx)), string(conn)))
	t.cancel = cancel
	s.mu.Lock()
	s.live[id] = t
	s.mu.Unlock()
	s.turns.Go(func() {
		defer cancel()
		s.answer(run, t, chat, history)
	})
	return nil
}

// answer writes an answer and keeps it, whatever happens.
func (s *Service) answer(ctx context.Context, t *turn, chat store.Chat, history []store.ChatMessage) {
	saver, stopSaving := context.WithCancel(ctx)
	var saving sync.WaitGroup
	saving.Go(func() { s.save(saver, t) })
	problem := s.write(ctx, t, chat, history)
	stopSaving()
	saving.Wait()
	now := s.cfg.Now().UTC()
	t.change(func(b *Body) {
		b.Ended, b.Beat = now, now
		for i := range b.Steps {
			b.Steps[i].Live = false
		}
		switch {
		case ctx.Err() != nil || errs.KindOf(problem) == errs.Canceled:
			b.State = Stopped
		case problem == nil && b.State == Running:
			b.State = Done
		case problem == nil: // a search
		default:
			b.State, b.Problem = Failed, describe(problem)
			s.cfg.Logger.WarnContext(ctx, "a chat was not answered", "code", b.Problem.Code, "org", t.org, "chat", t.chat, "err", problem)
		}
	})
	keep, cancel := context.WithTimeout(access.AsSystem(context.WithoutCancel(ctx)), closing)
	defer cancel()
	if err := s.put(keep, t); err != nil && errs.KindOf(err) != errs.NotFound { // a chat that was deleted needs no answer
		s.cfg.Logger.ErrorContext(ctx, "an answer could not be kept", "org", t.org, "chat", t.chat, "err", err)
	}
	s.mu.Lock()
	if s.live[t.chat] == t {
		delete(s.live, t.chat)
	}
	s.mu.Unlock()
	close(t.done)
}

// describe is a failure for people. What is not meant for them stays in the log.
func describe(err error) *Problem {
	text, hint := errs.PublicText(err)
	return &Problem{Code: errs.CodeOf(err), Text: text, Hint: hint}
}

// save keeps what is written so far, says that somebody is writing, and looks
// whether another process was asked to stop it.
func (s *Service) save(ctx context.Context, t *turn) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.put(ctx, t); err != nil && ctx.Err() == nil {
			if errs.KindOf(err) == errs.NotFound { // the chat was deleted
				t.cancel()
				return
			}
			s.cfg.Logger.WarnContext(ctx, "an answer could not be kept yet", "org", t.org, "chat", t.chat, "err", err)
		}
	}
}

func (s *Service) put(ctx context.Context, t *turn) error {
	return s.cfg.Store.InOrg(ctx, t.org, func(ctx context.Context, tx *store.Tx) error { //nolint:wrapcheck // the store says what failed
		b, _ := t.now()
		stored, err := message(ctx, tx, t.chat, t.seq)
		if err != nil {
			return err
		}
		if stored.Stop {
			b.Stop = true
			t.cancel()
		}
		if b.State == Running {
			b.Beat = s.cfg.Now().UTC()
		}
		m, err := write(t.chat, roleAssistant, b)
		if err != nil {
			return err
		}
		m.Seq = t.seq
		return tx.SetChatMessage(ctx, m) //nolint:wrapcheck // the store says what failed
	})
}

func message(ctx context.Context, tx *store.Tx, chat string, seq int64) (Body, error) {
	list, err := tx.ChatMessages(ctx, chat, seq-1, 1)
	if err != nil {
		return Body{}, err //nolint:wrapcheck // the store says what failed
	}
	if len(list) == 0 || list[0].Seq != seq {
		return Body{}, unknown()
	}
	return read(list[0])
}

// Stop ends the answer that is being written to one of the member's chats. What
// was written stays.
func (s *Service) Stop(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) error {
	if err := enter(ctx, org); err != nil {
		return err
	}
	err := s.cfg.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := load(ctx, tx, conn, id, true); err != nil {
			return err
		}
		messages, err := tx.ChatMessages(ctx, id, 0, 0)
		if err != nil || len(messages) == 0 {
			return err
		}
		last := messages[len(messages)-1]
		b, err := read(last)
		if err != nil || b.State != Running {
			return err
		}
		b.Stop = true
		if b.state(s.cfg.Now()) == Interrupted {
			b.State, b.Ended = Stopped, b.Beat
		}
		m, err := write(id, roleAssistant, b)
		if err != nil {
			return err
		}
		m.Seq = last.Seq
		return tx.SetChatMessage(ctx, m)
	})
	if t := s.running(id); err == nil && t != nil {
		t.cancel()
		<-t.done
	}
	return err
}

// write asks the model, or searches where there is none.
func (s *Service) write(ctx context.Context, t *turn, chat store.Chat, history []store.ChatMessage) error {
	if err := s.Available(ctx, t.org); err != nil {
		return s.search(ctx, t, history, err)
	}
	world, err := s.cfg.Backend.World(ctx, t.org, t.conn)
	if errs.KindOf(err) == errs.NotFound {
		return s.search(ctx, t, history, errs.New(errs.NotFound, "unscanned", "Nothing was read from this Metabase yet, so there is nothing to answer from.", "Run a scan first."))
	}
	if err != nil {
		return err //nolint:wrapcheck // says what failed
	}
	setup, err := s.cfg.Setups.Setup(ctx, t.org, t.conn, Agent)
	if err != nil {
		return err //nolint:wrapcheck // errors of models are for people
	}
	placeholders, err := s.placeholders(ctx, t.org, t.chat)
	if err != nil {
		return err
	}
	conv := tools.NewConversation(world, setup.Classifier, placeholders, setup.Strict)
	box, err := tools.New(tools.Config{Backend: s.cfg.Backend, Org: t.org, Connection: t.conn, Conversation: conv})
	if err != nil {
		return err //nolint:wrapcheck // says what failed
	}
	messages, err := s.messages(ctx, box, conv, chat, history)
	if err != nil {
		return err
	}
	// The placeholders are kept before anything leaves, so that no answer can be
	// without them.
	kept := 0
	keep := func() error {
		if n := conv.Map().Len(); n != kept {
			kept = n
			return s.keepMap(ctx, t, conv)
		}
		return nil
	}
	if err := keep(); err != nil {
		return err
	}
	runner := agent.NewRunner(s.cfg.Models, s.cfg.Now)
	result, err := runner.Run(ctx, agent.Task{
		Org: t.org, Agent: string(Agent), Subject: store.ChatSubject(t.chat), Model: setup.Model.Name,
		System: append(slices.Clone(s.prompt.System), today(s.cfg.Now())), Messages: messages, Tools: box, Limits: agent.Limits{Answer: answerTokens},
	}, func(e agent.Event) error {
		if e.Kind == agent.EventToolDone {
			if err := keep(); err != nil {
				return err
			}
		}
		t.change(func(b *Body) { b.follow(e) })
		return nil
	})
	if kerr := keep(); err == nil {
		err = kerr
	}
	t.change(func(b *Body) {
		if result.Text != "" {
			b.Text = result.Text
		}
		if result.Stop == llm.StopLength || result.Stop == llm.StopContext {
			b.Note = "The answer was cut because it grew too long. Ask for the rest, or for less."
		}
		if result.Stop == llm.StopRefused {
			b.Note = "The model refused to go on."
		}
		b.Told, b.Model, b.Exchanges = result.Refs, result.Model, result.Exchanges
		b.Tokens, b.Money, b.Priced = result.Usage.Total(), result.Cost.Money, result.Cost.Known
		b.Columns, b.Values = masked(conv)
	})
	return err //nolint:wrapcheck // errors of models are for people
}

// masked counts what stands as placeholders in a conversation.
func masked(c *mask.Conversation) (columns, values int) {
	for _, e := range c.Map().Entries() {
		if e.Class == mask.ClassColumn {
			columns++
		} else {
			values++
		}
	}
	return columns, values
}

// today tells the model the date.
func today(now time.Time) mask.Text {
	year, month, day := now.UTC().Date()
	return mask.Join(mask.Constant("Today is "), mask.Number(year), mask.Constant("-"), mask.Number(int(month)), mask.Constant("-"), mask.Number(day), mask.Constant("."))
}

// follow shows an event of a run.
func (b *Body) follow(e agent.Event) {
	switch e.Kind {
	case agent.EventText:
		b.Text += e.Text
	case agent.EventTool:
		// What was said before a tool was used is thinking aloud; the answer follows.
		b.Text, b.Note = "", ""
		b.Steps = append(b.Steps, Step{Tool: e.Tool, Words: e.Title, Live: true})
	case agent.EventToolDone:
		for i := range b.Steps {
			if b.Steps[i].Live {
				b.Steps[i] = Step{Tool: e.Tool, Words: e.Words, Error: e.Failed}
				break
			}
		}
		for _, r := range e.Refs {
			if !slices.Contains(b.Told, r) {
				b.Told = append(b.Told, r)
			}
		}
	case agent.EventRetry:
		b.Note = "The provider is busy; asking again in " + strconv.Itoa(max(1, int(e.Wait.Round(time.Second).Seconds()))) + " s."
	case agent.EventRepair:
	}
}

// placeholders reads which placeholder stands for what in a chat.
func (s *Service) placeholders(ctx context.Context, org store.OrgID, chat string) (*mask.Map, error) {
	m := mask.NewMap()
	err := s.cfg.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		raw, err := tx.ChatMap(ctx, chat)
		if err != nil || len(raw) == 0 {
			return err
		}
		return json.Unmarshal(raw, m) //nolint:wrapcheck // wrapped below
	})
	if err != nil {
		return nil, fmt.Errorf("read the placeholders of a chat: %w", err)
	}
	return m, nil
}

func (s *Service) keepMap(ctx context.Context, t *turn, c *mask.Conversation) error {
	raw, err := json.Marshal(c.Map())
	if err != nil {
		return fmt.Errorf("write the placeholders of a chat: %w", err)
	}
	return s.cfg.Store.InOrg(ctx, t.org, func(ctx context.Context, tx *store.Tx) error { //nolint:wrapcheck // the store says what failed
		return tx.SetChatMap(ctx, t.chat, raw)
	})
}

// messages is the conversation for the model: earlier questions with their
// answers, as far as they are whole and fit, and the question to answer.
func (s *Service) messages(ctx context.Context, box *tools.Toolbox, conv *mask.Conversation, chat store.Chat, history []store.ChatMessage) ([]llm.Message, error) {
	type pair struct{ question, answer mask.Text }
	var pairs []pair
	var question string
	for _, m := range history {
		b, err := read(m)
		if err != nil {
			return nil, err
		}
		switch {
		case m.Role == roleUser:
			question = b.Text
		case b.State == Done && b.Text != "" && question != "":
			pairs = append(pairs, pair{conv.Free(question), mask.FromModel(b.Text)})
			question = ""
		}
	}
	size := 0
	var list []llm.Message
	for i := len(pairs) - 1; i >= 0; i-- {
		if size += pairs[i].question.Len() + pairs[i].answer.Len(); size > historyBytes {
			break
		}
		list = append([]llm.Message{llm.User(pairs[i].question), llm.Assistant(pairs[i].answer)}, list...)
	}
	ask := []mask.Text{}
	if about, err := s.subject(ctx, box, chat); err != nil {
		return nil, err
	} else if !about.IsEmpty() {
		ask = append(ask, about)
	}
	return append(list, llm.User(append(ask, conv.Free(question))...)), nil
}

// subject tells the model what a chat is about.
func (s *Service) subject(ctx context.Context, box *tools.Toolbox, chat store.Chat) (mask.Text, error) {
	if chat.About == "" {
		return mask.Text{}, nil
	}
	lens, err := box.Lens(ctx)
	if errs.KindOf(err) == errs.NotFound {
		return mask.Text{}, nil
	}
	if err != nil {
		return mask.Text{}, err //nolint:wrapcheck // says what failed
	}
	if ref, ok := catalog.ParseRef(chat.About); ok && lens.Known(ref) {
		return mask.Join(mask.Constant("(The reader has this open and asks about it: "), lens.Name(ref), mask.Constant(" ["), lens.Ref(ref), mask.Constant("])")), nil
	}
	if fingerprint, ok := findingOf(chat.About); ok {
		return mask.Join(mask.Constant("(The reader has this finding open and asks about it: [finding:"), lens.Word(fingerprint), mask.Constant("])")), nil
	}
	return mask.Text{}, nil
}

// search answers a question with what the catalog has under its words, for where
// no model can be asked.
func (s *Service) search(ctx context.Context, t *turn, history []store.ChatMessage, why error) error {
	var question string
	for _, m := range history {
		b, err := read(m)
		if err != nil {
			return err
		}
		if m.Role == roleUser {
			question = b.Text
		}
	}
	text, _ := errs.PublicText(why)
	hits, total, err := s.find(ctx, t.org, t.conn, question)
	if err != nil {
		return err
	}
	t.change(func(b *Body) { b.State, b.Hits, b.Total, b.Note = Searched, hits, total, text })
	return nil
}
