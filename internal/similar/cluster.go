// Package similar finds content that says the same thing twice. It compares
// definitions, never results.
package similar

import (
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

// Cluster is a group of assets that say the same thing. Its members are all
// cards or all dashboards. The id depends on what they say, not on who says it:
// it stays when a copy is added or removed.
type Cluster struct {
	ID      string        `json:"id"`
	Kind    Kind          `json:"kind"`
	Score   float64       `json:"score"`   // 1 for exact
	Members []catalog.Ref `json:"members"` // sorted, at least two
	Keep    catalog.Ref   `json:"keep"`    // the member to keep
	Reason  string        `json:"reason"`  // why that one
}
