package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/store"
)

// JobAfterScan is the job that lets agents work after a scan.
const JobAfterScan jobs.Kind = "agents"

// AfterScan says which agents work after each scan of a connection, and what they
// may use. The zero value lets none: models cost money, so somebody has to say so.
type AfterScan struct {
	Agents []Name    `json:"agents,omitempty"`
	Money  llm.Money `json:"money,omitempty"`  // per scan, where the price is known; 0 = half a dollar
	Tokens int64     `json:"tokens,omitempty"` // per scan; 0 = 500,000
}

const (
	defaultScanMoney  = llm.Dollar / 2
	defaultScanTokens = 500_000
)

func (a AfterScan) withDefaults() AfterScan {
	if a.Money <= 0 {
		a.Money = defaultScanMoney
	}
	if a.Tokens <= 0 {
		a.Tokens = defaultScanTokens
	}
	return a
}

// Report says what agents did after a scan.
type Report struct {
	At       time.Time    `json:"at"`
	Scan     store.ScanID `json:"scan"`
	Made     int          `json:"made"`              // outputs that are new
	Kept     int          `json:"kept"`              // that still hold: nothing changed
	Left     int          `json:"left"`              // that the cap left out
	Failed   int          `json:"failed"`            // that no usable answer came for
	Tokens   int64        `json:"tokens"`            // used
	Cost     llm.Money    `json:"cost"`              // where known
	CostMore bool         `json:"cost_more"`         // some calls' price is not known
	Stopped  string       `json:"stopped,omitempty"` // code of what ended it before everything was done
}

// The rows of ai_outputs that are about the step itself.
const (
	stepAgent    = "after_scan"
	stepSettings = "settings"
	stepReport   = "report"
)

// AfterScan returns what happens after a scan of a connection.
func (s *Service) AfterScan(ctx context.Context, org store.OrgID, conn store.ConnectionID) (a AfterScan, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return a, err
	}
	_, err = s.step(ctx, org, conn, stepSettings, &a)
	return a, err
}

// LastReport returns what agents did after the last scan; errs.NotFound when they
// never worked.
func (s *Service) LastReport(ctx context.Context, org store.OrgID, conn store.ConnectionID) (r Report, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return r, err
	}
	ok, err := s.step(ctx, org, conn, stepReport, &r)
	if err == nil && !ok {
		err = nothing()
	}
	return r, err
}

func (s *Service) step(ctx context.Context, org store.OrgID, conn store.ConnectionID, subject string, into any) (found bool, err error) {
	if err := access.Enter(ctx, string(org)); err != nil {
		return false, err
	}
	var o store.AIOutput
	err = s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		o, found, err = tx.AIOutput(ctx, conn, stepAgent, subject)
		return err
	})
	if err != nil || !found {
		return false, err
	}
	if err := json.Unmarshal(o.Output, into); err != nil {
		return false, fmt.Errorf("read %s of agents: %w", subject, err)
	}
	return true, nil
}

func (s *Service) putStep(ctx context.Context, tx *store.Tx, conn store.ConnectionID, subject string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s of agents: %w", subject, err)
	}
	return tx.PutAIOutput(ctx, store.AIOutput{Connection: conn, Agent: stepAgent, Subject: subject, At: s.config.Now().UTC(), Output: body})
}

// SetAfterScan says which agents work after each scan of a connection, and what
// they may use. It is audited.
func (s *Service) SetAfterScan(ctx context.Context, org store.OrgID, conn store.ConnectionID, a AfterScan) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	if err := access.Enter(ctx, string(org)); err != nil {
		return err
	}
	for _, name := range a.Agents {
		if name == SQLWriter || !slices.Contains(Names(), name) {
			return errs.New(errs.Invalid, "no_agent", "There is no agent “"+string(name)+"” that works after scans.", "Choose among those that are listed.")
		}
	}
	if a.Money < 0 || a.Tokens < 0 {
		return errs.New(errs.Invalid, "cap", "A cap cannot be negative.", "Leave it empty for the default.")
	}
	detail, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("describe the agents after a scan: %w", err)
	}
	return s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if err := s.putStep(ctx, tx, conn, stepSettings, a); err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditRow{
			Actor: store.UserID(access.From(ctx).User), Action: "ai_after_scan_changed", Target: "connection:" + string(conn), Detail: string(detail),
		})
	})
}

