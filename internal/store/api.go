package store

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
)

// Tx is a transaction that sees one organization. It must not be used after the
// function it was given to returns, nor by two goroutines at once.
type Tx struct{}

// SystemTx is a transaction of the system role.
type SystemTx struct{}

func (tx *Tx) Org() OrgID { return "" }

// DeriveKey gives a key for a purpose, the same as long as the organization lives.
func (tx *Tx) DeriveKey(purpose string) secret.Value { return secret.Value{} }

func (tx *Tx) Connections(ctx context.Context) ([]Connection, error) { return nil, notBuilt() }
func (tx *Tx) Connection(ctx context.Context, id ConnectionID) (Connection, error) {
	return Connection{}, notBuilt()
}
func (tx *Tx) ConnectionByName(ctx context.Context, name string) (Connection, error) {
	return Connection{}, notBuilt()
}
func (tx *Tx) InsertConnection(ctx context.Context, c Connection) (Connection, error) {
	return Connection{}, notBuilt()
}
func (tx *Tx) UpdateConnection(ctx context.Context, c Connection) error    { return notBuilt() }
func (tx *Tx) DeleteConnection(ctx context.Context, id ConnectionID) error { return notBuilt() }
func (tx *Tx) SetCredential(ctx context.Context, id ConnectionID, v secret.Value) error {
	return notBuilt()
}
func (tx *Tx) Credential(ctx context.Context, id ConnectionID) (secret.Value, error) {
	return secret.Value{}, notBuilt()
}

func (tx *Tx) InsertScan(ctx context.Context, s Scan) (Scan, error) { return Scan{}, notBuilt() }
func (tx *Tx) Scan(ctx context.Context, id ScanID) (Scan, error)    { return Scan{}, notBuilt() }
func (tx *Tx) Scans(ctx context.Context, conn ConnectionID, limit int, before time.Time) ([]Scan, error) {
	return nil, notBuilt()
}
func (tx *Tx) StartScan(ctx context.Context, id ScanID, now time.Time) error { return notBuilt() }
func (tx *Tx) UpdateScanProgress(ctx context.Context, id ScanID, p ScanProgress, now time.Time) (cancelRequested bool, err error) {
	return false, notBuilt()
}
func (tx *Tx) SetScanSummary(ctx context.Context, id ScanID, s ScanSummary) error { return notBuilt() }
func (tx *Tx) RequestScanCancel(ctx context.Context, id ScanID) error             { return notBuilt() }
func (tx *Tx) FinishScan(ctx context.Context, id ScanID, state ScanState, code, text string) error {
	return notBuilt()
}

// LatestScan is the last succeeded scan of a connection; errs.NotFound without one.
func (tx *Tx) LatestScan(ctx context.Context, conn ConnectionID) (Scan, error) {
	return Scan{}, notBuilt()
}

// ActiveScan is the queued or running scan of a connection; errs.NotFound without one.
func (tx *Tx) ActiveScan(ctx context.Context, conn ConnectionID) (Scan, error) {
	return Scan{}, notBuilt()
}

// AbandonStale fails running scans whose last heartbeat is older.
func (tx *Tx) AbandonStale(ctx context.Context, olderThan time.Time) (int, error) {
	return 0, notBuilt()
}
func (tx *Tx) DeleteScan(ctx context.Context, id ScanID) error { return notBuilt() }
func (tx *Tx) Prune(ctx context.Context, r Retention, now time.Time) (PruneReport, error) {
	return PruneReport{}, notBuilt()
}

// StageOpen drops staged steps of the scan's connection that were saved under
// another stamp (hash of key and server version) or more than an hour ago, and
// returns the names of those that are left.
func (tx *Tx) StageOpen(ctx context.Context, scan ScanID, stamp string, now time.Time) (steps []string, err error) {
	return nil, notBuilt()
}
func (tx *Tx) StageSave(ctx context.Context, scan ScanID, step string, data []byte) error {
	return notBuilt()
}
func (tx *Tx) StageLoad(ctx context.Context, scan ScanID, step string) ([]byte, bool, error) {
	return nil, false, notBuilt()
}
func (tx *Tx) StageDrop(ctx context.Context, scan ScanID) error { return notBuilt() }

// CommitSnapshot stores what a scan read and gives the scan its Seq. Call it in
// one transaction with ApplyFindings, ReplaceSearch and FinishScan.
func (tx *Tx) CommitSnapshot(ctx context.Context, scan ScanID, s *catalog.Snapshot) (ChangeCounts, error) {
	return ChangeCounts{}, notBuilt()
}

