// Package operator is what whoever runs an installation sees and sets: sizes,
// counts and states, never content; the log level; and switches that stop a kind
// of outbound traffic at once.
package operator

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
)

const controlsName = "controls"

// refresh is how often a process looks for controls that another one set.
const refresh = 5 * time.Second

// Stop is a kind of outbound traffic that was stopped.
type Stop struct {
	Purpose ledger.Purpose `json:"purpose"`
	At      time.Time      `json:"at"`
	By      store.UserID   `json:"by"`
	Why     string         `json:"why"`
}

// Controls are what operators set while the installation runs. They hold for
// every process on the database.
type Controls struct {
	LogLevel string `json:"log_level,omitempty"` // empty = as configured
	Stopped  []Stop `json:"stopped,omitempty"`
}

// Purposes lists the traffic that can be stopped.
func Purposes() []ledger.Purpose { return ledger.Purposes() }

// Live is the controls as this process knows them. The zero value stops
// nothing; it is safe for concurrent use.
type Live struct {
	controls   atomic.Pointer[Controls]
	level      *slog.LevelVar
	configured slog.Level
}

// NewLive returns controls that set a logger's level. level may be nil.
func NewLive(level *slog.LevelVar) *Live {
	l := &Live{level: level}
	if level != nil {
		l.configured = level.Level()
	}
	return l
}

// Controls returns what holds now.
func (l *Live) Controls() Controls {
	if c := l.controls.Load(); c != nil {
		return *c
	}
	return Controls{}
}

// Stopped reports whether traffic of a purpose is stopped. The dialer asks it
// before each exchange.
func (l *Live) Stopped(p ledger.Purpose) bool {
	c := l.controls.Load()
	return c != nil && slices.ContainsFunc(c.Stopped, func(s Stop) bool { return s.Purpose == p })
}

// Apply lets controls hold in this process.
func (l *Live) Apply(c Controls) {
	l.controls.Store(&c)
	if l.level == nil {
		return
	}
	level := l.configured
	if c.LogLevel != "" {
		if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
			level = l.configured
		}
	}
	l.level.Set(level)
}

// Load reads the controls from the store and applies them. Before anything is
// sent, a process loads them once; without them it does not start.
func (l *Live) Load(ctx context.Context, s *store.Store) error {
	var c Controls
	err := s.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		_, err := tx.SystemSetting(ctx, controlsName, &c)
		return err
	})
	if err == nil {
		l.Apply(c)
	}
	return err
}

// Follow loads the controls again and again until ctx ends.
func (l *Live) Follow(ctx context.Context, s *store.Store, log *slog.Logger) {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := l.Load(ctx, s)
		if err != nil && !failing && ctx.Err() == nil {
			log.WarnContext(ctx, "the operator's controls cannot be read; the last known ones hold", "error", err)
		}
		failing = err != nil
	}
}

// SetLogLevel changes the level of every process; empty goes back to the
// configured one. An unknown level is errs.Invalid.
func (s *Service) SetLogLevel(ctx context.Context, by store.UserID, level string) error {
	if level != "" && !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
		return errs.New(errs.Invalid, "log_level", "There is no such log level.", "Choose debug, info, warn or error.")
	}
	return s.change(ctx, by, "log_level_set", map[string]string{"level": level}, func(c *Controls) error {
		c.LogLevel = level
		return nil
	})
}

// StopTraffic stops outbound traffic of a purpose, for every process, until
// [Service.AllowTraffic]. What is under way is not cut off.
func (s *Service) StopTraffic(ctx context.Context, by store.UserID, p ledger.Purpose, why string) error {
	if !slices.Contains(Purposes(), p) {
		return errs.New(errs.Invalid, "purpose", "There is no such outbound traffic.", "Choose one of the list.")
	}
	if why == "" || len(why) > 500 {
		return errs.New(errs.Invalid, "why", "Say in a few words why, for those who look at the audit log later.", "At most 500 characters.")
	}
	return s.change(ctx, by, "traffic_stopped", map[string]string{"purpose": string(p), "why": why}, func(c *Controls) error {
		if slices.ContainsFunc(c.Stopped, func(x Stop) bool { return x.Purpose == p }) {
			return errs.New(errs.Conflict, "stopped_already", "This traffic is stopped already.", "")
		}
		c.Stopped = append(c.Stopped, Stop{Purpose: p, At: s.cfg.Now().UTC(), By: by, Why: why})
		return nil
	})
}

// AllowTraffic lets traffic of a purpose out again.
func (s *Service) AllowTraffic(ctx context.Context, by store.UserID, p ledger.Purpose) error {
	return s.change(ctx, by, "traffic_allowed", map[string]string{"purpose": string(p)}, func(c *Controls) error {
		before := len(c.Stopped)
		c.Stopped = slices.DeleteFunc(c.Stopped, func(x Stop) bool { return x.Purpose == p })
		if len(c.Stopped) == before {
			return errs.New(errs.Conflict, "not_stopped", "This traffic is not stopped.", "")
		}
		return nil
	})
}

// change stores changed controls with their audit row and lets them hold here at
// once.
func (s *Service) change(ctx context.Context, by store.UserID, action string, detail map[string]string, f func(*Controls) error) error {
	var c Controls
	err := s.cfg.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		if _, err := tx.SystemSetting(ctx, controlsName, &c); err != nil {
			return err
		}
		if err := f(&c); err != nil {
			return err
		}
		if err := tx.SetSystemSetting(ctx, controlsName, c); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, action, "", detail)
	})
	if err != nil {
		return err
	}
	s.cfg.Live.Apply(c)
	return nil
}
