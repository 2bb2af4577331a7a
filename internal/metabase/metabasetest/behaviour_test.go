package metabasetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// spyTB records what a helper would fail.
type spyTB struct {
	errs []string
}

func (s *spyTB) Helper()        {}
func (s *spyTB) Cleanup(func()) {}
func (s *spyTB) Errorf(format string, args ...any) {
	s.errs = append(s.errs, fmt.Sprintf(format, args...))
}
func (s *spyTB) Fatalf(format string, args ...any) { s.Errorf(format, args...) }

type named struct {
	ID         json.RawMessage `json:"id"`
	Name       string          `json:"name"`
	ViewCount  int64           `json:"view_count"`
	Archived   bool            `json:"archived"`
	Model      string          `json:"model"`
	LastEdit   *lastEdit       `json:"last-edit-info"`
	UpdatedAt  time.Time       `json:"updated_at"`
	LastViewed string          `json:"last_viewed_at"`
}

type lastEdit struct {
	ID        int       `json:"id"`
	Timestamp time.Time `json:"timestamp"`
}

type pageOf[T any] struct {
	Total *int `json:"total"`
	Data  []T  `json:"data"`
}

func names(list []named) []string {
	var out []string
	for _, n := range list {
		out = append(out, n.Name)
	}
	return out
}

func TestAuthentication(t *testing.T) {
	for _, tt := range []struct {
		name, version, key, session string
		want                        int
	}{
		{name: "key", version: "0.58", key: DefaultKey, want: 200},
		{name: "wrong key", version: "0.58", key: "mb_wrong", want: 401},
		{name: "nothing", version: "0.58", want: 401},
		{name: "keys do not exist before 0.49", version: "0.48", key: DefaultKey, want: 401},
		{name: "session before 0.49", version: "0.48", session: "tok", want: 200},
		{name: "session and key", version: "0.58", key: DefaultKey, session: "tok", want: 200},
		{name: "wrong session, right key", version: "0.58", key: DefaultKey, session: "bad", want: 200},
		{name: "expired session", version: "0.58", session: "bad", want: 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := NewServer(Config{Version: tt.version, World: tiny(), Session: "tok", Admin: true}).Start(t)
			status, text := readWith(t, base, "/api/user/current", map[string]string{"X-Api-Key": tt.key, "X-Metabase-Session": tt.session})
			if status != tt.want {
				t.Errorf("status %d, want %d: %s", status, tt.want, text)
			}
			if status == 401 && string(text) != "Unauthenticated" {
				t.Errorf("body %q", text)
			}
			if status, _ := readWith(t, base, "/api/session/properties", nil); status != 200 {
				t.Errorf("properties need no credentials, got %d", status)
			}
		})
	}
}

func readWith(t *testing.T, base, path string, headers map[string]string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range headers {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, text
}

func TestErrorBodiesFollowTheVersion(t *testing.T) {
	for _, tt := range []struct{ version, path, want string }{
		{"0.50", "/api/card/999", "Not found."},
		{"0.59", "/api/card/999", `{"message":"Not found."}`},
		{"0.50", "/api/no/such", "API endpoint does not exist."},
		{"0.60", "/api/no/such", "API endpoint does not exist."},
		{"0.48", "/api/permissions/group", "You don't have permissions to do that."},
		{"0.62", "/api/permissions/group", `{"message":"You don't have permissions to do that."}`},
	} {
		base := NewServer(Config{Version: tt.version, World: tiny(), Session: "s"}).Start(t)
		if _, text := readWith(t, base, tt.path, map[string]string{"X-Metabase-Session": "s"}); string(text) != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.version, tt.path, text, tt.want)
		}
	}
}

