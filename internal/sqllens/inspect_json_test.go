package sqllens_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/sqllens"
)

// TestAppendJSONIsEncodingJSON compares the hand-written printer with the
// standard one.
func TestAppendJSONIsEncodingJSON(t *testing.T) {
	answers := []sqllens.InspectAnswer{
		{},
		{ID: json.RawMessage(` {"a" : [1, 2]} `)},
		sqllens.Inspect(sqllens.InspectRequest{Dialect: "klingon"}),
		sqllens.Inspect(sqllens.InspectRequest{ID: json.RawMessage(`"1"`), Dialect: "postgres", SQL: "SELECT \"é<b>\n\", 'x\"\\' AS \"a\"\"b\", nope, u.* FROM \"t\t\" u, {{#1-x}} WHERE {{a}} [[AND b = {{b}}]] AND {{snippet: s & t}} AND ("}),
		sqllens.Inspect(sqllens.InspectRequest{Dialect: "snowflake", SQL: "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.b; SELECT \u2028, \x80 FROM t"}),
	}
	for _, a := range answers {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(a); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(bytes.TrimSpace(want.Bytes())), string(a.AppendJSON(nil))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
