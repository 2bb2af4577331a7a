package llm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
)

// Batch is work that was handed in together, as its caller has to keep it until
// it is collected.
type Batch struct {
	ID        string       `json:"id"` // the provider's
	Org       string       `json:"org"`
	Provider  string       `json:"provider"`
	KeyID     string       `json:"key_id"`
	At        time.Time    `json:"at"`
	Expires   time.Time    `json:"expires,omitzero"`
	Exchanges []string     `json:"exchanges"` // rows of the egress ledger with what was sent
	Entries   []BatchEntry `json:"entries"`
}

// BatchEntry is one call of a [Batch].
type BatchEntry struct {
	ID      string `json:"id"`      // the caller's
	CallID  string `json:"call_id"` // of the books
	Agent   string `json:"agent"`
	Subject string `json:"subject"`
	Model   string `json:"model"`
}

// BatchCall is a call that goes into a batch. Its run, patience and choice of
// tools do not apply.
type BatchCall struct {
	ID string // unique in the batch: letters, digits, _ and -
	Call
}

// BatchAnswer is the answer to one entry. Output is unchecked: see
// [Schema.Decode].
type BatchAnswer struct {
	BatchEntry
	Response Response
	Cost     Spent
	Err      error
}

// SubmitBatch hands work in that can wait for up to a day, at half the price.
// Every call is reserved as if it stood alone; where the budget does not suffice
// for all, none is sent. It is errs.Forbidden where the organization did not
// allow batches, and errs.Invalid for a provider without them.
func (g *Gateway) SubmitBatch(ctx context.Context, org, subject string, calls []BatchCall) (Batch, error) {
	s, p, batcher, err := g.batcher(ctx, org)
	if err != nil {
		return Batch{}, err
	}
	if len(calls) == 0 || len(calls) > MaxBatch {
		return Batch{}, errs.Wrap(fmt.Errorf("%d calls", len(calls)), errs.Internal, CodeRequest, "A batch for the model was put together wrongly.", "")
	}
	b := Batch{Org: org, Provider: p.Name(), KeyID: s.Target.KeyID, At: g.cfg.Now().UTC()}
	items := make([]BatchItem, 0, len(calls))
	models := NewCatalog(s.Models...)
	for _, c := range calls {
		c.Org = org
		item, entry, err := g.reserveBatched(ctx, s, models, c)
		if err != nil {
			return Batch{}, errors.Join(err, g.release(ctx, b, CodeBatch))
		}
		items, b.Entries = append(items, item), append(b.Entries, entry)
	}
	trail := &trail{}
	state, err := batcher.SubmitBatch(outbound.WithSubject(withTrail(ctx, trail), subject), items)
	b.ID, b.Expires, b.Exchanges = state.ID, state.Expires, trail.list()
	if err != nil {
		if FaultOf(err).Unbilled || len(b.Exchanges) == 0 {
			err = errors.Join(err, g.release(ctx, b, errs.CodeOf(err)))
		} // else it may have been taken: the reservations stay counted
		return Batch{}, err
	}
	return b, nil
}

// batcher returns the organization's provider, if batches may be used.
func (g *Gateway) batcher(ctx context.Context, org string) (Settings, Provider, Batcher, error) {
	s, err := g.settings(ctx, org)
	if err != nil {
		return s, nil, nil, err
	}
	if !s.Batch {
		return s, nil, nil, errs.New(errs.Forbidden, CodeBatch, "Work for models may not go into batches here.", "An owner can allow it in the settings of the assistant; the provider then keeps it longer.")
	}
	p, err := g.provider(org, s.Target)
	if err != nil {
		return s, nil, nil, err
	}
	batcher, ok := p.(Batcher)
	if !ok {
		return s, nil, nil, errs.New(errs.Invalid, CodeBatch, "This provider of models takes no batches.", "Do the work at once, or choose another provider.")
	}
	return s, p, batcher, nil
}

