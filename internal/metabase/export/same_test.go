package export

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// content is what must be equal however a question was read.
type content struct {
	Query         catalog.Query
	Parameters    []catalog.Parameter
	Mappings      []catalog.ParameterMapping
	Visualization string
	Columns       []string
	ClickTargets  []catalog.Ref
	Type          catalog.Kind
	Display       string
	Public        bool
}

func contentOf(q *catalog.Question) content {
	c := content{
		Query: q.Query, Parameters: q.Parameters, Mappings: q.Mappings, Visualization: string(q.Visualization),
		ClickTargets: q.ClickTargets, Type: q.Type, Display: q.Display, Public: q.Public,
	}
	for _, r := range q.ResultColumns { // ids of columns differ: numbers there, paths here
		c.Columns = append(c.Columns, fmt.Sprint(r.Name, r.DisplayName, r.Description, r.BaseType, r.SemanticType))
	}
	return c
}

// TestSameAsOverHTTP serves exported questions as an API would and reads them
// both ways: what is kept must be the same, whatever the two readers' code.
func TestSameAsOverHTTP(t *testing.T) {
	files := map[string]string{}
	for name, text := range newer {
		if strings.Contains(text, "serdes/meta:\n- model: Card") {
			files[name] = text
		}
	}
	recorded := filepath.Join("..", "..", "..", "..", "shared", "corpus")
	if dir := os.Getenv("METALENS_CORPUS"); dir != "" {
		recorded = dir
	}
	more, err := filepath.Glob(filepath.Join(recorded, "B_content_exports", "*", "export", "collections", "*", "cards", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range more {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files["recorded/"+filepath.Base(path)] = string(text)
	}
	if len(more) == 0 {
		t.Log("no corpus here: only the cards of this test are compared")
	}
	cards := map[string]json.RawMessage{}
	for _, text := range files {
		v, err := parseYAML([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		v.set("id", value{kind: number, text: fmt.Sprint(len(cards) + 1)})
		cards[fmt.Sprintf("/api/card/%d", len(cards)+1)] = v.json()
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := cards[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
	defer server.Close()
	client, err := metabase.Open(metabase.Config{
		URL:      server.URL,
		Auth:     metabase.Auth{Kind: metabase.AuthAPIKey, Secret: secret.New("mb_test")},
		Outbound: outbound.Config{Recorder: &ledger.Memory{}, Policy: outbound.Policy{AllowLoopback: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	index := catalog.NewIndex(mustRead(t, tree(t, files), Options{IncludePersonal: true}))
	for path := range cards {
		overHTTP, _, _, err := client.Question(context.Background(), strings.TrimPrefix(path, "/api/card/"))
		if err != nil {
			t.Fatal(err)
		}
		if overHTTP == nil {
			t.Fatalf("%s was not read", path)
		}
		fromFile := index.Question(overHTTP.EntityID)
		if fromFile == nil {
			t.Errorf("%s is not in the export", overHTTP.Name)
			continue
		}
		if diff := cmp.Diff(contentOf(overHTTP), contentOf(fromFile)); diff != "" {
			t.Errorf("%s (-HTTP +export):\n%s", overHTTP.Name, diff)
		}
	}
}
