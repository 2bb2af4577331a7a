package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

// vandal is somebody who can write to the database and has no key.
type vandal struct {
	t  *testing.T
	db *sql.DB
	w  *storetest.World
}

func (v *vandal) do(query string, args ...any) {
	v.t.Helper()
	if _, err := v.db.ExecContext(context.Background(), query, args...); err != nil {
		v.t.Fatalf("%s: %v", query, err)
	}
}

func (v *vandal) bytes(query string, args ...any) (b []byte) {
	v.t.Helper()
	if err := v.db.QueryRowContext(context.Background(), query, args...).Scan(&b); err != nil {
		v.t.Fatalf("%s: %v", query, err)
	}
	return b
}

// onEachEngine runs a test with a world and a way around it into its database.
func onEachEngine(t *testing.T, run func(t *testing.T, v *vandal)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
			cfg.Dir = dir
			return mustOpen(t, cfg)
		})
		db := rawSQLite(t, dir)
		db.SetMaxOpenConns(1)
		t.Cleanup(func() { _ = db.Close() })
		run(t, &vandal{t, db, w})
	})
	t.Run("postgres", func(t *testing.T) {
		address := cluster.Database(t)
		w := storetest.NewWorld(t, func(t testing.TB, _ string, cfg store.Config) *store.Store {
			cfg.DatabaseURL = secret.New(address)
			return mustOpen(t, cfg)
		})
		db := raw(t, address)
		db.SetMaxOpenConns(1)
		v := &vandal{t, db, w}
		for _, table := range []string{
			"egress_ledger", "audit_log", "system_ledger", "egress_payloads", "chain_heads", "chain_links", "chain_checkpoints", "signing_keys",
		} {
			v.do(`ALTER TABLE ` + table + ` NO FORCE ROW LEVEL SECURITY`) // the owner reaches everything
		}
		run(t, v)
	})
}

// tampering is one way to change history.
type tampering struct {
	name  string
	do    func(v *vandal, org string)
	chain ledger.Chain
	want  []ledger.ProblemCode // each must be found
	// anchors says that only what stands outside the database gives it away.
	anchors bool
}

// rebuild recomputes links and head from a row on, as somebody would who knows
// how they are made.
func rebuild(v *vandal, org string, chain ledger.Chain, from int64) {
	v.t.Helper()
	last := ledger.Genesis(org, chain)
	if from > 1 {
		last = v.bytes(`SELECT link FROM chain_links WHERE org_id = $1 AND chain = $2 AND seq = $3`, org, string(chain), from-1)
	}
	type row struct {
		seq, at    int64
		commitment []byte
	}
	var list []row
	rows, err := v.db.QueryContext(context.Background(), `SELECT seq, at, commitment FROM chain_links WHERE org_id = $1 AND chain = $2 AND seq >= $3 ORDER BY seq`, org, string(chain), from)
	if err != nil {
		v.t.Fatal(err)
	}
	func() {
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var r row
			if err := rows.Scan(&r.seq, &r.at, &r.commitment); err != nil {
				v.t.Fatal(err)
			}
			list = append(list, r)
		}
		if err := rows.Err(); err != nil {
			v.t.Fatal(err)
		}
	}()
	seq := from - 1
	for _, r := range list {
		last, seq = ledger.Link(last, r.seq, r.at, r.commitment), r.seq
		v.do(`UPDATE chain_links SET link = $4 WHERE org_id = $1 AND chain = $2 AND seq = $3`, org, string(chain), r.seq, last)
	}
	v.do(`UPDATE chain_heads SET seq = $3, link = $4 WHERE org_id = $1 AND chain = $2`, org, string(chain), seq, last)
}

// truncate takes the newest rows away without a trace in the database.
func truncate(v *vandal, org string, chain ledger.Chain, table string, after int64) {
	v.t.Helper()
	v.do(`DELETE FROM `+table+` WHERE org_id = $1 AND seq > $2`, org, after)
	v.do(`DELETE FROM chain_links WHERE org_id = $1 AND chain = $2 AND seq > $3`, org, string(chain), after)
	v.do(`DELETE FROM chain_checkpoints WHERE org_id = $1 AND chain = $2 AND seq > $3`, org, string(chain), after)
	rebuild(v, org, chain, after+1)
	link := v.bytes(`SELECT link FROM chain_links WHERE org_id = $1 AND chain = $2 AND seq = $3`, org, string(chain), after)
	v.do(`UPDATE chain_heads SET seq = $3, link = $4 WHERE org_id = $1 AND chain = $2`, org, string(chain), after, link)
}

