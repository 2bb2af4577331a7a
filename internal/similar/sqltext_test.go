package similar

import "testing"

func TestNormalSQL(t *testing.T) {
	tests := []struct {
		name   string
		engine string
		a, b   string
		same   bool
	}{
		{name: "white space", a: "select a,b\n from\tt", b: "select a , b from t ;", same: true},
		{name: "line comment", a: "select 1 -- one\nfrom t", b: "select 1 from t", same: true},
		{name: "block comment", a: "select/* x */1", b: "select 1", same: true},
		{name: "nested comment", a: "select /* a /* b */ c */ 1", b: "select 1", same: true},
		{name: "unclosed comment", a: "select 1 /* open", b: "select 1", same: true},
		{name: "unclosed nested comment ends at the first close", a: "select /* a /* b */ 1", b: "select 1", same: true},
		{name: "hint is no comment", a: "select /*+ full(t) */ 1", b: "select 1"},
		{name: "executable comment is no comment", engine: "mysql", a: "select /*!50000 1 */", b: "select"},
		{name: "dashes in a string", a: "select '-- no comment' from t", b: "select '' from t"},
		{name: "spaces in a string count", a: "select 'a  b'", b: "select 'a b'"},
		{name: "doubled quote", a: "select 'it''s -- x' , 1", b: "select 'it''s -- x',1", same: true},
		{name: "backslash in mysql", engine: "mysql", a: `select 'a\' -- b' , 1`, b: `select 'a\' -- b',1`, same: true},
		{name: "backslash in postgres ends nothing", engine: "postgres", a: `select 'a\' -- b`, b: `select 'a\'`, same: true},
		{name: "escape string in postgres", engine: "postgres", a: `select E'a\' -- b' , 1`, b: `select E'a\' -- b',1`, same: true},
		{name: "dollar quotes", a: "select $x$ -- kept $x$  , 1", b: "select $x$ -- kept $x$,1", same: true},
		{name: "dollar quotes differ inside", a: "select $$ a $$", b: "select $$ b $$"},
		{name: "positional parameter is no dollar quote", a: "select $1 , '$1'", b: "select $1,'$1'", same: true},
		{name: "quoted name", a: `select "a -- b" from t`, b: `select "a" from t`},
		{name: "bracket name", engine: "sqlserver", a: "select [a -- b] from t", b: "select [a] from t"},
		{name: "hash comment in mysql", engine: "mysql", a: "select 1 # one", b: "select 1", same: true},
		{name: "hash operator in postgres", engine: "postgres", a: "select a #> '{b}'", b: "select a"},
		{name: "case counts", a: "select A from t", b: "select a from t"},
		{name: "literals count", a: "select 1 from t", b: "select 2 from t"},
		{name: "operators are not torn apart", a: "select a <= b", b: "select a < = b"},
		{name: "operators need no space", a: "select a<=b||c", b: "select a <= b || c", same: true},
		{name: "tag spacing", a: "where {{ x }} [[and {{y}}]]", b: "where {{x}} [[ and {{y}} ]]", same: true},
		{name: "card slug is decoration", a: "from {{#12-old-name}} x", b: "from {{ #12 }} x", same: true},
		{name: "another card", a: "from {{#12}} x", b: "from {{#13}} x"},
		{name: "snippet name", a: "where {{snippet:  not test}}", b: "where {{snippet: not test }}", same: true},
		{name: "unclosed tag", a: "where {{x", b: "where {{ x", same: true},
		{name: "other scripts", a: "select größe ,  日本 from t", b: "select größe,日本 from t", same: true},
		{name: "no-break space", a: "select\u00a0a", b: "select a", same: true},
		{name: "inner semicolon counts", a: "select 1; select 2", b: "select 1 select 2"},
		{name: "unclosed string", a: "select 'open -- x", b: "select 'open"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := normalSQL(tt.a, tt.engine), normalSQL(tt.b, tt.engine)
			if (a == b) != tt.same {
				t.Errorf("same = %v, want %v:\n%q\n%q", a == b, tt.same, a, b)
			}
			if again := normalSQL(a, tt.engine); again != a {
				t.Errorf("not stable: %q becomes %q", a, again)
			}
		})
	}
}

func FuzzNormalSQL(f *testing.F) {
	for _, s := range []string{"select 'a' -- b", "/* /* */", "{{#12-x}} [[a]]", "$a$b$a$", `"a""b"`, "E'\\'", "\xff\xfe", "{{"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		for _, engine := range []string{"postgres", "mysql", "sqlserver"} {
			once := normalSQL(sql, engine)
			if again := normalSQL(once, engine); again != once {
				t.Errorf("%s: %q becomes %q, then %q", engine, sql, once, again)
			}
		}
	})
}
