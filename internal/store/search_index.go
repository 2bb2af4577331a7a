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

// searchBody is the sealed part of a search document.
type searchBody struct {
	Ref         catalog.Ref `json:"ref"`
	Name        string      `json:"name"`
	Path        string      `json:"path,omitempty"`
	Description string      `json:"description,omitempty"`
	Identifiers string      `json:"identifiers,omitempty"` // one per line
}

func bodyOf(d *SearchDoc) searchBody {
	return searchBody{Ref: d.Asset, Name: d.Name, Path: d.Path, Description: d.Description, Identifiers: strings.Join(d.Identifiers, "\n")}
}

// indexed is a stored document as far as replacing needs it.
type indexed struct {
	id    int64
	key   assetKey
	hash  []byte
	views sql.NullInt64
	trust int64
	kept  bool
}

// ReplaceSearch makes the connection's search index equal to docs. What did not
// change is not written again.
func (tx *Tx) ReplaceSearch(ctx context.Context, conn ConnectionID, docs []SearchDoc) error {
	if err := tx.lockConnection(ctx, conn); err != nil {
		return err
	}
	have, err := tx.indexedDocs(ctx, conn)
	if err != nil {
		return err
	}
	r := &replacer{tx: tx, conn: conn, have: have, moves: map[string]*move{}, key: tx.assetKeyer(conn), content: tx.key.Hasher("search doc")}
	for i := range docs {
		if err := r.put(ctx, &docs[i]); err != nil {
			return fmt.Errorf("index an asset for search: %w", err)
		}
	}
	if err := r.dropOthers(ctx); err != nil {
		return fmt.Errorf("forget assets in the search index: %w", err)
	}
	if err := tx.applyMoves(ctx, conn, r.moves); err != nil {
		return fmt.Errorf("write the search index: %w", err)
	}
	return nil
}

// replacer is one run of ReplaceSearch.
type replacer struct {
	tx      *Tx
	conn    ConnectionID
	have    map[assetKey]*indexed
	key     func(catalog.Ref) assetKey
	content func(dst []byte, data ...[]byte) []byte
	moves   map[string]*move
}

func (r *replacer) put(ctx context.Context, d *SearchDoc) error {
	key := r.key(d.Asset)
	old := r.have[key]
	if old != nil && old.kept { // twice in docs: the first counts
		return nil
	}
	body := bodyOf(d)
	text, err := json.Marshal(body)
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
	sealed := r.tx.key.Seal(r.tx.store.codec.Compress(nil, text), "search_docs", searchRow(r.conn, key))
	if old == nil {
		added := &indexed{key: key, kept: true}
		r.have[key] = added
		if err := r.tx.scanOne(ctx, "search document", `INSERT INTO search_docs (org_id, connection_id, asset_key, kind, views, trust, content_hash, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING doc_id`,
			[]any{r.tx.org, r.conn, key[:], string(d.Asset.Kind), views, d.Trust, hash, sealed}, &added.id); err != nil {
			return err
		}
		r.add(added.id, &body)
		return nil
	}
	old.kept = true
	before, err := r.tx.openDoc(ctx, r.conn, old.id)
	if err != nil {
		return err
	}
	r.remove(old.id, before)
	r.add(old.id, &body)
	_, err = r.tx.exec(ctx, `UPDATE search_docs SET kind = $2, views = $3, trust = $4, content_hash = $5, body = $6 WHERE doc_id = $1`,
		old.id, string(d.Asset.Kind), views, d.Trust, hash, sealed)
	return err
}

// dropOthers deletes the documents that are not kept.
func (r *replacer) dropOthers(ctx context.Context) error {
	var gone []*indexed
	for _, old := range r.have {
		if !old.kept {
			gone = append(gone, old)
		}
	}
	slices.SortFunc(gone, func(a, b *indexed) int { return int(a.id - b.id) })
	for _, old := range gone {
		before, err := r.tx.openDoc(ctx, r.conn, old.id)
		if err != nil {
			return err
		}
		r.remove(old.id, before)
		if _, err := r.tx.exec(ctx, `DELETE FROM search_docs WHERE doc_id = $1`, old.id); err != nil {
			return err
		}
	}
	return nil
}

func (r *replacer) add(id int64, b *searchBody) {
	once := func(list docIDs) docIDs {
		if n := len(list); n > 0 && list[n-1] == id {
			return list
		}
		return append(list, id)
	}
	docWords(b, func(word string, named bool) {
		m := r.move(word)
		m.add = once(m.add)
		if named {
			m.addNamed = once(m.addNamed)
		}
	})
}

func (r *replacer) remove(id int64, b *searchBody) {
	docWords(b, func(word string, _ bool) {
		m := r.move(word)
		m.remove = append(m.remove, id)
	})
}

func (r *replacer) move(word string) *move {
	m := r.moves[word]
	if m == nil {
		m = &move{}
		r.moves[word] = m
	}
	return m
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
			d.key = assetKey(key)
			have[d.key] = &d
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read the search index: %w", err)
	}
	return have, nil
}

func searchRow(conn ConnectionID, key assetKey) string { return versionRow(conn, key, 0) }

func (tx *Tx) openDoc(ctx context.Context, conn ConnectionID, id int64) (*searchBody, error) {
	var key, sealed []byte
	if err := tx.scanOne(ctx, "search document", `SELECT asset_key, body FROM search_docs WHERE doc_id = $1`, []any{id}, &key, &sealed); err != nil {
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
		return nil, fmt.Errorf("read a search document: %w", err)
	}
	return &body, nil
}
