package oracle

import (
	"reflect"
	"strings"

	"github.com/sqlc-dev/oliphant"
	"github.com/sqlc-dev/oliphant/ast"
)

func parsePostgres(sql string, w *walker) error {
	tree, err := oliphant.Parse(sql)
	if err != nil {
		return err
	}
	w.visit = visitPostgres
	for _, st := range tree.Stmts {
		if postgresQuery(st.Stmt) {
			w.root(st.Stmt)
		}
	}
	return nil
}

func postgresQuery(n *ast.Node) bool {
	switch n.Node.(type) {
	case *ast.Node_SelectStmt, *ast.Node_InsertStmt, *ast.Node_UpdateStmt, *ast.Node_DeleteStmt, *ast.Node_MergeStmt,
		*ast.Node_CreateTableAsStmt, *ast.Node_ViewStmt, *ast.Node_ExplainStmt:
		return true
	}
	return false
}

func visitPostgres(w *walker, node any, s *scope) bool {
	switch n := node.(type) {
	case *ast.RangeVar:
		if n.Schemaname == "" || n.Catalogname != "" || !s.isAlias(n.Schemaname) { // else a list in a column of Redshift
			w.table(s, n.Catalogname, n.Schemaname, n.Relname)
		}
		if n.Alias != nil {
			s.aliases[strings.ToLower(n.Alias.Aliasname)] = true
		} else {
			s.aliases[strings.ToLower(n.Relname)] = true
		}
		return true
	case *ast.LockingClause: // names aliases
		return true
	case *ast.SelectStmt, *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.MergeStmt:
		clause, _ := reflect.ValueOf(n).Elem().FieldByName("WithClause").Interface().(*ast.WithClause)
		if clause == nil {
			w.below(n, s.inner())
			return true
		}
		var entries []entry
		for _, e := range clause.Ctes {
			if cte := e.GetCommonTableExpr(); cte != nil {
				entries = append(entries, entry{cte.Ctename, cte.Ctequery})
			}
		}
		inner := w.with(s, clause.Recursive, entries)
		w.below(n, inner, "WithClause")
		return true
	}
	return false
}
