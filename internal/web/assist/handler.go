// Package assist is the pages of agents: what a model said about a question, a
// group of duplicates or a metric, what it costs to ask, and which agents work
// after each scan.
package assist

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Service is what the pages need of agents; [agent.Service] is it.
type Service interface {
	Output(ctx context.Context, org store.OrgID, conn store.ConnectionID, name agent.Name, subject string) (*agent.Output, error)
	Make(ctx context.Context, org store.OrgID, conn store.ConnectionID, name agent.Name, subject string, again bool, on func(agent.Event) error) (*agent.Output, error)
	Sent(ctx context.Context, org store.OrgID, conn store.ConnectionID, name agent.Name, subject string) ([]store.LedgerRow, error)
	Write(ctx context.Context, org store.OrgID, conn store.ConnectionID, databaseID, question string, on func(agent.Event) error) (*agent.Output, error)
	AfterScan(ctx context.Context, org store.OrgID, conn store.ConnectionID) (agent.AfterScan, error)
	SetAfterScan(ctx context.Context, org store.OrgID, conn store.ConnectionID, a agent.AfterScan) error
	Plan(ctx context.Context, org store.OrgID, conn store.ConnectionID, a agent.AfterScan) (*agent.Plan, error)
	LastReport(ctx context.Context, org store.OrgID, conn store.ConnectionID) (agent.Report, error)
}

// Outputs finds what agents said, for pages that show it beside what it is about.
type Outputs interface {
	Output(ctx context.Context, org store.OrgID, conn store.ConnectionID, name agent.Name, subject string) (*agent.Output, error)
}

// outputWait is how long a page that is about more than that waits for what an
// agent said.
const outputWait = 2 * time.Second

