package similar

import (
	"fmt"
	"slices"
	"time"

	"github.com/metalens/metalens/internal/catalog"
)

// candidate is a member of a cluster with what speaks for keeping it.
type candidate struct {
	asset    catalog.Asset
	verified bool
	official bool
	users    int
	views    int64
	pinned   bool
	inside   bool // lives inside one dashboard and cannot be reused
	depth    int
	created  time.Time
}

// keep recommends the member to keep and says why. The criteria are tried in
// order; the first that singles one out decides, and ties among the best go on.
func (f *finder) keep(members []catalog.Asset) (catalog.Ref, string) {
	left := make([]candidate, 0, len(members))
	for _, m := range members {
		left = append(left, f.candidate(m))
	}
	all := len(left)
	criteria := []struct {
		rank   func(candidate) int64 // higher is better
		reason func(best candidate, second int64) string
	}{
		{func(c candidate) int64 { return number(c.verified) }, func(candidate, int64) string { return "it is verified" }},
		{func(c candidate) int64 { return number(c.official) }, func(candidate, int64) string { return "it is in an official collection" }},
		{func(c candidate) int64 { return number(!c.inside) }, func(candidate, int64) string {
			return "it can be used everywhere, the others live inside a dashboard"
		}},
		{func(c candidate) int64 { return int64(c.users) }, func(best candidate, second int64) string {
			return fmt.Sprintf("%s it, %d the next", uses(best.users), second)
		}},
		{func(c candidate) int64 { return c.views }, func(best candidate, second int64) string {
			return fmt.Sprintf("it is viewed most (%d times, the next %d)", best.views, second)
		}},
		{func(c candidate) int64 { return number(c.pinned) }, func(candidate, int64) string { return "it is pinned" }},
		{func(c candidate) int64 { return int64(-c.depth) }, func(candidate, int64) string { return "it is the easiest to find" }},
		{func(c candidate) int64 { return -seconds(c.created) }, func(candidate, int64) string { return "it is the oldest" }},
	}
	for _, criterion := range criteria {
		best, second := split(left, criterion.rank)
		if len(best) == 1 && len(left) > 1 {
			reason := criterion.reason(best[0], second)
			if len(left) < all {
				reason += " among those that are otherwise equal"
			}
			return best[0].asset.Ref(), reason
		}
		left = best
	}
	slices.SortFunc(left, func(a, b candidate) int { return a.asset.Ref().Compare(b.asset.Ref()) })
	return left[0].asset.Ref(), "nothing sets them apart; it has the lowest id"
}

func uses(n int) string {
	if n == 1 {
		return "1 asset uses"
	}
	return fmt.Sprintf("%d assets use", n)
}

// split keeps the candidates with the highest rank and tells the next rank.
func split(list []candidate, rank func(candidate) int64) (best []candidate, second int64) {
	ranks := make([]int64, 0, len(list))
	for _, c := range list {
		ranks = append(ranks, rank(c))
	}
	top := slices.Max(ranks)
	for i, c := range list {
		if ranks[i] == top {
			best = append(best, c)
		} else {
			second = max(second, ranks[i])
		}
	}
	return best, second
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// seconds puts an unknown time last.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 1 << 40
	}
	return t.Unix()
}

func (f *finder) candidate(a catalog.Asset) candidate {
	c := candidate{asset: a}
	collection := a.InCollection()
	switch a := a.(type) {
	case *catalog.Question:
		c.verified, c.pinned, c.created, c.inside = a.Verified, a.Pinned, a.CreatedAt, a.DashboardID != ""
		collection = f.home(a)
	case *catalog.Dashboard:
		c.verified, c.pinned, c.created = a.Verified, a.Pinned, a.CreatedAt
	}
	if u, ok := f.index.Snapshot().Usage[a.Ref()]; ok && u.Views != nil {
		c.views = max(0, *u.Views)
	}
	seen := map[string]bool{}
	for id := collection; id != "" && !seen[id]; {
		seen[id] = true
		at := f.index.Collection(id)
		if at == nil {
			break
		}
		c.official = c.official || at.Official
		c.depth++
		id = at.ParentID
	}
	users := map[catalog.Ref]bool{}
	for _, e := range f.graph.Users(a.Ref()) {
		if u := f.index.Asset(e.To); u != nil && !u.IsArchived() {
			users[u.Ref()] = true
		}
	}
	c.users = len(users)
	return c
}
