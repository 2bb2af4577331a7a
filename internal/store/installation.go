package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// InstallationLogs are the ledger and the audit log of what belongs to no
// organization: the mail server, single sign-on before it is known whose, key
// services, certificates, operators. Nothing of an organization is in reach.
type InstallationLogs struct{ tx *Tx }

// ViewInstallation reads the installation's own logs. The actor has to be the
// program itself or somebody of no organization, as operators are: members get
// errs.NotFound.
func (s *Store) ViewInstallation(ctx context.Context, fn func(ctx context.Context, logs InstallationLogs) error) error {
	return s.installation(ctx, s.ViewSystem, fn)
}

// InInstallation is [Store.ViewInstallation] with the right to append.
func (s *Store) InInstallation(ctx context.Context, fn func(ctx context.Context, logs InstallationLogs) error) error {
	return s.installation(ctx, s.InSystem, fn)
}

func (s *Store) installation(ctx context.Context, begin func(context.Context, func(context.Context, *SystemTx) error) error, fn func(context.Context, InstallationLogs) error) error {
	if err := access.Enter(ctx, string(systemOrg)); err != nil {
		return err
	}
	return begin(ctx, func(ctx context.Context, tx *SystemTx) error {
		within, err := tx.within(ctx, systemOrg)
		if err != nil {
			return err
		}
		return fn(ctx, InstallationLogs{within})
	})
}

// Ledger is [Tx.Ledger] of the installation.
func (l InstallationLogs) Ledger(ctx context.Context, q LedgerQuery) ([]LedgerRow, int, error) {
	return l.tx.Ledger(ctx, q)
}

// LedgerRow is [Tx.LedgerRow] of the installation.
func (l InstallationLogs) LedgerRow(ctx context.Context, id string) (LedgerRow, error) {
	return l.tx.LedgerRow(ctx, id)
}

// LedgerHosts is [Tx.LedgerHosts] of the installation.
func (l InstallationLogs) LedgerHosts(ctx context.Context) ([]string, error) {
	return l.tx.LedgerHosts(ctx, LedgerQuery{})
}

// Payload is [Tx.Payload] of the installation.
func (l InstallationLogs) Payload(ctx context.Context, id string) (ledger.Payload, error) {
	return l.tx.Payload(ctx, id)
}

// AuditLog is [Tx.AuditLog] of the installation.
func (l InstallationLogs) AuditLog(ctx context.Context, q AuditQuery) ([]AuditRow, int, error) {
	return l.tx.AuditLog(ctx, q)
}

// Audit appends a row to the installation's audit log.
func (l InstallationLogs) Audit(ctx context.Context, row AuditRow) error { return l.tx.Audit(ctx, row) }

// LastAnchor is [Tx.LastAnchor] of the installation.
func (l InstallationLogs) LastAnchor(ctx context.Context, chain ledger.Chain) (StoredCheckpoint, error) {
	return l.tx.LastAnchor(ctx, chain)
}

// LastVerification is [Tx.LastVerification] of the installation.
func (l InstallationLogs) LastVerification(ctx context.Context) (ledger.Report, bool, error) {
	return l.tx.LastVerification(ctx)
}

// VerifyInstallation is [Store.VerifyLedger] for the installation's own chains
// alone. Anchors of organizations are passed over.
func (s *Store) VerifyInstallation(ctx context.Context, anchors []ledger.Checkpoint) (ledger.Report, error) {
	started := s.now()
	v := &verifier{store: s, report: &ledger.Report{SchemaVersion: 1, At: started.UTC().Truncate(time.Microsecond)}, anchors: anchors}
	err := s.ViewInstallation(ctx, func(ctx context.Context, logs InstallationLogs) error {
		signer, err := (&SystemTx{core: logs.tx.core}).signer(ctx)
		switch {
		case err == nil:
			v.public = signer.Public()
			v.report.KeyID, v.report.PublicKey = signer.ID(), hex.EncodeToString(v.public)
		case errs.KindOf(err) != errs.NotFound:
			return err
		}
		return v.chains(ctx, logs.tx)
	})
	if err != nil {
		return ledger.Report{}, fmt.Errorf("verify the installation's chains: %w", err)
	}
	v.report.Took = s.now().Sub(started)
	return *v.report, nil
}
