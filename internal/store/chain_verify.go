package store

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// VerifyLedger checks every chain of every organization and of the installation:
// links, the content of rows that are still there, payloads, checkpoints and,
// where they are given, anchors. It writes nothing and works beside processes
// that append. Anchors must have been read before the call: what is appended
// meanwhile would look like a truncated chain otherwise.
func (s *Store) VerifyLedger(ctx context.Context, anchors []ledger.Checkpoint) (ledger.Report, error) {
	started := s.now()
	report := ledger.Report{SchemaVersion: 1, At: started.UTC().Truncate(time.Microsecond)}
	ctx = access.AsSystem(ctx)
	v := &verifier{store: s, report: &report, anchors: anchors}
	if err := v.prepare(ctx); err != nil {
		return report, err
	}
	for _, org := range v.orgs {
		if err := s.ViewOrg(ctx, org, v.chains); err != nil {
			if errs.KindOf(err) == errs.NotFound {
				continue // deleted meanwhile
			}
			return report, fmt.Errorf("verify organization %s: %w", org, err)
		}
	}
	err := s.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		within, err := tx.within(ctx, systemOrg)
		if err != nil {
			return err
		}
		return v.chains(ctx, within)
	})
	if err != nil {
		return report, fmt.Errorf("verify the installation's chains: %w", err)
	}
	if err := v.foreign(ctx); err != nil {
		return report, err
	}
	report.Took = s.now().Sub(started)
	return report, nil
}

// verifier is one run.
type verifier struct {
	store   *Store
	report  *ledger.Report
	anchors []ledger.Checkpoint
	public  ed25519.PublicKey
	orgs    []OrgID
}

func (v *verifier) prepare(ctx context.Context) error {
	return v.store.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		signer, err := tx.signer(ctx)
		switch {
		case err == nil:
			v.public = signer.Public()
			v.report.KeyID, v.report.PublicKey = signer.ID(), hex.EncodeToString(v.public)
		case errs.KindOf(err) == errs.NotFound:
		default:
			return err
		}
		list, err := tx.Organizations(ctx)
		for _, o := range list {
			v.orgs = append(v.orgs, o.ID)
		}
		return err
	})
}

func (v *verifier) chains(ctx context.Context, tx *Tx) error {
	for _, chain := range ledger.Chains() {
		c := &chainCheck{v: v, tx: tx, chain: chain, table: logOf(tx.org, chain)}
		c.report.Org, c.report.Chain = string(tx.org), chain
		if err := c.run(ctx); err != nil {
			return fmt.Errorf("%s chain: %w", chain, err)
		}
		v.report.Chains = append(v.report.Chains, c.report)
	}
	return nil
}

