package tools

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/mask"
)

// shape is the JSON Schema of a result.
type shape struct {
	Type                 string            `json:"type"`
	Format               string            `json:"format,omitempty"`
	Description          string            `json:"description,omitempty"`
	Properties           map[string]*shape `json:"properties,omitempty"`
	Items                *shape            `json:"items,omitempty"`
	Required             []string          `json:"required,omitempty"`
	AdditionalProperties *bool             `json:"additionalProperties,omitempty"`
}

// shapeOf writes the schema of what [mask.JSON] writes of a type: fields with
// omitempty or omitzero may be absent, embedded structs are part of what embeds
// them, desc tags describe.
func shapeOf(t reflect.Type) (json.RawMessage, error) {
	s, err := describe(t)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write schema of %s: %w", t, err)
	}
	return data, nil
}

func describe(t reflect.Type) (*shape, error) {
	switch t {
	case reflect.TypeFor[mask.Text]():
		return &shape{Type: "string"}, nil
	case reflect.TypeFor[time.Time]():
		return &shape{Type: "string", Format: "date-time"}, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return &shape{Type: "boolean"}, nil
	case reflect.Int, reflect.Int64:
		return &shape{Type: "integer"}, nil
	case reflect.Float64:
		return &shape{Type: "number"}, nil
	case reflect.Pointer:
		return describe(t.Elem())
	case reflect.Slice:
		items, err := describe(t.Elem())
		return &shape{Type: "array", Items: items}, err
	case reflect.Struct:
		closed := false
		s := &shape{Type: "object", Properties: map[string]*shape{}, AdditionalProperties: &closed}
		return s, s.fields(t)
	default:
		return nil, fmt.Errorf("%s has no place in a result", t)
	}
}

func (s *shape) fields(t reflect.Type) error {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			if err := s.fields(f.Type); err != nil {
				return err
			}
			continue
		}
		if name == "" || name == "-" {
			return fmt.Errorf("%s.%s has no JSON name", t, f.Name)
		}
		sub, err := describe(f.Type)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		sub.Description = f.Tag.Get("desc")
		s.Properties[name] = sub
		if options == "" {
			s.Required = append(s.Required, name)
		}
	}
	return nil
}
