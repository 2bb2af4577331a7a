package scans

import (
	"strings"
	"time"

	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Progress is a scan while it runs and how it ended.
type Progress struct {
	State    string // queued, running, succeeded, partial, failed, cancelled
	Live     bool
	Percent  int // -1 when not known
	Elapsed  string
	ETA      string // empty when not known
	Requests string // "31 requests", while running; empty when not known
	Stopping bool   // cancel was asked
	Steps    []Step
	Error    string
	Code     string
}

// Finished reports whether a result can be looked at.
func (p Progress) Finished() bool { return p.State == "succeeded" || p.State == "partial" }

// Title says where the scan stands.
func (p Progress) Title() string {
	switch p.State {
	case "queued":
		return "Waiting to start"
	case "running":
		if p.Stopping {
			return "Stopping"
		}
		return "Reading"
	case "succeeded":
		return "Complete"
	case "partial":
		return "Complete, with gaps"
	case "cancelled":
		return "Cancelled"
	}
	return "Failed"
}

// Times says how long it has taken, how long it will, and how much was asked.
func (p Progress) Times() string {
	var parts []string
	if p.Elapsed != "" {
		parts = append(parts, p.Elapsed)
	}
	if p.ETA != "" && !p.Stopping {
		parts = append(parts, "about "+p.ETA+" left")
	}
	if p.Requests != "" {
		parts = append(parts, p.Requests)
	}
	return strings.Join(parts, " · ")
}

// Step is one step of a scan.
type Step struct {
	Title string
	State string
	Done  int
	Total int
	Rate  string // "120 per second, 4 s left", while running
	Note  string
}

// Counts says how much of the step is done.
func (s Step) Counts() string {
	switch {
	case s.State == "waiting" || (s.Done == 0 && s.Total == 0):
		return ""
	case s.Total > 0 && s.State == "running":
		return ui.Number(s.Done) + " of " + ui.Number(s.Total)
	}
	return ui.Number(s.Done)
}

// ProgressOf says where a scan stands.
func ProgressOf(s store.Scan, now time.Time) Progress { return progressOf(s, now, nil) }

func progressOf(s store.Scan, now time.Time, m *meter) Progress {
	p := Progress{State: stateOf(s), Stopping: s.CancelRequested, Percent: page.Percent(s.Progress), Error: s.ErrorText, Code: s.ErrorCode}
	p.Live = s.State == store.ScanQueued || s.State == store.ScanRunning
	switch {
	case p.Live && !s.StartedAt.IsZero():
		elapsed := now.Sub(s.StartedAt)
		p.Elapsed = ui.Duration(elapsed)
		// The scan's own estimate is best; ours, from the share of steps, would
		// only jump about before a tenth is done.
		switch {
		case s.Progress.ETASeconds > 0:
			p.ETA = ui.Duration(time.Duration(s.Progress.ETASeconds) * time.Second)
		case p.Percent >= 10 && p.Percent < 100:
			p.ETA = ui.Duration((elapsed * time.Duration(100-p.Percent) / time.Duration(p.Percent)).Round(time.Second))
		}
		if s.Progress.Requests > 0 {
			p.Requests = ui.Count(s.Progress.Requests, "request", "requests")
		}
	case !p.Live && !s.StartedAt.IsZero() && !s.FinishedAt.IsZero():
		p.Elapsed = ui.Duration(s.FinishedAt.Sub(s.StartedAt))
	}
	for _, st := range s.Progress.Steps {
		step := Step{Title: st.Title, State: st.State, Done: st.Done, Total: st.Total, Note: st.Note}
		if m != nil && st.State == "running" {
			step.Rate = m.rate(st.Name, st.Done, now)
		}
		if p.Live && st.State == "running" && st.ETASeconds > 0 {
			left := ui.Duration(time.Duration(st.ETASeconds)*time.Second) + " left"
			if step.Rate != "" {
				left = step.Rate + ", " + left
			}
			step.Rate = left
		}
		if !p.Live && (st.State == "running" || st.State == "waiting") {
			step.State = "skipped"
		}
		p.Steps = append(p.Steps, step)
	}
	return p
}

// stateOf is the scan's state, telling complete and partial results apart.
func stateOf(s store.Scan) string {
	if s.State == store.ScanSucceeded && s.Summary.Partial {
		return "partial"
	}
	return string(s.State)
}

// meter measures how fast steps go, from what one watcher has seen.
type meter struct {
	first map[string]sample
}

type sample struct {
	at   time.Time
	done int
}

func newMeter() *meter { return &meter{first: map[string]sample{}} }

func (m *meter) rate(step string, done int, now time.Time) string {
	f, ok := m.first[step]
	if !ok {
		m.first[step] = sample{now, done}
		return ""
	}
	seconds := now.Sub(f.at).Seconds()
	if seconds < 1 || done <= f.done {
		return ""
	}
	per := float64(done-f.done) / seconds
	if per >= 10 {
		per = float64(int(per))
	}
	return ui.Decimal(per) + " per second"
}
