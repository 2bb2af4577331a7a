package report

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// Limits of the HTML report, so that it stays a file one can mail.
const (
	htmlPerCheck   = 500
	htmlDuplicates = 500
	htmlPerKind    = 2000
	htmlActions    = 5
)

//go:embed html/report.html.tmpl
var htmlTemplate string

//go:embed html/style.css
var htmlStyle string

type htmlPage struct {
	Tool            Tool
	Title, Address  string
	Instance        string
	Partial         []string
	HasHealth       bool
	Score           int
	ScoreText       string
	Since, Against  string
	FamilyChart     *chart
	SeverityChart   *chart
	UseChart        *chart
	Actions         []htmlAction
	FindingCount    string
	Groups          bool
	HasBaseline     bool
	Severities      []htmlCount
	Duplicates      []htmlDuplicate
	DuplicateCount  string
	MoreDuplicates  string
	Conflicts       []htmlConflict
	ConflictCount   string
	MoreConflicts   string
	Inventory       []htmlCount
	Gaps            []htmlGap
	NotEvaluated    []htmlReason
	Unresolved      []htmlUnresolved
	NotEvaluatedAll int
}

// NotEvaluatedCount is the number for people.
func (p htmlPage) NotEvaluatedCount() string { return group(int64(p.NotEvaluatedAll)) }

type htmlCount struct{ Name, Count string }

type htmlAction struct{ ID, Title, Count, Advice string }

type htmlAsset struct{ Kind, Name, URL, Path string }

type htmlGroup struct {
	ID, Title, Severity, Count, Advice, More string
	Why                                      []string
	Rows                                     []htmlFinding
	Open, Known                              bool
}

type htmlFinding struct {
	Asset                            htmlAsset
	Severity, Message, Views, Unsure string
	New, Known                       bool
}

type htmlDuplicate struct {
	Keep                htmlAsset
	Kind, Count, Reason string
	Members             []htmlAsset
}

type htmlKind struct {
	Name, Count, PlaceHead, More string
	Rows                         []htmlRow
}

type htmlRow struct {
	Asset                                htmlAsset
	Marks, Place, Owner, Views, LastUsed string
}

type htmlGap struct{ What, Why, Class string }

type htmlReason struct{ Check, What, Why string }

type htmlUnresolved struct{ Reason, Count string }

// writeHTML writes one self-contained file: no script, no request, light and
// dark. Large parts are written group by group.
func writeHTML(w *bufio.Writer, d *document) error {
	t, err := template.New("report").Parse(htmlTemplate)
	if err != nil {
		return err
	}
	if t, err = t.Parse(`{{define "css"}}` + htmlStyle + `{{end}}`); err != nil {
		return err
	}
	p := d.htmlPage()
	if err := t.ExecuteTemplate(w, "top", p); err != nil {
		return err
	}
	for i, g := range d.groups() {
		if err := t.ExecuteTemplate(w, "group", d.htmlGroup(g, i == 0)); err != nil {
			return err
		}
	}
	if err := t.ExecuteTemplate(w, "duplicates", p); err != nil {
		return err
	}
	for _, c := range d.inventory() {
		if c.Kind == catalog.KindColumn {
			continue
		}
		if err := t.ExecuteTemplate(w, "kind", d.htmlKind(c)); err != nil {
			return err
		}
	}
	return t.ExecuteTemplate(w, "bottom", p)
}

func (d *document) htmlPage() htmlPage {
	s := d.in.Snapshot
	p := htmlPage{
		Tool: d.in.Tool, Title: Clean(s.Instance.URL), Address: Clean(s.Instance.URL), Instance: Clean(instanceLine(d)),
		Score: d.in.Health.Score, HasHealth: len(d.in.Health.Families) > 0,
		FindingCount: group(int64(len(d.findings))), Groups: len(d.findings) > 0, HasBaseline: d.in.Baseline != nil,
		DuplicateCount: group(int64(len(d.in.Duplicates))), ConflictCount: group(int64(len(d.in.MetricConflicts))), NotEvaluatedAll: len(d.in.NotEvaluated),
	}
	if d.in.Connection != "" {
		p.Title = Clean(d.in.Connection)
	}
	_, reasons := s.Partial()
	for _, r := range reasons {
		p.Partial = append(p.Partial, Clean(r))
	}
	p.ScoreText = "100 means that no check found anything; a finding weighs by severity and certainty against what is clean."
	if c := d.in.Changes; c != nil && !c.First {
		p.Since = fmt.Sprintf("Since the scan before: %s added, %s changed, %s removed; %s, %s resolved.", group(int64(c.Added)), group(int64(c.Changed)),
			group(int64(c.Removed)), plural(c.NewFindings, "new finding", "new findings"), group(int64(c.ResolvedFindings)))
	}
	if d.in.Baseline != nil {
		p.Against = fmt.Sprintf("Against the baseline: %s, %s resolved.", plural(d.newCount(), "new finding", "new findings"), group(int64(d.resolved)))
	}
	p.FamilyChart, p.SeverityChart, p.UseChart = d.familyChart(), d.severityChart(), d.useChart()
	for _, a := range d.actions(htmlActions) {
		p.Actions = append(p.Actions, htmlAction{a.Info.ID, Clean(a.Info.Title), a.sum(), firstSentence(a.advice())})
	}
	counted := d.severities()
	for _, sev := range severities() {
		if counted[sev] > 0 {
			p.Severities = append(p.Severities, htmlCount{string(sev), group(int64(counted[sev]))})
		}
	}
	for _, dup := range d.duplicatesByKind() {
		if len(p.Duplicates) == htmlDuplicates {
			p.MoreDuplicates = "The JSON report lists all " + p.DuplicateCount + " groups."
			break
		}
		p.Duplicates = append(p.Duplicates, d.htmlDuplicate(dup))
	}
	for c := range d.conflicts() {
		if len(p.Conflicts) == htmlDuplicates {
			p.MoreConflicts = "The JSON report lists all " + p.ConflictCount + "."
			break
		}
		p.Conflicts = append(p.Conflicts, d.htmlConflict(c))
	}
	for _, c := range d.inventory() {
		p.Inventory = append(p.Inventory, htmlCount{kindName(c.Kind, c.N), group(int64(c.N))})
	}
	for _, g := range s.Gaps {
		class := "could not be read"
		if g.Expected {
			class = "expected: this server or key has none, or it was left out"
		}
		p.Gaps = append(p.Gaps, htmlGap{Clean(g.What), Clean(g.Reason), class})
	}
	for _, r := range d.notEvaluatedReasons() {
		check := r.Check.ID
		if r.Check.Title != r.Check.ID {
			check += " " + r.Check.Title
		}
		p.NotEvaluated = append(p.NotEvaluated, htmlReason{Clean(check), r.what(), Clean(r.why())})
	}
	p.Unresolved = d.unresolvedReasons()
	return p
}

