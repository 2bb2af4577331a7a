package auth

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// ThrottledError says when to try again.
type ThrottledError struct{ RetryAfter time.Duration }

// Error implements error.
func (e *ThrottledError) Error() string { return "throttled for " + e.RetryAfter.String() }

const (
	throttleWindow   = 15 * time.Minute
	accountLimit     = 10 // failures on one account from browsers it does not know
	deviceLimit      = 10 // failures from a browser that logged in before
	addressLimit     = 30 // failures from one address, over all accounts
	setupLimit       = 10 // wrong setup tokens from one address
	passwordLimit    = 10 // wrong present passwords of a logged-in account
	maxThrottleKeys  = 20_000
	maxDevicesPerKey = 32
)

type throttleKey struct {
	class string
	text  string
}

type throttleKeys struct {
	keys   []throttleKey
	limits []int
	email  string
	device string
}

type attempts struct {
	count int
	since time.Time
}

// throttle counts failures per account and per address. A browser that has
// logged in to an account before carries a device cookie and has a counter of
// its own, so that somebody else's failures cannot lock the owner out.
type throttle struct {
	mu      sync.Mutex
	now     func() time.Time
	failed  map[throttleKey]attempts
	devices map[string][]string // e-mail → device tokens that logged in
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, failed: map[throttleKey]attempts{}, devices: map[string][]string{}}
}

func (t *throttle) keysForLogin(email, device string, addr netip.Addr) throttleKeys {
	k := throttleKeys{email: email, device: device}
	if t.knows(email, device) {
		k.add("device", email+"\x00"+device, deviceLimit)
		return k
	}
	k.add("account", email, accountLimit)
	k.add("address", network(addr), addressLimit)
	return k
}

func (t *throttle) keysForPassword(user store.UserID) throttleKeys {
	var k throttleKeys
	k.add("password", string(user), passwordLimit)
	return k
}

func keysForSetup(addr netip.Addr) throttleKeys {
	var k throttleKeys
	k.add("setup", network(addr), setupLimit)
	return k
}

func (k *throttleKeys) add(class, text string, limit int) {
	k.keys = append(k.keys, throttleKey{class, text})
	k.limits = append(k.limits, limit)
}

// network groups IPv6 addresses by /64: one host owns that many.
func network(addr netip.Addr) string {
	addr = addr.Unmap()
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

func (t *throttle) knows(email, device string) bool {
	if device == "" {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.devices[email] {
		if d == device {
			return true
		}
	}
	return false
}

// allow answers errs.Limited when a counter is full.
func (t *throttle) allow(k throttleKeys) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for i, key := range k.keys {
		a, ok := t.failed[key]
		if !ok || now.Sub(a.since) >= throttleWindow || a.count < k.limits[i] {
			continue
		}
		wait := throttleWindow - now.Sub(a.since)
		minutes := int((wait + time.Minute - 1) / time.Minute)
		unit := "minutes"
		if minutes == 1 {
			unit = "minute"
		}
		return errs.Wrap(&ThrottledError{RetryAfter: wait}, errs.Limited, "throttled",
			"Too many failed attempts.", fmt.Sprintf("Wait %d %s and try again. A browser that has logged in before is counted on its own.", minutes, unit))
	}
	return nil
}

func (t *throttle) fail(k throttleKeys) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if len(t.failed) >= maxThrottleKeys {
		t.prune(now)
	}
	for _, key := range k.keys {
		a := t.failed[key]
		if a.count == 0 || now.Sub(a.since) >= throttleWindow {
			a = attempts{since: now}
		}
		a.count++
		t.failed[key] = a
	}
}

// succeed clears the counters of the account, never those of the address: a
// guesser must not reset them by logging in to an account of his own.
func (t *throttle) succeed(k throttleKeys) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range k.keys {
		if key.class != "address" {
			delete(t.failed, key)
		}
	}
}

// remember notes a browser that logged in.
func (t *throttle) remember(email, device string) {
	if device == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.devices[email]
	for _, d := range list {
		if d == device {
			return
		}
	}
	if len(list) >= maxDevicesPerKey {
		list = list[1:]
	}
	t.devices[email] = append(list, device)
}

// prune drops what has expired and, if that is not enough, everything: memory
// stays bounded under a flood of invented addresses.
func (t *throttle) prune(now time.Time) {
	for key, a := range t.failed {
		if now.Sub(a.since) >= throttleWindow {
			delete(t.failed, key)
		}
	}
	if len(t.failed) >= maxThrottleKeys {
		clear(t.failed)
	}
}
