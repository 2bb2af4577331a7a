package duplicates

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"time"

	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/web/ui"
)

// Format is a file format of the exports.
type Format string

// The formats.
const (
	CSV      Format = "csv"
	Markdown Format = "markdown"
)

func (f Format) ext() string {
	if f == CSV {
		return ".csv"
	}
	return ".md"
}

func (f Format) media() string {
	if f == CSV {
		return "text/csv; charset=utf-8"
	}
	return "text/markdown; charset=utf-8"
}

func write(content *Content, list []*cluster, f Format, connection string) []byte {
	var b bytes.Buffer
	if f == CSV {
		writeCSV(&b, content, list)
	} else {
		writeMarkdown(&b, content, list, connection)
	}
	return b.Bytes()
}

var columns = []string{
	"cluster", "kind", "score", "keep", "reason", "asset_kind", "asset_id", "asset_name", "collection_path", "url",
	"views", "last_used_at", "verified", "official", "created_at", "owner", "dashboards", "dependents",
}

// writeCSV writes the members, one a row, safe to open in a spreadsheet.
func writeCSV(b *bytes.Buffer, content *Content, list []*cluster) {
	out := csv.NewWriter(b)
	_ = out.Write(columns) // a buffer takes everything
	for _, c := range list {
		for _, m := range membersOf(content, c) {
			views := ""
			if m.Views != nil {
				views = strconv.FormatInt(*m.Views, 10)
			}
			reason := ""
			if m.Keep {
				reason = c.Reason
			}
			row := []string{
				c.ID, string(c.Kind), strconv.FormatFloat(c.Score, 'f', 3, 64), strconv.FormatBool(m.Keep), reason, string(m.Ref.Kind), m.Ref.ID, m.Name, m.Path, m.External,
				views, stamp(m.Used), strconv.FormatBool(m.Verified), strconv.FormatBool(m.Official), moment(m.Created), m.Owner, strconv.Itoa(len(m.Dashboards)), strconv.Itoa(m.Dependents),
			}
			for i := range row {
				row[i] = report.SpreadsheetCell(row[i])
			}
			_ = out.Write(row)
		}
	}
	out.Flush()
}

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return moment(*t)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// writeMarkdown writes the clusters for a ticket or a wiki page.
func writeMarkdown(b *bytes.Buffer, content *Content, list []*cluster, connection string) {
	fmt.Fprintf(b, "# Duplicates: %s\n\n%s.\n\n", report.MarkdownText(connection), ui.Count(len(list), "group", "groups"))
	for _, c := range list {
		fmt.Fprintf(b, "## %s (%s, %s)\n\n", report.MarkdownText(ui.Name(c.Title)), c.Label(), c.Size())
		members := membersOf(content, c)
		repoint := 0
		for _, m := range members {
			if m.Keep {
				fmt.Fprintf(b, "Keep %s: %s.\n\n", report.MarkdownLink(ui.Name(m.Name), m.External), report.MarkdownText(c.Reason))
			} else {
				repoint += len(m.Dashboards)
			}
		}
		b.WriteString("| | Name | Where | Views | Last used | Trust | Dependents |\n| --- | --- | --- | ---: | --- | --- | ---: |\n")
		for _, m := range members {
			keep := "archive"
			if m.Keep {
				keep = "**keep**"
			}
			views, used := "not known", "not known"
			if m.Views != nil {
				views = ui.Number(*m.Views)
			}
			if m.Used != nil {
				used = ui.Day(*m.Used)
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", keep, report.MarkdownLink(ui.Name(m.Name), m.External), report.MarkdownText(m.Path), views, used, m.trust(), ui.Number(m.Dependents))
		}
		b.WriteString("\n")
		if repoint == 0 {
			continue
		}
		b.WriteString("Dashboards to re-point:\n\n")
		for _, d := range repointOf(content, c) {
			fmt.Fprintf(b, "- %s: shows %s\n", report.MarkdownLink(ui.Name(d.Name), d.External), report.MarkdownText(d.shows()))
		}
		b.WriteString("\n")
	}
}
