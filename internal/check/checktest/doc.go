// Package checktest runs checks over small snapshots written by hand.
//
// A check's cases live in one txtar file, <family>/testdata/<ID>.txtar. The
// comment says what the check is about. Then each case is two sections: one
// named after what it shows, with a snapshot in YAML, and "want" with what must
// come out:
//
//	-- firing: never opened --
//	questions:
//	  - {id: 1, name: Old, created: 400d, used: never}
//	-- want --
//	question:1 low "never been used"
//	-- near-miss: opened once --
//	questions:
//	  - {id: 1, created: 400d, used: 10d}
//	-- want --
//	none
//
// A case's name starts with firing, silent, near-miss or not-evaluated; every
// check has at least one of each. A line of want names an asset, any of
// severity, confidence, and a quoted regular expression for the message;
// "not-evaluated", optionally an asset, and an expression for the reason; or
// "none" for neither findings nor gaps. Findings and lines must match one to
// one. Lines starting with # are comments.
//
// The snapshot form is described by the fields of the spec types in this
// package. Everything has a default that makes a healthy asset: times are ages
// ("400d", "3h", "never") before now, a question without a query counts the
// orders table, ids may be numbers. What is not listed was read and is empty;
// gaps say otherwise.
package checktest
