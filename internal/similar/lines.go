package similar

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// line is a line of a normalised query.
type line struct {
	text   string // as shown, indented
	key    string // lines are equal when their keys are
	clause string // what it belongs to: select, from, where, group, order, limit, with, set or ""
	body   string // without the words it begins with
}

// lines lays the canonical form of a question out for reading.
func (f *finder) lines(x *form) []line {
	if len(x.question.Query.MBQL) > 0 {
		if x.reading != nil {
			return readingLines(x.reading)
		}
		return f.builderLines(x.canonical)
	}
	return sqlLines(x.canonical)
}

// readingLines writes a reading one part a line.
func readingLines(r *reading) []line {
	var out []line
	add := func(clause, head string, list []term) {
		for i, t := range list {
			text := head + t.text
			if i > 0 {
				text = strings.Repeat(" ", max(len(head)-4, 0)) + "and " + t.text
			}
			out = append(out, line{text: text, key: clause + "\x00" + t.key, clause: clause, body: t.text})
		}
	}
	add("from", "from ", r.tables[:1])
	for _, j := range r.joins {
		out = append(out, line{text: j.text, key: "join\x00" + j.key, clause: "from"})
	}
	add("where", "where ", slices.Concat(r.filters, r.windows, r.params))
	var outputs []term
	for _, o := range r.outputs {
		if !slices.ContainsFunc(r.groups, func(g term) bool { return g.key == o.term.key }) {
			outputs = append(outputs, o.term)
		}
	}
	for _, o := range outputs {
		out = append(out, line{text: "show " + o.text, key: "show\x00" + o.key, clause: "select"})
	}
	for _, g := range r.groups {
		out = append(out, line{text: "by " + g.text, key: "by\x00" + g.key, clause: "group"})
	}
	if r.distinct {
		out = append(out, line{text: "without equal rows", key: "distinct", clause: "select"})
	}
	if r.limited {
		out = append(out, line{text: "limited rows", key: "limited", clause: "limit"})
	}
	return out
}

var plainField = regexp.MustCompile(`\(field ([^\s()]+)\)`)

var builderField = regexp.MustCompile(`\((field|table) (\d+)`)

// builderLines lays out the canonical form of a query-builder query of several
// steps, with names for numbers.
func (f *finder) builderLines(canonical string) []line {
	canonical = builderField.ReplaceAllStringFunc(canonical, func(match string) string {
		parts := builderField.FindStringSubmatch(match)
		n, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			return match
		}
		if parts[1] == "table" {
			if t := f.index.TableByNumber(n); t != nil {
				return "(table " + t.Name
			}
			return match
		}
		if c := f.index.ColumnByNumber(n); c != nil {
			if t := f.index.Table(catalog.TableOfColumn(c.ID)); t != nil {
				return "(field " + t.Name + "." + c.Name
			}
		}
		return match
	})
	clauses := map[string]string{"(filter": "where", "(aggregation": "select", "(breakout": "group", "(fields": "select", "(order": "order", "(limit": "limit", "(join": "from", "(table": "from", "(card": "from", "(expressions": "with"}
	var out []line
	depth, indent, clause := 0, 0, ""
	var b strings.Builder
	flush := func() {
		if text := strings.TrimSpace(b.String()); text != "" && text != "(query" {
			for strings.Count(text, ")") > strings.Count(text, "(") {
				text = strings.TrimSpace(strings.TrimSuffix(text, ")"))
			}
			text = plainField.ReplaceAllString(text, "$1")
			out = append(out, line{text: strings.Repeat("  ", indent) + text, key: clause + "\x00" + text, clause: clause, body: text})
		}
		b.Reset()
	}
	quoted := byte(0)
	for i := range len(canonical) {
		c := canonical[i]
		switch {
		case quoted != 0:
			if c == quoted && canonical[i-1] != '\\' {
				quoted = 0
			}
		case c == '"':
			quoted = c
		case c == '(':
			if depth <= 3 {
				flush()
				indent = max(depth-1, 0)
				word, _, _ := strings.Cut(canonical[i:], " ")
				if known := clauses[strings.TrimRight(word, ")")]; known != "" && depth == 2 {
					clause = known
				}
			}
			depth++
		case c == ')':
			depth--
		}
		b.WriteByte(c)
	}
	flush()
	return out
}