func tamperings() []tampering {
	audit, egress := ledger.ChainAudit, ledger.ChainLedger
	at := func(query string, args ...any) func(*vandal, string) {
		return func(v *vandal, org string) { v.do(query, append([]any{org}, args...)...) }
	}
	return []tampering{
		{
			name: "changed column of a row", chain: audit, want: []ledger.ProblemCode{ledger.ProblemBodyChanged},
			do: at(`UPDATE audit_log SET actor = 'somebody else' WHERE org_id = $1 AND seq = 3`),
		},
		{
			name: "changed sealed body", chain: egress, want: []ledger.ProblemCode{ledger.ProblemBodyChanged},
			do: at(`UPDATE egress_ledger SET body = (SELECT b.body FROM egress_ledger b WHERE b.org_id = $1 AND b.seq = 5) WHERE org_id = $1 AND seq = 3`),
		},
		{
			name: "changed count", chain: egress, want: []ledger.ProblemCode{ledger.ProblemBodyChanged},
			do: at(`UPDATE egress_ledger SET exchanges = 1 WHERE org_id = $1 AND seq = 3`),
		},
		{
			name: "changed time in row and link", chain: audit, want: []ledger.ProblemCode{ledger.ProblemBodyChanged, ledger.ProblemLinkChanged},
			do: func(v *vandal, org string) {
				v.do(`UPDATE audit_log SET at = at - 1 WHERE org_id = $1 AND seq = 3`, org)
				v.do(`UPDATE chain_links SET at = at - 1 WHERE org_id = $1 AND chain = 'audit' AND seq = 3`, org)
			},
		},
		{
			name: "changed link", chain: egress, want: []ledger.ProblemCode{ledger.ProblemLinkChanged},
			do: func(v *vandal, org string) {
				v.do(`UPDATE chain_links SET link = $2 WHERE org_id = $1 AND chain = 'ledger' AND seq = 4`, org, bytes.Repeat([]byte{7}, ledger.HashSize))
			},
		},
		{
			name: "changed head", chain: egress, want: []ledger.ProblemCode{ledger.ProblemHeadChanged},
			do: func(v *vandal, org string) {
				v.do(`UPDATE chain_heads SET link = $2 WHERE org_id = $1 AND chain = 'ledger'`, org, bytes.Repeat([]byte{7}, ledger.HashSize))
			},
		},
		{
			name: "row deleted in the middle", chain: egress, want: []ledger.ProblemCode{ledger.ProblemBodyMissing},
			do: at(`DELETE FROM egress_ledger WHERE org_id = $1 AND seq = 4`),
		},
		{
			name: "row and link deleted in the middle", chain: egress, want: []ledger.ProblemCode{ledger.ProblemLinkMissing},
			do: func(v *vandal, org string) {
				v.do(`DELETE FROM egress_ledger WHERE org_id = $1 AND seq = 4`, org)
				v.do(`DELETE FROM chain_links WHERE org_id = $1 AND chain = 'ledger' AND seq = 4`, org)
			},
		},
		{
			name: "newest row deleted", chain: audit, want: []ledger.ProblemCode{ledger.ProblemBodyMissing},
			do: at(`DELETE FROM audit_log WHERE org_id = $1 AND seq = (SELECT max(seq) FROM audit_log WHERE org_id = $1)`),
		},
		{
			name: "newest links deleted", chain: audit, want: []ledger.ProblemCode{ledger.ProblemTailTruncated},
			do: at(`DELETE FROM chain_links WHERE org_id = $1 AND chain = 'audit' AND seq > 8`),
		},
		{
			name: "swapped rows", chain: audit, want: []ledger.ProblemCode{ledger.ProblemBodyChanged},
			do: func(v *vandal, org string) {
				for _, step := range [][2]int{{3, 1003}, {4, 3}, {1003, 4}} {
					v.do(`UPDATE audit_log SET seq = $3 WHERE org_id = $1 AND seq = $2`, org, step[0], step[1])
				}
			},
		},
		{
			name: "swapped links, recomputed", chain: audit, want: []ledger.ProblemCode{ledger.ProblemBodyChanged, ledger.ProblemCheckpointChanged},
			do: func(v *vandal, org string) {
				for _, step := range [][2]int{{3, 1003}, {4, 3}, {1003, 4}} {
					v.do(`UPDATE chain_links SET seq = $3 WHERE org_id = $1 AND chain = 'audit' AND seq = $2`, org, step[0], step[1])
				}
				rebuild(v, org, audit, 3)
			},
		},
		{
			name: "inserted row with a free number", chain: audit, want: []ledger.ProblemCode{ledger.ProblemRowInserted},
			do: at(`INSERT INTO audit_log (org_id, id, at, actor, action, body, seq) SELECT org_id, 'forged', at, actor, action, body, 99 FROM audit_log WHERE org_id = $1 AND seq = 2`),
		},
		{
			name: "inserted row without a number", chain: audit, want: []ledger.ProblemCode{ledger.ProblemRowInserted},
			do: at(`INSERT INTO audit_log (org_id, id, at, actor, action, body, seq) SELECT org_id, 'forged', at, actor, action, body, 0 FROM audit_log WHERE org_id = $1 AND seq = 9`),
		},
		{
			name: "inserted row, chain recomputed", chain: audit, want: []ledger.ProblemCode{ledger.ProblemBodyChanged, ledger.ProblemCheckpointChanged},
			do: func(v *vandal, org string) {
				v.do(`INSERT INTO audit_log (org_id, id, at, actor, action, body, seq) SELECT org_id, 'forged', at, actor, action, body, 1001 FROM audit_log WHERE org_id = $1 AND seq = 2`, org)
				for seq := 10; seq >= 3; seq-- {
					v.do(`UPDATE audit_log SET seq = $3 WHERE org_id = $1 AND seq = $2`, org, seq, seq+1)
					v.do(`UPDATE chain_links SET seq = $3 WHERE org_id = $1 AND chain = 'audit' AND seq = $2`, org, seq, seq+1)
				}
				v.do(`UPDATE audit_log SET seq = 3 WHERE org_id = $1 AND seq = 1001`, org)
				v.do(`INSERT INTO chain_links (org_id, chain, seq, at, commitment, link) SELECT org_id, chain, 3, at, commitment, link FROM chain_links WHERE org_id = $1 AND chain = 'audit' AND seq = 2`, org)
				rebuild(v, org, audit, 3)
			},
		},
		{
			name: "body replaced, commitment and chain recomputed", chain: audit, want: []ledger.ProblemCode{ledger.ProblemCheckpointChanged},
			do: func(v *vandal, org string) {
				v.do(`UPDATE chain_links SET commitment = $2 WHERE org_id = $1 AND chain = 'audit' AND seq = 3`, org, bytes.Repeat([]byte{9}, ledger.HashSize))
				rebuild(v, org, audit, 3)
			},
		},
		{
			name: "replaced payload", chain: egress, want: []ledger.ProblemCode{ledger.ProblemPayloadChanged},
			do: at(`UPDATE egress_payloads SET body = (SELECT b.body FROM egress_payloads b WHERE b.org_id = $1 ORDER BY b.id DESC LIMIT 1)
				WHERE org_id = $1 AND id = (SELECT c.id FROM egress_payloads c WHERE c.org_id = $1 ORDER BY c.id LIMIT 1)`),
		},
		{
			name: "replaced checkpoint", chain: audit, want: []ledger.ProblemCode{ledger.ProblemCheckpointForged},
			do: func(v *vandal, org string) {
				v.do(`UPDATE chain_checkpoints SET link = $2 WHERE org_id = $1 AND chain = 'audit'`, org, bytes.Repeat([]byte{7}, ledger.HashSize))
			},
		},
		{
			name: "checkpoint of another chain", chain: audit, want: []ledger.ProblemCode{ledger.ProblemCheckpointForged},
			do: at(`UPDATE chain_checkpoints SET signature = (SELECT c.signature FROM chain_checkpoints c WHERE c.org_id = $1 AND c.chain = 'ledger' LIMIT 1) WHERE org_id = $1 AND chain = 'audit'`),
		},
		{
			name: "another key", chain: audit, want: []ledger.ProblemCode{ledger.ProblemUnknownKey},
			do: func(v *vandal, org string) {
				other, err := ledger.NewSigner()
				if err != nil {
					v.t.Fatal(err)
				}
				link := v.bytes(`SELECT link FROM chain_links WHERE org_id = $1 AND chain = 'audit' AND seq = 10`, org)
				p := other.Sign(ledger.Checkpoint{Org: org, Chain: audit, Kind: ledger.CheckpointHead, Seq: 10, Link: link, At: v.w.Clock.Now()})
				v.do(`UPDATE signing_keys SET key_id = $1, public_key = $2`, other.ID(), []byte(other.Public()))
				v.do(`UPDATE chain_checkpoints SET key_id = $2, signature = $3, link = $4, seq = 10, kind = 'head', before = 0, at = $5 WHERE org_id = $1 AND chain = 'audit'`,
					org, p.KeyID, p.Signature, p.Link, p.At.UnixMicro())
			},
		},
		{
			name: "oldest rows deleted as if by retention", chain: audit, want: []ledger.ProblemCode{ledger.ProblemCheckpointMissing},
			do: func(v *vandal, org string) {
				v.do(`DELETE FROM audit_log WHERE org_id = $1 AND seq <= 4`, org)
				v.do(`DELETE FROM chain_links WHERE org_id = $1 AND chain = 'audit' AND seq <= 4`, org)
				v.do(`UPDATE chain_heads SET pruned_through = 4 WHERE org_id = $1 AND chain = 'audit'`, org)
			},
		},
		{
			name: "tail truncated after a checkpoint of the database", chain: egress, want: []ledger.ProblemCode{ledger.ProblemTailTruncated},
			do: func(v *vandal, org string) {
				v.do(`DELETE FROM egress_ledger WHERE org_id = $1 AND seq > 15`, org)
				v.do(`DELETE FROM chain_links WHERE org_id = $1 AND chain = 'ledger' AND seq > 15`, org)
				rebuild(v, org, egress, 15)
			},
		},
		{
			name: "tail truncated without a trace", chain: egress, anchors: true, want: []ledger.ProblemCode{ledger.ProblemTailTruncated},
			do: func(v *vandal, org string) { truncate(v, org, egress, "egress_ledger", 12) },
		},
		{
			name: "whole chain deleted", chain: audit, anchors: true, want: []ledger.ProblemCode{ledger.ProblemTailTruncated},
			do: func(v *vandal, org string) {
				v.do(`DELETE FROM audit_log WHERE org_id = $1`, org)
				for _, table := range []string{"chain_links", "chain_heads", "chain_checkpoints"} {
					v.do(`DELETE FROM `+table+` WHERE org_id = $1 AND chain = 'audit'`, org)
				}
			},
		},
		{
			name: "installation's rows deleted", chain: audit, want: []ledger.ProblemCode{ledger.ProblemBodyMissing},
			do: func(v *vandal, _ string) { v.do(`DELETE FROM audit_log WHERE org_id = '' AND seq = 2`) },
		},
	}
}

