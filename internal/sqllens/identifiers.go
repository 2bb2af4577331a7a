package sqllens

import "strings"

// Identifiers lists the names that stand in a text, once each, in order of
// appearance: tables, columns, aliases, functions, template tags. Literals,
// comments and keywords are left out, so that the list can be indexed in clear.
func Identifiers(sql string, d Dialect) []string {
	if len(sql) > MaxSize {
		sql = sql[:MaxSize]
	}
	l := lex(sql, d, true)
	seen := map[string]bool{}
	var names []string
	add := func(name string) {
		key := strings.ToLower(name)
		if name == "" || len(name) > 200 || seen[key] {
			return
		}
		seen[key] = true
		names = append(names, name)
	}
	p := &parser{}
	for i := range l.tokens {
		switch t := &l.tokens[i]; t.kind {
		case tokWord:
			if t.word == "" {
				add(t.text)
			}
		case tokQuoted:
			for _, part := range strings.Split(p.ident(t).Text, ".") {
				add(part)
			}
		case tokTag:
			if t.tag.Kind != TagCard {
				add(t.tag.Name)
			}
		}
	}
	return names
}
