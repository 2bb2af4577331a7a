package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/analysis"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/compare"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
)

// DiffOptions are the flags of diff.
type DiffOptions struct {
	A, B       string // scan id, latest, previous, report file, export folder
	Connection string
	Format     compare.Format
	Output     string
}

// diffRows is how many entries per section a terminal shows.
const diffRows = 60

// Diff says what differs between two states.
func Diff(ctx context.Context, env Env, loaded *config.Loaded, o DiffOptions) (err error) {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	out, err := newOutput(o.Output, env.Stdout)
	if err != nil {
		return err
	}
	d := &differ{env: env, loaded: loaded, options: o}
	defer func() { err = errors.Join(err, d.stored.close()) }()
	a, err := d.load(ctx, o.A)
	if err != nil {
		return err
	}
	b, err := d.load(ctx, o.B)
	if err != nil {
		return err
	}
	by := matching(a, b)
	left, err := a.side(by, b)
	if err != nil {
		return err
	}
	right, err := b.side(by, a)
	if err != nil {
		return err
	}
	result := compare.Diff(left, right, by)
	var shape compare.Options
	if out.path == "" {
		shape = compare.Options{Width: env.Width, Color: env.color(env.StdoutTTY)}
		if env.StdoutTTY {
			shape.Max = diffRows
		}
	}
	return out.write(func(w io.Writer) error { return compare.Write(w, o.Format, result, shape) })
}

// matching compares within one Metabase by id. Two folders, or two instances,
// have only entity ids in common.
func matching(a, b *diffState) compare.Matching {
	same := strings.TrimRight(a.url(), "/") == strings.TrimRight(b.url(), "/")
	if same && a.source != compare.FromExport && b.source != compare.FromExport && !strings.HasPrefix(a.url(), "export:") {
		return compare.ByID
	}
	return compare.ByEntity
}

// differ opens the store once, if one of the states is a scan.
type differ struct {
	env     Env
	loaded  *config.Loaded
	options DiffOptions
	stored  *stored
}

// diffState is one of the two states, loaded: a snapshot or a report.
type diffState struct {
	name     string
	source   compare.Source
	scan     store.Scan
	snapshot *catalog.Snapshot
	result   *analysis.Result
	raw      *compare.Raw
}

func (s *diffState) url() string {
	if s.raw != nil {
		return s.raw.URL()
	}
	return s.snapshot.Instance.URL
}

func (d *differ) load(ctx context.Context, text string) (*diffState, error) {
	info, err := os.Stat(text)
	switch {
	case err == nil && info.IsDir():
		return d.folder(ctx, text)
	case err == nil:
		return d.report(text)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, errs.Wrap(err, errs.Invalid, "state_unreadable", text+" cannot be read.", "Check the path and its permissions.")
	case strings.ContainsAny(text, `/\`) || strings.Contains(filepath.Ext(text), "json"):
		return nil, errs.Wrap(err, errs.Invalid, "state_missing", "The file "+text+" does not exist.", "Give a scan's id, latest, previous, a report of metalens scan --format json, or an export folder.")
	}
	return d.scan(ctx, text)
}

func (d *differ) folder(ctx context.Context, dir string) (*diffState, error) {
	service, err := scanservice.New(scanConfig(d.env, nil, opener(d.env, quietly(d.loaded), ownPolicy(d.loaded.Config), d.env.logger(quietly(d.loaded).Log))))
	if err != nil {
		return nil, err
	}
	outcome, err := service.Export(ctx, scanservice.ExportRequest{Dir: dir}, nil)
	if err != nil {
		return nil, err
	}
	return &diffState{name: dir, source: compare.FromExport, snapshot: outcome.Snapshot, result: outcome.Analysis}, nil
}

func (d *differ) report(path string) (*diffState, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(err, "report", path)
	}
	defer func() { _ = f.Close() }()
	raw, err := compare.Report(f)
	if errors.Is(err, compare.ErrNotReport) {
		return nil, errs.Wrap(err, errs.Invalid, "not_a_report", path+" is no report of metalens scan.", "Write one with metalens scan --format json --output FILE.")
	}
	if err != nil {
		return nil, fileError(err, "report", path)
	}
	return &diffState{name: path, source: compare.FromReport, raw: raw}, nil
}

func (d *differ) scan(ctx context.Context, text string) (*diffState, error) {
	if d.stored == nil {
		s, err := openStored(ctx, d.env, d.loaded, "diff")
		if err != nil {
			return nil, err
		}
		d.stored = s
	}
	found, conn, err := d.stored.scan(ctx, d.options.Connection, text)
	if err != nil {
		return nil, err
	}
	state := &diffState{name: text, source: compare.FromScan, scan: found}
	err = d.stored.store.ViewOrg(ctx, d.stored.org, func(ctx context.Context, tx *store.Tx) (err error) {
		state.snapshot, err = tx.LoadSnapshot(ctx, found.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	state.result, err = analysis.Run(ctx, state.snapshot, analysis.Options{
		Now: state.snapshot.FinishedAt, SQL: sqllineage.New(), Logger: d.stored.log,
		Parameters: conn.Options.CheckParameters, Enabled: conn.Options.EnabledChecks, Disabled: conn.Options.DisabledChecks,
	})
	if err != nil {
		return nil, err
	}
	return state, nil
}

// side makes the state comparable with the other one: against a report, only
// what a report holds can be compared.
func (s *diffState) side(by compare.Matching, other *diffState) (*compare.Side, error) {
	var out *compare.Side
	var err error
	switch {
	case s.raw != nil:
		out, err = s.raw.Side(by)
	case other.raw != nil:
		out, err = s.asReport(by)
	default:
		out = compare.Snapshot(s.snapshot, by)
		out.Judge(s.result.Index, s.result.Findings)
	}
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", s.name, err)
	}
	out.Name, out.Source, out.ID = s.name, s.source, string(s.scan.ID)
	return out, nil
}

func (s *diffState) asReport(by compare.Matching) (*compare.Side, error) {
	var b bytes.Buffer
	in := reportInput(&scanservice.Outcome{Snapshot: s.snapshot, Analysis: s.result, Ignored: map[string]bool{}}, nil)
	in.Options = report.Options{Columns: true}
	in.Findings = append([]finding.Finding(nil), s.result.Findings...)
	if err := report.Write(&b, report.FormatJSON, in); err != nil {
		return nil, err
	}
	raw, err := compare.Report(&b)
	if err != nil {
		return nil, err
	}
	return raw.Side(by)
}
