package metabasetest

import (
	"strconv"
	"strings"
)

// uuids hands out the random ids that MBQL 5 puts on every clause.
type uuids struct{ state uint64 }

func (u *uuids) appendNext(b []byte) []byte {
	u.state = splitmix(u.state)
	return appendUUID(b, u.state, splitmix(^u.state))
}

// dialect renders queries. The zero value of measures and metrics is fine for
// queries that use none.
type dialect struct {
	w        *World
	five     bool
	measures bool // measures exist (0.59); else their aggregation is written out
	metrics  bool // metric cards exist (0.50); else their legacy metric is referred to
	ids      uuids
	aggs     []string // ids of the current stage's aggregations
}

// query writes a dataset_query value.
func (d *dialect) query(e *encoder, q *Query, converted bool) {
	switch {
	case q == nil:
		e.elemRaw("{}")
	case d.five:
		e.open()
		e.text("lib/type", "mbql/query")
		e.key("stages")
		d.stages(e, q.Stages)
		e.int("database", q.DatabaseID)
		if converted {
			e.bool("lib.convert/converted?", true)
		}
		e.close()
	case q.IsNative() && len(q.Stages) == 1:
		e.open()
		e.int("database", q.DatabaseID)
		e.text("type", "native")
		e.key("native")
		d.native4(e, &q.Stages[0], "query")
		e.close()
	default:
		e.open()
		e.int("database", q.DatabaseID)
		e.text("type", "query")
		e.key("query")
		d.inner4(e, q.Stages)
		e.close()
	}
}

func (d *dialect) native4(e *encoder, s *Stage, key string) {
	e.open()
	e.key("template-tags")
	d.tags(e, s.Tags)
	e.text(key, s.SQL)
	if s.Collection != "" {
		e.text("collection", s.Collection)
	}
	e.close()
}

// inner4 writes the last stage with the ones before nested as source-query.
func (d *dialect) inner4(e *encoder, stages []Stage) {
	last := &stages[len(stages)-1]
	if len(stages) == 1 && (last.SQL != "" || last.Collection != "") {
		d.native4(e, last, "native")
		return
	}
	e.open()
	switch {
	case len(stages) > 1:
		e.key("source-query")
		d.inner4(e, stages[:len(stages)-1])
		e.list("source-metadata")
		e.open()
		e.text("name", "x")
		e.raw("fingerprint", `{"global":{"distinct-count":`+canaryCount+`}}`)
		e.close()
		e.closeList()
	case last.SourceCard != 0:
		e.text("source-table", "card__"+strconv.Itoa(last.SourceCard))
	case last.SourceTable != 0:
		e.int("source-table", last.SourceTable)
	}
	d.stageBody(e, last)
	e.close()
}

func (d *dialect) stages(e *encoder, stages []Stage) {
	e.openList()
	for i := range stages {
		d.stage5(e, &stages[i])
	}
	e.closeList()
}

func (d *dialect) stage5(e *encoder, s *Stage) {
	e.open()
	if s.SQL != "" || s.Collection != "" {
		e.text("lib/type", "mbql.stage/native")
		e.text("native", s.SQL)
		if len(s.Tags) > 0 {
			e.key("template-tags")
			d.tags(e, s.Tags)
		}
		if s.Collection != "" {
			e.text("collection", s.Collection)
		}
		e.close()
		return
	}
	e.text("lib/type", "mbql.stage/mbql")
	if s.SourceCard != 0 {
		e.int("source-card", s.SourceCard)
	} else if s.SourceTable != 0 {
		e.int("source-table", s.SourceTable)
	}
	d.stageBody(e, s)
	e.close()
}

