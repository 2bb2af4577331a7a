package llm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
)

// Call is one question with everything the gateway has to know of it.
type Call struct {
	Org     string
	Agent   string // who asks: chat, briefing, explainer, …
	Subject string // what it is about, such as question:12 or chat:<id>; the kept payload goes with it
	Request Request
	// Run is the run that the call is a step of; nil for a call that stands alone.
	Run *Run
	// Money bounds what this call may cost, retries included; 0 takes the
	// organization's limit of one call.
	Money Money
	// Patience bounds the whole call, retries and waiting included; 0 takes the
	// gateway's.
	Patience time.Duration
}

// Answer is a [Response] with what the books and the ledger know it by.
type Answer struct {
	Response
	CallID string // of the last attempt that cost something; see [Reservation]
	Cost   Spent  // of all attempts
	// Exchanges name the rows of the egress ledger with what was sent.
	Exchanges []string
	Attempts  int
}

// Config is what a [Gateway] is made of.
type Config struct {
	Directory Directory
	Books     Books
	Recorders Recorders
	Open      Opener
	// Stopped reports whether an operator has stopped all traffic of a purpose;
	// required, as it is the emergency brake.
	Stopped func(ledger.Purpose) bool
	Now     func() time.Time
	Logger  *slog.Logger

	Attempts    int           // of one call, at most; 0 = 4
	Patience    time.Duration // of one call, waiting included; 0 = 10 min
	LongestWait time.Duration // between two attempts; a provider that asks for more gets no further one. 0 = 60 s
	Concurrent  int           // calls of an organization at a time; 0 = 4
	MaxTokens   int           // of an answer where neither request nor model says; 0 = 4096
	// Pause waits between attempts; nil = a timer.
	Pause func(ctx context.Context, d time.Duration) error
	// Jitter is a number in [0,1) that spreads retries; nil = random.
	Jitter func() float64
}

const (
	defaultAttempts   = 4
	defaultPatience   = 10 * time.Minute
	defaultLongest    = time.Minute
	defaultConcurrent = 4
	defaultMaxTokens  = 4096
	firstWait         = time.Second
	settleTimeout     = 10 * time.Second
)

// Gateway is the one door to models. It is safe for concurrent use.
type Gateway struct {
	cfg Config

	mu   sync.Mutex
	open map[string]opened        // organization → its provider
	busy map[string]chan struct{} // organization → its calls under way
}

type opened struct {
	target   Target
	provider Provider
}

