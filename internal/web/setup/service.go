// Package setup is the first run: the owner account, the connection, the first
// scan.
package setup

import (
	"context"

	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/connections"
)

// Sample offers the sample company: a Metabase that MetaLens brings along.
type Sample interface {
	// SampleConnection starts the sample Metabase if needed and says how to
	// reach it.
	SampleConnection(ctx context.Context, org store.OrgID) (connections.Draft, error)
}
