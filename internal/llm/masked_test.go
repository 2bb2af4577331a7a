package llm_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

// TestRequestTakesMaskedTextOnly walks everything that a request can hold. A
// plain text has no way in but the names listed here, each of which is checked by
// [llm.Request.Check] to be a name: of few characters, without spaces.
func TestRequestTakesMaskedTextOnly(t *testing.T) {
	names := []string{
		"Request.Model", "Request.Choice", "Request.Effort", "Message.Role", "Tool.Name",
		"ToolCall.ID", "ToolCall.Name", "ToolResult.ID", "Kept.Provider", "BatchItem.ID",
	}
	var seen []string
	done := map[reflect.Type]bool{}
	var walk func(at string, typ reflect.Type)
	walk = func(at string, typ reflect.Type) {
		switch typ {
		case reflect.TypeFor[mask.Text](), reflect.TypeFor[llm.Schema]():
			return // made by package mask, and off the types of the source code
		}
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array:
			walk(at, typ.Elem())
		case reflect.Struct:
			if done[typ] {
				return
			}
			done[typ] = true
			for i := range typ.NumField() {
				walk(typ.Name()+"."+typ.Field(i).Name, typ.Field(i).Type)
			}
		case reflect.String:
			seen = append(seen, at)
		case reflect.Bool, reflect.Int, reflect.Int64:
		default:
			t.Errorf("%s is a %s, which could hold anything", at, typ)
		}
	}
	walk("", reflect.TypeFor[llm.BatchItem]())
	slices.Sort(seen)
	slices.Sort(names)
	if !slices.Equal(seen, names) {
		t.Errorf("a request holds plain texts at %v, known are %v", seen, names)
	}
}