// TestTamperingIsFound changes the database behind the program's back in every
// way that the guide names.
func TestTamperingIsFound(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *vandal) {
		v.w.Append(5)
		v.w.Checkpoint()
		v.w.Append(5)
		anchors := v.w.Checkpoint()
		if r := v.w.Verify(anchors...); !r.OK() {
			t.Fatalf("before: %+v", r)
		}
		for _, c := range tamperings() {
			t.Run(c.name, func(t *testing.T) {
				restore := v.keep()
				defer restore()
				c.do(v, string(v.w.Org))
				if c.anchors {
					if r := v.w.Verify(); !r.OK() {
						t.Errorf("found without anchors, so this case shows less than it says: %+v", r.Chains)
					}
				}
				r := v.w.Verify(anchors...)
				var found []ledger.ProblemCode
				for _, chain := range r.Chains {
					for _, p := range chain.Problems {
						if chain.Chain != c.chain {
							t.Errorf("the %s chain is blamed: %+v", chain.Chain, p)
						}
						found = append(found, p.Code)
					}
				}
				for _, code := range c.want {
					if !slices.Contains(found, code) {
						t.Errorf("%s was not found, only %v", code, found)
					}
				}
			})
		}
		if r := v.w.Verify(anchors...); !r.OK() {
			t.Errorf("after: %+v", r)
		}
	})
}

