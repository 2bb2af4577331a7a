package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
)

type supportCommand struct {
	Bundle supportBundleCommand `cmd:"" help:"Write a bundle for somebody who helps: versions, settings, figures, error codes; no names, no SQL, no secrets. It is sent nowhere."`
}

type supportBundleCommand struct {
	Output string `help:"File to write; metalens-support-<time>.zip here without." placeholder:"FILE" type:"path"`
	Log    string `help:"Put the end of this log file in, with every value hashed." placeholder:"FILE" type:"path"`
	List   bool   `help:"Only say what would be in it."`
}

// Run writes the bundle.
func (c supportBundleCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.SupportBundle(ctx, i.env, loaded, app.SupportOptions{Output: c.Output, Log: c.Log, List: c.List})
}