// stageBody writes everything of a stage but its source.
func (d *dialect) stageBody(e *encoder, s *Stage) {
	outer := d.aggs
	d.aggs = nil
	defer func() { d.aggs = outer }()
	if len(s.Joins) > 0 {
		e.list("joins")
		for i := range s.Joins {
			d.join(e, &s.Joins[i])
		}
		e.closeList()
	}
	if len(s.Expressions) > 0 {
		if d.five {
			e.list("expressions")
			for _, x := range s.Expressions {
				d.clause(e, x.Expr, x.Name)
			}
			e.closeList()
		} else {
			e.obj("expressions")
			for _, x := range s.Expressions {
				e.textKey(x.Name)
				d.constant4(e, x.Expr)
			}
			e.close()
		}
	}
	d.filters(e, s.Filters)
	if len(s.Aggregation) > 0 {
		if d.five {
			for range s.Aggregation {
				d.aggs = append(d.aggs, string(d.ids.appendNext(nil)))
			}
		}
		e.list("aggregation")
		for i, a := range s.Aggregation {
			d.aggregation(e, a, i)
		}
		e.closeList()
	}
	d.refs(e, "breakout", s.Breakout)
	d.refs(e, "fields", s.Fields)
	if len(s.OrderBy) > 0 {
		e.list("order-by")
		for _, o := range s.OrderBy {
			e.openList()
			if o.Descending {
				e.elemText("desc")
			} else {
				e.elemText("asc")
			}
			if d.five {
				d.options(e, Expr{}, "")
			}
			d.clause(e, o.By, "")
			e.closeList()
		}
		e.closeList()
	}
	if s.Limit > 0 {
		e.int("limit", s.Limit)
	}
}

// constant4 writes a custom column, which may not be a bare literal.
func (d *dialect) constant4(e *encoder, x Expr) {
	base := map[ExprKind]string{ExprString: "type/Text", ExprNumber: "type/Float", ExprBool: "type/Boolean", ExprNull: "type/*"}[x.Kind]
	if base == "" {
		d.clause(e, x, "")
		return
	}
	e.openList()
	e.elemText("value")
	literal(e, x)
	e.open()
	e.text("base_type", base)
	e.close()
	e.closeList()
}

func (d *dialect) filters(e *encoder, filters []Expr) {
	switch {
	case len(filters) == 0:
	case d.five:
		d.refs(e, "filters", filters)
	case len(filters) == 1:
		e.key("filter")
		d.clause(e, filters[0], "")
	default:
		e.key("filter")
		d.clause(e, Call("and", filters...), "")
	}
}

func (d *dialect) refs(e *encoder, key string, refs []Expr) {
	if len(refs) == 0 {
		return
	}
	e.list(key)
	for _, r := range refs {
		d.clause(e, r, "")
	}
	e.closeList()
}

func (d *dialect) join(e *encoder, j *Join) {
	e.open()
	if d.five {
		e.text("lib/type", "mbql/join")
		e.key("lib/options")
		d.options(e, Expr{}, "")
	}
	e.text("alias", j.Alias)
	if j.Strategy != "" {
		e.text("strategy", j.Strategy)
	}
	source := j.Stages
	if len(source) == 0 {
		source = []Stage{{SourceTable: j.SourceTable, SourceCard: j.SourceCard}}
	}
	if d.five {
		e.key("stages")
		d.stages(e, source)
		d.refs(e, "conditions", j.Conditions)
	} else {
		switch {
		case len(j.Stages) > 0:
			e.key("source-query")
			d.inner4(e, source)
		case j.SourceCard != 0:
			e.text("source-table", "card__"+strconv.Itoa(j.SourceCard))
		default:
			e.int("source-table", j.SourceTable)
		}
		if len(j.Conditions) > 0 {
			e.key("condition")
			if len(j.Conditions) == 1 {
				d.clause(e, j.Conditions[0], "")
			} else {
				d.clause(e, Call("and", j.Conditions...), "")
			}
		}
	}
	if len(j.FieldList) > 0 {
		d.refs(e, "fields", j.FieldList)
	} else if j.Fields != "" {
		e.text("fields", j.Fields)
	}
	e.close()
}

func (d *dialect) aggregation(e *encoder, a Expr, index int) {
	if a.Kind == ExprMeasure && (!d.five || !d.measures) {
		a = d.measureBody(a)
	}
	if d.five || a.Display == "" {
		if d.five {
			a.Name = d.aggs[index] // carried to options as the clause's own id
			d.aggregation5(e, a)
			return
		}
		d.clause(e, a, "")
		return
	}
	e.openList()
	e.elemText("aggregation-options")
	plain := a
	plain.Display = ""
	d.clause(e, plain, "")
	e.open()
	e.text("name", a.Display)
	e.text("display-name", a.Display)
	e.close()
	e.closeList()
}

