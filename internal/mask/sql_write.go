package mask

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/sqllens"
)

// sqlWriter writes a text with placeholders in it.
type sqlWriter struct {
	in     SQLInput
	m      *Map
	names  *sqlNames
	src    string
	list   []sqllens.Lexeme
	way    int
	forced map[int]bool // lexemes that must not stay as they are
	notes  map[int]int  // comments, start → end
	places *places

	out   strings.Builder
	marks []mark

	literals, kept int
	told           int // literals whose class was told
}

// mark is a placeholder that was written: its place in the output and where in
// the input its original begins.
type mark struct {
	region
	from int
}

// maxTries bounds how often a text is written anew because a part of it looked
// like a placeholder.
const maxTries = 4

// writeSQL masks a text in one way. ok is false when the result could not be
// turned back.
func writeSQL(in SQLInput, m *Map, names *sqlNames, lexed sqllens.Lexemes, way int) (SQLResult, bool) {
	forced := map[int]bool{}
	notes := make(map[int]int, len(lexed.Comments))
	for _, c := range lexed.Comments {
		notes[c.Start] = c.End
	}
	if way == everything { // what is no SQL may hold anything, an address without quotes too
		i := 0
		for _, found := range Detect(in.SQL) {
			for i < len(lexed.List) && lexed.List[i].Span.End <= found.Start {
				i++
			}
			for k := i; k < len(lexed.List) && lexed.List[k].Span.Start < found.End; k++ {
				forced[k] = true
			}
		}
	}
	for range maxTries {
		w := &sqlWriter{in: in, m: m, names: names, src: in.SQL, list: lexed.List, way: way, forced: forced, notes: notes}
		w.places = placesOf(in.SQL, lexed.List, names)
		w.run()
		masked := w.out.String()
		stray := w.stray(masked)
		if len(stray) == 0 {
			if m.Unmask(masked) != in.SQL {
				return SQLResult{}, false
			}
			return SQLResult{Masked: masked, MaskedColumns: names.columns(), Fallback: way == everything, Literals: w.literals, Kept: w.kept}, true
		}
		more := false
		for _, i := range stray {
			more = more || !forced[i]
			forced[i] = true
		}
		if !more {
			return SQLResult{}, false
		}
	}
	return SQLResult{}, false
}

func (w *sqlWriter) run() {
	w.out.Grow(len(w.src) + len(w.src)/4)
	pos := 0
	for i := range w.list {
		x := &w.list[i]
		if x.Span.Start < pos { // cannot happen; a lexeme is never written twice
			continue
		}
		w.gap(pos, x.Span.Start)
		w.lexeme(i)
		pos = x.Span.End
	}
	w.gap(pos, len(w.src))
}

// keep writes a piece of the input as it is.
func (w *sqlWriter) keep(start, end int) { w.out.WriteString(w.src[start:end]) }

// put writes a placeholder for what begins at from.
func (w *sqlWriter) put(placeholder string, from int) {
	start := w.out.Len()
	w.out.WriteString(placeholder)
	w.marks = append(w.marks, mark{region{start, w.out.Len()}, from})
}

// maxStray bounds the places of one text that look like a placeholder without
// being one. A text with more is hostile and becomes one placeholder.
const maxStray = 500

