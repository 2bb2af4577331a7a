package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// operators gives the console's account service what it needs of the store: its
// accounts are operators, each of whom may do everything there and nothing
// elsewhere.
type operators struct{ users }

// HasUsers implements [auth.Users]: the console has no first run in the browser.
func (operators) HasUsers(context.Context) (bool, error) { return true, nil }

// CreateOwner implements [auth.Users].
func (operators) CreateOwner(context.Context, store.Organization, store.User) error {
	return errs.New(errs.Conflict, "already_set_up", "Accounts of the console are made on the machine.", "Run metalens operator add.")
}

// User implements [auth.Users].
func (o operators) User(ctx context.Context, id store.UserID) (user store.User, err error) {
	err = o.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		user, err = tx.Operator(ctx, id)
		return err
	})
	return user, err
}

// UserByEmail implements [auth.Users].
func (o operators) UserByEmail(ctx context.Context, email string) (user store.User, err error) {
	err = o.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		user, err = tx.OperatorByEmail(ctx, email)
		return err
	})
	return user, err
}

// Memberships implements [auth.Users]: an operator is everything in no
// organization, so that the second factor is mandatory and no tenant opens.
func (operators) Memberships(_ context.Context, id store.UserID) ([]store.Membership, error) {
	return []store.Membership{{UserID: id, Role: store.RoleOwner}}, nil
}

// operatorAuth is the account service of the console.
func (c *core) operatorAuth(cfg auth.Config) (*auth.Service, error) {
	cfg.Users, cfg.Sessions = operators{users{c.store}}, sessions{c.store.Sessions(), c.store}
	cfg.Factors, cfg.Counters, cfg.Audit = factors{c.store}, counters{c.store}, auditor{store: c.store}
	cfg.Cookie, cfg.Now, cfg.Logger = "metalens-operator", c.env.Now, c.log
	return auth.New(cfg)
}

// OperatorOptions say which account of the operator console is meant.
type OperatorOptions struct {
	Email         string
	Name          string // for a new account; empty = the address
	PasswordFile  string // "-" is standard input; empty: one is made up and printed
	RemoveFactors bool   // for a reset: whoever lost the second factor enrols again
}

// OperatorAdd makes an account of the operator console.
func OperatorAdd(ctx context.Context, env Env, loaded *config.Loaded, o OperatorOptions) error {
	address, err := mail.ParseAddress(o.Email)
	if err != nil || address.Name != "" {
		return errs.New(errs.Invalid, "email", "This is no e-mail address.", "Write it as ops@example.com.")
	}
	password, made, err := operatorPassword(env, o)
	if err != nil {
		return err
	}
	return withOperators(ctx, env, loaded, "operator add", func(ctx context.Context, c *core, accounts *auth.Service) error {
		name := strings.TrimSpace(o.Name)
		if name == "" {
			name = address.Address
		}
		if msg := auth.CheckPassword(password, address.Address, name); msg != "" {
			return errs.New(errs.Invalid, "bad_password", msg, "Choose another password.")
		}
		var user store.User
		err := c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
			if user, err = tx.InsertOperator(ctx, store.User{Email: address.Address, Name: name}); err != nil {
				return err
			}
			return tx.Audit(ctx, store.AuditRow{At: c.env.Now().UTC(), Action: "operator_added", Target: "user:" + string(user.ID), Source: commandLine})
		})
		if errs.KindOf(err) == errs.Conflict {
			return errs.Wrap(err, errs.Conflict, "address_taken", "This address belongs to a member or an operator already.", "An operator is no member: use another address.")
		}
		if err != nil {
			return err
		}
		if err := accounts.ResetPassword(ctx, user.ID, password); err != nil {
			return err
		}
		env.Say("%s may log in to the operator console at %s; the first log-in sets up a second factor.", report.Clean(user.Email), consoleAddress(loaded.Config))
		env.Say("  A server that runs already opens the console at its next start.")
		return printMade(env, password, made)
	})
}

