package sqllens_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/sqllens"
)

// TestManyNamesInManyTables bounds the search of names in tables whose columns
// nobody knows, and says that it gave up.
func TestManyNamesInManyTables(t *testing.T) {
	sql := "SELECT 1 FROM t" + strings.Repeat(", t", 150_000) + " WHERE a" + strings.Repeat(" AND a = 1", 40_000)
	start := time.Now()
	answer := sqllens.Inspect(sqllens.InspectRequest{SQL: sql})
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	gaveUp := slices.ContainsFunc(answer.Unresolved, func(u sqllens.InspectUnresolved) bool { return u.Reason == "too_complex" })
	if answer.Resolved || !gaveUp {
		t.Errorf("resolved %v, too_complex %v: want an answer that says it is incomplete", answer.Resolved, gaveUp)
	}
}
