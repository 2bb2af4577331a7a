package kms

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

const (
	vaultLimit  = 20 * time.Second
	vaultAnswer = 1 << 20
)

// VaultConfig describes a key of the transit secrets engine of HashiCorp Vault
// or OpenBao.
type VaultConfig struct {
	Address   string // https://vault.example.com:8200
	Mount     string // where the engine is; usually transit
	Key       string // name of the key
	Namespace string // empty = none
	// Token is asked before each request, so that a token that somebody else
	// renews (a file of an agent, a projected one of Kubernetes) is fresh.
	Token     func() (secret.Value, error)
	Transport http.RoundTripper // guarded and recorded
}

// Vault wraps by the transit engine. What is wrapped is bound to its use, as the
// context of a derived key and as associated data.
type Vault struct {
	cfg    VaultConfig
	base   string
	client *http.Client
}

// NewVault checks the configuration. It asks nobody yet.
func NewVault(cfg VaultConfig) (*Vault, error) {
	u, err := url.Parse(cfg.Address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, bad("kms_vault", "The address of Vault cannot be read.", "Set kms.vault_url to an address such as https://vault.example.com:8200.")
	case !name(cfg.Key) || !name(strings.ReplaceAll(cfg.Mount, "/", "")) || strings.Trim(cfg.Mount, "/") != cfg.Mount:
		return nil, bad("kms_vault", "The name of Vault's transit key or of its mount is not usable.", "Set kms.vault_key, and kms.vault_mount where it is not transit.")
	case cfg.Token == nil || cfg.Transport == nil:
		return nil, errs.New(errs.Internal, "kms_vault", "Vault was set up without a token or a transport.", "")
	}
	return &Vault{
		cfg: cfg, base: strings.TrimRight(cfg.Address, "/") + "/v1/" + cfg.Mount,
		client: &http.Client{
			Transport: cfg.Transport, Timeout: vaultLimit,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func name(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}) < 0
}

// Name implements [keys.KMS].
func (v *Vault) Name() string { return "Vault key " + v.cfg.Mount + "/" + v.cfg.Key }

// transit is a request and an answer of the engine; byte slices are base64.
type transit struct {
	Plaintext  []byte `json:"plaintext,omitempty"`
	Ciphertext string `json:"ciphertext,omitempty"`
	Context    []byte `json:"context,omitempty"`
	Associated []byte `json:"associated_data,omitempty"`
}

// Wrap implements [keys.KMS].
func (v *Vault) Wrap(ctx context.Context, plaintext []byte, what string) ([]byte, error) {
	out, err := v.call(ctx, "encrypt", transit{Plaintext: plaintext, Context: []byte(what), Associated: []byte(what)})
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(out.Ciphertext, "vault:v") {
		return nil, unreadable(nil)
	}
	return []byte(out.Ciphertext), nil
}

// Unwrap implements [keys.KMS].
func (v *Vault) Unwrap(ctx context.Context, wrapped []byte, what string) ([]byte, error) {
	out, err := v.call(ctx, "decrypt", transit{Ciphertext: string(wrapped), Context: []byte(what), Associated: []byte(what)})
	if err != nil {
		return nil, err
	}
	if len(out.Plaintext) == 0 {
		return nil, unreadable(nil)
	}
	return out.Plaintext, nil
}

func (v *Vault) call(ctx context.Context, operation string, in transit) (transit, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return transit{}, fmt.Errorf("write the request to Vault: %w", err)
	}
	defer clear(body)
	token, err := v.cfg.Token()
	if err != nil {
		return transit{}, err
	}
	ctx = outbound.WithRoute(ctx, "/v1/:mount/"+operation+"/:key")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+"/"+operation+"/"+v.cfg.Key, bytes.NewReader(body))
	if err != nil {
		return transit{}, fmt.Errorf("ask Vault: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Vault-Request", "true")
	req.Header.Set("X-Vault-Token", token.Expose())
	if v.cfg.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", v.cfg.Namespace)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return transit{}, unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, vaultAnswer))
	if err != nil {
		return transit{}, unreachable(err)
	}
	defer clear(answer)
	if resp.StatusCode != http.StatusOK {
		return transit{}, v.refused(resp.StatusCode, answer)
	}
	var out struct {
		Data transit `json:"data"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		var corrupt base64.CorruptInputError
		if errors.As(err, &corrupt) {
			err = nil // it could quote what it read
		}
		return transit{}, unreadable(err)
	}
	return out.Data, nil
}

func unreachable(err error) error {
	return errs.Wrap(err, errs.Unavailable, "kms_unavailable", "Vault cannot be reached, so the master key cannot be unwrapped.", "Check kms.vault_url, its certificate and the network.")
}

func unreadable(err error) error {
	const text, hint = "Vault gave no answer that can be read.", "Check that kms.vault_url is a Vault or OpenBao, with a transit engine at kms.vault_mount."
	if err == nil {
		return errs.New(errs.Unavailable, "kms_failed", text, hint)
	}
	return errs.Wrap(err, errs.Unavailable, "kms_failed", text, hint)
}

func (v *Vault) refused(status int, answer []byte) error {
	var said struct {
		Errors []string `json:"errors"`
	}
	detail := ""
	if json.Unmarshal(answer, &said) == nil && len(said.Errors) > 0 {
		detail = plain(said.Errors[0])
	}
	err := fmt.Errorf("status %d: %s", status, detail)
	switch {
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return errs.Wrap(err, errs.Forbidden, "kms_refused", "Vault refused the token.", "Renew it, or give it a policy with update on "+v.cfg.Mount+"/encrypt/"+v.cfg.Key+" and "+v.cfg.Mount+"/decrypt/"+v.cfg.Key+".")
	case status == http.StatusNotFound:
		return errs.Wrap(err, errs.NotFound, "kms_key_missing", "Vault has no transit engine or key of that name.", "Check kms.vault_mount and kms.vault_key.")
	case status == http.StatusTooManyRequests || status >= 500 || status == 472 || status == 473 || status == http.StatusPreconditionFailed:
		return errs.Wrap(err, errs.Unavailable, "kms_unavailable", "Vault cannot answer at the moment: "+detail, "It may be sealed, a standby or overloaded. MetaLens tries again.")
	}
	return errs.Wrap(err, errs.Invalid, "kms_refused", "Vault refused the request: "+detail, "Check that kms.vault_key is the key that wrapped the master key, and that no old version of it was trimmed.")
}

// TokenFile reads the token from a file whenever it is needed.
func TokenFile(path string) func() (secret.Value, error) {
	return func() (secret.Value, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return secret.Value{}, errs.Wrap(err, errs.Invalid, "kms_token", "The file with Vault's token cannot be read: "+path+".", "Check kms.vault_token_path and its permissions.")
		}
		defer clear(b)
		text := strings.TrimSpace(string(b))
		if text == "" {
			return secret.Value{}, bad("kms_token", "The file with Vault's token is empty: "+path+".", "Check what writes it.")
		}
		return secret.New(text), nil
	}
}
