package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
)

// commands is the whole command line.
type commands struct {
	Data      string `help:"Data directory: database, key file, lock (METALENS_DATA)." placeholder:"DIR" group:"Settings"`
	Config    string `help:"Configuration file; otherwise metalens.yaml in the data directory (METALENS_CONFIG)." placeholder:"FILE" group:"Settings"`
	EnvFile   string `help:"Read settings from this .env file. Only an explicit file, or the one in the data directory, is ever read." placeholder:"FILE" group:"Settings"`
	LogLevel  string `help:"debug, info, warn or error (METALENS_LOG_LEVEL)." placeholder:"LEVEL" group:"Settings"`
	LogFormat string `help:"text or json (METALENS_LOG_FORMAT)." placeholder:"FORMAT" group:"Settings"`

	Demo      demoCommand      `cmd:"" help:"Show MetaLens on a sample company: a fake Metabase, scanned, with its pages opened. Prints address and login."`
	Init      initCommand      `cmd:"" help:"Write a .env file for the address and key of a Metabase, and keep git from taking it."`
	Scan      scanCommand      `cmd:"" help:"Read a Metabase, or an export of one, and report what is in it and what to fix."`
	Serve     serveCommand     `cmd:"" help:"Serve the pages: connections, scans, findings, catalog."`
	Doctor    doctorCommand    `cmd:"" help:"Look for what is wrong with this installation and say how to mend it."`
	Setting   configCommand    `cmd:"" name:"config" help:"Look at the settings."`
	User      userCommand      `cmd:"" help:"Look after accounts."`
	Operator  operatorCommand  `cmd:"" help:"Look after accounts of the operator console."`
	Keys      keysCommand      `cmd:"" help:"Look after the keys that seal stored data."`
	Backup    backupCommand    `cmd:"" help:"Back everything up into one encrypted file, while a server runs. The master key is not in it."`
	Restore   restoreCommand   `cmd:"" help:"Fill the database from a backup, of either engine."`
	Export    exportCommand    `cmd:"" help:"Write everything that people wrote in an organization, or one account's own records, as JSON and CSV."`
	Support   supportCommand   `cmd:"" help:"Help somebody to help, without showing what is in the database."`
	SQL       sqlCommand       `cmd:"" name:"sql" help:"Read SQL without a Metabase: what it uses and yields, and its normal form."`
	Sensitive sensitiveCommand `cmd:"" help:"Tell columns with personal or secret data."`
	Impact    impactCommand    `cmd:"" help:"Say what the change of a table, a column or a piece of content breaks: by name, by a migration, or by two dbt manifests."`
	Diff      diffCommand      `cmd:"" help:"Say what differs between two scans, reports or export folders."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

// invocation is what a command runs with.
type invocation struct {
	env   app.Env
	flags *commands
}

// settings loads the configuration with the flags of every command and those
// of this one.
func (i *invocation) settings(own ...config.Flag) (*config.Loaded, error) {
	dir, err := datadir.Default(i.env.Variable)
	if err != nil && i.flags.Data == "" {
		return nil, err
	}
	flags := own
	add := func(key, name, value string) {
		if value != "" {
			flags = append(flags, config.Flag{Key: key, Flag: name, Value: value})
		}
	}
	add("data", "--data", i.flags.Data)
	add("log.level", "--log-level", i.flags.LogLevel)
	add("log.format", "--log-format", i.flags.LogFormat)
	return config.Load(config.Inputs{
		Flags: flags, Environ: i.env.Environ, EnvFile: i.flags.EnvFile, File: i.flags.Config, DefaultData: dir, Stdin: i.env.Stdin,
	})
}

// load is settings with the warnings printed.
func (i *invocation) load(own ...config.Flag) (*config.Loaded, error) {
	loaded, err := i.settings(own...)
	if err != nil {
		return nil, err
	}
	for _, w := range loaded.Warnings {
		i.env.Say("warning: %s", w)
	}
	return loaded, nil
}

// exit is how kong's request to end arrives here instead of ending the process.
type exit int

// run parses the arguments, runs one command and returns the exit code.
func run(ctx context.Context, env app.Env, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			asked, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(asked)
		}
	}()
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("metalens"),
		kong.Description("Companion for Metabase: inventory, lineage, findings. Reads metadata only and changes nothing."),
		kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.ExplicitGroups([]kong.Group{{Key: "Settings", Title: "Settings of every command:"}}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		env.Say("metalens: %v", err)
		return app.ExitInternal
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		env.Say("metalens: %s", sentence(err.Error()))
		env.Say("  Run metalens --help, or metalens COMMAND --help.")
		return app.ExitUsage
	}
	err = parsed.Run(ctx, &invocation{env: env, flags: &cli})
	if err != nil {
		env.Explain(err, strings.EqualFold(cli.LogLevel, "debug"))
	}
	return app.ExitCode(err)
}

// sentence keeps a parser's message on one line and drops what could move a
// terminal's cursor.
func sentence(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

func usage(code, public, hint string) error { return errs.New(errs.Invalid, code, public, hint) }

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(i *invocation) error {
	_, err := fmt.Fprintln(i.env.Stdout, app.VersionText())
	return err
}

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Check the settings and print each with its value and where it came from; secrets are hidden."`
}

