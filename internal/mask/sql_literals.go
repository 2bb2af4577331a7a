package mask

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/sqllens"
)

func (w *sqlWriter) word(i int) string {
	if i < 0 || i >= len(w.list) {
		return ""
	}
	return w.places.word[i]
}

// number writes a numeric literal.
func (w *sqlWriter) number(i int) {
	x := &w.list[i]
	start, end := x.Span.Start, x.Span.End
	text := w.src[start:end]
	if w.places.role[i] != roleNone && w.way != everything { // part of a name: my-project-12, t.1
		if w.in.Names && w.word(i-1) != "." || w.forced[i] || looksMasked(text) || telling(text) {
			w.put(w.m.Digits(text), start)
			return
		}
		w.keep(start, end)
		return
	}
	if len(text) == 2 && text[1]|0x20 == 'x' { // 0x without digits is no number
		w.keep(start, end)
		return
	}
	w.literals++
	if !w.forced[i] && !looksMasked(text) && w.way != everything && w.structural(i, text) {
		w.kept++
		w.keep(start, end)
		return
	}
	w.put(w.m.Digits(text), start)
}

// Bounds of numbers that can stand for structure.
const (
	ordinalDigits = 3
	smallDigits   = 2
	spanDigits    = 4 // of quantities of time
)

// structural says whether a number is part of the query's structure rather than
// data. docs/guide/masking.md lists the cases.
func (w *sqlWriter) structural(i int, text string) bool {
	at := &w.places.at[i]
	prev, next := w.word(i-1), w.word(i+1)
	small := len(text) <= smallDigits
	sign := prev == "-" || prev == "+"
	glued := i > 0 && w.list[i-1].Span.End == w.list[i].Span.Start
	switch {
	case w.limits(i):
		return true
	case at.clause == "by" && len(text) <= ordinalDigits && ordinalBefore(prev) && ordinalAfter(next):
		return true
	case glued && prev == ".": // field of a tuple
		return true
	case glued && len(text) <= ordinalDigits && (prev == "?" || prev == ":" && !nameLike(w.list, i-2)): // number of a parameter
		return true
	case at.call == "subscript" && len(text) <= ordinalDigits && (prev == "[" || prev == ":" || sign):
		return true
	case w.ofType(i):
		return true
	case len(text) <= spanDigits && w.quantity(i, prev, next):
		return true
	case next == "preceding" || next == "following":
		return true
	case at.call == "tablesample" || at.before == "tablesample" || prev == "sample" || next == "percent":
		return true
	}
	call := structuralCalls()[at.call]
	if call.any && (small || strings.HasSuffix(at.call, "convert") && len(text) <= ordinalDigits || strings.HasPrefix(text, "0.")) && (prev == "," || prev == "(" || sign) && at.arg >= call.from {
		return true
	}
	return (text == "0" || text == "1") && !w.data(i)
}

// limits says whether a number is a LIMIT, OFFSET, FETCH or TOP.
func (w *sqlWriter) limits(i int) bool {
	prev := w.word(i - 1)
	switch prev {
	case "limit", "offset", "top":
		return true
	case "first", "next":
		return w.word(i-2) == "fetch" || w.word(i-2) == "select" || w.word(i+1) == "row" || w.word(i+1) == "rows"
	case "(":
		return w.word(i-2) == "top" || w.word(i-2) == "limit"
	case ",": // LIMIT 10, 20
		return i > 2 && w.list[i-2].Kind == sqllens.LexemeNumber && w.word(i-3) == "limit"
	}
	return false
}

func ordinalBefore(w string) bool { return w == "by" || w == "," || w == "(" }

func ordinalAfter(w string) bool {
	switch w {
	case "", ",", ")", ";", "asc", "desc", "nulls", "limit", "having", "order", "offset", "fetch", "union", "with", "rows", "range", "qualify", "window", "intersect", "except", "for", "format", "settings", "option", "collate", "all":
		return true
	}
	return false
}

func nameLike(list []sqllens.Lexeme, i int) bool {
	return i >= 0 && (list[i].Kind == sqllens.LexemeWord || list[i].Kind == sqllens.LexemeQuoted)
}

// ofType says whether a number is the length or precision of a type.
func (w *sqlWriter) ofType(i int) bool {
	at := &w.places.at[i]
	if at.opens < 1 || !typeNames()[at.call] || len(w.src[w.list[i].Span.Start:w.list[i].Span.End]) > spanDigits {
		return false
	}
	k := at.opens - 2 // what stands before the type's name
	for k >= 0 && (w.word(k) == "character" || w.word(k) == "national" || w.word(k) == "(" || w.word(k) == "<" || typeNames()[w.word(k)] || w.word(k) == "array") {
		k--
	}
	switch w.word(k) {
	case "as", "::", "type", "returning", ":":
		return true
	case ",", "(":
		return w.places.at[at.opens].call == "convert" || w.places.at[at.opens].call == "try_convert"
	}
	return nameLike(w.list, k) && (w.list[k].Keyword == "" || w.places.role[k] != roleNone) || w.places.at[at.opens].call == "convert" && w.places.at[at.opens].arg == 0
}

