package metabase

import (
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// queryKeys are the keys of query objects, stages, joins and clause options
// that are kept, in kebab-case. Everything else (default values, source
// metadata, stage metadata, fingerprints, middleware, info, constraints,
// parameters with their values, random idents) is dropped.
var queryKeys = map[string]bool{
	// envelope
	"database": true, "type": true, "query": true, "native": true, "lib/type": true, "stages": true,
	// stage and inner query
	"source-table": true, "source-card": true, "source-query": true, "joins": true, "expressions": true,
	"filter": true, "filters": true, "aggregation": true, "breakout": true, "fields": true,
	"order-by": true, "limit": true, "template-tags": true, "collection": true,
	// join
	"alias": true, "strategy": true, "condition": true, "conditions": true, "fk-field-id": true,
	// clause options
	"base-type": true, "effective-type": true, "source-field": true, "source-field-name": true,
	"source-field-join-alias": true, "join-alias": true, "temporal-unit": true, "inherited-temporal-unit": true,
	"binning": true, "num-bins": true, "bin-width": true, "case-sensitive": true, "include-current": true,
	"default": true, "name": true, "display-name": true, "lib/expression-name": true, "lib/uuid": true,
	"stage-number": true, "unit": true, "mode": true,
}

// kebab normalises a key of any age: MBQL 2 and 3 wrote snake case.
func kebab(key string) string {
	if strings.IndexByte(key, '_') < 0 {
		return key
	}
	return strings.ReplaceAll(key, "_", "-")
}

// cleaner walks one query. Random ids of clauses are dropped, or numbered in
// order where another clause refers to them, so that two reads of one query are
// equal.
type cleaner struct {
	mask    *masker // nil: literals are kept
	dialect sqlFlavour
	uuids   map[string]string
}

func (c *Client) cleaner(engine string) *cleaner {
	return &cleaner{mask: c.mask, dialect: flavourOf(engine), uuids: map[string]string{}}
}

// collectRefs finds the clause ids that aggregation references name.
func (q *cleaner) collectRefs(n any) {
	switch n := n.(type) {
	case array:
		if len(n) >= 3 && n[0] == "aggregation" {
			if id, ok := n[2].(string); ok && q.uuids[id] == "" {
				q.uuids[id] = "a" + strconv.Itoa(len(q.uuids)+1)
			}
		}
		for _, v := range n {
			q.collectRefs(v)
		}
	case object:
		for _, k := range sortedKeys(n) {
			q.collectRefs(n[k])
		}
	}
}

func sortedKeys(o object) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// clean cleans a whole query tree.
func (q *cleaner) clean(n any) any {
	q.collectRefs(n)
	return q.node(n, false)
}

// node cleans any node. clause tells that it stands inside a clause, where bare
// values are literals.
func (q *cleaner) node(n any, clause bool) any {
	switch n := n.(type) {
	case array:
		return q.array(n, clause)
	case object:
		return q.object(n, "")
	case string, number:
		if clause {
			return q.literal(n)
		}
	}
	return n
}

// object keeps the known keys. op is the operator whose options these are, if
// they are any.
func (q *cleaner) object(o object, op string) object {
	out := object{}
	for _, key := range sortedKeys(o) {
		k, v := kebab(key), o[key]
		if !queryKeys[k] || v == nil {
			continue
		}
		switch k {
		case "template-tags":
			if tags := q.tagTree(v); len(tags) > 0 {
				out[k] = tags
			}
		case "native":
			out[k] = q.native(v)
		case "query": // the text of a native query, or an inner MBQL query
			if text, ok := v.(string); ok {
				out[k] = q.sql(text)
			} else {
				out[k] = q.node(v, false)
			}
		case "expressions":
			out[k] = q.expressions(v)
		case "lib/uuid":
			if id := q.uuids[stringOf(v)]; id != "" {
				out[k] = id
			}
		case "default": // a written fallback of case; anywhere else a stored value
			if op == "case" || op == "if" {
				out[k] = q.node(v, true)
			}
		case "name", "display-name", "lib/expression-name", "alias", "join-alias":
			if s, ok := v.(string); ok {
				out[k] = s
			}
		default:
			out[k] = q.node(v, false)
		}
	}
	return out
}

// expressions are named by people: every key of the legacy map is kept.
func (q *cleaner) expressions(n any) any {
	o, ok := n.(object)
	if !ok {
		return q.node(n, false)
	}
	out := object{}
	for k, v := range o {
		out[k] = q.node(v, true)
	}
	return out
}

// native cleans the native part: SQL text, a legacy {query, template-tags}
// object, or a driver's own form.
func (q *cleaner) native(n any) any {
	switch n := n.(type) {
	case string:
		return q.sql(n)
	case object:
		if _, isLegacy := n["query"]; !isLegacy {
			return q.driverForm(n)
		}
		out := object{}
		for _, key := range sortedKeys(n) {
			switch kebab(key) {
			case "query":
				if text, ok := n[key].(string); ok {
					out["query"] = q.sql(text)
				} else {
					out["query"] = q.driverForm(n[key])
				}
			case "template-tags":
				if tags := q.tagTree(n[key]); len(tags) > 0 {
					out["template-tags"] = tags
				}
			case "collection":
				if s, ok := n[key].(string); ok {
					out["collection"] = s
				}
			}
		}
		return out
	default:
		return q.driverForm(n)
	}
}

// driverForm keeps a native query that is no text (MongoDB, Druid) as it is, or
// with its values hashed.
func (q *cleaner) driverForm(n any) any {
	if q.mask == nil {
		return n
	}
	switch n := n.(type) {
	case array:
		out := make(array, len(n))
		for i, v := range n {
			out[i] = q.driverForm(v)
		}
		return out
	case object:
		out := object{}
		for k, v := range n {
			out[k] = q.driverForm(v)
		}
		return out
	case string:
		if strings.HasPrefix(n, "$") || strings.HasPrefix(n, "{{") {
			return n
		}
		return q.mask.text(n)
	case number:
		return q.literal(n)
	}
	return n
}

// sql returns native text as it is kept.
func (q *cleaner) sql(text string) string {
	if q.mask == nil {
		return text
	}
	if other := strings.TrimLeft(text, " \t\r\n"); strings.HasPrefix(other, "[") || strings.HasPrefix(other, "{") && !strings.HasPrefix(other, "{{") {
		if tree, err := parseText(text); err == nil {
			return string(encode(q.driverForm(tree)))
		}
		if q.dialect.other {
			return q.mask.text(text)
		}
	}
	return q.mask.sql(text, q.dialect)
}

// structural are the operators whose bare arguments are structure, not data.
var structural = map[string]bool{
	"field": true, "field-id": true, "fk->": true, "joined-field": true, "datetime-field": true,
	"field-literal": true, "binning-strategy": true, "expression": true, "aggregation": true,
	"segment": true, "metric": true, "measure": true, "template-tag": true, "dimension": true, "variable": true,
	"text-tag": true, "time-interval": true, "relative-time-interval": true, "relative-datetime": true,
	"interval": true, "offset": true, "asc": true, "desc": true, "aggregation-options": true, "named": true,
	"temporal-extract": true,
}

func (q *cleaner) array(a array, clause bool) array {
	out := make(array, len(a))
	op, isOp := "", false
	if len(a) > 0 {
		op, isOp = a[0].(string)
	}
	if isOp && q.mask != nil && clause && !operators[strings.ToLower(kebab(op))] {
		isOp = false // a list of literals, not a clause
	}
	op = strings.ToLower(kebab(op))
	for i, v := range a {
		switch v := v.(type) {
		case array:
			out[i] = q.array(v, true)
		case object:
			out[i] = q.object(v, op)
		case string:
			switch {
			case i == 0 && isOp, structural[op]:
				if id := q.uuids[v]; op == "aggregation" && id != "" {
					out[i] = id
				} else {
					out[i] = v
				}
			default:
				out[i] = q.literal(v)
			}
		case number:
			if structural[op] {
				out[i] = v
			} else {
				out[i] = q.literal(v)
			}
		default:
			out[i] = v
		}
	}
	return out
}

// literal keeps or hashes a value that a person wrote.
func (q *cleaner) literal(n any) any {
	if q.mask == nil {
		return n
	}
	switch n := n.(type) {
	case string:
		if n == "" || structuralText(n) {
			return n
		}
		return q.mask.text(n)
	case number:
		if n == "0" || n == "1" {
			return n
		}
		return q.mask.number(string(n))
	}
	return n
}

// reference cleans a field reference or parameter target.
func (q *cleaner) reference(n any) any {
	if n == nil {
		return nil
	}
	return q.node(n, true)
}

// queryTree parses a query: an object, or JSON text of one. ok is false for
// null, for {} and for what is neither.
func (c *Client) queryTree(f *faults, key string, val []byte) (o object, ok bool) {
	if isNull(val) {
		return nil, false
	}
	tree, err := parse(val)
	if text, isText := tree.(string); isText && err == nil {
		if text == "" {
			return nil, false
		}
		tree, err = parseText(text)
	}
	o, ok = tree.(object)
	if err != nil || !ok {
		f.add(key)
		return nil, false
	}
	return o, len(o) > 0
}

// queryFrom cleans a parsed query.
func (c *Client) queryFrom(o object) catalog.Query {
	o = kebabTop(o)
	var out catalog.Query
	out.DatabaseID = idText(o["database"])
	engine := c.names.engine(out.DatabaseID)
	q := c.cleaner(engine)
	out.Masked = c.mask != nil
	stages, five := o["stages"].(array)
	five = five || o["lib/type"] == "mbql/query"
	switch {
	case len(o) == 0:
		return catalog.Query{}
	case five:
		first, _ := firstOf(stages).(object)
		if text, isNative := first["native"]; isNative {
			q.fillNative(&out, text, first["template-tags"], engine)
			if len(stages) == 1 {
				return out
			}
		}
		if len(stages) == 0 {
			return catalog.Query{DatabaseID: out.DatabaseID}
		}
		out.Language, out.Dialect = catalog.LanguageMBQL, "mbql5"
	case o["type"] == "native" || o["type"] == nil && o["native"] != nil:
		native, _ := o["native"].(object)
		native = kebabTop(native)
		q.fillNative(&out, native["query"], native["template-tags"], engine)
		return out
	case o["query"] != nil:
		inner, ok := o["query"].(object)
		if !ok {
			return catalog.Query{DatabaseID: out.DatabaseID}
		}
		for depth := 0; inner != nil && depth < deepest; depth++ {
			inner = kebabTop(inner)
			if text, isNative := inner["native"]; isNative {
				q.fillNative(&out, text, inner["template-tags"], engine)
			}
			inner, _ = inner["source-query"].(object)
		}
		out.Language, out.Dialect = catalog.LanguageMBQL, "mbql4"
	default:
		return catalog.Query{DatabaseID: out.DatabaseID}
	}
	cleaned := q.clean(o)
	out.MBQL = encode(cleaned)
	return out
}

func firstOf(a array) any {
	if len(a) == 0 {
		return nil
	}
	return a[0]
}

func kebabTop(o object) object {
	for k := range o {
		if kebab(k) != k {
			out := make(object, len(o))
			for k, v := range o {
				out[kebab(k)] = v
			}
			return out
		}
	}
	return o
}

// fillNative sets the native text and its tags.
func (q *cleaner) fillNative(out *catalog.Query, text, tags any, engine string) {
	out.Tags = q.tags(tags)
	out.Language = catalog.LanguageSQL
	switch text := text.(type) {
	case string:
		if q.dialect.other || engine == "" && looksLikeJSON(text) {
			out.Language = catalog.LanguageOther
		}
		out.SQL = q.sql(text)
	case nil:
		out.Language = catalog.LanguageNone
	default:
		out.Language = catalog.LanguageOther
		out.SQL = string(encode(q.driverForm(text)))
	}
}

func looksLikeJSON(text string) bool {
	text = strings.TrimSpace(text)
	if text == "" || text[0] != '[' && text[0] != '{' || strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "[[") {
		return false
	}
	_, err := parseText(text)
	return err == nil
}

// sourceQuestion returns the id of the question a query is built on directly, if any.
func sourceQuestion(o object) string {
	o = kebabTop(o)
	var stage object
	if stages, ok := o["stages"].(array); ok {
		stage, _ = firstOf(stages).(object)
	} else {
		stage, _ = o["query"].(object)
	}
	for depth := 0; stage != nil && depth < deepest; depth++ {
		stage = kebabTop(stage)
		if id := idText(stage["source-card"]); id != "" {
			return id
		}
		if id, ok := strings.CutPrefix(stringOf(stage["source-table"]), "card__"); ok {
			return id
		}
		stage, _ = stage["source-query"].(object)
	}
	return ""
}
