package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// person makes an account.
func (w *World) person(email string) store.User {
	w.T.Helper()
	var u store.User
	w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
		u, err = tx.InsertUser(ctx, store.User{Email: email, Name: "Ada", PasswordHash: someHash})
		return err
	})
	return u
}

func testThrottle(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	limits := []store.ThrottleLimit{{Key: "account a@b", Max: 3, Window: 15 * time.Minute}, {Key: "address 192.0.2.1", Max: 5, Window: time.Hour}}
	count := func(limits ...store.ThrottleLimit) (until time.Time) {
		t.Helper()
		w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
			until, err = tx.CountTry(ctx, limits, w.Clock.Now())
			return err
		})
		return until
	}
	start := w.Clock.Now()
	for range 3 {
		if until := count(limits...); !until.IsZero() {
			t.Fatalf("refused until %s", until)
		}
		w.Clock.Add(time.Minute)
	}
	for range 3 { // what is refused counts nowhere
		wantEqual(t, start.Add(15*time.Minute), count(limits...))
	}
	// What is counted is there for whoever opens the same database.
	again := open(t, t.Name(), store.Config{Keys: w.Keys, Now: w.Clock.Now})
	err := again.ViewSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		until, err := tx.ThrottledUntil(ctx, limits, w.Clock.Now())
		wantEqual(t, start.Add(15*time.Minute), until)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	other := store.ThrottleLimit{Key: "account c@d", Max: 3, Window: 15 * time.Minute}
	for range 2 {
		if until := count(other, limits[1]); !until.IsZero() {
			t.Fatalf("another account refused until %s", until)
		}
	}
	wantEqual(t, start.Add(time.Hour), count(other, limits[1])) // the address has used its five
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		return tx.SettleTry(ctx, []string{"account a@b"}, []string{"address 192.0.2.1"})
	})
	if until := count(limits...); !until.IsZero() {
		t.Errorf("after a good try: refused until %s", until)
	}
	w.Clock.Add(15 * time.Minute)
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		n, err := tx.PruneThrottles(ctx, w.Clock.Now())
		wantEqual(t, 2, n)
		return err
	})
	w.Clock.Add(time.Hour)
	if until := count(limits...); !until.IsZero() {
		t.Errorf("in a new window: refused until %s", until)
	}
}

func testDevices(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ada, bob := w.person("ada@example.com"), w.person("bob@example.com")
	knows := func(email, device string, since time.Time) (ok bool) {
		t.Helper()
		w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
			ok, err = tx.KnowsDevice(ctx, email, device, since)
			return err
		})
		return ok
	}
	remember := func(u store.User, device string) {
		t.Helper()
		w.System(func(ctx context.Context, tx *store.SystemTx) error {
			return tx.RememberDevice(ctx, u.ID, u.Email, device, w.Clock.Now())
		})
	}
	start := w.Clock.Now()
	remember(ada, "first")
	if !knows("ADA@example.com", "first", start) || knows("bob@example.com", "first", start) || knows("ada@example.com", "second", start) {
		t.Error("a device is known for the wrong account")
	}
	if knows("ada@example.com", "first", start.Add(time.Second)) {
		t.Error("a device is known for ever")
	}
	remember(bob, "bob's")
	for i := range 40 {
		w.Clock.Add(time.Second)
		remember(ada, fmt.Sprint("device ", i))
	}
	if knows("ada@example.com", "first", start) || !knows("ada@example.com", "device 39", start) || !knows("ada@example.com", "device 8", start) || !knows("bob@example.com", "bob's", start) {
		t.Error("the wrong devices were forgotten")
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error { return tx.ForgetDevices(ctx, ada.ID) })
	if knows("ada@example.com", "device 39", start) {
		t.Error("a device outlived being forgotten")
	}
}