// candidate is something an agent could work on.
type candidate struct {
	agent   Name
	subject string
	views   int64
}

// candidates lists what agents could work on after a scan, what matters most
// first: the briefing, then agents in the order of [Names], each with the most
// used first.
func (s *Service) candidates(ctx context.Context, w *tools.World, agents []Name) ([]candidate, error) {
	var list []candidate
	add := func(agent Name, subject string, views int64) {
		if slices.Contains(agents, agent) {
			list = append(list, candidate{agent, subject, views})
		}
	}
	views := func(refs ...catalog.Ref) (n int64) {
		for _, r := range refs {
			if u := w.Usage(r); u != nil && u.Views != nil {
				n += *u.Views
			}
		}
		return n
	}
	add(Briefing, SubjectScan, 0)
	for a := range w.Index.Snapshot().All() {
		if a.IsArchived() || w.Index.Personal(a.InCollection()) {
			continue
		}
		r := a.Ref()
		if exposed(w.Index, a) != (exposureDoc{}) {
			add(Exposure, r.String(), views(r))
		}
		switch a := a.(type) {
		case *catalog.Question:
			if a.Description == "" && !a.Unreadable {
				add(Explainer, r.String(), views(r))
			}
		case *catalog.Dashboard:
			if a.Description == "" && !a.DetailUnread {
				add(Explainer, r.String(), views(r))
			}
		}
	}
	if slices.Contains(agents, SQLReview) {
		if err := s.toReview(ctx, w, func(r catalog.Ref) { add(SQLReview, r.String(), views(r)) }); err != nil {
			return nil, err
		}
	}
	if slices.Contains(agents, Duplicates) || slices.Contains(agents, Metrics) {
		found, err := s.config.Backend.Similar(ctx, w.Org, w.Connection)
		if err != nil {
			return nil, err
		}
		for _, c := range found.Clusters {
			add(Duplicates, ClusterSubject(c.ID), views(c.Members...))
		}
		for _, c := range found.Conflicts {
			if len(c.Definitions) > 1 {
				n := int64(0)
				for _, d := range c.Definitions {
					n += d.Views
				}
				add(Metrics, MetricSubject(c.ID), n)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(slices.Index(order(), a.agent), slices.Index(order(), b.agent)), cmp.Compare(b.views, a.views), cmp.Compare(a.subject, b.subject))
	})
	return list, nil
}

// order is which agents work first: what concerns everybody, then risk, then
// contradictions, then tidying up.
func order() []Name { return []Name{Briefing, Exposure, Metrics, Duplicates, SQLReview, Explainer} }

// toReview calls each for the SQL questions that checks found something in.
func (s *Service) toReview(ctx context.Context, w *tools.World, each func(catalog.Ref)) error {
	const page = 500
	seen := map[catalog.Ref]bool{}
	for offset := 0; ; offset += page {
		list, total, err := s.config.Backend.Findings(ctx, w.Org, store.FindingQuery{
			Connection: w.Connection, Families: []string{"SQL"}, States: []store.FindingState{store.FindingOpen}, Sort: store.SortImpact, Limit: page, Offset: offset,
		})
		if err != nil {
			return err
		}
		for i := range list {
			r := list[i].Asset
			q, ok := w.Index.Asset(r).(*catalog.Question)
			if !seen[r] && ok && q.Query.Language == catalog.LanguageSQL && !q.Archived {
				seen[r] = true
				each(r)
			}
		}
		if len(list) == 0 || offset+len(list) >= total {
			return nil
		}
	}
}

// Share is what one agent is going to do after a scan.
type Share struct {
	Agent    Name
	Subjects int // it could work on
	Fresh    int // of them said before and still holding; of a sample, scaled
	Forecast llm.Forecast
}

// Plan is what agents would do after a scan now, and what that would cost.
type Plan struct {
	AfterScan AfterScan
	Model     string
	Shares    []Share
	// Low, Likely and High are the cost of all that is not fresh, without the cap;
	// meaningful where Known.
	Low, Likely, High llm.Money
	Known             bool
	Tokens            int64 // likely
	// Calls are all that are not fresh; Within of them fit the cap.
	Calls, Within int
	Sampled       bool // figures are scaled up from a sample
}

// sampleSize is how many subjects of an agent are looked at for a plan.
const sampleSize = 40