func TestVersionDifferences(t *testing.T) {
	for _, tt := range []struct {
		version, path string
		has, hasNot   string
	}{
		{"0.46", "/api/dashboard/1", `"ordered_cards":`, `"tabs"`},
		{"0.47", "/api/dashboard/1", `"ordered_tabs":`, `"dashcards"`},
		{"0.48", "/api/dashboard/1", `"dashcards":`, `"ordered_cards"`},
		{"0.48", "/api/card/1", `"dataset":false`, `"type":"question"`},
		{"0.49", "/api/card/1", `"type":"question"`, `"view_count"`},
		{"0.50", "/api/card/1", `"view_count":`, `"archived_directly"`},
		{"0.53", "/api/card/1", `"dashboard_id":`, `"card_schema"`},
		{"0.56", "/api/card/1", `"type":"query"`, `"stages"`},
		{"0.57", "/api/card/1", `"legacy_query":"{`, `"dependency_analysis_version"`},
		{"0.62", "/api/card/1", `"lib/type":"mbql/query"`, `"legacy_query"`},
		{"0.50", "/api/dashboard/1", `"param_values"`, `"last_viewed_at"`},
		{"0.58", "/api/dashboard/1", `"last_viewed_at"`, `"param_values"`},
		{"0.55", "/api/database/1/metadata", `"fields":[`, `"database_default"`},
		{"0.64", "/api/database/1/metadata", `"data_sensitivity"`, `"nothing"`},
		{"0.51", "/api/database/1/fields", `"table_name"`, `"table_id"`},
		{"0.52", "/api/database/1/fields", `"table_id"`, `"fingerprint"`},
		{"unknown", "/api/session/properties", `"tag":"vUNKNOWN"`, `"v0.64`},
		{"0.61.3", "/api/session/properties", `"tag":"v0.61.3"`, `"nothing"`},
	} {
		t.Run(tt.version+tt.path, func(t *testing.T) {
			base := NewServer(Config{Version: tt.version, World: tiny(), Session: "s", Admin: true}).Start(t)
			status, text := readWith(t, base, tt.path, map[string]string{"X-Metabase-Session": "s"})
			if status != 200 || !strings.Contains(string(text), tt.has) {
				t.Errorf("status %d, wants %s in %.1500s", status, tt.has, text)
			}
			if strings.Contains(string(text), tt.hasNot) {
				t.Errorf("must not have %s", tt.hasNot)
			}
		})
	}
}

func TestRoutesFollowTheVersion(t *testing.T) {
	for _, tt := range []struct {
		path     string
		from, to int
	}{
		{"/api/notification", 54, 64},
		{"/api/alert", 46, 64},
		{"/api/measure", 59, 64},
		{"/api/transform", 59, 64},
		{"/api/document", 58, 64},
		{"/api/legacy-metric", 50, 50},
		{"/api/database/metadata", 60, 61},
	} {
		for m := 46; m <= Newest; m++ {
			base := NewServer(Config{Version: "0." + itoa(m), World: tiny(), Session: "s", Admin: true}).Start(t)
			status, _ := readWith(t, base, tt.path, map[string]string{"X-Metabase-Session": "s"})
			if want := m >= tt.from && m <= tt.to; (status == 200) != want {
				t.Errorf("0.%d %s: status %d", m, tt.path, status)
			}
		}
	}
}

func TestViewsAreCounted(t *testing.T) {
	for _, tt := range []struct {
		version, path string
		card          bool
		want          int64
	}{
		{version: "0.50", path: "/api/dashboard/1", want: 1},
		{version: "0.63", path: "/api/dashboard/1", want: 1},
		{version: "0.58", path: "/api/card/1", card: true, want: 1},
		{version: "0.58", path: "/api/card/1?ignore_view=true", card: true, want: 0},
		{version: "0.59", path: "/api/card/1", card: true, want: 0},
		{version: "0.58", path: "/api/card", card: true, want: 0},
		{version: "0.58", path: "/api/dashboard", want: 0},
		{version: "0.58", path: "/api/collection/root/items", want: 0},
	} {
		t.Run(tt.version+tt.path, func(t *testing.T) {
			s := NewServer(Config{Version: tt.version, World: tiny(), Admin: true})
			base := s.Start(t)
			read(t, base, tt.path)
			listPath := "/api/dashboard"
			if tt.card {
				listPath = "/api/card"
			}
			if got := decode[[]named](t, base, listPath)[0].ViewCount; got != tt.want {
				t.Errorf("view_count %d, want %d", got, tt.want)
			}
		})
	}
}

