package agent

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mask"
)

// Fact is a number that a briefing may use, with the page that shows where it
// comes from.
type Fact struct {
	ID    string `json:"id"` // F1, F2, …
	Value int64  `json:"value"`
	Says  string `json:"says"` // what it counts: "open findings of severity high"
	Path  string `json:"path"` // of the page below the connection's: "findings?severity=high"
}

// facts collects them.
type facts struct {
	list []Fact
	text []mask.Text
}

// add notes a fact; says is for the model, and a constant or masked.
func (f *facts) add(value int64, says mask.Text, path string) {
	id := "F" + strconv.Itoa(len(f.list)+1)
	f.list = append(f.list, Fact{ID: id, Value: value, Says: says.String(), Path: path})
	f.text = append(f.text, mask.Join(mask.Constant("F"), mask.Number(len(f.list)), mask.Constant(" = "), mask.Number(value), mask.Constant(" "), says))
}

func (f *facts) find(id string) (Fact, bool) {
	for _, x := range f.list {
		if x.ID == id {
			return x, true
		}
	}
	return Fact{}, false
}

// Piece is a part of a sentence: words, a number with its evidence, or an asset.
type Piece struct {
	Text string      `json:"text,omitempty"`
	Fact *Fact       `json:"fact,omitempty"`
	Ref  catalog.Ref `json:"ref,omitzero"`
	Name string      `json:"name,omitempty"` // of the asset
}

// token is how a model writes a number, {F3}, or an asset, [question:12].
var token = regexp.MustCompile(`\{(F\d{1,4})\}|` + citation.String())

// numberWords are numbers in words; "one" is left out, since it is a pronoun too.
var numberWords = regexp.MustCompile(`(?i)\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|billions?|dozens?|half|twice|thrice|double[ds]?|tripled?|quarter|third|percent|zero)\b|%`)

// sentence takes a sentence apart and checks it: every number in it is a token of
// a fact that was given, and every asset exists. why says what is wrong, for
// people.
func (f *facts) sentence(l *tools.Lens, text string) (pieces []Piece, why string) {
	used, last := 0, 0
	plain := func(s string) string {
		s = Prose(l.Conv.Unmask(s))
		if strings.ContainsFunc(s, unicode.IsDigit) || numberWords.MatchString(s) {
			return "it has a number that is no fact"
		}
		if s != "" {
			pieces = append(pieces, Piece{Text: s})
		}
		return ""
	}
	for _, at := range token.FindAllStringSubmatchIndex(text, -1) {
		if why := plain(text[last:at[0]]); why != "" {
			return nil, why
		}
		last = at[1]
		if at[2] < 0 {
			r, err := l.Parse(text[at[4]:at[5]])
			if err != nil || !l.Known(r) {
				return nil, "it names something that there is not"
			}
			pieces = append(pieces, Piece{Ref: r, Name: PlainName(l.World, r)})
			continue
		}
		x, ok := f.find(text[at[2]:at[3]])
		if !ok {
			return nil, "it rests on a fact that there is not"
		}
		pieces = append(pieces, Piece{Fact: &x})
		used++
	}
	if why := plain(text[last:]); why != "" {
		return nil, why
	}
	if used == 0 {
		return nil, "it rests on no fact"
	}
	return pieces, ""
}
