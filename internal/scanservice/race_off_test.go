//go:build !race

package scanservice_test

// raceDetector tells tests that everything takes ten times as long.
const raceDetector = false
