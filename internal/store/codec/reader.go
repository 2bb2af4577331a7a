package codec

import (
	"encoding/binary"
	"strconv"

	"github.com/metalens/metalens/internal/catalog"
)

// reader takes values from the front of b. After the first value that is not
// there, bad is set and everything read is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	head := r.b[:n]
	r.b = r.b[n:]
	return head
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	n, read := binary.Uvarint(r.b)
	if read <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[read:]
	return n
}

func (r *reader) varint() int64 {
	n, read := binary.Varint(r.b)
	if read <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[read:]
	return n
}

// count is a number of things that take at least one byte each.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) text() string { return string(r.take(r.count())) }

func (r *reader) bits(n int) []bool {
	flags := make([]bool, n)
	switch r.byte() {
	case 0:
	case 1:
		for i := range flags {
			flags[i] = true
		}
	case 2:
		packed := r.take((n + 7) / 8)
		if packed == nil {
			return flags
		}
		for i := range flags {
			flags[i] = packed[i/8]&(1<<(i%8)) != 0
		}
	default:
		r.bad = true
	}
	return flags
}

// walk reads references and hands on each with its place: numbers as such,
// texts as texts.
func (r *reader) walk(each func(at int, kind catalog.Kind, number uint64, text string)) (total int) {
	total = r.count()
	for at := 0; at < total && !r.bad; {
		kind := catalog.Kind(r.text())
		numbers, texts := r.count(), r.count()
		if numbers+texts == 0 || at+numbers+texts > total {
			r.bad = true
			return 0
		}
		var last uint64
		for range numbers {
			last += r.uvarint()
			each(at, kind, last, "")
			at++
		}
		for range texts {
			each(at, kind, 0, "t"+r.text())
			at++
		}
	}
	return total
}

func (r *reader) refs() []catalog.Ref {
	var refs []catalog.Ref
	r.walk(func(_ int, kind catalog.Kind, number uint64, text string) {
		if text != "" {
			refs = append(refs, catalog.Ref{Kind: kind, ID: text[1:]})
			return
		}
		refs = append(refs, catalog.Ref{Kind: kind, ID: strconv.FormatUint(number, 10)})
	})
	return refs
}

// find reads references and tells at which place one is, -1 when it is not
// among them, and how many there are.
func (r *reader) find(ref catalog.Ref) (at, total int) {
	at = -1
	wanted, plain := number(ref.ID)
	total = r.walk(func(i int, kind catalog.Kind, n uint64, text string) {
		if kind == ref.Kind && (plain && text == "" && n == wanted || !plain && text != "" && text[1:] == ref.ID) {
			at = i
		}
	})
	return at, total
}
