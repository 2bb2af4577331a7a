package app

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/metabase/export"
	"github.com/metalens/metalens/internal/sqllens"
)

// readExport reads a serialization or remote-sync folder.
func readExport(ctx context.Context, dir string) (*catalog.Snapshot, error) {
	return export.Read(ctx, dir, export.Options{})
}

// identifiers lists the names in a SQL text, for searching.
func identifiers(sql string) []string { return sqllens.Identifiers(sql, sqllens.Generic) }
