package mail

import (
	"regexp"

	"github.com/metalens/metalens/internal/ledger"
)

// What a letter says that nobody but its reader may see: addresses, links that
// let somebody in, codes.
var hidden = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`(https?://[^/\s]+)/\S*`), "$1/[link]"},
	{regexp.MustCompile(`[^\s<>"]+@[^\s<>"]+`), "[address]"},
	{regexp.MustCompile(`\b[A-Za-z0-9_-]{20,}\b`), "[token]"},
	{regexp.MustCompile(`\b\d{4,}\b`), "[code]"},
}

// payload is the letter as the egress ledger keeps it: who gets it, and what
// could let somebody in, is left out.
func (m Message) payload() *ledger.Payload {
	text := "Subject: " + m.Subject + "\r\n\r\n" + m.Text
	for _, h := range hidden {
		text = h.what.ReplaceAllString(text, h.by)
	}
	return &ledger.Payload{Media: "text/plain", Content: []byte(text)}
}
