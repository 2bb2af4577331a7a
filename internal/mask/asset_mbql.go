package mask

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// MBQL masks a query in Metabase's own language, legacy or 5: operators and
// structure stay, fields are written by the names of their columns, everything
// else that is a literal goes. What is no JSON is one placeholder.
func (c *Conversation) MBQL(data json.RawMessage) Text {
	if len(bytes.TrimSpace(data)) == 0 {
		return Text{}
	}
	if len(data) > maxDefinition {
		return Text{c.m.Text(ClassJSON, string(data))}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return Text{c.m.Text(ClassJSON, string(data))}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(c.mbql(v, "", 0)); err != nil {
		return Text{c.m.Text(ClassJSON, string(data))}
	}
	return Text{strings.TrimSpace(b.String())}
}

// maxMBQLDepth bounds nesting; what is deeper is one placeholder.
const maxMBQLDepth = 100

// mbql masks one value. key is the map key it stands under.
func (c *Conversation) mbql(v any, key string, depth int) any {
	if depth > maxMBQLDepth {
		return c.m.Text(ClassText, "…")
	}
	switch v := v.(type) {
	case map[string]any:
		return c.mbqlMap(v, key, depth)
	case []any:
		return c.mbqlList(v, key, depth)
	case string:
		return c.mbqlString(v, key)
	case json.Number:
		if structuralKeys()[key] {
			return v
		}
		return json.Number(c.m.Digits(v.String()))
	default: // true, false, null
		return v
	}
}

func (c *Conversation) mbqlMap(v map[string]any, key string, depth int) any {
	out := make(map[string]any, len(v))
	for k, x := range v {
		name := k
		switch {
		case key == "expressions" || key == "template-tags" || !mbqlKeys()[k]:
			if allDigits(k) && !looksMasked(k) {
				break
			}
			name = c.alias(k)
		case k == "source-table":
			x = c.mbqlTable(x)
			out[k] = x
			continue
		case k == "native" || k == "query" && isString(x): // SQL in a first stage
			if s, ok := x.(string); ok {
				out[k] = c.SQL(c.dialect(""), cut(s), nil).s
				continue
			}
		case k == "name" || k == "display-name" || k == "alias" || k == "join-alias" || k == "lib/expression-name" || k == "lib/desired-column-alias" || k == "lib/source-column-alias" || k == "slug" || k == "description":
			if s, ok := x.(string); ok {
				out[k] = c.alias(s)
				continue
			}
		}
		out[name] = c.mbql(x, k, depth+1)
	}
	return out
}

func isString(v any) bool { _, ok := v.(string); return ok }

// alias writes a name that people gave to a part of a query.
func (c *Conversation) alias(s string) string {
	if c.strict || c.sensitive(Column{Name: s}).Sensitive || looksMasked(s) || len(Detect(s)) > 0 {
		return c.m.Name(ClassName, s)
	}
	return c.free(s)
}

// mbqlList masks a clause, [operator, …], or a list.
func (c *Conversation) mbqlList(v []any, key string, depth int) any {
	op, _ := firstString(v)
	op = strings.ToLower(op)
	if !mbqlOperators()[op] {
		op = ""
	}
	switch op {
	case "field", "field-id", "field-literal", "fk->", "expression", "aggregation", "metric", "segment", "measure", "aggregation-ref":
		return c.mbqlField(op, v, depth)
	}
	out := make([]any, 0, len(v))
	for i, x := range v {
		if i == 0 && op != "" {
			out = append(out, op)
			continue
		}
		k := key
		if op != "" {
			k = ""
			if (op == "time-interval" || op == "interval" || op == "relative-datetime" || op == "datetime-add" || op == "datetime-subtract") && i > 0 {
				k = "interval"
			}
		}
		out = append(out, c.mbql(x, k, depth+1))
	}
	return out
}

func firstString(v []any) (string, bool) {
	if len(v) == 0 {
		return "", false
	}
	s, ok := v[0].(string)
	return s, ok
}

// mbqlField writes a reference: the column's name instead of its number, the
// options as they are.
func (c *Conversation) mbqlField(op string, v []any, depth int) any {
	out := []any{op}
	for _, x := range v[1:] {
		switch x := x.(type) {
		case json.Number:
			n, err := strconv.ParseInt(x.String(), 10, 64)
			if err != nil {
				out = append(out, json.Number(c.m.Digits(x.String())))
				continue
			}
			if op == "field" || op == "field-id" || op == "fk->" {
				if name, ok := c.columnByNumber(n); ok {
					out = append(out, name)
					continue
				}
			}
			if looksMasked(x.String()) {
				out = append(out, json.Number(c.m.Digits(x.String())))
				continue
			}
			out = append(out, x)
		case string:
			switch op {
			case "field", "field-literal":
				if baseTypes(x) {
					out = append(out, x)
				} else {
					out = append(out, c.Column(Column{Name: x}).s)
				}
			default:
				out = append(out, c.alias(x))
			}
		default:
			out = append(out, c.mbql(x, "", depth+1))
		}
	}
	return out
}

func baseTypes(s string) bool { return strings.HasPrefix(s, "type/") && code(s) != "" }

// columnByNumber is table.column of Metabase's field number.
func (c *Conversation) columnByNumber(n int64) (string, bool) {
	x := c.library.Index
	if x == nil {
		return "", false
	}
	col := x.ColumnByNumber(n)
	if col == nil {
		return "", false
	}
	t := x.Table(catalog.TableOfColumn(col.ID))
	if t == nil {
		return "", false
	}
	name := c.m.Name(ClassColumn, col.Name)
	if !c.strict && !c.sensitiveColumn(t, col) {
		name = c.Column(catalogColumn(t, col)).s
	}
	return c.Table(t.Schema, t.Name).s + "." + name, true
}

// mbqlTable writes the source of a query: a table by its name, a card by its id.
func (c *Conversation) mbqlTable(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil && c.library.Index != nil {
			if t := c.library.Index.TableByNumber(n); t != nil {
				return c.Table(t.Schema, t.Name).s
			}
		}
		if looksMasked(v.String()) {
			return json.Number(c.m.Digits(v.String()))
		}
		return v
	case string:
		if id, ok := strings.CutPrefix(v, "card__"); ok && allDigits(id) && !looksMasked(id) {
			return v
		}
		return c.alias(v)
	case []any: // portable [database, schema, table]
		out := make([]any, 0, len(v))
		for i, x := range v {
			s, ok := x.(string)
			switch {
			case !ok:
				out = append(out, nil)
			case i == len(v)-1:
				out = append(out, c.part(s, ClassTable))
			default:
				out = append(out, c.part(s, ClassSchema))
			}
		}
		return out
	}
	return nil
}

