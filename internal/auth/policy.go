package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/auth/breached"
	"github.com/metalens/metalens/internal/secret"
)

// MinPassword is the least number of characters of a password.
const MinPassword = 12

// CheckPassword says what is wrong with a new password, or nothing. It refuses
// what guessers try first: passwords of published breaches, also with a few signs
// around them, common words, keyboard walks, repetitions, years, and the words
// around the account, however they are joined or spelled.
func CheckPassword(password secret.Value, around ...string) string {
	text := password.Expose()
	n := utf8.RuneCountInString(text)
	switch {
	case text == "":
		return "Choose a password."
	case n < MinPassword:
		return "Use at least 12 characters. A few unrelated words are easy to keep in mind."
	case len(text) > maxPassword:
		return "Use at most 512 bytes."
	case !utf8.ValidString(text):
		return "Use valid text."
	}
	plain := plainForm(text)
	for _, phrase := range commonPhrases {
		if plain == phrase {
			return "This is one of the passwords that guessers try first. Choose another."
		}
	}
	if inBreach(text, plain) {
		return "This password, or one much like it, is in the lists of stolen passwords that guessers use. Choose another."
	}
	rest := plain
	for _, a := range around {
		if utf8.RuneCountInString(a) >= 4 {
			rest = strings.ReplaceAll(rest, plainForm(a), " ")
		}
		for word := range strings.FieldsFuncSeq(a, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if utf8.RuneCountInString(word) >= 4 {
				rest = strings.ReplaceAll(rest, plainForm(word), " ")
			}
		}
	}
	for _, word := range commonWords {
		rest = strings.ReplaceAll(rest, word, " ")
	}
	if remaining(rest) < 5 {
		return "This password is built from words and patterns that guessers try first. Choose one with less in common with your name, a keyboard row or a common word."
	}
	return ""
}

// maxAround is how many signs and digits around a stolen password are no
// disguise.
const maxAround = 5

// inBreach looks a password up as it is, in its plain form, and without the few
// signs and digits that it begins or ends with.
func inBreach(text, plain string) bool {
	core := strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	if utf8.RuneCountInString(text)-utf8.RuneCountInString(core) > maxAround {
		core = text
	}
	for _, form := range []string{text, plain, core, plainForm(core)} {
		if breached.Known(form) {
			return true
		}
	}
	half := len(text) / 2
	return len(text)%2 == 0 && text[:half] == text[half:] && breached.Known(text[:half])
}

// plainForm lowers a text and undoes the usual spellings with digits and signs.
func plainForm(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '0':
			return 'o'
		case '1', '!', '|':
			return 'i'
		case '3':
			return 'e'
		case '4', '@':
			return 'a'
		case '5', '$':
			return 's'
		case '7':
			return 't'
		}
		return unicode.ToLower(r)
	}, s)
}

// remaining counts the characters of a text that neither repeat nor continue the
// one before; letters count once each, so that "aaaaaaaaaaaa" and "abababababab"
// come to nothing much.
func remaining(s string) int {
	distinct := map[rune]bool{}
	run := []rune{}
	flush := func() {
		if len(run) >= 1 && !straight(run) {
			for _, r := range run {
				distinct[r] = true
			}
		}
		run = run[:0]
	}
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			run = append(run, r)
			continue
		}
		flush()
	}
	flush()
	return len(distinct)
}

// straight reports whether runes are one step apart all along (2689 after the
// digits became letters is handled by the word list, "klmnop" here).
func straight(run []rune) bool {
	if len(run) < 3 {
		return true
	}
	step := run[1] - run[0]
	if step < -1 || step > 1 {
		return false
	}
	for i := 2; i < len(run); i++ {
		if run[i]-run[i-1] != step {
			return false
		}
	}
	return true
}

// commonPhrases are whole passwords in plain form.
var commonPhrases = []string{
	"correcthorsebatterystaple", "correct horse battery staple", "correct-horse-battery-staple",
	"thisisapassword", "thisismypassword", "nevergonnagiveyouup", "maytheforcebewithyou",
	"tobeornottobe", "thequickbrownfox", "thequickbrownfoxjumpsoverthelazydog", "loremipsumdolorsitamet",
	"trustnooneever", "opensesameopen", "youshallnotpass", "iloveyouforever", "ilovemyfamily",
}

// commonWords are removed from a password before what is left is counted. They
// are in plain form: digits that stand for letters are letters here.
var commonWords = []string{
	// the words themselves, longest first where one holds another
	"administrator", "motdepasse", "contrasena", "wachtwoord", "passwort", "password", "passw", "passphrase", "kennwort",
	"changeme", "changeit", "letmein", "welcome", "willkommen", "bienvenue", "default", "temporary", "temporar",
	"metabase", "metalens", "superuser", "supersecret", "topsecret", "secret", "analytics", "analyst", "database",
	"dashboard", "postgres", "mysql", "oracle", "company", "manager", "master", "access", "login", "admin", "root",
	"test", "testing", "guest", "user", "demo", "sample", "example", "hello", "please", "trustno",
	"iloveyou", "iloveu", "loveyou", "princess", "sunshine", "football", "baseball", "basketball", "superman", "batman",
	"spiderman", "starwars", "pokemon", "dragon", "monkey", "shadow", "michael", "jordan", "jennifer", "charlie",
	"freedom", "whatever", "computer", "internet", "samsung", "google", "facebook", "microsoft", "windows", "apple",
	"summer", "winter", "autumn", "spring", "january", "february", "march", "april", "august", "september", "october",
	"november", "december", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
	"london", "berlin", "paris", "madrid", "newyork", "liverpool", "chelsea", "arsenal", "barcelona",
	// keyboard rows and columns, forward and back
	"qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "poiuytrewq", "lkjhgfdsa", "mnbvcxz",
	"qwerty", "qwertz", "azerty", "qwert", "asdfgh", "asdf", "zxcvb", "zxcv", "qazwsxedc", "qazwsx", "iqaz", "ewsx", "qwe", "asd", "zxc",
	// digit rows and years in plain form (0→o 1→i 3→e 4→a 5→s 7→t)
	"i2eas6t89oi2", "i2eas6t89o", "oi2eas6t89", "i2eas6t89", "i2eas6t8", "i2eas6t", "i2eas6", "i2eas", "i2ea", "i2e",
	"o98t6sae2i", "98t6sae2io", "98t6sae2i", "8t6sae2i", "6sae2i", "sae2i", "ae2i", "e2i", "abci2e", "abc", "aaa", "iii", "ooo",
	"2o2o", "2o2i", "2o22", "2o2e", "2o2a", "2o2s", "2o26", "2o2t", "2o28", "2oi", "2oo", "i99", "i98", "i9t",
}
