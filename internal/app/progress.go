package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/store"
)

// States of a step that a display tells apart from "waiting" and "running".
const (
	stepRunning = "running"
	stepDone    = "done"
	stepSkipped = "skipped"
	stepPartial = "partial"
	stepFailed  = "failed"
)

func ended(state string) bool {
	return state == stepDone || state == stepSkipped || state == stepPartial || state == stepFailed
}

// display shows the progress of a scan.
type display interface {
	update(store.ScanProgress)
	close()
}

// ProgressMode says how progress is shown.
type ProgressMode int

// The modes.
const (
	ProgressAuto  ProgressMode = iota // bars on a terminal, lines otherwise
	ProgressLines                     // lines even on a terminal
	ProgressNone
)

func (e Env) display(ctx context.Context, mode ProgressMode) display {
	switch {
	case mode == ProgressNone:
		return silent{}
	case mode == ProgressAuto && e.StderrTTY && e.Variable("TERM") != "dumb" && e.Variable("CI") == "":
		return newBars(ctx, e.Stderr)
	}
	return &lines{w: e.Stderr, now: e.Now, seen: map[string]string{}}
}

type silent struct{}

func (silent) update(store.ScanProgress) {}
func (silent) close()                    {}

// signOfLife is how long a running step may be silent.
const signOfLife = 5 * time.Second

// lines prints one line whenever a step has ended, and a sign of life while a
// long one runs.
type lines struct {
	mu   sync.Mutex
	w    io.Writer
	now  func() time.Time
	seen map[string]string // step → state last printed
	last time.Time
	told bool
}

func (l *lines) update(p store.ScanProgress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last.IsZero() {
		l.last = l.now()
	}
	if p.Resumed && !l.told {
		l.told = true
		l.print("Going on with a scan that was interrupted")
	}
	for _, s := range p.Steps {
		switch {
		case ended(s.State) && l.seen[s.Name] != s.State:
			l.print(endLine(s))
		case s.State == stepRunning && s.Done > 0 && l.now().Sub(l.last) >= signOfLife:
			text := fmt.Sprintf("%s: %d", report.Clean(s.Title), s.Done)
			if s.Total > 0 {
				text += fmt.Sprintf(" of %d", s.Total)
			}
			l.print(text)
		}
		l.seen[s.Name] = s.State
	}
}

func (l *lines) print(text string) {
	l.last = l.now()
	_, _ = fmt.Fprintln(l.w, text)
}

func (l *lines) close() {}

// endLine says how a step ended.
func endLine(s store.StepProgress) string {
	text := report.Clean(s.Title) + ": "
	switch s.State {
	case stepSkipped:
		text += "skipped"
	case stepFailed:
		text += "failed"
	case stepDone:
		text += "done"
		if s.Done > 0 {
			text = report.Clean(s.Title) + ": " + fmt.Sprint(s.Done)
		}
	default:
		text += fmt.Sprint(s.Done)
	}
	if s.State == stepPartial {
		text += ", partial"
	}
	if s.Note != "" {
		text += " (" + report.Clean(s.Note) + ")"
	}
	return text
}

// bars draws one bar per running step; finished steps stay as lines.
type bars struct {
	mu    sync.Mutex // update and close, one at a time
	box   *mpb.Progress
	steps map[string]*mpb.Bar

	// A bar's own goroutine asks for its label, and may be waited for under mu.
	labels sync.Mutex
	last   map[string]store.StepProgress
}

func newBars(ctx context.Context, w io.Writer) *bars {
	return &bars{
		box:   mpb.NewWithContext(ctx, mpb.WithOutput(w), mpb.WithWidth(30), mpb.WithRefreshRate(120*time.Millisecond)),
		steps: map[string]*mpb.Bar{}, last: map[string]store.StepProgress{},
	}
}

const titleWidth = 34

func (b *bars) update(p store.ScanProgress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, s := range p.Steps {
		b.labels.Lock()
		b.last[s.Name] = s
		b.labels.Unlock()
		known := b.steps[s.Name]
		switch {
		case known == nil && (s.State == stepRunning || ended(s.State) && s.State != stepSkipped):
			known = b.add(i, s)
		case known == nil:
			continue
		}
		if s.Total > 0 {
			known.SetTotal(int64(s.Total), false)
		}
		known.SetCurrent(int64(s.Done))
		if ended(s.State) && known.IsRunning() {
			known.SetTotal(-1, true)
		}
	}
}

func (b *bars) add(priority int, s store.StepProgress) *mpb.Bar {
	name := s.Name
	title := []rune(report.Clean(s.Title))
	if len(title) > titleWidth {
		title = append(title[:titleWidth-1], '…')
	}
	text := string(title) + strings.Repeat(" ", titleWidth-len(title))
	bar := b.box.New(0, mpb.BarStyle().Lbound("").Rbound("").Filler("█").Tip("█").Padding("░"),
		mpb.BarPriority(priority),
		mpb.PrependDecorators(decor.Name(text)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + b.label(name) })),
		mpb.BarFillerClearOnComplete(),
	)
	b.steps[name] = bar
	return bar
}

// label is what stands behind a bar.
func (b *bars) label(name string) string {
	b.labels.Lock()
	s := b.last[name]
	b.labels.Unlock()
	text := fmt.Sprint(s.Done)
	switch {
	case ended(s.State):
		if s.State == stepPartial || s.State == stepFailed {
			text += " " + s.State
		}
		if s.Note != "" {
			text += " (" + report.Clean(s.Note) + ")"
		}
	case s.Total > 0:
		text += fmt.Sprintf(" of %d", s.Total)
		if s.ETASeconds > 1 {
			text += ", " + (time.Duration(s.ETASeconds) * time.Second).String() + " left"
		}
	}
	return text
}

func (b *bars) close() {
	b.mu.Lock()
	for _, bar := range b.steps {
		if bar.IsRunning() {
			bar.Abort(false)
		}
	}
	b.mu.Unlock()
	b.box.Wait()
}
