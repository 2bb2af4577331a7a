package agent

import (
	"context"
	"slices"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
)

// Sent lists the rows of the egress ledger that say what left for an output, in
// order, as far as their payloads are kept. errs.NotFound where there is no output
// that the actor may see.
func (s *Service) Sent(ctx context.Context, org store.OrgID, conn store.ConnectionID, agent Name, subject string) (list []store.LedgerRow, err error) {
	_, _, out, err := s.said(ctx, org, conn, agent, subject)
	if err != nil {
		return nil, err
	}
	err = s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		rows, err := tx.PayloadsOf(ctx, store.AssetSubject(conn, subject))
		for _, r := range rows {
			if slices.Contains(out.Exchanges, r.Exchange) && r.Phase != ledger.PhaseOutcome && r.ConnectionID == conn {
				list = append(list, r)
			}
		}
		return err
	})
	return list, err
}
