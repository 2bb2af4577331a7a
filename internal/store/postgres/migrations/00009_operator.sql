-- +goose Up
-- Operators log in to the console, never to the pages, and belong to no
-- organization.
ALTER TABLE users ADD COLUMN operator BIGINT NOT NULL DEFAULT 0;

-- What operators set for the whole installation while it runs: log level, which
-- outbound traffic is stopped.
CREATE TABLE system_settings (
  name       TEXT PRIMARY KEY,
  body       BYTEA NOT NULL,             -- sealed
  updated_at BIGINT NOT NULL
);
ALTER TABLE system_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE system_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON system_settings TO metalens_system USING (current_setting('metalens.system', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON system_settings TO metalens_system;

-- +goose StatementBegin
CREATE FUNCTION memberships_no_operator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT operator FROM users WHERE id = NEW.user_id) = 1 THEN
    RAISE EXCEPTION 'an operator is no member' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END;
$$;
-- +goose StatementEnd
CREATE TRIGGER memberships_no_operator BEFORE INSERT ON memberships FOR EACH ROW EXECUTE FUNCTION memberships_no_operator();
