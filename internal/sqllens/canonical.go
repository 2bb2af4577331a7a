package sqllens

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Fingerprints compare texts. Equal fingerprints mean, from strict to loose:
// the same text but for white space and comments; the same meaning; the same
// but for literals.
type Fingerprints struct {
	Exact      string `json:"exact"`
	Equivalent string `json:"equivalent"`
	Shape      string `json:"shape"`
}

// Canonical is the normal form of a text.
type Canonical struct {
	Text         string
	Fingerprints Fingerprints
	Problems     []Problem
}

// Canonicalize builds the normal form of a text: names folded by the dialect's
// case rule, aliases of tables and names of common table expressions replaced
// by their places, operands of commutative operators, lists of IN and of GROUP
// BY sorted, comparisons turned to one side, noise words and redundant
// parentheses left out, literals and template tags spelt one way.
//
// Text that was not understood to its end is compared by its words alone, so
// that what differs never looks the same.
func Canonicalize(sql string, d Dialect) Canonical {
	tree := Parse(sql, d, true)
	out := Canonical{Problems: tree.Problems}
	if tree.tooLarge {
		out.Text = sql
		out.Fingerprints = Fingerprints{fingerprint("e", sql), fingerprint("e", sql), fingerprint("e", sql)}
		return out
	}
	exact := exactText(tree, false)
	out.Fingerprints.Exact = fingerprint("e", exact)
	text, ok := canonicalText(tree, false)
	if !ok {
		out.Text = exact
		out.Fingerprints.Equivalent = out.Fingerprints.Exact
		out.Fingerprints.Shape = fingerprint("s", exactText(tree, true))
		return out
	}
	shape, _ := canonicalText(tree, true)
	out.Text = text
	out.Fingerprints.Equivalent = fingerprint("q", text)
	out.Fingerprints.Shape = fingerprint("s", shape)
	return out
}

// CanonicalText is the normal form of a tree that was parsed with its optional
// blocks, for who has the tree already. ok is false where [Canonicalize] would
// compare by words.
func CanonicalText(tree *Tree) (text string, ok bool) {
	if tree.tooLarge {
		return "", false
	}
	return canonicalText(tree, false)
}

func fingerprint(kind, text string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + text))
	return hex.EncodeToString(sum[:16])
}

