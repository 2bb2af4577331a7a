package findings

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

type listView struct {
	filter
	Base       string
	Path       string
	Here       string
	Chips      []chip
	ByCheck    []checkCount
	Aggregates []aggregateRow
	Rows       []row
	Groups     []groupRow
	Pager      ui.PagerView
	May        bool
	Now        time.Time
}

func (v *listView) open(fingerprint string) {
	for i := range v.Rows {
		v.Rows[i].Open = v.Rows[i].Fingerprint == fingerprint
	}
}

func (v listView) empty() bool { return len(v.Rows)+len(v.Groups)+len(v.Aggregates) == 0 }

func (v listView) clear() string {
	q := ui.With(nil, "state", v.query.Get("state"))
	return ui.Address(v.Path, q)
}

func (v listView) stateHref(state string) string {
	if state == "open" {
		state = ""
	}
	return ui.Address(v.Path, ui.With(v.query, "state", state))
}

type choice struct{ Value, Label string }

var states = []choice{{"open", "Open"}, {"ignored", "Ignored"}, {"resolved", "Resolved"}, {"all", "All"}}

var severities = []finding.Severity{finding.Critical, finding.High, finding.Medium, finding.Low, finding.Info}

var sorts = []choice{{"", "Severity, then views"}, {string(SortUsage), "Views"}, {string(SortNewest), "Newest first"}, {string(SortName), "Asset"}}

var groupings = []choice{{"", "No groups"}, {string(ByCheck), "Check"}, {string(ByAsset), "Asset"}, {string(ByCollection), "Collection"}, {string(BySeverity), "Severity"}}

var ignoreReasons = map[string]string{
	"accepted": "Known and accepted",
	"intended": "Intended",
	"false":    "Not true here",
	"later":    "Later",
}

var reasonChoices = []choice{{"accepted", "Known and accepted"}, {"intended", "Intended"}, {"false", "Not true here"}, {"later", "Later"}}

var ignoreDays = map[string]int{"30": 30, "90": 90, "365": 365}

var expiryChoices = []choice{{"90", "for 90 days"}, {"30", "for 30 days"}, {"365", "for a year"}, {"never", "with no end"}}

type checkCount struct {
	ID, Title string
	Count     int
	Chosen    bool
}

type aggregateRow struct {
	Check, Title, Noun, Href string
	Count                    int
	Severity                 finding.Severity
}

type groupRow struct {
	Title, Code, Href string
	Kind              catalog.Kind
	Count             int
	Severity          finding.Severity
	Views             int64
}

type row struct {
	Fingerprint string
	Title       string
	Message     string
	Severity    finding.Severity
	Asset       catalog.Ref
	Name        string
	Path        string
	Views       *int64
	Since       time.Time
	State       string
	Mine, Taken bool
	Href        string
	Open        bool
}

type detailView struct {
	row
	filter      filter
	Record      store.FindingRecord
	Base        string
	Check       string
	Family      string
	Confidence  string
	Why         string
	Remediation string
	External    string
	SQL         string
	Facts       []fact
	Related     []related
	Events      []event
	May         bool
	Now         time.Time
	Back        string
	Here        string
	Ask         []ui.AskLink
}

type fact struct{ Name, Value string }

// facts lists the numbers and texts of the evidence, by name.
func (v *detailView) facts(e finding.Evidence) {
	for _, name := range slices.Sorted(maps.Keys(e.Numbers)) {
		v.Facts = append(v.Facts, fact{ui.NumberName(name), ui.Decimal(e.Numbers[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(e.Texts)) {
		v.Facts = append(v.Facts, fact{ui.NumberName(name), ui.Clean(e.Texts[name])})
	}
}

// paragraphs splits the documentation of a check.
func paragraphs(text string) []string {
	var list []string
	for part := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, strings.ReplaceAll(part, "\n", " "))
		}
	}
	return list
}

type piece struct {
	Text string
	Code bool
}

// pieces tells `code` from text; nothing else of Markdown is used in one line.
func pieces(text string) []piece {
	var list []piece
	for i, part := range strings.Split(text, "`") {
		if part != "" {
			list = append(list, piece{part, i%2 == 1})
		}
	}
	return list
}

type related struct {
	Ref   catalog.Ref
	Name  string
	Known bool
}

type event struct {
	At     time.Time
	What   string
	Detail string
	By     bool
	Mine   bool
}

func eventWords(e store.FindingEvent) string {
	switch e.What {
	case "opened":
		return "Found"
	case "resolved":
		return "No longer found"
	case "reopened":
		return "Found again"
	case "ignored":
		return "Ignored"
	case "unignored":
		return "Opened again"
	case "assigned":
		return "Assigned"
	case "unassigned":
		return "Assignment taken back"
	}
	return ui.Clean(e.What)
}

type notEvaluatedView struct {
	Base   string
	Total  int
	Groups []notEvaluatedGroup
}

type notEvaluatedGroup struct {
	Check, Title, Reason string
	Assets               []related
	More                 int
}

const maxAssets = 20

func notEvaluatedOf(base string, list []finding.NotEvaluated, names map[catalog.Ref]string, title func(string) string) notEvaluatedView {
	v := notEvaluatedView{Base: base, Total: len(list)}
	at := map[[2]string]int{}
	for _, n := range list {
		key := [2]string{n.Check, n.Reason}
		i, ok := at[key]
		if !ok {
			i = len(v.Groups)
			at[key] = i
			v.Groups = append(v.Groups, notEvaluatedGroup{Check: n.Check, Title: title(n.Check), Reason: n.Reason})
		}
		g := &v.Groups[i]
		switch {
		case n.Asset.IsZero():
		case len(g.Assets) < maxAssets:
			name, known := names[n.Asset]
			g.Assets = append(g.Assets, related{n.Asset, name, known})
		default:
			g.More++
		}
	}
	return v
}
