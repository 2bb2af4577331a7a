-- +goose Up
-- Place of a row in its chain; 0 = written before there was a chain.
ALTER TABLE egress_ledger ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_log ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX egress_ledger_seq ON egress_ledger (org_id, seq) WHERE seq > 0;
CREATE UNIQUE INDEX audit_log_seq ON audit_log (org_id, seq) WHERE seq > 0;

-- What left without an organization: sign-in before it is known whose, key
-- services, certificates, the installation's own mail.
CREATE TABLE system_ledger (
  org_id        TEXT NOT NULL DEFAULT '' CHECK (org_id = ''),
  id            TEXT NOT NULL,
  at            INTEGER NOT NULL,
  purpose       TEXT NOT NULL,
  connection_id TEXT NOT NULL DEFAULT '',
  scan_id       TEXT NOT NULL DEFAULT '',
  exchanges     INTEGER NOT NULL,
  body          BLOB NOT NULL,
  seq           INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, id)
) STRICT;
CREATE INDEX system_ledger_at ON system_ledger (org_id, at);
CREATE UNIQUE INDEX system_ledger_seq ON system_ledger (org_id, seq) WHERE seq > 0;

-- Exact requests, apart from the rows that say that they were sent: they go
-- earlier, and with the scan or chat that they belong to.
CREATE TABLE egress_payloads (
  org_id  TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id      TEXT NOT NULL,                   -- of the ledger row
  at      INTEGER NOT NULL,
  scan_id TEXT,
  subject TEXT NOT NULL DEFAULT '',        -- chat:<id> and the like
  author  TEXT NOT NULL DEFAULT '',
  body    BLOB NOT NULL,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, scan_id) REFERENCES scans (org_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX egress_payloads_at ON egress_payloads (org_id, at);
CREATE INDEX egress_payloads_scan ON egress_payloads (org_id, scan_id);
CREATE INDEX egress_payloads_subject ON egress_payloads (org_id, subject) WHERE subject <> '';
CREATE TABLE system_payloads (
  org_id  TEXT NOT NULL DEFAULT '' CHECK (org_id = ''),
  id      TEXT NOT NULL,
  at      INTEGER NOT NULL,
  scan_id TEXT,
  subject TEXT NOT NULL DEFAULT '',
  author  TEXT NOT NULL DEFAULT '',
  body    BLOB NOT NULL,
  PRIMARY KEY (org_id, id)
) STRICT;

-- One chain per organization and log; '' is the installation's own. Links hold
-- hashes and times, nothing readable, and stay when bodies go.
CREATE TABLE chain_heads (
  org_id         TEXT NOT NULL,
  chain          TEXT NOT NULL,            -- audit, ledger
  seq            INTEGER NOT NULL,
  link           BLOB NOT NULL,
  started_at     INTEGER NOT NULL,
  pruned_through INTEGER NOT NULL DEFAULT 0, -- links up to here are gone; a checkpoint stands for them
  verified_at    INTEGER NOT NULL DEFAULT 0,
  verified_body  BLOB,                     -- result of the last verification, sealed
  PRIMARY KEY (org_id, chain)
) STRICT, WITHOUT ROWID;
CREATE TABLE chain_links (
  org_id     TEXT NOT NULL,
  chain      TEXT NOT NULL,
  seq        INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  commitment BLOB NOT NULL,                -- hash of salt and row
  link       BLOB NOT NULL,                -- hash of the link before, seq, at and commitment
  PRIMARY KEY (org_id, chain, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE chain_checkpoints (
  org_id      TEXT NOT NULL,
  chain       TEXT NOT NULL,
  id          TEXT NOT NULL,
  kind        TEXT NOT NULL,               -- head, prune
  seq         INTEGER NOT NULL,
  link        BLOB NOT NULL,
  at          INTEGER NOT NULL,
  before      INTEGER NOT NULL DEFAULT 0,  -- bodies older than this may be gone
  key_id      TEXT NOT NULL,
  signature   BLOB NOT NULL,
  anchored_at INTEGER NOT NULL DEFAULT 0,  -- 0 = not yet known outside
  PRIMARY KEY (org_id, chain, id)
) STRICT;
CREATE INDEX chain_checkpoints_seq ON chain_checkpoints (org_id, chain, seq);
CREATE TABLE signing_keys (
  purpose     TEXT PRIMARY KEY,
  key_id      TEXT NOT NULL,
  public_key  BLOB NOT NULL,
  private_key BLOB NOT NULL,               -- sealed by the system's key
  created_at  INTEGER NOT NULL
) STRICT;

-- How far each stream to an outside collector has come.
CREATE TABLE stream_cursors (
  target     TEXT NOT NULL,
  org_id     TEXT NOT NULL,
  chain      TEXT NOT NULL,
  seq        INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (target, org_id, chain)
) STRICT;
