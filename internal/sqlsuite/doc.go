// Package sqlsuite measures the SQL engine against other people's lineage
// suites and SQL corpora. `make accuracy` prints the table of docs/accuracy.md.
//
// Each suite is read through the engine's public answer, the one that `sql
// inspect` prints, and compared case by case. Where a suite writes a name by a
// convention of its own rather than the database's, its adapter says so beside
// the comparison. Cases that are wrong in the suite itself are listed by id and
// reason in excluded.tsv and are left out of the figures.
package sqlsuite
