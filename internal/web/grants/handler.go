package grants

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/grants"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/settings"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the addresses of access.
type Handlers struct {
	service     Service
	connections Connections
	library     browse.Library
}

// New returns the handlers.
func New(service Service, connections Connections, library browse.Library) *Handlers {
	return &Handlers{service: service, connections: connections, library: library}
}

const root = "/settings/access"

func address(conn store.ConnectionID) string { return root + "/" + url.PathEscape(string(conn)) }

type connectionRow struct {
	Name    string
	Href    string
	Default string
	All     int // members who see everything
	Part    int // who see chosen collections
	None    int
}

// List shows each connection with how many members see how much of it; with a
// member in the address, how much that one sees.
func (h *Handlers) List(q *page.Request) error {
	conns, err := h.connections.Connections(q.Context(), q.Org())
	if err != nil {
		return err
	}
	if id := store.UserID(q.R.URL.Query().Get("member")); id != "" {
		return h.listOf(q, conns, id)
	}
	rows := make([]connectionRow, 0, len(conns))
	for _, c := range conns {
		sheet, err := h.service.Sheet(q.Context(), q.Org(), c.ID)
		if err != nil {
			return err
		}
		row := connectionRow{Name: c.Name, Href: address(c.ID), Default: modeWords(sheet.Default)}
		for _, m := range sheet.Members {
			switch m.Mode {
			case store.GrantAll:
				row.All++
			case store.GrantNone:
				row.None++
			default:
				row.Part++
			}
		}
		rows = append(rows, row)
	}
	counts, err := h.service.Counts(q.Context(), q.Org())
	if err != nil {
		return err
	}
	return settings.Page(q, http.StatusOK, "access", "Access", listPage(rows, counts))
}

// listOf shows what one member sees of each connection.
func (h *Handlers) listOf(q *page.Request, conns []store.Connection, id store.UserID) error {
	v := memberListView{}
	for _, c := range conns {
		sheet, err := h.service.Sheet(q.Context(), q.Org(), c.ID)
		if err != nil {
			return err
		}
		m, err := memberOf(sheet, id)
		if err != nil {
			return err
		}
		v.Member = m
		row := memberRow{Member: m, Href: address(c.ID) + "/" + url.PathEscape(string(id)), Sees: seesWords(m), Connection: c.Name}
		v.Rows = append(v.Rows, row)
	}
	if len(conns) == 0 {
		return q.Redirect(root) // which says that there is nothing to grant yet
	}
	return settings.Page(q, http.StatusOK, "access", "What "+ui.Name(v.Member.Name)+" sees", memberListPage(v))
}

// SetCounts keeps whether members who see a part are told how much is hidden.
func (h *Handlers) SetCounts(q *page.Request) error {
	var shown bool
	text := "Members who see a part are told that there is more, not how much."
	switch q.R.PostFormValue("counts") {
	case "shown":
		shown, text = true, "Members who see a part are told how many items beside it are hidden."
	case "off":
	default:
		return errs.New(errs.Invalid, "unknown_counts", "Counts of hidden items are either shown or not.", "Go back and choose one of the two.")
	}
	if err := h.service.SetCounts(q.Context(), q.Org(), shown); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: text})
	return q.Redirect(root)
}

type memberRow struct {
	grants.Member
	Connection string
	Href       string
	Sees       string
	Count      string // questions, where a scan can tell
}

// memberListView is one member on every connection.
type memberListView struct {
	Member grants.Member
	Rows   []memberRow
}

// seesWords says what a member sees.
func seesWords(m grants.Member) string {
	if m.Mode == store.GrantCollections {
		return ui.Count(len(m.Collections), "collection", "collections")
	}
	return modeWords(m.Mode)
}

type sheetView struct {
	Name    string
	Base    string
	Default store.GrantMode
	Rows    []memberRow
	Scanned bool
}

// Show shows who sees what of a connection.
func (h *Handlers) Show(q *page.Request) error {
	sheet, err := h.service.Sheet(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return err
	}
	view, err := h.view(q)
	if err != nil {
		return err
	}
	v := sheetView{Name: q.Conn.Name, Base: address(q.Conn.ID), Default: sheet.Default, Scanned: view != nil}
	for _, m := range sheet.Members {
		row := memberRow{Member: m, Href: v.Base + "/" + url.PathEscape(string(m.User)), Sees: seesWords(m)}
		if view != nil {
			row.Count = previewWords(grants.PreviewOf(view.Index, m.Grant))
		}
		v.Rows = append(v.Rows, row)
	}
	return settings.Page(q, http.StatusOK, "access", "Access to "+ui.Name(q.Conn.Name), sheetPage(v))
}

// SetDefault keeps what later members see.
func (h *Handlers) SetDefault(q *page.Request) error {
	mode := store.GrantMode(q.R.PostFormValue("default"))
	if err := h.service.SetDefault(q.Context(), q.Org(), q.Conn.ID, mode); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Members who join later see " + modeWords(mode) + ". Those who are members now keep what they see."})
	return q.Redirect(address(q.Conn.ID))
}