// LoadSnapshot gives back the snapshot of any kept scan, sorted.
func (tx *Tx) LoadSnapshot(ctx context.Context, scan ScanID) (*catalog.Snapshot, error) {
	return nil, notBuilt()
}

// LoadAsset loads one asset as of a scan; atSeq 0 = as of the newest.
func (tx *Tx) LoadAsset(ctx context.Context, conn ConnectionID, ref catalog.Ref, atSeq int64) (catalog.Asset, error) {
	return nil, notBuilt()
}

// AssetHistory lists an asset's versions, newest first.
func (tx *Tx) AssetHistory(ctx context.Context, conn ConnectionID, ref catalog.Ref) ([]AssetVersion, error) {
	return nil, notBuilt()
}

// UsageSeries lists an asset's usage over the kept scans, oldest first.
func (tx *Tx) UsageSeries(ctx context.Context, conn ConnectionID, ref catalog.Ref) ([]UsagePoint, error) {
	return nil, notBuilt()
}
func (tx *Tx) Changes(ctx context.Context, conn ConnectionID, fromSeq, toSeq int64) ([]Change, error) {
	return nil, notBuilt()
}

func (tx *Tx) ApplyFindings(ctx context.Context, scan ScanID, findings []finding.Finding, notEvaluated []finding.NotEvaluated, now time.Time) (opened, resolved, reopened int, err error) {
	return 0, 0, 0, notBuilt()
}
func (tx *Tx) Findings(ctx context.Context, q FindingQuery) ([]FindingRecord, int, error) {
	return nil, 0, notBuilt()
}
func (tx *Tx) FindingGroups(ctx context.Context, q FindingQuery, by FindingGroupBy) ([]FindingGroup, error) {
	return nil, notBuilt()
}
func (tx *Tx) Finding(ctx context.Context, conn ConnectionID, fingerprint string) (FindingRecord, error) {
	return FindingRecord{}, notBuilt()
}
func (tx *Tx) FindingEvents(ctx context.Context, conn ConnectionID, fingerprint string) ([]FindingEvent, error) {
	return nil, notBuilt()
}
func (tx *Tx) IgnoreFinding(ctx context.Context, conn ConnectionID, fingerprint string, by UserID, reason string, until time.Time) error {
	return notBuilt()
}
func (tx *Tx) UnignoreFinding(ctx context.Context, conn ConnectionID, fingerprint string, by UserID) error {
	return notBuilt()
}
func (tx *Tx) AssignFinding(ctx context.Context, conn ConnectionID, fingerprint string, by, assignee UserID) error {
	return notBuilt()
}
func (tx *Tx) NotEvaluated(ctx context.Context, conn ConnectionID) ([]finding.NotEvaluated, error) {
	return nil, notBuilt()
}
func (tx *Tx) HealthSeries(ctx context.Context, conn ConnectionID, since time.Time) ([]HealthPoint, error) {
	return nil, notBuilt()
}

func (tx *Tx) OwnReads(ctx context.Context, conn ConnectionID) (map[string]int64, error) {
	return nil, notBuilt()
}
func (tx *Tx) AddOwnReads(ctx context.Context, conn ConnectionID, reads map[string]int64) error {
	return notBuilt()
}

func (tx *Tx) ReplaceSearch(ctx context.Context, conn ConnectionID, docs []SearchDoc) error {
	return notBuilt()
}
func (tx *Tx) Search(ctx context.Context, conn ConnectionID, q SearchQuery) ([]SearchHit, int, error) {
	return nil, 0, notBuilt()
}

func (tx *Tx) RecordLedger(ctx context.Context, rows []LedgerRow) error { return notBuilt() }
func (tx *Tx) Ledger(ctx context.Context, q LedgerQuery) ([]LedgerRow, int, error) {
	return nil, 0, notBuilt()
}
func (tx *Tx) Audit(ctx context.Context, row AuditRow) error { return notBuilt() }
func (tx *Tx) AuditLog(ctx context.Context, q AuditQuery) ([]AuditRow, int, error) {
	return nil, 0, notBuilt()
}

func (tx *Tx) Setting(ctx context.Context, key string) (value string, ok bool, err error) {
	return "", false, notBuilt()
}
func (tx *Tx) SetSetting(ctx context.Context, key, value string) error { return notBuilt() }
func (tx *Tx) DeleteSetting(ctx context.Context, key string) error     { return notBuilt() }

