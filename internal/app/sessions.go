package app

import (
	"context"

	"github.com/metalens/metalens/internal/store"
)

// sessions gives the account service the store's login sessions.
type sessions struct {
	*store.Sessions
	store *store.Store
}

// UserSessions lists the live sessions of a user.
func (s sessions) UserSessions(ctx context.Context, user store.UserID, currentToken string) (list []store.SessionInfo, err error) {
	err = s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err = tx.UserSessions(ctx, user, currentToken)
		return err
	})
	return list, err
}

// BindSession notes whose a session is.
func (s sessions) BindSession(ctx context.Context, token string, user store.UserID, agent, address string) error {
	return s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return tx.BindSession(ctx, token, user, agent, address)
	})
}

// EndSession ends one session of a user.
func (s sessions) EndSession(ctx context.Context, user store.UserID, id string) error {
	return s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return tx.DeleteSession(ctx, user, id) })
}

// EndSessions ends all sessions of a user but one.
func (s sessions) EndSessions(ctx context.Context, user store.UserID, exceptToken string) (n int, err error) {
	err = s.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		n, err = tx.DeleteUserSessions(ctx, user, exceptToken)
		return err
	})
	return n, err
}
