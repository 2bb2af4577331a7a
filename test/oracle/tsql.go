package oracle

import (
	"context"
	"reflect"
	"strings"

	"github.com/sqlc-dev/teesql/ast"
	"github.com/sqlc-dev/teesql/parser"
)

func parseTSQL(sql string, w *walker) error {
	script, err := parser.Parse(context.Background(), strings.NewReader(sql))
	if err != nil {
		return err
	}
	w.visit = visitTSQL
	w.root(script)
	return nil
}

func visitTSQL(w *walker, node any, s *scope) bool {
	switch n := node.(type) {
	case *ast.NamedTableReference:
		if n.SchemaObject != nil {
			w.tsqlName(n.SchemaObject, s)
		}
		return true
	case *ast.SelectStatement:
		if n.Into != nil {
			w.tsqlName(n.Into, s)
		}
		return w.tsqlWith(n, n.WithCtesAndXmlNamespaces, s)
	case *ast.InsertStatement:
		return w.tsqlWith(n, n.WithCtesAndXmlNamespaces, s)
	case *ast.UpdateStatement:
		return w.tsqlWith(n, n.WithCtesAndXmlNamespaces, s)
	case *ast.DeleteStatement:
		return w.tsqlWith(n, n.WithCtesAndXmlNamespaces, s)
	case *ast.MergeStatement:
		return w.tsqlWith(n, n.WithCtesAndXmlNamespaces, s)
	case *ast.UpdateSpecification:
		w.tsqlTarget(n.Target, n.FromClause, s)
		w.below(n, s, "Target")
		return true
	case *ast.DeleteSpecification:
		w.tsqlTarget(n.Target, n.FromClause, s)
		w.below(n, s, "Target")
		return true
	case *ast.CreateViewStatement:
		w.tsqlName(n.SchemaObjectName, s)
	case *ast.CreateOrAlterViewStatement:
		w.tsqlName(n.SchemaObjectName, s)
	case *ast.AlterViewStatement:
		if n.SelectStatement != nil {
			w.tsqlName(n.SchemaObjectName, s)
		}
	case *ast.ChangeTableChangesTableReference:
		w.tsqlName(n.Target, s)
	case *ast.ChangeTableVersionTableReference:
		w.tsqlName(n.Target, s)
	case *ast.CreateTableStatement:
		if n.SelectStatement != nil {
			w.tsqlName(n.SchemaObjectName, s)
		}
	case *ast.CreateExternalTableStatement:
		if n.SelectStatement != nil {
			w.tsqlName(n.SchemaObjectName, s)
		}
	case *ast.BulkInsertStatement:
		if n.To != nil {
			w.tsqlName(n.To, s)
		}
	}
	return false
}

// tsqlTarget notes the target of an UPDATE or DELETE, which may be an alias of
// the FROM clause.
func (w *walker) tsqlTarget(target ast.TableReference, from *ast.FromClause, s *scope) {
	t, ok := target.(*ast.NamedTableReference)
	if !ok || t.SchemaObject == nil || from == nil || t.SchemaObject.SchemaIdentifier != nil {
		w.node(target, s)
		return
	}
	name := ""
	if t.SchemaObject.BaseIdentifier != nil {
		name = t.SchemaObject.BaseIdentifier.Value
	}
	aliases := map[string]bool{}
	var note func(v reflect.Value)
	note = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Interface, reflect.Pointer:
			if !v.IsNil() {
				note(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				note(v.Index(i))
			}
		case reflect.Struct:
			if f := v.FieldByName("Alias"); f.IsValid() {
				if id, ok := f.Interface().(*ast.Identifier); ok && id != nil {
					aliases[strings.ToLower(id.Value)] = true
				}
			}
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					note(v.Field(i))
				}
			}
		}
	}
	note(reflect.ValueOf(from))
	if !aliases[strings.ToLower(name)] {
		w.node(target, s)
	}
}

func (w *walker) tsqlName(n *ast.SchemaObjectName, s *scope) {
	var parts []string
	for _, id := range []*ast.Identifier{n.ServerIdentifier, n.DatabaseIdentifier, n.SchemaIdentifier, n.BaseIdentifier} {
		if id != nil {
			parts = append(parts, id.Value)
		}
	}
	w.table(s, parts...)
}

func (w *walker) tsqlWith(n any, clause *ast.WithCtesAndXmlNamespaces, s *scope) bool {
	if clause == nil {
		return false
	}
	var entries []entry
	for _, c := range clause.CommonTableExpressions {
		if c.ExpressionName != nil {
			entries = append(entries, entry{c.ExpressionName.Value, c.QueryExpression})
		}
	}
	w.below(n, w.with(s, true, entries), "WithCtesAndXmlNamespaces") // an entry may name itself
	return true
}
