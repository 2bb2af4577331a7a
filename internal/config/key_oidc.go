package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/secret"
)

// OIDC is single sign-on at an identity provider.
type OIDC struct {
	Issuer       string // exactly as the provider states it; empty = off
	ClientID     string
	ClientSecret secret.Value // empty for a public client
	Name         string       // what the button says: Continue with …
	Scopes       []string     // asked for beside openid, email and profile
	Organization string       // id that new members join; empty = the only one
	// AllowedDomains may join without an invitation; empty = nobody.
	AllowedDomains []string
	DefaultRole    string // of those who join so: viewer, editor, admin
	GroupsClaim    string // claim that lists groups; empty = roles do not follow groups
	RoleMap        []RoleRule
	TrustMFA       TrustMFA
	MFAValues      []string // amr or acr values that count as a second factor
	CAFile         string
	TLS12          bool
}

// RoleRule gives the members of a group a role.
type RoleRule struct {
	Group string
	Role  string // viewer, editor, admin
}

// TrustMFA says when a login at the provider counts as a second factor.
type TrustMFA string

// The values of a [TrustMFA].
const (
	TrustMFANever  TrustMFA = "never"  // the second factor is asked for here
	TrustMFAClaims TrustMFA = "claims" // when amr or acr says so
	TrustMFAAlways TrustMFA = "always" // the operator states that the provider asks for one
)

// Enabled reports whether single sign-on is set up.
func (o OIDC) Enabled() bool { return o.Issuer != "" }

// Check refuses settings that belong together and are not.
func (o OIDC) Check() error {
	switch {
	case !o.Enabled() && (o.ClientID != "" || !o.ClientSecret.IsZero()):
		return invalid("oidc_incomplete", "A client for single sign-on is set, but no issuer.", "Set oidc.issuer to the address of the identity provider, as its discovery document states it.")
	case o.Enabled() && o.ClientID == "":
		return invalid("oidc_incomplete", "Single sign-on needs a client id.", "Register MetaLens at the identity provider and set oidc.client_id.")
	case len(o.RoleMap) > 0 && o.GroupsClaim == "":
		return invalid("oidc_incomplete", "Groups are given roles, but not which claim lists the groups.", "Set oidc.groups_claim, often groups or roles.")
	}
	return nil
}

func defaultOIDC() OIDC {
	return OIDC{Name: "single sign-on", DefaultRole: "viewer", TrustMFA: TrustMFANever, MFAValues: []string{"mfa", "otp", "hwk", "pop", "sc", "fido"}}
}

