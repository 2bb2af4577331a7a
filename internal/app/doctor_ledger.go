package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/datadir"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/store"
)

// VerifyOptions say how the logs are verified.
type VerifyOptions struct {
	Anchors []string // files of anchors, beside the one of the settings
	JSON    bool
}

// verificationFile is where doctor leaves its result, because it does not write
// to the database: the pages show whichever verification is newer.
func verificationFile(data string) string { return filepath.Join(data, "ledger-verification.json") }

// VerifyLedger verifies the chains of the audit log and of the egress ledger. It
// reads the database only, beside a server that runs. Something wrong is a
// [DoctorError].
func VerifyLedger(ctx context.Context, env Env, loaded *config.Loaded, o VerifyOptions) (err error) {
	cfg := quietly(loaded)
	ctx = access.AsSystem(ctx)
	var anchors []ledger.Checkpoint
	files := 0
	for i, path := range append([]string{anchorFile(cfg)}, o.Anchors...) {
		if _, err := os.Stat(path); i > 0 && err != nil {
			return errs.Wrap(err, errs.Invalid, "anchors", "There is no readable file "+path+".", "Give the file that holds the anchors.")
		}
		list, err := readAnchors(path)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			files++
		}
		anchors = append(anchors, list...)
	}
	if !stateExists(cfg) {
		return errs.New(errs.Invalid, "no_database", "There is no database yet, so there is nothing to verify.", "")
	}
	c := &core{env: env, config: cfg, log: env.logger(cfg.Log)}
	defer func() { err = errors.Join(err, c.Close()) }()
	if c.dir, err = datadir.Open(cfg.Data); err != nil {
		return err
	}
	if err := c.openStore(ctx, true); err != nil {
		return err
	}
	report, err := c.store.VerifyLedger(ctx, anchors)
	if err != nil {
		return err
	}
	if err := leaveVerification(cfg.Data, report); err != nil {
		env.Say("The result could not be kept for the pages: %v", err)
	}
	if o.JSON {
		e := json.NewEncoder(env.Stdout)
		e.SetIndent("", "  ")
		err = e.Encode(report)
	} else {
		err = c.explain(ctx, report, len(o.Anchors) > 0, files)
	}
	if err != nil {
		return err
	}
	if !report.OK() {
		return &DoctorError{cause: errs.New(errs.Conflict, "ledger_tampered", "The logs are not what was written.",
			"Keep a copy of the database and of the anchors, and find out who could write to it.")}
	}
	return nil
}

// explain prints a report for people.
func (c *core) explain(ctx context.Context, r ledger.Report, outside bool, files int) error {
	x := &examination{env: c.env}
	names := map[string]string{"": "the installation"}
	err := c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err := tx.Organizations(ctx)
		for _, o := range list {
			names[string(o.ID)] = o.Name
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, chain := range r.Chains {
		name := names[chain.Org]
		if name == "" {
			name = "organization " + chain.Org
		}
		what := fmt.Sprintf("%s of %s", chainName(chain.Chain), name)
		if chain.ProblemCount == 0 {
			x.ok("%s: %d rows, %d links, %d payloads as written%s", what, chain.Rows, chain.Links, chain.Payloads, since(chain))
		} else {
			x.fail(errs.New(errs.Conflict, "ledger_tampered", fmt.Sprintf("%s: %d contradictions", what, chain.ProblemCount), ""))
		}
		for _, p := range chain.Problems {
			x.hint(fmt.Sprintf("%s at row %d (%s): %s", p.Code, p.Seq, p.From, p.Text))
		}
		if more := chain.ProblemCount - len(chain.Problems); more > 0 {
			x.hint(fmt.Sprintf("and %d more", more))
		}
		if chain.Pruned > 0 {
			x.hint(fmt.Sprintf("rows up to %d were deleted by retention; a signed checkpoint stands for them", chain.Pruned))
		}
		if chain.NotCovered > 0 {
			x.hint(fmt.Sprintf("not covered: %d rows from before there was a chain", chain.NotCovered))
		}
	}
	for _, n := range r.Notes {
		x.ok("%s", n)
	}
	if r.KeyID != "" {
		x.ok("checkpoints are signed by key %s (public key %s)", r.KeyID, r.PublicKey)
	}
	switch {
	case files == 0:
		x.warn("No anchors were compared, so rows taken off the end, and a whole older copy of the database, stay unseen.",
			"Give anchors from outside with --anchors FILE, or wait for the first checkpoint.")
	case !outside:
		x.warn("Only the anchors beside the database were compared; whoever can change one can change the other.",
			"Anchor by syslog or mail (ledger.anchor), and give what arrived there with --anchors FILE.")
	}
	return nil
}

func chainName(c ledger.Chain) string {
	if c == ledger.ChainAudit {
		return "audit log"
	}
	return "egress ledger"
}

func since(c ledger.ChainReport) string {
	if c.AnchoredAt.IsZero() {
		return "; no anchor yet"
	}
	return "; tamper-evident since the anchor of " + c.AnchoredAt.UTC().Format(time.DateTime) + " UTC"
}

func leaveVerification(data string, r ledger.Report) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(data, ".ledger-verification-*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), verificationFile(data))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// lastVerification returns the newest verification of an organization's chains,
// by the server itself or by doctor.
func lastVerification(ctx context.Context, s *store.Store, data string, org store.OrgID) (report ledger.Report, ok bool, err error) {
	if report, ok, err = s.LastLedgerVerification(ctx, org); err != nil {
		return report, ok, err
	}
	report, ok = newerVerification(report, ok, data, string(org))
	return report, ok, nil
}

// newerVerification returns what doctor left of an organization, or of the
// installation, where that is newer than a report.
func newerVerification(report ledger.Report, ok bool, data, org string) (ledger.Report, bool) {
	b, err := os.ReadFile(verificationFile(data))
	var left ledger.Report
	if err != nil || json.Unmarshal(b, &left) != nil { // it is a courtesy of another process
		return report, ok
	}
	if left = left.Of(org); len(left.Chains) > 0 && (!ok || left.At.After(report.At)) {
		return left, true
	}
	return report, ok
}
