package metabasetest

import (
	"slices"
	"strconv"
	"strings"
)

type genField struct{ name, base, raw, semantic string }

var (
	genFirst      = []string{"Ana", "Ben", "Chloé", "Deniz", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jiro", "Kofi", "Lea", "Mina", "Noah", "Olga", "Paul", "Quinn", "Rosa", "Sami", "Tara", "Uma", "Vik", "Wen", "Yara", "Zofia"}
	genLast       = []string{"Adler", "Bianchi", "Cruz", "Dahl", "Eriksen", "Fischer", "Gomez", "Haddad", "Ivanov", "Jensen", "Kaya", "Lund", "Mori", "Nowak", "Okoye", "Park", "Quist", "Rao", "Silva", "Tanaka", "Usman", "Vega", "Wolf", "Young", "Zhang"}
	genTopics     = []string{"Sales", "Growth", "Retention", "Pricing", "Inventory", "Shipping", "Returns", "Support", "Onboarding", "Checkout", "Search", "Loyalty", "Finance", "Billing", "Fraud", "Hiring", "Partners", "Mobile", "Campaigns", "Logistics", "Quality", "Compliance", "Subscriptions", "Content"}
	genNouns      = []string{"order", "customer", "invoice", "payment", "refund", "session", "event", "ticket", "shipment", "product", "campaign", "subscription", "contract", "lead", "visit", "stock", "return", "click", "message", "account"}
	genMeasures   = []string{"Revenue", "Orders", "Active users", "Churn", "Margin", "Conversion", "Average basket", "Refunds", "Signups", "Tickets", "Cost", "Latency", "Stock", "Retention", "Utilisation", "Backlog"}
	genDimensions = []string{"month", "week", "day", "country", "channel", "product", "team", "plan", "cohort", "device", "region", "segment", "campaign", "warehouse", "agent", "source"}

	genFields = []genField{
		{"email", "type/Text", "text", "type/Email"},
		{"first_name", "type/Text", "text", "type/Name"},
		{"last_name", "type/Text", "text", "type/Name"},
		{"country", "type/Text", "text", "type/Country"},
		{"city", "type/Text", "text", "type/City"},
		{"currency", "type/Text", "text", "type/Category"},
		{"channel", "type/Text", "text", "type/Category"},
		{"plan", "type/Text", "text", "type/Category"},
		{"quantity", "type/Integer", "int4", "type/Quantity"},
		{"price", "type/Decimal", "numeric", "type/Currency"},
		{"discount", "type/Decimal", "numeric", "type/Discount"},
		{"tax", "type/Decimal", "numeric", ""},
		{"is_active", "type/Boolean", "bool", ""},
		{"is_test", "type/Boolean", "bool", ""},
		{"updated_at", "type/DateTime", "timestamp", "type/UpdatedTimestamp"},
		{"deleted_at", "type/DateTime", "timestamp", "type/DeletionTimestamp"},
		{"valid_from", "type/Date", "date", ""},
		{"valid_to", "type/Date", "date", ""},
		{"name", "type/Text", "text", "type/Name"},
		{"description", "type/Text", "text", "type/Description"},
		{"score", "type/Float", "float8", "type/Score"},
		{"latitude", "type/Float", "float8", "type/Latitude"},
		{"longitude", "type/Float", "float8", "type/Longitude"},
		{"url", "type/Text", "text", "type/URL"},
		{"payload", "type/JSON", "jsonb", "type/SerializedJSON"},
		{"source", "type/Text", "text", "type/Source"},
		{"device", "type/Text", "text", "type/Category"},
		{"duration_seconds", "type/Integer", "int4", ""},
		{"cost", "type/Decimal", "numeric", "type/Cost"},
		{"margin", "type/Decimal", "numeric", ""},
		{"phone", "type/Text", "text", ""},
		{"birth_date", "type/Date", "date", "type/Birthdate"},
		{"ip_address", "type/IPAddress", "inet", ""},
		{"notes", "type/Text", "text", ""},
		{"rating", "type/Integer", "int4", "type/Score"},
		{"weight", "type/Decimal", "numeric", ""},
		{"warehouse", "type/Text", "text", "type/Category"},
		{"region", "type/Text", "text", "type/State"},
		{"postal_code", "type/Text", "text", "type/ZipCode"},
	}
)

// tableFor picks a table; a few are asked far more often than others.
func (g *generator) tableFor() *Table {
	db := g.w.Databases[min(int(g.unit()*g.unit()*float64(len(g.w.Databases))), len(g.w.Databases)-1)]
	tables := g.usable[db.ID]
	u := g.unit()
	return tables[int(u*u*u*float64(len(tables)))%len(tables)]
}

func qualified(t *Table) string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// columnsOf picks columns of a base type group.
func (g *generator) columnOf(t *Table, bases ...string) *Field {
	var list []*Field
	for _, f := range t.Fields {
		if !f.Inactive && slices.Contains(bases, f.BaseType) && f.SemanticType != "type/FK" && f.SemanticType != "type/PK" {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return t.Fields[0]
	}
	return pick(&g.dice, list)
}

func (g *generator) number(t *Table) *Field {
	return g.columnOf(t, "type/Decimal", "type/Integer", "type/Float")
}

func (g *generator) word(t *Table) *Field { return g.columnOf(t, "type/Text") }

// joinOf returns a foreign key of t and the table it points at.
func (g *generator) joinOf(t *Table) (*Field, *Table) {
	var keys []*Field
	for _, f := range t.Fields {
		if f.FKTargetID != 0 && !f.Inactive {
			keys = append(keys, f)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	key := pick(&g.dice, keys)
	return key, g.w.Table(g.w.Field(key.FKTargetID).TableID)
}

// sqlWriter collects the text and tags of one query.
type sqlWriter struct {
	strings.Builder
	tags []Tag
}

func (g *generator) nativeCard(c *Card) {
	t := g.tableFor()
	s := &sqlWriter{}
	want := int(float64(g.cfg.MeanQueryBytes)*0.15 + g.exp(float64(g.cfg.MeanQueryBytes)*0.82))
	if g.chance(8) {
		s.WriteString("-- " + c.Name + "\n")
	}
	last := ""
	for i := 0; i == 0 || s.Len() < want-350; i++ {
		name := "step_" + itoa(i+1)
		if i == 0 {
			s.WriteString("with ")
		} else {
			s.WriteString(",\n")
		}
		s.WriteString(name + " as (\n")
		g.step(s, t, last, i)
		s.WriteString(")")
		last = name
		if want < 500 {
			break
		}
		if next := g.tableNear(t); g.chance(60) {
			t = next
		}
	}
	s.WriteString("\nselect dimension, sum(total) as total, count(*) as n_rows,\n       sum(total) / nullif(count(*), 0) as average\nfrom " + last + "\n")
	if g.chance(25) && len(g.models) > 0 {
		m := pick(&g.dice, g.models)
		tag := "#" + strconv.Itoa(m.ID) + "-" + strings.ReplaceAll(slugOf(m.Name), "_", "-")
		s.WriteString("left join {{" + tag + "}} m on m.id = " + last + ".key_id\n")
		s.tags = append(s.tags, Tag{Name: tag, Type: "card", CardID: m.ID})
	}
	s.WriteString("where total is not null\n")
	if g.chance(20) {
		name := pick(&g.dice, g.snippets)
		s.WriteString("  and {{snippet: " + name + "}}\n")
		s.tags = append(s.tags, Tag{Name: "snippet: " + name, Type: "snippet", Snippet: name, SnippetID: 1 + slices.Index(g.snippets, name)})
	}
	s.WriteString("group by dimension\norder by total desc\n")
	if g.chance(60) {
		s.WriteString("limit " + itoa(10*(1+g.n(100))))
	}
	c.Query = &Query{DatabaseID: t.DatabaseID, Stages: []Stage{{SQL: strings.TrimSpace(s.String()), Tags: uniqueTags(s.tags)}}}
	if g.chance(10) {
		c.Results = []ResultColumn{
			{Name: "dimension", BaseType: "type/Text"},
			{Name: "total", BaseType: "type/Decimal"},
			{Name: "n_rows", BaseType: "type/BigInteger"},
			{Name: "average", BaseType: "type/Decimal"},
		}
	} else {
		c.Results = g.tableResults(t)
	}
	for _, tag := range c.Query.Stages[0].Tags {
		if tag.Type == "dimension" || tag.Type == "text" {
			c.Parameters = append(c.Parameters, Parameter{
				ID: "p_" + tag.Name, Name: displayOf(tag.Name), Slug: tag.Name, Type: "category", Tag: tag.Name,
				TagIsField: tag.Type == "dimension", HasDefault: tag.HasDefault,
			})
		}
	}
}

func uniqueTags(tags []Tag) []Tag {
	var out []Tag
	for _, t := range tags {
		if !slices.ContainsFunc(out, func(o Tag) bool { return o.Name == t.Name }) {
			out = append(out, t)
		}
	}
	return out
}

func (g *generator) tableNear(t *Table) *Table {
	if _, target := g.joinOf(t); target != nil && g.chance(70) {
		return target
	}
	return pick(&g.dice, g.usable[t.DatabaseID])
}

// step writes one common table expression.
func (g *generator) step(s *sqlWriter, t *Table, previous string, i int) {
	dim, num := g.word(t), g.number(t)
	s.WriteString("    select a.id as key_id,\n")
	switch g.n(4) {
	case 0:
		s.WriteString("           date_trunc('" + pick(&g.dice, []string{"month", "week", "day", "quarter"}) + "', a.created_at) as dimension,\n")
	case 1:
		s.WriteString("           coalesce(a." + dim.Name + ", 'unknown') as dimension,\n")
	case 2:
		s.WriteString("           case when a." + num.Name + " > " + itoa(g.n(500)) + " then 'high' when a." + num.Name + " > " + itoa(g.n(50)) +
			" then 'medium' else 'low' end as dimension,\n")
	default:
		s.WriteString("           a." + dim.Name + " as dimension,\n")
	}
	for range g.n(4) {
		f := pick(&g.dice, t.Fields)
		s.WriteString("           a." + f.Name + " as " + f.Name + "_" + itoa(g.n(90)) + ",\n")
	}
	switch g.n(3) {
	case 0:
		s.WriteString("           sum(a." + num.Name + ") over (partition by a." + dim.Name + " order by a.created_at) as total\n")
	case 1:
		s.WriteString("           a." + num.Name + " * " + strconv.FormatFloat(float64(1+g.n(30))/10, 'f', 1, 64) + " as total\n")
	default:
		s.WriteString("           a." + num.Name + " - coalesce(a.amount, 0) as total\n")
	}
	s.WriteString("    from " + qualified(t) + " a\n")
	for j := range g.n(3) {
		key, target := g.joinOf(t)
		if key == nil {
			break
		}
		alias := "j" + itoa(j+1)
		s.WriteString("    " + pick(&g.dice, []string{"join", "left join", "left join", "inner join"}) + " " + qualified(target) + " " + alias +
			" on " + alias + ".id = a." + key.Name + "\n")
	}
	if previous != "" && g.chance(70) {
		s.WriteString("    join " + previous + " p on p.key_id = a.id\n")
	}
	s.WriteString("    where a.status " + pick(&g.dice, []string{"<> 'cancelled'", "= 'active'", "in ('paid', 'shipped')", "not in ('test', 'fraud')"}) + "\n")
	if i == 0 && g.chance(45) {
		f := t.FieldByName("created_at")
		s.WriteString("      [[and {{created_at}}]]\n")
		s.tags = append(s.tags, Tag{Name: "created_at", Type: "dimension", FieldID: f.ID, Widget: "date/all-options", HasDefault: g.chance(40)})
	} else {
		s.WriteString("      and a.created_at >= " + pick(&g.dice, []string{"now() - interval '90 days'", "'2024-01-01'", "date_trunc('year', now())", "current_date - 30"}) + "\n")
	}
	if g.chance(25) {
		s.WriteString("      [[and a." + dim.Name + " = {{" + dim.Name + "}}]]\n")
		s.tags = append(s.tags, Tag{Name: dim.Name, Type: "text", HasDefault: g.chance(50)})
	}
}

// vary makes a near duplicate: another constant, another limit, a comment.
func (g *generator) vary(q *Query) *Query {
	stage := q.Stages[0]
	switch g.n(4) {
	case 0:
		stage.SQL = strings.Replace(stage.SQL, "'cancelled'", "'canceled'", 1) + "\n"
	case 1:
		stage.SQL = strings.Replace(stage.SQL, "interval '90 days'", "interval '"+itoa(30+g.n(300))+" days'", 1) + "\nlimit " + itoa(100+g.n(900))
	case 2:
		stage.SQL = "-- checked by " + pick(&g.dice, genFirst) + "\n" + stage.SQL
	default:
		stage.SQL = strings.Replace(stage.SQL, "order by total desc", "order by total", 1)
	}
	return &Query{DatabaseID: q.DatabaseID, Stages: []Stage{stage}}
}

func (g *generator) metricCard(c *Card) {
	t := g.tableFor()
	c.Type, c.Display = CardMetric, "scalar"
	c.Query = Structured(t.DatabaseID, Stage{
		SourceTable: t.ID, Aggregation: []Expr{Call("sum", Column(g.number(t)))},
		Breakout: []Expr{Column(t.FieldByName("created_at")).By("month")},
	})
	c.Results = resultsOf(g.w, c.Query)
}

func (g *generator) structuredCard(c *Card) {
	if g.chance(14) && len(g.models) > 0 {
		m := pick(&g.dice, g.models)
		stage := Stage{SourceCard: m.ID, Aggregation: []Expr{Count()}}
		if len(m.Results) > 0 {
			r := pick(&g.dice, m.Results)
			stage.Breakout = []Expr{ColumnNamed(r.Name, r.BaseType)}
		}
		c.Query = Structured(m.Query.DatabaseID, stage)
		c.Results = slices.Clip(m.Results[:min(len(m.Results), 2)])
		return
	}
	t := g.tableFor()
	stage := Stage{SourceTable: t.ID}
	for range g.n(3) {
		key, target := g.joinOf(t)
		if key == nil || slices.ContainsFunc(stage.Joins, func(j Join) bool { return j.Alias == target.DisplayName }) {
			continue
		}
		stage.Joins = append(stage.Joins, Join{
			Alias: target.DisplayName, SourceTable: target.ID, Fields: pick(&g.dice, []string{"all", "none", ""}),
			Strategy:   pick(&g.dice, []string{"", "left-join", "inner-join"}),
			Conditions: []Expr{Call("=", Column(key), Column(g.w.Field(key.FKTargetID)).Joined(target.DisplayName))},
		})
	}
	for range 1 + g.n(3) {
		stage.Filters = append(stage.Filters, g.condition(t))
	}
	if g.chance(12) {
		for _, s := range g.w.Segments {
			if s.TableID == t.ID {
				stage.Filters = append(stage.Filters, SegmentRef(s.ID))
				break
			}
		}
	}
	if g.chance(30) {
		n := g.number(t)
		stage.Expressions = []NamedExpr{{Name: "Adjusted " + n.DisplayName, Expr: Call("*", Column(n), Num(float64(g.n(40))/10))}}
	}
	if g.chance(75) {
		stage.Aggregation = append(stage.Aggregation, pick(&g.dice, []Expr{
			Count(), Call("sum", Column(g.number(t))), Call("avg", Column(g.number(t))), Call("distinct", Column(g.word(t))),
			Call("max", Column(g.number(t))).Named("Peak"),
		}))
		if g.chance(6) && len(g.metrics) > 0 {
			if m := pick(&g.dice, g.metrics); m.Query.mainTable() == t.ID {
				stage.Aggregation = append(stage.Aggregation, MetricRef(m.ID))
			}
		}
		stage.Breakout = append(stage.Breakout, Column(t.FieldByName("created_at")).By(pick(&g.dice, []string{"month", "week", "day"})))
		if g.chance(50) {
			stage.Breakout = append(stage.Breakout, Column(g.word(t)))
		}
		if g.chance(40) {
			stage.OrderBy = []Order{{Descending: true, By: AggregationAt(0)}}
		}
	} else {
		stage.Limit = 100 * g.n(20)
	}
	stages := []Stage{stage}
	if len(stage.Aggregation) > 0 && g.chance(12) {
		stages = append(stages, Stage{Filters: []Expr{Call(">", ColumnNamed(aggregationName(stage.Aggregation[0]), "type/Decimal"), Num(float64(g.n(1000))))}})
	}
	c.Query = Structured(t.DatabaseID, stages...)
	c.Results = g.tableResults(t)
}

func (g *generator) condition(t *Table) Expr {
	switch g.n(5) {
	case 0:
		return Call("=", Column(g.word(t)), Text(pick(&g.dice, genDimensions)))
	case 1:
		return Call(">", Column(g.number(t)), Num(float64(g.n(5000))))
	case 2:
		return Call("time-interval", Column(t.FieldByName("created_at")), Num(float64(-7*(1+g.n(20)))), Text("day"))
	case 3:
		return Expr{Op: "contains", Args: []Expr{Column(g.word(t)), Text(pick(&g.dice, genNouns))}, CaseInsensitive: true}
	}
	return Call("not-null", Column(g.word(t)))
}
