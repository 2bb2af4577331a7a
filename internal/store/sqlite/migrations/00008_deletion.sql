-- +goose Up
-- What was deleted: tombstones that are replayed after a restore, with the
-- receipt of the person who asked. Nothing here says whose it was.
CREATE TABLE deletions (
  id            TEXT PRIMARY KEY,
  kind          TEXT NOT NULL,             -- organization, account, connection
  salt          BLOB NOT NULL,
  subject       BLOB NOT NULL,             -- keyed hash of what was deleted, by the salt
  at            INTEGER NOT NULL,
  counts        TEXT NOT NULL DEFAULT '{}',  -- JSON: table → rows deleted
  key_destroyed INTEGER NOT NULL DEFAULT 0,
  replayed_at   INTEGER NOT NULL DEFAULT 0,  -- deleted again after a restore
  receipt       TEXT NOT NULL DEFAULT '',  -- hash of the receipt's one-time address
  receipt_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX deletions_receipt ON deletions (receipt) WHERE receipt <> '';

-- What each run of retention deleted. Counts only: the operator may see them.
CREATE TABLE retention_reports (
  org_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id     TEXT NOT NULL,
  at     INTEGER NOT NULL,
  body   TEXT NOT NULL,                    -- JSON: cause, limits in days, counts
  PRIMARY KEY (org_id, id)
) STRICT;
CREATE INDEX retention_reports_at ON retention_reports (org_id, at);
