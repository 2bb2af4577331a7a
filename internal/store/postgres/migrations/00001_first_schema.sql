-- +goose Up
CREATE TABLE organizations (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  data_key   BYTEA NOT NULL,               -- wrapped by the master key
  created_at BIGINT NOT NULL
);

CREATE TABLE users (
  id            TEXT PRIMARY KEY,
  email         TEXT NOT NULL UNIQUE,
  name          TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  created_at    BIGINT NOT NULL,
  last_login_at BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE memberships (
  org_id  TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role    TEXT NOT NULL,
  PRIMARY KEY (org_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE sessions (
  id         TEXT PRIMARY KEY,             -- hash of the token
  user_id    TEXT REFERENCES users (id) ON DELETE CASCADE,
  data       BYTEA NOT NULL,
  info       BYTEA,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE login_throttle (
  id           TEXT PRIMARY KEY,           -- keyed hash of the account or address
  failures     BIGINT NOT NULL,
  last_at      BIGINT NOT NULL,
  locked_until BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE audit_log (
  org_id  TEXT NOT NULL,                   -- '' for what belongs to no organization
  id      TEXT NOT NULL,
  at      BIGINT NOT NULL,
  actor   TEXT NOT NULL,
  action  TEXT NOT NULL,
  body    BYTEA NOT NULL,
  PRIMARY KEY (org_id, id)
);
CREATE INDEX audit_log_at ON audit_log (org_id, at);

CREATE TABLE settings (
  org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  name   TEXT NOT NULL,
  body   BYTEA NOT NULL,
  PRIMARY KEY (org_id, name)
);

CREATE TABLE connections (
  org_id      TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id          TEXT NOT NULL,
  name_key    BYTEA NOT NULL,              -- keyed hash of the folded name
  body        BYTEA NOT NULL,
  credential  BYTEA,
  schedule    TEXT NOT NULL DEFAULT '',
  next_run_at BIGINT NOT NULL DEFAULT 0,
  last_seq    BIGINT NOT NULL DEFAULT 0,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, name_key)
);
CREATE INDEX connections_due ON connections (next_run_at) WHERE next_run_at > 0;

CREATE TABLE scans (
  org_id           TEXT NOT NULL,
  id               TEXT NOT NULL,
  connection_id    TEXT NOT NULL,
  seq              BIGINT NOT NULL DEFAULT 0,
  state            TEXT NOT NULL,
  cause            TEXT NOT NULL,
  requested_by     TEXT NOT NULL DEFAULT '',
  queued_at        BIGINT NOT NULL,
  started_at       BIGINT NOT NULL DEFAULT 0,
  finished_at      BIGINT NOT NULL DEFAULT 0,
  heartbeat_at     BIGINT NOT NULL DEFAULT 0,
  cancel_requested BIGINT NOT NULL DEFAULT 0,
  error_code       TEXT NOT NULL DEFAULT '',
  error_text       BYTEA,
  progress         BYTEA,
  summary          BYTEA,
  head             BYTEA,                  -- instance, times, gaps, requests of the snapshot
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);
CREATE INDEX scans_list ON scans (org_id, connection_id, queued_at);
CREATE UNIQUE INDEX scans_seq ON scans (org_id, connection_id, seq) WHERE seq > 0;
CREATE UNIQUE INDEX scans_active ON scans (org_id, connection_id) WHERE state IN ('queued', 'running');

CREATE TABLE stages (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  step          TEXT NOT NULL,
  stamp         TEXT NOT NULL,
  saved_at      BIGINT NOT NULL,
  body          BYTEA NOT NULL,
  PRIMARY KEY (org_id, connection_id, step),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);

CREATE TABLE stage_stamps (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  stamp         TEXT NOT NULL,
  PRIMARY KEY (org_id, connection_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);

CREATE TABLE asset_versions (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  asset_key     BYTEA NOT NULL,            -- keyed hash of kind and id
  from_seq      BIGINT NOT NULL,
  to_seq        BIGINT,                      -- NULL = current
  kind          TEXT NOT NULL,
  content_hash  BYTEA NOT NULL,            -- keyed hash of the definition
  patch         BIGINT NOT NULL DEFAULT 0,   -- 1 = body is a patch against the next newer version
  body          BYTEA NOT NULL,
  PRIMARY KEY (org_id, connection_id, asset_key, from_seq),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);

CREATE TABLE usage_records (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  seq           BIGINT NOT NULL,
  base_seq      BIGINT NOT NULL DEFAULT 0,   -- 0 = complete, else the record it is relative to
  body          BYTEA NOT NULL,
  PRIMARY KEY (org_id, connection_id, seq),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);

CREATE TABLE connection_facts (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  name          TEXT NOT NULL,             -- not_evaluated, search_words
  body          BYTEA NOT NULL,
  PRIMARY KEY (org_id, connection_id, name),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);

CREATE TABLE own_reads (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  dashboard_id  TEXT NOT NULL,
  reads         BIGINT NOT NULL,
  PRIMARY KEY (org_id, connection_id, dashboard_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);

CREATE TABLE findings (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  fingerprint   TEXT NOT NULL,
  check_id      TEXT NOT NULL,
  family        TEXT NOT NULL,
  severity      BIGINT NOT NULL,             -- rank
  confidence    BIGINT NOT NULL,             -- rank
  asset_kind    TEXT NOT NULL,
  asset_key     BYTEA NOT NULL,
  collections   TEXT NOT NULL DEFAULT '',  -- ids from the root down: /root/4/17/
  state         TEXT NOT NULL,
  assignee      TEXT NOT NULL DEFAULT '',
  first_seen_at BIGINT NOT NULL,
  last_seen_at  BIGINT NOT NULL,
  resolved_at   BIGINT NOT NULL DEFAULT 0,
  reopened      BIGINT NOT NULL DEFAULT 0,
  ignored_by    TEXT NOT NULL DEFAULT '',
  ignored_until BIGINT NOT NULL DEFAULT 0,
  ignored_why   BYTEA,
  views         BIGINT,
  body_hash     BYTEA NOT NULL,
  body          BYTEA,                     -- NULL once what it points at was pruned
  PRIMARY KEY (org_id, connection_id, fingerprint),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);
CREATE INDEX findings_state ON findings (org_id, connection_id, state, severity);
CREATE INDEX findings_asset ON findings (org_id, connection_id, asset_key);

CREATE TABLE finding_events (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  fingerprint   TEXT NOT NULL,
  id            TEXT NOT NULL,
  at            BIGINT NOT NULL,
  what          TEXT NOT NULL,
  actor         TEXT NOT NULL DEFAULT '',
  detail        BYTEA,
  PRIMARY KEY (org_id, connection_id, fingerprint, id),
  FOREIGN KEY (org_id, connection_id, fingerprint) REFERENCES findings (org_id, connection_id, fingerprint) ON DELETE CASCADE
);

CREATE TABLE search_docs (
  doc_id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  asset_key     BYTEA NOT NULL,
  kind          TEXT NOT NULL,
  views         BIGINT,
  trust         BIGINT NOT NULL DEFAULT 0,
  content_hash  BYTEA NOT NULL,
  body          BYTEA NOT NULL,
  UNIQUE (org_id, connection_id, asset_key),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);
CREATE TABLE search_words (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  bucket        BIGINT NOT NULL,             -- words are spread over a fixed number of buckets
  body          BYTEA NOT NULL,               -- the bucket's words and who has them, sealed
  PRIMARY KEY (org_id, connection_id, bucket),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);

CREATE TABLE job_runners (
  id      TEXT PRIMARY KEY,
  beat_at BIGINT NOT NULL                    -- a runner that stops beating loses its jobs
);

CREATE TABLE egress_ledger (
  org_id        TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id            TEXT NOT NULL,
  at            BIGINT NOT NULL,
  purpose       TEXT NOT NULL,
  connection_id TEXT NOT NULL DEFAULT '',
  scan_id       TEXT NOT NULL DEFAULT '',
  exchanges     BIGINT NOT NULL,
  body          BYTEA NOT NULL,
  PRIMARY KEY (org_id, id)
);
CREATE INDEX egress_ledger_at ON egress_ledger (org_id, at);
CREATE INDEX egress_ledger_scan ON egress_ledger (org_id, scan_id);

-- Bodies are compressed before they are sealed: compressing them again is waste.
ALTER TABLE asset_versions ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE usage_records ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE stages ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE search_docs ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE search_words ALTER COLUMN body SET STORAGE EXTERNAL;

-- Who sees what. The organization comes from a setting that each transaction
-- makes for itself; without it no row is visible, not even to the owner. The
-- system role needs its own setting as well, so that a login which inherits
-- both roles sees nothing outside a transaction of ours.
ALTER TABLE settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE settings FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON settings TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON settings TO metalens_app;
ALTER TABLE connections ENABLE ROW LEVEL SECURITY;
ALTER TABLE connections FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON connections TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON connections TO metalens_app;
ALTER TABLE scans ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON scans TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON scans TO metalens_app;
ALTER TABLE stages ENABLE ROW LEVEL SECURITY;
ALTER TABLE stages FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON stages TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON stages TO metalens_app;
ALTER TABLE stage_stamps ENABLE ROW LEVEL SECURITY;
ALTER TABLE stage_stamps FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON stage_stamps TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON stage_stamps TO metalens_app;
ALTER TABLE asset_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE asset_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON asset_versions TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON asset_versions TO metalens_app;
ALTER TABLE usage_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_records FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON usage_records TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_records TO metalens_app;
ALTER TABLE connection_facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE connection_facts FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON connection_facts TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON connection_facts TO metalens_app;
ALTER TABLE own_reads ENABLE ROW LEVEL SECURITY;
ALTER TABLE own_reads FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON own_reads TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON own_reads TO metalens_app;
ALTER TABLE findings ENABLE ROW LEVEL SECURITY;
ALTER TABLE findings FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON findings TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON findings TO metalens_app;
ALTER TABLE finding_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE finding_events FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON finding_events TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON finding_events TO metalens_app;
ALTER TABLE search_docs ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_docs FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON search_docs TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON search_docs TO metalens_app;
ALTER TABLE search_words ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_words FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON search_words TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON search_words TO metalens_app;
ALTER TABLE egress_ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE egress_ledger FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON egress_ledger TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON egress_ledger TO metalens_app;
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON audit_log TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_log TO metalens_app;

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON organizations FOR SELECT TO metalens_app USING (id <> '' AND id = current_setting('metalens.org_id', true));
GRANT SELECT ON organizations TO metalens_app;

ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
ALTER TABLE login_throttle ENABLE ROW LEVEL SECURITY;
ALTER TABLE login_throttle FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON organizations TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON organizations TO metalens_system;
CREATE POLICY system ON users TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON users TO metalens_system;
CREATE POLICY system ON memberships TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON memberships TO metalens_system;
CREATE POLICY system ON sessions TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO metalens_system;
CREATE POLICY system ON login_throttle TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON login_throttle TO metalens_system;
CREATE POLICY system ON audit_log TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, DELETE ON audit_log TO metalens_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON job_runners TO metalens_system; -- belongs to no organization

-- Of the tenants' tables the system role reaches the columns that schedules and
-- abandoned scans need, and nothing sealed.
CREATE POLICY system ON connections TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT (org_id, id, schedule, next_run_at), UPDATE (next_run_at) ON connections TO metalens_system;
CREATE POLICY system ON scans TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT (org_id, id, connection_id, state, queued_at, heartbeat_at),
      UPDATE (state, finished_at, error_code, error_text) ON scans TO metalens_system;
