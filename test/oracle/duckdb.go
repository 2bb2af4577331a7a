package oracle

import (
	"context"
	"reflect"
	"strings"

	"github.com/sqlc-dev/darkwing/ast"
	"github.com/sqlc-dev/darkwing/parser"
)

func parseDuckDB(sql string, w *walker) error {
	statements, err := parser.Parse(context.Background(), strings.NewReader(sql))
	if err != nil {
		return err
	}
	w.visit = visitDuckDB
	for _, st := range statements {
		switch n := st.(type) {
		case *ast.SelectStatement, *ast.InsertStatement, *ast.UpdateStatement, *ast.DeleteStatement, *ast.MergeIntoStatement, *ast.ExplainStatement:
			w.root(n)
		case *ast.CreateStatement:
			switch info := n.Info.(type) {
			case *ast.CreateTableInfo:
				if info.Query != nil {
					w.root(info)
				}
			case *ast.CreateViewInfo:
				w.root(info)
			}
		}
	}
	return nil
}

func visitDuckDB(w *walker, node any, s *scope) bool {
	switch n := node.(type) {
	case *ast.BaseTableRef:
		if n.Pos() < 0 || n.Pos() >= len(w.sql) || w.sql[n.Pos()] != '\'' { // else a file
			w.table(s, n.CatalogName, n.SchemaName, n.TableName)
		}
		return true
	case *ast.CreateTableInfo:
		w.table(s, n.Catalog, n.Schema, n.Name)
		w.node(n.Query, s)
		return true
	case *ast.CreateViewInfo:
		w.table(s, n.Catalog, n.Schema, n.Name)
		w.node(n.Query, s)
		return true
	case *ast.InsertStatement:
		inner := w.duckWith(s, n.CTEs)
		w.table(&scope{}, n.Catalog, n.Schema, n.Table)
		w.below(n, inner, "CTEs")
		return true
	case *ast.RecursiveCTENode:
		inner := w.duckWith(s, n.CTEs)
		inner.with[strings.ToLower(n.CTEName)] = true
		w.below(n, inner, "CTEs")
		return true
	}
	v := reflect.ValueOf(node).Elem()
	if f := v.FieldByName("CTEs"); f.IsValid() {
		if ctes, ok := f.Interface().(ast.CTEMap); ok {
			w.below(node, w.duckWith(s, ctes), "CTEs")
			return true
		}
	}
	return false
}

func (w *walker) duckWith(s *scope, ctes ast.CTEMap) *scope {
	var entries []entry
	for _, e := range ctes.Entries {
		entries = append(entries, entry{e.Name, e.CTE})
	}
	return w.with(s, false, entries)
}
