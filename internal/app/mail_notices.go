package app

import (
	"context"
	"fmt"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/store"
)

// notices tells people by mail what happened to their account, where mail is
// set up. They are queued in the transaction of the audit row.
type notices struct{ outbox *mail.Outbox }

// send queues what an event asks for; most events ask for nothing.
func (n notices) send(ctx context.Context, tx *store.SystemTx, org store.OrgID, user store.UserID, event string, detail map[string]string) error {
	subject, text := notice(event, detail)
	if subject == "" || user == "" || !n.outbox.Configured() {
		return nil
	}
	u, err := tx.User(ctx, user)
	if errs.KindOf(err) == errs.NotFound { // an operator's account, or one that is gone
		return nil
	}
	if err != nil {
		return err
	}
	err = n.outbox.Queue(ctx, tx, org, mail.Message{
		To: u.Email, Subject: subject,
		Text: text + "\n\nIf that was not you, change your password at once, end all other sessions on your account page, and tell an owner of your organization.\n",
	})
	if errs.KindOf(err) == errs.Invalid {
		return nil // an account whose address takes no mail
	}
	if err != nil {
		return fmt.Errorf("queue a notice: %w", err)
	}
	return nil
}

// notice returns the letter of an event, "" for one without.
func notice(event string, detail map[string]string) (subject, text string) {
	switch event {
	case "password_changed":
		return "Your MetaLens password was changed", "The password of your account at MetaLens was changed, and all other sessions were ended."
	case "password_reset_by_mail":
		return "Your MetaLens password was changed", "The password of your account at MetaLens was changed by the link of a letter, and all sessions were ended."
	case "password_reset":
		return "Your MetaLens password was reset", "The operator set a new password for your account at MetaLens and ended all sessions."
	case "factor_removed":
		return "A second factor was removed from your MetaLens account", "The second factor " + quoted(detail["name"]) + "was removed from your account at MetaLens."
	case "factors_removed":
		return "Your second factors were removed from your MetaLens account", "The operator removed every second factor and recovery code of your account at MetaLens and ended all sessions."
	case "factor_added":
		return "A second factor was added to your MetaLens account", "The second factor " + quoted(detail["name"]) + "was added to your account at MetaLens."
	case "recovery_code_used":
		return "A recovery code of your MetaLens account was used", "Somebody logged in to your account at MetaLens with a recovery code."
	case "login":
		if detail["device"] == "new" {
			return "New login to your MetaLens account", "Somebody logged in to your account at MetaLens from a browser that was not seen before."
		}
	}
	return "", ""
}

func quoted(name string) string {
	if name = mail.Line(name); name != "" {
		return "“" + name + "” "
	}
	return ""
}

// accountMail implements [auth.Mailer]: letters that carry links of the account
// pages.
type accountMail struct {
	store     *store.Store
	outbox    *mail.Outbox
	publicURL string
}

func (m accountMail) Configured() bool { return m.outbox.Configured() && m.publicURL != "" }

func (m accountMail) Mail(ctx context.Context, to, subject, text string) error {
	return m.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return m.outbox.Queue(ctx, tx, "", mail.Message{To: to, Subject: subject, Text: text})
	})
}

// passwordVoids reports whether an event makes links for a new password void.
func passwordVoids(event string) bool {
	return event == "password_changed" || event == "password_reset" || event == "email_changed"
}
