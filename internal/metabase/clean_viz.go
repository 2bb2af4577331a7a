package metabase

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// vizKeep lists the visualization settings that are kept (API reference §5.3):
// names of result columns, and switches. Colours, goals, titles, formats and
// everything keyed by a value of the data is dropped.
var vizKeep = map[string]vizShape{
	"graph.dimensions": vizNames, "graph.metrics": vizNames,
	"pie.dimension": vizNames, "pie.metric": vizNames, "scalar.field": vizNames,
	"funnel.dimension": vizNames, "funnel.metric": vizNames, "gauge.field": vizNames, "progress.value": vizNames,
	"sankey.source": vizNames, "sankey.target": vizNames, "sankey.value": vizNames,
	"waterfall.breakout": vizNames, "scatter.bubble": vizNames,
	"table.pivot_column": vizNames, "table.cell_column": vizNames,
	"map.latitude_column": vizNames, "map.longitude_column": vizNames, "map.metric_column": vizNames,
	"map.dimension": vizNames, "map.metric": vizNames,

	"table.pivot": vizSwitch, "map.type": vizSwitch, "map.pin_type": vizSwitch,
	"stackable.stack_type": vizSwitch, "stackable.stack_display": vizSwitch,
	"graph.show_values": vizSwitch, "graph.show_trendline": vizSwitch, "graph.show_goal": vizSwitch,
	"graph.x_axis.scale": vizSwitch, "graph.y_axis.scale": vizSwitch,
	"pivot.show_row_totals": vizSwitch, "pivot.show_column_totals": vizSwitch,
	"pie.show_total": vizSwitch, "pie.show_legend": vizSwitch,

	"table.columns": vizColumns, "pivot_table.column_split": vizSplit,
}

type vizShape int

const (
	vizNames   vizShape = iota + 1 // a column name or a list of them
	vizSwitch                      // a boolean or an enumeration
	vizColumns                     // [{name, fieldRef, enabled}]
	vizSplit                       // {rows, columns, values} of names
)

// visualization decodes settings: what is kept of them, and the content that
// clicks lead to.
func (c *Client) visualization(f *faults, key string, val []byte) (kept []byte, targets []catalog.Ref) {
	if !isObject(val) {
		if !isNull(val) {
			f.add(key)
		}
		return nil, nil
	}
	out := object{}
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "click_behavior":
			targets = append(targets, c.clickTarget(f, v)...)
			return
		case "column_settings":
			eachMember(v, func(_ string, v []byte) {
				eachMember(v, func(k string, v []byte) {
					if k == "click_behavior" {
						targets = append(targets, c.clickTarget(f, v)...)
					}
				})
			})
			return
		}
		shape := vizKeep[k]
		if shape == 0 || isNull(v) {
			return
		}
		tree, err := parse(v)
		if err != nil {
			f.add(key)
			return
		}
		if cleaned := shape.clean(c, tree); cleaned != nil {
			out[k] = cleaned
		}
	})
	if len(out) > 0 {
		kept = encode(out)
	}
	return kept, sortRefs(targets)
}

func sortRefs(refs []catalog.Ref) []catalog.Ref {
	slices.SortFunc(refs, catalog.Ref.Compare)
	return slices.Compact(refs)
}

func (s vizShape) clean(c *Client, n any) any {
	switch s {
	case vizNames:
		return columnNames(c, n)
	case vizSwitch:
		switch n := n.(type) {
		case bool:
			return n
		case string:
			if len(n) <= 24 && strings.Trim(n, "abcdefghijklmnopqrstuvwxyz_-") == "" {
				return n
			}
		}
	case vizColumns:
		a, _ := n.(array)
		out := array{}
		for _, v := range a {
			o, _ := v.(object)
			col := object{}
			if name := stringOf(o["name"]); name != "" {
				col["name"] = name
			}
			if ref, ok := o["fieldRef"].(array); ok {
				col["fieldRef"] = c.cleaner("").reference(ref)
			}
			if enabled, ok := o["enabled"].(bool); ok {
				col["enabled"] = enabled
			}
			if len(col) > 0 {
				out = append(out, col)
			}
		}
		if len(out) > 0 {
			return out
		}
	case vizSplit:
		o, _ := n.(object)
		out := object{}
		for _, k := range []string{"rows", "columns", "values"} {
			if names := columnNames(c, o[k]); names != nil {
				out[k] = names
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// columnNames keeps a name, a field reference, or a list of either.
func columnNames(c *Client, n any) any {
	switch n := n.(type) {
	case string:
		return n
	case array:
		if op, ok := firstOf(n).(string); ok && len(n) > 1 && operators[op] {
			if _, alone := n[1].(string); !alone || op == "field" {
				return c.cleaner("").reference(n)
			}
		}
		out := array{}
		for _, v := range n {
			switch v := v.(type) {
			case string:
				out = append(out, v)
			case array:
				out = append(out, c.cleaner("").reference(v))
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// clickTarget decodes where a click leads: only kind and id, no URL, no
// parameter.
func (c *Client) clickTarget(f *faults, val []byte) []catalog.Ref {
	var kind, link, id string
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "type":
			kind = f.text("click_behavior.type", v)
		case "linkType":
			link = f.text("click_behavior.linkType", v)
		case "targetId":
			id = f.id("click_behavior.targetId", v)
		}
	})
	if id == "" || kind != "" && kind != "link" {
		return nil
	}
	switch link {
	case "question":
		return []catalog.Ref{{Kind: catalog.KindQuestion, ID: id}}
	case "dashboard":
		return []catalog.Ref{{Kind: catalog.KindDashboard, ID: id}}
	}
	return nil
}
