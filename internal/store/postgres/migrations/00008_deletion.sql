-- +goose Up
-- What was deleted: tombstones that are replayed after a restore, with the
-- receipt of the person who asked. Nothing here says whose it was.
CREATE TABLE deletions (
  id            TEXT PRIMARY KEY,
  kind          TEXT NOT NULL,             -- organization, account, connection
  salt          BYTEA NOT NULL,
  subject       BYTEA NOT NULL,            -- keyed hash of what was deleted, by the salt
  at            BIGINT NOT NULL,
  counts        TEXT NOT NULL DEFAULT '{}',  -- JSON: table → rows deleted
  key_destroyed BIGINT NOT NULL DEFAULT 0,
  replayed_at   BIGINT NOT NULL DEFAULT 0, -- deleted again after a restore
  receipt       TEXT NOT NULL DEFAULT '',  -- hash of the receipt's one-time address
  receipt_until BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX deletions_receipt ON deletions (receipt) WHERE receipt <> '';

-- What each run of retention deleted. Counts only: the operator may see them.
CREATE TABLE retention_reports (
  org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id     TEXT NOT NULL,
  at     BIGINT NOT NULL,
  body   TEXT NOT NULL,                    -- JSON: cause, limits in days, counts
  PRIMARY KEY (org_id, id)
);
CREATE INDEX retention_reports_at ON retention_reports (org_id, at);

-- Tombstones belong to no organization.
ALTER TABLE deletions ENABLE ROW LEVEL SECURITY;
ALTER TABLE deletions FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON deletions TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON deletions TO metalens_system;

ALTER TABLE retention_reports ENABLE ROW LEVEL SECURITY;
ALTER TABLE retention_reports FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON retention_reports TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON retention_reports TO metalens_app;
CREATE POLICY system ON retention_reports FOR SELECT TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT ON retention_reports TO metalens_system;
