//go:build !race

package app

// raceEnabled says that this run is slow: crawls are shorter then.
const raceEnabled = false
