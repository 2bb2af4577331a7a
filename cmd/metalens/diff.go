package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/compare"
)

type diffCommand struct {
	A string `arg:"" help:"The earlier state: a scan's id, latest, previous, a report of scan --format json, or an export folder."`
	B string `arg:"" help:"The later state, in the same ways."`

	Connection string `help:"Name of a stored connection, when there are several." placeholder:"NAME" group:"Where to look:"`
	Format     string `help:"table, json or markdown." short:"f" default:"table" enum:"table,json,markdown" group:"Report:"`
	Output     string `help:"Write the report to this file, whole or not at all; - is standard output." short:"o" placeholder:"FILE" group:"Report:"`
}

// Run compares.
func (c *diffCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.Diff(ctx, i.env, loaded, app.DiffOptions{
		A: c.A, B: c.B, Connection: c.Connection, Format: compare.Format(c.Format), Output: c.Output,
	})
}
