package codec

import (
	"encoding/binary"
	"math/bits"
)

const formPatch = 2

const matchSize = 8 // shortest piece worth copying

// Patch returns the difference that turns base into target. It is small when
// the two are versions of one text.
func (c *Codec) Patch(base, target []byte) []byte {
	ops := binary.AppendUvarint(nil, uint64(len(target)))
	index := indexOf(base)
	written, expected := 0, 0 // target bytes already described; where the next copy would continue in base
	for at := 0; at+matchSize <= len(target); {
		from, length := index.longest(base, target, at, expected)
		if length == 0 {
			at++
			continue
		}
		// Grow backwards into what was going to be inserted.
		for from > 0 && at > written && base[from-1] == target[at-1] {
			from, at, length = from-1, at-1, length+1
		}
		ops = appendInsert(ops, target[written:at])
		ops = binary.AppendVarint(ops, int64(from-expected))
		ops = binary.AppendUvarint(ops, uint64(length))
		at += length
		written, expected = at, from+length
	}
	ops = appendInsert(ops, target[written:])
	return c.Compress([]byte{formPatch}, ops)
}

func appendInsert(ops, piece []byte) []byte {
	ops = binary.AppendUvarint(ops, uint64(len(piece)))
	return append(ops, piece...)
}

// IsPatch reports whether a stored form needs a base to be read.
func IsPatch(small []byte) bool { return len(small) > 0 && small[0] == formPatch }

// Apply returns the target that Patch was given.
func (c *Codec) Apply(base, patch []byte) ([]byte, error) {
	if !IsPatch(patch) {
		return nil, ErrDamaged
	}
	ops, err := c.Expand(nil, patch[1:])
	if err != nil {
		return nil, err
	}
	size, ops, ok := takeUvarint(ops)
	if !ok || size > maxExpanded {
		return nil, ErrDamaged
	}
	target := make([]byte, 0, size)
	expected := 0
	for {
		n, rest, ok := takeUvarint(ops)
		if !ok || n > uint64(len(rest)) || uint64(len(target))+n > size {
			return nil, ErrDamaged
		}
		target, ops = append(target, rest[:n]...), rest[n:]
		if uint64(len(target)) == size && len(ops) == 0 {
			return target, nil
		}
		jump, read := binary.Varint(ops)
		if read <= 0 {
			return nil, ErrDamaged
		}
		length, rest, ok := takeUvarint(ops[read:])
		from := int64(expected) + jump
		if !ok || from < 0 || from > int64(len(base)) || length > uint64(int64(len(base))-from) || uint64(len(target))+length > size {
			return nil, ErrDamaged
		}
		end := int(from) + int(length)
		target, ops, expected = append(target, base[from:end]...), rest, end
	}
}

func takeUvarint(b []byte) (n uint64, rest []byte, ok bool) {
	n, read := binary.Uvarint(b)
	if read <= 0 {
		return 0, nil, false
	}
	return n, b[read:], true
}

// pieces finds where a piece of text last occurred in the base.
type pieces struct {
	slots []int32 // position + 1
	shift uint
}

func indexOf(base []byte) pieces {
	width := max(8, bits.Len(uint(len(base))))
	p := pieces{slots: make([]int32, 1<<width), shift: uint(64 - width)}
	for i := 0; i+matchSize <= len(base); i++ {
		p.slots[p.hash(base[i:])] = int32(i + 1)
	}
	return p
}

func (p pieces) hash(b []byte) uint64 {
	return binary.LittleEndian.Uint64(b) * 0x9E3779B97F4A7C15 >> p.shift
}

// longest prefers to continue where the last copy ended.
func (p pieces) longest(base, target []byte, at, expected int) (from, length int) {
	if n := common(base, expected, target, at); n >= matchSize {
		return expected, n
	}
	candidate := int(p.slots[p.hash(target[at:])]) - 1
	if candidate < 0 {
		return 0, 0
	}
	if n := common(base, candidate, target, at); n >= matchSize {
		return candidate, n
	}
	return 0, 0
}

func common(a []byte, i int, b []byte, j int) int {
	n := 0
	for i+n < len(a) && j+n < len(b) && a[i+n] == b[j+n] {
		n++
	}
	return n
}
