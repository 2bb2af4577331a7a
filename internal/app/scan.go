package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// ScanOptions are the flags of scan that are no settings.
type ScanOptions struct {
	Connection string // name of a stored connection, or the name to store one under
	Export     string // folder to read instead of a Metabase

	Format   report.Format
	Output   string
	Baseline string
	FailOn   finding.Severity // empty: findings never fail
	Columns  bool

	Exclude           []string
	NoDashboardDetail bool
	IncludePersonal   bool
	MaskLiterals      bool
	RefreshSchema     bool
	Stateless         bool

	Progress ProgressMode
	Quiet    bool
	Wait     time.Duration // for another process to leave the data directory
}

// tableRows is how many findings the table shows on a terminal.
const tableRows = 60

// Scan reads a Metabase or an export, reports, and fails with a [FindingsError]
// when findings reach the severity of FailOn.
func Scan(ctx context.Context, env Env, loaded *config.Loaded, o ScanOptions) error {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	out, err := newOutput(o.Output, env.Stdout)
	if err != nil {
		return err
	}
	var baseline *report.Baseline
	if o.Baseline != "" {
		if baseline, err = report.OpenBaseline(o.Baseline); err != nil {
			return err
		}
	}
	options, err := o.connectionOptions(loaded)
	if err != nil {
		return err
	}
	screen := env.display(ctx, o.Progress)
	outcome, name, err := o.read(ctx, env, loaded, options, screen.update)
	screen.close()
	if err != nil {
		return err
	}
	in := reportInput(outcome, baseline)
	in.Connection = name
	in.Options = report.Options{Columns: o.Columns, ExportDir: exportDir(o.Export)}
	if out.path == "" {
		in.Options.Width = env.Width
		in.Options.Color = env.color(env.StdoutTTY)
		if env.StdoutTTY {
			in.Options.MaxFindings = tableRows
		}
	}
	if err := out.write(func(w io.Writer) error { return report.Write(w, o.Format, in) }); err != nil {
		return err
	}
	if !o.Quiet {
		o.summary(env, out, in)
	}
	return failOn(o.FailOn, in)
}

// read takes the snapshot in the way the options ask for.
func (o ScanOptions) read(ctx context.Context, env Env, loaded *config.Loaded, options store.ConnectionOptions, progress func(store.ScanProgress)) (*scanservice.Outcome, string, error) {
	cfg := quietly(loaded)
	if o.Export != "" {
		service, err := scanservice.New(scanConfig(env, nil, opener(env, cfg, ownPolicy(cfg), env.logger(cfg.Log))))
		if err != nil {
			return nil, "", err
		}
		out, err := service.Export(ctx, scanservice.ExportRequest{Dir: o.Export, Options: options}, progress)
		return out, "", err
	}
	target, err := loaded.Target()
	if err != nil {
		return nil, "", err
	}
	if o.Stateless {
		out, err := o.stateless(ctx, env, cfg, target, options, progress)
		return out, o.Connection, err
	}
	return o.stored(ctx, env, cfg, target, options, progress)
}

func (o ScanOptions) stateless(ctx context.Context, env Env, cfg config.Config, t config.Target, options store.ConnectionOptions, progress func(store.ScanProgress)) (*scanservice.Outcome, error) {
	if err := needTarget(t); err != nil {
		return nil, err
	}
	service, err := scanservice.New(scanConfig(env, nil, opener(env, cfg, ownPolicy(cfg), env.logger(cfg.Log))))
	if err != nil {
		return nil, err
	}
	target := scanservice.Target{URL: t.URL, Auth: authKind(t), Credential: t.Credential, Options: options, RefreshSchema: o.RefreshSchema}
	target.Options.ExcludedCollections, target.Options.NoDashboardDetail = collections(o.Exclude), o.NoDashboardDetail
	if options.MaskLiterals {
		target.MaskKey = randomKey()
	}
	return service.Stateless(ctx, target, progress)
}

// stored scans within the data directory, so that the next scan reads only what
// moved.
func (o ScanOptions) stored(ctx context.Context, env Env, cfg config.Config, t config.Target, options store.ConnectionOptions, progress func(store.ScanProgress)) (out *scanservice.Outcome, name string, err error) {
	if !stateExists(cfg) && (t.URL == "" || t.Credential.IsZero()) {
		return nil, "", needTarget(t)
	}
	c, err := open(ctx, env, cfg, coreOptions{command: "scan", wait: o.Wait, policy: ownPolicy(cfg)})
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	org, err := c.organization(ctx)
	if err != nil {
		return nil, "", err
	}
	if err := c.abandon(ctx); err != nil {
		return nil, "", err
	}
	service, err := scanservice.New(scanConfig(env, c, c.opener(c.stoppable(ownPolicy(cfg)))))
	if err != nil {
		return nil, "", err
	}
	conn, undo, err := o.connect(ctx, c, org, t, options)
	if err != nil {
		return nil, "", err
	}
	out, err = service.RunDirect(ctx, org, scanservice.Request{
		Connection: conn.ID, Trigger: scanservice.TriggerCLI, RefreshSchema: o.RefreshSchema,
		Exclude: collections(o.Exclude), NoDashboardDetail: o.NoDashboardDetail,
	}, progress)
	if err != nil {
		return nil, "", errors.Join(err, undo(context.WithoutCancel(ctx), err))
	}
	return out, conn.Name, nil
}