type configCheckCommand struct{}

// Run prints the settings, and fails on variables that are no settings.
func (configCheckCommand) Run(i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.ConfigCheck(i.env, loaded)
}

type initCommand struct {
	URL        string `help:"Address of the Metabase; asked for on a terminal." name:"url" placeholder:"URL"`
	APIKeyFile string `help:"File with the API key, - for standard input; asked for on a terminal." name:"api-key-file" placeholder:"FILE"`
	Dir        string `help:"Folder for the .env file." default:"." placeholder:"DIR"`
}

// Run writes the .env file.
func (c initCommand) Run(i *invocation) error {
	return app.Init(i.env, app.InitOptions{URL: c.URL, KeyFile: c.APIKeyFile, Dir: c.Dir})
}

type serveCommand struct {
	Listen    string `help:"host:port to listen on (METALENS_LISTEN; 127.0.0.1:8300)." placeholder:"ADDRESS"`
	PublicURL string `help:"Address people use, when a reverse proxy stands in front (METALENS_PUBLIC_URL)." name:"public-url" placeholder:"URL"`
}

// Run serves until it is stopped.
func (c serveCommand) Run(ctx context.Context, i *invocation) error {
	var own []config.Flag
	if c.Listen != "" {
		own = append(own, config.Flag{Key: "server.listen", Flag: "--listen", Value: c.Listen})
	}
	if c.PublicURL != "" {
		own = append(own, config.Flag{Key: "server.public_url", Flag: "--public-url", Value: c.PublicURL})
	}
	loaded, err := i.load(own...)
	if err != nil {
		return err
	}
	env := i.env
	if env.Reload == nil {
		reload, stop := hangups()
		defer stop()
		env.Reload = reload
	}
	return app.Serve(ctx, env, loaded)
}

type demoCommand struct {
	Listen string `help:"host:port to listen on." default:"127.0.0.1:8300" placeholder:"ADDRESS"`
	Keep   string `help:"Keep the demo's data in this folder instead of a temporary one." placeholder:"DIR"`
}

// Run shows the sample company until it is stopped.
func (c demoCommand) Run(ctx context.Context, i *invocation) error {
	return app.Demo(ctx, i.env, app.DemoOptions{Listen: c.Listen, Dir: c.Keep})
}

type doctorCommand struct {
	Offline      bool     `help:"Do not ask any Metabase."`
	VerifyLedger bool     `help:"Only verify the chains of the audit log and the egress ledger; works beside a server."`
	Anchors      []string `help:"With --verify-ledger: file of anchored checkpoints, as MetaLens, syslog or mail keep them. May be repeated." placeholder:"FILE" type:"path" sep:"none"`
	Deletion     string   `help:"Only prove a deletion: look through every table for what it removed. Its id stands on the receipt. Works beside a server." placeholder:"ID"`
	JSON         bool     `name:"json" help:"With --verify-ledger: print the result as JSON."`
}

// Run examines the installation.
func (c doctorCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	if c.Deletion != "" {
		return app.ProveDeletion(ctx, i.env, loaded, c.Deletion)
	}
	if c.VerifyLedger {
		return app.VerifyLedger(ctx, i.env, loaded, app.VerifyOptions{Anchors: c.Anchors, JSON: c.JSON})
	}
	if c.JSON || len(c.Anchors) > 0 {
		return errs.New(errs.Invalid, "usage", "--json and --anchors belong to --verify-ledger.", "")
	}
	return app.Doctor(ctx, i.env, loaded, c.Offline)
}

type userCommand struct {
	Reset  userResetCommand  `cmd:"" help:"Give an account a new password, for whoever forgot it. Ends its logins."`
	Tokens userTokensCommand `cmd:"" help:"List and revoke access tokens."`
	Unlink userUnlinkCommand `cmd:"" help:"Untie an account from the identity provider of single sign-on."`
}

type userResetCommand struct {
	Email        string `arg:"" optional:"" help:"E-mail address of the account; not needed when there is only one."`
	PasswordFile string `help:"File with the new password, - for standard input; otherwise one is made up and printed." placeholder:"FILE"`

	RemoveFactors bool `help:"Remove the second factors and recovery codes as well, for whoever lost them all."`
}

// Run resets a password.
func (c userResetCommand) Run(ctx context.Context, i *invocation) error {
	loaded, err := i.load()
	if err != nil {
		return err
	}
	return app.UserReset(ctx, i.env, loaded, app.UserResetOptions{Email: c.Email, PasswordFile: c.PasswordFile, RemoveFactors: c.RemoveFactors})
}
