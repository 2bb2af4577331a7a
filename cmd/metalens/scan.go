package main

import (
	"context"
	"strconv"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/report"
)

type scanCommand struct {
	URL         string `help:"Address of the Metabase (METABASE_URL)." name:"url" placeholder:"URL" group:"What to read:"`
	APIKeyFile  string `help:"File with the API key, - for standard input (METABASE_API_KEY, METABASE_API_KEY_FILE)." name:"api-key-file" placeholder:"FILE" xor:"credential" group:"What to read:"`
	SessionFile string `help:"File with a session id, for servers before 0.49 (METABASE_SESSION, METABASE_SESSION_FILE)." placeholder:"FILE" xor:"credential" group:"What to read:"`
	Connection  string `help:"Name of a stored connection, or the name to store this one under." placeholder:"NAME" group:"What to read:"`
	Export      string `help:"Read a serialization or remote-sync folder instead of a Metabase; nothing is stored." placeholder:"DIR" group:"What to read:"`

	Format   string `help:"table, json, ndjson, csv, markdown, html or sarif." short:"f" default:"table" enum:"table,json,ndjson,csv,markdown,html,sarif" group:"Report:"`
	Output   string `help:"Write the report to this file, whole or not at all; - is standard output." short:"o" placeholder:"FILE" group:"Report:"`
	Baseline string `help:"An earlier JSON or NDJSON report: findings it does not have are marked new." placeholder:"FILE" group:"Report:"`
	FailOn   string `help:"Exit with 1 when a finding is at least low, medium, high or critical; with a baseline, only new ones count." placeholder:"SEVERITY" enum:",low,medium,high,critical" default:"" group:"Report:"`
	Columns  bool   `help:"List columns in the inventory too." group:"Report:"`

	Exclude           []string `help:"Leave out a collection, by its id, with everything below it; may be repeated." placeholder:"COLLECTION" group:"How to read:" sep:"none"`
	NoDashboardDetail bool     `help:"Read no dashboard in detail: Metabase counts each such read as a view." group:"How to read:"`
	IncludePersonal   bool     `help:"Read personal collections too." group:"How to read:"`
	MaskLiterals      bool     `help:"Keep no literal of a query, only a keyed hash of it." group:"How to read:"`
	RefreshSchema     bool     `help:"Read every database's tables again; otherwise weekly." group:"How to read:"`
	Concurrency       int      `help:"Requests at a time (METALENS_SCAN_CONCURRENCY; 3)." placeholder:"N" group:"How to read:"`
	Stateless         bool     `help:"Read and keep nothing in the data directory. Every scan is then a full one." group:"How to read:"`

	AllowPlainHTTP bool          `help:"Send the key over plain HTTP beyond this machine." name:"allow-plain-http" group:"Transport:"`
	TLS12          bool          `help:"Accept TLS 1.2; otherwise 1.3 is required." name:"tls12" group:"Transport:"`
	CAFile         string        `help:"PEM file of a certificate authority to trust beside the system's." name:"ca-file" placeholder:"FILE" group:"Transport:"`
	Proxy          string        `help:"http, https or socks5 proxy, or the word environment to follow HTTPS_PROXY." placeholder:"URL" group:"Transport:"`
	Timeout        time.Duration `help:"Limit of one small request; big lists get ten times that (METALENS_METABASE_TIMEOUT; 30s)." placeholder:"TIME" group:"Transport:"`

	Quiet      bool          `help:"Print nothing but the report and errors." short:"q" group:"Progress:"`
	NoProgress bool          `help:"Print no progress." group:"Progress:"`
	Wait       time.Duration `help:"Wait this long for another MetaLens to leave the data directory." placeholder:"TIME" group:"Progress:"`
}

// keys returns the flags that are settings.
func (c *scanCommand) keys() []config.Flag {
	var list []config.Flag
	add := func(given bool, key, flag, value string) {
		if given {
			list = append(list, config.Flag{Key: key, Flag: flag, Value: value})
		}
	}
	add(c.URL != "", "metabase.url", "--url", c.URL)
	add(c.APIKeyFile != "", "metabase.api_key_file", "--api-key-file", c.APIKeyFile)
	add(c.SessionFile != "", "metabase.session_file", "--session-file", c.SessionFile)
	add(c.AllowPlainHTTP, "metabase.allow_plain_http", "--allow-plain-http", "true")
	add(c.TLS12, "metabase.tls12", "--tls12", "true")
	add(c.CAFile != "", "metabase.ca_file", "--ca-file", c.CAFile)
	add(c.Proxy != "", "metabase.proxy", "--proxy", c.Proxy)
	add(c.Timeout != 0, "metabase.timeout", "--timeout", c.Timeout.String())
	add(c.Concurrency != 0, "scan.concurrency", "--concurrency", strconv.Itoa(c.Concurrency))
	return list
}

// Run scans and reports.
func (c *scanCommand) Run(ctx context.Context, i *invocation) error {
	if c.Export != "" && (c.URL != "" || c.Connection != "") {
		return usage("two_sources", "--export reads a folder; --url and --connection read a Metabase.", "Keep one of them.")
	}
	loaded, err := i.load(c.keys()...)
	if err != nil {
		return err
	}
	progress := app.ProgressAuto
	if c.Quiet || c.NoProgress {
		progress = app.ProgressNone
	}
	return app.Scan(ctx, i.env, loaded, app.ScanOptions{
		Connection: c.Connection, Export: c.Export,
		Format: report.Format(c.Format), Output: c.Output, Baseline: c.Baseline, FailOn: finding.Severity(c.FailOn), Columns: c.Columns,
		Exclude: c.Exclude, NoDashboardDetail: c.NoDashboardDetail, IncludePersonal: c.IncludePersonal, MaskLiterals: c.MaskLiterals,
		RefreshSchema: c.RefreshSchema, Stateless: c.Stateless,
		Progress: progress, Quiet: c.Quiet, Wait: c.Wait,
	})
}
