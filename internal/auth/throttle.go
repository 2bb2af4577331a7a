package auth

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// ThrottledError says when to try again.
type ThrottledError struct{ RetryAfter time.Duration }

// Error implements error.
func (e *ThrottledError) Error() string { return "throttled for " + e.RetryAfter.String() }

// Counters keeps how often something was tried, and which browsers an account
// knows, for every process that shares the store and over restarts. Keys are
// stored as keyed hashes only.
type Counters interface {
	// ThrottledUntil returns the end of the longest window of the limits that
	// are used up; zero when none is.
	ThrottledUntil(ctx context.Context, limits []store.ThrottleLimit, now time.Time) (time.Time, error)
	// CountTry counts a try under each key in one step, or nothing where a limit
	// is used up.
	CountTry(ctx context.Context, limits []store.ThrottleLimit, now time.Time) (until time.Time, err error)
	// SettleTry starts the counters of forget anew and takes one from those of refund.
	SettleTry(ctx context.Context, forget, refund []string) error
	// PruneThrottles forgets counters whose window has ended and bounds the rest.
	PruneThrottles(ctx context.Context, now time.Time) (int, error)
	// KnowsDevice reports whether a browser logged in to an account since a time.
	KnowsDevice(ctx context.Context, email, device string, since time.Time) (bool, error)
	// RememberDevice notes that a browser logged in to an account.
	RememberDevice(ctx context.Context, user store.UserID, email, device string, at time.Time) error
	// ForgetDevices forgets the browsers of an account.
	ForgetDevices(ctx context.Context, user store.UserID) error
}

const (
	throttleWindow = 15 * time.Minute
	dayWindow      = 24 * time.Hour
	accountLimit   = 10 // failures on one account from browsers it does not know
	deviceLimit    = 10 // failures from a browser that logged in before
	addressLimit   = 30 // failures from one address, over all accounts
	setupLimit     = 10 // wrong setup tokens from one address
	passwordLimit  = 10 // wrong present passwords of a logged-in account
	codeLimit      = 10 // wrong codes of one account
	codeDayLimit   = 50 // the same in a day: one in 6,000 guesses a code
	passkeyLimit   = 60 // passkey logins begun from one address
	signOnLimit    = 60 // logins by single sign-on begun from one address and not finished
	pruneEvery     = 64 // tries between two clean-ups by one process
)

// throttle counts failures per account and per address. A browser that has
// logged in to an account before carries a device cookie and has a counter of
// its own, so that somebody else's failures cannot lock the owner out.
type throttle struct {
	now      func() time.Time
	counters Counters
	tries    atomic.Int64
}

type throttleKeys struct {
	limits []store.ThrottleLimit
	keep   map[string]bool // not forgotten by a success, only refunded
}

func (k *throttleKeys) add(class, text string, limit int, window time.Duration) {
	k.limits = append(k.limits, store.ThrottleLimit{Key: class + "\x00" + text, Max: limit, Window: window})
}

// addShared adds a counter that others share: a guesser must not reset it by
// logging in to an account of his own.
func (k *throttleKeys) addShared(class, text string, limit int) {
	k.add(class, text, limit, throttleWindow)
	if k.keep == nil {
		k.keep = map[string]bool{}
	}
	k.keep[class+"\x00"+text] = true
}

func (t *throttle) keysForLogin(ctx context.Context, email, device string, addr netip.Addr) (throttleKeys, error) {
	var k throttleKeys
	known, err := t.knows(ctx, email, device)
	if err != nil {
		return k, err
	}
	if known {
		k.add("device", email+"\x00"+device, deviceLimit, throttleWindow)
		return k, nil
	}
	k.add("account", email, accountLimit, throttleWindow)
	k.addShared("address", network(addr), addressLimit)
	return k, nil
}

// keysForCode counts wrong codes of an authenticator app or for recovery. The
// password was right before: whoever guesses here knows it.
func (t *throttle) keysForCode(ctx context.Context, id Identity, device string) (throttleKeys, error) {
	var k throttleKeys
	known, err := t.knows(ctx, id.Email, device)
	if err != nil {
		return k, err
	}
	if known {
		k.add("code device", string(id.User)+"\x00"+device, codeLimit, throttleWindow)
		k.add("code device day", string(id.User)+"\x00"+device, codeDayLimit, dayWindow)
		return k, nil
	}
	k.add("code", string(id.User), codeLimit, throttleWindow)
	k.add("code day", string(id.User), codeDayLimit, dayWindow)
	return k, nil
}

func keysForPassword(user store.UserID) throttleKeys {
	var k throttleKeys
	k.add("password", string(user), passwordLimit, throttleWindow)
	return k
}

func keysForSetup(addr netip.Addr) throttleKeys {
	var k throttleKeys
	k.addShared("setup", network(addr), setupLimit)
	return k
}

func keysForPasskey(addr netip.Addr) throttleKeys {
	var k throttleKeys
	k.addShared("passkey", network(addr), passkeyLimit)
	return k
}

func keysForSignOn(addr netip.Addr) throttleKeys {
	var k throttleKeys
	k.addShared("sign-on", network(addr), signOnLimit)
	return k
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

func (t *throttle) knows(ctx context.Context, email, device string) (bool, error) {
	if device == "" {
		return false, nil
	}
	known, err := t.counters.KnowsDevice(ctx, email, device, t.now().Add(-store.DeviceLife))
	if err != nil {
		return false, fmt.Errorf("look for a known browser: %w", err)
	}
	return known, nil
}

// oneTry is a try that was counted as a failure until it succeeds.
type oneTry struct {
	throttle *throttle
	keys     throttleKeys
}

// try counts a try, or answers errs.Limited when a counter is full. Counting
// comes before judging: many tries at once get no further than the limit.
func (t *throttle) try(ctx context.Context, k throttleKeys) (oneTry, error) {
	now := t.now()
	// A full counter is refused without a write, so that a flood costs a read.
	until, err := t.counters.ThrottledUntil(ctx, k.limits, now)
	if err == nil && until.IsZero() {
		until, err = t.counters.CountTry(ctx, k.limits, now)
	}
	if err != nil {
		return oneTry{}, fmt.Errorf("count a try: %w", err)
	}
	if !until.IsZero() {
		return oneTry{}, throttled(until.Sub(now))
	}
	if t.tries.Add(1)%pruneEvery == 0 {
		if _, err := t.counters.PruneThrottles(ctx, now); err != nil {
			return oneTry{}, fmt.Errorf("forget old counters: %w", err)
		}
	}
	return oneTry{t, k}, nil
}

func throttled(wait time.Duration) error {
	minutes := int((wait + time.Minute - 1) / time.Minute)
	unit := "minutes"
	if minutes == 1 {
		unit = "minute"
	}
	return errs.Wrap(&ThrottledError{RetryAfter: wait}, errs.Limited, "throttled",
		"Too many failed attempts.", fmt.Sprintf("Wait %d %s and try again. A browser that has logged in before is counted on its own.", minutes, unit))
}

// succeed takes the try back: the account's counters start anew, shared ones
// lose the one that was counted.
func (o oneTry) succeed(ctx context.Context) error {
	var forget, refund []string
	for _, l := range o.keys.limits {
		if o.keys.keep[l.Key] {
			refund = append(refund, l.Key)
		} else {
			forget = append(forget, l.Key)
		}
	}
	if err := o.throttle.counters.SettleTry(ctx, forget, refund); err != nil {
		return fmt.Errorf("take a try back: %w", err)
	}
	return nil
}
