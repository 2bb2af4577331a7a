package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
)

type exportCommand struct {
	Dir          string `arg:"" help:"Folder to write to; a new or an empty one." type:"path"`
	Organization string `help:"Name or id of the organization; not needed where there is one." placeholder:"NAME"`
	Account      string `help:"Export what is one account's own instead, by its address." placeholder:"ADDRESS"`
}

// Run writes the records.
func (c exportCommand) Run(ctx context.Context, i *invocation) error {
	if c.Organization != "" && c.Account != "" {
		return usage("usage", "--organization and --account do not go together.", "Export one after the other.")
	}
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.Export(ctx, i.env, loaded, app.ExportOptions{Organization: c.Organization, Account: c.Account, Dir: c.Dir})
}
