package duplicates

import (
	"net/http"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/web/assist"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// patience is how long a reader waits for the first comparison of a scan before
// the page says that it is under way.
const patience = 3 * time.Second

// Handlers answers the addresses of duplicates.
type Handlers struct{ service Service }

// New returns the handlers.
func New(service Service) *Handlers { return &Handlers{service: service} }

// List shows the clusters that the address asks for.
func (h *Handlers) List(q *page.Request) error {
	ctx, cancel, tired := q.Patience(patience)
	defer cancel()
	content, err := h.service.Duplicates(ctx, q.Org(), q.Conn.ID)
	if tired(err) {
		return q.Page(http.StatusAccepted, "Duplicates", "duplicates", waitingPage(q.R.URL.RequestURI()), page.Refresh(3))
	}
	if errs.KindOf(err) == errs.NotFound {
		return q.Page(http.StatusOK, "Duplicates", "duplicates", unscannedPage(q.Base()))
	}
	if err != nil {
		return err
	}
	f := readFilter(q.R.URL.Query())
	view := listOf(q.Base(), content, f)
	if target, ok := q.Fragment(); ok && target == "results" {
		q.W.Header().Set("HX-Push-Url", ui.Address(view.Path, f.query))
		return q.Render(http.StatusOK, resultsPart(view))
	}
	return q.Page(http.StatusOK, "Duplicates", "duplicates", listPage(view))
}

// Show shows one cluster: members, what to keep, and how two of them differ.
func (h *Handlers) Show(q *page.Request) error {
	content, c, err := h.cluster(q)
	if err != nil {
		return err
	}
	if c == nil { // an asset's address leads to its cluster
		if r, ok := catalog.ParseRef(ui.UnescapeID(q.R.PathValue("id"))); ok {
			found, _ := content.Of(r)
			return q.Redirect(strings.TrimSuffix(q.Base()+"/duplicates/"+found, "/"))
		}
		return errs.New(errs.NotFound, "no_cluster", "The last scan has no such group of duplicates.", "It may have been cleared up since. All groups are listed under Duplicates.")
	}
	view := detailOf(q.Base(), content, c, q.R.URL.Query(), q.Now)
	view.compare(q.Context(), content)
	if q.Chat() {
		view.Ask = []ui.AskLink{{Label: "Which one should we keep?", Href: assist.Path(q.Base(), agent.Duplicates, agent.ClusterSubject(c.ID))}}
	}
	if target, ok := q.Fragment(); ok && target == "comparison" {
		return q.Render(http.StatusOK, comparisonPart(view))
	}
	return q.Page(http.StatusOK, ui.Clip(ui.Name(c.Title), 60)+", duplicates", "duplicates", detailPage(view), page.Wide())
}

// Export sends the clusters that the address asks for as a file.
func (h *Handlers) Export(format Format) page.Func {
	return func(q *page.Request) error {
		content, err := h.service.Duplicates(q.Context(), q.Org(), q.Conn.ID)
		if err != nil {
			return err
		}
		list, _ := readFilter(q.R.URL.Query()).choose(content.clusters)
		return q.Download("duplicates"+format.ext(), format.media(), write(content, list, format, q.Conn.Name))
	}
}

// ExportOne sends one cluster as a file.
func (h *Handlers) ExportOne(format Format) page.Func {
	return func(q *page.Request) error {
		content, c, err := h.cluster(q)
		if err != nil {
			return err
		}
		if c == nil {
			return page.NotFound()
		}
		return q.Download("duplicates-"+c.ID+format.ext(), format.media(), write(content, []*cluster{c}, format, q.Conn.Name))
	}
}

// cluster finds the cluster that the path names; nil when there is none.
func (h *Handlers) cluster(q *page.Request) (*Content, *cluster, error) {
	content, err := h.service.Duplicates(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return nil, nil, err
	}
	if i, ok := content.at[q.R.PathValue("id")]; ok {
		return content, &content.clusters[i], nil
	}
	return content, nil, nil
}

func kindWords(k similar.Kind, asset catalog.Kind) string {
	dashboards := asset == catalog.KindDashboard
	switch {
	case k == similar.Exact && dashboards:
		return "They show the same questions."
	case k == similar.Exact:
		return "The same query. Only white space and comments differ."
	case k == similar.Equivalent && dashboards:
		return "They show questions that mean the same."
	case k == similar.Equivalent:
		return "Written differently, with the same meaning: names, order of conditions or spelling differ."
	case dashboards:
		return "They show mostly the same questions."
	}
	return "Mostly the same query. What differs is listed below."
}
