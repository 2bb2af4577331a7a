package sqllens

import "strings"

// functionColumns are the columns of table functions that every database of a
// dialect has. They go by lower-case names; the name "" is that of the call's
// alias, or of the function where there is none.
func (d Dialect) functionColumns(name string) []string {
	switch d {
	case Postgres, Redshift:
		switch name {
		case "generate_series", "generate_subscripts", "json_object_keys", "jsonb_object_keys", "regexp_split_to_table",
			"regexp_matches", "string_to_table", "jsonb_path_query":
			return []string{""}
		case "json_array_elements", "jsonb_array_elements", "json_array_elements_text", "jsonb_array_elements_text":
			return []string{"value"}
		case "json_each", "jsonb_each", "json_each_text", "jsonb_each_text", "each":
			return []string{"key", "value"}
		}
	case SQLite:
		switch name {
		case "json_each", "json_tree", "jsonb_each", "jsonb_tree":
			return []string{"key", "value", "type", "atom", "id", "parent", "fullkey", "path"}
		case "generate_series":
			return []string{"value"}
		}
	case DuckDB:
		switch name {
		case "generate_series", "range":
			return []string{name}
		case "json_each", "json_tree":
			return []string{"key", "value", "type", "atom", "id", "parent", "fullkey", "path"}
		case "glob":
			return []string{"file"}
		}
	case Snowflake:
		switch name {
		case "flatten":
			return []string{"SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS"}
		case "split_to_table", "strtok_split_to_table":
			return []string{"SEQ", "INDEX", "VALUE"}
		}
	case TSQL:
		switch name {
		case "string_split", "generate_series":
			return []string{"value"}
		case "openjson":
			return []string{"key", "value", "type"}
		}
	case ClickHouse:
		switch name {
		case "numbers", "numbers_mt":
			return []string{"number"}
		case "zeros", "zeros_mt":
			return []string{"zero"}
		case "generateseries", "generate_series":
			return []string{"generate_series"}
		}
	case Trino, Athena:
		if name == "sequence" {
			return []string{"sequential_number"}
		}
	case Spark, Databricks:
		switch name {
		case "range":
			return []string{"id"}
		case "posexplode_outer", "posexplode", "explode", "explode_outer", "inline", "inline_outer":
			return nil // of arrays other ones than of maps
		}
	}
	return nil
}

// structured are the functions of ClickHouse that a text may tell the columns
// of: file('f', 'CSV', 'a String, b UInt8').
var structured = wordSet(`file url s3 s3cluster gcs hdfs hdfscluster urlcluster filecluster azureblobstorage azureblobstoragecluster oss cosn
	input generaterandom format executable redis mongodb fuzzjson values`)

// declaredColumns are those that a call in ClickHouse declares.
func (r *resolver) declaredColumns(f *Expr, name string) []Ident {
	if r.d != ClickHouse || !structured[name] {
		return nil
	}
	for _, a := range f.Args {
		if a.Kind != ExprLiteral || a.Op != "string" || len(a.Text) > maxTypeText {
			continue
		}
		text := strings.Trim(a.Text, "'")
		names := declared(text)
		if len(names) != strings.Count(topLevel(text), ",")+1 {
			continue
		}
		plain := true
		for _, id := range names {
			plain = plain && nameLike(id.Text) && !strings.ContainsAny(id.Text, "/:.,;=")
		}
		if plain {
			return names
		}
	}
	return nil
}

// topLevel is a text without what stands in parentheses.
func topLevel(text string) string {
	var b strings.Builder
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		default:
			if depth == 0 {
				b.WriteByte(text[i])
			}
		}
	}
	return b.String()
}

