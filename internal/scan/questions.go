package scan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/metabase"
)

// questions reads all live questions, in one answer or per database.
func (r *run) questions(ctx context.Context, p *part, c counter) error {
	known := len(previous(r, func(s *catalog.Snapshot) []*catalog.Question { return s.Questions }))
	c.expect(known)
	if r.options.SplitQuestions > 0 && known > r.options.SplitQuestions && r.part("identify").Instance.Reader.Admin {
		return r.questionsByDatabase(ctx, p, c)
	}
	take := collect(p, c)
	gaps, err := r.source.Questions(ctx, false, take)
	switch {
	case unlisted(err):
		p.facts.NoQuestionList = true
		return nil
	case err != nil && r.tooBig(ctx, err):
		r.options.Logger.InfoContext(ctx, "question list split by database", "code", errs.CodeOf(err))
		p.Questions = nil
		clear(p.Usage)
		return r.questionsByDatabase(ctx, p, c)
	case err != nil:
		return err
	}
	if err := needed("questions", gaps); err != nil {
		return err
	}
	p.gap(gaps...)
	return nil
}

// unlisted reports that a list does not exist or is refused as a whole, so that
// its content has to be found another way.
func unlisted(err error) bool {
	return err != nil && (metabase.IsMissing(err) || errs.KindOf(err) == errs.Forbidden)
}

// tooBig reports failures that smaller answers may avoid.
func (r *run) tooBig(ctx context.Context, err error) bool {
	if ctx.Err() != nil || len(r.part("databases").Databases) == 0 {
		return false
	}
	switch errs.CodeOf(err) {
	case "too_large", "truncated", "timeout", "server_error":
		return true
	}
	var e *errs.Error
	return !errors.As(err, &e) && errors.Is(err, context.DeadlineExceeded)
}

// questionsByDatabase asks once per database: those that are listed, and those
// that questions of the scan before used.
func (r *run) questionsByDatabase(ctx context.Context, p *part, c counter) error {
	p.facts.Split = true
	ids := map[string]bool{}
	for _, d := range r.part("databases").Databases {
		ids[d.ID] = true
	}
	for _, q := range previous(r, func(s *catalog.Snapshot) []*catalog.Question { return s.Questions }) {
		if q.DatabaseID != "" {
			ids[q.DatabaseID] = true
		}
	}
	if !r.part("identify").Instance.Reader.Admin {
		p.gap(catalog.Gap{What: "questions", Kind: catalog.KindQuestion, Reason: "they had to be read database by database, so questions on databases the key cannot see may be missing"})
	}
	take := collect(p, c)
	for _, id := range slices.SortedFunc(maps.Keys(ids), catalog.CompareID) {
		gaps, err := r.source.QuestionsOf(ctx, id, take)
		if err != nil {
			return err
		}
		if err := needed("questions of database "+id, gaps); err != nil {
			return err
		}
		p.gap(gaps...)
	}
	return nil
}

// withoutDatabase looks after questions that have no database (broken rows, in
// practice): no list by database names them. Known ones are asked for one by
// one, up to a limit; the others are taken over.
func (r *run) withoutDatabase(ctx context.Context, p *part, c counter) error {
	if r.options.Previous == nil {
		p.gap(catalog.Gap{What: "questions without a database", Kind: catalog.KindQuestion, Reason: "the list had to be read database by database, which leaves them out"})
		return nil
	}
	known := r.knownQuestions()
	var items []metabase.Item
	taken := 0
	for _, q := range r.options.Previous.Questions {
		switch {
		case q.DatabaseID != "" || q.Unreadable || q.Archived || known[q.ID]:
		case len(items) < baseless:
			items = append(items, metabase.Item{Ref: q.Ref()})
		default:
			taken++
			p.Questions = append(p.Questions, q)
			p.use(q.Ref(), r.options.Previous.Usage[q.Ref()])
		}
	}
	if taken > 0 {
		p.gap(catalog.Gap{What: "questions without a database", Kind: catalog.KindQuestion, Reason: fmt.Sprintf("%d are shown as the scan before read them, to spare the server", taken), Expected: true})
	}
	c.expect(len(items))
	before := len(p.Gaps)
	err := r.readQuestions(ctx, p, c, items)
	p.Gaps = append(p.Gaps[:before:before], slices.DeleteFunc(slices.Clone(p.Gaps[before:]), gone)...)
	return err
}

// gone reports the gap of a single thing that does not exist any more: that is
// a change of the instance, not a gap of the scan.
func gone(g catalog.Gap) bool { return g.Status == http.StatusNotFound }

// collect returns a receiver that keeps questions in a part.
func collect(p *part, c counter) metabase.EachQuestion {
	return func(q *catalog.Question, u catalog.Usage) error {
		p.Questions = append(p.Questions, q)
		p.use(q.Ref(), u)
		c.add(1)
		return nil
	}
}

// archived reads the questions in the trash, to tell an archived reference from
// a missing one.
func (r *run) archived(ctx context.Context, p *part, c counter) error {
	what := "archived questions"
	take := collect(p, c)
	gaps, err := r.source.Questions(ctx, true, take)
	switch {
	case err == nil:
	case metabase.IsMissing(err):
		gaps = append(gaps, catalog.Gap{What: what, Reason: "this server does not list them", Status: 404, Expected: true})
	case fatal(ctx, err):
		return err
	default:
		g := gapOf(what, "", err)
		g.Whole = false
		if kept := r.archivedBefore(p); kept > 0 {
			g.Reason += fmt.Sprintf("; %d shown as the scan before read them", kept)
		}
		gaps = append(gaps, g)
	}
	for i := range gaps {
		gaps[i].Whole = false // live questions are a list of their own
	}
	p.gap(gaps...)
	return nil
}

// archivedBefore replaces what was read by the archived questions of the scan
// before.
func (r *run) archivedBefore(p *part) int {
	p.Questions = nil
	clear(p.Usage)
	for _, q := range previous(r, func(s *catalog.Snapshot) []*catalog.Question { return s.Questions }) {
		if q.Archived {
			p.Questions = append(p.Questions, q)
			p.use(q.Ref(), r.options.Previous.Usage[q.Ref()])
		}
	}
	return len(p.Questions)
}
