package scan

import (
	"sync"

	"github.com/metalens/metalens/internal/catalog"
)

// earlier answers look-ups on the scan before. It is built once, on first use.
type earlier struct {
	once       sync.Once
	dashboards map[string]*catalog.Dashboard
	questions  map[string]bool
}

func (r *run) earlierIndex() *earlier {
	r.earlier.once.Do(func() {
		r.earlier.dashboards = map[string]*catalog.Dashboard{}
		r.earlier.questions = map[string]bool{}
		if r.options.Previous == nil {
			return
		}
		for _, d := range r.options.Previous.Dashboards {
			r.earlier.dashboards[d.ID] = d
		}
		for _, q := range r.options.Previous.Questions {
			r.earlier.questions[q.ID] = !q.Unreadable
		}
	})
	return &r.earlier
}

// previousDashboard returns a dashboard of the scan before; nil when absent.
func (r *run) previousDashboard(id string) *catalog.Dashboard { return r.earlierIndex().dashboards[id] }

// knewQuestion reports whether the scan before had read a question.
func (r *run) knewQuestion(id string) bool { return r.earlierIndex().questions[id] }

// knownQuestions are the ids of all questions this scan has listed so far.
func (r *run) knownQuestions() map[string]bool {
	known := map[string]bool{}
	for _, name := range []string{"questions", "archived", "discovery"} {
		for _, q := range r.part(name).Questions {
			known[q.ID] = true
		}
	}
	return known
}
