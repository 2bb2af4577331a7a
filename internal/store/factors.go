package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

// FactorKind is a kind of proof beside the password.
type FactorKind string

// The kinds of factors.
const (
	FactorTOTP    FactorKind = "totp"    // an authenticator app
	FactorPasskey FactorKind = "passkey" // a WebAuthn credential
)

// Factor is what proves a person beside the password.
type Factor struct {
	ID     string
	UserID UserID
	Kind   FactorKind
	Name   string
	// Secret is the shared secret of an authenticator app, in base32.
	Secret secret.Value
	// Credential is the public part of a passkey, as its library writes it.
	Credential json.RawMessage
	LastStep   int64 // authenticator app: the time step of the last code that was used
	CreatedAt  time.Time
	UsedAt     time.Time // zero = never
}

// FactorState sums up what an account has.
type FactorState struct {
	TOTP     int
	Passkeys int
	Codes    int  // recovery codes that are left
	Kept     bool // the person said that the present codes are kept
}

// Any reports whether there is any factor; recovery codes are none.
func (s FactorState) Any() bool { return s.TOTP+s.Passkeys > 0 }

// factorBody is the sealed part of a row.
type factorBody struct {
	Name       string          `json:"name"`
	Secret     string          `json:"secret,omitempty"`
	Credential json.RawMessage `json:"credential,omitempty"`
}

// factorPlace binds a sealed body to its row and its owner, so that a factor
// copied to another account does not open.
func factorPlace(user UserID, id string) string { return string(user) + "/" + id }

func (tx *SystemTx) sealFactor(f Factor) ([]byte, error) {
	b, err := json.Marshal(factorBody{Name: f.Name, Secret: f.Secret.Expose(), Credential: f.Credential})
	if err != nil {
		return nil, fmt.Errorf("write a factor: %w", err)
	}
	return tx.store.master.Seal(b, "factors", factorPlace(f.UserID, f.ID)), nil
}

// FactorState sums up the factors and recovery codes of a user.
func (tx *SystemTx) FactorState(ctx context.Context, user UserID) (FactorState, error) {
	var s FactorState
	var kept int64
	err := tx.scanOne(ctx, "user", `SELECT
		(SELECT count(*) FROM factors WHERE user_id = u.id AND kind = 'totp'),
		(SELECT count(*) FROM factors WHERE user_id = u.id AND kind = 'passkey'),
		(SELECT count(*) FROM recovery_codes WHERE user_id = u.id AND used_at = 0),
		u.codes_kept_at FROM users u WHERE u.id = $1`, []any{string(user)}, &s.TOTP, &s.Passkeys, &s.Codes, &kept)
	s.Kept = kept > 0
	return s, err
}

// MemberFactors is how many factors a member has; recovery codes are none.
type MemberFactors struct {
	Role    Role
	Factors int
}

