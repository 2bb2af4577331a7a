package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

func testAccessTokens(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	ctx := context.Background()
	var ada, ben store.User
	now := w.Clock.Now()
	token := func(id string, user store.UserID, role store.Role) store.AccessToken {
		return store.AccessToken{
			ID: id, OrgID: w.Org, UserID: user, Hash: []byte("hash of " + id), Name: "for " + id, Scopes: []string{"read", "scan"},
			Rank: role.Rank(), CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}
	}
	w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
		if ada, err = tx.InsertUser(ctx, store.User{Email: "ada@example.com"}); err != nil {
			return err
		}
		if ben, err = tx.InsertUser(ctx, store.User{Email: "ben@example.com"}); err != nil {
			return err
		}
		for user, role := range map[store.UserID]store.Role{ada.ID: store.RoleAdmin, ben.ID: store.RoleEditor} {
			if err := tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: user, Role: role}); err != nil {
				return err
			}
		}
		for _, one := range []store.AccessToken{token("a1", ada.ID, store.RoleAdmin), token("b1", ben.ID, store.RoleEditor)} {
			if err := tx.InsertAccessToken(ctx, one); err != nil {
				return err
			}
		}
		return nil
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		one, err := tx.AccessToken(ctx, "a1")
		wantEqual(t, token("a1", ada.ID, store.RoleAdmin), one)
		_, missing := tx.AccessToken(ctx, "zz")
		wantKind(t, missing, errs.NotFound, "")
		all, listErr := tx.AccessTokens(ctx, w.Org, "")
		wantEqual(t, 2, len(all))
		own, ownErr := tx.AccessTokens(ctx, w.Org, ben.ID)
		wantEqual(t, []store.AccessToken{token("b1", ben.ID, store.RoleEditor)}, own)
		none, noneErr := tx.AccessTokens(ctx, "nobody", "")
		wantEqual(t, 0, len(none))
		wantKind(t, tx.DeleteAccessToken(ctx, "nobody", "a1"), errs.NotFound, "")
		for _, err := range []error{err, listErr, ownErr, noneErr} {
			if err != nil {
				return err
			}
		}
		return tx.TouchAccessToken(ctx, "a1", now.Add(time.Hour))
	})
	err := w.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return tx.InsertAccessToken(ctx, token("c1", "stranger", store.RoleViewer))
	})
	wantKind(t, err, errs.NotFound, "")
	err = w.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return tx.InsertAccessToken(ctx, token("a1", ada.ID, store.RoleAdmin))
	})
	wantKind(t, err, errs.Conflict, "")

	// A role that falls takes the tokens made above it along, others stay.
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		same := tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: ada.ID, Role: store.RoleOwner})
		if same != nil {
			return same
		}
		one, err := tx.AccessToken(ctx, "a1")
		if err != nil {
			return err
		}
		wantEqual(t, now.Add(time.Hour), one.LastUsedAt)
		if err := tx.SetMembership(ctx, store.Membership{OrgID: w.Org, UserID: ada.ID, Role: store.RoleViewer}); err != nil {
			return err
		}
		_, gone := tx.AccessToken(ctx, "a1")
		wantKind(t, gone, errs.NotFound, "")
		_, err = tx.AccessToken(ctx, "b1")
		return err
	})
	// So does the end of a membership, and of a user.
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.RemoveMembership(ctx, w.Org, ben.ID); err != nil {
			return err
		}
		_, gone := tx.AccessToken(ctx, "b1")
		wantKind(t, gone, errs.NotFound, "")
		if err := tx.InsertAccessToken(ctx, token("a2", ada.ID, store.RoleViewer)); err != nil {
			return err
		}
		n, err := tx.DeleteExpiredAccessTokens(ctx, now.Add(time.Minute))
		wantEqual(t, 0, n)
		if err != nil {
			return err
		}
		n, err = tx.DeleteExpiredAccessTokens(ctx, now.Add(2*time.Hour))
		wantEqual(t, 1, n)
		if err != nil {
			return err
		}
		if err := tx.InsertAccessToken(ctx, token("a3", ada.ID, store.RoleViewer)); err != nil {
			return err
		}
		n, err = tx.DeleteUserAccessTokens(ctx, ada.ID)
		wantEqual(t, 1, n)
		return err
	})
}

func testSSOIdentities(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	now := w.Clock.Now()
	var ada store.User
	one := store.SSOIdentity{Issuer: "https://id.example.com", Subject: "s-1", Email: "ada@example.com", LinkedAt: now}
	w.System(func(ctx context.Context, tx *store.SystemTx) (err error) {
		if ada, err = tx.InsertUser(ctx, store.User{Email: "ada@example.com"}); err != nil {
			return err
		}
		one.UserID = ada.ID
		return tx.InsertSSOIdentity(ctx, one)
	})
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		found, err := tx.SSOIdentity(ctx, one.Issuer, one.Subject)
		wantEqual(t, one, found)
		_, other := tx.SSOIdentity(ctx, one.Issuer, "s-2")
		wantKind(t, other, errs.NotFound, "")
		_, elsewhere := tx.SSOIdentity(ctx, "https://evil.example.com", one.Subject)
		wantKind(t, elsewhere, errs.NotFound, "")
		if err != nil {
			return err
		}
		if err := tx.TouchSSOIdentity(ctx, one.Issuer, one.Subject, now.Add(time.Hour)); err != nil {
			return err
		}
		list, err := tx.SSOIdentitiesOf(ctx, ada.ID)
		one.LastLoginAt = now.Add(time.Hour)
		wantEqual(t, []store.SSOIdentity{one}, list)
		return err
	})
	err := w.Store.InSystem(context.Background(), func(ctx context.Context, tx *store.SystemTx) error { return tx.InsertSSOIdentity(ctx, one) })
	wantKind(t, err, errs.Conflict, "")
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.DeleteUser(ctx, ada.ID); err != nil {
			return err
		}
		_, gone := tx.SSOIdentity(ctx, one.Issuer, one.Subject)
		wantKind(t, gone, errs.NotFound, "")
		return nil
	})
}
