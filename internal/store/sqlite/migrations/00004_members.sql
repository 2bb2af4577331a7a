-- +goose Up
-- Who was asked to join an organization. The token is known as a hash only; the
-- address is sealed with the organization's key.
CREATE TABLE invitations (
  org_id     TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id         TEXT NOT NULL,
  token_hash BLOB NOT NULL UNIQUE,
  role       TEXT NOT NULL,
  invited_by TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  body       BLOB NOT NULL,
  PRIMARY KEY (org_id, id)
) STRICT;

-- Links that let an account choose a new password; the newest alone is good.
CREATE TABLE password_resets (
  user_id    TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  token_hash BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
