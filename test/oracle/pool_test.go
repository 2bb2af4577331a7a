package oracle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/test/oracle"
)

// TestPoolSurvivesItsGrammar shows texts to grammars that hang or overflow
// their stack on them: that is a verdict, and the next text is read.
func TestPoolSurvivesItsGrammar(t *testing.T) {
	for _, c := range []struct{ dialect, sql, want string }{
		{"clickhouse", "SELECT * REPLACE(a", "no answer within"},
		{"mysql", "SELECT " + strings.Repeat("(", 500), "nested deeper than the limit"},
		{"sqlite", "SELECT '" + strings.Repeat("x", oracle.MaxBytes) + "'", "longer than the limit"},
	} {
		g, ok := oracle.GrammarOf(c.dialect)
		if !ok {
			t.Fatal("no grammar of", c.dialect)
		}
		p := oracle.NewPool(g)
		p.Patience = 300 * time.Millisecond
		v, err := p.Read(c.sql)
		if err != nil {
			t.Fatal(err)
		}
		if v.Accepted || !strings.Contains(v.Error, c.want) {
			t.Errorf("%s: got %+v, want %q", c.dialect, v, c.want)
		}
		p.Patience = 10 * time.Second
		if v, err = p.Read("SELECT a FROM t"); err != nil || !v.Accepted {
			t.Errorf("%s reads nothing after that: %+v, %v", c.dialect, v, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
