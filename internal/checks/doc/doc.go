// Package doc holds the checks about stewardship: descriptions, owners, places.
package doc
