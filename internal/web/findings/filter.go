package findings

import (
	"net/url"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

// filter is what the address asks for. Everything stands in the query, so that
// an address can be kept and passed on.
type filter struct {
	state      string // open, ignored, resolved, all
	text       string
	checks     []string
	families   []string
	severities []finding.Severity
	collection string
	asset      catalog.Ref
	mine       bool
	sort       Sort
	group      GroupBy
	query      url.Values // cleaned, without empty and unknown keys
}

var keys = []string{"state", "q", "check", "family", "severity", "collection", "asset", "mine", "sort", "group", "page"}

const maxText = 200

func readFilter(raw url.Values) filter {
	f := filter{state: "open", sort: SortSeverity, query: url.Values{}}
	for _, k := range keys {
		for _, v := range raw[k] {
			if v != "" && len(v) <= 500 {
				f.query.Add(k, v)
			}
		}
	}
	switch s := f.query.Get("state"); s {
	case "ignored", "resolved", "all":
		f.state = s
	default:
		f.query.Del("state")
	}
	f.text = ui.Clip(strings.TrimSpace(f.query.Get("q")), maxText)
	f.checks, f.families = f.query["check"], f.query["family"]
	for _, s := range f.query["severity"] {
		if finding.Severity(s).Rank() >= 0 {
			f.severities = append(f.severities, finding.Severity(s))
		}
	}
	f.collection = f.query.Get("collection")
	if kind, id, ok := strings.Cut(f.query.Get("asset"), ":"); ok {
		f.asset = catalog.Ref{Kind: catalog.Kind(kind), ID: id}
	}
	f.mine = f.query.Get("mine") != ""
	switch s := Sort(f.query.Get("sort")); s {
	case SortUsage, SortNewest, SortName:
		f.sort = s
	default:
		f.query.Del("sort")
	}
	switch g := GroupBy(f.query.Get("group")); g {
	case ByCheck, ByAsset, ByCollection, BySeverity:
		f.group = g
	default:
		f.query.Del("group")
	}
	return f
}

func (f filter) ask(conn store.ConnectionID, me store.UserID) Query {
	q := Query{
		Connection: conn, Text: f.text, Checks: f.checks, Families: f.families, Severities: f.severities,
		Collection: f.collection, Asset: f.asset, Sort: f.sort, Limit: ui.PerPage, Offset: ui.Offset(f.query),
	}
	if f.state != "all" {
		q.State = store.FindingState(f.state)
	}
	if f.mine {
		q.Assignee = me
	}
	return q
}

// narrowed reports whether anything but the state narrows the list.
func (f filter) narrowed() bool {
	return f.text != "" || len(f.checks)+len(f.families)+len(f.severities) > 0 || f.collection != "" || !f.asset.IsZero() || f.mine
}

// chip is an active filter.
type chip struct{ Label, Remove string }

func (f filter) chips(path string, name func(check string) string, places map[string]string) []chip {
	var list []chip
	add := func(label, key, value string) {
		list = append(list, chip{label, ui.Address(path, ui.Without(f.query, key, value))})
	}
	if f.text != "" {
		add("“"+ui.Clip(ui.Clean(f.text), 40)+"”", "q", "")
	}
	for _, s := range f.severities {
		add(ui.SeverityName(s), "severity", string(s))
	}
	for _, v := range f.families {
		add(ui.FamilyName(v), "family", v)
	}
	for _, c := range f.checks {
		add(name(c), "check", c)
	}
	if f.collection != "" {
		label := places[f.collection]
		if label == "" {
			label = "Collection " + ui.Clean(f.collection)
		}
		add("In "+ui.Name(label), "collection", "")
	}
	if !f.asset.IsZero() {
		label := places[f.asset.String()]
		if label == "" {
			label = ui.Clean(f.asset.String())
		}
		add("About "+ui.Name(label), "asset", "")
	}
	if f.mine {
		add("Assigned to me", "mine", "")
	}
	return list
}

func (f filter) has(key, value string) bool { return slices.Contains(f.query[key], value) }
