package sqlview

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/finding"
)

// classes writes the tokens of a text as class:text, plain ones left out.
func classes(sql string) []string {
	var out []string
	for _, t := range lex(sql) {
		if t.class != plain {
			out = append(out, string(t.class)+":"+sql[t.start:t.end])
		}
	}
	return out
}

func TestLex(t *testing.T) {
	for name, tc := range map[string]struct {
		sql  string
		want []string
	}{
		"words":        {"select a from t", []string{"kw:select", "kw:from"}},
		"any case":     {"SeLeCt", []string{"kw:SeLeCt"}},
		"after a dot":  {"t.order", nil},
		"function":     {"sum(x)", []string{"fn:sum"}},
		"numbers":      {"1 2.5 1e9 0x1f a1", []string{"no:1", "no:2.5", "no:1e9", "no:0x1f"}},
		"strings":      {"'it''s' \"a b\" `c`", []string{"str:'it''s'", `id:"a b"`, "id:`c`"}},
		"backslash":    {`'a\nb' 'c\'`, []string{`str:'a\nb'`, `str:'c\'`}},
		"open string":  {"'never ends", []string{"str:'never ends"}},
		"dollars":      {"$$a'b$$ $x$ $$ $x$ $1", []string{"str:$$a'b$$", "str:$x$ $$ $x$", "no:1"}},
		"comments":     {"-- one\n/* two\n*/ x /* open", []string{"com:-- one", "com:/* two\n*/", "com:/* open"}},
		"tags":         {"{{a b}} [[and {{c}}]] {{open", []string{"tag:{{a b}}", "opt:[[", "kw:and", "tag:{{c}}", "opt:]]", "tag:{{open"}},
		"a cast":       {"x::date", nil},
		"other script": {"größe = 'ß'", []string{"str:'ß'"}},
		"nothing":      {"", nil},
	} {
		if diff := cmp.Diff(tc.want, classes(tc.sql)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// FuzzLex proves that tokens cover any text without gap or overlap.
func FuzzLex(f *testing.F) {
	for _, s := range []string{"", "select 1", "'", "$$", "$a", "{{", "[[", "/*", "--", "\xff", "a.b.c", "é(", "1.", "`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at := 0
		for _, tok := range lex(s) {
			if tok.start != at || tok.end <= tok.start {
				t.Fatalf("token %+v at %d of %q", tok, at, s)
			}
			at = tok.end
		}
		if at != len(s) {
			t.Fatalf("tokens end at %d of %d", at, len(s))
		}
	})
}

func joined(l line) string {
	var b strings.Builder
	for _, p := range l.pieces {
		for _, r := range p.runs {
			b.WriteString(r.text)
		}
	}
	return b.String()
}

func TestLinesKeepTheTextAndMarkTheEvidence(t *testing.T) {
	sql := "SELECT *\r\nFROM lost\n\nWHERE a = 'x\ny'"
	at := strings.Index(sql, "lost")
	got, cut := lines(Text{SQL: sql, Marks: []Mark{{Span: finding.Span{Start: at, End: at + 4}}, {Span: finding.Span{Start: 900, End: 950}}}})
	if cut {
		t.Error("a short text is cut")
	}
	var all []string
	marked := ""
	for _, l := range got {
		all = append(all, joined(l))
		for _, p := range l.pieces {
			for _, r := range p.runs {
				if p.mark != nil {
					marked += r.text
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"SELECT *", "FROM lost", "", "WHERE a = 'x", "y'"}, all); diff != "" {
		t.Error(diff)
	}
	if marked != "lost" {
		t.Errorf("marked %q", marked)
	}
	if _, cut := lines(Text{SQL: strings.Repeat("x", maxShown+1)}); !cut {
		t.Error("a huge text is not cut")
	}
}

func TestHiddenCharactersBecomeVisible(t *testing.T) {
	got, _ := lines(Text{SQL: "a\u202eb\u200bc\td"})
	if s := joined(got[0]); s != "a⟨U+202E⟩b⟨U+200B⟩c\td" {
		t.Errorf("%q", s)
	}
}

// pieces writes a text with what is known of each place: [link:text], <mark:text>.
func pieces(t Text) string {
	var b strings.Builder
	list, _ := lines(t)
	for i, l := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, p := range l.pieces {
			text := ""
			for _, r := range p.runs {
				text += r.text
			}
			if p.link != nil {
				text = "[" + p.link.Href + ":" + text + "]"
			}
			if p.mark != nil {
				text = "<" + p.mark.Title + ":" + text + ">"
			}
			if p.ends {
				text += "!"
			}
			b.WriteString(text)
		}
	}
	return b.String()
}

func TestLinksAndMarks(t *testing.T) {
	sql := "SELECT o.total\nFROM a.orders o"
	at := func(text string) finding.Span {
		i := strings.Index(sql, text)
		return finding.Span{Start: i, End: i + len(text)}
	}
	link := func(text, href string) Link { return Link{Span: at(text), Href: href} }
	mark := func(text, title string) Mark { return Mark{Span: at(text), Title: title} }
	for name, tc := range map[string]struct {
		text Text
		want string
	}{
		"plain":                  {Text{SQL: sql}, sql},
		"a link of three tokens": {Text{SQL: sql, Links: []Link{link("o.total", "c")}}, "SELECT [c:o.total]\nFROM a.orders o"},
		"in any order":           {Text{SQL: sql, Links: []Link{link("a.orders", "t"), link("o.total", "c")}}, "SELECT [c:o.total]\nFROM [t:a.orders] o"},
		"a mark over lines":      {Text{SQL: sql, Marks: []Mark{mark("total\nFROM", "m")}}, "SELECT o.<m:total>\n<m:FROM>! a.orders o"},
		"a mark inside a link":   {Text{SQL: sql, Links: []Link{link("o.total", "c")}, Marks: []Mark{mark("total", "m")}}, "SELECT [c:o.]<m:[c:total]>!\nFROM a.orders o"},
		"overlapping marks":      {Text{SQL: sql, Marks: []Mark{mark("a.orders", "x"), mark("orders o", "y")}}, "SELECT o.total\nFROM <x:a.><y:orders o>!"},
		"beyond the end":         {Text{SQL: sql, Links: []Link{{Span: finding.Span{Start: 28, End: 99}, Href: "e"}, {Span: finding.Span{Start: 200, End: 300}}}}, "SELECT o.total\nFROM a.orders[e: o]"},
		"an empty span":          {Text{SQL: sql, Links: []Link{{Span: finding.Span{Start: 3, End: 3}}}}, sql},
	} {
		if diff := cmp.Diff(tc.want, pieces(tc.text)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// FuzzLinks proves that no link or mark changes what is read.
func FuzzLinks(f *testing.F) {
	f.Add("select a.b from c\n-- x", 0, 5, 7, 12)
	f.Fuzz(func(t *testing.T, sql string, a, b, c, d int) {
		text := Text{SQL: sql, Links: []Link{{Span: finding.Span{Start: a, End: b}}}, Marks: []Mark{{Span: finding.Span{Start: c, End: d}}, {Span: finding.Span{Start: a, End: d}}}}
		plain, _ := lines(Text{SQL: sql})
		got, _ := lines(text)
		if len(plain) != len(got) {
			t.Fatalf("%d lines, want %d", len(got), len(plain))
		}
		for i := range got {
			if strings.ToValidUTF8(joined(got[i]), "") != strings.ToValidUTF8(joined(plain[i]), "") && utf8.ValidString(sql) && onRune(sql, a, b, c, d) {
				t.Fatalf("line %d: %q, want %q", i, joined(got[i]), joined(plain[i]))
			}
		}
	})
}

// onRune reports whether offsets fall between characters, and none before a \r.
func onRune(s string, offsets ...int) bool {
	for _, o := range offsets {
		if o > 0 && o < len(s) && (!utf8.RuneStart(s[o]) || s[o-1] == '\r') {
			return false
		}
	}
	return true
}