// foreign looks at anchors of organizations that are not in the database.
func (v *verifier) foreign(ctx context.Context) error {
	missing := map[string][]ledger.Checkpoint{}
	for _, a := range v.anchors {
		if a.Org != "" && !slices.Contains(v.orgs, OrgID(a.Org)) {
			missing[a.Org] = append(missing[a.Org], a)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var tombstones map[string]tombstone
	err := v.store.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) (err error) {
		tombstones, err = tx.tombstones(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for org, list := range missing {
		deleted := slices.ContainsFunc(values(tombstones), func(t tombstone) bool { return t.Kind == DeletedOrganization && t.names(org) })
		if deleted {
			v.report.Notes = append(v.report.Notes, fmt.Sprintf("%d anchors are of an organization that was deleted on purpose", len(list)))
			continue
		}
		r := ledger.ChainReport{Org: org, Chain: list[0].Chain, Anchors: int64(len(list))}
		r.Add(ledger.Problem{Code: ledger.ProblemChainMissing, From: "anchor", Text: "anchors name an organization that the database does not have, and no deletion of it is on record"})
		v.report.Chains = append(v.report.Chains, r)
	}
	return nil
}

func values(m map[string]tombstone) []tombstone {
	list := make([]tombstone, 0, len(m))
	for _, t := range m {
		list = append(list, t)
	}
	return list
}

// chainCheck is the verification of one chain.
type chainCheck struct {
	v      *verifier
	tx     *Tx
	chain  ledger.Chain
	table  logTable
	report ledger.ChainReport

	head        chainHead
	started     int64
	exists      bool
	checkpoints []StoredCheckpoint
	expected    map[int64][]expectation // by seq
	gone        time.Time               // bodies older than this may be gone, by the newest signed statement
	erased      map[int64]bool
}

// expectation is a link that something signed says the chain must have.
type expectation struct {
	link []byte
	from string // checkpoint, anchor
}

func (c *chainCheck) add(code ledger.ProblemCode, seq int64, from, text string) {
	c.report.Add(ledger.Problem{Code: code, Seq: seq, From: from, Text: text})
}

func (c *chainCheck) run(ctx context.Context) error {
	err := c.tx.scanOne(ctx, "chain", `SELECT seq, link, pruned_through, started_at FROM chain_heads WHERE org_id = $1 AND chain = $2`,
		[]any{string(c.tx.org), string(c.chain)}, &c.head.seq, &c.head.link, &c.head.pruned, &c.started)
	c.exists = err == nil
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return err
	}
	c.report.Head, c.report.Pruned = c.head.seq, c.head.pruned
	if err := c.readCheckpoints(ctx); err != nil {
		return err
	}
	c.readAnchors()
	before, err := c.start()
	if err != nil {
		return err
	}
	if err := c.walk(ctx, before); err != nil {
		return err
	}
	for seq, list := range c.expected { // nothing of the chain met these
		for _, e := range list {
			switch {
			case seq > c.head.seq:
				c.add(ledger.ProblemTailTruncated, seq, e.from, fmt.Sprintf("the chain ends at row %d, a signed statement knows row %d", c.head.seq, seq))
			case seq <= c.head.pruned:
				c.lost(seq, e)
			default:
				c.add(ledger.ProblemLinkMissing, seq, e.from, "a signed statement knows a row that has no link")
			}
		}
	}
	slices.SortStableFunc(c.report.Problems, func(a, b ledger.Problem) int { return int(a.Seq - b.Seq) })
	return c.outside(ctx)
}

// readCheckpoints checks the signatures of the database's own statements.
func (c *chainCheck) readCheckpoints(ctx context.Context) (err error) {
	c.expected, c.erased = map[int64][]expectation{}, map[int64]bool{}
	c.checkpoints, err = c.tx.checkpoints(ctx, `org_id = $1 AND chain = $2 ORDER BY id`, string(c.tx.org), string(c.chain))
	if err != nil {
		return err
	}
	kept := c.checkpoints[:0]
	for _, p := range c.checkpoints {
		if !c.signed(p.Checkpoint, "checkpoint") {
			continue
		}
		kept = append(kept, p)
		c.report.Checkpoints++
		c.expected[p.Seq] = append(c.expected[p.Seq], expectation{p.Link, "checkpoint"})
		if p.Kind == ledger.CheckpointPrune && p.Before.After(c.gone) {
			c.gone = p.Before
		}
		if p.Kind == ledger.CheckpointErase {
			c.erased[p.Seq] = true
		}
		if !p.AnchoredAt.IsZero() && p.Seq >= c.report.AnchoredSeq {
			c.report.AnchoredSeq, c.report.AnchoredAt = p.Seq, p.At
		}
	}
	c.checkpoints = kept
	return nil
}

func (c *chainCheck) signed(p ledger.Checkpoint, from string) bool {
	switch {
	case p.VerifiedBy(c.v.public):
		return true
	case p.KeyID != ledger.KeyID(c.v.public):
		c.add(ledger.ProblemUnknownKey, p.Seq, from, "signed by key "+cleanID(p.KeyID)+", which is not this installation's")
	default:
		c.add(ledger.ProblemCheckpointForged, p.Seq, from, "the signature does not hold")
	}
	return false
}

func cleanID(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '?'
	}, s)
}

func (c *chainCheck) readAnchors() {
	for _, a := range c.v.anchors {
		if a.Org != string(c.tx.org) || a.Chain != c.chain {
			continue
		}
		c.report.Anchors++
		if !c.signed(a, "anchor") {
			continue
		}
		c.expected[a.Seq] = append(c.expected[a.Seq], expectation{a.Link, "anchor"})
		if a.Seq >= c.report.AnchoredSeq {
			c.report.AnchoredSeq, c.report.AnchoredAt = a.Seq, a.At
		}
	}
}

// start returns the link before the first one that is kept.
func (c *chainCheck) start() ([]byte, error) {
	if c.head.pruned == 0 {
		return ledger.Genesis(string(c.tx.org), c.chain), nil
	}
	for _, p := range slices.Backward(c.checkpoints) {
		if p.Kind == ledger.CheckpointPrune && p.Seq == c.head.pruned {
			c.meet(p.Seq, p.Link)
			return p.Link, nil
		}
	}
	c.add(ledger.ProblemCheckpointMissing, c.head.pruned, "chain", "rows up to here are gone and no signed statement says that retention deleted them")
	return nil, nil
}

