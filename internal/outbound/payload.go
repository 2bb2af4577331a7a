package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/ledger"
)

type payloadKey struct{}

// WithPayload hands the ledger what a connection of the [Dialer] is going to
// send, with every secret replaced by the caller: a letter, a statement.
// Requests of a [Transport] need it only where the ledger shall keep something
// else than the request itself.
func WithPayload(ctx context.Context, p *ledger.Payload) context.Context {
	return context.WithValue(ctx, payloadKey{}, p)
}

func payloadOf(ctx context.Context) *ledger.Payload {
	p, _ := ctx.Value(payloadKey{}).(*ledger.Payload)
	return p
}

type subjectKey struct{}

// WithSubject names what the payloads of requests belong to and go with, such
// as chat:<id>.
func WithSubject(ctx context.Context, subject string) context.Context {
	return context.WithValue(ctx, subjectKey{}, subject)
}

type keyIDKey struct{}

// WithKeyID names the credential of one request that carries another one than
// its client's usual, see [Config.KeyID].
func WithKeyID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, keyIDKey{}, id)
}

// named is the configuration with the name of a request's credential.
func (c Config) named(ctx context.Context) Config {
	if id, ok := ctx.Value(keyIDKey{}).(string); ok {
		c.KeyID = id
	}
	return c
}

// secretHeaders never enter the ledger. What looks like one of them (see
// [isSecretName]) does not either.
var secretHeaders = []string{
	"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Metabase-Session", "X-Amz-Security-Token", "X-Vault-Token", "X-Goog-Api-Key",
}

// secretFields are names of form and query fields, and of JSON fields where a
// purpose's bodies carry credentials.
var secretFields = []string{
	"client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "access_token", "id_token", "assertion", "subject_token", "actor_token",
	"password", "passwd", "token", "secret", "api_key", "apikey", "key", "signature", "sig", "state", "nonce",
}

func isSecretName(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	return slices.Contains(secretFields, name) || strings.HasSuffix(name, "_token") || strings.HasSuffix(name, "_secret") ||
		strings.HasSuffix(name, "_key") || strings.HasSuffix(name, "password") || strings.HasSuffix(name, "_signature")
}

func isSecretHeader(name string) bool {
	return slices.Contains(secretHeaders, http.CanonicalHeaderKey(name)) || isSecretName(name)
}

// carriesSecret reports whether a request's headers hold a credential.
func carriesSecret(h http.Header) bool {
	for name := range h {
		if isSecretHeader(name) {
			return true
		}
	}
	return false
}

// credential stands for a secret in a payload.
func (c Config) credential() string {
	if c.KeyID == "" {
		return "[credential]"
	}
	return "[key " + c.KeyID + "]"
}

// capture reads what a request is going to send and returns the request with a
// body that gives the same bytes. Bodies of key services are key material, and
// those of the log stream are the log itself: of both only the size is kept.
func (t *Transport) capture(req *http.Request) (*http.Request, *ledger.Payload, error) {
	if p := payloadOf(req.Context()); p != nil {
		return req, p, nil
	}
	cfg := t.dialer.cfg.named(req.Context())
	var body []byte
	var more bool
	if req.Body != nil && req.Body != http.NoBody {
		var err error
		if body, err = io.ReadAll(io.LimitReader(req.Body, ledger.MaxPayload+1)); err != nil {
			return nil, nil, fmt.Errorf("read the request for the ledger: %w", errors.Join(err, req.Body.Close()))
		}
		clone := req.Clone(req.Context())
		clone.Body = readCloser{io.MultiReader(bytes.NewReader(body), req.Body), req.Body}
		req, more = clone, len(body) > ledger.MaxPayload
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, cfg.redactQuery(req.URL), req.URL.Host)
	names := make([]string, 0, len(req.Header))
	for name := range req.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range req.Header[name] {
			if isSecretHeader(name) {
				value = cfg.credential()
			}
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	b.WriteString("\r\n")
	subject, _ := req.Context().Value(subjectKey{}).(string)
	p := &ledger.Payload{Media: "application/http", Subject: subject}
	switch purpose := cfg.Purpose; {
	case len(body) == 0:
	case more:
		fmt.Fprintf(&b, "[body of more than %d bytes, not kept]", ledger.MaxPayload)
	case purpose == ledger.PurposeKMS, purpose == ledger.PurposeStream:
		fmt.Fprintf(&b, "[body of %d bytes, not kept]", len(body))
	default:
		b.Write(cfg.redactBody(req.Header.Get("Content-Type"), body))
	}
	p.Content = b.Bytes()
	return req, p, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

func (c Config) redactQuery(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery == "" {
		return path
	}
	return path + "?" + c.redactForm(u.RawQuery)
}

// redactForm replaces the values of secret fields and leaves everything else as
// it is, byte for byte.
func (c Config) redactForm(raw string) string {
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		name, _, found := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || isSecretName(plain) {
			parts[i] = name
			if found {
				parts[i] += "=" + c.credential()
			}
		}
	}
	return strings.Join(parts, "&")
}

// redactBody replaces secrets of forms, and of JSON where a purpose's bodies
// may hold credentials. A model's request is kept byte for byte: what a person
// wrote may use any word as a name.
func (c Config) redactBody(contentType string, body []byte) []byte {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && media == "application/x-www-form-urlencoded":
		return []byte(c.redactForm(string(body)))
	case c.Purpose == ledger.PurposeModel, c.Purpose == ledger.PurposeWebhook, c.Purpose == ledger.PurposeACME:
		return body
	case err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")):
		var v any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if d.Decode(&v) == nil {
			if out, err := json.Marshal(c.redactJSON(v)); err == nil {
				return out
			}
		}
	}
	return fmt.Appendf(nil, "[body of %d bytes, not kept: it may hold a credential]", len(body))
}

func (c Config) redactJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if isSecretName(name) {
				v[name] = c.credential()
				continue
			}
			v[name] = c.redactJSON(inner)
		}
	case []any:
		for i := range v {
			v[i] = c.redactJSON(v[i])
		}
	}
	return v
}
