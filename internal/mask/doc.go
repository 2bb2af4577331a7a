// Package mask decides what a model may see and makes it so.
//
// It holds three things. The classifier says of a column whether it keeps data
// about people or secrets, and why. The masker replaces sensitive names and the
// literals of SQL, and what detectors find in free text, by placeholders that a
// reader's own side turns back. And [Text] is the only kind of text that the
// model client takes: no other package can make one.
//
// Everything here is pure: no network, no store, no clock. The same input gives
// the same answer.
package mask
