// Package breached knows the passwords that guessers try first, offline: a list
// of a million passwords from published breaches, embedded as truncated hashes.
//
// The list is "10 million password list, top 1,000,000" of SecLists (MIT, Daniel
// Miessler); see NOTICES.md. Only entries of [MinLength] characters and more are
// kept, folded to lower case: 474,736 of them take 1.0 MB. A password that is not
// on the list is taken for one of them in about 1 of 36,000 look-ups.
//
// list.bin.zst is made by
//
//	go run ./internal/auth/breached/generate LIST.txt
//
// where LIST.txt holds one password a line.
package breached

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

//go:embed list.bin.zst
var packed []byte

// MinLength is the least number of characters of a password that the list keeps.
const MinLength = 8

// The list is a table of buckets by the first bits of a hash: first how many
// hashes each bucket has, a byte each, then the next 16 bits of every hash,
// sorted within its bucket.
const (
	bucketBits = 18
	buckets    = 1 << bucketBits
)

type table struct {
	starts []uint32 // of each bucket, and the end
	rests  []byte   // two bytes each
}

var list = sync.OnceValues(func() (table, error) { return unpack(packed) })

func unpack(packed []byte) (table, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return table{}, fmt.Errorf("open the list of breached passwords: %w", err)
	}
	defer decoder.Close()
	data, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		return table{}, fmt.Errorf("open the list of breached passwords: %w", err)
	}
	if len(data) < buckets {
		return table{}, errors.New("the list of breached passwords is too short")
	}
	t := table{starts: make([]uint32, buckets+1), rests: data[buckets:]}
	for i, n := range data[:buckets] {
		t.starts[i+1] = t.starts[i] + uint32(n)
	}
	if int(t.starts[buckets])*2 != len(t.rests) {
		return table{}, errors.New("the list of breached passwords is damaged")
	}
	return t, nil
}

// place is where a folded password belongs in the list.
func place(folded string) (bucket uint32, rest uint16) {
	sum := sha256.Sum256([]byte(folded))
	n := binary.BigEndian.Uint64(sum[:])
	return uint32(n >> (64 - bucketBits)), uint16(n >> (64 - bucketBits - 16))
}

// fold is the form that the list keeps.
func fold(password string) string { return strings.ToLower(password) }

// Known reports whether a password, whatever its case, is on the list. Shorter
// ones than [MinLength] are never known.
func Known(password string) bool {
	password = fold(password)
	if utf8.RuneCountInString(password) < MinLength {
		return false
	}
	t, err := list()
	if err != nil {
		panic(err) // embedded: a build that has it wrong fails its tests
	}
	bucket, rest := place(password)
	for i := t.starts[bucket]; i < t.starts[bucket+1]; i++ {
		if binary.BigEndian.Uint16(t.rests[2*i:]) == rest {
			return true
		}
	}
	return false
}

// Size returns how many passwords the list has.
func Size() int {
	t, err := list()
	if err != nil {
		return 0
	}
	return len(t.rests) / 2
}

// Pack makes the embedded form of a list of passwords.
func Pack(passwords []string) ([]byte, error) {
	rests := make([]map[uint16]bool, buckets)
	for _, p := range passwords {
		p = fold(p)
		if utf8.RuneCountInString(p) < MinLength || !utf8.ValidString(p) {
			continue
		}
		bucket, rest := place(p)
		if rests[bucket] == nil {
			rests[bucket] = map[uint16]bool{}
		}
		rests[bucket][rest] = true
	}
	counts := make([]byte, buckets)
	var body []byte
	for i, set := range rests {
		if len(set) > 255 {
			return nil, errors.New("a bucket of the list is too full")
		}
		counts[i] = byte(len(set))
		for _, rest := range slices.Sorted(maps.Keys(set)) {
			body = binary.BigEndian.AppendUint16(body, rest)
		}
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("pack the list: %w", err)
	}
	defer func() { _ = encoder.Close() }()
	return encoder.EncodeAll(append(counts, body...), nil), nil
}
