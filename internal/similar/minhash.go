package similar

import (
	"math/bits"
	"slices"
)

// Near duplicates are found by MinHash: two sets agree in one place of their
// signatures with a probability of their Jaccard similarity. Signatures are cut
// into bands; sets that agree in a whole band are compared for real. At a
// similarity of 0.8 a pair is missed once in 430 times, and at 0.5 only one pair
// in four is compared in vain.
const (
	bands         = 20
	rows          = 6
	signatureSize = bands * rows
)

type signature [signatureSize]uint32

// sign computes the signature of a set. Its hash functions are fixed, so that
// results repeat.
func (s *signature) sign(set []uint32) {
	for i := range s {
		s[i] = ^uint32(0)
	}
	for _, x := range set {
		h := mix(uint64(x))
		step := mix(h) | 1
		for i := range s {
			if v := uint32(h >> 32); v < s[i] {
				s[i] = v
			}
			h = bits.RotateLeft64(h+step, 23) * 0x9e3779b97f4a7c15
		}
	}
}

// mix spreads the bits of a number (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// band is the hash of one band of a signature, within one group of sets that
// may be compared at all.
func (s *signature) band(n int, group uint64) uint64 {
	h := group ^ uint64(n)*0x9e3779b97f4a7c15
	for _, v := range s[n*rows : (n+1)*rows] {
		h = mix(h ^ uint64(v))
	}
	return h
}

// agreement is the share of equal places: an estimate of the similarity.
func agreement(a, b *signature) float64 {
	n := 0
	for i := range a {
		if a[i] == b[i] {
			n++
		}
	}
	return float64(n) / signatureSize
}

// jaccard is the similarity of two sorted sets: what they share by what they
// have together.
func jaccard(a, b []uint32) float64 {
	if len(a) == 0 && len(b) == 0 {
		return 0
	}
	shared := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			shared++
			i++
			j++
		}
	}
	return float64(shared) / float64(len(a)+len(b)-shared)
}

// shingles are the hashes of every run of three words of a canonical form, as a
// sorted set. Parentheses and commas are no words: the form writes them around
// everything. It is nil for a form of fewer words than fewest.
func shingles(canonical string, fewest int) []uint32 {
	out := make([]uint32, 0, len(canonical)/6+8)
	var before, last uint64 // the two words before
	words := 0
	for at := 0; at < len(canonical); {
		if spacing[canonical[at]] {
			at++
			continue
		}
		h := uint64(14695981039346656037) // FNV-1a
		for ; at < len(canonical) && !spacing[canonical[at]]; at++ {
			h = (h ^ uint64(canonical[at])) * 1099511628211
		}
		if words++; words > 2 {
			out = append(out, uint32(mix(mix(mix(before)^last)^h)>>32))
		}
		before, last = last, h
	}
	if words < fewest {
		return nil
	}
	return sortedSet(out)
}

// spacing are the bytes between words.
var spacing = [256]bool{' ': true, '\n': true, '\t': true, '\r': true, '(': true, ')': true, ',': true}

func sortedSet(list []uint32) []uint32 {
	slices.Sort(list)
	return slices.Clip(slices.Compact(list))
}

// hashWord is FNV-1a.
func hashWord(w string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(w) {
		h = (h ^ uint64(w[i])) * 1099511628211
	}
	return h
}