func (d *document) unresolvedReasons() []htmlUnresolved {
	var order []string
	counts := map[string]int{}
	for u := range d.unresolved() {
		if counts[u.Reason] == 0 {
			order = append(order, u.Reason)
		}
		counts[u.Reason]++
	}
	var list []htmlUnresolved
	for _, r := range order {
		list = append(list, htmlUnresolved{Clean(strings.ReplaceAll(r, "_", " ")), group(int64(counts[r]))})
	}
	return list
}

func (d *document) htmlAsset(r catalog.Ref) htmlAsset {
	return htmlAsset{Kind: string(r.Kind), Name: Clean(d.name(r)), URL: safeURL(d.index.URL(r)), Path: Clean(d.path(r))}
}

func (d *document) htmlGroup(g checkGroup, open bool) htmlGroup {
	out := htmlGroup{
		ID: g.Info.ID, Title: Clean(g.Info.Title), Severity: string(g.Severity),
		Count: g.sum(), Advice: Clean(g.advice()), Open: open, Known: d.in.Baseline != nil,
	}
	for paragraph := range strings.SplitSeq(g.Info.Why, "\n\n") {
		if paragraph = Clean(paragraph); paragraph != "" {
			out.Why = append(out.Why, paragraph)
		}
	}
	for i := range g.Findings {
		f := &g.Findings[i]
		isNew := d.isNew(f)
		out.Known = out.Known && !isNew
		if i >= htmlPerCheck {
			continue
		}
		row := htmlFinding{
			Asset: d.htmlAsset(f.Asset), Severity: string(f.Severity), Message: Clean(f.Message), New: isNew, Known: d.in.Baseline != nil && !isNew,
		}
		if v := d.views(f.Asset); v != nil {
			row.Views = group(*v)
		}
		if f.Confidence != finding.Certain {
			row.Unsure = string(f.Confidence)
		}
		out.Rows = append(out.Rows, row)
	}
	if more := len(g.Findings) - htmlPerCheck; more > 0 {
		out.More = "and " + group(int64(more)) + " more, which the JSON report lists."
	}
	return out
}

func (d *document) htmlDuplicate(dup Duplicate) htmlDuplicate {
	out := htmlDuplicate{Keep: d.htmlAsset(dup.Keep), Kind: strings.ToLower(dup.kindWord()), Count: plural(len(dup.Members), "copy", "copies"), Reason: Clean(dup.Reason)}
	for _, m := range dup.Members {
		if m != dup.Keep {
			out.Members = append(out.Members, d.htmlAsset(m))
		}
	}
	return out
}

func (d *document) htmlKind(c kindCount) htmlKind {
	out := htmlKind{Name: kindName(c.Kind, c.N), Count: group(int64(c.N)), PlaceHead: "Collection"}
	if c.Kind == catalog.KindTable {
		out.PlaceHead = "Database and schema"
	}
	for _, a := range d.assets {
		if a.Ref().Kind != c.Kind {
			continue
		}
		if len(out.Rows) == htmlPerKind {
			out.More = "and " + group(int64(c.N-htmlPerKind)) + " more, which the JSON report lists."
			break
		}
		out.Rows = append(out.Rows, d.htmlRow(a))
	}
	return out
}

func (d *document) htmlRow(a catalog.Asset) htmlRow {
	e := d.asset(a)
	row := htmlRow{
		Asset: htmlAsset{Name: Clean(d.name(a.Ref())), URL: safeURL(e.URL)}, Place: Clean(e.CollectionPath), Owner: Clean(e.Creator),
	}
	if t, ok := a.(*catalog.Table); ok {
		place := t.Schema
		if db := d.index.Database(t.DatabaseID); db != nil {
			place = strings.TrimSuffix(db.Name+" / "+t.Schema, " / ")
		}
		row.Place = Clean(place)
	}
	if e.Usage != nil {
		if e.Usage.Views != nil {
			row.Views = group(*e.Usage.Views)
		}
		if e.Usage.LastUsedAt != nil {
			row.LastUsed = e.Usage.LastUsedAt.Format("2006-01-02")
		}
	}
	var marks []string
	for _, m := range []struct {
		on   bool
		word string
	}{
		{e.Archived, "in the trash"},
		{e.Verified, "verified"},
		{e.Public, "public link"},
		{e.Embedded, "embedded"},
		{e.Inactive, "gone from the database"},
		{e.Unreadable, "not readable"},
		{e.DetailUnread, "detail not read"},
	} {
		if m.on {
			marks = append(marks, m.word)
		}
	}
	row.Marks = strings.Join(marks, ", ")
	return row
}
