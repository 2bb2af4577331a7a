package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
)

type keysCommand struct {
	Status keysStatusCommand `cmd:"" help:"Say where the master key comes from, which keys seal what, and how far a rotation is."`
	List   keysListCommand   `cmd:"" help:"List the keys by id, as status does, in JSON."`
	Rotate keysRotateCommand `cmd:"" help:"Change the master key, or with --data-keys the data keys, while a server runs. Run it again after an interruption."`
	New    keysNewCommand    `cmd:"" help:"Write a new master key into a file, to hand over by systemd, a descriptor or a secret store."`
	Revoke keysRevokeCommand `cmd:"" help:"Destroy a master key that is not in use any more. Older backups need it."`
}

type keysStatusCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// Run prints the state of the keys.
func (c keysStatusCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.KeysShow(ctx, i.env, loaded, c.JSON)
}

type keysListCommand struct{}

// Run prints the keys in JSON.
func (keysListCommand) Run(ctx context.Context, i *invocation) error {
	return keysStatusCommand{JSON: true}.Run(ctx, i)
}

type keysRotateCommand struct {
	DataKeys bool   `name:"data-keys" help:"Change the data keys and seal everything again; the old data keys are destroyed."`
	Out      string `help:"Write the keys with a new one to FILE, where the master key comes from outside (a credential, a descriptor)." placeholder:"FILE"`
}

// Run rotates.
func (c keysRotateCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	if c.DataKeys && c.Out != "" {
		return usage("usage", "--data-keys and --out do not go together.", "Data keys are stored wrapped; there is nothing to write out.")
	}
	return app.KeysRotate(ctx, i.env, loaded, app.KeysRotateOptions{Data: c.DataKeys, Out: c.Out})
}

type keysNewCommand struct {
	File string `arg:"" help:"New file for the key."`
}

// Run writes a key.
func (c keysNewCommand) Run(i *invocation) error { return app.KeysNew(i.env, c.File) }

type keysRevokeCommand struct {
	ID      uint32 `arg:"" help:"Id of the master key, from metalens keys status."`
	Confirm string `help:"The id again, instead of typing it." placeholder:"ID"`
}

// Run revokes a key.
func (c keysRevokeCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.KeysRevoke(ctx, i.env, loaded, c.ID, c.Confirm)
}
