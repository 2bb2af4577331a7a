package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// The subjects of payloads in the egress ledger: a payload goes with the chat or
// the connection that it names.
const (
	chatSubject       = "chat:"
	connectionSubject = "connection:"
)

// ChatSubject names a chat as what payloads belong to.
func ChatSubject(chat string) string { return chatSubject + chat }

// ConnectionSubject names a connection as what payloads belong to.
func ConnectionSubject(conn ConnectionID) string { return connectionSubject + string(conn) }

// AssetSubject names something of a connection, such as question:12, as what
// calls of models are about and payloads belong to.
func AssetSubject(conn ConnectionID, what string) string {
	return ConnectionSubject(conn) + "/" + what
}

// Chat is a conversation of a member about a connection.
type Chat struct {
	ID         string
	Connection ConnectionID
	User       UserID
	Shared     bool // every member of the organization may read it
	Title      string
	About      string // what it began from: question:12, finding:<fingerprint>; empty = nothing
	CreatedAt  time.Time
	UpdatedAt  time.Time // of the last message
}

type chatBody struct {
	Title string `json:"title,omitempty"`
	About string `json:"about,omitempty"`
}

const chatColumns = `id, connection_id, user_id, shared, created_at, updated_at, body`

func (tx *Tx) scanChat(r interface{ Scan(...any) error }) (Chat, error) {
	var c Chat
	var shared, created, updated int64
	var sealed []byte
	if err := r.Scan(&c.ID, &c.Connection, &c.User, &shared, &created, &updated, &sealed); err != nil {
		return Chat{}, err
	}
	var b chatBody
	if err := tx.openJSON("chats", c.ID, sealed, &b); err != nil {
		return Chat{}, err
	}
	c.Shared, c.Title, c.About, c.CreatedAt, c.UpdatedAt = shared == 1, b.Title, b.About, fromMicros(created), fromMicros(updated)
	return c, nil
}

