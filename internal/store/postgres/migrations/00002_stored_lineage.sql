-- +goose Up
-- Which form of lineage a scan stored; 0 = none, it is built from the snapshot.
ALTER TABLE scans ADD COLUMN lineage BIGINT NOT NULL DEFAULT 0;

-- The lineage of scans in parts, kept as versions like assets.
CREATE TABLE lineage_parts (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  asset_key     BYTEA NOT NULL,            -- keyed hash of the part's name
  from_seq      BIGINT NOT NULL,
  to_seq        BIGINT,                      -- NULL = current
  kind          TEXT NOT NULL,
  content_hash  BYTEA NOT NULL,            -- keyed hash of the content
  patch         BIGINT NOT NULL DEFAULT 0,   -- 1 = body is a patch against the next newer version
  body          BYTEA NOT NULL,
  PRIMARY KEY (org_id, connection_id, asset_key, from_seq),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);
ALTER TABLE lineage_parts ALTER COLUMN body SET STORAGE EXTERNAL;

-- What was worked out from texts of the newest scan, so that an unchanged text
-- is not parsed again.
CREATE TABLE parse_results (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  purpose       TEXT NOT NULL,
  hash          BYTEA NOT NULL,            -- keyed hash of the text and all that the result depends on
  body          BYTEA NOT NULL,
  PRIMARY KEY (org_id, connection_id, purpose, hash),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);
ALTER TABLE parse_results ALTER COLUMN body SET STORAGE EXTERNAL;

ALTER TABLE lineage_parts ENABLE ROW LEVEL SECURITY;
ALTER TABLE lineage_parts FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON lineage_parts TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON lineage_parts TO metalens_app;
ALTER TABLE parse_results ENABLE ROW LEVEL SECURITY;
ALTER TABLE parse_results FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON parse_results TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON parse_results TO metalens_app;
