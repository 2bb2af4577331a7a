package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

// AIChoices is the agent under which choices about agents are kept beside their
// outputs: what shall happen after each scan. Retention leaves them.
const AIChoices = "after_scan"

// AIOutput is what a model said about an asset, a finding or a scan: typed by its
// agent, and kept until the content it was made of changes.
type AIOutput struct {
	Connection    ConnectionID    `json:"-"`
	Agent         string          `json:"-"`
	At            time.Time       `json:"-"`
	Subject       string          `json:"subject"`                  // question:12, finding:<fingerprint>, scan, …
	PromptVersion string          `json:"prompt_version,omitempty"` // of the agent's prompt
	ContentHash   string          `json:"content_hash,omitempty"`   // of everything the model was given
	Output        json.RawMessage `json:"output"`
	Provider      string          `json:"provider,omitempty"`
	Model         string          `json:"model,omitempty"`
	Tokens        AITokens        `json:"tokens,omitzero"`
	Cost          *int64          `json:"cost,omitempty"` // millionths of a US dollar; nil = the price is not known
	Duration      time.Duration   `json:"duration,omitempty"`
	Calls         []string        `json:"calls,omitempty"` // of [AICall]
}

func (tx *Tx) aiSubject(conn ConnectionID, agent, subject string) []byte {
	return tx.key.MAC("ai output", []byte(conn), []byte{0}, []byte(agent), []byte{0}, []byte(subject))[:assetKeySize]
}

func aiOutputRow(conn ConnectionID, agent string, key []byte) string {
	return string(conn) + "/" + agent + "/" + hex.EncodeToString(key)
}

// PutAIOutput keeps what an agent found out about a subject, in place of what it
// said before. An unknown connection is errs.NotFound.
func (tx *Tx) PutAIOutput(ctx context.Context, o AIOutput) error {
	if o.At.IsZero() {
		o.At = tx.store.now()
	}
	if len(o.Output) == 0 {
		o.Output = json.RawMessage("null")
	}
	key := tx.aiSubject(o.Connection, o.Agent, o.Subject)
	body, err := tx.sealJSON("ai_outputs", aiOutputRow(o.Connection, o.Agent, key), o)
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `INSERT INTO ai_outputs (org_id, connection_id, agent, subject_key, at, body) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (org_id, connection_id, agent, subject_key) DO UPDATE SET at = excluded.at, body = excluded.body`,
		tx.org, o.Connection, o.Agent, key, micros(o.At), body); err != nil {
		return fmt.Errorf("keep an output: %w", err)
	}
	return nil
}

const aiOutputColumns = `connection_id, agent, subject_key, at, body`

func (tx *Tx) scanAIOutput(r interface{ Scan(...any) error }) (AIOutput, error) {
	var o AIOutput
	var at int64
	var key, sealed []byte
	if err := r.Scan(&o.Connection, &o.Agent, &key, &at, &sealed); err != nil {
		return AIOutput{}, err
	}
	o.At = fromMicros(at)
	return o, tx.openJSON("ai_outputs", aiOutputRow(o.Connection, o.Agent, key), sealed, &o)
}

// AIOutput reads what an agent said about a subject; ok is false where it said
// nothing yet.
func (tx *Tx) AIOutput(ctx context.Context, conn ConnectionID, agent, subject string) (o AIOutput, ok bool, err error) {
	err = tx.rows(ctx, `SELECT `+aiOutputColumns+` FROM ai_outputs WHERE org_id = $1 AND connection_id = $2 AND agent = $3 AND subject_key = $4`,
		[]any{tx.org, conn, agent, tx.aiSubject(conn, agent, subject)}, func(r *sql.Rows) error {
			ok = true
			o, err = tx.scanAIOutput(r)
			return err
		})
	if err != nil {
		return AIOutput{}, false, fmt.Errorf("read an output: %w", err)
	}
	return o, ok, nil
}