func TestReadingADashboardMovesOnlyItsCounter(t *testing.T) {
	w := tiny()
	w.Dashboards[0].LastViewedAt = testNow.AddDate(0, -1, 0)
	base := NewServer(Config{World: w, Admin: true, Now: fixedNow}).Start(t)
	before := decode[named](t, base, "/api/dashboard/1")
	after := decode[named](t, base, "/api/dashboard/1")
	if after.ViewCount != before.ViewCount+1 || !after.UpdatedAt.Equal(before.UpdatedAt) || after.LastViewed != before.LastViewed {
		t.Errorf("before %+v after %+v", before, after)
	}
}

func TestPermissions(t *testing.T) {
	w := SampleCompany(testNow)
	s := NewServer(Config{Version: "0.58", World: w, Admin: true, Callers: []Caller{
		{Key: "care", GroupIDs: []int{7}}, {Key: "nobody"},
	}})
	base := s.Start(t)
	cards := func(key string) []string {
		t.Helper()
		status, text := readWith(t, base, "/api/card", map[string]string{"X-Api-Key": key})
		if status != 200 {
			t.Fatalf("status %d", status)
		}
		var list []named
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatal(err)
		}
		return names(list)
	}
	if list := cards(DefaultKey); !slices.Contains(list, "Payroll export") || !slices.Contains(list, "Salary check") {
		t.Error("an administrator's key sees all, personal collections included")
	}
	list := cards("care")
	if slices.Contains(list, "Payroll export") || slices.Contains(list, "Salary check") {
		t.Error("a group's key sees content of other groups or personal collections")
	}
	if !slices.Contains(list, "Where is my order") || !slices.Contains(list, "Revenue by month") {
		t.Errorf("a group's key misses its content: %v", list)
	}
	as := func(path string) (int, []byte) {
		return readWith(t, base, path, map[string]string{"X-Api-Key": "care"})
	}
	payroll := itoa(w.CardByName("Payroll export").ID)
	for path, want := range map[string]int{
		"/api/card/" + payroll:                         403,
		"/api/permissions/group":                       403,
		"/api/permissions/graph":                       403,
		"/api/collection/graph":                        403,
		"/api/card/public":                             403,
		"/api/user":                                    403,
		"/api/database/2":                              403,
		"/api/database/1":                              200,
		"/api/collection/" + itoa(w.Collections[2].ID): 403, // Finance
	} {
		if got, text := as(path + "?ignore_view=true"); got != want {
			t.Errorf("%s: status %d, want %d: %.80s", path, got, want, text)
		}
	}
	_, text := as("/api/database/1/metadata")
	if bytes.Contains(text, []byte("payroll")) || !bytes.Contains(text, []byte("ticket_messages")) || bytes.Contains(text, []byte("details")) {
		t.Error("metadata does not follow the data permissions")
	}
	// A tile whose card is out of reach stays as a stub.
	board := w.DashboardByName("Company overview")
	var dash struct {
		Dashcards []struct {
			CardID int                        `json:"card_id"`
			Card   map[string]json.RawMessage `json:"card"`
		} `json:"dashcards"`
	}
	w.CardByName("Orders today").CollectionID = w.CardByName("Payroll export").CollectionID
	_, text = as("/api/dashboard/" + itoa(board.ID))
	if err := json.Unmarshal(text, &dash); err != nil {
		t.Fatal(err)
	}
	stubs := 0
	for _, dc := range dash.Dashcards {
		if dc.CardID != 0 && len(dc.Card) == 1 {
			stubs++
		}
	}
	if stubs != 1 {
		t.Errorf("%d stubs, want 1", stubs)
	}
}

func TestPersonalCollectionsCanBeLeftOut(t *testing.T) {
	base := NewServer(Config{World: SampleCompany(testNow), Admin: true}).Start(t)
	all := names(decode[[]named](t, base, "/api/collection"))
	without := names(decode[[]named](t, base, "/api/collection?exclude-other-user-collections=true"))
	if !slices.Contains(all, "Jonas Weber's Personal Collection") || !slices.Contains(all, "drafts") {
		t.Errorf("an administrator sees personal collections: %v", all)
	}
	if slices.Contains(without, "Jonas Weber's Personal Collection") || slices.Contains(without, "drafts") {
		t.Errorf("excluded collections are still there: %v", without)
	}
	if all[0] != "Our analytics" {
		t.Errorf("the root comes first, got %q", all[0])
	}
}