// keep copies the tables of the chains and returns a function that puts the
// copies back.
func (v *vandal) keep() func() {
	v.t.Helper()
	tables := []string{"egress_ledger", "audit_log", "egress_payloads", "chain_heads", "chain_links", "chain_checkpoints", "signing_keys"}
	for _, table := range tables {
		v.do(`DROP TABLE IF EXISTS kept_` + table)
		v.do(`CREATE TABLE kept_` + table + ` AS SELECT * FROM ` + table)
	}
	return func() {
		for _, table := range tables {
			v.do(`DELETE FROM ` + table)
			v.do(`INSERT INTO ` + table + ` SELECT * FROM kept_` + table)
			v.do(`DROP TABLE kept_` + table)
		}
	}
}

// TestForgedAnchorIsNamed gives anchors that somebody else signed.
func TestForgedAnchorIsNamed(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *vandal) {
		v.w.Append(3)
		anchors := v.w.Checkpoint()
		other, err := ledger.NewSigner()
		if err != nil {
			t.Fatal(err)
		}
		codes := func(list ...ledger.Checkpoint) (found []ledger.ProblemCode) {
			r := v.w.Verify(list...)
			for _, c := range r.Chains {
				for _, p := range c.Problems {
					if p.From != "anchor" {
						t.Errorf("got %+v", p)
					}
					found = append(found, p.Code)
				}
			}
			return found
		}
		i := slices.IndexFunc(anchors, func(p ledger.Checkpoint) bool { return p.Org == string(v.w.Org) })
		if got := codes(other.Sign(anchors[i])); !slices.Equal(got, []ledger.ProblemCode{ledger.ProblemUnknownKey}) {
			t.Errorf("another key: %v", got)
		}
		changed := anchors[i]
		changed.Seq--
		if got := codes(changed); !slices.Equal(got, []ledger.ProblemCode{ledger.ProblemCheckpointForged}) {
			t.Errorf("changed: %v", got)
		}
		foreign := anchors[i]
		foreign.Org = "no such organization"
		if got := codes(foreign); !slices.Equal(got, []ledger.ProblemCode{ledger.ProblemChainMissing}) {
			t.Errorf("foreign: %v", got)
		}
	})
}

