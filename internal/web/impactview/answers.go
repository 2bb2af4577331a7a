package impactview

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/page"
)

// answers keeps the last results, so that filters and pages of one question do
// not ask it again.
type answers struct {
	mu   sync.Mutex
	kept []answer
}

// answer does not hold the scan it is about, which the library may let go of.
type answer struct {
	conn   store.ConnectionID
	scan   store.ScanID
	view   string // browse.View.Key: readers of a part have answers of their own
	key    string
	result *impact.Result
}

// maxAnswers is how many results are kept.
const maxAnswers = 8

func (a *answers) find(view *browse.View, key string) *impact.Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	// What belongs to an older scan of the same connection is never asked again.
	a.kept = slices.DeleteFunc(a.kept, func(k answer) bool {
		return k.scan != view.Scan.ID && k.conn == view.Scan.ConnectionID
	})
	for _, k := range a.kept {
		if k.view == view.Key() && k.key == key {
			return k.result
		}
	}
	return nil
}

func (a *answers) keep(view *browse.View, key string, result *impact.Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept = append(a.kept, answer{view.Scan.ConnectionID, view.Scan.ID, view.Key(), key, result})
	if len(a.kept) > maxAnswers {
		a.kept = slices.Delete(a.kept, 0, 1)
	}
}

// ask answers what the roots' change breaks.
func (h *Handlers) ask(q *page.Request, view *browse.View, f filter) (*impact.Result, error) {
	key := string(f.change) + "\x00" + strings.Join(f.query["ref"], "\x00")
	if found := h.answers.find(view, key); found != nil {
		return found, nil
	}
	result, err := impact.Of(q.Context(), impact.From(view.Index, view.Graph), impact.Request{Roots: f.roots, Change: f.change})
	if err != nil {
		return nil, err
	}
	h.answers.keep(view, key, result)
	return result, nil
}

// download sends a report in a format of the command line.
func download(q *page.Request, view *browse.View, format impact.Format, r *impact.Report) error {
	partial, _ := view.Index.Snapshot().Partial()
	r.Scan = impact.Scan{ID: string(view.Scan.ID), FinishedAt: view.Scan.FinishedAt.UTC(), URL: q.Conn.URL, Partial: partial}
	r.Connection, r.Index = q.Conn.Name, view.Index
	var b bytes.Buffer
	if err := impact.Write(&b, format, r); err != nil {
		return err
	}
	if format == impact.FormatCSV {
		return q.Download("impact.csv", "text/csv; charset=utf-8", b.Bytes())
	}
	return q.Download("impact.md", "text/markdown; charset=utf-8", b.Bytes())
}
