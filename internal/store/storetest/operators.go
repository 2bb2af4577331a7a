package storetest

import (
	"context"
	"testing"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

func testOperators(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	var operator store.User
	w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
		operator, err = tx.InsertOperator(ctx, store.User{Email: "Ops@Example.com", Name: "Ops", PasswordHash: "x"})
		return err
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if _, err := tx.UserByEmail(ctx, "ops@example.com"); errs.KindOf(err) != errs.NotFound {
			t.Errorf("an operator is found among users: %v", err)
		}
		if _, err := tx.User(ctx, operator.ID); errs.KindOf(err) != errs.NotFound {
			t.Errorf("an operator is a user: %v", err)
		}
		users, err := tx.Users(ctx)
		if err != nil {
			return err
		}
		for _, u := range users {
			if u.ID == operator.ID {
				t.Error("an operator is listed among users")
			}
			if _, err := tx.Operator(ctx, u.ID); errs.KindOf(err) != errs.NotFound {
				t.Errorf("a user is an operator: %v", err)
			}
		}
		got, err := tx.OperatorByEmail(ctx, "OPS@example.com")
		if err != nil || got.ID != operator.ID {
			t.Errorf("got %+v, %v", got, err)
		}
		got.Name = "Operations"
		if err := tx.UpdateUser(ctx, got); err != nil {
			return err
		}
		list, err := tx.Operators(ctx)
		if err != nil || len(list) != 1 || list[0].Name != "Operations" {
			t.Errorf("got %+v, %v", list, err)
		}
		return err
	})
	err := w.Store.InSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		return tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: operator.ID, Role: store.RoleViewer})
	})
	if err == nil {
		t.Error("an operator became a member")
	}
	err = w.Store.InSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		_, err := tx.InsertUser(ctx, store.User{Email: "ops@example.com", Name: "Other", PasswordHash: "x"})
		return err
	})
	if errs.KindOf(err) != errs.Conflict {
		t.Errorf("the address was given twice: %v", err)
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) error { return tx.DeleteOperator(ctx, operator.ID) })
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if list, err := tx.Operators(ctx); err != nil || len(list) != 0 {
			t.Errorf("left: %v, %v", list, err)
		}
		return nil
	})
}

func testSystemSettings(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	type value struct{ Level string }
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		var v value
		if ok, err := tx.SystemSetting(ctx, "log", &v); ok || err != nil {
			t.Errorf("unset: %v, %v", ok, err)
		}
		if err := tx.SetSystemSetting(ctx, "log", value{"debug"}); err != nil {
			return err
		}
		return tx.SetSystemSetting(ctx, "log", value{"warn"})
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		var v value
		if ok, err := tx.SystemSetting(ctx, "log", &v); !ok || err != nil || v.Level != "warn" {
			t.Errorf("got %+v, %v, %v", v, ok, err)
		}
		return nil
	})
}

func testFootprint(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		f, err := tx.Footprint(ctx)
		if err != nil || f.Connections != 1 || f.Scans != 0 || f.Versions != 0 {
			t.Errorf("before the first scan: %+v, %v", f, err)
		}
		return err
	})
	q := &catalog.Question{Type: catalog.KindQuestion}
	q.ID, q.Name = "1", "Revenue"
	w.Commit(&catalog.Snapshot{Questions: []*catalog.Question{q}})
	w.In(func(ctx context.Context, tx *store.Tx) error {
		f, err := tx.Footprint(ctx)
		if err != nil || f.Scans != 1 || f.Assets == 0 || f.Versions < f.Assets || f.Bytes == 0 || f.LastScanAt == 0 {
			t.Errorf("after a scan: %+v, %v", f, err)
		}
		return err
	})
	if _, err := w.Store.TableSizes(t.Context()); err != nil {
		t.Error(err)
	}
}
