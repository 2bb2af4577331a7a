package sso_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/sso"
)

const (
	clientID     = "metalens"
	clientSecret = "a-secret-of-thirty-two-characters"
	callback     = "http://127.0.0.1:8300/login/sso/callback"
)

// hostile is an OpenID provider that does whatever a test wants.
type hostile struct {
	*httptest.Server
	mu        sync.Mutex
	keys      map[string]*rsa.PrivateKey // by key id; those shown at jwks_uri
	kid       string                     // signs
	alg       jose.SignatureAlgorithm
	claims    map[string]any // replaces or, by nil, removes claims of the ID token
	info      map[string]any // of the userinfo endpoint; nil = none
	document  map[string]any // replaces or removes parts of the discovery document
	raw       string         // ID token as it is
	fail      map[string]http.HandlerFunc
	verifiers []string
	asked     map[string]int
	nonce     string
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	h := &hostile{keys: map[string]*rsa.PrivateKey{}, alg: jose.RS256, claims: map[string]any{}, document: map[string]any{}, fail: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	h.rotate(t, "k1")
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asked[r.URL.Path]++
		if f := h.fail[r.URL.Path]; f != nil {
			f(w, r)
			return
		}
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			h.discovery(w)
		case "/jwks":
			h.jwks(w)
		case "/token":
			h.token(t, w, r)
		case "/userinfo":
			reply(w, h.info)
		default:
			http.NotFound(w, r)
		}
	})
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

func (h *hostile) rotate(t *testing.T, kid string) {
	t.Helper()
	h.keys, h.kid = map[string]*rsa.PrivateKey{kid: keyOf(kid)}, kid
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func merged(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	for k, v := range over {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

func (h *hostile) discovery(w http.ResponseWriter) {
	base := map[string]any{
		"issuer": h.URL, "authorization_endpoint": h.URL + "/auth", "token_endpoint": h.URL + "/token", "jwks_uri": h.URL + "/jwks",
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
	}
	if h.info != nil {
		base["userinfo_endpoint"] = h.URL + "/userinfo"
	}
	reply(w, merged(base, h.document))
}

func (h *hostile) jwks(w http.ResponseWriter) {
	var set jose.JSONWebKeySet
	for kid, key := range h.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: "RS256", Use: "sig"})
	}
	reply(w, set)
}

func (h *hostile) token(t *testing.T, w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.Error(err)
	}
	h.verifiers = append(h.verifiers, r.PostForm.Get("code_verifier"))
	user, password, ok := r.BasicAuth()
	if !ok || user != clientID || password != clientSecret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	raw := h.raw
	if raw == "" {
		raw = h.sign(t)
	}
	reply(w, map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": raw})
}

