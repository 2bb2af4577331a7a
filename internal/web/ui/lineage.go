package ui

import (
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// LineagePath returns the path of an asset's lineage below a connection's base.
func LineagePath(base string, r catalog.Ref) string {
	return base + "/lineage/" + EscapeID(string(r.Kind)) + "/" + EscapeID(r.ID)
}

// ViaName says in words how one asset uses another, by the code of the way.
func ViaName(via string) string {
	switch via {
	case "query":
		return "reads it"
	case "join":
		return "joins it"
	case "filter":
		return "filters by it"
	case "source_card":
		return "built on it"
	case "card_reference":
		return "names it in SQL"
	case "dashcard":
		return "shows it as a card"
	case "series":
		return "shows it as a series"
	case "parameter_source":
		return "takes filter values from it"
	case "subscription":
		return "sends it"
	case "alert":
		return "watches it"
	case "transform":
		return "written by it"
	case "action":
		return "changes it"
	case "model", "metric", "segment", "snippet":
		return "uses the " + via
	}
	return strings.ReplaceAll(Clean(via), "_", " ")
}

// ReasonName says in words why something could not be resolved, by its code.
func ReasonName(reason string) string {
	switch reason {
	case "unknown_table":
		return "The table is not in the schema that was read"
	case "unknown_column", "unknown_field":
		return "The column is in none of the tables that the query reads"
	case "unknown_alias":
		return "The name before the dot is no table of the query"
	case "unknown_expression":
		return "The custom column does not exist"
	case "unknown_aggregation":
		return "The summary that is referred to does not exist"
	case "ambiguous_column":
		return "Several tables of the query have a column of this name"
	case "ambiguous_table":
		return "Several schemas have a table of this name"
	case "template_tag":
		return "What a template tag stands for is not known"
	case "missing_question":
		return "The question is not in the last scan"
	case "refused_question":
		return "The key may not see the question"
	case "missing_dashboard":
		return "The dashboard is not in the last scan"
	case "missing_snippet":
		return "The snippet does not exist"
	case "missing_segment":
		return "The segment does not exist"
	case "missing_measure":
		return "The measure does not exist"
	case "missing_metric":
		return "The metric does not exist"
	case "schema_unread":
		return "The schema of this database was not, or not wholly, read"
	case "target_missing":
		return "The table it writes is not in the schema"
	case "not_parsed":
		return "This part was not understood"
	case "not_sql":
		return "The query is not SQL"
	case "not_readable":
		return "The definition could not be read"
	case "no_query":
		return "There is no query that could be read"
	case "sql_not_analysed", "not_analysed":
		return "The SQL was not analysed"
	case "too_complex":
		return "It is too complex to be followed to its end"
	case "too_many_columns":
		return "There are too many columns to follow"
	}
	return Capital(strings.ReplaceAll(Clean(reason), "_", " "))
}

// HasLineage reports whether assets of a kind have lineage.
func HasLineage(k catalog.Kind) bool {
	switch k {
	case catalog.KindCollection, catalog.KindDatabase, catalog.KindPerson, catalog.KindGroup:
		return false
	}
	return true
}
