package sqlsuite

import (
	"regexp"
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

type rewriteCase struct {
	lineageCase
	Raw struct {
		Rewritten *string `json:"rewritten"`
	} `json:"raw"`
}

// optimizerSchema is what the optimizer's cases are rewritten against.
func optimizerSchema() *sqllens.InspectSchema {
	table := func(name string, columns ...string) sqllens.InspectTable {
		t := sqllens.InspectTable{Name: name}
		for _, c := range columns {
			t.Columns = append(t.Columns, sqllens.InspectColumn{Name: c})
		}
		return t
	}
	structs := sqllens.InspectTable{Name: "structs", Columns: []sqllens.InspectColumn{
		{Name: "one", Type: "STRUCT<a_1 INT, b_1 VARCHAR>"},
		{Name: "nested_0", Type: "STRUCT<a_1 INT, nested_1 STRUCT<a_2 INT, nested_2 STRUCT<a_3 INT>>>"},
		{Name: "quoted", Type: "STRUCT<\"foo bar\" TEXT>"},
	}}
	return &sqllens.InspectSchema{Tables: []sqllens.InspectTable{
		structs,
		table("x", "a", "b"), table("y", "b", "c"), table("z", "b", "c"), table("w", "d", "e"), table("temporal", "d", "t"),
		table("unpivotable", "id", "jan", "feb", "north", "south"), table("pivotable", "id", "cat", "val", "kind", "amt"),
	}}
}

// Rewrites compares the qualified form with that of another engine's optimizer,
// word by word without case, quotes, AS and parentheses.
func Rewrites(r *Report, corpus string) error {
	rows, err := readLines[rewriteCase](corpus, "C_lineage_suites", "sqlglot_optimizer.jsonl")
	if err != nil {
		return err
	}
	for _, c := range rows {
		if c.Raw.Rewritten == nil || c.Suite != "sqlglot-qualify_columns" && c.Suite != "sqlglot-qualify_columns_ddl" {
			continue
		}
		a := sqllens.Inspect(sqllens.InspectRequest{Dialect: dialectOf(c.Dialect), SQL: c.SQL, Schema: optimizerSchema()})
		r.compare(Failure{Suite: "sqlglot qualify", Measure: "qualified", Dialect: c.Dialect, ID: c.Name, SQL: c.SQL, Note: note(a)},
			[]string{numbered(words(*c.Raw.Rewritten))}, []string{numbered(words(a.QualifiedSQL))}, true)
	}
	return nil
}

var word = regexp.MustCompile("(?s)/\\*.*?\\*/|\"[^\"]*\"|`[^`]*`|'(?:[^']|'')*'|\\w+|[^\\s\\w]")

// words lists the words of a text, without what the two engines spell apart.
func words(sql string) string {
	var out []string
	for _, w := range word.FindAllString(sql, -1) {
		w = strings.ToLower(strings.Trim(w, "`\"'"))
		switch w {
		case "as", "(", ")", "inner", "outer", ";", ",":
			continue
		}
		if strings.HasPrefix(w, "/*") {
			continue
		}
		out = append(out, w)
	}
	text := strings.Join(out, " ")
	for _, pair := range [][2]string{{"cross join ", ""}, {"! =", "< >"}, {"array [", "["}, {"all corresponding by", "all by name on"}, {"all corresponding", "all by name"}} {
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	return text
}

var generated = regexp.MustCompile(`\b_\d+\b`)

// numbered counts made-up names of derived tables in the order they appear.
func numbered(text string) string {
	names := map[string]string{}
	return generated.ReplaceAllStringFunc(text, func(name string) string {
		if names[name] == "" {
			names[name] = "_" + string(rune('a'+len(names)%26))
		}
		return names[name]
	})
}
