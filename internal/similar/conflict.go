package similar

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// mostDefinitions is how many definitions a name may have that no metric and no
// single-figure question bears. Beyond it the name is a word of the trade, not a
// figure.
const mostDefinitions = 6

// mostCommonName is how many uses a column's name needs to stand for a name that
// people call a figure by.
const mostCommonName = 3

// Conflicts finds metrics that disagree: one name with several definitions, and
// one definition with several names. They come sorted by kind and id.
//
// A name of mere columns counts only where its definitions read a table in
// common; a count of a table's rows may be called anything.
func Conflicts(metrics []Metric) []Conflict {
	var out []Conflict
	for _, m := range metrics {
		if list := disagreeing(m.Definitions); len(list) > 1 {
			out = append(out, Conflict{ID: m.ID, Kind: OneName, Name: m.Name, Definitions: list})
		}
	}
	out = append(out, manyNames(metrics)...)
	slices.SortFunc(out, func(a, b Conflict) int {
		return cmp.Or(strings.Compare(string(b.Kind), string(a.Kind)), strings.Compare(a.ID, b.ID))
	})
	return out
}

// disagreeing keeps the definitions of one name that a reader would take for the
// same figure.
func disagreeing(list []Definition) []Definition {
	if len(list) < 2 {
		return nil
	}
	headed := slices.ContainsFunc(list, func(d Definition) bool { return d.headed })
	if !headed && len(list) > mostDefinitions {
		return nil
	}
	var out []Definition
	for i, d := range list {
		related := d.headed
		for k, other := range list {
			related = related || i != k && (other.headed || !headed) && shareSource(d, other)
		}
		slice := !d.headed && slices.ContainsFunc(list, func(o Definition) bool { return d.parts.sliceOf(&o.parts) })
		if related && !slice {
			out = append(out, d)
		}
	}
	rank(out)
	return out
}

// sliceOf reports whether a figure is another one for some of its rows: with
// further conditions that choose rather than keep out, on its own table or on one
// that is looked up.
func (f *figure) sliceOf(o *figure) bool {
	if f.value.key != o.value.key || f.tables[0].key != o.tables[0].key || len(f.filters) <= len(o.filters) ||
		len(difference(o.tables, f.tables))+len(difference(o.joins, f.joins))+len(difference(o.filters, f.filters)) > 0 {
		return false
	}
	for _, t := range difference(f.tables, o.tables) {
		if !slices.ContainsFunc(f.joins, func(j term) bool { return j.lookup == t.key }) {
			return false
		}
	}
	return !slices.ContainsFunc(difference(f.filters, o.filters), keepsOut)
}

func shareSource(a, b Definition) bool {
	return slices.ContainsFunc(a.Sources, func(s string) bool { return slices.Contains(b.Sources, s) })
}

// manyNames finds definitions, period included, that go by several names.
func manyNames(metrics []Metric) []Conflict {
	type entry struct {
		definition Definition
		keys       []string // normalised names that count
		uses       []MetricUse
	}
	entries := map[string]*entry{}
	var order []string
	for _, m := range metrics {
		for _, d := range m.Definitions {
			if d.trivial || !d.headed && len(d.Uses) < mostCommonName {
				continue
			}
			id := idOf(d.parts.key(true))
			e := entries[id]
			if e == nil {
				e = &entry{definition: d}
				entries[id] = e
				order = append(order, id)
			}
			e.keys = append(e.keys, m.Name)
			e.uses = append(e.uses, d.Uses...)
			e.definition.Trusted = e.definition.Trusted || d.Trusted
		}
	}
	var out []Conflict
	for _, id := range order {
		e := entries[id]
		if len(e.keys) < 2 {
			continue
		}
		d := e.definition
		spelling := map[string]int{}
		assets := map[string]bool{}
		for _, u := range e.uses {
			spelling[strings.TrimSpace(u.Name)]++
			assets[u.Asset.String()] = true
		}
		if len(assets) < 2 { // one question whose title and column differ
			continue
		}
		d.Names, d.Uses, d.Words = frequent(spelling), e.uses, nil
		slices.SortStableFunc(d.Uses, func(a, b MetricUse) int { return cmp.Or(a.Asset.Compare(b.Asset), strings.Compare(a.Name, b.Name)) })
		out = append(out, Conflict{ID: idOf("names\x00" + id), Kind: OneDefinition, Name: d.Names[0], Definitions: []Definition{d}})
	}
	return out
}

// filler are words of a name that do not change which figure is meant.
func filler(word string) bool {
	switch word {
	case "total", "the", "of", "a", "an", "all", "our", "overall", "number", "no", "nr", "num", "sum", "kpi", "metric", "current", "value", "in", "for",
		"copy", "duplicate", "v1", "v2", "v3", "final", "new", "old", "gesamt", "total_":
		return true
	}
	return false
}

// generic reports whether a name says how something is computed, not what.
func generic(name string) bool {
	key := nameKey(name)
	switch key {
	case "", "count", "cnt", "n", "average", "avg", "mean", "median", "min", "max", "amount", "qty", "quantity", "result", "measure", "percent", "percentage",
		"pct", "ratio", "share", "rate", "rank", "first", "last", "row", "record", "id", "distinct", "x", "y", "c", "item", "data", "figure", "column",
		"question", "untitled", "test", "anzahl", "summe", "nombre", "somme", "cantidad", "suma":
		return true
	}
	return len([]rune(key)) < 2
}

// nameKey folds a name: case, word order, punctuation, plural and filler words
// do not matter. It is empty where only filler is left.
func nameKey(name string) string {
	var words []string
	for _, w := range strings.FieldsFunc(separateWords(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '%' }) {
		w = singular(strings.ToLower(w))
		if !filler(w) {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// separateWords puts a space into camelCase.
func separateWords(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if unicode.IsUpper(r) && lower {
			b.WriteByte(' ')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(r)
	}
	return b.String()
}

func singular(w string) string {
	switch {
	case len(w) > 4 && strings.HasSuffix(w, "ies"):
		return w[:len(w)-3] + "y"
	case len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is"):
		return w[:len(w)-1]
	}
	return w
}

// withoutGrouping takes "by month" and the like off a title.
func withoutGrouping(title string) (string, bool) {
	lower := strings.ToLower(title)
	for _, mark := range []string{" by ", " over time", " nach ", " par ", " por "} {
		if i := strings.Index(lower, mark); i > 0 && i < len(title) && len(lower) == len(title) {
			return title[:i], true
		}
	}
	return title, false
}