func (h *hostile) sign(t *testing.T) string {
	t.Helper()
	now := time.Now()
	claims := merged(map[string]any{
		"iss": h.URL, "sub": "s-1", "aud": clientID, "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(), "nonce": h.nonce,
		"email": "Ada@Example.com", "email_verified": true, "name": "Ada",
	}, h.claims)
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	var key any = h.keys[h.kid]
	switch h.alg {
	case "none":
		enc := base64.RawURLEncoding.EncodeToString
		return enc([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + enc(payload) + "."
	case jose.HS256: // the public client's classic: signed with what is no secret
		key = []byte(strings.Repeat(clientSecret, 2))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: h.alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", h.kid))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func settings(issuer string) config.OIDC {
	return config.OIDC{
		Issuer: issuer, ClientID: clientID, ClientSecret: secret.New(clientSecret), Name: "Example ID",
		DefaultRole: "viewer", TrustMFA: config.TrustMFANever, MFAValues: []string{"mfa", "otp"},
	}
}

func open(t *testing.T, o config.OIDC, change ...func(*sso.ProviderConfig)) (*sso.Provider, *ledger.Memory) {
	t.Helper()
	recorder := &ledger.Memory{}
	cfg := sso.ProviderConfig{
		OIDC: o, Outbound: outbound.Config{Policy: outbound.Policy{AllowLoopback: true}, Recorder: recorder}, Redirect: callback, Timeout: 5 * time.Second,
	}
	for _, c := range change {
		c(&cfg)
	}
	p, err := sso.NewProvider(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, recorder
}

// login goes through a whole login at the hostile provider.
func (h *hostile) login(t *testing.T, p *sso.Provider, change ...func(url.Values)) (sso.Claims, error) {
	t.Helper()
	pending, address, err := p.Begin(t.Context(), "/", false)
	if err != nil {
		return sso.Claims{}, err
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	h.nonce = u.Query().Get("nonce")
	h.mu.Unlock()
	back := url.Values{"code": {"c-1"}, "state": {pending.State}}
	for _, c := range change {
		c(back)
	}
	return p.Finish(t.Context(), pending, back)
}

func TestLogin(t *testing.T) {
	h := newHostile(t)
	p, recorder := open(t, settings(h.URL))
	c, err := h.login(t, p)
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer != h.URL || c.Subject != "s-1" || c.Email != "ada@example.com" || !c.EmailVerified || c.Name != "Ada" || c.SecondFactor {
		t.Errorf("claims: %+v", c)
	}
	// Each exchange is in the ledger, announced before it, with nothing secret.
	routes := map[string]int{}
	for _, e := range recorder.Entries() {
		if e.Purpose != ledger.PurposeOIDC || strings.Contains(fmt.Sprintf("%+v", e), clientSecret) {
			t.Errorf("ledger: %+v", e)
		}
		if e.Payload != nil {
			for _, hidden := range []string{clientSecret, "c-1", h.verifiers[0], "Bearer at"} {
				if strings.Contains(string(e.Payload.Content), hidden) {
					t.Errorf("the payload holds %q: %s", hidden, e.Payload.Content)
				}
			}
		}
		routes[e.Method+" "+e.Route+" "+string(e.Phase)]++
	}
	for _, want := range []string{"GET /.well-known/openid-configuration", "POST /token", "GET /jwks"} {
		if routes[want+" intent"] != 1 || routes[want+" outcome"] != 1 {
			t.Errorf("ledger: %s is there %v", want, routes)
		}
	}
	if len(h.verifiers) != 1 || len(h.verifiers[0]) < 43 {
		t.Errorf("PKCE verifier: %q", h.verifiers)
	}
}

func TestBeginAsksAsItShould(t *testing.T) {
	h := newHostile(t)
	p, _ := open(t, settings(h.URL))
	one, address, err := p.Begin(t.Context(), "/c/1", false)
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := p.Begin(t.Context(), "/c/1", true)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("response_type") != "code" || q.Get("redirect_uri") != callback || q.Get("code_challenge_method") != "S256" || q.Get("state") != one.State ||
		q.Get("nonce") != one.Nonce || q.Get("scope") != "openid email profile" || q.Get("code_challenge") == "" || strings.Contains(address, one.Verifier) {
		t.Errorf("asked: %v", q)
	}
	if one.State == two.State || one.Nonce == two.Nonce || one.Verifier == two.Verifier || len(one.State) < 26 || len(one.Nonce) < 26 {
		t.Error("two logins share what must be random")
	}
	if _, ok := p.Match([]sso.Pending{one, two}, two.State); !ok {
		t.Error("a state is not found")
	}
	for _, state := range []string{"", "x", one.State + "x"} {
		if _, ok := p.Match([]sso.Pending{one, two}, state); ok {
			t.Errorf("state %q matches", state)
		}
	}
	old := one
	old.At = time.Now().Add(-time.Hour)
	if _, ok := p.Match([]sso.Pending{old}, old.State); ok {
		t.Error("a login of an hour ago goes on")
	}
}

// TestHostileProvider turns one thing after the other against us.
func TestHostileProvider(t *testing.T) {
	later := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for name, c := range map[string]struct {
		turn func(*hostile)
		back func(url.Values)
		code string
	}{
		"wrong nonce":                  {turn: func(h *hostile) { h.claims["nonce"] = "another" }, code: "sso_refused"},
		"no nonce":                     {turn: func(h *hostile) { h.claims["nonce"] = nil }, code: "sso_refused"},
		"wrong audience":               {turn: func(h *hostile) { h.claims["aud"] = "another" }, code: "sso_refused"},
		"no audience":                  {turn: func(h *hostile) { h.claims["aud"] = nil }, code: "sso_refused"},
		"two audiences, no azp":        {turn: func(h *hostile) { h.claims["aud"] = []string{clientID, "another"} }, code: "sso_refused"},
		"azp of another":               {turn: func(h *hostile) { h.claims["aud"] = []string{clientID, "x"}; h.claims["azp"] = "x" }, code: "sso_refused"},
		"one audience, azp of another": {turn: func(h *hostile) { h.claims["azp"] = "x" }, code: "sso_refused"},
		"expired":                      {turn: func(h *hostile) { h.claims["exp"] = later(-time.Second) }, code: "sso_refused"},
		"no expiry":                    {turn: func(h *hostile) { h.claims["exp"] = nil }, code: "sso_refused"},
		"not yet valid":                {turn: func(h *hostile) { h.claims["nbf"] = later(time.Hour) }, code: "sso_refused"},
		"issued in the future":         {turn: func(h *hostile) { h.claims["iat"] = later(time.Hour) }, code: "sso_refused"},
		"another issuer's token":       {turn: func(h *hostile) { h.claims["iss"] = "https://other.example.com" }, code: "sso_refused"},
		"no subject":                   {turn: func(h *hostile) { h.claims["sub"] = nil }, code: "sso_refused"},
		"unsigned":                     {turn: func(h *hostile) { h.alg = "none" }, code: "sso_refused"},
		"signed with the secret":       {turn: func(h *hostile) { h.alg = jose.HS256 }, code: "sso_refused"},
		"unknown key": {turn: func(h *hostile) {
			h.keys = map[string]*rsa.PrivateKey{"k1": keyOf("k7")}
			h.fail["/jwks"] = serveKeysOf(map[string]*rsa.PrivateKey{"k9": keyOf("k9")})
		}, code: "sso_refused"},
		"wrong at_hash":                  {turn: func(h *hostile) { h.claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }, code: "sso_refused"},
		"no ID token":                    {turn: func(h *hostile) { h.fail["/token"] = answerWith(`{"access_token":"at","token_type":"Bearer"}`) }, code: "sso_refused"},
		"garbage as ID token":            {turn: func(h *hostile) { h.raw = "a.b.c" }, code: "sso_refused"},
		"code refused":                   {turn: func(h *hostile) { h.fail["/token"] = status(400) }, code: "sso_refused"},
		"token endpoint fails":           {turn: func(h *hostile) { h.fail["/token"] = status(500) }, code: "sso_unavailable"},
		"token endpoint redirects":       {turn: func(h *hostile) { h.fail["/token"] = redirect("http://127.0.0.1:1/") }, code: "sso_unavailable"},
		"token endpoint huge":            {turn: func(h *hostile) { h.fail["/token"] = huge }, code: "sso_unavailable"},
		"token endpoint is a page":       {turn: func(h *hostile) { h.fail["/token"] = answerWith("<html>") }, code: "sso_unavailable"},
		"keys fail":                      {turn: func(h *hostile) { h.fail["/jwks"] = status(500) }, code: "sso_refused"},
		"keys redirect":                  {turn: func(h *hostile) { h.fail["/jwks"] = redirect("http://127.0.0.1:1/") }, code: "sso_refused"},
		"keys huge":                      {turn: func(h *hostile) { h.fail["/jwks"] = huge }, code: "sso_refused"},
		"discovery fails":                {turn: func(h *hostile) { h.fail["/.well-known/openid-configuration"] = status(500) }, code: "sso_unavailable"},
		"discovery redirects":            {turn: func(h *hostile) { h.fail["/.well-known/openid-configuration"] = redirect("http://127.0.0.1:1/") }, code: "sso_unavailable"},
		"discovery huge":                 {turn: func(h *hostile) { h.fail["/.well-known/openid-configuration"] = huge }, code: "sso_unavailable"},
		"discovery of another":           {turn: func(h *hostile) { h.document["issuer"] = "https://other.example.com" }, code: "sso_unavailable"},
		"discovery to a file":            {turn: func(h *hostile) { h.document["token_endpoint"] = "file:///etc/passwd" }, code: "sso_unavailable"},
		"discovery with a script":        {turn: func(h *hostile) { h.document["authorization_endpoint"] = "javascript:alert(1)" }, code: "sso_unavailable"},
		"no PKCE":                        {turn: func(h *hostile) { h.document["code_challenge_methods_supported"] = []string{"plain"} }, code: "sso_unavailable"},
		"keys inside our network":        {turn: func(h *hostile) { h.document["jwks_uri"] = "http://169.254.169.254/latest" }, code: "sso_refused"},
		"token over plain HTTP":          {turn: func(h *hostile) { h.document["token_endpoint"] = "http://192.0.2.1/token" }, code: "sso_unavailable"},
		"callback of another issuer":     {back: func(v url.Values) { v.Set("iss", "https://other.example.com") }, code: "sso_refused"},
		"callback that hides its issuer": {turn: func(h *hostile) { h.document["authorization_response_iss_parameter_supported"] = true }, code: "sso_refused"},
		"callback without code":          {back: func(v url.Values) { v.Del("code") }, code: "sso_refused"},
		"cancelled":                      {back: func(v url.Values) { v.Set("error", "access_denied"); v.Set("error_description", "<b>x") }, code: "sso_cancelled"},
		"another error":                  {back: func(v url.Values) { v.Set("error", "<script>") }, code: "sso_refused"},
		"userinfo of somebody else": {turn: func(h *hostile) {
			h.claims["email"] = nil
			h.info = map[string]any{"sub": "s-2", "email": "eve@example.com", "email_verified": true}
		}, code: "sso_refused"},
		"userinfo fails": {turn: func(h *hostile) {
			h.claims["email"] = nil
			h.info = map[string]any{}
			h.fail["/userinfo"] = status(500)
		}, code: "sso_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			if c.turn != nil {
				c.turn(h)
			}
			p, _ := open(t, settings(h.URL))
			var back []func(url.Values)
			if c.back != nil {
				back = append(back, c.back)
			}
			claims, err := h.login(t, p, back...)
			if errs.CodeOf(err) != c.code {
				t.Fatalf("%+v, %v; want code %s", claims, err, c.code)
			}
			text, hint := errs.PublicText(err)
			for _, leak := range []string{h.URL, clientSecret, "oidc:", "<", "passwd", "169.254"} {
				if strings.Contains(text+hint, leak) {
					t.Errorf("the page would show %q: %s %s", leak, text, hint)
				}
			}
			if strings.Contains(err.Error(), clientSecret) || len(err.Error()) > 2000 {
				t.Errorf("the log would hold %.300s", err)
			}
		})
	}
}

var (
	madeMu sync.Mutex
	made   = map[string]*rsa.PrivateKey{}
)

// keyOf returns the key of a name; making one is slow.
func keyOf(name string) *rsa.PrivateKey {
	madeMu.Lock()
	defer madeMu.Unlock()
	if made[name] == nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		made[name] = key
	}
	return made[name]
}

func serveKeysOf(keys map[string]*rsa.PrivateKey) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { (&hostile{keys: keys}).jwks(w) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"error":"server_error","error_description":"` + clientSecret + `"}`))
	}
}

func answerWith(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func huge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"x":"`))
	for range 64 {
		if _, err := w.Write([]byte(strings.Repeat("x", 64<<10))); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte(`"}`))
}