func TestItems(t *testing.T) {
	w := SampleCompany(testNow)
	board := itoa(w.DashboardByName("Company overview").CollectionID)
	old := NewServer(Config{Version: "0.49", World: w, Admin: true}).Start(t)
	mid := NewServer(Config{Version: "0.58", World: w, Admin: true}).Start(t)
	fresh := NewServer(Config{Version: "0.64", World: w, Admin: true}).Start(t)
	if status, text := read(t, old, "/api/collection/root/items?models=metric"); status != 400 || !bytes.Contains(text, []byte("models")) {
		t.Errorf("an unknown model is a 400, got %d %s", status, text)
	}
	if status, _ := read(t, mid, "/api/collection/root/items?models=metric&models=document"); status != 200 {
		t.Errorf("0.58 knows metric and document, got %d", status)
	}
	const inside = "Revenue last seven days"
	has := func(base, query string) bool {
		return slices.Contains(names(decode[pageOf[named]](t, base, "/api/collection/"+board+"/items"+query).Data), inside)
	}
	for _, tt := range []struct {
		base, query string
		want        bool
	}{
		{old, "", true}, // no dashboard questions yet: a card like any other
		{mid, "", false},
		{mid, "?show_dashboard_questions=true", true},
		{mid, "?show-dashboard-questions=true", false},
		{fresh, "?show_dashboard_questions=true", false},
		{fresh, "?show-dashboard-questions=true", true},
	} {
		if got := has(tt.base, tt.query); got != tt.want {
			t.Errorf("%s: dashboard question listed %v, want %v", tt.query, got, tt.want)
		}
	}
	first := decode[pageOf[named]](t, mid, "/api/collection/root/items?limit=2&offset=0")
	if len(first.Data) != 2 || *first.Total < 5 {
		t.Errorf("page has %d rows of %v", len(first.Data), *first.Total)
	}
	if beyond := decode[pageOf[named]](t, mid, "/api/collection/root/items?limit=2&offset=500"); beyond.Total != nil || len(beyond.Data) != 0 {
		t.Errorf("total on an empty page is null before 0.64: %+v", beyond)
	}
	if beyond := decode[pageOf[named]](t, fresh, "/api/collection/root/items?limit=2&offset=500"); beyond.Total == nil {
		t.Error("total on an empty page is a number from 0.64")
	}
	if half := decode[pageOf[named]](t, mid, "/api/collection/root/items?offset=0"); len(half.Data) > 50 {
		t.Error("offset alone makes limit 50")
	}
	rows := names(decode[pageOf[named]](t, mid, "/api/collection/"+itoa(w.CardByName("Base: paid orders").CollectionID)+"/items?archived=true").Data)
	if !slices.Equal(rows, []string{"Base: paid orders"}) {
		t.Errorf("archived lists instead of live: %v", rows)
	}
	trash := names(decode[pageOf[named]](t, mid, "/api/collection/"+itoa(TrashCollection)+"/items").Data)
	if !slices.Contains(trash, "Base: paid orders") || slices.Contains(trash, "Revenue by month") {
		t.Errorf("trash holds %v", trash)
	}
}

func TestArchivedCardsLeaveTheirTiles(t *testing.T) {
	w := tiny()
	w.AddCard(&Card{Name: "Second", CreatorID: 1, Query: Native(1, "select 1")})
	s := NewServer(Config{World: w, Admin: true, Now: fixedNow})
	base := s.Start(t)
	s.EditDashboard(1, 0, func(d *Dashboard) { d.Cards = append(d.Cards, &Dashcard{CardID: 2}) })
	tiles := func() int {
		type dash struct {
			Dashcards []struct {
				ID int `json:"id"`
			} `json:"dashcards"`
		}
		return len(decode[dash](t, base, "/api/dashboard/1").Dashcards)
	}
	if tiles() != 2 {
		t.Fatal("two tiles expected")
	}
	s.ArchiveCard(2)
	if tiles() != 1 {
		t.Error("the tile of an archived card is hidden")
	}
	if list := names(decode[[]named](t, base, "/api/card?f=archived")); !slices.Equal(list, []string{"Second"}) {
		t.Errorf("archived: %v", list)
	}
	if got := decode[named](t, base, "/api/card/2?ignore_view=true"); !got.Archived {
		t.Error("an archived card is still found by id")
	}
	s.RestoreCard(2)
	if tiles() != 2 {
		t.Error("a restored card's tile comes back")
	}
}

