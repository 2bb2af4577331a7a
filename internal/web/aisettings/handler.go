// Package aisettings is the page on which admins say how models are used: the
// provider and its declared terms, the key, models per task, budgets, the switch,
// and what was used.
//
// A key that is entered is never shown again: its name and its last characters
// are.
package aisettings

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/settings"
	"github.com/metalens/metalens/internal/web/ui"
)

// Path is where the page is.
const Path = "/settings/ai"

// Service is what the page needs. Each method asks for the role admin.
type Service interface {
	View(ctx context.Context, org store.OrgID) (ai.View, error)
	// Save changes the settings; [ai.FieldErrors] where they are not right.
	Save(ctx context.Context, org store.OrgID, d ai.Draft) error
	// SetKey keeps a key of the chosen provider and returns its name.
	SetKey(ctx context.Context, org store.OrgID, key secret.Value) (string, error)
	DeleteKey(ctx context.Context, org store.OrgID) error
	// Switch turns AI on or off; digest names the terms that were shown.
	Switch(ctx context.Context, org store.OrgID, on bool, digest string) error
	// Test asks a model for a word.
	Test(ctx context.Context, org store.OrgID) (ai.Tested, error)
	Spend(ctx context.Context, org store.OrgID) (ai.Spend, error)
	Calls(ctx context.Context, org store.OrgID, q store.AICallQuery) ([]store.AICall, int, error)
}

// Handlers answers the addresses of the page.
type Handlers struct{ service Service }

// New returns the handlers.
func New(service Service) *Handlers { return &Handlers{service} }

// Show shows the settings and what was used.
func (h *Handlers) Show(q *page.Request) error {
	return h.show(q, http.StatusOK, nil, nil)
}

func (h *Handlers) show(q *page.Request, status int, entered *form, problems ai.FieldErrors) error {
	v, err := h.service.View(q.Context(), q.Org())
	if err != nil {
		return err
	}
	spend, err := h.service.Spend(q.Context(), q.Org())
	if err != nil {
		return err
	}
	f := formOf(v)
	if entered != nil {
		f = *entered
	}
	return settings.Page(q, status, "ai", "AI", showPage(showView{View: v, Spend: spend, Form: f, Problems: problems, Now: q.Now}))
}

// Save keeps the settings.
func (h *Handlers) Save(q *page.Request) error {
	if err := q.R.ParseForm(); err != nil {
		return errs.Wrap(err, errs.Invalid, "bad_form", "The form could not be read.", "Reload the page and try again.")
	}
	f := readForm(q.R.Form)
	draft, problems := f.draft()
	if len(problems) == 0 {
		err := h.service.Save(q.Context(), q.Org(), draft)
		if err != nil && !errors.As(err, &problems) {
			return err
		}
	}
	if len(problems) > 0 {
		return h.show(q, http.StatusUnprocessableEntity, &f, problems)
	}
	q.Flash(ui.Flash{Text: "Saved."})
	return q.Redirect(Path)
}

// SetKey keeps the organization's own key.
func (h *Handlers) SetKey(q *page.Request) error {
	id, err := h.service.SetKey(q.Context(), q.Org(), secret.New(strings.TrimSpace(q.R.PostFormValue("key"))))
	var problems ai.FieldErrors
	if errors.As(err, &problems) {
		return h.show(q, http.StatusUnprocessableEntity, nil, problems)
	}
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "The key is kept, encrypted, under the name " + id + ". It is not shown again. Test it before you rely on it."})
	return q.Redirect(Path)
}

// DeleteKey deletes the organization's own key.
func (h *Handlers) DeleteKey(q *page.Request) error {
	if err := h.service.DeleteKey(q.Context(), q.Org()); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "The key is deleted here. Revoke it with the provider too."})
	return q.Redirect(Path)
}

