package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// findingBody is the sealed part of a finding.
type findingBody struct {
	Finding   finding.Finding `json:"finding"`
	AssetName string          `json:"asset_name,omitempty"`
	AssetPath string          `json:"asset_path,omitempty"`
}

// known is a stored finding as far as applying needs it.
type known struct {
	check    string
	asset    assetKey
	state    FindingState
	until    int64
	bodyHash []byte
	views    sql.NullInt64
	severity int64
	fired    bool
}

// The steps in a finding's life.
const (
	eventOpened    = "opened"
	eventResolved  = "resolved"
	eventReopened  = "reopened"
	eventIgnored   = "ignored"
	eventUnignored = "unignored"
	eventAssigned  = "assigned"
)

const factNotEvaluated = "not_evaluated"

// ApplyFindings compares what the checks report for a committed scan with what
// is known, by fingerprint. New ones open. Known ones that fire again reopen
// when they were resolved, or when their ignore has expired. Open ones that no
// longer fire are resolved, unless the check could not judge their asset, or
// anything (a NotEvaluated without an asset): then nothing is known and nothing
// changes. Ignored ones stay ignored, firing or not, until their ignore expires.
func (tx *Tx) ApplyFindings(ctx context.Context, scan ScanID, findings []finding.Finding, notEvaluated []finding.NotEvaluated, now time.Time) (opened, resolved, reopened int, err error) {
	record, err := tx.Scan(ctx, scan)
	if err != nil {
		return 0, 0, 0, err
	}
	if err := tx.lockConnection(ctx, record.ConnectionID); err != nil {
		return 0, 0, 0, err
	}
	snapshot, err := tx.snapshotOf(ctx, scan)
	if err != nil {
		return 0, 0, 0, err
	}
	stored, err := tx.knownFindings(ctx, record.ConnectionID)
	if err != nil {
		return 0, 0, 0, err
	}
	a := &applier{
		tx: tx, conn: record.ConnectionID, now: now, stored: stored,
		places: newPlaces(snapshot), key: tx.assetKeyer(record.ConnectionID),
		insert: tx.inserter(`INSERT INTO findings (org_id, connection_id, fingerprint, check_id, family, severity, confidence, asset_kind, asset_key,
			collections, state, first_seen_at, last_seen_at, views, body_hash, body) VALUES `, 16),
		events: tx.inserter(insertEvent, 8),
	}
	for i := range findings {
		if err := a.fire(ctx, &findings[i]); err != nil {
			return 0, 0, 0, fmt.Errorf("apply a finding of %s: %w", findings[i].Check, err)
		}
	}
	if err := a.silence(ctx, notEvaluated); err != nil {
		return 0, 0, 0, fmt.Errorf("resolve findings: %w", err)
	}
	if err := a.finish(ctx); err != nil {
		return 0, 0, 0, fmt.Errorf("apply findings: %w", err)
	}
	if err := tx.setFact(ctx, record.ConnectionID, factNotEvaluated, notEvaluated); err != nil {
		return 0, 0, 0, err
	}
	summary := record.Summary
	summary.NotEvaluated = len(notEvaluated)
	summary.Changes.NewFindings, summary.Changes.ResolvedFindings = a.opened+a.reopened, a.resolved
	if summary.Findings, err = tx.openBySeverity(ctx, record.ConnectionID); err != nil {
		return 0, 0, 0, err
	}
	return a.opened, a.resolved, a.reopened, tx.SetScanSummary(ctx, scan, summary)
}

// snapshotOf is LoadSnapshot that remembers what this transaction committed.
func (tx *Tx) snapshotOf(ctx context.Context, scan ScanID) (*catalog.Snapshot, error) {
	if tx.committed != nil && tx.committedBy == scan {
		return tx.committed, nil
	}
	return tx.LoadSnapshot(ctx, scan)
}