func TestHiddenTables(t *testing.T) {
	w := tiny()
	w.AddTable(&Table{DatabaseID: 1, Schema: "public", Name: "hidden_one", Visibility: "hidden"})
	w.AddTable(&Table{DatabaseID: 1, Schema: "public", Name: "dropped_one", Inactive: true})
	base := NewServer(Config{World: w, Admin: true}).Start(t)
	type meta struct {
		Tables []named `json:"tables"`
	}
	for path, want := range map[string][]string{
		"/api/database/1/metadata":                     {"orders"},
		"/api/database/1/metadata?include_hidden=true": {"orders", "hidden_one"},
	} {
		if got := names(decode[meta](t, base, path).Tables); !slices.Equal(got, want) {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got := names(decode[[]named](t, base, "/api/table")); !slices.Equal(got, []string{"orders", "hidden_one"}) {
		t.Errorf("table list: %v", got)
	}
}

func TestViolationsAreReported(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, want string
	}{
		{"rows", "GET", "/api/table/1/data", "rows"},
		{"values", "GET", "/api/field/1/values", "values"},
		{"login", "POST", "/api/session", "POST"},
		{"query", "POST", "/api/dataset", "POST"},
		{"write", "PUT", "/api/card/1", "PUT"},
		{"delete", "DELETE", "/api/dashboard/1", "DELETE"},
		{"made up", "GET", "/api/nothing", "no such route"},
		{"web page", "GET", "/admin/settings", "not an API path"},
		{"view counted", "GET", "/api/card/1", "ignore_view"},
		{"prose", "GET", "/api/document/1", "view"},
		{"search for rows", "GET", "/api/search?q=x", "without models"},
		{"misspelt", "GET", "/api/card?filter=all", "exists in no version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewServer(Config{Version: "0.58", World: tiny(), Admin: true})
			base := s.Start(t)
			req, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Api-Key", DefaultKey)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			spy := &spyTB{}
			s.CheckOnlyAllowed(spy)
			if len(spy.errs) != 1 || !strings.Contains(spy.errs[0], tt.want) {
				t.Errorf("reported %v, want %q", spy.errs, tt.want)
			}
		})
	}
}

func TestHarmlessRequestsAreAllowed(t *testing.T) {
	s := NewServer(Config{Version: "0.49", World: tiny(), Admin: true})
	base := s.Start(t)
	for _, path := range []string{
		"/api/session/properties", "/api/card?f=all", "/api/card/", "/api/card/1?ignore_view=true", "/api/dashboard/1",
		"/api/notification", "/api/measure", "/api/transform", // probes of what newer versions have
		"/api/collection/root/items?show_dashboard_questions=true&show-dashboard-questions=true",
	} {
		read(t, base, path)
	}
	s.CheckOnlyAllowed(t)
	s.CheckNoDetailTwice(t)
	spy := &spyTB{}
	s.CheckKnownParameters(spy)
	if len(spy.errs) != 1 || !strings.Contains(spy.errs[0], "show-dashboard-questions") {
		t.Errorf("ignored parameters: %v", spy.errs)
	}
	read(t, base, "/api/dashboard/1")
	s.CheckNoDetailTwice(spy)
	if len(spy.errs) != 2 || !strings.Contains(spy.errs[1], "read 2 times") {
		t.Errorf("twice: %v", spy.errs)
	}
	if got := s.RouteCounts()["GET /api/dashboard/:id"]; got != 2 {
		t.Errorf("dashboard reads counted %d times", got)
	}
}

