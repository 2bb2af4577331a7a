-- +goose Up
-- Who was asked to join an organization. The token is known as a hash only; the
-- address is sealed with the organization's key.
CREATE TABLE invitations (
  org_id     TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id         TEXT NOT NULL,
  token_hash BYTEA NOT NULL UNIQUE,
  role       TEXT NOT NULL,
  invited_by TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  body       BYTEA NOT NULL,
  PRIMARY KEY (org_id, id)
);
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON invitations TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO metalens_system;

-- Links that let an account choose a new password; the newest alone is good.
CREATE TABLE password_resets (
  user_id    TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  token_hash BYTEA NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
ALTER TABLE password_resets ENABLE ROW LEVEL SECURITY;
ALTER TABLE password_resets FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON password_resets TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON password_resets TO metalens_system;
