package sqllint

import (
	"slices"

	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
)

// quotedTags finds variables inside quotes. Metabase sends their values apart
// from the text, as parameters, and a parameter inside quotes is plain text:
// the driver then counts more values than places (metabase#8144, #6409).
// Numbers are written into the text itself and left alone.
func (l *linter) quotedTags() {
	for _, t := range l.in.Tree.Tags {
		if !t.InString || t.Kind != sqllens.TagVariable || l.commented(t.Span) {
			continue
		}
		switch l.in.Tags[t.Name].Type {
		case "text", "date", "dimension":
			l.remark(QuotedTag, t.Span, finding.Likely, t.Name)
		}
	}
}

// commented reports whether a place stands in a comment.
func (l *linter) commented(s sqllens.Span) bool {
	for _, c := range l.in.Tree.Comments {
		if c.Start <= s.Start && s.End <= c.End {
			return true
		}
	}
	return false
}

// broken names the places where a text could not be read on. The detail is the
// code of the problem: "tag" when a template tag stands there, which may be
// replaced by anything.
func (l *linter) broken() {
	for _, p := range l.in.Tree.Problems {
		span, code := sqllens.Span{}, p.Code
		if p.Span != nil {
			span = *p.Span
		}
		for _, t := range l.in.Tree.Tags {
			if code == "syntax" && t.Span.Start <= span.End+2 && span.Start-2 <= t.Span.End {
				code = "tag"
			}
		}
		if !slices.ContainsFunc(l.out.Remarks, func(have Remark) bool { return have.Span == span }) {
			l.remark(BrokenText, span, finding.Possible, code)
		}
	}
}
