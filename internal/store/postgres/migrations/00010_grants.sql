-- +goose Up
-- What of a connection a member sees, where an admin said so. It goes with the
-- membership and with the connection.
CREATE TABLE grants (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  user_id       TEXT NOT NULL,
  body          BYTEA NOT NULL,            -- sealed: mode and collections
  updated_at    BIGINT NOT NULL,
  PRIMARY KEY (org_id, connection_id, user_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE INDEX grants_user ON grants (org_id, user_id);
ALTER TABLE grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE grants FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON grants TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON grants TO metalens_app;

-- What members see of a connection for whom nothing was set: all or none.
ALTER TABLE connections ADD COLUMN grant_default TEXT NOT NULL DEFAULT 'all';