func oidcKeys() []Key {
	return []Key{
		{
			Name: "oidc.issuer", Env: []string{"METALENS_OIDC_ISSUER"},
			Help: "address of the identity provider, exactly as its discovery document states it; empty = no single sign-on",
			set:  func(c *Config, v string) error { return setIssuer(&c.OIDC.Issuer, v) },
			show: func(c *Config) string { return c.OIDC.Issuer },
		},
		{
			Name: "oidc.client_id", Env: []string{"METALENS_OIDC_CLIENT_ID"},
			Help: "how MetaLens is registered there; its redirect address is server.public_url with /login/sso/callback",
			set:  func(c *Config, v string) error { c.OIDC.ClientID = v; return nil },
			show: func(c *Config) string { return c.OIDC.ClientID },
		},
		{
			Name: "oidc.client_secret", Env: []string{"METALENS_OIDC_CLIENT_SECRET"}, Secret: true,
			Help: "secret of that registration; empty for a public client",
			set:  func(c *Config, v string) error { return setToken(&c.OIDC.ClientSecret, v) },
			show: func(c *Config) string { return showSecret(c.OIDC.ClientSecret) },
		},
		{
			Name: "oidc.name", Env: []string{"METALENS_OIDC_NAME"},
			Help: "name on the login page's button: Continue with …",
			set:  func(c *Config, v string) error { return setLabel(&c.OIDC.Name, v) },
			show: func(c *Config) string { return c.OIDC.Name },
		},
		{
			Name: "oidc.scopes", Env: []string{"METALENS_OIDC_SCOPES"},
			Help: "scopes to ask for beside openid, email and profile, comma separated: groups, …",
			set:  func(c *Config, v string) error { c.OIDC.Scopes = list(v); return nil },
			show: func(c *Config) string { return strings.Join(c.OIDC.Scopes, ",") },
		},
		{
			Name: "oidc.organization", Env: []string{"METALENS_OIDC_ORGANIZATION"},
			Help: "id of the organization that people join by single sign-on; empty = the only one",
			set:  func(c *Config, v string) error { c.OIDC.Organization = v; return nil },
			show: func(c *Config) string { return c.OIDC.Organization },
		},
		{
			Name: "oidc.allowed_domains", Env: []string{"METALENS_OIDC_ALLOWED_DOMAINS"},
			Help: "domains of e-mail addresses that may join without an invitation, comma separated; empty = nobody",
			set:  func(c *Config, v string) error { return setDomains(&c.OIDC.AllowedDomains, v) },
			show: func(c *Config) string { return strings.Join(c.OIDC.AllowedDomains, ",") },
		},
		{
			Name: "oidc.default_role", Env: []string{"METALENS_OIDC_DEFAULT_ROLE"},
			Help: "viewer, editor or admin: role of those who join so, and of members in no mapped group",
			set:  func(c *Config, v string) error { return setOneOf(&c.OIDC.DefaultRole, v, "viewer", "editor", "admin") },
			show: func(c *Config) string { return c.OIDC.DefaultRole },
		},
		{
			Name: "oidc.groups_claim", Env: []string{"METALENS_OIDC_GROUPS_CLAIM"},
			Help: "claim that lists a person's groups; empty = roles do not follow groups",
			set:  func(c *Config, v string) error { c.OIDC.GroupsClaim = v; return nil },
			show: func(c *Config) string { return c.OIDC.GroupsClaim },
		},
		{
			Name: "oidc.role_map", Env: []string{"METALENS_OIDC_ROLE_MAP"},
			Help: "roles by group, comma separated: data-admins=admin,analysts=editor; set at each login, owners are never changed",
			set:  func(c *Config, v string) error { return setRoleMap(&c.OIDC.RoleMap, v) },
			show: func(c *Config) string { return showRoleMap(c.OIDC.RoleMap) },
		},
		{
			Name: "oidc.trust_mfa", Env: []string{"METALENS_OIDC_TRUST_MFA"},
			Help: "never, claims or always: when a login there counts as a second factor; claims = when amr or acr says so",
			set: func(c *Config, v string) error {
				text := string(c.OIDC.TrustMFA)
				err := setOneOf(&text, v, string(TrustMFANever), string(TrustMFAClaims), string(TrustMFAAlways))
				c.OIDC.TrustMFA = TrustMFA(text)
				return err
			},
			show: func(c *Config) string { return string(c.OIDC.TrustMFA) },
		},
		{
			Name: "oidc.mfa_values", Env: []string{"METALENS_OIDC_MFA_VALUES"},
			Help: "values of amr or acr that count as a second factor, comma separated",
			set:  func(c *Config, v string) error { c.OIDC.MFAValues = list(v); return nil },
			show: func(c *Config) string { return strings.Join(c.OIDC.MFAValues, ",") },
		},
		{
			Name: "oidc.ca_file", Env: []string{"METALENS_OIDC_CA_FILE"}, Path: true,
			Help: "PEM file of a certificate authority to trust for the identity provider",
			set:  func(c *Config, v string) error { return setPath(&c.OIDC.CAFile, v) },
			show: func(c *Config) string { return c.OIDC.CAFile },
		},
		{
			Name: "oidc.tls12", Env: []string{"METALENS_OIDC_TLS12"},
			Help: "accept TLS 1.2 from the identity provider",
			set:  func(c *Config, v string) error { return setBool(&c.OIDC.TLS12, v) },
			show: func(c *Config) string { return strconv.FormatBool(c.OIDC.TLS12) },
		},
	}
}

// list takes a comma separated text apart.
func list(v string) []string {
	var out []string
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}

// setIssuer keeps the text as it is: the provider's own must equal it to the
// last slash.
func setIssuer(to *string, v string) error {
	var checked string
	if err := setHTTPURL(&checked, v); err != nil {
		return err
	}
	if u, err := url.Parse(v); err == nil && u.Scheme == "http" && !onLoopback(u.Hostname()+":0") {
		return errors.New("is not an https:// address")
	}
	*to = v
	return nil
}

func setLabel(to *string, v string) error {
	if v == "" || len(v) > 60 || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("is not a name of 1 to 60 characters")
	}
	*to = v
	return nil
}

func setDomains(to *[]string, v string) error {
	domains := list(strings.ToLower(v))
	for _, d := range domains {
		if !strings.Contains(d, ".") || strings.ContainsAny(d, "@/:* ") || strings.HasPrefix(d, ".") {
			return fmt.Errorf("has %q, which is not a domain like example.com", d)
		}
	}
	*to = domains
	return nil
}

func setRoleMap(to *[]RoleRule, v string) error {
	var rules []RoleRule
	for _, part := range list(v) {
		i := strings.LastIndexByte(part, '=')
		if i <= 0 {
			return fmt.Errorf("has %q, which is not group=role", part)
		}
		r := RoleRule{Group: strings.TrimSpace(part[:i])}
		if err := setOneOf(&r.Role, strings.TrimSpace(part[i+1:]), "viewer", "editor", "admin"); err != nil {
			return fmt.Errorf("gives %q a role that %w; an owner is made by an owner", r.Group, err)
		}
		rules = append(rules, r)
	}
	*to = rules
	return nil
}

func showRoleMap(rules []RoleRule) string {
	parts := make([]string, 0, len(rules))
	for _, r := range rules {
		parts = append(parts, r.Group+"="+r.Role)
	}
	return strings.Join(parts, ",")
}
