package export

import (
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// queryKeys are the keys of query objects, stages, joins and clause options
// that are kept, in kebab-case. The list is the one of reading over HTTP, so
// that a question read either way has the same definition.
var queryKeys = keySet(`database type query native lib/type stages
source-table source-card source-query joins expressions filter filters aggregation breakout fields order-by limit template-tags collection
alias strategy condition conditions fk-field-id
base-type effective-type source-field source-field-name source-field-join-alias join-alias temporal-unit inherited-temporal-unit
binning num-bins bin-width case-sensitive include-current default name display-name lib/expression-name lib/uuid
stage-number unit mode`)

func keySet(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}

func kebab(key string) string { return strings.ReplaceAll(key, "_", "-") }

// kebabKeys makes the keys of an object comparable: very old rows have snake
// case.
func kebabKeys(v *value) *value {
	if !v.isObject() {
		return v
	}
	out := value{kind: object, items: v.items, keys: make([]string, len(v.keys))}
	for i, k := range v.keys {
		out.keys[i] = kebab(k)
	}
	return &out
}

// cleaner walks one query. Random ids of clauses are dropped, or numbered in
// order where another clause refers to them.
type cleaner struct{ uuids map[string]string }

func newCleaner(v *value) *cleaner {
	c := &cleaner{uuids: map[string]string{}}
	c.collect(v)
	return c
}

func (c *cleaner) collect(v *value) {
	if v.isList() && len(v.items) >= 3 && v.items[0].str() == "aggregation" && v.items[2].isText() {
		if id := v.items[2].text; c.uuids[id] == "" {
			c.uuids[id] = "a" + itoa(len(c.uuids)+1)
		}
	}
	for i := range v.items {
		c.collect(&v.items[i])
	}
}

func (c *cleaner) node(v *value) value {
	switch v.kind {
	case list:
		return c.list(v)
	case object:
		return c.object(v, "")
	}
	return *v
}

func (c *cleaner) list(v *value) value {
	op := ""
	if len(v.items) > 0 && v.items[0].isText() {
		op = strings.ToLower(kebab(v.items[0].text))
	}
	out := value{kind: list, items: make([]value, 0, len(v.items))}
	for i := range v.items {
		switch item := &v.items[i]; {
		case item.kind == object:
			out.items = append(out.items, c.object(item, op))
		case item.kind == text && op == "aggregation" && c.uuids[item.text] != "":
			out.items = append(out.items, textValue(c.uuids[item.text]))
		default:
			out.items = append(out.items, c.node(item))
		}
	}
	return out
}

// object keeps the known keys. op is the operator whose options these are, if
// they are any.
func (c *cleaner) object(v *value, op string) value {
	out := value{kind: object}
	for i := range v.keys {
		k, item := kebab(v.keys[i]), &v.items[i]
		if !queryKeys[k] || item.isNull() {
			continue
		}
		switch k {
		case "template-tags":
			if tags := c.tagTree(item); len(tags.keys) > 0 {
				out.set(k, tags)
			}
		case "native":
			out.set(k, c.native(item))
		case "expressions":
			out.set(k, c.expressions(item))
		case "lib/uuid":
			if id := c.uuids[item.str()]; id != "" {
				out.set(k, textValue(id))
			}
		case "default": // a written fallback of case; anywhere else a stored value
			if op == "case" || op == "if" {
				out.set(k, c.node(item))
			}
		default:
			out.set(k, c.node(item))
		}
	}
	return out
}

// expressions are named by people: every key of the legacy map is kept.
func (c *cleaner) expressions(v *value) value {
	if !v.isObject() {
		return c.node(v)
	}
	out := value{kind: object}
	for i := range v.keys {
		out.set(v.keys[i], c.node(&v.items[i]))
	}
	return out
}

// native keeps text, a legacy {query, template-tags} object, or a driver's own
// form.
func (c *cleaner) native(v *value) value {
	if !v.isObject() || v.get("query") == nil {
		return *v
	}
	out := value{kind: object}
	v = kebabKeys(v)
	out.set("query", *v.get("query"))
	if tags := c.tagTree(v.get("template-tags")); len(tags.keys) > 0 {
		out.set("template-tags", tags)
	}
	if name := v.get("collection"); name.isText() {
		out.set("collection", *name)
	}
	return out
}

// tagList returns declared tags of either form, a map by name or a list.
func tagList(v *value) []*value {
	var out []*value
	if v.isNull() {
		return nil
	}
	for i := range v.items {
		item := &v.items[i]
		if !item.isObject() {
			continue
		}
		item = kebabKeys(item)
		if v.isObject() && item.get("name").str() == "" {
			item.keys, item.items = append(item.keys[:len(item.keys):len(item.keys)], "name"), append(item.items[:len(item.items):len(item.items)], textValue(v.keys[i]))
		}
		out = append(out, item)
	}
	return out
}

// tagTree keeps what tags mean, without defaults, for native stages with others
// above them.
func (c *cleaner) tagTree(v *value) value {
	out := value{kind: object}
	for _, tag := range tagList(v) {
		kept := value{kind: object}
		for _, k := range []string{"name", "type", "display-name", "widget-type", "alias", "snippet-name", "card-id", "snippet-id"} {
			if item := tag.get(k); item.str() != "" {
				kept.set(k, *item)
			}
		}
		if tag.get("required").yes() {
			kept.set("required", value{kind: boolean, text: "true"})
		}
		if d := tag.get("dimension"); d.isList() {
			kept.set("dimension", c.node(d))
		}
		if ref := tableReference(tag.get("table-id")); ref != nil {
			kept.set("table-id", *ref)
		}
		out.set(tag.get("name").str(), kept)
	}
	return out
}

func tableReference(v *value) *value {
	if v.isNull() {
		return nil
	}
	if parts, ok := v.path(); ok && len(parts) <= 4 || v.kind == number {
		return v
	}
	return nil
}

// tags decodes declared tags, without default values, options and ids.
func (c *cleaner) tags(v *value) []catalog.TemplateTag {
	var out []catalog.TemplateTag
	for _, t := range tagList(v) {
		tag := catalog.TemplateTag{
			Name: t.get("name").str(), Type: t.get("type").str(), Display: t.get("display-name").str(),
			Required: t.get("required").yes(), WidgetType: t.get("widget-type").str(), Alias: t.get("alias").str(),
			QuestionID: t.get("card-id").str(), SnippetID: t.get("snippet-id").str(), Snippet: t.get("snippet-name").str(),
			TableRef: tableReference(t.get("table-id")).json(),
		}
		if d := t.get("dimension"); d.isList() {
			cleaned := c.node(d)
			tag.Dimension = cleaned.json()
		}
		out = append(out, tag)
	}
	sortTags(out)
	return out
}

// query cleans a dataset_query and tells the question it is built on directly.
func query(v *value, fallbackDatabase string) (out catalog.Query, source string) {
	if !v.isObject() || len(v.keys) == 0 {
		return catalog.Query{}, ""
	}
	v = kebabKeys(v)
	c := newCleaner(v)
	out.DatabaseID = v.get("database").str()
	if out.DatabaseID == "" || strings.HasPrefix(out.DatabaseID, "-") {
		out.DatabaseID = fallbackDatabase
	}
	stages := v.get("stages")
	switch {
	case stages.isList() && len(stages.items) > 0:
		first := kebabKeys(&stages.items[0])
		source = sourceCard(first)
		if native := first.get("native"); native != nil {
			c.fillNative(&out, native, first.get("template-tags"))
			if len(stages.items) == 1 {
				return out, ""
			}
		}
		out.Language, out.Dialect = catalog.LanguageMBQL, "mbql5"
	case v.get("type").str() == "native" || v.get("query") == nil && v.get("native").isObject():
		native := kebabKeys(v.get("native"))
		c.fillNative(&out, native.get("query"), native.get("template-tags"))
		return out, ""
	case v.get("query").isObject():
		inner := kebabKeys(v.get("query"))
		for ; inner.isObject(); inner = kebabKeys(inner.get("source-query")) {
			source = sourceCard(inner)
			if native := inner.get("native"); native != nil {
				c.fillNative(&out, native, inner.get("template-tags"))
			}
		}
		out.Language, out.Dialect = catalog.LanguageMBQL, "mbql4"
	default:
		return catalog.Query{DatabaseID: out.DatabaseID}, ""
	}
	cleaned := c.node(v)
	out.MBQL = cleaned.json()
	return out, source
}

func sourceCard(stage *value) string {
	if id := stage.get("source-card").str(); id != "" {
		return id
	}
	return strings.TrimPrefix(stage.get("source-table").str(), "card__")
}

func (c *cleaner) fillNative(out *catalog.Query, native, tags *value) {
	out.Tags = c.tags(tags)
	switch {
	case native.isText():
		out.Language, out.SQL = catalog.LanguageSQL, native.text
		if looksLikeJSON(native.text) {
			out.Language = catalog.LanguageOther
		}
	case native.isNull():
		out.Language = catalog.LanguageNone
	default:
		out.Language, out.SQL = catalog.LanguageOther, string(native.json())
	}
}

// definition cleans the definition of a segment or measure.
func definition(v *value) []byte {
	if !v.isObject() || len(v.keys) == 0 {
		return nil
	}
	cleaned := newCleaner(v).node(v)
	return cleaned.json()
}

// reference cleans a field reference or parameter target.
func reference(v *value) []byte {
	if !v.isList() {
		return nil
	}
	cleaned := newCleaner(v).node(v)
	return cleaned.json()
}

// parameters decodes filter widgets, without default and static values.
func parameters(v *value) []catalog.Parameter {
	if !v.isList() {
		return nil
	}
	var out []catalog.Parameter
	for i := range v.items {
		p := &v.items[i]
		if !p.isObject() {
			continue
		}
		parameter := catalog.Parameter{
			ID: p.get("id").str(), Name: p.get("name").str(), Slug: p.get("slug").str(), Type: p.get("type").str(),
			Required: p.get("required").yes(), LinkedTo: texts(p.get("filteringParameters")),
			SourceType: p.get("values_source_type").str(), Target: reference(p.get("target")),
		}
		if source := p.get("values_source_config"); source.isObject() {
			parameter.SourceQuestionID = source.get("card_id").str()
			parameter.SourceValueField = reference(source.get("value_field"))
			parameter.SourceLabelField = reference(source.get("label_field"))
		}
		out = append(out, parameter)
	}
	return out
}

func mappings(v *value) []catalog.ParameterMapping {
	if !v.isList() {
		return nil
	}
	var out []catalog.ParameterMapping
	for i := range v.items {
		m := &v.items[i]
		if id := m.get("parameter_id").str(); id != "" {
			out = append(out, catalog.ParameterMapping{ParameterID: id, QuestionID: m.get("card_id").str(), Target: reference(m.get("target"))})
		}
	}
	return out
}

// resultColumns decodes result_metadata without fingerprints and values.
func resultColumns(v *value) []catalog.ResultColumn {
	if !v.isList() {
		return nil
	}
	var out []catalog.ResultColumn
	for i := range v.items {
		r := &v.items[i]
		column := catalog.ResultColumn{
			Name: r.get("name").str(), DisplayName: r.get("display_name").str(), Description: r.get("description").str(),
			BaseType: r.get("base_type").str(), SemanticType: r.get("semantic_type").str(), ColumnID: columnID(r.get("id")),
		}
		if column.Name == "" {
			continue
		}
		if column.ColumnID == "" {
			column.FieldRef = reference(r.get("field_ref"))
		}
		out = append(out, column)
	}
	return out
}

func texts(v *value) []string {
	if !v.isList() {
		return nil
	}
	var out []string
	for i := range v.items {
		if s := v.items[i].str(); s != "" {
			out = append(out, s)
		}
	}
	return out
}
