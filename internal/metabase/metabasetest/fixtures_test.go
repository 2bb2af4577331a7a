package metabasetest

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// metabaseFolder finds the recorded answers and OpenAPI documents, which are not
// part of the repository.
func metabaseFolder(t *testing.T) string {
	t.Helper()
	corpus := os.Getenv("METALENS_CORPUS")
	if corpus == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for dir != filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			dir = filepath.Dir(dir)
		}
		corpus = filepath.Join(dir, "..", "shared", "corpus")
	}
	folder := filepath.Join(corpus, "..", "metabase")
	if _, err := os.Stat(filepath.Join(folder, "fixtures")); err != nil {
		t.Skip("recorded answers are not on this machine (set METALENS_CORPUS)")
	}
	return folder
}

type object = map[string]json.RawMessage

func fixture[T any](t *testing.T, folder, path string) T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "fixtures", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

func as[T any](t *testing.T, raw json.RawMessage) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %.100s", err, raw)
	}
	return v
}

// compareKeys fails when the recorded object has keys the fake lacks or the
// other way round; missing and extra are the known differences.
func compareKeys(t *testing.T, what string, recorded, fake object, missing, extra string) {
	t.Helper()
	want, got := slices.Sorted(maps.Keys(recorded)), slices.Sorted(maps.Keys(fake))
	for _, k := range want {
		if _, ok := fake[k]; !ok && !slices.Contains(strings.Fields(missing), k) {
			t.Errorf("%s: the fake lacks %q", what, k)
		}
	}
	for _, k := range got {
		if _, ok := recorded[k]; !ok && !slices.Contains(strings.Fields(extra), k) {
			t.Errorf("%s: the fake invents %q", what, k)
		}
	}
}

type items struct {
	Data []object `json:"data"`
}

func find(t *testing.T, list []object, match func(object) bool) object {
	t.Helper()
	for _, o := range list {
		if match(o) {
			return o
		}
	}
	t.Fatal("no such object in the fake's answer")
	return nil
}

func is(key, value string) func(object) bool {
	return func(o object) bool { return string(o[key]) == value }
}

