package llm

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
)

// Unlimited as a cap is none.
const Unlimited = -1

// Cap is how much may be used; 0 is nothing, [Unlimited] anything.
type Cap struct {
	Tokens int64 `json:"tokens"`
	Money  Money `json:"money"` // not applied to calls whose price is not known: there the tokens hold
}

// NoCap allows anything.
func NoCap() Cap { return Cap{Tokens: Unlimited, Money: Unlimited} }

// Allows reports whether more fits beside what was used, and if not, which of
// the two is used up: CodeTokens or CodeMoney.
func (c Cap) Allows(used, more Spent) (code string, ok bool) {
	switch {
	case c.Tokens != Unlimited && used.Tokens+more.Tokens > c.Tokens:
		return CodeTokens, false
	case c.Money != Unlimited && more.Known && used.Money+more.Money > c.Money:
		return CodeMoney, false
	}
	return "", true
}

// Spent is an amount of tokens and money.
type Spent struct {
	Tokens int64
	Money  Money
	Known  bool // Money is meaningful
}

// Budget is what an organization allows. Months are those of UTC.
type Budget struct {
	Month  Cap            // the organization, all agents together
	Agents map[string]Cap // of one agent in a month, where it has a cap of its own
	Call   Cap            // one call
}

// Target is where and how a provider is reached.
type Target struct {
	Provider string // anthropic, openai, compatible
	BaseURL  string // empty = the provider's own; required for compatible
	Key      secret.Value
	// KeyID names the key in the ledger and in pages. It gives nothing of the key away.
	KeyID string
	// Operator is set where whoever runs the installation configured the address,
	// which may then be of this machine or its own network.
	Operator bool
}

// Settings are what holds for an organization's calls.
type Settings struct {
	Enabled bool
	// Why says who switched the models off, for people, where Enabled is false.
	Why    string
	Target Target
	Budget Budget
	Batch  bool    // work may go into batches, which providers keep longer
	Models []Model // beside the built-in ones, or instead of them
}

// Directory finds an organization's settings. It answers errs.NotFound (code
// models_none) where no provider is set up.
type Directory interface {
	ModelSettings(ctx context.Context, org string) (Settings, error)
}

// Reservation is a call that is about to be made, and the most it can use.
type Reservation struct {
	ID       string
	Org      string
	At       time.Time
	Month    string // 2026-11, of UTC
	Agent    string
	Subject  string // what it is about, such as question:12 or chat:<id>
	Provider string
	Model    string
	KeyID    string
	Batch    bool
	Most     Spent
	Budget   Budget
}

// Settlement is how a call ended. Usage is what it used, and 0 where certainly
// nothing is charged.
type Settlement struct {
	ID        string
	Org       string
	At        time.Time
	Duration  time.Duration
	Outcome   string // "ok", or the code of the error
	Model     string // that answered
	RequestID string
	Usage     Usage
	Cost      Spent
	Attempts  int
	// Exchanges name the rows of the egress ledger with what was sent.
	Exchanges []string
}

// OutcomeOK is the outcome of a call that was answered.
const OutcomeOK = "ok"

// Books keep what calls used. Implementations are safe for concurrent use.
type Books interface {
	// Reserve writes a reservation down if the budget leaves room for it: the sum
	// of all settled calls and open reservations of the month, and of the agent in
	// it, plus this one has to stay within both caps ([Cap.Allows]). Checking and
	// writing are one step, whatever runs beside it. Otherwise it is [Exhausted].
	// A reservation that is never settled counts with its most for the month: that
	// is what a crash leaves.
	Reserve(ctx context.Context, r Reservation) error
	// Settle replaces a reservation by what was used. Settling twice changes
	// nothing; an unknown id is errs.NotFound.
	Settle(ctx context.Context, s Settlement) error
}

// Recorders give an organization's egress ledger.
type Recorders interface {
	ModelRecorder(org string) ledger.Recorder
}

// Opener makes a provider. Everything it sends goes to the recorder.
type Opener func(t Target, recorder ledger.Recorder) (Provider, error)
