package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/webtest"
)

// letterbox keeps letters.
type letterbox struct{ letters []string }

func (l *letterbox) Configured() bool { return true }

func (l *letterbox) Mail(_ context.Context, to, subject, text string) error {
	l.letters = append(l.letters, to+"\n"+subject+"\n"+text)
	return nil
}

// TestAddressIsConfirmedByLetter: the address changes when its letter is
// answered, by whom it was sent for, once and in time.
func TestAddressIsConfirmedByLetter(t *testing.T) {
	f := &fixture{users: &webtest.Users{}, sessions: webtest.NewSessions(), now: webtest.Now}
	post := &letterbox{}
	s, err := auth.New(auth.Config{
		Users: f.users, Sessions: f.sessions, Factors: f.users, Counters: f.users, MFAOptional: true, Audit: f, Mailer: post,
		Hash: auth.HashParams{MemoryKiB: 64, Time: 1, Threads: 1}, Now: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Service = s
	ada := f.owner(t)
	f.users.AddUser(store.User{ID: "bob", Email: "bob@example.com", Name: "Bob"}, store.RoleViewer)
	bob := auth.Identity{User: "bob", Org: ada.Org, Email: "bob@example.com"}
	ask := func(email, password string) (token string, err error) {
		t.Helper()
		mailed, err := f.ChangeEmail(t.Context(), ada, auth.EmailChange{Email: email, Current: secret.New(password), Address: home, Link: func(text string) string {
			token = text
			return "https://lens.example/" + text
		}})
		if err == nil && !mailed {
			t.Error("changed without a letter")
		}
		return token, err
	}
	var fields auth.FieldErrors
	if _, err := ask("new@example.com", "wrong"); !errors.As(err, &fields) || fields["current"] == "" || len(post.letters) != 0 {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := ask("ada@example.com", webtest.OwnerPassword); !errors.As(err, &fields) || fields["email"] == "" {
		t.Errorf("the present address: %v", err)
	}
	old, err := ask("first@example.com", webtest.OwnerPassword)
	if err != nil {
		t.Fatal(err)
	}
	token, err := ask("New@Example.com", webtest.OwnerPassword)
	if err != nil {
		t.Fatal(err)
	}
	if len(post.letters) != 2 || !strings.HasPrefix(post.letters[1], "new@example.com\n") || !strings.Contains(post.letters[1], token) {
		t.Errorf("letters %q", post.letters)
	}
	if pending, err := f.PendingEmail(t.Context(), ada); err != nil || pending != "new@example.com" {
		t.Errorf("pending %q, %v", pending, err)
	}
	for name, try := range map[string]func() error{
		"a replaced token": func() error { return f.ConfirmEmail(t.Context(), ada, old, home) },
		"somebody else":    func() error { return f.ConfirmEmail(t.Context(), bob, token, home) },
		"too late": func() error {
			f.now = f.now.Add(25 * time.Hour)
			defer func() { f.now = webtest.Now }()
			return f.ConfirmEmail(t.Context(), ada, token, home)
		},
	} {
		if err := try(); errs.KindOf(err) != errs.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.ConfirmEmail(t.Context(), ada, token, home); err != nil {
		t.Fatal(err)
	}
	if user, err := f.users.User(t.Context(), ada.User); err != nil || user.Email != "new@example.com" {
		t.Errorf("address %q, %v", user.Email, err)
	}
	if last := post.letters[len(post.letters)-1]; !strings.HasPrefix(last, "ada@example.com\n") || strings.Contains(last, "new@example.com") {
		t.Errorf("the old address gets %q", last)
	}
	if err := f.ConfirmEmail(t.Context(), ada, token, home); errs.KindOf(err) != errs.NotFound {
		t.Errorf("twice: %v", err)
	}
	// An address that another account has is told by nobody but its refusal.
	if token, err = func() (string, error) {
		ada.Email = "new@example.com"
		return ask("bob@example.com", webtest.OwnerPassword)
	}(); err != nil {
		t.Fatal(err)
	}
	if err := f.ConfirmEmail(t.Context(), ada, token, home); !errors.As(err, &fields) {
		t.Errorf("a taken address: %v", err)
	}
}

// TestStolenPasswordsAreRefused, also in light disguise; test passwords of long
// unrelated words are not.
func TestStolenPasswordsAreRefused(t *testing.T) {
	for _, p := range []string{"1qaz2wsx3edc", "blink182blink182", "Mississippi12", "!!metallica99", "sp0ngeb0b!2024", "iloveyou1234iloveyou1234"} {
		if auth.CheckPassword(secret.New(p)) == "" {
			t.Errorf("%q is taken", p)
		}
	}
	for _, p := range []string{"brisk otter paints maps", "lantern glide mosaic", "vq8-Lk2_wTz0pYc", "mississippi paddle wheel sonata"} {
		if msg := auth.CheckPassword(secret.New(p)); msg != "" {
			t.Errorf("%q: %s", p, msg)
		}
	}
}

// TestAddressesThatCountAreConfirmed refuses to take over the address of somebody
// whom single sign-on would tie to the account.
func TestAddressesThatCountAreConfirmed(t *testing.T) {
	f := setup(t)
	id := f.owner(t)
	s, err := auth.New(auth.Config{
		Users: f.users, Sessions: f.sessions, Factors: f.users, Counters: f.users, MFAOptional: true, Audit: f, AddressesCount: true,
		Hash: auth.HashParams{MemoryKiB: 64, Time: 1, Threads: 1}, Now: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.ChangeEmail(t.Context(), id, auth.EmailChange{Email: "victim@example.com", Current: secret.New(webtest.OwnerPassword), Address: home})
	var fields auth.FieldErrors
	if !errors.As(err, &fields) || fields["email"] == "" {
		t.Errorf("an address without a letter: %v", err)
	}
	if user, err := f.users.User(t.Context(), id.User); err != nil || user.Email != "ada@example.com" {
		t.Errorf("the address is %q, %v", user.Email, err)
	}
}
