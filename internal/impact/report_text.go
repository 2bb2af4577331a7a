package impact

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/report"
)

// text prints lines; the first error sticks.
type text struct {
	w   *bufio.Writer
	err error
}

func (t *text) f(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// summary says in one line what a change does.
func summary(r *Result) string {
	if len(r.Affected) == 0 {
		return "Nothing that this scan knows is affected."
	}
	parts := []string{report.Plural(len(r.Affected), "asset", "assets") + " affected"}
	for _, b := range []Breaks{Yes, Maybe, No} {
		if n := r.Breaks[b]; n > 0 {
			parts = append(parts, report.Group(int64(n))+" "+verb(b, n))
		}
	}
	if n := len(r.KnockOn); n > 0 {
		parts = append(parts, report.Group(int64(n))+" more built on what breaks")
	}
	if n := len(r.People); n > 0 {
		parts = append(parts, "content of "+report.Plural(n, "person", "people"))
	}
	if r.Recipients > 0 {
		parts = append(parts, "sent to "+report.Plural(r.Recipients, "recipient", "recipients"))
	}
	return strings.Join(parts, ", ") + "."
}

func verb(b Breaks, n int) string {
	switch {
	case b == Yes && n == 1:
		return "breaks"
	case b == Yes:
		return "break"
	case b == Maybe:
		return "may break"
	case n == 1:
		return "keeps working"
	}
	return "keep working"
}

// changeText says what changes.
func changeText(x *catalog.Index, c *Impact) string {
	if c.Title != "" {
		return c.Title
	}
	names := make([]string, 0, len(c.Result.Roots))
	for _, r := range c.Result.Roots {
		names = append(names, string(r.Kind)+" "+title(x, r))
	}
	word := map[Change]string{Drop: "Drop", Rename: "Rename", Type: "Change the type of"}[c.Result.Change]
	return word + " " + strings.Join(names, ", ")
}

func scanText(r *Report) string {
	out := "Scan " + r.Scan.ID
	if !r.Scan.FinishedAt.IsZero() {
		out += " of " + r.Scan.FinishedAt.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	if r.Scan.URL != "" {
		out += ", " + r.Scan.URL
	}
	if r.Scan.Partial {
		out += " (partial: what it could not read is not judged)"
	}
	return out
}

func usageText(a *Affected) string {
	switch {
	case a.Usage != nil && a.Usage.Views != nil:
		return report.Plural(int(*a.Usage.Views), "view", "views")
	case a.Recipients != nil:
		return report.Plural(*a.Recipients, "recipient", "recipients")
	}
	return ""
}

// gapTexts sums up what was not evaluated: by reason, with a few names.
func gapTexts(list []NotEvaluated) []string {
	type group struct {
		reason string
		names  []string
	}
	var groups []group
	var out []string
	for _, g := range list {
		if g.Asset.IsZero() {
			out = append(out, g.Detail)
			continue
		}
		i := slices.IndexFunc(groups, func(o group) bool { return o.reason == g.Reason })
		if i < 0 {
			groups = append(groups, group{reason: g.Reason})
			i = len(groups) - 1
		}
		groups[i].names = append(groups[i].names, string(g.Asset.Kind)+" "+g.Asset.ID+" "+g.Name)
	}
	for _, g := range groups {
		names := g.names
		more := ""
		if len(names) > 5 {
			more = fmt.Sprintf(" and %d more", len(names)-5)
			names = names[:5]
		}
		out = append(out, strings.ReplaceAll(g.reason, "_", " ")+": "+strings.Join(names, ", ")+more)
	}
	return out
}

// writeTree writes the affected assets below what they depend on.
func writeTree(w *bufio.Writer, r *Report) error {
	t := &tree{text: text{w: w}, report: r}
	t.line(0, scanText(r))
	for i := range r.Changes {
		t.f("\n")
		t.change(&r.Changes[i])
	}
	t.skipped()
	return t.err
}

type tree struct {
	text
	report *Report
}

const (
	bold  = "1"
	faint = "2"
	red   = "31"
	amber = "33"
	green = "32"
)

func (t *tree) style(code, s string) string {
	if !t.report.Options.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// line writes one cleaned line within the width.
func (t *tree) line(indent int, s string) {
	s = report.Clean(s)
	if width := t.report.Options.Width; width > 0 {
		s = report.Clip(s, max(20, width-indent))
	}
	t.f("%s%s\n", strings.Repeat(" ", indent), s)
}

func (t *tree) change(c *Impact) {
	r := c.Result
	heading := report.Clean(changeText(t.report.Index, c))
	if c.Line > 0 {
		heading += fmt.Sprintf(" (line %d)", c.Line)
	}
	t.f("%s\n", t.style(bold, heading))
	t.line(0, summary(r))
	position := make(map[catalog.Ref]int, len(r.Affected))
	for i := range r.Affected {
		position[r.Affected[i].Asset] = i
	}
	children := map[catalog.Ref][]int{}
	for i := range r.Affected {
		if len(r.Affected[i].Paths) > 0 {
			path := r.Affected[i].Paths[0]
			children[path[len(path)-2]] = append(children[path[len(path)-2]], i)
		}
	}
	left := len(r.Affected)
	if most := t.report.Options.Max; most > 0 {
		left = min(left, most)
	}
	shown := 0
	var below func(r catalog.Ref, prefix string)
	below = func(parent catalog.Ref, prefix string) {
		list := children[parent]
		for k, i := range list {
			if shown >= left {
				return
			}
			shown++
			branch, rest := "├─ ", "│  "
			if k == len(list)-1 {
				branch, rest = "└─ ", "   "
			}
			t.asset(prefix+branch, &r.Affected[i])
			below(r.Affected[i].Asset, prefix+rest)
		}
	}
	for _, root := range treeRoots(r) {
		if len(children[root]) == 0 {
			continue
		}
		t.line(0, label(t.report.Index, root))
		below(root, "")
	}
	if shown < len(r.Affected) {
		t.line(0, fmt.Sprintf("… and %d more; --format csv lists all", len(r.Affected)-shown))
	}
	t.knockOn(r)
	t.gaps(r)
}

// treeRoots are the assets that ways begin at, those asked for first.
func treeRoots(r *Result) []catalog.Ref {
	roots := slices.Clone(r.Roots)
	for i := range r.Affected {
		if p := r.Affected[i].Paths; len(p) > 0 && !slices.Contains(roots, p[0][0]) {
			roots = append(roots, p[0][0])
		}
	}
	return roots
}

func (t *tree) asset(prefix string, a *Affected) {
	plain := verb(a.Breaks, 1)
	mark := t.style(map[Breaks]string{Yes: red, Maybe: amber, No: green}[a.Breaks], plain)
	rest := label(t.report.Index, a.Asset)
	if u := usageText(a); u != "" {
		rest += " (" + u + ")"
	}
	rest += ": " + a.Why
	if len(a.Filters) > 0 {
		rest += " [filter " + filterNames(a.Filters) + "]"
	}
	rest = report.Clean(rest)
	if width := t.report.Options.Width; width > 0 {
		rest = report.Clip(rest, max(20, width-len([]rune(prefix))-len(plain)-1))
	}
	t.f("%s%s %s\n", prefix, mark, rest)
}

func (t *tree) knockOn(r *Result) {
	if len(r.KnockOn) == 0 {
		return
	}
	t.f("%s\n", t.style(bold, "Built on what breaks, without using it themselves:"))
	for i := range r.KnockOn {
		if most := t.report.Options.Max; most > 0 && i == most {
			t.line(2, fmt.Sprintf("… and %d more", len(r.KnockOn)-i))
			break
		}
		t.asset("  ", &r.KnockOn[i])
	}
}

func (t *tree) gaps(r *Result) {
	if len(r.NotEvaluated) == 0 {
		return
	}
	t.f("%s\n", t.style(bold, "Not evaluated, a use may hide there:"))
	for _, g := range gapTexts(r.NotEvaluated) {
		t.line(2, g)
	}
}

func (t *tree) skipped() {
	if len(t.report.Skipped) == 0 {
		return
	}
	t.f("\n%s\n", t.style(bold, "Statements without an answer:"))
	for _, s := range t.report.Skipped {
		t.line(2, skippedText(s))
	}
}

func skippedText(s Skipped) string {
	at := ""
	if s.Line > 0 {
		at = fmt.Sprintf("line %d: ", s.Line)
	}
	return at + s.Text + ": " + s.Reason
}

// markdownRows bounds the rows per change in a comment, which code hosts cut.
const markdownRows = 50

// writeMarkdown writes what belongs into a pull request.
func writeMarkdown(w *bufio.Writer, r *Report) error {
	t := &text{w: w}
	t.f("## What this change breaks in Metabase\n\n")
	if len(r.Changes) > 1 {
		t.f("**%s**\n\n| Change | Breaks | May break | People |\n| --- | ---: | ---: | ---: |\n", report.MarkdownText(summary(Merge(r.Changes))))
		for i := range r.Changes {
			c := &r.Changes[i]
			t.f("| %s | %d | %d | %d |\n", report.MarkdownText(changeText(r.Index, c)), c.Result.Breaks[Yes], c.Result.Breaks[Maybe], len(c.Result.People))
		}
		t.f("\n")
	}
	if len(r.Changes) == 0 {
		t.f("No statement changes anything that the scan knows.\n\n")
	}
	for i := range r.Changes {
		markdownChange(t, r, &r.Changes[i])
	}
	if len(r.Skipped) > 0 {
		t.f("### Statements without an answer\n\n")
		for _, s := range r.Skipped {
			t.f("- %s\n", report.MarkdownText(skippedText(s)))
		}
		t.f("\n")
	}
	t.f("<sub>%s</sub>\n", report.MarkdownText(scanText(r)))
	return t.err
}

func markdownChange(t *text, r *Report, c *Impact) {
	line := ""
	if c.Line > 0 {
		line = fmt.Sprintf(" (line %d)", c.Line)
	}
	t.f("### %s%s\n\n%s\n\n", report.MarkdownText(changeText(r.Index, c)), line, report.MarkdownText(summary(c.Result)))
	if len(c.Result.Affected) > 0 {
		t.f("| | Asset | Used | Why |\n| --- | --- | ---: | --- |\n")
		markdownAffected(t, c.Result.Affected)
	}
	if len(c.Result.KnockOn) > 0 {
		t.f("Built on what breaks, without using it themselves:\n\n| | Asset | Used | Why |\n| --- | --- | ---: | --- |\n")
		markdownAffected(t, c.Result.KnockOn)
	}
	if len(c.Result.People) > 0 && c.Result.Breaks[Yes]+c.Result.Breaks[Maybe] > 0 {
		names := make([]string, 0, len(c.Result.People))
		for i, p := range c.Result.People {
			if i == 10 {
				names = append(names, fmt.Sprintf("and %d more", len(c.Result.People)-i))
				break
			}
			name := p.Name
			if name == "" {
				name = "person " + p.ID
			}
			names = append(names, report.MarkdownText(name))
		}
		t.f("Made or edited by: %s\n\n", strings.Join(names, ", "))
	}
	if gaps := gapTexts(c.Result.NotEvaluated); len(gaps) > 0 {
		t.f("<details><summary>Not evaluated, a use may hide there</summary>\n\n")
		for _, g := range gaps {
			t.f("- %s\n", report.MarkdownText(g))
		}
		t.f("\n</details>\n\n")
	}
}

func markdownAffected(t *text, list []Affected) {
	for i := range list {
		if i == markdownRows {
			t.f("\n… and %d more; `--format csv` lists all.\n", len(list)-i)
			break
		}
		a := &list[i]
		why := a.Why
		if len(a.Filters) > 0 {
			why += " (filter " + filterNames(a.Filters) + ")"
		}
		used := usageText(a)
		if a.Usage != nil && a.Usage.LastUsedAt != nil {
			used += ", last " + a.Usage.LastUsedAt.UTC().Format(time.DateOnly)
		}
		t.f("| %s | %s %s | %s | %s |\n", verb(a.Breaks, 1), a.Asset.Kind, report.MarkdownLink(a.Name, a.URL), report.MarkdownText(strings.TrimPrefix(used, ", ")), report.MarkdownText(why))
	}
	t.f("\n")
}