func (tx *Tx) knownFindings(ctx context.Context, conn ConnectionID) (map[string]*known, error) {
	stored := map[string]*known{}
	err := tx.rows(ctx, `SELECT fingerprint, check_id, asset_key, state, ignored_until, body_hash, views, severity FROM findings
		WHERE org_id = $1 AND connection_id = $2`, []any{tx.org, conn}, func(r *sql.Rows) error {
		var k known
		var fingerprint string
		var key []byte
		if err := r.Scan(&fingerprint, &k.check, &key, &k.state, &k.until, &k.bodyHash, &k.views, &k.severity); err != nil {
			return err
		}
		copy(k.asset[:], key)
		stored[fingerprint] = &k
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the known findings: %w", err)
	}
	return stored, nil
}

func (tx *Tx) openBySeverity(ctx context.Context, conn ConnectionID) (map[string]int, error) {
	counts := map[string]int{}
	err := tx.rows(ctx, `SELECT severity, count(*) FROM findings WHERE org_id = $1 AND connection_id = $2 AND state = 'open' GROUP BY severity`,
		[]any{tx.org, conn}, func(r *sql.Rows) error {
			var rank, n int
			err := r.Scan(&rank, &n)
			counts[string(severityAt(rank))] = n
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("count the open findings: %w", err)
	}
	return counts, nil
}

// applier is one run of ApplyFindings.
type applier struct {
	tx             *Tx
	conn           ConnectionID
	now            time.Time
	stored         map[string]*known
	places         *places
	key            func(catalog.Ref) assetKey
	insert, events *inserter
	seen           []string // fingerprints that fired and need nothing but the date

	opened, resolved, reopened int
}

func (a *applier) fire(ctx context.Context, f *finding.Finding) error {
	k := a.stored[f.Fingerprint]
	if k != nil && k.fired {
		return nil // one finding per fingerprint; the first counts
	}
	name, path := a.places.of(f.Asset)
	text, err := json.Marshal(findingBody{Finding: *f, AssetName: name, AssetPath: path})
	if err != nil {
		return fmt.Errorf("write a finding: %w", err)
	}
	hash := a.tx.key.MAC("finding body", text)[:assetKeySize]
	views := sql.NullInt64{}
	if u := a.places.snapshot.Usage[f.Asset]; u.Views != nil {
		views = sql.NullInt64{Int64: *u.Views, Valid: true}
	}
	key := a.key(f.Asset)
	if k == nil {
		a.stored[f.Fingerprint] = &known{check: f.Check, asset: key, state: FindingOpen, fired: true}
		a.opened++
		if err := a.insert.add(ctx, a.tx.org, a.conn, f.Fingerprint, f.Check, family(f.Check), f.Severity.Rank(), confidenceRank(f.Confidence),
			string(f.Asset.Kind), key[:], a.places.chain(f.Asset), string(FindingOpen), micros(a.now), micros(a.now), views, hash,
			a.seal(f.Fingerprint, text)); err != nil {
			return err
		}
		return a.event(ctx, f.Fingerprint, eventOpened, "")
	}
	k.fired = true
	switch expired := k.state == FindingIgnored && k.until != 0 && k.until <= micros(a.now); {
	case k.state == FindingResolved:
		err = a.reopen(ctx, f.Fingerprint, "")
	case expired:
		err = a.reopen(ctx, f.Fingerprint, "the ignore has expired")
	}
	if err != nil {
		return err
	}
	if slices.Equal(hash, k.bodyHash) && views == k.views && int64(f.Severity.Rank()) == k.severity {
		a.seen = append(a.seen, f.Fingerprint)
		return nil
	}
	_, err = a.tx.exec(ctx, `UPDATE findings SET check_id = $4, family = $5, severity = $6, confidence = $7, asset_kind = $8, asset_key = $9,
			collections = $10, last_seen_at = $11, views = $12, body_hash = $13, body = $14
		WHERE org_id = $1 AND connection_id = $2 AND fingerprint = $3`,
		a.tx.org, a.conn, f.Fingerprint, f.Check, family(f.Check), f.Severity.Rank(), confidenceRank(f.Confidence), string(f.Asset.Kind), key[:],
		a.places.chain(f.Asset), micros(a.now), views, hash, a.seal(f.Fingerprint, text))
	return err
}

func (a *applier) reopen(ctx context.Context, fingerprint, why string) error {
	a.reopened++
	if _, err := a.tx.exec(ctx, `UPDATE findings SET state = 'open', resolved_at = 0, reopened = reopened + 1, ignored_by = '', ignored_until = 0, ignored_why = NULL
		WHERE org_id = $1 AND connection_id = $2 AND fingerprint = $3`, a.tx.org, a.conn, fingerprint); err != nil {
		return err
	}
	return a.event(ctx, fingerprint, eventReopened, why)
}

// silence resolves what no longer fires.
func (a *applier) silence(ctx context.Context, notEvaluated []finding.NotEvaluated) error {
	type judged struct {
		check string
		asset assetKey
	}
	checks, assets := map[string]bool{}, map[judged]bool{}
	for _, n := range notEvaluated {
		if n.Asset.IsZero() {
			checks[n.Check] = true
		} else {
			assets[judged{n.Check, a.key(n.Asset)}] = true
		}
	}
	var quiet []string
	for fingerprint, k := range a.stored {
		expired := k.state == FindingIgnored && k.until != 0 && k.until <= micros(a.now)
		if k.fired || (k.state != FindingOpen && !expired) || checks[k.check] || assets[judged{k.check, k.asset}] {
			continue
		}
		quiet = append(quiet, fingerprint)
	}
	slices.Sort(quiet)
	for _, fingerprint := range quiet {
		a.resolved++
		if _, err := a.tx.exec(ctx, `UPDATE findings SET state = 'resolved', resolved_at = $4, ignored_by = '', ignored_until = 0, ignored_why = NULL
			WHERE org_id = $1 AND connection_id = $2 AND fingerprint = $3`, a.tx.org, a.conn, fingerprint, micros(a.now)); err != nil {
			return err
		}
		if err := a.event(ctx, fingerprint, eventResolved, ""); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) finish(ctx context.Context) error {
	if err := a.insert.flush(ctx); err != nil {
		return err
	}
	if err := a.events.flush(ctx); err != nil {
		return err
	}
	slices.Sort(a.seen)
	for batch := range slices.Chunk(a.seen, 200) {
		args := []any{a.tx.org, a.conn, micros(a.now)}
		var in strings.Builder
		for i, fingerprint := range batch {
			if i > 0 {
				in.WriteString(", ")
			}
			fmt.Fprintf(&in, "$%d", i+4)
			args = append(args, fingerprint)
		}
		if _, err := a.tx.exec(ctx, `UPDATE findings SET last_seen_at = $3 WHERE org_id = $1 AND connection_id = $2 AND fingerprint IN (`+in.String()+`)`, args...); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) seal(fingerprint string, text []byte) []byte {
	return a.tx.key.Seal(a.tx.store.codec.Compress(nil, text), "findings", findingRow(a.conn, fingerprint))
}

func findingRow(conn ConnectionID, fingerprint string) string {
	return string(conn) + "/" + fingerprint
}

const insertEvent = `INSERT INTO finding_events (org_id, connection_id, fingerprint, id, at, what, actor, detail) VALUES `

func (a *applier) event(ctx context.Context, fingerprint, what, detail string) error {
	// Findings must be there before their events.
	if len(a.events.args) == (insertBatch-1)*a.events.columns {
		if err := a.insert.flush(ctx); err != nil {
			return err
		}
	}
	row, err := a.tx.eventRow(a.conn, fingerprint, a.now, what, "", detail)
	if err != nil {
		return err
	}
	return a.events.add(ctx, row...)
}

func (tx *Tx) eventRow(conn ConnectionID, fingerprint string, at time.Time, what string, by UserID, detail string) ([]any, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	var sealed any
	if detail != "" {
		b, err := tx.sealJSON("finding_events", id, detail)
		if err != nil {
			return nil, err
		}
		sealed = b
	}
	return []any{tx.org, conn, fingerprint, id, micros(at), what, string(by), sealed}, nil
}

// family is the part of a check id before its number.
func family(check string) string {
	return strings.TrimRight(check, "0123456789")
}

func severityAt(rank int) finding.Severity {
	for _, s := range []finding.Severity{finding.Info, finding.Low, finding.Medium, finding.High, finding.Critical} {
		if s.Rank() == rank {
			return s
		}
	}
	return finding.Info
}

func confidenceRank(c finding.Confidence) int {
	switch c {
	case finding.Certain:
		return 2
	case finding.Likely:
		return 1
	}
	return 0
}

// places knows where assets lie.
type places struct {
	snapshot *catalog.Snapshot
	index    *catalog.Index
}

func newPlaces(s *catalog.Snapshot) *places { return &places{snapshot: s, index: catalog.NewIndex(s)} }

// of returns an asset's name and path.
func (p *places) of(ref catalog.Ref) (name, path string) {
	if ref.Kind == catalog.KindColumn {
		c := p.index.Column(ref.ID)
		t := p.index.Table(catalog.TableOfColumn(ref.ID))
		if c == nil || t == nil {
			return ref.ID, ""
		}
		return t.Name + "." + c.Name, p.database(t)
	}
	a := p.index.Asset(ref)
	if a == nil {
		return "", ""
	}
	if t, ok := a.(*catalog.Table); ok {
		return t.Title(), p.database(t)
	}
	if in := a.InCollection(); in != "" {
		return a.Title(), p.index.CollectionPath(in)
	}
	return a.Title(), ""
}

func (p *places) database(t *catalog.Table) string {
	name := t.DatabaseID
	if d := p.index.Database(t.DatabaseID); d != nil {
		name = d.Name
	}
	if t.Schema == "" {
		return name
	}
	return name + " / " + t.Schema
}

const maxCollectionDepth = 64

// chain writes the ids of an asset's collections from the root down:
// /root/4/17/. A collection's own id is the last one.
func (p *places) chain(ref catalog.Ref) string {
	a := p.index.Asset(ref)
	if a == nil {
		return ""
	}
	id := a.InCollection()
	if ref.Kind == catalog.KindCollection {
		id = ref.ID
	}
	var ids []string
	for depth := 0; id != "" && depth < maxCollectionDepth; depth++ {
		ids = append(ids, strings.ReplaceAll(id, "/", "%2F"))
		c := p.index.Collection(id)
		if c == nil {
			break
		}
		id = c.ParentID
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Reverse(ids)
	return "/" + strings.Join(ids, "/") + "/"
}