// Switch turns AI on or off.
func (h *Handlers) Switch(q *page.Request) error {
	on := q.R.PostFormValue("on") == "yes"
	if on && q.R.PostFormValue("read") != "yes" {
		return h.show(q, http.StatusUnprocessableEntity, nil, ai.FieldErrors{"read": "Say that you have read what is declared about the provider."})
	}
	if err := h.service.Switch(q.Context(), q.Org(), on, q.R.PostFormValue("terms")); err != nil {
		return err
	}
	text := "AI is switched off. Nothing is sent to a model any more."
	if on {
		text = "AI is switched on."
	}
	q.Flash(ui.Flash{Text: text})
	return q.Redirect(Path)
}

// Test asks a model for a word.
func (h *Handlers) Test(q *page.Request) error {
	got, err := h.service.Test(q.Context(), q.Org())
	if err != nil {
		return err
	}
	cost := "its price is not known"
	if got.Cost.Known {
		cost = "it cost " + usd(int64(got.Cost.Money))
	}
	q.Flash(ui.Flash{Text: ui.Clean(got.Model) + " answered in " + ui.Duration(got.Duration) + "; " + cost + "."})
	return q.Redirect(Path)
}

// Calls lists the calls of models.
func (h *Handlers) Calls(q *page.Request) error {
	query := q.R.URL.Query()
	list, total, err := h.service.Calls(q.Context(), q.Org(), store.AICallQuery{Agent: query.Get("agent"), Model: query.Get("model"), Limit: ui.PerPage, Offset: ui.Offset(query)})
	if err != nil {
		return err
	}
	v := callsView{Rows: list, Now: q.Now, Pager: ui.Pages(Path+"/calls", query, len(list), total, "call", "calls"), Agent: query.Get("agent"), Model: query.Get("model")}
	return settings.Page(q, http.StatusOK, "ai", "Calls of models", callsPage(v))
}

// form is what is entered, as text.
type form struct {
	Provider, BaseURL                          string
	Models                                     map[ai.Task]string
	MonthTokens, MonthUSD, CallTokens, CallUSD string
	Strict                                     bool
}

func formOf(v ai.View) form {
	s := v.Settings
	f := form{
		Provider: s.Provider, BaseURL: s.BaseURL, Models: map[ai.Task]string{}, Strict: s.Strict,
		MonthTokens: whole(s.Budget.Tokens), MonthUSD: money(s.Budget.Micros), CallTokens: whole(s.Call.Tokens), CallUSD: money(s.Call.Micros),
	}
	for t, name := range s.Models {
		f.Models[ai.Task(t)] = name
	}
	return f
}

func readForm(p url.Values) form {
	f := form{
		Provider: p.Get("provider"), BaseURL: p.Get("base_url"), Models: map[ai.Task]string{}, Strict: p.Get("strict") == "yes",
		MonthTokens: p.Get("month_tokens"), MonthUSD: p.Get("month_usd"), CallTokens: p.Get("call_tokens"), CallUSD: p.Get("call_usd"),
	}
	for _, t := range ai.Tasks() {
		f.Models[t] = p.Get("model_" + string(t))
	}
	return f
}

func (f form) draft() (ai.Draft, ai.FieldErrors) {
	bad := ai.FieldErrors{}
	d := ai.Draft{Provider: f.Provider, BaseURL: f.BaseURL, Models: map[ai.Task]string{}, Strict: f.Strict}
	for t, name := range f.Models {
		d.Models[t] = name
	}
	for _, n := range []struct {
		field, text string
		to          *int64
		unit        float64
	}{
		{"month_tokens", f.MonthTokens, &d.Month.Tokens, 1},
		{"month_usd", f.MonthUSD, &d.Month.Micros, float64(llm.Dollar)},
		{"call_tokens", f.CallTokens, &d.Call.Tokens, 1},
		{"call_usd", f.CallUSD, &d.Call.Micros, float64(llm.Dollar)},
	} {
		text := strings.NewReplacer(",", "", "_", "", " ", "", "$", "").Replace(n.text)
		if text == "" {
			continue
		}
		amount, err := strconv.ParseFloat(text, 64)
		const most = 1e12
		if err != nil || !(amount > 0) || amount*n.unit > most || amount*n.unit < 1 {
			bad[n.field] = "Enter a number above 0, or leave it empty for what the installation gives."
			continue
		}
		*n.to = int64(amount * n.unit)
	}
	return d, bad
}
