package api

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// Page is one page of a list. NextCursor is absent on the last one.
type Page[T any] struct {
	Items      []T    `json:"items"`
	Total      int    `json:"total" doc:"how many there are in all"`
	NextCursor string `json:"next_cursor,omitempty" doc:"give it as cursor to read on"`
}

// paging is the part of a query that every list has.
type paging struct {
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" doc:"items on a page, 50 unless told" max:"200"`
}

const defaultLimit = 50

func (p paging) limit() int {
	if p.Limit == 0 {
		return defaultLimit
	}
	return p.Limit
}

// offset reads the cursor: a position, opaque to callers.
func (p paging) offset() (int, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	text, ok := strings.CutPrefix(string(raw), "o:")
	n, nerr := strconv.Atoi(text)
	if err != nil || !ok || nerr != nil || n < 1 || n > 10_000_000 {
		return 0, badParameter("cursor", "is none of this list")
	}
	return n, nil
}

func cursorAt(offset int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("o:" + strconv.Itoa(offset)))
}

// pageOf makes a page of items that were read from an offset on.
func pageOf[T any](items []T, offset, total int) Page[T] {
	p := Page[T]{Items: items, Total: total}
	if p.Items == nil {
		p.Items = []T{}
	}
	if end := offset + len(items); len(items) > 0 && end < total {
		p.NextCursor = cursorAt(end)
	}
	return p
}

// cut makes a page of a whole list.
func cut[T any](all []T, p paging) (Page[T], error) {
	offset, err := p.offset()
	if err != nil {
		return Page[T]{}, err
	}
	from := min(offset, len(all))
	return pageOf(all[from:min(from+p.limit(), len(all))], from, len(all)), nil
}
