package overview

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/assist"
	"github.com/metalens/metalens/internal/web/findings"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/scans"
	"github.com/metalens/metalens/internal/web/ui"
)

// Findings counts findings by check.
type Findings interface {
	FindingGroups(ctx context.Context, org store.OrgID, q findings.Query, by findings.GroupBy) ([]findings.Group, error)
}

// Handlers answers the address of the overview.
type Handlers struct {
	service  Service
	findings Findings
	checks   findings.Checks
	scans    scans.Service
	history  scans.History
	said     assist.Outputs // nil = there are no agents
	models   assist.Models
}

// WithAgents lets the overview show what a model says about the last scan.
func (h *Handlers) WithAgents(said assist.Outputs, models assist.Models) *Handlers {
	h.said, h.models = said, models
	return h
}

// New returns the handlers.
func New(service Service, found Findings, checks findings.Checks, scanning scans.Service, history scans.History) *Handlers {
	return &Handlers{service: service, findings: found, checks: checks, scans: scanning, history: history}
}

type view struct {
	Base         string
	Name         string
	Sub          string
	May          bool
	Now          time.Time
	Live         *scans.Progress // a scan runs
	LiveHref     string
	LiveEvents   string
	FailedText   string // the last attempt failed, after a good one
	FailedHref   string
	Scan         store.Scan
	Score        int
	Trend        ui.Trend
	Delta        string
	Families     []family
	Actions      []action
	Changes      []store.Change
	ChangesTotal int
	Counts       []count
	Gaps         []catalog.Gap
	Part         bool // the reader sees a part of what was read
	Briefing     *assist.Briefing
}

type family struct {
	Code, Name string
	Score      int
	Findings   int
	Href       string
}

type action struct {
	Check    string
	Text     string
	Why      string
	Count    int
	Severity finding.Severity
	Href     string
}

type count struct {
	Kind  catalog.Kind
	Count int
}

const (
	trendDays  = 90
	maxActions = 5
	maxChanges = 8
)

// Show shows the overview of a connection.
func (h *Handlers) Show(q *page.Request) error {
	v := view{Base: q.Base(), Name: q.Conn.Name, May: q.Viewer.May(store.RoleEditor), Now: q.Now}
	newest, err := h.scans.Scans(q.Context(), q.Org(), q.Conn.ID, 1, "")
	if err != nil {
		return err
	}
	var options []page.Option
	if len(newest) > 0 {
		last := newest[0]
		switch last.State {
		case store.ScanQueued, store.ScanRunning:
			p := scans.ProgressOf(last, q.Now)
			v.Live, v.LiveHref = &p, q.Base()+"/scans/"+string(last.ID)
			v.LiveEvents = v.LiveHref + "/events"
			options = append(options, page.Refresh(5))
		case store.ScanFailed:
			v.FailedText, v.FailedHref = ui.Clean(last.ErrorText), q.Base()+"/scans/"+string(last.ID)
			if v.FailedText == "" {
				v.FailedText = "The last scan failed."
			}
		}
	}
	scan, err := h.service.LatestScan(q.Context(), q.Org(), q.Conn.ID)
	if errs.KindOf(err) == errs.NotFound {
		return q.Page(http.StatusOK, "Overview", "overview", unscannedPage(v), options...)
	}
	if err != nil {
		return err
	}
	v.Scan, v.Score = scan, scan.Summary.Health.Score
	v.Sub = instanceWords(scan.Summary.Instance)
	whole, err := h.service.Whole(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return err
	}
	v.Part = !whole
	if whole {
		if err := h.health(q, &v); err != nil {
			return err
		}
		if err := h.briefing(q, &v); err != nil {
			return err
		}
	}
	if err := h.actions(q, &v); err != nil {
		return err
	}
	if scan.Seq > 1 {
		changes, err := h.history.Changes(q.Context(), q.Org(), q.Conn.ID, scan.Seq-1, scan.Seq)
		if err != nil {
			return err
		}
		v.ChangesTotal = len(changes)
		v.Changes = changes[:min(len(changes), maxChanges)]
	}
	for _, k := range catalog.Kinds() {
		if n := scan.Summary.Counts[k]; n > 0 {
			v.Counts = append(v.Counts, count{k, n})
		}
	}
	for _, g := range scan.Summary.Gaps {
		if !g.Expected {
			v.Gaps = append(v.Gaps, g)
		}
	}
	return q.Page(http.StatusOK, "Overview", "overview", showPage(v), options...)
}

// briefing finds what a model said about the last scan, which is about the whole
// connection.
func (h *Handlers) briefing(q *page.Request, v *view) (err error) {
	if h.said == nil {
		return nil
	}
	b := &assist.Briefing{Base: v.Base, Now: v.Now, Admin: q.Viewer.May(store.RoleAdmin)}
	if b.Output, err = assist.Said(q, h.said, agent.Briefing, agent.SubjectScan); err != nil {
		return err
	}
	if b.Why, _, err = assist.Why(q, h.models); err != nil {
		return err
	}
	v.Briefing = b
	return nil
}