// Plan works out what agents would do after a scan, before any of it is done.
func (s *Service) Plan(ctx context.Context, org store.OrgID, conn store.ConnectionID, a AfterScan) (*Plan, error) {
	w, err := s.enter(ctx, access.Editor, org, conn)
	if err != nil {
		return nil, err
	}
	a = a.withDefaults()
	list, err := s.candidates(ctx, w, a.Agents)
	if err != nil {
		return nil, err
	}
	p := &Plan{AfterScan: a, Known: true}
	money, tokens := a.Money, a.Tokens
	for _, name := range order() {
		var mine []candidate
		for _, c := range list {
			if c.agent == name {
				mine = append(mine, c)
			}
		}
		if len(mine) == 0 {
			continue
		}
		share, model, err := s.share(ctx, w, name, mine, p)
		if err != nil {
			return nil, err
		}
		p.Model = model
		p.Shares = append(p.Shares, share)
		f := share.Forecast
		p.Low, p.Likely, p.High, p.Known = p.Low+f.Low, p.Likely+f.Likely, p.High+f.High, p.Known && f.Known
		need := f.Input.Likely + f.Output.Likely
		p.Tokens += need
		p.Calls += int(f.Calls)
		fits := f.Calls
		if f.Calls > 0 {
			fits = min(fits, tokens*f.Calls/max(need, 1))
			if f.Known && f.Likely > 0 {
				fits = min(fits, int64(money)*f.Calls/int64(f.Likely))
				money -= llm.Money(int64(f.Likely) * fits / f.Calls)
			}
			tokens -= need * fits / f.Calls
		}
		p.Within += int(fits)
	}
	return p, nil
}

// share works out the part of one agent from a sample of its subjects.
func (s *Service) share(ctx context.Context, w *tools.World, name Name, mine []candidate, p *Plan) (Share, string, error) {
	d, err := s.desk(ctx, w, name)
	if err != nil {
		return Share{}, "", err
	}
	prompt, err := PromptOf(name)
	if err != nil {
		return Share{}, "", err
	}
	step := max(1, (len(mine)+sampleSize-1)/sampleSize)
	p.Sampled = p.Sampled || step > 1
	var looked, fresh, counted int
	var own, shared, answer int64
	for i := 0; i < len(mine); i += step {
		work, err := d.prepare(ctx, name, mine[i].subject)
		if k := errs.KindOf(err); k == errs.NotFound || k == errs.Invalid {
			continue
		}
		if err != nil {
			return Share{}, "", err
		}
		looked++
		hash, err := work.hash(prompt)
		if err != nil {
			return Share{}, "", err
		}
		if kept, ok, err := s.kept(ctx, w, name, mine[i].subject); err != nil {
			return Share{}, "", err
		} else if ok && kept.ContentHash == hash {
			fresh++
			continue
		}
		task, err := s.task(work, prompt, d)
		if err != nil {
			return Share{}, "", err
		}
		q := llm.Request{System: task.System, Output: task.Output}
		shared = q.Bytes()
		q.Messages = task.Messages
		own += q.Bytes() - shared
		answer = int64(work.limits.Answer) / 2
		counted++
	}
	out := Share{Agent: name, Subjects: len(mine)}
	if looked > 0 {
		out.Fresh = fresh * len(mine) / looked
	}
	work := llm.Work{Calls: int64(len(mine) - out.Fresh), Shared: shared, Output: answer, Cached: true}
	if counted > 0 {
		work.Own = own / int64(counted)
	} else {
		work.Calls = 0
	}
	out.Forecast = d.setup.Model.Estimate(work)
	return out, d.setup.Model.Name, nil
}

