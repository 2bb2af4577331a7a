package app

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/store"
)

// factors gives the account service the store's second factors.
type factors struct{ store *store.Store }

// FactorState implements [auth.Factors].
func (f factors) FactorState(ctx context.Context, user store.UserID) (s store.FactorState, err error) {
	err = f.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		s, err = tx.FactorState(ctx, user)
		return err
	})
	return s, err
}

// Factors implements [auth.Factors].
func (f factors) Factors(ctx context.Context, user store.UserID) (list []store.Factor, err error) {
	err = f.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err = tx.Factors(ctx, user)
		return err
	})
	return list, err
}

// InsertFactor implements [auth.Factors].
func (f factors) InsertFactor(ctx context.Context, factor store.Factor) (made store.Factor, err error) {
	err = f.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		made, err = tx.InsertFactor(ctx, factor)
		return err
	})
	return made, err
}

// UpdateFactor implements [auth.Factors].
func (f factors) UpdateFactor(ctx context.Context, factor store.Factor) error {
	return f.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return tx.UpdateFactor(ctx, factor) })
}

// UseStep implements [auth.Factors].
func (f factors) UseStep(ctx context.Context, user store.UserID, factor string, step int64, at time.Time) (ok bool, err error) {
	err = f.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		ok, err = tx.UseStep(ctx, user, factor, step, at)
		return err
	})
	return ok, err
}

// DeleteFactor implements [auth.Factors].
func (f factors) DeleteFactor(ctx context.Context, user store.UserID, factor string, keepOne bool) (gone store.Factor, err error) {
	err = f.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		gone, err = tx.DeleteFactor(ctx, user, factor, keepOne)
		return err
	})
	return gone, err
}

// DeleteFactors implements [auth.Factors].
func (f factors) DeleteFactors(ctx context.Context, user store.UserID) (n int, err error) {
	err = f.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		n, err = tx.DeleteFactors(ctx, user)
		return err
	})
	return n, err
}

// ReplaceRecoveryCodes implements [auth.Factors].
func (f factors) ReplaceRecoveryCodes(ctx context.Context, user store.UserID, codes []string) error {
	return f.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return tx.ReplaceRecoveryCodes(ctx, user, codes)
	})
}

// KeepRecoveryCodes implements [auth.Factors].
func (f factors) KeepRecoveryCodes(ctx context.Context, user store.UserID, at time.Time) error {
	return f.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return tx.KeepRecoveryCodes(ctx, user, at)
	})
}

// UseRecoveryCode implements [auth.Factors].
func (f factors) UseRecoveryCode(ctx context.Context, user store.UserID, code string, at time.Time) (ok bool, err error) {
	err = f.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		ok, err = tx.UseRecoveryCode(ctx, user, code, at)
		return err
	})
	return ok, err
}

// counters gives the account service the store's counters of failed tries.
type counters struct{ store *store.Store }

// ThrottledUntil implements [auth.Counters].
func (c counters) ThrottledUntil(ctx context.Context, limits []store.ThrottleLimit, now time.Time) (until time.Time, err error) {
	err = c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		until, err = tx.ThrottledUntil(ctx, limits, now)
		return err
	})
	return until, err
}

// CountTry implements [auth.Counters].
func (c counters) CountTry(ctx context.Context, limits []store.ThrottleLimit, now time.Time) (until time.Time, err error) {
	err = c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		until, err = tx.CountTry(ctx, limits, now)
		return err
	})
	return until, err
}

// SettleTry implements [auth.Counters].
func (c counters) SettleTry(ctx context.Context, forget, refund []string) error {
	return c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return tx.SettleTry(ctx, forget, refund) })
}

// PruneThrottles implements [auth.Counters].
func (c counters) PruneThrottles(ctx context.Context, now time.Time) (n int, err error) {
	err = c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		n, err = tx.PruneThrottles(ctx, now)
		return err
	})
	return n, err
}

// KnowsDevice implements [auth.Counters].
func (c counters) KnowsDevice(ctx context.Context, email, device string, since time.Time) (ok bool, err error) {
	err = c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		ok, err = tx.KnowsDevice(ctx, email, device, since)
		return err
	})
	return ok, err
}

// RememberDevice implements [auth.Counters].
func (c counters) RememberDevice(ctx context.Context, user store.UserID, email, device string, at time.Time) error {
	return c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return tx.RememberDevice(ctx, user, email, device, at)
	})
}

// ForgetDevices implements [auth.Counters].
func (c counters) ForgetDevices(ctx context.Context, user store.UserID) error {
	return c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return tx.ForgetDevices(ctx, user) })
}
