package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
)

type operatorCommand struct {
	Add    operatorAddCommand    `cmd:"" help:"Make an account of the operator console. Prints a password unless a file has one; the first log-in sets up a second factor."`
	List   operatorListCommand   `cmd:"" help:"List the accounts of the operator console."`
	Reset  operatorResetCommand  `cmd:"" help:"Give an operator a new password and end his logins."`
	Remove operatorRemoveCommand `cmd:"" help:"Delete an account of the operator console."`
}

type operatorAddCommand struct {
	Email        string `arg:"" help:"E-mail address; not one of a member."`
	Name         string `help:"Name to show." placeholder:"NAME"`
	PasswordFile string `help:"File with the password, - for standard input." placeholder:"FILE"`
}

// Run makes an operator.
func (c operatorAddCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.OperatorAdd(ctx, i.env, loaded, app.OperatorOptions{Email: c.Email, Name: c.Name, PasswordFile: c.PasswordFile})
}

type operatorListCommand struct{}

// Run lists operators.
func (operatorListCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.OperatorList(ctx, i.env, loaded)
}

type operatorResetCommand struct {
	Email         string `arg:"" optional:"" help:"E-mail address; not needed when there is only one."`
	PasswordFile  string `help:"File with the password, - for standard input." placeholder:"FILE"`
	RemoveFactors bool   `help:"Remove the second factors and recovery codes as well, for whoever lost them all."`
}

// Run resets an operator's password.
func (c operatorResetCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.OperatorReset(ctx, i.env, loaded, app.OperatorOptions{Email: c.Email, PasswordFile: c.PasswordFile, RemoveFactors: c.RemoveFactors})
}

type operatorRemoveCommand struct {
	Email string `arg:"" help:"E-mail address."`
}

// Run deletes an operator.
func (c operatorRemoveCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.OperatorRemove(ctx, i.env, loaded, app.OperatorOptions{Email: c.Email})
}
