package lineage

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
)

// aheadWindow is how many questions the build looks ahead for each processor.
// It bounds the results that wait for the build.
const aheadWindow = 24

// ahead analyses native queries on all processors before the build, which goes
// through the questions one by one, comes to them. It only guesses what the
// build will ask for: the build takes up an answer to the very question that it
// has, and asks the analyzer itself otherwise. So the graph does not depend on
// who was first.
type ahead struct {
	b      *builder
	list   []*catalog.Question
	next   int // the first question that was not looked at
	window int

	open  map[aheadKey]*aheadTask
	tasks chan *aheadTask
	wait  sync.WaitGroup
}

type aheadKey struct {
	schema *SQLSchema
	sql    string
}

type aheadTask struct {
	question string
	in       SQLInput
	claimed  atomic.Bool   // somebody works on it, or nobody needs it any more
	done     chan struct{} // closed when out is there
	out      SQLAnalysis
}

// newAhead starts the workers; nil when there is nothing to gain. Who calls
// ends them with finish.
func newAhead(ctx context.Context, b *builder, list []*catalog.Question) *ahead {
	workers := runtime.GOMAXPROCS(0)
	if b.analyzer == nil || workers < 2 || len(list) < 2 {
		return nil
	}
	a := &ahead{b: b, list: list, window: aheadWindow * workers, open: map[aheadKey]*aheadTask{}}
	a.tasks = make(chan *aheadTask, a.window)
	for range workers {
		a.wait.Go(func() {
			for t := range a.tasks {
				if t.claimed.CompareAndSwap(false, true) {
					t.out = b.analyzer.AnalyzeSQL(ctx, t.in)
					close(t.done)
				}
			}
		})
	}
	return a
}

// look hands out what can be analysed of the questions behind the i-th one.
func (a *ahead) look(i int) {
	if a == nil {
		return
	}
	for a.next = max(a.next, i); a.next < len(a.list) && a.next < i+a.window; a.next++ {
		q := a.list[a.next]
		if q.Unreadable || q.Query.Language != catalog.LanguageSQL || q.Query.SQL == "" || a.b.cards[q.ID] != nil {
			continue
		}
		key := aheadKey{a.b.schema(q.Query.DatabaseID), q.Query.SQL}
		if a.open[key] != nil { // a copy: better asked for when the answer is known
			continue
		}
		tags := declared(q.Query.Tags)
		if !a.b.settled(q.Query.SQL, declarations(tags)) {
			continue
		}
		used := a.b.readTags(&reading{database: q.Query.DatabaseID}, q.Query.SQL, tags, nil)
		t := &aheadTask{question: q.ID, in: SQLInput{SQL: q.Query.SQL, Schema: key.schema, Tags: used}, done: make(chan struct{})}
		a.open[key] = t
		a.tasks <- t
	}
}

// passed drops what was not asked for of a question that the build has behind it.
func (a *ahead) passed(q *catalog.Question) {
	if a == nil || q.Query.Language != catalog.LanguageSQL {
		return
	}
	key := aheadKey{a.b.schema(q.Query.DatabaseID), q.Query.SQL}
	if t := a.open[key]; t != nil && t.question == q.ID {
		t.claimed.Store(true)
		delete(a.open, key)
	}
}

// take answers with what was worked out ahead; ok is false when that was
// nothing, or something else.
func (a *ahead) take(in SQLInput) (out SQLAnalysis, ok bool) {
	if a == nil {
		return out, false
	}
	key := aheadKey{in.Schema, in.SQL}
	t := a.open[key]
	if t == nil || len(t.in.Tags)+len(in.Tags) > 0 && !reflect.DeepEqual(t.in.Tags, in.Tags) {
		return out, false
	}
	delete(a.open, key)
	if t.claimed.CompareAndSwap(false, true) {
		return out, false // nobody has begun
	}
	<-t.done
	return t.out, true
}

// finish ends the workers and waits for them.
func (a *ahead) finish() {
	if a == nil {
		return
	}
	for _, t := range a.open {
		t.claimed.Store(true)
	}
	close(a.tasks)
	a.wait.Wait()
}

// settled reports whether a text refers only to questions whose columns are
// known by now.
func (b *builder) settled(sql string, find func(TagUse) *mbql.Tag) bool {
	for _, use := range ParseTemplate(sql).Tags {
		if use.Kind != TagCard {
			continue
		}
		id := cardOf(use, find(use))
		if c := b.cards[id]; b.index.Question(id) != nil && (c == nil || c.busy) {
			return false
		}
	}
	return true
}

// cardOf is the question that a tag refers to.
func cardOf(use TagUse, declared *mbql.Tag) string {
	if declared != nil && declared.CardID != "" {
		return declared.CardID
	}
	return use.CardID
}
