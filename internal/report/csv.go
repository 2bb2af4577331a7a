package report

import (
	"bufio"
	"encoding/csv"
	"strconv"
	"strings"
	"time"
)

// writeCSV writes the findings, one a row, safe to open in a spreadsheet.
func writeCSV(w *bufio.Writer, d *document) error {
	out := csv.NewWriter(w)
	header := []string{
		"severity", "confidence", "check", "check_title", "family", "asset_kind", "asset_id", "asset_name",
		"collection_path", "url", "views", "last_used_at", "message", "remediation", "fingerprint",
	}
	if d.in.Baseline != nil {
		header = append(header, "new")
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for i := range d.findings {
		f := &d.findings[i]
		info := d.checkInfo(f.Check)
		usage := d.in.Snapshot.Usage[f.Asset]
		views, lastUsed := "", ""
		if usage.Views != nil {
			views = strconv.FormatInt(*usage.Views, 10)
		}
		if usage.LastUsedAt != nil {
			lastUsed = usage.LastUsedAt.UTC().Format(time.RFC3339)
		}
		row := []string{
			string(f.Severity), string(f.Confidence), f.Check, info.Title, info.Family, string(f.Asset.Kind), f.Asset.ID, d.name(f.Asset),
			d.path(f.Asset), d.index.URL(f.Asset), views, lastUsed, f.Message, f.Remediation, f.Fingerprint,
		}
		if d.in.Baseline != nil {
			row = append(row, strconv.FormatBool(d.isNew(f)))
		}
		for i := range row {
			row[i] = cell(row[i])
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// cell makes a text harmless for spreadsheets: whatever one of them could take
// for a formula is prefixed with an apostrophe.
func cell(s string) string {
	s = Clean(s)
	trimmed := strings.TrimLeft(s, " \u00a0\u3000'\"")
	if trimmed == "" {
		return s
	}
	switch first := []rune(trimmed)[0]; first {
	case '=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠':
		return "'" + s
	}
	return s
}
