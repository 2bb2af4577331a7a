package outbound_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
)

// TestPayloadsHoldNoCredential sends requests full of a secret and compares what
// arrived with what the ledger got.
func TestPayloadsHoldNoCredential(t *testing.T) {
	const canary = "canary-4e1d"
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {canary}, "client_secret": {canary}, "code_verifier": {canary}, "client_id": {"metalens"},
		"refresh_token": {canary}, "Client_Assertion": {canary}, "password": {canary},
	}.Encode()
	for _, c := range []struct {
		name     string
		purpose  ledger.Purpose
		media    string
		body     string
		want     []string // in the payload
		verbatim bool     // the body is kept byte for byte
	}{
		{name: "token request", purpose: ledger.PurposeOIDC, media: "application/x-www-form-urlencoded", body: form, want: []string{"client_id=metalens", "client_secret=[key k1]", "grant_type=authorization_code"}},
		{name: "credentials in JSON", purpose: ledger.PurposeOIDC, media: "application/json", body: `{"a":{"client_secret":"` + canary + `"},"b":[{"id_token":"` + canary + `"}],"n":12345678901234567890}`, want: []string{`"client_secret":"[key k1]"`, `12345678901234567890`}},
		{name: "unknown media", purpose: ledger.PurposeOIDC, media: "application/jwt", body: canary, want: []string{"[body of 11 bytes"}},
		{name: "broken JSON", purpose: ledger.PurposeOIDC, media: "application/json", body: `{"client_secret":"` + canary, want: []string{"not kept"}},
		{name: "key material", purpose: ledger.PurposeKMS, media: "application/json", body: `{"plaintext":"` + canary + `"}`, want: []string{"[body of 27 bytes, not kept]"}},
		{name: "the stream itself", purpose: ledger.PurposeStream, media: "application/json", body: `{"records":["` + canary + `"]}`, want: []string{"not kept"}},
		{name: "model request", purpose: ledger.PurposeModel, media: "application/json", body: "{\"messages\": [ {\"code\":\t\"SELECT 1\"} ]}", want: []string{"X-Api-Key: [key k1]"}, verbatim: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got = string(b) + "|" + r.Header.Get("X-Api-Key") + "|" + r.URL.Query().Get("token")
			}))
			defer server.Close()
			var memory ledger.Memory
			transport, err := outbound.NewTransport(outbound.Config{Purpose: c.purpose, Recorder: &memory, KeyID: "k1", Policy: outbound.Policy{AllowLoopback: true}})
			if err != nil {
				t.Fatal(err)
			}
			ctx := outbound.WithSubject(t.Context(), "chat:7")
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/path?token="+canary+"&plain=1", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", c.media)
			for _, name := range []string{"X-Api-Key", "Authorization", "Cookie", "X-Custom-Secret", "Proxy-Authorization"} {
				req.Header.Set(name, canary)
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if want := c.body + "|" + canary + "|" + canary; got != want {
				t.Errorf("the request that arrived changed: %q, want %q", got, want)
			}
			entries := memory.Entries()
			if entries[0].KeyID != "k1" || entries[1].KeyID != "k1" {
				t.Errorf("the ledger does not say which key went along: %+v", entries)
			}
			if len(entries) != 2 || entries[0].Payload == nil || entries[1].Payload != nil {
				t.Fatalf("got %+v", entries)
			}
			p := entries[0].Payload
			text := string(p.Content)
			if strings.Contains(text, canary) {
				t.Errorf("the payload holds the secret:\n%s", text)
			}
			if p.Subject != "chat:7" || p.Media != "application/http" || !strings.HasPrefix(text, "POST /path?token=[key k1]&plain=1 HTTP/1.1\r\n") {
				t.Errorf("got %s", text)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in\n%s", want, text)
				}
			}
			if c.verbatim && !strings.HasSuffix(text, "\r\n\r\n"+c.body) {
				t.Errorf("the body is not what was sent:\n%s", text)
			}
		})
	}
}

// TestLargeBodiesPassUnkept sends more than the ledger keeps.
func TestLargeBodiesPassUnkept(t *testing.T) {
	var received int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	var memory ledger.Memory
	transport, err := outbound.NewTransport(outbound.Config{Purpose: ledger.PurposeModel, Recorder: &memory, Policy: outbound.Policy{AllowLoopback: true}})
	if err != nil {
		t.Fatal(err)
	}
	const size = ledger.MaxPayload + 10
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(strings.Repeat("x", size)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if received != size {
		t.Errorf("%d bytes arrived", received)
	}
	if p := memory.Entries()[0].Payload; len(p.Content) > 1000 || !strings.Contains(string(p.Content), "not kept") {
		t.Errorf("%d bytes kept", len(p.Content))
	}
}

// TestRowsNameTheirKey reads as the Metabase client does: a row names the key of
// a request that carried one, and of no other.
func TestRowsNameTheirKey(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	for _, c := range []struct {
		name, keyID, header string
		purpose             ledger.Purpose
		want                string
	}{
		{"key", "api_key:0123456789", "X-Api-Key", ledger.PurposeMetabase, "api_key:0123456789"},
		{"session", "session:0123456789", "X-Metabase-Session", ledger.PurposeMetabase, "session:0123456789"},
		{"without a key", "api_key:0123456789", "Accept", ledger.PurposeMetabase, ""},
		{"nobody named it", "", "X-Api-Key", ledger.PurposeMetabase, ""},
		{"signature", "webhook-secret:0123456789", "X-Metalens-Signature", ledger.PurposeStream, "webhook-secret:0123456789"},
		{"key service", "vault-token:0123456789", "X-Vault-Token", ledger.PurposeKMS, "vault-token:0123456789"},
		{"discovery", "oidc-client-secret:0123456789", "Accept", ledger.PurposeOIDC, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var memory ledger.Memory
			transport, err := outbound.NewTransport(outbound.Config{Purpose: c.purpose, Recorder: &memory, KeyID: c.keyID, Policy: outbound.Policy{AllowLoopback: true}})
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(c.header, "application/json")
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			entries := memory.Entries()
			if len(entries) == 0 {
				t.Fatal("nothing on the record")
			}
			for _, e := range entries {
				if e.KeyID != c.want {
					t.Errorf("%q, want %q", e.KeyID, c.want)
				}
			}
		})
	}
}