func (g *Gateway) reserveBatched(ctx context.Context, s Settings, models Catalog, c BatchCall) (BatchItem, BatchEntry, error) {
	if !isName(c.ID) {
		return BatchItem{}, BatchEntry{}, errs.Wrap(fmt.Errorf("entry %q", c.ID), errs.Internal, CodeRequest, "A batch for the model was put together wrongly.", "")
	}
	if err := c.Request.Check(); err != nil {
		return BatchItem{}, BatchEntry{}, err
	}
	model, _ := models.Find(s.Target.Provider, c.Request.Model)
	request, err := g.fit(c.Request, model)
	if err != nil {
		return BatchItem{}, BatchEntry{}, err
	}
	c.Request = request
	most, err := admit(c.Call, s.Budget, model, true)
	if err != nil {
		return BatchItem{}, BatchEntry{}, err
	}
	r := reservation(c.Call, s, most, g.cfg.Now(), true)
	if err := g.cfg.Books.Reserve(ctx, r); err != nil {
		return BatchItem{}, BatchEntry{}, err
	}
	return BatchItem{ID: c.ID, Request: request}, BatchEntry{ID: c.ID, CallID: r.ID, Agent: c.Agent, Subject: c.Subject, Model: c.Request.Model}, nil
}

// release settles the reservations of a batch that was not sent.
func (g *Gateway) release(ctx context.Context, b Batch, outcome string) error {
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var all error
	for _, e := range b.Entries {
		all = errors.Join(all, g.cfg.Books.Settle(keep, Settlement{ID: e.CallID, Org: b.Org, At: g.cfg.Now().UTC(), Outcome: outcome, Model: e.Model, Cost: Spent{Known: true}}))
	}
	return all
}

// BatchState asks how a batch stands.
func (g *Gateway) BatchState(ctx context.Context, b Batch) (BatchState, error) {
	_, _, batcher, err := g.batcher(ctx, b.Org)
	if err != nil {
		return BatchState{}, err
	}
	return batcher.BatchState(ctx, b.ID)
}

// CancelBatch gives a batch up. What was done of it is charged all the same, so
// it still has to be collected when it has ended.
func (g *Gateway) CancelBatch(ctx context.Context, b Batch) error {
	_, _, batcher, err := g.batcher(ctx, b.Org)
	if err != nil {
		return err
	}
	return batcher.CancelBatch(ctx, b.ID)
}

// CollectBatch hands on the answers of a batch that has ended and settles each.
// Entries without an answer are handed on with an error. It may be called again:
// what was settled stays settled.
func (g *Gateway) CollectBatch(ctx context.Context, b Batch, on func(BatchAnswer) error) error {
	s, _, batcher, err := g.batcher(ctx, b.Org)
	if err != nil {
		return err
	}
	state, err := batcher.BatchState(ctx, b.ID)
	if err != nil {
		return err
	}
	if !state.Done {
		return errs.New(errs.Conflict, CodeBatch, "The work is not done yet.", "Ask again later; it takes up to a day.")
	}
	models := NewCatalog(s.Models...)
	open := map[string]BatchEntry{}
	for _, e := range b.Entries {
		open[e.ID] = e
	}
	settle := func(e BatchEntry, resp Response, failed error) error {
		model, _ := models.Find(b.Provider, e.Model)
		r := Reservation{ID: e.CallID, Org: b.Org, At: b.At, Batch: true}
		used := resp.Usage.Sane()
		if FaultOf(failed).Unbilled {
			used = Usage{}
		}
		end := settlement(r, used, model, g.cfg.Now())
		end.Model, end.RequestID, end.Attempts, end.Exchanges = resp.Model, resp.RequestID, 1, b.Exchanges
		if failed != nil {
			end.Outcome = errs.CodeOf(failed)
		}
		if err := g.cfg.Books.Settle(ctx, end); err != nil {
			return fmt.Errorf("settle call %s: %w", e.CallID, err)
		}
		return on(BatchAnswer{BatchEntry: e, Response: resp, Cost: end.Cost, Err: failed})
	}
	err = batcher.BatchResults(ctx, state, func(r BatchResult) error {
		e, ok := open[r.ID]
		if !ok {
			return nil // not ours, or there twice
		}
		delete(open, r.ID)
		return settle(e, r.Response, r.Err)
	})
	if err != nil {
		return err
	}
	for _, e := range b.Entries {
		if _, missing := open[e.ID]; missing {
			if err := settle(e, Response{}, Failed(b.Provider, ReasonBusy, Fault{Unbilled: true})); err != nil {
				return err
			}
		}
	}
	return nil
}