// functionArgs resolves what stands in the parentheses of a call in FROM. tables
// are the relations handed over as queries, or by TABLE(t).
func (r *resolver) functionArgs(t *Table, f *Expr, sc *scope) (sources sourceSet, tables []*relation) {
	if len(f.Name) >= 2 && r.methodTarget(f) { // t.document.nodes('…')
		sources = sources.add(r.expr(&Expr{Kind: ExprColumn, Name: f.Name[:len(f.Name)-1], Span: f.Span}, sc, UseValue)...)
	}
	for i, a := range f.Args {
		if a.Kind == ExprOp && a.Op == "=" && len(a.Args) == 2 && a.Args[0].Kind == ExprColumn && a.Args[1].Kind == ExprLiteral {
			continue // an option: read_csv('f', header = true)
		}
		if a.Kind == ExprNamed && len(a.Args) == 1 {
			a = a.Args[0]
		}
		var rel *relation
		switch {
		case a.Kind == ExprQuery:
			rel = r.query(a.Query, sc, sc.ctes)
			r.result(a.Query, rel)
		case a.calls("descriptor") && (r.d == Trino || r.d == Athena || r.d == Generic):
			continue // names of columns, of this function or of its own
		case a.calls("table") && len(a.Args) == 1 && a.Args[0].Kind == ExprColumn:
			rel = r.namedTable(&Table{Kind: TableName, Name: a.Args[0].Name, Span: a.Args[0].Span}, sc)
		case a.calls("table") && len(a.Args) == 1 && a.Args[0].Kind == ExprQuery:
			rel = r.query(a.Args[0].Query, sc, sc.ctes)
		case r.d == ClickHouse && !t.Lateral && a.Kind == ExprColumn:
			if i == 1 && (f.calls("cluster") || f.calls("clusterAllReplicas")) {
				rel = r.namedTable(&Table{Kind: TableName, Name: a.Name, Span: a.Span}, sc)
				break
			}
			if c := sc.ctes.find(r.cteRule(), a.Name[0]); c != nil && c.scalar != nil {
				sources = sources.add(r.expr(a, sc, UseValue)...)
			}
			continue // a format, a table elsewhere or a named collection
		default:
			sources = sources.add(r.expr(a, sc, UseValue)...)
			continue
		}
		tables = append(tables, rel)
		sources = sources.add(rel.sources()...)
	}
	return sources, tables
}

// model resolves Oracle's MODEL clause. What a rule sets has the values of what
// it reads.
func (r *resolver) model(m *Model, sc *scope) *relation {
	rel := &relation{}
	for _, item := range m.Columns {
		rel.columns = append(rel.columns, outputColumn{name: r.itemName(item, len(rel.columns)), sources: r.expr(item.Expr, sc, UseValue)})
	}
	for range min(len(m.Rules), 8) { // rules may read what others set
		for _, rule := range m.Rules {
			if r.steps += len(rule); len(rule) < 2 || r.steps > maxSteps {
				continue
			}
			set, n := rel.find(r.t.names, rule[0])
			if n == 0 {
				continue
			}
			for _, id := range rule[1:] {
				if c, n := rel.find(r.t.names, id); n > 0 && c != set {
					set.sources = append(sourceSet(nil), set.sources...).add(c.sources...)
				}
			}
		}
	}
	return rel
}

// calls says whether an expression calls a function by its bare name.
func (e *Expr) calls(name string) bool {
	return e.Kind == ExprFunc && len(e.Name) == 1 && strings.EqualFold(e.Name[0].Text, name)
}

// handsOn answers with the columns of a function that yields those of its
// argument.
func (r *resolver) handsOn(f *Expr, name string, tables []*relation) []outputColumn {
	if len(tables) != 1 {
		return nil
	}
	columns := visible(tables[0])
	switch name {
	case "table":
		return columns
	case "view", "cluster", "clusterallreplicas":
		if r.d == ClickHouse {
			return columns
		}
	case "exclude_columns":
		if r.d != Trino {
			return nil
		}
		var except []Ident
		for _, a := range f.Args {
			if a.Kind == ExprNamed && len(a.Args) == 1 {
				a = a.Args[0]
			}
			if !a.calls("descriptor") {
				continue
			}
			for _, c := range a.Args {
				if c.Kind == ExprColumn {
					except = append(except, c.Name[len(c.Name)-1])
				}
			}
		}
		kept := columns[:0]
		for _, c := range columns {
			if !r.excepted(&Star{Except: except}, c) {
				kept = append(kept, c)
			}
		}
		return kept
	}
	return nil
}
