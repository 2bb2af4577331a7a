package auth

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// NewPasswordHash checks the password of an account to be made and hashes it. A
// refused one answers [FieldErrors] with the key password. around are words that
// it must not be built from.
func (s *Service) NewPasswordHash(ctx context.Context, password secret.Value, around ...string) (string, error) {
	if msg := CheckPassword(password, around...); msg != "" {
		return "", FieldErrors{"password": msg}
	}
	return s.hasher.hash(ctx, password)
}

// Proof is the password of an account, given to prove who somebody is without
// logging in.
type Proof struct {
	Email    string
	Password secret.Value
	Device   string // value of the device cookie
	Address  netip.Addr
}

// Prove checks the password of an account, under the throttle of logins. It
// begins no session and asks for no membership. A wrong pair answers
// errs.Unauthorized, a throttled caller errs.Limited.
func (s *Service) Prove(ctx context.Context, in Proof) (store.UserID, error) {
	keys, err := s.throttle.keysForLogin(ctx, in.Email, in.Device, in.Address)
	if err != nil {
		return "", err
	}
	try, err := s.throttle.try(ctx, keys)
	if err != nil {
		return "", err
	}
	user, err := s.users.UserByEmail(ctx, in.Email)
	hash := user.PasswordHash
	switch {
	case errs.KindOf(err) == errs.NotFound, err == nil && hash == "":
		hash = s.hasher.dummy
	case err != nil:
		return "", fmt.Errorf("find account: %w", err)
	}
	match, err := s.hasher.verify(ctx, hash, in.Password)
	if err != nil {
		return "", err
	}
	if user.ID == "" || !match {
		s.record(ctx, Identity{}, "login_failed", in.Address)
		return "", errBadLogin
	}
	if err := try.succeed(ctx); err != nil {
		return "", err
	}
	return user.ID, nil
}
