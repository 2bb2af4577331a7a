package kms_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/kms"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// vault is a fake of Vault's transit engine. It refuses whatever the real one
// would, and fields that it does not know, which the real one ignores.
type vault struct {
	*httptest.Server
	token  atomic.Pointer[string]
	sealed atomic.Bool
	keys   map[string][]byte
	asked  atomic.Int64
}

func newVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{keys: map[string][]byte{"metalens": []byte("0123456789abcdef0123456789abcdef")}}
	first := "s.first"
	v.token.Store(&first)
	v.Server = httptest.NewTLSServer(http.HandlerFunc(v.answer))
	t.Cleanup(v.Close)
	return v
}

func (v *vault) answer(w http.ResponseWriter, r *http.Request) {
	v.asked.Add(1)
	fail := func(status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {text}})
	}
	if v.sealed.Load() {
		fail(http.StatusServiceUnavailable, "Vault is sealed")
		return
	}
	if r.Header.Get("X-Vault-Token") != *v.token.Load() {
		fail(http.StatusForbidden, "permission denied")
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	if len(parts) != 3 || parts[0] != "transit" || r.Header.Get("X-Vault-Namespace") != "team" || r.URL.RawQuery != "" {
		fail(http.StatusNotFound, "no handler for route "+r.URL.Path)
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		fail(http.StatusMethodNotAllowed, "unsupported operation")
		return
	}
	key := v.keys[parts[2]]
	if key == nil {
		fail(http.StatusBadRequest, "encryption key not found")
		return
	}
	var in struct {
		Plaintext  *string `json:"plaintext"`
		Ciphertext *string `json:"ciphertext"`
		Context    string  `json:"context"`
		Associated string  `json:"associated_data"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		fail(http.StatusBadRequest, "error parsing JSON")
		return
	}
	context, err := base64.StdEncoding.DecodeString(in.Context)
	if err != nil || len(context) == 0 {
		fail(http.StatusBadRequest, "missing 'context' for key derivation; the key was created using a derived key")
		return
	}
	associated, err := base64.StdEncoding.DecodeString(in.Associated)
	if err != nil {
		fail(http.StatusBadRequest, "failed to base64-decode associated_data")
		return
	}
	derived := sha256.Sum256(append(key, context...))
	block, _ := aes.NewCipher(derived[:])
	gcm, _ := cipher.NewGCM(block)
	data := map[string]string{}
	switch {
	case parts[1] == "encrypt" && in.Plaintext != nil && in.Ciphertext == nil:
		plain, err := base64.StdEncoding.DecodeString(*in.Plaintext)
		if err != nil {
			fail(http.StatusBadRequest, "failed to base64-decode plaintext")
			return
		}
		nonce := make([]byte, gcm.NonceSize())
		_, _ = rand.Read(nonce)
		data["ciphertext"] = "vault:v1:" + base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, plain, associated))
	case parts[1] == "decrypt" && in.Ciphertext != nil && in.Plaintext == nil:
		text, ok := strings.CutPrefix(*in.Ciphertext, "vault:v1:")
		raw, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil || len(raw) < gcm.NonceSize() {
			fail(http.StatusBadRequest, "invalid ciphertext: no prefix")
			return
		}
		plain, err := gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], associated)
		if err != nil {
			fail(http.StatusBadRequest, "cipher: message authentication failed")
			return
		}
		data["plaintext"] = base64.StdEncoding.EncodeToString(plain)
	default:
		fail(http.StatusBadRequest, "missing plaintext or ciphertext")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"request_id": "x", "lease_duration": 0, "renewable": false, "data": data})
}

func (v *vault) client(t *testing.T, key string, recorder ledger.Recorder, tokenFile string) *kms.Vault {
	t.Helper()
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw})
	way, err := outbound.NewTransport(outbound.Config{
		Purpose: ledger.PurposeKMS, Policy: outbound.Policy{AllowLoopback: true}, Recorder: recorder, RootCAs: root,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(way.CloseIdleConnections)
	c, err := kms.NewVault(kms.VaultConfig{
		Address: v.URL, Mount: "transit", Key: key, Namespace: "team", Token: kms.TokenFile(tokenFile), Transport: way,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func file(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVault(t *testing.T) {
	v := newVault(t)
	recorder := &ledger.Memory{}
	token := file(t, "token", "s.first\n", 0o600)
	c := v.client(t, "metalens", recorder, token)
	ctx := t.Context()
	const text = "metalens-key-v1 7 secret"
	wrapped, err := c.Wrap(ctx, []byte(text), "keyset")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(wrapped), "secret") {
		t.Error("the wrapped text is readable")
	}
	if got, err := c.Unwrap(ctx, wrapped, "keyset"); err != nil || string(got) != text {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := c.Unwrap(ctx, wrapped, "something else"); errs.CodeOf(err) != "kms_refused" {
		t.Errorf("another use: %v", err)
	}
	// The token is renewed by somebody else: the next request uses the new one.
	second := "s.second"
	v.token.Store(&second)
	if _, err := c.Unwrap(ctx, wrapped, "keyset"); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("an old token: %v", err)
	}
	if err := os.WriteFile(token, []byte(second), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Unwrap(ctx, wrapped, "keyset"); err != nil {
		t.Errorf("the renewed token: %v", err)
	}
	v.sealed.Store(true)
	if _, err := c.Unwrap(ctx, wrapped, "keyset"); errs.KindOf(err) != errs.Unavailable {
		t.Errorf("a sealed Vault: %v", err)
	}
	v.sealed.Store(false)
	if _, err := v.client(t, "other", recorder, token).Wrap(ctx, []byte(text), "keyset"); errs.KindOf(err) != errs.Invalid {
		t.Errorf("another key: %v", err)
	}
	// Everything is in the ledger, and neither key material nor token is.
	entries := recorder.Entries()
	if int64(len(entries)) < v.asked.Load() {
		t.Errorf("%d ledger entries for %d requests", len(entries), v.asked.Load())
	}
	for _, e := range entries {
		text := fmt.Sprintf("%+v", e)
		if e.Payload != nil {
			text += string(e.Payload.Content)
		}
		for _, leak := range []string{"secret", "s.first", "s.second", base64.StdEncoding.EncodeToString([]byte("metalens-key-v1"))[:16]} {
			if strings.Contains(text, leak) {
				t.Errorf("the ledger holds %q: %s", leak, text)
			}
		}
		if e.Purpose != ledger.PurposeKMS {
			t.Errorf("purpose %q", e.Purpose)
		}
	}
	v.Close()
	if _, err := c.Unwrap(ctx, wrapped, "keyset"); errs.CodeOf(err) != "kms_unavailable" {
		t.Errorf("an outage: %v", err)
	}
}

// TestKeysetInVault keeps the master keys wrapped in a file, rotates them, and
// finds them unusable without Vault.
func TestKeysetInVault(t *testing.T) {
	v := newVault(t)
	c := v.client(t, "metalens", &ledger.Memory{}, file(t, "token", "s.first", 0o600))
	path := filepath.Join(t.TempDir(), "keys", "master.wrapped")
	source, err := keys.Find(keys.Options{KMS: c, KMSFile: path, Require: keys.ModeKMS})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	first, err := source.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	next, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Save(ctx, next); err != nil {
		t.Fatal(err)
	}
	again, err := source.Load(ctx)
	if err != nil || again.Primary() != next.Primary() || !again.Has(first.Primary()) {
		t.Errorf("got %v, %v", again.IDs(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "metalens-key-v1") {
		t.Errorf("the keys are readable in the file: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	v.Close()
	if _, err := source.Load(ctx); errs.KindOf(err) != errs.Unavailable {
		t.Errorf("without Vault: %v", err)
	}
}

func script(t *testing.T, text string) *kms.Command {
	t.Helper()
	path := file(t, "kms", "#!/bin/sh\n"+text, 0o755)
	c, err := kms.NewCommand(path, []string{"EXTRA=given"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCommand(t *testing.T) {
	t.Setenv("LEAK", "of the service")
	ctx := t.Context()
	echo := script(t, `read -r request
case "$request" in *'"operation":"'*'"context":"keyset"'*) ;; *) echo '{"error":"odd request"}'; exit 0;; esac
[ -z "$LEAK" ] && [ "$EXTRA" = given ] || { echo '{"error":"odd environment"}'; exit 0; }
data=${request##*'"data":"'}
printf '{"data":"%s"}' "${data%%'"'*}"
`)
	got, err := echo.Wrap(ctx, []byte("text"), "keyset")
	if err != nil || string(got) != "text" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, test := range map[string]struct {
		text string
		kind errs.Kind
	}{
		"refused":  {`echo '{"error":"no right"}'`, errs.Forbidden},
		"outage":   {`echo '{"retry":true}'; exit 1`, errs.Unavailable},
		"fails":    {`exit 3`, errs.Unavailable},
		"nonsense": {`echo hello`, errs.Unavailable},
		"unknown":  {`echo '{"data":"AAAA","more":1}'`, errs.Unavailable},
		"nothing":  {`echo '{}'`, errs.Unavailable},
		"endless":  {`exec yes`, errs.Unavailable},
	} {
		if _, err := script(t, test.text).Unwrap(ctx, []byte("x"), "keyset"); errs.KindOf(err) != test.kind {
			t.Errorf("%s: got %v", name, err)
		}
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := script(t, `sleep 600`).Wrap(short, []byte("x"), "keyset"); errs.CodeOf(err) != "kms_unavailable" {
		t.Errorf("a hanging program: %v", err)
	}
	open := file(t, "kms", "#!/bin/sh\n", 0o755)
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"relative": "kms", "missing": "/no/such/program", "not executable": file(t, "kms", "", 0o600), "open to others": open} {
		if _, err := kms.NewCommand(path, nil); errs.CodeOf(err) != "kms_command" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenFile(t *testing.T) {
	if v, err := kms.TokenFile(file(t, "token", " s.x \n", 0o600))(); err != nil || !v.Equal(secret.New("s.x")) {
		t.Errorf("got %v", err)
	}
	for name, path := range map[string]string{"missing": "/no/such/token", "empty": file(t, "token", "\n", 0o600)} {
		if _, err := kms.TokenFile(path)(); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
