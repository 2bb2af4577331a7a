package setup

import (
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/web/scans"
)

type ownerView struct {
	Organization, Name, Email, Token string
	Errors                           auth.FieldErrors
}

type scanView struct {
	Progress   scans.Progress
	Base       string
	Scan       string
	Connection string
	Events     string
}