// quantity says whether a number counts units of time.
func (w *sqlWriter) quantity(i int, prev, next string) bool {
	at := &w.places.at[i]
	if prev == "interval" || (prev == "-" || prev == "+") && w.word(i-2) == "interval" {
		return true
	}
	if sqllens.DatePart(next) && i+1 < len(w.list) && w.list[i+1].Kind == sqllens.LexemeWord {
		return true
	}
	return (dateCalls()[at.call] || strings.HasPrefix(at.call, "tointerval") || strings.HasPrefix(at.call, "add") && strings.HasSuffix(at.call, "s")) &&
		(prev == "," || prev == "(" || prev == "-" || prev == "+")
}

// data says whether a 0 or 1 is compared with a column, stored, or one of a
// list. Elsewhere it says nothing: count(1), THEN 1 ELSE 0, coalesce(x, 0).
func (w *sqlWriter) data(i int) bool {
	at := &w.places.at[i]
	prev, next := w.word(i-1), w.word(i+1)
	if prev == "-" || prev == "+" {
		prev = w.word(i - 2)
	}
	if comparing(next) {
		return i+2 >= len(w.list) || !w.truth(i+2)
	}
	if comparing(prev) {
		return i < 2 || !w.truth(i-2)
	}
	switch {
	case at.before == "in" || at.call == "in" || at.call == "[" || at.clause == "values" || at.clause == "set" || at.before == "values":
		return true
	case at.call == "(" && (at.before == "," || at.before == "any" || at.before == "all"):
		return true
	case prev == "and" && w.word(i-3) == "between", prev == ":" || prev == "=>":
		return true
	}
	return false
}

// truth says whether a lexeme is 0 or 1, as in 1 = 1.
func (w *sqlWriter) truth(i int) bool {
	text := w.src[w.list[i].Span.Start:w.list[i].Span.End]
	return w.list[i].Kind == sqllens.LexemeNumber && (text == "0" || text == "1")
}

// textParts are a string literal taken apart.
type textParts struct {
	start, end int // of what stands between the quotes
	prefix     string
	dollar     string // the word between the dollar signs
}

func (w *sqlWriter) parts(x *sqllens.Lexeme) textParts {
	text := w.src[x.Span.Start:x.Span.End]
	p := textParts{start: x.Span.Start, end: x.Span.End}
	if x.Quote == '$' {
		fence := strings.IndexByte(text[1:], '$') + 2
		p.dollar = text[1 : fence-1]
		p.start += fence
		p.end -= fence
		return p
	}
	at := max(strings.IndexByte(text, x.Quote), 0)
	p.prefix = strings.ToLower(text[:at])
	body := text[at:]
	fence := strings.Repeat(string(x.Quote), 3)
	switch {
	case (p.prefix == "q" || p.prefix == "nq") && len(body) >= 4:
		p.start += at + 2
		p.end -= 2
	case w.in.Dialect == sqllens.BigQuery && len(body) >= 6 && strings.HasPrefix(body, fence) && strings.HasSuffix(body, fence):
		p.start += at + 3
		p.end -= 3
	default:
		p.start += at + 1
		if len(body) > 1 && body[len(body)-1] == x.Quote {
			p.end--
		}
	}
	if p.end < p.start {
		p.end = p.start
	}
	return p
}

// text writes a string literal.
func (w *sqlWriter) text(i int) {
	x := &w.list[i]
	if w.places.role[i] != roleNone && w.way != everything && w.word(i-1) == "as" { // AS 'Total' names a column
		open, shut := quotes(w.src[x.Span.Start:x.Span.End])
		w.keep(x.Span.Start, x.Span.Start+open)
		w.pieceOfName(x.Span.Start+open, x.Span.End-shut, w.places.role[i], i)
		w.keep(x.Span.End-shut, x.Span.End)
		return
	}
	w.literals++
	p := w.parts(x)
	before := len(w.marks)
	if p.dollar != "" { // $word$ … $word$
		word := w.m.Name(ClassName, p.dollar)
		w.keep(x.Span.Start, x.Span.Start+1)
		w.put(word, x.Span.Start+1)
		w.keep(p.start-1, p.start)
		w.inner(i, p)
		w.keep(p.end, p.end+1)
		w.put(word, p.end+1)
		w.keep(x.Span.End-1, x.Span.End)
		return
	}
	w.keep(x.Span.Start, p.start)
	w.inner(i, p)
	w.keep(p.end, x.Span.End)
	if len(w.marks) == before {
		w.kept++
	}
}