// stray lists the lexemes of the input that, as they stand in the output, look
// like a placeholder or change one.
func (w *sqlWriter) stray(masked string) []int {
	at := 0
	var bad []region
	for r := range placeholders(masked) {
		for at < len(w.marks) && w.marks[at].End <= r.Start {
			bad = append(bad, w.marks[at].region) // one of ours that cannot be found again
			at++
		}
		if at < len(w.marks) && w.marks[at].region == r {
			at++
			continue
		}
		bad = append(bad, r)
		for at < len(w.marks) && w.marks[at].Start < r.End {
			at++
		}
	}
	for ; at < len(w.marks); at++ {
		bad = append(bad, w.marks[at].region)
	}
	switch {
	case len(bad) == 0:
		return nil
	case len(bad) > maxStray:
		return []int{-1}
	}
	// Back to places in the input: between two placeholders both run alike.
	var out []int
	for _, r := range bad {
		start, end := w.source(r.Start), w.source(r.End)
		for i := range w.list {
			if s := w.list[i].Span; s.Start < end && s.End > start {
				out = append(out, i)
			}
		}
		if len(out) == 0 {
			out = append(out, -1)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// source is the place in the input that a place in the output was written from.
func (w *sqlWriter) source(at int) int {
	i, _ := slices.BinarySearchFunc(w.marks, at, func(m mark, at int) int { return m.Start - at })
	if i < len(w.marks) && w.marks[i].Start == at {
		return w.marks[i].from
	}
	if i == 0 {
		return min(at, len(w.src))
	}
	m := w.marks[i-1]
	return min(m.from+len(w.m.Unmask(w.out.String()[m.Start:m.End]))+max(at-m.End, 0), len(w.src))
}

// gap writes what stands between two lexemes. White space, the brackets of
// optional blocks and the marks of executable comments stay; comments and
// template code are masked.
func (w *sqlWriter) gap(start, end int) {
	for p := start; p < end; {
		rest := w.src[p:end]
		if stop, ok := w.notes[p]; ok {
			w.comment(p, min(stop, end))
			p = min(stop, end)
			continue
		}
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case unicode.IsSpace(r) || r == 0 || r == '\ufeff' || r == '\u200b' || r == '\u200e' || r == '\u200f':
			w.keep(p, p+n)
			p += n
		case strings.HasPrefix(rest, "[[") || strings.HasPrefix(rest, "]]") || strings.HasPrefix(rest, "*/"):
			w.keep(p, p+2)
			p += 2
		case strings.HasPrefix(rest, "/*!") || strings.HasPrefix(rest, "/*M!"):
			n = strings.IndexByte(rest, '!') + 1
			for n < len(rest) && (digit(rest[n]) || rest[n] == '!') {
				n++
			}
			if looksMasked(rest[:n]) {
				at := strings.IndexByte(rest, '!') + 1
				w.keep(p, p+at)
				w.put(w.m.Digits(rest[at:n]), p+at)
			} else {
				w.keep(p, p+n)
			}
			p += n
		case strings.HasPrefix(rest, "{%") || strings.HasPrefix(rest, "{#"):
			stop := strings.Index(rest, string([]byte{rest[1], '}'}))
			if stop < 2 {
				stop = len(rest)
			}
			w.keep(p, p+2)
			w.note(p+2, p+stop)
			w.keep(p+stop, p+min(stop+2, len(rest)))
			p += min(stop+2, len(rest))
		default:
			stop := n
			for stop < len(rest) {
				r, n := utf8.DecodeRuneInString(rest[stop:])
				if _, ok := w.notes[p+stop]; ok || unicode.IsSpace(r) {
					break
				}
				stop += n
			}
			w.put(w.m.Text(ClassComment, rest[:stop]), p)
			p += stop
		}
	}
}

// comment writes a comment whose text is a placeholder.
func (w *sqlWriter) comment(start, end int) {
	text := w.src[start:end]
	switch {
	case strings.HasPrefix(text, "/*"):
		stop := end
		if strings.HasSuffix(text, "*/") && len(text) >= len("/**/") {
			stop -= 2
		}
		w.keep(start, start+2)
		w.note(start+2, stop)
		w.keep(stop, end)
	case strings.HasPrefix(text, "-- COMMAND ---") && strings.Trim(text[len("-- COMMAND "):], "-\r\n ") == "":
		w.keep(start, end) // between the cells of an exported notebook
	default:
		skip := 1
		if strings.HasPrefix(text, "--") || strings.HasPrefix(text, "//") {
			skip = 2
		}
		for skip < len(text) && (text[skip] <= ' ' || text[skip] == '-') { // MySQL wants white space behind the dashes
			skip++
		}
		stop := len(strings.TrimRight(text, "\r\n"))
		skip = min(skip, stop)
		w.keep(start, start+skip)
		w.note(start+skip, start+stop)
		w.keep(start+stop, end)
	}
}

// note writes the text of a comment: lines and blanks stay, all else goes.
func (w *sqlWriter) note(start, end int) {
	text := w.src[start:end]
	if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r >= utf8.RuneSelf }) {
		w.keep(start, end)
		return
	}
	inner := strings.TrimSpace(text)
	from := start + strings.Index(text, inner)
	w.keep(start, from)
	w.put(w.m.Text(ClassComment, inner), from)
	w.keep(from+len(inner), end)
}