func (d *dialect) aggregation5(e *encoder, a Expr) {
	id := a.Name
	e.openList()
	switch a.Kind {
	case ExprMetric:
		e.elemText("metric")
	case ExprMeasure:
		e.elemText("measure")
	default:
		e.elemText(a.Op)
	}
	e.open()
	e.text("lib/uuid", id)
	if a.Display != "" {
		e.text("name", a.Display)
		e.text("display-name", a.Display)
	}
	e.close()
	if a.Kind == ExprMetric || a.Kind == ExprMeasure {
		e.elemInt(a.ID)
	}
	d.args(e, a)
	e.closeList()
}

func (d *dialect) measureBody(a Expr) Expr {
	for _, m := range d.w.Measures {
		if m.ID == a.ID {
			body := m.Aggregation
			body.Display = a.Display
			return body
		}
	}
	return Count()
}

// metricID is what a metric reference says: the card, or before 0.50 the old metric.
func (d *dialect) metricID(card int) int {
	if c := d.w.Card(card); !d.metrics && c != nil && c.LegacyMetricID != 0 {
		return c.LegacyMetricID
	}
	return card
}

// clause writes an expression; name is set for the entries of MBQL 5's list of
// custom columns.
func (d *dialect) clause(e *encoder, x Expr, name string) {
	switch x.Kind {
	case ExprString, ExprNumber, ExprBool, ExprNull:
		if name == "" {
			literal(e, x)
			return
		}
		e.openList()
		e.elemText("value")
		d.options(e, x, name)
		literal(e, x)
		e.closeList()
		return
	case ExprPair:
		e.openList()
		d.clause(e, x.Args[0], "")
		d.clause(e, x.Args[1], "")
		e.closeList()
		return
	case ExprMeasure:
		if !d.five || !d.measures {
			d.clause(e, d.measureBody(x), name)
			return
		}
	}
	e.openList()
	switch x.Kind {
	case ExprField:
		e.elemText("field")
		d.ref(e, x, name, func() {
			if x.ID != 0 {
				e.elemInt(x.ID)
			} else {
				e.elemText(x.Name)
			}
		})
	case ExprExpression:
		e.elemText("expression")
		d.ref(e, x, name, func() { e.elemText(x.Name) })
	case ExprAggregation:
		e.elemText("aggregation")
		if d.five {
			d.options(e, x, name)
			if x.ID < len(d.aggs) {
				e.elemText(d.aggs[x.ID])
			} else {
				e.elemText(string(d.ids.appendNext(nil)))
			}
		} else {
			e.elemInt(x.ID)
		}
	case ExprSegment, ExprMetric, ExprMeasure:
		id := x.ID
		switch x.Kind {
		case ExprSegment:
			e.elemText("segment")
		case ExprMetric:
			e.elemText("metric")
			id = d.metricID(x.ID)
		default:
			e.elemText("measure")
		}
		if d.five {
			d.options(e, x, name)
		}
		e.elemInt(id)
	default:
		e.elemText(x.Op)
		if d.five {
			d.options(e, x, name)
		}
		d.args(e, x)
		if !d.five && (x.CaseInsensitive || x.IncludeCurrent) {
			e.open()
			if x.CaseInsensitive {
				e.bool("case-sensitive", false)
			}
			if x.IncludeCurrent {
				e.bool("include-current", true)
			}
			e.close()
		}
	}
	e.closeList()
}

func (d *dialect) args(e *encoder, x Expr) {
	if x.Op == "case" {
		e.openList()
		for _, a := range x.Args {
			d.clause(e, a, "")
		}
		e.closeList()
		switch {
		case x.Default == nil:
		case d.five:
			d.clause(e, *x.Default, "")
		default:
			e.open()
			e.key("default")
			d.clause(e, *x.Default, "")
			e.close()
		}
		return
	}
	for _, a := range x.Args {
		d.clause(e, a, "")
	}
}

