package similar

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
)

// NearThreshold is the least similarity of near duplicates: the Jaccard index
// of the word triples of their canonical forms, or of the sets of questions
// that dashboards show.
const NearThreshold = 0.8

// item is a set that may be near another one of its group.
type item struct {
	group uint64
	set   []uint32 // sorted
}

// link is a pair of near items with their similarity; from is the lower number.
type link struct {
	from, to int32
	score    float64
}

// Buckets larger than this are not compared pair by pair: each of their items
// meets so many of the first and so many of those right before it. A bucket of
// that size is a template with hundreds of instances, and the first ones are
// enough to find its centre.
const (
	bucketPivots = 48
	bucketWindow = 48
)

// nearPairs finds the pairs of items whose sets are at least threshold alike.
// Items are not compared across groups. The result is sorted.
func nearPairs(ctx context.Context, items []item, threshold float64) []link {
	signatures := make([]signature, len(items))
	parallel(ctx, len(items), func(i int) { signatures[i].sign(items[i].set) })
	found := make([][]link, len(items))
	entries := make([]bandEntry, len(items))
	for band := range bands {
		parallel(ctx, len(items), func(i int) {
			entries[i] = bandEntry{signatures[i].band(band, items[i].group), int32(i)}
		})
		slices.SortFunc(entries, func(a, b bandEntry) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.item, b.item)) })
		starts := make([]int32, len(entries)) // of the bucket that each entry is in
		for at := 1; at < len(entries); at++ {
			starts[at] = int32(at)
			if entries[at].key == entries[at-1].key {
				starts[at] = starts[at-1]
			}
		}
		parallel(ctx, len(entries), func(at int) {
			start, i := int(starts[at]), entries[at].item
			for n := start; n < at; n++ {
				if n == start+bucketPivots && n < at-bucketWindow {
					n = at - bucketWindow
				}
				j := entries[n].item
				if items[i].group != items[j].group || agreedBefore(&signatures[i], &signatures[j], band) {
					continue
				}
				if score, ok := similarity(items[j].set, items[i].set, &signatures[j], &signatures[i], threshold); ok {
					found[i] = append(found[i], link{j, i, score})
				}
			}
		})
		if ctx.Err() != nil {
			return nil
		}
	}
	out := slices.Concat(found...)
	slices.SortFunc(out, func(a, b link) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	return slices.CompactFunc(out, func(a, b link) bool { return a.from == b.from && a.to == b.to })
}

type bandEntry struct {
	key  uint64
	item int32
}

// agreedBefore reports whether two signatures met in an earlier band already.
func agreedBefore(a, b *signature, band int) bool {
	for n := range band {
		if [rows]uint32(a[n*rows:]) == [rows]uint32(b[n*rows:]) {
			return true
		}
	}
	return false
}

// similarity is the similarity of two sets when it reaches the threshold; sizes
// and signatures rule most others out before the sets are walked.
func similarity(a, b []uint32, sa, sb *signature, threshold float64) (float64, bool) {
	const deviations = 0.16 // four standard deviations of the estimate
	if float64(min(len(a), len(b))) < threshold*float64(max(len(a), len(b))) || agreement(sa, sb) < threshold-deviations {
		return 0, false
	}
	score := jaccard(a, b)
	return score, score >= threshold
}

// star is a near cluster of items: a centre and those near it.
type star struct {
	centre  int32
	members []int32 // the centre included, sorted
	score   float64 // the least similarity of a member to the centre
}

// stars groups near items so that every member is near its centre, however long
// a chain of likenesses is. Items with the most neighbours come first, and the
// first of those as near as each other.
func stars(n int, links []link) []star {
	type neighbour struct {
		to    int32
		score float64
	}
	near := map[int32][]neighbour{}
	for _, l := range links {
		near[l.from] = append(near[l.from], neighbour{l.to, l.score})
		near[l.to] = append(near[l.to], neighbour{l.from, l.score})
	}
	centres := make([]int32, 0, len(near))
	for i := range int32(n) {
		if len(near[i]) > 0 {
			centres = append(centres, i)
		}
	}
	slices.SortFunc(centres, func(a, b int32) int { return cmp.Or(cmp.Compare(len(near[b]), len(near[a])), cmp.Compare(a, b)) })
	taken := make([]bool, n)
	var out []star
	for _, c := range centres {
		if taken[c] {
			continue
		}
		s := star{centre: c, members: []int32{c}, score: 1}
		for _, m := range near[c] {
			if !taken[m.to] {
				s.members = append(s.members, m.to)
				s.score = min(s.score, m.score)
			}
		}
		if len(s.members) < 2 {
			continue
		}
		for _, m := range s.members {
			taken[m] = true
		}
		slices.Sort(s.members)
		out = append(out, s)
	}
	return out
}

// parallel calls do for 0…n-1 on all processors, in shares that are taken in
// turn. It ends early with the context. A panic of do comes up here, where
// whoever runs the comparison can catch it.
func parallel(ctx context.Context, n int, do func(int)) {
	const share = 64
	var next atomic.Int64
	var failed atomic.Pointer[string]
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n/share+1) {
		wait.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					text := fmt.Sprintf("%v\n%s", r, debug.Stack())
					failed.CompareAndSwap(nil, &text)
				}
			}()
			for ctx.Err() == nil {
				start := int(next.Add(share)) - share
				if start >= n {
					return
				}
				for i := start; i < min(start+share, n); i++ {
					do(i)
				}
			}
		})
	}
	wait.Wait()
	if text := failed.Load(); text != nil {
		panic(*text)
	}
}
