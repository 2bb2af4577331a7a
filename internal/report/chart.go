package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
)

// chart is a horizontal bar chart with its text alternative.
type chart struct {
	ID, Title, Text, Head, Unit string
	Height                      int
	Bars                        []bar
}

type bar struct {
	Label, Value, Class string
	Y, TextY, Width     int
}

const (
	barStep = 26
	barFull = 280
)

// newChart lays bars out; full is the value of a bar of full length.
func newChart(id, title, head, unit string, full int, rows []bar, values []int) *chart {
	c := &chart{ID: id, Title: title, Head: head, Unit: unit, Height: len(rows) * barStep}
	var parts []string
	for i, r := range rows {
		r.Y, r.TextY = i*barStep+5, i*barStep+16
		if full > 0 {
			r.Width = values[i] * barFull / full
		}
		if values[i] > 0 && r.Width < 2 {
			r.Width = 2
		}
		r.Value = group(int64(values[i]))
		parts = append(parts, r.Label+": "+r.Value)
		c.Bars = append(c.Bars, r)
	}
	c.Text = strings.Join(parts, "; ") + "."
	return c
}

func (d *document) familyChart() *chart {
	var rows []bar
	var values []int
	worst := familyScore{}
	for i, f := range d.families() {
		class := "good"
		switch {
		case f.Score < 50:
			class = "bad"
		case f.Score < 80:
			class = "fair"
		}
		if i == 0 || f.Score < worst.Score {
			worst = f
		}
		rows = append(rows, bar{Label: Clean(f.Title), Class: class})
		values = append(values, f.Score)
	}
	if len(rows) == 0 {
		return nil
	}
	title := fmt.Sprintf("%s pulls the score down most, with %d of 100", Clean(worst.Title), worst.Score)
	if worst.Score == 100 {
		title = "No family of checks found anything"
	}
	return newChart("chart-families", title, "Family", "Score of 100", 100, rows, values)
}

func (d *document) severityChart() *chart {
	if len(d.findings) == 0 {
		return nil
	}
	counted := d.severities()
	var rows []bar
	var values []int
	most, grave := 0, counted["critical"]+counted["high"]
	for _, s := range severities() {
		rows = append(rows, bar{Label: string(s), Class: string(s)})
		values = append(values, counted[s])
		most = max(most, counted[s])
	}
	title := plural(grave, "finding is", "findings are") + " high or critical, of " + group(int64(len(d.findings)))
	return newChart("chart-severities", title, "Severity", "Findings", most, rows, values)
}

// useChart shows when live questions and dashboards were last used, where the
// server says so.
func (d *document) useChart() *chart {
	labels := []string{"in the last 30 days", "31 to 90 days ago", "91 to 365 days ago", "over a year ago", "not known"}
	classes := []string{"good", "good", "fair", "bad", "info"}
	values := make([]int, len(labels))
	known, total := 0, 0
	for _, a := range d.assets {
		kind := a.Ref().Kind
		if !kind.IsCard() && kind != catalog.KindDashboard || a.IsArchived() {
			continue
		}
		total++
		last := d.in.Snapshot.Usage[a.Ref()].LastUsedAt
		if last == nil {
			values[4]++
			continue
		}
		known++
		switch age := d.in.Snapshot.FinishedAt.Sub(*last); {
		case age <= 30*24*time.Hour:
			values[0]++
		case age <= 90*24*time.Hour:
			values[1]++
		case age <= 365*24*time.Hour:
			values[2]++
		default:
			values[3]++
		}
	}
	if known == 0 {
		return nil
	}
	most := 0
	rows := make([]bar, len(labels))
	for i := range labels {
		rows[i] = bar{Label: labels[i], Class: classes[i]}
		most = max(most, values[i])
	}
	title := fmt.Sprintf("%s of %s were used in the last 90 days", group(int64(values[0]+values[1])), plural(total, "question or dashboard", "questions and dashboards"))
	return newChart("chart-use", title, "Last used", "Questions and dashboards", most, rows, values)
}
