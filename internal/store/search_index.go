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
	key, hash := tx.assetKeyer(conn), tx.key.Hasher("search word")
	content := tx.key.Hasher("search doc")
	vocabulary := map[string]struct{}{}
	changed := false
	for i := range docs {
		d := &docs[i]
		text, err := json.Marshal(searchBody{Ref: d.Asset, Name: d.Name, Path: d.Path, Description: d.Description,
			Identifiers: strings.Join(d.Identifiers, "\n")})
		if err != nil {
			return fmt.Errorf("write a search document: %w", err)
		}
		list := docWords(d)
		k := key(d.Asset)
		if old := have[k]; old != nil && old.kept { // twice in docs: the first counts
			continue
		}
		for _, w := range list {
			vocabulary[w] = struct{}{}
		}
		sum := content(nil, text)[:assetKeySize]
		views := sql.NullInt64{}
		if d.Views != nil {
			views = sql.NullInt64{Int64: *d.Views, Valid: true}
		}
		old := have[k]
		switch {
		case old != nil && bytes.Equal(old.hash, sum):
			old.kept = true
			if old.views == views && old.trust == int64(d.Trust) {
				continue
			}
			_, err = tx.exec(ctx, `UPDATE search_docs SET views = $2, trust = $3 WHERE doc_id = $1`, old.id, views, d.Trust)
		default:
			changed = true
			if old != nil {
				if _, err := tx.exec(ctx, `DELETE FROM search_docs WHERE doc_id = $1`, old.id); err != nil {
					return fmt.Errorf("replace a search document: %w", err)
				}
			}
			have[k] = &indexed{kept: true}
			err = tx.insertDoc(ctx, conn, k, d, views, sum, text, tokens(hash, conn, list))
		}
		if err != nil {
			return fmt.Errorf("index an asset for search: %w", err)
		}
	}
	for _, old := range have {
		if old.kept {
			continue
		}
		changed = true
		if _, err := tx.exec(ctx, `DELETE FROM search_docs WHERE doc_id = $1`, old.id); err != nil {
			return fmt.Errorf("forget a search document: %w", err)
		}
	}
	if !changed {
		return nil
	}
	list := make([]string, 0, len(vocabulary))
	for w := range vocabulary {
		list = append(list, w)
	}
	slices.Sort(list)
	return tx.setFact(ctx, conn, factWords, strings.Join(list, "\n"))
}

func tokens(hash func([]byte, ...[]byte) []byte, conn ConnectionID, list []string) string {
	var b strings.Builder
	for i, w := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(token(hash, conn, w))
	}
	return b.String()
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

func (tx *Tx) insertDoc(ctx context.Context, conn ConnectionID, key assetKey, d *SearchDoc, views sql.NullInt64, sum, text []byte, tokens string) error {
	body := tx.key.Seal(tx.store.codec.Compress(nil, text), "search_docs", searchRow(conn, key))
	args := []any{tx.org, conn, key[:], string(d.Asset.Kind), views, d.Trust, sum, body}
	if tx.store.engine == EnginePostgres {
		_, err := tx.exec(ctx, `INSERT INTO search_docs (org_id, connection_id, asset_key, kind, views, trust, content_hash, body, words)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, array_to_tsvector(string_to_array($9, ' ')))`, append(args, tokens)...)
		return err
	}
	var id int64
	if err := tx.scanOne(ctx, "search document", `INSERT INTO search_docs (org_id, connection_id, asset_key, kind, views, trust, content_hash, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING doc_id`, args, &id); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `INSERT INTO search_index (rowid, words) VALUES ($1, $2)`, id, tokens)
	return err
}

func searchRow(conn ConnectionID, key assetKey) string { return versionRow(conn, key, 0) }