// New returns a gateway. What is missing is errs.Internal.
func New(cfg Config) (*Gateway, error) {
	if cfg.Directory == nil || cfg.Books == nil || cfg.Recorders == nil || cfg.Open == nil || cfg.Stopped == nil {
		return nil, errs.New(errs.Internal, "no_gateway", "The gateway to models lacks a part.", "")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Attempts <= 0 {
		cfg.Attempts = defaultAttempts
	}
	if cfg.Patience <= 0 {
		cfg.Patience = defaultPatience
	}
	if cfg.LongestWait <= 0 {
		cfg.LongestWait = defaultLongest
	}
	if cfg.Concurrent <= 0 {
		cfg.Concurrent = defaultConcurrent
	}
	if cfg.MaxTokens <= 0 {
		cfg.MaxTokens = defaultMaxTokens
	}
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
	if cfg.Jitter == nil {
		cfg.Jitter = mathrand.Float64
	}
	return &Gateway{cfg: cfg, open: map[string]opened{}, busy: map[string]chan struct{}{}}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Close drops the connections of all providers.
func (g *Gateway) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, o := range g.open {
		o.provider.Close()
	}
	clear(g.open)
}

// Available reports whether calls of an organization can be made now, and if
// not, why: errs.Forbidden where somebody switched them off, errs.NotFound where
// no provider is set up.
func (g *Gateway) Available(ctx context.Context, org string) error {
	_, err := g.settings(ctx, org)
	return err
}

// settings applies the kill switch and the organization's own switch.
func (g *Gateway) settings(ctx context.Context, org string) (Settings, error) {
	if g.cfg.Stopped(ledger.PurposeModel) {
		return Settings{}, errs.New(errs.Forbidden, outbound.CodeStopped, "An operator has stopped everything that goes to models.",
			"Ask whoever runs this MetaLens; it is allowed again under Controls of the operator console, unless the setting ai.off is on.")
	}
	s, err := g.cfg.Directory.ModelSettings(ctx, org)
	if err != nil {
		return Settings{}, err
	}
	if !s.Enabled {
		why := "The assistant is switched off."
		if s.Why != "" {
			why = s.Why
		}
		return Settings{}, errs.New(errs.Forbidden, CodeOff, why, "An owner can switch it on in the settings of the assistant.")
	}
	return s, nil
}

// provider returns the organization's provider, opened anew when the settings
// have changed.
func (g *Gateway) provider(org string, t Target) (Provider, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if have, ok := g.open[org]; ok {
		if have.target.same(t) {
			return have.provider, nil
		}
		have.provider.Close()
		delete(g.open, org)
	}
	p, err := g.cfg.Open(t, tap{g.cfg.Recorders.ModelRecorder(org)})
	if err != nil {
		return nil, err
	}
	g.open[org] = opened{t, p}
	return p, nil
}

// forget drops the organization's provider. A transport that could not write to
// the ledger sends nothing any more; the next call gets a new one, which has to
// be able to.
func (g *Gateway) forget(org string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if have, ok := g.open[org]; ok {
		have.provider.Close()
		delete(g.open, org)
	}
}

func (t Target) same(u Target) bool {
	return t.Provider == u.Provider && t.BaseURL == u.BaseURL && t.KeyID == u.KeyID && t.Operator == u.Operator && t.Key.Equal(u.Key)
}

// enter takes a place among the organization's calls; leave gives it back.
func (g *Gateway) enter(ctx context.Context, org string) (leave func(), err error) {
	g.mu.Lock()
	places, ok := g.busy[org]
	if !ok {
		places = make(chan struct{}, g.cfg.Concurrent)
		g.busy[org] = places
	}
	g.mu.Unlock()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Do asks a model. on sees the answer while it is written and may be nil; where
// it is set, nothing is asked again once a part of an answer was handed on.
// Errors are of the kinds and codes of this package. The answer is set with an
// error too, as far as it is known: its cost and exchanges always.
func (g *Gateway) Do(ctx context.Context, c Call, on func(Event) error) (Answer, error) {
	s, err := g.settings(ctx, c.Org)
	if err != nil {
		return Answer{}, err
	}
	if err := c.Request.Check(); err != nil {
		return Answer{}, err
	}
	model, _ := NewCatalog(s.Models...).Find(s.Target.Provider, c.Request.Model)
	if c.Request, err = g.fit(c.Request, model); err != nil {
		return Answer{}, err
	}
	most, err := admit(c, s.Budget, model, false)
	if err != nil {
		return Answer{}, err
	}
	p, err := g.provider(c.Org, s.Target)
	if err != nil {
		return Answer{}, err
	}
	patience := c.Patience
	if patience <= 0 {
		patience = g.cfg.Patience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	leave, err := g.enter(ctx, c.Org)
	if err != nil {
		return Answer{}, err
	}
	defer leave()
	a := &attempts{g: g, call: c, settings: s, model: model, provider: p, most: most, answer: Answer{Cost: Spent{Known: model.Tariff != nil}}}
	err = a.run(ctx, on)
	return a.answer, err
}

// fit makes a request one that the model takes.
func (g *Gateway) fit(r Request, m Model) (Request, error) {
	r.ViaTool = r.Output != nil && m.NoSchema
	if !m.Effort {
		r.Effort = ""
	}
	var err error
	r.MaxTokens, err = g.maxTokens(r, m)
	return r, err
}

// maxTokens settles how long an answer may be: the request's wish, the model's
// limit, the gateway's default.
func (g *Gateway) maxTokens(r Request, m Model) (int, error) {
	n := r.MaxTokens
	if n == 0 {
		n = g.cfg.MaxTokens
	}
	if m.MaxOutput > 0 && int64(n) > m.MaxOutput {
		n = int(m.MaxOutput)
	}
	if m.Context > 0 && r.Input().Low+int64(n) > m.Context {
		return 0, Failed(m.Provider, ReasonTooLong, Fault{Unbilled: true, Err: fmt.Errorf("%d bytes for a context of %d tokens", r.Bytes(), m.Context)})
	}
	return n, nil
}

// admit works out the most that one attempt can use and holds it against the
// limits of one call.
func admit(c Call, b Budget, m Model, batch bool) (Spent, error) {
	in, out := c.Request.Input().High, int64(c.Request.MaxTokens)
	most := Spent{Tokens: in + out, Known: m.Tariff != nil}
	if most.Known {
		most.Money = m.Tariff.worst(in, out, batch)
	}
	limit := b.Call
	if c.Money > 0 && (limit.Money == Unlimited || c.Money < limit.Money) {
		limit.Money = c.Money
	}
	if code, ok := limit.Allows(Spent{}, most); !ok {
		what := "tokens"
		if code == CodeMoney {
			what = "money"
		}
		return Spent{}, errs.New(errs.Limited, CodeCallLimit, "One question may not use as much "+what+" as this one could.",
			"Ask about less at a time, choose a cheaper model, or have an owner raise the limit of one call.")
	}
	return most, nil
}

// attempts is one call with its retries.
type attempts struct {
	g        *Gateway
	call     Call
	settings Settings
	model    Model
	provider Provider
	most     Spent
	answer   Answer
}

func (a *attempts) run(ctx context.Context, on func(Event) error) error {
	for {
		handed := false
		watch := func(e Event) error {
			if on == nil {
				return nil
			}
			handed = handed || e.Kind != EventThink
			return on(e)
		}
		err := a.once(ctx, watch)
		if err == nil {
			return nil
		}
		f := FaultOf(err)
		if !f.Retry || handed || a.answer.Attempts >= a.g.cfg.Attempts || ctx.Err() != nil {
			return err
		}
		wait := a.g.wait(f, a.answer.Attempts)
		if deadline, ok := ctx.Deadline(); wait > a.g.cfg.LongestWait || ok && time.Until(deadline) < wait {
			return err
		}
		a.g.cfg.Logger.InfoContext(ctx, "a model is asked again", "provider", a.settings.Target.Provider, "agent", a.call.Agent,
			"code", errs.CodeOf(err), "status", f.Status, "wait", wait, "attempt", a.answer.Attempts)
		if on != nil {
			if err := on(Event{Kind: EventRetry, Wait: wait}); err != nil {
				return err
			}
		}
		if a.g.cfg.Pause(ctx, wait) != nil {
			return err // the failure says more than that time ran out
		}
		if a.g.cfg.Stopped(ledger.PurposeModel) {
			_, err := a.g.settings(ctx, a.call.Org)
			return err
		}
	}
}

// wait is how long to stay away after a failed attempt: what the provider asks
// for, else double each time; spread, so that many do not come back at once.
func (g *Gateway) wait(f Fault, attempt int) time.Duration {
	const spread = 0.25
	d := firstWait << min(attempt-1, 6)
	if f.After > 0 {
		d = f.After
	}
	return d + time.Duration(float64(d)*spread*g.cfg.Jitter())
}

// once reserves, sends and settles one attempt.
func (a *attempts) once(ctx context.Context, on func(Event) error) error {
	if err := a.withinMoney(); err != nil {
		return err
	}
	if err := a.call.Run.admit(a.most, a.answer.Attempts == 0); err != nil {
		return err
	}
	g, began := a.g, a.g.cfg.Now()
	r := reservation(a.call, a.settings, a.most, began, false)
	if err := g.cfg.Books.Reserve(ctx, r); err != nil {
		return err
	}
	a.answer.Attempts++
	a.answer.CallID = r.ID
	trail := &trail{}
	sent := outbound.WithSubject(withTrail(ctx, trail), a.call.Subject)
	resp, err := a.provider.Stream(sent, a.call.Request, on)
	if err == nil {
		err = complete(a.call.Request, resp)
	}
	used := usage(a.call.Request, resp, err, len(trail.list()) > 0)
	end := settlement(r, used, a.model, g.cfg.Now())
	end.Model, end.RequestID, end.Attempts, end.Exchanges = resp.Model, resp.RequestID, a.answer.Attempts, trail.list()
	if f := FaultOf(err); end.RequestID == "" {
		end.RequestID = f.RequestID
	}
	if err != nil {
		end.Outcome = errs.CodeOf(err)
	}
	if errs.CodeOf(err) == outbound.CodeLedger {
		g.forget(a.call.Org)
	}
	a.call.Run.note(end.Cost, resp.Calls)
	a.answer.Response = resp
	a.answer.Cost = Spent{a.answer.Cost.Tokens + end.Cost.Tokens, a.answer.Cost.Money + end.Cost.Money, a.answer.Cost.Known && end.Cost.Known}
	a.answer.Exchanges = append(a.answer.Exchanges, end.Exchanges...)
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if serr := g.cfg.Books.Settle(keep, end); serr != nil {
		// The reservation stays counted, which is the safe side.
		return errors.Join(err, fmt.Errorf("settle call %s: %w", r.ID, serr))
	}
	return err
}

// withinMoney stops retries that would cost more than the call may.
func (a *attempts) withinMoney() error {
	limit := a.call.Money
	if limit <= 0 {
		limit = a.settings.Budget.Call.Money
	}
	if limit == Unlimited || !a.most.Known || a.answer.Cost.Money+a.most.Money <= limit {
		return nil
	}
	return errs.New(errs.Limited, CodeCallLimit, "Asking again would cost more than one question may.", "Try again later, or have an owner raise the limit of one call.")
}

func reservation(c Call, s Settings, most Spent, at time.Time, batch bool) Reservation {
	at = at.UTC()
	return Reservation{
		ID: rand.Text(), Org: c.Org, At: at, Month: at.Format("2006-01"), Agent: c.Agent, Subject: c.Subject,
		Provider: s.Target.Provider, Model: c.Request.Model, KeyID: s.Target.KeyID, Batch: batch, Most: most, Budget: s.Budget,
	}
}

func settlement(r Reservation, used Usage, m Model, now time.Time) Settlement {
	end := Settlement{ID: r.ID, Org: r.Org, At: now.UTC(), Duration: now.Sub(r.At), Outcome: OutcomeOK, Usage: used, Cost: Spent{Tokens: used.Total(), Known: m.Tariff != nil}}
	if m.Tariff != nil {
		end.Cost.Money = m.Tariff.Cost(used, r.Batch)
	}
	return end
}

// usage is what an attempt used. Where the provider did not say and may charge,
// it is a guess upward. sent says that a request left.
func usage(r Request, resp Response, err error, sent bool) Usage {
	u := resp.Usage.Sane()
	switch {
	case err != nil && FaultOf(err).Unbilled:
		return Usage{}
	case u.Total() > 0 && !u.Estimated:
		return u
	case !sent && u.Total() == 0:
		return Usage{}
	}
	u.Estimated = true
	if u.Input+u.CacheRead+u.CacheWrite == 0 {
		u.Input = r.Input().High
	}
	written := TokensOf(int64(len(resp.Text)))
	for _, c := range resp.Calls {
		written = written.Plus(TokensOf(int64(len(c.Args.String()))))
	}
	u.Output = max(u.Output, written.High-1)
	return u
}

// complete checks that an answer is one.
func complete(r Request, resp Response) error {
	if r.Output == nil {
		return nil
	}
	switch resp.Stop {
	case StopEnd:
		if p := r.Output.validate(resp.Output); len(p) > 0 {
			return errs.Wrap(p, errs.Unavailable, CodeOutput, "The model's answer has not the form that was asked for.",
				"Try again. If it repeats, choose another model: small ones often cannot do this.")
		}
	case StopLength, StopContext:
		return errs.New(errs.Limited, CodeOutput, "The model's answer was cut because it grew too long.", "Ask about less at a time.")
	case StopRefused:
		return Failed("The model", ReasonRefused, Fault{})
	case StopTools:
	}
	return nil
}
