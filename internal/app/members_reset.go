package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/store"
)

// jobReset looks whether a forgotten password has an account, out of sight of
// whoever asked.
const jobReset jobs.Kind = "password_reset"

// resets implements [auth.Resets].
type resets struct {
	store     *store.Store
	queue     *jobs.Queue
	outbox    *mail.Outbox
	publicURL string
	now       func() time.Time
}

// wish is the sealed content of a job.
type wish struct {
	Email  string `json:"email"`
	Source string `json:"source"`
}

func (r resets) Configured() bool { return r.outbox.Configured() && r.publicURL != "" }

// Wish queues a job; whether the address has an account is that job's concern,
// so that neither the answer nor its time tells.
func (r resets) Wish(ctx context.Context, email, source string) error {
	b, err := json.Marshal(wish{email, source})
	if err != nil {
		return fmt.Errorf("write a wish: %w", err)
	}
	item := rand.Text()
	sealed, err := r.store.SealSystem(b, "password_reset", item)
	if err != nil {
		return err
	}
	return r.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return r.queue.EnqueuePrivate(ctx, tx, jobReset, jobs.Args{Item: item, Sealed: base64.StdEncoding.EncodeToString(sealed)}, 5)
	})
}

// handler sends the letter to an account, and nothing to anybody else.
func (r resets) handler() jobs.Handler {
	return jobs.Handler{Kind: jobReset, Timeout: time.Minute, Private: true, Run: func(ctx context.Context, job jobs.Job) error {
		sealed, err := base64.StdEncoding.DecodeString(job.Args.Sealed)
		if err != nil {
			return errs.Wrap(err, errs.Invalid, "reset_sealed", "The wish cannot be read.", "")
		}
		b, err := r.store.OpenSystem(sealed, "password_reset", job.Args.Item)
		if err != nil {
			return errs.Wrap(err, errs.Invalid, "reset_sealed", "The wish cannot be opened with this master key.", "")
		}
		var w wish
		if err := json.Unmarshal(b, &w); err != nil {
			return errs.Wrap(err, errs.Invalid, "reset_sealed", "The wish cannot be read.", "")
		}
		return r.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return r.answer(ctx, tx, w) })
	}}
}

func (r resets) answer(ctx context.Context, tx *store.SystemTx, w wish) error {
	user, err := tx.UserByEmail(ctx, w.Email)
	if errs.KindOf(err) == errs.NotFound || err == nil && user.PasswordHash == "" {
		return nil // nobody, or somebody who logs in elsewhere
	}
	if err != nil {
		return err
	}
	org, err := firstOrganization(ctx, tx, user.ID)
	if err != nil {
		return err
	}
	token, hash := auth.NewResetToken()
	if err := tx.PutPasswordReset(ctx, user.ID, hash, r.now().Add(auth.ResetLife)); err != nil {
		return err
	}
	if err := tx.Audit(ctx, store.AuditRow{OrgID: org, Actor: user.ID, Action: "password_reset_asked", Target: "user:" + string(user.ID), Source: w.Source}); err != nil {
		return err
	}
	return r.outbox.Queue(ctx, tx, org, mail.Message{
		To: user.Email, Subject: "Choose a new password for MetaLens",
		Text: "Somebody asked for a new password of your account at MetaLens. To choose one, open this link:\n\n  " +
			r.publicURL + "/reset/" + token + "\n\nIt works once, for half an hour. A second factor stays needed to log in.\n\n" +
			"If that was not you, do nothing: your password stays as it is.\n",
	})
}

// firstOrganization is where what happens to an account is recorded; empty for
// one that belongs to none.
func firstOrganization(ctx context.Context, tx *store.SystemTx, user store.UserID) (store.OrgID, error) {
	list, err := tx.MembershipsOf(ctx, user)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0].OrgID, nil
}

func (r resets) Reset(ctx context.Context, tokenHash []byte) (user store.User, err error) {
	err = r.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		id, err := tx.PasswordReset(ctx, tokenHash, r.now())
		if err != nil {
			return err
		}
		user, err = tx.User(ctx, id)
		return err
	})
	return user, err
}

func (r resets) UseReset(ctx context.Context, tokenHash []byte, passwordHash, source string) error {
	return r.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		id, err := tx.PasswordReset(ctx, tokenHash, r.now())
		if err != nil {
			return err
		}
		there, err := tx.DeletePasswordReset(ctx, id)
		if err != nil {
			return err
		}
		if !there { // used by another request since
			return errs.New(errs.NotFound, "reset_void", "This link is not good any more.", "")
		}
		if err := tx.ChangeUser(ctx, id, func(u *store.User) error { u.PasswordHash = passwordHash; return nil }); err != nil {
			return err
		}
		if _, err := tx.DeleteUserSessions(ctx, id, ""); err != nil {
			return err
		}
		// Whoever knew the old password may have logged in from a browser of theirs.
		if err := tx.ForgetDevices(ctx, id); err != nil {
			return err
		}
		org, err := firstOrganization(ctx, tx, id)
		if err != nil {
			return err
		}
		row := store.AuditRow{OrgID: org, Actor: id, Action: "password_reset_by_mail", Target: "user:" + string(id), Source: source}
		if err := tx.Audit(ctx, row); err != nil {
			return err
		}
		return notices{r.outbox}.send(ctx, tx, org, id, row.Action, nil)
	})
}