// sqlLines lays out canonical SQL: a line for every clause, column and
// condition.
func sqlLines(canonical string) []line {
	words := sqlWords(canonical)
	var out []line
	var b strings.Builder
	type level struct {
		clause string
		depth  int // of parentheses when its query began
	}
	stack := []level{{}}
	depth := 0
	between := 0
	flush := func() {
		if l := newLine(strings.TrimSpace(b.String()), stack[len(stack)-1].clause, len(stack)-1); strings.TrimSpace(l.text) != "" {
			out = append(out, l)
		}
		b.Reset()
	}
	for i, w := range words {
		top := &stack[len(stack)-1]
		inside := depth - top.depth
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		shown := w
		w, next = strings.ToLower(w), strings.ToLower(next) // text that was not understood keeps its case
		switch {
		case w == "(" && (next == "select" || next == "with"):
			b.WriteString("( ")
			depth++
			flush()
			stack = append(stack, level{"select", depth})
			continue
		case w == "(":
			depth++
		case w == ")":
			if len(stack) > 1 && inside == 0 {
				flush()
				stack = stack[:len(stack)-1]
			}
			depth--
		case inside == 0 && clauseOf(w, next) != "":
			if w == "join" && joinWord(b.String()) { // left join
				break
			}
			flush()
			top.clause = clauseOf(w, next)
		case w == "between":
			between++
		case w == "and" && between > 0:
			between--
		case w == "and" && top.clause == "where" && inside <= 1, w == "and" && top.clause == "from" && inside <= 1:
			flush()
		}
		b.WriteString(shown + " ")
		if w == "," && inside == 0 {
			flush()
		}
	}
	flush()
	return namePlaces(out, canonical)
}

var place = regexp.MustCompile(`([^\s()',]+) as (t[0-9]+(?:_[0-9]+)?)\b`)

// namePlaces shows tables by their names where the canonical form numbers them,
// if the number means one table throughout. Lines are still compared by number.
func namePlaces(lines []line, canonical string) []line {
	tables := map[string]string{}
	for _, m := range place.FindAllStringSubmatch(canonical, -1) {
		name := m[1][strings.LastIndexByte(m[1], '.')+1:]
		if have, twice := tables[m[2]]; twice && have != name {
			name = "" // another table in another part of the query
		}
		tables[m[2]] = name
	}
	taken := map[string]int{}
	for _, name := range tables {
		taken[name]++
	}
	var pairs []string
	for _, at := range slices.Sorted(maps.Keys(tables)) {
		if name := tables[at]; name != "" && taken[name] == 1 { // a table joined to itself keeps its numbers
			pairs = append(pairs, " as "+at+" ", " ", at+".", name+".")
		}
	}
	if len(pairs) == 0 {
		return lines
	}
	replace := strings.NewReplacer(pairs...)
	for i := range lines {
		lines[i].text = strings.TrimRight(replace.Replace(lines[i].text+" "), " ")
		lines[i].body = strings.TrimRight(replace.Replace(lines[i].body+" "), " ")
	}
	return lines
}

func joinWord(text string) bool {
	switch strings.TrimSpace(text) {
	case "left", "right", "full", "cross", "natural", "anti", "semi", "lateral", "asof":
		return true
	}
	return false
}

// clauseOf names the clause that a word begins.
func clauseOf(word, next string) string {
	switch word {
	case "select":
		return "select"
	case "from", "join":
		return "from"
	case "left", "right", "full", "cross", "natural":
		if next == "join" {
			return "from"
		}
	case "where", "having", "qualify":
		return "where"
	case "group":
		if next == "by" {
			return "group"
		}
	case "order":
		if next == "by" {
			return "order"
		}
	case "limit", "offset", "fetch":
		return "limit"
	case "with":
		return "with"
	case "union", "intersect", "except":
		return "set"
	}
	return ""
}

// sqlWords splits canonical SQL at spaces outside of strings and quoted names.
func sqlWords(canonical string) []string {
	var out []string
	start := -1
	quoted := byte(0)
	for i := range len(canonical) {
		c := canonical[i]
		switch {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '\'' || c == '"' || c == '`':
			quoted = c
			if start < 0 {
				start = i
			}
		case c == ' ' || c == '\n' || c == '\t':
			if start >= 0 {
				out = append(out, canonical[start:i])
				start = -1
			}
		case start < 0:
			start = i
		}
	}
	if start >= 0 {
		out = append(out, canonical[start:])
	}
	return out
}

