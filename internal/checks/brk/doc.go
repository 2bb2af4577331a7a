// Package brk holds the checks about content that cannot work as it stands.
//
// What leads nowhere comes from the lineage. A key that does not see everything
// cannot tell a deleted question from a hidden one: then the finding is only
// possible, and says why.
package brk
