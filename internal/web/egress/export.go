package egress

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/web/page"
)

// ExportRows is how many rows one export of a log holds at most.
const ExportRows = 100_000

// Whole answers errs.Invalid (code export_too_large) when an export of some rows
// would leave out others of all: part of a log must not look like all of it.
func Whole(rows, total int) error {
	if total <= rows {
		return nil
	}
	return errs.New(errs.Invalid, "export_too_large", "These are "+strconv.Itoa(total)+" rows; one export holds "+strconv.Itoa(rows)+".",
		"Narrow the filters, for example by days, and export in parts.")
}

// CSV answers with rows for a spreadsheet. cells writes third-party text with
// report.SpreadsheetCell.
func CSV[T any](q *page.Request, name string, head []string, rows []T, cells func(T) []string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	lines := make([][]string, 1, len(rows)+1)
	lines[0] = head
	for _, r := range rows {
		lines = append(lines, cells(r))
	}
	if err := w.WriteAll(lines); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return q.Download(name, "text/csv; charset=utf-8", b.Bytes())
}

// JSONL answers with rows as one JSON object per line.
func JSONL[T, L any](q *page.Request, name string, rows []T, line func(T) L) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, r := range rows {
		if err := e.Encode(line(r)); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
	}
	return q.Download(name, "application/x-ndjson", b.Bytes())
}