// meet compares a link of the chain with all that is signed about it.
func (c *chainCheck) meet(seq int64, link []byte) {
	for _, e := range c.expected[seq] {
		if !bytes.Equal(e.link, link) {
			c.add(ledger.ProblemCheckpointChanged, seq, e.from, "a signed statement knows another link for this row")
		}
	}
	delete(c.expected, seq)
}

// lost judges a signed statement about links that retention deleted: two of
// them about one row must agree. Whether a third party's agrees with the rest of
// the chain follows from the signature alone.
func (c *chainCheck) lost(seq int64, e expectation) {
	for _, p := range c.checkpoints {
		if p.Seq == seq && !bytes.Equal(p.Link, e.link) {
			c.add(ledger.ProblemCheckpointChanged, seq, e.from, "two signed statements know different links for this row")
			return
		}
	}
	if e.from == "anchor" && !slices.ContainsFunc(c.checkpoints, func(p StoredCheckpoint) bool { return p.Seq == seq }) {
		c.add(ledger.ProblemCheckpointMissing, seq, e.from, "an anchored checkpoint is not in the database any more")
	}
}

// verifyBatch is how many links are read at a time.
const verifyBatch = 500

type chainLink struct {
	seq, at          int64
	commitment, link []byte
}

// walk follows the links and compares the rows with their commitments.
func (c *chainCheck) walk(ctx context.Context, before []byte) error {
	next := c.head.pruned + 1
	last := before
	for from := int64(0); ; {
		var batch []chainLink
		err := c.tx.rows(ctx, `SELECT seq, at, commitment, link FROM chain_links WHERE org_id = $1 AND chain = $2 AND seq > $3 ORDER BY seq LIMIT $4`,
			[]any{string(c.tx.org), string(c.chain), from, verifyBatch}, func(r *sql.Rows) error {
				var l chainLink
				err := r.Scan(&l.seq, &l.at, &l.commitment, &l.link)
				batch = append(batch, l)
				return err
			})
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			break
		}
		bodies, err := c.bodies(ctx, batch[0].seq, batch[len(batch)-1].seq)
		if err != nil {
			return err
		}
		for _, l := range batch {
			c.report.Links++
			switch {
			case l.seq < next:
				c.add(ledger.ProblemLinkChanged, l.seq, "chain", "a link stands where retention had deleted all")
			case l.seq > next:
				c.add(ledger.ProblemLinkMissing, next, "chain", missingText(next, l.seq-1))
			case last != nil && !bytes.Equal(l.link, ledger.Link(last, l.seq, l.at, l.commitment)):
				c.add(ledger.ProblemLinkChanged, l.seq, "chain", "the link does not follow from the one before")
			}
			c.meet(l.seq, l.link)
			commitment, there := bodies[l.seq]
			c.body(l, commitment, there)
			delete(bodies, l.seq)
			last, next = l.link, l.seq+1
		}
		for seq := range bodies {
			c.add(ledger.ProblemRowInserted, seq, "chain", "the row has no link")
		}
		from = batch[len(batch)-1].seq
	}
	c.end(next-1, last)
	return c.rest(ctx)
}

func missingText(from, to int64) string {
	if from == to {
		return "row " + strconv.FormatInt(from, 10) + " is missing"
	}
	return fmt.Sprintf("rows %d to %d are missing", from, to)
}

// end compares the last link with the head.
func (c *chainCheck) end(seq int64, link []byte) {
	switch {
	case !c.exists && seq == 0:
		return
	case !c.exists:
		c.add(ledger.ProblemHeadChanged, seq, "chain", "the chain has links and no head")
	case seq < c.head.seq:
		c.add(ledger.ProblemTailTruncated, c.head.seq, "chain", fmt.Sprintf("the last link is that of row %d, the head knows row %d", seq, c.head.seq))
	case seq > c.head.seq, link != nil && !bytes.Equal(link, c.head.link):
		c.add(ledger.ProblemHeadChanged, seq, "chain", "the head is not the last link")
	}
}

