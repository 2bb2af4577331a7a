//go:build !race

package metabase_test

const raceEnabled = false
