package scans

import (
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

// Step is one step of a scan.
type Step struct {
	Title string
	State string
	Done  int
	Total int
	Rate  string // "120 per second", while running
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
		// An estimate before a tenth is done would only jump about.
		if p.Percent >= 10 && p.Percent < 100 {
			p.ETA = ui.Duration((elapsed * time.Duration(100-p.Percent) / time.Duration(p.Percent)).Round(time.Second))
		}
	case !p.Live && !s.StartedAt.IsZero() && !s.FinishedAt.IsZero():
		p.Elapsed = ui.Duration(s.FinishedAt.Sub(s.StartedAt))
	}
	for _, st := range s.Progress.Steps {
		step := Step{Title: st.Title, State: st.State, Done: st.Done, Total: st.Total, Note: st.Note}
		if m != nil && st.State == "running" {
			step.Rate = m.rate(st.Name, st.Done, now)
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
