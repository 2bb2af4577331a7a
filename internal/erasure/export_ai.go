package erasure

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/metalens/metalens/internal/store"
)

func (x *export) addRules(ctx context.Context, tx *store.Tx, c store.Connection) error {
	rules, err := tx.SensitivityRules(ctx, c.ID)
	if err != nil {
		return err
	}
	for _, r := range rules {
		kind := "block"
		if r.Allow {
			kind = "allow"
		}
		x.rules.add(c.Name, kind, r.Pattern, r.Category, r.Note, x.who(r.CreatedBy), when(r.CreatedAt))
	}
	return nil
}

// addAI adds how models are used; of the key only that there is one.
func (x *export) addAI(ctx context.Context, tx *store.Tx) error {
	s, ok, err := tx.AISettings(ctx)
	if err != nil || !ok {
		return err
	}
	models, err := json.Marshal(s.Models)
	if err != nil {
		return fmt.Errorf("export the AI settings: %w", err)
	}
	key := ""
	if s.KeyID != "" {
		key = "(not exported)"
	}
	x.ai.add(strconv.FormatBool(s.Enabled), s.Provider, s.BaseURL, string(models), strconv.FormatInt(s.Budget.Tokens, 10), usd(s.Budget.Micros),
		strconv.FormatBool(s.Strict), strconv.FormatBool(s.Batch), key, when(s.UpdatedAt))
	return nil
}

// usd writes millionths of a dollar as dollars.
func usd(micros int64) string {
	const million = 1_000_000
	return strconv.FormatFloat(float64(micros)/million, 'f', -1, 64)
}

// addChats adds a person's chats, or, for the organization, those that their
// owners shared with it: the others are their owners' own. Each message is a
// row; a chat without one has a row too.
func (x *export) addChats(ctx context.Context, tx *store.Tx, conns []store.Connection, by store.UserID) error {
	names := map[store.ConnectionID]string{}
	for _, c := range conns {
		names[c.ID] = c.Name
	}
	for offset := 0; ; offset += exportPage {
		list, total, err := tx.Chats(ctx, store.ChatQuery{User: by, Shared: by == "", Limit: exportPage, Offset: offset})
		if err != nil {
			return err
		}
		for _, c := range list {
			messages, err := tx.ChatMessages(ctx, c.ID, 0, 0)
			if err != nil {
				return err
			}
			head := []string{c.ID, names[c.Connection], x.who(c.User), c.Title, c.About, strconv.FormatBool(c.Shared), when(c.CreatedAt)}
			if len(messages) == 0 {
				x.chats.add(append(head, "", "", "", "")...)
			}
			for _, m := range messages {
				x.chats.add(append(head[:len(head):len(head)], strconv.FormatInt(m.Seq, 10), when(m.At), m.Role, string(m.Content))...)
			}
		}
		if offset+exportPage >= total {
			return nil
		}
	}
}
