package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/impact/dbt"
)

// maxMigration bounds what is read of a migration.
const maxMigration = 64 << 20

// migration reads the file of --migration.
func (o ImpactOptions) migration(env Env, format impact.Format) (impactPlan, error) {
	in, name := env.Stdin, "standard input"
	if o.Migration != "-" {
		f, err := os.Open(o.Migration)
		if err != nil {
			return impactPlan{}, fileError(err, "migration", o.Migration)
		}
		defer func() { _ = f.Close() }()
		in, name = f, filepath.Base(o.Migration)
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxMigration))
	if err != nil {
		return impactPlan{}, fileError(err, "migration", o.Migration)
	}
	return impactPlan{format: format, source: name, run: func(ctx context.Context, in impact.Input, r *impact.Report) (err error) {
		r.Changes, r.Skipped, err = impact.OfMigration(ctx, in, string(raw), impact.Migration{Database: o.Database, Dialect: o.Dialect})
		return err
	}}, nil
}

// manifests reads the two files of --dbt-manifest.
func (o ImpactOptions) manifests(format impact.Format) (impactPlan, error) {
	if len(o.Manifests) != 2 {
		return impactPlan{}, errs.New(errs.Invalid, "two_manifests", "--dbt-manifest takes two manifests, the old and the new one.",
			"For example: metalens impact --dbt-manifest main/target/manifest.json target/manifest.json")
	}
	var read [2]*dbt.Manifest
	for i, path := range o.Manifests {
		f, err := os.Open(path)
		if err != nil {
			return impactPlan{}, fileError(err, "manifest", path)
		}
		read[i], err = dbt.Read(f)
		err = errors.Join(err, f.Close())
		if errors.Is(err, dbt.ErrNotManifest) {
			return impactPlan{}, errs.Wrap(err, errs.Invalid, "not_a_manifest", path+" is no dbt manifest.", "Give the manifest.json that dbt writes into its target folder.")
		}
		if err != nil {
			return impactPlan{}, fileError(err, "manifest", path)
		}
	}
	return impactPlan{format: format, source: filepath.Base(o.Manifests[1]), run: func(ctx context.Context, in impact.Input, r *impact.Report) (err error) {
		r.Changes, r.Skipped, err = impact.OfManifests(ctx, in, read[0], read[1], o.Database)
		return err
	}}, nil
}

func fileError(err error, what, path string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errs.Wrap(err, errs.Invalid, what+"_missing", "The file "+path+" does not exist.", "Check the path.")
	}
	return errs.Wrap(err, errs.Invalid, what+"_unreadable", "The file "+path+" cannot be read.", "Check the path and its permissions.")
}
