package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/impact"
)

type impactCommand struct {
	Refs []string `arg:"" optional:"" name:"ref" help:"What changes: question:12, dashboard:3, schema.table, schema.table.column or db/schema/table[/column]; several change together."`

	Change      string   `help:"drop, rename or type." default:"drop" enum:"drop,rename,type" group:"What changes:"`
	Migration   string   `help:"Read the changes from a file of DDL instead; - is standard input." placeholder:"FILE" group:"What changes:"`
	DBTManifest []string `help:"Compare two dbt manifests: --dbt-manifest OLD NEW, or the flag twice." name:"dbt-manifest" placeholder:"OLD NEW" sep:"none" group:"What changes:"`
	Database    string   `help:"The database of Metabase that --migration or --dbt-manifest is about, by name or id, when names alone do not tell." placeholder:"NAME" group:"What changes:"`
	Dialect     string   `help:"Dialect of --migration; otherwise that of the database." placeholder:"DIALECT" group:"What changes:"`

	Connection string `help:"Name of a stored connection, when there are several." placeholder:"NAME" group:"Where to look:"`
	Scan       string `help:"Id of a stored scan, latest or previous." placeholder:"ID" default:"latest" group:"Where to look:"`

	Format string `help:"tree, json, csv or markdown; otherwise tree, and markdown for --migration and --dbt-manifest." short:"f" enum:",tree,json,csv,markdown" default:"" group:"Report:"`
	Output string `help:"Write the report to this file, whole or not at all; - is standard output." short:"o" placeholder:"FILE" group:"Report:"`
	Paths  int    `help:"Most ways listed per affected asset." default:"3" group:"Report:"`
}

// Run answers.
func (c *impactCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	o := app.ImpactOptions{
		Refs: c.Refs, Change: impact.Change(c.Change), Migration: c.Migration, Manifests: c.DBTManifest, Database: c.Database, Dialect: c.Dialect,
		Connection: c.Connection, Scan: c.Scan, Format: impact.Format(c.Format), Output: c.Output, Paths: c.Paths,
	}
	if len(o.Manifests) == 1 && len(o.Refs) == 1 { // --dbt-manifest OLD NEW
		o.Manifests, o.Refs = append(o.Manifests, o.Refs[0]), nil
	}
	return app.Impact(ctx, i.env, loaded, o)
}
