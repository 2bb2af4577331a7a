package signin

import (
	"strings"

	"github.com/metalens/metalens/internal/config"
)

type problemView struct {
	Name, Text, Hint, Code, RequestID string
}

type settingsView struct {
	Enabled  bool
	Owner    bool
	Required bool
	OIDC     config.OIDC
	Redirect string
	Problem  string // the provider does not answer
}

func (v settingsView) joins() string {
	if len(v.OIDC.AllowedDomains) == 0 {
		return "Only who was invited or is a member already"
	}
	return "Who was invited, and addresses of " + strings.Join(v.OIDC.AllowedDomains, ", ") + " as " + v.OIDC.DefaultRole
}

func (v settingsView) roles() string {
	if len(v.OIDC.RoleMap) == 0 {
		return "Roles do not follow groups"
	}
	parts := make([]string, 0, len(v.OIDC.RoleMap))
	for _, r := range v.OIDC.RoleMap {
		parts = append(parts, r.Group+" → "+r.Role)
	}
	return strings.Join(parts, ", ") + "; everybody else " + v.OIDC.DefaultRole + ", owners as they are"
}

func (v settingsView) factor() string {
	switch v.OIDC.TrustMFA {
	case config.TrustMFAAlways:
		return "Counts as a second factor, as whoever runs MetaLens states"
	case config.TrustMFAClaims:
		return "Counts as a second factor when it says so (" + strings.Join(v.OIDC.MFAValues, ", ") + "); otherwise MetaLens asks"
	default:
		return "MetaLens asks for its own"
	}
}
