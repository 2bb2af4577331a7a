package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/metalens/metalens/internal/errs"
)

const (
	conflictPause = 15 * time.Second
	conflictLimit = time.Hour
)

// classError is what the queue may store of an error: class and code, never a
// text that could name content.
type classError struct{ text string }

// Error implements error.
func (e classError) Error() string { return e.text }

func class(err error) string { return string(errs.KindOf(err)) + "/" + errs.CodeOf(err) }

// verdict turns an attempt's error into what the queue does next. cause is why
// the attempt's context ended, nil when it did not.
func verdict(err, cause error, age time.Duration) error {
	if err == nil {
		return nil
	}
	stored := classError{class(err)}
	switch {
	case errors.Is(cause, errCancelled):
		return river.JobCancel(classError{class(errCancelled)})
	case cause != nil && !errors.Is(cause, context.DeadlineExceeded):
		// The runner is shutting down: whoever starts next goes on.
		return river.JobSnooze(0)
	}
	switch errs.KindOf(err) {
	case errs.Canceled, errs.Invalid, errs.Unauthorized, errs.Forbidden, errs.NotFound:
		return river.JobCancel(stored)
	case errs.Conflict:
		if age < conflictLimit {
			return river.JobSnooze(conflictPause)
		}
		return river.JobCancel(stored)
	default: // internal, unavailable, limited
		return stored
	}
}

// backOff waits 30 s after the first failure, twice as long after each further
// one, at most half an hour.
type backOff struct{ now func() time.Time }

const (
	firstPause   = 30 * time.Second
	longestPause = 30 * time.Minute
)

// NextRetry implements [river.ClientRetryPolicy].
func (b backOff) NextRetry(job *rivertype.JobRow) time.Time {
	pause := firstPause
	for range len(job.Errors) { // snoozes leave no error
		pause = min(2*pause, longestPause)
	}
	return b.now().Add(pause)
}

// never is the schedule of what is switched off.
type never struct{}

// Next implements [river.PeriodicSchedule].
func (never) Next(now time.Time) time.Time { return now.AddDate(100, 0, 0) }

// quiet passes warnings and errors only: the queue's routine is of no interest.
type quiet struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// WithAttrs implements [slog.Handler].
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements [slog.Handler].
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
