// Package architecture holds the tests that keep the packages' dependencies
// pointing inward, and the places that may see secrets countable. It has no
// code of its own.
package architecture