func TestAnswersHaveTheRecordedKeys(t *testing.T) {
	folder := metabaseFolder(t)
	for _, tt := range []struct {
		dir, version string
		extraTable   string
		extraCard    string
	}{
		{dir: "mbql4", version: "0.50.5"},
		{dir: "mbql5", version: "0.58.1", extraCard: "embedding_type", extraTable: ""},
	} {
		t.Run(tt.version, func(t *testing.T) {
			w := SampleCompany(testNow)
			s := NewServer(Config{Version: tt.version, World: w, Admin: true, PersonID: 1, Now: fixedNow})
			base := s.Start(t)
			card := decode[object](t, base, "/api/card/"+itoa(w.CardByName("Revenue by month").ID)+"?ignore_view=true")
			recorded := fixture[object](t, folder, tt.dir+"/api/card/29.json")
			compareKeys(t, "card", recorded, card, "", tt.extraCard)
			compareKeys(t, "card creator", as[object](t, recorded["creator"]), as[object](t, card["creator"]), "", "")
			compareKeys(t, "last-edit-info", as[object](t, recorded["last-edit-info"]), as[object](t, card["last-edit-info"]), "", "")
			recorded = fixture[object](t, folder, tt.dir+"/api/card/33.json")
			compareKeys(t, "card collection", as[object](t, recorded["collection"]), as[object](t, card["collection"]), "", "")

			columns := as[[]object](t, recorded["result_metadata"])
			ordersCard := decode[object](t, base, "/api/card/"+itoa(w.CardByName("Orders").ID)+"?ignore_view=true")
			compareKeys(t, "result column", columns[0], as[[]object](t, ordersCard["result_metadata"])[0], "", "")

			dash := decode[object](t, base, "/api/dashboard/"+itoa(w.DashboardByName("Sales").ID))
			recorded = fixture[object](t, folder, tt.dir+"/api/dashboard/2.json")
			compareKeys(t, "dashboard", recorded, dash, "", tt.extraCard)
			want, got := as[[]object](t, recorded["dashcards"])[0], as[[]object](t, dash["dashcards"])[0]
			compareKeys(t, "dashcard", want, got, "", "")
			compareKeys(t, "dashcard card", as[object](t, want["card"]), as[object](t, got["card"]), "", tt.extraCard)

			colls := decode[[]object](t, base, "/api/collection")
			wantColls := fixture[[]object](t, folder, tt.dir+"/api/collection.json")
			compareKeys(t, "root collection", wantColls[0], colls[0], "", "")
			compareKeys(t, "collection", wantColls[2], colls[len(colls)-1], "", "")

			rows := decode[items](t, base, "/api/collection/root/items").Data
			wantRows := fixture[[]object](t, folder, tt.dir+"/api/collection/root/items.json")
			compareKeys(t, "card item", find(t, wantRows, is("model", `"card"`)), find(t, rows, is("model", `"card"`)), "", "")
			compareKeys(t, "dashboard item", find(t, wantRows, is("model", `"dashboard"`)), find(t, rows, is("model", `"dashboard"`)), "", "")

			dbs := decode[items](t, base, "/api/database").Data
			compareKeys(t, "database", fixture[[]object](t, folder, tt.dir+"/api/database.json")[0], dbs[0], "", "")
			meta := decode[object](t, base, "/api/database/1/metadata")
			recorded = fixture[object](t, folder, tt.dir+"/api/database/2/metadata.json")
			compareKeys(t, "metadata", recorded, meta, "", "")
			wantTable, gotTable := as[[]object](t, recorded["tables"])[0], as[[]object](t, meta["tables"])[0]
			compareKeys(t, "metadata table", wantTable, gotTable, "", tt.extraTable)
			compareKeys(t, "field", as[[]object](t, wantTable["fields"])[0], as[[]object](t, gotTable["fields"])[0], "", "")

			tables := decode[[]object](t, base, "/api/table")
			wantTables := fixture[[]object](t, folder, tt.dir+"/api/table.json")
			compareKeys(t, "table", wantTables[0], tables[0], "", tt.extraTable)
			compareKeys(t, "table db", as[object](t, wantTables[0]["db"]), as[object](t, tables[0]["db"]), "", "router_database_id")
			user := decode[object](t, base, "/api/user/current")
			compareKeys(t, "user", fixture[object](t, folder, tt.dir+"/api/user/1.json"), user, "",
				"personal_collection_id has_invited_second_user has_question_and_dashboard group_ids")
		})
	}
}

// TestQueriesLookAsRecorded compares the shape of queries with the recorded
// ones of the same kind: keys on every level, nothing more.
func TestQueriesLookAsRecorded(t *testing.T) {
	folder := metabaseFolder(t)
	for dir, version := range map[string]string{"mbql4": "0.50.5", "mbql5": "0.58.1"} {
		w := tiny()
		orders := w.Tables[0]
		other := w.AddTable(&Table{DatabaseID: 1, Schema: "public", Name: "customers", Fields: []*Field{{Name: "id", BaseType: "type/Integer"}}})
		join := w.AddCard(&Card{CreatorID: 1, Query: Structured(1, Stage{SourceTable: orders.ID, Joins: []Join{{
			Alias: "Customers", SourceTable: other.ID, Fields: "all",
			Conditions: []Expr{Call("=", Column(orders.Fields[0]), Column(other.Fields[0]).Joined("Customers"))},
		}}})})
		nested := w.AddCard(&Card{CreatorID: 1, Query: Structured(1, Stage{SourceCard: join.ID, Filters: []Expr{
			Call("=", Column(orders.Fields[1]), Text("completed")),
		}})})
		native := w.AddCard(&Card{CreatorID: 1, Query: Native(1, "select 1")})
		base := NewServer(Config{Version: version, World: w, Admin: true}).Start(t)
		for recorded, fake := range map[string]int{"27": join.ID, "28": nested.ID, "29": native.ID} {
			want := fixture[object](t, folder, dir+"/api/card/"+recorded+".json")["dataset_query"]
			got := decode[object](t, base, "/api/card/"+itoa(fake)+"?ignore_view=true")["dataset_query"]
			a, b := outline(as[any](t, want)), outline(as[any](t, got))
			if a != b {
				t.Errorf("%s card %s:\n recorded %s\n fake     %s", dir, recorded, a, b)
			}
		}
	}
}

