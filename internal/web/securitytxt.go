package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/web/page"
)

// makersContact takes reports about MetaLens itself.
const makersContact = "https://github.com/metalens/metalens/security/advisories/new"

// securityTxt tells who takes reports of weaknesses (RFC 9116): of this
// deployment whoever operates it, of MetaLens its makers.
func securityTxt(cfg Config) page.Func {
	return func(q *page.Request) error {
		var b strings.Builder
		if cfg.SecurityContact != "" {
			_, _ = fmt.Fprintf(&b, "# This deployment\nContact: %s\n# MetaLens itself\n", cfg.SecurityContact)
		}
		_, _ = fmt.Fprintf(&b, "Contact: %s\nExpires: %s\nPreferred-Languages: en\nPolicy: https://github.com/metalens/metalens/blob/main/SECURITY.md\n",
			makersContact, q.Now.AddDate(0, 6, 0).Truncate(24*time.Hour).Format(time.RFC3339))
		if cfg.Secure && len(cfg.Hosts) > 0 {
			_, _ = fmt.Fprintf(&b, "Canonical: https://%s/.well-known/security.txt\n", cfg.Hosts[0])
		}
		q.W.Header().Set("Content-Type", "text/plain; charset=utf-8")
		q.W.WriteHeader(http.StatusOK)
		_, _ = q.W.Write([]byte(b.String()))
		return nil
	}
}
