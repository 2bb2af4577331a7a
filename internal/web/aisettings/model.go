package aisettings

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

type showView struct {
	View     ai.View
	Spend    ai.Spend
	Form     form
	Problems ai.FieldErrors
	Now      time.Time
}

type callsView struct {
	Rows         []store.AICall
	Pager        ui.PagerView
	Now          time.Time
	Agent, Model string
}

func providerName(p string) string {
	switch p {
	case llm.Anthropic:
		return "Anthropic"
	case llm.OpenAI:
		return "OpenAI"
	case llm.Compatible:
		return "A server that speaks OpenAI’s protocol"
	}
	return "none"
}

func taskName(t ai.Task) string {
	switch t {
	case ai.Chat:
		return "Chats and writing SQL"
	case ai.Review:
		return "Reviews: duplicates, metrics, SQL, exposure"
	}
	return "Explanations and briefings, made in numbers"
}

func whole(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// money writes millionths of a dollar as an entry of a form.
func money(micros int64) string {
	if micros == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(micros)/float64(llm.Dollar), 'f', -1, 64)
}

// usd writes millionths of a dollar for people: in cents, and finer below one.
func usd(micros int64) string {
	const cents, fine = 2, 4
	digits := cents
	if micros > 0 && micros < int64(llm.Dollar)/100 {
		digits = fine
	}
	text := strconv.FormatFloat(float64(micros)/float64(llm.Dollar), 'f', digits, 64)
	head, tail, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(head, 10, 64)
	if err != nil {
		return "$" + text
	}
	return "$" + ui.Number(n) + "." + tail
}

// cost is what a call cost, in words.
func cost(c *int64) string {
	if c == nil {
		return "not known"
	}
	return usd(*c)
}

func declared(text string) string {
	if text == "" {
		return "not declared"
	}
	return text
}

// share is how much of a limit is used, from 0 to 100.
func share(used, limit int64) int {
	const all = 100
	if limit <= 0 {
		return all
	}
	return int(min(all, used*all/limit))
}

// options are the providers that can be chosen, with what each needs.
func (v showView) options() []option {
	name := "What the installation gives"
	if p := v.View.Default.Provider; p != "" {
		name += ": " + providerName(p)
	} else {
		name += ": nothing yet"
	}
	list := []option{{Value: "", Label: name}}
	for _, p := range llm.Providers() {
		label := providerName(p)
		switch {
		case slices.Contains(v.View.Default.Offers, p):
			label += " (a key of yours is not needed)"
		case p == llm.Compatible && len(v.View.Default.BaseURLs) == 0:
			label += " (no address is allowed here)"
		}
		list = append(list, option{Value: p, Label: label})
	}
	return list
}

// trend is the spend of the last months: in dollars, or in thousands of tokens
// where no price is known.
func (v showView) trend() ui.Trend {
	t := ui.Trend{ID: "spend", Unit: "Spend"}
	var dollars, tokens int64
	for _, m := range v.Spend.Months {
		dollars, tokens = dollars+m.Micros, tokens+m.Tokens
	}
	const thousand = 1000
	for _, m := range v.Spend.Months {
		at, err := time.Parse("2006-01", m.Name)
		if err != nil {
			continue
		}
		p := ui.TrendPoint{At: at, Value: float64(m.Micros) / float64(llm.Dollar), Label: usd(m.Micros)}
		if dollars == 0 {
			p.Value, p.Label = float64(m.Tokens)/thousand, ui.Count(m.Tokens, "token", "tokens")
		}
		t.Points = append(t.Points, p)
		t.Max = max(t.Max, p.Value)
	}
	if n := len(t.Points); n > 0 {
		t.From, t.To = t.Points[0].At, t.Points[n-1].At
	}
	t.Max = ceiling(t.Max)
	t.Title = "Models cost " + usd(dollars) + " in twelve months"
	if dollars == 0 {
		t.Title = "Models used " + ui.Count(tokens, "token", "tokens") + " in twelve months (thousands)"
	}
	return t
}

// ceiling is a round number at or above v that four steps divide.
func ceiling(v float64) float64 {
	const least = 4
	top := float64(least)
	for top < v {
		top *= 2
	}
	return top
}

// outcome says how a call ended, in words.
func outcome(code string) string {
	switch code {
	case store.AIUnderWay:
		return "under way"
	case store.AILost:
		return "lost: the program ended; counted with the most it could use"
	case llm.OutcomeOK:
		return "answered"
	case string(errs.Canceled):
		return "stopped"
	}
	return strings.ReplaceAll(ui.Clean(code), "_", " ")
}

func outcomeState(code string) string {
	switch code {
	case llm.OutcomeOK:
		return "succeeded"
	case store.AIUnderWay:
		return "running"
	}
	return "failed"
}

// without is a query of one filter; none where it is empty.
func without(name, value string) url.Values {
	q := url.Values{}
	if value != "" {
		q.Set(name, value)
	}
	return q
}

func modelHelp(v showView, t ai.Task) string {
	switch m := v.View.Models[t]; {
	case v.View.Provider == "":
		return ""
	case m == "":
		return "No model of this server is known: write its name as the server does."
	case v.Form.Models[t] == "":
		return "Empty: " + ui.Clean(m) + "."
	}
	return ""
}

func keyLabel(v showView) string {
	if v.View.Settings.KeyID != "" {
		return "Another key, in place of this one"
	}
	return "Key"
}

// option is an entry of a list to choose from.
type option struct{ Value, Label string }
