package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// object is a JSON object of the document.
type object map[string]any

// Document is the OpenAPI 3.1 document of the API, generated from the types of
// its operations.
func Document(version string) any {
	s := schemas{known: map[string]object{}}
	paths := object{}
	for _, o := range (&API{}).operations() {
		item, ok := paths[o.Path].(object)
		if !ok {
			item = object{}
			if list := pathParameters(o.Path); len(list) > 0 {
				item["parameters"] = list
			}
			paths[o.Path] = item
		}
		item[strings.ToLower(o.Method)] = s.operation(o)
	}
	s.of(reflect.TypeFor[Problem]())
	components := object{}
	for name, one := range s.known {
		components[name] = one
	}
	problem := object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}}
	responses := object{}
	for name, text := range map[string]string{
		"BadRequest": "A parameter or the body is not understood.", "Unauthorized": "There is no good token.", "Forbidden": "The token or its member may not do this.",
		"NotFound": "There is no such thing, or the member may not see it.", "Conflict": "The state does not allow it.", "TooManyRequests": "Too many requests; Retry-After says how long to wait.",
	} {
		responses[name] = object{"description": text, "content": problem}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "MetaLens", "version": version,
			"description": "What MetaLens knows of a Metabase: scans, assets, lineage, findings. Errors are application/problem+json with a stable code. Lists answer next_cursor while there is more.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":  []object{{"url": Base}},
		"security": []object{{"token": []string{}}},
		"paths":    paths,
		"components": object{
			"schemas": components, "responses": responses,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "A personal access token (mlp_…) from Settings, Access tokens."}},
			"headers": object{
				"RateLimit-Limit":     header("requests that the token may send in a minute"),
				"RateLimit-Remaining": header("how many of them are left"),
				"RateLimit-Reset":     header("seconds until they are counted anew"),
			},
		},
	}
}

func header(text string) object {
	return object{"description": text, "schema": object{"type": "integer"}}
}

func pathParameters(path string) []object {
	texts := map[string]string{
		"conn": "id of a connection", "scan": "id of a scan", "fingerprint": "fingerprint of a finding", "kind": "kind of an asset", "id": "id of an asset; slashes as %2F",
	}
	var list []object
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			list = append(list, object{"name": name, "in": "path", "required": true, "description": texts[name], "schema": object{"type": "string"}})
		}
	}
	return list
}

// schemas collects the named types that answers are made of.
type schemas struct{ known map[string]object }

func (s schemas) operation(o operation) object {
	headers := object{}
	for _, h := range []string{"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} {
		headers[h] = object{"$ref": "#/components/headers/" + h}
	}
	shape := s.of(o.Result)
	if o.Schema != "" {
		shape = object{"type": "object", "description": "As docs/schema/" + o.Schema + " says."}
	}
	out := object{
		"operationId": o.ID, "summary": o.Summary, "description": "Needs the scope " + o.Scope + " and a member with at least the role " + string(o.Role) + ".",
		"x-scope": o.Scope, "x-role": string(o.Role),
		"responses": object{
			strconv.Itoa(o.Status): object{"description": http.StatusText(o.Status), "headers": headers, "content": object{"application/json": object{"schema": shape}}},
			"400":                  object{"$ref": "#/components/responses/BadRequest"},
			"401":                  object{"$ref": "#/components/responses/Unauthorized"},
			"403":                  object{"$ref": "#/components/responses/Forbidden"},
			"404":                  object{"$ref": "#/components/responses/NotFound"},
			"409":                  object{"$ref": "#/components/responses/Conflict"},
			"429":                  object{"$ref": "#/components/responses/TooManyRequests"},
		},
	}
	var parameters []object
	for _, f := range fieldsOf(o.Query) {
		parameters = append(parameters, object{"name": f.Name, "in": "query", "description": f.Doc, "schema": f.schema()})
	}
	if len(parameters) > 0 {
		out["parameters"] = parameters
	}
	if o.Body != nil {
		out["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": s.of(o.Body)}}}
	}
	return out
}

func (f field) schema() object {
	one := object{"type": "string"}
	if len(f.Enum) > 0 {
		one["enum"] = f.Enum
	}
	switch f.Kind {
	case reflect.Slice:
		return object{"type": "array", "items": one}
	case reflect.Int:
		return object{"type": "integer", "minimum": 1, "maximum": f.Max}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Struct:
		one["format"] = "date-time"
	}
	return one
}

// of is the schema of a type; structs are named and stand in the components.
func (s schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{"type": "object"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		inner := s.of(t.Elem())
		if _, named := inner["$ref"]; named {
			return object{"oneOf": []any{inner, object{"type": "null"}}}
		}
		inner["type"] = []any{inner["type"], "null"}
		return inner
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Struct:
		return s.named(t)
	default:
		return object{"type": "string"}
	}
}

func (s schemas) named(t reflect.Type) object {
	name := typeName(t)
	reference := object{"$ref": "#/components/schemas/" + name}
	if _, known := s.known[name]; known {
		return reference
	}
	properties, required := object{}, []string{}
	s.known[name] = object{"type": "object", "properties": properties}
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		member, options, _ := strings.Cut(tag, ",")
		if f.Anonymous || !f.IsExported() || member == "-" {
			continue
		}
		if member == "" {
			member = f.Name
		}
		one := s.of(f.Type)
		if doc := f.Tag.Get("doc"); doc != "" {
			one["description"] = doc
		}
		properties[member] = one
		if !strings.Contains(options, "omit") {
			required = append(required, member)
		}
	}
	if len(required) > 0 {
		slices.Sort(required)
		s.known[name]["required"] = required
	}
	return reference
}

// typeName names a type in the document: Page[…Finding] is FindingPage, an
// unexported assetEntry is Asset.
func typeName(t reflect.Type) string {
	name := t.Name()
	if base, inner, generic := strings.Cut(name, "["); generic {
		inner = strings.TrimSuffix(inner, "]")
		return plainName(inner[strings.LastIndexByte(inner, '.')+1:]) + base
	}
	return plainName(name)
}

func plainName(name string) string {
	name = strings.TrimSuffix(name, "Entry")
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}
