package scan

import (
	"context"
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// lister reads one list of assets.
type lister[A any] func(ctx context.Context) ([]A, []catalog.Gap, error)

// optional reads a list that a scan can do without. Where it cannot be read for
// a passing reason, the list of the scan before stands in, so that nothing
// seems to vanish and come back.
func optional[A any](ctx context.Context, p *part, what string, kind catalog.Kind, previous []A, read lister[A]) ([]A, error) {
	list, gaps, err := read(ctx)
	if err != nil {
		if fatal(ctx, err) {
			return nil, err
		}
		list, gaps = nil, append(gaps, gapOf(what, kind, err))
	}
	for i := range gaps {
		if gaps[i].Whole && passing(gaps[i]) && len(list) == 0 && len(previous) > 0 {
			list = previous
			gaps[i].Whole = false
			gaps[i].Reason += "; shown as the scan before read it"
		}
	}
	p.gap(gaps...)
	return list, nil
}

// needed turns the gaps of a list that everything else hangs on into an error
// where the trouble is passing: going on would make all its assets seem deleted.
func needed(what string, gaps []catalog.Gap) error {
	for _, g := range gaps {
		if g.Whole && passing(g) {
			return errs.New(errs.Unavailable, "server_error",
				fmt.Sprintf("The list of %s could not be read: %s.", what, g.Reason),
				"Nothing was stored. Try again later; the scan goes on where it stopped.")
		}
	}
	return nil
}