// exactText is the list of the words, with the borders of optional blocks.
func exactText(tree *Tree, shape bool) string {
	var b strings.Builder
	b.Grow(len(tree.src))
	blocks := tree.Blocks
	var ends []int
	for i := range tree.toks {
		t := &tree.toks[i]
		for len(ends) > 0 && (t.start >= ends[len(ends)-1] || t.kind == tokEOF) {
			b.WriteString("]] ")
			ends = ends[:len(ends)-1]
		}
		for len(blocks) > 0 && blocks[0].Start < t.start {
			b.WriteString("[[ ")
			ends = append(ends, blocks[0].End)
			blocks = blocks[1:]
		}
		switch {
		case t.kind == tokEOF:
		case shape && (t.kind == tokNumber || t.kind == tokString):
			b.WriteString("? ")
		default:
			b.WriteString(t.text)
			b.WriteByte(' ')
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

// printer writes the normal form of one tree. It walks the words of a node and
// lets the node's parts write theirs, so that a word that the tree does not
// keep is never lost.
type printer struct {
	tree   *Tree
	toks   []token
	t      *traits
	shape  bool
	failed bool  // the tree's spans do not nest: compare by words
	budget int   // bytes that may still be built, against quadratic copying
	blocks []int // innermost optional block of every word, -1 for none; nil without blocks
	block  int   // the block that is being written
}

// canonicalText prints a tree. ok is false when it cannot be compared by
// meaning.
func canonicalText(tree *Tree, shape bool) (text string, ok bool) {
	if tree.Recovered || len(tree.Statements) == 0 {
		return "", false
	}
	p := &printer{tree: tree, toks: tree.toks, t: tree.Dialect.traits(), shape: shape, budget: 64*len(tree.src) + 1<<16, block: -1}
	p.findBlocks()
	var parts []string
	for _, st := range tree.Statements {
		parts = append(parts, p.statement(st))
	}
	// Words outside of every statement would be lost.
	at := 0
	for _, st := range tree.Statements {
		for at < len(p.toks) && p.toks[at].start < st.Span.Start {
			p.stray(at)
			at++
		}
		for at < len(p.toks) && p.toks[at].start < st.Span.End {
			at++
		}
	}
	for ; at < len(p.toks); at++ {
		p.stray(at)
	}
	return strings.Join(parts, "; "), !p.failed
}

func (p *printer) stray(at int) {
	if t := &p.toks[at]; t.kind != tokEOF && !t.isOp(";") && !t.isWord("go") {
		p.failed = true
	}
}

// piece is a part of a node that writes itself.
type piece struct {
	span  Span
	from  bool // a FROM item: a comma between two of them is a cross join
	write func(env *names) string
}

// first is the index of the first word at or behind a place of the text.
func (p *printer) first(at int) int {
	i, _ := slices.BinarySearchFunc(p.toks, at, func(t token, at int) int { return t.start - at })
	return i
}

// words writes the words [i, j) with the pieces among them.
func (p *printer) words(i, j int, parts []piece, env *names) string {
	return strings.Join(p.list(i, j, parts, env), " ")
}

// span writes a stretch of the text.
func (p *printer) span(s Span, parts []piece, env *names) string {
	i, j := p.first(s.Start), p.first(s.End)
	return p.words(i, j, parts, env)
}

func (p *printer) list(i, j int, parts []piece, env *names) []string {
	slices.SortStableFunc(parts, func(a, b piece) int { return a.span.Start - b.span.Start })
	var out []string
	wasFrom := false
	for i < j && !p.failed {
		t := &p.toks[i]
		if len(parts) > 0 && parts[0].span.Start <= t.start {
			part := parts[0]
			parts = parts[1:]
			end := p.first(part.span.End)
			if part.span.Start < t.start || end > j || end <= i {
				p.failed = true
				break
			}
			if n := len(out); part.from && wasFrom && n > 0 && out[n-1] == "," {
				out[n-1] = "cross join"
			}
			if text := p.optional(i, end, func() string { return part.write(env) }); text != "" {
				out = append(out, text)
				p.spend(len(text))
			}
			wasFrom = part.from
			i = end
			continue
		}
		if text := p.word(i, env); text != "" {
			out = append(out, text)
			wasFrom = wasFrom && text == ","
		}
		i++
	}
	if len(parts) > 0 {
		p.failed = true
	}
	return out
}

func (p *printer) spend(n int) {
	if p.budget -= n; p.budget < 0 {
		p.failed = true
	}
}

// optional writes the words [i, j) and marks them when they stand in an
// optional block that what surrounds them does not stand in.
func (p *printer) optional(i, j int, write func() string) string {
	block := p.blockOf(i)
	if block == p.block {
		return write()
	}
	if block < 0 || block != p.blockOf(j-1) { // half inside, half outside
		p.failed = true
		return ""
	}
	outer := p.block
	p.block = block
	text := write()
	p.block = outer
	return "[[" + text + "]]"
}

// blockOf is the innermost optional block around a word, or -1.
func (p *printer) blockOf(i int) int {
	if p.blocks == nil {
		return -1
	}
	return p.blocks[i]
}

// findBlocks notes the innermost optional block of every word.
func (p *printer) findBlocks() {
	if len(p.tree.Blocks) == 0 {
		return
	}
	p.blocks = make([]int, len(p.toks))
	var open []int
	next := 0
	for i := range p.toks {
		t := &p.toks[i]
		for len(open) > 0 && p.tree.Blocks[open[len(open)-1]].End <= t.start {
			open = open[:len(open)-1]
		}
		for next < len(p.tree.Blocks) && p.tree.Blocks[next].Start <= t.start {
			if p.tree.Blocks[next].End > t.start {
				open = append(open, next)
			}
			next++
		}
		p.blocks[i] = -1
		if len(open) > 0 {
			p.blocks[i] = open[len(open)-1]
		}
	}
}

// word writes a word that no part of the tree stands for. It answers "" for
// noise.
func (p *printer) word(i int, env *names) string {
	t := &p.toks[i]
	var text string
	switch t.kind {
	case tokWord:
		next := &p.toks[min(i+1, len(p.toks)-1)]
		switch t.word {
		case "as", "asc":
			return ""
		case "inner", "outer":
			if next.isWord("join") {
				return ""
			}
		case "distinct":
			if i > 0 && p.toks[i-1].isWord("union") {
				return ""
			}
		case "all":
			if i > 0 && p.toks[i-1].isWord("select") || i > 1 && p.toks[i-1].isOp("(") && aggregateFunctions[strings.ToLower(p.toks[i-2].text)] {
				return ""
			}
		}
		if next.isOp(".") && (i == 0 || !p.toks[i-1].isOp(".")) {
			if name, ok := env.alias(Ident{Text: t.text}); ok {
				text = name
				break
			}
		}
		text = p.ident(Ident{Text: t.text})
		if t.word != "" && p.t.names != sensitive {
			text = t.word
		} else if t.word != "" {
			text = strings.ToLower(t.text)
		}
	case tokQuoted:
		id := (&parser{d: p.tree.Dialect}).ident(t)
		text = p.ident(id)
		if p.toks[min(i+1, len(p.toks)-1)].isOp(".") {
			if name, ok := env.alias(id); ok {
				text = name
			}
		}
	case tokString, tokNumber:
		text = p.literal(t.text, t.kind == tokString, t.quote)
	case tokTag:
		text = tagText(t.tag)
	default:
		switch text = t.text; text {
		case "!=", "^=":
			text = "<>"
		case "==":
			text = "="
		}
	}
	if block := p.blockOf(i); block != p.block {
		if block < 0 {
			p.failed = true
		}
		text = "[[" + text + "]]"
	}
	return text
}

// tagText spells a template tag one way; a card reference by its number.
func tagText(tag *Tag) string {
	switch tag.Kind {
	case TagCard:
		return "{{#" + tag.CardID + "}}"
	case TagSnippet:
		return "{{snippet: " + tag.Name + "}}"
	case TagTable:
		return "{{table " + tag.Name + "}}"
	}
	return "{{" + tag.Name + "}}"
}

// ident writes a name. A quoted name that the dialect would read the same
// without its quotes loses them.
func (p *printer) ident(id Ident) string {
	text := id.Text
	switch p.t.names {
	case insensitive:
		text = strings.ToLower(text)
	case foldLower:
		if id.Quote == 0 {
			text = strings.ToLower(text)
		}
	case foldUpper:
		if id.Quote == 0 {
			text = strings.ToUpper(text)
		}
		if text == strings.ToUpper(text) {
			text = strings.ToLower(text)
			if plainName(text) && !placeName(text) {
				return text
			}
		}
	case sensitive:
	}
	if placeName(text) { // not to be taken for the name of a place
		return `"` + text + `"`
	}
	if id.Quote == 0 || plainName(text) && (p.t.names != foldUpper) && !hardWords[text] && (p.t.names != foldLower || text == strings.ToLower(text)) {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}

// placeName says whether a name looks like the ones that the normal form gives to
// relations and common table expressions.
func placeName(s string) bool {
	if len(s) < 2 || len(s) > 12 || s[0] != 't' && s[0] != 'c' || !isDigit(s[1]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isDigit(s[i]) && s[i] != '_' {
			return false
		}
	}
	return true
}

// plainName says whether a name can stand without quotes.
func plainName(s string) bool {
	if s == "" || !isWordStart(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isWordPart(s[i]) {
			return false
		}
	}
	return true
}

// literal spells a number or string one way.
func (p *printer) literal(text string, str bool, quote byte) string {
	switch {
	case p.shape:
		return "?"
	case str:
		if (quote == '\'' || quote == '"') && len(text) >= 2 && text[0] == quote && !strings.Contains(text, `\`) && !strings.HasPrefix(text, `"""`) && !strings.HasPrefix(text, "'''") {
			q := string(rune(quote))
			inner := strings.ReplaceAll(text[1:len(text)-1], q+q, q)
			return "'" + strings.ReplaceAll(inner, "'", "''") + "'"
		}
		return text
	}
	text = strings.ToLower(strings.ReplaceAll(text, "_", ""))
	if text[0] == '.' {
		text = "0" + text
	}
	for len(text) > 1 && text[0] == '0' && isDigit(text[1]) {
		text = text[1:]
	}
	return text
}
