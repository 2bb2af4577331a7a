//go:build race

package metabase_test

const raceEnabled = true
