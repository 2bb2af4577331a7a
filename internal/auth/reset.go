package auth

import (
	"context"
	"fmt"
	"strconv"

	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// ResetPassword replaces the password of an account without asking for the
// present one and ends all its logins. It is for whoever operates the
// installation, not for pages. Invalid input answers [FieldErrors] with the key
// password.
func (s *Service) ResetPassword(ctx context.Context, id store.UserID, password secret.Value) error {
	user, err := s.users.User(ctx, id)
	if err != nil {
		return fmt.Errorf("find account: %w", err)
	}
	if msg := CheckPassword(password, user.Email, user.Name); msg != "" {
		return FieldErrors{"password": msg}
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	if err := s.users.ChangeUser(ctx, id, func(u *store.User) error { u.PasswordHash = hash; return nil }); err != nil {
		return fmt.Errorf("store password: %w", err)
	}
	if _, err := s.store.EndSessions(ctx, user.ID, ""); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	// Whoever knew the old password may have logged in from a browser of theirs.
	if err := s.throttle.counters.ForgetDevices(ctx, user.ID); err != nil {
		return fmt.Errorf("forget browsers: %w", err)
	}
	s.recordOperator(ctx, user.ID, "password_reset")
	return nil
}

// RemoveFactors removes every second factor and recovery code of an account and
// ends all its logins. It is for whoever operates the installation, not for
// pages. It says how many factors there were.
func (s *Service) RemoveFactors(ctx context.Context, id store.UserID) (int, error) {
	n, err := s.factors.DeleteFactors(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("remove factors: %w", err)
	}
	if _, err := s.store.EndSessions(ctx, id, ""); err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	if err := s.throttle.counters.ForgetDevices(ctx, id); err != nil {
		return 0, fmt.Errorf("forget browsers: %w", err)
	}
	s.recordOperator(ctx, id, "factors_removed", "count", strconv.Itoa(n))
	return n, nil
}