// mbqlString masks a string: words of the language stay where it puts them.
func (c *Conversation) mbqlString(s, key string) string {
	if wordKeys()[key] && (mbqlWords()[strings.ToLower(s)] || baseTypes(s) || strings.HasPrefix(s, "mbql") && code(s) != "") {
		return s
	}
	if key == "interval" && (mbqlWords()[s] || s == "current") {
		return s
	}
	if key == "" && mbqlWords()[s] && unitWords()[s] {
		return s
	}
	return c.m.Text(classOf(s), s)
}

var structuralKeys = words(`database source-card source-field limit offset page items metabase-id card-id num-bins bin-width source-query-db interval
	lib/metadata-id table-id id snippet-id aggregation-idx stage-number`)

var mbqlKeys = words(`lib/type type stages source-table source-card source-query query native database filter filters aggregation breakout order-by limit fields
	expressions joins condition conditions alias strategy base-type effective-type temporal-unit binning join-alias source-field lib/uuid lib/options
	template-tags page items name display-name slug description case-sensitive include-current offset default num-bins bin-width lib/expression-name
	lib/desired-column-alias lib/source-column-alias ident inherited-temporal-unit original-temporal-unit database-id parameters widget-type dimension
	required card-id snippet-name snippet-id source-field-join-alias source-field-name stage-number options mode unit`)

// wordKeys are keys whose strings are words of the language.
var wordKeys = words(`lib/type type strategy base-type effective-type temporal-unit inherited-temporal-unit original-temporal-unit mode unit fields widget-type`)

var mbqlOperators = words(`and or not = != < > <= >= is-null not-null is-empty not-empty between inside starts-with ends-with contains does-not-contain
	in not-in during segment time-interval relative-time-interval relative-datetime interval absolute-datetime count count-where cum-count sum cum-sum sum-where avg min max
	median percentile stddev var distinct distinct-where share metric measure case if coalesce substring replace regex-match-first concat trim ltrim rtrim upper lower length
	split-part round floor ceil abs power sqrt exp log + - * / asc desc field field-id field-literal fk-> expression aggregation aggregation-ref
	aggregation-options datetime-field binning-strategy joined-field datetime-add datetime-subtract datetime-diff get-year get-quarter get-month
	get-week get-day get-day-of-week get-hour get-minute get-second temporal-extract convert-timezone now today value offset integer float text date datetime
	host domain subdomain path month-name quarter-name day-name collate all none dimension variable template-tag named`)

var mbqlWords = words(`query native internal mbql/query metadata/dataset mbql.stage/mbql mbql.stage/native mbql/join mbql/query left-join right-join inner-join full-join all none
	minute hour day week month quarter year default minute-of-hour hour-of-day day-of-week day-of-month day-of-year week-of-year month-of-year quarter-of-year
	second millisecond num-bins bin-width iso us instance current last next text number date boolean dimension card snippet temporal-unit category id
	date/single date/range date/all-options date/month-year date/quarter-year date/relative string/= string/!= string/contains number/= number/between`)

var unitWords = words(`minute hour day week month quarter year default minute-of-hour hour-of-day day-of-week day-of-month day-of-year week-of-year month-of-year
	quarter-of-year second millisecond current`)
