package metabase_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/secret"
)

// The canaries of this file stand in every field that the API reference §5.1
// and §5.3 says must never be stored. Each has its own number, so that a
// failure names the field.

var canaries int

func canary() string {
	canaries++
	return fmt.Sprintf("CANARY%04d", canaries)
}

// q is a canary as JSON text.
func q() string { return `"` + canary() + `"` }

func personObject(id int) string {
	return fmt.Sprintf(`{"id":%d,"first_name":"Ada","last_name":"Byron","common_name":"Ada Byron","email":"%s@x.example","last_login":%s,"date_joined":%s,"login_attributes":{"t":%s},"jwt_attributes":{"t":%s},"structured_attributes":{"t":%s},"sso_source":%s,"locale":%s,"tenant_id":%s,"is_superuser":false,"is_active":true}`,
		id, canary(), q(), q(), q(), q(), q(), q(), q(), q())
}

func fingerprint() string {
	return fmt.Sprintf(`{"global":{"distinct-count":%s,"nil%%":0},"type":{"type/Number":{"min":%s,"max":%s},"type/Text":{"average-length":%s}},"experimental":{"x":%s}}`, q(), q(), q(), q(), q())
}

func fieldObject(id int, name string) string {
	return fmt.Sprintf(`{"id":%d,"table_id":10,"name":"%s","display_name":"D","base_type":"type/Text","fingerprint":%s,"fingerprint_version":5,
		"values":[[%s]],"human_readable_values":[%s],"has_more_values":true,"min_value":%s,"max_value":%s,"database_default":%s,
		"dimensions":[{"human_readable_field_id":%s,"name":%s}],"dimension_options":[%s],"settings":{"x":%s},"dimension_interestingness":%s,
		"target":{"name":%s,"fingerprint":%s},"name_field":{"name":%s},"table":{"name":%s},"last_analyzed":%s,"custom_position":0}`,
		id, name, fingerprint(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), fingerprint(), q(), q(), q())
}

func databaseObject() string {
	return fmt.Sprintf(`{"id":2,"name":"Shop","engine":"postgres","features":["basic-aggregations"],"timezone":"UTC","details":{"host":%s,"user":%s,"password":%s},
		"write_data_details":{"h":%s},"admin_details":{"h":%s},"settings":{"s":%s},"dbms_version":{"version":%s},"uploads_schema_name":%s,"uploads_table_prefix":%s,
		"router_user_attribute":%s,"metadata_sync_schedule":%s,"provider_name":%s}`, q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q())
}

func parameters() string {
	return fmt.Sprintf(`[{"id":"p1","name":"Region","slug":"region","type":"string/=","default":[%s],"value":%s,"required":true,"filteringParameters":["p2"],
		"values_source_type":"static-list","values_source_config":{"card_id":4,"value_field":["field","x",null],"values":[%s,[%s]]},"options":{"x":%s},"sectionId":%s}]`, q(), q(), q(), q(), q(), q())
}

