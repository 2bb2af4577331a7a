package connections

import (
	"strings"
	"time"

	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

type listView struct {
	Rows  []listRow
	Admin bool
	Now   time.Time

	Egress string // the addresses that MetaLens comes from; empty = not fixed
}

type listRow struct {
	ID         string
	Name       string
	URL        string
	Schedule   string
	Next       time.Time
	Scan       *store.Scan
	Exceptions []string
}

type deleteView struct {
	ID, Name, Problem string
}

func (v FormView) action() string {
	if v.ID != "" {
		return "/connections/" + string(v.ID)
	}
	if v.Setup {
		return "/setup/connection"
	}
	return "/connections"
}

func (v FormView) advancedOpen() bool {
	for _, f := range []string{"excluded", "concurrency", "schedule", "quiet_hours", "ca", "proxy", "headers"} {
		if v.Errors[f] != "" {
			return true
		}
	}
	if v.Report != nil {
		for _, p := range v.Report.Problems {
			if p.Exception == ExceptionCustomCA {
				return true
			}
		}
	}
	return v.ID != ""
}

func versionWords(r Report) string {
	words := "version not told"
	if r.Version != "" {
		words = ui.Clean(r.Version)
	}
	if r.Edition != "" {
		words += ", " + ui.Clean(r.Edition)
	}
	return words
}

func seesWords(r Report) string {
	parts := make([]string, len(r.Sees))
	for i, f := range r.Sees {
		parts[i] = ui.Number(f.Count) + " " + ui.Clean(f.What)
	}
	return strings.Join(parts, ", ")
}

// scheduleWords writes a schedule for people.
func scheduleWords(s string) string {
	switch {
	case s == "":
		return "Only by hand"
	case strings.HasPrefix(s, "daily "):
		return "Every day at " + strings.TrimPrefix(s, "daily ") + " UTC"
	case strings.HasPrefix(s, "weekly "):
		day, at, _ := strings.Cut(strings.TrimPrefix(s, "weekly "), " ")
		names := map[string]string{"mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday"}
		if name := names[day]; name != "" {
			day = name
		}
		return "Every " + day + " at " + at + " UTC"
	}
	return "Cron " + s + " (UTC)"
}

// exceptions lists the departures from the safe default that were accepted.
func exceptions(o store.ConnectionOptions) []string {
	var list []string
	if o.AllowPlainHTTP {
		list = append(list, "plain HTTP")
	}
	if o.MinTLS12 {
		list = append(list, "TLS 1.2")
	}
	if o.CACertificates != "" {
		list = append(list, "own certificate authority")
	}
	return list
}

// scanState is the word of a scan's state.
func scanState(s store.Scan) string {
	if s.State == store.ScanSucceeded && s.Summary.Partial {
		return "partial"
	}
	return string(s.State)
}

func scanWord(state string) string {
	switch state {
	case "succeeded":
		return "Complete"
	case "partial":
		return "Partial"
	case "":
		return ""
	}
	return strings.ToUpper(state[:1]) + state[1:]
}