func (tx *SystemTx) Organizations(ctx context.Context) ([]Organization, error) {
	return nil, notBuilt()
}
func (tx *SystemTx) Organization(ctx context.Context, id OrgID) (Organization, error) {
	return Organization{}, notBuilt()
}
func (tx *SystemTx) InsertOrganization(ctx context.Context, o Organization) (Organization, error) {
	return Organization{}, notBuilt()
}
func (tx *SystemTx) RenameOrganization(ctx context.Context, id OrgID, name string) error {
	return notBuilt()
}
func (tx *SystemTx) DeleteOrganization(ctx context.Context, id OrgID) error { return notBuilt() }

func (tx *SystemTx) Users(ctx context.Context) ([]User, error)         { return nil, notBuilt() }
func (tx *SystemTx) User(ctx context.Context, id UserID) (User, error) { return User{}, notBuilt() }
func (tx *SystemTx) UserByEmail(ctx context.Context, email string) (User, error) {
	return User{}, notBuilt()
}
func (tx *SystemTx) InsertUser(ctx context.Context, u User) (User, error) { return User{}, notBuilt() }
func (tx *SystemTx) UpdateUser(ctx context.Context, u User) error         { return notBuilt() }
func (tx *SystemTx) DeleteUser(ctx context.Context, id UserID) error      { return notBuilt() }

func (tx *SystemTx) Membership(ctx context.Context, org OrgID, user UserID) (Membership, error) {
	return Membership{}, notBuilt()
}
func (tx *SystemTx) Members(ctx context.Context, org OrgID) ([]Membership, error) {
	return nil, notBuilt()
}
func (tx *SystemTx) MembershipsOf(ctx context.Context, user UserID) ([]Membership, error) {
	return nil, notBuilt()
}
func (tx *SystemTx) SetMembership(ctx context.Context, m Membership) error { return notBuilt() }
func (tx *SystemTx) RemoveMembership(ctx context.Context, org OrgID, user UserID) error {
	return notBuilt()
}

func (tx *SystemTx) UserSessions(ctx context.Context, user UserID, currentToken string) ([]SessionInfo, error) {
	return nil, notBuilt()
}
func (tx *SystemTx) BindSession(ctx context.Context, token string, user UserID, agent, address string) error {
	return notBuilt()
}
func (tx *SystemTx) DeleteSession(ctx context.Context, user UserID, id string) error {
	return notBuilt()
}
func (tx *SystemTx) DeleteUserSessions(ctx context.Context, user UserID, exceptToken string) (int, error) {
	return 0, notBuilt()
}
func (tx *SystemTx) DeleteExpiredSessions(ctx context.Context, now time.Time) (int, error) {
	return 0, notBuilt()
}

func (tx *SystemTx) LoginThrottle(ctx context.Context, key string) (Throttle, error) {
	return Throttle{}, notBuilt()
}
func (tx *SystemTx) SetLoginThrottle(ctx context.Context, key string, t Throttle) error {
	return notBuilt()
}
func (tx *SystemTx) ClearLoginThrottle(ctx context.Context, key string) error { return notBuilt() }

func (tx *SystemTx) DueSchedules(ctx context.Context, now time.Time) ([]DueSchedule, error) {
	return nil, notBuilt()
}
func (tx *SystemTx) SetNextRun(ctx context.Context, org OrgID, conn ConnectionID, next time.Time) error {
	return notBuilt()
}
func (tx *SystemTx) AbandonStale(ctx context.Context, olderThan time.Time) (int, error) {
	return 0, notBuilt()
}
func (tx *SystemTx) Audit(ctx context.Context, row AuditRow) error { return notBuilt() }

// Sessions keeps login sessions for alexedwards/scs (its Store and CtxStore).
type Sessions struct{}

// Sessions returns the session store.
func (s *Store) Sessions() *Sessions { return &Sessions{} }

func (s *Sessions) Find(token string) ([]byte, bool, error)               { return nil, false, notBuilt() }
func (s *Sessions) Commit(token string, b []byte, expiry time.Time) error { return notBuilt() }
func (s *Sessions) Delete(token string) error                             { return notBuilt() }
func (s *Sessions) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	return nil, false, notBuilt()
}
func (s *Sessions) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	return notBuilt()
}
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error { return notBuilt() }

// NewRecorder returns a recorder that writes to the organization's ledger.
// Metabase reads are batched until Flush; everything else is durable when
// Record returns. connection and scan may be empty.
func NewRecorder(s *Store, org OrgID, conn ConnectionID, scan ScanID) ledger.Recorder { return nil }
