package setup

import (
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/web/scans"
)

type ownerView struct {
	Organization, Name, Email, Token string
	Errors                           auth.FieldErrors
}

// focus reports whether a field takes the focus: the first one that is wrong, or
// else the first one that is empty.
func (v ownerView) focus(field string) bool {
	for _, f := range []string{"token", "name", "email", "password"} {
		if v.Errors[f] != "" {
			return f == field
		}
	}
	if len(v.Errors) > 0 || v.Token == "" {
		return field == "token"
	}
	return field == "name"
}

type scanView struct {
	Progress   scans.Progress
	Base       string
	Scan       string
	Connection string
	Events     string
}
