package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/support"
)

// SupportOptions say what a support bundle has and where it goes.
type SupportOptions struct {
	Output string // file to write; empty = metalens-support-<time>.zip here
	Log    string // log file whose end goes in; empty = none
	List   bool   // only say what would be in it
}

// supportReports is how many retention reports a bundle has.
const supportReports = 60

// SupportBundle writes what somebody who helps from outside needs, and nothing
// of what is in the database. It is sent nowhere. A server may run.
func SupportBundle(ctx context.Context, env Env, loaded *config.Loaded, o SupportOptions) error {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	in := support.Input{
		Version: VersionText(), Go: runtime.Version(), System: fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		Now: env.Now(), Names: []string{loaded.Config.Data, env.Variable("HOME"), env.Variable("USER")},
	}
	for _, k := range config.Keys() {
		s := support.Setting{Name: k.Name, Secret: k.Secret, Source: string(loaded.Origin(k.Name).Source)}
		if !k.Secret {
			s.Value = loaded.Show(k.Name)
		}
		in.Settings = append(in.Settings, s)
	}
	var said bytes.Buffer
	quiet := env
	quiet.Stdout, quiet.Stderr, quiet.StdoutTTY, quiet.StderrTTY = &said, io.Discard, false, false
	_ = Doctor(ctx, quiet, loaded, true) // what it finds is what the bundle is for
	in.Doctor = said.String()
	if err := readForSupport(ctx, env, loaded, &in); err != nil {
		in.Problem, _ = errs.PublicText(err)
	}
	if o.Log != "" {
		f, err := os.Open(o.Log)
		if err != nil {
			return errs.Wrap(err, errs.Invalid, "log_file", "The log file cannot be read.", "Check its path. With journald: journalctl -u metalens > FILE.")
		}
		defer func() { _ = f.Close() }()
		in.Log = f
	}
	files, err := support.Build(ctx, in)
	if err != nil {
		return err
	}
	env.Say("%s", strings.TrimRight(string(files[0].Content), "\n"))
	if o.List {
		return nil
	}
	if o.Output == "" {
		o.Output = "metalens-support-" + env.Now().UTC().Format("20060102-150405") + ".zip"
	}
	return writeBundle(env, o.Output, files)
}

// readForSupport adds what only the database knows.
func readForSupport(ctx context.Context, env Env, loaded *config.Loaded, in *support.Input) (err error) {
	c, _, err := openForReading(ctx, env, loaded, "support")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	names, err := c.store.Names(ctx)
	if err != nil {
		return err
	}
	in.Names = append(in.Names, names...)
	figures, err := c.store.Figures(ctx)
	if err != nil {
		return err
	}
	queue, err := jobs.NewQueue(c.store)
	if err != nil {
		return err
	}
	if in.Jobs, err = queue.List(ctx, "", 1000); err != nil {
		return err
	}
	in.Figures = &figures
	return c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		in.Reports, err = tx.RetentionReports(ctx, supportReports)
		return err
	})
}

func writeBundle(env Env, path string, files []support.File) (err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "output", "The file "+path+" cannot be made; it may exist already.", "Choose another one with --output.")
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	list := make([]erasure.File, len(files))
	for i, f := range files {
		list[i] = erasure.File{Name: f.Name, Content: f.Content}
	}
	if err := erasure.Zip(out, list, env.Now()); err != nil {
		return err
	}
	env.Say("\nWrote %s. It was sent nowhere.", path)
	return nil
}
