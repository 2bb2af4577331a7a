package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// Rows of the audit log and the egress ledger are chained (docs/adr/0016). They
// are collected while a transaction works and written just before it commits,
// so that the lock on a chain's head is held for that moment only, and the locks
// of several chains are taken in one order.

// chainRow is a row that waits for its place in a chain.
type chainRow struct {
	org        OrgID
	chain      ledger.Chain
	at         int64
	commitment []byte
	values     []any // of the log's columns, seq left out
	payload    *payloadRow
}

// chainRows are the rows of a transaction, in order.
type chainRows struct{ waiting []chainRow }

// logTable is where the bodies of a chain's rows are.
type logTable struct {
	name    string
	columns string // seq last
	count   int
}

// logOf returns the table of a chain. What belongs to no organization has a
// ledger of its own, out of reach of every organization's role.
func logOf(org OrgID, chain ledger.Chain) logTable {
	switch {
	case chain == ledger.ChainAudit:
		return logTable{"audit_log", "org_id, id, at, actor, action, body, seq", 7}
	case org == systemOrg:
		return logTable{"system_ledger", ledgerColumns, 9}
	default:
		return logTable{"egress_ledger", ledgerColumns, 9}
	}
}

const ledgerColumns = "org_id, id, at, purpose, connection_id, scan_id, exchanges, body, seq"

// add lets a row wait for the end of the transaction.
func (r *chainRows) add(row chainRow) { r.waiting = append(r.waiting, row) }

// chainChunk is how many rows one statement writes.
const chainChunk = 40

// writeChains appends what waits to its chains.
func (c *core) writeChains(ctx context.Context) error {
	rows := c.chains.waiting
	c.chains.waiting = nil
	slices.SortStableFunc(rows, func(a, b chainRow) int {
		return cmp.Or(cmp.Compare(a.org, b.org), cmp.Compare(a.chain, b.chain))
	})
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].org == rows[0].org && rows[n].chain == rows[0].chain {
			n++
		}
		if err := c.appendChain(ctx, rows[0].org, rows[0].chain, rows[:n]); err != nil {
			return fmt.Errorf("write the %s chain: %w", rows[0].chain, err)
		}
		rows = rows[n:]
	}
	return nil
}

// chainHead is where a chain stands.
type chainHead struct {
	seq    int64
	link   []byte
	pruned int64
}

// lockHead reads a chain's head and keeps others from appending until the
// transaction ends. A chain without a row is started.
func (c *core) lockHead(ctx context.Context, org OrgID, chain ledger.Chain) (chainHead, error) {
	query := `SELECT seq, link, pruned_through FROM chain_heads WHERE org_id = $1 AND chain = $2`
	if c.store.engine == EnginePostgres {
		query += ` FOR UPDATE`
	}
	for first := true; ; first = false {
		var h chainHead
		err := c.scanOne(ctx, "chain", query, []any{org, string(chain)}, &h.seq, &h.link, &h.pruned)
		if err == nil || errs.KindOf(err) != errs.NotFound || !first {
			return h, err
		}
		if _, err := c.exec(ctx, `INSERT INTO chain_heads (org_id, chain, seq, link, started_at) VALUES ($1, $2, 0, $3, $4)
			ON CONFLICT (org_id, chain) DO NOTHING`, org, string(chain), ledger.Genesis(string(org), chain), micros(c.store.now())); err != nil {
			return h, err
		}
	}
}

func (c *core) appendChain(ctx context.Context, org OrgID, chain ledger.Chain, rows []chainRow) error {
	head, err := c.lockHead(ctx, org, chain)
	if err != nil {
		return err
	}
	table := logOf(org, chain)
	for part := range slices.Chunk(rows, chainChunk) {
		bodies := make([]any, 0, len(part)*table.count)
		links := make([]any, 0, len(part)*6)
		for _, row := range part {
			head.seq++
			head.link = ledger.Link(head.link, head.seq, row.at, row.commitment)
			bodies = append(append(bodies, row.values...), head.seq)
			links = append(links, org, string(chain), head.seq, row.at, row.commitment, head.link)
		}
		if _, err := c.exec(ctx, insertMany(table.name, table.columns, len(part), table.count), bodies...); err != nil {
			return err
		}
		if _, err := c.exec(ctx, insertMany("chain_links", "org_id, chain, seq, at, commitment, link", len(part), 6), links...); err != nil {
			return err
		}
		for _, row := range part {
			if err := c.writePayload(ctx, org, row.payload); err != nil {
				return err
			}
		}
	}
	return c.one(ctx, "chain", `UPDATE chain_heads SET seq = $3, link = $4 WHERE org_id = $1 AND chain = $2`, org, string(chain), head.seq, head.link)
}

