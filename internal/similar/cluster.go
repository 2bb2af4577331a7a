// Package similar finds content that says the same thing twice, and metrics
// that contradict each other. It compares definitions, never results.
package similar

import (
	"cmp"

	"github.com/metalens/metalens/internal/catalog"
)

// Kind says how alike the members of a cluster are.
type Kind string

// The kinds, from strict to loose.
const (
	Exact      Kind = "exact"      // same text modulo white space and comments, or same query-builder query
	Equivalent Kind = "equivalent" // same canonical form
	Near       Kind = "near"       // alike beyond a measured similarity
)

// strictness ranks the kinds, the strictest first.
func (k Kind) strictness() int {
	switch k {
	case Exact:
		return 0
	case Equivalent:
		return 1
	}
	return 2
}

// Cluster is a group of assets that say the same thing, or nearly. Its members
// are all cards or all dashboards. The id depends on what they say, not on who
// says it: it stays when a copy is added or removed; that of a near cluster
// follows its most central member.
//
// Clusters nest. A looser cluster lists every asset it holds, those of the
// stricter clusters inside it included, and names these in Contains; it exists
// only where it joins more than one stricter cluster or single asset. No two
// clusters of one kind overlap.
type Cluster struct {
	ID       string        `json:"id"`
	Kind     Kind          `json:"kind"`
	Score    float64       `json:"score"`              // 1 for exact and equivalent; of near ones the least similarity to the central member
	Members  []catalog.Ref `json:"members"`            // sorted, at least two
	Contains []string      `json:"contains,omitempty"` // ids of the stricter clusters inside, sorted
	Keep     catalog.Ref   `json:"keep"`               // the member to keep
	Reason   string        `json:"reason"`             // why that one
}

// ByMember maps every member to its strictest cluster, for pages that show one
// asset.
func ByMember(clusters []Cluster) map[catalog.Ref]*Cluster {
	out := map[catalog.Ref]*Cluster{}
	for i := range clusters {
		c := &clusters[i]
		for _, m := range c.Members {
			if have := out[m]; have == nil || cmp.Compare(c.Kind.strictness(), have.Kind.strictness()) < 0 {
				out[m] = c
			}
		}
	}
	return out
}