func testFactors(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ada, bob := w.person("ada@example.com"), w.person("bob@example.com")
	at := w.Clock.Now()
	var app, key store.Factor
	w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
		none, err := tx.FactorState(ctx, ada.ID)
		wantEqual(t, store.FactorState{}, none)
		if err != nil {
			return err
		}
		if app, err = tx.InsertFactor(ctx, store.Factor{UserID: ada.ID, Kind: store.FactorTOTP, Name: "Phone", Secret: secret.New("JBSWY3DPEHPK3PXP"), CreatedAt: at}); err != nil {
			return err
		}
		key, err = tx.InsertFactor(ctx, store.Factor{UserID: ada.ID, Kind: store.FactorPasskey, Name: "Laptop", Credential: []byte(`{"id":"x"}`), CreatedAt: at.Add(time.Second)})
		return err
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Factors(ctx, ada.ID)
		if err != nil {
			return err
		}
		if len(list) != 2 || list[0].Name != "Phone" || list[0].Secret.Expose() != "JBSWY3DPEHPK3PXP" || list[1].Name != "Laptop" || string(list[1].Credential) != `{"id":"x"}` || !list[1].CreatedAt.Equal(at.Add(time.Second)) {
			t.Errorf("factors %+v", list)
		}
		for _, step := range []struct {
			user store.UserID
			id   string
			step int64
			want bool
		}{{ada.ID, app.ID, 100, true}, {ada.ID, app.ID, 100, false}, {ada.ID, app.ID, 99, false}, {bob.ID, app.ID, 101, false}, {ada.ID, key.ID, 101, false}, {ada.ID, app.ID, 101, true}} {
			ok, err := tx.UseStep(ctx, step.user, step.id, step.step, at)
			if err != nil || ok != step.want {
				t.Errorf("step %d of %s for %s: %v, %v", step.step, step.id, step.user, ok, err)
			}
		}
		key.Name, key.Credential, key.UsedAt = "Work laptop", []byte(`{"id":"y"}`), at.Add(time.Minute)
		if err := tx.UpdateFactor(ctx, key); err != nil {
			return err
		}
		stolen := key
		stolen.UserID = bob.ID
		wantKind(t, tx.UpdateFactor(ctx, stolen), errs.NotFound, "")
		list, err = tx.Factors(ctx, ada.ID)
		if err != nil {
			return err
		}
		if list[1].Name != "Work laptop" || string(list[1].Credential) != `{"id":"y"}` || !list[1].UsedAt.Equal(at.Add(time.Minute)) || list[0].LastStep != 101 {
			t.Errorf("after changes: %+v", list)
		}
		return nil
	})
	t.Run("copied to another account it does not open", func(t *testing.T) {
		err := w.Store.InSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
			if _, err := tx.SQL().ExecContext(ctx, `UPDATE factors SET user_id = $1 WHERE id = $2`, string(bob.ID), app.ID); err != nil {
				return err
			}
			_, err := tx.Factors(ctx, bob.ID)
			return err // and rolls back
		})
		if err == nil || !strings.Contains(err.Error(), "open a factor") {
			t.Errorf("got %v", err)
		}
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		_, err := tx.DeleteFactor(ctx, bob.ID, app.ID, false)
		wantKind(t, err, errs.NotFound, "")
		gone, err := tx.DeleteFactor(ctx, ada.ID, app.ID, true)
		if err != nil {
			return err
		}
		wantEqual(t, "Phone", gone.Name)
		_, err = tx.DeleteFactor(ctx, ada.ID, key.ID, true)
		wantKind(t, err, errs.Conflict, "last_factor")
		s, err := tx.FactorState(ctx, ada.ID)
		wantEqual(t, store.FactorState{Passkeys: 1}, s)
		if err != nil {
			return err
		}
		_, err = tx.DeleteFactor(ctx, ada.ID, key.ID, false)
		return err
	})
}

