package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Sessions keeps login sessions for alexedwards/scs (its Store and CtxStore).
// The token is stored as a hash only and the content sealed by the master key.
type Sessions struct {
	store *Store
}

// Sessions returns the session store.
func (s *Store) Sessions() *Sessions { return &Sessions{store: s} }

// sessionSlack is how far a session's expiry may move without being written
// again: an idle limit moves it with every request.
const sessionSlack = time.Minute

// trackKey is where a request's context keeps the session that it found.
type trackKey struct{}

// TrackSession returns the context of one request. A session that is found under
// it and ended meanwhile, by another request, is not stored again at its end.
func TrackSession(ctx context.Context) context.Context {
	return context.WithValue(ctx, trackKey{}, new(string))
}

func sessionID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Find returns a session's content; found is false for unknown and expired ones.
func (s *Sessions) Find(token string) (b []byte, found bool, err error) {
	return s.FindCtx(context.Background(), token)
}

// Commit stores a session's content.
func (s *Sessions) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

// Delete ends a session.
func (s *Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// FindCtx is Find with a context.
func (s *Sessions) FindCtx(ctx context.Context, token string) (b []byte, found bool, err error) {
	err = s.store.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		b, _, found, err = tx.session(ctx, sessionID(token))
		return err
	})
	if seen, ok := ctx.Value(trackKey{}).(*string); ok && found {
		*seen = sessionID(token)
	}
	return b, found, err
}

func (tx *SystemTx) session(ctx context.Context, id string) (data []byte, expiry time.Time, found bool, err error) {
	var sealed []byte
	var expires int64
	err = tx.sql.QueryRowContext(ctx, `SELECT data, expires_at FROM sessions WHERE id = $1`, id).Scan(&sealed, &expires)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && expires <= micros(tx.store.now())) {
		return nil, time.Time{}, false, nil
	}
	if err != nil {
		return nil, time.Time{}, false, fmt.Errorf("find a session: %w", tx.store.translate(err))
	}
	data, err = tx.store.master.Open(sealed, "sessions", id)
	if err != nil {
		// Sealed by a master key that is gone: the reader must log in again.
		return nil, time.Time{}, false, nil //nolint:nilerr // see above
	}
	return data, fromMicros(expires), true, nil
}

// CommitCtx is Commit with a context. A session that did not change is not
// written again until its expiry has moved by a minute.
func (s *Sessions) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	id := sessionID(token)
	same := false
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		data, until, found, err := tx.session(ctx, id)
		same = found && bytes.Equal(data, b) && expiry.Sub(until).Abs() < sessionSlack
		return err
	})
	if err != nil || same {
		return err
	}
	return s.store.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		sealed := s.store.master.Seal(b, "sessions", id)
		if seen, ok := ctx.Value(trackKey{}).(*string); ok && *seen == id {
			// Whoever ended it since wins: nothing is inserted.
			_, err := tx.exec(ctx, `UPDATE sessions SET data = $2, seen_at = $3, expires_at = $4 WHERE id = $1`, id, sealed, micros(s.store.now()), micros(expiry))
			return err
		}
		_, err := tx.exec(ctx, `INSERT INTO sessions (id, data, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $3, $4)
			ON CONFLICT (id) DO UPDATE SET data = excluded.data, seen_at = excluded.seen_at, expires_at = excluded.expires_at`,
			id, sealed, micros(s.store.now()), micros(expiry))
		if err != nil {
			return fmt.Errorf("store a session: %w", err)
		}
		return nil
	})
}

// DeleteCtx is Delete with a context.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	return s.store.InSystem(ctx, func(ctx context.Context, tx *SystemTx) error {
		_, err := tx.exec(ctx, `DELETE FROM sessions WHERE id = $1`, sessionID(token))
		return err
	})
}

// sessionInfo is what a list of sessions shows, sealed.
type sessionInfo struct {
	Agent   string `json:"agent"`
	Address string `json:"address"`
}

// BindSession notes whose session it is and where it came from, so that the
// user can list and end it. The session must have been committed.
func (tx *SystemTx) BindSession(ctx context.Context, token string, user UserID, agent, address string) error {
	id := sessionID(token)
	b, err := json.Marshal(sessionInfo{Agent: agent, Address: address})
	if err != nil {
		return fmt.Errorf("write a session's origin: %w", err)
	}
	return tx.one(ctx, "session", `UPDATE sessions SET user_id = $2, info = $3 WHERE id = $1`, id, user, tx.store.master.Seal(b, "sessions.info", id))
}

// UserSessions lists a user's live sessions, newest first. currentToken marks
// the asking one and may be empty.
func (tx *SystemTx) UserSessions(ctx context.Context, user UserID, currentToken string) ([]SessionInfo, error) {
	current := ""
	if currentToken != "" {
		current = sessionID(currentToken)
	}
	var list []SessionInfo
	err := tx.rows(ctx, `SELECT id, info, created_at, seen_at, expires_at FROM sessions WHERE user_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id`,
		[]any{user, micros(tx.store.now())}, func(r *sql.Rows) error {
			s := SessionInfo{UserID: user}
			var sealed []byte
			var created, seen, expires int64
			if err := r.Scan(&s.ID, &sealed, &created, &seen, &expires); err != nil {
				return err
			}
			var info sessionInfo
			if b, err := tx.store.master.Open(sealed, "sessions.info", s.ID); err == nil {
				if err := json.Unmarshal(b, &info); err != nil {
					return fmt.Errorf("read a session's origin: %w", err)
				}
			}
			s.Agent, s.Address, s.Current = info.Agent, info.Address, s.ID == current
			s.CreatedAt, s.SeenAt, s.ExpiresAt = fromMicros(created), fromMicros(max(created, seen)), fromMicros(expires)
			list = append(list, s)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// DeleteSession ends one of the user's sessions by the id of the list.
func (tx *SystemTx) DeleteSession(ctx context.Context, user UserID, id string) error {
	return tx.one(ctx, "session", `DELETE FROM sessions WHERE id = $1 AND user_id = $2`, id, user)
}

// DeleteUserSessions ends all sessions of a user but one (none when empty).
func (tx *SystemTx) DeleteUserSessions(ctx context.Context, user UserID, exceptToken string) (int, error) {
	n, err := tx.exec(ctx, `DELETE FROM sessions WHERE user_id = $1 AND id <> $2`, user, sessionID(exceptToken))
	return int(n), err
}

// DeleteExpiredSessions forgets sessions that nobody can use any more.
func (tx *SystemTx) DeleteExpiredSessions(ctx context.Context, now time.Time) (int, error) {
	n, err := tx.exec(ctx, `DELETE FROM sessions WHERE expires_at <= $1`, micros(now))
	return int(n), err
}
