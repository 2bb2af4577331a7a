package export

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// Visualization settings that are kept (API reference §5.3): names of result
// columns and switches. Colours, goals, titles, formats and everything keyed by
// a value of the data is dropped. The lists are those of reading over HTTP.
var (
	vizNames = keySet(`graph.dimensions graph.metrics pie.dimension pie.metric scalar.field
funnel.dimension funnel.metric gauge.field progress.value sankey.source sankey.target sankey.value
waterfall.breakout scatter.bubble table.pivot_column table.cell_column
map.latitude_column map.longitude_column map.metric_column map.dimension map.metric`)
	vizSwitches = keySet(`table.pivot map.type map.pin_type stackable.stack_type stackable.stack_display
graph.show_values graph.show_trendline graph.show_goal graph.x_axis.scale graph.y_axis.scale
pivot.show_row_totals pivot.show_column_totals pie.show_total pie.show_legend`)
)

// visualization returns what is kept of settings, and where clicks lead.
func visualization(v *value) (kept json.RawMessage, targets []catalog.Ref) {
	if !v.isObject() {
		return nil, nil
	}
	out := value{kind: object}
	for i, k := range v.keys {
		item := &v.items[i]
		switch {
		case k == "click_behavior":
			targets = append(targets, clickTarget(item)...)
		case k == "column_settings" && item.isObject():
			for j := range item.items {
				targets = append(targets, clickTarget(item.items[j].get("click_behavior"))...)
			}
		case vizNames[k]:
			if names, ok := columnNames(item); ok {
				out.set(k, names)
			}
		case vizSwitches[k]:
			if item.kind == boolean || item.kind == text && isSwitch(item.text) {
				out.set(k, *item)
			}
		case k == "table.columns":
			if columns := tableColumns(item); len(columns.items) > 0 {
				out.set(k, columns)
			}
		case k == "pivot_table.column_split" && item.isObject():
			split := value{kind: object}
			for _, part := range []string{"rows", "columns", "values"} {
				if names, ok := columnNames(item.get(part)); ok {
					split.set(part, names)
				}
			}
			if len(split.keys) > 0 {
				out.set(k, split)
			}
		}
	}
	slices.SortFunc(targets, catalog.Ref.Compare)
	targets = slices.Compact(targets)
	if len(out.keys) == 0 {
		return nil, targets
	}
	return out.json(), targets
}

func isSwitch(s string) bool {
	return len(s) <= 24 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_-") == ""
}

// columnNames keeps a name, a field reference, or a list of either.
func columnNames(v *value) (value, bool) {
	switch {
	case v.isText():
		return *v, true
	case v.isList() && len(v.items) > 0:
		if isReference(v) {
			return newCleaner(v).node(v), true
		}
		out := value{kind: list}
		for i := range v.items {
			switch item := &v.items[i]; {
			case item.isText():
				out.items = append(out.items, *item)
			case item.isList():
				out.items = append(out.items, newCleaner(item).node(item))
			}
		}
		return out, len(out.items) > 0
	}
	return value{}, false
}

func isReference(v *value) bool {
	switch v.items[0].str() {
	case "field", "field-id", "expression", "aggregation", "fk->", "joined-field", "datetime-field", "field-literal", "binning-strategy":
		return len(v.items) > 1 && (!v.items[1].isText() || v.items[0].str() == "field")
	}
	return false
}

func tableColumns(v *value) value {
	out := value{kind: list}
	if !v.isList() {
		return out
	}
	for i := range v.items {
		item, column := &v.items[i], value{kind: object}
		if name := item.get("name"); name.isText() && name.text != "" {
			column.set("name", *name)
		}
		if ref := item.get("fieldRef"); ref.isList() {
			column.set("fieldRef", newCleaner(ref).node(ref))
		}
		if enabled := item.get("enabled"); enabled != nil && enabled.kind == boolean {
			column.set("enabled", *enabled)
		}
		if len(column.keys) > 0 {
			out.items = append(out.items, column)
		}
	}
	return out
}

// clickTarget reads where a click leads: kind and id, no URL, no parameter.
func clickTarget(v *value) []catalog.Ref {
	id := entityID(v.get("targetId"))
	if t := v.get("type").str(); id == "" || t != "" && t != "link" {
		return nil
	}
	switch v.get("linkType").str() {
	case "question":
		return []catalog.Ref{{Kind: catalog.KindQuestion, ID: id}}
	case "dashboard":
		return []catalog.Ref{{Kind: catalog.KindDashboard, ID: id}}
	}
	return nil
}

// entityID reads an entity id, also where it is written as a path of one
// element ([{model, id}]) or as [dashboard, tab].
func entityID(v *value) string {
	switch {
	case v.isList() && len(v.items) > 0:
		last := &v.items[len(v.items)-1]
		if last.isObject() {
			return last.get("id").str()
		}
		return last.str()
	case v.isObject():
		return v.get("id").str()
	}
	return v.str()
}

// linkTarget reads what a link tile or a link in a document leads to.
func linkTarget(model string, id *value) catalog.Ref {
	switch strings.ToLower(model) {
	case "card", "question":
		return catalog.Ref{Kind: catalog.KindQuestion, ID: entityID(id)}
	case "dataset", "model":
		return catalog.Ref{Kind: catalog.KindModel, ID: entityID(id)}
	case "metric":
		return catalog.Ref{Kind: catalog.KindMetric, ID: entityID(id)}
	case "dashboard":
		return catalog.Ref{Kind: catalog.KindDashboard, ID: entityID(id)}
	case "collection":
		return catalog.Ref{Kind: catalog.KindCollection, ID: entityID(id)}
	case "document":
		return catalog.Ref{Kind: catalog.KindDocument, ID: entityID(id)}
	case "transform":
		return catalog.Ref{Kind: catalog.KindTransform, ID: entityID(id)}
	case "database":
		return catalog.Ref{Kind: catalog.KindDatabase, ID: entityID(id)}
	case "table":
		return catalog.Ref{Kind: catalog.KindTable, ID: tableID(id)}
	}
	return catalog.Ref{}
}

// tableID turns a portable [database, schema, table] into a natural id.
func tableID(v *value) string {
	parts, ok := v.path()
	if !ok || len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return ""
	}
	return catalog.TableID(parts[0], parts[1], parts[2])
}

// columnID turns a portable [database, schema, table, column, …] into a natural id.
func columnID(v *value) string {
	parts, ok := v.path()
	if !ok || len(parts) < 4 || parts[0] == "" || parts[2] == "" {
		return ""
	}
	return catalog.ColumnID(catalog.TableID(parts[0], parts[1], parts[2]), strings.Join(parts[3:], "."))
}

func sortTags(tags []catalog.TemplateTag) {
	slices.SortStableFunc(tags, func(a, b catalog.TemplateTag) int { return strings.Compare(a.Name, b.Name) })
}

func itoa(n int) string { return strconv.Itoa(n) }

// looksLikeJSON recognises native queries that are no SQL (MongoDB, Druid).
func looksLikeJSON(s string) bool {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '[' && s[0] != '{' || strings.HasPrefix(s, "{{") || strings.HasPrefix(s, "[[") {
		return false
	}
	return json.Valid([]byte(s))
}
