-- +goose Up
-- Personal access tokens. They go with the membership they were made under.
CREATE TABLE access_tokens (
  id           TEXT PRIMARY KEY,           -- part of the token, not secret
  org_id       TEXT NOT NULL,
  user_id      TEXT NOT NULL,
  hash         BYTEA NOT NULL,              -- of the secret part
  scopes       TEXT NOT NULL,              -- space separated
  role_rank    BIGINT NOT NULL,           -- of the member when it was made
  body         BYTEA NOT NULL,              -- its name, sealed
  created_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL DEFAULT 0, -- to the hour
  FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE INDEX access_tokens_member ON access_tokens (org_id, user_id);
CREATE INDEX access_tokens_user ON access_tokens (user_id);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);

-- Accounts at an identity provider, tied to ours.
CREATE TABLE sso_identities (
  id            TEXT PRIMARY KEY,          -- hash of issuer and subject
  user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  body          BYTEA NOT NULL,             -- issuer, subject and address, sealed
  linked_at     BIGINT NOT NULL,
  last_login_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX sso_identities_user ON sso_identities (user_id);

-- A token is looked up before anybody knows whose it is, and an account at an
-- identity provider belongs to no organization: both are the system role's.
ALTER TABLE access_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON access_tokens TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON access_tokens TO metalens_system;
ALTER TABLE sso_identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE sso_identities FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON sso_identities TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON sso_identities TO metalens_system;