func (w *sqlWriter) lexeme(i int) {
	x := &w.list[i]
	switch x.Kind {
	case sqllens.LexemeWord, sqllens.LexemeQuoted:
		w.name(i)
	case sqllens.LexemeString:
		w.text(i)
	case sqllens.LexemeNumber:
		w.number(i)
	case sqllens.LexemeTag:
		w.tag(x.Span.Start, x.Span.End, w.forced[i])
	default:
		w.keep(x.Span.Start, x.Span.End)
	}
}

// name writes a word or a quoted name.
func (w *sqlWriter) name(i int) {
	x := &w.list[i]
	start, end := x.Span.Start, x.Span.End
	role := w.places.role[i]
	if x.Kind == sqllens.LexemeQuoted {
		open, shut := quotes(w.src[start:end])
		if strings.Contains(w.src[start:end], "{{") {
			w.keep(start, start+open)
			w.tagged(start+open, end-shut, func(a, b int) { w.pieceOfName(a, b, role, i) })
			w.keep(end-shut, end)
			return
		}
		// A quote that is never closed holds the rest of the text, whatever it is.
		if w.places.asText[i] || w.way == everything && (w.places.foreign || shut == 0) {
			w.literals++
			w.keep(start, start+open)
			w.put(w.m.Text(ClassString, w.src[start+open:end-shut]), start+open)
			w.keep(end-shut, end)
			return
		}
		w.keep(start, start+open)
		if w.src[start] == '`' && strings.Contains(w.src[start:end], ".") { // a path in one pair of quotes
			w.pathInQuotes(start+open, end-shut, role, i)
		} else {
			w.pieceOfName(start+open, end-shut, role, i)
		}
		w.keep(end-shut, end)
		return
	}
	from := start
	for from < end-1 && strings.IndexByte("@#$:", w.src[from]) >= 0 {
		from++
	}
	w.keep(start, from)
	if role == roleFunction && !w.forced[i] && w.keepsFunction(w.src[from:end]) {
		w.keep(from, end)
		return
	}
	if role == roleNone && (x.Keyword != "" || w.verb(i) || w.syntax(w.word(i))) && w.way != everything && !w.forced[i] { // syntax
		w.keep(from, end)
		return
	}
	if w.word(i) == "offset" && w.word(i-1) == "with" { // BigQuery's WITH OFFSET names a column by itself
		w.keep(from, end)
		return
	}
	w.pieceOfName(from, end, role, i)
}

// syntax says whether a word that the syntax tree holds no name for is one of
// the language.
func (w *sqlWriter) syntax(word string) bool {
	return syntaxWords()[word] || typeNames()[word] || sqllens.DatePart(word)
}

// verb says whether a word begins a statement or a step of a pipe.
func (w *sqlWriter) verb(i int) bool { return i == 0 || w.word(i-1) == ";" || w.word(i-1) == "|>" }

// quotes measures the quotes of a quoted name.
func quotes(text string) (open, shut int) {
	open = 1
	if len(text) > 2 && text[0]|0x20 == 'u' && text[1] == '&' {
		open = 3
	}
	last := text[len(text)-1]
	want := text[open-1]
	if want == '[' {
		want = ']'
	}
	if len(text) > open && last == want {
		shut = 1
	}
	return open, shut
}

