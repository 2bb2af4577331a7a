package erasure_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// TestChatsAndModelKeysStayDeleted deletes a chat and the provider's key, and
// restores a copy from before.
func TestChatsAndModelKeysStayDeleted(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		b.plant()
		var chats []store.Chat
		b.in(func(ctx context.Context, tx *store.Tx) (err error) {
			chats, _, err = tx.Chats(ctx, store.ChatQuery{User: b.owner})
			return err
		})
		old := b.backup()
		b.in(func(ctx context.Context, tx *store.Tx) error {
			if _, err := tx.SetAIKey(ctx, secret.Value{}); err != nil {
				return err
			}
			return tx.DeleteChat(ctx, chats[0].ID)
		})
		gone := func() {
			t.Helper()
			b.in(func(ctx context.Context, tx *store.Tx) error {
				if _, err := tx.Chat(ctx, chats[0].ID); errs.KindOf(err) != errs.NotFound {
					t.Errorf("the chat is there: %v", err)
				}
				if _, _, err := tx.AIKey(ctx); errs.CodeOf(err) != "no_ai_key" {
					t.Errorf("the key is there: %v", err)
				}
				left, _, err := tx.Chats(ctx, store.ChatQuery{User: b.owner})
				if len(left) != len(chats)-1 {
					t.Errorf("%d chats of %d are left", len(left), len(chats))
				}
				return err
			})
		}
		gone()
		b.system(func(ctx context.Context, tx *store.SystemTx) error {
			list, err := tx.Deletions(ctx, 10)
			if len(list) != 2 {
				t.Errorf("on record: %+v", list)
			}
			for _, d := range list {
				defer func() {
					if proof, err := b.service.Proof(access.AsSystem(t.Context()), d.ID); err != nil || !proof.Clean() || len(proof.Tables) == 0 {
						t.Errorf("proof of a deleted %s: %+v, %v", d.Kind, proof, err)
					}
				}()
			}
			return err
		})
		b.close()
		cfg := old
		cfg.Tombstones = filepath.Join(b.cfg.Dir, "tombstones")
		b.cfg, b.dir = cfg, cfg.Dir
		b.open()
		gone()
	})
}
