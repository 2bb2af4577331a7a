// Package sqllens reads analytical SQL of many dialects, with Metabase's
// template language in it, and says what it uses: tables, columns, the source
// columns of every output, and a canonical form for comparison.
//
// One tolerant parser serves all dialects. Where it does not know the syntax it
// skips to the next clause, keeps what it understood and marks the result
// recovered; it never panics, never loops, and bounds its recursion. It is not
// a validator: it also accepts text that a database refuses.
package sqllens