func (w *sqlWriter) pathInQuotes(start, end int, role nameRole, i int) {
	if role == roleSchema {
		role = roleTable
	}
	for start < end {
		stop := strings.IndexByte(w.src[start:end], '.')
		if stop < 0 {
			w.pieceOfName(start, end, role, i)
			return
		}
		part := role
		if role == roleTable {
			part = roleSchema
		}
		w.pieceOfName(start, start+stop, part, i)
		w.keep(start+stop, start+stop+1)
		start += stop + 1
	}
}

// pieceOfName writes a name without its quotes.
func (w *sqlWriter) pieceOfName(start, end int, role nameRole, i int) {
	name := w.src[start:end]
	if name == "" {
		return
	}
	if class, ok := w.maskedName(name, role, i); ok || w.forced[i] {
		w.put(w.m.Name(class, name), start)
		return
	}
	w.keep(start, end)
}

// maskedName says whether a name is to be masked, and as what.
func (w *sqlWriter) maskedName(name string, role nameRole, i int) (Class, bool) {
	key := strings.ToLower(name)
	if class, ok := w.names.sensitive[key]; ok {
		return class, true
	}
	if strings.Contains(key, `""`) || strings.Contains(key, "``") || strings.Contains(key, "]]") {
		plain := strings.NewReplacer(`""`, `"`, "``", "`", "]]", "]").Replace(key)
		if class, ok := w.names.sensitive[plain]; ok {
			return class, true
		}
	}
	class := w.places.classes[key]
	if class == "" {
		class = role.class()
	}
	switch {
	case looksMasked(name), digit(name[0]) && role == roleNone:
		return class, true
	case w.in.Names && role != roleFunction && (role != roleNone || w.places.classes[key] != "" || w.unknownWord(key, i)) && !pseudoNames()[key]:
		return class, true
	case telling(name):
		return class, true
	}
	return class, false
}

// unknownWord says whether a word may be a name for all that is known: it is no
// word of the language and calls nothing. Strict mode masks such words.
func (w *sqlWriter) unknownWord(key string, i int) bool {
	if w.list[i].Kind == sqllens.LexemeQuoted || w.way == everything && w.list[i].Keyword == "" {
		return true
	}
	if w.way == withWords && !strings.ContainsAny(key, "_0123456789") && w.word(i+1) != "." && w.word(i-1) != "." {
		return false
	}
	return w.list[i].Keyword == "" && !typeNames()[key] && !sqllens.DatePart(key) && w.word(i+1) != "("
}

// telling says whether a name holds what the detectors find: aliases are free
// text.
func telling(name string) bool {
	digits := 0
	for i := range len(name) {
		if digit(name[i]) {
			digits++
		}
	}
	return (digits >= minDigits || strings.Contains(name, "@") || strings.Contains(name, "://")) && len(Detect(name)) > 0
}

// minDigits is the least number of digits of anything that the detectors find
// by its digits.
const minDigits = 6

// keepsFunction says whether a function's name stays: those that databases have
// stay always, others unless they are the name of a sensitive column.
func (w *sqlWriter) keepsFunction(name string) bool {
	if _, ok := w.names.sensitive[strings.ToLower(name)]; !ok {
		return !looksMasked(name)
	}
	return w.way >= withFunctions || commonFunctions()[strings.ToLower(name)]
}

