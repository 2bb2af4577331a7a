-- +goose Up
-- Which form of lineage a scan stored; 0 = none, it is built from the snapshot.
ALTER TABLE scans ADD COLUMN lineage INTEGER NOT NULL DEFAULT 0;

-- The lineage of scans in parts, kept as versions like assets.
CREATE TABLE lineage_parts (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  asset_key     BLOB NOT NULL,            -- keyed hash of the part's name
  from_seq      INTEGER NOT NULL,
  to_seq        INTEGER,                      -- NULL = current
  kind          TEXT NOT NULL,
  content_hash  BLOB NOT NULL,            -- keyed hash of the content
  patch         INTEGER NOT NULL DEFAULT 0,   -- 1 = body is a patch against the next newer version
  body          BLOB NOT NULL,
  PRIMARY KEY (org_id, connection_id, asset_key, from_seq),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;

-- What was worked out from texts of the newest scan, so that an unchanged text
-- is not parsed again.
CREATE TABLE parse_results (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  purpose       TEXT NOT NULL,
  hash          BLOB NOT NULL,            -- keyed hash of the text and all that the result depends on
  body          BLOB NOT NULL,
  PRIMARY KEY (org_id, connection_id, purpose, hash),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
