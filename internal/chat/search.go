package chat

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// find searches for a question's words: all of them, and where nothing has them
// all, for the longest alone, since a question has more words than a title.
func (s *Service) find(ctx context.Context, org store.OrgID, conn store.ConnectionID, question string) ([]Hit, int, error) {
	words := wordsOf(question)
	for len(words) > 0 {
		found, total, err := s.cfg.Backend.Search(ctx, org, conn, tools.SearchQuery{Text: strings.Join(words, " "), Limit: searchHits})
		if errs.KindOf(err) == errs.NotFound {
			return nil, 0, nil
		}
		if err != nil {
			return nil, 0, err //nolint:wrapcheck // says what failed
		}
		if total > 0 {
			hits := make([]Hit, 0, len(found))
			for _, h := range found {
				hits = append(hits, Hit{Ref: h.Asset, Name: h.Name, Path: h.Path})
			}
			return hits, total, nil
		}
		// The shortest word says least.
		at := 0
		for i, w := range words {
			if len(w) <= len(words[at]) {
				at = i
			}
		}
		words = slices.Delete(words, at, at+1)
	}
	return nil, 0, nil
}

// maxWords bounds how often a search is repeated.
const maxWords = 8

// wordsOf takes the words of a question that a title could have.
func wordsOf(question string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(question, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' }) {
		w = strings.ToLower(w)
		if len([]rune(w)) < 3 || slices.Contains(smallWords(), w) || slices.Contains(out, w) {
			continue
		}
		if out = append(out, w); len(out) == maxWords {
			break
		}
	}
	return out
}

// smallWords are words of questions that say nothing of what is asked for.
func smallWords() []string {
	return strings.Fields("the and for are was were what which who whom whose where when why how does did has have had can could should would will " +
		"our your their its this that these those there with from about into over than then them they you not any all some most many much more less " +
		"show find list give tell explain want need know please question questions dashboard dashboards table tables column columns " +
		"der die das und ist sind was wie wo wer welche welcher welches haben hat mit von für auf ein eine " +
		"les des une est sont que qui quoi avec pour dans sur los las una que con por para")
}
