package auth

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Mailer sends letters about an account. It may be nil in a [Config].
type Mailer interface {
	// Configured reports whether letters can be sent.
	Configured() bool
	// Mail hands a letter over for delivery.
	Mail(ctx context.Context, to, subject, text string) error
}

// EmailChanges is the part of the store that keeps wishes for another address.
// An [Users] that implements it lets addresses be confirmed by letter.
type EmailChanges interface {
	// SetEmailChange keeps a wish until its token comes back.
	SetEmailChange(ctx context.Context, user store.UserID, email, token string, expires time.Time) error
	// TakeEmailChange returns the address behind a token, once.
	TakeEmailChange(ctx context.Context, user store.UserID, token string, now time.Time) (string, error)
	// PendingEmail returns the address that waits for its letter; "" = none.
	PendingEmail(ctx context.Context, user store.UserID, now time.Time) (string, error)
}

// emailLife is how long a letter that confirms an address is good for.
const emailLife = 24 * time.Hour

// Rename changes the name of an account. Invalid input answers [FieldErrors]
// with the key name.
func (s *Service) Rename(ctx context.Context, id Identity, name string, addr netip.Addr) error {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return FieldErrors{"name": "Enter your name."}
	case utf8.RuneCountInString(name) > maxName:
		return FieldErrors{"name": "Use at most 100 characters."}
	}
	same := false
	err := s.users.ChangeUser(ctx, id.User, func(u *store.User) error {
		same, u.Name = u.Name == name, name
		return nil
	})
	if err != nil {
		return fmt.Errorf("store name: %w", err)
	}
	if !same {
		s.record(ctx, id, "name_changed", addr)
	}
	return nil
}

// EmailChange is what the account page asks for.
type EmailChange struct {
	Email   string
	Current secret.Value // the present password
	Address netip.Addr
	// Link makes the address that confirms a token, for the letter.
	Link func(token string) string
}

// ChangeEmail changes the address that somebody logs in with. Where letters can
// be sent it changes when the one to the new address is answered (mailed is
// true then), else at once. Invalid input answers [FieldErrors] with the keys
// email and current.
func (s *Service) ChangeEmail(ctx context.Context, id Identity, in EmailChange) (mailed bool, err error) {
	fields := FieldErrors{}
	email, ok := normalizeEmail(in.Email)
	if !ok {
		fields["email"] = "Enter an e-mail address such as ada@example.com."
	}
	user, err := s.present(ctx, id, in.Current, fields)
	if err != nil {
		return false, err
	}
	if len(fields) > 0 {
		return false, fields
	}
	if email == user.Email {
		return false, FieldErrors{"email": "This is your address already."}
	}
	changes, can := s.users.(EmailChanges)
	if !can || s.mailer == nil || !s.mailer.Configured() {
		if s.fixed {
			return false, FieldErrors{"email": "Addresses stay as they are here: single sign-on goes by them, and no mail is set up to confirm a new one. Ask whoever runs MetaLens."}
		}
		return false, s.setEmail(ctx, id, email, in.Address)
	}
	// Whether somebody else has the address is not told here: the letter is sent
	// in any case, and its answer is refused.
	token := randomText()
	if err := changes.SetEmailChange(ctx, id.User, email, token, s.now().Add(emailLife)); err != nil {
		return false, fmt.Errorf("keep the change of address: %w", err)
	}
	err = s.mailer.Mail(ctx, email, "Confirm your new address for MetaLens", fmt.Sprintf(
		"Somebody who is logged in to MetaLens as %s wants to log in with this address.\n\nIf that is you, open this link in the same browser within a day:\n\n%s\n\nOtherwise do nothing; the address stays as it is.\n", user.Email, in.Link(token)))
	if err != nil {
		return false, fmt.Errorf("send the letter: %w", err)
	}
	s.record(ctx, id, "email_change_asked", in.Address)
	return true, nil
}

// ConfirmEmail changes the address that a letter confirmed; errs.NotFound for an
// unknown, used or expired token, and for somebody else's.
func (s *Service) ConfirmEmail(ctx context.Context, id Identity, token string, addr netip.Addr) error {
	unknown := func() error {
		return errs.New(errs.NotFound, "no_email_change", "This link is not good any more.", "Change the address again on your account page.")
	}
	changes, can := s.users.(EmailChanges)
	if !can {
		return unknown()
	}
	email, err := changes.TakeEmailChange(ctx, id.User, token, s.now())
	switch {
	case errs.KindOf(err) == errs.NotFound:
		return unknown()
	case err != nil:
		return fmt.Errorf("find the change of address: %w", err)
	}
	return s.setEmail(ctx, id, email, addr)
}

// PendingEmail returns the address that waits for the answer to its letter; ""
// when there is none.
func (s *Service) PendingEmail(ctx context.Context, id Identity) (string, error) {
	changes, can := s.users.(EmailChanges)
	if !can {
		return "", nil
	}
	email, err := changes.PendingEmail(ctx, id.User, s.now())
	if err != nil {
		return "", fmt.Errorf("find the change of address: %w", err)
	}
	return email, nil
}

func (s *Service) setEmail(ctx context.Context, id Identity, email string, addr netip.Addr) error {
	old := ""
	err := s.users.ChangeUser(ctx, id.User, func(u *store.User) error {
		old, u.Email = u.Email, email
		return nil
	})
	switch {
	case errs.KindOf(err) == errs.Conflict:
		return FieldErrors{"email": "Another account has this address."}
	case err != nil:
		return fmt.Errorf("store address: %w", err)
	}
	s.record(ctx, id, "email_changed", addr)
	// Browsers are remembered under the address; they are again at their next login.
	if err := s.throttle.counters.ForgetDevices(ctx, id.User); err != nil {
		return fmt.Errorf("forget browsers: %w", err)
	}
	if s.mailer != nil && s.mailer.Configured() {
		err := s.mailer.Mail(ctx, old, "Your address for MetaLens was changed",
			"Your account at MetaLens logs in with another address from now on.\n\nIf that was not you, tell the owner of your organization at once.\n")
		if err != nil {
			return fmt.Errorf("send the letter: %w", err)
		}
	}
	return nil
}
