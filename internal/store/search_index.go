package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

const factWords = "search_words"

// wordList is the vocabulary of a connection: every word of its documents,
// sorted, one per line. Words of documents that went may stay until it is built
// anew; they match nothing.
type wordList struct {
	Words string `json:"words"`
	Stale int    `json:"stale"` // documents that changed since it was built
}

// searchBody is the sealed part of a search document.
type searchBody struct {
	Ref         catalog.Ref `json:"ref"`
	Name        string      `json:"name"`
	Path        string      `json:"path,omitempty"`
	Description string      `json:"description,omitempty"`
	Identifiers string      `json:"identifiers,omitempty"` // one per line
}

// indexed is a stored document as far as replacing needs it.
type indexed struct {
	id    int64
	hash  []byte
	views sql.NullInt64
	trust int64
	kept  bool
}

// posting are the tokens of one document.
type posting struct {
	id     int64
	tokens string
}

// ReplaceSearch makes the connection's search index equal to docs. Documents
// that did not change are not written again.
func (tx *Tx) ReplaceSearch(ctx context.Context, conn ConnectionID, docs []SearchDoc) error {
	if err := tx.lockConnection(ctx, conn); err != nil {
		return err
	}
	have, err := tx.indexedDocs(ctx, conn)
	if err != nil {
		return err
	}
	r := &replacer{
		tx: tx, conn: conn, have: have, words: map[string]struct{}{},
		key: tx.assetKeyer(conn), content: tx.key.Hasher("search doc"), token: remember(tx.tokener(conn)),
	}
	for i := range docs {
		if err := r.put(ctx, &docs[i]); err != nil {
			return fmt.Errorf("index an asset for search: %w", err)
		}
	}
	for _, old := range have {
		if !old.kept {
			r.gone = append(r.gone, old.id)
		}
	}
	if len(r.gone) == 0 && len(r.fresh) == 0 && r.added == 0 {
		return nil
	}
	if err := r.flush(ctx); err != nil {
		return fmt.Errorf("write the search index: %w", err)
	}
	return r.vocabulary(ctx, docs)
}

// remember keeps the tokens that were made: most words occur in many documents.
func remember(token func(field, word string) string) func(field, word string) string {
	type entry struct{ field, word string }
	made := map[entry]string{}
	return func(field, word string) string {
		t, ok := made[entry{field, word}]
		if !ok {
			t = token(field, word)
			made[entry{field, word}] = t
		}
		return t
	}
}

// replacer is one run of ReplaceSearch.
type replacer struct {
	tx      *Tx
	conn    ConnectionID
	have    map[assetKey]*indexed
	key     func(catalog.Ref) assetKey
	content func(dst []byte, data ...[]byte) []byte
	token   func(field, word string) string

	words map[string]struct{} // of new and changed documents
	gone  []int64             // documents to delete
	fresh []posting           // SQLite: tokens of new documents
	added int                 // new and changed documents
}

func (r *replacer) put(ctx context.Context, d *SearchDoc) error {
	key := r.key(d.Asset)
	old := r.have[key]
	if old != nil && old.kept { // twice in docs: the first counts
		return nil
	}
	text, err := json.Marshal(searchBody{
		Ref: d.Asset, Name: d.Name, Path: d.Path, Description: d.Description,
		Identifiers: strings.Join(d.Identifiers, "\n"),
	})
	if err != nil {
		return fmt.Errorf("write a search document: %w", err)
	}
	hash := r.content(nil, text)[:assetKeySize]
	views := sql.NullInt64{}
	if d.Views != nil {
		views = sql.NullInt64{Int64: *d.Views, Valid: true}
	}
	if old != nil && bytes.Equal(old.hash, hash) {
		old.kept = true
		if old.views == views && old.trust == int64(d.Trust) {
			return nil
		}
		_, err := r.tx.exec(ctx, `UPDATE search_docs SET views = $2, trust = $3 WHERE doc_id = $1`, old.id, views, d.Trust)
		return err
	}
	list := docWords(d)
	for _, w := range list {
		r.words[w] = struct{}{}
	}
	tokens := r.tokens(d, list)
	sealed := r.tx.key.Seal(r.tx.store.codec.Compress(nil, text), "search_docs", searchRow(r.conn, key))
	r.have[key] = &indexed{kept: true}
	r.added++
	if old != nil { // its row stays, with other words
		if r.tx.store.engine == EnginePostgres {
			_, err := r.tx.exec(ctx, `UPDATE search_docs SET kind = $2, views = $3, trust = $4, content_hash = $5, body = $6,
				words = array_to_tsvector(string_to_array($7, ' ')) WHERE doc_id = $1`, old.id, string(d.Asset.Kind), views, d.Trust, hash, sealed, tokens)
			return err
		}
		r.fresh = append(r.fresh, posting{old.id, tokens})
		_, err := r.tx.exec(ctx, `UPDATE search_docs SET kind = $2, views = $3, trust = $4, content_hash = $5, body = $6 WHERE doc_id = $1`,
			old.id, string(d.Asset.Kind), views, d.Trust, hash, sealed)
		return err
	}
	args := []any{r.tx.org, r.conn, key[:], string(d.Asset.Kind), views, d.Trust, hash, sealed}
	if r.tx.store.engine == EnginePostgres {
		_, err := r.tx.exec(ctx, `INSERT INTO search_docs (org_id, connection_id, asset_key, kind, views, trust, content_hash, body, words)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, array_to_tsvector(string_to_array($9, ' ')))`, append(args, tokens)...)
		return err
	}
	var id int64
	err = r.tx.scanOne(ctx, "search document", `INSERT INTO search_docs (org_id, connection_id, asset_key, kind, views, trust, content_hash, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING doc_id`, args, &id)
	r.fresh = append(r.fresh, posting{id, tokens})
	return err
}