// ref writes options and argument in the dialect's order.
func (d *dialect) ref(e *encoder, x Expr, name string, arg func()) {
	if d.five {
		d.options(e, x, name)
		arg()
		return
	}
	arg()
	if x.BaseType == "" && x.JoinAlias == "" && x.SourceField == 0 && x.TemporalUnit == "" && x.Bins == 0 {
		e.elemRaw("null")
		return
	}
	e.open()
	refOptions(e, x)
	e.close()
}

func refOptions(e *encoder, x Expr) {
	if x.BaseType != "" {
		e.text("base-type", x.BaseType)
	}
	if x.JoinAlias != "" {
		e.text("join-alias", x.JoinAlias)
	}
	if x.SourceField != 0 {
		e.int("source-field", x.SourceField)
	}
	if x.TemporalUnit != "" {
		e.text("temporal-unit", x.TemporalUnit)
	}
	if x.Bins != 0 {
		e.obj("binning")
		e.text("strategy", "num-bins")
		e.int("num-bins", x.Bins)
		e.close()
	}
}

// options writes the map that stands second in every MBQL 5 clause.
func (d *dialect) options(e *encoder, x Expr, name string) {
	e.open()
	e.key("lib/uuid")
	e.b = append(e.b, '"')
	e.b = d.ids.appendNext(e.b)
	e.b = append(e.b, '"')
	if x.Kind == ExprField || x.Kind == ExprExpression {
		refOptions(e, x)
		if x.BaseType != "" {
			e.text("effective-type", x.BaseType)
		}
	}
	if x.CaseInsensitive {
		e.bool("case-sensitive", false)
	}
	if x.IncludeCurrent {
		e.bool("include-current", true)
	}
	if name != "" {
		e.text("lib/expression-name", name)
	}
	e.close()
}

func literal(e *encoder, x Expr) {
	switch x.Kind {
	case ExprString:
		e.elemText(x.Name)
	case ExprNumber:
		e.elemNumber(x.Number)
	case ExprBool:
		e.elemRaw(strconv.FormatBool(x.Bool))
	default:
		e.elemRaw("null")
	}
}

// tags writes the map of template tags.
func (d *dialect) tags(e *encoder, tags []Tag) {
	e.open()
	for i := range tags {
		d.tag(e, &tags[i])
	}
	e.close()
}

func (d *dialect) tag(e *encoder, t *Tag) {
	e.textKey(t.Name)
	e.b = append(e.b, '{')
	e.text("id", uuidOf("tag "+t.Name, t.FieldID+t.CardID))
	e.text("name", t.Name)
	display := t.Display
	if display == "" {
		display = displayOf(strings.TrimLeft(t.Name, "#"))
	}
	e.text("display-name", display)
	e.text("type", t.Type)
	if t.Required {
		e.bool("required", true)
	}
	switch t.Type {
	case "dimension", "temporal-unit":
		e.key("dimension")
		d.clause(e, ColumnID(t.FieldID, ""), "")
		widget := t.Widget
		if widget == "" {
			widget = "category"
		}
		if t.Type == "dimension" {
			e.text("widget-type", widget)
			e.raw("options", `{"case-sensitive":false}`)
		}
		if t.Alias != "" {
			e.text("alias", t.Alias)
		}
	case "card":
		e.idOrNull("card-id", t.CardID)
	case "snippet":
		e.text("snippet-name", t.Snippet)
		if t.SnippetID != 0 {
			e.int("snippet-id", t.SnippetID)
		}
	case "table":
		e.int("table-id", t.TableID)
		e.raw("source-filters", `[{"field":1,"value":"`+canaryText+` source filter"}]`)
	}
	if t.HasDefault {
		switch t.Type {
		case "number":
			e.raw("default", `"`+canaryNumber+`"`)
		case "dimension":
			e.raw("default", `["`+canaryText+` default"]`)
		default:
			e.text("default", canaryText+" default")
		}
	}
	e.close()
}
