package sqlsuite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// Requalified reads the qualified form of everything that people wrote again:
// it must be read whole and have the same tables, columns and sources.
func Requalified(r *Report, corpus string) error {
	rows, err := RealQueries(corpus)
	if err != nil {
		return err
	}
	for i, in := range rows {
		requalify(r, nil, in, fmt.Sprintf("real#%d", i))
	}
	var mozilla mozillaCorpus
	if err := mozilla.read(corpus); err != nil {
		return err
	}
	for _, c := range mozilla.rows {
		requalify(r, mozilla.inspector, sqllens.InspectRequest{Dialect: "bigquery", SQL: c.SQL}, c.Name)
	}
	suites := []string{"teamster_dbt", "bytebase"}
	for _, suite := range suites {
		cases, err := readLines[bytebaseCase](corpus, "C_lineage_suites", suite+".jsonl")
		if err != nil {
			return err
		}
		for _, c := range cases {
			in := c.request()
			if len(c.Schema) == 0 {
				in.Schema = nil
			}
			requalify(r, nil, in, suite+"/"+c.Name)
		}
	}
	return nil
}

func requalify(r *Report, inspector *sqllens.Inspector, in sqllens.InspectRequest, id string) {
	if inspector == nil {
		inspector = sqllens.NewInspector("", nil, "", "")
	}
	a := inspector.Inspect(in)
	if a.QualifiedSQL == "" || !a.Resolved {
		return
	}
	second := in
	second.SQL = a.QualifiedSQL
	b := inspector.Inspect(second)
	want, got := facts(a), facts(b)
	f := Failure{Suite: "qualified again", Measure: "lineage", Dialect: in.Dialect, ID: id, SQL: a.QualifiedSQL, Note: note(b)}
	only := func(x, y []string) []string {
		return slices.DeleteFunc(unique(x), func(s string) bool { return slices.Contains(y, s) })
	}
	if b.Recovered {
		got = append(got, "recovered")
	}
	r.compare(f, only(want, got), only(got, want), false)
}

// facts are what the two readings must agree on. Outputs count by place: those
// without a name get one in the qualified form.
func facts(a sqllens.InspectAnswer) []string {
	var out []string
	for i, s := range a.Statements {
		for _, t := range s.Tables {
			out = append(out, fmt.Sprintf("%d table %s %s", i, t.Access, tableName(&t.TableRef)))
		}
		for _, c := range s.Columns {
			out = append(out, fmt.Sprintf("%d column %s", i, dotted(tableName(c.Table), c.Column)))
		}
		for j, o := range s.Outputs {
			var sources []string
			for _, src := range o.Sources {
				sources = append(sources, dotted(tableName(src.Table), src.Column))
			}
			slices.Sort(sources)
			out = append(out, fmt.Sprintf("%d output %d < %s", i, j, strings.Join(sources, ", ")))
		}
	}
	return out
}
