package webtest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// FactorState implements auth.Factors.
func (u *Users) FactorState(_ context.Context, user store.UserID) (store.FactorState, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := store.FactorState{Kept: u.kept[user]}
	for _, f := range u.factors {
		switch {
		case f.UserID != user:
		case f.Kind == store.FactorTOTP:
			s.TOTP++
		default:
			s.Passkeys++
		}
	}
	for _, good := range u.codes[user] {
		if good {
			s.Codes++
		}
	}
	return s, nil
}

// Factors implements auth.Factors.
func (u *Users) Factors(_ context.Context, user store.UserID) ([]store.Factor, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(u.factors), func(f store.Factor) bool { return f.UserID != user }), nil
}

// InsertFactor implements auth.Factors.
func (u *Users) InsertFactor(_ context.Context, f store.Factor) (store.Factor, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f.ID = "factor-" + strconv.Itoa(len(u.factors)+1)
	for slices.ContainsFunc(u.factors, func(x store.Factor) bool { return x.ID == f.ID }) {
		f.ID += "x"
	}
	u.factors = append(u.factors, f)
	return f, nil
}

// UpdateFactor implements auth.Factors.
func (u *Users) UpdateFactor(_ context.Context, f store.Factor) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, x := range u.factors {
		if x.ID == f.ID && x.UserID == f.UserID {
			u.factors[i].Name, u.factors[i].Credential, u.factors[i].UsedAt = f.Name, f.Credential, f.UsedAt
			return nil
		}
	}
	return missing("factor")
}

// UseStep implements auth.Factors.
func (u *Users) UseStep(_ context.Context, user store.UserID, factor string, step int64, at time.Time) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, x := range u.factors {
		if x.ID == factor && x.UserID == user && x.Kind == store.FactorTOTP && x.LastStep < step {
			u.factors[i].LastStep, u.factors[i].UsedAt = step, at
			return true, nil
		}
	}
	return false, nil
}

// DeleteFactor implements auth.Factors.
func (u *Users) DeleteFactor(_ context.Context, user store.UserID, factor string, keepOne bool) (store.Factor, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, at := 0, -1
	for i, x := range u.factors {
		if x.UserID == user {
			n++
			if x.ID == factor {
				at = i
			}
		}
	}
	switch {
	case at < 0:
		return store.Factor{}, missing("factor")
	case n == 1 && keepOne:
		return store.Factor{}, errs.New(errs.Conflict, "last_factor", "This is your only second factor, and your role needs one.", "Add another one first, then remove this one.")
	case n == 1:
		delete(u.codes, user)
		delete(u.kept, user)
	}
	gone := u.factors[at]
	u.factors = slices.Delete(u.factors, at, at+1)
	return gone, nil
}

// DeleteFactors implements auth.Factors.
func (u *Users) DeleteFactors(_ context.Context, user store.UserID) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	before := len(u.factors)
	u.factors = slices.DeleteFunc(u.factors, func(f store.Factor) bool { return f.UserID == user })
	delete(u.codes, user)
	delete(u.kept, user)
	return before - len(u.factors), nil
}

// ReplaceRecoveryCodes implements auth.Factors.
func (u *Users) ReplaceRecoveryCodes(_ context.Context, user store.UserID, codes []string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.codes == nil {
		u.codes, u.kept = map[store.UserID]map[string]bool{}, map[store.UserID]bool{}
	}
	u.codes[user] = map[string]bool{}
	u.kept[user] = false
	for _, c := range codes {
		u.codes[user][c] = true
	}
	return nil
}

// KeepRecoveryCodes implements auth.Factors.
func (u *Users) KeepRecoveryCodes(_ context.Context, user store.UserID, _ time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.kept[user] = true
	return nil
}

// UseRecoveryCode implements auth.Factors.
func (u *Users) UseRecoveryCode(_ context.Context, user store.UserID, code string, _ time.Time) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.codes[user][code] {
		return false, nil
	}
	u.codes[user][code] = false
	return true, nil
}

// ThrottledUntil implements auth.Counters.
func (u *Users) ThrottledUntil(_ context.Context, limits []store.ThrottleLimit, now time.Time) (time.Time, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.throttled(limits, now), nil
}

func (u *Users) throttled(limits []store.ThrottleLimit, now time.Time) (until time.Time) {
	for _, l := range limits {
		if t := u.tries[l.Key]; t.count >= l.Max && t.until.After(now) && t.until.After(until) {
			until = t.until
		}
	}
	return until
}

// CountTry implements auth.Counters.
func (u *Users) CountTry(_ context.Context, limits []store.ThrottleLimit, now time.Time) (time.Time, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if until := u.throttled(limits, now); !until.IsZero() {
		return until, nil
	}
	if u.tries == nil {
		u.tries = map[string]tries{}
	}
	for _, l := range limits {
		t := u.tries[l.Key]
		if !t.until.After(now) {
			t = tries{until: now.Add(l.Window)}
		}
		t.count++
		u.tries[l.Key] = t
	}
	return time.Time{}, nil
}

// SettleTry implements auth.Counters.
func (u *Users) SettleTry(_ context.Context, forget, refund []string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, key := range forget {
		delete(u.tries, key)
	}
	for _, key := range refund {
		if t, ok := u.tries[key]; ok && t.count > 0 {
			t.count--
			u.tries[key] = t
		}
	}
	return nil
}

// PruneThrottles implements auth.Counters.
func (u *Users) PruneThrottles(_ context.Context, now time.Time) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for key, t := range u.tries {
		if !t.until.After(now) {
			delete(u.tries, key)
			n++
		}
	}
	return n, nil
}

// KnowsDevice implements auth.Counters.
func (u *Users) KnowsDevice(_ context.Context, email, token string, since time.Time) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	d, ok := u.devices[email+"\x00"+token]
	return ok && !d.seen.Before(since), nil
}

// RememberDevice implements auth.Counters.
func (u *Users) RememberDevice(_ context.Context, user store.UserID, email, token string, at time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.devices == nil {
		u.devices = map[string]device{}
	}
	u.devices[email+"\x00"+token] = device{user, at}
	return nil
}

// ForgetDevices implements auth.Counters.
func (u *Users) ForgetDevices(_ context.Context, user store.UserID) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, d := range u.devices {
		if d.user == user {
			delete(u.devices, key)
		}
	}
	return nil
}

// SetEmailChange implements auth.EmailChanges.
func (u *Users) SetEmailChange(_ context.Context, user store.UserID, email, token string, expires time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.emails == nil {
		u.emails = map[store.UserID]emailChange{}
	}
	u.emails[user] = emailChange{strings.ToLower(email), token, expires}
	return nil
}

// TakeEmailChange implements auth.EmailChanges.
func (u *Users) TakeEmailChange(_ context.Context, user store.UserID, token string, now time.Time) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c, ok := u.emails[user]
	if !ok || c.token != token || !c.expires.After(now) {
		return "", missing("change of address")
	}
	delete(u.emails, user)
	return c.email, nil
}

// PendingEmail implements auth.EmailChanges.
func (u *Users) PendingEmail(_ context.Context, user store.UserID, now time.Time) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c, ok := u.emails[user]; ok && c.expires.After(now) {
		return c.email, nil
	}
	return "", nil
}
