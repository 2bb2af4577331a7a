package settings

import "github.com/metalens/metalens/internal/web/ui"

// generalCounts follows the number of members.
func generalCounts(v generalView) string {
	text := ui.Count(v.Owners, "owner", "owners")
	if v.Open > 0 {
		text += ", " + ui.Count(v.Open, "open invitation", "open invitations")
	}
	return text
}

func inviteHelp(mails bool) string {
	if mails {
		return "They get a link by mail. It works once, within seven days."
	}
	return "You get a link to hand over. It works once, within seven days."
}

func securityText(s MailStatus) string {
	oldest := "TLS 1.3"
	if s.TLS12 {
		oldest = "TLS 1.2 or 1.3, an exception of the operator's"
	}
	switch s.Security {
	case "implicit":
		return oldest + " from the first byte"
	case "starttls":
		return oldest + " after STARTTLS, required"
	}
	return "without TLS, on this machine only"
}

// newProblem and hasProblem say which of the two forms a refused password
// belongs to.
func newProblem(v inviteView) string {
	if v.Has {
		return ""
	}
	return v.Errors["password"]
}

func hasProblem(v inviteView) string {
	if !v.Has {
		return ""
	}
	return v.Errors["password"]
}
