package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

// AITokens counts what a model read and wrote.
type AITokens struct {
	Input      int64 `json:"input,omitempty"` // without what a cache gave
	Output     int64 `json:"output,omitempty"`
	CacheRead  int64 `json:"cache_read,omitempty"`
	CacheWrite int64 `json:"cache_write,omitempty"`
}

// Total is what counts against a budget.
func (t AITokens) Total() int64 { return t.Input + t.Output + t.CacheRead + t.CacheWrite }

// The outcomes of a call that the store itself knows of.
const (
	AIUnderWay = ""     // it was reserved and is not settled
	AILost     = "lost" // its process ended: it counts with what was reserved
)

// AICall is one call of a model. Between [Tx.ReserveAICall] and
// [Tx.SettleAICall] it stands for the most that it may cost.
type AICall struct {
	ID       string
	At       time.Time
	Agent    string // briefing, explainer, chat, …
	Provider string
	Model    string
	Actor    UserID // who asked; empty = the program
	Subject  string // what it is about: [ChatSubject], [AssetSubject]
	KeyID    string // of the provider's key
	Batch    bool
	Outcome  string // ok, refused, failed, … as the caller says; [AIUnderWay], [AILost]
	SettleBy time.Time

	Reserved  AIBudget // the most it may use
	Tokens    AITokens // used
	Cost      *int64   // millionths of a US dollar; nil = the price is not known
	Duration  time.Duration
	Attempts  int
	Exchanges []string // in the egress ledger
	Request   string   // the provider's id of the request
}

// aiCallBody is the sealed part of a call.
type aiCallBody struct {
	Subject   string        `json:"subject,omitempty"`
	KeyID     string        `json:"key_id,omitempty"`
	Batch     bool          `json:"batch,omitempty"`
	Reserved  AIBudget      `json:"reserved,omitzero"`
	Tokens    AITokens      `json:"tokens,omitzero"`
	Cost      *int64        `json:"cost,omitempty"`
	Duration  time.Duration `json:"duration,omitempty"`
	Attempts  int           `json:"attempts,omitempty"`
	Exchanges []string      `json:"exchanges,omitempty"`
	Request   string        `json:"request,omitempty"`
}

// month names the month of a budget.
func month(t time.Time) string { return t.UTC().Format("2006-01") }

const aiCallColumns = `id, at, agent, provider, model, actor, outcome, settle_by, body`

func (tx *Tx) scanAICall(r interface{ Scan(...any) error }) (AICall, error) {
	var c AICall
	var at, settleBy int64
	var sealed []byte
	if err := r.Scan(&c.ID, &at, &c.Agent, &c.Provider, &c.Model, &c.Actor, &c.Outcome, &settleBy, &sealed); err != nil {
		return AICall{}, err
	}
	var b aiCallBody
	if err := tx.openJSON("ai_calls", c.ID, sealed, &b); err != nil {
		return AICall{}, err
	}
	c.At, c.SettleBy = fromMicros(at), fromMicros(settleBy)
	c.Subject, c.KeyID, c.Batch, c.Reserved, c.Tokens, c.Cost = b.Subject, b.KeyID, b.Batch, b.Reserved, b.Tokens, b.Cost
	c.Duration, c.Attempts, c.Exchanges, c.Request = b.Duration, b.Attempts, b.Exchanges, b.Request
	return c, nil
}

func (tx *Tx) sealAICall(c AICall) ([]byte, error) {
	return tx.sealJSON("ai_calls", c.ID, aiCallBody{
		Subject: c.Subject, KeyID: c.KeyID, Batch: c.Batch, Reserved: c.Reserved, Tokens: c.Tokens, Cost: c.Cost,
		Duration: c.Duration, Attempts: c.Attempts, Exchanges: c.Exchanges, Request: c.Request,
	})
}

