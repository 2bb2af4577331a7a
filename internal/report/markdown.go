package report

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// Limits of the Markdown report: it goes into pull requests and wikis.
const (
	markdownPerCheck = 10
	markdownChecks   = 20
	markdownReasons  = 20
)

// page prints Markdown; the first error sticks.
type page struct {
	w   *bufio.Writer
	err error
}

func (p *page) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// writeMarkdown writes a summary that fits a pull request or a wiki page.
func writeMarkdown(w *bufio.Writer, d *document) error {
	p := &page{w: w}
	s := d.in.Snapshot
	title := s.Instance.URL
	if d.in.Connection != "" {
		title = d.in.Connection
	}
	p.f("# Metabase report: %s\n\n", md(title))
	p.f("%s", md(instanceLine(d)))
	if title != s.Instance.URL {
		p.f(" · %s", md(s.Instance.URL))
	}
	p.f("\n\n")
	p.partial(d)
	p.health(d)
	p.inventory(d)
	p.findings(d)
	p.duplicates(d)
	p.conflicts(d)
	p.notEvaluated(d)
	p.f("---\n%s %s\n", md(d.in.Tool.Name), md(d.in.Tool.Version))
	return p.err
}

func (p *page) partial(d *document) {
	partial, reasons := d.in.Snapshot.Partial()
	if !partial {
		return
	}
	p.f("> **Partial scan**: not everything could be read.\n")
	for i, r := range reasons {
		if i == markdownReasons {
			p.f("> - … and %d more reasons\n", len(reasons)-i)
			break
		}
		p.f("> - %s\n", md(r))
	}
	p.f("\n")
}

func (p *page) health(d *document) {
	families := d.families()
	if len(families) > 0 {
		p.f("## Health: %d of 100\n\n| Family | Score | Findings | Judged |\n| --- | ---: | ---: | ---: |\n", d.in.Health.Score)
		for _, f := range families {
			p.f("| %s | %d | %s | %s |\n", md(f.Title), f.Score, group(int64(f.Findings)), plural(f.Assets, "asset", "assets"))
		}
		p.f("\n")
	}
	if c := d.in.Changes; c != nil && !c.First {
		p.f("Since the scan before: %s added, %s changed, %s removed; %s, %s resolved.\n\n", group(int64(c.Added)), group(int64(c.Changed)),
			group(int64(c.Removed)), plural(c.NewFindings, "new finding", "new findings"), group(int64(c.ResolvedFindings)))
	}
	if d.in.Baseline != nil {
		p.f("Against the baseline: **%s**, %s resolved.\n\n", plural(d.newCount(), "new finding", "new findings"), group(int64(d.resolved)))
	}
	if actions := d.actions(5); len(actions) > 0 {
		p.f("## What to do first\n\n")
		for i, a := range actions {
			p.f("%d. **%s** (%s, %s): %s\n", i+1, md(a.Info.Title), a.Info.ID, a.sum(), md(firstSentence(a.advice())))
		}
		p.f("\n")
	}
}

// advice is what to do about a group of findings.
func (g *checkGroup) advice() string {
	if g.Info.Remediation != "" {
		return g.Info.Remediation
	}
	return g.Findings[0].Remediation
}

func firstSentence(s string) string {
	s = Clean(s)
	if i := strings.Index(s, ". "); i > 0 {
		return s[:i+1]
	}
	return s
}

func (p *page) inventory(d *document) {
	p.f("## Inventory\n\n| Kind | Count |\n| --- | ---: |\n")
	for _, c := range d.inventory() {
		p.f("| %s | %s |\n", kindName(c.Kind, 2), group(int64(c.N)))
	}
	p.f("\n")
}

func (p *page) findings(d *document) {
	groups := d.groups()
	if len(groups) == 0 {
		p.f("## Findings\n\nNone.\n\n")
		return
	}
	p.f("## Findings (%s)\n\n", group(int64(len(d.findings))))
	for i, g := range groups {
		if i == markdownChecks {
			p.f("… and %d more checks with findings; the JSON and HTML reports list all.\n\n", len(groups)-i)
			break
		}
		p.f("### %s: %s (%s, %s)\n\n", severityWord(g), md(g.Info.Title), g.Info.ID, g.sum())
		rows := markdownPerCheck
		if g.Whole.Aggregated {
			rows = aggregatedRows
		}
		for j := range g.Findings {
			if j == rows {
				p.f("- … and %s more\n", group(int64(len(g.Findings)-j)))
				break
			}
			f := &g.Findings[j]
			mark := ""
			if d.isNew(f) {
				mark = "**new** "
			}
			p.f("- %s%s: %s\n", mark, d.link(f.Asset), md(f.Message))
		}
		p.f("\n")
	}
}

func severityWord(g checkGroup) string {
	s := string(g.Severity)
	return strings.ToUpper(s[:1]) + s[1:]
}

// link writes an asset's name, as a link where it has an address.
func (d *document) link(r catalog.Ref) string {
	return MarkdownLink(d.name(r), d.index.URL(r))
}

func (p *page) notEvaluated(d *document) {
	reasons := d.notEvaluatedReasons()
	if len(reasons) == 0 {
		return
	}
	p.f("## Not evaluated (%s)\n\n", group(int64(len(d.in.NotEvaluated))))
	for i, r := range reasons {
		if i == markdownReasons {
			p.f("- … and %d more reasons\n", len(reasons)-i)
			break
		}
		p.f("- %s %s, %s: %s\n", r.Check.ID, md(r.Check.Title), r.what(), md(r.why()))
	}
	p.f("\n")
}

// md escapes third-party text for one line of Markdown: nothing in it becomes
// markup, a link, a mention, an image or HTML.
func md(s string) string {
	s = Clean(s)
	var b strings.Builder
	for i, r := range s {
		switch r {
		case '\\', '`', '*', '_', '[', ']', '#', '|', '~', '$':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '@':
			b.WriteString("&#64;")
		case ':':
			bare(&b, strings.HasPrefix(s[i:], "://"), "&#58;", r)
		case '.':
			bare(&b, i >= 3 && strings.EqualFold(s[i-3:i], "www"), "&#46;", r)
		case '-', '+':
			bare(&b, i == 0, "\\"+string(r), r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// bare writes a character that code hosts would take for a bare address or a
// list item in another form where that is so.
func bare(b *strings.Builder, special bool, instead string, r rune) {
	if special {
		b.WriteString(instead)
		return
	}
	b.WriteRune(r)
}

// safeURL returns an address only if it is plain http or https and cannot break
// out of a Markdown link or an attribute.
func safeURL(address string) string {
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") || strings.ContainsAny(address, "<>\"' \\\n\r\t") {
		return ""
	}
	return Clean(address)
}
