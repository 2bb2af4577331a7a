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
	if !stateExists(loaded.Config) {
		return errs.New(errs.NotFound, "no_accounts", "There are no accounts in "+loaded.Config.Data+" yet.", "Run metalens serve and open its pages to make the first one.")
	}
	c, err := open(ctx, env, quietly(loaded), coreOptions{command: "user reset", policy: ownPolicy(loaded.Config)})
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
	var user store.User
	names := make([]string, 0, len(list))
	for _, u := range list {
		names = append(names, u.Email)
		if strings.EqualFold(u.Email, strings.TrimSpace(o.Email)) || o.Email == "" && len(list) == 1 {
			user = u
		}
	}
	if user.ID == "" {
		hint := "There are no accounts yet."
		if len(names) > 0 {
			hint = "Accounts: " + strings.Join(names, ", ") + "."
		}
		return "", 0, errs.New(errs.NotFound, "unknown_account", "Which account is meant is not clear.", hint)
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
	if err := service.ResetPassword(ctx, user.ID, password); err != nil {
		var fields auth.FieldErrors
		if errors.As(err, &fields) {
			return "", 0, errs.New(errs.Invalid, "bad_password", fields["password"], "Choose another password.")
		}
		return "", 0, err
	}
	if o.RemoveFactors {
		if removed, err = service.RemoveFactors(ctx, user.ID); err != nil {
			return "", 0, err
		}
	}
	return user.Email, removed, nil
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
