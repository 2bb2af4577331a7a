package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
)

// sqlCommand groups what reads SQL without a Metabase.
type sqlCommand struct {
	Inspect   sqlInspectCommand   `cmd:"" help:"Say what SQL uses and yields: tables, columns, the source columns of every output, template tags."`
	Canonical sqlCanonicalCommand `cmd:"" help:"Write SQL in a normal form with fingerprints that tell duplicates apart."`
	Mask      sqlMaskCommand      `cmd:"" help:"Replace literals and sensitive names by placeholders. The result parses as before and can be turned back."`
	Unmask    sqlUnmaskCommand    `cmd:"" help:"Turn placeholders back: takes what sql mask --with-map printed."`
}

// sqlInput is what the sql commands read.
type sqlInput struct {
	Dialect string `help:"postgres, mysql, mariadb, bigquery, snowflake, redshift, clickhouse, duckdb, tsql, trino, athena, spark, databricks, oracle, sqlite or generic; with --jsonl, for lines that name none." short:"d" default:"generic" placeholder:"DIALECT"`
	JSONL   bool   `help:"Read one JSON request per line and answer one line each, in order." name:"jsonl"`
	File    string `arg:"" optional:"" help:"The SQL, or the lines; - or nothing is standard input."`
}

type sqlInspectCommand struct {
	sqlInput

	Schema string `help:"JSON file with the tables and their columns, for requests that bring none." placeholder:"FILE"`
}

// Run answers.
func (c *sqlInspectCommand) Run(ctx context.Context, i *invocation) error {
	return app.SQLInspect(ctx, i.env, app.SQLOptions{Dialect: c.Dialect, JSONL: c.JSONL, File: c.File, Schema: c.Schema})
}

type sqlCanonicalCommand struct {
	sqlInput
}

// Run answers.
func (c *sqlCanonicalCommand) Run(ctx context.Context, i *invocation) error {
	return app.SQLCanonical(ctx, i.env, app.SQLOptions{Dialect: c.Dialect, JSONL: c.JSONL, File: c.File})
}

type sqlMaskCommand struct {
	sqlInput

	Schema  string `help:"JSON file with the tables and their columns, for requests that bring none." placeholder:"FILE"`
	WithMap bool   `help:"Print the placeholders with what they stand for, which is as secret as the SQL itself." name:"with-map"`
}

// Run answers.
func (c *sqlMaskCommand) Run(ctx context.Context, i *invocation) error {
	return app.SQLMask(ctx, i.env, app.SQLMaskOptions{
		SQLOptions: app.SQLOptions{Dialect: c.Dialect, JSONL: c.JSONL, File: c.File, Schema: c.Schema}, WithMap: c.WithMap,
	})
}

type sqlUnmaskCommand struct {
	JSONL bool   `help:"Read one JSON request per line and answer one line each, in order." name:"jsonl"`
	File  string `arg:"" optional:"" help:"The request, or the lines; - or nothing is standard input."`
}

// Run answers.
func (c *sqlUnmaskCommand) Run(ctx context.Context, i *invocation) error {
	return app.SQLUnmask(ctx, i.env, app.SQLOptions{JSONL: c.JSONL, File: c.File})
}
