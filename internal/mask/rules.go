package mask

import (
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/errs"
)

// Bounds of a rule.
const (
	maxPatternBytes = 256
	maxPatternParts = 4 // catalog.schema.table.column
)

// Categories lists every category of an answer, NoCategory last.
func Categories() []Category {
	return []Category{Contact, Name, Identity, GovernmentID, Financial, Credential, Health, Location, Network, Demographic, FreeText, NoCategory}
}

// listed is a rule that was read.
type listed struct {
	rule  Rule
	parts []string // of the pattern, in small letters
}

func readRules(rules []Rule) ([]listed, error) {
	out := make([]listed, 0, len(rules))
	for _, r := range rules {
		pattern := strings.TrimSpace(r.Pattern)
		parts := strings.Split(strings.ToLower(pattern), ".")
		if pattern == "" || len(pattern) > maxPatternBytes || len(parts) > maxPatternParts || slices.Contains(parts, "") || strings.ContainsFunc(pattern, isControl) {
			return nil, errs.New(errs.Invalid, "rule_pattern", fmt.Sprintf("The pattern %q is not one.", shorten(r.Pattern)),
				"Write column, table.column or schema.table.column; * stands for any characters, ? for one.")
		}
		if r.Category != "" && (r.Category == string(NoCategory) || !slices.Contains(Categories(), Category(r.Category))) {
			return nil, errs.New(errs.Invalid, "rule_category", fmt.Sprintf("The category %q is not one.", shorten(r.Category)),
				"The categories are contact, name, identity, government_id, financial, credential, health, location, network, demographic and free_text.")
		}
		out = append(out, listed{rule: r, parts: parts})
	}
	return out, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (r *listed) reason(what string) string {
	if note := strings.TrimSpace(r.rule.Note); note != "" {
		return fmt.Sprintf("%s by the rule %s: %s", what, r.rule.Pattern, note)
	}
	return fmt.Sprintf("%s by the rule %s", what, r.rule.Pattern)
}

// Matches says whether a rule's pattern matches a column. It compares from the
// end: "email" is any column of this name, "users.email" one in any schema. The
// case does not matter. A pattern that is not one matches nothing.
func (r Rule) Matches(col Column) bool {
	list, err := readRules([]Rule{{Pattern: r.Pattern}})
	return err == nil && matching(list, columnPath(col)) != nil
}

// matching returns the first rule that matches.
func matching(rules []listed, path []string) *listed {
	for i := range rules {
		if rules[i].matches(path) {
			return &rules[i]
		}
	}
	return nil
}

// columnPath is the table's parts and the column, in small letters. The column
// is one part even when it has dots, as fields of records have.
func columnPath(col Column) []string {
	table := strings.ToLower(clip(col.Table))
	name := strings.ToLower(clip(col.Name))
	if table == "" {
		return []string{name}
	}
	return append(strings.Split(strings.Map(withoutQuotes, table), "."), name)
}

// withoutQuotes drops what databases put around names.
func withoutQuotes(r rune) rune {
	switch r {
	case '`', '"', '[', ']':
		return -1
	}
	return r
}

func (r *listed) matches(path []string) bool {
	if r.fits(path) {
		return true
	}
	last := path[len(path)-1]
	if !strings.Contains(last, ".") {
		return false
	}
	return r.fits(append(slices.Clone(path[:len(path)-1]), strings.Split(last, ".")...))
}

func (r *listed) fits(path []string) bool {
	if len(r.parts) > len(path) {
		return false
	}
	path = path[len(path)-len(r.parts):]
	for i, part := range r.parts {
		if !glob(part, path[i]) {
			return false
		}
	}
	return true
}

// glob matches a pattern with * and ? in time linear in the text for each star.
func glob(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// clip bounds what is looked at of a name.
func clip(s string) string {
	if len(s) <= maxPathBytes {
		return s
	}
	return strings.ToValidUTF8(s[len(s)-maxPathBytes:], "")
}

// maxPathBytes bounds a table's or a column's full name.
const maxPathBytes = 1024

const maxShown = 60

// shorten cuts a text that goes into a sentence.
func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}
