package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
)

type userTokensCommand struct {
	List   tokenListCommand   `cmd:"" help:"List access tokens: whose, what they may, until when, last used. Never the tokens themselves."`
	Revoke tokenRevokeCommand `cmd:"" help:"Revoke access tokens at once."`
}

type tokenListCommand struct {
	Email string `help:"Only those of this account." placeholder:"ADDRESS"`
}

// Run lists tokens.
func (c tokenListCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.TokenList(ctx, i.env, loaded, c.Email)
}

type tokenRevokeCommand struct {
	ID    []string `arg:"" optional:"" name:"id" help:"Ids of tokens, as the list shows them."`
	Email string   `help:"All tokens of this account." placeholder:"ADDRESS"`
}

// Run revokes tokens.
func (c tokenRevokeCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.TokenRevoke(ctx, i.env, loaded, c.ID, c.Email)
}

type userUnlinkCommand struct {
	Email string `arg:"" help:"E-mail address of the account."`
}

// Run unties an account from the identity provider.
func (c userUnlinkCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.UserUnlink(ctx, i.env, loaded, c.Email)
}
