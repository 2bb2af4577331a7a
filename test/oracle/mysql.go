package oracle

import (
	"strings"

	"github.com/sqlc-dev/marino/ast"
	"github.com/sqlc-dev/marino/parser"
)

func parseMySQL(sql string, w *walker) error {
	p := parser.New()
	statements, _, err := p.ParseSQL(sql)
	if err != nil {
		return err
	}
	w.visit = visitMySQL
	for _, st := range statements {
		switch n := st.(type) {
		case *ast.CreateTableStmt:
			if n.Select != nil {
				w.root(&ast.CreateTableStmt{Table: n.Table, Select: n.Select})
			}
		case *ast.SelectStmt, *ast.SetOprStmt, *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt, *ast.CreateViewStmt, *ast.AlterViewStmt, *ast.SetStmt:
			w.root(n)
		case *ast.ExplainStmt:
			switch n.Stmt.(type) {
			case *ast.SelectStmt, *ast.SetOprStmt, *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt:
				w.root(n.Stmt)
			}
		}
	}
	return nil
}

func visitMySQL(w *walker, node any, s *scope) bool {
	switch n := node.(type) {
	case *ast.TableName:
		w.table(s, n.Schema.O, n.Name.O)
		return true
	case *ast.ColumnName, *ast.SelectLockInfo, *ast.TableOptimizerHint, *ast.TableNameExpr: // the last names a sequence
		return true
	case *ast.DeleteStmt: // the deleted tables are named by alias when there is a list of them
		inner := w.mysqlWith(s, n.With)
		if n.Tables != nil {
			mysqlAliases(n.TableRefs, inner)
			for _, t := range n.Tables.Tables {
				if t.Schema.O != "" || !inner.isAlias(t.Name.O) {
					w.table(inner, t.Schema.O, t.Name.O)
				}
			}
		}
		w.below(n, inner, "With", "Tables")
		return true
	case *ast.SelectStmt:
		w.below(n, w.mysqlWith(s, n.With), "With")
		return true
	case *ast.SetOprStmt:
		w.below(n, w.mysqlWith(s, n.With), "With")
		return true
	case *ast.SetOprSelectList:
		w.below(n, w.mysqlWith(s, n.With), "With")
		return true
	case *ast.UpdateStmt:
		w.below(n, w.mysqlWith(s, n.With), "With")
		return true
	}
	return false
}

func (w *walker) mysqlWith(s *scope, clause *ast.WithClause) *scope {
	if clause == nil {
		return s.inner()
	}
	var entries []entry
	for _, c := range clause.CTEs {
		entries = append(entries, entry{c.Name.O, c.Query})
	}
	return w.with(s, clause.IsRecursive, entries)
}

// mysqlAliases notes the aliases of a FROM clause.
func mysqlAliases(from *ast.TableRefsClause, s *scope) {
	var note func(n ast.ResultSetNode)
	note = func(n ast.ResultSetNode) {
		switch n := n.(type) {
		case *ast.Join:
			if n == nil {
				return
			}
			note(n.Left)
			note(n.Right)
		case *ast.TableSource:
			if n.AsName.O != "" {
				s.aliases[strings.ToLower(n.AsName.O)] = true
			}
		}
	}
	if from != nil {
		note(from.TableRefs)
	}
}
