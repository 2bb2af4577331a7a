package oracle

import "strings"

// Fill writes a text as Metabase would send it to a database: tags replaced by
// values, optional blocks kept or left out. A grammar of one dialect knows
// nothing of tags. What a tag stands for is guessed from the words around it:
// a condition where one is due, a table behind FROM and JOIN, else a number.
// It is written apart from the SQL engine, which it helps to measure.
func Fill(sql string, optional bool) string {
	if !strings.Contains(sql, "{{") && !strings.Contains(sql, "[[") {
		return sql
	}
	f := filler{src: sql, optional: optional}
	f.run()
	return f.out.String()
}

type filler struct {
	src      string
	at       int
	out      strings.Builder
	optional bool
	words    []string // the words and signs so far, lower case, at most two
}

func (f *filler) run() {
	for f.at < len(f.src) {
		rest := f.src[f.at:]
		switch {
		case strings.HasPrefix(rest, "--"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			f.at += n // a comment with tags in it stays a comment
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 0 {
				f.at = len(f.src)
				return
			}
			f.out.WriteByte(' ')
			f.at += n + 2
		case rest[0] == '\'' || rest[0] == '"' || rest[0] == '`':
			f.quoted(rest[0])
		case strings.HasPrefix(rest, "{{"):
			f.tag()
		case strings.HasPrefix(rest, "[[") && f.blockEnd() > 0:
			if f.optional {
				f.out.WriteByte(' ')
				f.at += 2
				continue
			}
			f.out.WriteByte(' ')
			f.at = f.blockEnd()
		case strings.HasPrefix(rest, "]]") && f.optional && strings.LastIndex(f.src[:f.at], "[[") >= 0:
			f.out.WriteByte(' ')
			f.at += 2
		default:
			f.word()
		}
	}
}

// blockEnd is the place behind the block that begins here, -1 when it holds no
// tag and so is none.
func (f *filler) blockEnd() int {
	n := strings.Index(f.src[f.at:], "]]")
	if n < 0 || !strings.Contains(f.src[f.at:f.at+n], "{{") {
		return -1
	}
	return f.at + n + 2
}

// quoted copies a string or quoted name; tags in it become text.
func (f *filler) quoted(quote byte) {
	start := f.at
	f.at++
	for f.at < len(f.src) && f.src[f.at] != quote {
		f.at++
	}
	f.at = min(f.at+1, len(f.src))
	s := f.src[start:f.at]
	for {
		before, behind, ok := strings.Cut(s, "{{")
		_, after, closed := strings.Cut(behind, "}}")
		if !ok || !closed {
			break
		}
		s = before + "x" + after
	}
	f.out.WriteString(s)
	f.note("name")
}

func (f *filler) note(word string) {
	f.words = append(f.words, strings.ToLower(word))
	if len(f.words) > 2 {
		f.words = f.words[1:]
	}
}

func (f *filler) before() string {
	if len(f.words) == 0 {
		return ""
	}
	return f.words[len(f.words)-1]
}

// tag replaces a tag.
func (f *filler) tag() {
	n := strings.Index(f.src[f.at:], "}}")
	if n < 0 {
		f.out.WriteString(f.src[f.at:])
		f.at = len(f.src)
		return
	}
	name := strings.TrimSpace(f.src[f.at+2 : f.at+n])
	glued := f.at > 0 && (wordByte(f.src[f.at-1]) || f.src[f.at-1] == '.')
	f.at += n + 2
	value := "1"
	switch {
	case glued || f.at < len(f.src) && wordByte(f.src[f.at]): // part of a name
		value = "x"
	case f.before() == "from" || f.before() == "join":
		value = "tag_table"
		if strings.HasPrefix(name, "#") {
			value = "(SELECT 1 AS a)"
		}
	case f.condition():
		value = "1 = 1"
	}
	f.out.WriteString(value)
	f.note("name")
}

// condition says whether a condition is due here and nothing compares it.
func (f *filler) condition() bool {
	switch f.before() {
	case "where", "and", "or", "not", "on", "having", "when":
	case "(":
		if len(f.words) < 2 {
			return false
		}
		switch f.words[0] {
		case "where", "and", "or", "not", "on", "having", "when":
		default:
			return false
		}
	default:
		return false
	}
	rest := strings.TrimLeft(f.src[f.at:], " \t\r\n")
	for strings.HasPrefix(rest, "--") {
		_, rest, _ = strings.Cut(rest, "\n")
		rest = strings.TrimLeft(rest, " \t\r\n")
	}
	if rest == "" {
		return true
	}
	if strings.HasPrefix(rest, "]]") || strings.HasPrefix(rest, "[[") {
		return true
	}
	if strings.ContainsRune(");", rune(rest[0])) {
		return true
	}
	i := 0
	for i < len(rest) && wordByte(rest[i]) {
		i++
	}
	switch strings.ToLower(rest[:i]) {
	case "and", "or", "group", "order", "limit", "union", "having", "then", "where", "left", "inner", "join", "right", "full", "window", "qualify", "except", "intersect":
		return true
	}
	return false
}

func (f *filler) word() {
	start := f.at
	for f.at < len(f.src) && wordByte(f.src[f.at]) {
		f.at++
	}
	if f.at == start {
		f.at++
		if c := f.src[start]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			f.note(string(c))
		}
	} else {
		f.note(f.src[start:f.at])
	}
	f.out.WriteString(f.src[start:f.at])
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}
