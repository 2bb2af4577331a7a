package impact

import (
	"bufio"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/report"
)

// writeCSV writes one affected asset a row; with several changes, one row per
// change and asset.
func writeCSV(w *bufio.Writer, r *Report) error {
	out := csv.NewWriter(w)
	header := []string{
		"breaks", "kind", "id", "name", "collection_path", "url", "views", "last_used_at", "recipients", "distance", "direct", "via",
		"confidence", "filters", "why", "path", "knock_on",
	}
	if r.Source != "" {
		header = append([]string{"change"}, header...)
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for i := range r.Changes {
		c := &r.Changes[i]
		if err := writeRows(out, r, c, c.Result.Affected, false); err != nil {
			return err
		}
		if err := writeRows(out, r, c, c.Result.KnockOn, true); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func writeRows(out *csv.Writer, r *Report, c *Impact, list []Affected, knockOn bool) error {
	for i := range list {
		a := &list[i]
		views, used, recipients := "", "", ""
		if a.Usage != nil && a.Usage.Views != nil {
			views = strconv.FormatInt(*a.Usage.Views, 10)
		}
		if a.Usage != nil && a.Usage.LastUsedAt != nil {
			used = a.Usage.LastUsedAt.UTC().Format(time.RFC3339)
		}
		if a.Recipients != nil {
			recipients = strconv.Itoa(*a.Recipients)
		}
		row := []string{
			string(a.Breaks), string(a.Asset.Kind), a.Asset.ID, a.Name, a.Collection, a.URL, views, used, recipients, strconv.Itoa(a.Distance),
			strconv.FormatBool(a.Direct), string(a.Via), string(a.Confidence), filterNames(a.Filters), a.Why, pathText(r.Index, a), strconv.FormatBool(knockOn),
		}
		if r.Source != "" {
			row = append([]string{c.Title}, row...)
		}
		for i := range row {
			row[i] = report.SpreadsheetCell(row[i])
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	return nil
}

func filterNames(list []Filter) string {
	names := make([]string, 0, len(list))
	for _, f := range list {
		names = append(names, f.Name)
	}
	return strings.Join(names, "; ")
}

// pathText writes the first way to an asset.
func pathText(x *catalog.Index, a *Affected) string {
	if len(a.Paths) == 0 {
		return ""
	}
	names := make([]string, 0, len(a.Paths[0]))
	for _, r := range a.Paths[0] {
		names = append(names, label(x, r))
	}
	return strings.Join(names, " > ")
}

// label names an asset with kind and id; tables and columns by their name alone.
func label(x *catalog.Index, r catalog.Ref) string {
	name := title(x, r)
	if r.Kind == catalog.KindColumn || r.Kind == catalog.KindTable {
		return name
	}
	if name == string(r.Kind)+" "+r.ID {
		return name
	}
	return string(r.Kind) + " " + r.ID + " " + name
}
