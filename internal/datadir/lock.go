package datadir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/metalens/metalens/internal/errs"
)

// Holder says who holds the lock.
type Holder struct {
	PID     int       `json:"pid"`
	Command string    `json:"command"` // "serve", "scan"
	Since   time.Time `json:"since"`
}

// Lock is the held lock of a data directory.
type Lock struct {
	file *flock.Flock
	note string
}

// LockOptions says who asks for the lock and how patiently.
type LockOptions struct {
	Command string
	Wait    time.Duration // how long to wait for another holder; 0 = not at all
	Now     func() time.Time
}

const lockRetry = 100 * time.Millisecond

// Lock takes the folder's lock. The operating system releases it when the
// process ends, however it ends. When another process holds it, the error says
// which (kind errs.Conflict, code data_dir_locked).
func (d *Dir) Lock(ctx context.Context, o LockOptions) (*Lock, error) {
	l := &Lock{file: flock.New(filepath.Join(d.path, "lock"), flock.SetPermissions(0o600)), note: filepath.Join(d.path, "lock.json")}
	locked, err := l.file.TryLock()
	if err == nil && !locked && o.Wait > 0 {
		waiting, cancel := context.WithTimeout(ctx, o.Wait)
		locked, err = l.file.TryLockContext(waiting, lockRetry)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if !locked {
		return nil, d.heldBy(l)
	}
	note, err := json.Marshal(Holder{PID: os.Getpid(), Command: o.Command, Since: o.Now().UTC()})
	if err == nil {
		err = os.WriteFile(l.note, note, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the lock's note: %w", err), l.file.Unlock())
	}
	return l, nil
}

// Unlock releases the lock.
func (l *Lock) Unlock() error {
	return errors.Join(os.Remove(l.note), l.file.Unlock())
}

// Holder tells who holds the lock; ok is false when nobody does.
func (d *Dir) Holder() (h Holder, ok bool, err error) {
	f := flock.New(filepath.Join(d.path, "lock"), flock.SetPermissions(0o600))
	free, err := f.TryRLock()
	if err != nil {
		return Holder{}, false, fmt.Errorf("look at the lock: %w", err)
	}
	if free {
		return Holder{}, false, f.Unlock()
	}
	return d.note(), true, nil
}

// note reads who wrote the note; a missing or broken note gives a zero Holder.
func (d *Dir) note() Holder {
	var h Holder
	b, err := os.ReadFile(filepath.Join(d.path, "lock.json"))
	if err != nil || json.Unmarshal(b, &h) != nil || !alive(h.PID) {
		return Holder{}
	}
	return h
}

func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

func (d *Dir) heldBy(*Lock) error {
	h := d.note()
	who := "another MetaLens process"
	if h.PID != 0 {
		who = fmt.Sprintf("\"metalens %s\" (process %d, since %s)", h.Command, h.PID, h.Since.Format("2006-01-02 15:04:05 MST"))
	}
	hint := "Wait until it has finished, or give this run a folder of its own with METALENS_DATA."
	if h.Command == "serve" {
		hint = "Start the scan in the running server's pages, stop the server first, wait for it with --wait, or scan with --stateless."
	}
	return errs.New(errs.Conflict, "data_dir_locked", fmt.Sprintf("The data folder %s is in use by %s.", d.path, who), hint)
}