// connect finds or stores the connection to scan. The returned function takes
// back what was stored when the scan then fails, so that a mistyped address or
// key leaves nothing behind.
func (o ScanOptions) connect(ctx context.Context, c *core, org store.OrgID, t config.Target, options store.ConnectionOptions) (store.Connection, func(context.Context, error) error, error) {
	keep := func(context.Context, error) error { return nil }
	if t.URL == "" {
		conn, err := c.connections.Find(ctx, org, o.Connection)
		if err != nil {
			return store.Connection{}, nil, err
		}
		conn, err = c.withOptions(ctx, org, conn, options)
		return conn, keep, err
	}
	old, found, err := c.known(ctx, org, t.URL, o.Connection)
	if err != nil {
		return store.Connection{}, nil, err
	}
	if !found && t.Credential.IsZero() {
		return store.Connection{}, nil, needTarget(t)
	}
	var before secret.Value
	if found {
		before, err = c.connections.Credential(ctx, org, old.ID)
		if err != nil && errs.KindOf(err) != errs.NotFound {
			return store.Connection{}, nil, err
		}
	}
	conn, err := c.connections.Ensure(ctx, org, connection.Actor{}, connection.Draft{
		Name: o.Connection, URL: t.URL, Auth: authKind(t), Credential: t.Credential, Options: options,
	})
	if err != nil {
		return store.Connection{}, nil, err
	}
	if !found {
		return conn, func(ctx context.Context, cause error) error {
			if ExitCode(cause) != ExitMetabase {
				return nil
			}
			return c.connections.Delete(ctx, org, connection.Actor{}, conn.ID)
		}, nil
	}
	undo := keep
	if !before.IsZero() && !t.Credential.IsZero() && !before.Equal(t.Credential) {
		undo = func(ctx context.Context, cause error) error {
			if errs.KindOf(cause) != errs.Unauthorized {
				return nil
			}
			return c.connections.ReplaceCredential(ctx, org, connection.Actor{}, conn.ID, old.Auth, before)
		}
	}
	conn, err = c.withOptions(ctx, org, conn, options)
	return conn, undo, err
}

// known finds the stored connection of an address, and of a name where one is
// given.
func (c *core) known(ctx context.Context, org store.OrgID, address, name string) (store.Connection, bool, error) {
	address, err := connection.NormalizeURL(address)
	if err != nil {
		return store.Connection{}, false, err
	}
	list, err := c.connections.List(ctx, org)
	if err != nil {
		return store.Connection{}, false, err
	}
	for _, conn := range list {
		if conn.URL == address && (name == "" || strings.EqualFold(conn.Name, name)) {
			return conn, true, nil
		}
	}
	return store.Connection{}, false, nil
}

// withOptions adds the options given now to those of a stored connection; they
// stay with it.
func (c *core) withOptions(ctx context.Context, org store.OrgID, conn store.Connection, given store.ConnectionOptions) (store.Connection, error) {
	o := conn.Options
	o.AllowPlainHTTP = o.AllowPlainHTTP || given.AllowPlainHTTP
	o.MinTLS12 = o.MinTLS12 || given.MinTLS12
	o.IncludePersonal = o.IncludePersonal || given.IncludePersonal
	o.MaskLiterals = o.MaskLiterals || given.MaskLiterals
	if given.CACertificates != "" {
		o.CACertificates = given.CACertificates
	}
	if given.ProxyURL != "" {
		o.ProxyURL = given.ProxyURL
	}
	if given.Concurrency != 0 {
		o.Concurrency = given.Concurrency
	}
	if sameOptions(o, conn.Options) {
		return conn, nil
	}
	return c.connections.Update(ctx, org, connection.Actor{}, conn.ID, connection.Draft{
		Name: conn.Name, URL: conn.URL, Auth: conn.Auth, Options: o, Schedule: conn.Schedule,
	})
}

func sameOptions(a, b store.ConnectionOptions) bool {
	return a.AllowPlainHTTP == b.AllowPlainHTTP && a.MinTLS12 == b.MinTLS12 && a.IncludePersonal == b.IncludePersonal &&
		a.MaskLiterals == b.MaskLiterals && a.CACertificates == b.CACertificates && a.ProxyURL == b.ProxyURL && a.Concurrency == b.Concurrency
}

