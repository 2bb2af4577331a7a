package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

const (
	maxTerms    = 8 // further words of a query are ignored
	maxTermSize = maxWord
	maxRanked   = 200 // matches whose text is read for ranking; of names first, then the most used
)

// candidate is a document that matches.
type candidate struct {
	id    int64
	named bool // its name matches
	views sql.NullInt64
	trust int64
}

// Search finds assets and tells how many match in all. Every word of the text
// must occur, as a part of a word, in the name, the path, the description or
// the identifiers of an asset. A match in the name counts most; use and trust
// decide among equals. The text is never read as a query language.
func (tx *Tx) Search(ctx context.Context, conn ConnectionID, q SearchQuery) ([]SearchHit, int, error) {
	if q.Limit <= 0 {
		q.Limit = 20
	}
	from := max(0, q.Offset)
	terms := queryTerms(q.Text)
	if len(terms) == 0 {
		return nil, 0, nil
	}
	list, err := tx.candidates(ctx, conn, terms, q.Kinds)
	if err != nil {
		return nil, 0, fmt.Errorf("search: %w", err)
	}
	ranked := list[:min(len(list), max(maxRanked, from+q.Limit))]
	hits := make([]SearchHit, len(ranked))
	for i := range ranked {
		body, err := tx.openDoc(ctx, conn, ranked[i].id)
		if err != nil {
			return nil, 0, fmt.Errorf("search: %w", err)
		}
		hits[i] = rank(body, &ranked[i], terms)
	}
	slices.SortStableFunc(hits, func(a, b SearchHit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Name, b.Name), a.Asset.Compare(b.Asset))
	})
	from = min(from, len(hits))
	return hits[from:min(len(hits), from+q.Limit)], len(list), nil
}

// queryTerms are the distinct words of a query.
func queryTerms(text string) []string {
	var terms []string
	words(text, func(w string, _, _ int) {
		if len(w) > maxTermSize {
			w = w[:maxTermSize]
		}
		if !slices.Contains(terms, w) && len(terms) < maxTerms {
			terms = append(terms, w)
		}
	})
	return terms
}