func TestFaults(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, "elsewhere")
	}))
	defer other.Close()
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	for _, kind := range FaultKinds() {
		t.Run(string(kind), func(t *testing.T) {
			s := NewServer(Config{Version: "0.58", World: tiny(), Admin: true, NoCompression: true, Faults: []Fault{{
				Route: "/api/card", Kind: kind, First: 2, Times: 1, RetryAfter: "7", Location: other.URL, Size: 1 << 20,
				Delay: time.Millisecond, Status: 418, Body: "teapot",
			}}})
			base := s.Start(t)
			_, good := read(t, base, "/api/card")
			ctx := t.Context()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/card", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Api-Key", DefaultKey)
			if kind == FaultHang || kind == FaultHangBody {
				client := &http.Client{Timeout: 200 * time.Millisecond}
				resp, err := client.Do(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				if !os.IsTimeout(err) {
					t.Fatalf("want a timeout, got %v", err)
				}
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			checkFault(t, kind, resp, text, good, err)
			if _, after := read(t, base, "/api/card"); !json.Valid(after) {
				t.Error("only the second request was to be hit")
			}
			if got := s.Requests()[1].Fault; got != kind {
				t.Errorf("recorded fault %q", got)
			}
		})
	}
}

func checkFault(t *testing.T, kind FaultKind, resp *http.Response, text, good []byte, err error) {
	t.Helper()
	status := map[FaultKind]int{
		FaultUnauthorized: 401, FaultForbidden: 403, FaultNotFound: 404, FaultRateLimited: 429, FaultServerError: 500,
		FaultBadGateway: 502, FaultUnavailable: 503, FaultGatewayTimeout: 504, FaultStarting: 503, FaultRedirectHost: 302,
		FaultRedirectLogin: 302, FaultRedirectSame: 302, FaultStatus: 418,
	}[kind]
	if status == 0 {
		status = 200
	}
	if resp.StatusCode != status {
		t.Errorf("status %d, want %d", resp.StatusCode, status)
	}
	if kind != FaultReset && err != nil {
		t.Errorf("read: %v", err)
	}
	ok := true
	switch kind {
	case FaultRateLimited, FaultUnavailable:
		ok = resp.Header.Get("Retry-After") == "7"
	case FaultServerError:
		ok = bytes.Contains(text, []byte(canaryText)) && bytes.Contains(text, []byte("SELECT"))
	case FaultHTML:
		ok = bytes.HasPrefix(text, []byte("<!DOCTYPE html>"))
	case FaultEmpty:
		ok = len(text) == 0
	case FaultTruncated:
		ok = len(text) > 0 && !json.Valid(text) && len(text) < len(good)
	case FaultInvalidJSON:
		ok = !json.Valid(text)
	case FaultWrongType:
		ok = json.Valid(text) && text[0] == '{'
	case FaultSlowDrip, FaultDelay:
		ok = json.Valid(text) && text[0] == '['
	case FaultHuge:
		ok = len(text) >= 1<<20 && json.Valid(text)
	case FaultRedirectHost:
		ok = strings.HasPrefix(resp.Header.Get("Location"), "http://127.0.0.1:") && strings.HasSuffix(resp.Header.Get("Location"), "/api/card")
	case FaultRedirectLogin:
		ok = strings.HasPrefix(resp.Header.Get("Location"), "/auth/login")
	case FaultRedirectSame:
		ok = resp.Header.Get("Location") == "/api/card/"
	case FaultReset:
		ok = err != nil && !errors.Is(err, io.EOF)
	case FaultGzipBomb:
		ok = resp.Header.Get("Content-Encoding") == "gzip" && len(text) < 16<<10
	case FaultContentType:
		ok = strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && json.Valid(text)
	}
	if !ok {
		t.Errorf("answer does not show the fault: %d bytes, %v, %.120s", len(text), resp.Header, text)
	}
}

