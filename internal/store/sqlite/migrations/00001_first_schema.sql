-- +goose Up
CREATE TABLE organizations (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  data_key   BLOB NOT NULL,               -- wrapped by the master key
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
  id            TEXT PRIMARY KEY,
  email         TEXT NOT NULL UNIQUE,
  name          TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  created_at    INTEGER NOT NULL,
  last_login_at INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE memberships (
  org_id  TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role    TEXT NOT NULL,
  PRIMARY KEY (org_id, user_id)
) STRICT;
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE sessions (
  id         TEXT PRIMARY KEY,             -- hash of the token
  user_id    TEXT REFERENCES users (id) ON DELETE CASCADE,
  data       BLOB NOT NULL,
  info       BLOB,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE login_throttle (
  id           TEXT PRIMARY KEY,           -- keyed hash of the account or address
  failures     INTEGER NOT NULL,
  last_at      INTEGER NOT NULL,
  locked_until INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE audit_log (
  org_id  TEXT NOT NULL,                   -- '' for what belongs to no organization
  id      TEXT NOT NULL,
  at      INTEGER NOT NULL,
  actor   TEXT NOT NULL,
  action  TEXT NOT NULL,
  body    BLOB NOT NULL,
  PRIMARY KEY (org_id, id)
) STRICT;
CREATE INDEX audit_log_at ON audit_log (org_id, at);

CREATE TABLE settings (
  org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  name   TEXT NOT NULL,
  body   BLOB NOT NULL,
  PRIMARY KEY (org_id, name)
) STRICT;

CREATE TABLE connections (
  org_id      TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id          TEXT NOT NULL,
  name_key    BLOB NOT NULL,              -- keyed hash of the folded name
  body        BLOB NOT NULL,
  credential  BLOB,
  schedule    TEXT NOT NULL DEFAULT '',
  next_run_at INTEGER NOT NULL DEFAULT 0,
  last_seq    INTEGER NOT NULL DEFAULT 0,
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, name_key)
) STRICT;
CREATE INDEX connections_due ON connections (next_run_at) WHERE next_run_at > 0;

CREATE TABLE scans (
  org_id           TEXT NOT NULL,
  id               TEXT NOT NULL,
  connection_id    TEXT NOT NULL,
  seq              INTEGER NOT NULL DEFAULT 0,
  state            TEXT NOT NULL,
  cause            TEXT NOT NULL,
  requested_by     TEXT NOT NULL DEFAULT '',
  queued_at        INTEGER NOT NULL,
  started_at       INTEGER NOT NULL DEFAULT 0,
  finished_at      INTEGER NOT NULL DEFAULT 0,
  heartbeat_at     INTEGER NOT NULL DEFAULT 0,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  error_code       TEXT NOT NULL DEFAULT '',
  error_text       BLOB,
  progress         BLOB,
  summary          BLOB,
  head             BLOB,                  -- instance, times, gaps, requests of the snapshot
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX scans_list ON scans (org_id, connection_id, queued_at);
CREATE UNIQUE INDEX scans_seq ON scans (org_id, connection_id, seq) WHERE seq > 0;
CREATE UNIQUE INDEX scans_active ON scans (org_id, connection_id) WHERE state IN ('queued', 'running');

CREATE TABLE stages (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  step          TEXT NOT NULL,
  stamp         TEXT NOT NULL,
  saved_at      INTEGER NOT NULL,
  body          BLOB NOT NULL,
  PRIMARY KEY (org_id, connection_id, step),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE stage_stamps (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  stamp         TEXT NOT NULL,
  PRIMARY KEY (org_id, connection_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE asset_versions (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  asset_key     BLOB NOT NULL,            -- keyed hash of kind and id
  from_seq      INTEGER NOT NULL,
  to_seq        INTEGER,                      -- NULL = current
  kind          TEXT NOT NULL,
  content_hash  BLOB NOT NULL,            -- keyed hash of the definition
  patch         INTEGER NOT NULL DEFAULT 0,   -- 1 = body is a patch against the next newer version
  body          BLOB NOT NULL,
  PRIMARY KEY (org_id, connection_id, asset_key, from_seq),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE usage_records (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  seq           INTEGER NOT NULL,
  base_seq      INTEGER NOT NULL DEFAULT 0,   -- 0 = complete, else the record it is relative to
  body          BLOB NOT NULL,
  PRIMARY KEY (org_id, connection_id, seq),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE connection_facts (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  name          TEXT NOT NULL,             -- not_evaluated, search_words
  body          BLOB NOT NULL,
  PRIMARY KEY (org_id, connection_id, name),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE own_reads (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  dashboard_id  TEXT NOT NULL,
  reads         INTEGER NOT NULL,
  PRIMARY KEY (org_id, connection_id, dashboard_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE findings (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  fingerprint   TEXT NOT NULL,
  check_id      TEXT NOT NULL,
  family        TEXT NOT NULL,
  severity      INTEGER NOT NULL,             -- rank
  confidence    INTEGER NOT NULL,             -- rank
  asset_kind    TEXT NOT NULL,
  asset_key     BLOB NOT NULL,
  collections   TEXT NOT NULL DEFAULT '',  -- ids from the root down: /root/4/17/
  state         TEXT NOT NULL,
  assignee      TEXT NOT NULL DEFAULT '',
  first_seen_at INTEGER NOT NULL,
  last_seen_at  INTEGER NOT NULL,
  resolved_at   INTEGER NOT NULL DEFAULT 0,
  reopened      INTEGER NOT NULL DEFAULT 0,
  ignored_by    TEXT NOT NULL DEFAULT '',
  ignored_until INTEGER NOT NULL DEFAULT 0,
  ignored_why   BLOB,
  views         INTEGER,
  body_hash     BLOB NOT NULL,
  body          BLOB,                     -- NULL once what it points at was pruned
  PRIMARY KEY (org_id, connection_id, fingerprint),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX findings_state ON findings (org_id, connection_id, state, severity);
CREATE INDEX findings_asset ON findings (org_id, connection_id, asset_key);

CREATE TABLE finding_events (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  fingerprint   TEXT NOT NULL,
  id            TEXT NOT NULL,
  at            INTEGER NOT NULL,
  what          TEXT NOT NULL,
  actor         TEXT NOT NULL DEFAULT '',
  detail        BLOB,
  PRIMARY KEY (org_id, connection_id, fingerprint, id),
  FOREIGN KEY (org_id, connection_id, fingerprint) REFERENCES findings (org_id, connection_id, fingerprint) ON DELETE CASCADE
) STRICT;

CREATE TABLE search_docs (
  doc_id        INTEGER PRIMARY KEY AUTOINCREMENT,
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  asset_key     BLOB NOT NULL,
  kind          TEXT NOT NULL,
  views         INTEGER,
  trust         INTEGER NOT NULL DEFAULT 0,
  content_hash  BLOB NOT NULL,
  body          BLOB NOT NULL,
  UNIQUE (org_id, connection_id, asset_key),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE search_words (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  bucket        INTEGER NOT NULL,             -- words are spread over a fixed number of buckets
  body          BLOB NOT NULL,               -- the bucket's words and who has them, sealed
  PRIMARY KEY (org_id, connection_id, bucket),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE job_runners (
  id      TEXT PRIMARY KEY,
  beat_at INTEGER NOT NULL                    -- a runner that stops beating loses its jobs
) STRICT;

CREATE TABLE egress_ledger (
  org_id        TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id            TEXT NOT NULL,
  at            INTEGER NOT NULL,
  purpose       TEXT NOT NULL,
  connection_id TEXT NOT NULL DEFAULT '',
  scan_id       TEXT NOT NULL DEFAULT '',
  exchanges     INTEGER NOT NULL,
  body          BLOB NOT NULL,
  PRIMARY KEY (org_id, id)
) STRICT;
CREATE INDEX egress_ledger_at ON egress_ledger (org_id, at);
CREATE INDEX egress_ledger_scan ON egress_ledger (org_id, scan_id);

-- The embedded mode holds exactly one organization.
-- +goose StatementBegin
CREATE TRIGGER organizations_one BEFORE INSERT ON organizations
WHEN (SELECT count(*) FROM organizations) >= 1 BEGIN
  SELECT RAISE(ABORT, 'only one organization');
END;
-- +goose StatementEnd
