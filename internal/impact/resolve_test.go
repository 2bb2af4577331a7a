package impact_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/impact"
)

func TestReferences(t *testing.T) {
	s := world()
	s.Tables = append(s.Tables,
		table(catalog.TableID("1", "Odd/Schema", "T.dot"), "T.dot", 6, "a b"),
		table("1/public/gone", "gone", 7, "x"))
	for _, tb := range s.Tables {
		if tb.Name == "T.dot" {
			tb.Schema = "Odd/Schema"
		}
		tb.Inactive = tb.Name == "gone"
	}
	s.Questions[0].EntityID = "entity_of_question_1x"
	index := catalog.NewIndex(s)
	for text, want := range map[string]string{
		"question:1":                     "question:1",
		"card:1":                         "question:1",
		"question:2":                     "model:2",
		"model:2":                        "model:2",
		"question:entity_of_question_1x": "question:1",
		"dashboard:3":                    "dashboard:3",
		"segment:1":                      "segment:1",
		"table:" + orders:                "table:" + orders,
		"table:public.customers":         "table:1/public/customers",
		"column:" + orders + "/total":    "column:" + orders + "/total",
		"public.orders":                  "table:" + orders,
		"PUBLIC.Orders":                  "table:" + orders,
		"public.orders.total":            "column:" + orders + "/total",
		"Warehouse.public.orders.total":  "column:" + orders + "/total",
		"crm.orders":                     "table:2//orders",
		"customers.email":                "column:1/public/customers/email",
		"customers":                      "table:1/public/customers",
		"1/public/orders":                "table:" + orders,
		"Warehouse/public/orders":        "table:" + orders,
		"warehouse/public/orders/TOTAL":  "column:" + orders + "/total",
		"2//orders/id":                   "column:2//orders/id",
		"CRM//orders":                    "table:2//orders",

		`Warehouse/Odd%2FSchema/T.dot/a b`: "column:1/Odd%2FSchema/T.dot/a b",
		"gone.x":                           "column:1/public/gone/x",
	} {
		got, err := impact.Resolve(index, text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestReferencesThatDoNotResolve(t *testing.T) {
	index := catalog.NewIndex(world())
	for text, want := range map[string]struct {
		kind errs.Kind
		hint string
	}{
		"orders":             {errs.Conflict, "1/public/orders, 2//orders"},
		"orders.total":       {errs.Conflict, "1/public/orders/total, 2//orders/total"},
		"public.ordres":      {errs.NotFound, "public.orders"},
		"public.orders.totl": {errs.NotFound, "public.orders.total"},
		"customers.zzzz":     {errs.NotFound, "Columns of public.customers: id, email."},
		"question:999":       {errs.NotFound, "search"},
		"a/b":                {errs.Invalid, "schema.table"},
		"":                   {errs.Invalid, "schema.table"},
		"no.such.thing.here": {errs.NotFound, "schema.table"},
	} {
		_, err := impact.Resolve(index, text)
		_, hint := errs.PublicText(err)
		if errs.KindOf(err) != want.kind || !strings.Contains(hint, want.hint) {
			t.Errorf("%q: kind %s, hint %q, want %s and %q", text, errs.KindOf(err), hint, want.kind, want.hint)
		}
	}
	_, err := impact.Resolve(index, "orders")
	var ambiguous *impact.AmbiguousError
	if !errors.As(err, &ambiguous) || len(ambiguous.Candidates) != 2 {
		t.Errorf("%v lists no candidates", err)
	}
}
