// Package impactview is the pages about change: choose tables, columns or
// content and what happens to them, or paste a migration, and see all that
// breaks, the most important first.
package impactview

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the addresses of impact.
type Handlers struct {
	library browse.Library
	names   directories
	answers answers
}

// New returns the handlers.
func New(library browse.Library) *Handlers { return &Handlers{library: library} }

// suggestions is how many names are offered at once.
const suggestions = 12

// Show shows what a change breaks, or helps to choose one.
func (h *Handlers) Show(q *page.Request) error {
	view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
	if errs.KindOf(err) == errs.NotFound {
		return q.Page(http.StatusOK, "Impact", "impact", unscannedPage(q.Base()))
	}
	if err != nil {
		return err
	}
	f := readFilter(q.R.URL.Query())
	names := h.names.of(view)
	v := chooserOf(q.Base(), view, f)
	if f.add != "" {
		if target, ok := v.resolve(view, names); ok {
			return q.Redirect(target)
		}
	}
	if len(f.roots) == 0 {
		v.Top = v.offers(names.top)
		return q.Page(http.StatusOK, "Impact", "impact", showPage(v, nil), page.Wide())
	}
	result, err := h.ask(q, view, f)
	if e := (*errs.Error)(nil); errors.As(err, &e) && e.Kind == errs.Invalid {
		v.Problem, v.Hint = e.Public, e.Hint
		return q.Page(http.StatusUnprocessableEntity, "Impact", "impact", showPage(v, nil), page.Wide())
	}
	if err != nil {
		return err
	}
	r := resultOf(q.Base(), view, f, result, q.Now)
	if target, ok := q.Fragment(); ok && target == "results" {
		q.W.Header().Set("HX-Push-Url", ui.Address(v.Path, f.query))
		return q.Render(http.StatusOK, resultsPart(r))
	}
	return q.Page(http.StatusOK, v.title(), "impact", showPage(v, &r), page.Wide())
}

// Suggest answers with names that fit what is typed.
func (h *Handlers) Suggest(q *page.Request) error {
	view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return err
	}
	f := readFilter(q.R.URL.Query())
	names := h.names.of(view)
	v := chooserOf(q.Base(), view, f)
	v.Found = v.offers(names.find(f.add, suggestions))
	return q.Render(http.StatusOK, suggestionList(v))
}

// Export sends the whole impact as a file, as the command line writes it.
func (h *Handlers) Export(format impact.Format) page.Func {
	return func(q *page.Request) error {
		view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
		if err != nil {
			return err
		}
		f := readFilter(q.R.URL.Query())
		if len(f.roots) == 0 {
			return errs.New(errs.Invalid, "no_reference", "What changes was not said.", "Choose a table, a column or content first.")
		}
		result, err := h.ask(q, view, f)
		if err != nil {
			return err
		}
		return download(q, view, format, &impact.Report{Changes: []impact.Impact{{Result: result}}})
	}
}

// resolve follows a typed name: to the address with it when it means one thing;
// else it fills in what it could mean.
func (v *chooser) resolve(view *browse.View, names *directory) (target string, ok bool) {
	r, err := impact.Resolve(view.Index, v.add)
	if err == nil {
		return v.with(r), true
	}
	v.Typed = v.add
	var ambiguous *impact.AmbiguousError
	if errors.As(err, &ambiguous) {
		v.Problem = "“" + ui.Clip(ui.Clean(v.add), 80) + "” means " + ui.Count(len(ambiguous.Candidates), "thing", "things") + ". Choose one:"
		for _, c := range ambiguous.Candidates[:min(len(ambiguous.Candidates), 3*suggestions)] {
			if one, known := describe(view, c); known {
				v.Found = append(v.Found, v.offers([]candidate{one})...)
			}
		}
		return "", false
	}
	v.Found = v.offers(names.find(v.add, suggestions))
	if len(v.Found) > 0 {
		v.Problem = "“" + ui.Clip(ui.Clean(v.add), 80) + "” could be one of these:"
		return "", false
	}
	v.Problem, v.Hint = errs.PublicText(err)
	v.Problem = ui.Clean(v.Problem)
	return "", false
}

// offers turns candidates into links that add them.
func (v *chooser) offers(list []candidate) []offer {
	out := make([]offer, 0, len(list))
	for _, c := range list {
		if !slices.Contains(v.roots, c.Ref) {
			out = append(out, offer{candidate: c, Href: v.with(c.Ref)})
		}
	}
	return out
}

func (v *chooser) title() string {
	if len(v.Roots) == 0 {
		return "Impact"
	}
	name := ui.Clip(ui.Name(v.Roots[0].Name), 60)
	if len(v.Roots) > 1 {
		name += " and " + ui.Number(len(v.Roots)-1) + " more"
	}
	return "Impact of " + name
}

// file is the address of an export.
func (v *chooser) file(ext string) string { return ui.Address(v.Path+ext, v.asked()) }

// hrefChange is the address with another change.
func (v *chooser) hrefChange(change string) string {
	q := url.Values{}
	for k, list := range v.query {
		if k != "page" {
			q[k] = list
		}
	}
	q.Del("change")
	if change != string(impact.Drop) {
		q.Set("change", change)
	}
	return ui.Address(v.Path, q)
}
