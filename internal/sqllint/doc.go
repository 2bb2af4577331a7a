// Package sqllint looks at one parsed native query and remarks on what is
// likely to be wrong, slow or short-lived in it, with the place in the text.
//
// It is a pure function of the tree, its resolution and what the scan knows of
// the tables. A text that was not understood to its end gets no remarks: what
// was skipped might be what a remark misses. Template tags count for what
// Metabase makes of them: a field filter is a condition, a block in [[ ]] is a
// condition that its reader may choose. Remarks carry names, never literals.
package sqllint
