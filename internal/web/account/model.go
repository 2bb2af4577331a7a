package account

import (
	"net/url"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/auth"
)

type loginView struct {
	Forgot   bool
	Email    string
	Next     string
	Problem  string
	Passkeys bool
	// Provider is the identity provider's name; LoggedOut offers its logout.
	Provider  string
	LoggedOut bool
}

// factorView is a page that asks for a proof.
type factorView struct {
	Email, Next, Problem string
	App                  bool   // an authenticator app can answer
	Passkeys             bool   // a passkey can answer
	Elsewhere            bool   // there are passkeys, but not for this address
	Codes                bool   // there are recovery codes
	Password             bool   // the password can answer
	Provider             string // name of the identity provider that can answer; empty for none
}

type accountView struct {
	Name, Email, Role      string
	NewEmail, PendingEmail string
	HasPassword            bool
	NeedsFactor            bool
	Factors                []factorRow
	Codes                  int
	Kept                   bool
	Sessions               []sessionRow
	Errors                 auth.FieldErrors
	Now                    time.Time
}

func (v accountView) others() bool { return len(v.Sessions) > 1 }

type factorRow struct {
	ID, Name string
	Passkey  bool
	Since    time.Time
	Used     time.Time
}

func (f factorRow) kind() string {
	if f.Passkey {
		return "Passkey"
	}
	return "Authenticator app"
}

type sessionRow struct {
	ID      string
	Browser string
	Agent   string
	Address string
	Since   time.Time
	Seen    time.Time
	Current bool
}

type emailView struct{ Email, Token string }

type addView struct {
	App      auth.AppSetup
	Next     string
	Errors   auth.FieldErrors
	Problem  string
	Passkeys bool
	Must     bool // nothing else is allowed until there is a factor
	First    bool // there is none yet
	Setup    bool // a step of the first run
	Role     string
}

type removeView struct {
	ID, Name             string
	Passkey, Last, Needs bool
}

type codesView struct {
	Codes   []string
	Next    string
	Problem string
	Left    int
	Kept    bool
	Must    bool
	Setup   bool
	Email   string
}

func withNext(path, next string) string {
	if next == "" || next == "/" || next == "/account" {
		return path
	}
	return path + "?next=" + url.QueryEscape(next)
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
