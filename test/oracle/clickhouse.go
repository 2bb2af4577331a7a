package oracle

import (
	"context"
	"strings"

	"github.com/sqlc-dev/doubleclick/ast"
	"github.com/sqlc-dev/doubleclick/parser"
)

func parseClickHouse(sql string, w *walker) error {
	statements, err := parser.Parse(context.Background(), strings.NewReader(sql))
	if err != nil {
		return err
	}
	w.visit = visitClickHouse
	w.recursive = strings.Contains(strings.ToLower(sql), "with recursive")
	for _, st := range statements {
		switch n := st.(type) {
		case *ast.SelectWithUnionQuery, *ast.SelectIntersectExceptQuery, *ast.SelectQuery, *ast.InsertQuery, *ast.UpdateQuery, *ast.DeleteQuery, *ast.ExplainQuery, *ast.DescribeQuery:
			w.root(n)
		case *ast.CreateQuery:
			if n.AsSelect != nil {
				w.root(n)
			}
		}
	}
	return nil
}

func visitClickHouse(w *walker, node any, s *scope) bool {
	switch n := node.(type) {
	case *ast.TableIdentifier:
		w.table(s, n.Database, n.Table)
		return true
	case *ast.SelectQuery:
		w.below(n, w.clickWith(s, n.With), "With")
		return true
	case *ast.SelectWithUnionQuery: // a WITH in front of the first SELECT serves the others too
		inner := s.inner()
		for _, part := range n.Selects {
			if q, ok := part.(*ast.SelectQuery); ok {
				scope := w.clickWith(inner, q.With)
				w.below(q, scope, "With")
				if part == n.Selects[0] {
					inner = scope
				}
				continue
			}
			w.node(part, inner)
		}
		return true
	case *ast.InsertQuery:
		inner := w.clickWith(s, n.With)
		w.table(&scope{}, n.Database, n.Table)
		w.below(n, inner, "With")
		return true
	case *ast.UpdateQuery:
		w.table(s, n.Database, n.Table)
		return false
	case *ast.DeleteQuery:
		w.table(s, n.Database, n.Table)
		return false
	case *ast.CreateQuery:
		w.table(s, n.Database, n.Table)
		w.table(s, n.Database, n.View)
		w.node(n.AsSelect, s)
		return true
	}
	return false
}

// clickWith reads both kinds of entries: name AS (SELECT …) and expression AS
// name.
func (w *walker) clickWith(s *scope, list []ast.Expression) *scope {
	inner := s.inner()
	for _, e := range list {
		if n, ok := e.(*ast.WithElement); ok && w.recursive { // the tree does not tell WITH RECURSIVE
			inner.with[strings.ToLower(n.Name)] = true
		}
		w.node(e, inner)
		if n, ok := e.(*ast.WithElement); ok {
			inner.with[strings.ToLower(n.Name)] = true
		}
	}
	return inner
}
