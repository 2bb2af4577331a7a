package metabase

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// tagList returns the declared tags of either form (a map by name, or a list),
// sorted by name.
func tagList(n any) []object {
	var out []object
	switch n := n.(type) {
	case object:
		for _, name := range sortedKeys(n) {
			if o, ok := n[name].(object); ok {
				o = kebabTop(o)
				if stringOf(o["name"]) == "" {
					o["name"] = name
				}
				out = append(out, o)
			}
		}
	case array:
		for _, v := range n {
			if o, ok := v.(object); ok {
				out = append(out, kebabTop(o))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b object) int { return strings.Compare(stringOf(a["name"]), stringOf(b["name"])) })
	return out
}

// tags decodes declared tags, without default values, options and ids.
func (q *cleaner) tags(n any) []catalog.TemplateTag {
	var out []catalog.TemplateTag
	for _, o := range tagList(n) {
		required, _ := o["required"].(bool)
		tag := catalog.TemplateTag{
			Name: stringOf(o["name"]), Type: stringOf(o["type"]), Display: stringOf(o["display-name"]),
			Required: required, WidgetType: stringOf(o["widget-type"]), Alias: stringOf(o["alias"]),
			Dimension: encode(q.reference(o["dimension"])), Snippet: stringOf(o["snippet-name"]),
			SnippetID: idText(o["snippet-id"]), QuestionID: idText(o["card-id"]),
			TableRef: encode(tableReference(o["table-id"])),
		}
		if tag.QuestionID == "" && tag.Type == "card" {
			tag.QuestionID = digitsOf(tag.Name)
		}
		out = append(out, tag)
	}
	return out
}

// tagTree is the same for trees, where a native stage has stages above it.
func (q *cleaner) tagTree(n any) object {
	out := object{}
	for _, o := range tagList(n) {
		kept := object{}
		for _, k := range []string{"name", "type", "display-name", "widget-type", "alias", "snippet-name"} {
			if s := stringOf(o[k]); s != "" {
				kept[k] = s
			}
		}
		for _, k := range []string{"card-id", "snippet-id"} {
			if id := idText(o[k]); id != "" {
				kept[k] = o[k]
			}
		}
		if required, ok := o["required"].(bool); ok && required {
			kept["required"] = true
		}
		if d := q.reference(o["dimension"]); d != nil {
			kept["dimension"] = d
		}
		if t := tableReference(o["table-id"]); t != nil {
			kept["table-id"] = t
		}
		out[stringOf(o["name"])] = kept
	}
	return out
}

// tableReference is a number, or a portable [database, schema, table].
func tableReference(n any) any {
	switch n := n.(type) {
	case number:
		return n
	case array:
		if len(n) > 4 {
			return nil
		}
		for _, v := range n {
			if _, ok := v.(string); !ok && v != nil {
				return nil
			}
		}
		return n
	}
	return nil
}

// digitsOf returns the number of "#123-slug".
func digitsOf(name string) string {
	rest, ok := strings.CutPrefix(name, "#")
	if !ok {
		return ""
	}
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	return rest[:end]
}

// parameters decodes filter widgets, without default and static values.
func (c *Client) parameters(f *faults, key string, val []byte) []catalog.Parameter {
	if isNull(val) {
		return nil
	}
	var out []catalog.Parameter
	ok := eachElement(val, func(v []byte) {
		var p catalog.Parameter
		isObj := eachMember(v, func(k string, v []byte) {
			switch k {
			case "id":
				p.ID = f.id(key+".id", v)
			case "name":
				p.Name = f.text(key+".name", v)
			case "slug":
				p.Slug = f.text(key+".slug", v)
			case "type":
				p.Type = f.text(key+".type", v)
			case "required":
				p.Required = f.flag(key+".required", v)
			case "filteringParameters":
				p.LinkedTo = f.texts(key+".filteringParameters", v)
			case "values_source_type":
				p.SourceType = f.text(key+".values_source_type", v)
			case "values_source_config":
				eachMember(v, func(k string, v []byte) {
					switch k {
					case "card_id":
						p.SourceQuestionID = f.id(key+".card_id", v)
					case "value_field":
						p.SourceValueField = c.reference(f, key+".value_field", v)
					case "label_field":
						p.SourceLabelField = c.reference(f, key+".label_field", v)
					}
				})
			case "target":
				p.Target = c.reference(f, key+".target", v)
			}
		})
		if !isObj {
			f.add(key)
			return
		}
		out = append(out, p)
	})
	if !ok {
		f.add(key)
	}
	return out
}

// reference cleans a field reference or a parameter's target.
func (c *Client) reference(f *faults, key string, val []byte) []byte {
	if isNull(val) {
		return nil
	}
	tree, err := parse(val)
	if _, ok := tree.(array); !ok || err != nil {
		f.add(key)
		return nil
	}
	return encode(c.cleaner("").reference(tree))
}

// mappings decodes what connects filters to questions.
func (c *Client) mappings(f *faults, key string, val []byte) []catalog.ParameterMapping {
	if isNull(val) {
		return nil
	}
	var out []catalog.ParameterMapping
	ok := eachElement(val, func(v []byte) {
		var m catalog.ParameterMapping
		eachMember(v, func(k string, v []byte) {
			switch k {
			case "parameter_id":
				m.ParameterID = f.id(key+".parameter_id", v)
			case "card_id":
				m.QuestionID = f.id(key+".card_id", v)
			case "target":
				m.Target = c.reference(f, key+".target", v)
			}
		})
		if m.ParameterID != "" {
			out = append(out, m)
		}
	})
	if !ok {
		f.add(key)
	}
	return out
}