// abandon closes scans that a killed process left open. Only the holder of the
// data directory's lock may do that.
func (c *core) abandon(ctx context.Context) error {
	if c.lock == nil {
		return nil
	}
	err := c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		_, err := tx.AbandonStale(ctx, c.env.Now().UTC())
		return err
	})
	if err != nil {
		return fmt.Errorf("close interrupted scans: %w", err)
	}
	return nil
}

// connectionOptions takes the options of a connection out of settings and flags.
func (o ScanOptions) connectionOptions(loaded *config.Loaded) (store.ConnectionOptions, error) {
	m := loaded.Config.Metabase
	options := store.ConnectionOptions{
		AllowPlainHTTP: m.AllowPlainHTTP, MinTLS12: m.TLS12, ProxyURL: m.Proxy, IncludePersonal: o.IncludePersonal, MaskLiterals: o.MaskLiterals,
	}
	if loaded.Origin("scan.concurrency").Source != config.SourceDefault {
		options.Concurrency = loaded.Config.Scan.Concurrency
	}
	if m.CAFile != "" {
		pem, err := os.ReadFile(m.CAFile)
		if err != nil {
			return options, errs.Wrap(err, errs.Invalid, "ca_file", "The certificate file "+m.CAFile+" cannot be read.", "Check the path and its permissions.")
		}
		options.CACertificates = string(pem)
	}
	return options, nil
}

func authKind(t config.Target) store.AuthKind {
	if t.Session {
		return store.AuthSession
	}
	return store.AuthAPIKey
}

// needTarget says what is missing to read a Metabase.
func needTarget(t config.Target) error {
	switch {
	case t.URL == "":
		return errs.New(errs.Invalid, "no_url", "Which Metabase is meant was not said.",
			"Give --url and --api-key-file, set METABASE_URL and METABASE_API_KEY, name a stored --connection, or begin with metalens init.")
	case t.Credential.IsZero():
		return errs.New(errs.Invalid, "no_key", "There is no key for "+t.URL+".",
			"Give --api-key-file FILE (or - for standard input), or set METABASE_API_KEY. Servers before 0.49 take --session-file.")
	}
	return nil
}

// stateExists reports whether there is a database to look into.
func stateExists(cfg config.Config) bool {
	if !cfg.DatabaseURL.IsZero() {
		return true
	}
	_, err := os.Stat(databaseIn(cfg.Data))
	return err == nil
}

// collections takes collection ids as people copy them: a number, or the part
// of the address behind /collection/, which begins with it.
func collections(texts []string) []string {
	var ids []string
	for _, t := range texts {
		t = strings.TrimSpace(t)
		if number, rest, found := strings.Cut(t, "-"); found && rest != "" && number != "" && strings.Trim(number, "0123456789") == "" {
			t = number
		}
		ids = append(ids, t)
	}
	return ids
}

// exportDir is the export folder as SARIF names it: relative, with slashes.
func exportDir(dir string) string {
	if dir == "" || filepath.IsAbs(dir) {
		return ""
	}
	return filepath.ToSlash(filepath.Clean(dir))
}

// failOn counts what reaches the severity; with a baseline only what is new.
func failOn(severity finding.Severity, in *report.Input) error {
	if severity == "" {
		return nil
	}
	n := 0
	for i := range in.Findings {
		f := &in.Findings[i]
		if f.Severity.Rank() >= severity.Rank() && (in.Baseline == nil || !in.Baseline.Has(f.Fingerprint)) {
			n++
		}
	}
	if n > 0 {
		return &FindingsError{Count: n, Severity: string(severity), New: in.Baseline != nil}
	}
	return nil
}

// summary says on standard error what was done and what to do next.
func (o ScanOptions) summary(env Env, out output, in *report.Input) {
	s := in.Snapshot
	took := s.FinishedAt.Sub(s.StartedAt).Round(100 * time.Millisecond)
	text := fmt.Sprintf("Read %d questions, %d dashboards and %d tables", len(s.Questions), len(s.Dashboards), len(s.Tables))
	if s.Requests.Total > 0 {
		text += fmt.Sprintf(" with %d requests in %s", s.Requests.Total, took)
	}
	env.Say("")
	env.Say("%s. Health %d of 100, %d findings.", text, in.Health.Score, len(in.Findings))
	if partial, reasons := s.Partial(); partial {
		env.Say("The scan is partial: %d things could not be read; the report lists them.", len(reasons))
	}
	if out.path != "" {
		env.Say("Report: %s", out.path)
	}
	switch {
	case o.Export != "" || o.Stateless:
		env.Say("Nothing was kept. Next: --format html --output report.html gives a file to forward.")
	default:
		env.Say("Next: metalens serve shows it in the browser; --format html --output report.html gives a file to forward.")
	}
}
