// Package checks lists every check. The checks themselves live in one package
// per family, one file per check; the list is generated from the files, so that
// none can be forgotten.
package checks

//go:generate go run ./gen list
//go:generate go run ./gen/docs
