package mask

import (
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Placeholders have three forms, each of which can be found again in any text:
//
//	names    ml_column_1      where a name stands; the case follows the original
//	texts    <email1>         inside quotes, in comments, and in free text
//	numbers  77000001         and 77000001.0, .77000001, 0x77000001, 77000001L
//
// A text that already looks like one of these is masked itself, so that turning
// placeholders back never touches anything else.

// Class says what a placeholder stands for.
type Class string

// The classes. The first group has the form of names, the second that of texts
// unless the literal was a number.
const (
	ClassColumn   Class = "column"
	ClassTable    Class = "table"
	ClassSchema   Class = "schema"
	ClassName     Class = "name"     // an alias, a tag, a CTE, or any other name in SQL
	ClassQuestion Class = "question" // and the titles of other assets
	ClassPerson   Class = "person"
	ClassGroup    Class = "group"

	ClassNumber     Class = "number"
	ClassString     Class = "string"
	ClassDate       Class = "date"
	ClassJSON       Class = "json"
	ClassComment    Class = "comment"
	ClassText       Class = "text" // looked like a placeholder, or as a whole not fit to be shown
	ClassSQL        Class = "sql"
	ClassEmail      Class = "email"
	ClassPhone      Class = "phone"
	ClassCard       Class = "card"
	ClassIBAN       Class = "iban"
	ClassNationalID Class = "id"
	ClassIP         Class = "ip"
	ClassMAC        Class = "mac"
	ClassKey        Class = "key"
	ClassSecret     Class = "secret" // high entropy, or named as a secret
	ClassURL        Class = "url"
	ClassUUID       Class = "uuid"
	ClassAddress    Class = "address"
	ClassBirth      Class = "birth"
	ClassPlace      Class = "place" // coordinates
)

// nameClasses have the form of names.
func (c Class) isName() bool {
	switch c {
	case ClassColumn, ClassTable, ClassSchema, ClassName, ClassQuestion, ClassPerson, ClassGroup:
		return true
	default:
		return false
	}
}

func classes() []Class {
	return []Class{
		ClassColumn, ClassTable, ClassSchema, ClassName, ClassQuestion, ClassPerson, ClassGroup,
		ClassNumber, ClassString, ClassDate, ClassJSON, ClassComment, ClassText, ClassSQL, ClassEmail, ClassPhone, ClassCard,
		ClassIBAN, ClassNationalID, ClassIP, ClassMAC, ClassKey, ClassSecret, ClassURL, ClassUUID, ClassAddress, ClassBirth, ClassPlace,
	}
}

// knownStem says whether a word between the marks of a placeholder is a class.
func knownStem(stem string, name bool) bool {
	c := Class(strings.ToLower(stem))
	return c.isName() == name && slices.Contains(classes(), c)
}

const (
	namePrefix   = "ml_"
	numberPrefix = "77"
	numberDigits = 6 // behind the prefix; eight from a million on
	bitPrefix    = "10101010"
	bitDigits    = 24
)

// region is a byte range [Start, End) of a text.
type region struct{ Start, End int }

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || digit(c)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// bounded says whether no word goes on before start and behind end.
func bounded(s string, start, end int) bool {
	if start > 0 {
		if r, _ := utf8.DecodeLastRuneInString(s[:start]); r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return false
		}
	}
	if end < len(s) {
		if r, _ := utf8.DecodeRuneInString(s[end:]); r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return false
		}
	}
	return true
}

// placeholders yields everything in a text that has the form of a placeholder,
// from left to right. A number is yielded with all that may belong to it: a
// leading dot or 0x, a fraction and a suffix.
func placeholders(s string) iter.Seq[region] {
	return func(yield func(region) bool) {
		for i := 0; i < len(s); {
			end := 0
			switch c := s[i]; {
			case c == '<':
				end = textForm(s, i)
			case c|0x20 == 'm':
				end = nameForm(s, i)
			case c == '7' || c == '0' || c == '1' || c == '.':
				end = numberForm(s, i)
			}
			if end == 0 {
				i++
				continue
			}
			if !yield(region{i, end}) {
				return
			}
			i = end
		}
	}
}

func textForm(s string, i int) int {
	j := i + 1
	for j < len(s) && letter(s[j]) {
		j++
	}
	k := j
	for k < len(s) && digit(s[k]) {
		k++
	}
	if j == i+1 || k == j || k >= len(s) || s[k] != '>' || !knownStem(s[i+1:j], false) {
		return 0
	}
	return k + 1
}

func nameForm(s string, i int) int {
	if len(s)-i < len(namePrefix)+3 || !strings.EqualFold(s[i:i+len(namePrefix)], namePrefix) {
		return 0
	}
	j := i + len(namePrefix)
	k := j
	for k < len(s) && letter(s[k]) {
		k++
	}
	if k >= len(s) || s[k] != '_' || !knownStem(s[j:k], true) {
		return 0
	}
	end := k + 1
	for end < len(s) && digit(s[end]) {
		end++
	}
	if end == k+1 || !bounded(s, i, end) {
		return 0
	}
	return end
}

// numberForm measures a number that may be a placeholder, all of it.
func numberForm(s string, i int) int {
	j := i
	switch s[j] {
	case '.':
		if i > 0 && s[i-1] == '.' { // a range, 1..2
			return 0
		}
		j++
	case '0':
		if j+1 >= len(s) || s[j+1]|0x20 != 'x' {
			return 0
		}
		j += 2
	}
	core := bitCore(s, j)
	if core == 0 {
		core = numberCore(s, j)
	}
	if core == 0 {
		return 0
	}
	end := core
	if strings.HasPrefix(s[end:], ".0") && (end+2 >= len(s) || !digit(s[end+2])) {
		end += 2
	} else if strings.HasPrefix(s[end:], "e0") {
		end += 2
	}
	for n := 0; n < 2 && end < len(s) && letter(s[end]); n++ {
		end++
	}
	if !bounded(s, i, end) {
		return 0
	}
	return end
}

// numberCore measures 77 and six or eight digits.
func numberCore(s string, i int) int {
	if !strings.HasPrefix(s[i:], numberPrefix) {
		return 0
	}
	j := i
	for j < len(s) && digit(s[j]) {
		j++
	}
	switch j - i - len(numberPrefix) {
	case numberDigits, numberDigits + 2:
		return j
	}
	return 0
}

// bitCore measures the digits of a bit string's placeholder.
func bitCore(s string, i int) int {
	if !strings.HasPrefix(s[i:], bitPrefix) {
		return 0
	}
	j := i
	for j < len(s) && (s[j] == '0' || s[j] == '1') {
		j++
	}
	if j-i != len(bitPrefix)+bitDigits || j < len(s) && digit(s[j]) {
		return 0
	}
	return j
}

// looksMasked says whether something in a text has the form of a placeholder.
func looksMasked(s string) bool {
	for range placeholders(s) {
		return true
	}
	return false
}