// inner writes what stands between the quotes of a string.
func (w *sqlWriter) inner(i int, p textParts) {
	text := w.src[p.start:p.end]
	switch {
	case text == "":
	case p.prefix == "x" && evenHex(text):
		w.put(w.m.HexText(text), p.start)
	case p.prefix == "b" && strings.Trim(text, "01") == "":
		w.put(w.m.BitText(text), p.start)
	case strings.Contains(text, "{{"):
		w.tagged(p.start, p.end, func(a, b int) { w.piece(i, a, b) })
	case w.way == everything || w.forced[i]:
		w.put(w.m.Text(w.classOf(text), text), p.start)
	default:
		w.plain(i, p.start, p.end)
	}
}

// piece writes the part of a string beside a template tag.
func (w *sqlWriter) piece(i, start, end int) {
	if text := w.src[start:end]; harmless(text) || w.likes(i) && strings.Trim(text, "%_") == "" {
		w.keep(start, end)
		return
	}
	if w.likes(i) && w.way != everything {
		w.pattern(start, end)
		return
	}
	w.put(w.m.Text(w.classOf(w.src[start:end]), w.src[start:end]), start)
}

// plain writes a string without tags.
func (w *sqlWriter) plain(i, start, end int) {
	text := w.src[start:end]
	switch {
	case w.likes(i):
		w.pattern(start, end)
	case harmless(text), w.shaped(i, text):
		if looksMasked(text) {
			w.put(w.m.Text(ClassText, text), start)
			return
		}
		w.keep(start, end)
	case w.isKey(i, text):
		w.key(start, end)
	default:
		w.put(w.m.Text(w.classOf(text), text), start)
	}
}

// harmless says whether a string is only punctuation: a separator.
func harmless(text string) bool {
	return len(text) <= 3 && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || r >= utf8.RuneSelf
	})
}

func (w *sqlWriter) likes(i int) bool {
	switch w.word(i - 1) {
	case "like", "ilike", "~~", "~~*", "!~~", "!~~*":
		return true
	case "any", "all":
		return false
	}
	at := &w.places.at[i]
	if at.opens > 1 && (at.call == "any" || at.call == "all" || at.call == "some") {
		switch w.word(at.opens - 2) {
		case "like", "ilike":
			return true
		}
	}
	return false
}

// pattern writes a LIKE pattern: its wildcards stay.
func (w *sqlWriter) pattern(start, end int) {
	at := start
	flush := func(to int) {
		if to <= at {
			return
		}
		if text := w.src[at:to]; harmless(text) {
			w.keep(at, to)
		} else {
			w.put(w.m.Text(w.classOf(text), text), at)
		}
	}
	for p := start; p < end; p++ {
		switch w.src[p] {
		case '\\':
			p++
		case '%', '_':
			flush(p)
			w.keep(p, p+1)
			at = p + 1
		}
	}
	flush(end)
}

var (
	intervalText = regexp.MustCompile(`(?i)^\s*(?:[+-]?\d{1,4}(?:\.\d{1,6})?\s*(?:microseconds?|milliseconds?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|mons?|quarters?|years?|yrs?|decades?|[smhdwy])\b[ ,]*)+(?:ago)?\s*$`)
	intervalBare = regexp.MustCompile(`^\s*[+-]?\d{1,4}(?:[ :-]\d{1,2}){0,4}(?:\.\d{1,6})?\s*$`)
	zoneText     = regexp.MustCompile(`^(?:UTC|GMT|Z|utc|(?:Africa|America|Antarctica|Asia|Atlantic|Australia|Europe|Indian|Pacific|Etc|US)/[A-Z][A-Za-z_+\-/0-9]{1,30}|[+-]\d\d:?\d\d)$`)
	formatText   = regexp.MustCompile(`^(?:FM|TM|%-?[aAbBcCdDeEfFgGHhIijJkKlLmMnNpPQqrRsSTtuUvVwWxXyYzZ%]|YYYY|yyyy|IYYY|Y{1,3}|y{1,3}|IY|MMMM|MMM|MM|mm|MI|mi|Month|MONTH|month|Mon|MON|mon|DDD|DD|dd|Day|DAY|day|Dy|DY|dy|HH24|HH12|HH|hh24|hh12|hh|SSSS|SS|ss|MS|US|WW|IW|ID|TZ|AM|PM|am|pm|CC|J|Q|D|d|W|w|G|M|m|H|h|S|s|E{1,4}|a|u|Z|X{1,3}|x{1,3}|z|L|V|B|0|9|,|\.|-|/|:|;| |\(|\)|\$|€|'T'|"T"|''T''|T|th|TH)+$`)
	keyText      = regexp.MustCompile(`^\$?[\p{L}_$.\-\[\]*"{}, :@0-9]*$`)
)