// The fields that tokens tell apart: any, and the name alone for ranking.
const (
	fieldAny  = ""
	fieldName = "name"
)

func (r *replacer) tokens(d *SearchDoc, list []string) string {
	var b strings.Builder
	for i, w := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.token(fieldAny, w))
	}
	words(d.Name, func(w string, _, _ int) {
		b.WriteByte(' ')
		b.WriteString(r.token(fieldName, w))
	})
	return b.String()
}

// flush deletes what went and writes the tokens. On SQLite the full-text table
// is written apart from all others, because it flushes to disk whenever another
// table's statement comes in between.
func (r *replacer) flush(ctx context.Context) error {
	slices.Sort(r.gone)
	for _, id := range r.gone {
		if _, err := r.tx.exec(ctx, `DELETE FROM search_docs WHERE doc_id = $1`, id); err != nil {
			return err
		}
	}
	if r.tx.store.engine == EnginePostgres {
		return nil
	}
	for _, id := range r.gone {
		if _, err := r.tx.exec(ctx, `DELETE FROM search_index WHERE rowid = $1`, id); err != nil {
			return err
		}
	}
	for _, p := range r.fresh {
		if _, err := r.tx.exec(ctx, `INSERT OR REPLACE INTO search_index (rowid, words) VALUES ($1, $2)`, p.id, p.tokens); err != nil {
			return err
		}
	}
	if r.added > optimizeFrom { // one segment answers fastest
		_, err := r.tx.exec(ctx, `INSERT INTO search_index (search_index) VALUES ('optimize')`)
		return err
	}
	return nil
}

const optimizeFrom = 1000

// vocabulary adds the new words, or builds the list anew when enough has changed
// since it was built.
func (r *replacer) vocabulary(ctx context.Context, docs []SearchDoc) error {
	var list wordList
	if err := r.tx.fact(ctx, r.conn, factWords, &list); err != nil {
		return err
	}
	list.Stale += r.added + len(r.gone)
	if list.Stale > len(docs)/4 {
		list = wordList{}
		for i := 0; i < len(docs) && r.added < len(docs); i++ { // else all words are known already
			for _, w := range docWords(&docs[i]) {
				r.words[w] = struct{}{}
			}
		}
	}
	merged := make([]string, 0, len(r.words))
	for w := range strings.SplitSeq(list.Words, "\n") {
		if w != "" {
			merged = append(merged, w)
			delete(r.words, w)
		}
	}
	for w := range r.words {
		merged = append(merged, w)
	}
	slices.Sort(merged)
	list.Words = strings.Join(merged, "\n")
	return r.tx.setFact(ctx, r.conn, factWords, list)
}

func (tx *Tx) indexedDocs(ctx context.Context, conn ConnectionID) (map[assetKey]*indexed, error) {
	have := map[assetKey]*indexed{}
	err := tx.rows(ctx, `SELECT doc_id, asset_key, content_hash, views, trust FROM search_docs WHERE org_id = $1 AND connection_id = $2`,
		[]any{tx.org, conn}, func(r *sql.Rows) error {
			var d indexed
			var key []byte
			if err := r.Scan(&d.id, &key, &d.hash, &d.views, &d.trust); err != nil {
				return err
			}
			if len(key) != assetKeySize {
				return errors.New("a search document has a key of the wrong size")
			}
			have[assetKey(key)] = &d
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read the search index: %w", err)
	}
	return have, nil
}

// clearSearch empties a connection's index.
func (tx *Tx) clearSearch(ctx context.Context, conn ConnectionID) error {
	if tx.store.engine == EngineSQLite {
		if _, err := tx.exec(ctx, `DELETE FROM search_index WHERE rowid IN (SELECT doc_id FROM search_docs WHERE org_id = $1 AND connection_id = $2)`, tx.org, conn); err != nil {
			return fmt.Errorf("clear the search index: %w", err)
		}
	}
	if _, err := tx.exec(ctx, `DELETE FROM search_docs WHERE org_id = $1 AND connection_id = $2`, tx.org, conn); err != nil {
		return fmt.Errorf("clear the search index: %w", err)
	}
	return nil
}

func searchRow(conn ConnectionID, key assetKey) string { return versionRow(conn, key, 0) }
