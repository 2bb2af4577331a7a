package impactview

import (
	"errors"
	"net/http"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// migration is the page that reads a script. Nothing of it is kept.
type migration struct {
	Base        string
	Path        string
	SQL         string
	Database    string
	Databases   []choice
	Problem     string
	Hint        string
	Asked       bool
	Changes     []changed
	MoreChanges int
	Skipped     []impact.Skipped
	MoreSkipped int
	All         *result // everything together
}

// changed is one statement with what it breaks.
type changed struct {
	Title  string
	Line   int
	Yes    int
	Maybe  int
	No     int
	Result result
	More   int // affected items beyond those listed
}

const (
	maxScript    = 300_000 // bytes; longer ones go to the command line
	maxChanges   = 200
	maxSkipped   = 100
	perStatement = 25
)

// Migration shows the form, or what a posted script breaks.
func (h *Handlers) Migration(q *page.Request) error {
	view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
	if errs.KindOf(err) == errs.NotFound {
		return q.Page(http.StatusOK, "Impact of a migration", "impact", unscannedPage(q.Base()))
	}
	if err != nil {
		return err
	}
	v := migrationOf(q, view)
	if q.R.Method != http.MethodPost {
		return q.Page(http.StatusOK, "Impact of a migration", "impact", migrationPage(v), page.Wide())
	}
	list, skipped, err := h.read(q, view, &v)
	status := http.StatusOK
	switch e := (*errs.Error)(nil); {
	case errors.As(err, &e) && e.Kind == errs.Invalid:
		v.Problem, v.Hint, status = e.Public, e.Hint, http.StatusUnprocessableEntity
	case err != nil:
		return err
	default:
		v.fill(q, view, list, skipped)
	}
	return q.Page(status, "Impact of a migration", "impact", migrationPage(v), page.Wide())
}

// ExportMigration sends what a posted script breaks as a file.
func (h *Handlers) ExportMigration(format impact.Format) page.Func {
	return func(q *page.Request) error {
		view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
		if err != nil {
			return err
		}
		v := migrationOf(q, view)
		list, skipped, err := h.read(q, view, &v)
		if err != nil {
			return err
		}
		return download(q, view, format, &impact.Report{Source: "migration", Changes: list, Skipped: skipped})
	}
}

func migrationOf(q *page.Request, view *browse.View) migration {
	v := migration{Base: q.Base(), Path: q.Base() + "/impact/migration", Databases: []choice{{"", "Any database"}}}
	for _, d := range view.Index.Snapshot().Databases {
		v.Databases = append(v.Databases, choice{d.ID, ui.Clip(ui.Name(d.Name), 80)})
	}
	return v
}

func (h *Handlers) read(q *page.Request, view *browse.View, v *migration) ([]impact.Impact, []impact.Skipped, error) {
	if err := q.R.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, nil, err
		}
		return nil, nil, errs.Wrap(err, errs.Invalid, "bad_form", "The form could not be read.", "Reload the page and try again.")
	}
	v.SQL = q.R.PostFormValue("sql")
	if id := q.R.PostFormValue("database"); view.Index.Database(id) != nil {
		v.Database = id
	}
	switch {
	case strings.TrimSpace(v.SQL) == "":
		return nil, nil, errs.New(errs.Invalid, "no_statement", "There is no statement to read.", "Paste DDL such as ALTER TABLE orders DROP COLUMN total;")
	case len(v.SQL) > maxScript:
		return nil, nil, errs.New(errs.Invalid, "too_large", "The script is too long for this page.", "Use metalens impact --migration FILE instead.")
	}
	return impact.OfMigration(q.Context(), impact.From(view.Index, view.Graph), v.SQL, impact.Migration{Database: v.Database})
}

func (v *migration) fill(q *page.Request, view *browse.View, list []impact.Impact, skipped []impact.Skipped) {
	v.Asked = true
	v.Skipped = skipped[:min(maxSkipped, len(skipped))]
	v.MoreSkipped = len(skipped) - len(v.Skipped)
	for i := range list[:min(maxChanges, len(list))] {
		one := &list[i]
		f := filter{roots: one.Result.Roots, change: one.Result.Change}
		r := resultOf(q.Base(), view, f, one.Result, q.Now)
		r.Rows = r.Rows[:min(perStatement, len(r.Rows))]
		v.Changes = append(v.Changes, changed{
			Title: one.Title, Line: one.Line, Yes: one.Result.Breaks[impact.Yes], Maybe: one.Result.Breaks[impact.Maybe], No: one.Result.Breaks[impact.No],
			Result: r, More: len(one.Result.Affected) - len(r.Rows),
		})
	}
	v.MoreChanges = len(list) - len(v.Changes)
	if len(list) > 0 {
		merged := impact.Merge(list)
		all := resultOf(q.Base(), view, filter{roots: merged.Roots, change: impact.Drop}, merged, q.Now)
		v.All = &all
	}
}

// href leads to the page of one statement's change.
func (c changed) href(base string) string {
	return address(base+"/impact", c.Result.roots[:min(maxRoots, len(c.Result.roots))], c.Result.change)
}
