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

// Slim returns a copy of a snapshot with what a following scan needs of it. The
// bodies of live questions, most of a large snapshot, are not among that: only
// what they refer to is. The snapshot itself is not changed.
func Slim(s *catalog.Snapshot) *catalog.Snapshot {
	out := *s
	out.Questions = make([]*catalog.Question, len(s.Questions))
	for i, q := range s.Questions {
		out.Questions[i] = slimQuestion(q)
	}
	return &out
}

func slimQuestion(q *catalog.Question) *catalog.Question {
	// These rows may have to stand in for ones that cannot be read.
	if q.Archived || q.Unreadable || q.DatabaseID == "" {
		return q
	}
	slim := &catalog.Question{
		Common: catalog.Common{ID: q.ID}, Type: q.Type, DatabaseID: q.DatabaseID, TableID: q.TableID, CollectionID: q.CollectionID,
	}
	seen := map[catalog.Ref]bool{}
	questionTargets(q, func(kind catalog.Kind, id string) {
		ref := catalog.Ref{Kind: kind, ID: id}
		if id != "" && !seen[ref] {
			seen[ref] = true
			slim.ClickTargets = append(slim.ClickTargets, ref)
		}
	})
	return slim
}