// ReserveAICall puts a call on record before it is made, with the most that it
// may use, and returns it with its id (made here when empty) and time. fits is
// told what the month used so far, of the organization and of the call's agent,
// and refuses by its error; then nothing changes. Calls of processes that ended
// count as what they had reserved. Reservations at the same time wait for each
// other, so that together they never exceed what fits allows.
func (tx *Tx) ReserveAICall(ctx context.Context, c AICall, fits func(month, agent AIBudget) error) (AICall, error) {
	if c.Reserved.Tokens < 0 || c.Reserved.Micros < 0 || c.SettleBy.IsZero() {
		return AICall{}, errs.New(errs.Internal, "ai_reservation", "A model's call was reserved without its limits.", "")
	}
	if err := tx.lockAI(ctx); err != nil {
		return AICall{}, err
	}
	now := tx.store.now()
	if err := tx.loseAICalls(ctx, now); err != nil {
		return AICall{}, err
	}
	used, err := tx.AIUsed(ctx, now, "")
	if err != nil {
		return AICall{}, err
	}
	agent, err := tx.AIUsed(ctx, now, c.Agent)
	if err != nil {
		return AICall{}, err
	}
	if err := fits(used, agent); err != nil {
		return AICall{}, err
	}
	if c.ID == "" {
		if c.ID, err = newID(); err != nil {
			return AICall{}, err
		}
	}
	c.At, c.Outcome = fromMicros(micros(now)), AIUnderWay
	body, err := tx.sealAICall(c)
	if err != nil {
		return AICall{}, err
	}
	_, err = tx.exec(ctx, `INSERT INTO ai_calls (org_id, id, at, month, agent, provider, model, actor, settle_by, tokens, cost, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		tx.org, c.ID, micros(c.At), month(now), c.Agent, c.Provider, c.Model, string(c.Actor), micros(c.SettleBy), c.Reserved.Tokens, c.Reserved.Micros, body)
	if err != nil {
		return AICall{}, fmt.Errorf("reserve a model's call: %w", err)
	}
	return c, nil
}

// SettleAICall replaces what was reserved by what was used and adds it to the
// month's spend. Of c, the id, the outcome and what was used are read; an empty
// outcome is refused. Settling twice changes nothing; a call that was counted as
// lost is put right.
func (tx *Tx) SettleAICall(ctx context.Context, c AICall) error {
	if c.Outcome == AIUnderWay || c.Outcome == AILost {
		return errs.New(errs.Internal, "ai_outcome", "A model's call was settled without an outcome.", "")
	}
	if err := tx.lockAI(ctx); err != nil {
		return err
	}
	have, err := tx.AICall(ctx, c.ID)
	if err != nil {
		return err
	}
	if have.Outcome != AIUnderWay && have.Outcome != AILost {
		return nil
	}
	if have.Outcome == AILost {
		if err := tx.addAISpend(ctx, have, AITokens{Input: -have.Reserved.Tokens}, -have.Reserved.Micros, -1, 0); err != nil {
			return err
		}
	}
	have.Outcome, have.Tokens, have.Cost, have.Duration = c.Outcome, c.Tokens, c.Cost, c.Duration
	have.Attempts, have.Exchanges, have.Request = c.Attempts, c.Exchanges, c.Request
	if c.Model != "" {
		have.Model = c.Model
	}
	cost, unknown := int64(0), int64(0)
	switch {
	case c.Cost != nil:
		cost = *c.Cost
	case c.Tokens.Total() > 0:
		unknown = 1
	}
	if err := tx.putAICall(ctx, have, have.Tokens.Total(), cost); err != nil {
		return err
	}
	return tx.addAISpend(ctx, have, have.Tokens, cost, 1, unknown)
}

func (tx *Tx) putAICall(ctx context.Context, c AICall, tokens, cost int64) error {
	body, err := tx.sealAICall(c)
	if err != nil {
		return err
	}
	return tx.one(ctx, "call", `UPDATE ai_calls SET outcome = $3, model = $4, tokens = $5, cost = $6, body = $7 WHERE org_id = $1 AND id = $2`,
		tx.org, c.ID, c.Outcome, c.Model, tokens, cost, body)
}

// addAISpend adds to the month in which the call was reserved.
func (tx *Tx) addAISpend(ctx context.Context, c AICall, t AITokens, cost, calls, unknown int64) error {
	_, err := tx.exec(ctx, `INSERT INTO ai_spend (org_id, month, provider, model, agent, calls, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost, unknown_cost)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (org_id, month, provider, model, agent) DO UPDATE SET calls = ai_spend.calls + excluded.calls,
		input_tokens = ai_spend.input_tokens + excluded.input_tokens, output_tokens = ai_spend.output_tokens + excluded.output_tokens,
		cache_read_tokens = ai_spend.cache_read_tokens + excluded.cache_read_tokens, cache_write_tokens = ai_spend.cache_write_tokens + excluded.cache_write_tokens,
		cost = ai_spend.cost + excluded.cost, unknown_cost = ai_spend.unknown_cost + excluded.unknown_cost`,
		tx.org, month(c.At), c.Provider, c.Model, c.Agent, calls, t.Input, t.Output, t.CacheRead, t.CacheWrite, cost, unknown)
	if err != nil {
		return fmt.Errorf("count a model's call: %w", err)
	}
	return nil
}

// loseAICalls settles the calls whose process ended: what they may have used
// counts, so that a crash never gives budget back. Nobody knows how it was
// split: it counts as input.
func (tx *Tx) loseAICalls(ctx context.Context, now time.Time) error {
	var list []AICall
	err := tx.rows(ctx, `SELECT `+aiCallColumns+` FROM ai_calls WHERE org_id = $1 AND outcome = '' AND settle_by < $2 ORDER BY id`, []any{tx.org, micros(now)}, func(r *sql.Rows) error {
		c, err := tx.scanAICall(r)
		list = append(list, c)
		return err
	})
	if err != nil {
		return fmt.Errorf("look for lost calls: %w", err)
	}
	for _, c := range list {
		c.Outcome = AILost
		if err := tx.putAICall(ctx, c, c.Reserved.Tokens, c.Reserved.Micros); err != nil {
			return err
		}
		if err := tx.addAISpend(ctx, c, AITokens{Input: c.Reserved.Tokens}, c.Reserved.Micros, 1, 0); err != nil {
			return err
		}
	}
	return nil
}

// AIUsed is what the organization's calls of a month used, those under way
// with what they have reserved: of one agent, or of all where it is empty.
func (tx *Tx) AIUsed(ctx context.Context, at time.Time, agent string) (AIBudget, error) {
	var u, open AIBudget
	err := tx.scanOne(ctx, "spend", `SELECT COALESCE(sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens), 0), COALESCE(sum(cost), 0)
		FROM ai_spend WHERE org_id = $1 AND month = $2 AND ($3 = '' OR agent = $3)`, []any{tx.org, month(at), agent}, &u.Tokens, &u.Micros)
	if err != nil {
		return AIBudget{}, err
	}
	err = tx.scanOne(ctx, "spend", `SELECT COALESCE(sum(tokens), 0), COALESCE(sum(cost), 0) FROM ai_calls WHERE org_id = $1 AND month = $2 AND outcome = '' AND ($3 = '' OR agent = $3)`,
		[]any{tx.org, month(at), agent}, &open.Tokens, &open.Micros)
	return AIBudget{Tokens: u.Tokens + open.Tokens, Micros: u.Micros + open.Micros}, err
}

// AICall reads one call.
func (tx *Tx) AICall(ctx context.Context, id string) (AICall, error) {
	var list []AICall
	err := tx.rows(ctx, `SELECT `+aiCallColumns+` FROM ai_calls WHERE org_id = $1 AND id = $2`, []any{tx.org, id}, func(r *sql.Rows) error {
		c, err := tx.scanAICall(r)
		list = append(list, c)
		return err
	})
	if err == nil && len(list) == 0 {
		err = notFound("call")
	}
	if err != nil {
		return AICall{}, err
	}
	return list[0], nil
}

// AICallQuery selects calls.
type AICallQuery struct {
	Agent  string
	Model  string
	Since  time.Time
	Limit  int // 0 = 100
	Offset int
}

// AICalls lists calls, newest first, and how many there are in all.
func (tx *Tx) AICalls(ctx context.Context, q AICallQuery) ([]AICall, int, error) {
	const where = ` FROM ai_calls WHERE org_id = $1 AND ($2 = '' OR agent = $2) AND ($3 = '' OR model = $3) AND at >= $4`
	args := []any{tx.org, q.Agent, q.Model, micros(q.Since)}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	var total int
	if err := tx.scanOne(ctx, "calls", `SELECT count(*)`+where, args, &total); err != nil {
		return nil, 0, err
	}
	var list []AICall
	err := tx.rows(ctx, `SELECT `+aiCallColumns+where+` ORDER BY at DESC, id DESC LIMIT $5 OFFSET $6`, append(args, q.Limit, q.Offset), func(r *sql.Rows) error {
		c, err := tx.scanAICall(r)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list the calls: %w", err)
	}
	return list, total, nil
}

// AISpend is what calls of one month, model and agent used.
type AISpend struct {
	Org         OrgID
	Month       string // 2026-11, in UTC
	Provider    string
	Model       string
	Agent       string
	Calls       int64
	Tokens      AITokens
	Micros      int64 // millionths of a US dollar
	UnknownCost int64 // calls whose price is not known
}

// AISpend lists the organization's spend from a month on, in order. Calls under
// way are not in it.
func (tx *Tx) AISpend(ctx context.Context, since string) ([]AISpend, error) {
	return tx.aiSpend(ctx, ` AND org_id = $2`, since, tx.org)
}

// AISpend lists the spend of all organizations from a month on: counts only.
func (tx *SystemTx) AISpend(ctx context.Context, since string) ([]AISpend, error) {
	return tx.aiSpend(ctx, ``, since)
}

func (c *core) aiSpend(ctx context.Context, and, since string, args ...any) ([]AISpend, error) {
	var list []AISpend
	err := c.rows(ctx, `SELECT org_id, month, provider, model, agent, calls, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost, unknown_cost
		FROM ai_spend WHERE month >= $1`+and+` ORDER BY org_id, month, provider, model, agent`, append([]any{since}, args...), func(r *sql.Rows) error {
		var s AISpend
		err := r.Scan(&s.Org, &s.Month, &s.Provider, &s.Model, &s.Agent, &s.Calls, &s.Tokens.Input, &s.Tokens.Output, &s.Tokens.CacheRead, &s.Tokens.CacheWrite, &s.Micros, &s.UnknownCost)
		list = append(list, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the spend: %w", err)
	}
	return list, nil
}

// pruneAI deletes calls and outputs that are past their time, spend that is
// older than retention's own reports, and the payloads of chats that are gone.
func (tx *Tx) pruneAI(ctx context.Context, r Retention, now time.Time, report *PruneReport) error {
	if err := tx.lockAI(ctx); err != nil {
		return err
	}
	if err := tx.loseAICalls(ctx, now); err != nil {
		return err
	}
	if r.Audit > 0 {
		n, err := tx.exec(ctx, `DELETE FROM ai_calls WHERE org_id = $1 AND at < $2`, tx.org, micros(now.Add(-r.Audit)))
		if err != nil {
			return fmt.Errorf("delete calls: %w", err)
		}
		report.AICalls = int(n)
	}
	if r.Scans > 0 {
		n, err := tx.exec(ctx, `DELETE FROM ai_outputs WHERE org_id = $1 AND at < $2 AND agent <> $3`, tx.org, micros(now.Add(-r.Scans)), AIChoices)
		if err != nil {
			return fmt.Errorf("delete outputs: %w", err)
		}
		report.AIOutputs = int(n)
	}
	if _, err := tx.exec(ctx, `DELETE FROM ai_spend WHERE org_id = $1 AND month < $2`, tx.org, month(now.Add(-keepReports))); err != nil {
		return fmt.Errorf("delete old spend: %w", err)
	}
	n, err := tx.exec(ctx, `DELETE FROM egress_payloads WHERE org_id = $1 AND subject LIKE '`+chatSubject+`%'
		AND NOT EXISTS (SELECT 1 FROM chats c WHERE c.org_id = egress_payloads.org_id AND '`+chatSubject+`' || c.id = egress_payloads.subject)`, tx.org)
	if err != nil {
		return fmt.Errorf("delete the payloads of chats: %w", err)
	}
	report.Payloads += int(n)
	return nil
}
