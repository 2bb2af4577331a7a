package mask

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/errs"
)

// Entry is one placeholder with what it stands for.
type Entry struct {
	Placeholder string `json:"placeholder"`
	Original    string `json:"original"`
	Class       Class  `json:"class"`
}

// Map is the reversible map of a conversation. The same original of the same
// class has the same placeholder throughout. A Map is as secret as what it
// hides: it is stored encrypted and goes with its conversation. It may be used
// by many goroutines at once; the zero value is not usable, see [NewMap].
type Map struct {
	mu            sync.RWMutex
	entries       []Entry
	byOriginal    map[original]string
	byPlaceholder map[string]int // index in entries
	byLower       map[string]int // lower-case placeholder → first entry, for models that change the case
	numbers       map[string]int // last number of a stem
	spelled       map[original]*spelling
}

// original identifies what was masked: the text, its class, and for numbers
// their form.
type original struct {
	class Class
	form  string
	text  string
}

// spelling is a name in all the cases it was written in.
type spelling struct {
	number int
	mixed  int // how many of its spellings are neither lower nor upper case
}

// NewMap returns an empty map.
func NewMap() *Map {
	return &Map{
		byOriginal: map[original]string{}, byPlaceholder: map[string]int{}, byLower: map[string]int{},
		numbers: map[string]int{}, spelled: map[original]*spelling{},
	}
}

// Len is the number of placeholders.
func (m *Map) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.entries)
}

// Entries lists the placeholders in the order they were made.
func (m *Map) Entries() []Entry {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.entries)
}

// MarshalJSON writes [{placeholder, original, class}].
func (m *Map) MarshalJSON() ([]byte, error) {
	list := m.Entries()
	if list == nil {
		list = []Entry{}
	}
	data, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("write placeholder map: %w", err)
	}
	return data, nil
}

// UnmarshalJSON reads what MarshalJSON writes. A list in which a placeholder
// stands twice with different originals is refused.
func (m *Map) UnmarshalJSON(data []byte) error {
	var list []Entry
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("read placeholder map: %w", err)
	}
	read, err := MapOf(list)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries, m.byOriginal, m.byPlaceholder, m.byLower = read.entries, read.byOriginal, read.byPlaceholder, read.byLower
	m.numbers, m.spelled = read.numbers, read.spelled
	return nil
}

// MapOf builds a map of entries that were listed before. Entries that have not
// the form of a placeholder, or that contradict each other, are an error of
// kind errs.Invalid.
func MapOf(list []Entry) (*Map, error) {
	m := NewMap()
	for _, e := range list {
		if !isPlaceholder(e.Placeholder) {
			return nil, errs.New(errs.Invalid, "bad_map", "The map has an entry whose placeholder has not the form of one.", "Pass the map as sql mask --with-map printed it.")
		}
		if i, ok := m.byPlaceholder[e.Placeholder]; ok {
			if m.entries[i] != e {
				return nil, errs.New(errs.Invalid, "bad_map", "The map gives one placeholder two originals.", "Pass the map as sql mask --with-map printed it.")
			}
			continue
		}
		m.learn(e)
	}
	return m, nil
}

// isPlaceholder says whether a text is one placeholder and nothing else.
func isPlaceholder(s string) bool {
	for at := range placeholders(s) {
		return at.Start == 0 && at.End == len(s)
	}
	return false
}

// learn takes an entry over whose placeholder is new.
func (m *Map) learn(e Entry) {
	m.put(e)
	stem, n := stemOf(e.Placeholder, e.Class)
	m.numbers[stem] = max(m.numbers[stem], n)
	form := ""
	if stem == numberPrefix || stem == bitPrefix {
		form = shapeOf(e.Placeholder)
	}
	key := original{e.Class, form, e.Original}
	m.byOriginal[key] = e.Placeholder
	if !e.Class.isName() {
		return
	}
	group := original{e.Class, "", strings.ToLower(e.Original)}
	s := m.spelled[group]
	if s == nil {
		s = &spelling{number: n}
		m.spelled[group] = s
	}
	if lower := strings.ToLower(e.Placeholder); e.Placeholder != lower && e.Placeholder != strings.ToUpper(lower) {
		s.mixed++
	}
}

