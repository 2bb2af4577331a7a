-- +goose Up
-- Which master keys this database has seen, and which one seals. The keys
-- themselves are never here.
CREATE TABLE master_keys (
  id         INTEGER PRIMARY KEY,         -- as every sealed value names it
  state      TEXT NOT NULL,               -- active, retired, revoked
  made_at    INTEGER NOT NULL,            -- when this database met it
  changed_at INTEGER NOT NULL
) STRICT;

-- The last rotation of each organization's data key, and of the master key.
CREATE TABLE key_rotations (
  id          TEXT PRIMARY KEY,           -- the organization, or master
  org         TEXT REFERENCES organizations (id) ON DELETE CASCADE, -- NULL for the master key
  state       TEXT NOT NULL,              -- running, done, incomplete
  key_id      INTEGER NOT NULL,           -- the new key
  part        TEXT NOT NULL DEFAULT '',   -- table that is being worked on
  total       INTEGER NOT NULL DEFAULT 0, -- sealed values when it began
  done        INTEGER NOT NULL DEFAULT 0,
  started_at  INTEGER NOT NULL,
  finished_at INTEGER NOT NULL DEFAULT 0
) STRICT;

-- A key per connection seals the connection's credential: without this row the
-- credential cannot be read, wherever a copy of it is left.
CREATE TABLE connection_keys (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  body          BLOB NOT NULL,            -- sealed by the organization's data key
  PRIMARY KEY (org_id, connection_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;
