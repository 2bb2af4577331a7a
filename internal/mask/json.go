package mask

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// MarshalJSON writes the text as a JSON string.
func (t Text) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(t.s); err != nil {
		return nil, fmt.Errorf("write masked text: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// JSON writes a value whose every text is a [Text]: structs, slices and pointers
// of texts, numbers, truth values and times. Anything else in it, a plain string
// above all, is an error: it would reach a model past the mask.
func JSON(v any) (Text, error) {
	if err := onlyTexts(reflect.TypeOf(v), map[reflect.Type]bool{}); err != nil {
		return Text{}, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // placeholders have angle brackets
	if err := e.Encode(v); err != nil {
		return Text{}, fmt.Errorf("write masked JSON: %w", err)
	}
	// No text can close an element that the JSON is put into.
	return Text{strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "</", `<\/`)}, nil
}

// onlyTexts checks a type and all it is made of.
func onlyTexts(t reflect.Type, seen map[reflect.Type]bool) error {
	if t == nil || t == reflect.TypeFor[Text]() || t == reflect.TypeFor[time.Time]() || seen[t] {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
		return nil
	case reflect.Pointer, reflect.Slice:
		return onlyTexts(t.Elem(), seen)
	case reflect.Struct:
		if t.Implements(reflect.TypeFor[json.Marshaler]()) {
			return fmt.Errorf("masked JSON: %s writes itself", t)
		}
		for f := range t.Fields() {
			if err := onlyTexts(f.Type, seen); err != nil {
				return fmt.Errorf("%s.%s: %w", t.Name(), f.Name, err)
			}
		}
		return nil
	default:
		return fmt.Errorf("masked JSON: %s is no masked text", t)
	}
}