// tag writes a template tag. Its name is masked when it is sensitive, the slug
// of a card reference when it tells something.
func (w *sqlWriter) tag(start, end int, forced bool) {
	text := w.src[start:end]
	if !strings.HasPrefix(text, "{{") {
		w.foreign(start, end, forced)
		return
	}
	inner := text[2 : len(text)-2]
	name := strings.TrimSpace(inner)
	from := start + 2 + strings.Index(inner, name)
	stop := from + len(name)
	class := ClassName
	lower := strings.ToLower(name)
	hide := forced || looksMasked(name)
	switch {
	case strings.HasPrefix(name, "#"):
		skip := 1
		for skip < len(name) && (digit(name[skip]) || name[skip] == '-') {
			skip++
		}
		from += skip
		class = ClassQuestion
		slug := name[skip:]
		hide = hide || w.in.Names || w.tellingTag(slug)
	case strings.HasPrefix(lower, "snippet:"):
		snippet := strings.TrimSpace(name[len("snippet:"):])
		from = stop - len(snippet)
		hide = hide || w.in.Names || w.tellingTag(snippet)
	default:
		if strings.HasPrefix(lower, "table ") {
			from += len("table ")
		}
		hide = hide || w.in.Names || w.tellingTag(w.src[from:stop])
		if c, ok := w.names.sensitive[strings.ToLower(w.src[from:stop])]; ok {
			class = c
		}
	}
	w.keep(start, from)
	if hide && from < stop {
		w.put(w.m.Name(class, w.src[from:stop]), from)
	} else {
		w.keep(from, stop)
	}
	w.keep(stop, end)
}

// tellingTag says whether a tag's name is or holds a sensitive name, or
// something the detectors find.
func (w *sqlWriter) tellingTag(name string) bool {
	if _, ok := w.names.sensitive[strings.ToLower(name)]; ok {
		return true
	}
	if len(Detect(name)) > 0 {
		return true
	}
	word := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' }
	for _, part := range strings.FieldsFunc(strings.ToLower(name), word) {
		if _, ok := w.names.sensitive[part]; ok {
			return true
		}
		if len(name) == len(part) && w.names.given(part) {
			return true
		}
	}
	if w.in.Given != nil { // a list: parts of the name may stand on it
		for _, part := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len(part) >= minListed && !genericNames()[part] && w.names.verdict("", part) {
				return true
			}
		}
	}
	padded := "_" + strings.ToLower(name) + "_"
	for s := range w.names.sensitive {
		if len(s) >= minTelling && strings.Contains(padded, "_"+s+"_") {
			return true
		}
	}
	return false
}

// minTelling is the length from which a sensitive name inside a tag's name
// counts: shorter ones, id or name, are parts of many.
const minTelling = 5

// minListed is the same for names that a list holds.
const minListed = 3

// foreign writes a placeholder of another tool: its default may be data.
func (w *sqlWriter) foreign(start, end int, forced bool) {
	text := w.src[start:end]
	at := strings.IndexByte(text, '?')
	if strings.HasPrefix(text, "##") && at > 0 && at < len(text)-2 {
		w.keep(start, start+at+1)
		w.literals++
		w.put(w.m.Text(ClassString, text[at+1:len(text)-2]), start+at+1)
		w.keep(end-2, end)
		return
	}
	edge := 2
	tail := 2
	if strings.HasPrefix(text, "${") {
		tail = 1
	}
	if len(text) > edge+tail && (forced || w.tellingTag(strings.TrimSpace(text[edge:len(text)-tail])) || looksMasked(text)) {
		w.keep(start, start+edge)
		w.put(w.m.Name(ClassName, text[edge:len(text)-tail]), start+edge)
		w.keep(end-tail, end)
		return
	}
	w.keep(start, end)
}

// tagged writes a quoted text in which template tags and optional blocks stand:
// they stay, what is around them goes through piece.
func (w *sqlWriter) tagged(start, end int, piece func(start, end int)) {
	blocks := strings.Contains(w.src[start:end], "[[")
	at := start
	flush := func(to int) {
		if to > at {
			piece(at, to)
		}
	}
	for p := start; p < end; {
		rest := w.src[p:end]
		switch {
		case strings.HasPrefix(rest, "{{"):
			stop := strings.Index(rest, "}}")
			if stop < 0 {
				p = end
				continue
			}
			flush(p)
			w.tag(p, p+stop+2, false)
			p += stop + 2
			at = p
		case blocks && (strings.HasPrefix(rest, "[[") || strings.HasPrefix(rest, "]]")):
			flush(p)
			w.keep(p, p+2)
			p += 2
			at = p
		default:
			p++
		}
	}
	flush(end)
}