func testRecoveryCodes(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ada, bob := w.person("ada@example.com"), w.person("bob@example.com")
	at := w.Clock.Now()
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if _, err := tx.InsertFactor(ctx, store.Factor{UserID: ada.ID, Kind: store.FactorTOTP, Name: "Phone", Secret: secret.New("A"), CreatedAt: at}); err != nil {
			return err
		}
		return tx.ReplaceRecoveryCodes(ctx, ada.ID, []string{"one", "two"})
	})
	use := func(user store.UserID, code string) (ok bool) {
		t.Helper()
		w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
			ok, err = tx.UseRecoveryCode(ctx, user, code, at)
			return err
		})
		return ok
	}
	if use(bob.ID, "one") || use(ada.ID, "three") || !use(ada.ID, "one") || use(ada.ID, "one") {
		t.Error("a code is worth one use by its owner")
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.KeepRecoveryCodes(ctx, ada.ID, at); err != nil {
			return err
		}
		s, err := tx.FactorState(ctx, ada.ID)
		wantEqual(t, store.FactorState{TOTP: 1, Codes: 1, Kept: true}, s)
		if err != nil {
			return err
		}
		if err := tx.ReplaceRecoveryCodes(ctx, ada.ID, []string{"three"}); err != nil {
			return err
		}
		s, err = tx.FactorState(ctx, ada.ID)
		wantEqual(t, store.FactorState{TOTP: 1, Codes: 1}, s)
		return err
	})
	if use(ada.ID, "two") {
		t.Error("a replaced code works")
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		n, err := tx.DeleteFactors(ctx, ada.ID)
		wantEqual(t, 1, n)
		if err != nil {
			return err
		}
		s, err := tx.FactorState(ctx, ada.ID)
		wantEqual(t, store.FactorState{}, s)
		return err
	})
	if use(ada.ID, "three") {
		t.Error("a code outlived the factors")
	}
}

func testEmailChange(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ada, bob := w.person("ada@example.com"), w.person("bob@example.com")
	now := w.Clock.Now()
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.SetEmailChange(ctx, ada.ID, "Old@Example.com", "t1", now.Add(time.Hour)); err != nil {
			return err
		}
		if err := tx.SetEmailChange(ctx, ada.ID, "New@Example.com", "t2", now.Add(time.Hour)); err != nil {
			return err
		}
		pending, err := tx.PendingEmail(ctx, ada.ID, now)
		if err != nil {
			return err
		}
		wantEqual(t, "new@example.com", pending)
		for _, wrong := range []struct {
			user  store.UserID
			token string
			at    time.Time
		}{{ada.ID, "t1", now}, {bob.ID, "t2", now}, {ada.ID, "t2", now.Add(time.Hour)}} {
			_, err := tx.TakeEmailChange(ctx, wrong.user, wrong.token, wrong.at)
			wantKind(t, err, errs.NotFound, "")
		}
		email, err := tx.TakeEmailChange(ctx, ada.ID, "t2", now)
		if err != nil {
			return err
		}
		wantEqual(t, "new@example.com", email)
		_, err = tx.TakeEmailChange(ctx, ada.ID, "t2", now)
		wantKind(t, err, errs.NotFound, "")
		pending, err = tx.PendingEmail(ctx, ada.ID, now)
		wantEqual(t, "", pending)
		return err
	})
}

// testExpiredAccounts forgets what of an account nobody can use any more.
func testExpiredAccounts(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	u, now := w.person("ada@example.com"), w.Clock.Now()
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.SetEmailChange(ctx, u.ID, "new@example.com", "token", now.Add(time.Hour)); err != nil {
			return err
		}
		return tx.RememberDevice(ctx, u.ID, u.Email, "browser", now)
	})
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{59 * time.Minute, 0}, {time.Hour, 1}, {store.DeviceLife, 0}, {store.DeviceLife + time.Second, 1}} {
		w.System(func(ctx context.Context, tx *store.SystemTx) error {
			n, err := tx.DeleteExpiredLinks(ctx, now.Add(c.after))
			if n != c.want {
				t.Errorf("after %s, %d were forgotten, want %d", c.after, n, c.want)
			}
			return err
		})
	}
}
