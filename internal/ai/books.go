package ai

import (
	"context"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/store"
)

// callLife is after how long a call that was never settled counts as lost, with
// what it had reserved: longer than any call may take. A batch takes up to a day
// with both providers, and is kept for a month at most.
const (
	callLife  = time.Hour
	batchLife = 30 * 24 * time.Hour
)

// Reserve implements [llm.Books].
func (s *Service) Reserve(ctx context.Context, r llm.Reservation) error {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return err
	}
	life := callLife
	if r.Batch {
		life = batchLife
	}
	call := store.AICall{
		ID: r.ID, Agent: r.Agent, Provider: r.Provider, Model: r.Model, Actor: store.UserID(access.From(ctx).User), Subject: r.Subject, KeyID: r.KeyID, Batch: r.Batch,
		SettleBy: r.At.Add(life), Reserved: store.AIBudget{Tokens: r.Most.Tokens},
	}
	if r.Most.Known {
		call.Reserved.Micros = int64(r.Most.Money)
	}
	err := s.config.Store.InOrg(ctx, store.OrgID(r.Org), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.ReserveAICall(ctx, call, func(month, agent store.AIBudget) error {
			if code, ok := r.Budget.Month.Allows(spent(month), r.Most); !ok {
				return llm.Exhausted(code, "")
			}
			if own, capped := r.Budget.Agents[r.Agent]; capped {
				if code, ok := own.Allows(spent(agent), r.Most); !ok {
					return llm.Exhausted(code, r.Agent)
				}
			}
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("reserve a call: %w", err)
	}
	return nil
}

func spent(b store.AIBudget) llm.Spent {
	return llm.Spent{Tokens: b.Tokens, Money: llm.Money(b.Micros), Known: true}
}

// Settle implements [llm.Books].
func (s *Service) Settle(ctx context.Context, end llm.Settlement) error {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return err
	}
	call := store.AICall{
		ID: end.ID, Outcome: end.Outcome, Model: end.Model, Duration: end.Duration, Attempts: end.Attempts, Exchanges: end.Exchanges, Request: end.RequestID,
		Tokens: store.AITokens{Input: end.Usage.Input, Output: end.Usage.Output, CacheRead: end.Usage.CacheRead, CacheWrite: end.Usage.CacheWrite},
	}
	if end.Cost.Known {
		call.Cost = new(int64(end.Cost.Money))
	}
	err := s.config.Store.InOrg(ctx, store.OrgID(end.Org), func(ctx context.Context, tx *store.Tx) error { return tx.SettleAICall(ctx, call) })
	if err != nil {
		return fmt.Errorf("settle a call: %w", err)
	}
	return nil
}

// Month is what an organization used in a month.
type Month struct {
	Name   string // 2026-11
	Tokens int64
	Micros int64
	Calls  int64
	// Unknown are calls whose price is not known.
	Unknown int64
}

// Spend is what an organization used.
type Spend struct {
	Months []Month         // the last twelve, oldest first; without gaps
	Lines  []store.AISpend // of the present month
	Used   store.AIBudget  // of the present month, calls under way with what they reserved
}

const shownMonths = 12

// Spend says what an organization used. It asks for the role admin.
func (s *Service) Spend(ctx context.Context, org store.OrgID) (out Spend, err error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return out, err
	}
	now := s.config.Now().UTC()
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC).AddDate(0, 1-shownMonths, 0)
	at := map[string]int{}
	for i := range shownMonths {
		name := first.AddDate(0, i, 0).Format("2006-01")
		at[name] = i
		out.Months = append(out.Months, Month{Name: name})
	}
	present := now.Format("2006-01")
	err = s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, err := tx.AISpend(ctx, first.Format("2006-01"))
		if err != nil {
			return err
		}
		for _, line := range list {
			if line.Month == present && line.Calls > 0 {
				out.Lines = append(out.Lines, line)
			}
			if i, ok := at[line.Month]; ok {
				m := &out.Months[i]
				m.Tokens, m.Micros, m.Calls, m.Unknown = m.Tokens+line.Tokens.Total(), m.Micros+line.Micros, m.Calls+line.Calls, m.Unknown+line.UnknownCost
			}
		}
		out.Used, err = tx.AIUsed(ctx, now, "")
		return err
	})
	if err != nil {
		return out, fmt.Errorf("read the spend: %w", err)
	}
	return out, nil
}

// Calls lists an organization's calls, newest first, and how many there are. It
// asks for the role admin.
func (s *Service) Calls(ctx context.Context, org store.OrgID, q store.AICallQuery) (list []store.AICall, total int, err error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return nil, 0, err
	}
	err = s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, total, err = tx.AICalls(ctx, q)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list the calls: %w", err)
	}
	return list, total, nil
}
