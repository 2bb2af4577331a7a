package sqllens

import (
	"strings"
	"testing"
)

// FuzzTemplate reads texts with template tags and optional blocks in every
// dialect: tokens follow each other and are pieces of the text, tags and blocks
// lie inside it, leaving the blocks out leaves only what stands outside of them.
func FuzzTemplate(f *testing.F) {
	for i, sql := range []string{
		"SELECT a FROM t WHERE true [[AND b = {{ b }}]] [[AND {{c}} -- {{d}}\n]]",
		"SELECT '{{x}}' || \"{{y}}\" FROM {{#12-orders}} -- [[and {{z}}]]",
		"SELECT {{snippet: columns}} FROM t /* [[ {{a}} */ WHERE [[ {{ b }} [[ nested ]] ]] ]]",
		"[[ {{ unclosed \n ]] {{}} {{ snippet: }} {{#}} [[]] }} ]] {{{{a}}}}",
		"SELECT $$ {{a}} $$, E'\\'{{b}}', `{{c}}`, [{{d}}], q'[ {{e}} ]' FROM t # {{f}}",
	} {
		f.Add(sql, uint8(i*3))
	}
	dialects := Dialects()
	f.Fuzz(func(t *testing.T, sql string, pick uint8) {
		if len(sql) > 8192 {
			return
		}
		d := dialects[int(pick)%len(dialects)]
		with, without := Parse(sql, d, true), Parse(sql, d, false)
		for _, tree := range []*Tree{with, without} {
			at := 0
			for i := range tree.toks {
				tok := &tree.toks[i]
				if tok.start < at || tok.end < tok.start || tok.end > len(sql) {
					t.Fatalf("token %d [%d, %d) behind %d of %d bytes", i, tok.start, tok.end, at, len(sql))
				}
				if tok.kind != tokEOF && tok.kind != tokTag && tok.end == tok.start {
					t.Fatalf("token %d is empty", i)
				}
				at = tok.end
			}
			for _, tag := range tree.Tags {
				if s := tag.Span; s.Start < 0 || s.End > len(sql) || s.End-s.Start < 4 || sql[s.Start:s.Start+2] != "{{" || sql[s.End-2:s.End] != "}}" {
					t.Fatalf("tag %q spans [%d, %d)", tag.Name, s.Start, s.End)
				}
				if strings.TrimSpace(tag.Name) != tag.Name {
					t.Fatalf("tag %q has white space around it", tag.Name)
				}
			}
			for _, b := range tree.Blocks {
				if b.Start < 0 || b.End > len(sql) || b.End-b.Start < 4 || sql[b.Start:b.Start+2] != "[[" || sql[b.End-2:b.End] != "]]" {
					t.Fatalf("block [%d, %d)", b.Start, b.End)
				}
			}
		}
		for i := range without.toks {
			tok := &without.toks[i]
			for _, b := range without.Blocks {
				if tok.kind != tokEOF && tok.start >= b.Start && tok.end <= b.End {
					t.Fatalf("token %d [%d, %d) stands in the block [%d, %d) that was left out", i, tok.start, tok.end, b.Start, b.End)
				}
			}
		}
		if len(with.Blocks) == 0 && len(with.toks) != len(without.toks) {
			t.Fatalf("%d and %d tokens without a block", len(with.toks), len(without.toks))
		}
	})
}
