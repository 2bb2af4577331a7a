package webtest

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/web/findings"
)

// Checks documents a handful of checks.
type Checks struct{}

// Check implements findings.Checks.
func (Checks) Check(id string) (findings.Check, bool) {
	for _, c := range checks {
		if c.ID == id {
			return c, true
		}
	}
	return findings.Check{}, false
}

// Checks implements findings.Checks.
func (Checks) Checks() []findings.Check { return checks }

var content = []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard}

var checks = []findings.Check{
	{
		ID: "BRK002", Slug: "archived-source", Title: "Live content that builds on archived content", Family: "BRK", Severity: finding.High, Kinds: content,
		Why:         "Content in Metabase's trash can be deleted for good at any time. What builds on it then shows an error to whoever opens it.",
		Remediation: "Restore the archived question, or point the live content at its successor. In a dashboard, use `Replace` on the card so that its filters stay.",
	},
	{
		ID: "BRK010", Slug: "missing-table", Title: "A query over a table that is not in the database any more", Family: "BRK", Severity: finding.Critical, Kinds: content,
		Why:         "The query fails each time somebody opens it.\n\nDashboards then show an error tile beside correct numbers, and people stop trusting both.",
		Remediation: "Point the query at the table's successor, or archive it. If the table was only renamed, `metalens impact` lists everything else that names it.",
	},
	{
		ID: "USE001", Slug: "never-used-question", Title: "A question that nobody has opened", Family: "USE", Severity: finding.Low, Kinds: []catalog.Kind{catalog.KindQuestion},
		Why:         "Unused questions hide the used ones in search and in collections, and each still has to be kept working.",
		Remediation: "Archive it. Metabase keeps archived content in the trash, from where it can be restored.",
	},
	{
		ID: "USE003", Slug: "stale-dashboard", Title: "A dashboard that nobody opens any more", Family: "USE", Severity: finding.Medium, Kinds: []catalog.Kind{catalog.KindDashboard},
		Why:         "A dashboard that nobody opens still runs its queries for subscriptions, and shows up when people look for the right one.",
		Remediation: "Ask its owner, then archive it.",
	},
	{
		ID: "DUP001", Slug: "same-query", Title: "A question with the same query as another", Family: "DUP", Severity: finding.Medium, Kinds: []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric},
		Why:         "Copies drift apart: one gets the fix, the other keeps showing last year's rule.",
		Remediation: "Keep the one that is used most, point dashboards at it, and archive the others.",
	},
	{
		ID: "DUP003", Slug: "copy-by-name", Title: "A copy by its name", Family: "DUP", Severity: finding.Low, Kinds: content,
		Why: "Names such as “Copy of” and “v2” say that somebody was not sure whether the first one could be changed.", Remediation: "Merge the copy into the original or give it a name that says how it differs.",
	},
	{
		ID: "SEC001", Slug: "public-and-unused", Title: "A public link to content nobody uses any more", Family: "SEC", Severity: finding.High, Kinds: content,
		Why: "Whoever has the link sees the data without logging in. Nobody would notice if the wrong person did.", Remediation: "Open the content in Metabase and switch the public link off.",
	},
	{
		ID: "DOC001", Slug: "popular-without-description", Title: "Popular content without a description", Family: "DOC", Severity: finding.Low, Kinds: content,
		Why: "People who did not write it have to guess what it counts.", Remediation: "Write one sentence: what it counts, what it leaves out, whom to ask.",
	},
	{
		ID: "DOC002", Slug: "owner-deactivated", Title: "Content whose owner has left", Family: "DOC", Severity: finding.Medium, Kinds: content,
		Why: "Nobody answers when it breaks, and alerts about it go nowhere.", Remediation: "Give it to somebody who uses it.",
	},
	{
		ID: "ORG005", Slug: "crowded-dashboard", Title: "A dashboard with too many cards", Family: "ORG", Severity: finding.Low, Kinds: []catalog.Kind{catalog.KindDashboard},
		Why: "It loads slowly and nobody reads to its end.", Remediation: "Split it by question, or move parts to tabs.",
	},
}
