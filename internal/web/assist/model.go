package assist

import (
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

// Briefing is what Overview shows of a model.
type Briefing struct {
	Base   string
	Now    time.Time
	Output *agent.Output
	Admin  bool
	Why    string // why no model can be asked; empty where one can
}

// view is the page of what an agent says about a subject.
type view struct {
	Base      string
	Path      string
	Title     string
	Lead      string
	Back      string // of the subject
	BackName  string
	Now       time.Time
	Agent     agent.Name
	Index     *catalog.Index
	Unscanned bool
	Output    *agent.Output
	Working   bool
	Steps     []step
	Admin     bool
	// Why says why no model can be asked; empty where one can.
	Why, WhyHint         string
	Problem, ProblemHint string
}

// sentView lists what left for an output.
type sentView struct {
	Base string
	Back string
	Now  time.Time
	Rows []store.LedgerRow
}

type writerView struct {
	Base                 string
	Now                  time.Time
	Index                *catalog.Index
	Unscanned            bool
	Databases            []ui.Choice
	Database             string
	Question             string
	Output               *agent.Output
	Admin                bool
	Why, WhyHint         string
	Problem, ProblemHint string
}

type afterView struct {
	Base                 string
	Now                  time.Time
	After                agent.AfterScan
	Plan                 *agent.Plan
	Slow                 bool // the plan takes long
	Unscanned            bool
	Report               *agent.Report
	Admin                bool
	Why, WhyHint         string
	Problem, ProblemHint string
}

func titleOf(name agent.Name) string {
	switch name {
	case agent.Briefing:
		return "Briefing"
	case agent.Explainer:
		return "Explanation"
	case agent.Duplicates:
		return "Which one to keep"
	case agent.Metrics:
		return "Which definition to go by"
	case agent.SQLReview:
		return "SQL review"
	case agent.Exposure:
		return "Exposure review"
	case agent.SQLWriter:
		return "Write SQL"
	}
	return "Assistant"
}

func leadOf(name agent.Name) string {
	switch name {
	case agent.Briefing:
		return "What the last scan brought, in at most three sentences. Each number leads to its evidence."
	case agent.Explainer:
		return "What this content shows, for somebody who has never seen it."
	case agent.Duplicates:
		return "What tells the members of this group apart, and what to do with them."
	case agent.Metrics:
		return "What the definitions under this name count, and which to use."
	case agent.SQLReview:
		return "What is wrong with this query, and a better one. It was read against the schema and never run."
	case agent.Exposure:
		return "What this content gives away to people outside Metabase's login."
	case agent.SQLWriter:
	}
	return ""
}

// askLabel is on the button that asks.
func askLabel(name agent.Name) string {
	switch name {
	case agent.Explainer:
		return "Explain"
	case agent.SQLReview:
		return "Improve this SQL"
	case agent.Duplicates:
		return "Which one should we keep?"
	case agent.Metrics:
		return "Which definition should we use?"
	case agent.Exposure:
		return "Review the exposure"
	case agent.Briefing:
		return "Write the briefing"
	case agent.SQLWriter:
	}
	return "Ask"
}

// subjectOf is the page of a subject and its name; empty for one that has none.
func subjectOf(base string, x *catalog.Index, subject string) (href, name string) {
	if r, ok := catalog.ParseRef(subject); ok {
		if a := x.Asset(r); a != nil {
			return ui.AssetPath(base, r), ui.Name(a.Title())
		}
		return "", ""
	}
	kind, id, _ := strings.Cut(subject, ":")
	switch kind {
	case "cluster":
		return base + "/duplicates/" + ui.EscapeID(id), "this group of duplicates"
	case "figure":
		return base + "/metrics/" + ui.EscapeID(id), "this metric"
	case agent.SubjectScan:
		return base, "Overview"
	}
	return "", ""
}

// foot is the line below an output: who said it, what it cost.
func foot(o *agent.Output) string {
	parts := []string{ui.Clip(ui.Clean(o.Model), 60)}
	if n := o.Tokens.Total(); n > 0 {
		parts = append(parts, ui.Number(n)+" tokens")
	}
	if o.Cost != nil {
		parts = append(parts, ui.Dollars(int64(*o.Cost)))
	}
	if o.Duration > 0 {
		parts = append(parts, strconv.FormatFloat(o.Duration.Seconds(), 'f', 1, 64)+" s")
	}
	return strings.Join(parts, " · ")
}

func money(m llm.Money) string { return ui.Dollars(int64(m)) }

// offered are the agents that can work after scans, with what they do.
func offered() []ui.Choice {
	return []ui.Choice{
		{Value: string(agent.Briefing), Label: "Briefing: what the scan brought, on Overview"},
		{Value: string(agent.Exposure), Label: "Exposure: what public, embedded and mailed content gives away"},
		{Value: string(agent.Metrics), Label: "Metrics: which of several definitions to go by"},
		{Value: string(agent.Duplicates), Label: "Duplicates: which one to keep"},
		{Value: string(agent.SQLReview), Label: "SQL: queries that checks found something in"},
		{Value: string(agent.Explainer), Label: "Descriptions: content that has none"},
	}
}

func (v afterView) chosen(name string) bool {
	for _, a := range v.After.Agents {
		if string(a) == name {
			return true
		}
	}
	return false
}

func capText[N int64 | llm.Money](n N, unit float64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatFloat(float64(n)/unit, 'f', -1, 64)
}

// planTotal says what everything would cost.
func planTotal(p *agent.Plan) string {
	text := ui.Count(p.Calls, "call", "calls") + ", about " + ui.Number(p.Tokens) + " tokens"
	if p.Known {
		text += ", " + money(p.Low) + " to " + money(p.High) + ", likely " + money(p.Likely)
	} else {
		text += "; the price of " + ui.Clean(p.Model) + " is not known"
	}
	if p.Sampled {
		text += " (scaled up from a sample)"
	}
	return text
}

// planWithin says what the cap leaves of it.
func planWithin(p *agent.Plan) string {
	capped := "the cap of " + money(p.AfterScan.Money) + " or " + ui.Number(p.AfterScan.Tokens) + " tokens a scan"
	switch {
	case p.Calls == 0:
		return "Everything was said and still holds."
	case p.Within >= p.Calls:
		return "All of it fits " + capped + "."
	}
	return ui.Number(p.Within) + " of them fit " + capped + ", the most important first; the rest follow after later scans."
}

func reportText(r *agent.Report) string {
	parts := []string{ui.Count(r.Made, "new", "new"), ui.Number(r.Kept) + " that still hold"}
	if r.Left > 0 {
		parts = append(parts, ui.Number(r.Left)+" left for later")
	}
	if r.Failed > 0 {
		parts = append(parts, ui.Number(r.Failed)+" without a usable answer")
	}
	text := strings.Join(parts, ", ") + "; " + ui.Number(r.Tokens) + " tokens"
	if r.Cost > 0 {
		text += ", " + money(r.Cost)
	}
	if r.CostMore {
		text += " and calls whose price is not known"
	}
	if r.Stopped != "" {
		text += "; stopped early (" + r.Stopped + ")"
	}
	return text
}

// factPath is the page that shows where a number comes from.
func factPath(base string, f *agent.Fact) string {
	if f.Path == "" {
		return base
	}
	return base + "/" + strings.TrimPrefix(f.Path, "/")
}

func troubleText(t tools.Trouble) string { return t.Detail }
