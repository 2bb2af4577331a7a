package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
)

// The search index is an inverted index of our own, sealed: words, and for each
// word the documents that have it. It is kept in a fixed number of buckets; a
// search reads them all, a change writes those that it touches. See
// docs/adr/0007-sealed-search-index.md.

const bucketCount = 128

func bucketOf(word string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(word)) // never fails
	return int64(h.Sum32() % bucketCount)
}

// docIDs is a sorted list of documents.
type docIDs []int64

// posting says which documents have a word, and which of them in their name.
type posting struct{ all, named docIDs }

// bucket holds the postings of its words.
type bucket map[string]posting

var errBucket = errors.New("a part of the search index is damaged")

func appendDocIDs(b []byte, list docIDs) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	var last int64
	for _, id := range list {
		b = binary.AppendUvarint(b, uint64(id-last))
		last = id
	}
	return b
}

// encode writes the words in order, each as the rest after what it shares with
// the one before.
func (k bucket) encode() []byte {
	var b []byte
	last := ""
	for _, word := range slices.Sorted(maps.Keys(k)) {
		shared := 0
		for shared < len(last) && shared < len(word) && last[shared] == word[shared] {
			shared++
		}
		b = binary.AppendUvarint(b, uint64(shared))
		b = binary.AppendUvarint(b, uint64(len(word)-shared))
		b = append(b, word[shared:]...)
		b = appendDocIDs(b, k[word].all)
		b = appendDocIDs(b, k[word].named)
		last = word
	}
	return b
}

// bucketReader walks through an encoded bucket.
type bucketReader struct {
	b    []byte
	word []byte
	bad  bool
}

// next moves to the next word; false at the end.
func (r *bucketReader) next() bool {
	if len(r.b) == 0 || r.bad {
		return false
	}
	shared, rest := r.uvarint(), r.uvarint()
	if shared > uint64(len(r.word)) || rest > uint64(len(r.b)) {
		r.bad = true
		return false
	}
	r.word = append(r.word[:shared], r.b[:rest]...)
	r.b = r.b[rest:]
	return true
}

func (r *bucketReader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[size:]
	return n
}

// list reads the list at hand; each may be nil to pass over it.
func (r *bucketReader) list(each func(id int64)) {
	n := r.uvarint()
	var last int64
	for range n {
		if r.bad {
			return
		}
		last += int64(r.uvarint())
		if each != nil {
			each(last)
		}
	}
}

func decodeBucket(b []byte) (bucket, error) {
	k := bucket{}
	r := bucketReader{b: b}
	for r.next() {
		var p posting
		r.list(func(id int64) { p.all = append(p.all, id) })
		r.list(func(id int64) { p.named = append(p.named, id) })
		k[string(r.word)] = p
	}
	if r.bad {
		return nil, errBucket
	}
	return k, nil
}

// change returns the list without some ids and with others.
func (l docIDs) change(remove, add docIDs) docIDs {
	if len(l) == 0 {
		return slices.Compact(slices.Sorted(slices.Values(add)))
	}
	gone := make(map[int64]struct{}, len(remove))
	for _, id := range remove {
		gone[id] = struct{}{}
	}
	next := make(docIDs, 0, len(l)+len(add))
	for _, id := range l {
		if _, ok := gone[id]; !ok {
			next = append(next, id)
		}
	}
	next = append(next, add...)
	slices.Sort(next)
	return slices.Compact(next)
}

func bucketRow(conn ConnectionID, number int64) string {
	return string(conn) + "/" + strconv.FormatInt(number, 10)
}

// buckets reads the connection's buckets, one after the other.
func (tx *Tx) buckets(ctx context.Context, conn ConnectionID, each func(number int64, encoded []byte) error) error {
	var small []byte
	return tx.rows(ctx, `SELECT bucket, body FROM search_words WHERE org_id = $1 AND connection_id = $2`, []any{tx.org, conn}, func(r *sql.Rows) error {
		var number int64
		var sealed sql.RawBytes
		if err := r.Scan(&number, &sealed); err != nil {
			return err
		}
		compressed, err := tx.key.Open(sealed, "search_words", bucketRow(conn, number))
		if err != nil {
			return fmt.Errorf("open a part of the search index: %w", err)
		}
		if small, err = tx.store.codec.Expand(small[:0], compressed); err != nil {
			return fmt.Errorf("open a part of the search index: %w", err)
		}
		return each(number, small)
	})
}

// move is what changes for one word.
type move struct{ add, remove, addNamed docIDs }

// applyMoves changes the index.
func (tx *Tx) applyMoves(ctx context.Context, conn ConnectionID, moves map[string]*move) error {
	touched := map[int64]bucket{}
	byBucket := map[int64][]string{}
	for word := range moves {
		number := bucketOf(word)
		byBucket[number] = append(byBucket[number], word)
		touched[number] = bucket{}
	}
	err := tx.buckets(ctx, conn, func(number int64, encoded []byte) (err error) {
		if _, ok := touched[number]; ok {
			touched[number], err = decodeBucket(encoded)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, number := range slices.Sorted(maps.Keys(touched)) {
		k := touched[number]
		for _, word := range byBucket[number] {
			m, old := moves[word], k[word]
			next := posting{all: old.all.change(m.remove, m.add), named: old.named.change(m.remove, m.addNamed)}
			if len(next.all) == 0 {
				delete(k, word)
			} else {
				k[word] = next
			}
		}
		sealed := tx.key.Seal(tx.store.codec.Compress(nil, k.encode()), "search_words", bucketRow(conn, number))
		if _, err := tx.exec(ctx, `INSERT INTO search_words (org_id, connection_id, bucket, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (org_id, connection_id, bucket) DO UPDATE SET body = excluded.body`, tx.org, conn, number, sealed); err != nil {
			return err
		}
	}
	return nil
}
