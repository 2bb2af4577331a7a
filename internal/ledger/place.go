package ledger

import "context"

type connectionKey struct{}

// WithConnection notes which connection to a Metabase the exchanges of a context
// are about, for those that do not go to that Metabase: a model's.
func WithConnection(ctx context.Context, connection string) context.Context {
	return context.WithValue(ctx, connectionKey{}, connection)
}

// ConnectionOf is what [WithConnection] noted; empty without it.
func ConnectionOf(ctx context.Context) string {
	connection, _ := ctx.Value(connectionKey{}).(string)
	return connection
}
