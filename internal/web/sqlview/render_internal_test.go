package sqlview

import (
	"bytes"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/finding"
)

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>`

func render(t *testing.T, text Text) *goquery.Document {
	t.Helper()
	var b bytes.Buffer
	if err := Code(text).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// shownText is what a reader copies.
func shownText(doc *goquery.Document) string {
	doc.Find("[data-extra]").Remove()
	var out []string
	doc.Find(".line").Each(func(_ int, s *goquery.Selection) { out = append(out, s.Text()) })
	return strings.Join(out, "\n")
}

func TestRenderedTextIsTheSQL(t *testing.T) {
	sql := "SELECT o.total, '" + hostile + "' AS \"" + hostile + "\"\n\tFROM orders o -- " + hostile + "\nWHERE {{a}} [[ AND x = {{b}} ]]"
	at := strings.Index(sql, "o.total")
	doc := render(t, Text{
		SQL:   sql,
		Links: []Link{{Span: finding.Span{Start: at, End: at + 7}, Kind: ColumnLink, Href: "/x?" + hostile, Title: hostile, Note: hostile}, {Span: finding.Span{Start: at + 9, End: at + 20}, Kind: GapLink, Title: hostile, Note: hostile}},
		Marks: []Mark{{Span: finding.Span{Start: at + 2, End: at + 30}, Number: 1, Title: hostile, Href: "/f"}},
	})
	if n := doc.Find("script, img").Length(); n != 0 {
		t.Errorf("%d elements of a foreign text", n)
	}
	if n := doc.Find("a.sql-link[href^='/x']").Length(); n != 2 {
		t.Errorf("%d parts of the link, want one before the mark and one in it", n)
	}
	if n := doc.Find("a.sql-note[href='/f']").Length(); n != 1 {
		t.Errorf("%d notes", n)
	}
	if diff := cmp.Diff(sql, shownText(doc)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}
