package oracle

import (
	"reflect"
	"slices"
	"strings"
)

// scope is what names mean at a place: WITH entries, and aliases of the FROM
// clauses around it.
type scope struct {
	outer   *scope
	with    map[string]bool
	aliases map[string]bool
}

func (s *scope) inner() *scope {
	return &scope{outer: s, with: map[string]bool{}, aliases: map[string]bool{}}
}

func (s *scope) isWith(name string) bool {
	for ; s != nil; s = s.outer {
		if s.with[strings.ToLower(name)] {
			return true
		}
	}
	return false
}

func (s *scope) isAlias(name string) bool {
	for ; s != nil; s = s.outer {
		if s.aliases[strings.ToLower(name)] {
			return true
		}
	}
	return false
}

// walker visits a syntax tree by reflection, so that no node of a foreign tree
// is forgotten, and collects tables.
type walker struct {
	sql string
	// recursive says for trees that do not tell that a WITH is recursive.
	recursive bool
	tables    map[string]bool
	seen      map[uintptr]bool
	// visit handles the nodes that matter: it answers true when it has walked
	// everything below the node itself.
	visit func(w *walker, node any, s *scope) bool
}

func newWalker(sql string) *walker {
	return &walker{sql: sql, tables: map[string]bool{}, seen: map[uintptr]bool{}}
}

func (w *walker) list() []string {
	var out []string
	for t := range w.tables {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// table notes a table unless it is a WITH entry. Parts end with the name; empty
// ones are left out, and of more than three the last three count, as in our
// engine's answer.
func (w *walker) table(s *scope, parts ...string) {
	if parts[len(parts)-1] == "" {
		return
	}
	parts = slices.DeleteFunc(slices.Clone(parts), func(p string) bool { return p == "" })
	if len(parts) == 1 && s.isWith(parts[0]) {
		return
	}
	parts = strings.Split(strings.Join(parts, "."), ".") // a quoted name may hold the whole path
	parts = parts[max(0, len(parts)-3):]
	w.tables[strings.ToLower(strings.Join(parts, "."))] = true
}

// root walks a tree.
func (w *walker) root(tree any) { w.walk(reflect.ValueOf(tree), (&scope{}).inner()) }

// node walks a node, which may be nil.
func (w *walker) node(n any, s *scope) {
	if n != nil {
		w.walk(reflect.ValueOf(n), s)
	}
}

func (w *walker) walk(v reflect.Value, s *scope) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			w.walk(v.Elem(), s)
		}
	case reflect.Pointer:
		if v.IsNil() || w.seen[v.Pointer()] {
			return
		}
		if v.Elem().Kind() == reflect.Struct && v.Elem().NumField() > 0 {
			w.seen[v.Pointer()] = true
			if v.CanInterface() && w.visit(w, v.Interface(), s) {
				return
			}
		}
		w.walk(v.Elem(), s)
	case reflect.Slice, reflect.Array:
		if k := v.Type().Elem().Kind(); k == reflect.Uint8 || k == reflect.String {
			return
		}
		for i := range v.Len() {
			w.walk(v.Index(i), s)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			w.walk(it.Value(), s)
		}
	case reflect.Struct:
		w.fields(v, s)
	}
}

// below walks the fields of a node but for the named ones.
func (w *walker) below(node any, s *scope, except ...string) {
	v := reflect.ValueOf(node)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	w.fields(v, s, except...)
}

func (w *walker) fields(v reflect.Value, s *scope, except ...string) {
	t := v.Type()
	for i := range v.NumField() {
		f := t.Field(i)
		if !f.IsExported() && !f.Anonymous || slices.Contains(except, f.Name) {
			continue
		}
		switch f.Type.Kind() { // the cheap ones
		case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint64, reflect.Float64:
			continue
		}
		field := v.Field(i)
		if f.Anonymous && field.Kind() == reflect.Struct {
			w.fields(field, s, except...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if field.CanAddr() && field.Kind() == reflect.Struct && field.Addr().CanInterface() {
			if w.visit(w, field.Addr().Interface(), s) {
				continue
			}
		}
		w.walk(field, s)
	}
}

// entry is one entry of a WITH clause.
type entry struct {
	name string
	body any
}

// with walks the entries of a WITH clause and answers with the scope of the
// query behind it. Entries see earlier ones, and in a recursive clause all.
func (w *walker) with(s *scope, recursive bool, entries []entry) *scope {
	inner := s.inner()
	if recursive {
		for _, e := range entries {
			inner.with[strings.ToLower(e.name)] = true
		}
	}
	for _, e := range entries {
		w.node(e.body, inner)
		inner.with[strings.ToLower(e.name)] = true
	}
	return inner
}