// InsertChat stores a new chat and returns it with its id and times. A user who
// is no member, and a connection that does not exist, are errs.NotFound.
func (tx *Tx) InsertChat(ctx context.Context, c Chat) (Chat, error) {
	id, err := newID()
	if err != nil {
		return Chat{}, err
	}
	now := fromMicros(micros(tx.store.now()))
	c.ID, c.CreatedAt, c.UpdatedAt = id, now, now
	body, err := tx.sealJSON("chats", c.ID, chatBody{Title: c.Title, About: c.About})
	if err != nil {
		return Chat{}, err
	}
	if _, err := tx.exec(ctx, `INSERT INTO chats (org_id, id, connection_id, user_id, shared, created_at, updated_at, body) VALUES ($1, $2, $3, $4, $5, $6, $6, $7)`,
		tx.org, c.ID, c.Connection, c.User, bit(c.Shared), micros(now), body); err != nil {
		return Chat{}, fmt.Errorf("start a chat: %w", err)
	}
	return c, nil
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Chat reads one chat, whosever it is: the caller decides who may see it.
func (tx *Tx) Chat(ctx context.Context, id string) (c Chat, err error) {
	found := false
	err = tx.rows(ctx, `SELECT `+chatColumns+` FROM chats WHERE org_id = $1 AND id = $2`, []any{tx.org, id}, func(r *sql.Rows) error {
		found = true
		c, err = tx.scanChat(r)
		return err
	})
	if err == nil && !found {
		err = notFound("chat")
	}
	return c, err
}

// ChatQuery selects chats.
type ChatQuery struct {
	User       UserID       // whose
	Shared     bool         // those that others shared too
	Connection ConnectionID // empty = any
	Limit      int          // 0 = 100
	Offset     int
}

// Chats lists a member's chats, the last used first, and how many there are.
func (tx *Tx) Chats(ctx context.Context, q ChatQuery) ([]Chat, int, error) {
	const where = ` FROM chats WHERE org_id = $1 AND (user_id = $2 OR ($3 = 1 AND shared = 1)) AND ($4 = '' OR connection_id = $4)`
	args := []any{tx.org, string(q.User), bit(q.Shared), string(q.Connection)}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	var total int
	if err := tx.scanOne(ctx, "chats", `SELECT count(*)`+where, args, &total); err != nil {
		return nil, 0, err
	}
	var list []Chat
	err := tx.rows(ctx, `SELECT `+chatColumns+where+` ORDER BY updated_at DESC, id DESC LIMIT $5 OFFSET $6`, append(args, q.Limit, q.Offset), func(r *sql.Rows) error {
		c, err := tx.scanChat(r)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list the chats: %w", err)
	}
	return list, total, nil
}

// SetChat changes a chat's title and whether it is shared.
func (tx *Tx) SetChat(ctx context.Context, c Chat) error {
	body, err := tx.sealJSON("chats", c.ID, chatBody{Title: c.Title, About: c.About})
	if err != nil {
		return err
	}
	return tx.one(ctx, "chat", `UPDATE chats SET shared = $3, body = $4 WHERE org_id = $1 AND id = $2`, tx.org, c.ID, bit(c.Shared), body)
}

// DeleteChat deletes a chat with its messages, its placeholders and the payloads
// that were sent for it, and puts that on record for a restored backup.
func (tx *Tx) DeleteChat(ctx context.Context, id string) error {
	t, err := newTombstone(DeletedChat, id, tx.store.now())
	if err != nil {
		return err
	}
	if err := tx.one(ctx, "chat", `DELETE FROM chats WHERE org_id = $1 AND id = $2`, tx.org, id); err != nil {
		return err
	}
	if _, err := tx.DeletePayloads(ctx, ChatSubject(id)); err != nil {
		return err
	}
	tx.wipeAfter()
	return tx.bury(ctx, t)
}

// dropChatPayloads deletes the payloads of chats that are about to go; where is
// a condition on chats with one argument.
func (c *core) dropChatPayloads(ctx context.Context, org OrgID, where, arg string) error {
	if _, err := c.exec(ctx, `DELETE FROM egress_payloads WHERE org_id = $1 AND subject IN (SELECT '`+chatSubject+`' || id FROM chats WHERE org_id = $1 AND `+where+`)`,
		string(org), arg); err != nil {
		return fmt.Errorf("delete the payloads of chats: %w", err)
	}
	return nil
}

// dropConnectionPayloads deletes the payloads of a connection that is about to
// go: of its chats, of itself and of what is in it.
func (c *core) dropConnectionPayloads(ctx context.Context, org OrgID, conn string) error {
	if err := c.dropChatPayloads(ctx, org, `connection_id = $2`, conn); err != nil {
		return err
	}
	own := ConnectionSubject(ConnectionID(conn))
	if _, err := c.exec(ctx, `DELETE FROM egress_payloads WHERE org_id = $1 AND (subject = $2 OR substr(subject, 1, $3) = $4)`, string(org), own, len(own)+1, own+"/"); err != nil {
		return fmt.Errorf("delete the payloads of a connection: %w", err)
	}
	return nil
}

// ChatMessage is one message of a chat. Its content is the caller's JSON.
type ChatMessage struct {
	Chat    string          `json:"-"`
	Seq     int64           `json:"-"` // from 1
	At      time.Time       `json:"-"`
	Role    string          `json:"role"` // user, assistant, tool
	Content json.RawMessage `json:"content,omitempty"`
}

func chatMessageRow(chat string, seq int64) string { return fmt.Sprintf("%s/%d", chat, seq) }

// AddChatMessage appends a message and returns it with its place and time.
func (tx *Tx) AddChatMessage(ctx context.Context, m ChatMessage) (ChatMessage, error) {
	query := `SELECT id FROM chats WHERE org_id = $1 AND id = $2`
	if tx.store.engine == EnginePostgres {
		query += ` FOR UPDATE`
	}
	var id string
	if err := tx.scanOne(ctx, "chat", query, []any{tx.org, m.Chat}, &id); err != nil {
		return ChatMessage{}, err
	}
	if err := tx.scanOne(ctx, "chat", `SELECT COALESCE(max(seq), 0) + 1 FROM chat_messages WHERE org_id = $1 AND chat_id = $2`, []any{tx.org, m.Chat}, &m.Seq); err != nil {
		return ChatMessage{}, err
	}
	m.At = fromMicros(micros(tx.store.now()))
	body, err := tx.sealJSON("chat_messages", chatMessageRow(m.Chat, m.Seq), m)
	if err != nil {
		return ChatMessage{}, err
	}
	if _, err := tx.exec(ctx, `INSERT INTO chat_messages (org_id, chat_id, seq, at, body) VALUES ($1, $2, $3, $4, $5)`, tx.org, m.Chat, m.Seq, micros(m.At), body); err != nil {
		return ChatMessage{}, fmt.Errorf("add a message: %w", err)
	}
	return m, tx.one(ctx, "chat", `UPDATE chats SET updated_at = $3 WHERE org_id = $1 AND id = $2`, tx.org, m.Chat, micros(m.At))
}

// SetChatMessage replaces a message's role and content.
func (tx *Tx) SetChatMessage(ctx context.Context, m ChatMessage) error {
	body, err := tx.sealJSON("chat_messages", chatMessageRow(m.Chat, m.Seq), m)
	if err != nil {
		return err
	}
	return tx.one(ctx, "message", `UPDATE chat_messages SET body = $4 WHERE org_id = $1 AND chat_id = $2 AND seq = $3`, tx.org, m.Chat, m.Seq, body)
}

// ChatMessages lists the messages after a place, in order; limit 0 = all.
func (tx *Tx) ChatMessages(ctx context.Context, chat string, after int64, limit int) ([]ChatMessage, error) {
	query, args := `SELECT seq, at, body FROM chat_messages WHERE org_id = $1 AND chat_id = $2 AND seq > $3 ORDER BY seq`, []any{tx.org, chat, after}
	if limit > 0 {
		query, args = query+` LIMIT $4`, append(args, limit)
	}
	var list []ChatMessage
	err := tx.rows(ctx, query, args, func(r *sql.Rows) error {
		m := ChatMessage{Chat: chat}
		var at int64
		var sealed []byte
		if err := r.Scan(&m.Seq, &at, &sealed); err != nil {
			return err
		}
		m.At = fromMicros(at)
		err := tx.openJSON("chat_messages", chatMessageRow(chat, m.Seq), sealed, &m)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the messages: %w", err)
	}
	return list, nil
}

// TruncateChat deletes the messages from a place on, such as before a retry.
func (tx *Tx) TruncateChat(ctx context.Context, chat string, from int64) (int, error) {
	n, err := tx.exec(ctx, `DELETE FROM chat_messages WHERE org_id = $1 AND chat_id = $2 AND seq >= $3`, tx.org, chat, from)
	if err != nil {
		return 0, fmt.Errorf("delete messages: %w", err)
	}
	return int(n), nil
}

// ChatMap reads which placeholder stands for what in a chat; empty before there
// is any.
func (tx *Tx) ChatMap(ctx context.Context, chat string) (content json.RawMessage, err error) {
	err = tx.rows(ctx, `SELECT body FROM chat_maps WHERE org_id = $1 AND chat_id = $2`, []any{tx.org, chat}, func(r *sql.Rows) error {
		var sealed []byte
		if err := r.Scan(&sealed); err != nil {
			return err
		}
		return tx.openJSON("chat_maps", chat, sealed, &content)
	})
	if err != nil {
		return nil, fmt.Errorf("read the placeholders: %w", err)
	}
	return content, nil
}

// SetChatMap keeps which placeholder stands for what. An unknown chat is
// errs.NotFound.
func (tx *Tx) SetChatMap(ctx context.Context, chat string, content json.RawMessage) error {
	body, err := tx.sealJSON("chat_maps", chat, content)
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `INSERT INTO chat_maps (org_id, chat_id, body) VALUES ($1, $2, $3)
		ON CONFLICT (org_id, chat_id) DO UPDATE SET body = excluded.body`, tx.org, chat, body); err != nil {
		return fmt.Errorf("keep the placeholders: %w", err)
	}
	return nil
}