func TestKeyRotation(t *testing.T) {
	h := newHostile(t)
	p, _ := open(t, settings(h.URL))
	for _, kid := range []string{"k1", "k2", "k3"} {
		if kid != "k1" {
			h.mu.Lock()
			h.rotate(t, kid)
			h.mu.Unlock()
		}
		if _, err := h.login(t, p); err != nil {
			t.Errorf("with key %s: %v", kid, err)
		}
	}
	if n := h.asked["/.well-known/openid-configuration"]; n != 1 {
		t.Errorf("discovery was read %d times", n)
	}
}

func TestSlowProvider(t *testing.T) {
	h := newHostile(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	h.fail["/token"] = func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	p, _ := open(t, settings(h.URL), func(c *sso.ProviderConfig) { c.Timeout = 200 * time.Millisecond })
	if _, err := h.login(t, p); errs.CodeOf(err) != "sso_unavailable" {
		t.Errorf("a provider that never answers: %v", err)
	}
	// A reader who leaves is no failure of the provider.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q, _ := open(t, settings(h.URL))
	if _, _, err := q.Begin(ctx, "/", false); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDiscoveryRecovers(t *testing.T) {
	h := newHostile(t)
	h.fail["/.well-known/openid-configuration"] = status(503)
	now := time.Now()
	p, _ := open(t, settings(h.URL), func(c *sso.ProviderConfig) { c.Now = func() time.Time { return now } })
	if err := p.Discover(t.Context()); errs.CodeOf(err) != "sso_unavailable" {
		t.Errorf("down: %v", err)
	}
	h.mu.Lock()
	delete(h.fail, "/.well-known/openid-configuration")
	h.mu.Unlock()
	if err := p.Discover(t.Context()); err != nil {
		t.Errorf("up again: %v", err)
	}
	now = now.Add(2 * time.Hour)
	if err := p.Discover(t.Context()); err != nil {
		t.Error(err)
	}
	if n := h.asked["/.well-known/openid-configuration"]; n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestPolicyHolds(t *testing.T) {
	h := newHostile(t)
	for name, policy := range map[string]outbound.Policy{
		"loopback is not allowed": {},
		"our own listener":        {AllowLoopback: true, OwnListeners: []netip.AddrPort{netip.MustParseAddrPort(strings.TrimPrefix(h.URL, "http://"))}},
	} {
		p, _ := open(t, settings(h.URL), func(c *sso.ProviderConfig) { c.Outbound.Policy = policy })
		if err := p.Discover(t.Context()); err == nil || h.asked["/.well-known/openid-configuration"] != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClaims(t *testing.T) {
	for name, c := range map[string]struct {
		turn  func(*hostile)
		oidc  func(*config.OIDC)
		check func(sso.Claims) bool
	}{
		"from userinfo": {
			turn: func(h *hostile) {
				h.claims["email"], h.claims["email_verified"], h.claims["name"] = nil, nil, nil
				h.info = map[string]any{"sub": "s-1", "email": "ada@corp.example", "email_verified": "true", "given_name": "Ada", "family_name": "L", "amr": []string{"mfa"}}
			},
			oidc: func(o *config.OIDC) { o.TrustMFA = config.TrustMFAClaims },
			check: func(c sso.Claims) bool {
				return c.Email == "ada@corp.example" && c.EmailVerified && c.Name == "Ada L" && !c.SecondFactor
			},
		},
		"an address and its proof come from one answer": {
			turn: func(h *hostile) {
				h.claims["email"], h.claims["email_verified"] = nil, true
				h.info = map[string]any{"sub": "s-1", "email": "eve@corp.example"}
			},
			check: func(c sso.Claims) bool { return c.Email == "eve@corp.example" && !c.EmailVerified },
		},
		"unverified":                 {turn: func(h *hostile) { h.claims["email_verified"] = false }, check: func(c sso.Claims) bool { return !c.EmailVerified }},
		"unverified as text":         {turn: func(h *hostile) { h.claims["email_verified"] = "false" }, check: func(c sso.Claims) bool { return !c.EmailVerified }},
		"not said":                   {turn: func(h *hostile) { h.claims["email_verified"] = nil }, check: func(c sso.Claims) bool { return !c.EmailVerified }},
		"control characters":         {turn: func(h *hostile) { h.claims["name"] = "A\x1b[31m\n\x00da" }, check: func(c sso.Claims) bool { return c.Name == "A[31mda" }},
		"very long name":             {turn: func(h *hostile) { h.claims["name"] = strings.Repeat("ä", 5000) }, check: func(c sso.Claims) bool { return len([]rune(c.Name)) == 100 }},
		"groups":                     {turn: func(h *hostile) { h.claims["groups"] = []string{"a", "b"} }, oidc: func(o *config.OIDC) { o.GroupsClaim = "groups" }, check: func(c sso.Claims) bool { return c.HasGroups && slices.Equal(c.Groups, []string{"a", "b"}) }},
		"one group":                  {turn: func(h *hostile) { h.claims["groups"] = "a" }, oidc: func(o *config.OIDC) { o.GroupsClaim = "groups" }, check: func(c sso.Claims) bool { return slices.Equal(c.Groups, []string{"a"}) }},
		"groups below":               {turn: func(h *hostile) { h.claims["realm_access"] = map[string]any{"roles": []string{"a"}} }, oidc: func(o *config.OIDC) { o.GroupsClaim = "realm_access.roles" }, check: func(c sso.Claims) bool { return slices.Equal(c.Groups, []string{"a"}) }},
		"groups not asked for":       {turn: func(h *hostile) { h.claims["groups"] = []string{"a"} }, check: func(c sso.Claims) bool { return !c.HasGroups && c.Groups == nil }},
		"second factor, amr":         {turn: func(h *hostile) { h.claims["amr"] = []string{"pwd", "otp"} }, oidc: func(o *config.OIDC) { o.TrustMFA = config.TrustMFAClaims }, check: func(c sso.Claims) bool { return c.SecondFactor }},
		"second factor, acr":         {turn: func(h *hostile) { h.claims["acr"] = "mfa" }, oidc: func(o *config.OIDC) { o.TrustMFA = config.TrustMFAClaims }, check: func(c sso.Claims) bool { return c.SecondFactor }},
		"second factor not believed": {turn: func(h *hostile) { h.claims["amr"] = []string{"mfa"} }, check: func(c sso.Claims) bool { return !c.SecondFactor }},
		"password only":              {turn: func(h *hostile) { h.claims["amr"] = []string{"pwd"} }, oidc: func(o *config.OIDC) { o.TrustMFA = config.TrustMFAClaims }, check: func(c sso.Claims) bool { return !c.SecondFactor }},
		"stated by the operator":     {oidc: func(o *config.OIDC) { o.TrustMFA = config.TrustMFAAlways }, check: func(c sso.Claims) bool { return c.SecondFactor }},
		"when asked":                 {turn: func(h *hostile) { h.claims["auth_time"] = 1_700_000_000 }, check: func(c sso.Claims) bool { return c.AuthenticatedAt.Unix() == 1_700_000_000 }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			if c.turn != nil {
				c.turn(h)
			}
			o := settings(h.URL)
			if c.oidc != nil {
				c.oidc(&o)
			}
			p, _ := open(t, o)
			claims, err := h.login(t, p)
			if err != nil || !c.check(claims) {
				t.Errorf("%+v, %v", claims, err)
			}
		})
	}
}
