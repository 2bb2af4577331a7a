// Package sensitive is the pages of sensitive columns: which columns of a
// connection no model may see, why, and the rules with which admins correct that.
package sensitive

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/settings"
	"github.com/metalens/metalens/internal/web/ui"
)

// Path is where the pages are.
const Path = "/settings/sensitive"

// Service is what the pages need. Reading asks for a viewer, previews and changes
// for an admin.
type Service interface {
	// Columns lists what the viewer sees; errs.NotFound before the first scan.
	Columns(ctx context.Context, org store.OrgID, conn store.ConnectionID, q ai.ColumnQuery) (ai.ColumnPage, error)
	Rules(ctx context.Context, org store.OrgID, conn store.ConnectionID) ([]store.SensitivityRule, error)
	// Preview and AddRule answer [ai.FieldErrors] for a rule that is not right.
	Preview(ctx context.Context, org store.OrgID, conn store.ConnectionID, d ai.RuleDraft) (ai.Preview, error)
	AddRule(ctx context.Context, org store.OrgID, conn store.ConnectionID, d ai.RuleDraft) (store.SensitivityRule, error)
	PreviewDelete(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) (ai.Preview, error)
	DeleteRule(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) error
}

// Connections lists the connections.
type Connections interface {
	Connections(ctx context.Context, org store.OrgID) ([]store.Connection, error)
}

// Handlers answers the addresses of the pages.
type Handlers struct {
	service     Service
	connections Connections
}

// New returns the handlers.
func New(service Service, connections Connections) *Handlers { return &Handlers{service, connections} }

func address(conn store.ConnectionID) string { return Path + "/" + url.PathEscape(string(conn)) }

// List leads to a connection.
func (h *Handlers) List(q *page.Request) error {
	conns, err := h.connections.Connections(q.Context(), q.Org())
	if err != nil {
		return err
	}
	if len(conns) == 1 {
		return q.Redirect(address(conns[0].ID))
	}
	v := listView{}
	for _, c := range conns {
		row := connectionRow{Name: c.Name, Href: address(c.ID)}
		p, err := h.service.Columns(q.Context(), q.Org(), c.ID, ai.ColumnQuery{Limit: 1})
		switch {
		case errs.KindOf(err) == errs.NotFound:
			row.Unscanned = true
		case err != nil:
			return err
		}
		rules, err := h.service.Rules(q.Context(), q.Org(), c.ID)
		if err != nil {
			return err
		}
		row.All, row.Sensitive, row.Rules = p.All, p.Sensitive, len(rules)
		v.Rows = append(v.Rows, row)
	}
	return settings.Page(q, http.StatusOK, "sensitive", "Sensitive columns", listPage(v))
}

func queryOf(values url.Values) ai.ColumnQuery {
	return ai.ColumnQuery{
		Text: values.Get("q"), Category: mask.Category(values.Get("category")), Sensitive: values.Get("sensitive"), By: values.Get("by"), Rule: values.Get("rule"),
	}
}

// Show lists the columns of a connection and its rules.
func (h *Handlers) Show(q *page.Request) error {
	values := q.R.URL.Query()
	query := queryOf(values)
	query.Limit, query.Offset = ui.PerPage, ui.Offset(values)
	v := showView{Name: q.Conn.Name, Base: address(q.Conn.ID), Admin: q.Viewer.May(store.RoleAdmin), Params: values, Now: q.Now}
	var err error
	if v.Rules, err = h.service.Rules(q.Context(), q.Org(), q.Conn.ID); err != nil {
		return err
	}
	v.Page, err = h.service.Columns(q.Context(), q.Org(), q.Conn.ID, query)
	switch {
	case errs.KindOf(err) == errs.NotFound:
		v.Unscanned = true
	case err != nil:
		return err
	}
	v.Pager = ui.Pages(v.Base, values, len(v.Page.Columns), v.Page.Total, "column", "columns")
	return settings.Page(q, http.StatusOK, "sensitive", "Sensitive columns of "+ui.Name(q.Conn.Name), showPage(v))
}

