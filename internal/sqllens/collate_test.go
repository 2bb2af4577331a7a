package sqllens_test

import (
	"testing"

	"github.com/metalens/metalens/internal/sqllens"
)

// TestCollationBehindPlaceholder checks that a condition ends behind the
// collation of its last operand.
func TestCollationBehindPlaceholder(t *testing.T) {
	const last = "title = ##Title:string?Popular Question## COLLATE Latin1_General_CI_AI"
	for _, d := range []sqllens.Dialect{sqllens.TSQL, sqllens.Generic} {
		sql := "SELECT id FROM posts WHERE a = 1 AND " + last
		tree := sqllens.Parse(sql, d, true)
		where := tree.Statements[0].Query.Body.(*sqllens.Select).Where
		if tree.Recovered || where.Op != "and" || len(where.Args) != 2 {
			t.Fatalf("%s: %+v, problems %v", d, where, tree.Problems)
		}
		if got := sql[where.Args[1].Span.Start:where.Args[1].Span.End]; got != last {
			t.Errorf("%s: the second operand is %q, want %q", d, got, last)
		}
	}
}
