// Package met holds the checks about figures that contradict each other.
package met
