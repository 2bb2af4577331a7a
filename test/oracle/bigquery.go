package oracle

import (
	"strings"

	"github.com/sqlc-dev/zetajones/ast"
	"github.com/sqlc-dev/zetajones/parser"
)

func parseBigQuery(sql string, w *walker) error {
	script, err := parser.ParseScript(sql)
	if err != nil {
		return err
	}
	w.visit = visitBigQuery
	w.root(script)
	return nil
}

func visitBigQuery(w *walker, node any, s *scope) bool {
	switch n := node.(type) {
	case *ast.TablePathExpression:
		if n.Path != nil {
			names := pathNames(n.Path)
			if len(names) == 1 || !s.isAlias(names[0]) { // else an array of a table before it
				w.table(s, names...)
			}
			if n.Alias == nil && len(names) > 0 {
				last := names[len(names)-1]
				s.aliases[strings.ToLower(last[strings.LastIndexByte(last, '.')+1:])] = true
			}
		}
		noteAlias(n.Alias, s)
		w.below(n, s, "Path", "Alias")
		return true
	case *ast.TableSubquery:
		noteAlias(n.Alias, s)
		return false
	case *ast.TableClause:
		if p, ok := n.Table.(*ast.PathExpression); ok {
			w.table(s, pathNames(p)...)
		}
		return false
	case *ast.Query:
		var inner *scope
		if n.WithClause != nil {
			var entries []entry
			for _, e := range n.WithClause.Entries {
				if e.AliasedQuery != nil {
					entries = append(entries, entry{e.AliasedQuery.Identifier.Name, e.AliasedQuery.Query})
				}
			}
			inner = w.with(s, n.WithClause.Recursive, entries)
		} else {
			inner = s.inner()
		}
		w.below(n, inner, "WithClause")
		return true
	case *ast.Select:
		inner := s.inner()
		w.node(n.From, inner)
		w.below(n, inner, "From")
		return true
	case *ast.InsertStatement:
		w.bigTarget(n.Target, nil, s)
		w.below(n, s, "Target")
		return true
	case *ast.UpdateStatement:
		inner := s.inner()
		w.bigTarget(n.Target, n.Alias, inner)
		w.node(n.From, inner)
		w.below(n, inner, "Target", "Alias")
		return true
	case *ast.DeleteStatement:
		inner := s.inner()
		w.bigTarget(n.Target, n.Alias, inner)
		w.below(n, inner, "Target", "Alias")
		return true
	case *ast.MergeStatement:
		inner := s.inner()
		w.bigTarget(n.Target, n.Alias, inner)
		w.below(n, inner, "Target", "Alias")
		return true
	case *ast.CreateTableStatement:
		if n.Query != nil {
			w.table(s, pathNames(n.Name)...)
			if n.LikeName != nil {
				w.table(s, pathNames(n.LikeName)...)
			}
			w.node(n.Query, s)
		}
		return true
	case *ast.CreateViewStatement:
		w.table(s, pathNames(n.Name)...)
		w.node(n.Query, s)
		return true
	case *ast.CreateFunctionStatement, *ast.CreateTableFunctionStatement, *ast.CreateProcedureStatement:
		return true // bodies are not read
	}
	return false
}

func noteAlias(a *ast.Alias, s *scope) {
	if a != nil && a.Identifier != nil {
		s.aliases[strings.ToLower(a.Identifier.Name)] = true
	}
}

func (w *walker) bigTarget(target any, alias *ast.Alias, s *scope) {
	if p, ok := target.(*ast.PathExpression); ok {
		w.table(s, pathNames(p)...)
		names := pathNames(p)
		s.aliases[strings.ToLower(names[len(names)-1])] = true
	}
	noteAlias(alias, s)
}

func pathNames(p *ast.PathExpression) []string {
	var out []string
	for _, n := range p.Names {
		out = append(out, n.Name)
	}
	return out
}
