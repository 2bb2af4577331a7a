// Package app is the composition root: it ties configuration, store, keys,
// services, jobs and pages together, and holds the commands that the program
// offers. It is the only package that knows all others.
//
// Every command takes an [Env], so that tests run the real program in-process.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/report"
)

// Version is the program's version; release builds set it when linking.
var Version = "dev"

// toolName is how reports name the program.
const toolName = "metalens"

// Env is the outside world of a command.
type Env struct {
	Stdin     io.Reader
	Stdout    io.Writer // data only
	Stderr    io.Writer // everything else
	Environ   []string  // as os.Environ
	StdoutTTY bool
	StderrTTY bool
	Width     int // columns of the terminal; 0 = not known

	Now func() time.Time
	// Pause waits between attempts at a Metabase; nil = a timer. Tests shorten it.
	Pause func(ctx context.Context, d time.Duration) error
	// Serving is told the address once pages are answered; nil = nobody asks.
	Serving func(address string)
	// Reload asks a server to read its certificate again; nil = nobody asks.
	Reload <-chan struct{}
}

// Say prints a line for people.
func (e Env) Say(format string, args ...any) {
	_, _ = fmt.Fprintf(e.Stderr, format+"\n", args...)
}

// Variable returns a variable of the environment.
func (e Env) Variable(name string) string {
	for _, pair := range slices.Backward(e.Environ) {
		if text, ok := strings.CutPrefix(pair, name+"="); ok {
			return text
		}
	}
	return ""
}

// color reports whether a stream may be coloured (no-color.org).
func (e Env) color(tty bool) bool {
	return tty && e.Variable("NO_COLOR") == "" && e.Variable("TERM") != "dumb"
}

// logger writes to standard error as the settings say.
func (e Env) logger(c config.Log) *slog.Logger {
	log, _ := e.leveled(c)
	return log
}

// leveled is logger with the level, which may be changed while it is used.
func (e Env) leveled(c config.Log) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	var configured slog.Level
	if err := configured.UnmarshalText([]byte(c.Level)); err == nil {
		level.Set(configured)
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(e.Stderr, options)), level
	}
	return slog.New(slog.NewTextHandler(e.Stderr, options)), level
}

// Exit codes of the program.
const (
	ExitOK          = 0
	ExitFindings    = 1 // findings at or above --fail-on
	ExitUsage       = 2 // usage or configuration
	ExitMetabase    = 3 // Metabase unreachable, refused or not a Metabase
	ExitInternal    = 4
	ExitInterrupted = 130 // by Ctrl-C or SIGTERM
)

// FindingsError says that findings reached the severity of --fail-on.
type FindingsError struct {
	Count    int
	Severity string
	New      bool // counted against a baseline
}

// Error implements error.
func (e *FindingsError) Error() string {
	what, verb := "findings", "are"
	if e.Count == 1 {
		what, verb = "finding", "is"
	}
	if e.New {
		what = "new " + what
	}
	return fmt.Sprintf("%d %s %s %s or graver", e.Count, what, verb, e.Severity)
}

// ExitCode translates an error once, at the edge.
func ExitCode(err error) int {
	var found *FindingsError
	if asFindings(err, &found) {
		return ExitFindings
	}
	switch errs.KindOf(err) {
	case "":
		return ExitOK
	case errs.Canceled:
		return ExitInterrupted
	case errs.Invalid, errs.NotFound, errs.Conflict:
		if fromMetabase(errs.CodeOf(err)) {
			return ExitMetabase
		}
		return ExitUsage
	case errs.Unavailable, errs.Unauthorized, errs.Forbidden, errs.Limited:
		return ExitMetabase
	}
	return ExitInternal
}

// fromMetabase lists the reader's codes whose kind alone would read as a
// mistake in the command.
func fromMetabase(code string) bool {
	return slices.Contains([]string{
		"unreachable", "tls_untrusted", "tls_too_old", "plain_http", "address_blocked", "not_a_metabase", "unauthorized", "forbidden",
		"too_large", "truncated", "redirected", "timeout", "rate_limited", "server_error", "starting",
	}, code)
}

// Explain prints an error for people: what happened, why, what to do next.
// Internal details are shown only when the log level is debug.
func (e Env) Explain(err error, debug bool) {
	var found *FindingsError
	if asFindings(err, &found) {
		e.Say("metalens: %s", found.Error())
		return
	}
	var sick *DoctorError
	if errors.As(err, &sick) {
		return // everything was said already
	}
	text, hint := errs.PublicText(err)
	if errs.KindOf(err) == errs.Internal {
		hint = "Run the command again with --log-level debug to see the detail; metalens doctor looks for the usual causes."
	}
	e.Say("metalens: %s", report.Clean(text))
	if hint != "" {
		e.Say("  %s", report.Clean(hint))
	}
	if debug {
		e.Say("  detail: %s", report.Clean(err.Error()))
	}
}

func asFindings(err error, to **FindingsError) bool { return errors.As(err, to) }