// MemberFactors lists how many factors the members of an organization have.
func (tx *SystemTx) MemberFactors(ctx context.Context, org OrgID) ([]MemberFactors, error) {
	var list []MemberFactors
	err := tx.rows(ctx, `SELECT m.role, (SELECT count(*) FROM factors f WHERE f.user_id = m.user_id) FROM memberships m WHERE m.org_id = $1 ORDER BY m.user_id`,
		[]any{org}, func(r *sql.Rows) error {
			var m MemberFactors
			err := r.Scan(&m.Role, &m.Factors)
			list = append(list, m)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("count the members' factors: %w", err)
	}
	return list, nil
}

// Factors lists the factors of a user, the oldest first.
func (tx *SystemTx) Factors(ctx context.Context, user UserID) ([]Factor, error) {
	var list []Factor
	err := tx.rows(ctx, `SELECT id, kind, body, last_step, created_at, used_at FROM factors WHERE user_id = $1 ORDER BY created_at, id`, []any{string(user)}, func(r *sql.Rows) error {
		f := Factor{UserID: user}
		var sealed []byte
		var created, used int64
		if err := r.Scan(&f.ID, &f.Kind, &sealed, &f.LastStep, &created, &used); err != nil {
			return err
		}
		b, err := tx.store.master.Open(sealed, "factors", factorPlace(user, f.ID))
		if err != nil {
			return fmt.Errorf("open a factor: %w", err)
		}
		var body factorBody
		if err := json.Unmarshal(b, &body); err != nil {
			return fmt.Errorf("read a factor: %w", err)
		}
		f.Name, f.Credential = body.Name, body.Credential
		if body.Secret != "" {
			f.Secret = secret.New(body.Secret)
		}
		f.CreatedAt, f.UsedAt = fromMicros(created), fromMicros(used)
		list = append(list, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list factors: %w", err)
	}
	return list, nil
}

// InsertFactor stores a new factor.
func (tx *SystemTx) InsertFactor(ctx context.Context, f Factor) (Factor, error) {
	if f.ID == "" {
		id, err := newID()
		if err != nil {
			return Factor{}, err
		}
		f.ID = id
	}
	sealed, err := tx.sealFactor(f)
	if err != nil {
		return Factor{}, err
	}
	if _, err := tx.exec(ctx, `INSERT INTO factors (id, user_id, kind, body, last_step, created_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		f.ID, string(f.UserID), string(f.Kind), sealed, f.LastStep, micros(f.CreatedAt), micros(f.UsedAt)); err != nil {
		return Factor{}, fmt.Errorf("insert a factor: %w", err)
	}
	return f, nil
}

// UpdateFactor replaces name, credential and time of last use.
func (tx *SystemTx) UpdateFactor(ctx context.Context, f Factor) error {
	sealed, err := tx.sealFactor(f)
	if err != nil {
		return err
	}
	return tx.one(ctx, "factor", `UPDATE factors SET body = $3, used_at = $4 WHERE id = $1 AND user_id = $2`, f.ID, string(f.UserID), sealed, micros(f.UsedAt))
}

// UseStep claims a time step of an authenticator app. It reports false when
// that step or a later one was used before: a code is worth one login.
func (tx *SystemTx) UseStep(ctx context.Context, user UserID, factor string, step int64, at time.Time) (bool, error) {
	n, err := tx.exec(ctx, `UPDATE factors SET last_step = $3, used_at = $4 WHERE id = $1 AND user_id = $2 AND kind = 'totp' AND last_step < $3`,
		factor, string(user), step, micros(at))
	return n == 1, err
}

// DeleteFactor deletes one factor and returns it. With keepOne, the last one of
// the user is not deleted: errs.Conflict, code last_factor.
func (tx *SystemTx) DeleteFactor(ctx context.Context, user UserID, factor string, keepOne bool) (Factor, error) {
	// Two removals at once must not both see the other's factor.
	if err := tx.one(ctx, "user", `UPDATE users SET codes_kept_at = codes_kept_at WHERE id = $1`, string(user)); err != nil {
		return Factor{}, err
	}
	list, err := tx.Factors(ctx, user)
	if err != nil {
		return Factor{}, err
	}
	for _, f := range list {
		if f.ID != factor {
			continue
		}
		if keepOne && len(list) == 1 {
			return Factor{}, errs.New(errs.Conflict, "last_factor", "This is your only second factor, and your role needs one.", "Add another one first, then remove this one.")
		}
		if len(list) == 1 { // recovery codes are worth nothing without a factor
			if err := tx.dropCodes(ctx, user); err != nil {
				return Factor{}, err
			}
		}
		return f, tx.one(ctx, "factor", `DELETE FROM factors WHERE id = $1 AND user_id = $2`, factor, string(user))
	}
	return Factor{}, notFound("factor")
}

// DeleteFactors deletes every factor and recovery code of a user and says how
// many factors there were.
func (tx *SystemTx) DeleteFactors(ctx context.Context, user UserID) (int, error) {
	if err := tx.dropCodes(ctx, user); err != nil {
		return 0, err
	}
	n, err := tx.exec(ctx, `DELETE FROM factors WHERE user_id = $1`, string(user))
	return int(n), err
}

func (tx *SystemTx) dropCodes(ctx context.Context, user UserID) error {
	if _, err := tx.exec(ctx, `DELETE FROM recovery_codes WHERE user_id = $1`, string(user)); err != nil {
		return fmt.Errorf("delete recovery codes: %w", err)
	}
	return tx.one(ctx, "user", `UPDATE users SET codes_kept_at = 0 WHERE id = $1`, string(user))
}

// codeID is the keyed hash of a recovery code of one user.
func (tx *SystemTx) codeID(user UserID, code string) string {
	return tx.hidden("recovery code", string(user)+"\x00"+code)
}

// hidden is a keyed hash under a key of its own for each purpose.
func (tx *SystemTx) hidden(purpose, text string) string {
	mac := hmac.New(sha256.New, tx.store.master.Derive(purpose))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil)[:20])
}

// ReplaceRecoveryCodes forgets the recovery codes of a user and keeps the hashes
// of others, which nobody has said to have kept yet.
func (tx *SystemTx) ReplaceRecoveryCodes(ctx context.Context, user UserID, codes []string) error {
	if err := tx.dropCodes(ctx, user); err != nil {
		return err
	}
	for _, code := range codes {
		if _, err := tx.exec(ctx, `INSERT INTO recovery_codes (user_id, id) VALUES ($1, $2)`, string(user), tx.codeID(user, code)); err != nil {
			return fmt.Errorf("insert a recovery code: %w", err)
		}
	}
	return nil
}

// KeepRecoveryCodes notes that the person has put the present codes away.
func (tx *SystemTx) KeepRecoveryCodes(ctx context.Context, user UserID, at time.Time) error {
	return tx.one(ctx, "user", `UPDATE users SET codes_kept_at = $2 WHERE id = $1`, string(user), micros(at))
}

// UseRecoveryCode claims a recovery code; false when it is none or was used.
func (tx *SystemTx) UseRecoveryCode(ctx context.Context, user UserID, code string, at time.Time) (bool, error) {
	n, err := tx.exec(ctx, `UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND id = $2 AND used_at = 0`, string(user), tx.codeID(user, code), micros(at))
	return n == 1, err
}
