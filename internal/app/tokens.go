package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/token"
)

// newTokens builds the service of access tokens. second says who has a second
// factor.
func newTokens(c *core, second func(context.Context, store.UserID) (bool, error)) (*token.Service, error) {
	return token.New(token.Config{Store: c.store, SecondFactor: second, Now: c.env.Now, Logger: c.log})
}

// openAccounts opens the store for a command about accounts.
func openAccounts(ctx context.Context, env Env, loaded *config.Loaded, command string) (*core, error) {
	if !stateExists(loaded.Config) {
		return nil, errs.New(errs.NotFound, "no_accounts", "There are no accounts in "+loaded.Config.Data+" yet.", "Run metalens serve and open its pages to make the first one.")
	}
	return open(ctx, env, quietly(loaded), coreOptions{command: command, policy: ownPolicy(loaded.Config)})
}

// account finds an account by its address; none is empty.
func (c *core) account(ctx context.Context, email string) (user store.User, err error) {
	if email == "" {
		return store.User{}, nil
	}
	err = c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		user, err = tx.UserByEmail(ctx, email)
		return err
	})
	if errs.KindOf(err) == errs.NotFound {
		err = errs.Wrap(err, errs.NotFound, "unknown_account", "There is no account with that address.", "")
	}
	return user, err
}

// TokenList prints the access tokens of everybody, or of one account.
func TokenList(ctx context.Context, env Env, loaded *config.Loaded, email string) (err error) {
	c, err := openAccounts(ctx, env, loaded, "user tokens")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	ctx = access.AsSystem(ctx)
	user, err := c.account(ctx, email)
	if err != nil {
		return err
	}
	list, err := c.tokens(ctx, user.ID)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		env.Say("There are no access tokens.")
		return nil
	}
	out := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "ID\tMEMBER\tNAME\tSCOPES\tEXPIRES\tLAST USED")
	for _, t := range list {
		used := "never"
		if !t.LastUsedAt.IsZero() {
			used = t.LastUsedAt.Format("2006-01-02 15h")
		}
		expires := t.ExpiresAt.Format(time.DateOnly)
		if !t.ExpiresAt.After(env.Now()) {
			expires += " (expired)"
		}
		_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, report.Clean(t.Email), report.Clean(t.Name), strings.Join(t.Scopes, ","), expires, used)
	}
	return out.Flush()
}

func (c *core) tokens(ctx context.Context, user store.UserID) ([]token.Listed, error) {
	service, err := newTokens(c, nil)
	if err != nil {
		return nil, err
	}
	orgs, err := c.organizations(ctx)
	if err != nil {
		return nil, err
	}
	var all []token.Listed
	for _, o := range orgs {
		list, err := service.ListOf(ctx, o.ID, user)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

func (c *core) organizations(ctx context.Context) (list []store.Organization, err error) {
	err = c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err = tx.Organizations(ctx)
		return err
	})
	return list, err
}

// TokenRevoke revokes tokens by id, or all of an account.
func TokenRevoke(ctx context.Context, env Env, loaded *config.Loaded, ids []string, email string) (err error) {
	if (len(ids) == 0) == (email == "") {
		return errs.New(errs.Invalid, "which_token", "Which tokens to revoke is not clear.", "Name their ids (metalens user tokens list), or --email for all of an account.")
	}
	c, err := openAccounts(ctx, env, loaded, "user tokens")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	ctx = access.AsSystem(ctx)
	user, err := c.account(ctx, email)
	if err != nil {
		return err
	}
	list, err := c.tokens(ctx, user.ID)
	if err != nil {
		return err
	}
	service, err := newTokens(c, nil)
	if err != nil {
		return err
	}
	known := map[string]store.OrgID{}
	for _, t := range list {
		known[t.ID] = t.OrgID
		if email != "" {
			ids = append(ids, t.ID)
		}
	}
	for _, id := range ids {
		if known[id] == "" {
			return errs.New(errs.NotFound, "no_token", "There is no token "+report.Clean(id)+".", "metalens user tokens list shows them.")
		}
	}
	for _, id := range ids {
		if err := service.RevokeAs(ctx, known[id], id); err != nil {
			return err
		}
	}
	env.Say("Revoked: %d.", len(ids))
	return nil
}

// UserUnlink unties an account from the identity provider.
func UserUnlink(ctx context.Context, env Env, loaded *config.Loaded, email string) (err error) {
	c, err := openAccounts(ctx, env, loaded, "user unlink")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	ctx = access.AsSystem(ctx)
	user, err := c.account(ctx, email)
	if err != nil {
		return err
	}
	n, err := c.unlink(ctx, user.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		env.Say("%s is not tied to an identity provider.", user.Email)
		return nil
	}
	env.Say("%s is untied. The next login by single sign-on ties it anew, by the verified address.", user.Email)
	return nil
}

// secondFactor reports whether an account has a second factor: one of ours, or
// that of a provider which always asks for one. The demo needs none.
func (s *server) secondFactor(ctx context.Context, user store.UserID) (bool, error) {
	if s.demo {
		return true, nil
	}
	has := false
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		state, err := tx.FactorState(ctx, user)
		if has = state.Any(); err != nil || has || s.config.OIDC.TrustMFA != config.TrustMFAAlways {
			return err
		}
		tied, err := tx.SSOIdentitiesOf(ctx, user)
		has = slices.ContainsFunc(tied, func(i store.SSOIdentity) bool { return i.Issuer == s.config.OIDC.Issuer })
		return err
	})
	return has, err
}