// TestDatabaseCopiedBackIsFound restores an older state of the whole database:
// it is sound in itself and shorter than the anchors know.
func TestDatabaseCopiedBackIsFound(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *vandal) {
		v.w.Append(3)
		v.w.Checkpoint()
		restore := v.keep()
		v.w.Append(3)
		anchors := v.w.Checkpoint()
		restore()
		r := v.w.Verify(anchors...)
		for _, c := range r.Chains {
			if c.Org == string(v.w.Org) && (c.ProblemCount != 1 || c.Problems[0].Code != ledger.ProblemTailTruncated || c.Problems[0].From != "anchor") {
				t.Errorf("got %+v", c)
			}
		}
	})
}

// TestRowsFromBeforeTheChain counts what an older version wrote.
func TestRowsFromBeforeTheChain(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *vandal) {
		v.do(`INSERT INTO audit_log (org_id, id, at, actor, action, body) VALUES ($1, 'old', $2, '', 'login', $3)`,
			string(v.w.Org), v.w.Clock.Now().Add(-time.Hour).UnixMicro(), []byte("sealed by a version before"))
		v.w.Append(2)
		r := v.w.Verify()
		for _, c := range r.Chains {
			want := int64(0)
			if c.Org == string(v.w.Org) && c.Chain == ledger.ChainAudit {
				want = 1
			}
			if c.NotCovered != want || c.ProblemCount != 0 {
				t.Errorf("got %+v", c)
			}
		}
	})
}

// TestErasedAuditRowsAreSigned deletes rows of the audit log because what they
// tell of is erased: verification knows that it was meant.
func TestErasedAuditRowsAreSigned(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *vandal) {
		v.w.Append(4)
		var ids []string
		v.w.System(func(ctx context.Context, tx *store.SystemTx) error {
			rows, _, err := tx.AuditLog(ctx, store.AuditQuery{})
			for _, row := range rows[1:3] {
				ids = append(ids, row.ID)
			}
			if err != nil {
				return err
			}
			return store.EraseAudit(ctx, tx, "", ids)
		})
		r := v.w.Verify()
		if !r.OK() {
			t.Errorf("got %+v", r.Chains)
		}
		i := slices.IndexFunc(r.Chains, func(c ledger.ChainReport) bool { return c.Org == "" && c.Chain == ledger.ChainAudit })
		if c := r.Chains[i]; c.Gone != 2 || c.Rows != 2 {
			t.Errorf("got %+v", c)
		}
	})
}

// TestSigningKeyOfAnotherMaster opens a store with a master key that does not
// fit: nothing is signed, nothing is taken for signed.
func TestSigningKeyOfAnotherMaster(t *testing.T) {
	dir := t.TempDir()
	open := func(t testing.TB, _ string, cfg store.Config) *store.Store {
		cfg.Dir = dir
		return mustOpen(t, cfg)
	}
	w := storetest.NewWorld(t, open)
	before, err := w.Store.SigningKey(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, "", store.Config{Keys: w.Keys, Now: w.Clock.Now})
	if after, err := again.SigningKey(context.Background()); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a second start has another key, %v", err)
	}
	other, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	stranger := open(t, "", store.Config{Keys: other, Now: w.Clock.Now})
	if _, err := stranger.SigningKey(context.Background()); err == nil {
		t.Error("the signing key opened with another master key")
	}
	if _, err := stranger.VerifyLedger(context.Background(), nil); err == nil || strings.Contains(fmt.Sprint(err), dir) {
		t.Errorf("got %v", err)
	}
}
