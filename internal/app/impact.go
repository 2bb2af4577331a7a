package app

import (
	"context"
	"errors"
	"io"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/impact"
)

// ImpactOptions are the flags of impact that are no settings.
type ImpactOptions struct {
	Refs       []string
	Connection string
	Scan       string
	Change     impact.Change
	Format     impact.Format // empty: tree, and markdown for a migration or manifest
	Output     string
	Paths      int
	Migration  string   // file of DDL; - is standard input
	Dialect    string   // of Migration; empty = as the database's engine
	Manifests  []string // old, new
	Database   string   // of Migration and Manifests; empty = names alone decide
}

// impactRows is how many assets per change a terminal shows.
const impactRows = 100

// Impact says what a change breaks, out of the last stored scan or the one
// asked for.
func Impact(ctx context.Context, env Env, loaded *config.Loaded, o ImpactOptions) (err error) {
	ctx = access.AsSystem(ctx) // whoever runs a command holds the data
	out, err := newOutput(o.Output, env.Stdout)
	if err != nil {
		return err
	}
	plan, err := o.plan(env)
	if err != nil {
		return err
	}
	s, err := openStored(ctx, env, loaded, "impact")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	view, conn, err := s.view(ctx, o.Connection, o.Scan)
	if err != nil {
		return err
	}
	in := impact.From(view.Index, view.Graph)
	in.Bodies = func(ctx context.Context, refs []catalog.Ref) (map[catalog.Ref]catalog.Asset, error) {
		return s.loader.Assets(ctx, s.org, view.Scan, refs)
	}
	r := &impact.Report{
		Scan:       impact.Scan{ID: string(view.Scan.ID), FinishedAt: view.Scan.FinishedAt.UTC(), URL: conn.URL, Partial: view.Scan.Summary.Partial},
		Connection: conn.Name, Index: view.Index, Source: plan.source,
	}
	if out.path == "" {
		r.Options = impact.Options{Width: env.Width, Color: env.color(env.StdoutTTY)}
		if env.StdoutTTY {
			r.Options.Max = impactRows
		}
	}
	if err := plan.run(ctx, in, r); err != nil {
		return err
	}
	return out.write(func(w io.Writer) error { return impact.Write(w, plan.format, r) })
}

// impactPlan is what is asked, read before the store is opened.
type impactPlan struct {
	format impact.Format
	source string
	run    func(ctx context.Context, in impact.Input, r *impact.Report) error
}

func (o ImpactOptions) plan(env Env) (impactPlan, error) {
	given := 0
	for _, is := range []bool{len(o.Refs) > 0, o.Migration != "", len(o.Manifests) > 0} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		return impactPlan{}, errs.New(errs.Invalid, "no_reference", "What changes was not said.",
			"Name it: metalens impact public.orders.total, or question:12; or give --migration FILE or --dbt-manifest OLD NEW.")
	case given > 1:
		return impactPlan{}, errs.New(errs.Invalid, "two_sources", "References, --migration and --dbt-manifest exclude each other.", "Keep one of them.")
	}
	format := o.Format
	if len(o.Refs) > 0 {
		if format == "" {
			format = impact.FormatTree
		}
		return impactPlan{format: format, run: o.refs}, nil
	}
	if format == "" {
		format = impact.FormatMarkdown
	}
	if o.Migration != "" {
		return o.migration(env, format)
	}
	return o.manifests(format)
}

// refs answers for the references of the command line together.
func (o ImpactOptions) refs(ctx context.Context, in impact.Input, r *impact.Report) error {
	req := impact.Request{Change: o.Change, Paths: o.Paths}
	for _, text := range o.Refs {
		ref, err := impact.Resolve(in.Index, text)
		if err != nil {
			return err
		}
		req.Roots = append(req.Roots, ref)
	}
	result, err := impact.Of(ctx, in, req)
	if err != nil {
		return err
	}
	r.Changes = []impact.Impact{{Result: result}}
	return nil
}
