package impact_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/impact/dbt"
)

// changes writes what several changes do.
func changes(list []impact.Impact, skipped []impact.Skipped) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%d %s [%s] yes %d maybe %d\n", c.Line, c.Title, c.Action, c.Result.Breaks[impact.Yes], c.Result.Breaks[impact.Maybe])
	}
	for _, s := range skipped {
		fmt.Fprintf(&b, "%d skipped %s: %s\n", s.Line, s.Code, s.Reason)
	}
	return b.String()
}

func TestMigrations(t *testing.T) {
	in := input(t, world())
	cases := []struct{ name, sql, want string }{
		{"one column", "ALTER TABLE public.orders DROP COLUMN total;", `
1 DROP COLUMN public.orders.total [drop_column] yes 16 maybe 5
`},
		{"dropped and given back", "ALTER TABLE customers DROP COLUMN email;\nALTER TABLE customers ADD COLUMN email text;", ``},
		{"renamed and back", "ALTER TABLE customers RENAME email TO mail; ALTER TABLE customers RENAME COLUMN mail TO email", ``},
		{"renamed twice", "ALTER TABLE customers RENAME email TO mail;\nALTER TABLE customers RENAME mail TO address", `
2 RENAME COLUMN public.customers.email TO address [rename_column] yes 1 maybe 0
`},
		{"renamed, then dropped", "ALTER TABLE customers RENAME email TO mail;\nALTER TABLE customers DROP mail", `
2 DROP COLUMN public.customers.email [drop_column] yes 1 maybe 0
`},
		{"table renamed", "ALTER TABLE customers RENAME TO clients; ALTER TABLE clients RENAME TO people", `
1 RENAME TABLE public.customers TO people [rename_table] yes 1 maybe 0
`},
		{"moved to another schema", "ALTER TABLE customers SET SCHEMA crm", `
1 RENAME TABLE public.customers TO crm.customers [rename_table] yes 1 maybe 0
`},
		{"rebuilt without a column", "CREATE TABLE c2 (id int);\nINSERT INTO c2 SELECT id FROM customers;\nDROP TABLE customers;\nALTER TABLE c2 RENAME TO customers;", `
1 DROP COLUMN public.customers.email [drop_column] yes 1 maybe 0
`},
		{"rebuilt by a query", "CREATE TABLE c2 AS SELECT * FROM customers;\nDROP TABLE customers;\nALTER TABLE c2 RENAME TO customers;", ``},
		{"swapped", "ALTER TABLE customers RENAME TO tmp; ALTER TABLE region RENAME TO customers; ALTER TABLE tmp RENAME TO region", `
1 RENAME TABLE public.customers TO region [rename_table] yes 1 maybe 0
1 RENAME TABLE sales.region TO customers [rename_table] yes 1 maybe 0
`},
		{"view loses a column", "CREATE OR REPLACE VIEW customers AS SELECT id FROM orders", `
1 DROP COLUMN public.customers.email [drop_column] yes 1 maybe 0
`},
		{"view with a star over a known table", "CREATE OR REPLACE VIEW customers AS SELECT o.*, 1 AS email FROM orders o", ``},
		{"view that cannot be told", "CREATE OR REPLACE VIEW customers AS SELECT * FROM elsewhere", `
1 skipped not_understood: which columns customers has then cannot be told
`},
		{"type", "ALTER TABLE customers ALTER COLUMN email TYPE text", `
1 ALTER TYPE public.customers.email TO text [alter_type] yes 0 maybe 0
`},
		{"schema", "DROP SCHEMA sales CASCADE", `
1 DROP TABLE sales.region [drop_table] yes 1 maybe 0
`},
		{"unknown and ambiguous", "DROP TABLE nowhere;\nDROP TABLE orders;\nALTER TABLE customers DROP COLUMN phone;\nDO $$ x $$;", `
2 DROP TABLE public.orders [drop_table] yes 23 maybe 4
1 skipped unknown_object: this scan knows no table nowhere
3 skipped unknown_object: this scan knows no column phone in customers
4 skipped not_understood: it is not understood
`},
		{"nothing", "-- nothing\n", ``},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			list, skipped, err := impact.OfMigration(context.Background(), in, c.sql, impact.Migration{Dialect: "postgres", Database: "Warehouse"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(c.want), strings.TrimSpace(changes(list, skipped))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMigrationOfOneDatabase(t *testing.T) {
	in := input(t, world())
	_, skipped, err := impact.OfMigration(context.Background(), in, "DROP TABLE crm.orders; DROP TABLE id_less.orders; ALTER TABLE orders DROP id", impact.Migration{})
	if err != nil || len(skipped) == 0 {
		t.Fatal(err, skipped)
	}
	_, skipped, err = impact.OfMigration(context.Background(), in, "DROP SCHEMA public", impact.Migration{Database: "2"})
	if err != nil || len(skipped) != 1 || skipped[0].Code != "unknown_object" {
		t.Errorf("%v %v", skipped, err)
	}
	if _, _, err = impact.OfMigration(context.Background(), in, "", impact.Migration{Database: "nope"}); errs.KindOf(err) != errs.NotFound {
		t.Errorf("unknown database: %v", err)
	}
	if _, _, err = impact.OfMigration(context.Background(), in, "", impact.Migration{Dialect: "klingon"}); errs.KindOf(err) != errs.Invalid {
		t.Errorf("unknown dialect: %v", err)
	}
}

func manifest(t *testing.T, text string) *dbt.Manifest {
	t.Helper()
	m, err := dbt.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestManifests(t *testing.T) {
	in := input(t, world())
	const before = `{"metadata":{"dbt_schema_version":"https://schemas.getdbt.com/dbt/manifest/v12.json","adapter_type":"postgres"},"nodes":{
		"model.p.customers":{"resource_type":"model","name":"customers","alias":"customers","database":"wh","schema":"public","config":{"materialized":"table"},
			"raw_code":"select id, email from {{ ref('x') }}","checksum":{"checksum":"1"},"columns":{"id":{"name":"id"},"email":{"name":"email","data_type":"text"}}},
		"model.p.totals":{"resource_type":"model","name":"totals","alias":"totals","database":"wh","schema":"public","config":{"materialized":"table"},
			"raw_code":"select day, total from {{ ref('x') }}","checksum":{"checksum":"1"},"columns":{"day":{"name":"day","data_type":"date"}}},
		"model.p.region":{"resource_type":"model","name":"region","alias":"region","database":"wh","schema":"sales","config":{"materialized":"view"},"raw_code":"select * from {{ source('a','b') }}","checksum":{"checksum":"1"},"columns":{"total":{"name":"total"}}},
		"model.p.new_only":{"resource_type":"model","name":"nowhere","schema":"public","config":{"materialized":"table"},"columns":{}},
		"test.p.t":{"resource_type":"test","name":"t"}},"sources":{
		"source.p.shop.orders":{"resource_type":"source","name":"orders","identifier":"orders","database":"wh","schema":"public","columns":{"total":{"name":"total"}}}}}`
	cases := []struct {
		name    string
		replace []string
		want    string
	}{
		{"nothing", nil, ``},
		{"column gone from the code", []string{"select id, email from", "select id from", `"checksum":"1"`, `"checksum":"2"`}, `
0 Remove column public.customers.email [column_removed] yes 1 maybe 0
`},
		{"documentation only", []string{`,"email":{"name":"email","data_type":"text"}`, ``}, ``},
		{"renamed relation", []string{`"alias":"customers"`, `"alias":"clients"`}, `
0 Rename the table of model customers from public.customers to wh.public.clients [relation_moved] yes 1 maybe 0
`},
		{"other schema", []string{`"schema":"sales"`, `"schema":"marts"`}, `
0 Rename the table of model region from sales.region to wh.marts.region [relation_moved] yes 1 maybe 0
`},
		{"removed model", []string{`"model.p.customers"`, `"model.p.other"`}, `
0 Remove model customers (table public.customers) [model_removed] yes 1 maybe 0
`},
		{"ephemeral now", []string{`"config":{"materialized":"view"}`, `"config":{"materialized":"ephemeral"}`}, `
0 Remove model region (table sales.region) [model_removed] yes 1 maybe 0
`},
		{"type", []string{`"data_type":"date"`, `"data_type":"timestamp"`}, `
0 Change the type of public.totals.day to timestamp [column_type] yes 0 maybe 0
`},
		{"star cannot be told", []string{`"total":{"name":"total"}}},
		"model.p.new_only"`, `"x":{"name":"x"}}},
		"model.p.new_only"`, `source('a','b')`, `source('a','c')`}, `
0 skipped not_understood: it is no longer documented, and the code takes all columns of another model: whether it goes cannot be told
`},
		{"source moved", []string{`"identifier":"orders"`, `"identifier":"orders_v2"`}, `
0 Rename the table of source orders from public.orders to wh.public.orders_v2 [relation_moved] yes 23 maybe 4
`},
		{"source column gone", []string{`"schema":"public","columns":{"total":{"name":"total"}}`, `"schema":"public","columns":{}`}, `
0 Remove column public.orders.total [column_removed] yes 16 maybe 5
`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			after := before
			for i := 0; i < len(c.replace); i += 2 {
				if !strings.Contains(after, c.replace[i]) {
					t.Fatalf("nothing to replace: %s", c.replace[i])
				}
				after = strings.Replace(after, c.replace[i], c.replace[i+1], 1)
			}
			list, skipped, err := impact.OfManifests(context.Background(), in, manifest(t, before), manifest(t, after), "Warehouse")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(c.want), strings.TrimSpace(changes(list, skipped))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestMigrationEndsWithItsReader: a script that changes nothing is not read on
// when nobody waits for it.
func TestMigrationEndsWithItsReader(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	script := strings.Repeat("CREATE TABLE copy_of_orders AS SELECT id FROM orders;\n", 100)
	if _, _, err := impact.OfMigration(ctx, benchInput(world()), script, impact.Migration{}); !errors.Is(err, context.Canceled) {
		t.Errorf("answered with %v", err)
	}
}