func (m *Map) put(e Entry) {
	m.entries = append(m.entries, e)
	m.byPlaceholder[e.Placeholder] = len(m.entries) - 1
	lower := strings.ToLower(e.Placeholder)
	if _, ok := m.byLower[lower]; !ok {
		m.byLower[lower] = len(m.entries) - 1
	}
}

// stemOf takes a placeholder apart: what it counts under, and its number.
func stemOf(placeholder string, class Class) (stem string, n int) {
	switch {
	case class.isName():
		if i := strings.LastIndexByte(placeholder, '_'); i >= 0 {
			n, _ = strconv.Atoi(placeholder[i+1:])
		}
		return string(class), n
	case strings.HasPrefix(placeholder, "<"):
		digits := strings.TrimLeft(strings.Trim(placeholder, "<>"), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
		n, _ = strconv.Atoi(digits)
		return string(class), n
	case bitCore(placeholder, 0) > 0:
		v, _ := strconv.ParseInt(placeholder[len(bitPrefix):], 2, 64)
		return bitPrefix, int(v)
	}
	core := strings.TrimLeft(strings.TrimPrefix(strings.ToLower(placeholder), "0x"), ".")
	end := numberCore(core, 0)
	n, _ = strconv.Atoi(core[len(numberPrefix):max(end, len(numberPrefix))])
	return numberPrefix, n
}

// Name returns the placeholder of a name. It is in lower, upper or mixed case
// as the name is, so that two spellings of one name stay two spellings of one
// name.
func (m *Map) Name(class Class, name string) string {
	key := original{class, "", name}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.byOriginal[key]; ok {
		return p
	}
	group := original{class, "", strings.ToLower(name)}
	s := m.spelled[group]
	if s == nil {
		s = &spelling{number: m.next(string(class))}
		m.spelled[group] = s
	}
	stem := namePrefix + string(class) + "_"
	lower, upper := strings.ToLower(name), strings.ToUpper(name)
	p := stem + strconv.Itoa(s.number)
	switch name {
	case lower:
	case upper:
		p = strings.ToUpper(p)
	default:
		s.mixed++
		p = mixedCase(stem, s.mixed) + strconv.Itoa(s.number)
	}
	if _, taken := m.byPlaceholder[p]; taken { // case folding that is no bijection, or all cases used up
		s = &spelling{number: m.next(string(class))}
		p = stem + strconv.Itoa(s.number)
	}
	m.put(Entry{p, name, class})
	m.byOriginal[key] = p
	return p
}

// mixedCase writes a stem in its n-th mixed case: Ml_Column_ first, then with
// further letters raised.
func mixedCase(stem string, n int) string {
	b := []byte(stem)
	more := n - 1 // one bit for each letter that begins no word
	for i := range b {
		switch {
		case !letter(b[i]):
		case i == 0 || b[i-1] == '_':
			b[i] -= 'a' - 'A'
		default:
			if more&1 == 1 {
				b[i] -= 'a' - 'A'
			}
			more >>= 1
		}
	}
	return string(b)
}

// hides reports whether a name has a placeholder already.
func (m *Map) hides(class Class, name string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, ok := m.byOriginal[original{class, "", name}]
	return ok
}

// Text returns the placeholder of a text.
func (m *Map) Text(class Class, text string) string {
	return m.add(original{class, "", text}, string(class), func(n int) string {
		return "<" + string(class) + strconv.Itoa(n) + ">"
	})
}

// Digits returns the placeholder of a numeric literal. It has the form of the
// literal: whole, with a fraction, an exponent or a suffix, or hexadecimal.
func (m *Map) Digits(literal string) string {
	shape := numberShape(literal)
	return m.add(original{ClassNumber, shape, literal}, numberPrefix, func(n int) string {
		return strings.Replace(shape, "#", numberText(n), 1)
	})
}

// HexText returns the placeholder of what stands in x'…': an even number of
// hexadecimal digits.
func (m *Map) HexText(text string) string {
	return m.add(original{ClassString, "#", text}, numberPrefix, numberText)
}

// BitText returns the placeholder of what stands in b'…'.
func (m *Map) BitText(text string) string {
	return m.add(original{ClassString, bitPrefix, text}, bitPrefix, func(n int) string {
		return bitPrefix + fmt.Sprintf("%0*b", bitDigits, n)
	})
}

func (m *Map) add(key original, stem string, form func(n int) string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.byOriginal[key]; ok {
		return p
	}
	p := form(m.next(stem))
	m.put(Entry{p, key.text, key.class})
	m.byOriginal[key] = p
	return p
}

func (m *Map) next(stem string) int {
	m.numbers[stem]++
	return m.numbers[stem]
}

func numberText(n int) string {
	digits := numberDigits
	if n >= 1_000_000 {
		digits += 2
	}
	return fmt.Sprintf("%s%0*d", numberPrefix, digits, n)
}

// numberShape is the form of a numeric literal, # standing for its digits.
func numberShape(literal string) string {
	lower := strings.ToLower(literal)
	if strings.HasPrefix(lower, "0x") {
		return literal[:2] + "#"
	}
	digits := strings.TrimRight(literal, "abcdfghijklmnopqrstuvwxyzABCDFGHIJKLMNOPQRSTUVWXYZ")
	suffix := literal[len(digits):]
	if len(suffix) > 2 {
		suffix = ""
	}
	switch {
	case strings.HasPrefix(literal, "."):
		return ".#" + suffix
	case strings.ContainsAny(digits, "eE"):
		return "#e0" + suffix
	case strings.Contains(digits, "."):
		return "#.0" + suffix
	}
	return "#" + suffix
}

// shapeOf is numberShape of a placeholder.
func shapeOf(placeholder string) string {
	if bitCore(placeholder, 0) == len(placeholder) {
		return bitPrefix
	}
	i := strings.Index(placeholder, numberPrefix)
	if i < 0 {
		return ""
	}
	end := numberCore(placeholder, i)
	return placeholder[:i] + "#" + placeholder[max(end, i):]
}

// Unmask turns the placeholders of a text back. What the map does not know
// stays as it is.
func (m *Map) Unmask(s string) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var b strings.Builder
	last := 0
	for at := range placeholders(s) {
		start, end, text, ok := m.find(s, at)
		if !ok {
			continue
		}
		b.WriteString(s[last:start])
		b.WriteString(text)
		last = end
	}
	if last == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}

// find looks up what stands at a place: as it is, then without what a number
// was written with, then in another case.
func (m *Map) find(s string, at region) (start, end int, text string, ok bool) {
	candidate := s[at.Start:at.End]
	if i, found := m.byPlaceholder[candidate]; found {
		return at.Start, at.End, m.entries[i].Original, true
	}
	if c := candidate[0]; c == '<' || c|0x20 == 'm' {
		if i, found := m.byLower[strings.ToLower(candidate)]; found {
			return at.Start, at.End, m.entries[i].Original, true
		}
		return 0, 0, "", false
	}
	start = at.Start
	if candidate[0] == '.' {
		start++
	}
	core := numberCore(s, start)
	if core == 0 {
		core = bitCore(s, start)
	}
	if core == 0 || core < at.End && wordByte(s[core]) {
		return 0, 0, "", false
	}
	if i, found := m.byPlaceholder[s[start:core]]; found {
		return start, core, m.entries[i].Original, true
	}
	return 0, 0, "", false
}
