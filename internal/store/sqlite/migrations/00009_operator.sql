-- +goose Up
-- Operators log in to the console, never to the pages, and belong to no
-- organization.
ALTER TABLE users ADD COLUMN operator INTEGER NOT NULL DEFAULT 0;

-- What operators set for the whole installation while it runs: log level, which
-- outbound traffic is stopped.
CREATE TABLE system_settings (
  name       TEXT PRIMARY KEY,
  body       BLOB NOT NULL,             -- sealed
  updated_at INTEGER NOT NULL
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER memberships_no_operator BEFORE INSERT ON memberships
WHEN (SELECT operator FROM users WHERE id = NEW.user_id) = 1 BEGIN
  SELECT RAISE(ABORT, 'an operator is no member');
END;
-- +goose StatementEnd
