package ledger_test

import (
	"sync"
	"testing"

	"github.com/metalens/metalens/internal/ledger"
)

func TestMemoryKeepsEveryEntry(t *testing.T) {
	var m ledger.Memory
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 50 {
				if err := m.Record(t.Context(), ledger.Entry{Purpose: ledger.PurposeMetabase, Route: "/api/card"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if err := m.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	list := m.Entries()
	if len(list) != 400 {
		t.Fatalf("%d entries", len(list))
	}
	list[0].Route = "changed"
	if m.Entries()[0].Route != "/api/card" {
		t.Error("the list handed out is the ledger's own")
	}
}