// AIOutputs calls each for what an agent said about a connection, newest first;
// an empty agent stands for all.
func (tx *Tx) AIOutputs(ctx context.Context, conn ConnectionID, agent string, each func(AIOutput) error) error {
	err := tx.rows(ctx, `SELECT `+aiOutputColumns+` FROM ai_outputs WHERE org_id = $1 AND connection_id = $2 AND ($3 = '' OR agent = $3) ORDER BY at DESC, subject_key`,
		[]any{tx.org, conn, agent}, func(r *sql.Rows) error {
			o, err := tx.scanAIOutput(r)
			if err != nil {
				return err
			}
			return each(o)
		})
	if err != nil {
		return fmt.Errorf("list the outputs: %w", err)
	}
	return nil
}

// DeleteAIOutput forgets what an agent said about a subject.
func (tx *Tx) DeleteAIOutput(ctx context.Context, conn ConnectionID, agent, subject string) error {
	return tx.one(ctx, "output", `DELETE FROM ai_outputs WHERE org_id = $1 AND connection_id = $2 AND agent = $3 AND subject_key = $4`,
		tx.org, conn, agent, tx.aiSubject(conn, agent, subject))
}

// SensitivityRule says of some columns of a connection that they are sensitive,
// or that they are not, whatever the classifier thinks.
type SensitivityRule struct {
	ID         string       `json:"-"`
	Connection ConnectionID `json:"-"`
	Allow      bool         `json:"allow,omitempty"`    // not sensitive; otherwise sensitive
	Pattern    string       `json:"pattern"`            // glob on [schema.]table.column or column
	Category   string       `json:"category,omitempty"` // of what is sensitive
	Note       string       `json:"note,omitempty"`     // why
	CreatedBy  UserID       `json:"-"`
	CreatedAt  time.Time    `json:"-"`
}

// SensitivityRules lists a connection's rules, oldest first.
func (tx *Tx) SensitivityRules(ctx context.Context, conn ConnectionID) ([]SensitivityRule, error) {
	var list []SensitivityRule
	err := tx.rows(ctx, `SELECT id, created_by, created_at, body FROM sensitivity_rules WHERE org_id = $1 AND connection_id = $2 ORDER BY created_at, id`,
		[]any{tx.org, conn}, func(r *sql.Rows) error {
			rule := SensitivityRule{Connection: conn}
			var at int64
			var sealed []byte
			if err := r.Scan(&rule.ID, &rule.CreatedBy, &at, &sealed); err != nil {
				return err
			}
			rule.CreatedAt = fromMicros(at)
			err := tx.openJSON("sensitivity_rules", string(conn)+"/"+rule.ID, sealed, &rule)
			list = append(list, rule)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list the sensitivity rules: %w", err)
	}
	return list, nil
}

// AddSensitivityRule stores a rule and returns it with its id and time. An
// unknown connection is errs.NotFound.
func (tx *Tx) AddSensitivityRule(ctx context.Context, rule SensitivityRule) (SensitivityRule, error) {
	id, err := newID()
	if err != nil {
		return SensitivityRule{}, err
	}
	rule.ID, rule.CreatedAt = id, fromMicros(micros(tx.store.now()))
	body, err := tx.sealJSON("sensitivity_rules", string(rule.Connection)+"/"+id, rule)
	if err != nil {
		return SensitivityRule{}, err
	}
	if _, err := tx.exec(ctx, `INSERT INTO sensitivity_rules (org_id, connection_id, id, created_by, created_at, body) VALUES ($1, $2, $3, $4, $5, $6)`,
		tx.org, rule.Connection, id, string(rule.CreatedBy), micros(rule.CreatedAt), body); err != nil {
		return SensitivityRule{}, fmt.Errorf("add a sensitivity rule: %w", err)
	}
	return rule, nil
}

// DeleteSensitivityRule deletes a rule and returns it as it was.
func (tx *Tx) DeleteSensitivityRule(ctx context.Context, conn ConnectionID, id string) (SensitivityRule, error) {
	list, err := tx.SensitivityRules(ctx, conn)
	if err != nil {
		return SensitivityRule{}, err
	}
	for _, rule := range list {
		if rule.ID == id {
			return rule, tx.one(ctx, "rule", `DELETE FROM sensitivity_rules WHERE org_id = $1 AND connection_id = $2 AND id = $3`, tx.org, conn, id)
		}
	}
	return SensitivityRule{}, errs.New(errs.NotFound, "no_rule", "There is no such rule.", "Somebody may have deleted it; load the page again.")
}
