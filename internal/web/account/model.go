package account

import (
	"strings"
	"time"

	"github.com/metalens/metalens/internal/auth"
)

type loginView struct {
	Email   string
	Next    string
	Problem string
}

type accountView struct {
	Name, Email, Role string
	Sessions          []sessionRow
	Errors            auth.FieldErrors
	Now               time.Time
}

func (v accountView) others() bool { return len(v.Sessions) > 1 }

type sessionRow struct {
	ID      string
	Browser string
	Agent   string
	Address string
	Since   time.Time
	Current bool
}

// browserName shortens a user agent to what a person recognises. It is a hint,
// browsers may say what they like.
func browserName(agent string) string {
	browser := "Unknown browser"
	for _, b := range []struct{ mark, name string }{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	} {
		if strings.Contains(agent, b.mark) {
			browser = b.name
			break
		}
	}
	for _, o := range []struct{ mark, name string }{
		{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	} {
		if strings.Contains(agent, o.mark) {
			return browser + " on " + o.name
		}
	}
	return browser
}
