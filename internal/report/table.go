package report

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/metalens/metalens/internal/finding"
)

const (
	minWidth     = 60
	defaultWidth = 110
	wholeMessage = 2000
	minName      = 16

	aggregatedRows = 3 // examples of a check that fires on many assets
)

// terminal prints lines of cleaned text; the first error sticks.
type terminal struct {
	w     *bufio.Writer
	color bool
	width int
	whole bool // the width is not known: findings are not cut
	err   error
}

func (t *terminal) line(parts ...string) {
	if t.err == nil {
		_, t.err = t.w.WriteString(strings.TrimRight(strings.Join(parts, ""), " ") + "\n")
	}
}

// styles of the terminal, as ANSI parameters.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	orange = "38;5;208"
	amber  = "33"
	blue   = "34"
	green  = "32"
)

func (t *terminal) style(code, text string) string {
	if !t.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func severityStyle(s finding.Severity) string {
	switch s {
	case finding.Critical:
		return bold + ";" + red
	case finding.High:
		return orange
	case finding.Medium:
		return amber
	case finding.Low:
		return blue
	}
	return faint
}

func scoreStyle(score int) string {
	switch {
	case score >= 80:
		return green
	case score >= 50:
		return amber
	}
	return red
}

// wrap prints a label and a list that flows over as many lines as it needs.
func (t *terminal) wrap(label string, items []string, separator string) {
	const indent = 14
	current := pad(label, indent)
	used := indent
	for i, item := range items {
		text := item
		if i < len(items)-1 {
			text += separator
		}
		w := runewidth.StringWidth(text)
		if used+w > t.width && used > indent {
			t.line(current)
			current, used = strings.Repeat(" ", indent), indent
		}
		current += text
		used += w
	}
	t.line(current)
}

// writeTable writes a summary and the findings for a terminal.
func writeTable(w *bufio.Writer, d *document) error {
	t := &terminal{w: w, color: d.in.Options.Color, width: d.in.Options.Width}
	t.whole = t.width == 0
	if t.whole {
		t.width = defaultWidth
	}
	t.width = max(t.width, minWidth)
	t.summary(d)
	t.findings(d)
	t.notes(d)
	return t.err
}

func (t *terminal) summary(d *document) {
	s := d.in.Snapshot
	title := s.Instance.URL
	if d.in.Connection != "" && !strings.HasSuffix(title, "/"+d.in.Connection) {
		title = d.in.Connection + "  " + title
	}
	t.line(t.style(bold, clip(Clean(title), t.width)))
	t.line(t.style(faint, clip(Clean(instanceLine(d)), t.width)))
	t.line()
	var counts []string
	for _, c := range d.inventory() {
		counts = append(counts, plural(c.N, kindName(c.Kind, 1), kindName(c.Kind, 2)))
	}
	if len(counts) == 0 {
		counts = []string{"nothing"}
	}
	t.wrap("Inventory", counts, ", ")
	if families := d.families(); len(families) > 0 {
		score := fmt.Sprintf("%d / 100", d.in.Health.Score)
		t.line(pad("Health", 14), t.style(bold+";"+scoreStyle(d.in.Health.Score), score))
		for _, f := range families {
			bar := max(0, min(20, (f.Score+2)/5))
			t.line(pad("", 14), pad(Clean(f.Title), 20), t.style(scoreStyle(f.Score), strings.Repeat("█", bar)), strings.Repeat("░", 20-bar),
				fmt.Sprintf(" %3d", f.Score), "   ", plural(f.Findings, "finding", "findings"))
		}
	}
	counted := d.severities()
	var bySeverity []string
	for _, sev := range severities() {
		if n := counted[sev]; n > 0 {
			bySeverity = append(bySeverity, group(int64(n))+" "+string(sev))
		}
	}
	if len(bySeverity) == 0 {
		bySeverity = []string{"none"}
	}
	t.wrap("Findings", bySeverity, ", ")
	if c := d.in.Changes; c != nil && !c.First {
		t.wrap("Since before", []string{
			group(int64(c.Added)) + " added", group(int64(c.Changed)) + " changed", group(int64(c.Removed)) + " removed",
			plural(c.NewFindings, "new finding", "new findings"), group(int64(c.ResolvedFindings)) + " resolved",
		}, ", ")
	}
	if d.in.Baseline != nil {
		t.wrap("Baseline", []string{plural(d.newCount(), "new finding", "new findings"), group(int64(d.resolved)) + " resolved"}, ", ")
	}
	if len(d.in.Duplicates) > 0 {
		t.wrap("Duplicates", d.duplicateKinds(), ", ")
	}
	if len(d.in.MetricConflicts) > 0 {
		t.wrap("Metrics", d.conflictKinds(), ", ")
	}
}

// instanceLine says what was read, when and with how many requests.
func instanceLine(d *document) string {
	s := d.in.Snapshot
	parts := []string{}
	if s.Instance.Version != "" {
		version := "Metabase " + s.Instance.Version
		if s.Instance.Edition != "" {
			version += " (" + s.Instance.Edition + ")"
		}
		parts = append(parts, version)
	} else if !strings.HasPrefix(s.Instance.URL, "export:") {
		parts = append(parts, "Metabase of unknown version")
	}
	parts = append(parts, "read "+s.FinishedAt.UTC().Format("2006-01-02 15:04 UTC"))
	if s.Requests.Total > 0 {
		parts = append(parts, plural(s.Requests.Total, "request", "requests"), bytesText(s.Requests.Bytes))
	}
	return strings.Join(parts, " · ")
}

func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// findings prints them by check, gravest first, until the limit of rows.
func (t *terminal) findings(d *document) {
	limit := d.in.Options.MaxFindings
	if limit <= 0 {
		limit = len(d.findings)
	}
	groups := d.groups()
	// Every check gets a fair share of the rows, at least three.
	share := len(d.findings)
	if len(d.findings) > limit && len(groups) > 0 {
		share = max(3, limit/len(groups))
	}
	const mark = 2
	kindWidth := 12
	viewsWidth := 9
	longest := minName
	for i := range d.findings {
		longest = max(longest, runewidth.StringWidth(Clean(d.name(d.findings[i].Asset))))
	}
	nameWidth := min(longest, (t.width-mark-kindWidth-viewsWidth-6)/2)
	messageWidth := max(10, t.width-mark-kindWidth-viewsWidth-6-nameWidth)
	if t.whole {
		messageWidth = wholeMessage
	}
	for _, g := range groups {
		t.line()
		head := clip(Clean(g.Info.Title), t.width-30)
		t.line(t.style(severityStyle(g.Severity)+";"+bold, strings.ToUpper(string(g.Severity))), " ", t.style(bold, head), " ",
			t.style(faint, g.Info.ID+" · "+g.sum()))
		rows := share
		if g.Whole.Aggregated {
			rows = min(share, aggregatedRows)
		}
		for i := range g.Findings {
			if i == rows {
				t.line("  ", t.style(faint, fmt.Sprintf("… and %s more", group(int64(len(g.Findings)-rows)))))
				break
			}
			f := &g.Findings[i]
			marker := "  "
			if d.isNew(f) {
				marker = t.style(green, "+ ")
			}
			views := ""
			if v := d.views(f.Asset); v != nil {
				views = group(*v)
			}
			t.line(marker, pad(string(f.Asset.Kind), kindWidth), "  ", padLeft(views, viewsWidth), "  ",
				pad(Clean(d.name(f.Asset)), nameWidth), "  ", t.style(faint, clip(Clean(f.Message), messageWidth)))
		}
	}
}

func padLeft(s string, width int) string {
	if gap := width - runewidth.StringWidth(s); gap > 0 {
		return strings.Repeat(" ", gap) + s
	}
	return s
}

// notes prints what the reader must know about the limits of the report.
func (t *terminal) notes(d *document) {
	const most = 8
	if partial, reasons := d.in.Snapshot.Partial(); partial {
		t.line()
		t.line(t.style(amber+";"+bold, "Partial scan"), ": not everything could be read")
		for i, r := range reasons {
			if i == most {
				t.line("  ", fmt.Sprintf("… and %d more reasons", len(reasons)-most))
				break
			}
			t.line("  ", clip(Clean(r), t.width-2))
		}
	}
	if reasons := d.notEvaluatedReasons(); len(reasons) > 0 {
		t.line()
		t.line(t.style(bold, "Not evaluated"), fmt.Sprintf(" (%s)", group(int64(len(d.in.NotEvaluated)))))
		for i, r := range reasons {
			if i == most {
				t.line("  ", fmt.Sprintf("… and %d more reasons", len(reasons)-most))
				break
			}
			t.line("  ", pad(r.Check.ID, 8), clip(Clean(r.what()+": "+r.why()), t.width-10))
		}
	}
}
