package web

import (
	"github.com/metalens/metalens/internal/web/account"
	"github.com/metalens/metalens/internal/web/page"
)

// accountRoutes are the login and the pages of a person's own account.
func accountRoutes(me *account.Handlers) []route {
	return []route{
		{"GET /login", page.Public, me.LoginForm},
		{"POST /login", page.Public, me.Login},
		{"POST /login/passkey/begin", page.Public, me.BeginPasskeyLogin},
		{"POST /login/passkey", page.Public, me.PasskeyLogin},
		{"GET /login/factor", page.Pending, me.FactorForm},
		{"POST /login/factor", page.Pending, me.Factor},
		{"POST /login/factor/passkey/begin", page.Pending, me.BeginProof},
		{"POST /login/factor/passkey", page.Pending, me.PasskeyFactor},
		{"POST /logout", page.Public, me.Logout},

		{"GET /confirm", page.Enrolling, me.ConfirmForm},
		{"POST /confirm", page.Enrolling, me.Confirm},
		{"POST /confirm/passkey/begin", page.Enrolling, me.BeginProof},
		{"POST /confirm/passkey", page.Enrolling, me.PasskeyConfirm},

		{"GET /account", page.Viewer, me.Show},
		{"POST /account/name", page.Viewer, me.Rename},
		{"POST /account/email", page.Viewer | page.Fresh, me.ChangeEmail},
		{"GET /account/email/{token}", page.Viewer, me.EmailForm},
		{"POST /account/email/{token}", page.Viewer, me.ConfirmEmail},
		{"POST /account/password", page.Viewer | page.Fresh, me.ChangePassword},
		{"POST /account/sessions/revoke-others", page.Viewer, me.RevokeOthers},
		{"POST /account/sessions/{session}/revoke", page.Viewer, me.Revoke},

		{"GET /account/factors/add", page.Enrolling | page.Fresh, me.AddForm},
		{"POST /account/factors/app", page.Enrolling | page.Fresh, me.AddApp},
		{"POST /account/factors/passkey/begin", page.Enrolling | page.Fresh, me.BeginPasskey},
		{"POST /account/factors/passkey", page.Enrolling | page.Fresh, me.AddPasskey},
		{"POST /account/factors/{factor}/rename", page.Viewer, me.RenameFactor},
		{"GET /account/factors/{factor}/remove", page.Viewer | page.Fresh, me.RemoveForm},
		{"POST /account/factors/{factor}/remove", page.Viewer | page.Fresh, me.RemoveFactor},
		{"GET /account/recovery-codes", page.Enrolling | page.Fresh, me.Codes},
		{"POST /account/recovery-codes", page.Enrolling | page.Fresh, me.NewCodes},
		{"POST /account/recovery-codes/keep", page.Enrolling, me.KeepCodes},
	}
}

// patterns are the patterns of routes.
func patterns(list []route) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.Pattern
	}
	return out
}
