-- +goose Up
-- What of a connection a member sees, where an admin said so. It goes with the
-- membership and with the connection.
CREATE TABLE grants (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  user_id       TEXT NOT NULL,
  body          BLOB NOT NULL,             -- sealed: mode and collections
  updated_at    INTEGER NOT NULL,
  PRIMARY KEY (org_id, connection_id, user_id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_user ON grants (org_id, user_id);

-- What members see of a connection for whom nothing was set: all or none.
ALTER TABLE connections ADD COLUMN grant_default TEXT NOT NULL DEFAULT 'all';
