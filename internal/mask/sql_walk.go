package mask

import (
	"reflect"

	"github.com/metalens/metalens/internal/sqllens"
)

// fieldSet names fields of node types that a walk leaves out.
type fieldSet map[reflect.Type]map[string]bool

// valueFields are the parts of a query that its values do not come from.
var valueFields = fieldSet{
	reflect.TypeFor[sqllens.Select](): {
		"Where": true, "Prewhere": true, "GroupBy": true, "Having": true, "Qualify": true, "From": true,
		"StartWith": true, "ConnectBy": true, "DistinctOn": true, "Top": true,
	},
	reflect.TypeFor[sqllens.Query](): {"OrderBy": true, "Limit": true, "With": true},
}

// walkTree visits every node of a syntax tree, parents first, with a pointer to
// it. It does not descend below a node that visit answers false for. It keeps a
// list of its own instead of recursing: chains of operators are as long as the
// text.
func walkTree(root any, skip fieldSet, visit func(node any) bool) {
	stack := []reflect.Value{reflect.ValueOf(root)}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() {
				continue
			}
			e := v.Elem()
			if e.Kind() != reflect.Struct || !visit(v.Interface()) {
				continue
			}
			stack = pushFields(stack, e, skip)
		case reflect.Interface:
			if !v.IsNil() {
				stack = append(stack, v.Elem())
			}
		case reflect.Slice:
			for i := v.Len() - 1; i >= 0; i-- {
				stack = append(stack, v.Index(i))
			}
		case reflect.Struct:
			if v.CanAddr() && !visit(v.Addr().Interface()) {
				continue
			}
			stack = pushFields(stack, v, skip)
		default:
		}
	}
}

func pushFields(stack []reflect.Value, v reflect.Value, skip fieldSet) []reflect.Value {
	t := v.Type()
	left := skip[t]
	for i := v.NumField() - 1; i >= 0; i-- {
		f := t.Field(i)
		if !f.IsExported() || left[f.Name] {
			continue
		}
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Interface, reflect.Struct:
			stack = append(stack, v.Field(i))
		default:
		}
	}
	return stack
}
