package similar

import (
	"slices"
	"strings"
)

// mostWords bounds how many differences of one kind are said one by one.
const mostWords = 8

// figureWords says how figure b differs from a.
func figureWords(a, b *figure) []string {
	var out []string
	if a.value.key != b.value.key {
		out = append(out, "computes "+b.value.text+" instead of "+a.value.text)
	}
	out = append(out, sourceWords(a.tables, b.tables, a.joins, b.joins)...)
	return append(out, setWords("the filter ", a.filters, b.filters)...)
}

// readingWords says how reading b differs from a.
func readingWords(a, b *reading) []string {
	out := sourceWords(a.tables, b.tables, a.joins, b.joins)
	out = append(out, setWords("the filter ", a.filters, b.filters)...)
	out = append(out, setWords("the period ", a.windows, b.windows)...)
	out = append(out, setWords("the reader's filter ", a.params, b.params)...)
	var left, right []term
	for _, o := range a.outputs {
		left = append(left, o.term)
	}
	for _, o := range b.outputs {
		right = append(right, o.term)
	}
	out = append(out, setWords("the grouping by ", a.groups, b.groups)...)
	isGroup := func(t term) bool {
		same := func(g term) bool { return g.key == t.key }
		return slices.ContainsFunc(a.groups, same) || slices.ContainsFunc(b.groups, same)
	}
	left, right = slices.DeleteFunc(left, isGroup), slices.DeleteFunc(right, isGroup)
	out = append(out, setWords("the column ", left, right)...)
	switch {
	case b.distinct && !a.distinct:
		out = append(out, "drops equal rows")
	case a.distinct && !b.distinct:
		out = append(out, "keeps equal rows")
	}
	switch {
	case b.limited && !a.limited:
		out = append(out, "limits the number of rows")
	case a.limited && !b.limited:
		out = append(out, "does not limit the number of rows")
	}
	return out
}

func sourceWords(tablesA, tablesB, joinsA, joinsB []term) []string {
	gone, come := difference(tablesA, tablesB), difference(tablesB, tablesA)
	var out []string
	switch {
	case len(gone) > 0 && len(come) > 0:
		out = append(out, "reads "+join(come, ", ")+" instead of "+join(gone, ", "))
	case len(come) > 0:
		out = append(out, "also reads "+join(come, ", "))
	case len(gone) > 0:
		out = append(out, "does not read "+join(gone, ", "))
	}
	if len(gone)+len(come) == 0 {
		if len(tablesA) > 0 && len(tablesB) > 0 && tablesA[0].key != tablesB[0].key {
			out = append(out, "starts from "+tablesB[0].text+" instead of "+tablesA[0].text)
		}
		lost, won := difference(joinsA, joinsB), difference(joinsB, joinsA)
		for i := range max(len(lost), len(won)) {
			switch {
			case i < len(lost) && i < len(won):
				out = append(out, "has "+won[i].text+" instead of "+lost[i].text)
			case i < len(won):
				out = append(out, "adds "+won[i].text)
			default:
				out = append(out, "leaves out "+lost[i].text)
			}
		}
	}
	return out
}

// setWords says what set b has beyond a and the other way round. One thing for
// one thing is a change.
func setWords(what string, a, b []term) []string {
	gone, come := difference(a, b), difference(b, a)
	if len(gone) == 1 && len(come) == 1 {
		return []string{"has " + what + come[0].text + " instead of " + gone[0].text}
	}
	var out []string
	say := func(verb string, list []term) {
		for i, t := range list {
			if i == mostWords {
				out = append(out, verb+" more of the kind")
				return
			}
			out = append(out, verb+" "+what+t.text)
		}
	}
	say("adds", come)
	say("leaves out", gone)
	return out
}

// difference lists what of a is not in b.
func difference(a, b []term) []term {
	var out []term
	for _, t := range a {
		same := func(o term) bool { return o.key == t.key }
		if !slices.ContainsFunc(b, same) && !slices.ContainsFunc(out, same) {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(x, y term) int { return strings.Compare(x.text, y.text) })
	return out
}
