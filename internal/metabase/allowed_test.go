package metabase_test

import (
	"testing"

	"github.com/metalens/metalens/internal/metabase"
)

func TestAllowedRoutesAreExplained(t *testing.T) {
	list := metabase.AllowedRoutes()
	if len(list) < 20 {
		t.Fatalf("%d routes", len(list))
	}
	seen := map[string]bool{}
	for _, r := range list {
		if r.Reads == "" {
			t.Errorf("%s: nothing says what is read", r.Pattern)
		}
		if seen[r.Pattern] {
			t.Errorf("%s is listed twice", r.Pattern)
		}
		seen[r.Pattern] = true
	}
}
