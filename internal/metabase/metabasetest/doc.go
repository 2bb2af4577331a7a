// Package metabasetest is a faithful fake Metabase: a [World] of content that a
// [Server] answers from as Metabase 0.46 to 0.64 would, with permissions, view
// counting, faults on demand and a recorder of every request.
//
// It is written from the API reference alone and imports nothing of the reader
// it tests, so that one misunderstanding cannot hide in both. Every route
// outside the read-only scan plan, and every method but GET, is answered as
// Metabase would answer and remembered as a violation, which
// [Server.CheckOnlyAllowed] turns into a failed test.
//
// [SampleCompany] is the invented company behind the demo, [Generate] makes
// worlds of any size from a seed, and [ServeRecorded] replays a folder of
// recorded answers. The package ships in the binary for the demo, so it depends
// on the standard library only and not on package testing.
package metabasetest