// bodies reads the rows of a range: seq → commitment as it is computed now, nil
// where the row cannot be opened.
func (c *chainCheck) bodies(ctx context.Context, from, to int64) (map[int64][]byte, error) {
	list := map[int64][]byte{}
	columns := `id, at, actor, action, '', '', 0, body, seq`
	if c.chain == ledger.ChainLedger {
		columns = `id, at, purpose, '', connection_id, scan_id, exchanges, body, seq`
	}
	var withPayload []payloadCheck
	err := c.tx.rows(ctx, `SELECT `+columns+` FROM `+c.table.name+` WHERE org_id = $1 AND seq BETWEEN $2 AND $3`, []any{string(c.tx.org), from, to}, func(r *sql.Rows) error {
		var id, first, second, conn, scan string
		var at, exchanges, seq int64
		var sealed []byte
		if err := r.Scan(&id, &at, &first, &second, &conn, &scan, &exchanges, &sealed, &seq); err != nil {
			return err
		}
		raw, err := c.tx.rawJSON(c.table.name, id, sealed)
		var body struct {
			Salt    []byte             `json:"salt"`
			Payload *ledger.PayloadRef `json:"payload"`
		}
		if err == nil {
			err = json.Unmarshal(raw, &body)
		}
		if err != nil {
			list[seq] = nil
			return nil //nolint:nilerr // a row that does not open is a finding, not a failure
		}
		canonical := canonicalAudit(c.tx.org, id, at, UserID(first), second, raw)
		if c.chain == ledger.ChainLedger {
			canonical = canonicalLedger(c.tx.org, id, at, first, ConnectionID(conn), ScanID(scan), exchanges, raw)
		}
		list[seq] = ledger.Commit(body.Salt, canonical)
		if body.Payload != nil && body.Payload.Mode == ledger.PayloadKept {
			withPayload = append(withPayload, payloadCheck{seq, id, body.Payload.Digest})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, c.payloads(ctx, withPayload)
}

type payloadCheck struct {
	seq    int64
	id     string
	digest []byte
}

// payloads compares those that are still there with what their rows say.
func (c *chainCheck) payloads(ctx context.Context, list []payloadCheck) error {
	for _, p := range list {
		body, _, err := c.tx.payload(ctx, p.id)
		switch {
		case errs.KindOf(err) == errs.NotFound:
		case err == nil && bytes.Equal(ledger.PayloadDigest(body.Salt, body.Content), p.digest):
			c.report.Payloads++
		case err == nil, errs.CodeOf(err) == "cannot_decrypt":
			c.add(ledger.ProblemPayloadChanged, p.seq, "chain", "the payload is not the one that was sent")
		default:
			return err
		}
	}
	return nil
}

// body judges the row of a link.
func (c *chainCheck) body(l chainLink, commitment []byte, there bool) {
	switch {
	case there && bytes.Equal(commitment, l.commitment):
		c.report.Rows++
	case there && commitment == nil:
		c.add(ledger.ProblemBodyChanged, l.seq, "chain", "the row cannot be decrypted: it was changed or moved here from elsewhere")
	case there:
		c.add(ledger.ProblemBodyChanged, l.seq, "chain", "the row is not the one that was written")
	case c.erased[l.seq], fromMicros(l.at).Before(c.gone):
		c.report.Gone++
	default:
		c.add(ledger.ProblemBodyMissing, l.seq, "chain", "the row is gone and no signed statement says that it was deleted")
	}
}

// rest looks for rows beyond the chain and counts those from before it.
func (c *chainCheck) rest(ctx context.Context) error {
	return c.tx.rows(ctx, `SELECT seq, at, id FROM `+c.table.name+` WHERE org_id = $1 AND (seq = 0 OR seq > $2 OR seq <= $3)`,
		[]any{string(c.tx.org), c.head.seq, c.head.pruned}, func(r *sql.Rows) error {
			var seq, at int64
			var id string
			if err := r.Scan(&seq, &at, &id); err != nil {
				return err
			}
			switch {
			case seq == 0 && (!c.exists || at <= c.started):
				c.report.NotCovered++
			case seq == 0:
				c.add(ledger.ProblemRowInserted, 0, "chain", "a row of after the chain's start has no place in it")
			case seq <= c.head.pruned && fromMicros(at).Before(c.gone):
			default:
				c.add(ledger.ProblemRowInserted, seq, "chain", "the row has no link")
			}
			return nil
		})
}

// outside is a chance for anchors of a chain that the database does not have.
func (c *chainCheck) outside(context.Context) error {
	if !c.exists && c.report.Anchors > 0 && c.report.ProblemCount == 0 {
		c.add(ledger.ProblemChainMissing, c.report.AnchoredSeq, "anchor", "anchors know a chain that the database does not have")
	}
	return nil
}
