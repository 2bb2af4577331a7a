package mask

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed words/concepts.tsv
var conceptsFile string

//go:embed words/lexicon.txt
var lexiconFile string

//go:embed words/semantic_types.tsv
var semanticTypesFile string

// wordKind is what a word does beside having a meaning of its own. A word can do
// several things: "address" is a meaning in a column's name and a kind of record
// in a table's.
type wordKind uint16

const (
	kindPerson wordKind = 1 << iota
	kindRecord
	kindTalk
	kindOrg
	kindThing
	kindID
	kindCount
	kindTime
	kindFlag
	kindMeta
	kindAsk
	kindNumber
	kindOwn
	kindNeutral
)

const kindRoles = kindPerson | kindRecord | kindTalk | kindOrg | kindThing

// topic is what a column is about, in the order of the columns of concepts.tsv.
type topic int

const (
	topicOpen topic = iota
	topicPerson
	topicRecord
	topicTalk
	topicOrg
	topicThing
	topics
)

// concept is a meaning that a name can have.
type concept struct {
	name     string
	category Category
	scores   [topics]float64
	never    string // types that it cannot have
	meaning  string
}

// wordEntry is what the lexicon knows of a word.
type wordEntry struct {
	concept int16
	kinds   wordKind
	weak    weakness
}

// weakness says where a word is not believed that means something else in
// another language or another place.
type weakness uint8

const (
	strongWord weakness = iota
	personal            // believed alone, in tables about people and what concerns one
	ofPeople            // believed alone, in tables about people
)

// lexicon is all that the classifier knows of words. It is not changed after it
// was read.
type lexicon struct {
	concepts []concept
	words    map[string]wordEntry
	parts    map[string]struct{}  // words to look for inside glued names
	strong   map[string]wordEntry // words to look for at the end of any name
	semantic map[string]semantic
	longest  int // bytes of the longest word
}

// semantic is what a Metabase semantic type says.
type semantic struct {
	concept int16
	effect  semanticEffect
	meaning string
}

type semanticEffect string

const (
	semanticCertain semanticEffect = "certain" // the column is that
	semanticHint    semanticEffect = "hint"    // as if the name had the word
	semanticAgainst semanticEffect = "against" // the column is something else
	semanticKey     semanticEffect = "key"     // the column is a key
	semanticNothing semanticEffect = "nothing" // says nothing
)

// sharedLexicon reads the built-in files once. They are part of the program, so
// that they cannot be read is a defect that the first test finds.
var sharedLexicon = sync.OnceValues(func() (*lexicon, error) {
	return readLexicon(conceptsFile, lexiconFile, semanticTypesFile)
})

func readLexicon(concepts, words, semantics string) (*lexicon, error) {
	l := &lexicon{words: make(map[string]wordEntry, 1<<14), parts: make(map[string]struct{}, 1<<13), strong: map[string]wordEntry{}, semantic: map[string]semantic{}}
	index := map[string]int16{}
	for n, fields := range tableLines(concepts, 10) {
		c := concept{name: fields[0], category: Category(fields[1]), never: fields[8], meaning: fields[9]}
		for i := range c.scores {
			score, err := strconv.Atoi(fields[2+i])
			if err != nil || score < 0 || score > 100 {
				return nil, fmt.Errorf("concepts.tsv, wordEntry %d: %q is no score", n, fields[2+i])
			}
			c.scores[i] = float64(score) / 100
		}
		index[c.name] = int16(len(l.concepts)) // #nosec G115 -- a short file
		l.concepts = append(l.concepts, c)
	}
	if err := l.readWords(words, index); err != nil {
		return nil, err
	}
	l.addPlurals()
	for n, fields := range tableLines(semantics, 4) {
		s := semantic{concept: noConcept, effect: semanticEffect(fields[1]), meaning: fields[3]}
		if fields[2] != "-" {
			at, ok := index[fields[2]]
			if !ok {
				return nil, fmt.Errorf("semantic_types.tsv, wordEntry %d: %q is no concept", n, fields[2])
			}
			s.concept = at
		}
		l.semantic[fold(fields[0])] = s
	}
	for _, name := range strongEndings() {
		e, ok := l.words[name]
		if !ok {
			return nil, fmt.Errorf("lexicon.txt has no %q", name)
		}
		l.strong[name] = e
	}
	return l, nil
}

// strongEndings are the words that mean the same at the end of any name, so that
// "usremail" is an e-mail address although "usr" may be unknown.
func strongEndings() []string {
	return []string{"email", "emailaddress", "password", "passwd", "firstname", "lastname", "surname", "username", "birthdate", "birthday", "telefon", "telefono", "telephone", "phonenumber", "postcode", "zipcode", "ipaddress"}
}

// tableLines reads the lines of a file that are neither empty nor remarks.
func tableLines(text string, columns int) [][]string {
	var out [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Split(line, "\t")
		for len(fields) < columns {
			fields = append(fields, "")
		}
		out = append(out, fields)
	}
	return out
}

func kindNames() map[string]wordKind {
	return map[string]wordKind{
		"@person": kindPerson, "@record": kindRecord, "@talk": kindTalk, "@org": kindOrg, "@thing": kindThing,
		"@id": kindID, "@count": kindCount, "@time": kindTime, "@flag": kindFlag, "@meta": kindMeta,
		"@ask": kindAsk, "@number": kindNumber, "@own": kindOwn, "@neutral": kindNeutral,
	}
}

func (l *lexicon) readWords(text string, concepts map[string]int16) error {
	kinds := kindNames()
	var current wordEntry
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if section, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(section, "]")
			at, isConcept := concepts[section]
			k, isKind := kinds[section]
			switch {
			case isConcept:
				current = wordEntry{concept: at}
			case isKind:
				current = wordEntry{concept: noConcept, kinds: k}
			default:
				return fmt.Errorf("lexicon.txt: [%s] is neither a concept nor a kind", section)
			}
			continue
		}
		for _, phrase := range strings.Split(line, ",") {
			l.addPhrase(strings.TrimSpace(phrase), current)
		}
	}
	return nil
}

// addPhrase enters a phrase. Of two concepts the first one stays, kinds add up.
func (l *lexicon) addPhrase(phrase string, e wordEntry) {
	word, whole := strings.CutSuffix(phrase, "!")
	if short, ok := strings.CutSuffix(word, "??"); ok {
		word, whole, e.weak = short, true, ofPeople
	} else if short, ok := strings.CutSuffix(word, "?"); ok {
		word, whole, e.weak = short, true, personal
	}
	key := fold(strings.ReplaceAll(word, " ", ""))
	if key == "" {
		return
	}
	old, ok := l.words[key]
	if !ok {
		old.concept = noConcept
	}
	if old.concept == noConcept && e.concept != noConcept {
		old.concept, old.weak = e.concept, e.weak
	}
	old.kinds |= e.kinds
	l.words[key] = old
	l.longest = max(l.longest, len(key))
	short := len(key) <= 4 && e.kinds&(kindNeutral|kindAsk|kindNumber|kindTime|kindFlag|kindMeta|kindCount) != 0
	if !whole && !short && len(key) >= minGlued && len(key) <= maxGlued {
		l.parts[key] = struct{}{}
	}
}

// addPlurals gives words in the plural what their singular does. What they mean
// stays as it was entered.
func (l *lexicon) addPlurals() {
	for word, e := range l.words {
		if single, ok := strings.CutSuffix(word, "s"); ok {
			if one, ok := l.words[single]; ok && one.kinds&^e.kinds != 0 {
				e.kinds |= one.kinds
				l.words[word] = e
			}
		}
	}
}
