package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// UserResetOptions say whose password is reset.
type UserResetOptions struct {
	Email        string // may be empty where there is one account only
	PasswordFile string // "-" is standard input; empty: one is made up and printed
	// RemoveFactors takes the second factors and recovery codes off as well, for
	// whoever lost them all.
	RemoveFactors bool
}

// UserReset gives an account a new password and ends its logins. Whoever may
// open the data directory may do that.
func UserReset(ctx context.Context, env Env, loaded *config.Loaded, o UserResetOptions) (err error) {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	password := secret.New(strings.ToLower(rand.Text()[:16]))
	if o.PasswordFile != "" {
		if password, err = readPassword(env, o.PasswordFile); err != nil {
			return err
		}
	}
	c, err := openAccounts(ctx, env, loaded, "user reset")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	email, removed, err := c.resetPassword(ctx, o, password)
	if err != nil {
		return err
	}
	env.Say("%s has a new password; all its logins were ended.", email)
	switch {
	case o.RemoveFactors && removed == 0:
		env.Say("It had no second factor to remove.")
	case o.RemoveFactors:
		env.Say("Second factors removed: %d, and all recovery codes. An owner or admin adds a new one at the next login.", removed)
	}
	if o.PasswordFile == "" {
		_, err = fmt.Fprintln(env.Stdout, password.Expose())
	}
	return err
}

// resetPassword replaces the password of an account and says which it was, and
// how many second factors were removed.
func (c *core) resetPassword(ctx context.Context, o UserResetOptions, password secret.Value) (email string, removed int, err error) {
	var list []store.User
	err = c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		list, err = tx.Users(ctx)
		return err
	})
	if err != nil {
		return "", 0, fmt.Errorf("list accounts: %w", err)
	}
	user, ok := pick(list, o.Email)
	if !ok {
		return "", 0, errs.New(errs.NotFound, "unknown_account", "Which account is meant is not clear.", addresses("Accounts", list, "There are no accounts yet."))
	}
	letters, err := c.letters()
	if err != nil {
		return "", 0, err
	}
	service, err := auth.New(auth.Config{ //nolint:contextcheck // only makes the service
		Users: users{c.store}, Sessions: sessions{c.store.Sessions(), c.store}, Factors: factors{c.store}, Counters: counters{c.store}, Audit: auditor{store: c.store, outbox: letters}, Now: c.env.Now, Logger: c.log,
	})
	if err != nil {
		return "", 0, err
	}
	if err := givePassword(ctx, service, user.ID, password); err != nil {
		return "", 0, err
	}
	if o.RemoveFactors {
		if removed, err = service.RemoveFactors(ctx, user.ID); err != nil {
			return "", 0, err
		}
	}
	return user.Email, removed, nil
}

// pick finds an account by its address; an empty one means the only account.
func pick(list []store.User, email string) (store.User, bool) {
	for _, u := range list {
		if strings.EqualFold(u.Email, strings.TrimSpace(email)) || email == "" && len(list) == 1 {
			return u, true
		}
	}
	return store.User{}, false
}

// addresses names the accounts there are, for a hint.
func addresses(what string, list []store.User, none string) string {
	if len(list) == 0 {
		return none
	}
	names := make([]string, len(list))
	for i, u := range list {
		names[i] = report.Clean(u.Email)
	}
	return what + ": " + strings.Join(names, ", ") + "."
}

// givePassword gives an account a password; a refused one is errs.Invalid, code
// bad_password.
func givePassword(ctx context.Context, accounts *auth.Service, user store.UserID, password secret.Value) error {
	err := accounts.ResetPassword(ctx, user, password)
	var fields auth.FieldErrors
	if errors.As(err, &fields) {
		return errs.New(errs.Invalid, "bad_password", fields["password"], "Choose another password.")
	}
	return err
}

func readPassword(env Env, path string) (secret.Value, error) {
	in := env.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return secret.Value{}, errs.Wrap(err, errs.Invalid, "secret_file", "The password file "+path+" cannot be read.", "Check the path and its permissions.")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return secret.Value{}, fmt.Errorf("read the password: %w", err)
	}
	return secret.New(strings.TrimRight(string(raw), "\r\n")), nil
}
