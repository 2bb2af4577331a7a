package auth

import (
	"crypto/subtle"
	"strings"
	"sync/atomic"
)

// setupToken claims the first run. Whoever can read the console may set the
// server up; whoever can merely reach its port may not.
type setupToken struct {
	text string
	used *atomic.Bool
}

func newSetupToken() setupToken {
	return setupToken{text: strings.ToLower(randomText()), used: &atomic.Bool{}}
}

func (t setupToken) matches(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	return !t.used.Load() && subtle.ConstantTimeCompare([]byte(text), []byte(t.text)) == 1
}

func (t setupToken) burn() { t.used.Store(true) }