func instanceWords(i catalog.Instance) string {
	var parts []string
	if i.URL != "" {
		parts = append(parts, ui.Clean(i.URL))
	}
	switch {
	case i.Version != "":
		parts = append(parts, "Metabase "+ui.Clean(i.Version))
	case i.URL != "":
		parts = append(parts, "version not told")
	}
	if i.Reader.Admin {
		parts = append(parts, "read as an administrator")
	}
	return strings.Join(parts, " · ")
}

func (h *Handlers) health(q *page.Request, v *view) error {
	from := q.Now.AddDate(0, 0, -trendDays)
	points, err := h.service.HealthSeries(q.Context(), q.Org(), q.Conn.ID, from)
	if err != nil {
		return err
	}
	v.Trend = ui.Trend{ID: "health", Unit: "Health", From: from, To: q.Now, Min: 0, Max: 100}
	for _, p := range points {
		v.Trend.Points = append(v.Trend.Points, ui.TrendPoint{At: p.At, Value: float64(p.Health.Score), Label: fmt.Sprint(p.Health.Score)})
	}
	v.Trend.Title, v.Delta = trendWords(points, q.Now)
	for code, f := range v.Scan.Summary.Health.Families {
		v.Families = append(v.Families, family{
			Code: code, Name: ui.FamilyName(code), Score: f.Score, Findings: f.Findings,
			Href: ui.Address(q.Base()+"/findings", url.Values{"family": {code}}),
		})
	}
	slices.SortFunc(v.Families, func(a, b family) int {
		return cmp.Or(a.Score-b.Score, b.Findings-a.Findings, strings.Compare(a.Code, b.Code))
	})
	return nil
}

// trendWords says in a sentence what the line shows.
func trendWords(points []HealthPoint, now time.Time) (title, delta string) {
	if len(points) < 2 {
		return "The trend begins with the second scan", ""
	}
	first, last := points[0], points[len(points)-1]
	days := int(now.Sub(first.At).Hours()/24 + 0.5)
	span := ui.Count(max(1, days), "day", "days")
	d := last.Health.Score - first.Health.Score
	switch {
	case d > 0:
		return fmt.Sprintf("Health rose by %d in %s", d, span), ui.Signed(d) + " in " + span
	case d < 0:
		return fmt.Sprintf("Health fell by %d in %s", -d, span), ui.Signed(d) + " in " + span
	}
	return "Health is where it was " + span + " ago", "unchanged in " + span
}

// actions are the checks whose findings weigh most: by severity first, then by
// how many there are.
func (h *Handlers) actions(q *page.Request, v *view) error {
	groups, err := h.findings.FindingGroups(q.Context(), q.Org(), findings.Query{Connection: q.Conn.ID, State: store.FindingOpen}, findings.ByCheck)
	if err != nil {
		return err
	}
	// Severity counts more than number: thirty trifles are less than one thing
	// that is broken for everybody.
	weight := func(g findings.Group) float64 {
		return []float64{1, 3, 9, 27, 81}[max(0, g.Severity.Rank())] * math.Sqrt(float64(g.Count))
	}
	slices.SortStableFunc(groups, func(a, b findings.Group) int {
		return cmp.Or(cmp.Compare(weight(b), weight(a)), strings.Compare(a.Key, b.Key))
	})
	for _, g := range groups[:min(len(groups), maxActions)] {
		c, known := h.checks.Check(g.Key)
		a := action{Check: g.Key, Count: g.Count, Severity: g.Severity, Href: ui.Address(q.Base()+"/findings", url.Values{"check": {g.Key}})}
		if known {
			a.Text, a.Why = actionText(c, g.Count), firstSentence(c.Why)
		} else {
			a.Text = ui.Count(g.Count, "finding", "findings") + " of " + ui.Clean(g.Key)
		}
		v.Actions = append(v.Actions, a)
	}
	return nil
}

// actionText says what to do and how much of it, as "Archive 214 questions".
func actionText(c findings.Check, n int) string {
	what := kindsCount(n, c.Kinds)
	if phrase, ok := phrases[c.Slug]; ok {
		return strings.ReplaceAll(phrase, "{n}", what)
	}
	return c.Title + ": " + what
}

// kindsCount names what a check judges: one or two kinds by name, questions and
// dashboards together as content.
func kindsCount(n int, kinds []catalog.Kind) string {
	switch {
	case len(kinds) == 1:
		return ui.KindCount(n, kinds[0])
	case len(kinds) == 2:
		return ui.Count(n, string(kinds[0])+" or "+string(kinds[1]), ui.KindNames(kinds[0])+" and "+ui.KindNames(kinds[1]))
	}
	return ui.Count(n, "item", "items")
}

func firstSentence(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n\n")
	text = strings.ReplaceAll(text, "\n", " ")
	text = strings.ReplaceAll(text, "`", "")
	if i := strings.Index(text, ". "); i >= 0 {
		text = text[:i+1]
	}
	if short := ui.Clip(text, 160); short != text {
		// Not in the middle of a word.
		if i := strings.LastIndexByte(short, ' '); i > 0 {
			return strings.TrimRight(short[:i], ",;:") + "…"
		}
		return short
	}
	return text
}
