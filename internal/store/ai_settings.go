package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

// AISettings say how an organization uses a model. The zero value uses none.
type AISettings struct {
	Enabled  bool              `json:"enabled,omitempty"`
	Provider string            `json:"provider,omitempty"` // anthropic, openai, compatible; empty = as the deployment is set
	BaseURL  string            `json:"base_url,omitempty"` // of a compatible endpoint
	Models   map[string]string `json:"models,omitempty"`   // task → model; a task that is missing uses the deployment's
	Budget   AIBudget          `json:"budget,omitzero"`    // per calendar month in UTC
	Call     AIBudget          `json:"call,omitzero"`      // of one call
	Strict   bool              `json:"strict,omitempty"`   // ids instead of names
	Batch    bool              `json:"batch,omitempty"`    // work that can wait may go in batches, which providers keep longer
	Terms    string            `json:"terms,omitempty"`    // digest of the declared terms that were shown when it was switched on

	// KeyID names the organization's own key of the provider and KeyHint are its
	// last four characters; both are empty without one.
	KeyID   string    `json:"-"`
	KeyHint string    `json:"key_hint,omitempty"`
	KeyAt   time.Time `json:"key_at,omitzero"`

	UpdatedAt time.Time `json:"-"`
}

// AIBudget is what models may use. As a setting, zero stands for what the
// deployment gives.
type AIBudget struct {
	Tokens int64 `json:"tokens,omitempty"` // of input, output and caches
	Micros int64 `json:"micros,omitempty"` // millionths of a US dollar
}

// aiRow is the one row of settings.
const aiRow = "settings"

// hintLength is how much of a key is shown, from its end.
const hintLength = 4

// AISettings reads the organization's settings; ok is false where none were made.
func (tx *Tx) AISettings(ctx context.Context) (s AISettings, ok bool, err error) {
	var body []byte
	var updated int64
	err = tx.scanOne(ctx, "AI settings", `SELECT body, key_id, updated_at FROM ai_settings WHERE org_id = $1 AND id = $2`, []any{tx.org, aiRow}, &body, &s.KeyID, &updated)
	if errs.KindOf(err) == errs.NotFound {
		return AISettings{}, false, nil
	}
	if err != nil {
		return AISettings{}, false, err
	}
	s.UpdatedAt = fromMicros(updated)
	if err := tx.openJSON("ai_settings", aiRow, body, &s); err != nil {
		return AISettings{}, false, err
	}
	if s.KeyID == "" {
		s.KeyHint, s.KeyAt = "", time.Time{}
	}
	return s, len(body) > 0, nil
}

// SetAISettings replaces the organization's settings. The key and what is known
// of it stay as they are.
func (tx *Tx) SetAISettings(ctx context.Context, s AISettings) error {
	if err := tx.lockAI(ctx); err != nil {
		return err
	}
	have, _, err := tx.AISettings(ctx)
	if err != nil {
		return err
	}
	s.KeyHint, s.KeyAt = have.KeyHint, have.KeyAt
	return tx.putAISettings(ctx, s)
}

func (tx *Tx) putAISettings(ctx context.Context, s AISettings) error {
	body, err := tx.sealJSON("ai_settings", aiRow, s)
	if err != nil {
		return err
	}
	return tx.one(ctx, "AI settings", `UPDATE ai_settings SET body = $3, updated_at = $4 WHERE org_id = $1 AND id = $2`, tx.org, aiRow, body, micros(tx.store.now()))
}

// lockAI makes other writers of the organization's settings and spend wait until
// this transaction ends.
func (tx *Tx) lockAI(ctx context.Context) error {
	if _, err := tx.exec(ctx, `INSERT INTO ai_settings (org_id, id, updated_at) VALUES ($1, $2, $3) ON CONFLICT (org_id, id) DO NOTHING`,
		tx.org, aiRow, micros(tx.store.now())); err != nil {
		return fmt.Errorf("lock the AI settings: %w", err)
	}
	query := `SELECT updated_at FROM ai_settings WHERE org_id = $1 AND id = $2`
	if tx.store.engine == EnginePostgres {
		query += ` FOR UPDATE`
	}
	var updated int64
	return tx.scanOne(ctx, "AI settings", query, []any{tx.org, aiRow}, &updated)
}

// SetAIKey stores the organization's own key of a provider and returns its id,
// which says nothing about it. An empty key deletes it at once, from the
// database's files too, and puts that on record for a restored backup.
func (tx *Tx) SetAIKey(ctx context.Context, key secret.Value) (id string, err error) {
	if err := tx.lockAI(ctx); err != nil {
		return "", err
	}
	s, _, err := tx.AISettings(ctx)
	if err != nil {
		return "", err
	}
	if s.KeyID != "" {
		t, err := newTombstone(DeletedModelKey, s.KeyID, tx.store.now())
		if err != nil {
			return "", err
		}
		tx.wipeAfter()
		if err := tx.bury(ctx, t); err != nil {
			return "", err
		}
	}
	var sealed any
	s.KeyHint, s.KeyAt = "", time.Time{}
	if !key.IsZero() {
		id = "k" + strings.ToLower(rand.Text()[:10])
		plain := key.Expose()
		if len(plain) >= 4*hintLength {
			s.KeyHint = plain[len(plain)-hintLength:]
		}
		s.KeyAt = tx.store.now().UTC()
		sealed = tx.key.Seal([]byte(plain), "ai_settings.credential", aiRow)
	}
	if err := tx.one(ctx, "AI settings", `UPDATE ai_settings SET credential = $3, key_id = $4 WHERE org_id = $1 AND id = $2`, tx.org, aiRow, sealed, id); err != nil {
		return "", err
	}
	return id, tx.putAISettings(ctx, s)
}

// AIKey returns the organization's own key with its id; errs.NotFound, code
// no_ai_key, when there is none.
func (tx *Tx) AIKey(ctx context.Context) (key secret.Value, id string, err error) {
	var sealed []byte
	err = tx.scanOne(ctx, "AI settings", `SELECT credential, key_id FROM ai_settings WHERE org_id = $1 AND id = $2`, []any{tx.org, aiRow}, &sealed, &id)
	if errs.KindOf(err) == errs.NotFound || err == nil && len(sealed) == 0 {
		return secret.Value{}, "", errs.New(errs.NotFound, "no_ai_key", "This organization has no key of a model provider.", "An admin enters one under Settings, AI.")
	}
	if err != nil {
		return secret.Value{}, "", err
	}
	plain, err := tx.key.Open(sealed, "ai_settings.credential", aiRow)
	if err != nil {
		return secret.Value{}, "", fmt.Errorf("open the provider's key: %w", err)
	}
	key = secret.New(string(plain))
	clear(plain)
	return key, id, nil
}