// insertMany writes INSERT … VALUES for a number of rows.
func insertMany(table, columns string, rows, width int) string {
	var b strings.Builder
	b.WriteString(`INSERT INTO ` + table + ` (` + columns + `) VALUES `)
	for n := range rows * width {
		switch {
		case n == 0:
			b.WriteString("(")
		case n%width == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(n+1))
	}
	return b.String() + ")"
}

// pruneLogs deletes payloads and rows of both logs that are past their time.
func (tx *Tx) pruneLogs(ctx context.Context, r Retention, now time.Time, report *PruneReport) (err error) {
	if report.Payloads, err = tx.prunePayloads(ctx, r.Payloads, now); err != nil {
		return err
	}
	if r.Audit > 0 {
		if report.AuditRows, err = tx.pruneLog(ctx, ledger.ChainAudit, micros(now.Add(-r.Audit))); err != nil {
			return fmt.Errorf("prune the audit log: %w", err)
		}
	}
	if r.Ledger > 0 {
		if report.LedgerRows, err = tx.pruneLog(ctx, ledger.ChainLedger, micros(now.Add(-r.Ledger))); err != nil {
			return fmt.Errorf("prune the egress ledger: %w", err)
		}
	}
	return nil
}

// PruneLogs is the part of [Tx.Prune] for the logs of what belongs to no
// organization.
func (tx *SystemTx) PruneLogs(ctx context.Context, r Retention, now time.Time) (report PruneReport, err error) {
	within, err := tx.within(ctx, systemOrg)
	if err != nil {
		return report, err
	}
	return report, within.pruneLogs(ctx, r, now, &report)
}

// pruneLog deletes the rows of a log that are older than before, and the links
// that no kept row needs. A signed checkpoint stands for both.
func (tx *Tx) pruneLog(ctx context.Context, chain ledger.Chain, before int64) (int, error) {
	table := logOf(tx.org, chain)
	head, err := tx.lockHead(ctx, tx.org, chain)
	if err != nil {
		return 0, err
	}
	n, err := tx.exec(ctx, `DELETE FROM `+table.name+` WHERE org_id = $1 AND at < $2`, tx.org, before)
	if err != nil || n == 0 {
		return 0, err
	}
	through := head.seq
	if err := tx.sql.QueryRowContext(ctx, `SELECT coalesce(min(seq) - 1, $2) FROM `+table.name+` WHERE org_id = $1 AND seq > 0`,
		tx.org, head.seq).Scan(&through); err != nil {
		return 0, err
	}
	through = max(through, head.pruned)
	if head.seq == 0 {
		return int(n), nil // all of it was from before the chain
	}
	link, err := tx.linkAt(ctx, chain, through, head)
	if err != nil {
		return 0, err
	}
	if _, err := tx.checkpoint(ctx, ledger.Checkpoint{
		Org: string(tx.org), Chain: chain, Kind: ledger.CheckpointPrune, Seq: through, Link: link, Before: fromMicros(before),
	}); err != nil {
		return 0, err
	}
	if _, err := tx.exec(ctx, `DELETE FROM chain_links WHERE org_id = $1 AND chain = $2 AND seq <= $3`, tx.org, string(chain), through); err != nil {
		return 0, err
	}
	return int(n), tx.one(ctx, "chain", `UPDATE chain_heads SET pruned_through = $3 WHERE org_id = $1 AND chain = $2`, tx.org, string(chain), through)
}

// errChainBroken says that a link is missing where one must be. Retention stops
// then: what is left is evidence.
var errChainBroken = errs.New(errs.Conflict, "chain_broken", "A log's chain of hashes is broken: rows were removed outside MetaLens.",
	"Run metalens doctor --verify-ledger; it says what is wrong. Retention of this log waits until then.")

// linkAt returns the link with a number, which may be pruned already.
func (tx *Tx) linkAt(ctx context.Context, chain ledger.Chain, seq int64, head chainHead) (link []byte, err error) {
	switch seq {
	case 0:
		return ledger.Genesis(string(tx.org), chain), nil
	case head.seq:
		return head.link, nil
	}
	query := `SELECT link FROM chain_links WHERE org_id = $1 AND chain = $2 AND seq = $3`
	if seq == head.pruned {
		query = `SELECT link FROM chain_checkpoints WHERE org_id = $1 AND chain = $2 AND seq = $3 AND kind = 'prune' ORDER BY id DESC LIMIT 1`
	}
	err = tx.scanOne(ctx, "link", query, []any{tx.org, string(chain), seq}, &link)
	if errs.KindOf(err) == errs.NotFound {
		return nil, errChainBroken
	}
	return link, err
}
