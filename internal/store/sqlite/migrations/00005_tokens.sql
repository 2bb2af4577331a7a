-- +goose Up
-- Personal access tokens. They go with the membership they were made under.
CREATE TABLE access_tokens (
  id           TEXT PRIMARY KEY,           -- part of the token, not secret
  org_id       TEXT NOT NULL,
  user_id      TEXT NOT NULL,
  hash         BLOB NOT NULL,              -- of the secret part
  scopes       TEXT NOT NULL,              -- space separated
  role_rank    INTEGER NOT NULL,           -- of the member when it was made
  body         BLOB NOT NULL,              -- its name, sealed
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL DEFAULT 0, -- to the hour
  FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX access_tokens_member ON access_tokens (org_id, user_id);
CREATE INDEX access_tokens_user ON access_tokens (user_id);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);

-- Accounts at an identity provider, tied to ours.
CREATE TABLE sso_identities (
  id            TEXT PRIMARY KEY,          -- hash of issuer and subject
  user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  body          BLOB NOT NULL,             -- issuer, subject and address, sealed
  linked_at     INTEGER NOT NULL,
  last_login_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX sso_identities_user ON sso_identities (user_id);
