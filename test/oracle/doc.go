// Package oracle compares the SQL engine of MetaLens with parsers that were
// written for one dialect alone: what such a grammar accepts, ours must read
// without skipping anything, and both must name the same tables.
//
// The grammars live in this module of their own, so that none of them enters
// the program. They are other people's code and hang or overflow the stack on
// some texts; each runs in a process of its own that is killed and started
// again when a text takes too long (see [Pool]).
package oracle