// CSV exports the columns that the filters choose.
func (h *Handlers) CSV(q *page.Request) error {
	p, err := h.service.Columns(q.Context(), q.Org(), q.Conn.ID, queryOf(q.R.URL.Query()))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	rows := [][]string{{"database", "table", "column", "type", "sensitive", "score", "category", "reason", "rule"}}
	for _, c := range p.Columns {
		rows = append(rows, []string{
			report.SpreadsheetCell(c.Database), report.SpreadsheetCell(c.Table), report.SpreadsheetCell(c.Name), report.SpreadsheetCell(c.Type), strconv.FormatBool(c.Sensitive),
			strconv.FormatFloat(c.Score, 'f', 2, 64), string(c.Category), report.SpreadsheetCell(c.Reason), c.Rule,
		})
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("write the columns: %w", err)
	}
	return q.Download("sensitive-columns.csv", "text/csv; charset=utf-8", b.Bytes())
}

func draftOf(values url.Values) ai.RuleDraft {
	return ai.RuleDraft{Allow: values.Get("kind") == "allow", Pattern: values.Get("pattern"), Category: mask.Category(values.Get("category")), Note: values.Get("note")}
}

// New shows the form of a rule, with what the rule would do once one is entered.
func (h *Handlers) New(q *page.Request) error {
	values := q.R.URL.Query()
	v := ruleView{Name: q.Conn.Name, Base: address(q.Conn.ID), Draft: draftOf(values)}
	if !values.Has("preview") {
		return settings.Page(q, http.StatusOK, "sensitive", "New rule", rulePage(v))
	}
	return h.preview(q, http.StatusOK, v)
}

func (h *Handlers) preview(q *page.Request, status int, v ruleView) error {
	p, err := h.service.Preview(q.Context(), q.Org(), q.Conn.ID, v.Draft)
	switch {
	case errors.As(err, &v.Problems):
		status = http.StatusUnprocessableEntity
	case errs.KindOf(err) == errs.NotFound:
		v.Unscanned = true
	case err != nil:
		return err
	default:
		v.Preview = &p
	}
	return settings.Page(q, status, "sensitive", "New rule", rulePage(v))
}

// Add keeps a rule.
func (h *Handlers) Add(q *page.Request) error {
	if err := q.R.ParseForm(); err != nil {
		return errs.Wrap(err, errs.Invalid, "bad_form", "The form could not be read.", "Reload the page and try again.")
	}
	v := ruleView{Name: q.Conn.Name, Base: address(q.Conn.ID), Draft: draftOf(q.R.Form)}
	rule, err := h.service.AddRule(q.Context(), q.Org(), q.Conn.ID, v.Draft)
	if errors.As(err, &v.Problems) {
		return settings.Page(q, http.StatusUnprocessableEntity, "sensitive", "New rule", rulePage(v))
	}
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "The rule " + ui.Clean(rule.Pattern) + " holds from now on."})
	return q.Redirect(v.Base)
}

// ConfirmDelete says what would change without a rule.
func (h *Handlers) ConfirmDelete(q *page.Request) error {
	id := q.R.PathValue("rule")
	rules, err := h.service.Rules(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return err
	}
	v := deleteView{Name: q.Conn.Name, Base: address(q.Conn.ID)}
	found := false
	for _, r := range rules {
		if r.ID == id {
			v.Rule, found = r, true
		}
	}
	if !found {
		return errs.New(errs.NotFound, "no_rule", "There is no such rule.", "Somebody may have deleted it; start from the list of rules.")
	}
	p, err := h.service.PreviewDelete(q.Context(), q.Org(), q.Conn.ID, id)
	switch {
	case errs.KindOf(err) == errs.NotFound:
	case err != nil:
		return err
	default:
		v.Preview = &p
	}
	return settings.Page(q, http.StatusOK, "sensitive", "Delete a rule", deletePage(v))
}

// Delete deletes a rule.
func (h *Handlers) Delete(q *page.Request) error {
	if err := h.service.DeleteRule(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("rule")); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "The rule is deleted."})
	return q.Redirect(address(q.Conn.ID))
}