// outline keeps keys, operators and nesting of a query.
func outline(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var b strings.Builder
		b.WriteString("{")
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if k == "query" || k == "native" {
				if _, text := v[k].(string); text {
					b.WriteString(k + " ")
					continue
				}
			}
			b.WriteString(k + ":" + outline(v[k]) + " ")
		}
		return b.String() + "}"
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, outline(x))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case string:
		if strings.HasPrefix(v, "card__") {
			return "card__N"
		}
		if len(v) == 36 {
			return "uuid"
		}
		return v
	case float64:
		return "N"
	}
	return "x"
}

// TestRoutesAreInTheOpenAPIDocuments checks the route table against the
// published lists of paths of three versions.
func TestRoutesAreInTheOpenAPIDocuments(t *testing.T) {
	folder := metabaseFolder(t)
	for _, tt := range []struct {
		file  string
		major int
	}{
		{"metabase-openapi-superbolt-2025-07.json", 54},
		{"metabase-openapi-pigzyj233-2026.json", 59},
		{"metabase-openapi-dominikpollok-2026-05.json", 60},
	} {
		text, err := os.ReadFile(filepath.Join(folder, tt.file))
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Paths map[string]struct {
				Get *struct {
					Parameters []struct{ Name, In string }
				}
			}
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		type published struct{ params map[string]bool }
		known := map[string]published{}
		for path, p := range doc.Paths {
			if p.Get == nil {
				continue
			}
			params := map[string]bool{}
			for _, q := range p.Get.Parameters {
				if q.In == "query" {
					params[q.Name] = true
				}
			}
			path = wildcards(strings.TrimSuffix(path, "/"))
			if old, ok := known[path]; ok { // also published for the virtual database
				maps.Copy(params, old.params)
			}
			known[path] = published{params}
		}
		v := version{major: tt.major}
		served := map[string]bool{} // a pattern may stand for other things at other times
		for _, rt := range routeTable() {
			served[rt.pattern] = served[rt.pattern] || rt.has(v)
		}
		for _, rt := range routeTable() {
			switch {
			case rt.pattern == "/api/health" || rt.pattern == "/api/docs/openapi.json" || rt.pattern == "/api/util/openapi":
				continue // served outside of the documented routes
			case rt.feature != "" && tt.major == 54:
				continue // open-source routes only
			}
			p, ok := known[wildcards(rt.pattern)]
			if ok != served[rt.pattern] {
				t.Errorf("0.%d %s: documented %v, fake %v", tt.major, rt.pattern, ok, served[rt.pattern])
				continue
			}
			for _, q := range rt.params {
				takes, _ := rt.reads(q.name, v)
				if ok && takes && rt.has(v) && !p.params[q.name] && q.name != "limit" && q.name != "offset" && !undocumented[q.name] {
					t.Errorf("0.%d %s: parameter %s is not documented", tt.major, rt.pattern, q.name)
				}
			}
		}
	}
}

// undocumented parameters that the reference states nevertheless.
var undocumented = map[string]bool{
	"ignore_view": true, "context": true, "dashboard_load_id": true,
	"card_types": true, "include_personal_collections": true, // both spellings on 0.59
}

func wildcards(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") || strings.HasPrefix(p, "{") {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}
