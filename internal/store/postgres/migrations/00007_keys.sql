-- +goose Up
-- Which master keys this database has seen, and which one seals. The keys
-- themselves are never here.
CREATE TABLE master_keys (
  id         BIGINT PRIMARY KEY,         -- as every sealed value names it
  state      TEXT NOT NULL,               -- active, retired, revoked
  made_at    BIGINT NOT NULL,            -- when this database met it
  changed_at BIGINT NOT NULL
);

-- The last rotation of each organization's data key, and of the master key.
CREATE TABLE key_rotations (
  id          TEXT PRIMARY KEY,           -- the organization, or master
  org         TEXT REFERENCES organizations (id) ON DELETE CASCADE, -- NULL for the master key
  state       TEXT NOT NULL,              -- running, done, incomplete
  key_id      BIGINT NOT NULL,           -- the new key
  part        TEXT NOT NULL DEFAULT '',   -- table that is being worked on
  total       BIGINT NOT NULL DEFAULT 0, -- sealed values when it began
  done        BIGINT NOT NULL DEFAULT 0,
  started_at  BIGINT NOT NULL,
  finished_at BIGINT NOT NULL DEFAULT 0
);

-- A key per connection seals the connection's credential: without this row the
-- credential cannot be read, wherever a copy of it is left.
CREATE TABLE connection_keys (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  body          BYTEA NOT NULL,            -- sealed by the organization's data key
  PRIMARY KEY (org_id, connection_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);

ALTER TABLE master_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE master_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON master_keys TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON master_keys TO metalens_system;
ALTER TABLE key_rotations ENABLE ROW LEVEL SECURITY;
ALTER TABLE key_rotations FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON key_rotations TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON key_rotations TO metalens_system;
ALTER TABLE connection_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE connection_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON connection_keys TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON connection_keys TO metalens_app;

-- Rows that belong to no organization are sealed by the master key, and again
-- when it changes.
GRANT UPDATE (body) ON audit_log TO metalens_system;
