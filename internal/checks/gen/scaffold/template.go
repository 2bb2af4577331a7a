package scaffold

import "text/template"

// The new check compiles and reports nothing; its cases fail until both are
// filled in.
func codeTemplate() *template.Template {
	return template.Must(template.New("code").Parse(`package {{.Package}}

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// {{.ID}} is the check {{.Slug}}.
func {{.ID}}() check.Check {
	return check.Check{
		Meta: check.Meta{
			ID:          "{{.ID}}",
			Slug:        "{{.Slug}}",
			Title:       "",
			Family:      "` + "{{slice .ID 0 3}}" + `",
			Why:         "",
			Bad:         "",
			Good:        "",
			Remediation: "",
			Severity:    finding.Low,
			Confidence:  finding.Certain,
			Since:       "0.1",
			Judges:      []catalog.Kind{catalog.KindQuestion},
		},
		Run: func(p *check.Pass) error {
			for q := range p.Questions() {
				_ = q
			}
			return nil
		},
	}
}
`))
}

func casesTemplate() *template.Template {
	return template.Must(template.New("cases").Parse(`{{.ID}} {{.Slug}}: say what it is about.

-- firing: the plain case --
questions:
  - {id: 1}
-- want --
question:1 "what the message says"
-- silent: the same thing in order --
questions:
  - {id: 1}
-- want --
none
-- near-miss: looks like it and is not --
questions:
  - {id: 1}
-- want --
none
-- not-evaluated: what it needs was not read --
gaps:
  - {what: questions, kind: question, reason: "the server answered 403", whole: true}
-- want --
not-evaluated "403"
`))
}
