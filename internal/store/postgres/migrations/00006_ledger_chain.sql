-- +goose Up
-- Place of a row in its chain; 0 = written before there was a chain.
ALTER TABLE egress_ledger ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit_log ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX egress_ledger_seq ON egress_ledger (org_id, seq) WHERE seq > 0;
CREATE UNIQUE INDEX audit_log_seq ON audit_log (org_id, seq) WHERE seq > 0;

-- What left without an organization: sign-in before it is known whose, key
-- services, certificates, the installation's own mail.
CREATE TABLE system_ledger (
  org_id        TEXT NOT NULL DEFAULT '' CHECK (org_id = ''),
  id            TEXT NOT NULL,
  at            BIGINT NOT NULL,
  purpose       TEXT NOT NULL,
  connection_id TEXT NOT NULL DEFAULT '',
  scan_id       TEXT NOT NULL DEFAULT '',
  exchanges     BIGINT NOT NULL,
  body          BYTEA NOT NULL,
  seq           BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, id)
);
CREATE INDEX system_ledger_at ON system_ledger (org_id, at);
CREATE UNIQUE INDEX system_ledger_seq ON system_ledger (org_id, seq) WHERE seq > 0;

-- Exact requests, apart from the rows that say that they were sent: they go
-- earlier, and with the scan or chat that they belong to.
CREATE TABLE egress_payloads (
  org_id  TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id      TEXT NOT NULL,                   -- of the ledger row
  at      BIGINT NOT NULL,
  scan_id TEXT,
  subject TEXT NOT NULL DEFAULT '',        -- chat:<id> and the like
  author  TEXT NOT NULL DEFAULT '',
  body    BYTEA NOT NULL,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, scan_id) REFERENCES scans (org_id, id) ON DELETE CASCADE
);
CREATE INDEX egress_payloads_at ON egress_payloads (org_id, at);
CREATE INDEX egress_payloads_scan ON egress_payloads (org_id, scan_id);
CREATE INDEX egress_payloads_subject ON egress_payloads (org_id, subject) WHERE subject <> '';
CREATE TABLE system_payloads (
  org_id  TEXT NOT NULL DEFAULT '' CHECK (org_id = ''),
  id      TEXT NOT NULL,
  at      BIGINT NOT NULL,
  scan_id TEXT,
  subject TEXT NOT NULL DEFAULT '',
  author  TEXT NOT NULL DEFAULT '',
  body    BYTEA NOT NULL,
  PRIMARY KEY (org_id, id)
);

-- One chain per organization and log; '' is the installation's own. Links hold
-- hashes and times, nothing readable, and stay when bodies go.
CREATE TABLE chain_heads (
  org_id         TEXT NOT NULL,
  chain          TEXT NOT NULL,            -- audit, ledger
  seq            BIGINT NOT NULL,
  link           BYTEA NOT NULL,
  started_at     BIGINT NOT NULL,
  pruned_through BIGINT NOT NULL DEFAULT 0, -- links up to here are gone; a checkpoint stands for them
  verified_at    BIGINT NOT NULL DEFAULT 0,
  verified_body  BYTEA,                     -- result of the last verification, sealed
  PRIMARY KEY (org_id, chain)
);
CREATE TABLE chain_links (
  org_id     TEXT NOT NULL,
  chain      TEXT NOT NULL,
  seq        BIGINT NOT NULL,
  at         BIGINT NOT NULL,
  commitment BYTEA NOT NULL,                -- hash of salt and row
  link       BYTEA NOT NULL,                -- hash of the link before, seq, at and commitment
  PRIMARY KEY (org_id, chain, seq)
);
CREATE TABLE chain_checkpoints (
  org_id      TEXT NOT NULL,
  chain       TEXT NOT NULL,
  id          TEXT NOT NULL,
  kind        TEXT NOT NULL,               -- head, prune
  seq         BIGINT NOT NULL,
  link        BYTEA NOT NULL,
  at          BIGINT NOT NULL,
  before      BIGINT NOT NULL DEFAULT 0,  -- bodies older than this may be gone
  key_id      TEXT NOT NULL,
  signature   BYTEA NOT NULL,
  anchored_at BIGINT NOT NULL DEFAULT 0,  -- 0 = not yet known outside
  PRIMARY KEY (org_id, chain, id)
);
CREATE INDEX chain_checkpoints_seq ON chain_checkpoints (org_id, chain, seq);
CREATE TABLE signing_keys (
  purpose     TEXT PRIMARY KEY,
  key_id      TEXT NOT NULL,
  public_key  BYTEA NOT NULL,
  private_key BYTEA NOT NULL,               -- sealed by the system's key
  created_at  BIGINT NOT NULL
);

-- How far each stream to an outside collector has come.
CREATE TABLE stream_cursors (
  target     TEXT NOT NULL,
  org_id     TEXT NOT NULL,
  chain      TEXT NOT NULL,
  seq        BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (target, org_id, chain)
);

-- The app's role may add links and remove pruned ones, never change one.
ALTER TABLE chain_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE chain_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON chain_heads TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON chain_heads TO metalens_app;
CREATE POLICY system ON chain_heads TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON chain_heads TO metalens_system;
ALTER TABLE chain_links ENABLE ROW LEVEL SECURITY;
ALTER TABLE chain_links FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON chain_links TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, DELETE ON chain_links TO metalens_app;
CREATE POLICY system ON chain_links TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, DELETE ON chain_links TO metalens_system;
ALTER TABLE chain_checkpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE chain_checkpoints FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON chain_checkpoints TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT ON chain_checkpoints TO metalens_app;
CREATE POLICY system ON chain_checkpoints TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, DELETE ON chain_checkpoints TO metalens_system;
GRANT UPDATE (anchored_at) ON chain_checkpoints TO metalens_system;
ALTER TABLE egress_payloads ENABLE ROW LEVEL SECURITY;
ALTER TABLE egress_payloads FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON egress_payloads TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON egress_payloads TO metalens_app;
ALTER TABLE system_ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE system_ledger FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON system_ledger TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON system_ledger TO metalens_system;
ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE signing_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON signing_keys TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys TO metalens_system;
ALTER TABLE stream_cursors ENABLE ROW LEVEL SECURITY;
ALTER TABLE stream_cursors FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON stream_cursors TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON stream_cursors TO metalens_system;
ALTER TABLE system_payloads ENABLE ROW LEVEL SECURITY;
ALTER TABLE system_payloads FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON system_payloads TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON system_payloads TO metalens_system;
