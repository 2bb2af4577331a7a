package metabasetest

import (
	"testing"
)

func TestSampleCompanyIsWhole(t *testing.T) {
	w := SampleCompany(testNow)
	t.Logf("cards %d dashboards %d tables %d collections %d", len(w.Cards), len(w.Dashboards), len(w.Tables), len(w.Collections))
	if n := len(w.Cards); n < 130 || n > 180 {
		t.Errorf("%d cards", n)
	}
	if n := len(w.Dashboards); n < 18 {
		t.Errorf("%d dashboards", n)
	}
	if n := len(w.Tables); n < 55 {
		t.Errorf("%d tables", n)
	}
	for _, d := range w.Dashboards {
		for _, dc := range d.Cards {
			if dc.CardID == 0 && dc.Virtual == "" {
				t.Errorf("dashboard %q has an empty tile", d.Name)
			}
		}
	}
	for _, c := range w.Cards {
		if c.CreatorID == 0 || c.EditorID == 0 {
			t.Errorf("card %q has no owner", c.Name)
		}
		if c.EditedAt.Before(c.CreatedAt) || c.UpdatedAt.After(testNow) {
			t.Errorf("card %q: created %v edited %v updated %v", c.Name, c.CreatedAt, c.EditedAt, c.UpdatedAt)
		}
		if !c.LastUsedAt.IsZero() && c.LastUsedAt.Before(c.CreatedAt) {
			t.Errorf("card %q used before it was created: %v, %v", c.Name, c.LastUsedAt, c.CreatedAt)
		}
	}
}
