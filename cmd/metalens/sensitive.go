package main

import (
	"context"

	"github.com/metalens/metalens/internal/app"
)

// sensitiveCommand groups what tells personal and secret data.
type sensitiveCommand struct {
	Classify sensitiveClassifyCommand `cmd:"" help:"Say of columns whether they keep personal or secret data, which, and why."`
}

type sensitiveClassifyCommand struct {
	JSONL bool   `help:"Read one JSON request per line and answer one line each, in order." name:"jsonl"`
	File  string `arg:"" optional:"" help:"The column as JSON: {\"table\", \"column\", \"type\", \"description\", \"semantic_type\"}, or the lines; - or nothing is standard input."`
}

// Run answers.
func (c *sensitiveClassifyCommand) Run(ctx context.Context, i *invocation) error {
	return app.SensitiveClassify(ctx, i.env, app.SensitiveOptions{JSONL: c.JSONL, File: c.File})
}