type choice struct {
	grants.Node
	Chosen bool
	Kids   []choice
}

type memberView struct {
	Base    string
	Here    string
	Member  grants.Member
	Name    string // of the connection
	Mode    store.GrantMode
	Tree    []choice
	Gone    []string // granted collections that the last scan does not know
	Scanned bool
	Preview string
	Problem string
	Hint    string
}

// Member shows the form of one member.
func (h *Handlers) Member(q *page.Request) error {
	m, err := h.member(q)
	if err != nil {
		return err
	}
	return h.form(q, http.StatusOK, m, m.Grant, nil)
}

// Save keeps what a member sees, or shows how much that would be.
func (h *Handlers) Save(q *page.Request) error {
	m, err := h.member(q)
	if err != nil {
		return err
	}
	r := q.R
	if err := r.ParseForm(); err != nil {
		return errs.Wrap(err, errs.Invalid, "bad_form", "The form could not be read.", "Reload the page and try again.")
	}
	g := store.Grant{Mode: store.GrantMode(r.PostForm.Get("mode"))}
	if g.Mode == store.GrantCollections {
		g.Collections = r.PostForm["collection"]
	}
	if r.PostForm.Get("do") == "preview" {
		return h.form(q, http.StatusOK, m, g, nil)
	}
	err = h.service.Set(q.Context(), q.Org(), q.Conn.ID, m.User, g)
	if errs.KindOf(err) == errs.Invalid {
		return h.form(q, http.StatusUnprocessableEntity, m, g, err)
	}
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: ui.Name(m.Name) + " sees " + modeWords(g.Mode) + " of " + ui.Name(q.Conn.Name) + "."})
	return q.Redirect(address(q.Conn.ID))
}

// member finds the member of the address; one who is none of this organization's
// is unknown.
func (h *Handlers) member(q *page.Request) (grants.Member, error) {
	sheet, err := h.service.Sheet(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return grants.Member{}, err
	}
	return memberOf(sheet, store.UserID(q.R.PathValue("member")))
}

func memberOf(sheet grants.Sheet, id store.UserID) (grants.Member, error) {
	i := slices.IndexFunc(sheet.Members, func(m grants.Member) bool { return m.User == id })
	if i < 0 {
		return grants.Member{}, errs.New(errs.NotFound, "no_member", "There is no such member.", "Start from the list of members.")
	}
	return sheet.Members[i], nil
}

// view is the last scan; nil where none has succeeded.
func (h *Handlers) view(q *page.Request) (*browse.View, error) {
	view, err := h.library.View(q.Context(), q.Org(), q.Conn.ID)
	if errs.KindOf(err) == errs.NotFound {
		return nil, nil //nolint:nilnil // there is none
	}
	return view, err
}

func (h *Handlers) form(q *page.Request, status int, m grants.Member, g store.Grant, problem error) error {
	view, err := h.view(q)
	if err != nil {
		return err
	}
	v := memberView{
		Base: address(q.Conn.ID), Here: address(q.Conn.ID) + "/" + url.PathEscape(string(m.User)), Member: m, Name: q.Conn.Name,
		Mode: g.Mode, Scanned: view != nil,
	}
	if problem != nil {
		v.Problem, v.Hint = errs.PublicText(problem)
	}
	chosen := map[string]bool{}
	for _, id := range g.Collections {
		chosen[id] = true
	}
	if view != nil {
		nodes := grants.Tree(view.Index)
		v.Tree, _ = nest(nodes, 0, chosen)
		for _, n := range nodes {
			delete(chosen, n.ID)
		}
		v.Preview = previewWords(grants.PreviewOf(view.Index, g))
	}
	for id := range chosen {
		v.Gone = append(v.Gone, id)
	}
	slices.SortFunc(v.Gone, catalog.CompareID)
	return settings.Page(q, status, "access", "What "+ui.Name(m.Name)+" sees", memberPage(v))
}

// nest arranges nodes that stand in order below each other.
func nest(nodes []grants.Node, depth int, chosen map[string]bool) (list []choice, rest []grants.Node) {
	for len(nodes) > 0 && nodes[0].Depth >= depth {
		c := choice{Node: nodes[0], Chosen: chosen[nodes[0].ID]}
		c.Kids, nodes = nest(nodes[1:], c.Depth+1, chosen)
		if c.ID == catalog.RootCollectionID { // it stands for itself alone
			list = append(list, choice{Node: c.Node, Chosen: c.Chosen})
			list = append(list, c.Kids...)
			continue
		}
		list = append(list, c)
	}
	return list, nodes
}

func modeWords(m store.GrantMode) string {
	switch m {
	case store.GrantAll:
		return "everything"
	case store.GrantNone:
		return "nothing"
	}
	return "chosen collections"
}

func previewWords(p grants.Preview) string {
	return "sees " + ui.Number(p.Questions) + " of " + ui.Count(p.AllQuestions, "question", "questions") + " and " +
		ui.Number(p.Dashboards) + " of " + ui.Count(p.AllDashboards, "dashboard", "dashboards")
}
