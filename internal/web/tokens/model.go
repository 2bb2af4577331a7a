package tokens

import (
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/token"
)

type listView struct {
	Made         *token.Made // just made, with its text
	Mine, Others []token.Listed
	Now          time.Time
}

type formView struct {
	Scopes []scopeChoice
	Name   string
	Days   int
	Errors auth.FieldErrors
	chosen []string
}

type scopeChoice struct {
	token.Scope
	Allowed bool // the viewer's role may give it
	Chosen  bool
}

// lives are the offered lifetimes in days.
func lives() []int { return []int{7, 30, token.DefaultDays, 180, token.MaxDays} }

func lifeText(days int) string {
	switch days {
	case 7:
		return "1 week"
	case token.MaxDays:
		return "1 year"
	}
	return strconv.Itoa(days) + " days"
}

func expired(t token.Listed, now time.Time) bool { return !t.ExpiresAt.After(now) }

func scopesText(scopes []string) string { return strings.Join(scopes, ", ") }
