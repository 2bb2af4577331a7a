package oracle

import (
	"github.com/sqlc-dev/meyer/ast"
	"github.com/sqlc-dev/meyer/parser"
)

func parseSQLite(sql string, w *walker) error {
	statements, err := parser.Options{UpdateDeleteLimit: true}.ParseString(sql)
	if err != nil {
		return err
	}
	w.visit = visitSQLite
	for _, st := range statements {
		switch n := st.(type) {
		case *ast.SelectStmt, *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.CreateViewStmt, *ast.ExplainStmt:
			w.root(n)
		case *ast.CreateTableStmt:
			if n.Select != nil {
				w.root(n)
			}
		}
	}
	return nil
}

func visitSQLite(w *walker, node any, s *scope) bool {
	switch n := node.(type) {
	case *ast.TableRef:
		if n.Name != nil && !n.HasArgs {
			w.sqliteName(n.Name, s)
		}
		w.below(n, s, "Name")
		return true
	case *ast.CreateTableStmt:
		w.sqliteName(n.Name, s)
		w.node(n.Select, s)
		return true
	case *ast.CreateViewStmt:
		w.sqliteName(n.Name, s)
		w.node(n.Select, s)
		return true
	case *ast.SelectStmt:
		w.below(n, w.sqliteWith(s, n.With), "With")
		return true
	case *ast.InsertStmt:
		inner := w.sqliteWith(s, n.With)
		w.sqliteName(n.Table, s)
		w.below(n, inner, "With", "Table")
		return true
	case *ast.UpdateStmt:
		inner := w.sqliteWith(s, n.With)
		w.sqliteName(n.Table, s)
		w.below(n, inner, "With", "Table")
		return true
	case *ast.DeleteStmt:
		inner := w.sqliteWith(s, n.With)
		w.sqliteName(n.Table, s)
		w.below(n, inner, "With", "Table")
		return true
	}
	return false
}

func (w *walker) sqliteName(n *ast.QualifiedName, s *scope) {
	schema := ""
	if n.Schema != nil {
		schema = n.Schema.Name
	}
	w.table(s, schema, n.Name.Name)
}

// sqliteWith treats every WITH as recursive, as SQLite does.
func (w *walker) sqliteWith(s *scope, clause *ast.With) *scope {
	if clause == nil {
		return s.inner()
	}
	var entries []entry
	for _, c := range clause.CTEs {
		entries = append(entries, entry{c.Name.Name, c.Select})
	}
	return w.with(s, true, entries)
}
