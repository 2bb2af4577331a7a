package scans

import (
	"testing"
	"time"

	"github.com/metalens/metalens/internal/store"
)

func TestProgress(t *testing.T) {
	start := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	s := store.Scan{
		State: store.ScanRunning, StartedAt: start,
		Progress: store.ScanProgress{Steps: []store.StepProgress{
			{Name: "a", Title: "A", State: "done", Done: 5},
			{Name: "b", Title: "B", State: "running", Done: 50, Total: 100},
			{Name: "c", Title: "C", State: "waiting"},
			{Name: "d", Title: "D", State: "skipped", Note: "not on this server"},
		}},
	}
	m := newMeter()
	p := progressOf(s, start.Add(10*time.Second), m)
	if p.Percent != 62 || p.Times() != "10 s · about 6 s left" || p.Steps[1].Rate != "" || p.Steps[1].Counts() != "50 of 100" {
		t.Errorf("%+v: %s", p, p.Times())
	}
	s.Progress.Steps[1].Done = 90
	s.Progress.Steps[1].ETASeconds, s.Progress.ETASeconds, s.Progress.Requests = 2, 7, 31
	p = progressOf(s, start.Add(12*time.Second), m)
	if p.Steps[1].Rate != "20 per second, 2 s left" || p.Times() != "12 s · about 7 s left · 31 requests" {
		t.Errorf("%+v: %s", p.Steps[1], p.Times())
	}
	s.CancelRequested = true
	if p = ProgressOf(s, start.Add(13*time.Second)); p.Title() != "Stopping" || p.Times() != "13 s · 31 requests" {
		t.Errorf("%s: %s", p.Title(), p.Times())
	}
	s.State, s.FinishedAt = store.ScanFailed, start.Add(20*time.Second)
	if p = ProgressOf(s, start.Add(time.Hour)); p.Live || p.Elapsed != "20 s" || p.Steps[1].State != "skipped" || p.Steps[0].State != "done" {
		t.Errorf("%+v", p)
	}
	s.State, s.Summary.Partial = store.ScanSucceeded, true
	if p = ProgressOf(s, start.Add(time.Hour)); p.State != "partial" || !p.Finished() {
		t.Errorf("%+v", p)
	}
	if p = ProgressOf(store.Scan{State: store.ScanQueued}, start); p.Percent != -1 || p.Title() != "Waiting to start" || p.Times() != "" {
		t.Errorf("%+v", p)
	}
}
