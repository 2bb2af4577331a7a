// Package sec holds the checks about content that leaves Metabase's own login.
package sec
