-- +goose Up
-- How an organization uses a model: provider, models per task, limits. One row
-- at most; it is also what writers of the organization's spend lock.
CREATE TABLE ai_settings (
  org_id     TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id         TEXT NOT NULL,               -- settings
  body       BYTEA,                        -- sealed; null = as the deployment is set
  credential BYTEA,                        -- sealed key of the provider; null = none of its own
  key_id     TEXT NOT NULL DEFAULT '',    -- random name of the key, for the ledger
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (org_id, id)
);

-- What models cost, per month. Counts only: the operator may see them.
CREATE TABLE ai_spend (
  org_id             TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  month              TEXT NOT NULL,       -- 2026-11, in UTC
  provider           TEXT NOT NULL,
  model              TEXT NOT NULL,
  agent              TEXT NOT NULL,
  calls              BIGINT NOT NULL DEFAULT 0,
  input_tokens       BIGINT NOT NULL DEFAULT 0,  -- without what a cache gave
  output_tokens      BIGINT NOT NULL DEFAULT 0,
  cache_read_tokens  BIGINT NOT NULL DEFAULT 0,
  cache_write_tokens BIGINT NOT NULL DEFAULT 0,
  cost               BIGINT NOT NULL DEFAULT 0,  -- millionths of a US dollar
  unknown_cost       BIGINT NOT NULL DEFAULT 0,  -- calls whose price is not known
  PRIMARY KEY (org_id, month, provider, model, agent)
);

-- One call of a model each. It is written before the call, with what the call
-- may cost at most, and settled after it.
CREATE TABLE ai_calls (
  org_id    TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  id        TEXT NOT NULL,
  at        BIGINT NOT NULL,
  month     TEXT NOT NULL,
  agent     TEXT NOT NULL,
  provider  TEXT NOT NULL,
  model     TEXT NOT NULL,
  actor     TEXT NOT NULL DEFAULT '',     -- who asked; empty = the program
  outcome   TEXT NOT NULL DEFAULT '',     -- empty = under way
  settle_by BIGINT NOT NULL,             -- when a call under way counts as lost
  tokens    BIGINT NOT NULL,             -- reserved, then used
  cost      BIGINT NOT NULL,             -- reserved, then used; millionths of a US dollar
  body      BYTEA NOT NULL,                -- sealed: subject, usage, duration, error
  PRIMARY KEY (org_id, id)
);
CREATE INDEX ai_calls_at ON ai_calls (org_id, at);
CREATE INDEX ai_calls_open ON ai_calls (org_id, settle_by) WHERE outcome = '';

-- What a model said about an asset, a finding or a scan; the newest of each.
CREATE TABLE ai_outputs (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  agent         TEXT NOT NULL,
  subject_key   BYTEA NOT NULL,            -- keyed hash of what it is about
  at            BIGINT NOT NULL,
  body          BYTEA NOT NULL,            -- sealed: subject, content hash, output, model, cost
  PRIMARY KEY (org_id, connection_id, agent, subject_key),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);
CREATE INDEX ai_outputs_at ON ai_outputs (org_id, at);

-- Conversations. They belong to a member, and go with the membership and with
-- the connection that they are about.
CREATE TABLE chats (
  org_id        TEXT NOT NULL,
  id            TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  user_id       TEXT NOT NULL,
  shared        BIGINT NOT NULL DEFAULT 0, -- 1 = every member may read it
  created_at    BIGINT NOT NULL,
  updated_at    BIGINT NOT NULL,
  body          BYTEA NOT NULL,            -- sealed: title, what it began from
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE INDEX chats_user ON chats (org_id, user_id, updated_at);
CREATE INDEX chats_connection ON chats (org_id, connection_id, updated_at);

CREATE TABLE chat_messages (
  org_id  TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  seq     BIGINT NOT NULL,               -- from 1
  at      BIGINT NOT NULL,
  body    BYTEA NOT NULL,                  -- sealed: role, content
  PRIMARY KEY (org_id, chat_id, seq),
  FOREIGN KEY (org_id, chat_id) REFERENCES chats (org_id, id) ON DELETE CASCADE
);

-- Which placeholder stood for what in a conversation; goes with it.
CREATE TABLE chat_maps (
  org_id  TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  body    BYTEA NOT NULL,                  -- sealed
  PRIMARY KEY (org_id, chat_id),
  FOREIGN KEY (org_id, chat_id) REFERENCES chats (org_id, id) ON DELETE CASCADE
);

-- Which columns people say are sensitive, or are not, against the classifier.
CREATE TABLE sensitivity_rules (
  org_id        TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  id            TEXT NOT NULL,
  created_by    TEXT NOT NULL DEFAULT '',
  created_at    BIGINT NOT NULL,
  body          BYTEA NOT NULL,            -- sealed: kind, pattern, category, note
  PRIMARY KEY (org_id, connection_id, id),
  FOREIGN KEY (org_id, connection_id) REFERENCES connections (org_id, id) ON DELETE CASCADE
);

ALTER TABLE ai_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON ai_settings TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON ai_settings TO metalens_app;
ALTER TABLE ai_spend ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai_spend FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON ai_spend TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON ai_spend TO metalens_app;
CREATE POLICY system ON ai_spend FOR SELECT TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT ON ai_spend TO metalens_system;
ALTER TABLE ai_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai_calls FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON ai_calls TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON ai_calls TO metalens_app;
ALTER TABLE ai_outputs ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai_outputs FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON ai_outputs TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON ai_outputs TO metalens_app;
ALTER TABLE chats ENABLE ROW LEVEL SECURITY;
ALTER TABLE chats FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON chats TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON chats TO metalens_app;
ALTER TABLE chat_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON chat_messages TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON chat_messages TO metalens_app;
ALTER TABLE chat_maps ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat_maps FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON chat_maps TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON chat_maps TO metalens_app;
ALTER TABLE sensitivity_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE sensitivity_rules FORCE ROW LEVEL SECURITY;
CREATE POLICY in_org ON sensitivity_rules TO metalens_app USING (org_id <> '' AND org_id = current_setting('metalens.org_id', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON sensitivity_rules TO metalens_app;
