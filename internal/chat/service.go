package chat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/store"
)

// Models is the gateway to models.
type Models interface {
	// Available reports why an organization's questions cannot be asked now.
	Available(ctx context.Context, org string) error
	Do(ctx context.Context, c llm.Call, on func(llm.Event) error) (llm.Answer, error)
}

// Agent is how chats stand in settings and books.
const Agent agent.Name = "chat"

// Config is what a [Service] needs.
type Config struct {
	Store   *store.Store  // required
	Backend tools.Backend // required
	// Models is nil where there are none: questions are answered by search.
	Models Models
	Setups agent.Setups     // required with Models
	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = silent
}

// Bounds of chats.
const (
	MaxQuestion = 8000 // runes of a question
	MaxMessages = 400  // of a chat
	maxTitle    = 80   // runes
)

// Service is the chats. It is safe for concurrent use.
type Service struct {
	cfg    Config
	prompt agent.Prompt
	base   context.Context //nolint:containedctx // answers outlive the request that began them, not the service
	stop   context.CancelFunc
	turns  sync.WaitGroup

	mu   sync.Mutex
	live map[string]*turn // by chat
}

// New returns the service. Close it.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Backend == nil || cfg.Models != nil && cfg.Setups == nil {
		return nil, errors.New("chat: Store, Backend and, with Models, Setups are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	prompt, err := agent.PromptOf(Agent)
	if err != nil {
		return nil, fmt.Errorf("read the prompt of the chat: %w", err)
	}
	base, stop := context.WithCancel(context.Background())
	return &Service{cfg: cfg, prompt: prompt, base: base, stop: stop, live: map[string]*turn{}}, nil
}

// Close stops the answers that are being written and waits for them.
func (s *Service) Close() {
	s.stop()
	s.turns.Wait()
}

// Available is nil when a model can be asked, and else says why not.
func (s *Service) Available(ctx context.Context, org store.OrgID) error {
	if err := enter(ctx, org); err != nil {
		return err
	}
	if s.cfg.Models == nil {
		return errs.New(errs.NotFound, llm.CodeNoModel, "No model is set up.", "An owner can set one up under Settings, AI.")
	}
	return s.cfg.Models.Available(ctx, string(org)) //nolint:wrapcheck // errors of the gateway are for people
}

// enter asks for a member of the organization. Chats belong to people: a token,
// a command and the system have none.
func enter(ctx context.Context, org store.OrgID) error {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return err //nolint:wrapcheck // errors of access are public
	}
	return access.Enter(ctx, string(org)) //nolint:wrapcheck // likewise
}

func me(ctx context.Context) store.UserID { return store.UserID(access.From(ctx).User) }

// unknown is the answer for a chat that is not there and for one that is another's.
func unknown() error {
	return errs.New(errs.NotFound, "no_chat", "There is no such chat.", "It was deleted, or its author does not share it any more.")
}

// List returns the reader's chats about a connection and those that others
// share, the last used first, and how many there are.
func (s *Service) List(ctx context.Context, org store.OrgID, conn store.ConnectionID, limit, offset int) (list []store.Chat, total int, err error) {
	if err := enter(ctx, org); err != nil {
		return nil, 0, err
	}
	err = s.cfg.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, total, err = tx.Chats(ctx, store.ChatQuery{User: me(ctx), Shared: true, Connection: conn, Limit: limit, Offset: offset})
		return err
	})
	return list, total, err
}

// load reads a chat that the reader may see; own asks for one of his own.
func load(ctx context.Context, tx *store.Tx, conn store.ConnectionID, id string, own bool) (store.Chat, error) {
	c, err := tx.Chat(ctx, id)
	if errs.KindOf(err) == errs.NotFound {
		return c, unknown()
	}
	if err != nil {
		return c, err //nolint:wrapcheck // the store says what failed
	}
	mine := c.User == me(ctx) && me(ctx) != ""
	if c.Connection != conn || !mine && (own || !c.Shared) {
		return store.Chat{}, unknown()
	}
	return c, nil
}

// Start begins a chat with a question and answers it in the background. about
// names what it is about: an asset as kind:id, a finding as
// finding:<fingerprint>, or nothing.
func (s *Service) Start(ctx context.Context, org store.OrgID, conn store.ConnectionID, about, question string) (store.Chat, error) {
	question, err := checked(question)
	if err != nil {
		return store.Chat{}, err
	}
	if err := enter(ctx, org); err != nil {
		return store.Chat{}, err
	}
	if about, err = s.about(ctx, org, conn, about); err != nil {
		return store.Chat{}, err
	}
	var c store.Chat
	err = s.cfg.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Connection(ctx, conn); err != nil {
			return err
		}
		c, err = tx.InsertChat(ctx, store.Chat{Connection: conn, User: me(ctx), Title: clip(firstLine(question), maxTitle), About: about})
		return err
	})
	if err != nil {
		return store.Chat{}, fmt.Errorf("start a chat: %w", err)
	}
	return c, s.Ask(ctx, org, conn, c.ID, question)
}

