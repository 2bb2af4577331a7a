package sqlview

import (
	"strings"
	"testing"

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
	for _, r := range l.runs {
		b.WriteString(r.text)
	}
	return b.String()
}

func TestLinesKeepTheTextAndMarkTheEvidence(t *testing.T) {
	sql := "SELECT *\r\nFROM lost\n\nWHERE a = 'x\ny'"
	at := strings.Index(sql, "lost")
	got, cut := lines(sql, []finding.Span{{Start: at, End: at + 4}, {Start: 900, End: 950}})
	if cut {
		t.Error("a short text is cut")
	}
	var all []string
	marked := ""
	for _, l := range got {
		all = append(all, joined(l))
		for _, r := range l.runs {
			if r.marked {
				marked += r.text
			}
		}
	}
	if diff := cmp.Diff([]string{"SELECT *", "FROM lost", "", "WHERE a = 'x", "y'"}, all); diff != "" {
		t.Error(diff)
	}
	if marked != "lost" {
		t.Errorf("marked %q", marked)
	}
	if _, cut := lines(strings.Repeat("x", maxShown+1), nil); !cut {
		t.Error("a huge text is not cut")
	}
}

func TestHiddenCharactersBecomeVisible(t *testing.T) {
	got, _ := lines("a\u202eb\u200bc\td", nil)
	if s := joined(got[0]); s != "a⟨U+202E⟩b⟨U+200B⟩c\td" {
		t.Errorf("%q", s)
	}
}