// RunAfterScan lets agents work on a connection, within the cap that was set. Only
// the program itself may ask for it. What stops it, such as a budget that is used
// up, is in the report; an error is something that broke.
func (s *Service) RunAfterScan(ctx context.Context, org store.OrgID, conn store.ConnectionID) (Report, error) {
	if err := access.RequireSystem(ctx); err != nil {
		return Report{}, err
	}
	a, err := s.AfterScan(ctx, org, conn)
	if err != nil || len(a.Agents) == 0 {
		return Report{}, err
	}
	a = a.withDefaults()
	w, err := s.enter(ctx, access.Viewer, org, conn)
	if err != nil {
		return Report{}, err
	}
	list, err := s.candidates(ctx, w, a.Agents)
	if err != nil {
		return Report{}, err
	}
	r := Report{At: s.config.Now().UTC(), Scan: w.Scan.ID}
	desks := map[Name]*desk{}
	for i, c := range list {
		if r.Tokens >= a.Tokens || r.Cost >= a.Money {
			r.Left, r.Stopped = len(list)-i, "cap"
			break
		}
		var out *Output
		var asked bool
		d, err := desks[c.agent], error(nil)
		if d == nil {
			if d, err = s.desk(ctx, w, c.agent); err == nil {
				desks[c.agent] = d
			}
		}
		if err == nil {
			out, asked, err = s.make(ctx, d, c.agent, c.subject, false, nil)
		}
		if out != nil && asked {
			r.Tokens += out.Tokens.Total()
			if out.Cost != nil {
				r.Cost += *out.Cost
			} else {
				r.CostMore = true
			}
		}
		switch {
		case err == nil && asked:
			r.Made++
		case err == nil:
			r.Kept++
		case ctx.Err() != nil:
			return r, ctx.Err()
		case ends(err):
			r.Left, r.Stopped = len(list)-i, errs.CodeOf(err)
		case errs.KindOf(err) == errs.NotFound && !asked, errs.KindOf(err) == errs.Invalid && !asked:
			// it has gone, or there is nothing to say about it
		case errs.KindOf(err) == errs.Internal:
			return r, err
		default:
			r.Failed++
			s.config.Logger.WarnContext(ctx, "an agent got no usable answer", "agent", string(c.agent), "code", errs.CodeOf(err))
		}
		if r.Stopped != "" {
			break
		}
	}
	err = s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if err := s.forget(ctx, tx, w); err != nil {
			return err
		}
		return s.putStep(ctx, tx, conn, stepReport, r)
	})
	return r, err
}

// ends reports whether a failure means that further calls fail too.
func ends(err error) bool {
	switch errs.CodeOf(err) {
	case llm.CodeOff, llm.CodeNoModel, llm.CodeKey, llm.CodeRights, llm.CodeCredit, llm.CodeModel, llm.CodeRate, llm.CodeBusy, llm.CodeTokens, llm.CodeMoney,
		"traffic_stopped", "ai_budget_tokens", "ai_budget_money":
		return true
	}
	return errs.KindOf(err) == errs.Forbidden || errs.KindOf(err) == errs.Unauthorized
}

// forget deletes what was said about assets that are gone.
func (s *Service) forget(ctx context.Context, tx *store.Tx, w *tools.World) error {
	var gone []store.AIOutput
	err := tx.AIOutputs(ctx, w.Connection, "", func(o store.AIOutput) error {
		if r, ok := catalog.ParseRef(o.Subject); ok && slices.Contains(Names(), Name(o.Agent)) && w.Index.Asset(r) == nil {
			gone = append(gone, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, o := range gone {
		if err := tx.DeleteAIOutput(ctx, w.Connection, o.Agent, o.Subject); err != nil {
			return err
		}
	}
	return nil
}

// Enqueue puts the work after a scan in the queue, where it was asked for.
func (s *Service) Enqueue(ctx context.Context, queue *jobs.Queue, org store.OrgID, conn store.ConnectionID) error {
	if err := access.RequireSystem(ctx); err != nil {
		return err
	}
	a, err := s.AfterScan(ctx, org, conn)
	if err != nil || len(a.Agents) == 0 {
		return err
	}
	return s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		_, _, err := queue.Enqueue(ctx, tx, JobAfterScan, jobs.Args{Org: org, Connection: conn})
		return err
	})
}

// Handler does the jobs of [JobAfterScan].
func (s *Service) Handler() jobs.Handler {
	const (
		timeout  = 2 * time.Hour
		attempts = 3
	)
	return jobs.Handler{
		Kind: JobAfterScan, Timeout: timeout, MaxAttempts: attempts,
		Run: func(ctx context.Context, job jobs.Job) error {
			r, err := s.RunAfterScan(access.AsSystem(ctx), job.Args.Org, job.Args.Connection)
			if err == nil {
				s.config.Logger.InfoContext(ctx, "agents worked after a scan", "made", r.Made, "kept", r.Kept, "failed", r.Failed, "left", r.Left, "tokens", r.Tokens, "stopped", r.Stopped)
			}
			return err
		},
	}
}
