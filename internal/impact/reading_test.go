package impact_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/lineageview"
)

// hub is an instance in which everything reads one table.
func hub(questions int) *catalog.Snapshot {
	s := world()
	for i := range questions {
		id := fmt.Sprint(10_000 + i)
		s.Add(native(id, "Extract "+id, fmt.Sprintf("select total as v%d, status from public.orders where id > %d", i, i)))
	}
	return s
}

// TestTextsAreReadInBatches: many texts are asked for some at a time, each once,
// and the answer is that of the whole snapshot.
func TestTextsAreReadInBatches(t *testing.T) {
	s := hub(700)
	whole := input(t, s)
	light := &catalog.Snapshot{Instance: s.Instance, Usage: s.Usage}
	for a := range s.All() {
		light.Add(lineageview.Head(a))
	}
	heads := whole
	heads.Index = catalog.NewIndex(light)
	asked := map[catalog.Ref]int{}
	most := 0
	heads.Bodies = func(_ context.Context, refs []catalog.Ref) (map[catalog.Ref]catalog.Asset, error) {
		most = max(most, len(refs))
		out := map[catalog.Ref]catalog.Asset{}
		for _, r := range refs {
			asked[r]++
			out[r] = whole.Index.Asset(r)
		}
		return out, nil
	}
	req := impact.Request{Roots: []catalog.Ref{column(orders, "total")}}
	a, err := impact.Of(context.Background(), whole, req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := impact.Of(context.Background(), heads, req)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := verdicts(b), verdicts(a); got != want {
		t.Errorf("heads answer\n%s, the whole snapshot\n%s", got, want)
	}
	if len(asked) < 700 || most > 300 {
		t.Errorf("%d assets asked for, up to %d at once", len(asked), most)
	}
	for r, n := range asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", r, n)
		}
	}
}

// TestTextsThatCannotBeRead: a failure ends the answer, in whichever batch.
func TestTextsThatCannotBeRead(t *testing.T) {
	in := input(t, hub(700))
	for _, failing := range []int{1, 2, 3} {
		calls := 0
		in.Bodies = func(context.Context, []catalog.Ref) (map[catalog.Ref]catalog.Asset, error) {
			if calls++; calls == failing {
				return nil, errors.New("disk full")
			}
			return nil, nil
		}
		_, err := impact.Of(context.Background(), in, impact.Request{Roots: []catalog.Ref{column(orders, "total")}})
		if err == nil || err.Error() != "load the queries: disk full" {
			t.Errorf("failure of fetch %d: %v", failing, err)
		}
	}
}
