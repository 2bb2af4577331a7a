package egress_test

import (
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/web/egress"
)

// TestNoExportHidesRows refuses what one export cannot hold, with the figures.
func TestNoExportHidesRows(t *testing.T) {
	for _, total := range []int{0, egress.ExportRows - 1, egress.ExportRows} {
		if err := egress.Whole(egress.ExportRows, total); err != nil {
			t.Errorf("%d rows: %v", total, err)
		}
	}
	err := egress.Whole(egress.ExportRows, egress.ExportRows+1)
	if text, hint := errs.PublicText(err); errs.KindOf(err) != errs.Invalid || !strings.Contains(text, "100001") || hint == "" {
		t.Errorf("one row too many: %v", err)
	}
}