// candidates lists the documents that match: those whose name does first, then
// the most used.
func (tx *Tx) candidates(ctx context.Context, conn ConnectionID, terms []string, kinds []catalog.Kind) ([]candidate, error) {
	found, named, err := tx.matching(ctx, conn, terms)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	c := &condition{}
	c.and("org_id = ?", tx.org)
	c.and("connection_id = ?", conn)
	in(c, "kind", kinds)
	var list []candidate
	err = tx.rows(ctx, `SELECT doc_id, views, trust FROM search_docs WHERE `+strings.Join(c.text, " AND "), c.args, func(r *sql.Rows) error {
		var d candidate
		if err := r.Scan(&d.id, &d.views, &d.trust); err != nil {
			return err
		}
		if _, ok := found[d.id]; ok {
			_, d.named = named[d.id]
			list = append(list, d)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b candidate) int {
		switch {
		case a.named != b.named && a.named:
			return -1
		case a.named != b.named:
			return 1
		}
		return cmp.Or(cmp.Compare(b.views.Int64, a.views.Int64), cmp.Compare(b.trust, a.trust), cmp.Compare(a.id, b.id))
	})
	return list, nil
}

// matching finds the documents that have every term, and those that have every
// term in their name.
func (tx *Tx) matching(ctx context.Context, conn ConnectionID, terms []string) (found, named map[int64]struct{}, err error) {
	all, names := make([]map[int64]struct{}, len(terms)), make([]map[int64]struct{}, len(terms))
	needles := make([][]byte, len(terms))
	for i, term := range terms {
		all[i], names[i], needles[i] = map[int64]struct{}{}, map[int64]struct{}{}, []byte(term)
	}
	var listed, inName docIDs
	err = tx.buckets(ctx, conn, func(_ int64, encoded []byte) error {
		r := bucketReader{b: encoded}
		for r.next() {
			matched := false
			for i, needle := range needles {
				if !bytes.Contains(r.word, needle) {
					continue
				}
				if !matched {
					matched, listed, inName = true, listed[:0], inName[:0]
					r.list(func(id int64) { listed = append(listed, id) })
					r.list(func(id int64) { inName = append(inName, id) })
				}
				for _, id := range listed {
					all[i][id] = struct{}{}
				}
				for _, id := range inName {
					names[i][id] = struct{}{}
				}
			}
			if !matched {
				r.list(nil)
				r.list(nil)
			}
		}
		if r.bad {
			return errBucket
		}
		return nil
	})
	return common(all), common(names), err
}

// common is what all sets hold.
func common(sets []map[int64]struct{}) map[int64]struct{} {
	slices.SortFunc(sets, func(a, b map[int64]struct{}) int { return len(a) - len(b) })
	smallest := sets[0]
	for id := range smallest {
		for _, other := range sets[1:] {
			if _, ok := other[id]; !ok {
				delete(smallest, id)
				break
			}
		}
	}
	return smallest
}

// The weight of a field: where a name says it, a column's mention means little.
const (
	weightName        = 10
	weightPath        = 2
	weightDescription = 3
	weightIdentifiers = 4
)

// rank scores a document and cuts a snippet out of the field that matched best.
func rank(b *searchBody, c *candidate, terms []string) SearchHit {
	h := SearchHit{Asset: b.Ref, Name: b.Name, Path: b.Path}
	if c.views.Valid {
		h.Views = &c.views.Int64
	}
	fields := []struct {
		text   string
		weight float64
		sql    bool
	}{{b.Name, weightName, false}, {b.Description, weightDescription, false}, {b.Identifiers, weightIdentifiers, true}, {b.Path, weightPath, false}}
	best, bestScore := 0, -1.0
	for i, f := range fields {
		score := 0.0
		for _, term := range terms {
			top := 0.0
			words(f.text, func(w string, _, _ int) { top = max(top, textScore(w, term)) })
			score += top * f.weight
		}
		h.Score += score
		if score > bestScore && score > 0 {
			best, bestScore = i, score
		}
	}
	h.InSQL = fields[best].sql
	h.Snippet = snippet(fields[best].text, terms)
	// Use and trust weigh less than a match in another field.
	h.Score += math.Log10(1+math.Max(0, float64(c.views.Int64)))*0.6 + float64(c.trust)*0.5
	return h
}

const snippetSize = 160

// snippet cuts the surroundings of the first match out of a text and puts the
// matches between \x02 and \x03. Control characters of the text are dropped.
func snippet(text string, terms []string) string {
	type span struct{ from, to int }
	var spans []span
	words(text, func(w string, from, to int) {
		if slices.ContainsFunc(terms, func(t string) bool { return strings.Contains(w, t) }) {
			spans = append(spans, span{from, to})
		}
	})
	start, end := 0, len(text)
	if len(text) > snippetSize {
		if len(spans) > 0 {
			start = max(0, spans[0].from-snippetSize/4)
		}
		end = min(len(text), start+snippetSize)
		start, end = wordEdge(text, start, -1), wordEdge(text, end, 1)
	}
	var b strings.Builder
	if start > 0 {
		b.WriteString("… ")
	}
	at := start
	for _, s := range spans {
		if s.from < start || s.to > end {
			continue
		}
		b.WriteString(plain(text[at:s.from]))
		b.WriteByte(2)
		b.WriteString(plain(text[s.from:s.to]))
		b.WriteByte(3)
		at = s.to
	}
	b.WriteString(plain(text[at:end]))
	if end < len(text) {
		b.WriteString(" …")
	}
	return b.String()
}

// wordEdge moves a cut away from the middle of a word, by a few bytes at most.
func wordEdge(text string, at, step int) int {
	for range 40 {
		if at <= 0 || at >= len(text) || text[at-1] == ' ' || text[at-1] == '\n' {
			return at
		}
		at += step
	}
	for at > 0 && at < len(text) && text[at]&0xC0 == 0x80 {
		at += step
	}
	return at
}

// plain makes lines into blanks and drops what could steer a terminal or imitate
// the markers.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0):
			return -1
		}
		return r
	}, s)
}
