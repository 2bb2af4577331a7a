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

// identifiers lists the names in a SQL text, for searching. Where the engine is
// not known, double quotes count as those of a string, so that no literal is
// taken for a name.
func identifiers(engine, sql string) []string {
	d, ok := sqllens.DialectOfEngine(engine)
	if !ok {
		d = sqllens.MySQL
	}
	return sqllens.Identifiers(sql, d)
}
