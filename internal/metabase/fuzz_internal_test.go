package metabase

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// FuzzDecoders serves one body for every route: nothing may panic, hang, or
// give an asset that does not encode.
func FuzzDecoders(f *testing.F) {
	for _, text := range []string{
		``, `[`, `null`, `[{}]`, `[{"id":1,"dataset_query":"{}"}]`, `{"data":[[]]}`, `[{"id":1,"dataset_query":{"stages":[{"native":{}}]}}]`,
		"[{\"id\":1,\"na\\u006de\":\"\xff\"}]", `{"groups":{"1":[]}}`, `{"groups":{"1":{"2":{"view-data":{"s":{"7":"x"}}}}}}`,
		`{"tables":[{"name":"a","fields":[{"name":"x","id":1,"parent_id":1,"fk_target_field_id":1}]}]}`,
		`[{"id":1,"type":"model","database_id":2,"table_id":3,"dataset_query":{"lib/type":"mbql/query","stages":[{"filters":[["=",{"lib/uuid":"a"},["field",{},1],"x"]],"order-by":[["asc",{},["aggregation",{},"a"]]]}]},"result_metadata":[{"name":"a","id":1,"field_ref":["field",1,null]}],"visualization_settings":{"table.columns":[{"fieldRef":["field",1,null]}],"click_behavior":{"type":"link","linkType":"question","targetId":1}},"parameters":[{"id":"a","values_source_config":{"card_id":1}}]}]`,
		`{"id":1,"name":"d","dashcards":[{"id":1,"card":{"id":2},"series":[{"id":1}],"visualization_settings":{"link":{"entity":{"id":1,"model":"table"}}}}],"tabs":[{"id":1}]}`,
		`[{"id":1,"channels":[{"channel_type":"email","recipients":[{"id":1}]}],"handlers":[{"recipients":[{}]}],"payload_type":"notification/card"}]`,
		`[{"id":1,"source":{"query":{"database":1,"type":"native","native":{"query":"x","template-tags":{"a":{"type":"card","name":"#1"}}}},"source-tables":{"a":[1]}},"definition":{"source-table":1}}]`,
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, body string, masked bool) {
		c, err := Open(Config{
			URL: "http://127.0.0.1:1", Auth: Auth{Secret: secret.New("k")}, MaskLiterals: masked, MaskKey: secret.New("m"),
			Outbound: outbound.Config{Recorder: &ledger.Memory{}}, Wait: func(context.Context, time.Duration) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		c.gate.next = roundTripFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		ctx := t.Context()
		check := func(v any, _ []catalog.Gap, err error) {
			if err != nil {
				return
			}
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("%T does not encode: %v", v, err)
			}
		}
		_, _ = c.Identify(ctx)
		for _, read := range []func(){
			func() { v, g, err := c.Collections(ctx); check(v, g, err) },
			func() { v, g, err := c.Databases(ctx); check(v, g, err) },
			func() { v, _, g, err := c.Schema(ctx, "1"); check(v, g, err) },
			func() { v, _, g, err := c.Tables(ctx); check(v, g, err) },
			func() { v, g, err := c.TableByNumber(ctx, 1); check(v, g, err) },
			func() { v, g, err := c.People(ctx); check(v, g, err) },
			func() {
				g, err := c.Questions(ctx, false, func(q *catalog.Question, _ catalog.Usage) error { check(q, nil, nil); return nil })
				check(nil, g, err)
			},
			func() { v, _, g, err := c.Question(ctx, "1"); check(v, g, err) },
			func() { v, g, err := c.DashboardHeads(ctx, false); check(v, g, err) },
			func() { v, g, err := c.Dashboard(ctx, "1"); check(v, g, err) },
			func() { _, g, err := c.Items(ctx, "root"); check(nil, g, err) },
			func() { v, g, err := c.Segments(ctx); check(v, g, err) },
			func() { v, g, err := c.Measures(ctx); check(v, g, err) },
			func() { v, g, err := c.Snippets(ctx); check(v, g, err) },
			func() { v, g, err := c.Subscriptions(ctx); check(v, g, err) },
			func() { v, g, err := c.Alerts(ctx); check(v, g, err) },
			func() { v, g, err := c.Transforms(ctx); check(v, g, err) },
			func() { v, g, err := c.Actions(ctx); check(v, g, err) },
			func() { v, _, g, err := c.Documents(ctx); check(v, g, err) },
			func() { v, g, err := c.Groups(ctx); check(v, g, err) },
			func() { v, g, err := c.Memberships(ctx); check(v, g, err) },
			func() { v, g, err := c.CollectionAccess(ctx); check(v, g, err) },
			func() { v, g, err := c.DataAccess(ctx); check(v, g, err) },
		} {
			read()
		}
	})
}
