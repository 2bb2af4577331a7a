package llmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

type object = map[string]any

func parse(raw []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v object
	err := d.Decode(&v)
	return v, err
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func obj(v any) object {
	o, _ := v.(object)
	return o
}

// unknown returns a field that is not among those known.
func unknown(o object, known ...string) string {
	var names []string
	for name := range o {
		if !slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

func typesOf(schema object) []string {
	if t, ok := schema["type"].(string); ok {
		return []string{t}
	}
	var out []string
	for _, t := range list(schema["type"]) {
		out = append(out, text(t))
	}
	return out
}

// present lists which keywords a schema has, sorted.
func present(schema object, keywords ...string) []string {
	var out []string
	for _, k := range keywords {
		if _, ok := schema[k]; ok {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return out
}

// strictCounts are the sums over all strict schemas of a request.
type strictCounts struct{ optional, union int }

// anthropicSchema says what the API finds wrong with a schema that answers or
// strict tools shall keep to; empty = nothing. The subset:
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
func anthropicSchema(schema object, n *strictCounts) string {
	types := typesOf(schema)
	if len(types) > 1 || schema["anyOf"] != nil {
		n.union++
	}
	for _, t := range types {
		var bad []string
		switch t {
		case "object":
			if extra, ok := schema["additionalProperties"].(bool); !ok || extra {
				return "For 'object' type, 'additionalProperties' must be explicitly set to false"
			}
			bad = present(schema, "minProperties", "maxProperties", "patternProperties", "propertyNames")
		case "integer", "number":
			bad = present(schema, "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
		case "string":
			bad = present(schema, "minLength", "maxLength")
		case "array":
			bad = present(schema, "maxItems", "uniqueItems", "contains")
			if m, ok := schema["minItems"].(json.Number); ok && m != "0" && m != "1" {
				return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
			}
			if schema["items"] == nil {
				return "For 'array' type, 'items' is required"
			}
		case "boolean", "null":
		default:
			return fmt.Sprintf("Invalid type '%s'", t)
		}
		if len(bad) > 0 {
			return fmt.Sprintf("For '%s' type, properties %s are not supported", t, strings.Join(bad, ", "))
		}
	}
	if bad := present(schema, "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"); len(bad) > 0 {
		return fmt.Sprintf("Schema type '%s' is not supported", bad[0])
	}
	if len(types) == 0 && len(present(schema, "anyOf", "allOf", "enum", "const", "$ref")) == 0 {
		return "Schema has no type"
	}
	for _, v := range list(schema["enum"]) {
		switch v.(type) {
		case object, []any:
			return "Enum values must be strings, numbers, booleans or null"
		}
	}
	required := list(schema["required"])
	for name, sub := range obj(schema["properties"]) {
		if !slices.Contains(required, any(name)) {
			n.optional++
		}
		if problem := anthropicSchema(obj(sub), n); problem != "" {
			return problem
		}
	}
	for _, r := range required {
		if _, ok := obj(schema["properties"])[text(r)]; !ok {
			return fmt.Sprintf("Required property '%s' is not in properties", text(r))
		}
	}
	if items := obj(schema["items"]); items != nil {
		if problem := anthropicSchema(items, n); problem != "" {
			return problem
		}
	}
	for _, k := range []string{"anyOf", "allOf"} {
		for _, sub := range list(schema[k]) {
			if problem := anthropicSchema(obj(sub), n); problem != "" {
				return problem
			}
		}
	}
	return ""
}

// The limits of OpenAI's strict schemas:
// https://developers.openai.com/api/docs/guides/structured-outputs#supported-schemas
const (
	openAILevels     = 10
	openAIProperties = 5000
	openAIEnums      = 1000
)

// openAISchema says what OpenAI finds wrong with a strict schema. where is its
// place, as in ('properties', 'a').
func openAISchema(schema object, where []string, depth int, properties *int) string {
	at := "In context=(" + strings.Join(where, ", ") + "), "
	if len(where) == 1 {
		at = "In context=(" + where[0] + ",), "
	}
	if depth > openAILevels {
		return fmt.Sprintf("%d levels of nesting exceeds limit of %d.", depth, openAILevels)
	}
	if bad := present(schema, "allOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else", "patternProperties", "oneOf"); len(bad) > 0 {
		return fmt.Sprintf("%s'%s' is not permitted.", at, bad[0])
	}
	types := typesOf(schema)
	if len(types) == 0 && schema["anyOf"] == nil && schema["$ref"] == nil && schema["enum"] == nil && schema["const"] == nil {
		return at + "schema must have a 'type' key."
	}
	if len(list(schema["enum"])) > openAIEnums {
		return at + "enum has too many values."
	}
	if slices.Contains(types, "object") {
		if extra, ok := schema["additionalProperties"].(bool); !ok || extra {
			return at + "'additionalProperties' is required to be supplied and to be false."
		}
		props := obj(schema["properties"])
		names := make([]string, 0, len(props))
		for name := range props {
			names = append(names, name)
		}
		sort.Strings(names)
		required := list(schema["required"])
		for _, name := range names {
			if !slices.Contains(required, any(name)) {
				return fmt.Sprintf("%s'required' is required to be supplied and to be an array including every key in properties. Missing '%s'.", at, name)
			}
		}
		for _, r := range required {
			if _, ok := props[text(r)]; !ok {
				return fmt.Sprintf("%s'required' is required to be supplied and to be an array including every key in properties. Extra required key '%s' supplied.", at, text(r))
			}
		}
		if *properties += len(names); *properties > openAIProperties {
			return "Too many properties."
		}
		for _, name := range names {
			if problem := openAISchema(obj(props[name]), append(slices.Clone(where), "'properties'", "'"+name+"'"), depth+1, properties); problem != "" {
				return problem
			}
		}
	}
	if slices.Contains(types, "array") {
		items, ok := schema["items"].(object)
		if !ok {
			return at + "array schema missing items."
		}
		if problem := openAISchema(items, append(slices.Clone(where), "'items'"), depth+1, properties); problem != "" {
			return problem
		}
	}
	for i, sub := range list(schema["anyOf"]) {
		if problem := openAISchema(obj(sub), append(slices.Clone(where), "'anyOf'", "'"+itoa(i)+"'"), depth+1, properties); problem != "" {
			return problem
		}
	}
	return ""
}
