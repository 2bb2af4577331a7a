package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

const (
	maxTerms    = 8 // further words of a query are ignored
	maxTermSize = maxWord
	maxExpanded = 2000 // words that one term may stand for
	maxRanked   = 400  // matches whose text is read for ranking; of names first, then the most used
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
// decide among equals. The text is never read as a query language. A part of a
// word that more than two thousand words have stands for the first two thousand.
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
		body, err := tx.openDoc(ctx, conn, &ranked[i])
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

// matchExpression writes the index's query: for each term any of the words that
// contain it. It consists of hashes that we made and of operators.
func (tx *Tx) matchExpression(conn ConnectionID, field string, expanded [][]string) string {
	and, or, quote := " AND ", " OR ", `"`
	if tx.store.engine == EnginePostgres {
		and, or, quote = " & ", " | ", "'"
	}
	token := tx.tokener(conn)
	var b strings.Builder
	for i, found := range expanded {
		if i > 0 {
			b.WriteString(and)
		}
		b.WriteString("(")
		for j, w := range found {
			if j > 0 {
				b.WriteString(or)
			}
			b.WriteString(quote + token(field, w) + quote)
		}
		b.WriteString(")")
	}
	return b.String()
}

// expand lists the words that contain a term; when there are too many, those
// that begin with it are preferred.
func expand(vocabulary, term string) []string {
	var begin, inside []string
	for w := range strings.SplitSeq(vocabulary, "\n") {
		switch {
		case strings.HasPrefix(w, term):
			begin = append(begin, w)
		case strings.Contains(w, term):
			inside = append(inside, w)
		}
	}
	found := slices.Concat(begin, inside)
	return found[:min(len(found), maxExpanded)]
}

// candidates lists the documents that match: those whose name does first, then
// the most used.
func (tx *Tx) candidates(ctx context.Context, conn ConnectionID, terms []string, kinds []catalog.Kind) ([]candidate, error) {
	var vocabulary wordList
	if err := tx.fact(ctx, conn, factWords, &vocabulary); err != nil {
		return nil, err
	}
	expanded := make([][]string, len(terms))
	for i, term := range terms {
		if expanded[i] = expand(vocabulary.Words, term); len(expanded[i]) == 0 {
			return nil, nil
		}
	}
	named := map[int64]bool{}
	err := tx.matching(ctx, conn, tx.matchExpression(conn, fieldName, expanded), kinds, func(c candidate) { named[c.id] = true })
	if err != nil {
		return nil, err
	}
	var list []candidate
	err = tx.matching(ctx, conn, tx.matchExpression(conn, fieldAny, expanded), kinds, func(c candidate) {
		c.named = named[c.id]
		list = append(list, c)
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

func (tx *Tx) matching(ctx context.Context, conn ConnectionID, match string, kinds []catalog.Kind, each func(candidate)) error {
	c := &condition{}
	from := ` FROM search_docs d WHERE `
	if tx.store.engine == EnginePostgres {
		c.and("d.words @@ ?::tsquery", match)
	} else {
		from = ` FROM search_index JOIN search_docs d ON d.doc_id = search_index.rowid WHERE `
		c.and("search_index MATCH ?", match)
	}
	c.and("d.org_id = ?", tx.org)
	c.and("d.connection_id = ?", conn)
	in(c, "d.kind", kinds)
	return tx.rows(ctx, `SELECT d.doc_id, d.views, d.trust`+from+strings.Join(c.text, " AND "), c.args, func(r *sql.Rows) error {
		var d candidate
		err := r.Scan(&d.id, &d.views, &d.trust)
		each(d)
		return err
	})
}

func (tx *Tx) openDoc(ctx context.Context, conn ConnectionID, c *candidate) (*searchBody, error) {
	var key, sealed []byte
	if err := tx.scanOne(ctx, "search document", `SELECT asset_key, body FROM search_docs WHERE doc_id = $1`, []any{c.id}, &key, &sealed); err != nil {
		return nil, err
	}
	if len(key) != assetKeySize {
		return nil, errors.New("a search document has a key of the wrong size")
	}
	small, err := tx.key.Open(sealed, "search_docs", searchRow(conn, assetKey(key)))
	if err != nil {
		return nil, err
	}
	text, err := tx.store.codec.Expand(nil, small)
	if err != nil {
		return nil, err
	}
	var body searchBody
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	return &body, nil
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
