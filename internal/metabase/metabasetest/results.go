package metabasetest

import "strings"

// resultsOf guesses the columns a query answers with, as Metabase would have
// recorded them. Nil means unknown, as before a first run.
func resultsOf(w *World, q *Query) []ResultColumn {
	if q == nil || len(q.Stages) == 0 {
		return nil
	}
	last := &q.Stages[len(q.Stages)-1]
	if last.SQL != "" {
		return nativeResults(last.SQL)
	}
	var out []ResultColumn
	seen := map[string]int{}
	add := func(c ResultColumn) {
		seen[c.Name]++
		if n := seen[c.Name]; n > 1 {
			c.Name += "_" + string(rune('0'+min(n, 9)))
		}
		out = append(out, c)
	}
	ref := func(x Expr) {
		if f := w.Field(x.ID); x.Kind == ExprField && f != nil {
			add(ResultColumn{Name: f.Name, DisplayName: f.DisplayName, BaseType: f.BaseType, SemanticType: f.SemanticType, FieldID: f.ID})
		} else if x.Name != "" {
			add(ResultColumn{Name: x.Name, BaseType: orText(x.BaseType)})
		}
	}
	if len(last.Aggregation) > 0 || len(last.Breakout) > 0 {
		for _, x := range last.Breakout {
			ref(x)
		}
		for _, a := range last.Aggregation {
			add(ResultColumn{Name: aggregationName(a), DisplayName: a.Display, BaseType: aggregationType(a), SemanticType: "type/Quantity"})
		}
		return out
	}
	if len(last.Fields) > 0 {
		for _, x := range last.Fields {
			ref(x)
		}
		return out
	}
	if t := w.Table(last.SourceTable); t != nil {
		for _, f := range t.Fields {
			if !f.Inactive {
				ref(Column(f))
			}
		}
	} else if c := w.Card(last.SourceCard); c != nil {
		for _, r := range c.Results {
			add(r)
		}
	} else if len(q.Stages) > 1 {
		for _, r := range resultsOf(w, &Query{DatabaseID: q.DatabaseID, Stages: q.Stages[:len(q.Stages)-1]}) {
			add(r)
		}
	}
	for _, x := range last.Expressions {
		add(ResultColumn{Name: x.Name, BaseType: "type/Decimal"})
	}
	for i := range last.Joins {
		j := &last.Joins[i]
		if t := w.Table(j.SourceTable); t != nil && j.Fields == "all" {
			for _, f := range t.Fields {
				if !f.Inactive {
					ref(Column(f))
				}
			}
		}
	}
	return out
}

func orText(baseType string) string {
	if baseType == "" {
		return "type/Text"
	}
	return baseType
}

func aggregationName(a Expr) string {
	switch a.Op {
	case "cum-count", "distinct", "":
		return "count"
	case "cum-sum":
		return "sum"
	case "+", "-", "*", "/":
		return "expression"
	}
	return strings.ReplaceAll(a.Op, "-", "_")
}

func aggregationType(a Expr) string {
	if strings.HasPrefix(a.Op, "count") || a.Op == "distinct" {
		return "type/BigInteger"
	}
	return "type/Decimal"
}

// nativeResults reads the aliases of the last select list at the outermost
// level. A star makes the columns unknown.
func nativeResults(sql string) []ResultColumn {
	list := lastSelectList(sql)
	var out []ResultColumn
	for _, part := range splitTop(list) {
		words := strings.FieldsFunc(part, func(r rune) bool {
			return r == ' ' || r == '\n' || r == '\t' || r == '.' || r == '(' || r == ')'
		})
		if len(words) == 0 {
			continue
		}
		name := strings.Trim(words[len(words)-1], `"`+"`")
		if name == "*" || strings.ContainsAny(name, "{'") {
			return nil
		}
		out = append(out, ResultColumn{Name: name, BaseType: typeByName(name)})
	}
	return out
}

func lastSelectList(sql string) string {
	depth, from, to := 0, -1, -1
	lower := strings.ToLower(sql)
	for i := 0; i < len(lower); i++ {
		switch lower[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '\'':
			if end := strings.IndexByte(lower[i+1:], '\''); end >= 0 {
				i += end + 1
			}
		case '-':
			if strings.HasPrefix(lower[i:], "--") {
				if end := strings.IndexByte(lower[i:], '\n'); end >= 0 {
					i += end
				} else {
					i = len(lower)
				}
			}
		case 's', 'f':
			if depth != 0 || i > 0 && isWordByte(lower[i-1]) {
				continue
			}
			if strings.HasPrefix(lower[i:], "select") && i+6 < len(lower) && !isWordByte(lower[i+6]) {
				from, to = i+6, len(sql)
			} else if to == len(sql) && strings.HasPrefix(lower[i:], "from") && i+4 < len(lower) && !isWordByte(lower[i+4]) {
				to = i
			}
		}
	}
	if from < 0 {
		return ""
	}
	return strings.TrimPrefix(strings.TrimSpace(sql[from:to]), "distinct ")
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}

// splitTop splits at commas outside of parentheses and quotes.
func splitTop(s string) []string {
	var parts []string
	depth, start := 0, 0
	quoted := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func typeByName(name string) string {
	n := strings.ToLower(name)
	switch {
	case n == "day" || n == "month" || n == "week" || strings.HasSuffix(n, "_on") || strings.HasSuffix(n, "date") || strings.HasSuffix(n, "month"):
		return "type/Date"
	case strings.HasSuffix(n, "_at"):
		return "type/DateTimeWithLocalTZ"
	case strings.HasSuffix(n, "_id") || n == "id" || n == "orders" || n == "customers" || strings.HasPrefix(n, "count") || strings.HasSuffix(n, "count"):
		return "type/BigInteger"
	case strings.Contains(n, "revenue") || strings.Contains(n, "amount") || strings.Contains(n, "rate") || strings.Contains(n, "share") ||
		strings.Contains(n, "value") || strings.Contains(n, "cost") || strings.HasPrefix(n, "avg") || strings.Contains(n, "margin"):
		return "type/Decimal"
	}
	return "type/Text"
}
