package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// ResetLife is how long the link of a letter lets a new password be chosen.
const ResetLife = 30 * time.Minute

const (
	resetWindow       = time.Hour
	resetAccountLimit = 3  // letters to one address
	resetNetworkLimit = 10 // wishes from one network
)

// Resets is the part of the store that forgotten passwords need.
type Resets interface {
	// Configured reports whether letters with links can be sent.
	Configured() bool
	// Wish takes note that somebody forgot the password of an address. It does the
	// same whether the address has an account or not.
	Wish(ctx context.Context, email, source string) error
	// Reset finds whose token this is; errs.NotFound for a void one.
	Reset(ctx context.Context, tokenHash []byte) (store.User, error)
	// UseReset voids a token, replaces the password and ends all logins, in one
	// transaction; errs.NotFound for a void token.
	UseReset(ctx context.Context, tokenHash []byte, passwordHash, source string) error
}

// Forgotten lets people who forgot their password choose a new one by letter. It
// never says whether an address has an account. A second factor stays needed.
type Forgotten struct {
	accounts *Service
	resets   Resets
}

// NewForgotten returns a Forgotten.
func NewForgotten(accounts *Service, resets Resets) *Forgotten {
	return &Forgotten{accounts: accounts, resets: resets}
}

// Configured reports whether letters with links can be sent.
func (f *Forgotten) Configured() bool { return f != nil && f.resets.Configured() }

// NewResetToken returns the secret part of a link and what is stored of it.
func NewResetToken() (token string, hash []byte) {
	token = randomText()
	return token, resetHash(token)
}

func resetHash(token string) []byte {
	sum := sha256.Sum256([]byte("password reset\x00" + token))
	return sum[:]
}

// Ask sends a letter to an address, if it has an account and was not sent too
// many. The answer and the work are the same in all cases; only a network that
// asks too often gets errs.Limited.
func (f *Forgotten) Ask(ctx context.Context, email string, addr netip.Addr) error {
	var wishes, account throttleKeys
	wishes.add("reset network", network(addr), resetNetworkLimit, resetWindow)
	if _, err := f.accounts.throttle.try(ctx, wishes); err != nil {
		return err
	}
	normal, ok := normalizeEmail(email)
	if !ok {
		return nil // no address: the answer is the same
	}
	account.add("reset", normal, resetAccountLimit, resetWindow)
	if _, err := f.accounts.throttle.try(ctx, account); err != nil {
		if errs.KindOf(err) == errs.Limited {
			return nil
		}
		return err
	}
	if err := f.resets.Wish(ctx, normal, addr.String()); err != nil {
		return fmt.Errorf("take a wish for a new password: %w", err)
	}
	return nil
}

// errResetVoid says the same of links that never were, were used or expired.
var errResetVoid = errs.New(errs.NotFound, "reset_void", "This link is not good any more.", "It works once, for half an hour, and only the newest one. Ask for another on the login page.")

// Open says whose password a token may change.
func (f *Forgotten) Open(ctx context.Context, token string) (email string, err error) {
	user, err := f.resets.Reset(ctx, resetHash(token))
	switch {
	case errs.KindOf(err) == errs.NotFound:
		return "", errResetVoid
	case err != nil:
		return "", fmt.Errorf("find a password reset: %w", err)
	}
	return user.Email, nil
}

// Choose replaces the password and uses the token up. All logins end. A refused
// password answers [FieldErrors] with the key password and leaves the token good.
func (f *Forgotten) Choose(ctx context.Context, token string, password secret.Value, addr netip.Addr) error {
	user, err := f.resets.Reset(ctx, resetHash(token))
	switch {
	case errs.KindOf(err) == errs.NotFound:
		return errResetVoid
	case err != nil:
		return fmt.Errorf("find a password reset: %w", err)
	}
	hash, err := f.accounts.NewPasswordHash(ctx, password, user.Email, user.Name)
	if err != nil {
		return err
	}
	err = f.resets.UseReset(ctx, resetHash(token), hash, addr.String())
	if errs.KindOf(err) == errs.NotFound {
		return errResetVoid
	}
	if err != nil {
		return fmt.Errorf("use a password reset: %w", err)
	}
	return nil
}