func TestMutations(t *testing.T) {
	now := testNow
	s := NewServer(Config{World: tiny(), Admin: true, Now: func() time.Time { return now }})
	base := s.Start(t)
	now = testNow.Add(24 * time.Hour)
	s.RenameCard(1, "Orders per month")
	got := decode[named](t, base, "/api/card/1?ignore_view=true")
	if got.Name != "Orders per month" || !got.UpdatedAt.Equal(now) || got.LastEdit == nil || !got.LastEdit.Timestamp.Equal(now) || got.LastEdit.ID != 1 {
		t.Errorf("after renaming: %+v %+v", got, got.LastEdit)
	}
	now = now.Add(time.Hour)
	s.RefreshCard(1)
	if got = decode[named](t, base, "/api/card/1?ignore_view=true"); !got.UpdatedAt.Equal(now) || got.LastEdit.Timestamp.Equal(now) {
		t.Errorf("a refresh moves updated_at only: %+v", got)
	}
	s.View(1)
	if d := decode[[]named](t, base, "/api/dashboard")[0]; d.ViewCount != 1 {
		t.Errorf("a person's view counts: %+v", d)
	}
	fresh := s.RenameColumn(2, "state")
	type meta struct {
		Tables []struct {
			Fields []struct {
				Name   string `json:"name"`
				Active bool   `json:"active"`
			} `json:"fields"`
		} `json:"tables"`
	}
	m := decode[meta](t, base, "/api/database/1/metadata?remove_inactive=true")
	var columns []string
	for _, f := range m.Tables[0].Fields {
		columns = append(columns, f.Name)
	}
	if !slices.Equal(columns, []string{"id", "created_at", "state"}) || fresh.ID != 4 {
		t.Errorf("columns after renaming: %v", columns)
	}
	s.RenameTable(1, "sales")
	if got := names(decode[[]named](t, base, "/api/table")); !slices.Equal(got, []string{"sales"}) {
		t.Errorf("tables after renaming: %v", got)
	}
	s.ArchiveDashboard(1)
	if list := decode[[]named](t, base, "/api/dashboard"); len(list) != 0 {
		t.Errorf("archived dashboards leave the list: %v", list)
	}
	s.DeleteCard(1)
	if status, _ := read(t, base, "/api/card/1?ignore_view=true"); status != 404 {
		t.Errorf("deleted card: %d", status)
	}
}

// TestCanariesArePlanted: what a reader has to drop is there to be dropped, in
// every version, and names and ids that it keeps hold none of it.
func TestCanariesArePlanted(t *testing.T) {
	for _, version := range []string{"0.46", "0.50", "0.54", "0.58", "0.62", "0.64"} {
		w := SampleCompany(testNow)
		base := NewServer(Config{Version: version, World: w, Session: "s", Admin: true, PersonID: 1}).Start(t)
		board := itoa(w.DashboardByName("Marketing weekly").ID)
		for _, path := range []string{
			"/api/card", "/api/dashboard/" + board, "/api/database/1/metadata", "/api/table", "/api/database", "/api/pulse",
			"/api/alert", "/api/user", "/api/session/properties", "/api/segment", "/api/action", "/api/search?models=card",
		} {
			_, text := readWith(t, base, path, map[string]string{"X-Metabase-Session": "s"})
			planted := 0
			for _, c := range w.Canaries() {
				if bytes.Contains(text, []byte(c)) {
					planted++
				}
			}
			if planted == 0 {
				t.Errorf("%s %s: nothing planted", version, path)
			}
		}
	}
	w := SampleCompany(testNow)
	for _, c := range w.Cards {
		for _, canary := range w.Canaries() {
			if strings.Contains(c.Name+c.Description, canary) {
				t.Errorf("card %q holds %q in what is kept", c.Name, canary)
			}
			for _, s := range c.Query.nativeTags() {
				if strings.Contains(s.Name, canary) {
					t.Errorf("tag %q holds a canary", s.Name)
				}
			}
			if c.Query.IsNative() && strings.Contains(c.Query.Stages[0].SQL, canary) {
				t.Errorf("SQL of %q holds %q", c.Name, canary)
			}
		}
	}
}

