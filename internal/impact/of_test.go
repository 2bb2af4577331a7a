package impact_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/lineageview"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

// verdicts writes a result in a form that is easy to read and to check.
func verdicts(r *impact.Result) string {
	var b strings.Builder
	line := func(a *impact.Affected) {
		var filters []string
		for _, f := range a.Filters {
			filters = append(filters, f.Name)
		}
		fmt.Fprintf(&b, "  %-5s %s:%s %d %s %s", a.Breaks, a.Asset.Kind, a.Asset.ID, a.Distance, a.Via, a.Code)
		if len(a.Columns) > 0 {
			fmt.Fprintf(&b, " columns=%s", strings.Join(a.Columns, ","))
		}
		if len(filters) > 0 {
			fmt.Fprintf(&b, " filters=%s", strings.Join(filters, ","))
		}
		b.WriteString("\n")
	}
	for i := range r.Affected {
		line(&r.Affected[i])
	}
	if len(r.KnockOn) > 0 {
		b.WriteString("knock on\n")
	}
	for i := range r.KnockOn {
		line(&r.KnockOn[i])
	}
	for _, g := range r.NotEvaluated {
		fmt.Fprintf(&b, "not evaluated %s %s\n", g.Asset, g.Reason)
	}
	fmt.Fprintf(&b, "people %d, recipients %d\n", len(r.People), r.Recipients)
	return b.String()
}

func TestEveryWayOfUseHasItsVerdict(t *testing.T) {
	in := input(t, world())
	cases := []struct {
		name string
		req  impact.Request
	}{
		{"drop_column", impact.Request{Roots: []catalog.Ref{column(orders, "total")}}},
		{"rename_column", impact.Request{Roots: []catalog.Ref{column(orders, "total")}, Change: impact.Rename}},
		{"type_column", impact.Request{Roots: []catalog.Ref{column(orders, "total")}, Change: impact.Type}},
		{"drop_status", impact.Request{Roots: []catalog.Ref{column(orders, "status")}}},
		{"drop_table", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindTable, ID: orders}}}},
		{"drop_target", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindTable, ID: totals}}}},
		{"drop_question", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindQuestion, ID: "1"}}}},
		{"rename_question", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindQuestion, ID: "1"}}, Change: impact.Rename}},
		{"drop_snippet", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindSnippet, ID: "1"}}}},
		{"rename_snippet", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindSnippet, ID: "1"}}, Change: impact.Rename}},
		{"drop_dashboard", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindDashboard, ID: "1"}}}},
		{"drop_transform", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindTransform, ID: "1"}}}},
		{"drop_model_by_question_ref", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindQuestion, ID: "2"}}}},
		{"two_columns", impact.Request{Roots: []catalog.Ref{column(orders, "total"), column("1/public/customers", "email")}}},
		{"database", impact.Request{Roots: []catalog.Ref{{Kind: catalog.KindDatabase, ID: "2"}}}},
		{"unused", impact.Request{Roots: []catalog.Ref{column("2//orders", "total")}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := impact.Of(context.Background(), in, c.req)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, c.name+".golden", []byte(verdicts(r)))
		})
	}
}

// TestExactThroughModels: who takes other columns of a model is no user of this
// one, but is told about as standing on something that breaks.
func TestExactThroughModels(t *testing.T) {
	r, err := impact.Of(context.Background(), input(t, world()), impact.Request{Roots: []catalog.Ref{column(orders, "total")}})
	if err != nil {
		t.Fatal(err)
	}
	affected := map[string]impact.Breaks{}
	for _, a := range r.Affected {
		affected[a.Asset.String()] = a.Breaks
	}
	for _, innocent := range []string{"question:4", "dashboard:3", "question:19", "dashboard:2", "question:18", "question:15", "question:22"} {
		if b, listed := affected[innocent]; listed {
			t.Errorf("%s is listed (%s) though it does not use the column", innocent, b)
		}
	}
	for _, user := range []string{"question:1", "model:2", "question:3", "question:5", "dashboard:1", "subscription:1", "alert:1", "document:1", "snippet:1", "transform:1", "action:1", "table:1/public/totals", "question:14"} {
		if _, listed := affected[user]; !listed {
			t.Errorf("%s is missing", user)
		}
	}
}

// TestPathsAreReal: every step of every way is an edge, and the shortest.
func TestPathsAreReal(t *testing.T) {
	in := input(t, world())
	root := column(orders, "total")
	r, err := impact.Of(context.Background(), in, impact.Request{Roots: []catalog.Ref{root}})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range r.Affected {
		if len(a.Paths) == 0 {
			t.Errorf("%s has no way from the root", a.Asset)
		}
		for _, p := range a.Paths {
			if p[0] != root || p[len(p)-1] != a.Asset || len(p) != a.Distance+1 {
				t.Errorf("%s: %v is not a way of %d steps", a.Asset, p, a.Distance)
			}
		}
		if a.Direct != (a.Distance == 1) {
			t.Errorf("%s: direct %v at distance %d", a.Asset, a.Direct, a.Distance)
		}
	}
}

// TestHeadsAnswerAlike: heads with bodies on demand say the same as the whole
// snapshot.
func TestHeadsAnswerAlike(t *testing.T) {
	s := world()
	whole := input(t, s)
	light := &catalog.Snapshot{Instance: s.Instance, Usage: s.Usage}
	for a := range s.All() {
		light.Add(lineageview.Head(a))
	}
	heads := whole
	heads.Index = catalog.NewIndex(light)
	asked := 0
	heads.Bodies = func(_ context.Context, refs []catalog.Ref) (map[catalog.Ref]catalog.Asset, error) {
		asked += len(refs)
		out := map[catalog.Ref]catalog.Asset{}
		for _, r := range refs {
			if a := whole.Index.Asset(r); a != nil {
				out[r] = a
			}
		}
		return out, nil
	}
	for _, req := range []impact.Request{
		{Roots: []catalog.Ref{column(orders, "total")}},
		{Roots: []catalog.Ref{column(orders, "total")}, Change: impact.Type},
		{Roots: []catalog.Ref{{Kind: catalog.KindTable, ID: orders}}},
	} {
		a, err := impact.Of(context.Background(), whole, req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := impact.Of(context.Background(), heads, req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(verdicts(a), verdicts(b)); diff != "" {
			t.Errorf("%v: heads differ (-whole +heads):\n%s", req, diff)
		}
	}
	if asked == 0 {
		t.Error("no body was asked for")
	}
}

func TestImportantFirst(t *testing.T) {
	r, err := impact.Of(context.Background(), input(t, world()), impact.Request{Roots: []catalog.Ref{column(orders, "total")}})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, a := range r.Affected[:4] {
		order = append(order, a.Asset.String())
	}
	if want := []string{"question:3", "dashboard:1", "subscription:1", "question:1"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

func TestChangesThatMakeNoSense(t *testing.T) {
	in := input(t, world())
	for _, req := range []impact.Request{
		{Roots: []catalog.Ref{{Kind: catalog.KindTable, ID: orders}}, Change: impact.Type},
		{Roots: []catalog.Ref{{Kind: catalog.KindPerson, ID: "1"}}},
		{Roots: []catalog.Ref{{Kind: catalog.KindCollection, ID: "root"}}},
	} {
		if _, err := impact.Of(context.Background(), in, req); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%v: %v, want invalid", req, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := impact.Of(ctx, in, impact.Request{Roots: []catalog.Ref{column(orders, "total")}}); errs.KindOf(err) != errs.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}
