package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/store"
)

// examination collects what doctor finds.
type examination struct {
	env    Env
	worst  error // the first failure, which decides the exit code
	failed int
	warned int
}

func (x *examination) print(mark, text string) {
	_, _ = fmt.Fprintf(x.env.Stdout, "%-5s %s\n", mark, report.Clean(text))
}

func (x *examination) ok(format string, args ...any) { x.print("ok", fmt.Sprintf(format, args...)) }

func (x *examination) warn(text, hint string) {
	x.warned++
	x.print("warn", text)
	x.hint(hint)
}

func (x *examination) fail(err error) {
	x.failed++
	if x.worst == nil {
		x.worst = err
	}
	text, hint := errs.PublicText(err)
	x.print("FAIL", text)
	x.hint(hint)
}

func (x *examination) hint(text string) {
	if text != "" {
		_, _ = fmt.Fprintf(x.env.Stdout, "      %s\n", report.Clean(text))
	}
}

// Doctor examines the installation and says in plain words what is wrong and
// how to mend it. It changes nothing and makes no data directory.
func Doctor(ctx context.Context, env Env, loaded *config.Loaded, offline bool) error {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	x := &examination{env: env}
	x.ok("%s", VersionText())
	x.settings(loaded)
	x.transport(loaded.Config)
	x.tracked(ctx)
	x.mailServer(ctx, loaded.Config, offline)
	x.signOn(ctx, loaded.Config, offline)
	if x.state(ctx, quietly(loaded), offline) && !offline {
		x.target(ctx, loaded)
	}
	_, _ = fmt.Fprintln(env.Stdout)
	switch {
	case x.failed > 0:
		env.Say("%d of the points above need mending.", x.failed)
		// The details are on standard output already.
		return &DoctorError{cause: x.worst}
	case x.warned > 0:
		env.Say("It works; %d points above deserve a look.", x.warned)
	default:
		env.Say("All is well.")
	}
	return nil
}

// DoctorError says that doctor found something to mend.
type DoctorError struct{ cause error }

// Error implements error.
func (e *DoctorError) Error() string { return "something needs mending" }

// Unwrap returns the first problem, which decides the exit code.
func (e *DoctorError) Unwrap() error { return e.cause }

func (x *examination) settings(loaded *config.Loaded) {
	x.ok("settings are understood (metalens config check shows them)")
	for _, name := range loaded.Unknown {
		x.warn(name+" looks like a setting and is none.", "Remove it from the environment or correct its name.")
	}
	for _, w := range loaded.Warnings {
		x.warn(w, "")
	}
	if _, err := loaded.Target(); err != nil {
		x.fail(err)
	}
}

// tracked fails when git tracks a .env in this folder.
func (x *examination) tracked(ctx context.Context) {
	if _, err := os.Stat(".env"); err != nil {
		return
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if exec.CommandContext(ctx, git, "ls-files", "--error-unmatch", ".env").Run() == nil { //nolint:gosec // G204: a fixed command
		x.fail(errs.New(errs.Invalid, "env_tracked", "git tracks the file .env of this folder, with the key in it.",
			"Run: git rm --cached .env, add .env to .gitignore, and make a new key in Metabase: the old one is in the history."))
		return
	}
	if info, err := os.Stat(".env"); err == nil && info.Mode().Perm()&0o077 != 0 {
		x.warn("Other users of this machine can read the file .env of this folder.", "Run: chmod 600 .env")
		return
	}
	x.ok(".env of this folder is not in git")
}

// state examines the data directory, its lock, key and database, and the
// connections in it. It reports whether the settings' own Metabase is still to
// be asked.
func (x *examination) state(ctx context.Context, cfg config.Config, offline bool) bool {
	if _, err := os.Stat(cfg.Data); errors.Is(err, fs.ErrNotExist) && cfg.DatabaseURL.IsZero() {
		x.ok("data folder %s does not exist yet; the first scan makes it", cfg.Data)
		return true
	}
	dir, err := datadir.Open(cfg.Data)
	if err != nil {
		x.fail(err)
		return true
	}
	x.ok("data folder %s is private", dir.Path())
	holder, held, err := dir.Holder()
	switch {
	case err != nil:
		x.fail(err)
		return true
	case held:
		x.ok("in use by \"metalens %s\" (process %d, since %s)", holder.Command, holder.PID, holder.Since.Format(time.DateTime))
		x.hint("The database is not examined while another process works on it.")
		x.masterKey(cfg, dir)
		return true
	}
	x.ok("no other process uses it")
	if !stateExists(cfg) {
		x.ok("there is no database yet; the first scan makes it")
		return true
	}
	if !x.masterKey(cfg, dir) {
		return true
	}
	c, err := open(ctx, x.env, cfg, coreOptions{command: "doctor", policy: ownPolicy(cfg)})
	if err != nil {
		x.fail(err)
		return true
	}
	defer func() { _ = c.Close() }()
	x.ok("master key fits; database opens and its schema is current")
	for _, w := range c.store.Warnings() {
		x.warn(w, "")
	}
	if err := x.connections(ctx, c, offline); err != nil {
		x.fail(err)
	}
	return true
}

func (x *examination) connections(ctx context.Context, c *core, offline bool) error {
	var orgs []store.Organization
	err := c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		orgs, err = tx.Organizations(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, o := range orgs {
		list, err := c.connections.List(ctx, o.ID)
		if err != nil {
			return err
		}
		for _, conn := range list {
			if offline {
				x.ok("connection %s to %s (not asked)", conn.Name, conn.URL)
				continue
			}
			found, err := c.connections.Test(ctx, o.ID, conn.ID)
			if err != nil {
				x.fail(err)
				continue
			}
			x.tested("connection "+conn.Name, found)
		}
	}
	return nil
}

// tested prints the result of a connection test.
func (x *examination) tested(what string, found connection.TestReport) {
	if found.OK() {
		who := "an administrator's key"
		if !found.Admin {
			who = "a key that is not an administrator's: scans are partial"
		}
		version := found.Version
		if version == "" {
			version = "of unknown version"
		}
		x.ok("%s: Metabase %s at %s answers, with %s", what, version, found.URL, who)
		return
	}
	for _, p := range found.Problems {
		x.fail(errs.New(errs.Unavailable, p.Code, what+": "+p.Text, p.Hint))
	}
}

// target asks the Metabase of the settings.
func (x *examination) target(ctx context.Context, loaded *config.Loaded) {
	t, err := loaded.Target()
	if err != nil || t.URL == "" {
		return
	}
	if t.Credential.IsZero() {
		x.warn("An address is set ("+t.URL+", from "+t.URLFrom.String()+") and no key.", "Set METABASE_API_KEY in the same place.")
		return
	}
	o := ScanOptions{}
	options, err := o.connectionOptions(loaded)
	if err != nil {
		x.fail(err)
		return
	}
	checked, err := connection.Check(connection.Draft{URL: t.URL, Auth: authKind(t), Credential: t.Credential, Options: options})
	if err != nil {
		x.fail(err)
		return
	}
	ask := opener(x.env, loaded.Config, ownPolicy(loaded.Config), x.env.logger(loaded.Config.Log))
	found, err := ask.Probe(ctx, checked, connection.Credentials{Key: t.Credential}, &ledger.Memory{})
	if err != nil {
		x.fail(err)
		return
	}
	x.tested("settings ("+strings.ToLower(filepath.Base(t.URLFrom.Detail))+")", found)
}