// OperatorReset gives an operator a new password and ends his logins.
func OperatorReset(ctx context.Context, env Env, loaded *config.Loaded, o OperatorOptions) error {
	password, made, err := operatorPassword(env, o)
	if err != nil {
		return err
	}
	return withOperators(ctx, env, loaded, "operator reset", func(ctx context.Context, c *core, accounts *auth.Service) error {
		user, err := c.operator(ctx, o.Email)
		if err != nil {
			return err
		}
		if err := givePassword(ctx, accounts, user.ID, password); err != nil {
			return err
		}
		if o.RemoveFactors {
			n, err := accounts.RemoveFactors(ctx, user.ID)
			if err != nil {
				return err
			}
			env.Say("%d second factors and recovery codes were removed; the next log-in sets up new ones.", n)
		}
		env.Say("%s has a new password; all logins to the console were ended.", report.Clean(user.Email))
		return printMade(env, password, made)
	})
}

// OperatorRemove deletes an account of the console.
func OperatorRemove(ctx context.Context, env Env, loaded *config.Loaded, o OperatorOptions) error {
	return withOperators(ctx, env, loaded, "operator remove", func(ctx context.Context, c *core, _ *auth.Service) error {
		user, err := c.operator(ctx, o.Email)
		if err != nil {
			return err
		}
		err = c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
			if err := tx.DeleteOperator(ctx, user.ID); err != nil {
				return err
			}
			return tx.Audit(ctx, store.AuditRow{At: c.env.Now().UTC(), Action: "operator_removed", Target: "user:" + string(user.ID), Source: commandLine})
		})
		if err == nil {
			env.Say("%s is no operator any more.", report.Clean(user.Email))
		}
		return err
	})
}

// OperatorList prints the accounts of the console.
func OperatorList(ctx context.Context, env Env, loaded *config.Loaded) error {
	return withOperators(ctx, env, loaded, "operator list", func(ctx context.Context, c *core, _ *auth.Service) error {
		var list []store.User
		err := c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
			list, err = tx.Operators(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			env.Say("There are no operators yet. Make one with metalens operator add ADDRESS.")
		}
		for _, u := range list {
			last := "never"
			if u.LastLoginAt.UnixMicro() > 0 {
				last = u.LastLoginAt.UTC().Format(time.DateTime)
			}
			if _, err := fmt.Fprintf(env.Stdout, "%s\t%s\tlast log-in %s\n", report.Clean(u.Email), report.Clean(u.Name), last); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		return nil
	})
}

// operator finds an operator by address; an empty one means the only operator.
func (c *core) operator(ctx context.Context, email string) (found store.User, err error) {
	var list []store.User
	err = c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err = tx.Operators(ctx)
		return err
	})
	if err != nil {
		return found, err
	}
	found, ok := pick(list, email)
	if !ok {
		err = errs.New(errs.NotFound, "unknown_operator", "Which operator is meant is not clear.",
			addresses("Operators", list, "There are none yet: metalens operator add ADDRESS makes one."))
	}
	return found, err
}

func withOperators(ctx context.Context, env Env, loaded *config.Loaded, command string, do func(context.Context, *core, *auth.Service) error) (err error) {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	c, err := open(ctx, env, quietly(loaded), coreOptions{command: command, policy: ownPolicy(loaded.Config)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	accounts, err := c.operatorAuth(auth.Config{}) //nolint:contextcheck // only makes the service
	if err != nil {
		return err
	}
	return do(ctx, c, accounts)
}

func operatorPassword(env Env, o OperatorOptions) (password secret.Value, made bool, err error) {
	if o.PasswordFile == "" {
		return secret.New(strings.ToLower(rand.Text()[:20])), true, nil
	}
	password, err = readPassword(env, o.PasswordFile)
	return password, false, err
}

func printMade(env Env, password secret.Value, made bool) error {
	if !made {
		return nil
	}
	if _, err := fmt.Fprintln(env.Stdout, password.Expose()); err != nil {
		return fmt.Errorf("print the password: %w", err)
	}
	return nil
}

func consoleAddress(cfg config.Config) string {
	if cfg.Operator.PublicURL != "" {
		return cfg.Operator.PublicURL
	}
	return "http://" + cfg.Operator.Listen
}