func TestServeRecorded(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("api/card/27.json", `{"id":27}`)
	write("api/collection/root/items.json", `[]`)
	write("secret.json", `{}`)
	s := ServeRecorded(dir, RecordedConfig{Key: "k"})
	base := s.Start(t)
	key := map[string]string{"X-Api-Key": "k"}
	for path, want := range map[string]int{
		"/api/card/27": 200, "/api/card/27?ignore_view=true": 200, "/api/collection/root/items?limit=10": 200, "/api/card": 404,
		"/api/card/27/": 200, "/api/../secret": 404, "/secret": 404, "/": 404,
	} {
		if got, text := readWith(t, base, path, key); got != want {
			t.Errorf("%s: status %d, want %d (%s)", path, got, want, text)
		}
	}
	if got, _ := readWith(t, base, "/api/card/27", nil); got != 401 {
		t.Errorf("without the key: %d", got)
	}
	if got := s.RouteCounts()["GET /api/card/:id"]; got != 4 {
		t.Errorf("card reads: %v", s.RouteCounts())
	}
}

func TestSubPathCompressionAndConcurrency(t *testing.T) {
	s := NewServer(Config{World: SampleCompany(testNow), Admin: true, BasePath: "/bi"})
	base := s.Start(t)
	if !strings.HasSuffix(base, "/bi") {
		t.Fatalf("address %q", base)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			read(t, base, "/api/card")
			read(t, base, "/api/dashboard/1")
			s.EditCard(1+i, 0, func(c *Card) { c.Description = "edited" })
		})
	}
	wg.Wait()
	if got := s.Requests(); len(got) != 16 || got[0].Path == "/bi/api/card" || got[0].Bytes == 0 {
		t.Errorf("%d requests, first %+v", len(got), got[0])
	}
	if s.Busy() <= 0 || s.BytesSent() == 0 {
		t.Error("busy time and bytes are measured")
	}
	if resp, err := http.Get(strings.TrimSuffix(base, "/bi") + "/api/card"); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("outside of the sub-path: %v %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
}

func TestOldAndStrictServers(t *testing.T) {
	s := NewServer(Config{
		Version: "unknown", Major: 48, World: tiny(), Session: "s", Admin: true,
		MissingRoutes: []string{"/api/card", "/api/session/properties"},
	})
	base := s.Start(t)
	session := map[string]string{"X-Metabase-Session": "s"}
	for path, want := range map[string]int{
		"/api/card": 404, "/api/session/properties": 404, "/api/card/1?ignore_view=true": 200, "/api/notification": 404,
	} {
		if got, _ := readWith(t, base, path, session); got != want {
			t.Errorf("%s: status %d, want %d", path, got, want)
		}
	}
	if _, text := readWith(t, base, "/api/card/1?ignore_view=true", session); !bytes.Contains(text, []byte(`"dataset":false`)) {
		t.Error("an unknown build behaves like the given major")
	}
	s.CheckOnlyAllowed(t)
	strict := NewServer(Config{Version: "0.64", World: tiny(), Admin: true, StrictParameters: true}).Start(t)
	for path, want := range map[string]int{
		"/api/collection/root/items?show-dashboard-questions=true": 200,
		"/api/collection/root/items?show_dashboard_questions=true": 400,
	} {
		if got, text := read(t, strict, path); got != want {
			t.Errorf("%s: status %d, want %d: %s", path, got, want, text)
		}
	}
}

func TestPaidRoutes(t *testing.T) {
	for _, tt := range []struct {
		enterprise bool
		features   []string
		want       int
	}{
		{want: 404}, {enterprise: true, want: 402}, {enterprise: true, features: []string{"collection_cleanup"}, want: 200},
	} {
		base := NewServer(Config{World: tiny(), Admin: true, Enterprise: tt.enterprise, Features: tt.features}).Start(t)
		if got, text := read(t, base, "/api/ee/stale/root?is_recursive=true"); got != tt.want {
			t.Errorf("%+v: status %d: %s", tt, got, text)
		}
	}
}

// TestSlowClientsBlockNobody: a client that stops reading in the middle of a
// long list must not keep the world locked.
func TestSlowClientsBlockNobody(t *testing.T) {
	s := NewServer(Config{World: Generate(GenerateConfig{Seed: 2, Questions: 1500, Now: testNow}), Admin: true, NoCompression: true})
	base := s.Start(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/card", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", DefaultKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.RenameCard(1, "renamed meanwhile")
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a change waits for a client that does not read")
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil || !json.Valid(text) {
		t.Errorf("the list is broken: %v", err)
	}
}