// rowWords says differences from the lines that differ. Where a line reads
// another table, that is said once, and lines that differ in nothing else are
// passed over.
func rowWords(left, right []line, rows []Row) []string {
	var out, pairs []string
	say := func(text string) {
		if text = clip(text); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, r := range rows { // tables first: they stand behind the columns that name them
		if r.Op != Changed || left[r.Left-1].clause != "from" {
			continue
		}
		was, is := sourceName(left[r.Left-1].body), sourceName(right[r.Right-1].body)
		if was != "" && is != "" && was != is {
			say("reads " + is + " instead of " + was)
			pairs = append(pairs, was, is)
			if short, other := unqualified(was), unqualified(is); short != was || other != is {
				pairs = append(pairs, short, other)
			}
		}
	}
	replace := strings.NewReplacer(pairs...)
	for _, r := range rows {
		if len(out) >= 2*mostWords {
			return append(out, "and more, as the lines show")
		}
		switch {
		case r.Op == Added && !right[r.Right-1].opening():
			say("adds " + saying(right[r.Right-1]))
		case r.Op == Removed && !left[r.Left-1].opening():
			say("leaves out " + saying(left[r.Left-1]))
		case r.Op == Changed && replace.Replace(left[r.Left-1].body) != right[r.Right-1].body:
			say("has " + saying(right[r.Right-1]) + " instead of " + left[r.Left-1].body)
		}
	}
	return out
}

// sourceName is the table that a FROM or JOIN line reads, "" for a subquery.
func sourceName(body string) string {
	for _, w := range strings.Fields(body) {
		switch w {
		case "left", "right", "full", "cross", "natural", "join", "lateral", "inner", "outer":
			continue
		}
		if strings.ContainsAny(w, "()") {
			return ""
		}
		return w
	}
	return ""
}

func unqualified(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// clip bounds a difference to what a sentence can carry.
func clip(text string) string {
	const most = 240
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "…"
}

// opening reports whether a line only begins a part of a query.
func (l line) opening() bool { return strings.HasPrefix(l.body, "(") && !strings.Contains(l.body, " ") }

// heads are the words that a line of canonical SQL may begin with.
var heads = []string{"select distinct ", "select ", "from ", "where ", "and ", "group by ", "order by ", "limit ", "having "}

// deepestIndent is how many levels of subqueries are indented.
const deepestIndent = 12

// newLine makes a line of canonical SQL. What a line is compared by is its body:
// the first condition and the last column stand otherwise than the others.
func newLine(text, clause string, depth int) line {
	head := ""
	for _, h := range heads {
		if len(text) >= len(h) && strings.EqualFold(text[:len(h)], h) {
			head = text[:len(h)]
			break
		}
	}
	body := balanced(text[len(head):])
	comma := ""
	if trimmed, ok := strings.CutSuffix(body, " ,"); ok {
		body, comma = trimmed, ","
	}
	key := strconv.Itoa(depth) + clause + "\x00" + body
	if strings.EqualFold(head, "select distinct ") {
		key += "\x00distinct"
	}
	if clause == "where" {
		body = turned(body)
	}
	return line{text: strings.Repeat("  ", min(depth, deepestIndent)) + head + pretty(body) + comma, key: key, clause: clause, body: pretty(body)}
}

// balanced drops parentheses that have no partner on the line, and a pair around
// all of it. One at the end of a line opens a subquery and stays.
func balanced(text string) string {
	var words []string
	var open []int
	for _, w := range sqlWords(text) {
		switch w {
		case "(":
			open = append(open, len(words))
		case ")":
			if len(open) == 0 {
				continue
			}
			open = open[:len(open)-1]
		}
		words = append(words, w)
	}
	for i := len(open) - 1; i >= 0; i-- {
		if open[i] < len(words)-1 {
			words = slices.Delete(words, open[i], open[i]+1)
		}
	}
	for len(words) > 2 && words[0] == "(" && words[len(words)-1] == ")" {
		depth := 0
		whole := true
		for i, w := range words {
			switch w {
			case "(":
				depth++
			case ")":
				depth--
			}
			whole = whole && (depth > 0 || i == len(words)-1)
		}
		if !whole {
			break
		}
		words = words[1 : len(words)-1]
	}
	return strings.Join(words, " ")
}

var literalFirst = regexp.MustCompile(`^('(?:[^']|'')*'|-?[0-9.]+|true|false) (=|<>|<|<=) ([^()]+)$`)

// turned puts what is fixed behind the comparison, where people write it.
func turned(body string) string {
	m := literalFirst.FindStringSubmatch(body)
	if m == nil || strings.Contains(m[3], " and ") || strings.Contains(m[3], " or ") {
		return body
	}
	return m[3] + " " + map[string]string{"=": "=", "<>": "<>", "<": ">", "<=": ">="}[m[2]] + " " + m[1]
}

// pretty joins words as people write them: sum(total), a.
func pretty(body string) string {
	var b strings.Builder
	last := ""
	words := sqlWords(body)
	for i, w := range words {
		opens := w == "(" && i == len(words)-1 // a subquery on the lines below
		tight := last == "" || last == "(" || w == ")" || w == "," || w == "(" && !opens && callable(last)
		if !tight {
			b.WriteByte(' ')
		}
		b.WriteString(w)
		last = w
	}
	return b.String()
}

// callable reports whether a parenthesis behind a word belongs to it.
func callable(word string) bool {
	switch word {
	case "and", "or", "not", "in", "as", "on", "from", "where", "select", "by", "then", "when", "else", "case", "between", "like", "is", "over", "filter", "exists", "any", "all", "union", "join", ",":
		return false
	}
	c := word[len(word)-1]
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func saying(l line) string {
	switch l.clause {
	case "select":
		return "the column " + l.body
	case "from":
		return "the source " + l.body
	case "where":
		return "the filter " + l.body
	case "group":
		return "the grouping by " + l.body
	case "order":
		return "the order by " + l.body
	case "limit":
		return "the limit " + l.body
	}
	return l.body
}
