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

func (r *reader) refs() []catalog.Ref {
	total := r.count()
	if total == 0 {
		return nil
	}
	refs := make([]catalog.Ref, 0, total)
	for len(refs) < total && !r.bad {
		kind := catalog.Kind(r.text())
		numbers, texts := r.count(), r.count()
		if numbers+texts == 0 || len(refs)+numbers+texts > total {
			r.bad = true
			return nil
		}
		var last uint64
		for range numbers {
			last += r.uvarint()
			refs = append(refs, catalog.Ref{Kind: kind, ID: strconv.FormatUint(last, 10)})
		}
		for range texts {
			refs = append(refs, catalog.Ref{Kind: kind, ID: r.text()})
		}
	}
	return refs
}
