package webtest

import (
	"context"
	"io"
	"time"

	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Privacy answers the pages of retention, deletion and export without a store.
type Privacy struct{ now func() time.Time }

// Most implements [privacy.Service].
func (Privacy) Most() erasure.Limits { return erasure.DefaultLimits() }

// Limits implements [privacy.Service].
func (Privacy) Limits(context.Context, store.OrgID) (erasure.Limits, error) {
	return erasure.DefaultLimits(), nil
}

// SetLimits implements [privacy.Service].
func (Privacy) SetLimits(context.Context, store.OrgID, erasure.Limits) error { return nil }

// Preview implements [privacy.Service].
func (Privacy) Preview(context.Context, store.OrgID, erasure.Limits) (map[string]int, error) {
	return map[string]int{"scans": 2, "ledger_rows": 1}, nil
}

// Apply implements [privacy.Service].
func (Privacy) Apply(context.Context, store.OrgID) (store.RetentionReport, error) {
	return store.RetentionReport{}, nil
}

// Reports implements [privacy.Service].
func (p Privacy) Reports(context.Context, store.OrgID, int) ([]store.RetentionReport, error) {
	return []store.RetentionReport{
		{ID: "2", At: p.now().Add(-time.Hour), Cause: erasure.CauseDaily, Days: erasure.DefaultLimits().Days()},
		{ID: "1", At: p.now().Add(-25 * time.Hour), Cause: erasure.CauseRequest, Days: erasure.DefaultLimits().Days(), Deleted: map[string]int{"scans": 3, "asset_versions": 41}},
	}, nil
}

// OrganizationFacts implements [privacy.Service].
func (Privacy) OrganizationFacts(context.Context, store.OrgID) (erasure.Facts, error) {
	return erasure.Facts{Organization: store.Organization{Name: "Acme"}, Members: 3, Losing: 2, Connections: 1, KeyOutside: true}, nil
}

func wrong() (erasure.Receipt, error) {
	return erasure.Receipt{}, errs.New(errs.Invalid, "mistyped", "That is not what stands on the page.", "Type it as it stands on the page.")
}

// DeleteOrganization implements [privacy.Service].
func (Privacy) DeleteOrganization(context.Context, store.OrgID, string) (erasure.Receipt, error) {
	return wrong()
}

// DeleteAccount implements [privacy.Service].
func (Privacy) DeleteAccount(context.Context, string) (erasure.Receipt, error) { return wrong() }

// Receipt implements [privacy.Service].
func (p Privacy) Receipt(_ context.Context, token string) (erasure.Receipt, error) {
	if token != "sample" {
		return erasure.Receipt{}, errs.New(errs.NotFound, "no_receipt", "This receipt is not here any more.", "")
	}
	return erasure.Receipt{Deletion: store.Deletion{
		ID: "01890000-0000-7000-8000-000000000000", Kind: store.DeletedOrganization, At: p.now().Add(-time.Minute), KeyDestroyed: true,
		Counts: map[string]int64{"connections": 1, "findings": 340, "users": 2}, ReceiptUntil: p.now().Add(store.ReceiptLife),
	}}, nil
}

// ExportOrganization implements [privacy.Service].
func (Privacy) ExportOrganization(_ context.Context, _ store.OrgID, to io.Writer) error {
	return erasure.Zip(to, nil, time.Time{})
}

// ExportAccount implements [privacy.Service].
func (Privacy) ExportAccount(_ context.Context, to io.Writer) error {
	return erasure.Zip(to, nil, time.Time{})
}
