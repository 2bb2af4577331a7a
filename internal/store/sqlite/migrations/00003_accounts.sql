-- +goose Up
-- What proves a person beside a password: authenticator apps and passkeys.
CREATE TABLE factors (
  id         TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  kind       TEXT NOT NULL,                -- totp, passkey
  body       BLOB NOT NULL,                -- name, secret or public key; sealed by the master key
  last_step  INTEGER NOT NULL DEFAULT 0,   -- totp: the step of the last code that was used
  created_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX factors_user ON factors (user_id);

CREATE TABLE recovery_codes (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  id      TEXT NOT NULL,                   -- keyed hash of the code
  used_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (user_id, id)
) STRICT;

-- When a person said that the present recovery codes are kept; 0 = not yet.
ALTER TABLE users ADD COLUMN codes_kept_at INTEGER NOT NULL DEFAULT 0;

-- An address that a person wants to log in with, until a letter to it is answered.
CREATE TABLE email_changes (
  user_id    TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  id         TEXT NOT NULL UNIQUE,         -- hash of the token in the letter
  body       BLOB NOT NULL,                -- the new address, sealed by the master key
  expires_at INTEGER NOT NULL
) STRICT;

-- Browsers that logged in to an account: failures elsewhere do not shut them out.
CREATE TABLE known_devices (
  id      TEXT PRIMARY KEY,                -- keyed hash of the account's address and the browser's token
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  seen_at INTEGER NOT NULL
) STRICT;
CREATE INDEX known_devices_user ON known_devices (user_id, seen_at);

CREATE INDEX login_throttle_end ON login_throttle (locked_until);

ALTER TABLE sessions ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
