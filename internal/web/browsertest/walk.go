package browsertest

import (
	"strings"
	"time"

	"github.com/pquerna/otp/totp"
)

// Setup is what a walk through the first run needs to know.
type Setup struct {
	Token    string // the setup token
	Name     string
	Email    string
	Password string
	// URL and Key of a Metabase to connect; empty takes the sample company.
	URL, Key string
	// Started runs when the page of the first scan is shown; nil does nothing.
	Started func(*Page)
}

// FirstRun walks from an empty server to the overview of its first connection
// and returns the path of that connection. Every step is photographed and
// checked for accessibility.
func (p *Page) FirstRun(s Setup) (conn string) {
	p.t.Helper()
	p.Go("/")
	p.At("/setup")
	p.See("#token")
	p.Shot("setup-owner")
	p.Axe("setup-owner")
	p.Allow("422")
	// A short password is refused beside its field.
	p.Fill("#token", s.Token)
	p.Fill("#name", s.Name)
	p.Fill("#email", s.Email)
	p.Fill("#password", "password1234")
	p.Load("button.primary")
	p.See("[data-testid=error-password]")
	p.Shot("setup-owner-refused")
	p.Axe("setup-owner-refused")
	p.Fill("#password", s.Password)
	p.Load("button.primary")
	p.Until("['/setup/connection', '/account/factors/add'].includes(location.pathname) && document.readyState === 'complete'")
	if strings.HasPrefix(p.Path(), "/account/factors/add") {
		p.Shot("setup-factor")
		p.Axe("setup-factor")
		p.EnrolApp()
		p.Shot("setup-codes")
		p.Axe("setup-codes")
		p.KeepCodes()
	}
	p.At("/setup/connection")
	p.Shot("setup-connection")
	p.Axe("setup-connection")
	if s.URL == "" {
		p.Load("[data-testid=sample] button")
	} else {
		p.Fill("#url", s.URL)
		p.Fill("#key", s.Key)
		p.Click("[data-testid=test]")
		p.See("[data-testid=report]")
		p.Shot("setup-connection-tested")
		p.Axe("setup-connection-tested")
		p.Load("[data-testid=save]")
	}
	p.Until("location.pathname.startsWith('/setup/scan/')")
	p.See("[data-testid=progress]")
	p.Shot("setup-scan")
	p.Axe("setup-scan")
	if s.Started != nil {
		s.Started(p)
	}
	p.until("document.querySelector('[data-testid=see-results].primary') !== null", 90*time.Second)
	p.Shot("setup-scan-done")
	p.Axe("setup-scan-done")
	p.Load("[data-testid=see-results]")
	p.See("[data-testid=health]")
	conn = p.Path()
	if i := strings.IndexByte(conn, '?'); i >= 0 {
		conn = conn[:i]
	}
	return conn
}

// EnrolApp adds an authenticator app on the page that offers it, as far as the
// recovery codes or the account, and returns the app's key.
func (p *Page) EnrolApp() (key string) {
	p.t.Helper()
	p.See("[data-testid=qr]")
	key = strings.ReplaceAll(Eval[string](p, "document.querySelector('[data-testid=totp-secret]').textContent"), " ", "")
	p.Fill("#name-app", "Phone")
	p.Fill("#code", p.Code(key))
	p.Load("form[action='/account/factors/app'] button[type=submit]")
	return key
}

// Code is what an authenticator app with a key shows now.
func (p *Page) Code(key string) string {
	p.t.Helper()
	code, err := totp.GenerateCode(key, p.now())
	if err != nil {
		p.t.Fatal(err)
	}
	return code
}

// KeepCodes puts the recovery codes away and returns them.
func (p *Page) KeepCodes() (codes []string) {
	p.t.Helper()
	p.At("/account/recovery-codes")
	codes = Eval[[]string](p, "[...document.querySelectorAll('[data-testid=codes] code')].map((e) => e.textContent)")
	p.Click("input[name=kept]")
	p.Load("form[action='/account/recovery-codes/keep'] button[type=submit]")
	return codes
}
