package metabasetest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func fixedNow() time.Time { return testNow }

// get reads a path with the default key.
func read(t *testing.T, base, path string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", DefaultKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return resp.StatusCode, text
}

// decode reads a path and decodes the 200 answer.
func decode[T any](t *testing.T, base, path string) T {
	t.Helper()
	status, text := read(t, base, path)
	if status != http.StatusOK {
		t.Fatalf("GET %s: status %d: %.200s", path, status, text)
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("GET %s: %v in %.300s", path, err, text)
	}
	return v
}

func tiny() *World {
	w := NewWorld(testNow.AddDate(-2, 0, 0))
	p := w.AddPerson(&Person{First: "Ada", Last: "Stone", Email: "ada@tiny.example", Admin: true})
	db := w.AddDatabase(&Database{Name: "Shop", Engine: "postgres"})
	orders := w.AddTable(&Table{DatabaseID: db.ID, Schema: "public", Name: "orders", Fields: []*Field{
		{Name: "id", BaseType: "type/Integer", SemanticType: "type/PK", PrimaryKey: true},
		{Name: "status"},
		{Name: "created_at", BaseType: "type/DateTime"},
	}})
	w.AddCard(&Card{Name: "Orders", CreatorID: p.ID, Query: Structured(db.ID, Stage{
		SourceTable: orders.ID, Filters: []Expr{Call("!=", Column(orders.Fields[1]), Text("cancelled"))},
		Aggregation: []Expr{Count()}, Breakout: []Expr{Column(orders.Fields[2]).By("month")},
	}), Results: []ResultColumn{{Name: "count", BaseType: "type/BigInteger"}}})
	w.AddDashboard(&Dashboard{Name: "Shop", CreatorID: p.ID, Cards: []*Dashcard{{CardID: 1}}})
	return w
}

func TestEveryRouteAnswersJSONInEveryVersion(t *testing.T) {
	for _, v := range append(Versions(), "unknown") {
		t.Run(v, func(t *testing.T) {
			s := NewServer(Config{Version: v, World: Oddities(testNow), Admin: true, Session: "s1", Now: fixedNow, Enterprise: true, Features: []string{"collection_cleanup", "dependencies"}})
			base := s.Start(t)
			for _, rt := range routeTable() {
				path := rt.pattern
				for i, seg := range rt.segments {
					if seg[0] == ':' {
						path = replaceSegment(path, i, "1")
					}
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("X-Metabase-Session", "s1")
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				switch {
				case resp.StatusCode == http.StatusOK && !json.Valid(text):
					t.Errorf("%s: invalid JSON: %.300s", path, text)
				case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusNotFound,
					!rt.has(s.v) && resp.StatusCode == http.StatusBadRequest: // taken for an id
				default:
					t.Errorf("%s: status %d: %.200s", path, resp.StatusCode, text)
				}
			}
		})
	}
}

func replaceSegment(path string, at int, with string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	parts[at] = with
	out := ""
	for _, p := range parts {
		out += "/" + p
	}
	return out
}
