//go:build !race

package mask_test

// raceEnabled says that this run is slow: texts are shorter then.
const raceEnabled = false
