package mask

import (
	"slices"
	"strings"
	"testing"
)

// TestLexicon checks the tables of words: each phrase has one meaning, each
// meaning has words, and what decides rises where it should.
func TestLexicon(t *testing.T) {
	l, err := sharedLexicon()
	if err != nil {
		t.Fatal(err)
	}
	used := map[int16]bool{}
	for word, e := range l.words {
		if word != fold(word) || strings.ContainsAny(word, " ,!?[]") {
			t.Errorf("%q is not folded", word)
		}
		if e.concept != noConcept {
			used[e.concept] = true
		}
	}
	for i, c := range l.concepts {
		if !used[int16(i)] {
			t.Errorf("%s has no words", c.name)
		}
		if !slices.Contains(Categories(), c.category) || c.category == NoCategory || c.meaning == "" {
			t.Errorf("%+v", c)
		}
		if c.scores[topicPerson] < c.scores[topicThing] {
			t.Errorf("%s counts more of things than of people", c.name)
		}
		if strings.Trim(c.never, "tndbuj-") != "" {
			t.Errorf("%s is never %q", c.name, c.never)
		}
	}
	for name, s := range l.semantic {
		switch s.effect {
		case semanticCertain, semanticHint:
			if s.concept == noConcept {
				t.Errorf("%s says nothing", name)
			}
		case semanticAgainst, semanticKey, semanticNothing:
		default:
			t.Errorf("%s has the effect %q", name, s.effect)
		}
	}
	meanings := map[string]string{}
	section := ""
	for line := range strings.Lines(lexiconFile) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		if line == "" || line[0] == '#' || line[0] == '[' || strings.HasPrefix(section, "[@") {
			continue
		}
		for phrase := range strings.SplitSeq(line, ",") {
			key := fold(strings.ReplaceAll(strings.TrimRight(strings.TrimSpace(phrase), "!?"), " ", ""))
			if was := meanings[key]; key == "" || was != "" && was != section {
				t.Errorf("%q stands in %s and in %s", phrase, was, section)
			}
			meanings[key] = section
		}
	}
}

// TestLexiconRefuses: a table that is wrong is an error that names it.
func TestLexiconRefuses(t *testing.T) {
	concept := "email\tcontact\t1\t1\t1\t1\t1\t1\t\tmail\n"
	for _, test := range []struct{ concepts, words, semantics, want string }{
		{strings.Replace(concept, "1", "x", 1), "", "", `"x" is no score`},
		{concept, "[nope]\n", "", "[nope] is neither"},
		{concept, "[email]\nemail\n", "type/Email\tcertain\tnope\tx\n", `"nope" is no concept`},
		{concept, "[email]\nmail\n", "", `has no "email"`},
	} {
		_, err := readLexicon(test.concepts, test.words, test.semantics)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("want %s, got %v", test.want, err)
		}
	}
}

func TestTokenize(t *testing.T) {
	for name, want := range map[string]string{
		"user_email":    "user email",
		"userEmail":     "user email",
		"IPAddress":     "ip address",
		"USER_EMAIL2":   "user email 2",
		"EMailAddress":  "e mail address",
		"Straße-Nr.":    "strasse nr",
		"e\u0301tat":    "etat",
		"  [Full Name]": "full name",
		"дата_Рождения": "дата рождения",
		"":              "",
		"\x00\xff":      "",
	} {
		if got := joinTokens(tokenize(nil, name), " "); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestTypeClass(t *testing.T) {
	for declared, want := range map[string]byte{
		"varchar(255)": typeText, "character varying": typeText, "type/Text": typeText, "VARCHAR(2)": typeCode, "char(1)": typeCode,
		"bigint": typeNumber, "int4": typeNumber, "DECIMAL(10,2)": typeNumber, "type/BigInteger": typeNumber, "Nullable(Int64)": typeNumber, "double precision": typeNumber,
		"timestamp with time zone": typeDate, "timestamptz": typeDate, "type/DateTimeWithLocalTZ": typeDate, "DATETIME2": typeDate,
		"bool": typeBool, "tinyint(1)": typeBool, "type/Boolean": typeBool, "uuid": typeUUID, "jsonb": typeJSON, "STRUCT<a INT64>": typeJSON,
		"": typeUnknown, "geometry": typeUnknown, "\x00": typeUnknown,
	} {
		if got := typeClass(declared); got != want {
			t.Errorf("%q: %c, want %c", declared, got, want)
		}
	}
}
