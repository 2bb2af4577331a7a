-- +goose Up
-- How an organization uses a model: provider, models per task, limits. One row
-- at most; it is also what writers of the organization's spend lock.
CREATE TABLE ai_settings (
  org_id     TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id         TEXT NOT NULL,               -- settings
  body       BLOB,                        -- sealed; null = as the deployment is set
  credential BLOB,                        -- sealed key of the provider; null = none of its own
  key_id     TEXT NOT NULL DEFAULT '',    -- random name of the key, for the ledger
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (org_id, id)
) STRICT;

-- What models cost, per month. Counts only: the operator may see them.
CREATE TABLE ai_spend (
  org_id             TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  month              TEXT NOT NULL,       -- 2026-11, in UTC
  provider           TEXT NOT NULL,
  model              TEXT NOT NULL,
  agent              TEXT NOT NULL,
  calls              INTEGER NOT NULL DEFAULT 0,
  input_tokens       INTEGER NOT NULL DEFAULT 0,  -- without what a cache gave
  output_tokens      INTEGER NOT NULL DEFAULT 0,
  cache_read_tokens  INTEGER NOT NULL DEFAULT 0,
  cache_write_tokens INTEGER NOT NULL DEFAULT 0,
  cost               INTEGER NOT NULL DEFAULT 0,  -- millionths of a US dollar
  unknown_cost       INTEGER NOT NULL DEFAULT 0,  -- calls whose price is not known
  PRIMARY KEY (org_id, month, provider, model, agent)
) STRICT, WITHOUT ROWID;

-- One call of a model each. It is written before the call, with what the call
-- may cost at most, and settled after it.
CREATE TABLE ai_calls (
  org_id    TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id        TEXT NOT NULL,
  at        INTEGER NOT NULL,
  month     TEXT NOT NULL,
  agent     TEXT NOT NULL,
  provider  TEXT NOT NULL,
  model     TEXT NOT NULL,
  actor     TEXT NOT NULL DEFAULT '',     -- who asked; empty = the program
  outcome   TEXT NOT NULL DEFAULT '',     -- empty = under way
  settle_by INTEGER NOT NULL,             -- when a call under way counts as lost
  tokens    INTEGER NOT NULL,             -- reserved, then used
  cost      INTEGER NOT NULL,             -- reserved, then used; millionths of a US dollar
  body      BLOB NOT NULL,                -- sealed: subject, usage, duration, error
  PRIMARY KEY (org_id, id)
) STRICT;
CREATE INDEX ai_calls_at ON ai_calls (org_id, at);
CREATE INDEX ai_calls_open ON ai_calls (org_id, settle_by) WHERE outcome = '';

-- What a model said about an asset, a finding or a scan; the newest of each.
CREATE TABLE ai_outputs (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  agent         TEXT NOT NULL,
  subject_key   BLOB NOT NULL,            -- keyed hash of what it is about
  at            INTEGER NOT NULL,
  body          BLOB NOT NULL,            -- sealed: subject, content hash, output, model, cost
  PRIMARY KEY (org_id, connection_id, agent, subject_key),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX ai_outputs_at ON ai_outputs (org_id, at);

-- Conversations. They belong to a member, and go with the membership and with
-- the connection that they are about.
CREATE TABLE chats (
  org_id        TEXT NOT NULL,
  id            TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  user_id       TEXT NOT NULL,
  shared        INTEGER NOT NULL DEFAULT 0, -- 1 = every member may read it
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL,
  body          BLOB NOT NULL,            -- sealed: title, what it began from
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX chats_user ON chats (org_id, user_id, updated_at);
CREATE INDEX chats_connection ON chats (org_id, connection_id, updated_at);

CREATE TABLE chat_messages (
  org_id  TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  seq     INTEGER NOT NULL,               -- from 1
  at      INTEGER NOT NULL,
  body    BLOB NOT NULL,                  -- sealed: role, content
  PRIMARY KEY (org_id, chat_id, seq),
  FOREIGN KEY (org_id, chat_id) REFERENCES chats (org_id, id) ON DELETE CASCADE
) STRICT;

-- Which placeholder stood for what in a conversation; goes with it.
CREATE TABLE chat_maps (
  org_id  TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  body    BLOB NOT NULL,                  -- sealed
  PRIMARY KEY (org_id, chat_id),
  FOREIGN KEY (org_id, chat_id) REFERENCES chats (org_id, id) ON DELETE CASCADE
) STRICT;

-- Which columns people say are sensitive, or are not, against the classifier.
CREATE TABLE sensitivity_rules (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  id            TEXT NOT NULL,
  created_by    TEXT NOT NULL DEFAULT '',
  created_at    INTEGER NOT NULL,
  body          BLOB NOT NULL,            -- sealed: kind, pattern, category, note
  PRIMARY KEY (org_id, connection_id, id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
