package sso

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
)

const (
	defaultTimeout = 10 * time.Second
	maxAnswer      = 1 << 20   // bytes of one answer of the provider
	discoveryLife  = time.Hour // how long a discovery document is believed
	pendingLife    = 10 * time.Minute
)

// algorithms are the signatures that an ID token may carry. None of them can be
// made with anything but the provider's private key.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// ProviderConfig is what a [Provider] needs.
type ProviderConfig struct {
	OIDC config.OIDC
	// Outbound gives the address policy and the ledger; purpose, authorities and
	// TLS version are set here.
	Outbound outbound.Config
	RootCAs  []byte           // PEM, trusted beside the system's
	Redirect string           // absolute address of the callback
	Timeout  time.Duration    // of one request; 0 = 10 s
	Now      func() time.Time // nil = time.Now
}

// Provider talks to the identity provider. It is safe for concurrent use.
type Provider struct {
	cfg      config.OIDC
	redirect string
	now      func() time.Time
	client   *http.Client
	load     singleflight.Group

	mu      sync.Mutex
	known   *discovered
	fetched time.Time
}

// discovered is a provider with what its discovery document adds.
type discovered struct {
	provider *oidc.Provider
	document document
}

// document is the part of a discovery document that is read here.
type document struct {
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Keys          string   `json:"jwks_uri"`
	UserInfo      string   `json:"userinfo_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	StatesIssuer  bool     `json:"authorization_response_iss_parameter_supported"`
	Methods       []string `json:"code_challenge_methods_supported"`
}

// NewProvider checks a configuration. It opens no connection.
func NewProvider(cfg ProviderConfig) (*Provider, error) {
	if !cfg.OIDC.Enabled() || cfg.OIDC.ClientID == "" || cfg.Redirect == "" {
		return nil, errors.New("sso: issuer, client id and redirect address are required")
	}
	out := cfg.Outbound
	out.Purpose, out.MinTLS12, out.RootCAs, out.AllowPlainHTTP = ledger.PurposeOIDC, cfg.OIDC.TLS12, cfg.RootCAs, false
	transport, err := outbound.NewTransport(out)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Provider{cfg: cfg.OIDC, redirect: cfg.Redirect, now: cfg.Now, client: &http.Client{
		Transport: bounded{transport}, Timeout: cfg.Timeout,
		// An answer that leads elsewhere is not followed: nothing that belongs to
		// one address is sent to another.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// bounded names routes for the ledger, bounds answers and drops error pages.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r.WithContext(outbound.WithRoute(r.Context(), r.URL.Path)))
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodGet && resp.StatusCode/100 != 2 {
		// What an error page says is third-party text, and ends in no log.
		err := resp.Body.Close()
		resp.Body, resp.ContentLength = http.NoBody, 0
		return resp, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

var errTooLarge = errors.New("sso: the answer is too large")

type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// Name is what people call the provider.
func (p *Provider) Name() string { return p.cfg.Name }

// Redirect is the absolute address of the callback.
func (p *Provider) Redirect() string { return p.redirect }

// Discover reads the provider's discovery document, at most once an hour. What
// is wrong with it or with the way there is errs.Unavailable, code
// sso_unavailable or one of outbound's.
func (p *Provider) Discover(ctx context.Context) error {
	_, err := p.discover(ctx)
	return err
}

func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	known, fetched := p.known, p.fetched
	p.mu.Unlock()
	if known != nil && p.now().Sub(fetched) < discoveryLife {
		return known, nil
	}
	result := p.load.DoChan("", func() (any, error) {
		// Others wait for the same answer: it does not end with who asked first.
		d, err := p.fetch(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.known, p.fetched = d, p.now()
		return d, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		d, _ := r.Val.(*discovered)
		return d, r.Err
	}
}

func (p *Provider) fetch(ctx context.Context) (*discovered, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.cfg.Issuer)
	if err != nil {
		return nil, p.unavailable(brief(err))
	}
	d := &discovered{provider: provider}
	if err := provider.Claims(&d.document); err != nil {
		return nil, p.unavailable(err)
	}
	plain := strings.HasPrefix(p.cfg.Issuer, "http://") // loopback only, see the settings
	for name, text := range map[string]string{
		"authorization_endpoint": d.document.Authorization, "token_endpoint": d.document.Token, "jwks_uri": d.document.Keys,
		"userinfo_endpoint": d.document.UserInfo, "end_session_endpoint": d.document.EndSession,
	} {
		optional := name == "userinfo_endpoint" || name == "end_session_endpoint"
		if text == "" && optional {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (!plain || u.Scheme != "http") {
			return nil, p.unavailable(fmt.Errorf("the discovery document's %s is not a usable https address", name))
		}
	}
	if len(d.document.Methods) > 0 && !slices.Contains(d.document.Methods, "S256") {
		return nil, p.unavailable(errors.New("the provider does not support PKCE with S256"))
	}
	return d, nil
}

// unavailable keeps what outbound has to say about the network for the operator
// (doctor, the log) and tells a person at the login page only that it failed.
func (p *Provider) unavailable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return errs.Wrap(err, errs.Unavailable, "sso_unavailable", p.cfg.Name+" could not be reached or gave no usable answer.",
		"Try again in a moment. If it stays so, ask whoever runs MetaLens to look at the log, or run metalens doctor.")
}

// brief keeps an error page out of the log, and what our own network layer said.
func brief(err error) error {
	var public *errs.Error
	if errors.As(err, &public) {
		return public
	}
	line, _, _ := strings.Cut(strings.ToValidUTF8(err.Error(), ""), "\n")
	return errors.New(line[:min(len(line), 200)])
}

// Explain turns a failure of [Provider.Discover] into one for the operator: what
// the network layer said, or what is wrong with the document.
func Explain(err error) error {
	var outer *errs.Error
	if !errors.As(err, &outer) || outer.Err == nil {
		return err
	}
	var inner *errs.Error
	if errors.As(outer.Err, &inner) {
		return inner
	}
	return errs.Wrap(err, outer.Kind, outer.Code, outer.Public+" "+outer.Err.Error(), "Compare oidc.issuer with the address that the provider's own discovery document states.")
}

func (p *Provider) oauth(d *discovered) *oauth2.Config {
	endpoint := d.provider.Endpoint()
	// Named, not tried out: a code is good for one try only.
	switch {
	case p.cfg.ClientSecret.IsZero():
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	case len(d.document.AuthMethods) == 0 || slices.Contains(d.document.AuthMethods, "client_secret_basic"):
		endpoint.AuthStyle = oauth2.AuthStyleInHeader
	default:
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	secret := ""
	if !p.cfg.ClientSecret.IsZero() {
		secret = p.cfg.ClientSecret.Expose()
	}
	scopes := []string{oidc.ScopeOpenID, "email", "profile"}
	for _, s := range p.cfg.Scopes {
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return &oauth2.Config{ClientID: p.cfg.ClientID, ClientSecret: secret, Endpoint: endpoint, RedirectURL: p.redirect, Scopes: scopes}
}

// Pending is a login on its way. It is kept where only the browser that began
// it can find it again, and used once.
type Pending struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Next     string    `json:"next,omitempty"`  // where the person was going
	Fresh    bool      `json:"fresh,omitempty"` // a proof is asked of somebody who is logged in
	At       time.Time `json:"at"`
}

// Begin makes a login and the address to send the browser to. A fresh one asks
// the provider to ask the person again.
func (p *Provider) Begin(ctx context.Context, next string, fresh bool) (Pending, string, error) {
	d, err := p.discover(ctx)
	if err != nil {
		return Pending{}, "", err
	}
	pending := Pending{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next, Fresh: fresh, At: p.now().UTC()}
	options := []oauth2.AuthCodeOption{oidc.Nonce(pending.Nonce), oauth2.S256ChallengeOption(pending.Verifier)}
	if fresh {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "60"))
	}
	return pending, p.oauth(d).AuthCodeURL(pending.State, options...), nil
}

// Match finds the login that a callback's state belongs to, and says so only
// while it is young enough.
func (p *Provider) Match(list []Pending, state string) (Pending, bool) {
	for _, one := range list {
		if state != "" && subtle.ConstantTimeCompare([]byte(one.State), []byte(state)) == 1 {
			age := p.now().Sub(one.At)
			return one, age >= 0 && age < pendingLife
		}
	}
	return Pending{}, false
}

// Claims is what the provider says about a person, checked.
type Claims struct {
	Issuer          string
	Subject         string
	Email           string // lower case
	EmailVerified   bool
	Name            string
	Groups          []string
	HasGroups       bool      // the claim was there, if only empty
	SecondFactor    bool      // the login there counts as one, see [config.TrustMFA]
	AuthenticatedAt time.Time // zero when the provider does not say
}

// Finish exchanges the code of a callback and checks everything the provider
// answers. The caller has matched the state already.
func (p *Provider) Finish(ctx context.Context, pending Pending, query url.Values) (Claims, error) {
	if code := query.Get("error"); code != "" {
		// The provider's own description is third-party text and is not shown.
		if code == "access_denied" {
			return Claims{}, errs.New(errs.Unauthorized, "sso_cancelled", "The login at "+p.cfg.Name+" was cancelled or refused.", "Try again, or ask whoever runs "+p.cfg.Name+" whether your account may use MetaLens.")
		}
		return Claims{}, p.refused(fmt.Errorf("the provider answered %.40q", code))
	}
	d, err := p.discover(ctx)
	if err != nil {
		return Claims{}, err
	}
	// RFC 9207: the answer must come from the provider that was asked.
	if iss := query.Get("iss"); iss != "" && iss != p.cfg.Issuer || iss == "" && d.document.StatesIssuer {
		return Claims{}, p.refused(errors.New("the callback names another issuer"))
	}
	code := query.Get("code")
	if code == "" || len(code) > 4096 {
		return Claims{}, p.refused(errors.New("the callback has no code"))
	}
	ctx = oidc.ClientContext(ctx, p.client)
	answer, err := p.oauth(d).Exchange(ctx, code, oauth2.VerifierOption(pending.Verifier))
	if err != nil {
		var refusal *oauth2.RetrieveError
		if errors.As(err, &refusal) && refusal.Response != nil && refusal.Response.StatusCode/100 == 4 {
			return Claims{}, p.refused(fmt.Errorf("exchange the code: status %d, %.40q", refusal.Response.StatusCode, refusal.ErrorCode))
		}
		return Claims{}, p.unavailable(withoutBody(err))
	}
	raw, ok := answer.Extra("id_token").(string)
	if !ok || raw == "" {
		return Claims{}, p.refused(errors.New("the provider gave no ID token"))
	}
	idToken, err := d.provider.Verifier(&oidc.Config{ClientID: p.cfg.ClientID, SupportedSigningAlgs: algorithms, Now: p.now}).Verify(ctx, raw)
	if err != nil {
		return Claims{}, p.refused(err)
	}
	if err := p.checkToken(pending, idToken, answer.AccessToken); err != nil {
		return Claims{}, p.refused(err)
	}
	return p.claims(ctx, d, idToken, answer)
}

// checkToken checks what the library leaves to its callers.
func (p *Provider) checkToken(pending Pending, t *oidc.IDToken, accessToken string) error {
	var more struct {
		AZP string `json:"azp"`
	}
	if err := t.Claims(&more); err != nil {
		return err
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(pending.Nonce)) != 1:
		return errors.New("the ID token's nonce is not the one that was sent")
	case t.Subject == "" || len(t.Subject) > 255:
		return errors.New("the ID token has no usable subject")
	case len(t.Audience) > 1 && more.AZP == "", more.AZP != "" && more.AZP != p.cfg.ClientID:
		return errors.New("the ID token was issued for another client")
	case t.IssuedAt.After(p.now().Add(5 * time.Minute)):
		return errors.New("the ID token was issued in the future")
	}
	if t.AccessTokenHash != "" {
		return t.VerifyAccessToken(accessToken)
	}
	return nil
}

// claims reads what the provider says about the person, from the ID token and,
// where that is short, from the userinfo endpoint.
func (p *Provider) claims(ctx context.Context, d *discovered, t *oidc.IDToken, answer *oauth2.Token) (Claims, error) {
	own := map[string]json.RawMessage{}
	if err := t.Claims(&own); err != nil {
		return Claims{}, p.refused(err)
	}
	_, hasGroups := find(own, p.cfg.GroupsClaim)
	if d.document.UserInfo != "" && (own["email"] == nil || own["email_verified"] == nil || p.cfg.GroupsClaim != "" && !hasGroups) {
		info, err := d.provider.UserInfo(outbound.WithKeyID(ctx, "oidc-access-token"), oauth2.StaticTokenSource(answer))
		if err != nil {
			return Claims{}, p.unavailable(withoutBody(err))
		}
		if info.Subject != t.Subject {
			return Claims{}, p.refused(errors.New("the userinfo endpoint speaks of somebody else"))
		}
		more := map[string]json.RawMessage{}
		if err := info.Claims(&more); err != nil {
			return Claims{}, p.refused(err)
		}
		// An address and whether it is verified belong together: both from the
		// same answer.
		if own["email"] == nil || own["email_verified"] == nil {
			delete(own, "email")
			delete(own, "email_verified")
		}
		for k, v := range more {
			if own[k] == nil && !slices.Contains([]string{"amr", "acr", "auth_time"}, k) {
				own[k] = v
			}
		}
	}
	c := Claims{
		Issuer: t.Issuer, Subject: t.Subject, Email: strings.ToLower(strings.TrimSpace(text(own["email"]))),
		EmailVerified: truth(own["email_verified"]), Name: clean(text(own["name"])),
	}
	if c.Name == "" {
		c.Name = clean(strings.TrimSpace(text(own["given_name"]) + " " + text(own["family_name"])))
	}
	if raw, ok := find(own, p.cfg.GroupsClaim); ok {
		c.Groups, c.HasGroups = texts(raw), true
	}
	var seconds float64
	if json.Unmarshal(own["auth_time"], &seconds) == nil && seconds > 0 {
		c.AuthenticatedAt = time.Unix(int64(seconds), 0).UTC()
	}
	switch p.cfg.TrustMFA {
	case config.TrustMFAAlways:
		c.SecondFactor = true
	case config.TrustMFAClaims:
		said := append(texts(own["amr"]), text(own["acr"]))
		c.SecondFactor = slices.ContainsFunc(p.cfg.MFAValues, func(v string) bool { return v != "" && slices.Contains(said, v) })
	}
	return c, nil
}

// refused is the answer to whatever does not hold: the person learns that the
// login failed, the log why.
func (p *Provider) refused(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return errs.Wrap(err, errs.Unauthorized, "sso_refused", "The answer of "+p.cfg.Name+" could not be accepted.",
		"Start the login again. If it fails again, whoever runs MetaLens finds the reason in the log.")
}

// withoutBody keeps what a provider wrote out of our log: an error page may
// repeat what was sent.
func withoutBody(err error) error {
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) && refusal.Response != nil {
		return fmt.Errorf("the provider answered with status %d", refusal.Response.StatusCode)
	}
	var public *errs.Error
	if errors.As(err, &public) {
		return public
	}
	return errors.New("the provider's answer is unusable")
}

// EndSession returns where to send a browser to log out at the provider; ok is
// false when that offers none.
func (p *Provider) EndSession(ctx context.Context, back string) (address string, ok bool, err error) {
	d, err := p.discover(ctx)
	if err != nil || d.document.EndSession == "" {
		return "", false, err
	}
	u, err := url.Parse(d.document.EndSession)
	if err != nil {
		return "", false, p.unavailable(err)
	}
	q := u.Query()
	q.Set("client_id", p.cfg.ClientID)
	q.Set("post_logout_redirect_uri", back)
	u.RawQuery = q.Encode()
	return u.String(), true, nil
}

// find looks a claim up by name, or by a path of names joined by dots.
func find(claims map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	if name == "" {
		return nil, false
	}
	if raw, ok := claims[name]; ok {
		return raw, true
	}
	head, rest, nested := strings.Cut(name, ".")
	if !nested {
		return nil, false
	}
	inner := map[string]json.RawMessage{}
	if json.Unmarshal(claims[head], &inner) != nil {
		return nil, false
	}
	return find(inner, rest)
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// texts reads a list of texts, or one text.
func texts(raw json.RawMessage) []string {
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	if s := text(raw); s != "" {
		return []string{s}
	}
	return nil
}

// truth reads true and, as some providers write it, "true".
func truth(raw json.RawMessage) bool {
	var b bool
	return json.Unmarshal(raw, &b) == nil && b || text(raw) == "true"
}

// clean makes a name of third-party text.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > maxName {
		s = string(runes[:maxName])
	}
	return strings.TrimSpace(s)
}

const maxName = 100