func vizSettings() string {
	return fmt.Sprintf(`{"graph.dimensions":["day"],"graph.metrics":["count"],"table.columns":[{"name":"a","fieldRef":["field",51,null],"enabled":true,"x":%s}],
		"pivot_table.column_split":{"rows":["a"],"columns":[],"values":["count"],"x":%s},"stackable.stack_type":"stacked",
		"series_settings":{"%s":{"display":"line","title":%s}},"graph.series_order":[{"key":%s,"name":%s}],"graph.series_labels":[%s],"graph.colors":{"%s":"#fff"},
		"pie.colors":{"%s":"#fff"},"pie.rows":[{"key":%s}],"funnel.rows":[{"key":%s}],"treemap.rows":[%s],"table.column_formatting":[{"value":%s,"min_value":%s}],
		"graph.goal_value":%s,"graph.goal_label":%s,"graph.y_axis.min":%s,"graph.y_axis.max":%s,"graph.x_axis.min":%s,"progress.goal":%s,"gauge.segments":[{"min":%s,"label":%s}],
		"scalar.segments":[%s],"scalar.comparisons":[{"value":%s,"label":%s}],"pivot_table.collapsed_rows":{"value":[%s]},"map.center_latitude":%s,"map.region":%s,
		"column_settings":{"[\"name\",\"a\"]":{"prefix":%s,"suffix":%s,"link_url":%s,"link_text":%s,"link_template":%s,"markdown_template":%s,"column_title":%s,
			"click_behavior":{"type":"link","linkType":"question","targetId":9,"linkTemplate":%s,"linkTextTemplate":%s,"parameterMapping":{"x":{"source":{"type":"text","value":%s}}}}}},
		"click_behavior":{"type":"link","linkType":"dashboard","targetId":8,"linkTemplate":%s,"parameterMapping":{"y":{"id":%s}}},
		"text":%s,"iframe":%s,"link":{"url":%s,"entity":{"id":7,"model":"dashboard","name":%s,"description":%s}},"virtual_card":{"display":"link","name":%s},
		"visualization":{"columnValuesMapping":{"x":[%s]},"settings":{"y":%s}},"card.title":%s,"card.description":%s,"graph.x_axis.title_text":%s}`,
		q(), q(), canary(), q(), q(), q(), q(), canary(), canary(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(),
		q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q(), q())
}

func templateTags() string {
	return fmt.Sprintf(`{"region":{"id":%s,"name":"region","display-name":"Region","type":"text","default":%s,"options":{"x":%s}},
		"created":{"id":"b","name":"created","display-name":"Created","type":"dimension","dimension":["field",51,{"base-type":"type/Date","x":%s}],"widget-type":"date/all-options","default":[%s]},
		"#17-active":{"id":"c","name":"#17-active","display-name":"A","type":"card","card-id":17},
		"t":{"id":"d","name":"t","display-name":"T","type":"table","table-id":10,"source-filters":[{"value":%s}]}}`, q(), q(), q(), q(), q(), q())
}

func resultMetadata() string {
	return fmt.Sprintf(`[{"name":"a","display_name":"A","base_type":"type/Text","id":51,"field_ref":["field",51,null],"fingerprint":%s,"settings":{"x":%s},"values":[%s],
		"lib/internal-remap":{"values":[%s]},"remapped_to":%s,":fingerprint":%s,"source":%s,"ident":%s}]`, fingerprint(), q(), q(), q(), q(), fingerprint(), q(), q())
}

func envelopeNoise() string {
	return fmt.Sprintf(`"parameters":[{"type":"category","value":[%s],"target":["variable",["template-tag","x"]]}],"info":{"executed-by":1,"query-hash":%s},"middleware":{"x":%s},"constraints":{"max-results":%s},"settings":{"report-timezone":%s},"create-row":%s,"default":%s`, q(), q(), q(), q(), q(), q(), q())
}

func queries() map[string]string {
	return map[string]string{
		"native4": fmt.Sprintf(`{"database":2,"type":"native","native":{"query":"select 1 from orders","template-tags":%s,"projections":[%s],"params":[%s]},%s}`, templateTags(), q(), q(), envelopeNoise()),
		"mbql4": fmt.Sprintf(`{"database":2,"type":"query","query":{"source-table":10,"source-metadata":[{"name":"a","fingerprint":%s}],
			"filter":["=",["field",51,{"base-type":"type/Text","x":%s}],"LITERAL7"],"aggregation":[["count"]],"aggregation-idents":{"0":%s},"breakout-idents":{"0":%s},
			"joins":[{"alias":"J","source-table":11,"condition":["=",["field",51,null],["field",61,{"join-alias":"J"}]],"source-metadata":[{"fingerprint":%s}],"ident":%s}],"page":{"page":%s}},%s}`,
			fingerprint(), q(), q(), q(), fingerprint(), q(), q(), envelopeNoise()),
		"mbql5": fmt.Sprintf(`{"lib/type":"mbql/query","database":2,"lib/metadata":%s,"stages":[{"lib/type":"mbql.stage/native","native":"select 2 from orders","template-tags":%s,"lib/stage-metadata":{"columns":[{"fingerprint":%s}]}},
			{"lib/type":"mbql.stage/mbql","filters":[["=",{"lib/uuid":%s,"lib/original-name":%s},["field",{"lib/uuid":%s},"a"],"LITERAL7"]]}],%s}`,
			q(), templateTags(), fingerprint(), q(), q(), q(), envelopeNoise()),
	}
}

func cardObject(id int, query string) string {
	return fmt.Sprintf(`{"id":%d,"name":"Card %d","type":"question","display":"table","database_id":2,"table_id":10,"collection_id":null,"dataset_query":%s,"result_metadata":%s,
		"visualization_settings":%s,"parameters":%s,"parameter_mappings":[{"parameter_id":"p1","card_id":1,"target":["dimension",["field",51,{"x":%s}]],"x":%s}],"public_uuid":%s,"made_public_by_id":%s,"embedding_params":{"a":%s},
		"enable_embedding":true,"creator_id":1,"creator":%s,"last-edit-info":{"id":3,"email":"%s@x.example","first_name":"Eve","last_name":"Moe","timestamp":"2026-01-01T00:00:00Z"},
		"moderation_reviews":[{"status":"verified","most_recent":true,"text":%s,"user":%s}],"param_fields":{"1":%s},"param_values":{"1":[%s]},"cache_invalidated_at":%s,"download_perms":%s,"metabase_version":%s,"dataset_query_hash":%s}`,
		id, id, query, resultMetadata(), vizSettings(), parameters(), q(), q(), q(), q(), q(), personObject(1), canary(), q(), personObject(1), fieldObject(1, "pf"), q(), q(), q(), q(), q())
}

// canaryWorld answers every route with canaries in all that must not survive.
func canaryWorld() answers {
	cards := []string{}
	id := 1
	for _, name := range []string{"native4", "mbql4", "mbql5"} {
		cards = append(cards, cardObject(id, queries()[name]))
		id++
	}
	cards = append(cards, strings.Replace(cardObject(id, "{}"), `"dataset_query":{}`, `"dataset_query":{},"legacy_query":`+fmt.Sprintf("%q", queries()["mbql4"]), 1))
	dash := func(extra string) string {
		return fmt.Sprintf(`{"id":8,"name":"Dash","collection_id":null,"parameters":%s,"param_values":{"p1":[%s]},"last_used_param_values":{"p1":%s},"param_fields":{"p1":%s},"public_uuid":%s,
			"embedding_params":{"x":%s},"creator":%s,"caveats":%s,"points_of_interest":%s,"last-edit-info":{"id":3,"email":"%s@x.example","timestamp":"2026-01-01T00:00:00Z"}%s}`,
			parameters(), q(), q(), fieldObject(1, "pf"), q(), q(), personObject(1), q(), q(), canary(), extra)
	}
	dashcards := fmt.Sprintf(`,"tabs":[{"id":1,"name":"Tab","position":0,"x":%s}],"dashcards":[{"id":90,"card_id":1,"row":0,"col":0,"size_x":4,"size_y":3,"visualization_settings":%s,
		"parameter_mappings":[{"parameter_id":"p1","card_id":1,"target":["dimension",["field",51,null]],"x":%s}],"series":[%s],"card":%s,"action":{"template":%s},"dashboard":{"x":%s}}]`,
		q(), vizSettings(), q(), cardObject(2, queries()["mbql4"]), cardObject(1, queries()["native4"]), q(), q())
	channel := fmt.Sprintf(`{"channel_type":"email","enabled":true,"schedule_type":"daily","schedule_hour":8,"details":{"channel":%s,"emails":[%s]},"recipients":[%s,{"email":"%s@out.example"}]}`, q(), q(), personObject(1), canary())
	return answers{
		"/api/session/properties": fmt.Sprintf(`{"version":{"tag":"v1.60.0","hash":%s,"branch":%s},"token-features":{"sandboxes":true},"admin-email":%s,"site-url":%s,"map-tile-server-url":%s,"site-uuid":%s,"google-auth-client-id":%s}`, q(), q(), q(), q(), q(), q(), q()),
		"/api/user/current":       personObject(1),
		"/api/user":               `{"data":[` + personObject(1) + `,` + personObject(3) + `],"total":2}`,
		"/api/collection":         fmt.Sprintf(`[{"id":"root","name":"Our analytics","can_write":true},{"id":5,"name":"Sales","location":"/","archive_operation_id":%s,"can_write":%s}]`, q(), q()),
		"/api/database":           `{"data":[` + databaseObject() + `],"total":1}`,
		"/api/database/2/metadata": fmt.Sprintf(`{"id":2,"details":{"host":%s},"tables":[{"id":10,"db_id":2,"schema":"public","name":"orders","active":true,"estimated_row_count":%s,"owner_email":"%s@x.example","caveats":%s,"db":%s,
			"fields":[%s],"segments":[%s],"metrics":[%s]},{"id":11,"db_id":2,"schema":"public","name":"people","active":true,"fields":[%s]}]}`,
			q(), q(), canary(), q(), databaseObject(), fieldObject(51, "a"), q(), q(), fieldObject(61, "b")),
		"/api/table":                fmt.Sprintf(`[{"id":10,"db_id":2,"schema":"public","name":"orders","active":true,"db":%s,"estimated_row_count":%s}]`, databaseObject(), q()),
		"/api/card":                 "[" + strings.Join(cards, ",") + "]",
		"/api/card/1":               cards[0],
		"/api/dashboard":            "[" + dash("") + "]",
		"/api/dashboard/8":          dash(dashcards),
		"/api/segment":              fmt.Sprintf(`[{"id":1,"name":"S","table_id":10,"definition":%s,"definition_description":%s,"creator":%s,"caveats":%s}]`, queries()["mbql4"], q(), personObject(1), q()),
		"/api/measure":              fmt.Sprintf(`[{"id":1,"name":"M","table_id":10,"definition":%s,"definition_description":%s,"dimensions":[%s],"result_column_name":%s}]`, queries()["mbql5"], q(), q(), q()),
		"/api/native-query-snippet": fmt.Sprintf(`[{"id":1,"name":"Sn","content":"a = 1","template_tags":%s,"creator":%s}]`, templateTags(), personObject(1)),
		"/api/pulse":                fmt.Sprintf(`[{"id":1,"name":"P","dashboard_id":8,"creator":%s,"parameters":[{"id":"p1","value":[%s],"default":%s}],"cards":[{"id":1,"name":%s}],"channels":[%s]}]`, personObject(1), q(), q(), q(), channel),
		"/api/notification": fmt.Sprintf(`[{"id":1,"active":true,"creator_id":1,"creator":%s,"payload_type":"notification/card","payload":{"card_id":1,"send_condition":"has_result","send_once":false,"goal":%s,"card":{"name":"Card 1","result_metadata":%s}},
			"subscriptions":[{"type":"notification-subscription/cron","cron_schedule":"0 0 8 * * ? *","ui_display_type":%s}],
			"handlers":[{"channel_type":"channel/email","active":true,"template":{"details":{"subject":%s}},"template_id":%s,"channel":{"details":{"url":%s}},
			"recipients":[{"id":3,"type":"notification-recipient/user","user_id":1,"user":%s},{"id":4,"type":"notification-recipient/raw-value","details":{"value":"%s@out.example"}}]}]}]`,
			personObject(1), q(), resultMetadata(), q(), q(), q(), q(), personObject(1), canary()),
		"/api/transform": fmt.Sprintf(`[{"id":1,"name":"T","source":{"type":"query","query":%s,"body":%s},"target":{"type":"table","schema":"out","name":"t","database":2,"x":%s},"last_run":{"message":%s,"checkpoint_lo_value":%s},"last_checkpoint_value":%s,"creator":%s},
			{"id":2,"name":"P","source":{"type":"python","body":%s,"source-tables":{"o":10}},"target":{"schema":"out","name":"p","database":2}}]`,
			queries()["mbql5"], q(), q(), q(), q(), q(), personObject(1), q()),
		"/api/action": fmt.Sprintf(`[{"id":1,"name":"A","type":"query","model_id":1,"database_id":2,"dataset_query":%s,"parameters":%s,"template":{"url":%s,"headers":%s,"body":%s},"visualization_settings":{"fields":{"x":{"defaultValue":%s}}},"public_uuid":%s,"kind":%s}]`,
			queries()["native4"], parameters(), q(), q(), q(), q(), q(), q()),
		"/api/document":               fmt.Sprintf(`[{"id":1,"name":"Doc","document":{"content":[%s]},"creator":%s,"public_uuid":%s}]`, q(), personObject(1), q()),
		"/api/permissions/group":      fmt.Sprintf(`[{"id":1,"name":"All Users","member_count":2,"members":[%s],"x":%s}]`, personObject(1), q()),
		"/api/permissions/membership": fmt.Sprintf(`{"1":[{"membership_id":1,"group_id":1,"user_id":1,"is_group_manager":%s}]}`, q()),
		"/api/collection/graph":       fmt.Sprintf(`{"revision":%s,"groups":{"1":{"root":"read","5":"write"}}}`, q()),
		"/api/permissions/graph":      fmt.Sprintf(`{"revision":%s,"groups":{"1":{"2":{"view-data":"unrestricted","create-queries":{"public":{"10":"query-builder"}},"download":{"schemas":%s},"details":%s}}}}`, q(), q(), q()),
		"/api/collection/root/items":  fmt.Sprintf(`{"data":[{"id":1,"model":"card","name":"Card 1","scores":[{"match":%s}],"last-edit-info":{"id":3,"email":"%s@x.example"}},{"id":9,"model":"indexed-entity","name":%s}],"total":1,"models":[%s]}`, q(), canary(), q(), q()),
	}
}

// TestCanaries reads a world that is full of what must not survive.
func TestCanaries(t *testing.T) {
	for _, masked := range []bool{false, true} {
		t.Run(fmt.Sprintf("masked=%v", masked), func(t *testing.T) {
			b := open(t, canaryWorld(), func(c *metabase.Config) {
				c.MaskLiterals, c.MaskKey = masked, secret.New("k")
			})
			s := b.everything(t)
			items, gaps, err := b.Items(t.Context(), "root")
			if err != nil || len(gaps) > 0 || len(items) != 1 {
				t.Fatal(items, gaps, err)
			}
			one, _, gaps, err := b.Question(t.Context(), "1")
			if err != nil || len(gaps) > 0 {
				t.Fatal(gaps, err)
			}
			everything := map[string]string{
				"snapshot": snapshotJSON(t, s), "usage": fmt.Sprintf("%+v", s.Usage), "items": fmt.Sprintf("%+v", items), "question": asJSON(t, one),
				"logs": b.logs.String(), "ledger": fmt.Sprintf("%+v", b.ledger.Entries()), "people": asJSON(t, b.PeopleSeen()),
			}
			for where, text := range everything {
				if i := strings.Index(text, "CANARY"); i >= 0 {
					t.Errorf("%s contains %s", where, text[max(0, i-120):min(len(text), i+20)])
				}
				if strings.Contains(text, "@") {
					t.Errorf("%s contains an address", where)
				}
				if strings.Contains(text, testKey) {
					t.Errorf("%s contains the credential", where)
				}
			}
			for _, g := range s.Gaps {
				t.Errorf("gap: %+v", g)
			}
			// The test would be worth nothing if nothing had been read.
			if len(s.Questions) != 4 || len(s.Dashboards) != 1 || len(s.Tables) != 2 || len(s.Segments) != 1 || len(s.Measures) != 1 || len(s.Snippets) != 1 ||
				len(s.Subscriptions) != 1 || len(s.Alerts) != 1 || len(s.Transforms) != 2 || len(s.Actions) != 1 || len(s.Documents) != 1 || len(s.Groups) != 1 || len(s.People) != 2 {
				t.Fatalf("not everything was read: %s", snapshotJSON(t, s))
			}
			for _, question := range s.Questions {
				if question.Query.Language == catalog.LanguageNone || !question.Public || !question.Embedded || !question.Verified || len(question.ClickTargets) != 2 || question.Query.Masked != masked {
					t.Errorf("question %s: %s", question.ID, asJSON(t, question))
				}
			}
			if d := s.Dashboards[0]; len(d.Cards) != 1 || d.Cards[0].LinkTarget.ID != "7" || len(d.Cards[0].SeriesIDs) != 1 || len(d.Parameters) != 1 || !d.Public {
				t.Errorf("dashboard: %s", asJSON(t, d))
			}
			for _, delivery := range append(s.Subscriptions[0].Deliveries, s.Alerts[0].Deliveries...) {
				if delivery.Recipients != 2 || delivery.ExternalRecipients != 1 || !delivery.Enabled {
					t.Errorf("delivery: %+v", delivery)
				}
			}
			if a := s.Subscriptions[0].OwnerActive; a == nil || !*a {
				t.Error("the owner's state is not known")
			}
			if strings.Contains(everything["snapshot"], "LITERAL7") == masked {
				t.Error("literals of filters are kept, and hashed with masking on")
			}
		})
	}
}

// TestCanariesInErrors: what a server writes into refusals reaches nobody.
func TestCanariesInErrors(t *testing.T) {
	world := canaryWorld()
	for path := range world {
		if path == "/api/session/properties" || path == "/api/user/current" {
			continue
		}
		world[path] = `{"message":` + q() + `,"trace":[` + q() + `],"data":{"rows":[[` + q() + `]]}}`
	}
	b := open(t, world)
	b.identify(t)
	ctx := t.Context()
	var texts []string
	note := func(gaps []catalog.Gap, err error) { texts = append(texts, fmt.Sprintf("%+v %v", gaps, err)) }
	_, gaps, err := b.Segments(ctx)
	note(gaps, err)
	gaps, err = b.Questions(ctx, false, func(*catalog.Question, catalog.Usage) error { return nil })
	note(gaps, err)
	_, gaps, err = b.Dashboard(ctx, "8")
	note(gaps, err)
	_, _, gaps, err = b.Question(ctx, "1")
	note(gaps, err)
	_, _, gaps, err = b.Schema(ctx, "2")
	note(gaps, err)
	if all := strings.Join(texts, "\n") + b.logs.String(); strings.Contains(all, "CANARY") {
		t.Errorf("a canary survived in %s", all)
	}
}
