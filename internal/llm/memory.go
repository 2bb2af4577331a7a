package llm

import (
	"context"
	"slices"
	"sync"

	"github.com/metalens/metalens/internal/errs"
)

// Exhausted is the error of [Books.Reserve]. code is CodeTokens or CodeMoney;
// agent is empty where it was the organization's budget.
func Exhausted(code, agent string) error {
	what, of := "tokens", "of the organization"
	if code == CodeMoney {
		what = "money"
	}
	if agent != "" {
		of = "of this kind of work"
	}
	return errs.New(errs.Limited, code, "The "+what+" that may be used for models this month "+of+" are used up.",
		"An owner can raise the budget in the settings of the assistant; it begins anew with the next month (UTC).")
}

// Memory is [Books] in memory, for tests and for runs that keep nothing. The
// zero value is ready to use.
type Memory struct {
	mu   sync.Mutex
	rows []Row
}

// Row is a call in [Memory].
type Row struct {
	Reservation
	Settled *Settlement
}

func (r Row) spent() Spent {
	if r.Settled == nil {
		return r.Most
	}
	return r.Settled.Cost
}

// Rows returns a copy of the calls, in order.
func (m *Memory) Rows() []Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.rows)
}

// Reserve implements [Books].
func (m *Memory) Reserve(_ context.Context, r Reservation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all, agent Spent
	for _, row := range m.rows {
		if row.Org != r.Org || row.Month != r.Month {
			continue
		}
		s := row.spent()
		all.Tokens, all.Money = all.Tokens+s.Tokens, all.Money+s.Money
		if row.Agent == r.Agent {
			agent.Tokens, agent.Money = agent.Tokens+s.Tokens, agent.Money+s.Money
		}
	}
	if code, ok := r.Budget.Month.Allows(all, r.Most); !ok {
		return Exhausted(code, "")
	}
	if own, capped := r.Budget.Agents[r.Agent]; capped {
		if code, ok := own.Allows(agent, r.Most); !ok {
			return Exhausted(code, r.Agent)
		}
	}
	m.rows = append(m.rows, Row{Reservation: r})
	return nil
}

// Settle implements [Books].
func (m *Memory) Settle(_ context.Context, s Settlement) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.rows {
		if m.rows[i].ID == s.ID && m.rows[i].Org == s.Org {
			if m.rows[i].Settled == nil {
				m.rows[i].Settled = &s
			}
			return nil
		}
	}
	return errs.New(errs.NotFound, "no_such_call", "There is no such call of a model.", "")
}
