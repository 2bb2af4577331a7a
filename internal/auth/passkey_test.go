package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/webtest"
)

// virtual is an authenticator that a test holds.
type virtual struct {
	party virtualwebauthn.RelyingParty
	auth  virtualwebauthn.Authenticator
	key   virtualwebauthn.Credential
}

func newVirtual(user store.UserID) *virtual {
	return &virtual{
		party: virtualwebauthn.RelyingParty{Name: "MetaLens", ID: "localhost", Origin: "http://localhost:3456"},
		auth:  virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(user)}),
		key:   virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2),
	}
}

func (v *virtual) made(t *testing.T, options []byte) []byte {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		t.Fatalf("%v in %s", err, options)
	}
	v.auth.AddCredential(v.key)
	return []byte(virtualwebauthn.CreateAttestationResponse(v.party, v.auth, v.key, *o))
}

func (v *virtual) signed(t *testing.T, options []byte) []byte {
	t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		t.Fatalf("%v in %s", err, options)
	}
	v.key.Counter++
	return []byte(virtualwebauthn.CreateAssertionResponse(v.party, v.auth, v.key, *o))
}

// addPasskey adds a passkey of an authenticator.
func (d *desk) addPasskey(v *virtual) (err error) {
	d.t.Helper()
	d.do(func(w http.ResponseWriter, r *http.Request) {
		id := d.pending(r)
		options, startErr := d.f.StartPasskey(r, id)
		if startErr != nil {
			err = startErr
			return
		}
		_, err = d.f.AddPasskey(w, r, id, "Laptop", v.made(d.t, options), home)
	})
	return err
}

func TestPasskeyIsASecondFactor(t *testing.T) {
	f := strict(t)
	id := f.owner(t)
	d := newDesk(t, f)
	d.password()
	v := newVirtual(id.User)
	if err := d.addPasskey(v); err != nil {
		t.Fatal(err)
	}
	d.keepCodes()
	d.forget()
	if stage := d.password(); stage != auth.Half {
		t.Fatalf("stage %d", stage)
	}
	prove := func(change func([]byte) []byte) (err error) {
		d.do(func(w http.ResponseWriter, r *http.Request) {
			options, startErr := f.StartProof(r, d.pending(r))
			if startErr != nil {
				t.Fatal(startErr)
			}
			_, err = f.FinishProof(w, r, d.pending(r), change(v.signed(t, options)), home)
		})
		return err
	}
	if err := prove(func(b []byte) []byte { return b[:len(b)-2] }); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("half an answer: %v", err)
	}
	var old []byte
	if err := prove(func(b []byte) []byte { old = b; return b }); err != nil || d.who().Stage != auth.Complete {
		t.Fatalf("a good answer: %v", err)
	}
	if err := prove(func([]byte) []byte { return old }); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("an answer to another question: %v", err)
	}
	d.do(func(w http.ResponseWriter, r *http.Request) {
		if _, err := f.FinishProof(w, r, d.pending(r), old, home); errs.KindOf(err) != errs.Unauthorized {
			t.Errorf("an answer without a question: %v", err)
		}
	})
	v.party.Origin = "http://evil.example"
	if err := prove(func(b []byte) []byte { return b }); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("an answer from another site: %v", err)
	}
	v.party.Origin = "http://localhost:3456"
	v.key.Counter = 1 // as a copy would count
	f.audited()
	if err := prove(func(b []byte) []byte { return b }); errs.KindOf(err) != errs.Unauthorized || errs.CodeOf(err) != "passkey_copied" {
		t.Errorf("a copy: %v", err)
	}
	if got := f.audited(); got != "passkey_copy_suspected" {
		t.Errorf("audited %s", got)
	}
}

func TestPasskeyAlone(t *testing.T) {
	f := strict(t)
	id := f.owner(t)
	d := newDesk(t, f)
	d.password()
	v := newVirtual(id.User)
	if err := d.addPasskey(v); err != nil {
		t.Fatal(err)
	}
	d.keepCodes()
	login := func(v *virtual) (stage auth.Stage, err error) {
		d.forget()
		d.do(func(w http.ResponseWriter, r *http.Request) {
			options, startErr := f.StartPasskeyLogin(r, home)
			if startErr != nil {
				t.Fatal(startErr)
			}
			stage, err = f.LoginByPasskey(w, r, v.signed(t, options), home)
		})
		return stage, err
	}
	if stage, err := login(v); err != nil || stage != auth.Complete {
		t.Errorf("stage %d, %v", stage, err)
	}
	if who := d.who(); !who.Strong || who.User != id.User {
		t.Errorf("logged in as %+v", who)
	}
	unverified := *v
	unverified.auth.Options.UserNotVerified = true
	if _, err := login(&unverified); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("without verifying the user: %v", err)
	}
	stranger := newVirtual("nobody")
	stranger.auth.AddCredential(stranger.key)
	if _, err := login(stranger); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("a stranger's: %v", err)
	}
	forged := newVirtual(id.User)
	forged.key.ID = v.key.ID
	if _, err := login(forged); errs.KindOf(err) != errs.Unauthorized {
		t.Errorf("with another key: %v", err)
	}
	if err := d.addPasskey(newVirtual(id.User)); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("adding one without a login: %v", err)
	}
}

// TestWherePasskeysWork: under the public address's host, or localhost.
func TestWherePasskeysWork(t *testing.T) {
	for _, tc := range []struct {
		public, host string
		want         bool
	}{
		{"", "localhost:8300", true},
		{"", "127.0.0.1:8300", false},
		{"", "metalens.example.com", false},
		{"https://metalens.example.com", "metalens.example.com", true},
		{"https://metalens.example.com/lens", "localhost:8300", true}, // the answer is checked against the public origin
		{"http://metalens.example.com", "metalens.example.com", false},
		{"https://192.0.2.7", "192.0.2.7", false},
	} {
		users := &webtest.Users{}
		s, err := auth.New(auth.Config{
			Users: users, Sessions: webtest.NewSessions(), Factors: users, Counters: users, PublicURL: tc.public, Hash: auth.HashParams{MemoryKiB: 64, Time: 1, Threads: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", http.NoBody)
		r.Host = tc.host
		if got := s.PasskeysWork(r); got != tc.want {
			t.Errorf("public %q, asked as %s: %v", tc.public, tc.host, got)
		}
	}
}
