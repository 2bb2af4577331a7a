package sqllens

import "strings"

// Respaced writes a text's words with other white space and comments between
// them, and with the other case for every word that the dialect folds.
func Respaced(sql string, d Dialect) string {
	tree := Parse(sql, d, true)
	var b strings.Builder
	at := 0
	for i := range tree.toks {
		t := &tree.toks[i]
		gap := sql[at:t.start]
		at = t.end
		switch {
		case strings.Contains(gap, "[[") || strings.Contains(gap, "]]"):
			b.WriteString(gap)
		case strings.TrimSpace(gap) == "" && gap != "":
			b.WriteString("\n /* c */\t")
		default:
			b.WriteString(gap)
		}
		text := t.text
		if t.kind == tokWord && d != ClickHouse {
			if up := strings.ToUpper(text); up != text {
				text = up
			} else {
				text = strings.ToLower(text)
			}
		}
		b.WriteString(text)
	}
	b.WriteString(sql[at:])
	return b.String()
}

// Recovered says whether something of a text is skipped.
func Recovered(sql string, d Dialect) bool { return Parse(sql, d, true).Recovered }

// CanonicalOK says whether a text is compared by meaning.
func CanonicalOK(sql string, d Dialect) bool {
	_, ok := canonicalText(Parse(sql, d, true), false)
	return ok
}