// Said returns what an agent said about a subject; nil where it said nothing that
// the reader may see, or where finding it takes longer than the page may wait.
func Said(q *page.Request, outputs Outputs, name agent.Name, subject string) (*agent.Output, error) {
	ctx, cancel, tired := q.Patience(outputWait)
	defer cancel()
	out, err := outputs.Output(ctx, q.Org(), q.Conn.ID, name, subject)
	switch {
	case err == nil:
		return out, nil
	case tired(err), errs.KindOf(err) == errs.NotFound, errs.KindOf(err) == errs.Forbidden:
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	return nil, err
}

// Why says why no model can be asked, in words for people; empty where one can.
func Why(q *page.Request, models Models) (text, hint string, err error) { return why(q, models) }

// Library is what the pages need to know of content.
type Library interface {
	// Index is the content of the last scan as the reader sees it.
	Index(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*catalog.Index, error)
}

// Models says whether a model can be asked.
type Models interface {
	Available(ctx context.Context, org string) error
}

// Handlers answers the addresses of agents.
type Handlers struct {
	service Service
	runs    *Runs
	library Library
	models  Models
}

// New returns the handlers.
func New(service Service, runs *Runs, library Library, models Models) *Handlers {
	return &Handlers{service, runs, library, models}
}

const (
	nav      = "chat"
	maxForm  = 64 << 10
	patience = 2 * time.Minute // for the SQL writer, whose answer is not stored
	// waiting is how long a page that has just asked waits for an answer that
	// another process writes.
	waiting = 4 * time.Minute
)

// Path is the page of what an agent says about a subject.
func Path(base string, name agent.Name, subject string) string {
	return base + "/assist/" + string(name) + "/" + ui.EscapeID(subject)
}

func named(q *page.Request) (key, error) {
	k := key{q.Org(), q.Conn.ID, agent.Name(q.R.PathValue("agent")), ui.UnescapeID(q.R.PathValue("subject"))}
	if !slices.Contains(agent.Names(), k.agent) || k.agent == agent.SQLWriter || k.subject == "" || len(k.subject) > 500 {
		return k, page.NotFound()
	}
	return k, nil
}

// Show shows what an agent said, or offers to ask.
func (h *Handlers) Show(q *page.Request) error {
	k, err := named(q)
	if err != nil {
		return err
	}
	v, err := h.view(q, k)
	if err != nil {
		return err
	}
	var options []page.Option
	if v.Working {
		options = append(options, page.Refresh(3))
	}
	return q.Page(http.StatusOK, v.Title, nav, showPage(v), options...)
}

func (h *Handlers) view(q *page.Request, k key) (view, error) {
	v := view{Base: q.Base(), Path: Path(q.Base(), k.agent, k.subject), Now: q.Now, Agent: k.agent, Title: titleOf(k.agent), Lead: leadOf(k.agent), Admin: q.Viewer.May(store.RoleAdmin)}
	index, err := h.library.Index(q.Context(), q.Org(), q.Conn.ID)
	if errs.KindOf(err) == errs.NotFound {
		v.Unscanned = true
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Index = index
	v.Back, v.BackName = subjectOf(q.Base(), index, k.subject)
	if ref, ok := catalog.ParseRef(k.subject); ok && v.BackName == "" && index.Asset(ref) == nil {
		return v, page.NotFound()
	}
	out, err := h.service.Output(q.Context(), q.Org(), q.Conn.ID, k.agent, k.subject)
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return v, err
	}
	v.Output = out
	if one := h.runs.find(k); one != nil {
		st := one.state(q.Context())
		v.Working, v.Steps = !st.Ended, st.Steps
		if st.Ended && st.Err != nil && (out == nil || out.At.Before(st.Began)) {
			v.Problem, v.ProblemHint = errs.PublicText(st.Err)
		}
	} else if asked, err := strconv.ParseInt(q.R.URL.Query().Get("asked"), 10, 64); err == nil {
		at := time.Unix(asked, 0)
		v.Working = q.Now.Sub(at) < waiting && (out == nil || out.At.Before(at)) && !at.After(q.Now.Add(time.Minute))
	}
	v.Why, v.WhyHint, err = why(q, h.models)
	return v, err
}

// why says why no model can be asked; empty where one can.
func why(q *page.Request, models Models) (text, hint string, err error) {
	err = models.Available(q.Context(), string(q.Org()))
	switch errs.KindOf(err) {
	case errs.NotFound, errs.Forbidden, errs.Limited, errs.Unavailable:
		text, hint = errs.PublicText(err)
		return text, hint, nil
	}
	return "", "", err
}

// Ask lets an agent work and shows its page.
func (h *Handlers) Ask(q *page.Request) error {
	k, err := named(q)
	if err != nil {
		return err
	}
	if err := form(q); err != nil {
		return err
	}
	if err := h.models.Available(q.Context(), string(q.Org())); err != nil {
		return err
	}
	if err := h.runs.start(q.Context(), k, q.R.PostFormValue("again") == "1"); err != nil {
		return err
	}
	return q.Redirect(Path(q.Base(), k.agent, k.subject) + "?asked=" + strconv.FormatInt(q.Now.Unix(), 10))
}

func form(q *page.Request) error {
	q.R.Body = http.MaxBytesReader(q.W, q.R.Body, maxForm)
	if err := q.R.ParseForm(); err != nil {
		return errs.Wrap(err, errs.Invalid, "form", "The form could not be read.", "Shorten what you wrote and send it again.")
	}
	return nil
}

// Events streams the steps of an agent at work: "progress" carries their HTML,
// "done" ends it.
func (h *Handlers) Events(q *page.Request) error {
	k, err := named(q)
	if err != nil {
		return err
	}
	one := h.runs.find(k)
	if one == nil {
		return page.NotFound()
	}
	stream := q.Stream()
	const look = 300 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	shown, beat := -1, q.Clock().Add(page.StreamBeat)
	for {
		st := one.state(q.Context())
		if st.Ended {
			stream.Event("done", stepsPart(st.Steps))
			return nil
		}
		now := q.Clock()
		if len(st.Steps) != shown {
			shown, beat = len(st.Steps), now.Add(page.StreamBeat)
			if !stream.Event("progress", stepsPart(st.Steps)) {
				return nil
			}
		} else if now.After(beat) {
			beat = now.Add(page.StreamBeat)
			if !stream.Beat() {
				return nil
			}
		}
		select {
		case <-q.Context().Done():
			return nil
		case <-page.Stopping(q.Context()):
			return nil
		case <-one.done:
		case <-tick.C:
		}
	}
}

// Sent leads to what left for an output.
func (h *Handlers) Sent(q *page.Request) error {
	k, err := named(q)
	if err != nil {
		return err
	}
	v := sentView{Base: q.Base(), Back: Path(q.Base(), k.agent, k.subject), Now: q.Now}
	if v.Rows, err = h.service.Sent(q.Context(), q.Org(), q.Conn.ID, k.agent, k.subject); err != nil {
		return err
	}
	if len(v.Rows) == 1 {
		return q.Redirect(v.Base + "/egress/" + ui.EscapeID(v.Rows[0].ID))
	}
	return q.Page(http.StatusOK, "What was sent", nav, sentPage(v))
}

// Writer takes a question for the SQL writer.
func (h *Handlers) Writer(q *page.Request) error {
	v, err := h.writer(q)
	if err != nil {
		return err
	}
	v.Question, v.Database = q.R.URL.Query().Get("q"), q.R.URL.Query().Get("database")
	return q.Page(http.StatusOK, "Write SQL", nav, writerPage(v))
}

func (h *Handlers) writer(q *page.Request) (writerView, error) {
	v := writerView{Base: q.Base(), Now: q.Now, Admin: q.Viewer.May(store.RoleAdmin)}
	index, err := h.library.Index(q.Context(), q.Org(), q.Conn.ID)
	if errs.KindOf(err) == errs.NotFound {
		v.Unscanned = true
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Index = index
	for _, d := range index.Snapshot().Databases {
		v.Databases = append(v.Databases, ui.Choice{Value: d.ID, Label: ui.Name(d.Name)})
	}
	v.Why, v.WhyHint, err = why(q, h.models)
	return v, err
}

// Write lets the SQL writer answer. It waits: what it says is not stored.
func (h *Handlers) Write(q *page.Request) error {
	if err := form(q); err != nil {
		return err
	}
	v, err := h.writer(q)
	if err != nil {
		return err
	}
	v.Question, v.Database = strings.TrimSpace(q.R.PostFormValue("question")), q.R.PostFormValue("database")
	if v.Question == "" || len(v.Question) > maxQuestion {
		v.Problem, v.ProblemHint = "The question is empty or too long.", "Say in a few sentences what the query should answer."
		return q.Page(http.StatusUnprocessableEntity, "Write SQL", nav, writerPage(v))
	}
	// The answer takes longer than the server gives a page.
	if err := http.NewResponseController(q.W).SetWriteDeadline(time.Now().Add(patience + page.StreamBeat)); err != nil && !strings.Contains(err.Error(), "not supported") {
		return err
	}
	ctx, cancel := context.WithTimeout(q.Context(), patience)
	defer cancel()
	out, err := h.service.Write(ctx, q.Org(), q.Conn.ID, v.Database, v.Question, nil)
	status := http.StatusOK
	if err != nil {
		switch errs.KindOf(err) {
		case errs.Internal, "":
			return err
		}
		status = errs.HTTPStatus(err)
		v.Problem, v.ProblemHint = errs.PublicText(err)
	} else {
		v.Output = out
	}
	return q.Page(status, "Write SQL", nav, writerPage(v))
}

const maxQuestion = 4000 // bytes

// AfterScan shows which agents work after each scan, and what that would cost.
func (h *Handlers) AfterScan(q *page.Request) error {
	a, err := h.service.AfterScan(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return err
	}
	if q.R.URL.Query().Has("preview") {
		if a, err = afterScanOf(q.R.URL.Query()); err != nil {
			return err
		}
	}
	return h.afterScan(q, a, http.StatusOK, nil)
}

func (h *Handlers) afterScan(q *page.Request, a agent.AfterScan, status int, problem error) error {
	v := afterView{Base: q.Base(), Now: q.Now, After: a, Admin: q.Viewer.May(store.RoleAdmin)}
	if problem != nil {
		v.Problem, v.ProblemHint = errs.PublicText(problem)
	}
	var err error
	if v.Why, v.WhyHint, err = why(q, h.models); err != nil {
		return err
	}
	if v.Why == "" && len(a.Agents) > 0 {
		ctx, cancel, tired := q.Patience(planPatience)
		defer cancel()
		v.Plan, err = h.service.Plan(ctx, q.Org(), q.Conn.ID, a)
		switch {
		case tired(err):
			v.Slow = true
		case errs.KindOf(err) == errs.NotFound:
			v.Unscanned = true
		case err != nil:
			return err
		}
	}
	r, err := h.service.LastReport(q.Context(), q.Org(), q.Conn.ID)
	if err == nil {
		v.Report = &r
	} else if errs.KindOf(err) != errs.NotFound {
		return err
	}
	return q.Page(status, "Agents after a scan", nav, afterPage(v))
}

const planPatience = 10 * time.Second

func afterScanOf(form url.Values) (a agent.AfterScan, err error) {
	for _, name := range form["agent"] {
		a.Agents = append(a.Agents, agent.Name(name))
	}
	bad := func(what string) error {
		return errs.New(errs.Invalid, "cap", "The cap on "+what+" is not a number.", "Write a plain number, or leave it empty for the default.")
	}
	if text := strings.TrimSpace(form.Get("money")); text != "" {
		dollars, perr := strconv.ParseFloat(text, 64)
		if perr != nil || dollars < 0 || dollars > 10_000 {
			return a, bad("money")
		}
		a.Money = llm.Money(dollars * float64(llm.Dollar))
	}
	if text := strings.TrimSpace(form.Get("tokens")); text != "" {
		if a.Tokens, err = strconv.ParseInt(text, 10, 64); err != nil || a.Tokens < 0 {
			return a, bad("tokens")
		}
	}
	return a, nil
}

// SetAfterScan keeps which agents work after each scan.
func (h *Handlers) SetAfterScan(q *page.Request) error {
	if err := form(q); err != nil {
		return err
	}
	a, err := afterScanOf(q.R.Form)
	if err == nil {
		err = h.service.SetAfterScan(q.Context(), q.Org(), q.Conn.ID, a)
	}
	if errs.KindOf(err) == errs.Invalid {
		return h.afterScan(q, a, errs.HTTPStatus(err), err)
	}
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Kept. It holds from the next scan on."})
	return q.Redirect(q.Base() + "/agents")
}
