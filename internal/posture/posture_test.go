package posture_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/posture"
)

func sample() *posture.Report {
	r := &posture.Report{SchemaVersion: 1, At: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Version: "v1", Organization: "A|B <script>\n# x"}
	r.Add(posture.Section{
		ID: "keys", Title: "Keys", Intro: "Where they are.",
		Facts: []posture.Fact{
			{Label: "Master key", Value: "key file", Detail: "single-user mode", State: posture.Notice, Source: posture.Configuration, Proof: "metalens keys status"},
			{Label: "Rows", Value: "sealed", State: posture.Fine, Source: posture.BuiltIn},
		},
		Table: &posture.Table{Caption: "Hosts", Columns: []string{"Host", "Times"}, Rows: [][]string{{"a|b\x1b[31m\u202e", "3"}}},
	})
	return r
}

func TestMarkdownIsPlain(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, want := range []string{`# Security and data: A\|B &lt;script&gt; \# x`, "| Master key | key file. single-user mode | notice | configuration: metalens keys status |", `| a\|b\[31m | 3 |`} {
		if !strings.Contains(out, want) {
			t.Errorf("missing %q in\n%s", want, out)
		}
	}
	if strings.ContainsAny(out, "\x1b\u202e") || strings.Contains(out, "<script>") {
		t.Error("a control character or markup came through")
	}
}

func TestJSONRoundTrip(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got posture.Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Count(posture.Notice) != 1 || got.Count(posture.Fine) != 1 || got.Count(posture.Problem) != 0 || got.Sections[0].Table.Rows[0][1] != "3" {
		t.Errorf("got %+v", got)
	}
}