// about checks what a chat is to be about, which comes from an address.
func (s *Service) about(ctx context.Context, org store.OrgID, conn store.ConnectionID, about string) (string, error) {
	kind, id, found := strings.Cut(about, ":")
	if !found || len(about) > 500 {
		return "", nil
	}
	if kind == "finding" {
		f, err := s.cfg.Backend.Finding(ctx, org, conn, id)
		if err != nil {
			return "", notThere(err)
		}
		return "finding:" + f.Fingerprint, nil
	}
	w, err := s.cfg.Backend.World(ctx, org, conn)
	if err != nil {
		return "", notThere(err)
	}
	ref := catalog.Ref{Kind: catalog.Kind(kind), ID: id}
	if !known(w, ref) {
		return "", nil
	}
	return ref.String(), nil
}

// notThere lets failures through: what is not there, or not to be seen, is no
// reason not to talk.
func notThere(err error) error {
	if k := errs.KindOf(err); k == errs.NotFound || k == errs.Forbidden {
		return nil
	}
	return err
}

// known reports whether the world's reader may see an asset or column.
func known(w *tools.World, r catalog.Ref) bool {
	if w == nil {
		return false
	}
	if r.Kind == catalog.KindColumn {
		return w.Index.Column(r.ID) != nil
	}
	return w.Index.Asset(r) != nil
}

// checked is a question without control characters, or what is wrong with it.
func checked(question string) (string, error) {
	question = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if r == utf8.RuneError || unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return -1
		}
		return r
	}, strings.ReplaceAll(question, "\r\n", "\n")))
	switch n := utf8.RuneCountInString(question); {
	case n == 0:
		return "", errs.New(errs.Invalid, "no_question", "There is no question.", "Write what you want to know.")
	case n > MaxQuestion:
		return "", errs.New(errs.Invalid, "question_too_long", fmt.Sprintf("A question has at most %d characters; this has %d.", MaxQuestion, n), "Shorten it, or ask in parts.")
	}
	return question, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

func clip(s string, runes int) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes-1]) + "…"
}

// Rename gives one of the member's chats another title.
func (s *Service) Rename(ctx context.Context, org store.OrgID, conn store.ConnectionID, id, title string) error {
	title, err := checked(title)
	if err != nil {
		return errs.New(errs.Invalid, "no_title", "A chat needs a title.", "Write what it is about.")
	}
	return s.change(ctx, org, conn, id, func(_ context.Context, _ *store.Tx, c *store.Chat) error {
		c.Title = clip(firstLine(title), maxTitle)
		return nil
	})
}

// Share lets the members of the organization read one of the member's chats, or
// ends that. It is on the record.
func (s *Service) Share(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string, shared bool) error {
	return s.change(ctx, org, conn, id, func(ctx context.Context, tx *store.Tx, c *store.Chat) error {
		if c.Shared == shared {
			return nil
		}
		c.Shared = shared
		action := "chat_unshared"
		if shared {
			action = "chat_shared"
		}
		return tx.Audit(ctx, store.AuditRow{Actor: me(ctx), Action: action, Target: store.ChatSubject(id)})
	})
}

func (s *Service) change(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string, f func(context.Context, *store.Tx, *store.Chat) error) error {
	if err := enter(ctx, org); err != nil {
		return err
	}
	return s.cfg.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error { //nolint:wrapcheck // the store says what failed
		c, err := load(ctx, tx, conn, id, true)
		if err != nil {
			return err
		}
		if err := f(ctx, tx, &c); err != nil {
			return err
		}
		return tx.SetChat(ctx, c)
	})
}

// Delete deletes one of the member's chats with its messages, its placeholders
// and what was sent for it.
func (s *Service) Delete(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) error {
	if err := enter(ctx, org); err != nil {
		return err
	}
	if t := s.running(id); t != nil {
		t.cancel()
		<-t.done
	}
	return s.cfg.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error { //nolint:wrapcheck // the store says what failed
		if _, err := load(ctx, tx, conn, id, true); err != nil {
			return err
		}
		if err := tx.DeleteChat(ctx, id); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditRow{Actor: me(ctx), Action: "chat_deleted", Target: store.ChatSubject(id)})
	})
}