// shaped says whether a string is an interval, a date part, a format or a time
// zone, by where it stands and what it says.
func (w *sqlWriter) shaped(i int, text string) bool {
	at := &w.places.at[i]
	prev, next := w.word(i-1), w.word(i+1)
	if prev == "interval" {
		return intervalText.MatchString(text) || intervalBare.MatchString(text)
	}
	if next == "::" && w.word(i+2) == "interval" || at.call == "cast" && next == "as" && w.word(i+2) == "interval" {
		return intervalText.MatchString(text)
	}
	if prev == "zone" || zoneCalls()[at.call] && at.arg >= 0 && argument(prev, next) {
		if zoneText.MatchString(text) {
			return true
		}
	}
	if !argument(prev, next) || at.call == "(" || at.call == "[" || at.call == "" || at.call == "in" {
		return false
	}
	switch {
	case dateCalls()[at.call] && sqllens.DatePart(strings.ToLower(text)):
		return true
	case intervalText.MatchString(text) && (dateCalls()[at.call] || at.call == "generate_series" || at.call == "time_bucket"):
		return true
	case formatCalls()[at.call] && (at.arg > 0 || formatFirst()[at.call]) && formatText.MatchString(text):
		return true
	}
	return false
}

// argument says whether a literal is an argument by itself.
func argument(prev, next string) bool {
	return (prev == "(" || prev == ",") && (next == ")" || next == "," || next == "::")
}

// isKey says whether a string names a place inside a document.
func (w *sqlWriter) isKey(i int, text string) bool {
	if len(text) > maxKey || !keyText.MatchString(text) || telling(text) || digitsRun(text) > spanDigits {
		return false
	}
	at := &w.places.at[i]
	prev, next := w.word(i-1), w.word(i+1)
	switch prev {
	case "->", "->>", "#>", "#>>", "#-", "path":
		return true
	}
	switch {
	case at.call == "subscript" && prev == "[" && next == "]":
		return true
	case pathCalls()[at.call] && at.arg > 0 && argument(prev, next):
		return true
	case buildCalls()[at.call] && at.arg%2 == 0 && argument(prev, next):
		return true
	case strings.HasPrefix(text, "$.") && !comparing(prev) && at.before != "in":
		return true
	}
	return false
}

// maxKey is the longest text that counts as a key.
const maxKey = 120

func digitsRun(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		if digit(s[i]) {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// key writes a key or a path of keys: sensitive parts go.
func (w *sqlWriter) key(start, end int) {
	isPart := func(c byte) bool { return wordByte(c) || c >= utf8.RuneSelf }
	for p := start; p < end; {
		if !isPart(w.src[p]) {
			w.keep(p, p+1)
			p++
			continue
		}
		stop := p
		for stop < end && isPart(w.src[stop]) {
			stop++
		}
		name := w.src[p:stop]
		class, hit := w.names.sensitive[strings.ToLower(name)]
		switch {
		case hit:
		case w.names.anywhere(name) || looksMasked(name) || w.in.Names && !allDigits(name):
			class, hit = ClassColumn, true
		}
		if hit {
			w.put(w.m.Name(class, name), p)
		} else {
			w.keep(p, stop)
		}
		p = stop
	}
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func evenHex(s string) bool {
	return len(s)%2 == 0 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

var (
	dateText   = regexp.MustCompile(`^\s*(?:\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{8})(?:[ T]\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?:\s*(?:Z|UTC|[+-]\d\d:?\d{0,2}))?)?\s*$`)
	numberOnly = regexp.MustCompile(`^\s*[+-]?\d+(?:\.\d+)?\s*$`)
	uuidText   = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
)

// classOf names what a literal of the text is. Beyond the first thousands all
// are strings: telling their class takes longer than everything else.
func (w *sqlWriter) classOf(text string) Class {
	if w.told++; w.told > maxTold {
		return ClassString
	}
	return classOf(text)
}

// maxTold bounds the literals of one text whose class is told.
const maxTold = 5000

// classOf names what a string literal is.
func classOf(text string) Class {
	if len(text) > maxClassified {
		return ClassString
	}
	switch {
	case dateText.MatchString(text):
		return ClassDate
	case uuidText.MatchString(text):
		return ClassUUID
	}
	for _, s := range Detect(text) {
		if 2*(s.End-s.Start) > len(text) {
			return s.Class
		}
	}
	if numberOnly.MatchString(text) {
		return ClassNumber
	}
	if t := strings.TrimSpace(text); t != "" && (t[0] == '{' || t[0] == '[') && json.Valid([]byte(strings.ReplaceAll(t, "''", "'"))) {
		return ClassJSON
	}
	return ClassString
}

// maxClassified is the longest literal whose class is told.
const maxClassified = 4096
